"""What the blocking flavour is made of: waiting in `poll`, the backend, a server of threads.

The high level is the same `async def` code that trio and anyio run. Here its streams wait inside,
in `poll` on the socket and the server's wake pipe, so a coroutine runs from start to end without
ever suspending, and `run` is all the event loop there is.
"""

from __future__ import annotations

import atexit
import select
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from math import ceil, inf
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from . import _socket
from ._connecting import AddressInfo
from ._listening import ListenOn, accept
from ._server import MAXIMUM_PENDING, PAUSE, Listening, report
from ._socket import SocketStream
from ._stream import ConnectionServer, ServerShutdown, Stream

T = TypeVar("T")

_FOREVER = 1e9
"""Milliseconds; the longest wait that `poll` is asked for at a time."""

_LAST_WAIT = 15.0
"""Seconds that `Server.shutdown` gives threads to end that were told to; each needs `Timeouts.close`
at most, unless it is within a handler."""

_GLANCE = 0.2
"""Seconds after which a shutdown that waits looks again: the handler of a second signal may have had the
notice, between a look and a wait of the thread that it interrupted."""


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine over blocking streams to its end, in this thread, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError(
        "a coroutine suspended in the blocking flavour: something awaited asyncio, trio or anyio;"
        " use dicomproto_transports.trio or .anyio for that"
    )


class Wake:
    """Tells the threads of a server, from any thread, that they are to end.

    Once set it stays readable, so that every wait of every thread sees it.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.is_set = False

    def fileno(self) -> int:
        """What to wait on."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake all waits, those that are still to come included."""
        self.is_set = True
        with suppress(OSError):
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Return when it is set, or after so many seconds."""
        poll = select.poll()  # select() knows no descriptors above 1023
        poll.register(self, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Give the descriptors back, when no thread waits any more."""
        self._reader.close()
        self._writer.close()


class PollWaiter:
    """Waits in `poll` for one socket, and for the wake pipe if there is one."""

    is_checkpoint_cheap = True

    def __init__(self, sock: socket.socket | int, wake: Wake | None = None) -> None:
        self._sock = sock
        self._wake = wake
        self._polls: dict[int, select.poll] = {}

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return monotonic()

    async def readable(self, deadline: float | None) -> None:
        """Wait until a receive would not block."""
        self._wait(select.POLLIN, deadline)

    async def writable(self, deadline: float | None) -> None:
        """Wait until a send would not block."""
        self._wait(select.POLLOUT, deadline)

    async def either(self, deadline: float | None) -> None:
        """Wait until a receive or a send would not block."""
        self._wait(select.POLLIN | select.POLLOUT, deadline)

    async def checkpoint(self) -> None:
        """Notice that the server shuts down, also on a connection that never has to wait."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that a shutdown does not end."""
        wake, self._wake, self._polls = self._wake, None, {}
        try:
            yield
        finally:
            self._wake, self._polls = wake, {}

    def _wait(self, events: int, deadline: float | None) -> None:
        poll = self._polls.get(events) or self._poll_for(events)
        while True:
            left = _FOREVER if deadline is None else ceil((deadline - monotonic()) * 1000)
            ready = poll.poll(min(max(left, 0), _FOREVER))
            if self._wake is not None and self._wake.is_set:
                raise ServerShutdown
            if ready:
                return
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError

    def _poll_for(self, events: int) -> select.poll:
        poll = self._polls[events] = select.poll()
        poll.register(self._sock, events)
        if self._wake is not None:
            poll.register(self._wake, select.POLLIN)
        return poll


class BlockingBackend:
    """The blocking `Backend`; with the wake of a server, its shutdown ends what waits on the streams."""

    def __init__(self, wake: Wake | None = None) -> None:
        self._wake = wake
        self._make_waiter = partial(PollWaiter, wake=wake)

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return monotonic()

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
            host, port, bind_address, deadline, resolve=_resolve, make_waiter=self._make_waiter, now=monotonic
        )

    async def checkpoint(self) -> None:
        """Notice that the server shuts down; threads need no turns."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

    def current_task(self) -> object:
        """Return the number of the running thread."""
        return threading.get_ident()

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that nothing ends: what is called here does not suspend."""
        return nullcontext()

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Call the function here: this thread may wait."""
        return function()


async def _resolve(host: str, port: int, deadline: float | None) -> list[AddressInfo]:
    """Look a name up in a thread of its own, because getaddrinfo(3) knows no deadline."""
    found: list[AddressInfo] = []
    failure: list[BaseException] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # raised again below
            failure.append(error)

    thread = threading.Thread(target=look_up, name=f"dicomproto resolves {host}", daemon=True)
    thread.start()
    thread.join(None if deadline is None else max(deadline - monotonic(), 0))
    if thread.is_alive():
        raise TimeoutError
    if failure:
        raise failure[0]
    return found


BACKEND = BlockingBackend()
"""The `Backend` of this flavour."""


class Server(Listening):
    """Listens and serves each association in a thread of its own.

    It listens from the moment it is made; `start` accepts in a thread, `serve_forever` in the
    caller's. As a context manager it is shut down at the end of the block; a server that is still
    running when the interpreter exits is shut down then.
    """

    def __init__(
        self,
        core: ConnectionServer,
        address: ListenOn,
        *,
        maximum_pending: int = MAXIMUM_PENDING,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(core, address, maximum_pending, reuse_port, threading.current_thread)
        self._connections.on_idle = self._notice_idle
        self._stop, self._end = Wake(), Wake()
        core.backend = BlockingBackend(self._end)
        self._deadline = inf  # of the associations, once `_stop` is set
        self._refuse = False
        self._acceptor: threading.Thread | None = None
        self._threads: set[threading.Thread] = set()
        self._changed = threading.Condition()  # guards `_threads`, `_acceptor`, `_closed`
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()

    def start(self) -> None:
        """Accept connections in a thread of the server's own."""
        name = f"dicomproto server {self.address and self.port}"
        thread = threading.Thread(target=self._accept_all, name=name, daemon=True)
        self._acceptor = thread
        atexit.register(self.shutdown)
        thread.start()

    def serve_forever(self) -> None:
        """Accept connections in this thread until `shutdown` is called or an exception comes.

        `shutdown` may be called by another thread, by a handler or by a signal handler.
        """
        self._acceptor = threading.current_thread()
        try:
            self._accept_all()
            self._drain()
        except BaseException:  # Ctrl-C, at whatever point: no more patience
            self._acceptor = None
            self._begin_shutdown(0.0, refuse=False)
            self._drain()
            raise
        finally:
            self._close()

    def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Accept no more associations, give those that run `grace` seconds, abort what is left.

        What asks for an association meanwhile finds nobody listening; with `refuse` it is rejected as
        temporary congestion (2, 3, 1), and the server listens until the last association has ended or the
        grace is over. Called again meanwhile, the shorter of both times counts.

        Returns when all have ended, each aborted and closed within `Timeouts.close`, or after 15
        seconds when a handler does not return. The association that this is called from, by a
        handler, is not waited for; it ends after the handler.
        """
        shut_down([self], grace, refuse=refuse)

    def _begin_shutdown(self, grace: float, *, refuse: bool) -> None:
        self._core.begin_shutdown()
        self._refuse = refuse
        self._deadline = min(self._deadline, monotonic() + grace)
        self._stop.set()

    def _drain(self) -> None:
        """Wait until the associations have ended or the grace is over, then tell all threads to end."""
        atexit.unregister(self.shutdown)
        self._connections.spare_current_user()
        with self._changed:
            try:
                while not self._is_over() and (left := self._deadline - monotonic()) > 0:
                    self._changed.wait(min(left, _GLANCE))
            finally:
                self._end.set()
                self._changed.notify_all()

    def _close(self) -> None:
        """Wait until all threads have ended."""
        deadline = monotonic() + _LAST_WAIT
        with self._changed:
            while not self._is_done() and (left := deadline - monotonic()) > 0:
                self._changed.wait(min(left, _GLANCE))
            self._close_when_done()

    def _is_over(self) -> bool:
        return self._end.is_set or self._connections.is_idle

    def _is_done(self) -> bool:
        return self._acceptor is None and self._connections.spared.issuperset(self._threads)

    def _notice_idle(self) -> None:
        if self._stop.is_set:
            self._end.set()
            with self._changed:
                self._changed.notify_all()

    def _close_when_done(self) -> None:
        """Close what is left of a server that was shut down; the caller holds `_changed`."""
        is_last = self._acceptor is None and not self._threads
        if self._end.is_set and is_last and not self._closed:
            self._closed = True
            for listener in self._listeners:
                listener.close()
            self._end.close()
            self._stop.close()

    def _accept_all(self) -> None:
        try:
            self._accept_until(self._stop)
            if self._refuse and not self._connections.is_idle:
                self._accept_until(self._end)
        finally:
            for listener in self._listeners:
                listener.close()
            with self._changed:
                self._acceptor = None
                self._changed.notify_all()
                self._close_when_done()

    def _accept_until(self, end: Wake) -> None:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        for listener in self._listeners:
            poll.register(listener, select.POLLIN)
        while not end.is_set and (left := self._deadline - monotonic()) > 0:
            poll.poll(min(left * 1000, _FOREVER))
            for listener in self._listeners:
                self._accept_from(listener, end)

    def _accept_from(self, listener: socket.socket, end: Wake) -> None:
        while not end.is_set:
            try:
                stream = accept(listener, partial(PollWaiter, wake=self._end))
                if stream is None:
                    return
                self._start_thread(stream)
            except (OSError, RuntimeError):  # out of descriptors, memory or threads
                self._connections.drop_oldest()
                end.wait(PAUSE)

    def _start_thread(self, stream: SocketStream) -> None:
        thread = threading.Thread(
            target=self._serve, args=(stream,), name=f"dicomproto {stream.peer_address}", daemon=True
        )
        self._connections.add(stream)
        with self._changed:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._forget(stream, thread)
            raise

    def _serve(self, stream: SocketStream) -> None:
        try:
            run(self._core.serve_connection(stream))
        except ServerShutdown:
            pass
        except Exception:
            report(stream)
        finally:
            self._forget(stream, threading.current_thread())

    def _forget(self, stream: SocketStream, thread: threading.Thread) -> None:
        stream.close_now()
        with self._changed:
            self._threads.discard(thread)
            self._changed.notify_all()
            self._close_when_done()


def shut_down(servers: Iterable[Server], grace: float, *, refuse: bool) -> None:
    """Shut servers down side by side; see `Server.shutdown`."""
    waiting = []
    for server in servers:
        server._begin_shutdown(grace, refuse=refuse)
        if server._acceptor is not threading.current_thread():  # `serve_forever` does the rest
            waiting.append(server)
    for server in waiting:
        server._drain()
    for server in waiting:
        server._close()
