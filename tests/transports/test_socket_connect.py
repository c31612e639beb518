"""Connecting: addresses in turn, reasons in words, one deadline for all of them."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any

import pytest

from dicomproto.errors import ConnectionLost, TimedOut
from dicomproto_transports import blocking
from dicomproto_transports.streams.addresses import plain_address
from dicomproto_transports.streams.blocking_waits import BlockingBackend, PollWaiter, ServerWake, Wake
from dicomproto_transports.streams.connecting import AddressInfo, Attempts
from dicomproto_transports.streams.interface import ServerShutdown, Stream
from dicomproto_transports.streams.tcp import SocketStream, connect
from tests.associations import make_ae, make_server, open_association
from tests.backends import LONGEST_WAIT, AnyBackend, Async
from tests.ports import free_port


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


@contextmanager
def silent(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel swallows new ones."""
    with socket.socket() as sock, socket.socket() as first, socket.socket() as second:
        sock.bind((host, port))
        sock.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(sock.getsockname())
            assert select.select([sock], [], [], LONGEST_WAIT)[0]  # the first of them is in the queue
        yield sock.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that does not answer."""
    with silent() as port:
        yield port


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
        assert real_backend.backend.now() >= start + 0.05

    real_backend.run(scenario)


def info(host: str, port: int) -> AddressInfo:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))


def connect_to(*found: AddressInfo, seconds: float | None = 10) -> Stream:
    async def resolve(host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        return found

    now = blocking.BACKEND.now
    deadline = None if seconds is None else now() + seconds
    return blocking.run(
        connect("pacs.example", 104, deadline=deadline, resolve=resolve, make_waiter=PollWaiter, now=now)
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
                deadline=1.0,
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


# --- several addresses (RFC 8305) -----------------------------------------------------------------


class VirtualTime:
    """A clock that jumps to the deadline of each wait for what is not there."""

    def __init__(self) -> None:
        self.time = 0.0

        self.planned: tuple[float, Callable[[], None]] = inf, lambda: None

    def now(self) -> float:
        return self.time

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Call something at a time, in the middle of a wait."""
        self.planned = time, call

    def pass_until(self, deadline: float) -> None:
        time, call = self.planned
        self.time = max(self.time, min(time, deadline))
        if self.time >= time:
            self.planned = inf, lambda: None
            call()

    def waiter(self, watched: socket.socket | int) -> Any:
        return VirtualWaiter(self, watched)


class VirtualWaiter:
    """Looks at the real socket, in no time."""

    def __init__(self, clock: VirtualTime, watched: socket.socket | int) -> None:
        self.clock, self.watched = clock, watched
        self.now = clock.now

    def open(self) -> None:
        """Nothing interrupts it."""

    def close(self) -> None:
        """Nothing is held."""

    async def writable(self, deadline: float | None) -> None:
        self.wait(select.POLLOUT, deadline)

    async def readable(self, deadline: float | None) -> None:
        self.wait(select.POLLIN, deadline)

    def wait(self, events: int, deadline: float | None) -> None:
        poll = select.poll()
        poll.register(self.watched, events)
        while not poll.poll(0):
            assert deadline is not None, "nothing would end this wait"
            if self.now() >= deadline:
                raise TimeoutError
            self.clock.pass_until(deadline)


@pytest.fixture(params=[True, False], ids=["epoll", "no epoll"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Virtual time, where the system can wait for several sockets at once and where it cannot."""
    if not request.param:
        monkeypatch.delattr(select, "epoll")
    return VirtualTime()


def connect_within(
    clock: VirtualTime,
    *found: AddressInfo,
    seconds: float | None = 15,
    bind_address: tuple[str, int] | None = None,
) -> SocketStream:
    async def resolve(host: str, port: int, deadline: float | None) -> Sequence[AddressInfo]:
        return found

    return blocking.run(
        connect(
            "pacs.example",
            104,
            bind_address=bind_address,
            deadline=seconds,
            resolve=resolve,
            make_waiter=clock.waiter,
            now=clock.now,
        )
    )


def test_the_next_address_is_tried_after_250_ms(clock: VirtualTime, silent_port: int) -> None:
    """Attempts begin 250 ms apart; those that are silent cost no more than that."""
    mute = info("127.0.0.1", silent_port)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        good = info(*sock.getsockname())
        for before, time in ((0, 0), (1, 0.25), (3, 0.75)):
            clock.time = 0
            stream = connect_within(clock, *[mute] * before, good, mute, mute)
            assert clock.time == pytest.approx(time)
            assert stream.peer_address == sock.getsockname()
            stream.close_now()
        clock.time = 0
        connect_within(clock, mute, good, seconds=None).close_now()
        assert clock.time == pytest.approx(0.25)


def test_the_next_address_is_tried_when_one_has_failed(
    clock: VirtualTime, closed_port: int, silent_port: int
) -> None:
    refused, mute = info("127.0.0.1", closed_port), info("127.0.0.1", silent_port)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        good = info(*sock.getsockname())
        connect_within(clock, refused, refused, good).close_now()
        assert clock.time == 0
        connect_within(clock, mute, refused, good).close_now()
        assert clock.time == pytest.approx(0.25)


class Delayed(Attempts):
    """Attempts of which the first succeeds when `peer` reads: until then its socket is not writable."""

    peer: socket.socket | None = None

    def _begin(self, info: AddressInfo) -> None:
        if self.peer is not None:
            super()._begin(info)
            return
        sock, self.peer = socket.socketpair()
        sock.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                sock.send(bytes(4096))
        self._pending[sock] = "late"

    def let_it_succeed(self) -> None:
        assert self.peer is not None
        self.peer.setblocking(False)
        with suppress(BlockingIOError):
            while self.peer.recv(65536):
                pass


def test_an_older_attempt_may_still_be_the_first(clock: VirtualTime, silent_port: int) -> None:
    mute = info("127.0.0.1", silent_port)
    with Delayed([mute] * 3, None, 15, make_waiter=clock.waiter, now=clock.now) as attempts:
        clock.at(0.4, attempts.let_it_succeed)
        sock = blocking.run(attempts.first())
        assert sock is not None
        assert sock.family == socket.AF_UNIX
        sock.close()
    assert 0.4 <= clock.time <= 0.5  # at the latest when the next attempt begins
    assert attempts.peer is not None
    attempts.peer.close()


def test_all_addresses_together_have_one_deadline(
    clock: VirtualTime, closed_port: int, silent_port: int
) -> None:
    refused, mute = info("127.0.0.2", closed_port), info("127.0.0.1", silent_port)
    with pytest.raises(TimedOut) as caught:
        connect_within(clock, mute, refused, mute, mute, seconds=15)
    assert clock.time == 15
    text = str(caught.value)
    assert text.count("127.0.0.1: no answer in time") == 3
    assert "127.0.0.2: Connection refused" in text
    # In however little time there is, each of them has some.
    clock.time = 0
    with socket.create_server(("127.0.0.1", 0)) as sock:
        good = info(*sock.getsockname())
        connect_within(clock, *[mute] * 9, good, seconds=1).close_now()
        assert 0.5 < clock.time <= 1
    clock.time = 0
    with pytest.raises(TimedOut) as caught:
        connect_within(clock, *[mute] * 200, seconds=2)
    assert str(caught.value).count("no answer in time") == 200
    assert clock.time == 2


def test_from_a_fixed_port_one_address_is_tried_after_the_other(
    clock: VirtualTime, closed_port: int, silent_port: int
) -> None:
    refused, mute = info("127.0.0.1", closed_port), info("127.0.0.1", silent_port)
    here = ("127.0.0.1", free_port())
    with socket.create_server(("127.0.0.1", 0)) as sock:
        stream = connect_within(clock, mute, refused, info(*sock.getsockname()), bind_address=here)
        assert stream.local_address == here
        assert clock.time == pytest.approx(5)  # of three equal shares
        stream.close_now()
    clock.time = 0
    with pytest.raises(TimedOut, match=r"no answer in time; .*refused; .*no answer in time"):
        connect_within(clock, mute, refused, mute, bind_address=here)
    assert clock.time == 15
    clock.time = 0
    with pytest.raises(ConnectionLost, match=r"no answer in time; .*refused\)"):
        connect_within(clock, mute, refused, bind_address=here)


def test_a_port_that_is_taken_here_is_told_for_each_address(clock: VirtualTime, closed_port: int) -> None:
    both = info("127.0.0.1", 104), info("127.0.0.2", 104)
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1: Address already.*127\.0\.0\.2: Address already"):
        connect_within(clock, *both, bind_address=("127.0.0.1", closed_port))


def test_the_families_take_turns(closed_port: int) -> None:
    """Within a family the order of the resolver stays; a host that has no IPv6 is soon asked by IPv4."""
    six: AddressInfo = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", closed_port))
    one, two, three = (info(f"127.0.0.{n}", closed_port) for n in (1, 2, 3))
    for found, tried in (
        ((six, six, six, one, two), "::1 127.0.0.1 ::1 127.0.0.2 ::1"),
        ((one, two, three, six), "127.0.0.1 ::1 127.0.0.2 127.0.0.3"),
        ((one, two), "127.0.0.1 127.0.0.2"),
    ):
        with pytest.raises(ConnectionLost) as caught:
            connect_to(*found)
        assert re.findall(r"([0-9.:]+): Connection refused", str(caught.value)) == tried.split()


def test_a_name_without_an_address(clock: VirtualTime) -> None:
    with pytest.raises(ConnectionLost, match=r"pacs\.example port 104 \(the name has no address\)"):
        connect_within(clock)


NAME = "pacs.example"


def descriptors() -> set[str]:
    """Return what this process has open, whatever it is."""
    return {
        f"{entry.name} {os.readlink(entry)}"
        for entry in Path("/proc/self/fd").iterdir()
        if entry.is_symlink()
    }


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[AddressInfo]:
    """The addresses of `NAME`, as the system tells them to all flavours."""
    found: list[AddressInfo] = []
    resolve = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        return found if host in (NAME, NAME.encode()) else resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return found


def test_a_silent_first_address_does_not_hold_an_association(
    real_backend: AnyBackend, addresses: list[AddressInfo]
) -> None:
    """By name, as users do it; of three addresses in turn the first alone would take 20 seconds."""

    async def main() -> None:
        async with real_backend.serving(make_server(real_backend)) as server:
            addresses[:] = [info(f"127.0.0.{n}", server.port) for n in (2, 3, 1)]
            with silent("127.0.0.2", server.port), silent("127.0.0.3", server.port):
                start = real_backend.backend.now()
                ae = make_ae(real_backend, "SCU")
                assoc = await open_association(
                    ae, real_backend.backend, NAME, server.port, timeouts={"connect": 60}
                )
                assert real_backend.backend.now() - start < 15
                assert (await assoc.send_c_echo()).Status == 0
                await assoc.release()

    real_backend.run(main)


def test_a_cancellation_closes_every_attempt(
    async_backend: Async, addresses: list[AddressInfo], silent_port: int
) -> None:
    library = async_backend.library
    addresses[:] = [info("127.0.0.1", silent_port)] * 4

    async def main() -> None:
        with library.scope(library.now()):  # what the library opens for its first wait stays open
            await async_backend.backend.connect(NAME, silent_port, deadline=None)
        before = descriptors()
        with library.scope(library.now() + 0.3) as scope:
            await async_backend.backend.connect(NAME, silent_port, deadline=None)
        assert scope.cancelled_caught
        assert descriptors() <= before

    async_backend.run(main)


def test_the_shutdown_of_a_server_ends_the_attempts_of_its_handlers(
    addresses: list[AddressInfo], silent_port: int
) -> None:
    addresses[:] = [info("127.0.0.1", silent_port)] * 4
    wake = ServerWake()
    wake.set()
    before = descriptors()
    with pytest.raises(ServerShutdown):
        blocking.run(BlockingBackend(wake).connect(NAME, silent_port))
    assert descriptors() <= before
    wake.close()


def test_a_wake_stays_open_while_it_is_being_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wake = Wake()
    closer = threading.Thread(target=wake.close)  # a server ends as soon as it sees that it is to stop

    def write(descriptor: int, data: bytes) -> int:
        closer.start()
        closer.join(0.1)
        return os_write(descriptor, data)

    os_write = os.write
    monkeypatch.setattr(os, "write", write)
    wake.set()
    closer.join()
    assert wake.fileno() == -1


def test_a_closed_wake_writes_to_nobody_elses_descriptor() -> None:
    reader, writer = os.pipe()
    wake = Wake()
    descriptor = wake.fileno()
    wake.close()
    os.dup2(writer, descriptor)
    wake.set()
    assert wake.is_set
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    for number in (reader, writer, descriptor):
        os.close(number)


def test_a_server_keeps_wakes_for_its_next_associations() -> None:
    server = ServerWake()
    wakes = [server.take() for _ in range(20)]
    for wake in wakes:
        server.give(wake)
    kept = [wake for wake in wakes if wake.fileno() != -1]
    assert len(kept) == 16
    again = [server.take() for _ in kept]
    assert set(again) == set(kept)
    again[0].set()
    server.give(again[0])  # it would end the waits of the next one
    assert again[0].fileno() == -1
    server.give(again[1])
    server.close()
    server.give(again[2])
    assert [wake.fileno() for wake in again[1:3]] == [-1, -1]
    for wake in again[3:]:
        server.give(wake)
    assert {wake.fileno() for wake in wakes} == {-1}
