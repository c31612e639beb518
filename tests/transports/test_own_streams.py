"""Streams of a program's own: associations that are requested over them, and served on them."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from pydicom.dataset import Dataset

from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    LocalProtocolError,
    NoAcceptedContext,
    TimedOut,
)
from dicomproto.uids import VERIFICATION
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt, streams, testing
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.streams.event_loop import AsyncWaiter
from dicomproto_transports.streams.interface import ServerShutdown
from dicomproto_transports.streams.tcp import SocketStream
from tests.associations import CT_IMAGE, MR_IMAGE, Stored
from tests.backends import AnyBackend, Async, Blocking, Gate, Lockstep, socket_pair
from tests.certificates import Authority
from tests.transports.test_tls_associations import of_client, of_server

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
ELSEWHERE = ("192.0.2.7", 50000), ("192.0.2.1", 104)


def entity(backend: AnyBackend, title: str, **settings: Any) -> Any:
    """Return an application entity of a flavour, as users have it."""
    if isinstance(backend, Lockstep):
        ae: Any = testing.AE(backend.world, title, **settings)
    else:
        flavours = {"blocking": blocking, "trio": trio_flavour}
        ae = flavours.get(backend.name, anyio_flavour).AE(title, **settings)
    for uid in (VERIFICATION, CT_IMAGE):
        ae.add_requested_context(uid)
        ae.add_supported_context(uid)
    return ae


async def done(made: Any) -> Any:
    """Return what a call of any flavour gives."""
    return await made if hasattr(made, "__await__") else made


def over(stream: streams.Stream, **options: Any) -> dict[str, Any]:
    """Return the settings of an application entity that connects over one stream."""
    return {"connect": lambda host, port, **ignored: stream, **options}


async def echo(scu: Any, **options: Any) -> int:
    """Request an association, send a C-ECHO and release; return its status."""
    assoc = await done(scu.associate("anywhere", 104, **options))
    status: int = (await done(assoc.send_c_echo())).Status
    await done(assoc.release())
    return status


# --- serving a stream that the program accepted ---------------------------------------------------


def test_a_stream_is_served_from_its_request_to_its_release(backend: AnyBackend) -> None:
    seen: list[str] = []
    stored = Stored()
    kinds = (evt.EVT_CONN_OPEN, evt.EVT_REQUESTED, evt.EVT_ACCEPTED, evt.EVT_RELEASED, evt.EVT_CONN_CLOSE)
    handlers: list[Any] = [(kind, lambda event: seen.append(event.event.name)) for kind in kinds]
    handlers.append((evt.EVT_C_STORE, stored))
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID, image.PatientID = CT_IMAGE, "1.2.3", "7"

    async def main() -> None:
        here, there = await backend.pair()
        scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))

        async def request() -> None:
            assoc = await done(scu.associate("anywhere", 104))
            assert [one.is_requestor for one in scu.active_associations] == [True]
            assert [one.is_acceptor for one in scp.active_associations] == [True]
            assert (await done(assoc.send_c_store(image))).Status == 0
            await done(assoc.release())

        async def serve() -> None:
            assert await done(scp.serve_stream(there, evt_handlers=handlers)) is None
            with pytest.raises(OSError):
                there.try_receive()

        await backend.together(serve, request)
        assert scp.active_associations == []

    backend.run(main)
    assert seen == [kind.name for kind in kinds]
    assert len(stored.objects) == 1


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        ({"require_called_aet": True}, {}, (1, 1, 7)),
        ({"require_called_aet": True}, {"ae_title": "ANY-SCP"}, 0),
        ({"require_calling_aet": ["OTHER"]}, {}, (1, 1, 3)),
        ({"maximum_associations": 0}, {}, (2, 3, 2)),
        ({"allowed_networks": "10.0.0.0/8"}, {}, ConnectionLost),
        ({"allowed_networks": "127.0.0.0/8"}, {}, 0),
        ({}, {"contexts": [MR_IMAGE]}, NoAcceptedContext),
        ({}, {"contexts": [VERIFICATION]}, 0),
    ],
    ids=str,
)
def test_the_rules_of_servers_hold(
    backend: AnyBackend, settings: dict[str, Any], options: dict[str, Any], expected: Any
) -> None:
    async def main() -> None:
        here, there = await backend.pair()
        scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))
        for name, value in settings.items():
            setattr(scp, name, value)

        async def request() -> object:
            try:
                return await echo(scu)
            except AssociationRejected as error:
                return error.result, error.source, error.reason
            except (ConnectionLost, NoAcceptedContext) as error:
                return type(error)

        async def serve() -> None:
            await done(scp.serve_stream(there, **options))

        _, outcome = await backend.together(serve, request)
        assert outcome == expected or issubclass(outcome, expected)

    backend.run(main)


def test_the_streams_of_an_entity_count_together(backend: AnyBackend) -> None:
    async def main() -> None:
        pairs = [await backend.pair() for _ in range(3)]
        scp = entity(backend, "SCP")
        scp.maximum_associations = 1
        asked, answered = Gate(backend), Gate(backend)

        async def first() -> None:
            scu = entity(backend, "SCU", **over(pairs[0][0]))
            assoc = await done(scu.associate("anywhere", 104))
            asked.open()
            await answered.passed()
            await done(assoc.release())

        async def second() -> None:
            await asked.passed()
            with pytest.raises(AssociationRejected) as failure:
                await echo(entity(backend, "SCU", **over(pairs[1][0])))
            answered.open()
            assert (failure.value.result, failure.value.source, failure.value.reason) == (2, 3, 2)

        async def serve(index: int) -> None:
            await done(scp.serve_stream(pairs[index][1]))

        await backend.together(first, second, lambda: serve(0), lambda: serve(1))
        third = entity(backend, "SCU", **over(pairs[2][0]))
        assert (await backend.together(lambda: serve(2), lambda: echo(third)))[1] == 0

    backend.run(main)


def test_an_idle_stream_does_not_give_way() -> None:
    """Nobody can end the wait of a stream that somebody else made."""
    backend = Lockstep()

    async def main() -> None:
        pairs = [backend.world.pair(), backend.world.pair(), backend.world.pair(addresses=ELSEWHERE)]
        scp = entity(backend, "SCP")
        scp.maximum_associations, scp.give_way_after = 2, 1.0
        for _, there in pairs:
            backend.world.spawn(scp.serve_stream(there))
        held = [
            await entity(backend, "SCU", **over(here)).associate("anywhere", 104) for here, _ in pairs[:2]
        ]
        await backend.world.sleep(10)
        with pytest.raises(AssociationRejected):
            await echo(entity(backend, "SCU", **over(pairs[2][0])))
        for assoc in held:
            assert (await assoc.send_c_echo()).Status == 0
            await assoc.release()

    backend.run(main)


@pytest.mark.parametrize("name", ["lockstep", "trio", "anyio-asyncio", "anyio-trio"])
def test_a_cancellation_aborts_what_is_served(name: str) -> None:
    backend: Any = Lockstep() if name == "lockstep" else Async(name)

    async def main() -> None:
        here, there = await backend.pair()
        scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))

        async def request(cut: Callable[[], object]) -> None:
            assoc = await scu.associate("anywhere", 104)
            cut()
            with pytest.raises(AssociationAborted):
                await assoc.serve()

        if name == "lockstep":
            await request(backend.world.spawn(scp.serve_stream(there)).cancel)
        else:
            with backend.library.scope() as scope:
                async with backend.library.open_group() as group:
                    group.start_soon(scp.serve_stream, there)
                    with backend.library.scope(shield=True):
                        await request(scope.cancel)

    backend.run(main)


def test_a_blocking_stream_may_say_that_its_server_ends() -> None:
    """It raises what the streams of our servers raise then."""
    here, there = map(blocking.wrap_stream, socket.socketpair())
    left = 1

    class Ending:
        def __getattr__(self, name: str) -> Any:
            return getattr(there, name)

        async def receive(self, deadline: float | None) -> bytes:
            nonlocal left
            left -= 1
            if left < 0:
                raise ServerShutdown
            return await there.receive(deadline)

    backend = Blocking()
    scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))

    async def serve() -> None:
        with pytest.raises(ServerShutdown):
            scp.serve_stream(Ending())

    async def request() -> None:
        assoc = scu.associate("anywhere", 104)
        with pytest.raises(AssociationAborted):
            assoc.serve()

    backend.run(lambda: backend.together(serve, request))


def test_tls_over_a_stream(backend: AnyBackend, authority: Authority) -> None:
    certificates: list[object] = []

    def look(event: evt.Event) -> None:
        certificates.append(event.assoc.peer_certificate)

    async def main() -> None:
        here, there = await backend.pair()
        scp, scu = entity(backend, "SCP"), entity(backend, "SCU", **over(here))
        server = of_server(authority, ca_file=authority.ca_file)
        client = of_client(authority, authority.client)

        async def serve() -> None:
            handlers = [(evt.EVT_ACCEPTED, look)]
            await done(scp.serve_stream(there, ssl_context=server, evt_handlers=handlers))

        arguments = {"tls_args": (client, "localhost")}
        assert (await backend.together(serve, lambda: echo(scu, **arguments)))[1] == 0

    backend.run(main)
    assert len(certificates) == 1
    assert certificates[0]


def test_what_is_no_stream_is_refused_before_anything_is_done(backend: AnyBackend) -> None:
    async def main() -> None:
        here, there = await backend.pair()
        scp = entity(backend, "SCP")
        scp.supported_contexts = []
        with pytest.raises(LocalProtocolError, match="add_supported_context"):
            await done(scp.serve_stream(there))
        with pytest.raises(
            TypeError, match=r"serve_stream\(\): socket lacks now, .*of a connected socket, or of a trio"
        ):
            with closing(socket.socket()) as sock:
                await done(scp.serve_stream(sock))
        with pytest.raises(TypeError, match="evt_handlers"):
            await done(scp.serve_stream(there, evt_handlers=7))
        with pytest.raises(ValueError, match="AE title"):
            await done(scp.serve_stream(there, ae_title="x" * 20))
        await here.send([b"still mine"], None)
        assert await there.receive(None) == b"still mine"
        await here.close([], 0)
        await there.close([], 0)

    backend.run(main)


class Wrapper:
    """A stream of a program, over one of the library."""

    def __init__(self, inner: streams.Stream, **changed: object) -> None:
        self.local_address = self.peer_address = None
        self._inner = inner
        vars(self).update(changed)

    def __getattr__(self, name: str) -> Any:
        if name not in vars(streams.Stream):
            raise AttributeError(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    "given", ["bad", ("::1", 104, 0), ("::1", "104"), (b"::1", 104), ["::1", 104], 7, ()], ids=str
)
@pytest.mark.parametrize("name", ["peer_address", "local_address"])
def test_addresses_are_checked(name: str, given: object) -> None:
    backend = Lockstep()

    async def main() -> None:
        _, there = await backend.pair()
        text = rf"Wrapper\.{name}: must be \(host, port\)"
        wrong = Wrapper(there, **{name: given})
        with pytest.raises(TypeError, match=rf"serve_stream\(\): {text}"):
            await entity(backend, "SCP").serve_stream(wrong)
        with pytest.raises(TypeError, match=rf"connect\(\): {text}"):
            await echo(entity(backend, "SCU", connect=lambda host, port, **ignored: wrong))
        for right in (None, ("192.0.2.1", 104), ("2001:db8::1", 104, 0, 0)):
            _, there = await backend.pair()
            served = backend.world.spawn(entity(backend, "SCP").serve_stream(Wrapper(there, **{name: right})))
            await backend.world.checkpoint()
            assert not served.done
            served.cancel()

    backend.run(main)


# --- streams of other flavours --------------------------------------------------------------------


def over_trio_stream(sock: socket.socket) -> streams.Stream:
    stream, other = trio.testing.memory_stream_pair()
    other.send_stream.close()
    return streams.wrap_stream(stream)


def over_library(library: Any) -> Callable[[socket.socket], streams.Stream]:
    return lambda sock: SocketStream(sock, AsyncWaiter(library, sock))


MADE: dict[str, Callable[[socket.socket], streams.Stream]] = {
    "blocking": streams.wrap_stream,
    "trio": over_library(trio_flavour.AE.library),
    "trio-wrapped": over_trio_stream,
    "anyio": over_library(anyio_flavour.AE.library),
    "lockstep": lambda sock: testing.Lockstep().pair()[0],
}

FITTING = {
    "lockstep": {"lockstep"},
    "blocking": {"blocking"},
    "trio": {"trio", "trio-wrapped", "anyio"},
    "anyio-trio": {"trio", "trio-wrapped", "anyio"},
    "anyio-asyncio": {"anyio"},
}


@pytest.mark.parametrize("made", MADE)
def test_a_stream_waits_in_its_own_flavour_only(backend: AnyBackend, made: str) -> None:
    async def main() -> None:
        scp, stream = entity(backend, "SCP"), MADE[made](left)
        scu = entity(backend, "SCU", **over(stream))
        if made not in FITTING[backend.name]:
            theirs, ours = made.removesuffix("-wrapped"), backend.name.partition("-")[0]
            text = (
                rf"\(\): the stream is of the {theirs} flavour, the application entity of the {ours} flavour"
            )
            with pytest.raises(TypeError, match="serve_stream" + text):
                await done(scp.serve_stream(stream))
            with pytest.raises(TypeError, match="connect" + text):
                await echo(scu)
            assert left.fileno() >= 0
        elif made != "lockstep":
            await done(scp.serve_stream(stream))  # its peer is gone
            with pytest.raises(OSError):
                await stream.send([b"word"], None)

    left, right = socket.socketpair()
    with left:
        right.close()
        backend.run(main)


# --- connecting in another way --------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_connect_is_told_what_backends_are_told(backend: AnyBackend, is_async: bool) -> None:
    calls: list[tuple[Any, ...]] = []

    async def main() -> None:
        here, there = await backend.pair()

        def connect(host: str, port: int, *, bind_address: object, deadline: float) -> streams.Stream:
            calls.append((host, port, bind_address, deadline - backend.backend.now()))
            return here

        async def connect_async(*args: Any, **options: Any) -> streams.Stream:
            return connect(*args, **options)

        scp = entity(backend, "SCP")
        scu = entity(backend, "SCU", connect=connect_async if is_async else connect)

        async def serve() -> None:
            await done(scp.serve_stream(there))

        options = {"bind_address": ("127.0.0.1", 0), "timeouts": {"connect": 1000}}
        assert (await backend.together(serve, lambda: echo(scu, **options)))[1] == 0

    backend.run(main)
    ((host, port, bind_address, left),) = calls
    assert (host, port, bind_address) == ("anywhere", 104, ("127.0.0.1", 0))
    assert 900 < left <= 1000


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            ConnectionLost,
            "anywhere port 104: Connection refused",
        ),
        (TimeoutError(), TimedOut, "anywhere port 104 took too long"),
        (ConnectionLost("no tunnel", state=None), ConnectionLost, "^no tunnel$"),
        (ZeroDivisionError("mine"), ZeroDivisionError, "mine"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_connect_raises(backend: AnyBackend, raised: Exception, expected: Any, text: str) -> None:
    def connect(host: str, port: int, **options: object) -> streams.Stream:
        raise raised

    async def main() -> None:
        with pytest.raises(expected, match=text) as failure:
            await echo(entity(backend, "SCU", connect=connect))
        assert getattr(failure.value, "phase", "connect") == "connect"

    backend.run(main)


def test_what_connect_returns_is_a_stream(backend: AnyBackend) -> None:
    async def main() -> None:
        scu = entity(backend, "SCU", connect=lambda host, port, **options: b"")
        with pytest.raises(TypeError, match=r"connect\(\): bytes lacks close, .*a Stream is wanted"):
            await echo(scu)

    backend.run(main)


def named_wrongly(address: str, port: int) -> streams.Stream:
    raise AssertionError


@pytest.mark.parametrize("given", [7, "tcp", socket.socket, named_wrongly, lambda: None, lambda host: None])
def test_connect_is_checked_when_it_is_set(backend: AnyBackend, given: Any) -> None:
    text = r"^connect: must be a function of \(host, port, \*, bind_address, deadline\), .*or None"
    ae = entity(backend, "SCU")
    with pytest.raises(TypeError, match=text):
        ae.connect = given
    assert ae.connect is None
    with pytest.raises(TypeError, match=text):
        entity(backend, "SCU", connect=given)
    with pytest.raises(AttributeError, match="did you mean connect"):
        ae.conect = None
    with pytest.raises(TypeError, match="set connect on an application entity"):
        type("Mine", (type(ae),), {"connect": lambda self, host, port: None})


def test_whether_a_program_is_connected_is_its_own_business(backend: AnyBackend) -> None:
    mine = type("Mine", (type(entity(backend, "SCU")),), {"connected": False})
    if not isinstance(backend, Lockstep):
        mine("SCU").connected = True


def test_a_c_move_connects_by_connect_as_well(real_backend: AnyBackend) -> None:
    backend = real_backend
    calls: list[tuple[str, int]] = []
    stored = Stored()
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", "1.2.3"

    def move(event: evt.Event) -> Iterator[Any]:
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = CT_IMAGE, "1.2.3"
        yield "elsewhere", 104
        yield 1
        yield 0xFF00, image

    async def main() -> None:
        here, there = await backend.pair()
        near, far = await backend.pair()

        def connect(host: str, port: int, **options: object) -> streams.Stream:
            calls.append((host, port))
            return near

        archive = entity(backend, "ARCHIVE", connect=connect)
        archive.add_supported_context(MOVE)
        scu = entity(backend, "SCU", **over(here))
        scu.add_requested_context(MOVE)

        async def serve() -> None:
            await done(archive.serve_stream(there, evt_handlers=[(evt.EVT_C_MOVE, move)]))

        async def receive() -> None:
            await done(entity(backend, "THERE").serve_stream(far, evt_handlers=[(evt.EVT_C_STORE, stored)]))

        async def request() -> list[int]:
            assoc = await done(scu.associate("anywhere", 104))
            responses = assoc.send_c_move(identifier, "THERE", MOVE)
            if backend.name == "blocking":
                statuses = [status.Status for status, _ in responses]
            else:
                statuses = [status.Status async for status, _ in responses]
            await done(assoc.release())
            return statuses

        statuses = (await backend.together(serve, receive, request))[2]
        assert statuses[-1] == 0

    backend.run(main)
    assert calls == [("elsewhere", 104)]
    assert len(stored.objects) == 1


# --- wrapping -------------------------------------------------------------------------------------


def test_a_socket_is_wrapped_for_the_blocking_flavour() -> None:
    here, there = map(streams.wrap_stream, socket.socketpair())
    blocking.run(here.send([b"word"], None))
    assert blocking.run(there.receive(None)) == b"word"
    for stream in (here, there):
        blocking.run(stream.close([], 0))


def test_what_is_no_socket_for_dicom() -> None:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as datagrams, closing(socket.socket()) as plain:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        secure.check_hostname = False
        with closing(secure.wrap_socket(plain, do_handshake_on_connect=False)) as over_tls:
            for given in (datagrams, over_tls, None, 7):
                with pytest.raises(TypeError, match="a connected stream socket without TLS"):
                    blocking.wrap_stream(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["trio", "anyio-asyncio", "anyio-trio"])
def test_one_function_wraps_the_streams_of_all_libraries(name: str) -> None:
    async def of_library(sock: socket.socket) -> Any:
        if name == "trio":
            return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        return await anyio.abc.SocketStream.from_socket(sock)

    async def main() -> None:
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        here, there = [streams.wrap_stream(await of_library(sock)) for sock in (left, right)]
        await here.send([b"word"], None)
        assert await there.receive(None) == b"word"
        await here.close([], 0)
        await there.close([], 0)

    Async(name).run(main)


@pytest.mark.parametrize(
    "given", [object(), None, 7, b"", "tcp", socket.socket], ids=lambda given: type(given).__name__
)
def test_what_no_library_knows(given: Any) -> None:
    kinds = r"a connected socket, a trio\.abc\.Stream or an anyio\.abc\.ByteStream is wanted"
    with pytest.raises(TypeError, match=rf"{kinds}, not {type(given).__name__}$"):
        streams.wrap_stream(given)


def test_a_stream_is_not_wrapped_again() -> None:
    stream = testing.Lockstep().pair()[0]
    assert streams.wrap_stream(stream) is stream


@pytest.mark.parametrize("wrap", [streams.wrap_stream, blocking.wrap_stream])
def test_a_socket_without_a_connection_is_refused(wrap: Callable[[socket.socket], object]) -> None:
    unconnected = r"^wrap_stream\(\): the socket is not connected"
    with closing(socket.socket()) as sock, pytest.raises(ValueError, match=unconnected):
        wrap(sock)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as sock,
        pytest.raises(ValueError, match=unconnected),
    ):
        wrap(sock)
    with pytest.raises(ValueError, match=r"^wrap_stream\(\): the socket is closed"):
        wrap(sock)


def test_a_connection_that_its_peer_reset_is_wrapped() -> None:
    """The peer is to blame, and the program hears of it as of any other end."""
    left, right = socket_pair()
    right.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    right.close()
    scp = entity(Blocking(), "SCP")
    scp.serve_stream(blocking.wrap_stream(left))
    assert left.fileno() < 0
