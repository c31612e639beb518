"""Rows that are bytes on the wire, sent to a requestor of each flavour by the peer that it calls."""

from __future__ import annotations

import pytest

from dicomproto import (
    Abort,
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    AssociationReleased,
    NoAcceptedContext,
    NotDicomError,
    RemoteProtocolError,
    Timeouts,
    decode_pdu,
)
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN
from dicomproto_transports.contexts import build_context
from tests.associations import Peer, Script, associate, make_ae
from tests.backends import LONGEST_WAIT, MAKE, NAMES, AnyBackend
from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.suites.rows import Input, Row, naming, outcome_of, provoking, spread
from tests.watched import pdus_of

MOST = 8
"""Inputs of a row that requestors get, spread over the row; the engine has had them all."""

RAISED = {
    "AssociateAC": {None, NoAcceptedContext},
    "ProtocolViolation": {RemoteProtocolError},
    "NotDicom": {NotDicomError},
    "AssociateRJ": {AssociationRejected},
    "Abort": {AssociationAborted},
    "ReleaseRQ": {AssociationReleased},
}
"""What a call raises, by the last event of the engine."""

CONTEXTS = [build_context(uid, IMPLICIT_VR_LITTLE_ENDIAN) for uid in provoking.CONTEXT_OF]
SITUATIONS = (provoking.awaiting_answer, provoking.calling, provoking.waiting_for_echo)


def inputs_of(row: Row) -> tuple[Input, ...]:
    """Return the inputs that end an association, and the answers that begin one."""
    if not row.served:
        return ()
    there = row.of("requestor")
    there = [one for one in there if one.given in SITUATIONS and outcome_of(one).event in RAISED]
    return spread(there, MOST)


class Called:
    """The peer that is called: it sends one input after the other, each at its time, and keeps what comes."""

    def __init__(self, inputs: tuple[Input, ...]) -> None:
        self._inputs = iter(inputs)
        self.aborts: dict[Input, list[Abort]] = {}

    async def __call__(self, peer: Peer) -> None:
        one, stream = next(self._inputs), peer.stream
        if one.given is provoking.awaiting_answer:
            heard = await stream.receive(None)
            while len(heard) < 6 or len(heard) < 6 + int.from_bytes(heard[2:6], "big"):
                heard += await stream.receive(None)
        else:
            await peer.accept()
        if one.given is provoking.waiting_for_echo:
            await peer.event()
        rest = [one.sends]
        while rest:
            rest = await stream.send(rest, None)
        heard = b""
        while data := await stream.receive(None):
            heard += data
        self.aborts[one] = [pdu for pdu in map(decode_pdu, pdus_of(heard)) if isinstance(pdu, Abort)]


async def call(backend: AnyBackend, port: int, one: Input) -> type[Exception] | None:
    """Associate, and do C-ECHOs until an input ends the association; return what is raised."""
    try:
        entity = make_ae(backend, timeouts=Timeouts(close=LONGEST_WAIT))
        association = await associate(backend, port, entity, contexts=CONTEXTS)
        if outcome_of(one).event == "AssociateAC":
            return await association.abort()
        while True:
            await association.send_c_echo()
    except AssociationError as error:
        return type(error)


def put_all(row: Row, backend: AnyBackend) -> None:
    """Have inputs of a row sent to a requestor; it raises what is due, and aborts for the right reason."""
    inputs = inputs_of(row)
    called = Called(inputs)

    async def main() -> None:
        async with backend.serving(Script(called)) as server:
            for one in inputs:
                with naming(one):
                    assert await call(backend, server.port, one) in RAISED[outcome_of(one).event]

    backend.run(main)
    for one in inputs:
        answer, event = outcome_of(one)
        with naming(one):
            due = [answer] if isinstance(answer, Abort) else []
            assert event == "AssociateAC" or called.aborts[one] == due


def cases(rows: tuple[Row, ...]) -> list[object]:
    """Return the rows with inputs for requestors, under the names of their tests."""
    return [
        pytest.param(row, name, id=f"{row.row}-{row.name}-{name}")
        for row in rows
        if inputs_of(row)
        for name in NAMES
    ]


@pytest.mark.parametrize(("row", "name"), cases(HOSTILE))
def test_hostile(row: Row, name: str) -> None:
    put_all(row, MAKE[name]())


@pytest.mark.parametrize(("row", "name"), cases(QUIRKS))
def test_quirk(row: Row, name: str) -> None:
    put_all(row, MAKE[name]())
