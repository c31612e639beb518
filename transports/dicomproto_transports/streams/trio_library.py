"""The waits, clock and byte streams of trio."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import TypeVar

from ..extras import missing_extra
from .addresses import Address, plain_address
from .connecting import AddressInfo
from .event_loop import AsyncBackend, Library
from .flavours import Flavour
from .scheduler import Event, Group, Scope
from .supplied import check_supplied
from .wrapped import WrappedStream

try:
    import trio
except ImportError as _error:
    raise missing_extra("dicomproto_transports.trio", "trio", _error) from _error

OfTrio = trio.abc.Stream
"""The streams that `wrap_stream` takes."""

T = TypeVar("T")


class TrioLibrary(Library):
    """The waits of trio."""

    flavour = Flavour.TRIO

    def now(self) -> float:
        return trio.current_time()

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float, /) -> None:
        await trio.sleep(seconds)

    def wait_readable(self, sock: socket.socket | int, /) -> Awaitable[None]:
        return trio.lowlevel.wait_readable(sock)

    def wait_writable(self, sock: socket.socket | int, /) -> Awaitable[None]:
        return trio.lowlevel.wait_writable(sock)

    async def getaddrinfo(self, host: str, port: int, /) -> Sequence[AddressInfo]:
        return await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def current_task(self) -> object:
        return trio.lowlevel.current_task()

    async def in_thread(self, function: Callable[[], T], /) -> T:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)

    def scope(self, deadline: float = inf, *, shield: bool = False) -> Scope:
        return trio.CancelScope(deadline=deadline, shield=shield)

    def open_group(self) -> AbstractAsyncContextManager[Group]:
        return trio.open_nursery()

    def event(self) -> Event:
        return trio.Event()

    def is_cancellation(self, error: BaseException, /) -> bool:
        return isinstance(error, trio.Cancelled)


LIBRARY = TrioLibrary()

BACKEND = AsyncBackend(LIBRARY)
"""The `Backend` of this flavour."""


class TrioByteStream:
    """A trio stream in the shape that `WrappedStream` needs."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        sock = getattr(stream, "socket", None)
        self.local_address: Address = plain_address(sock.getsockname()) if sock else None
        self.peer_address: Address = plain_address(sock.getpeername()) if sock else None

    async def receive(self, size: int, /) -> bytes:
        try:
            return bytes(await self._stream.receive_some(size))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error

    async def send(self, data: bytes, /) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error

    async def send_eof(self) -> bool:
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            return False
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error
        return True

    async def close(self) -> None:
        await self._stream.aclose()

    async def force_close(self) -> None:
        await trio.aclose_forcefully(self._stream)


def wrap_stream(stream: trio.abc.Stream) -> WrappedStream:
    """Return a `Stream` over any trio stream, which it owns from now on; TypeError if it is none."""
    names = "receive_some", "send_all", "aclose"
    check_supplied(stream, names, "wrap_stream()", "a trio.abc.Stream is wanted")
    return WrappedStream(LIBRARY, TrioByteStream(stream))
