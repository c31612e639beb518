"""The waits of the blocking flavour: `poll` on the socket and on the server's wake pipe.

The association logic is the same `async def` code in all flavours. In this flavour the streams wait inside
their methods. So a coroutine runs to its end and never suspends, and `run` replaces the event loop.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import threading
from collections import deque
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

_IN, _OUT = select.POLLIN, select.POLLOUT
_EITHER = _IN | _OUT

_ONE = (1).to_bytes(8, sys.byteorder)
"""What sets a `Wake`."""

_MOST_SPARE = 16
"""The limit of wakes that a server keeps for associations to come."""

_CLOSED = -1
"""Stands for a descriptor that is closed."""


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
    """Ends waits: those of one association, or of all threads of a server; any thread may set it.

    It stays readable once it is set, so that every wait of every thread sees it. A thread that sees it set
    may close it while the one that set it has not returned.
    """

    def __init__(self) -> None:
        self._pipe: tuple[int, ...] = (os.eventfd(0),) if hasattr(os, "eventfd") else os.pipe()
        self._open = threading.RLock()  # guards the descriptors; a signal handler may set it as well
        self.is_set: bool = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._pipe[0]

    def set(self) -> None:
        """End all waits, those that begin later as well."""
        with self._open:
            if not self.is_set:
                self.is_set = True
                if self._pipe[-1] != _CLOSED:
                    os.write(self._pipe[-1], _ONE)

    def clear(self) -> None:
        """Let waits wait again; not to be called while another thread sets it."""
        if self.is_set:
            os.read(self._pipe[0], 8)
            self.is_set = False

    def wait(self, seconds: float) -> None:
        """Wait until it is set, for so many seconds at most."""
        poll = select.poll()  # select() knows no descriptors above 1023
        poll.register(self, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close the descriptors, when no thread waits any more."""
        with self._open:
            descriptors, self._pipe = self._pipe, (_CLOSED,)
            for descriptor in descriptors:
                os.close(descriptor)


class ServerWake(Wake):
    """Ends the waits of all threads of a server, and keeps the wakes of its associations for the next ones.

    A new one costs each association two system calls, for which its thread gives up the interpreter's lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._spare: deque[Wake] = deque()
        self._is_over = False

    def take(self) -> Wake:
        """Return a wake that is not set; raises OSError if no descriptor is left."""
        try:
            return self._spare.pop()
        except IndexError:
            return Wake()

    def give(self, wake: Wake) -> None:
        """Take a wake back that nobody will set any more."""
        if wake.is_set or len(self._spare) >= _MOST_SPARE:
            wake.close()
            return
        self._spare.append(wake)
        if self._is_over:
            self._close_spare()

    def close(self) -> None:
        """Close the descriptors, when no thread waits any more."""
        super().close()
        self._is_over = True
        self._close_spare()

    def _close_spare(self) -> None:
        with suppress(IndexError):
            while True:
                self._spare.pop().close()


class PollWaiter:
    """Polls one socket, the wake pipe of the server if there is one, and that of its own association."""

    flavour = Flavour.BLOCKING
    is_wait_cheap = True
    now: staticmethod[[], float] = staticmethod(monotonic)

    def __init__(self, sock: socket.socket | int, wake: ServerWake | None = None) -> None:
        self._sock = sock
        self._wake = wake
        self._own: Wake | None = None
        self._is_interruptible = self._is_interrupted = False
        self._polls: dict[int, select.poll] = {}

    def open(self) -> None:
        """Let `interrupt` end a wait that has begun; the first wait takes a descriptor for it."""
        self._is_interruptible = True

    def interrupt(self) -> None:
        """End the wait, and those that follow, as at their deadlines; any thread may call it."""
        self._is_interrupted = True
        if self._own is not None:
            self._own.set()

    def close(self) -> None:
        """Let go of the descriptor."""
        own, self._own = self._own, None
        if own is None:
            return
        if self._wake is None:
            own.close()
        else:
            self._wake.give(own)

    async def readable(self, deadline: float | None) -> None:
        """Wait until a receive would not block."""
        self._wait(self._polls.get(_IN) or self._poll_for(_IN), deadline)

    async def watch(self) -> None:
        """Wait as `readable`: there is no other wait at the same time."""
        await self.readable(None)

    async def writable(self, deadline: float | None) -> None:
        """Wait until a send would not block."""
        self._wait(self._polls.get(_OUT) or self._poll_for(_OUT), deadline)

    async def either(self, deadline: float | None) -> None:
        """Wait until a receive or a send would not block."""
        self._wait(self._polls.get(_EITHER) or self._poll_for(_EITHER), deadline)

    async def checkpoint(self) -> None:
        """Raise `ServerShutdown` if the server shuts down, also on a connection that never has to wait."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that a shutdown does not interrupt."""
        wake, self._wake, self._polls = self._wake, None, {}
        self._is_interruptible = self._is_interrupted = False
        try:
            yield
        finally:
            self._wake, self._polls = wake, {}

    def _wait(self, poll: select.poll, deadline: float | None) -> None:
        while not self._is_interrupted:
            left = LONGEST_POLL if deadline is None else ceil((deadline - monotonic()) * 1000)
            ready = poll.poll(min(max(left, 0), LONGEST_POLL))
            if self._wake is not None and self._wake.is_set:
                raise ServerShutdown
            if ready and not self._is_interrupted:
                return
            if deadline is not None and monotonic() >= deadline:
                break
        raise TimeoutError

    def _poll_for(self, events: int) -> select.poll:
        poll = self._polls[events] = select.poll()
        poll.register(self._sock, events)
        if self._wake is not None:
            poll.register(self._wake, select.POLLIN)
        if self._is_interruptible:
            if self._own is None:
                with suppress(OSError):  # no descriptor is left
                    self._own = Wake() if self._wake is None else self._wake.take()
            if self._own is not None:
                poll.register(self._own, select.POLLIN)
        return poll


class Interrupted(Exception):
    """A wait has ended because another thread wants the association."""


class Interruption(threading.local):
    """An object that ends the running thread's waits for input."""

    wake: Wake | None = None
    """It ends them once it is set; None while they must not be interrupted."""


INTERRUPTION = Interruption()


class InterruptibleWaiter(PollWaiter):
    """Polls one socket; a wait for input ends with `Interrupted` once `INTERRUPTION.wake` is set."""

    def __init__(self, sock: socket.socket | int, wake: ServerWake | None = None) -> None:
        super().__init__(sock, wake)
        self._interrupt: tuple[Wake, select.poll] | None = None

    async def readable(self, deadline: float | None) -> None:
        """Wait until a receive would not block. Raises `Interrupted`."""
        interrupt = INTERRUPTION.wake
        if interrupt is None:
            self._wait(self._polls.get(_IN) or self._poll_for(_IN), deadline)
            return
        if self._interrupt is None or self._interrupt[0] is not interrupt:
            poll = self._poll_for(_IN)
            del self._polls[_IN]
            poll.register(interrupt, select.POLLIN)
            self._interrupt = interrupt, poll
        self._wait(self._interrupt[1], deadline)
        if interrupt.is_set:
            raise Interrupted


class BlockingBackend:
    """The blocking `Backend`. With the wake pipe of a server, a shutdown ends all waits on its streams."""

    flavour = Flavour.BLOCKING
    current_task: staticmethod[[], object] = staticmethod(threading.get_ident)

    def __init__(
        self, wake: ServerWake | None = None, make_waiter: Callable[..., PollWaiter] = PollWaiter
    ) -> None:
        self._wake = wake
        self.connect: Final = partial(
            connect, resolve=_resolve, make_waiter=partial(make_waiter, wake=wake), now=monotonic
        )

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return monotonic()

    async def checkpoint(self) -> None:
        """Raise `ServerShutdown` if the server shuts down; threads need no turns."""
        if self._wake is not None and self._wake.is_set:
            raise ServerShutdown

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
