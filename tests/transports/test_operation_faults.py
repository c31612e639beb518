"""Everything that can go wrong while we perform an operation, at every step: (operation x step x fault).

The side under test runs the adapter, the other side is an engine that does as the row says. Each row
has its outcome: what the peer was told, how the association ended for our side, and that the handler
was closed once. After every row the server serves the next association, so that a fault stays with
its connection.

Silence and a peer that stops reading end by the timeout that bounds the wait at hand: those rows are
for the lockstep network, whose clock jumps. The others run on all backends.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import pytest

from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.upper_layer.events import CLOSED
from dicomproto_transports import evt
from dicomproto_transports.entity.acceptor import ServerCore
from tests.associations import (
    HOST,
    Peer,
    associate,
    connect,
    in_flavour,
    make_ae,
    make_server,
    yielding_in_flavour,
)
from tests.backends import AnyBackend, Gate, Lockstep
from tests.operations import (
    ALL,
    AT_ONCE,
    FAULTS,
    OPERATIONS,
    PENDING,
    PLAIN,
    RELEASED_MID_SEND,
    REPLYING,
    SILENCES,
    SINGLE,
    TINY,
    WITH_DATA,
    YIELDING,
    Cells,
    Heard,
    Operation,
    an_object,
    check_matrix,
    ending_of,
    fault,
    large,
    on,
    requested,
    serving_ae,
    some_dataset,
)

STEPS = {
    "data set": "in the middle of the request's data set",
    "handler": "while the handler works out its answer, or its first result",
    "between": "after the first result of a handler that yields",
    "sub-operation": "while a C-STORE sub-operation waits for its response",
    "sending": "in the middle of a large data set of ours",
}

# (operations, step, fault) -> what the peer was told, how the association ended for us, in words.
Row = tuple[tuple[str, ...], str, str, str, str]

DATA_SET: list[Row] = [  # the handler never runs
    (WITH_DATA, "data set", "garbage", "abort 2 1", "RemoteProtocolError"),
    (WITH_DATA, "data set", "cancel", "abort 2 0", "RemoteProtocolError"),
    (WITH_DATA, "data set", "release", "released", "AssociationReleased"),
    (WITH_DATA, "data set", "abort", "", "AssociationAborted"),
    (WITH_DATA, "data set", "closes", "", "ConnectionLost"),
    (WITH_DATA, "data set", "resets", "", "ConnectionLost"),
    (WITH_DATA, "data set", "vanishes", "abort 0 0", "TimedOut pdu"),
]

HANDLER: list[Row] = [  # the answer is sent if the peer can still take it
    (SINGLE, "handler", "garbage", "0000 abort 2 1", "RemoteProtocolError"),
    (SINGLE, "handler", "cancel", "0000 released", "AssociationReleased"),
    (SINGLE, "handler", "release", "0000 released", "AssociationReleased"),
    (SINGLE, "handler", "abort", "0000", "AssociationAborted"),
    (SINGLE, "handler", "closes", "0000", "ConnectionLost"),
    (SINGLE, "handler", "resets", "", "ConnectionLost"),
    (SINGLE, "handler", "vanishes", "0000 abort 0 0", "TimedOut idle"),
    (SINGLE, "handler", "stops reading", "cut reset", "TimedOut write"),
]

YIELDED: list[Row] = [  # nothing more is asked of the handler
    row
    for step in ("handler", "between")
    for row in [
        (YIELDING, step, "garbage", "abort 2 1", "RemoteProtocolError"),
        (YIELDING, step, "cancel", "FE00 released", "AssociationReleased"),
        (YIELDING, step, "release", "released", "AssociationReleased"),
        (YIELDING, step, "abort", "", "AssociationAborted"),
        (YIELDING, step, "closes", "", "ConnectionLost"),
        (YIELDING, step, "resets", "", "ConnectionLost"),
        (("C-FIND", "C-MOVE"), step, "vanishes", "0000 abort 0 0", "TimedOut idle"),
        (("C-GET",), step, "vanishes", "abort 0 0", "TimedOut response"),
        (YIELDING, step, "stops reading", "cut reset", "TimedOut write"),
    ]
]

RETRIEVING = ("C-GET", "C-MOVE")
SUB_OPERATION: list[Row] = [
    (RETRIEVING, "sub-operation", "garbage", "abort 2 1", "RemoteProtocolError"),
    (RETRIEVING, "sub-operation", "cancel", "FE00 released", "AssociationReleased"),
    (RETRIEVING, "sub-operation", "release", "released", "AssociationReleased"),
    (RETRIEVING, "sub-operation", "abort", "", "AssociationAborted"),
    (RETRIEVING, "sub-operation", "closes", "", "ConnectionLost"),
    (RETRIEVING, "sub-operation", "resets", "", "ConnectionLost"),
    (("C-GET",), "sub-operation", "vanishes", "abort 0 0", "TimedOut response"),
    (("C-MOVE",), "sub-operation", "vanishes", "0000 abort 0 0", "TimedOut idle"),
    (("C-MOVE",), "sub-operation", "stops reading", "cut reset", "TimedOut write"),
]


def sending(names: tuple[str, ...], status: str, cancelled: str, vanished: str, silence: str) -> list[Row]:
    """Return the rows of operations whose large data set belongs to a response of that status."""
    released, end_of_release = RELEASED_MID_SEND
    lines = [
        ("garbage", f"{status} cut abort 2 1", "RemoteProtocolError"),
        ("cancel", f"{cancelled} released", "AssociationReleased"),
        ("release", f"{status} {released}", end_of_release),
        ("abort", f"{status} cut reset", "AssociationAborted"),
        ("closes", f"{status} cut reset", "ConnectionLost"),
        ("resets", f"{status} cut", "ConnectionLost"),
        ("vanishes", f"{vanished} abort 0 0", silence),
        ("stops reading", f"{status} cut reset", "TimedOut write"),
    ]
    return [(names, "sending", what, words.strip(), ending) for what, words, ending in lines]


SENDING: list[Row] = [
    # A match, the first of many; an object, the first of many.
    *sending(("C-FIND",), "", "FE00", "0000", "TimedOut idle"),
    *sending(("C-GET",), "", "FE00", "", "TimedOut response"),
    # The identifier of the last response; what an N-service replies. A C-CANCEL comes too late.
    *sending(("C-MOVE",), "C512", "C512", "C512", "TimedOut idle"),
    *sending(REPLYING, "0000", "0000", "0000", "TimedOut idle"),
]

PERFORMING = [*DATA_SET, *HANDLER, *YIELDED, *SUB_OPERATION, *SENDING]

EVERY_FAULT = tuple(FAULTS)
WITHOUT_DATA = tuple(name for name in ALL if name not in WITH_DATA)
IMPOSSIBLE: Cells = [
    (WITHOUT_DATA, ("data set",), EVERY_FAULT, "its request has no data set"),
    (WITH_DATA, ("data set",), ("stops reading",), "nothing is sent meanwhile"),
    (SINGLE, ("between",), EVERY_FAULT, "it has one response"),
    ((*SINGLE, "C-FIND"), ("sub-operation",), EVERY_FAULT, "it has no sub-operations"),
    (("C-GET",), ("sub-operation",), ("stops reading",), "nothing is sent meanwhile"),
    (PLAIN, ("sending",), EVERY_FAULT, "its response has no data set"),
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


CASES = [
    Case(name, step, what, words, ending) for names, step, what, words, ending in PERFORMING for name in names
]


def params(*whats: str) -> list[Any]:
    """Return the rows with these faults."""
    return [
        pytest.param(case, id=f"{case.name}-{case.step}-{case.what}") for case in CASES if case.what in whats
    ]


class Stage:
    """The handler under test: it stops where the row wants the fault, and counts its ends."""

    def __init__(self, backend: AnyBackend, case: Case) -> None:
        self.backend = backend
        self.case = case
        self.reached, self.done, self.ended = (Gate(backend) for _ in range(3))
        self.closed = 0
        self.endings: list[str] = []
        self.port = 0
        """Of the destination of a C-MOVE."""

    @property
    def bindings(self) -> list[evt.Binding]:
        handler = (
            yielding_in_flavour(self.backend, self.yielding)
            if self.case.operation.yields
            else in_flavour(self.backend, self.returning)
        )
        return [(self.case.operation.kind, handler), (evt.EVT_CONN_CLOSE, self.end)]

    def end(self, event: evt.Event) -> None:
        self.endings.append(ending_of(event.assoc))
        self.ended.open()

    async def reach(self, step: str) -> None:
        """If the row is for that step, say that it is reached, and wait for what the peer does."""
        if step == self.case.step and not self.reached.is_open:
            self.reached.open()
            await self.done.passed()

    async def returning(self, event: evt.Event) -> object:
        try:
            await self.reach("handler")
            if self.case.name in PLAIN:
                return 0
            return 0, large(some_dataset()) if self.case.step == "sending" else None
        finally:
            self.closed += 1

    async def yielding(self, event: evt.Event) -> AsyncGenerator[object, None]:
        name, step = self.case.name, self.case.step
        # The peer that takes all that there is gets to an end.
        results = 3 if self.case.what == "vanishes" else 1_000_000
        try:
            if name == "C-MOVE":
                yield HOST, self.port
            await self.reach("handler")
            if name != "C-FIND":
                yield results
            if name == "C-MOVE" and step == "sending":
                yield 0xC512, large(some_dataset())
            for number in range(results):
                result = some_dataset() if name == "C-FIND" else an_object()
                yield PENDING, large(result) if step == "sending" and number == 0 else result
                await self.reach("between")
                assert number < 1_000, "the association is never heard"
        finally:
            self.closed += 1

    def destination(self) -> ServerCore:
        """Return the destination of a C-MOVE, which takes everything."""

        async def store(event: evt.Event) -> int:
            await self.reach("sub-operation")
            return 0

        handlers = [(evt.EVT_C_STORE, in_flavour(self.backend, store))]
        return make_server(self.backend, handlers, make_ae(self.backend, "THERE"))


async def to_the_step(peer: Peer, case: Case, stage: Stage) -> tuple[int, Any]:
    """Ask for the operation, up to where the fault comes; return the context and a C-STORE not answered."""
    operation, step = case.operation, case.step
    context = await requested(peer, operation)
    if step == "data set":
        peer.connection.send_data(operation.data[:4], last=False)
        return context, None
    if operation.data:
        peer.connection.send_data(operation.data, last=True)
    await peer.flush()
    store = None
    if case.name == "C-GET" and step != "handler":
        store = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last and step != "sending":
            pass
        if step == "between":
            peer.connection.send_response(store.command.response())
            await peer.flush()
    elif step == "sending":
        await peer.until(ResponseReceived)
        assert not (await peer.until(DataSetChunk)).last
    if step in ("handler", "between") or (case.name, step) == ("C-MOVE", "sub-operation"):
        await stage.reached.passed()
    return context, store


async def to_the_end(peer: Peer, store: RequestReceived | None) -> None:
    """Go on as a peer does that has sent a C-CANCEL, answer the objects that still come, and release."""
    connection = peer.connection
    while connection.outstanding or connection.is_receiving:
        is_answered = store is None or store.command.MessageID not in connection.unanswered
        if store is not None and not is_answered and not connection.is_receiving:
            connection.send_response(store.command.response())
        event = await peer.event()
        assert event is not CLOSED
        if isinstance(event, RequestReceived):
            store = event
    await peer.close()


async def converse(peer: Peer, case: Case, stage: Stage) -> str:
    """Do what the row says, and return what the peer was told."""
    peer.stream = heard = Heard(peer.stream)
    context, store = await to_the_step(peer, case, stage)
    await fault(peer, case.what, context=context)
    stage.done.open()
    if case.what == "cancel" and case.step != "data set":
        await to_the_end(peer, store)
    elif case.what == "stops reading":
        await stage.ended.passed()
    await peer.until_closed()
    await peer.stream.close([], 0)
    return on(stage.backend, heard.words())


def perform(backend: AnyBackend, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stage = Stage(backend, case)

    async def main() -> None:
        async with backend.serving(stage.destination()) as destination:
            stage.port = destination.port
            core = make_server(backend, stage.bindings, serving_ae(backend))
            async with backend.serving(core) as server:
                peer = await connect(backend, server.port)
                assert await converse(peer, case, stage) == on(backend, case.words)
                await stage.ended.passed()
                assert not core.active_associations
                async with await associate(backend, server.port) as assoc:  # the server lives on
                    assert assoc.is_established

    backend.run(main)
    assert stage.endings[0] == case.ending
    assert stage.closed == (case.step != "data set")
    assert not caplog.records  # what a peer does is no reason for a warning


@pytest.mark.parametrize("case", params(*AT_ONCE))
def test_performing(backend: AnyBackend, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    perform(backend, case, caplog)


@pytest.mark.parametrize("case", params(*SILENCES))
def test_performing_until_a_timeout(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()
    if case.what == "stops reading" and case.step != "sending":
        backend.world.backend.capacity = TINY
    perform(backend, case, caplog)


def test_the_rows_are_whole() -> None:
    """Every operation meets every fault at every step, or there is a reason why not."""
    check_matrix([case[:3] for case in CASES], IMPOSSIBLE, STEPS, FAULTS)
