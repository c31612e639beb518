"""Programs with types that bring streams of their own; the types gate reads them, nothing runs them."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio.abc
import trio

from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt, streams
from dicomproto_transports import trio as trio_flavour


class Tunnel:
    """A stream over another one."""

    def __init__(self, inner: streams.Stream) -> None:
        self.inner = inner
        self.local_address: streams.Address = None
        self.peer_address = inner.peer_address

    def now(self) -> float:
        return self.inner.now()

    async def receive(self, deadline: float | None) -> bytes:
        return await self.inner.receive(deadline)

    def try_receive(self) -> bytes | None:
        return self.inner.try_receive()

    async def send(
        self, buffers: Sequence[bytes | bytearray | memoryview], deadline: float | None
    ) -> list[bytes | bytearray | memoryview]:
        return await self.inner.send(buffers, deadline)

    async def close(self, last_words: Sequence[bytes | bytearray | memoryview], deadline: float) -> None:
        await self.inner.close(last_words, deadline)


def connect(
    host: str, port: int, *, bind_address: tuple[str, int] | None = None, deadline: float | None = None
) -> streams.Stream:
    return Tunnel(blocking.wrap_stream(socket.create_connection((host, port), deadline)))


async def connect_in_trio(
    host: str, port: int, *, bind_address: tuple[str, int] | None, deadline: float | None
) -> streams.Stream:
    return Tunnel(trio_flavour.wrap_stream(await trio.open_tcp_stream(host, port)))


def without_deadline(host: str, port: int) -> streams.Stream:
    raise NotImplementedError


def serve(sock: socket.socket) -> None:
    ae = blocking.AE("SCP", connect=connect)
    ae.connect = None
    ae.connect = without_deadline  # type: ignore[assignment]
    handlers = [(evt.EVT_RELEASED, print)]
    nothing: None = ae.serve_stream(streams.wrap_stream(sock), evt_handlers=handlers, contexts=[])
    ae.serve_stream(sock)  # type: ignore[arg-type]
    print(nothing)


async def serve_in_trio(stream: trio.SocketStream) -> None:
    ae = trio_flavour.AE("SCP", connect=connect_in_trio)
    await ae.serve_stream(Tunnel(trio_flavour.wrap_stream(stream)), ae_title="OTHER")
    async with ae.associate("pacs", 104) as assoc:
        await assoc.send_c_echo()


async def serve_in_anyio(stream: anyio.abc.ByteStream) -> None:
    ae = anyio_flavour.AE("SCP", connect=connect)
    await ae.serve_stream(anyio_flavour.wrap_stream(stream))
    await ae.serve_stream(streams.wrap_stream(stream))


backend: streams.Backend = trio_flavour.BACKEND
backend = blocking.BACKEND
backend = anyio_flavour.BACKEND
