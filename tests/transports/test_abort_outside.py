"""Another task or thread aborts an association, whatever the association is doing."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from dicomproto.config import Timeouts
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ
from dicomproto.dimse.events import RequestReceived
from dicomproto.errors import AssociationAborted, AssociationError, LocalProtocolError
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import Abort
from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, evt
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.entity.acceptor import ServerCore
from dicomproto_transports.streams.event_loop import AsyncWaiter
from dicomproto_transports.streams.tcp import SocketStream
from dicomproto_transports.tls import client_context, server_context
from tests.associations import (
    CT_IMAGE,
    HOST,
    INSTANCE,
    Peer,
    Script,
    associate,
    connect,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    part10,
    streaming,
    write_large_file,
)
from tests.backends import AnyBackend, Async, Blocking, Gate, Lockstep, socket_pair
from tests.certificates import Authority

OURS = "aborted from this side"
THEIRS = "aborted by the service-user"


class Ends:
    """Notes the ends of associations that their handlers are told of, each with the error."""

    def __init__(self) -> None:
        self.told: list[tuple[evt.EventKind, str]] = []
        kinds = evt.EVT_ABORTED, evt.EVT_RELEASED, evt.EVT_CONN_CLOSE
        self.bindings: list[evt.Binding] = [(kind, self._note) for kind in kinds]

    def _note(self, event: evt.Event) -> None:
        self.told.append((event.event, str(event.assoc.ending)))

    def assert_aborted_once(self, text: str = OURS) -> None:
        assert [kind for kind, _ in self.told] == [evt.EVT_ABORTED, evt.EVT_CONN_CLOSE]
        assert all(text in told for _, told in self.told), self.told


def served(core: ServerCore) -> Any:
    """Return the only association of a server."""
    [association] = core.active_associations
    return association


async def text_of(call: Callable[[], Awaitable[object]]) -> str:
    """Return the text of the AssociationAborted that a call raises."""
    with pytest.raises(AssociationAborted) as caught:
        await call()
    return str(caught.value)


def test_it_waits_for_the_next_request(backend: AnyBackend) -> None:
    ends = Ends()
    core = make_server(backend, ends.bindings)

    async def main() -> None:
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            await peer.request()
            theirs = served(core)
            await theirs.abort()
            assert not theirs.is_established
            assert theirs.is_aborted
            assert isinstance(await peer.event(), Abort)
            await peer.stream.close([], 0)

    backend.run(main)
    ends.assert_aborted_once()
    assert core.active_associations == []


def test_a_handler_runs(backend: AnyBackend) -> None:
    """The peer learns of it at once; the handler may go on, but cannot use the association."""
    ends = Ends()
    seen: list[object] = []

    async def main() -> None:
        begun, heard = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> int:
            assert not event.is_cancelled
            begun.open()
            await heard.passed()
            seen.append((event.is_cancelled, event.assoc.is_established))
            seen.append(await text_of(event.assoc.send_c_echo))
            await event.assoc.abort()
            return 0x0000

        core = make_server(backend, [(evt.EVT_C_ECHO, in_flavour(backend, handle)), *ends.bindings])

        async def user() -> None:
            assert THEIRS in await text_of(assoc.send_c_echo)
            heard.open()

        async def other() -> None:
            await begun.passed()
            theirs = served(core)
            await theirs.abort()
            await theirs.abort()
            assert theirs.is_aborted

        async with backend.serving(core) as server:
            assoc = await associate(backend, server.port)
            await backend.together(user, other)

    backend.run(main)
    assert seen[0] == (True, False)
    assert OURS in str(seen[1])
    ends.assert_aborted_once()


def test_a_call_waits_for_its_response(backend: AnyBackend) -> None:
    ends, theirs = Ends(), Ends()

    async def main() -> None:
        begun, raised = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> int:
            begun.open()
            await raised.passed()
            return 0x0000

        async def user() -> None:
            assert OURS in await text_of(assoc.send_c_echo)
            assert OURS in await text_of(assoc.send_c_echo)
            await assoc.release()

        async def other() -> None:
            await begun.passed()
            await assoc.abort()
            assert not assoc.is_established
            raised.open()

        handlers = [(evt.EVT_C_ECHO, in_flavour(backend, handle)), *theirs.bindings]
        async with backend.serving(make_server(backend, handlers)) as server:
            assoc = await associate(backend, server.port, evt_handlers=ends.bindings)
            await backend.together(user, other)

    backend.run(main)
    ends.assert_aborted_once()
    theirs.assert_aborted_once(THEIRS)


def test_it_serves_between_calls(backend: AnyBackend) -> None:
    """`serve` of a requestor ends as other calls do; a second abort does nothing."""

    async def main() -> None:
        serving = Gate(backend)

        def is_over() -> bool:
            serving.open()
            return False

        async def user() -> None:
            assert OURS in await text_of(lambda: assoc.serve(until=is_over))

        async def other() -> None:
            await serving.passed()
            await assoc.abort()
            await assoc.abort()

        async with backend.serving(make_server(backend)) as server:
            assoc = await associate(backend, server.port)
            await backend.together(user, other)

    backend.run(main)


@pytest.mark.parametrize("in_chunks", [True, False], ids=["in chunks", "whole"])
def test_a_large_object_arrives(backend: AnyBackend, in_chunks: bool) -> None:
    """Half an object has arrived, and no more comes."""
    ends = Ends()
    stored: list[object] = []

    async def main() -> None:
        begun = Gate(backend)

        def take(event: evt.Event, chunk: bytes) -> None:
            begun.open()

        if in_chunks:
            binding: evt.Binding = (evt.EVT_C_STORE_STREAM, streaming(backend, take))
        else:
            binding = (evt.EVT_C_STORE, stored.append)
        core = make_server(backend, [binding, *ends.bindings])

        async def sender() -> None:
            peer = await connect(backend, server.port)
            await peer.request()
            context = next(
                number
                for number, context in peer.connection.accepted_contexts.items()
                if context.abstract_syntax == CT_IMAGE
            )
            request = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE)
            peer.connection.send_request(request, context)
            peer.connection.send_data(bytes(500_000), last=False)
            await peer.flush()
            if not in_chunks:
                begun.open()
            assert isinstance(await peer.until(Abort), Abort)
            await peer.stream.close([], 0)

        async def other() -> None:
            await begun.passed()
            await served(core).abort()

        async with backend.serving(core) as server:
            await backend.together(sender, other)

    backend.run(main)
    assert not stored
    ends.assert_aborted_once()


def test_a_large_object_is_being_sent(backend: AnyBackend, tmp_path: Path) -> None:
    """The peer does not read meanwhile; later it reads whole PDUs, and the A-ABORT after them."""
    ends = Ends()
    path = write_large_file(tmp_path, 30_000_000)
    ended: list[object] = []

    async def main() -> None:
        begun, go_on = Gate(backend), Gate(backend)

        async def talk(peer: Peer) -> None:
            await peer.accept()
            assert isinstance(await peer.event(), RequestReceived)
            begun.open()
            await go_on.passed()
            ended.append(await peer.until(Abort))

        async def user() -> None:
            assert OURS in await text_of(lambda: assoc.send_c_store(path))

        async def other() -> None:
            await begun.passed()
            await assoc.abort()
            go_on.open()

        async with backend.serving(Script(talk)) as server:
            ae = make_ae(backend, "SCU", timeouts=Timeouts(close=None))
            assoc = await associate(backend, server.port, ae, evt_handlers=ends.bindings)
            await backend.together(user, other)

    backend.run(main)
    assert ended == [Abort(source=0, reason=0)]
    ends.assert_aborted_once()


def test_nobody_uses_it(backend: AnyBackend) -> None:
    """A requestor between two calls."""
    ends, theirs = Ends(), Ends()

    async def main() -> None:
        async with backend.serving(make_server(backend, theirs.bindings)) as server:
            assoc = await associate(backend, server.port, evt_handlers=ends.bindings)
            await backend.together(assoc.abort, assoc.abort)
            ends.assert_aborted_once()
            assert OURS in await text_of(assoc.send_c_echo)

    backend.run(main)
    theirs.assert_aborted_once(THEIRS)


def test_while_it_is_being_requested(backend: AnyBackend) -> None:
    """A handler of the negotiation has passed the association on."""
    held: list[Any] = []

    async def main() -> None:
        asked = Gate(backend)

        async def talk(peer: Peer) -> None:
            peer.connection.transport_connected()
            await peer.event()
            asked.open()
            assert isinstance(await peer.event(), Abort)

        async def user() -> None:
            binding: evt.Binding = (evt.EVT_REQUESTED, lambda event: held.append(event.assoc))
            assert OURS in await text_of(lambda: associate(backend, server.port, evt_handlers=[binding]))

        async def other() -> None:
            await asked.passed()
            await held[0].abort()

        async with backend.serving(Script(talk)) as server:
            await backend.together(user, other)

    backend.run(main)


def test_a_handler_of_the_acceptance_runs(backend: AnyBackend) -> None:
    """At the server, before the first request: the peer is accepted, then aborted."""
    ends = Ends()

    async def main() -> None:
        begun, heard = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> None:
            begun.open()
            await heard.passed()

        core = make_server(backend, [(evt.EVT_ESTABLISHED, in_flavour(backend, handle)), *ends.bindings])

        async def user() -> None:
            assert THEIRS in await text_of(lambda: associate_and_echo(backend, server.port))
            heard.open()

        async def other() -> None:
            await begun.passed()
            await served(core).abort()

        async with backend.serving(core) as server:
            await backend.together(user, other)

    backend.run(main)
    ends.assert_aborted_once()


async def associate_and_echo(backend: AnyBackend, port: int) -> None:
    await (await associate(backend, port)).send_c_echo()


def test_a_generator_of_results_is_open(backend: AnyBackend) -> None:
    """The generator is closed at its `yield`."""
    closed: list[bool] = []

    async def main() -> None:
        begun, heard = Gate(backend), Gate(backend)

        def blocked(event: evt.Event) -> Iterator[object]:
            try:
                while True:
                    yield 0xFF00, identifier()
                    begun.open()
                    if isinstance(backend, Blocking):
                        blocking.run(heard.passed())
            finally:
                closed.append(event.is_cancelled)

        ae = make_ae(backend, "SCP")
        ae.add_supported_context(FIND)
        core = make_server(backend, [(evt.EVT_C_FIND, blocked)], ae)

        async def user() -> None:
            scu = make_ae(backend, "SCU")
            scu.add_requested_context(FIND)
            assoc = await associate(backend, server.port, scu)
            assert THEIRS in await text_of(lambda: read_all(assoc.send_c_find(identifier(), FIND)))
            heard.open()

        async def other() -> None:
            await begun.passed()
            await served(core).abort()

        async with backend.serving(core) as server:
            await backend.together(user, other)

    backend.run(main)
    assert closed == [True]


FIND, MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"


def identifier() -> Any:
    from pydicom.dataset import Dataset

    found = Dataset()
    found.QueryRetrieveLevel = "STUDY"
    found.StudyInstanceUID = INSTANCE
    return found


async def read_all(responses: Any) -> None:
    async for _ in responses:
        pass


def test_over_tls_while_a_handler_runs(real_backend: AnyBackend, authority: Authority) -> None:
    backend = real_backend
    ends = Ends()
    own = authority.server

    async def main() -> None:
        begun, heard = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> int:
            begun.open()
            await heard.passed()
            return 0x0000

        handlers = [(evt.EVT_C_ECHO, in_flavour(backend, handle)), *ends.bindings]
        core = ServerCore(make_ae(backend, "SCP"), handlers, ssl_context=server_context(own.cert, own.key))

        async def user() -> None:
            assert THEIRS in await text_of(assoc.send_c_echo)
            heard.open()

        async def other() -> None:
            await begun.passed()
            await served(core).abort()

        async with backend.serving(core) as server:
            tls = client_context(ca_file=authority.ca_file)
            assoc = await associate(backend, server.port, tls_args=tls)
            await backend.together(user, other)

    backend.run(main)
    ends.assert_aborted_once()


# --- the public flavours ------------------------------------------------------------------------


def test_a_running_server_from_another_thread() -> None:
    ends = Ends()
    ae = blocking.AE()
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=ends.bindings) as server:
        first = ae.associate("127.0.0.1", server.port)
        second = ae.associate("127.0.0.1", server.port)
        theirs = next(one for one in server.active_associations if one.requestor.port == first.requestor.port)
        theirs.abort()
        assert not theirs.is_established
        with pytest.raises(AssociationAborted, match=THEIRS):
            first.send_c_echo()
        assert second.send_c_echo().Status == 0x0000
        second.release()
    assert sorted(kind.name for kind, _ in ends.told).count("EVT_ABORTED") == 1


@pytest.mark.parametrize("flavour", ["trio", "anyio"])
def test_a_running_server_from_a_thread_beside_the_event_loop(flavour: str) -> None:
    """By `from_thread.run`, as for every coroutine."""
    module: Any = trio_flavour if flavour == "trio" else anyio_flavour
    library: Any = trio if flavour == "trio" else anyio
    ae = module.AE()
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)

    async def main() -> None:
        async with ae.start_server(("127.0.0.1", 0)) as server:
            assoc = await ae.associate("127.0.0.1", server.port)
            [theirs] = server.active_associations
            await library.to_thread.run_sync(lambda: library.from_thread.run(theirs.abort))
            assert not theirs.is_established
            assert THEIRS in await text_of(assoc.send_c_echo)

    library.run(main)


def test_calls_in_a_loop_meet_the_abort_of_another_thread() -> None:
    """Wherever the abort falls: the call raises AssociationAborted, and the peer hears one A-ABORT."""
    ends = Ends()
    ae = blocking.AE()
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    rounds = 60
    raised: list[BaseException] = []

    def echo_for_ever(assoc: blocking.Association, begun: threading.Event) -> None:
        try:
            while assoc.send_c_echo().Status == 0x0000:
                begun.set()
        except (AssociationError, LocalProtocolError) as error:
            raised.append(error)

    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=ends.bindings) as server:
        for number in range(rounds):
            assoc = ae.associate("127.0.0.1", server.port)
            begun = threading.Event()
            thread = threading.Thread(target=echo_for_ever, args=(assoc, begun))
            thread.start()
            begun.wait()
            own = [assoc, *server.active_associations][number % 2]
            own.abort()
            thread.join()
            assert assoc.is_aborted
        server.shutdown(grace=10)
    assert {type(error) for error in raised} == {AssociationAborted}
    assert len(raised) == rounds
    assert [kind for kind, _ in ends.told].count(evt.EVT_ABORTED) == rounds


# --- streams that a program brings --------------------------------------------------------------


class Plain:
    """A stream with what every stream has, and no more."""

    def __init__(self, inner: Any) -> None:
        self.local_address, self.peer_address = inner.local_address, inner.peer_address
        self.now, self.receive, self.try_receive = inner.now, inner.receive, inner.try_receive
        self.send, self.close = inner.send, inner.close


async def wrapped_pair(backend: Async) -> tuple[Any, Any]:
    """Return two ends, the right one a byte stream of the library that was wrapped."""
    left, right = socket_pair()
    for sock in (left, right):
        sock.setblocking(False)
    here = SocketStream(left, AsyncWaiter(backend.library, left))
    if backend.name == "trio":
        return here, trio_flavour.wrap_stream(trio.SocketStream(trio.socket.from_stdlib_socket(right)))
    return here, anyio_flavour.wrap_stream(await anyio.abc.SocketStream.from_socket(right))


def test_over_a_wrapped_stream(async_backend: Async) -> None:
    """It ends a wait for input at once; while a handler runs, the A-ABORT leaves after it."""
    backend = async_backend

    async def main() -> None:
        for during_handler in (False, True):
            ends, begun, go_on = Ends(), Gate(backend), Gate(backend)

            async def handle(event: evt.Event, begun: Gate = begun, go_on: Gate = go_on) -> int:
                begun.open()
                await go_on.passed()
                return 0x0000

            core = make_server(backend, [(evt.EVT_C_ECHO, handle), *ends.bindings])
            here, there = await wrapped_pair(backend)

            async def talk(
                here: Any = here, core: ServerCore = core, begun: Gate = begun, go_on: Gate = go_on,
                during_handler: bool = during_handler,
            ) -> None:  # fmt: skip
                peer = Peer(here, Role.REQUESTOR)
                await peer.request()
                if during_handler:
                    peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
                    await peer.flush()
                    await begun.passed()
                await served(core).abort()
                assert not core.active_associations or not served(core).is_established
                go_on.open()
                assert isinstance(await peer.event(), Abort)
                await here.close([], 0)

            await backend.together(
                talk, lambda core=core, there=there: core.serve_stream(there, backend.backend)
            )
            ends.assert_aborted_once()

    backend.run(main)


def test_over_a_stream_whose_waits_nothing_ends() -> None:
    """The association ends as soon as its wait does."""
    backend, ends = Lockstep(), Ends()
    core = make_server(backend, ends.bindings)

    async def main() -> None:
        here, there = await backend.pair()
        serving = backend.world.spawn(core.serve_stream(Plain(there), backend.backend))
        peer = Peer(here, Role.REQUESTOR)
        await peer.request()
        theirs = served(core)
        await theirs.abort()
        assert not theirs.is_established
        assert not ends.told
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        assert isinstance(await peer.event(), Abort)
        await here.close([], 0)
        await backend.world.wait_for(lambda: serving.done)

    backend.run(main)
    ends.assert_aborted_once()


# --- a C-MOVE -----------------------------------------------------------------------------------


def test_a_move_waits_for_its_destination(backend: AnyBackend, tmp_path: Path) -> None:
    """The destination is aborted too."""
    ends: list[object] = []
    path = tmp_path / "image.dcm"
    path.write_bytes(part10(data_set()))

    async def main() -> None:
        begun, heard = Gate(backend), Gate(backend)

        async def destination(peer: Peer) -> None:
            await peer.accept()
            await peer.until(RequestReceived)
            begun.open()
            ends.append(await peer.until(Abort))

        def move(event: evt.Event) -> Any:
            return iter([(HOST, there.port), 1, (0xFF00, path)])

        scp, scu = make_ae(backend, "SCP"), make_ae(backend, "SCU")
        scp.add_supported_context(MOVE)
        scu.add_requested_context(MOVE)
        core = make_server(backend, [(evt.EVT_C_MOVE, move)], scp)

        async def user() -> None:
            assoc = await associate(backend, server.port, scu)
            assert THEIRS in await text_of(lambda: read_all(assoc.send_c_move(identifier(), "THERE", MOVE)))
            heard.open()

        async def other() -> None:
            await begun.passed()
            await served(core).abort()
            await heard.passed()

        async with backend.serving(Script(destination)) as there, backend.serving(core) as server:
            await backend.together(user, other)

    backend.run(main)
    assert [type(end) for end in ends] == [Abort]
