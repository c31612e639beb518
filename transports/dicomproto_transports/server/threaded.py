"""The server of the blocking flavour: a thread for each association."""

from __future__ import annotations

import atexit
import select
import socket
import threading
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from ..arguments import check_shutdown
from ..streams.blocking_waits import LONGEST_POLL, BlockingBackend, PollWaiter, ServerWake, Wake, run
from ..streams.interface import ServerShutdown
from ..streams.listening import ListenOn, accept, addresses_of, listeners
from ..streams.tcp import SocketStream
from .connections import MAXIMUM_PENDING, PAUSE, Connections
from .serving import ConnectionServer, Serving, report

_LAST_WAIT = 15.0
"""Seconds that `Server.shutdown` waits for its threads; each needs `Timeouts.close` at most, unless it is
within a handler."""

MakeThread = Callable[..., threading.Thread]
"""Makes the thread of a connection; takes the arguments of `threading.Thread`."""

MakeServerWaiter = Callable[..., PollWaiter]
"""Makes the waiter of a connection, of its socket and the `wake` of the server."""

_POLL_INTERVAL = 0.2
"""Poll interval of a waiting shutdown: a signal handler may consume the notification between the check and
the wait."""


class Server(Serving):
    """Listens, and serves each association in its own thread.

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
        make_thread: MakeThread = threading.Thread,
        make_waiter: MakeServerWaiter = PollWaiter,
    ) -> None:
        self._make_thread = make_thread
        self._make_waiter = make_waiter
        self._connections = Connections(maximum_pending, threading.current_thread, self._notice_idle)
        self._listeners = listeners(address, reuse_port=reuse_port)
        super().__init__(core, addresses_of(self._listeners))
        self._associations = core
        self._stop, self._end = Wake(), ServerWake()
        self._backend = BlockingBackend(self._end)
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

    @property
    def listeners(self) -> list[socket.socket]:
        """The listening sockets."""
        return self._listeners

    def start(self) -> None:
        """Accept connections in a thread of the server's own."""
        name = f"dicomproto server {self.address and self.port}"
        thread = threading.Thread(target=self._accept_all, name=name, daemon=True)
        self._acceptor = thread
        atexit.register(self.shutdown)
        thread.start()

    def serve_forever(self) -> None:
        """Accept connections in this thread until `shutdown` is called or an exception is raised.

        `shutdown` may be called by another thread, by a handler or by a signal handler.
        """
        self._acceptor = threading.current_thread()
        try:
            self._accept_all()
            self._drain()
        except BaseException:  # Ctrl-C at any point ends the grace
            self._acceptor = None
            self._begin_shutdown(0.0, refuse=False)
            self._drain()
            raise
        finally:
            self._close()

    def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Accept no more associations, give the running ones `grace` seconds, abort the rest.

        New connections are refused by the system meanwhile. With `refuse` the server listens until the last
        association has ended or the grace is over, and rejects newcomers as temporary congestion (2, 3, 1).
        Of two calls, the one whose grace ends first holds.

        Returns when all have ended, each aborted and closed within `Timeouts.close`, or after 15
        seconds when a handler does not return. A handler may call this; its own association is not
        waited for, and ends after the handler.
        """
        shut_down([self], grace, refuse=refuse)

    def stop_accepting(self) -> None:
        """Accept no more connections, and close the listening sockets; associations stay.

        Not to be called by the thread that accepts.
        """
        self._associations.begin_shutdown()
        atexit.unregister(self.shutdown)
        self._stop.set()
        with self._changed:
            while self._acceptor is not None:
                self._changed.wait(_POLL_INTERVAL)
            self._close_when_done()

    def _begin_shutdown(self, grace: float, *, refuse: bool) -> None:
        self._associations.begin_shutdown()
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
                    self._changed.wait(min(left, _POLL_INTERVAL))
            finally:
                self._end.set()
                self._changed.notify_all()

    def _close(self) -> None:
        """Wait until all threads have ended."""
        deadline = monotonic() + _LAST_WAIT
        with self._changed:
            while not self._is_done() and (left := deadline - monotonic()) > 0:
                self._changed.wait(min(left, _POLL_INTERVAL))
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
        """Close the sockets of a server that stops, after its last thread; the caller holds `_changed`."""
        is_last = self._acceptor is None and not self._threads
        if self._stop.is_set and is_last and not self._closed:
            self._closed = True
            self._end.set()
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
            poll.poll(min(left * 1000, LONGEST_POLL))
            for listener in self._listeners:
                self._accept_from(listener, end)

    def _accept_from(self, listener: socket.socket, end: Wake) -> None:
        while not end.is_set:
            try:
                stream = accept(listener, partial(self._make_waiter, wake=self._end), self._connections)
                if stream is None:
                    return
                self._start_thread(stream)
            except (OSError, RuntimeError):  # out of descriptors, memory or threads
                self._connections.drop_oldest()
                end.wait(PAUSE)

    def _start_thread(self, stream: SocketStream) -> None:
        thread = self._make_thread(
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
            associated = partial(self._connections.associate, stream)
            run(self._associations.serve_connection(stream, self._backend, associated))
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
    check_shutdown(grace, refuse)
    waiting = []
    for server in servers:
        server._begin_shutdown(grace, refuse=refuse)
        if server._acceptor is not threading.current_thread():  # `serve_forever` does the rest
            waiting.append(server)
    for server in waiting:
        server._drain()
    for server in waiting:
        server._close()
