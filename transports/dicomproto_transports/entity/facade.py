"""What the application entities of all flavours have in common.

A flavour shows the coroutines of `Requestor` and `StreamServer` as methods of its `AE`, with their signatures
and docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from ..association.holding import Holding
from ..server.places import Places
from ..streams.supplied import check_stream
from ..words import known_as
from .acceptor import ServerCore
from .ae import AECore

if TYPE_CHECKING:
    from dicomproto.negotiation import SupportedContext

    from ..arguments import Context
    from ..events.handlers import Binding
    from ..streams.interface import Backend, Stream
    from ..tls import Context as TLSContext

F = TypeVar("F")


def in_its_place(made: F) -> Callable[[object], F]:
    """Return a decorator that puts `made` in the place of a method, whose name type checkers then know."""

    def decorate(_: object) -> F:
        return made

    return decorate


class Entity(AECore):
    __doc__ = AECore.__doc__

    _served: tuple[Places, Holding]
    """What the streams hold that are being served: all count together."""


@known_as("AE")
class StreamServer:
    """What serves streams for an application entity, whoever accepted them."""

    def __init__(self, ae: Entity, backend: Backend) -> None:
        self._ae = ae
        self._backend = backend

    async def serve_stream(
        self,
        stream: Stream,
        *,
        evt_handlers: Iterable[Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        ssl_context: TLSContext | None = None,
    ) -> None:
        """Serve one association over a stream that you accepted, to its end, and close the stream.

        What holds for servers holds here: settings, contexts, handlers and limits. The streams that one
        application entity serves at a time count together, as the associations of one server.
        `allowed_networks` judges `Stream.peer_address`; a stream without an address lies in no network. An
        association that is idle does not give way (`give_way_after`). `ae_title` and `contexts` replace those
        of this entity, and `ssl_context` lays TLS over the stream.

        How an association ends is logged, and its handlers are told; nothing is raised but a cancellation.
        Raises TypeError for what is no `Stream`, and LocalProtocolError if nothing is supported, before
        anything is done.
        """
        check_stream(stream, "serve_stream()")
        places, holding = vars(self._ae).setdefault("_served", (Places(), Holding()))
        core = ServerCore(
            self._ae, evt_handlers, ae_title, contexts, ssl_context, places=places, holding=holding
        )
        await core.serve_stream(stream, self._backend)
