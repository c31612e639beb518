"""`SocketStream` in every flavour, over TCP on the loopback interface and over pipes in memory."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from functools import partial

import pytest

from dicomproto_transports import blocking
from dicomproto_transports.streams.blocking_waits import PollWaiter
from dicomproto_transports.streams.interface import Stream
from dicomproto_transports.streams.tcp import SocketStream
from tests.backends import LONGEST_WAIT, AnyBackend, Async, socket_pair

SOON = 0.05
BROKEN = r"reset|pipe"
MIB = 1024 * 1024


async def receive_exactly(stream: Stream, size: int) -> bytes:
    parts = []
    while size:
        data = await stream.receive(stream.now() + 10)
        assert 0 < len(data) <= size
        size -= len(data)
        parts.append(data)
    return b"".join(parts)


async def receive_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.receive(stream.now() + 10):
        parts.append(data)
    return b"".join(parts)


async def fill(stream: Stream, rest: Sequence[object] = ()) -> Sequence[object]:
    """Send `rest` and more until the peer, who does not read, blocks us; return what was not sent.

    What blocks may take some more a little later: a busy system grows its buffers late.
    """
    end = stream.now() + LONGEST_WAIT
    rest = rest or [b"x" * MIB]
    while stream.now() < end:
        try:
            rest = await stream.send(rest, stream.now() + SOON)
        except TimeoutError:
            return rest
        if not rest:
            rest = [b"x" * MIB]
    raise AssertionError("nothing has blocked us")


async def send_until_input(stream: Stream, rest: Sequence[object]) -> None:
    """Send `rest` and more until a send that is blocked returns before its deadline; see `fill`."""
    offered = left = 0
    while not offered or left < offered:
        rest = rest or [b"x" * MIB]
        offered = sum(map(len, rest))
        rest = await stream.send(rest, stream.now() + LONGEST_WAIT)
        left = sum(map(len, rest))


async def hang_up(*streams: Stream) -> None:
    for stream in streams:
        await stream.close([], stream.now())


def test_bytes_and_the_end_of_the_stream(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        assert await left.send([b"ab", b"", memoryview(b"cd")], None) == []
        assert await left.send([], None) == []
        assert await receive_exactly(right, 4) == b"abcd"
        await hang_up(left)
        assert await right.receive(None) == b""
        assert right.try_receive() == b""
        await hang_up(right)

    backend.run(scenario)


def test_try_receive_never_waits(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        assert right.try_receive() is None
        await left.send([b"now"], None)
        assert await right.receive(None) == b"now"
        assert right.try_receive() is None
        await hang_up(left, right)

    backend.run(scenario)


def test_receive_ends_at_its_deadline(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        start = right.now()
        with pytest.raises(TimeoutError):
            await right.receive(start + SOON)
        assert right.now() >= start + SOON
        with pytest.raises(TimeoutError):
            await right.receive(start - 1)
        await left.send([b"late"], None)
        assert await right.receive(right.now() + 10) == b"late"
        await hang_up(left, right)

    backend.run(scenario)


def test_what_was_received_stays_and_what_was_sent_may_change(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        received = []
        for letter in b"abc":
            buffer = bytearray([letter]) * 1000
            assert await left.send([buffer], None) == []
            buffer[:] = b"\xaa" * 1000
            received.append(await receive_exactly(right, 1000))
        assert received == [b"a" * 1000, b"b" * 1000, b"c" * 1000]
        await hang_up(left, right)

    backend.run(scenario)


def test_partial_counts_are_resumed(backend: AnyBackend) -> None:
    buffers = [bytes([number % 251]) * (number * 7 % 4099) for number in range(1500)]
    whole = b"".join(buffers)

    async def scenario() -> None:
        left, right = await backend.pair()

        async def send() -> None:
            rest: Sequence[object] = buffers
            while rest:
                rest = await left.send(rest, left.now() + 10)
            await left.close([], left.now() + 10)

        async def receive() -> bytes:
            received = await receive_all(right)
            await hang_up(right)
            return received

        received = (await backend.together(send, receive))[1]
        assert received == whole

    backend.run(scenario)


def test_two_peers_that_both_send_do_not_stall(backend: AnyBackend) -> None:
    whole = bytes(range(256)) * (8 * MIB // 256)

    async def both(stream: Stream) -> bytes:
        received = []
        rest: Sequence[object] = [whole[start : start + 16384] for start in range(0, len(whole), 16384)]
        while rest:
            rest = await stream.send(rest, stream.now() + 10)
            while (data := stream.try_receive()) is not None:
                received.append(data)
        missing = len(whole) - sum(map(len, received))
        return b"".join([*received, await receive_exactly(stream, missing)])

    async def scenario() -> None:
        left, right = await backend.pair()
        assert await backend.together(partial(both, left), partial(both, right)) == [whole, whole]
        await hang_up(left, right)

    backend.run(scenario)


def test_a_blocked_send_returns_when_input_is_there(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        rest = await fill(left)
        await right.send([b"stop"], None)
        await send_until_input(left, rest)
        assert await left.receive(None) == b"stop"
        await hang_up(left, right)

    backend.run(scenario)


def test_a_blocked_send_waits_for_room_when_the_end_of_input_was_seen(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        rest = await fill(left)
        raw = right._sock  # a peer that shuts down writing, but reads on
        raw.shutdown(socket.SHUT_WR)
        assert await left.receive(left.now() + 10) == b""
        await fill(left, rest)
        await hang_up(left, right)

    backend.run(scenario)


def test_a_peer_that_does_not_read_times_out_and_is_reset(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        await fill(left)
        start = left.now()
        await left.close([b"last words"], start + 2 * LONGEST_WAIT)  # after a send that was cut: not sent
        assert left.now() < start + LONGEST_WAIT
        with pytest.raises(ConnectionResetError):
            await receive_all(right)
        await hang_up(right)

    backend.run(scenario)


def test_what_the_peer_said_can_be_read_after_a_failed_send(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        await right.send([b"abort"], None)
        await hang_up(right)

        async def send_on() -> None:
            while True:
                await left.send([b"x"], left.now() + 10)

        with pytest.raises(OSError, match=BROKEN):
            await send_on()
        assert await left.receive(None) == b"abort"
        await hang_up(left)

    backend.run(scenario)


def test_close_says_last_words_and_reads_to_the_end(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()

        async def goodbye() -> None:
            await left.close([b"good", b"bye"], left.now() + 10)

        async def peer() -> bytes:
            await right.send([b"unheard" * 100], None)
            heard = await receive_all(right)
            await right.send([b"still unheard"], None)
            await hang_up(right)
            return heard

        assert (await backend.together(goodbye, peer))[1] == b"goodbye"
        await left.close([b"again"], left.now() + 10)
        await right.close([], right.now())

    backend.run(scenario)


def test_close_is_bounded_when_the_peer_never_closes(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        start = left.now()
        await left.close([b"bye"], start + SOON)
        assert left.now() == start + SOON if backend.is_virtual else left.now() >= start + SOON
        assert await receive_all(right) == b"bye"
        await hang_up(right)

    backend.run(scenario)


def test_close_is_bounded_when_the_peer_floods(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await real_backend.pair()

        async def flood() -> bool:
            """Send until the other side has closed; tell whether it has, before the flood ended by itself."""
            end = right.now() + LONGEST_WAIT
            while right.now() < end:
                try:
                    await right.send([b"x" * 65536], end)
                except OSError:
                    return True
                await real_backend.backend.checkpoint()
            return False

        async def goodbye() -> None:
            await left.close([b"bye"], left.now() + SOON)

        assert (await real_backend.together(flood, goodbye))[0]
        await hang_up(right)

    real_backend.run(scenario)


def test_close_is_bounded_when_the_peer_never_reads(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        start = left.now()
        await left.close([b"x" * MIB] * 32, start + SOON)
        assert left.now() == start + SOON if backend.is_virtual else left.now() >= start + SOON
        with pytest.raises(ConnectionResetError):
            await receive_all(right)
        await hang_up(right)

    backend.run(scenario)


def test_a_rest_must_lead_the_last_words(backend: AnyBackend) -> None:
    whole = b"x" * (16 * MIB)

    async def scenario(with_rest: bool) -> None:
        left, right = await backend.pair()
        rest = await left.send([whole, b"end"], left.now() + SOON)
        assert rest

        async def goodbye() -> None:
            await left.close([*(rest if with_rest else ()), b"abort"], left.now() + 10)

        async def peer() -> bytes | None:
            try:
                return await receive_all(right)
            except ConnectionResetError:
                return None
            finally:
                await hang_up(right)

        heard = (await backend.together(goodbye, peer))[1]
        assert heard == (whole + b"endabort" if with_rest else None)

    async def scenarios() -> None:
        await scenario(with_rest=True)
        await scenario(with_rest=False)

    backend.run(scenarios)


def test_no_early_end_without_input(backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        rest = await left.send([b"x" * (16 * MIB)], left.now() + SOON)  # something was taken
        taken = 16 * MIB - sum(map(len, rest))
        assert taken
        assert await receive_exactly(right, taken) == b"x" * taken
        await hang_up(left, right)

    backend.run(scenario)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_addresses_and_options(family: int) -> None:
    left, right = socket_pair(family)
    names = left.getsockname(), left.getpeername()
    stream = SocketStream(left, PollWaiter(left))
    assert (stream.local_address, stream.peer_address) == names
    assert str(names[0]) in repr(stream)
    assert left.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert left.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert left.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    blocking.run(stream.close([], 0))
    assert stream.peer_address == names[1]
    right.close()


class Recording(socket.socket):
    """A real socket that notes what is asked of it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.calls: list[str] = []
        self.failure: OSError | None = None

    def setsockopt(self, level: int, option: int, *value: object) -> None:  # type: ignore[override]
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_QUICKACK):
            self.calls.append("quickack")
        super().setsockopt(level, option, *value)  # type: ignore[arg-type]

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.calls.append("recv")
        if self.failure is not None:
            raise self.failure
        return super().recv(size, flags)

    def sendmsg(self, buffers: Sequence[bytes]) -> int:  # type: ignore[override]
        self.calls.append(f"sendmsg {len(buffers)}")
        if self.failure is not None:
            raise self.failure
        return super().sendmsg(buffers)


def test_quickack_is_armed_before_a_wait_for_the_rest_of_what_comes() -> None:
    """Once a peer has sent in parts, before every wait: it may leave Nagle's algorithm on."""
    left, right = socket_pair()
    recording = Recording(right)
    stream = SocketStream(recording, PollWaiter(recording))

    def receive() -> bytes:
        recording.calls.clear()
        return blocking.run(stream.receive(stream.now()))

    for _ in range(3):  # questions and answers: an answer acknowledges
        left.sendall(b"whole")
        assert receive() == b"whole"
        assert recording.calls == ["recv"]
        assert not blocking.run(stream.send([b"answer"], None))
    with pytest.raises(TimeoutError):
        receive()
    assert recording.calls == []
    left.sendall(b"part")
    assert receive() == b"part"
    for _ in range(2):
        with pytest.raises(TimeoutError):
            receive()
        assert recording.calls == ["quickack"]
    assert not blocking.run(stream.send([b"answer"], None))
    left.sendall(b"rest")
    assert receive() == b"rest"
    assert recording.calls == ["quickack", "recv"]
    stream.close_now()
    left.close()


def test_a_receive_after_the_close_fails() -> None:
    left, right = socket_pair()
    stream = SocketStream(right, PollWaiter(right))
    left.sendall(b"all of it")
    assert blocking.run(stream.receive(None)) == b"all of it"
    stream.close_now()
    with pytest.raises(OSError, match="Bad file descriptor"):
        blocking.run(stream.receive(None))
    left.close()


def test_the_end_waits_only_for_a_peer_that_has_not_closed() -> None:
    left, right = socket_pair()
    waits: list[float | None] = []

    class Noting(PollWaiter):
        async def readable(self, deadline: float | None) -> None:
            waits.append(deadline)

    stream = SocketStream(right, Noting(right))
    left.sendall(b"request")
    assert blocking.run(stream.receive(None)) == b"request"
    left.shutdown(socket.SHUT_WR)
    blocking.run(stream.close([b"response"], stream.now() + 10))
    assert waits == []
    assert left.recv(100) == b"response"
    assert left.recv(100) == b""
    left.close()


def test_one_system_call_for_many_buffers() -> None:
    left, right = socket_pair()
    recording = Recording(right)
    stream = SocketStream(recording, PollWaiter(recording))
    assert blocking.run(stream.send([b"a"] * 512, None)) == []
    assert blocking.run(stream.send([b"b"] * 600, None)) == []
    assert recording.calls == ["sendmsg 512", "sendmsg 512", "sendmsg 88"]
    stream.close_now()
    left.close()


@pytest.mark.parametrize("action", ["receive", "send"])
def test_the_kernels_timeout_is_a_broken_connection(action: str) -> None:
    left, right = socket_pair()
    recording = Recording(right)
    stream = SocketStream(recording, PollWaiter(recording))
    recording.failure = OSError(errno.ETIMEDOUT, "Connection timed out")
    assert isinstance(recording.failure, TimeoutError)
    with pytest.raises(ConnectionAbortedError):
        blocking.run(stream.receive(None) if action == "receive" else stream.send([b"x"], None))
    stream.close_now()
    left.close()


def test_drop_ends_the_stream_under_its_user(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        left, right = await real_backend.pair()
        assert isinstance(left, SocketStream)
        left.drop()
        assert await left.receive(left.now() + 10) == b""
        assert await right.receive(right.now() + 10) == b""
        await hang_up(left, right)
        left.drop()

    real_backend.run(scenario)


def test_work_that_never_waits_lets_others_run(async_backend: Async) -> None:
    async def scenario() -> None:
        left, right = await async_backend.pair()
        turns = 0

        async def other() -> None:
            nonlocal turns
            while turns < 1000:
                turns += 1
                await async_backend.backend.checkpoint()

        async def busy() -> int:
            for _ in range(1000):  # each finds its byte there
                await left.send([b"x"], None)
                while right.try_receive() is None:
                    pass
            return turns

        assert (await async_backend.together(other, busy))[1] >= 1000 // 64 - 1
        await hang_up(left, right)

    async_backend.run(scenario)


def test_waiting_for_either_without_epoll(async_backend: Async, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        left, right = await async_backend.pair()
        rest = await fill(left)
        with monkeypatch.context() as patch:
            # The event loops have theirs already; what is missing is a descriptor for another one.
            patch.setattr("dicomproto_transports.streams.event_loop.select", object())
            rest = await fill(left, rest)

            async def write() -> None:
                await right.send([b"stop"], None)

            await async_backend.together(partial(send_until_input, left, rest), write)
            assert left.try_receive() == b"stop"
        await hang_up(left, right)

    async_backend.run(scenario)


def test_a_cancelled_receive_leaves_the_stream_usable(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        left, right = await async_backend.pair()
        scope = library.scope()

        async def wait() -> None:
            with scope:
                await left.receive(left.now() + 10)

        async def cancel() -> None:
            await library.checkpoint()
            scope.cancel()

        await async_backend.together(wait, cancel)
        assert scope.cancelled_caught

        async def goodbye() -> None:
            await left.close([b"abort"], left.now() + 10)

        async def peer() -> bytes:
            heard = await receive_all(right)
            await hang_up(right)
            return heard

        assert (await async_backend.together(goodbye, peer))[1] == b"abort"

    async_backend.run(scenario)


def test_a_cancelled_send_resets_and_close_is_shielded(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        left, right = await async_backend.pair()
        scope = library.scope()

        await fill(left)

        async def send() -> None:
            with scope:
                try:
                    await left.send([b"x"], left.now() + 10)
                finally:
                    start = left.now()
                    await left.close([b"abort"], start + 2 * LONGEST_WAIT)
                    assert left.now() < start + LONGEST_WAIT

        async def cancel() -> None:
            await library.checkpoint()
            scope.cancel()

        await async_backend.together(send, cancel)
        assert scope.cancelled_caught
        with pytest.raises(ConnectionResetError):
            await receive_all(right)
        await hang_up(right)

    async_backend.run(scenario)


def test_close_is_shielded_from_cancellation(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        left, right = await async_backend.pair()
        scope = library.scope()

        async def goodbye() -> None:
            with scope:
                scope.cancel()
                try:
                    await library.checkpoint()
                finally:
                    await left.close([b"abort"], left.now() + 10)

        async def peer() -> bytes:
            heard = await receive_all(right)
            await hang_up(right)
            return heard

        assert (await async_backend.together(goodbye, peer))[1] == b"abort"

    async_backend.run(scenario)
