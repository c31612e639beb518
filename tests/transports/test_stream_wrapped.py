"""Byte streams of trio and anyio that users bring: tunnels, TLS, streams in memory."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.streams.interface import Stream
from tests.backends import LONGEST_WAIT, Async, socket_pair

SOON = 0.05
MIB = 1024 * 1024


async def wrap(backend: Async, sock: socket.socket) -> Stream:
    """Return a stream over the library's own over a TCP socket."""
    sock.setblocking(False)
    if backend.name == "trio":
        return trio_flavour.wrap_stream(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
    return anyio_flavour.wrap_stream(await anyio.abc.SocketStream.from_socket(sock))


async def pair(backend: Async) -> tuple[Stream, Stream]:
    """Return two connected streams."""
    left, right = socket_pair()
    return await wrap(backend, left), await wrap(backend, right)


async def receive_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.receive(stream.now() + 10):
        parts.append(data)
    return b"".join(parts)


async def send_all(stream: Stream, buffers: Sequence[Any]) -> list[bytes]:
    """Send everything; return what came meanwhile."""
    received = []
    while buffers:
        buffers = await stream.send(buffers, stream.now() + 10)
        while data := stream.try_receive():
            received.append(data)
    return received


async def hang_up(*streams: Stream) -> None:
    for stream in streams:
        await stream.close([], stream.now())


def test_bytes_addresses_and_the_end(async_backend: Async) -> None:
    async def scenario() -> None:
        left, right = await pair(async_backend)
        assert left.local_address == right.peer_address != left.peer_address
        assert str(left.peer_address) in repr(left)
        assert await left.send([b"ab", memoryview(b"cd")], None) == []
        assert await right.receive(None) == b"abcd"
        assert right.try_receive() is None
        with pytest.raises(TimeoutError):
            await right.receive(right.now() + SOON)
        await hang_up(left)
        assert await right.receive(right.now() + 10) == b""
        assert right.try_receive() == b""
        await hang_up(right, right)

    async_backend.run(scenario)


def test_many_buffers_arrive_in_order(async_backend: Async) -> None:
    buffers = [bytes([number % 251]) * (number * 7 % 4099) for number in range(500)] + [b"x" * MIB]

    async def scenario() -> None:
        left, right = await pair(async_backend)

        async def send() -> None:
            await send_all(left, buffers)
            await left.close([b"last", b"words"], left.now() + 10)

        async def receive() -> bytes:
            received = await receive_all(right)
            await hang_up(right)
            return received

        received = (await async_backend.together(send, receive))[1]
        assert received == b"".join(buffers) + b"lastwords"

    async_backend.run(scenario)


def test_two_peers_that_both_send_do_not_stall(async_backend: Async) -> None:
    whole = bytes(range(256)) * (4 * MIB // 256)

    async def both(stream: Stream) -> bytes:
        received = await send_all(stream, [whole])
        size = sum(map(len, received))
        while size < len(whole):
            received.append(await stream.receive(stream.now() + 10))
            size += len(received[-1])
        return b"".join(received)

    async def scenario() -> None:
        left, right = await pair(async_backend)
        results = await async_backend.together(partial(both, left), partial(both, right))
        assert results == [whole, whole]
        await hang_up(left, right)

    async_backend.run(scenario)


async def send_until_told(backend: Async, left: Stream, right: Stream) -> list[object]:
    """Send while the peer says stop; return the rest that the send came back with."""
    left_over: list[list[object]] = []

    async def send() -> None:
        while not left_over:
            rest = await left.send([b"x" * 65536] * 16, left.now() + 10)
            if left.try_receive() == b"stop":
                left_over.append(rest)
        await left.close(left_over[0] or [], left.now() + 10)

    async def peer() -> None:
        assert await right.send([b"stop"], None) == []
        while await right.receive(right.now() + 10):
            pass
        await hang_up(right)

    await backend.together(send, peer)
    return left_over[0]


def test_what_came_while_sending_is_kept(async_backend: Async) -> None:
    async def scenario() -> None:
        await send_until_told(async_backend, *await pair(async_backend))

    async_backend.run(scenario)


def test_a_peer_that_does_not_read_times_out(async_backend: Async) -> None:
    async def scenario() -> None:
        sock, peer = socket_pair()
        left = await wrap(async_backend, sock)

        async def fill() -> None:
            while True:
                await left.send([b"x" * MIB], left.now() + SOON)

        with pytest.raises(TimeoutError):
            await fill()
        start = left.now()
        await left.close([b"not said"], start + 2 * LONGEST_WAIT)
        assert left.now() < start + LONGEST_WAIT
        peer.close()

    async_backend.run(scenario)


def test_a_rest_must_lead_the_last_words(async_backend: Async) -> None:
    async def scenario(with_rest: bool) -> None:
        left, right = await pair(async_backend)
        rest: list[Any] = []

        async def send() -> None:
            while not rest:
                rest[:] = await left.send([b"x" * 65536] * 64, left.now() + 10)
            await left.close([*(rest if with_rest else ()), b"abort"], left.now() + 10)

        async def peer() -> bytes:
            heard = b""
            try:
                await send_all(right, [b"stop"])
                heard = await right.receive(right.now() + 10)
                while data := await right.receive(right.now() + 10):
                    heard = (heard + data)[-5:]
            except OSError:
                pass
            await hang_up(right)
            return heard

        heard = (await async_backend.together(send, peer))[1]
        assert (heard[-5:] == b"abort") is with_rest

    async def scenarios() -> None:
        await scenario(with_rest=True)
        await scenario(with_rest=False)

    async_backend.run(scenarios)


def test_a_broken_connection_is_an_oserror(async_backend: Async) -> None:
    async def scenario() -> None:
        left, right = await pair(async_backend)
        assert await right.send([b"abort"], None) == []
        await hang_up(right)

        async def send_on() -> None:
            while True:
                await left.send([b"x" * 1000], left.now() + 10)

        with pytest.raises(OSError):
            await send_on()
        assert await left.receive(None) == b"abort"
        await left.close([b"not said"], left.now() + 10)

    async_backend.run(scenario)


def test_close_is_shielded_and_bounded(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        left, right = await pair(async_backend)
        with library.scope() as scope:
            scope.cancel()
            try:
                await library.checkpoint()
            finally:
                start = left.now()
                await left.close([b"abort"], start + SOON)
                assert left.now() >= start + SOON
        assert await receive_all(right) == b"abort"
        await hang_up(right)

    async_backend.run(scenario)


def test_streams_in_memory() -> None:
    async def over_trio() -> None:
        one, other = trio.testing.memory_stream_pair()
        left, right = trio_flavour.wrap_stream(one), trio_flavour.wrap_stream(other)
        assert (left.local_address, left.peer_address) == (None, None)
        assert await left.send([b"hello"], None) == []
        assert await right.receive(None) == b"hello"
        await hang_up(left, right)

    trio.run(over_trio)
