"""Connecting: addresses in turn, reasons in words, one deadline for all of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest

from dicomproto.errors import ConnectionLost, TimedOut
from dicomproto_transports import blocking
from dicomproto_transports._socket import AddressInfo, connect, plain_address
from dicomproto_transports._stream import Stream
from dicomproto_transports._threads import PollWaiter
from tests.backends import AnyBackend, Async


@pytest.fixture(params=["127.0.0.1", "::1", "localhost"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    family = socket.AF_INET6 if request.param == "::1" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        sock.listen()
        yield request.param, sock


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken by a socket that does not listen."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel swallows new ones."""
    with socket.socket() as sock, socket.socket() as first, socket.socket() as second:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(sock.getsockname())
        yield sock.getsockname()[1]


async def end(stream: Stream) -> None:
    await stream.close([], stream.now())


def test_connects_by_address_and_by_name(
    real_backend: AnyBackend, listener: tuple[str, socket.socket]
) -> None:
    host, sock = listener

    async def scenario() -> None:
        clock = real_backend.backend.now()
        stream = await real_backend.backend.connect(host, sock.getsockname()[1], deadline=clock + 10)
        peer, address = sock.accept()
        assert stream.local_address == plain_address(address)
        assert stream.peer_address == sock.getsockname()
        await stream.send([b"hello"], clock + 10)
        assert peer.recv(10) == b"hello"
        peer.close()
        await end(stream)

    real_backend.run(scenario)


def test_connects_without_a_deadline_and_from_an_address(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            stream = await real_backend.backend.connect(
                "localhost", sock.getsockname()[1], bind_address=("127.0.0.1", 0)
            )
            assert stream.local_address is not None
            assert stream.local_address[0] == "127.0.0.1"
            await end(stream)

    real_backend.run(scenario)


def test_a_refusal_is_told_with_its_reason(real_backend: AnyBackend, closed_port: int) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectionLost, match=rf"127\.0\.0\.1 port {closed_port} .*refused"):
            await real_backend.backend.connect("127.0.0.1", closed_port)

    real_backend.run(scenario)


def test_a_name_that_nobody_knows(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        clock = real_backend.backend.now()
        with pytest.raises((ConnectionLost, TimedOut), match=r"no such host\.invalid"):
            await real_backend.backend.connect("no such host.invalid", 104, deadline=clock + 10)

    real_backend.run(scenario)


def test_a_peer_that_does_not_answer(real_backend: AnyBackend, silent_port: int) -> None:
    async def scenario() -> None:
        start = real_backend.backend.now()
        with pytest.raises(TimedOut, match="took too long") as caught:
            await real_backend.backend.connect("127.0.0.1", silent_port, deadline=start + 0.05)
        assert caught.value.phase == "connect"
        assert start + 0.05 <= real_backend.backend.now() < start + 1

    real_backend.run(scenario)


def info(host: str, port: int) -> AddressInfo:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))


def connect_to(*found: AddressInfo, seconds: float | None = 10) -> Stream:
    async def resolve(host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        return found

    now = blocking.BACKEND.now
    deadline = None if seconds is None else now() + seconds
    return blocking.run(
        connect("pacs.example", 104, None, deadline, resolve=resolve, make_waiter=PollWaiter, now=now)
    )


def test_addresses_are_tried_in_turn(closed_port: int, silent_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        good = info("127.0.0.1", sock.getsockname()[1])
        refused, silent = info("127.0.0.1", closed_port), info("127.0.0.1", silent_port)
        blocking.run(end(connect_to(refused, good)))
        blocking.run(end(connect_to(refused, good, seconds=None)))
        blocking.run(end(connect_to(silent, good, seconds=0.1)))


def test_all_reasons_are_told(closed_port: int, silent_port: int) -> None:
    refused, silent = info("127.0.0.1", closed_port), info("127.0.0.1", silent_port)
    other_family: AddressInfo = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", closed_port))
    with pytest.raises(ConnectionLost, match=r"pacs\.example.*\(127.*refused; ::1: .*refused\)"):
        connect_to(refused, other_family)
    with pytest.raises(TimedOut, match=r"refused; 127\.0\.0\.1: no answer in time"):
        connect_to(refused, silent, seconds=0.1)


def test_a_resolver_that_does_not_answer() -> None:
    async def resolve(host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        raise TimeoutError

    with pytest.raises(TimedOut, match="not resolved"):
        blocking.run(
            connect(
                "pacs.example",
                104,
                None,
                1.0,
                resolve=resolve,
                make_waiter=PollWaiter,
                now=blocking.BACKEND.now,
            )
        )


def test_connecting_can_be_cancelled(async_backend: Async, silent_port: int) -> None:
    library = async_backend.library

    async def scenario() -> None:
        scope = library.scope()

        async def attempt() -> None:
            with scope:
                await async_backend.backend.connect("127.0.0.1", silent_port)

        async def cancel() -> None:
            await library.checkpoint()
            scope.cancel()

        await async_backend.together(attempt, cancel)
        assert scope.cancelled_caught

    async_backend.run(scenario)


def test_addresses_of_a_dual_stack_listener_are_plain() -> None:
    assert plain_address(("::ffff:192.0.2.1", 104, 0, 0)) == ("192.0.2.1", 104)
    assert plain_address(("2001:db8::1", 104, 0, 0)) == ("2001:db8::1", 104, 0, 0)
    assert plain_address("/run/socket") is None


@pytest.mark.parametrize("host", ["foo..bar", "a" * 70 + ".example", "\ud800.example"])
def test_what_is_no_host_name_is_a_lost_connection(real_backend: AnyBackend, host: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectionLost, match="port 104: that is no host name"):
            await real_backend.backend.connect(host, 104, deadline=real_backend.backend.now() + 10)

    real_backend.run(scenario)
