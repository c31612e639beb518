"""Connecting to whichever address of a host answers first (RFC 8305, "happy eyeballs").

A name often stands for several addresses, and one of them may drop packets. The next attempt begins after
250 ms, or as soon as one has failed, and the earlier ones go on. The first connection that stands is taken,
the others are closed. There is no task and no thread: one loop begins attempts, waits for all of them at
once and checks their results. From a fixed source port only one attempt can be made at a time.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain, zip_longest
from math import inf
from typing import Protocol

ATTEMPT_DELAY = 0.25
"""Seconds between an attempt and the next one (RFC 8305 5)."""

_POLL_INTERVAL = 0.05
"""Interval of the checks of older attempts, on systems that cannot wait for all of them."""

AddressInfo = tuple[int, int, int, str, tuple[object, ...]]
"""An item of the list that `socket.getaddrinfo` returns."""


class Waiting(Protocol):
    """The waits of a `Waiter` that connecting needs; each raises TimeoutError at its deadline."""

    def readable(self, deadline: float | None) -> Awaitable[None]: ...
    def writable(self, deadline: float | None) -> Awaitable[None]: ...


MakeWaiting = Callable[[socket.socket | int], Waiting]


def is_fixed(bind_address: tuple[str, int] | None) -> bool:
    """Tell whether a connection must come from one port."""
    return bind_address is not None and bind_address[1] != 0


def interleaved(found: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Return addresses of the two families in turn, as the resolver ordered each (RFC 8305 4)."""
    first = [info for info in found if info[0] == found[0][0]]
    others = [info for info in found if info[0] != found[0][0]]
    return [info for info in chain(*zip_longest(first, others)) if info is not None]


class Attempts:
    """Attempts to connect to the addresses of one host; as a context manager it closes those that are left.

    `reasons` holds the reason of failure for each address, once `first` has returned None.
    """

    def __init__(
        self,
        found: Sequence[AddressInfo],
        bind_address: tuple[str, int] | None,
        deadline: float | None,
        *,
        make_waiter: MakeWaiting,
        now: Callable[[], float],
    ) -> None:
        self.reasons: list[str] = []
        self.timed_out: bool = False
        self._waiting = deque(interleaved(found))
        self._pending: dict[socket.socket, str] = {}
        self._bind_address = bind_address
        self._is_single = is_fixed(bind_address)
        self._deadline = deadline
        self._make_waiter, self._now = make_waiter, now

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._pending:
            sock.close()

    async def first(self) -> socket.socket | None:
        """Return the first established connection; None if all failed or the deadline has passed."""
        while self._waiting:
            until, failed = self._until(), len(self.reasons)
            self._begin(self._waiting.popleft())
            if winner := await self._wait(until, failed):
                return winner
        return None

    def _until(self) -> float | None:
        """Return the time of the next attempt, so that there is time left for all of them."""
        left = len(self._waiting)
        if left == 1:
            return self._deadline
        time = self._now()
        share = inf if self._deadline is None else (self._deadline - time) / left
        delay = share if self._is_single else min(share, ATTEMPT_DELAY)
        return None if delay == inf else time + delay

    async def _wait(self, until: float | None, failed: int) -> socket.socket | None:
        """Return the first established connection; None if the next attempt is due or none is left.

        The next one begins at `until`, or when more attempts than the `failed` ones have failed.
        """
        while True:
            if winner := self._settled():
                del self._pending[winner]
                return winner
            if not self._pending or (self._waiting and len(self.reasons) > failed):
                return None
            try:
                await self._any_settled(until)
            except TimeoutError:
                if not self._waiting:
                    self.timed_out = True
                    self._give_up()
                elif self._is_single:
                    self._give_up()
                return None

    def _begin(self, info: AddressInfo) -> None:
        family, kind, protocol, _, address = info
        name = str(address[0])
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self.reasons.append(f"{name}: {reason_of(error)}")
            return
        self._pending[sock] = name
        try:
            sock.setblocking(False)
            if self._bind_address is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(self._bind_address)
            code = sock.connect_ex(address)
        except OSError as error:
            self._fail(sock, reason_of(error))
            return
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._fail(sock, os.strerror(code))

    async def _any_settled(self, deadline: float | None) -> None:
        """Wait until one of the attempts has ended, or may have."""
        *older, newest = self._pending
        if not older:
            await self._make_waiter(newest).writable(deadline)
            return
        try:
            ready = select.epoll()
        except (AttributeError, OSError):  # not Linux, or no descriptor left
            due = self._now() + _POLL_INTERVAL
            if deadline is not None and deadline <= due:
                await self._make_waiter(newest).writable(deadline)
                return
            try:
                await self._make_waiter(newest).writable(due)
            except TimeoutError:
                pass
            return
        with ready:  # an epoll descriptor can be waited on itself
            for sock in self._pending:
                ready.register(sock, select.EPOLLOUT)
            await self._make_waiter(ready.fileno()).readable(deadline)

    def _settled(self) -> socket.socket | None:
        """Return the oldest attempt that has succeeded; drop those that have failed."""
        for sock in _writable(self._pending):
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                return sock
            self._fail(sock, os.strerror(code))
        return None

    def _give_up(self) -> None:
        for sock in [*self._pending]:
            self._fail(sock, "no answer in time")

    def _fail(self, sock: socket.socket, reason: str) -> None:
        self.reasons.append(f"{self._pending.pop(sock)}: {reason}")
        sock.close()


def reason_of(error: OSError) -> str:
    """Return the reason of a failed system call, in words."""
    return error.strerror or str(error)


def _writable(socks: Iterable[socket.socket]) -> list[socket.socket]:
    poll = select.poll()
    by_number = {}
    for sock in socks:
        poll.register(sock, select.POLLOUT)
        by_number[sock.fileno()] = sock
    ready = {number for number, _ in poll.poll(0)}
    return [sock for number, sock in by_number.items() if number in ready]
