"""The trio flavour: plain `await`, one task per association in a server.

Deadlines and cancellation are the library's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import TypeVar

from .extras import missing_extra

try:
    import trio
except ImportError as error:
    raise missing_extra(__name__, "trio", error) from error

from . import evt
from .asynchronous import LibraryAE
from .entity.association import Association
from .files.objects import KnownFile
from .files.part10 import InvalidFile, NotPart10, TruncatedFile
from .logs import debug_logger
from .scu.responses import Responses
from .scu.store_many import StoreOutcome, StoreOutcomes
from .server.tasks import AsyncServer as Server
from .streams.addresses import plain_address
from .streams.connecting import AddressInfo
from .streams.event_loop import AsyncBackend, Event, Group, Library, Scope
from .streams.listening import systemd_sockets
from .streams.supplied import check_supplied
from .streams.wrapped import WrappedStream

__all__ = [
    "AE", "Association", "BACKEND", "InvalidFile", "KnownFile", "NotPart10", "Responses", "Server",
    "StoreOutcome", "StoreOutcomes", "TruncatedFile", "debug_logger", "evt", "systemd_sockets",
    "wrap_stream",
]  # fmt: skip

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


_LIBRARY = _Trio()

BACKEND = AsyncBackend(_LIBRARY)
"""The `Backend` of this flavour."""


class AE(LibraryAE):
    """An application entity; see `AECore` for what it is told."""

    backend = BACKEND
    library = _LIBRARY


class _ByteStream:
    """A trio stream in the shape that `WrappedStream` needs."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        sock = getattr(stream, "socket", None)
        self.local_address = plain_address(sock.getsockname()) if sock else None
        self.peer_address = plain_address(sock.getpeername()) if sock else None

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
    return WrappedStream(_LIBRARY, _ByteStream(stream))
