"""What passes over the wire, as handlers hear of it: in order, and free when nobody listens."""

from __future__ import annotations

import gc
import inspect
from collections import Counter
from io import BytesIO
from itertools import accumulate
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomproto import decode_pdu
from dicomproto.config import Limits
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CEchoRSP, CStoreRQ, CStoreRSP
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    LocalProtocolError,
    RemoteProtocolError,
)
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
)
from dicomproto_transports import blocking, evt
from dicomproto_transports.association.observer import Observer
from dicomproto_transports.entity.association import Association
from dicomproto_transports.evt import Message
from dicomproto_transports.testing import Faults
from tests.associations import (
    CT_IMAGE,
    PATIENT_ROOT_FIND,
    Peer,
    Script,
    Stored,
    associate,
    associated,
    connect,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    part10,
    streaming,
    write_file,
)
from tests.backends import AnyBackend, Async, Lockstep
from tests.streams import cut_every

RECEIVED = (evt.EVT_DATA_RECV, evt.EVT_PDU_RECV, evt.EVT_ACSE_RECV, evt.EVT_DIMSE_RECV)
SENT = (evt.EVT_DATA_SENT, evt.EVT_PDU_SENT, evt.EVT_ACSE_SENT, evt.EVT_DIMSE_SENT)
MILESTONES = (
    evt.EVT_CONN_OPEN,
    evt.EVT_REQUESTED,
    evt.EVT_ACCEPTED,
    evt.EVT_ESTABLISHED,
    evt.EVT_RELEASED,
    evt.EVT_REJECTED,
    evt.EVT_ABORTED,
    evt.EVT_CONN_CLOSE,
)


class Listener:
    """Hears of some events and remembers them, each with a word that says what it was."""

    def __init__(self, *kinds: evt.EventKind) -> None:
        self.bindings: list[evt.Binding] = [(kind, self) for kind in kinds]
        self.events: list[evt.Event] = []

    def __call__(self, event: evt.Event) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.event.name.removeprefix("EVT_"), word_for(event)) for event in self.events]


def word_for(event: evt.Event) -> str:
    if event.event in (evt.EVT_DATA_RECV, evt.EVT_DATA_SENT):
        return type(decode_pdu(event.data)).__name__
    for name in ("pdu", "primitive"):
        if hasattr(event, name):
            return type(getattr(event, name)).__name__
    if hasattr(event, "message"):
        return type(event.message.command).__name__
    if event.event is evt.EVT_FSM_TRANSITION:
        return f"{event.fsm_event} {event.current_state} {event.action} {event.next_state}"
    return ""


def one_pdu(direction: str, pdu: str, message: str = "") -> list[tuple[str, str]]:
    """Return what is told of one PDU that is a step of the association, or that completes a message."""
    told = [(f"DATA_{direction}", pdu), (f"PDU_{direction}", pdu)]
    return [*told, (f"DIMSE_{direction}", message) if message else (f"ACSE_{direction}", pdu)]


# --- what is told, and in which order -----------------------------------------------------------


def test_an_association_from_its_first_byte_to_its_last(backend: AnyBackend) -> None:
    scu, scp = (Listener(*RECEIVED, *SENT, *MILESTONES) for _ in range(2))

    async def main() -> None:
        core = make_server(backend, scp.bindings)
        async with associated(backend, core, evt_handlers=scu.bindings) as assoc:
            await assoc.send_c_echo()

    backend.run(main)
    assert scu.told == [
        ("CONN_OPEN", ""),
        ("REQUESTED", ""),
        *one_pdu("SENT", "AssociateRQ"),
        *one_pdu("RECV", "AssociateAC"),
        ("ACCEPTED", ""),
        ("ESTABLISHED", ""),
        *one_pdu("SENT", "PDataTF", "CEchoRQ"),
        *one_pdu("RECV", "PDataTF", "CEchoRSP"),
        *one_pdu("SENT", "ReleaseRQ"),
        *one_pdu("RECV", "ReleaseRP"),
        ("RELEASED", ""),
        ("CONN_CLOSE", ""),
    ]
    assert scp.told == [
        ("CONN_OPEN", ""),
        *one_pdu("RECV", "AssociateRQ"),
        ("REQUESTED", ""),
        ("ACCEPTED", ""),
        ("ESTABLISHED", ""),
        *one_pdu("SENT", "AssociateAC"),
        *one_pdu("RECV", "PDataTF", "CEchoRQ"),
        *one_pdu("SENT", "PDataTF", "CEchoRSP"),
        *one_pdu("RECV", "ReleaseRQ"),
        *one_pdu("SENT", "ReleaseRP"),
        ("RELEASED", ""),
        ("CONN_CLOSE", ""),
    ]
    stamps = [event.timestamp for event in scp.events]
    assert stamps == sorted(stamps)


def test_the_state_machine_of_both_sides(backend: AnyBackend) -> None:
    scu, scp = Listener(evt.EVT_FSM_TRANSITION), Listener(evt.EVT_FSM_TRANSITION)

    async def main() -> None:
        core = make_server(backend, scp.bindings)
        async with associated(backend, core, evt_handlers=scu.bindings) as assoc:
            await assoc.send_c_echo()

    backend.run(main)
    assert [word for _, word in scu.told] == [
        "Evt1 Sta1 AE-1 Sta4",
        "Evt2 Sta4 AE-2 Sta5",
        "Evt3 Sta5 AE-3 Sta6",
        "Evt9 Sta6 DT-1 Sta6",
        "Evt10 Sta6 DT-2 Sta6",
        "Evt11 Sta6 AR-1 Sta7",
        "Evt13 Sta7 AR-3 Sta1",
    ]
    assert [word for _, word in scp.told] == [
        "Evt5 Sta1 AE-5 Sta2",
        "Evt6 Sta2 AE-6 Sta3",
        "Evt7 Sta3 AE-7 Sta6",
        "Evt10 Sta6 DT-2 Sta6",
        "Evt9 Sta6 DT-1 Sta6",
        "Evt12 Sta6 AR-2 Sta8",
        "Evt14 Sta8 AR-4 Sta13",
        "Evt17 Sta13 AR-5 Sta1",
    ]


@pytest.mark.parametrize("maximum_length", [128, 16384])
def test_a_data_set_in_many_pdus(backend: AnyBackend, tmp_path: Path, maximum_length: int) -> None:
    """With the smaller ones not even a command fits into one."""
    scu, scp = Listener(*RECEIVED, *SENT), Listener(*RECEIVED, *SENT)
    stored, data = Stored(), data_set(6 * maximum_length)
    path = write_file(tmp_path, data)
    ae = make_ae(backend, "SCP")
    ae.maximum_pdu_size = maximum_length

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, stored), *scp.bindings], ae)
        async with associated(backend, core, evt_handlers=scu.bindings) as assoc:
            await assoc.send_c_store(path, originator_aet="ORIGINATOR", originator_id=7)

    backend.run(main)
    assert stored.objects == [data]
    for listener, kind in ((scu, evt.EVT_DIMSE_SENT), (scp, evt.EVT_DIMSE_RECV)):
        (message,) = [event.message for event in listener.events if event.event is kind]
        assert isinstance(message.command, CStoreRQ)
        assert (message.context_id, message.transfer_syntax) == (3, EXPLICIT_VR_LITTLE_ENDIAN)
        assert message.data_length == len(data)
        assert bytes(message.data) == data
        assert message.dataset.SOPClassUID == CT_IMAGE
        assert message.dataset is message.dataset
        assert repr(message).startswith("<Message CStoreRQ(")
        assert repr(message).endswith(f"on context 3, {len(data)} bytes of data>")
    # Both sides hear the same bytes, and the PDUs that they are.
    for sent, received in ((scu, scp), (scp, scu)):
        leaving = [event.data for event in sent.events if event.event is evt.EVT_DATA_SENT]
        assert leaving == [event.data for event in received.events if event.event is evt.EVT_DATA_RECV]
        pdus = [event.pdu for event in sent.events if event.event is evt.EVT_PDU_SENT]
        assert pdus == [event.pdu for event in received.events if event.event is evt.EVT_PDU_RECV]
        assert [decode_pdu(piece) for piece in leaving] == pdus
    pdus = [event.pdu for event in scu.events if event.event is evt.EVT_PDU_SENT]
    values = [value for pdu in pdus if isinstance(pdu, PDataTF) for value in pdu.values]
    assert b"".join([bytes(value.data) for value in values if not value.is_command]) == data
    assert len(values) > 6


@pytest.mark.parametrize("kind", [*RECEIVED, *SENT, evt.EVT_FSM_TRANSITION], ids=lambda kind: kind.name)
def test_one_kind_alone_is_told_as_among_others(kind: evt.EventKind, tmp_path: Path) -> None:
    def told(*kinds: evt.EventKind) -> list[tuple[str, str]]:
        backend = Lockstep()
        listener = Listener(*kinds)

        async def main() -> None:
            core = make_server(backend, [(evt.EVT_C_STORE, Stored()), *listener.bindings])
            async with associated(backend, core) as assoc:
                await assoc.send_c_store(path)

        backend.run(main)
        return [line for line in listener.told if line[0] == kind.name.removeprefix("EVT_")]

    path = write_file(tmp_path, data_set(50_000))
    assert told(kind) == told(*RECEIVED, *SENT, evt.EVT_FSM_TRANSITION) != []


def test_a_store_that_is_refused_before_all_of_it_was_sent(backend: AnyBackend) -> None:
    scu = Listener(evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_DATA_SENT)
    came: list[bytes] = []

    async def refuse(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        peer.connection.send_response(received.command.response(0xA700))
        await peer.flush()
        while not isinstance(event := await peer.event(), ReleaseRQ):
            if isinstance(event, DataSetChunk):
                came.append(bytes(event.data))
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(refuse)) as server:
            async with await associate(backend, server.port, evt_handlers=scu.bindings) as assoc:
                response = await assoc.send_c_store(BytesIO(part10(data_set(60_000_000))))
                assert response.Status == 0xA700

    backend.run(main)
    request, response = [event.message for event in scu.events if "DIMSE" in event.event.name]
    if isinstance(request.command, CStoreRSP):
        request, response = response, request
    assert request.data_length == sum(map(len, came)) < 60_000_000
    assert bytes(request.data) == b"".join(came)
    assert sum(len(event.data) for event in scu.events if event.event is evt.EVT_DATA_SENT) > len(
        request.data
    )


def test_a_response_without_the_data_set_that_it_announced() -> None:
    backend = Lockstep()
    scu = Listener(evt.EVT_DIMSE_RECV)

    async def answer(peer: Peer) -> None:
        await peer.accept()
        request = (await peer.until(RequestReceived)).command
        for response in (request.response(0xFF00, CommandDataSetType=1), request.response()):
            encoded = (encode_command(response),)
            peer.connection._upper.send_p_data(1, encoded, is_command=True, is_last=True)
        await peer.until(ReleaseRQ)
        peer.connection._upper.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(answer)) as server:
            contexts = [PATIENT_ROOT_FIND]
            async with await associate(
                backend, server.port, contexts=contexts, evt_handlers=scu.bindings
            ) as assoc:
                found = [
                    identifier async for _, identifier in assoc.send_c_find(Dataset(), PATIENT_ROOT_FIND)
                ]
                assert found == [None, None]

    backend.run(main)
    pending, final = [event.message for event in scu.events]
    assert (pending.command.Status, bytes(pending.data), pending.data_length) == (0xFF00, b"", 0)
    assert (final.command.Status, final.data, final.data_length) == (0x0000, None, 0)


def test_a_rejection_and_an_abort(backend: AnyBackend) -> None:
    rejecting = [(evt.EVT_REQUESTED, lambda event: event.reject(2, 1, 2))]
    scu, scp = (Listener(evt.EVT_ACSE_RECV, evt.EVT_ACSE_SENT) for _ in range(2))

    async def main() -> None:
        async with backend.serving(make_server(backend, [*rejecting, *scp.bindings])) as server:
            with pytest.raises(AssociationRejected):
                await associate(backend, server.port, evt_handlers=scu.bindings)
        async with backend.serving(make_server(backend, scp.bindings)) as server:
            assoc = await associate(backend, server.port, evt_handlers=scu.bindings)
            await assoc.abort()

    backend.run(main)
    rejection = AssociateRJ(result=2, source=1, reason=2)
    assert [type(event.primitive) for event in scu.events] == [
        AssociateRQ, AssociateRJ, AssociateRQ, AssociateAC, Abort,
    ]  # fmt: skip
    assert scu.events[1].primitive == rejection
    assert [(event.event, type(event.primitive)) for event in scp.events] == [
        (evt.EVT_ACSE_RECV, AssociateRQ),
        (evt.EVT_ACSE_SENT, AssociateRJ),
        (evt.EVT_ACSE_RECV, AssociateRQ),
        (evt.EVT_ACSE_SENT, AssociateAC),
        (evt.EVT_ACSE_RECV, Abort),
    ]


def test_garbage_is_not_told_but_our_answer_to_it(backend: AnyBackend) -> None:
    listener = Listener(*RECEIVED, *SENT)

    async def main() -> None:
        async with backend.serving(make_server(backend, listener.bindings)) as server:
            stream = await backend.backend.connect("127.0.0.1", server.port)
            await stream.send([b"\x08\x00\x00\x00\x00\x04more"], None)
            while await stream.receive(None):
                pass
            await stream.close([], stream.now())

    backend.run(main)
    assert listener.told == one_pdu("SENT", "Abort")


# --- handlers -----------------------------------------------------------------------------------


def test_what_a_handler_raises_changes_nothing_and_is_logged(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = (*RECEIVED, *SENT, evt.EVT_FSM_TRANSITION)
    before, after = Listener(*kinds), Listener(*kinds)

    def fail(event: evt.Event) -> None:
        raise ZeroDivisionError(event.event.name)

    failing: list[evt.Binding] = [(kind, fail) for kind in kinds]
    bindings = [*before.bindings, *failing, *after.bindings]

    async def main() -> None:
        core = make_server(backend, bindings)
        async with associated(backend, core) as assoc:
            assert (await assoc.send_c_echo()).Status == 0x0000
        assert assoc.is_released

    backend.run(main)
    assert after.told == before.told
    said = [record.getMessage().partition(": ") for record in caplog.records if record.exc_info]
    failures = Counter(what for _, _, what in said)
    assert failures == Counter(f"a handler of {event.event.name} failed" for event in before.events)
    # Before it has asked for anything the peer has no name.
    assert all(who.startswith(("'SCU' at 127.0.0.1:", "the peer at 127.0.0.1:")) for who, _, _ in said)


def test_handlers_may_be_async(async_backend: Async) -> None:
    told = []

    async def handle(event: evt.Event, *args: object) -> None:
        await async_backend.backend.checkpoint()
        told.append((event.event, *args))

    async def main() -> None:
        core = make_server(async_backend)
        handlers = [(evt.EVT_DIMSE_SENT, handle, ["args"]), (evt.EVT_DIMSE_RECV, evt.in_thread(told.append))]
        async with associated(async_backend, core, evt_handlers=handlers) as assoc:
            await assoc.send_c_echo()

    async_backend.run(main)
    assert told[0] == (evt.EVT_DIMSE_SENT, "args")
    assert isinstance(told[1].message.command, CEchoRSP)


async def echo_once(backend: AnyBackend, port: int, handlers: list[evt.Binding]) -> None:
    async with await associate(backend, port, evt_handlers=handlers) as assoc:
        await assoc.send_c_echo()


@pytest.mark.parametrize("kind", [*RECEIVED, *SENT, evt.EVT_FSM_TRANSITION], ids=lambda kind: kind.name)
def test_a_handler_may_abort_and_not_use_the_association_otherwise(
    backend: AnyBackend, kind: evt.EventKind
) -> None:
    refused = []

    async def handle(event: evt.Event) -> None:
        if refused:
            return
        with pytest.raises(LocalProtocolError, match="in use by another call"):
            await event.assoc.send_c_echo()
        refused.append(event.event)
        await event.assoc.abort()
        await event.assoc.abort()

    listener = Listener(evt.EVT_ABORTED, evt.EVT_RELEASED, evt.EVT_ACSE_SENT)

    async def main() -> None:
        handlers = [*listener.bindings, (kind, in_flavour(backend, handle))]
        async with backend.serving(make_server(backend)) as server:
            with pytest.raises(AssociationAborted, match="aborted from this side"):
                await echo_once(backend, server.port, handlers)

    backend.run(main)
    assert refused == [kind]
    assert [word for _, word in listener.told][-2:] == ["Abort", ""]
    assert listener.events[-1].event is evt.EVT_ABORTED


def test_a_cancelled_handler_loses_no_event() -> None:
    """`serve` may be cancelled between two messages and called again: what came keeps its place."""
    backend = Lockstep()
    world = backend.world
    asked = []

    async def hang_once(event: evt.Event) -> None:
        if event.fsm_event == "Evt12":
            asked.append(event)
            await world.sleep(3600 if len(asked) == 1 else 0)

    async def peer(peer: Peer) -> None:
        await peer.accept()
        await peer.close()

    async def main() -> None:
        handlers = [(evt.EVT_FSM_TRANSITION, hang_once)]
        async with backend.serving(Script(peer)) as server:
            assoc = await associate(backend, server.port, evt_handlers=handlers)
            first = world.spawn(assoc.serve())
            await world.wait_for(lambda: bool(asked))
            first.cancel()
            await world.wait_for(lambda: first.done)
            assert await assoc.serve()
            assert assoc.is_released

    backend.run(main)
    assert len(asked) == 1


# --- coming late, and going ---------------------------------------------------------------------


def test_nobody_listens_and_nothing_is_done(tmp_path: Path) -> None:
    backend = Lockstep()
    observers: list[object] = []
    milestones = Listener(*MILESTONES)

    def look(event: evt.Event) -> int:
        observers.append(event.assoc._session.driver.observer)
        observers.append(event.assoc._session.connection.on_transition)
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, look), (evt.EVT_C_ECHO, look), *milestones.bindings])
        async with associated(backend, core) as assoc:
            await assoc.send_c_store(write_file(tmp_path, data_set()))
            await assoc.send_c_echo()
            observers.extend((assoc._session.driver.observer, assoc._session.connection.on_transition))
            gc.collect()
            observers.extend(each for each in gc.get_objects() if type(each) is Observer)

    backend.run(main)
    assert observers == [None] * 6


def test_a_handler_bound_to_one_association_hears_of_that_alone(backend: AnyBackend) -> None:
    listener = Listener(evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT)

    async def main() -> None:
        core = make_server(backend)
        async with backend.serving(core) as server:
            async with (
                await associate(backend, server.port) as watched,
                await associate(backend, server.port) as other,
            ):
                await watched.send_c_echo()
                assert watched.get_events() == []
                for kind in (evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT):
                    watched.bind(kind, listener)
                assert watched.get_events() == [evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT]
                assert watched.get_handlers(evt.EVT_DIMSE_SENT) == [(listener, ())]
                assert other.get_events() == []
                await other.send_c_echo()
                await watched.send_c_echo()
                watched.unbind(evt.EVT_DIMSE_SENT, listener)
                assert watched.get_handlers(evt.EVT_DIMSE_SENT) == []
                await watched.send_c_echo()
                watched.unbind(evt.EVT_DIMSE_RECV, listener)
                assert watched._session.driver.observer is None
                assert watched._session.connection.on_transition is None
                await watched.send_c_echo()
        assert core.handlers.get_events() == []

    backend.run(main)
    assert [word for _, word in listener.told] == ["CEchoRQ", "CEchoRSP", "CEchoRSP"]


def test_the_blocking_facade_binds_as_the_original_does() -> None:
    for name in ("bind", "unbind", "get_events", "get_handlers"):
        facade, original = getattr(blocking.Association, name), getattr(Association, name)
        assert inspect.signature(facade) == inspect.signature(original)
        assert facade.__doc__ == original.__doc__
    listener = Listener(evt.EVT_DIMSE_SENT)
    ae = blocking.AE()
    ae.add_supported_context(CT_IMAGE)
    ae.add_requested_context(CT_IMAGE)
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, Stored())]) as server,
        ae.associate("127.0.0.1", server.port) as assoc,
    ):
        assoc.bind(evt.EVT_DIMSE_SENT, listener, ())
        assert assoc.get_events() == [evt.EVT_DIMSE_SENT]
        assert assoc.get_handlers(evt.EVT_DIMSE_SENT) == [(listener, ())]
        assoc.send_c_store(BytesIO(part10(data_set())))
        assoc.unbind(evt.EVT_DIMSE_SENT, listener)
        assert assoc.get_events() == []
        assoc.send_c_store(BytesIO(part10(data_set())))
    assert [event.assoc for event in listener.events] == [assoc]


def test_a_handler_of_the_server_is_bound_to_its_association_alone(backend: AnyBackend) -> None:
    listener, greeted = Listener(evt.EVT_DIMSE_RECV), []

    def greet(event: evt.Event) -> int:
        if not greeted:
            event.assoc.bind(evt.EVT_DIMSE_RECV, listener)
        greeted.append(event)
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, greet)])
        async with backend.serving(core) as server:
            for _ in range(2):
                async with await associate(backend, server.port) as assoc:
                    await assoc.send_c_echo()
                    await assoc.send_c_echo()
        assert core.handlers.get_events() == [evt.EVT_C_ECHO]

    backend.run(main)
    assert [word for _, word in listener.told] == ["CEchoRQ"]


def test_a_handler_bound_to_the_server_hears_of_those_that_are_served(backend: AnyBackend) -> None:
    listener, own = Listener(evt.EVT_DIMSE_RECV), Listener(evt.EVT_DIMSE_SENT)

    def bind(event: evt.Event) -> int:
        if event.message_id == 1 and event.assoc.requestor.ae_title == "OWN":
            event.assoc.bind(evt.EVT_DIMSE_SENT, own)
        return 0x0000

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_ECHO, bind)])
        async with backend.serving(core) as server:
            async with (
                await associate(backend, server.port, make_ae(backend, "OWN")) as first,
                await associate(backend, server.port) as second,
            ):
                await first.send_c_echo()
                await second.send_c_echo()
                core.bind(evt.EVT_DIMSE_RECV, listener, [])
                await first.send_c_echo()
                await second.send_c_echo()
                core.unbind(evt.EVT_DIMSE_RECV, listener)
                await first.send_c_echo()
                await second.send_c_echo()

    backend.run(main)
    assert [event.message.command.MessageID for event in listener.events] == [2, 2]
    assert [event.message.command.MessageIDBeingRespondedTo for event in own.events] == [1, 2, 3]


@pytest.mark.parametrize("at", [0, 1, 2, 33, 70])
@pytest.mark.parametrize(
    "faults", [Faults(), Faults(chunk=25_000, accept=7000), Faults(chunk=4103), Faults(accept=20_009)]
)
def test_listening_begins_in_the_middle_of_a_data_set(at: int, faults: Faults) -> None:
    """With the next PDU, and with the next message: what had begun before is passed over."""
    data = data_set(2_300_000)  # three pieces, of which the requestor gives one at a time

    def run(at: int | None) -> tuple[Listener, Listener, int]:
        """Bind listeners when so many chunks have come, at the beginning if None."""
        backend = Lockstep()
        scu, scp = Listener(*RECEIVED, *SENT), Listener(*RECEIVED, *SENT)
        backend.backend.to_server = faults
        seen: list[bytes] = []
        requestors: list[Association] = []
        consumed = [0]

        def take(event: evt.Event, chunk: bytes) -> None:
            if len(seen) == at:
                consumed[0] = event.assoc._session.connection._upper.bytes_received
                for listener, assoc in ((scu, requestors[0]), (scp, event.assoc)):
                    for kind, handler in listener.bindings:
                        assoc.bind(kind, handler)
            seen.append(chunk)

        async def main() -> None:
            early = at is None
            ae = make_ae(backend)
            ae.maximum_pdu_size = 30_000
            core = make_server(
                backend,
                [(evt.EVT_C_STORE_STREAM, streaming(backend, take)), *(scp.bindings if early else ())],
                ae,
            )
            async with associated(backend, core, evt_handlers=scu.bindings if early else ()) as assoc:
                requestors.append(assoc)
                await assoc.send_c_store(BytesIO(part10(data)))
                await assoc.send_c_echo()

        backend.run(main)
        assert b"".join(seen) == data
        return scu, scp, consumed[0]

    def bytes_of(listener: Listener, kind: evt.EventKind) -> list[bytes]:
        return [event.data for event in listener.events if event.event is kind]

    early_scu, early_scp, _ = run(None)
    late_scu, late_scp, consumed = run(at)
    for early, late in ((early_scu, late_scu), (early_scp, late_scp)):
        for kind in (evt.EVT_DATA_RECV, evt.EVT_DATA_SENT):
            told = bytes_of(late, kind)
            assert 0 < len(told) < len(bytes_of(early, kind))
            assert told == bytes_of(early, kind)[-len(told) :]
        messages = [word for name, word in late.told if name.startswith("DIMSE")]
        assert messages == ["CStoreRSP", "CEchoRQ", "CEchoRSP"]
        assert [word for name, word in late.told if name.startswith("ACSE")] == ["ReleaseRQ", "ReleaseRP"]
    # The acceptor hears of every PDU that begins when it next reads.
    pdus = bytes_of(early_scp, evt.EVT_DATA_RECV)
    begins = [0, *accumulate(map(len, pdus))]
    first = next(index for index, begin in enumerate(begins) if begin >= consumed)
    assert bytes_of(late_scp, evt.EVT_DATA_RECV) in (pdus[first:], pdus[first + 1 :])
    # The requestor hears of the pieces that it has not begun to send.
    assert sum(map(len, bytes_of(late_scu, evt.EVT_DATA_SENT))) > (200_000 if at < 33 else 0)


# --- memory -------------------------------------------------------------------------------------


def test_a_data_set_above_the_limit_is_told_without_it(backend: AnyBackend) -> None:
    listener = Listener(evt.EVT_DIMSE_SENT)
    stored = Stored()
    ae = make_ae(backend, "SCU", limits=Limits(collect=1000))

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, stored)])
        async with associated(backend, core, ae, evt_handlers=listener.bindings) as assoc:
            for size in (1000, 1002, 30_000):
                assert await assoc.send_c_store(BytesIO(part10(data_set(size))))

    backend.run(main)
    messages = [event.message for event in listener.events]
    assert [message.data_length for message in messages] == [1000, 1002, 30_000]
    assert [message.data is None for message in messages] == [False, True, True]
    assert [message.dataset is None for message in messages] == [False, True, True]


def test_a_pdu_above_the_limit_is_not_told() -> None:
    backend = Lockstep()
    listener = Listener(evt.EVT_PDU_RECV, evt.EVT_DATA_RECV, evt.EVT_DIMSE_RECV)
    ae = make_ae(backend, "SCP", limits=Limits(collect=5000))
    backend.backend.to_server = Faults(chunk=999)

    def take(event: evt.Event, chunk: bytes) -> None:
        """Of the data set nothing is kept."""

    async def main() -> None:
        core = make_server(
            backend, [(evt.EVT_C_STORE_STREAM, streaming(backend, take)), *listener.bindings], ae
        )
        async with associated(backend, core) as assoc:
            await assoc.send_c_store(BytesIO(part10(data_set(12_000))))
            await assoc.send_c_echo()

    backend.run(main)
    told = [line for line in listener.told if "PDataTF" in line or "DIMSE_RECV" in line]
    command = [("DATA_RECV", "PDataTF"), ("PDU_RECV", "PDataTF")]
    assert told == [*command, ("DIMSE_RECV", "CStoreRQ"), *command, ("DIMSE_RECV", "CEchoRQ")]


class Headline:
    """A handler that has no use for data sets."""

    reads_data = False

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, event: evt.Event) -> None:
        self.messages.append(event.message)


def test_data_sets_are_gathered_only_for_those_who_read_them(backend: AnyBackend) -> None:
    headline, listener = Headline(), Listener(evt.EVT_DIMSE_SENT)

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, Stored())])
        async with associated(backend, core, evt_handlers=[(evt.EVT_DIMSE_SENT, headline)]) as assoc:
            await assoc.send_c_store(BytesIO(part10(data_set())))
            assoc.bind(evt.EVT_DIMSE_SENT, listener)
            await assoc.send_c_store(BytesIO(part10(data_set())))
            await assoc.send_c_echo()

    backend.run(main)
    first, second, echo = headline.messages
    assert (first.data, first.dataset, first.data_length) == (None, None, 1000)
    assert second is listener.events[0].message
    assert bytes(second.data) == data_set()
    assert (echo.data, echo.dataset, echo.data_length) == (None, None, 0)


def test_what_was_told_stays_as_it_was(backend: AnyBackend, tmp_path: Path) -> None:
    """Files are sent from buffers that are used again, and callers may change theirs."""
    listener = Listener(evt.EVT_DIMSE_SENT, evt.EVT_PDU_SENT, evt.EVT_DATA_SENT)
    files = []
    for number in range(4):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(part10(data_set(instance=f"1.{number}")))

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, Stored())])
        async with associated(backend, core, evt_handlers=listener.bindings) as assoc:
            for path in files:
                await assoc.send_c_store(path)

    backend.run(main)
    instances = [e.message.dataset.SOPInstanceUID for e in listener.events if e.event is evt.EVT_DIMSE_SENT]
    assert instances == [f"1.{number}" for number in range(4)]
    stored = [event.data for event in listener.events if hasattr(event, "data")][2:-1:2]
    assert [piece[12:] for piece in stored] == [data_set(instance=f"1.{number}") for number in range(4)]


def test_a_send_that_fails_is_told_as_far_as_it_went() -> None:
    backend = Lockstep()
    listener = Listener(evt.EVT_ACSE_SENT, evt.EVT_DIMSE_SENT)
    backend.backend.to_server = Faults(cut_after=2000, how="reset")

    async def main() -> None:
        async with backend.serving(make_server(backend)) as server:
            assoc = await associate(backend, server.port, evt_handlers=listener.bindings)
            await assoc.send_c_echo()
            with pytest.raises(ConnectionLost):
                await assoc.send_c_store(BytesIO(part10(data_set(1_000_000))))

    backend.run(main)
    assert [word for _, word in listener.told] == ["AssociateRQ", "CEchoRQ"]


# --- fragments ----------------------------------------------------------------------------------


def fragments(data: bytes, size: int) -> list[bytes]:
    """Return `data` as P-DATA-TFs on context 3, `size` bytes in each."""
    parts = cut_every(data, size)
    values = [
        PresentationDataValue(context_id=3, is_command=False, is_last=n == len(parts), data=part)
        for n, part in enumerate(parts, 1)
    ]
    return [encode_pdu(PDataTF(values=(value,))) for value in values]


@pytest.mark.parametrize(
    ("announced", "size", "is_taken"), [(128, 40, True), (128, 30, False), (256, 40, False)]
)
def test_what_the_acceptor_takes_in_small_fragments_is_told(
    announced: int, size: int, is_taken: bool
) -> None:
    """2000 of them: whether that is too many depends on what was announced."""
    backend, data = Lockstep(), data_set(2000 * size)
    listener, stored = Listener(evt.EVT_DIMSE_RECV), Stored()
    ae = make_ae(backend, "SCP")
    ae.maximum_pdu_size = announced

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, stored), *listener.bindings], ae)
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            await peer.request()
            peer.connection.send_request(
                CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2"), 3
            )
            command = peer.connection.data_to_send()
            rest = [*command, *fragments(data, size)]
            while rest:
                rest = await peer.stream.send(rest, None)
            await peer.event()
            await peer.stream.close([], 0)

    backend.run(main)
    assert stored.objects == [data] * is_taken
    assert [bytes(event.message.data) for event in listener.events] == [data] * is_taken


def test_what_the_requestor_takes_in_small_fragments_is_told() -> None:
    """The answer to its request comes with that to its proposal, before it knows what was agreed on."""
    backend, data = Lockstep(), data_set(2000 * 40)
    listener = Listener(evt.EVT_DIMSE_RECV)
    ae = make_ae(backend, "SCU")
    ae.maximum_pdu_size = 128

    async def send(peer: Peer) -> None:
        await peer.accept()
        request = CStoreRQ(MessageID=1, AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2")
        command = PresentationDataValue(
            context_id=3, is_command=True, is_last=True, data=encode_command(request)
        )
        rest = [encode_pdu(PDataTF(values=(command,))), *fragments(data, 40)]
        while rest:
            rest = await peer.stream.send(rest, None)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(send)) as server:
            assoc = await associate(backend, server.port, ae, evt_handlers=listener.bindings)
            await assoc.serve(timeout=1)
            await assoc.abort()

    backend.run(main)
    assert [bytes(event.message.data) for event in listener.events] == [data]


def test_limits_are_those_of_what_comes_and_not_of_what_leaves() -> None:
    """A side may send more than it takes itself."""
    backend, listener = Lockstep(), Listener(evt.EVT_DIMSE_SENT)
    ae = make_ae(backend, "SCU", limits=Limits(command_length=100))

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, Stored())])
        async with associated(backend, core, ae, evt_handlers=listener.bindings) as assoc:
            with pytest.raises(RemoteProtocolError):  # the response is too long for this side
                await assoc.send_c_store(BytesIO(part10(data_set(1000))))

    backend.run(main)
    assert [event.message.command.name for event in listener.events] == ["C-STORE-RQ"]
