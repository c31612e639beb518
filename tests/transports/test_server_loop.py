"""The servers: the accept loop that no peer stops, limits, shutdown in bounded time."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest

from dicomproto.errors import AssociationAborted
from dicomproto_transports import blocking, evt
from dicomproto_transports.server.tasks import Server as AsyncServer
from dicomproto_transports.streams import event_loop as _event_loop
from dicomproto_transports.streams.blocking_waits import PollWaiter
from dicomproto_transports.streams.interface import Backend, ServerShutdown, Stream
from dicomproto_transports.streams.listening import accept, listen, listeners
from dicomproto_transports.streams.tcp import SocketStream
from tests.associations import associate, make_server
from tests.backends import LONGEST_WAIT, AnyBackend, Async, socket_pair

HELLO = b"associate"


class EchoCore:
    """What the acceptor's side is to a server: it associates on HELLO and echoes what follows."""

    def __init__(self) -> None:
        self.shutdowns = 0
        self.peers: list[object] = []
        self.ended: list[str] = []
        self.stop: Callable[[], object] | None = None

    def begin_shutdown(self) -> None:
        self.shutdowns += 1

    async def serve_connection(
        self, stream: Stream, backend: Backend, associated: Callable[[], object]
    ) -> None:
        self.peers.append(stream.peer_address)
        try:
            await self.echo(stream, associated)
        except OSError:
            self.ended.append("broken")
            await stream.close([], stream.now())
        except Exception:
            raise
        except BaseException as error:
            await stream.close([b"abort"], stream.now() + 1)
            self.ended.append("shutdown" if isinstance(error, ServerShutdown) else "cancelled")
            raise
        else:
            self.ended.append("released")
            await stream.close([], stream.now() + 1)

    async def echo(self, stream: Stream, associated: Callable[[], object]) -> None:
        while data := await stream.receive(stream.now() + 30):
            if data == HELLO:
                associated()
            elif data == b"fail":
                raise ZeroDivisionError
            elif data == b"stop":
                assert self.stop is not None
                stopping = self.stop()
                if stopping is not None:
                    await stopping  # type: ignore[misc]
            while rest := await stream.send([data], stream.now() + 30):
                data = b"".join(rest)


async def ask(stream: Stream, text: bytes) -> bytes:
    await stream.send([text], stream.now() + 10)
    return await stream.receive(stream.now() + 10)


async def end(stream: Stream) -> None:
    await stream.close([], stream.now() + 10)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_serves_on_its_port(real_backend: AnyBackend, host: str) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core, (host, 0)) as server:
            assert server.addresses[0] == server.address
            assert server.port == server.address[1] > 0
            stream = await real_backend.backend.connect(host, server.port)
            assert await ask(stream, b"hello") == b"hello"
            assert core.peers == [stream.local_address]
            await end(stream)

    real_backend.run(scenario)


@pytest.mark.parametrize("host", ["", "::"])
def test_every_address_means_both_families(real_backend: AnyBackend, host: str) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core, (host, 0)) as server:
            for address in ("127.0.0.1", "::1"):
                stream = await real_backend.backend.connect(address, server.port)
                assert await ask(stream, b"hello") == b"hello"
                assert core.peers[-1] == stream.local_address
                await end(stream)

    real_backend.run(scenario)


def test_a_taken_port_is_told_at_once() -> None:
    with closing(listen(("127.0.0.1", 0))[0]) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            blocking.Server(EchoCore(), ("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            listen(("localhost", port))


def test_a_real_peer_is_served_among_200_silent_ones(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            async with real_backend.serving(EchoCore()) as server:
                for _ in range(200):
                    stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                stream = await real_backend.backend.connect("127.0.0.1", server.port)
                assert await ask(stream, HELLO) == HELLO
                assert await ask(stream, b"ping") == b"ping"
                await end(stream)

    real_backend.run(scenario)


def test_the_oldest_pending_connection_is_dropped_first(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        async with real_backend.serving(EchoCore(), maximum_pending=3) as server:
            connect = partial(real_backend.backend.connect, "127.0.0.1", server.port)
            established = await connect()
            assert await ask(established, HELLO) == HELLO
            pending = []
            for _ in range(5):
                pending.append(await connect())
                assert await ask(pending[-1], b"?") == b"?"
            for stream in pending[:2]:
                assert await stream.receive(stream.now() + 10) == b""
            for stream in (*pending[2:], established):
                assert await ask(stream, b"?") == b"?"
            for stream in (*pending, established):
                await end(stream)

    real_backend.run(scenario)


def test_who_floods_throws_out_its_own_connections_first(real_backend: AnyBackend) -> None:
    async def connect(host: str) -> Stream:
        return await real_backend.backend.connect("127.0.0.1", server.port, bind_address=(host, 0))

    async def scenario() -> None:
        nonlocal server
        async with real_backend.serving(EchoCore(), maximum_pending=4) as server:
            first, second = await connect("127.0.0.2"), await connect("127.0.0.3")
            flood = [await connect("127.0.0.4") for _ in range(6)]
            for stream in flood[:4]:
                assert await stream.receive(stream.now() + 10) == b""
            for stream in (first, second, *flood[4:]):
                assert await ask(stream, HELLO) == HELLO
            assert server._connections._by_host == {}
            for stream in (first, second, *flood):
                await end(stream)

    server: Any = None
    real_backend.run(scenario)


def test_an_ended_connection_does_not_count_as_pending(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        async with real_backend.serving(EchoCore(), maximum_pending=1) as server:
            for _ in range(5):
                stream = await real_backend.backend.connect("127.0.0.1", server.port)
                assert await ask(stream, b"?") == b"?"
                await end(stream)
            assert server._connections.pending <= 1

    real_backend.run(scenario)


def test_a_connection_that_is_gone_when_it_is_accepted_is_passed_over() -> None:
    left, right = socket_pair()
    with closing(right):
        gone = socket.socket()
        gone.close()
        accepted = [left, gone]

        class Listener(socket.socket):
            def accept(self) -> tuple[socket.socket, object]:
                if not accepted:
                    raise BlockingIOError
                return accepted.pop(), None

        with Listener() as listener:
            stream = accept(listener, PollWaiter)
            assert stream is not None
            assert stream.peer_address == right.getsockname()
            stream.close_now()
            assert accept(listener, PollWaiter) is None


def test_broken_connections_do_not_end_the_server(
    real_backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core) as server:
            connect = partial(real_backend.backend.connect, "127.0.0.1", server.port)
            failing = await connect()
            assert await ask(failing, b"fail") == b""
            await end(failing)
            reset = await connect()
            assert await ask(reset, HELLO) == HELLO
            reset._cut = True  # closes with a reset
            reset.close_now()
            stream = await connect()
            assert await ask(stream, b"hello") == b"hello"
            await end(stream)

    real_backend.run(scenario)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


def test_shutdown_ends_every_association_in_bounded_time(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core) as server:
            streams = []
            for _ in range(20):
                streams.append(await real_backend.backend.connect("127.0.0.1", server.port))
                assert await ask(streams[-1], HELLO) == HELLO

            async def peers() -> None:
                for stream in streams:
                    assert await stream.receive(stream.now() + LONGEST_WAIT) == b"abort"
                for stream in streams:
                    await end(stream)

            async def shut_down() -> None:
                stopping = server.shutdown()
                if stopping is not None:
                    await stopping

            start = real_backend.backend.now()
            await real_backend.together(shut_down, peers)
            assert real_backend.backend.now() < start + 15  # one after the other: a second each
            assert set(core.ended) == {"shutdown" if real_backend.name == "blocking" else "cancelled"}
            assert len(core.ended) == 20
            assert core.shutdowns
            with pytest.raises(ConnectionError):
                socket.create_connection(("127.0.0.1", server.port))

    real_backend.run(scenario)


def test_shutdown_ends_an_association_that_never_waits(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        async with real_backend.serving(EchoCore()) as server:
            stream = await real_backend.backend.connect("127.0.0.1", server.port)
            assert await ask(stream, HELLO) == HELLO

            async def flood() -> None:
                rest: list[object] = []
                while True:
                    try:
                        rest = await stream.send(rest or [b"x" * 65536], stream.now() + 10)
                        while stream.try_receive():
                            pass
                    except OSError:
                        break

            async def shut_down() -> None:
                stopping = server.shutdown()
                if stopping is not None:
                    await stopping

            await real_backend.together(flood, shut_down)
            await end(stream)

    real_backend.run(scenario)


def test_grace_lets_associations_end_by_themselves(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core) as server:
            stream = await real_backend.backend.connect("127.0.0.1", server.port)
            assert await ask(stream, HELLO) == HELLO

            async def shut_down() -> None:
                stopping = server.shutdown(grace=10)
                if stopping is not None:
                    await stopping

            async def finish() -> None:
                assert await ask(stream, b"the last") == b"the last"
                await end(stream)

            await real_backend.together(shut_down, finish)
            assert core.ended == ["released"]

    real_backend.run(scenario)


def test_grace_is_bounded(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        async with real_backend.serving(EchoCore()) as server:
            stream = await real_backend.backend.connect("127.0.0.1", server.port)
            assert await ask(stream, HELLO) == HELLO

            async def shut_down() -> None:
                stopping = server.shutdown(grace=0.05)
                if stopping is not None:
                    await stopping

            async def peer() -> None:
                assert await stream.receive(stream.now() + 10) == b"abort"
                await end(stream)

            await real_backend.together(shut_down, peer)

    real_backend.run(scenario)


def test_a_handler_may_shut_the_server_down(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        core = EchoCore()
        async with real_backend.serving(core) as server:
            core.stop = server.shutdown
            stream = await real_backend.backend.connect("127.0.0.1", server.port)
            assert await ask(stream, b"stop") in (b"stop", b"abort", b"stopabort")
            while await stream.receive(stream.now() + 10):
                pass
            await end(stream)

    real_backend.run(scenario)


def test_the_server_survives_running_out_of_descriptors(real_backend: AnyBackend) -> None:
    async def scenario() -> None:
        async with real_backend.serving(EchoCore()) as server:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            with ExitStack() as stack:
                clients = [stack.enter_context(socket.socket()) for _ in range(20)]
                highest = max(client.fileno() for client in clients)
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
                try:
                    for client in clients:  # the server has descriptors for a few of them only
                        client.connect(("127.0.0.1", server.port))

                    async def hello() -> None:
                        client = clients.pop()
                        client.settimeout(10)
                        client.sendall(HELLO)
                        received = client.recv(100)
                        assert received == HELLO

                    if real_backend.name == "blocking":
                        await hello()
                    else:
                        await real_backend.library.in_thread(lambda: blocking.run(hello()))
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    real_backend.run(scenario)


# The blocking server


def test_serve_forever_ends_by_shutdown_from_another_thread() -> None:
    server = blocking.Server(EchoCore(), ("127.0.0.1", 0))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    stream = blocking.run(blocking.BACKEND.connect("127.0.0.1", server.port))
    assert blocking.run(ask(stream, b"hello")) == b"hello"
    blocking.run(end(stream))
    server.shutdown()
    serving.join(10)
    assert not serving.is_alive()
    server.shutdown()


def test_a_server_that_never_started_is_closed() -> None:
    with blocking.Server(EchoCore(), ("127.0.0.1", 0)) as server:
        port = server.port
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port))


def test_run_says_what_went_wrong_when_something_suspends() -> None:
    async def suspend() -> None:
        await asyncio_like()

    class Suspending:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield

    async def asyncio_like() -> None:
        await Suspending()

    with pytest.raises(RuntimeError, match="suspended in the blocking flavour"):
        blocking.run(suspend())


# The server of trio and anyio


def test_an_error_in_the_block_comes_out_as_it_is(async_backend: Async) -> None:
    async def scenario() -> None:
        async with async_backend.serving(EchoCore()) as server:
            stream = await async_backend.backend.connect("127.0.0.1", server.port)
            assert await ask(stream, HELLO) == HELLO
            stream.close_now()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async_backend.run(scenario)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_block_comes_out_as_it_is(
    async_backend: Async, error: type[BaseException]
) -> None:
    async def scenario() -> None:
        async def interrupted() -> None:
            async with async_backend.serving(EchoCore()):
                raise error

        with pytest.raises(error):
            await interrupted()

    async_backend.run(scenario)


def test_cancelling_the_block_ends_the_server(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        core = EchoCore()
        with library.scope() as scope:
            async with async_backend.serving(core) as server:
                stream = await async_backend.backend.connect("127.0.0.1", server.port)
                assert await ask(stream, HELLO) == HELLO
                stream.close_now()
                scope.cancel()
                await library.checkpoint()
        assert scope.cancelled_caught
        assert len(core.ended) == 1
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", server.port))

    async_backend.run(scenario)


def test_an_error_in_a_block_that_is_being_cancelled_comes_out_as_it_is(async_backend: Async) -> None:
    library = async_backend.library

    async def scenario() -> None:
        with library.scope() as scope:
            async with async_backend.serving(EchoCore()):
                scope.cancel()
                try:
                    await library.checkpoint()
                finally:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async_backend.run(scenario)


def test_a_thread_that_has_begun_is_through_when_its_task_was_cancelled(async_backend: Async) -> None:
    library = async_backend.library
    begun, cancelled, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        cancelled.wait(10)
        ended.set()

    async def scenario() -> None:
        with library.scope() as scope:

            async def cancel() -> None:
                assert await library.in_thread(lambda: begun.wait(10))
                scope.cancel()
                cancelled.set()

            async with library.open_group() as group:
                group.start_soon(cancel)
                group.start_soon(async_backend.backend.in_thread, work)
        assert scope.cancelled_caught
        assert ended.is_set()

    async_backend.run(scenario)


def test_a_thread_that_does_not_return_is_left_alone(
    async_backend: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_event_loop, "THREAD_END_TIME", 0.05)
    begun, over = threading.Event(), threading.Event()

    def hang(event: evt.Event) -> int:
        begun.set()
        over.wait(30)
        return 0x0000

    async def scenario() -> None:
        core = make_server(async_backend, [(evt.EVT_C_ECHO, evt.in_thread(hang))])
        async with async_backend.serving(core) as server:
            association = await associate(async_backend, server.port)

            async def ask_in_vain() -> None:
                with pytest.raises(AssociationAborted):
                    await association.send_c_echo()

            async def shut_down() -> None:
                while not begun.is_set():
                    await async_backend.library.sleep(0.01)
                await server.shutdown()

            await async_backend.together(ask_in_vain, shut_down)
            assert not over.is_set()
            over.set()

    async_backend.run(scenario)


def test_a_thread_that_has_not_begun_never_does(async_backend: Async) -> None:
    library = async_backend.library
    called: list[bool] = []

    async def scenario() -> None:
        with library.scope() as scope:
            scope.cancel()
            await async_backend.backend.in_thread(lambda: called.append(True))
        assert scope.cancelled_caught

    async_backend.run(scenario)
    assert called == []


def test_a_server_that_was_not_entered_is_closed(async_backend: Async) -> None:
    async def scenario() -> None:
        server = AsyncServer(
            EchoCore(), ("127.0.0.1", 0), backend=async_backend.backend, library=async_backend.library
        )
        await server.shutdown()
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", server.port))

    async_backend.run(scenario)


def test_a_server_that_was_left_at_once(async_backend: Async) -> None:
    async def scenario() -> None:
        async with async_backend.serving(EchoCore()) as server:
            await server.shutdown()
            await server.shutdown()
        async with async_backend.serving(EchoCore()):
            pass

    async_backend.run(scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("is_given", [False, True], ids=["bound here", "given"])
def test_accepted_connections_have_the_options_of_ours(host: str, is_given: bool) -> None:
    """Those of a given listener may wait there before its options could be set."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    given = socket.create_server((host, 0), family=family)
    (listener,) = (given,) if is_given else listen((host, 0))
    with given, listener, socket.create_connection(listener.getsockname()[:2]), socket.socket(family) as ours:
        listeners(listener)
        SocketStream(ours, PollWaiter(ours))
        taken: list[socket.socket] = []

        def make_waiter(sock: socket.socket | int) -> PollWaiter:
            assert isinstance(sock, socket.socket)
            taken.append(sock)
            return PollWaiter(sock)

        stream = accept(listener, make_waiter)
        assert stream is not None
        names = ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        options = [(socket.IPPROTO_TCP, getattr(socket, name)) for name in names if hasattr(socket, name)]
        options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        assert [taken[0].getsockopt(*one) for one in options] == [ours.getsockopt(*one) for one in options]
        blocking.run(stream.close([], 0))
