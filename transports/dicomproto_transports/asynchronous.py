"""The application entity of the asynchronous flavours.

Their association is `entity.association.Association`, whose methods are coroutines. The result of `associate`
can be awaited or entered.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec

from . import evt
from .arguments import Context
from .entity.acceptor import ServerCore
from .entity.ae import Requestor
from .entity.association import Association
from .entity.base_entity import Entity, StreamServer, in_its_place
from .error_text import known_as
from .server.connections import MAXIMUM_PENDING
from .server.tasks import Server
from .streams.event_loop import Library, refuse_with
from .streams.listening import ListenOn
from .streams.supplied import check_backend

if TYPE_CHECKING:
    from dicomproto.negotiation import SupportedContext

    from .association.session import Session
    from .checks import Network
    from .streams.interface import Backend
    from .tls import Context as TLSContext

P = ParamSpec("P")


class Associating:
    """An association to be requested by `await` or `async with`.

    The end of the block releases the association; an exception or a cancellation aborts it.
    """

    def __init__(self, opening: Coroutine[Any, Any, Session]) -> None:
        self._opening = opening
        self._association: Association | None = None

    if not TYPE_CHECKING:  # a checker finds the mistake by itself

        def __enter__(self) -> NoReturn:
            self._opening.close()
            refuse_with("associate")

        def __exit__(self, *error: object) -> None:
            """Exists so that Python calls `__enter__`."""

    def __await__(self) -> Generator[Any, Any, Association]:
        association = (yield from self._opening.__await__()).association
        assert isinstance(association, Association)
        return association

    async def __aenter__(self) -> Association:
        self._association = await self
        return self._association

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._association is not None
        await self._association.__aexit__(kind, error, traceback)


def _awaitable(
    original: Callable[Concatenate[Requestor, P], Coroutine[Any, Any, Session]],
) -> Callable[Concatenate[AsyncAE, P], Associating]:
    @wraps(original)
    def associate(self: AsyncAE, /, *args: P.args, **kwargs: P.kwargs) -> Associating:
        return Associating(original(Requestor(self, self.connecting(self.backend)), *args, **kwargs))

    return associate


def _served(
    original: Callable[Concatenate[StreamServer, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[AsyncAE, P], Coroutine[Any, Any, None]]:
    @wraps(original)
    async def serve_stream(self: AsyncAE, /, *args: P.args, **kwargs: P.kwargs) -> None:
        await original(self.stream_server(self.backend), *args, **kwargs)

    return serve_stream


class AsyncAE(Entity):
    __doc__ = Entity.__doc__

    backend: Backend
    """The backend that connects and waits. A subclass may have its own."""

    @in_its_place(_awaitable(Requestor.associate))
    def associate(self) -> None: ...

    @in_its_place(_served(StreamServer.serve_stream))
    def serve_stream(self) -> None: ...

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "backend" in vars(cls):
            check_backend(cls.backend, f"{cls.__name__}.backend")

    if not TYPE_CHECKING:  # with it, a checker would allow any name to be set

        def __setattr__(self, name: str, value: object) -> None:
            if name == "backend":
                check_backend(value, f"{type(self).__name__}.backend")
            super().__setattr__(name, value)


@known_as("AE")
class LibraryAE(AsyncAE):
    __doc__ = AsyncAE.__doc__

    library: Library

    def start_server(
        self,
        address: ListenOn,
        *,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        ssl_context: TLSContext | None = None,
        proxy_protocol_from: Network | Iterable[Network] = (),
        reuse_port: bool = False,
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> Server:
        """Return a server that listens on (host, port), to be entered with `async with`.

        Port 0 lets the system choose one; "" or "::" as host is all addresses, IPv6 and IPv4. In place of an
        address there may be a stream socket or a list of them, which the server owns from then on.
        `reuse_port` sets SO_REUSEPORT, so that several processes may listen there.

        `ae_title` and `contexts` replace those of this entity. `ssl_context` adds TLS. Connections from the
        networks `proxy_protocol_from` must begin with a header of the PROXY protocol, which names their
        source. At most `maximum_pending` connections without an association are kept. Raises OSError,
        ValueError for a network or socket that is not valid, and LocalProtocolError if no context is
        supported.
        """
        return Server(
            ServerCore(self, evt_handlers, ae_title, contexts, ssl_context, proxy_protocol_from),
            address,
            backend=self.backend,
            library=self.library,
            maximum_pending=maximum_pending,
            reuse_port=reuse_port,
        )
