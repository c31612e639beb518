"""The waits of the blocking flavour: `poll` on the socket and on the server's wake pipe.

The association logic is the same `async def` code in all flavours. In this flavour the streams wait inside
their methods. So a coroutine runs to its end and never suspends, and `run` replaces the event loop.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from math import ceil
from time import monotonic
from typing import Final, TypeVar

from .connecting import AddressInfo
from .flavours import Flavour
from .interface import ServerShutdown
from .tcp import SocketStream, connect

T = TypeVar("T")

LONGEST_POLL = 1e9
"""Milliseconds of one call of `poll` at most."""


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine over blocking streams to its end in this thread, and return its result."""
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
    """Tells the threads of a server to end; any thread may set it.

    It stays readable once it is set, so that every wait of every thread sees it.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.is_set: bool = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._reader.fileno()

    def set(self) -> None:
        """End all waits, those that begin later as well."""
        self.is_set = True
        with suppress(OSError):
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Wait until it is set, for so many seconds at most."""
        poll = select.poll()  # select() knows no descriptors above 1023
        poll.register(self, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close the descriptors, when no thread waits any more."""
        self._reader.close()
        self._writer.close()


class PollWaiter:
    """Polls one socket, and the wake pipe if there is one."""

    flavour = Flavour.BLOCKING
    is_checkpoint_cheap = True
    now: staticmethod[[], float] = staticmethod(monotonic)

    def __init__(self, sock: socket.socket | int, wake: Wake | None = None) -> None:
        self._sock = sock
        self._wake = wake
        self._polls: dict[int, select.poll] = {}

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
        """Raise `ServerShutdown` if the server shuts down, also on a connection that never has to wait."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that a shutdown does not interrupt."""
        wake, self._wake, self._polls = self._wake, None, {}
        try:
            yield
        finally:
            self._wake, self._polls = wake, {}

    def _wait(self, events: int, deadline: float | None) -> None:
        poll = self._polls.get(events) or self._poll_for(events)
        while True:
            left = LONGEST_POLL if deadline is None else ceil((deadline - monotonic()) * 1000)
            ready = poll.poll(min(max(left, 0), LONGEST_POLL))
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
    """The blocking `Backend`. With the wake pipe of a server, a shutdown ends all waits on its streams."""

    flavour = Flavour.BLOCKING

    def __init__(self, wake: Wake | None = None) -> None:
        self._wake = wake
        self.connect: Final = partial(
            connect, resolve=_resolve, make_waiter=partial(PollWaiter, wake=wake), now=monotonic
        )

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return monotonic()

    async def checkpoint(self) -> None:
        """Raise `ServerShutdown` if the server shuts down; threads need no turns."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

    def current_task(self) -> object:
        """Return the number of the running thread."""
        return threading.get_ident()

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that nothing interrupts, since blocking calls do not suspend."""
        return nullcontext()

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Call the function here: this thread may wait."""
        return function()


async def _resolve(host: str, port: int, deadline: float | None) -> list[AddressInfo]:
    """Look up a name in a separate thread, because getaddrinfo(3) takes no deadline."""
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


def wrap_stream(stream: socket.socket) -> SocketStream:
    """Return a `Stream` over a connected socket, TCP or Unix, which it owns from now on.

    Raises TypeError for other objects and for an `ssl.SSLSocket`: give a plain socket, and `ssl_context=`.
    Raises ValueError for a socket that is closed, or was never connected.
    """
    given: object = stream
    if not isinstance(given, socket.socket) or given.type != socket.SOCK_STREAM or hasattr(given, "cipher"):
        kind = type(given).__name__
        raise TypeError(f"wrap_stream(): a connected stream socket without TLS is wanted, not {kind}")
    if stream.fileno() < 0:
        raise ValueError("wrap_stream(): the socket is closed")
    if not _was_connected(stream):
        raise ValueError("wrap_stream(): the socket is not connected; connect or accept first")
    return SocketStream(stream, PollWaiter(stream))


def _was_connected(sock: socket.socket) -> bool:
    """Whether a socket has a peer, or had one that is gone already."""
    try:
        sock.getpeername()
    except OSError:
        try:
            sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:  # a connection that was reset says so
            return error.errno != errno.ENOTCONN
    return True
