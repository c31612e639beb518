"""C-MOVE destinations that misbehave, at every step, and what is known of the mover there."""

from __future__ import annotations

import errno
import io
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dicomproto.config import Timeouts
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.commands import CMoveRQ, Request
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.negotiation import AcceptorPolicy, build_associate_rq, negotiate
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.events import CLOSED
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
)
from dicomproto_transports import evt
from dicomproto_transports.entity.acceptor import ServerCore
from tests.associations import (
    CT_IMAGE,
    HOST,
    IMMEDIATE,
    MR_IMAGE,
    Peer,
    Script,
    associate,
    associated,
    connect,
    data_set,
    make_ae,
    make_server,
    part10,
    timeouts,
)
from tests.backends import AnyBackend, Lockstep
from tests.transports.test_retrieve import MOVE, PENDING, QUERY, There, an_ae, counts, final_of, image

OBJECTS = 5
Step = Callable[[Peer], Awaitable[object]]


async def receive(peer: Peer) -> RequestReceived:
    """Take one object."""
    received: RequestReceived = await peer.until(RequestReceived)
    while not (await peer.until(DataSetChunk)).last:
        pass
    return received


async def store(peer: Peer) -> None:
    peer.connection.send_response((await receive(peer)).command.response())
    await peer.flush()


async def say(peer: Peer, *words: bytes) -> None:
    """Send what the engine would not, and let the other side end it."""
    await peer.stream.send(list(words), None)
    await peer.until_closed()


async def rejects(peer: Peer) -> None:
    peer.connection.transport_connected()
    assert isinstance(await peer.event(), AssociateRQ)
    peer.connection.send(AssociateRJ(result=1, source=1, reason=3))
    await peer.until_closed()


async def answers_the_request_with_garbage(peer: Peer) -> None:
    await say(peer, b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def closes_at_once(peer: Peer) -> None:
    await peer.stream.receive(None)


async def is_silent(peer: Peer) -> None:
    await peer.accept()
    await receive(peer)
    await peer.until_closed()


async def aborts(peer: Peer) -> None:
    await peer.accept()
    await receive(peer)
    peer.connection.send(Abort())
    await peer.flush()


async def closes(peer: Peer) -> None:
    await peer.accept()
    await receive(peer)


async def answers_with_garbage(peer: Peer) -> None:
    await peer.accept()
    await receive(peer)
    await say(peer, b"\x04\0\0\0\0\x02ab")


async def releases_in_place_of_an_answer(peer: Peer) -> None:
    await peer.accept()
    await receive(peer)
    await say(peer, encode_pdu(ReleaseRQ()))


UNREACHABLE, UNANSWERED = "the destination cannot be reached: ", "the destination does not answer: "

FAULTS: list[tuple[Step, str, int]] = [
    (rejects, UNREACHABLE + "AssociationRejected", 1),
    (answers_the_request_with_garbage, UNREACHABLE + "NotDicomError", 1),
    (closes_at_once, UNREACHABLE + "ConnectionLost", 1),
    (is_silent, UNANSWERED + "TimedOut", 2),
    (aborts, UNANSWERED + "AssociationAborted", 2),
    (closes, UNANSWERED + "ConnectionLost", 2),
    (answers_with_garbage, UNANSWERED + "RemoteProtocolError", 2),
    (releases_in_place_of_an_answer, UNANSWERED + "AssociationReleased", 2),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0].__name__)
@pytest.mark.parametrize("good", [0, 2])
def test_a_destination_is_given_up(backend: AnyBackend, fault: tuple[Step, str, int], good: int) -> None:
    """After two associations that have led to nothing; what went well before is told."""
    misbehave, comment, tries = fault
    called: list[int] = []

    async def there(peer: Peer) -> None:
        called.append(1)
        if good and len(called) == 1:
            await peer.accept()
            for _ in range(good):
                await store(peer)
            ae.timeouts = impatient  # for the associations that follow
            peer.connection.send(Abort())
            await peer.flush()
        else:
            await misbehave(peer)

    ae = an_ae(backend, "SCP")
    impatient = timeouts(backend, *(["response"] if misbehave is is_silent else []))
    if not good:
        ae.timeouts = impatient

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield OBJECTS + good
                for number in range(OBJECTS + good):
                    yield PENDING, image(number)

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], ae)
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert final.Status == (0xB000 if good else 0xA702)
                assert counts(final) == (None, good, OBJECTS, 0)
                assert final.ErrorComment.startswith(comment[:64])
                assert failed == [f"1.2.{good + number}" for number in range(len(failed))]
                assert len(failed) >= tries - bool(good)
                assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)
    assert len(called) in (tries, tries + bool(good))


@pytest.mark.parametrize("options", [None, {"contexts": [CT_IMAGE]}])
def test_a_destination_that_accepts_no_context(backend: AnyBackend, options: Any) -> None:
    """It is asked once, and every object fails for the same reason."""
    called: list[int] = []

    async def there(peer: Peer) -> None:
        called.append(1)
        peer.connection.transport_connected()
        rq = await peer.event()
        answer = negotiate(rq, AcceptorPolicy(supported={}))
        assert isinstance(answer, AssociateAC)
        peer.connection.send(answer)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port, options
                yield OBJECTS
                for number in range(OBJECTS):
                    yield PENDING, image(number)

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0xA702, (None, 0, OBJECTS, 0))
                assert final.ErrorComment == f"{OBJECTS} without an accepted presentation context"
                assert len(failed) == OBJECTS

    backend.run(main)
    assert called == [1]


@pytest.mark.parametrize("how", ["release", "abort", "close"])
def test_an_association_that_ended_while_nothing_was_sent(backend: AnyBackend, how: str) -> None:
    """The handler searched for long, and the destination would not wait: that costs no object."""
    ended = threading.Event()
    stored: list[str] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        received = await receive(peer)
        stored.append(received.command.sop_instance_uid)
        peer.connection.send_response(received.command.response())
        await peer.flush()
        if how != "close":
            peer.connection.send(ReleaseRQ() if how == "release" else Abort())
            await peer.flush()
        else:
            await peer.stream.close([], 0)
        ended.set()
        while how == "release" and await peer.event() is not CLOSED:
            pass

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 3
                for number in range(3):
                    ended.clear()
                    yield PENDING, image(number)
                    assert ended.wait(10)

            async def patient(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 3
                for number in range(3):
                    ended.clear()
                    yield PENDING, image(number)
                    assert isinstance(backend, Lockstep)
                    await backend.world.wait_for(ended.is_set)

            # Each flavour waits in its own way, a thread in all of them but one.
            handler = patient if isinstance(backend, Lockstep) else evt.in_thread(handle)
            core = make_server(backend, [(evt.EVT_C_MOVE, handler)], an_ae(backend, "SCP"))
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0x0000, (None, 3, 0, 0))

    backend.run(main)
    assert stored == ["1.2.0", "1.2.1", "1.2.2"]


# --- while the destination is waited for ----------------------------------------------------------


MOVE_RQ = CMoveRQ(AffectedSOPClassUID=MOVE, MoveDestination="THERE")


async def ask(peer: Peer, request: Request = MOVE_RQ) -> None:
    """Ask for a C-MOVE, or what is asked for likewise, with the engine of `peer`, on its first context."""
    peer.connection.send_request(request, 1)
    peer.connection.send_data(encode_data_set(QUERY, EXPLICIT_VR_LITTLE_ENDIAN), last=True)
    await peer.flush()


@pytest.mark.parametrize("end", ["release", "abort", "close"])
def test_the_peer_is_heard_while_the_destination_is_silent(end: str) -> None:
    """Its release or abort ends the sub-operation as well."""
    backend = Lockstep()
    waiting: list[Peer] = []
    ended: list[float] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        await receive(peer)
        waiting.append(peer)
        assert isinstance(await peer.event(), Abort)
        ended.append(backend.world.now())

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                try:
                    yield HOST, server.port
                    yield 2
                    yield PENDING, image(1)
                    yield PENDING, image(2)
                finally:
                    ended.append(backend.world.now())

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with backend.serving(core) as provider:
                peer = await connect(backend, provider.port)
                await peer.request(MOVE)
                await ask(peer)
                await backend.world.wait_for(lambda: bool(waiting))
                if end != "close":
                    await peer.stream.send([encode_pdu(ReleaseRQ() if end == "release" else Abort())], None)
                if end == "release":
                    assert await peer.stream.receive(None) == encode_pdu(ReleaseRP())
                await peer.stream.close([], 0)
                await backend.world.wait_for(lambda: len(ended) == 2)

    backend.run(main)
    assert max(ended) < 2


@pytest.mark.parametrize("end", ["cancel", "release", "abort"])
def test_the_peer_is_heard_while_the_destination_does_not_answer_the_request(end: str) -> None:
    """Whatever it wants is done at once, and not when the time for an association is over."""
    backend = Lockstep()
    asked: list[Peer] = []
    ended: list[float] = []

    async def there(peer: Peer) -> None:
        peer.connection.transport_connected()
        assert isinstance(await peer.event(), AssociateRQ)
        asked.append(peer)
        await peer.until_closed()
        ended.append(backend.world.now())

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                try:
                    yield HOST, server.port
                    yield 2
                    yield PENDING, image(1)
                    yield PENDING, image(2)
                finally:
                    ended.append(backend.world.now())

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with backend.serving(core) as provider:
                peer = await connect(backend, provider.port)
                await peer.request(MOVE)
                await ask(peer)
                await backend.world.wait_for(lambda: bool(asked))
                if end == "cancel":
                    peer.connection.send_cancel(1)
                    await peer.flush()
                    answer = await peer.until(ResponseReceived)
                    assert (answer.command.Status, counts(answer.command)) == (0xFE00, (2, 0, 0, 0))
                else:
                    await peer.stream.send([encode_pdu(ReleaseRQ() if end == "release" else Abort())], None)
                if end == "release":
                    assert await peer.stream.receive(None) == encode_pdu(ReleaseRP())
                await peer.stream.close([], 0)
                await backend.world.wait_for(lambda: len(ended) == 2)

    backend.run(main)
    assert max(ended) < 4


@pytest.mark.parametrize("answer", [0.0, 1.0, 60.0])
def test_the_last_response_comes_after_the_release_of_the_destination(answer: float) -> None:
    """Who asked may look for the objects then; a destination that is silent delays it by Timeouts.close."""
    backend = Lockstep()
    asked: list[float] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        await store(peer)
        await peer.until(ReleaseRQ)
        asked.append(backend.world.now())
        await backend.world.sleep(answer)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 1
                yield PENDING, image(1)

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0x0000, (None, 1, 0, 0))
                assert backend.world.now() - asked[0] == min(answer, Timeouts().close or 0.0)

    backend.run(main)


@pytest.mark.parametrize("end", ["release", "abort", "close"])
def test_the_peer_is_heard_while_the_destination_does_not_answer_the_release(end: str) -> None:
    backend = Lockstep()
    asked: list[Peer] = []
    ended: list[float] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        await store(peer)
        await peer.until(ReleaseRQ)
        asked.append(peer)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 1
                yield PENDING, image(1)

            handlers = [
                (evt.EVT_C_MOVE, handle),
                (evt.EVT_CONN_CLOSE, lambda event: ended.append(backend.world.now())),
            ]
            core = make_server(backend, handlers, an_ae(backend, "SCP"))
            async with backend.serving(core) as provider:
                peer = await connect(backend, provider.port)
                await peer.request(MOVE)
                await ask(peer)
                await backend.world.wait_for(lambda: bool(asked))
                started = backend.world.now()
                if end != "close":
                    await peer.stream.send([encode_pdu(ReleaseRQ() if end == "release" else Abort())], None)
                if end == "release":
                    assert await peer.stream.receive(None) == encode_pdu(ReleaseRP())
                await peer.stream.close([], 0)
                await backend.world.wait_for(lambda: bool(ended))
                assert ended[0] - started < 0.5

    backend.run(main)


@pytest.mark.parametrize("end", ["release", "abort"])
def test_the_peer_is_heard_while_an_object_is_sent(end: str) -> None:
    """To a destination that takes it slowly, so that the object alone would last for minutes."""
    backend = Lockstep()
    taking: list[Peer] = []
    ended: list[float] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        taking.append(peer)
        try:
            while await peer.stream.receive(None):
                await backend.world.sleep(0.5)
        except OSError:
            pass

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                try:
                    yield HOST, server.port
                    yield 1
                    yield PENDING, io.BytesIO(part10(data_set(32 * 1024 * 1024)))
                finally:
                    ended.append(backend.world.now())

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with backend.serving(core) as provider:
                peer = await connect(backend, provider.port)
                await peer.request(MOVE)
                await ask(peer)
                await backend.world.wait_for(lambda: bool(taking))
                await peer.stream.send([encode_pdu(ReleaseRQ() if end == "release" else Abort())], None)
                if end == "release":
                    assert await peer.stream.receive(None) == encode_pdu(ReleaseRP())
                await peer.stream.close([], 0)
                await backend.world.wait_for(lambda: bool(ended))

    backend.run(main)
    assert ended[0] < 20


def test_objects_that_cannot_be_read_are_not_the_fault_of_the_destination(tmp_path: Path) -> None:
    """Two in a row whose files fail in the middle: the next ones are sent all the same."""
    backend = Lockstep()
    there = There(backend)

    class Failing(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            if self.tell() > 1024 * 1024:
                raise OSError(errno.EIO, "Input/output error")
            return super().readinto(buffer)

    def large(number: int) -> Failing:
        return Failing(part10(data_set(3 * 1024 * 1024, CT_IMAGE, f"1.2.{number}")))

    def results() -> Any:
        yield 5
        yield PENDING, image(1)
        yield PENDING, large(2)
        yield PENDING, large(3)
        yield PENDING, image(4)
        yield PENDING, image(5)

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield from results()

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0xB000, (None, 3, 2, 0))
                assert failed == ["1.2.2", "1.2.3"]

    backend.run(main)
    assert len(there.stored.objects) == 3


def test_the_end_of_the_server_while_the_destination_is_silent(real_backend: AnyBackend) -> None:
    """The shutdown ends the associations of both sides, and closes the handler."""
    backend = real_backend
    receiving = threading.Event()
    ended: list[str] = []

    async def there(peer: Peer) -> None:
        await peer.accept()
        await receive(peer)
        receiving.set()
        ended.append(type(await peer.event()).__name__)

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                try:
                    yield HOST, server.port
                    yield 1
                    yield PENDING, image(1)
                finally:
                    ended.append("the handler")

            ae = an_ae(backend, "SCP")
            ae.timeouts = Timeouts(close=IMMEDIATE)
            async with backend.serving(make_server(backend, [(evt.EVT_C_MOVE, handle)], ae)) as provider:
                peer = await connect(backend, provider.port)
                await peer.request(MOVE)
                await ask(peer)
                await until_set(backend, receiving)
            assert "the handler" in ended
            await peer.stream.close([], 0)

    backend.run(main)
    assert sorted(ended) == ["Abort", "the handler"]


async def until_set(backend: AnyBackend, event: threading.Event) -> None:
    assert await backend.backend.in_thread(lambda: event.wait(10))


# --- who is who -----------------------------------------------------------------------------------


def test_a_move_to_the_mover_itself(backend: AnyBackend) -> None:
    """To the same server, over an association of its own."""
    originators: list[tuple[str, int]] = []

    def keep(event: evt.Event) -> int:
        request = event.request
        originators.append((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return 0

    async def main() -> None:
        address: list[Any] = [HOST]

        def handle(event: evt.Event) -> Any:
            yield tuple(address)
            yield 3
            for number in range(3):
                yield PENDING, image(number)

        core = make_server(
            backend, [(evt.EVT_C_MOVE, handle), (evt.EVT_C_STORE, keep)], an_ae(backend, "SCP")
        )
        async with backend.serving(core) as server:
            address.append(server.port)
            async with await associate(backend, server.port, an_ae(backend, "SCU")) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "SCP", MOVE, msg_id=9))
                assert (final.Status, counts(final)) == (0x0000, (None, 3, 0, 0))

    backend.run(main)
    assert originators == [("SCU", 9)] * 3


TITLES = {b"PEER": "PEER", "M\u00dcNCHEN".encode("latin-1"): None, b"": None, b"  A B ": "A B"}


@pytest.mark.parametrize("title", TITLES)
def test_the_originator_is_told_as_far_as_it_can_be(title: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A peer is served whatever it calls itself; what is no AE title is not handed on."""
    backend = Lockstep()
    originators: list[str | None] = []

    def keep(event: evt.Event) -> int:
        originators.append(event.request.MoveOriginatorApplicationEntityTitle)
        return 0

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, keep)], make_ae(backend, "THERE"))
        async with backend.serving(core) as there:

            def handle(event: evt.Event) -> Any:
                yield HOST, there.port
                yield 2
                yield PENDING, image(1)
                yield PENDING, image(2)

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with backend.serving(core) as server:
                peer = await connect(backend, server.port)
                contexts = [(MOVE, [EXPLICIT_VR_LITTLE_ENDIAN])]
                peer.connection.send(build_associate_rq("CALLING", "ANY-SCP", contexts))
                peer.connection.transport_connected()
                request = b"".join(peer.connection.data_to_send())
                await peer.stream.send([request.replace(b"CALLING".ljust(16), title.ljust(16))], None)
                assert isinstance(await peer.event(), AssociateAC)
                await ask(peer)
                while not (received := await peer.until(ResponseReceived)).is_final:
                    pass
                assert received.command.Status == 0
                await peer.close()

    backend.run(main)
    assert originators == [TITLES[title]] * 2
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == (title.startswith(b"M"))


def test_the_originator_is_who_asked_for_the_move(backend: AnyBackend) -> None:
    """That is the acceptor where the requestor is the provider."""
    originators: list[str | None] = []

    def keep(event: evt.Event) -> int:
        originators.append(event.request.MoveOriginatorApplicationEntityTitle)
        return 0

    async def workstation(peer: Peer) -> None:
        await peer.accept()
        await ask(peer)
        while not (await peer.until(ResponseReceived)).is_final:
            pass
        peer.connection.send(ReleaseRQ())
        await peer.until_closed()

    async def main() -> None:
        there = There(backend)
        there.core.bind(evt.EVT_C_STORE, keep, ())
        async with backend.serving(there.core) as destination, backend.serving(Script(workstation)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, destination.port
                yield 1
                yield PENDING, image(1)

            pacs = make_ae(backend, "PACS")
            pacs.requested_contexts = []
            pacs.requested_contexts = [MOVE]
            roles = [RoleSelection(sop_class_uid=MOVE, scu_role=True, scp_role=True)]
            assoc = await associate(
                backend,
                server.port,
                pacs,
                ae_title="WORKSTATION",
                calling_ae_title="ARCHIVE",
                ext_neg=roles,
                evt_handlers=[(evt.EVT_C_MOVE, handle)],
            )
            await assoc.serve()
            assert assoc.is_released
        assert there.callers == [("ARCHIVE", "THERE")]

    backend.run(main)
    assert originators == ["WORKSTATION"]


@pytest.mark.parametrize("title", [None, "ARCHIVE", b" ARCHIVE "])
def test_a_server_moves_under_its_own_title(backend: AnyBackend, title: Any) -> None:
    there = There(backend, MR_IMAGE)

    async def main() -> None:
        async with backend.serving(there.core) as destination:

            def handle(event: evt.Event) -> Any:
                yield HOST, destination.port
                yield 1
                yield PENDING, image(1)

            ae = an_ae(backend, "ENTITY")
            core = ServerCore(ae, [(evt.EVT_C_MOVE, handle)], ae_title=title)
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert final.Status == 0

    backend.run(main)
    assert there.callers == [("ARCHIVE" if title else "ENTITY", "THERE")]
