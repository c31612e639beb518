"""Everything that can go wrong, in every operation, at every step: (operation x step x fault).

The side under test runs the adapter, the other side is an engine that does as the row says, on the
lockstep network whose clock jumps. Each row has its outcome: what the peer saw last, how the
association ended for our side, and that the handler was closed once. After every row the server
serves the next association, so that a fault stays with its connection.

Silence and a peer that stops reading end by the timeout that bounds the wait at hand.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from pydicom.dataset import Dataset

from dicomproto.connection import Connection
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationError, TimedOut
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.events import CLOSED, NEED_DATA
from dicomproto.upper_layer.pdu import Abort, RoleSelection
from dicomproto_transports import evt
from tests.associations import (
    CT_IMAGE,
    HOST,
    INSTANCE,
    Peer,
    Script,
    associate,
    connect,
    make_ae,
    make_server,
)
from tests.backends import Lockstep

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
COMMITMENT = "1.2.840.10008.1.20.1"
PRINT = "1.2.840.10008.5.1.1.9"
FILM_SESSION = "1.2.840.10008.5.1.1.1"
CONTEXTS = (VERIFICATION, CT_IMAGE, FIND, MOVE, GET, MPPS, MPPS_RETRIEVE, COMMITMENT, PRINT)
ROLES = [RoleSelection(sop_class_uid=uid, scu_role=True, scp_role=True) for uid in (CT_IMAGE, COMMITMENT)]
PENDING = 0xFF00
GARBAGE = b"\x99\0" + bytes(40)


def some_dataset() -> Dataset:
    made = Dataset()
    made.PatientID = "1"
    return made


def an_object() -> Dataset:
    made = some_dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT_IMAGE, "1.2.3"
    return made


DATA = encode_data_set(some_dataset(), EXPLICIT_VR_LITTLE_ENDIAN)
UIDS = {"RequestedSOPClassUID": MPPS, "RequestedSOPInstanceUID": "1.2.3"}


class Operation(NamedTuple):
    """One operation: what asks for it, on which context, and what a failed handler is answered."""

    request: Request
    context: str
    kind: evt.EventKind
    call: Callable[[Any, Dataset], Any]
    failed: int = 0x0110
    nonsense: int = 0x0110

    @property
    def yields(self) -> bool:
        return isinstance(self.request, (CFindRQ, CGetRQ, CMoveRQ))

    @property
    def data(self) -> bytes:
        return DATA if self.request.has_data_set else b""


OPERATIONS = {
    "C-ECHO": Operation(
        CEchoRQ(AffectedSOPClassUID=VERIFICATION),
        VERIFICATION,
        evt.EVT_C_ECHO,
        lambda assoc, dataset: assoc.send_c_echo(),
    ),
    "C-STORE": Operation(
        CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID=INSTANCE),
        CT_IMAGE,
        evt.EVT_C_STORE,
        lambda assoc, dataset: assoc.send_c_store(dataset),
        0xC211,
        0xC002,
    ),
    "C-FIND": Operation(
        CFindRQ(AffectedSOPClassUID=FIND),
        FIND,
        evt.EVT_C_FIND,
        lambda assoc, dataset: taken(assoc.send_c_find(dataset, FIND)),
        0xC311,
        0xC311,
    ),
    "C-GET": Operation(
        CGetRQ(AffectedSOPClassUID=GET),
        GET,
        evt.EVT_C_GET,
        lambda assoc, dataset: taken(assoc.send_c_get(dataset, GET)),
        0xC411,
        0xC411,
    ),
    "C-MOVE": Operation(
        CMoveRQ(AffectedSOPClassUID=MOVE, MoveDestination="THERE"),
        MOVE,
        evt.EVT_C_MOVE,
        lambda assoc, dataset: taken(assoc.send_c_move(dataset, "THERE", MOVE)),
        0xC511,
        0xC511,
    ),
    "N-EVENT-REPORT": Operation(
        NEventReportRQ(
            AffectedSOPClassUID=COMMITMENT,
            AffectedSOPInstanceUID="1.2.3",
            EventTypeID=1,
            CommandDataSetType=1,
        ),
        COMMITMENT,
        evt.EVT_N_EVENT_REPORT,
        lambda assoc, dataset: assoc.send_n_event_report(dataset, 1, COMMITMENT, "1.2.3"),
    ),
    "N-GET": Operation(
        NGetRQ(RequestedSOPClassUID=MPPS_RETRIEVE, RequestedSOPInstanceUID="1.2.3"),
        MPPS_RETRIEVE,
        evt.EVT_N_GET,
        lambda assoc, dataset: assoc.send_n_get([], MPPS_RETRIEVE, "1.2.3"),
    ),
    "N-SET": Operation(
        NSetRQ(**UIDS), MPPS, evt.EVT_N_SET, lambda assoc, dataset: assoc.send_n_set(dataset, MPPS, "1.2.3")
    ),
    "N-ACTION": Operation(
        NActionRQ(
            RequestedSOPClassUID=COMMITMENT,
            RequestedSOPInstanceUID="1.2.3",
            ActionTypeID=1,
            CommandDataSetType=1,
        ),
        COMMITMENT,
        evt.EVT_N_ACTION,
        lambda assoc, dataset: assoc.send_n_action(dataset, 1, COMMITMENT, "1.2.3"),
    ),
    "N-CREATE": Operation(
        NCreateRQ(AffectedSOPClassUID=MPPS, AffectedSOPInstanceUID="1.2.3", CommandDataSetType=1),
        MPPS,
        evt.EVT_N_CREATE,
        lambda assoc, dataset: assoc.send_n_create(dataset, MPPS, "1.2.3"),
    ),
    "N-DELETE": Operation(
        NDeleteRQ(RequestedSOPClassUID=FILM_SESSION, RequestedSOPInstanceUID="1.2.3"),
        PRINT,
        evt.EVT_N_DELETE,
        lambda assoc, dataset: assoc.send_n_delete(FILM_SESSION, "1.2.3", meta_uid=PRINT),
    ),
}
ALL = tuple(OPERATIONS)
YIELDING = ("C-FIND", "C-GET", "C-MOVE")
WITH_DATA = tuple(name for name, operation in OPERATIONS.items() if operation.data)
SINGLE = tuple(name for name in ALL if name not in YIELDING)


async def taken(responses: Any) -> list[Any]:
    return [status async for status, _ in responses]


# --- the peer and its faults ----------------------------------------------------------------------


async def fault(peer: Peer, what: str) -> None:
    """Do what a row says."""
    connection = peer.connection
    if what == "garbage":
        await peer.flush()
        await peer.stream.send([GARBAGE], None)
    elif what == "release":
        # An engine would not do it while requests are outstanding.
        await peer.flush()
        await peer.stream.send([b"\x05\0\0\0\0\x04\0\0\0\0"], None)
    elif what == "abort":
        connection.send(Abort())
        await peer.flush()
    elif what == "closes":
        await peer.flush()
        await peer.stream.close([], 0)
    elif what == "cancel":
        await send_cancel(peer, 1)
    else:
        assert what in ("vanishes", "stops reading")
        await peer.flush()


async def send_cancel(peer: Peer, message_id: int) -> None:
    """Send a C-CANCEL whether or not there is anything to cancel."""
    encoded = encode_command(CCancelRQ(MessageIDBeingRespondedTo=message_id))
    peer.connection._upper.send_p_data(1, (encoded,), is_command=True, is_last=True)
    await peer.flush()


async def seen_by(peer: Peer, what: str) -> str:
    """Return the last words that a peer gets: the final status, an abort, the answer to its release."""
    words = []
    if what in ("vanishes", "stops reading"):
        return ""
    if what == "release":
        return await raw_answer(peer)
    if what in ("abort", "closes"):
        return ""
    while True:
        event = await peer.event()
        if event is CLOSED:
            return " ".join(words)
        if isinstance(event, ResponseReceived) and event.is_final:
            words.append(f"{event.command.Status:04X}")
            if what in ("cancel", "handler"):
                return " ".join(words)
        elif isinstance(event, Abort):
            words.append(f"abort {event.source} {event.reason}")


async def raw_answer(peer: Peer) -> str:
    """Return what comes after a release that our engine knows nothing of: final statuses, A-RELEASE-RP."""
    words = []
    received = b""
    while True:
        try:
            data = await peer.stream.receive(None)
        except OSError:
            break
        if not data:
            break
        received += data
    before, found, rest = received.partition(b"\x06\0\0\0\0\x04\0\0\0\0")
    connection = peer.connection
    if before:
        connection.receive_data(before)
        while (event := connection.next_event()) is not NEED_DATA:
            if isinstance(event, ResponseReceived) and event.is_final:
                words.append(f"{event.command.Status:04X}")
            elif isinstance(event, Abort):
                words.append("abort")
    assert not rest
    if found:
        words.append("released")
    return " ".join(words)


def context_id(connection: Connection, uid: str) -> int:
    contexts = connection.accepted_contexts.items()
    return next(number for number, context in contexts if context.abstract_syntax == uid)


async def requested(peer: Peer, operation: Operation) -> None:
    """Associate and send a request, the data set as far as it is asked for."""
    await peer.request(*CONTEXTS, role_selections=ROLES)
    peer.connection.send_request(operation.request, context_id(peer.connection, operation.context))


# --- our side performs ----------------------------------------------------------------------------

# (operations, step, fault) -> what the peer saw last, how the association ended for us, in words.
PERFORMING: list[tuple[tuple[str, ...], str, str, str, str]] = [
    # In the middle of the request's data set: the handler never runs.
    (WITH_DATA, "data set", "garbage", "abort 2 1", "RemoteProtocolError"),
    (WITH_DATA, "data set", "cancel", "abort 2 0", "RemoteProtocolError"),
    (WITH_DATA, "data set", "release", "released", "AssociationReleased"),
    (WITH_DATA, "data set", "abort", "", "AssociationAborted"),
    (WITH_DATA, "data set", "closes", "", "ConnectionLost"),
    (WITH_DATA, "data set", "vanishes", "", "TimedOut pdu"),
    # While the handler works out its answer, which is sent if the peer can still take it.
    (SINGLE, "handler", "garbage", "0000 abort 2 1", "RemoteProtocolError"),
    (SINGLE, "handler", "cancel", "0000", "AssociationReleased"),
    (SINGLE, "handler", "release", "0000 released", "AssociationReleased"),
    (SINGLE, "handler", "abort", "", "AssociationAborted"),
    (SINGLE, "handler", "closes", "", "ConnectionLost"),
    (SINGLE, "handler", "vanishes", "", "TimedOut idle"),
    (SINGLE, "handler", "stops reading", "", "TimedOut idle"),
    # Before the first result of a handler that yields: nothing more is asked of it.
    (YIELDING, "handler", "garbage", "abort 2 1", "RemoteProtocolError"),
    (YIELDING, "handler", "cancel", "FE00", "AssociationReleased"),
    (YIELDING, "handler", "release", "released", "AssociationReleased"),
    (YIELDING, "handler", "abort", "", "AssociationAborted"),
    (YIELDING, "handler", "closes", "", "ConnectionLost"),
    (("C-FIND", "C-MOVE"), "handler", "vanishes", "", "TimedOut write"),
    (("C-GET",), "handler", "vanishes", "", "TimedOut response"),
    # After its first result.
    (("C-FIND", "C-MOVE"), "between", "vanishes", "", "TimedOut write"),
    (("C-GET",), "between", "vanishes", "", "TimedOut response"),
    (YIELDING, "between", "garbage", "abort 2 1", "RemoteProtocolError"),
    (YIELDING, "between", "cancel", "FE00", "AssociationReleased"),
    (YIELDING, "between", "release", "released", "AssociationReleased"),
    (YIELDING, "between", "abort", "", "AssociationAborted"),
    (YIELDING, "between", "closes", "", "ConnectionLost"),
    # While matches without end go out and nobody takes them.
    (("C-FIND",), "endless", "stops reading", "", "TimedOut write"),
    # While a C-STORE sub-operation waits for its response.
    (("C-GET",), "sub-operation", "garbage", "abort 2 1", "RemoteProtocolError"),
    (("C-GET",), "sub-operation", "release", "released", "AssociationReleased"),
    (("C-GET",), "sub-operation", "abort", "", "AssociationAborted"),
    (("C-GET",), "sub-operation", "closes", "", "ConnectionLost"),
    (("C-GET",), "sub-operation", "vanishes", "", "TimedOut response"),
]


def performing_rows() -> list[Any]:
    return [
        pytest.param(name, step, what, words, ending, id=f"{name}-{step}-{what}")
        for names, step, what, words, ending in PERFORMING
        for name in names
    ]


class Stage:
    """The handler under test: it stops where the row wants the fault, and counts its ends."""

    def __init__(self, backend: Lockstep, operation: Operation, step: str) -> None:
        self.world = backend.world
        self.operation = operation
        self.step = step
        self.is_reached = False
        self.is_done = False
        self.closed = 0
        self.endings: list[str] = []

    @property
    def bindings(self) -> list[evt.Binding]:
        handler = self.yielding if self.operation.yields else self.returning
        return [
            (self.operation.kind, handler),
            (evt.EVT_CONN_CLOSE, lambda event: self.endings.append(ending_of(event.assoc))),
        ]

    async def reach(self) -> None:
        """Say that the step is reached, and wait until the peer has done what it does."""
        self.is_reached = True
        await self.world.wait_for(lambda: self.is_done, what="the fault")

    async def returning(self, event: evt.Event) -> object:
        try:
            await self.reach()
            return (
                0 if self.operation.kind in (evt.EVT_C_ECHO, evt.EVT_C_STORE, evt.EVT_N_DELETE) else (0, None)
            )
        finally:
            self.closed += 1

    async def yielding(self, event: evt.Event) -> Any:
        kind = self.operation.kind
        try:
            if kind is evt.EVT_C_MOVE:
                yield HOST, self.port
            if self.step == "handler":
                await self.reach()
            if kind is not evt.EVT_C_FIND:
                yield 1_000_000
            result = some_dataset() if kind is evt.EVT_C_FIND else an_object()
            for number in range(1_000_000):
                yield PENDING, result
                if self.step == "between" and number == 0:
                    await self.reach()
                assert number < 10_000, "the association is never heard"
        finally:
            self.closed += 1

    port = 0


def ending_of(assoc: Any) -> str:
    error = assoc.ending
    name = type(error).__name__
    return f"{name} {error.phase}" if isinstance(error, TimedOut) else name


@pytest.mark.parametrize(("name", "step", "what", "words", "ending"), performing_rows())
def test_performing(
    name: str, step: str, what: str, words: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    backend, operation = Lockstep(), OPERATIONS[name]
    stage = Stage(backend, operation, step)
    wait_for = backend.world.wait_for

    async def conversation(peer: Peer) -> str:
        await requested(peer, operation)
        data = operation.data
        if step == "data set":
            peer.connection.send_data(data[:4], last=False)
            if what == "cancel":  # an engine would not do it
                peer.connection._sending = None
            await fault(peer, what)
            return await seen_by(peer, what)
        if data:
            peer.connection.send_data(data, last=True)
        await peer.flush()
        if step == "sub-operation":
            await peer.until(RequestReceived)
            while not (await peer.until(DataSetChunk)).last:
                pass
        elif step != "endless":
            while not stage.is_reached:  # the first response may be on its way
                if operation.kind is evt.EVT_C_GET and step == "between":
                    received = await peer.until(RequestReceived)
                    while not (await peer.until(DataSetChunk)).last:
                        pass
                    peer.connection.send_response(received.command.response())
                    await peer.flush()
                await wait_for(lambda: stage.is_reached)
        await fault(peer, what)
        stage.is_done = True
        last = await seen_by(peer, what)
        if what == "cancel":
            await peer.close()
        return last

    async def main() -> None:
        async with backend.serving(sink(backend)) as destination:
            stage.port = destination.port
            ae = make_ae(backend, "SCP")
            for uid in CONTEXTS:
                ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN, scu_role=True, scp_role=True)
            core = make_server(backend, stage.bindings, ae)
            async with backend.serving(core) as server:
                peer = await connect(backend, server.port)
                assert await conversation(peer) == words
                await wait_for(lambda: bool(stage.endings))
                assert not core.active_associations
                async with await associate(backend, server.port) as assoc:  # the server lives on
                    assert assoc.is_established

    backend.run(main)
    assert stage.endings[0] == ending
    assert stage.closed == (step != "data set")
    assert not caplog.records  # what a peer does is no reason for a warning


def sink(backend: Lockstep) -> Any:
    """A destination that takes everything."""
    return make_server(backend, [(evt.EVT_C_STORE, lambda event: 0)], make_ae(backend, "THERE"))


# --- a handler that fails -------------------------------------------------------------------------


class NoStatus:
    """Something that is no status and has none."""


def raising(event: evt.Event) -> object:
    raise RuntimeError("DOE")


async def raising_async(event: evt.Event) -> object:
    raise RuntimeError("DOE")


def raising_later(event: evt.Event) -> Any:
    if event.event is evt.EVT_C_MOVE:
        yield HOST, 104
    if event.event is not evt.EVT_C_FIND:
        yield 2
    raise RuntimeError("DOE")


HANDLERS: dict[str, Callable[[evt.Event], object]] = {
    "raises": raising,
    "raises when awaited": raising_async,
    "returns nothing": lambda event: None,
    "returns no status": lambda event: NoStatus(),
    "returns a word": lambda event: "0000",
    "returns a truth": lambda event: True,
    "returns too large a number": lambda event: 0x10000,
    "returns a pending status": lambda event: PENDING,
    "returns a list": lambda event: [],
    "returns three": lambda event: (0, None, None),
}


async def requested_echo(peer: Peer) -> None:
    request = CEchoRQ(AffectedSOPClassUID=VERIFICATION)
    peer.connection.send_request(request, context_id(peer.connection, VERIFICATION))
    await peer.flush()


@pytest.mark.parametrize("how", [*HANDLERS, "raises later"])
@pytest.mark.parametrize("name", ALL)
def test_a_handler_that_fails(name: str, how: str) -> None:
    """It costs the operation a failure, without a word of what it said, and the association nothing."""
    operation = OPERATIONS[name]
    handler = raising_later if how == "raises later" else HANDLERS[how]
    if how == "raises later" and not operation.yields:
        handler = raising
    is_raised = how.startswith("raises")
    status = operation.failed if is_raised else operation.nonsense
    if operation.yields and how == "returns a list":
        # A list is as good as a generator; one without results ends a C-FIND well, the others too early.
        status = 0x0000 if name == "C-FIND" else operation.failed

    async def main() -> None:
        ae = make_ae(backend, "SCP")
        for uid in CONTEXTS:
            ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN, scu_role=True, scp_role=True)
        async with backend.serving(make_server(backend, [(operation.kind, handler)], ae)) as server:
            peer = await connect(backend, server.port)
            await requested(peer, operation)
            if operation.data:
                peer.connection.send_data(operation.data, last=True)
            await peer.flush()
            response = (await peer.until(ResponseReceived)).command
            assert response.Status == status
            assert "DOE" not in (response.ErrorComment or "")
            if is_raised:
                assert response.ErrorComment == "RuntimeError in the handler"
            await requested_echo(peer)
            again = (await peer.until(ResponseReceived)).command.Status
            assert again == (status if name == "C-ECHO" else 0)
            await peer.close()

    backend = Lockstep()
    backend.run(main)


# --- our side invokes -----------------------------------------------------------------------------

INVOKING: list[tuple[tuple[str, ...], str, str, str]] = [
    # Before any response.
    (ALL, "response", "garbage", "RemoteProtocolError"),
    (ALL, "response", "another message id", "RemoteProtocolError"),
    (ALL, "response", "another kind of response", "RemoteProtocolError"),
    (ALL, "response", "release", "AssociationReleased"),
    (ALL, "response", "abort", "AssociationAborted"),
    (ALL, "response", "closes", "ConnectionLost"),
    (
        tuple(n for n in ALL if n not in ("N-ACTION", "C-GET", "C-MOVE")),
        "response",
        "vanishes",
        "TimedOut response",
    ),
    (("N-ACTION",), "response", "vanishes", "TimedOut action"),
    (("C-GET", "C-MOVE"), "response", "vanishes", "TimedOut retrieve"),
    # After a pending one.
    (YIELDING, "between", "garbage", "RemoteProtocolError"),
    (YIELDING, "between", "release", "AssociationReleased"),
    (YIELDING, "between", "abort", "AssociationAborted"),
    (YIELDING, "between", "closes", "ConnectionLost"),
    (("C-FIND",), "between", "vanishes", "TimedOut response"),
    (("C-GET", "C-MOVE"), "between", "vanishes", "TimedOut retrieve"),
    # In the middle of the data set of a response.
    (YIELDING, "response data set", "garbage", "RemoteProtocolError"),
    (YIELDING, "response data set", "release", "AssociationReleased"),
    (YIELDING, "response data set", "abort", "AssociationAborted"),
    (YIELDING, "response data set", "closes", "ConnectionLost"),
    (YIELDING, "response data set", "vanishes", "TimedOut pdu"),
    # In the middle of a sub-operation's object.
    (("C-GET",), "sub-operation", "garbage", "RemoteProtocolError"),
    (("C-GET",), "sub-operation", "release", "AssociationReleased"),
    (("C-GET",), "sub-operation", "abort", "AssociationAborted"),
    (("C-GET",), "sub-operation", "closes", "ConnectionLost"),
    (("C-GET",), "sub-operation", "vanishes", "TimedOut pdu"),
    # While we send a large data set.
    (WITH_DATA, "sending", "garbage", "RemoteProtocolError"),
    (WITH_DATA, "sending", "release", "AssociationAborted"),
    (WITH_DATA, "sending", "abort", "AssociationAborted"),
    (WITH_DATA, "sending", "closes", "ConnectionLost"),
    (WITH_DATA, "sending", "stops reading", "TimedOut write"),
]


def invoking_rows() -> list[Any]:
    return [
        pytest.param(name, step, what, ending, id=f"{name}-{step}-{what}")
        for names, step, what, ending in INVOKING
        for name in names
    ]


@pytest.mark.parametrize(("name", "step", "what", "ending"), invoking_rows())
def test_invoking(name: str, step: str, what: str, ending: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    backend, operation = Lockstep(), OPERATIONS[name]

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        request = received.command
        if step == "sending":
            await fault(peer, what)
            if what == "stops reading":
                await backend.world.wait_for(lambda: bool(outcome))
            elif what == "release":
                await peer.until_closed()
            return
        while operation.data and not (await peer.until(DataSetChunk)).last:
            pass
        connection = peer.connection
        if step in ("between", "response data set"):
            has_data = operation.kind is evt.EVT_C_FIND or step == "response data set"
            status = PENDING if operation.kind is evt.EVT_C_FIND or step == "between" else 0xB000
            connection.send_response(request.response(status, CommandDataSetType=1 if has_data else 0x0101))
            if has_data:
                connection.send_data(DATA if step == "between" else DATA[:4], last=step == "between")
        elif step == "sub-operation":
            connection.send_request(
                CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2.3"),
                context_id(connection, CT_IMAGE),
            )
            connection.send_data(DATA[:4], last=False)
        if what.startswith("another"):
            other = CEchoRSP(MessageIDBeingRespondedTo=request.MessageID)
            if what == "another message id":
                other = request.response().replace(MessageIDBeingRespondedTo=99)
            elif operation.kind is evt.EVT_C_ECHO:
                other = NDeleteRQ(**UIDS, MessageID=request.MessageID).response()
            upper = connection._upper
            upper.send_p_data(received.context_id, (encode_command(other),), is_command=True, is_last=True)
            await peer.flush()
        else:
            await fault(peer, what)
        if what in ("vanishes", "release") or what.startswith("another"):
            await peer.until_closed()

    outcome: list[str] = []
    stored: list[object] = []

    async def main() -> None:
        ae = make_ae(backend, "SCU")
        for uid in CONTEXTS:
            ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        async with backend.serving(Script(script)) as server:
            handlers = [(evt.EVT_C_STORE, stored.append)]
            assoc = await associate(backend, server.port, ae, ext_neg=ROLES, evt_handlers=handlers)
            dataset = an_object()
            if step == "sending":
                dataset.EncapsulatedDocument = bytes(4 * 1024 * 1024)
            with pytest.raises(AssociationError):
                await operation.call(assoc, dataset)
            outcome.append(ending_of(assoc))
            assert not assoc.is_established
            with pytest.raises(AssociationError):
                await assoc.send_c_echo()
            await assoc.release()  # has nothing left to do

    backend.run(main)
    assert outcome == [ending]
    assert not stored
    assert not caplog.records


def test_the_rows_are_whole() -> None:
    """Every operation meets every fault that its steps allow, on both sides."""
    performing, invoking = performing_rows(), invoking_rows()
    steps = Counter((param.values[0], param.values[2]) for param in performing)
    for name in ALL:
        for what in ("garbage", "cancel", "release", "abort", "closes", "vanishes"):
            assert steps[name, what], (name, what)
    for name in ALL:
        whats = {param.values[2] for param in invoking if param.values[0] == name}
        assert whats >= {"garbage", "release", "abort", "closes", "vanishes"}, name
    assert len(performing) == 146
    assert len(invoking) == 152
    assert len(ALL) * (len(HANDLERS) + 1) == 121
