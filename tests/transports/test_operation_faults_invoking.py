"""Everything that can go wrong while a peer performs an operation of ours: (operation x step x fault).

Our side calls, the other side is an engine that does as the row says. Each row has its outcome: what
the peer was told, and how the association ended for our side. The rows that end by a timeout are for
the lockstep network, and so are wrong responses, which the engine tells; the others run on all backends.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import pytest

from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CEchoRSP, CStoreRQ, NDeleteRQ, Response
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationError
from dicomproto.upper_layer.pdu import ReleaseRP, ReleaseRQ
from dicomproto_transports import evt
from tests.associations import CT_IMAGE, Peer, Script, associate, in_flavour
from tests.backends import AnyBackend, Gate, Lockstep
from tests.operations import (
    ALL,
    AT_ONCE,
    DATA,
    FAULTS,
    OPERATIONS,
    PENDING,
    PLAIN,
    RELEASED_MID_SEND,
    REPLYING,
    ROLES,
    SILENCES,
    SINGLE,
    TINY,
    UIDS,
    WITH_DATA,
    YIELDING,
    Cells,
    Heard,
    Operation,
    an_object,
    check_matrix,
    context_id,
    ending_of,
    fault,
    large,
    on,
    using_ae,
)

STEPS = {
    "sending": "in the middle of a large data set of our request",
    "response": "before any response",
    "between": "after a pending one",
    "response data set": "in the middle of the data set of a response",
    "sub-operation": "in the middle of an object of a C-GET",
    "stored": "while our handler stores such an object",
}
WRONG_RESPONSES = {
    "another message id": "a response to a request that nobody sent",
    "another kind of response": "a response of another service",
}
ALL_FAULTS = {**FAULTS, **WRONG_RESPONSES}

# (operations, step, fault) -> what the peer was told, how the association ended for us, in words.
Row = tuple[tuple[str, ...], str, str, str, str]


def rows(
    names: tuple[str, ...],
    step: str,
    *silences: tuple[str, tuple[str, ...]],
    said: str = "",
    cancelled: tuple[str, str] = ("release", "AssociationReleased"),
) -> list[Row]:
    """Return the rows of a step where nothing large is sent; `said` is what our side says anyway.

    What ends silence differs from operation to operation. A C-CANCEL is not for us, who perform nothing
    that could be cancelled, and changes nothing, unless it comes within another message.
    """
    lines = [
        ("garbage", f"{said} abort 2 1", "RemoteProtocolError"),
        ("another message id", f"{said} abort 2 0", "RemoteProtocolError"),
        ("another kind of response", f"{said} abort 2 0", "RemoteProtocolError"),
        ("cancel", f"{said} {cancelled[0]}", cancelled[1]),
        ("release", f"{said} released", "AssociationReleased"),
        ("abort", said, "AssociationAborted"),
        ("closes", said, "ConnectionLost"),
        ("resets", "", "ConnectionLost"),
    ]
    timed = [
        (some, step, "vanishes", f"{said} abort 0 0".strip(), f"TimedOut {phase}") for phase, some in silences
    ]
    return timed + [(names, step, what, words.strip(), ending) for what, words, ending in lines]


RETRIEVING = ("C-GET", "C-MOVE")
PATIENT = tuple(name for name in ALL if name not in ("N-ACTION", *RETRIEVING))
OUT_OF_PLACE = "abort 2 0", "RemoteProtocolError"

INVOKING: list[Row] = [
    *rows(ALL, "response", ("response", PATIENT), ("action", ("N-ACTION",)), ("retrieve", RETRIEVING)),
    *rows(YIELDING, "between", ("response", ("C-FIND",)), ("retrieve", RETRIEVING)),
    *rows(
        (*YIELDING, *REPLYING),
        "response data set",
        ("pdu", (*YIELDING, *REPLYING)),
        cancelled=OUT_OF_PLACE,
    ),
    *rows(("C-GET",), "sub-operation", ("pdu", ("C-GET",)), cancelled=OUT_OF_PLACE),
    *rows(("C-GET",), "stored", ("retrieve", ("C-GET",)), said="0000"),
    (("C-GET",), "stored", "stops reading", "cut reset", "TimedOut write"),
    (WITH_DATA, "sending", "garbage", "cut abort 2 1", "RemoteProtocolError"),
    (WITH_DATA, "sending", "another message id", "cut abort 2 0", "RemoteProtocolError"),
    (WITH_DATA, "sending", "another kind of response", "cut abort 2 0", "RemoteProtocolError"),
    (WITH_DATA, "sending", "cancel", "release", "AssociationReleased"),
    (WITH_DATA, "sending", "release", *RELEASED_MID_SEND),
    (WITH_DATA, "sending", "abort", "cut reset", "AssociationAborted"),
    (WITH_DATA, "sending", "closes", "cut reset", "ConnectionLost"),
    (WITH_DATA, "sending", "resets", "cut", "ConnectionLost"),
    *(
        ((name,), "sending", "vanishes", "abort 0 0", f"TimedOut {phase}")
        for phase, names in (("response", PATIENT), ("action", ("N-ACTION",)), ("retrieve", RETRIEVING))
        for name in names
        if name in WITH_DATA
    ),
    (WITH_DATA, "sending", "stops reading", "cut reset", "TimedOut write"),
]

EVERY_FAULT = tuple(ALL_FAULTS)
WITHOUT_DATA = tuple(name for name in ALL if name not in WITH_DATA)
NOT_GETTING = tuple(name for name in ALL if name != "C-GET")
NOTHING_SENT = "nothing is sent meanwhile"
IMPOSSIBLE: Cells = [
    (WITHOUT_DATA, ("sending",), EVERY_FAULT, "its request has no data set"),
    (ALL, ("response",), ("stops reading",), NOTHING_SENT),
    (SINGLE, ("between",), EVERY_FAULT, "it has one response"),
    (YIELDING, ("between",), ("stops reading",), NOTHING_SENT),
    (PLAIN, ("response data set",), EVERY_FAULT, "its response has no data set"),
    ((*YIELDING, *REPLYING), ("response data set",), ("stops reading",), NOTHING_SENT),
    (NOT_GETTING, ("sub-operation", "stored"), EVERY_FAULT, "no objects come back over its association"),
    (("C-GET",), ("sub-operation",), ("stops reading",), NOTHING_SENT),
]


class Case(NamedTuple):
    """A row for one operation."""

    name: str
    step: str
    what: str
    words: str
    ending: str

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.name]

    @property
    def succeeds(self) -> bool:
        """Whether our call gets its responses all the same."""
        return self.what == "cancel" and self.ending == "AssociationReleased"


CASES = [
    Case(name, step, what, words, ending) for names, step, what, words, ending in INVOKING for name in names
]


def params(*whats: str) -> list[Any]:
    """Return the rows with these faults."""
    return [
        pytest.param(case, id=f"{case.name}-{case.step}-{case.what}") for case in CASES if case.what in whats
    ]


class Stage:
    """Our side, and the handler of the objects that it gets, which waits for what the peer does."""

    def __init__(self, backend: AnyBackend, case: Case) -> None:
        self.backend = backend
        self.case = case
        self.reached, self.done, self.ended, self.told = (Gate(backend) for _ in range(4))
        self.stored = 0
        self.words = ""

    async def store(self, event: evt.Event) -> int:
        self.stored += 1
        self.reached.open()
        await self.done.passed()
        return 0

    async def script(self, peer: Peer) -> None:
        """Do what the row says, and keep what the peer is told."""
        case = self.case
        peer.stream = heard = Heard(peer.stream)
        await peer.accept()
        received = await peer.until(RequestReceived)
        if case.step != "sending":
            await to_the_step(peer, case, received)
        if case.step == "stored":
            await peer.flush()
            await self.reached.passed()
        if case.what in WRONG_RESPONSES:
            await respond_wrongly(peer, case, received)
        else:
            await fault(peer, case.what, received.command.MessageID, received.context_id)
        self.done.open()
        if case.succeeds:
            await to_the_end(peer, case, received)
        elif case.what == "stops reading":
            await self.ended.passed()
        await peer.until_closed()
        await peer.stream.close([], 0)
        self.words = on(self.backend, heard.words())
        self.told.open()


async def to_the_step(peer: Peer, case: Case, received: RequestReceived) -> None:
    """Take the request and answer it as far as up to the fault."""
    connection, request, step = peer.connection, received.command, case.step
    while case.operation.data and not (await peer.until(DataSetChunk)).last:
        pass
    if step in ("between", "response data set"):
        has_data = case.name == "C-FIND" or step == "response data set"
        status = 0 if case.name in REPLYING else 0xB000
        if case.name == "C-FIND" or step == "between":
            status = PENDING
        connection.send_response(request.response(status, CommandDataSetType=1 if has_data else 0x0101))
        if has_data:
            connection.send_data(DATA if step == "between" else DATA[:4], last=step == "between")
    elif step in ("sub-operation", "stored"):
        connection.send_request(
            CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2.3"),
            context_id(connection, CT_IMAGE),
        )
        connection.send_data(DATA if step == "stored" else DATA[:4], last=step == "stored")


async def respond_wrongly(peer: Peer, case: Case, received: RequestReceived) -> None:
    """Send a response that our engine would not."""
    request = received.command
    wrong: Response = CEchoRSP(MessageIDBeingRespondedTo=request.MessageID)
    if case.what == "another message id":
        wrong = request.response().replace(MessageIDBeingRespondedTo=99)
    elif case.name == "C-ECHO":
        wrong = NDeleteRQ(**UIDS, MessageID=request.MessageID).response()
    await peer.flush()
    upper = peer.connection._upper
    upper.send_p_data(received.context_id, (encode_command(wrong),), is_command=True, is_last=True)
    await peer.flush()


async def to_the_end(peer: Peer, case: Case, received: RequestReceived) -> None:
    """Answer the request as if nothing had been, and the release."""
    if case.step == "sending":
        while not (await peer.until(DataSetChunk)).last:
            pass
    elif case.step == "stored":
        await peer.until(ResponseReceived)
    peer.connection.send_response(received.command.response())
    await peer.until(ReleaseRQ)
    peer.connection.send(ReleaseRP())


def invoke(backend: AnyBackend, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stage = Stage(backend, case)

    async def main() -> None:
        async with backend.serving(Script(stage.script)) as server:
            handlers = [(evt.EVT_C_STORE, in_flavour(backend, stage.store))]
            ae = using_ae(backend)
            assoc = await associate(backend, server.port, ae, ext_neg=ROLES, evt_handlers=handlers)
            dataset = large(an_object()) if case.step == "sending" else an_object()
            if case.succeeds:
                assert await case.operation.call(assoc, dataset)
                await assoc.release()
            else:
                with pytest.raises(AssociationError):
                    await case.operation.call(assoc, dataset)
            assert ending_of(assoc) == case.ending
            stage.ended.open()
            assert not assoc.is_established
            with pytest.raises(AssociationError):
                await assoc.send_c_echo()
            await assoc.release()  # has nothing left to do
            await stage.told.passed()

    backend.run(main)
    assert stage.words == on(backend, case.words)
    assert stage.stored == (case.step == "stored")
    assert not caplog.records


@pytest.mark.parametrize("case", params(*AT_ONCE))
def test_invoking(backend: AnyBackend, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    invoke(backend, case, caplog)


@pytest.mark.parametrize("case", params(*WRONG_RESPONSES))
def test_a_wrong_response(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    invoke(Lockstep(), case, caplog)


@pytest.mark.parametrize("case", params(*SILENCES))
def test_invoking_until_a_timeout(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()
    if case.what == "stops reading" and case.step != "sending":
        backend.world.backend.capacity = TINY
    invoke(backend, case, caplog)


def test_the_rows_are_whole() -> None:
    """Every operation meets every fault at every step, or there is a reason why not."""
    check_matrix([case[:3] for case in CASES], IMPOSSIBLE, STEPS, ALL_FAULTS)
