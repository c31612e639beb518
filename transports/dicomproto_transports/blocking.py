"""The blocking flavour: plain calls, one thread per association in a server.

The high level is written as coroutines; `streams/blocking_waits.py` runs them as plain calls.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)
from weakref import WeakSet

from . import evt
from .arguments import Context
from .checks import checked, truth
from .entity.ae import Requestor
from .entity.association import Association as Coroutines
from .entity.base_association import BaseAssociation
from .entity.base_entity import Entity, StreamServer, in_its_place
from .files.objects import KnownFile
from .files.part10 import InvalidFile, NotPart10, TruncatedFile
from .logs import debug_logger
from .scu.responses import Responses as CoreResponses
from .scu.store_many import StoreOutcome
from .server.connections import MAXIMUM_PENDING
from .streams.blocking_waits import BACKEND, run, wrap_stream
from .streams.listening import systemd_sockets

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.config import Limits, Timeouts
    from dicomproto.dimse.commands import Response
    from dicomproto.negotiation import SupportedContext

    from .association.handler_runner import Drive
    from .association.session import Session
    from .checks import Network
    from .server.threaded import Server
    from .streams.interface import Connect
    from .streams.listening import ListenOn
    from .tls import Context as TLSContext

__all__ = [
    "AE", "Association", "BACKEND", "InvalidFile", "Iterating", "KnownFile", "NotPart10", "Responses",
    "Server", "StoreOutcome", "TruncatedFile", "debug_logger", "evt", "run",
    "systemd_sockets", "wrap_stream",
]  # fmt: skip

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
R = TypeVar("R", bound="Response")


def __getattr__(name: str) -> object:
    """Import `Server`, and all that serves, at its first use: a requestor needs none of it."""
    if name != "Server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .server.threaded import Server

    globals()[name] = Server
    return Server


def __dir__() -> list[str]:
    return sorted({*globals(), "Server"})


class _Iterating(Protocol[T_co]):
    """The iterators of the flavours with `async for`."""

    async def __anext__(self) -> T_co: ...
    async def close(self) -> None: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def _blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Association, P], T]:
    @wraps(method)
    def call(self: Association, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self, *args, **kwargs))

    return call


class Iterating(Generic[T]):
    """An iterator over results, and a context manager.

    If it is left early, it is closed at the end of its block or before the next call of the association.
    """

    def __init__(self, core: _Iterating[T]) -> None:
        self._core = core

    def __repr__(self) -> str:
        return repr(self._core)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return run(self._core.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the iteration: outstanding operations are cancelled or awaited."""
        run(self._core.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run(self._core.__aexit__(kind, error, traceback))


class Responses(Iterating[tuple[R, "Dataset | None"]], Generic[R]):
    """The responses to one C-FIND, C-GET or C-MOVE, each with its identifier or None; the last one is final.

    In `for status, identifier in responses`, `status` is the response, with its `Status`, and is always true.
    If the iteration is left early, the operation is cancelled and its responses drained, at the end of the
    block or before the next call.
    """

    _core: CoreResponses[R]

    @property
    def message_id(self) -> int:
        """The Message ID of the request."""
        return self._core.message_id

    @property
    def is_over(self) -> bool:
        """Whether the final response has come, or the association has ended."""
        return self._core.is_over

    def encoded(self) -> Iterator[tuple[R, bytes | None]]:
        """Return the responses from here on with their identifiers as they came.

        Identifiers are `bytes` in the context's transfer syntax, or None; nothing checks them.
        """
        core = self._core.encoded()
        try:
            while True:
                yield run(core.__anext__())
        except StopAsyncIteration:
            pass

    def cancel(self) -> None:
        """Send C-CANCEL; further responses may come, up to the final one (PS3.7 9.3.2.3)."""
        run(self._core.cancel())


def _iterating(
    method: Callable[Concatenate[Any, P], _Iterating[T]],
) -> Callable[Concatenate[Association, P], Iterating[T]]:
    @wraps(method)
    def call(self: Association, /, *args: P.args, **kwargs: P.kwargs) -> Iterating[T]:
        return Iterating(method(self, *args, **kwargs))

    return call


def _answered(
    method: Callable[Concatenate[Any, P], CoreResponses[R]],
) -> Callable[Concatenate[Association, P], Responses[R]]:
    @wraps(method)
    def call(self: Association, /, *args: P.args, **kwargs: P.kwargs) -> Responses[R]:
        return Responses(run(method(self, *args, **kwargs).begin()))

    return call


class Association(BaseAssociation):
    """One association; `AE.associate` returns the requestor's, `event.assoc` is that of a handler.

    As a context manager it is released at the end of the block, or aborted by an exception.
    """

    @in_its_place(_blocking(Coroutines.send_c_echo))
    def send_c_echo(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_c_store))
    def send_c_store(self) -> None: ...

    @in_its_place(_iterating(Coroutines.store_many))
    def store_many(self) -> None: ...

    @in_its_place(_answered(Coroutines.send_c_find))
    def send_c_find(self) -> None: ...

    @in_its_place(_answered(Coroutines.send_c_get))
    def send_c_get(self) -> None: ...

    @in_its_place(_answered(Coroutines.send_c_move))
    def send_c_move(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_c_cancel))
    def send_c_cancel(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_event_report))
    def send_n_event_report(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_get))
    def send_n_get(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_set))
    def send_n_set(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_action))
    def send_n_action(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_create))
    def send_n_create(self) -> None: ...

    @in_its_place(_blocking(Coroutines.send_n_delete))
    def send_n_delete(self) -> None: ...

    @in_its_place(_blocking(Coroutines.serve))
    def serve(self) -> None: ...

    @in_its_place(_blocking(Coroutines.release))
    def release(self) -> None: ...

    @in_its_place(_blocking(Coroutines.abort))
    def abort(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    @in_its_place(_blocking(Coroutines.__aexit__))
    def __exit__(self, *_: object) -> None: ...


def _opened(
    original: Callable[Concatenate[Requestor, P], Coroutine[Any, Any, Session]],
) -> Callable[Concatenate[AE, P], Association]:
    @wraps(original)
    def associate(self: AE, /, *args: P.args, **kwargs: P.kwargs) -> Association:
        opening = original(Requestor(self, self.connecting(BACKEND)), *args, **kwargs)
        association = run(opening).association
        assert isinstance(association, Association)
        return association

    return associate


def _served(
    original: Callable[Concatenate[StreamServer, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[AE, P], None]:
    @wraps(original)
    def serve_stream(self: AE, /, *args: P.args, **kwargs: P.kwargs) -> None:
        run(original(self.stream_server(BACKEND), *args, **kwargs))

    return serve_stream


class AE(Entity):
    __doc__ = Entity.__doc__

    drive: Drive | None = staticmethod(run)

    _servers: WeakSet[Server]

    def __init__(
        self,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connect: Connect | None = None,
    ) -> None:
        super().__init__(ae_title, limits=limits, timeouts=timeouts, connect=connect)
        vars(self).update(_servers=WeakSet())

    @in_its_place(_opened(Requestor.associate))
    def associate(self) -> None: ...

    @in_its_place(_served(StreamServer.serve_stream))
    def serve_stream(self) -> None: ...

    def make_association(self, session: Session) -> Association:
        """Return the association object of a session."""
        return Association(session, self)

    @overload
    def start_server(
        self,
        address: ListenOn,
        block: Literal[True] = True,
        ssl_context: TLSContext | None = None,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        *,
        proxy_protocol_from: Network | Iterable[Network] = (),
        reuse_port: bool = False,
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> None: ...

    @overload
    def start_server(
        self,
        address: ListenOn,
        block: Literal[False],
        ssl_context: TLSContext | None = None,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        *,
        proxy_protocol_from: Network | Iterable[Network] = (),
        reuse_port: bool = False,
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> Server: ...

    def start_server(
        self,
        address: ListenOn,
        block: bool = True,
        ssl_context: TLSContext | None = None,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        *,
        proxy_protocol_from: Network | Iterable[Network] = (),
        reuse_port: bool = False,
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> Server | None:
        """Listen on (host, port) and serve, with a thread for each association.

        With `block` the caller's thread accepts until `shutdown` or Ctrl-C; without, a new thread accepts,
        and the server is returned. Port 0 lets the system choose one; "" or "::" as host is all addresses,
        IPv6 and IPv4. In place of an address there may be a stream socket or a list of them, which the server
        owns from then on. `reuse_port` sets SO_REUSEPORT, so that several processes may listen there.

        `ae_title` and `contexts` replace those of this entity. `ssl_context` adds TLS. Connections from the
        networks `proxy_protocol_from` must begin with a header of the PROXY protocol, which names their
        source. At most `maximum_pending` connections without an association are kept. Raises OSError,
        ValueError for a network or socket that is not valid, and LocalProtocolError if no context is
        supported.
        """
        from .entity.acceptor import ServerCore
        from .server.threaded import Server

        checked("block", truth, block)
        core = ServerCore(self, evt_handlers, ae_title, contexts, ssl_context, proxy_protocol_from)
        server = Server(core, address, maximum_pending=maximum_pending, reuse_port=reuse_port)
        self._servers.add(server)
        if not block:
            server.start()
            return server
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        return None

    def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Shut down all servers of this application entity at the same time; see `Server.shutdown`.

        Associations that it requested stay.
        """
        from .server.threaded import shut_down

        shut_down(list(self._servers), grace, refuse=refuse)
