"""What the application entities of all flavours have in common.

A flavour shows the coroutines of the high level under the names, signatures and docstrings of the originals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ..association.holding import Holding
from ..server.places import Places
from ..streams.supplied import check_stream
from .acceptor import ServerCore
from .ae import AECore

if TYPE_CHECKING:
    from dicomproto.negotiation import SupportedContext

    from ..arguments import Context
    from ..events.handlers import Binding
    from ..streams.interface import Backend, Stream
    from ..tls import Context as TLSContext

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=AECore)

Original = Callable[Concatenate[A, "Backend", P], Coroutine[Any, Any, T]]
"""A coroutine function of the high level, which takes the backend of the flavour."""


class Entity(AECore):
    __doc__ = AECore.__doc__

    _served: tuple[Places, Holding]
    """What the streams hold that are being served: all count together."""

    async def accept_session(
        self,
        backend: Backend,
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
        places, holding = vars(self).setdefault("_served", (Places(), Holding()))
        core = ServerCore(self, evt_handlers, ae_title, contexts, ssl_context, places=places, holding=holding)
        await core.serve_stream(stream, backend)


def named(
    name: str, original: Callable[..., object]
) -> Callable[[Callable[Concatenate[A, P], T]], Callable[Concatenate[A, P], T]]:
    """Give a method the documentation of the original, and its signature without the backend.

    The original goes by the same name, so that Python tells of wrong arguments under it.
    """
    signature = inspect.signature(original)
    shown = [parameter for parameter in signature.parameters.values() if parameter.name != "backend"]

    def decorate(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
        method = update_wrapper(method, original)
        method.__name__ = name
        method.__qualname__ = original.__qualname__ = f"AE.{name}"
        vars(method)["__signature__"] = inspect.Signature(shown)
        return method

    return decorate
