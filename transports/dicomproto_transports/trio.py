"""The trio flavour: plain `await`, one task per association in a server.

Deadlines and cancellation are the library's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import TypeVar

import trio

from ._async import AsyncBackend, Event, Group, Library, Scope
from ._socket import AddressInfo

T = TypeVar("T")


class _Trio(Library):
    """What the flavour takes from the library."""

    def now(self) -> float:
        return trio.current_time()

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float, /) -> None:
        await trio.sleep(seconds)

    async def wait_readable(self, sock: socket.socket | int, /) -> None:
        await trio.lowlevel.wait_readable(sock)

    async def wait_writable(self, sock: socket.socket | int, /) -> None:
        await trio.lowlevel.wait_writable(sock)

    async def getaddrinfo(self, host: str, port: int, /) -> Sequence[AddressInfo]:
        return await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def in_thread(self, function: Callable[[], T], /) -> T:
        return await trio.to_thread.run_sync(function)

    def scope(self, deadline: float = inf, *, shield: bool = False) -> Scope:
        return trio.CancelScope(deadline=deadline, shield=shield)

    def open_group(self) -> AbstractAsyncContextManager[Group]:
        return trio.open_nursery()

    def event(self) -> Event:
        return trio.Event()

    def is_cancellation(self, error: BaseException, /) -> bool:
        return isinstance(error, trio.Cancelled)


_LIBRARY = _Trio()

BACKEND = AsyncBackend(_LIBRARY)
"""The `Backend` of this flavour."""
