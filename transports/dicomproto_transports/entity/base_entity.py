"""The common base of the application entities of all flavours.

A flavour makes the coroutines of `Requestor` and `StreamServer` methods of its `AE`, with their signatures
and docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from ..association.held_bytes import HeldBytes
from ..error_text import known_as
from ..server.places import Places
from ..streams.supplied import check_stream
from .ae import AECore

if TYPE_CHECKING:
    from dicomproto.config import Limits, Timeouts
    from dicomproto.negotiation import SupportedContext

    from ..arguments import Context
    from ..events.handlers import Binding
    from ..streams.interface import Backend, Connect, Stream
    from ..tls import Context as TLSContext

F = TypeVar("F")


def in_its_place(made: F) -> Callable[[object], F]:
    """Return a decorator that puts `made` in the place of a method, whose name type checkers then know."""

    def decorate(_: object) -> F:
        return made

    return decorate


@known_as("AE")
class Entity(AECore):
    __doc__ = AECore.__doc__

    _served: tuple[Places, HeldBytes]
    """The limits of all streams served by `serve_stream`, which count together."""

    def __init__(
        self,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connect: Connect | None = None,
    ) -> None:
        super().__init__(ae_title, limits=limits, timeouts=timeouts, connect=connect)
        vars(self).update(_served=(Places(), HeldBytes()))

    def stream_server(self, backend: Backend) -> StreamServer:
        """Return a server for the streams that the program accepted."""
        return StreamServer(self, backend, *self._served)


@known_as("AE")
class StreamServer:
    """Serves streams for an application entity that its user accepted."""

    def __init__(self, ae: Entity, backend: Backend, places: Places, held_bytes: HeldBytes) -> None:
        self._ae = ae
        self._backend = backend
        self._places = places
        self._held_bytes = held_bytes

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

        Settings, contexts, handlers and limits are those of a server. The streams that one application entity
        serves at a time count together, as the associations of one server. `allowed_networks` is compared
        with `Stream.peer_address`; a stream without an address is in no network. `give_way_after` does not
        apply. `ae_title` and `contexts` replace those of this entity; `ssl_context` adds TLS to the stream.

        The end of the association is logged, and its handlers run; only a cancellation is raised. Raises
        TypeError for an object that is not a `Stream` or is one of another flavour, TypeError or ValueError
        for another argument that is not valid, and LocalProtocolError if no context is supported. These
        are raised before the stream is used: it stays open, and it is for you to close.
        """
        from .acceptor import ServerCore  # not before: most application entities serve nobody

        check_stream(stream, "serve_stream()", self._backend)
        core = ServerCore(
            self._ae,
            evt_handlers,
            ae_title,
            contexts,
            ssl_context,
            places=self._places,
            held_bytes=self._held_bytes,
        )
        await core.serve_stream(stream, self._backend)
