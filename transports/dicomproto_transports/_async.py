"""What trio and anyio have in common: waiting for sockets, the backend, the server, the facade.

The two libraries offer the same things under slightly different names. `Library` is that common
part, `trio.py` and `anyio.py` fill it in, and all that is built on it is written here once.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar

from . import _socket, evt
from ._connecting import AddressInfo
from ._facade import AsyncAE, refuse_with
from ._listening import ListenOn, accept
from ._server import MAXIMUM_PENDING, PAUSE, Listening, report
from ._settings import Context
from ._socket import SocketStream
from ._stream import ConnectionServer, Stream
from ._words import known_as

if TYPE_CHECKING:
    from dicomproto.negotiation import SupportedContext

    from ._checks import Network
    from .tls import Context as TLSContext

T = TypeVar("T")


PATIENCE = 5.0
"""Seconds that what was cancelled gives its worker thread to end, so that a handler that is writing a file or
asking a database is through when its server has ended. One that hangs is left alone then; the interpreter
waits for it in the end where its library does (anyio on asyncio)."""


class Scope(Protocol):
    """The part of a cancel scope that is used here."""

    @property
    def cancelled_caught(self) -> bool: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class Group(Protocol):
    """The part of a nursery or task group that is used here."""

    def start_soon(
        self, function: Callable[..., Coroutine[Any, Any, object]], /, *args: object
    ) -> object: ...


class Event(Protocol):
    """The part of an event that is used here."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Library(Protocol):
    """What trio and anyio both give."""

    def now(self) -> float: ...
    async def checkpoint(self) -> None: ...
    async def sleep(self, seconds: float, /) -> None: ...
    async def wait_readable(self, sock: socket.socket | int, /) -> None: ...
    async def wait_writable(self, sock: socket.socket | int, /) -> None: ...
    async def getaddrinfo(self, host: str, port: int, /) -> Sequence[AddressInfo]: ...
    def current_task(self) -> object: ...
    async def in_thread(self, function: Callable[[], T], /) -> T: ...
    def scope(self, deadline: float = inf, *, shield: bool = False) -> Scope: ...
    def open_group(self) -> AbstractAsyncContextManager[Group]: ...
    def event(self) -> Event: ...
    def is_cancellation(self, error: BaseException, /) -> bool: ...


class AsyncWaiter:
    """Waits for one socket in the event loop."""

    is_checkpoint_cheap = False

    def __init__(self, library: Library, sock: socket.socket | int) -> None:
        self._library = library
        self._sock = sock
        self.now = library.now
        self.checkpoint = library.checkpoint

    async def readable(self, deadline: float | None) -> None:
        """Wait until a receive would not block."""
        await self._until(deadline, self._library.wait_readable, self._sock)

    async def writable(self, deadline: float | None) -> None:
        """Wait until a send would not block."""
        await self._until(deadline, self._library.wait_writable, self._sock)

    async def either(self, deadline: float | None) -> None:
        """Wait until a receive or a send would not block."""
        try:
            both = select.epoll()
        except (AttributeError, OSError):  # not Linux, or no descriptor left
            await self._until(deadline, self._first)
            return
        with both:  # an epoll descriptor can be waited on itself: a seventh of the cost of two tasks
            both.register(self._sock, select.EPOLLIN | select.EPOLLOUT)
            await self._until(deadline, self._library.wait_readable, both.fileno())

    async def _first(self) -> None:
        done = self._library.scope()

        async def wait(how: Callable[[socket.socket | int], Awaitable[object]]) -> None:
            await how(self._sock)
            done.cancel()

        with done:
            async with self._library.open_group() as group:
                group.start_soon(wait, self._library.wait_readable)
                group.start_soon(wait, self._library.wait_writable)

    async def _until(
        self, deadline: float | None, wait: Callable[..., Awaitable[object]], *args: object
    ) -> None:
        if deadline is None:
            await wait(*args)
            return
        with self._library.scope(deadline) as scope:
            await wait(*args)
        if scope.cancelled_caught:
            raise TimeoutError

    def shield(self) -> AbstractContextManager[object]:
        """A block that cancellation does not end."""
        return self._library.scope(shield=True)


class AsyncBackend:
    """The `Backend` over a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.now = library.now
        self.checkpoint = library.checkpoint
        self.current_task = library.current_task

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that a cancellation does not end, only the time."""
        return self._library.scope(self._library.now() + seconds, shield=True)

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Call the function in a worker thread; see `Backend`."""
        claim, ended = threading.Lock(), threading.Event()

        def call() -> T:
            if not claim.acquire(blocking=False):
                raise RuntimeError("cancelled before it began")
            try:
                return function()
            finally:
                ended.set()

        try:
            return await self._library.in_thread(call)
        except BaseException as error:
            has_begun = not claim.acquire(blocking=False)
            if has_begun and self._library.is_cancellation(error):
                if cancelled is not None:
                    cancelled()
                with self.shield(PATIENCE):
                    await self._library.in_thread(lambda: ended.wait(PATIENCE))
            raise

    async def connect(
        self,
        host: str,
        port: int,
        *,
        bind_address: tuple[str, int] | None = None,
        deadline: float | None = None,
    ) -> Stream:
        """Connect to the address of the host that answers first; see `Backend`."""
        return await _socket.connect(
            host,
            port,
            bind_address,
            deadline,
            resolve=self._resolve,
            make_waiter=partial(AsyncWaiter, self._library),
            now=self._library.now,
        )

    async def _resolve(self, host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        found: Sequence[AddressInfo] = ()
        with self._library.scope(inf if deadline is None else deadline) as scope:
            found = await self._library.getaddrinfo(host, port)
        if scope.cancelled_caught:
            raise TimeoutError
        return found


@known_as("Server")
class AsyncServer(Listening):
    """A server for trio and anyio: one task per association, all within `async with`.

    It listens from the moment it is made, and accepts from the moment it is entered. Leaving the
    block ends every association.
    """

    def __init__(
        self,
        core: ConnectionServer,
        address: ListenOn,
        *,
        library: Library,
        maximum_pending: int = MAXIMUM_PENDING,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(core, address, maximum_pending, reuse_port, library.current_task)
        self._connections.on_idle = self._notice_idle
        self._library = library
        self._is_stopping = False
        self._idle, self._ended = library.event(), library.event()
        self._accepting, self._serving = library.scope(), library.scope()
        self._running = self._run()
        self._entered = False

    if not TYPE_CHECKING:  # a checker knows by itself

        def __enter__(self) -> NoReturn:
            self._close_listeners()
            refuse_with("start_server")

        def __exit__(self, *error: object) -> None:
            """Be there, so that `__enter__` is called."""

    async def __aenter__(self) -> Self:
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._running.__aexit__(kind, error, traceback)

    async def serve_forever(self) -> None:
        """Accept connections until `shutdown` is called or an exception comes."""
        async with self:
            await self._ended.wait()

    async def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Accept no more associations, give those that run `grace` seconds, abort what is left.

        What asks for an association meanwhile finds nobody listening; with `refuse` it is rejected as
        temporary congestion (2, 3, 1), and the server listens until the last association has ended or the
        grace is over. Called again meanwhile, the shorter of both times counts.

        Each is aborted and closed within `Timeouts.close`, or at most 15 seconds later when a handler in a
        thread does not return: such a one is left alone, and what it returns is not used. A handler may call
        this; its own association is not waited for, and is among those that are aborted.
        """
        self._core.begin_shutdown()
        if not self._entered:
            self._close_listeners()
            return
        if not refuse:
            self._accepting.cancel()
        self._is_stopping = True
        self._connections.spare_current_user()
        if grace > 0 and not self._connections.is_idle:
            with self._library.scope(self._library.now() + grace):
                await self._idle.wait()
        self._idle.set()  # for the others that wait
        self._accepting.cancel()
        self._serving.cancel()
        await self._ended.wait()

    def _notice_idle(self) -> None:
        if self._is_stopping:
            self._idle.set()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        carried = None
        self._entered = True
        try:
            async with self._library.open_group() as group:
                group.start_soon(self._serve_all)
                try:
                    yield
                except BaseException as error:
                    if self._library.is_cancellation(error):
                        raise
                    carried = error  # past the group, which would wrap it
                await self.shutdown()
        finally:
            self._close_listeners()
            if carried is not None:  # before a cancellation of the shutdown, which would hide it
                raise carried

    async def _serve_all(self) -> None:
        try:
            with self._serving:
                async with self._library.open_group() as associations:
                    try:
                        with self._accepting:
                            async with self._library.open_group() as group:
                                for listener in self._listeners:
                                    group.start_soon(self._accept, listener, associations)
                    finally:
                        self._close_listeners()
        finally:
            self._ended.set()

    async def _accept(self, listener: socket.socket, associations: Group) -> None:
        waiter = AsyncWaiter(self._library, listener)
        while True:
            try:
                stream = accept(listener, partial(AsyncWaiter, self._library))
            except OSError:
                self._connections.drop_oldest()
                await self._library.sleep(PAUSE)
                continue
            if stream is None:
                await waiter.readable(None)
                continue
            self._connections.add(stream)
            associations.start_soon(self._serve, stream)
            await waiter.checkpoint()

    async def _serve(self, stream: SocketStream) -> None:
        try:
            await self._core.serve_connection(stream)
        except Exception:
            report(stream)
        finally:
            stream.close_now()


@known_as("AE")
class LibraryAE(AsyncAE):
    """An application entity over a library."""

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
    ) -> AsyncServer:
        """Return a server that listens on (host, port), to be entered with `async with`.

        Port 0 lets the system choose one, "" or "::" as host mean all addresses, IPv6 and IPv4. In place of
        an address there may be a stream socket or a list of them, which are the server's from then on.
        `reuse_port` sets SO_REUSEPORT, so that several processes may listen there.

        `ae_title` and `contexts` replace those of this entity. `ssl_context` makes all associations secure.
        From the networks `proxy_protocol_from` every connection has to begin with a header of the PROXY
        protocol, which tells who it is from. Of the connections without an association, `maximum_pending`
        are kept. Raises OSError, ValueError for what is no network or cannot listen, and
        LocalProtocolError if nothing is supported.
        """
        core = self._server_core(evt_handlers, ae_title, contexts, ssl_context, proxy_protocol_from)
        return AsyncServer(
            core, address, library=self.library, maximum_pending=maximum_pending, reuse_port=reuse_port
        )
