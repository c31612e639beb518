"""`TlsStream`: the rules of `Stream` hold over TLS too, in every flavour, and what is TLS's own."""

from __future__ import annotations

import hmac
import random
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

from dicomproto.config import Timeouts
from dicomproto_transports.blocking import run
from dicomproto_transports.streams.interface import Stream, TLSBroken
from dicomproto_transports.streams.secure import Handshake, TlsStream
from dicomproto_transports.testing import Faults
from dicomproto_transports.tls import client_context, server_context
from tests.backends import MAKE, NAMES, AnyBackend, Async
from tests.certificates import Authority
from tests.transports import test_socket_stream as of_sockets
from tests.transports.test_socket_stream import MIB, SOON, fill, hang_up, receive_all
from tests.transports.test_stream_wrapped import pair as wrapped_pair

THE_SAME = (
    "a_blocked_send_returns_when_input_is_there",
    "a_peer_that_does_not_read_times_out_and_is_reset",
    "bytes_and_the_end_of_the_stream",
    "close_is_bounded_when_the_peer_floods",
    "close_is_bounded_when_the_peer_never_closes",
    "close_is_bounded_when_the_peer_never_reads",
    "close_says_last_words_and_reads_to_the_end",
    "partial_counts_are_resumed",
    "receive_ends_at_its_deadline",
    "try_receive_never_waits",
    "two_peers_that_both_send_do_not_stall",
    "what_the_peer_said_can_be_read_after_a_failed_send",
    "what_was_received_stays_and_what_was_sent_may_change",
)
"""The tests of sockets that hold word for word over TLS; they run here with the backends below."""

globals().update({f"test_{name}": getattr(of_sockets, f"test_{name}") for name in THE_SAME})


class Secured:
    """A backend whose pairs speak TLS."""

    def __init__(self, backend: AnyBackend, client: ssl.SSLContext, server: ssl.SSLContext) -> None:
        self._backend, self._client, self._server = backend, client, server
        self._plain_pair = backend.pair

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def pair(self) -> tuple[TlsStream, TlsStream]:
        return await self.secure(*await self._plain_pair())

    async def secure(self, left: Stream, right: Stream) -> tuple[TlsStream, TlsStream]:
        ends = await self._backend.together(
            partial(Handshake(self._client, server_hostname="archive").run, left, "SCP", Timeouts()),
            partial(Handshake(self._server, server_side=True).run, right, "SCU", Timeouts()),
        )
        return ends[0], ends[1]


def secured(name: str, authority: Authority, version: ssl.TLSVersion) -> Secured:
    client = client_context(authority.ca_file)
    client.maximum_version = version
    return Secured(MAKE[name](), client, server_context(authority.server.cert, authority.server.key))


@pytest.fixture(params=NAMES)
def backend(request: pytest.FixtureRequest, authority: Authority) -> Secured:
    return secured(request.param, authority, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(params=NAMES[1:])
def real_backend(request: pytest.FixtureRequest, authority: Authority) -> Secured:
    return secured(request.param, authority, ssl.TLSVersion.TLSv1_2)


# --- what is TLS's own ----------------------------------------------------------------------------


def test_records_that_came_together_are_all_delivered(backend: Secured) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        for number in range(10):
            assert await left.send([bytes([number]) * 100], None) == []
        received = b""
        while len(received) < 1000:
            received += await right.receive(right.now() + 10)
            while (more := right.try_receive()) is not None:
                received += more
        assert received == b"".join(bytes([number]) * 100 for number in range(10))
        await hang_up(left, right)

    backend.run(scenario)


def test_records_cut_anywhere(authority: Authority) -> None:
    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    slow = Faults(chunk=1, accept=7)
    whole = bytes(range(256)) * 100

    async def scenario() -> None:
        left, right = await backend.secure(*backend.world.pair(slow, slow))

        async def send() -> None:
            rest: Sequence[object] = [whole[start : start + 100] for start in range(0, len(whole), 100)]
            while rest:
                rest = await left.send(rest, None)
            await left.close([], left.now() + 10)

        async def receive() -> bytes:
            received = await receive_all(right)
            await hang_up(right)
            return received

        assert (await backend.together(send, receive))[1] == whole

    backend.run(scenario)


def test_a_rest_must_lead_the_last_words(backend: Secured) -> None:
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
            except (ConnectionResetError, ConnectionAbortedError):
                return None
            finally:
                await hang_up(right)

        heard = (await backend.together(goodbye, peer))[1]
        assert heard == (whole + b"endabort" if with_rest else None)

    async def scenarios() -> None:
        await scenario(with_rest=True)
        await scenario(with_rest=False)

    backend.run(scenarios)


def test_empty_buffers(backend: Secured) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        assert await left.send([], None) == []
        assert await left.send([b"", b""], None) == []
        assert await left.send([b"", b"a", b"", b"b", b""], None) == []
        await left.close([b"", b"c", b"", b"d"], left.now() + SOON)
        assert await receive_all(right) == b"abcd"
        await hang_up(right)

    backend.run(scenario)


def test_a_send_that_ended_before_it_began_can_be_said_again_in_the_last_words(authority: Authority) -> None:
    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    world = backend.world

    async def scenario() -> None:
        left, right = await backend.pair()
        said: list[bytes] = []

        async def send() -> None:
            try:
                while True:  # lets others run now and then, before it writes
                    said.append(b"%06d" % len(said))
                    assert await left.send(said[-1:], None) == []
            finally:
                await left.close([said[-1], b"abort"], world.now() + 10)

        sending = world.spawn(send())
        received = await right.receive(None)
        sending.cancel()
        received += await receive_all(right)
        assert received == b"".join(said) + b"abort"
        await hang_up(right)

    backend.run(scenario)


def test_a_connection_that_ends_without_close_notify_is_broken(backend: Secured) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        await left.send([b"the first half"], None)
        await left._inner.close([], left.now())
        assert await right.receive(right.now() + 10) == b"the first half"
        with pytest.raises(ConnectionAbortedError, match="close_notify"):
            await right.receive(right.now() + 10)
        with pytest.raises(ConnectionAbortedError, match="close_notify"):
            right.try_receive()
        await hang_up(right)

    backend.run(scenario)


def test_a_blocked_send_waits_for_room_when_the_end_of_input_was_seen(backend: Secured) -> None:
    async def scenario() -> None:
        left, right = await backend.pair()
        rest = await fill(left)
        await _half_close(right)
        assert await left.receive(left.now() + 10) == b""
        await fill(left, rest)
        await hang_up(left, right)

    backend.run(scenario)


async def _half_close(stream: TlsStream) -> None:
    """Send close_notify and the end of the stream, as a peer that reads on."""
    with pytest.raises(ssl.SSLWantReadError):
        stream._engine.unwrap()
    stream._gather()
    assert await stream._inner.send(stream._pending, None) == []
    stream._inner._sock.shutdown(1)  # type: ignore[attr-defined]


class Opposite:
    """The stream below our TLS; behind it is another TLS, which answers at once and can do more than ours."""

    local_address = peer_address = None

    def __init__(self, authority: Authority, *, is_server: bool = True) -> None:
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate_chain_file(str(authority.server.cert))
        context.use_privatekey_file(str(authority.server.key))
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self.tls = SSL.Connection(context, None)
        (self.tls.set_accept_state if is_server else self.tls.set_connect_state)()
        self.heard = b""
        self.said: list[bytes] = []
        self.is_slow = self.is_deaf = False

    def now(self) -> float:
        return 0.0

    def work(self) -> None:
        """Let the TLS take in what came, and say what it has to."""
        if self.is_slow:
            return
        with suppress(SSL.WantReadError):
            self.tls.do_handshake()
            while True:
                self.heard += self.tls.recv(MIB)
        with suppress(SSL.WantReadError):
            while True:
                self.said.append(self.tls.bio_read(MIB))

    def try_receive(self) -> bytes | None:
        said, self.said = b"".join(self.said), []
        return said or None

    async def receive(self, deadline: float | None) -> bytes:
        self.work()
        if (data := self.try_receive()) is None:
            raise TimeoutError
        return data

    async def send(self, buffers: Sequence[Any], deadline: float | None) -> list[Any]:
        if self.is_deaf:
            raise TimeoutError
        for buffer in buffers:
            self.tls.bio_write(bytes(buffer))
        self.work()
        return []

    async def close(self, last_words: Sequence[Any], deadline: float) -> None:
        await self.send(last_words, deadline)


def shaken(opposite: Opposite, context: ssl.SSLContext, *, is_server: bool = False) -> TlsStream:
    handshake = Handshake(context, server_side=is_server, server_hostname=None if is_server else "archive")
    return run(handshake.run(opposite, "PEER", Timeouts()))


@pytest.fixture
def willing(authority: Authority) -> ssl.SSLContext:
    """A context that renegotiates."""
    context = client_context(authority.ca_file)
    context.options &= ~ssl.OP_NO_RENEGOTIATION
    return context


def test_a_renegotiation_while_we_send(authority: Authority, willing: ssl.SSLContext) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, willing)
    assert run(stream.send([b"before "], None)) == []
    assert opposite.tls.renegotiate()
    opposite.work()
    assert stream.try_receive() is None  # the peer's wish was heard, nothing came
    assert run(stream.send([b"after"], None)) == []
    opposite.work()
    assert opposite.heard == b"before after"
    assert not opposite.tls.renegotiate_pending()


def test_a_renegotiation_while_we_receive(authority: Authority, willing: ssl.SSLContext) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, willing)
    assert opposite.tls.renegotiate()
    opposite.work()
    with pytest.raises(TimeoutError):
        run(stream.receive(None))
    assert not opposite.tls.renegotiate_pending()
    opposite.tls.send(b"after")
    assert run(stream.receive(None)) == b"after"


def test_input_in_a_renegotiation_ends_a_send_early(authority: Authority, willing: ssl.SSLContext) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, willing)
    assert opposite.tls.renegotiate()
    opposite.work()
    assert stream.try_receive() is None
    opposite.tls.send(b"input")
    opposite.work()
    opposite.is_slow = True
    words = [b"unsent"]
    assert run(stream.send(words, None)) == words
    opposite.is_slow = False
    assert stream.try_receive() == b"input"
    assert run(stream.send(words, None)) == []
    opposite.work()
    assert opposite.heard == b"unsent"


def test_a_peer_that_begins_a_renegotiation_and_takes_no_answer(
    authority: Authority, willing: ssl.SSLContext
) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, willing)
    assert opposite.tls.renegotiate()
    opposite.work()
    opposite.is_deaf = True
    for wait in (stream.receive, partial(stream.send, [b"x"])):
        with pytest.raises(TimeoutError):
            run(wait(None))


def test_our_contexts_refuse_to_renegotiate(authority: Authority) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, client_context(authority.ca_file))
    assert opposite.tls.renegotiate()
    opposite.work()
    assert stream.try_receive() is None
    with pytest.raises(SSL.Error, match="no renegotiation"):
        run(stream.send([b"x"], None))


def test_what_came_with_the_last_of_the_handshake(authority: Authority) -> None:
    opposite = Opposite(authority, is_server=False)
    context = server_context(authority.server.cert, authority.server.key)
    handshake = Handshake(context, server_side=True)

    work = opposite.work

    def work_and_speak() -> None:
        work()
        if opposite.tls.get_state_string() == b"SSL negotiation finished successfully" and not opposite.heard:
            opposite.heard = b"-"
            opposite.tls.send(b"at once")
            work()

    opposite.work = work_and_speak  # type: ignore[method-assign]
    stream = run(handshake.run(opposite, "PEER", Timeouts()))
    assert stream.try_receive() == b"at once"


def test_good_records_before_a_bad_one_are_delivered(authority: Authority) -> None:
    opposite = Opposite(authority)
    stream = shaken(opposite, client_context(authority.ca_file))
    opposite.tls.send(b"good")
    opposite.work()
    opposite.said.append(bytes.fromhex("17030300180000000000000000") + bytes(16))
    assert stream.try_receive() == b"good"
    with pytest.raises(TLSBroken, match="bad record mac") as caught:
        stream.try_receive()
    assert caught.value.kind == "protocol"
    with pytest.raises(SSL.Error, match="alert bad record mac"):  # it was told why
        run(stream.close([], 0.0))


class KeyUpdates:
    """Writes what Python's TLS does not: key updates that ask for one in return (RFC 8446 4.6.3).

    `log` is where a client logged its secrets; it must not have sent anything since its handshake.
    """

    def __init__(self, log: Path) -> None:
        (line,) = [line for line in log.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC")]
        self._secret = bytes.fromhex(line.split()[2])
        self._hash = {32: "sha256", 48: "sha384"}[len(self._secret)]

    def _derived(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label without context (RFC 8446 7.1), of one block."""
        info = size.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\0\x01"
        return hmac.digest(self._secret, info, self._hash)[:size]

    def __next__(self) -> bytes:
        """Return the next one, as a record."""
        key = self._derived(b"key", 32 if self._hash == "sha384" else 16)
        nonce = self._derived(b"iv", 12)  # for the first record under its key
        self._secret = self._derived(b"traffic upd", len(self._secret))
        head, message = bytes.fromhex("1703030016"), bytes.fromhex("180000010116")
        return head + AESGCM(key).encrypt(nonce, message, head)


def test_a_peer_that_wants_key_updates_and_does_not_read(authority: Authority, tmp_path: Path) -> None:
    """It may not fill our memory, whatever the time that it has."""

    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    backend._client.keylog_filename = str(tmp_path / "secrets")

    async def scenario() -> None:
        left, right = await backend.pair()
        updates = KeyUpdates(tmp_path / "secrets")
        refused = False

        async def flood() -> None:
            rest: Sequence[Any] = []
            while not refused:
                rest = await left._inner.send(rest or [next(updates) for _ in range(500)], None)
            await hang_up(left)

        async def receive() -> None:
            nonlocal refused
            for _ in range(2):  # it stays so
                with pytest.raises(ConnectionAbortedError, match="sends and does not read"):
                    await right.receive(None)
            assert sum(map(len, right._pending)) + right._outgoing.pending < MIB
            refused = True
            await hang_up(right)

        await backend.together(flood, receive)

    backend.run(scenario)


def test_a_peer_that_reads_gets_all_the_key_updates_that_it_wants(
    authority: Authority, tmp_path: Path
) -> None:
    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    backend._client.keylog_filename = str(tmp_path / "secrets")

    async def scenario() -> None:
        left, right = await backend.pair()
        updates = KeyUpdates(tmp_path / "secrets")

        async def update() -> None:
            for _ in range(30):
                rest: Sequence[Any] = [next(updates) for _ in range(500)]
                while rest:
                    rest = await left._inner.send(rest, None)
                    left._inner.try_receive()
            await left._inner.close([], left.now() + 10)

        async def receive() -> None:
            with pytest.raises(ConnectionAbortedError, match="close_notify"):
                await right.receive(None)
            await hang_up(right)

        await backend.together(update, receive)

    backend.run(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_key_updates_while_a_send_is_blocked(authority: Authority, tmp_path: Path, seed: int) -> None:
    """Our answers lie behind records that were counted before; nothing is lost, nothing said twice."""
    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    backend._client.keylog_filename = str(tmp_path / "secrets")
    chance = random.Random(seed)
    words = [chance.randbytes(chance.choice((0, 1, 700, 30_000, 90_000))) for _ in range(8)]

    async def scenario() -> None:
        left, right = await backend.secure(
            *backend.world.pair(capacity=chance.choice((9000, 20_000, 70_000)))
        )
        updates = KeyUpdates(tmp_path / "secrets")
        heard, rest = b"", list(words)
        while rest:
            for _ in range(chance.randint(1, 2)):
                await left._inner.send([next(updates) for _ in range(chance.randint(1, 3))], None)
                if chance.random() < 0.3:
                    with pytest.raises(TimeoutError):
                        await right.receive(right.now() + SOON)
                    await left._inner.send([next(updates)], None)
            rest = await right.send(rest, None)  # blocked, it ends when an update is there
            assert right.try_receive() is None
            while chance.random() < 0.6 and (data := left.try_receive()) is not None:
                heard += data
        await backend.together(partial(right.close, [], right.now() + 10), partial(hear, left, heard))

    async def hear(left: TlsStream, heard: bytes) -> None:
        assert heard + await receive_all(left) == b"".join(words)
        await hang_up(left)

    backend.run(scenario)


def test_records_without_data_do_not_outlast_a_deadline(authority: Authority, tmp_path: Path) -> None:
    """Each comes in time, and all of them together do not."""
    backend = secured("lockstep", authority, ssl.TLSVersion.TLSv1_3)
    backend._client.keylog_filename = str(tmp_path / "secrets")

    async def scenario() -> None:
        left, right = await backend.pair()
        updates = KeyUpdates(tmp_path / "secrets")
        inner, seconds = right._inner, []

        async def receive(deadline: float | None) -> bytes:
            seconds.append(1)
            assert len(seconds) < 100
            return next(updates)

        async def send(buffers: Sequence[Any], deadline: float | None) -> list[Any]:
            return []

        right._inner = SimpleNamespace(receive=receive, send=send)
        right.now = lambda: float(len(seconds))
        with pytest.raises(TimeoutError):
            await right.receive(10.0)
        assert len(seconds) == 10
        right._inner = inner
        await hang_up(left)
        await hang_up(right)

    backend.run(scenario)


def test_over_a_stream_that_users_bring(async_backend: Async, authority: Authority) -> None:
    """A tunnel has no socket, and TLS needs none."""
    whole = bytes(range(256)) * (MIB // 256)

    async def both(stream: Stream) -> bytes:
        received, rest = b"", [whole]
        while rest:
            rest = await stream.send(rest, stream.now() + 10)
            received += stream.try_receive() or b""
        while len(received) < len(whole):
            received += await stream.receive(stream.now() + 10)
        return received

    async def scenario() -> None:
        contexts = (
            client_context(authority.ca_file),
            server_context(authority.server.cert, authority.server.key),
        )
        secure = Secured(async_backend, *contexts).secure
        left, right = await secure(*await wrapped_pair(async_backend))
        assert left.peer_address == right.local_address
        assert await async_backend.together(partial(both, left), partial(both, right)) == [whole, whole]
        await async_backend.together(
            partial(left.close, [b"bye"], left.now() + 10), partial(expect, right, b"bye")
        )

    async def expect(stream: Stream, words: bytes) -> None:
        assert await receive_all(stream) == words
        await hang_up(stream)

    async_backend.run(scenario)
