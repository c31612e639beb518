"""The waits, clock and byte streams of anyio."""

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
    import anyio
    import anyio.abc
    import anyio.lowlevel
    import anyio.to_thread
except ImportError as _error:
    raise missing_extra("dicomproto_transports.anyio", "anyio", _error) from _error

OfAnyio = anyio.abc.ByteStream
"""The streams that `wrap_stream` takes."""

T = TypeVar("T")


class AnyioLibrary(Library):
    """The waits of anyio."""

    flavour = Flavour.ANYIO

    def now(self) -> float:
        return anyio.current_time()

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def sleep(self, seconds: float, /) -> None:
        await anyio.sleep(seconds)

    def wait_readable(self, sock: socket.socket | int, /) -> Awaitable[None]:
        return anyio.wait_readable(sock)

    def wait_writable(self, sock: socket.socket | int, /) -> Awaitable[None]:
        return anyio.wait_writable(sock)

    async def getaddrinfo(self, host: str, port: int, /) -> Sequence[AddressInfo]:
        return await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    def current_task(self) -> object:
        return anyio.get_current_task()

    async def in_thread(self, function: Callable[[], T], /) -> T:
        return await anyio.to_thread.run_sync(function, abandon_on_cancel=True)

    def scope(self, deadline: float = inf, *, shield: bool = False) -> Scope:
        return anyio.CancelScope(deadline=deadline, shield=shield)

    def open_group(self) -> AbstractAsyncContextManager[Group]:
        return anyio.create_task_group()

    def event(self) -> Event:
        return anyio.Event()

    def is_cancellation(self, error: BaseException, /) -> bool:
        return isinstance(error, anyio.get_cancelled_exc_class())


LIBRARY = AnyioLibrary()

BACKEND = AsyncBackend(LIBRARY)
"""The `Backend` of this flavour."""


class AnyioByteStream:
    """An anyio stream in the shape that `WrappedStream` needs."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream
        attribute = anyio.abc.SocketAttribute
        self.local_address: Address = plain_address(stream.extra(attribute.local_address, None))
        self.peer_address: Address = plain_address(stream.extra(attribute.remote_address, None))

    async def receive(self, size: int, /) -> bytes:
        try:
            return await self._stream.receive(size)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error

    async def send(self, data: bytes, /) -> None:
        try:
            await self._stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error

    async def send_eof(self) -> bool:
        try:
            await self._stream.send_eof()
        except NotImplementedError:  # TLS cannot
            return False
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionResetError(str(error)) from error
        return True

    async def close(self) -> None:
        await self._stream.aclose()

    async def force_close(self) -> None:
        await anyio.aclose_forcefully(self._stream)


def wrap_stream(stream: anyio.abc.ByteStream) -> WrappedStream:
    """Return a `Stream` over any anyio byte stream, which it owns from now on; TypeError if it is none."""
    names = "receive", "send", "send_eof", "aclose", "extra"
    check_supplied(stream, names, "wrap_stream()", "an anyio.abc.ByteStream is wanted")
    if issubclass(type(stream), anyio.abc.UnreliableObjectReceiveStream):
        kind = type(stream).__name__
        raise TypeError(f"wrap_stream(): {kind} is a stream of objects; an anyio.abc.ByteStream is wanted")
    return WrappedStream(LIBRARY, AnyioByteStream(stream))
