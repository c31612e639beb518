"""The waits of trio and anyio: for sockets, connections and worker threads.

The two libraries have the same functions under slightly different names. `Library` is that common part;
`trio_library.py` and `anyio_library.py` implement it. All that uses it is written here once.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import inf
from typing import Final, NoReturn, Protocol, TypeVar

from .connecting import AddressInfo
from .flavours import Flavour
from .scheduler import Scheduler, Scope
from .tcp import connect
from .watched import WatchedOperation

T = TypeVar("T")


THREAD_END_TIME = 5.0
"""Seconds that a cancelled call waits for its worker thread, so that a handler finishes its file or query
before its server has ended. A thread that takes longer is abandoned; anyio on asyncio waits for it when
the interpreter exits."""


def refuse_with(what: str) -> NoReturn:
    """Raise TypeError for `with` in place of `async with`."""
    raise TypeError(f"{what} of this flavour is entered with `async with`, not `with`")


class Library(Scheduler, Protocol):
    """The functions that trio and anyio both have."""

    flavour: Flavour

    def now(self) -> float: ...
    async def checkpoint(self) -> None: ...
    def wait_readable(self, sock: socket.socket | int, /) -> Awaitable[None]: ...
    def wait_writable(self, sock: socket.socket | int, /) -> Awaitable[None]: ...
    async def getaddrinfo(self, host: str, port: int, /) -> Sequence[AddressInfo]: ...
    def current_task(self) -> object: ...
    async def in_thread(self, function: Callable[[], T], /) -> T: ...
    def scope(self, deadline: float = inf, *, shield: bool = False) -> Scope: ...
    def is_cancellation(self, error: BaseException, /) -> bool: ...


class AsyncWaiter:
    """Waits for one socket in the event loop."""

    is_wait_cheap = False

    def __init__(self, library: Library, sock: socket.socket | int) -> None:
        self._library = library
        self._sock = sock
        self._scope: Scope | None = None
        self._watching: Scope | None = None
        self._is_interrupted = False
        self.flavour: Final = library.flavour
        self.now: Final = library.now
        self.checkpoint: Final = library.checkpoint

    # An awaitable that is handed on is one step less for each turn of the event loop than one awaited here.

    def readable(self, deadline: float | None) -> Awaitable[None]:
        """Wait until a receive would not block."""
        return self._until(deadline, self._library.wait_readable, self._sock)

    def writable(self, deadline: float | None) -> Awaitable[None]:
        """Wait until a send would not block."""
        return self._until(deadline, self._library.wait_writable, self._sock)

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

    async def watch(self) -> None:
        """Wait until a receive would not block, beside another wait of this socket."""
        with _beside(self._sock) as number, self._library.scope() as scope:
            if self._is_interrupted:
                scope.cancel()
            self._watching = scope
            try:
                await self._library.wait_readable(number)
            finally:
                self._watching = None
        if scope.cancelled_caught:
            raise TimeoutError

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
        with self._library.scope(inf if deadline is None else deadline) as scope:
            if self._is_interrupted:
                scope.cancel()
            self._scope = scope
            try:
                await wait(*args)
            finally:
                self._scope = None
        if scope.cancelled_caught:
            raise TimeoutError

    def open(self) -> None:
        """A wait can be interrupted without preparation."""

    def interrupt(self) -> None:
        """End the wait, and those that follow, as at their deadlines."""
        self._is_interrupted = True
        for scope in (self._scope, self._watching):
            if scope is not None:
                scope.cancel()

    def close(self) -> None:
        """Nothing is held."""

    def shield(self) -> AbstractContextManager[object]:
        """A block that neither a cancellation nor `interrupt` ends."""
        self._is_interrupted = False
        return self._library.scope(shield=True)


@contextmanager
def _beside(sock: socket.socket | int) -> Iterator[int]:
    """Give a descriptor that can be read when the socket can: no two tasks may wait for the same one."""
    if sys.platform == "linux":
        with select.epoll() as poll:
            poll.register(sock, select.EPOLLIN)
            yield poll.fileno()
    else:
        queue = select.kqueue()
        try:
            queue.control([select.kevent(sock, select.KQ_FILTER_READ, select.KQ_EV_ADD)], 0, 0)
            yield queue.fileno()
        finally:
            queue.close()


class AsyncBackend:
    """The `Backend` over a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.flavour: Final = library.flavour
        self.now: Final = library.now
        self.checkpoint: Final = library.checkpoint
        self.current_task: Final = library.current_task
        self.connect: Final = partial(
            connect, resolve=self._resolve, make_waiter=partial(AsyncWaiter, library), now=library.now
        )

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that only its time limit ends, and no cancellation."""
        return self._library.scope(self._library.now() + seconds, shield=True)

    def watched(self, watch: Callable[[], Awaitable[object]]) -> WatchedOperation:
        """Return an operation that `watch` may cancel from beside it; see `watched`."""
        return WatchedOperation(self._library, watch)

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
                with self.shield(THREAD_END_TIME):
                    await self._library.in_thread(lambda: ended.wait(THREAD_END_TIME))
            raise

    async def _resolve(self, host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        found: Sequence[AddressInfo] = ()
        with self._library.scope(inf if deadline is None else deadline) as scope:
            found = await self._library.getaddrinfo(host, port)
        if scope.cancelled_caught:
            raise TimeoutError
        return found
