"""All 247 cells of PS3.8 Table 9-10, as data and as behaviour, against a copy of the standard's facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomproto.config import Timeouts
from dicomproto.errors import LocalProtocolError
from dicomproto.upper_layer import (
    CLOSED,
    NEED_DATA,
    Abort,
    AssociateRJ,
    CloseAction,
    ConnectionClosed,
    LocallyEnded,
    NotDicom,
    PDVChunk,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    TimerExpired,
    UpperLayer,
    encode_pdu,
)
from dicomproto.upper_layer.states import EVENTS, TRANSITIONS
from tests.conversations import AC, PLACES, RECEIVED, RJ, RQ, SENT, events_of, fire, machine_in, sent_by

STANDARD = json.loads(Path(__file__).with_name("ps38_table_9_10.json").read_text(encoding="utf-8"))
FILLED = {(cell["event"], cell["state"]): (cell["action"], cell["next"]) for cell in STANDARD["transitions"]}
TIMED = Timeouts(association=None, pdu=None)
"""ARTIM and the wait for the peer's close only, which are the timer of Evt18."""

CHUNK = PDVChunk(context_id=1, is_command=True, is_last=True, data=b"ping", end_of_pdv=True, starts_pdu=True)
UNEXPECTED = Abort(source=2, reason=2)
UNRECOGNIZED = Abort(source=2, reason=1)


def following(role: Role, following: str) -> State:
    """Return the next state of a cell; of two, the one of the release collision (AR-8), or Sta3 (AE-6)."""
    if following == "Sta9 or 10":
        return State.STA9 if role is Role.REQUESTOR else State.STA10
    return State(following.split(" or ")[0])


def cells(*, filled: bool) -> list[object]:
    found = []
    for role, state in PLACES:
        for event in EVENTS:
            # `transport_connected()` is Evt2 to a requestor and Evt5 to an acceptor, which have no other.
            if event == ("Evt5" if role is Role.REQUESTOR else "Evt2"):
                continue
            if (role, state, event) == (Role.ACCEPTOR, State.STA1, "Evt1"):
                continue  # an acceptor proposes nothing, tested below
            if ((event, state.value) in FILLED) == filled:
                found.append(pytest.param(role, state, event, id=f"{role.value}-{state.value}-{event}"))
    return found


# --- as data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
@pytest.mark.parametrize("event", STANDARD["events"])
def test_cell(event: str, state: State) -> None:
    cell = TRANSITIONS.get((event, state))
    standard = FILLED.get((event, state.value))
    if cell is None:
        assert standard is None
    else:
        action, states = cell
        assert (action, " or ".join(state.value for state in states).replace(" or Sta", " or ")) == standard


def test_the_table_is_whole() -> None:
    assert len(STANDARD["events"]) * len(State) == 247
    assert len(FILLED) == len(STANDARD["transitions"]) == len(TRANSITIONS) == 123
    assert list(EVENTS) == list(STANDARD["events"])
    assert {(event, state.value) for event, state in TRANSITIONS} == set(FILLED)
    assert all(state.meaning for state in State)


def test_behaviour_is_tested_in_each_cell_that_can_be_reached() -> None:
    reached = {
        (event, state) for kind in (True, False) for _, state, event in (p.values for p in cells(filled=kind))
    }
    missing = {(event, state.value) for event in EVENTS for state in State} - {
        (event, state.value) for event, state in reached
    }
    # States of one role only lack the other role's transport event; all these cells are blank.
    assert missing == {("Evt2", f"Sta{n}") for n in (2, 3, 10, 12)} | {
        ("Evt5", f"Sta{n}") for n in (4, 5, 9, 11)
    }
    assert not missing & set(FILLED)


# --- as behaviour -------------------------------------------------------------------------------


def expected(action: str, event: str, state: State) -> tuple[bytes, object]:
    """Return what `action` sends and the event that it gives (None for none)."""
    if action in ("AE-1", "AE-5", "AR-5", "AA-6", "AA-7"):
        # AA-7 has further PDUs answered by further A-ABORTs; nothing follows our last words here.
        return b"", None
    if action in ("AE-2", "AE-7", "DT-1", "AR-1", "AR-7", "AR-9"):
        return encode_pdu(RQ if action == "AE-2" else SENT[event]), None
    if action in ("AE-3", "AE-6", "AE-4", "AR-2", "AR-8", "AR-3", "AR-10", "AA-3"):
        received = {"Evt3": AC, "Evt4": RJ, "Evt6": RQ, "Evt12": ReleaseRQ(), "Evt13": ReleaseRP()}
        return b"", received.get(event, Abort(source=2, reason=4))
    if action in ("DT-2", "AR-6"):
        return b"", CHUNK
    if action in ("AE-8", "AR-4"):
        return encode_pdu(SENT[event]), LocallyEnded(pdu=SENT[event])
    if action in ("AA-4", "AA-5"):
        quiet = state in (State.STA2, State.STA4, State.STA5)
        return b"", ConnectionClosed(state=state.value, mid_pdu=False, quiet=quiet)
    if action == "AA-2":
        causes = {
            "Evt15": LocallyEnded(pdu=Abort()),
            "Evt16": Abort(source=2, reason=4),
            "Evt18": TimerExpired(timer="artim", state="Sta2"),
        }
        return b"", None if state is State.STA13 else causes[event]
    assert action in ("AA-1", "AA-8")
    abort = Abort() if action == "AA-1" else UNRECOGNIZED if event == "Evt19" else UNEXPECTED
    if event == "Evt15":
        return encode_pdu(abort), LocallyEnded(pdu=abort)
    if event == "Evt19" and state in (State.STA2, State.STA5):
        return encode_pdu(abort), NotDicom(kind="unknown", abort=abort)
    return encode_pdu(abort), abort


def is_terminal(action: str) -> bool:
    return action in ("AE-4", "AE-8", "AR-3", "AR-4", "AA-1", "AA-2", "AA-3", "AA-4", "AA-5", "AA-8")


@pytest.mark.parametrize(("role", "state", "event"), cells(filled=True))
def test_filled_cell(role: Role, state: State, event: str) -> None:
    machine = machine_in(role, state, timeouts=TIMED)
    action, after = FILLED[event, state.value]
    fire(machine, event)
    events = events_of(machine)
    output, outcome = expected(action, event, state)
    if (state, event) == (State.STA13, "Evt16"):
        after = "Sta13"  # as with AA-7, the bytes are not looked at; end of file or the timer ends it
    assert machine.state is following(role, after)
    assert sent_by(machine) == output
    if isinstance(outcome, Abort) and action in ("AA-1", "AA-8"):
        (violation,) = events
        assert isinstance(violation, ProtocolViolation)
        assert (violation.state, violation.abort) == (state.value, outcome)
    else:
        assert events == ([] if outcome is None else [outcome])
    ended = is_terminal(action) or state is State.STA13
    assert machine.next_event() is (CLOSED if ended else NEED_DATA)
    if not ended:
        assert machine.close_action is CloseAction.NONE
    else:
        in_sta13 = machine.state is State.STA13
        assert machine.close_action is (CloseAction.SHUTDOWN if in_sta13 else CloseAction.CLOSE)


@pytest.mark.parametrize(("role", "state", "event"), cells(filled=False))
def test_blank_cell(role: Role, state: State, event: str) -> None:
    machine, twin = (machine_in(role, state, timeouts=TIMED, drain=False) for _ in range(2))
    if event in ("Evt17", "Evt18") or (event == "Evt15" and state is State.STA13):
        fire(machine, event)
    else:
        # Bytes cannot come before the transport connection: in Sta1 and Sta4 they are local misuse.
        assert event not in RECEIVED or state in (State.STA1, State.STA4)
        with pytest.raises(LocalProtocolError):
            fire(machine, event)
    assert_same(machine, twin)


def assert_same(machine: UpperLayer, twin: UpperLayer) -> None:
    """Neither state nor outbox nor timers tell the two machines apart."""
    for fact in ("state", "request", "answer", "peer_maximum_length", "close_action", "is_mid_pdu"):
        assert getattr(machine, fact) == getattr(twin, fact)
    assert machine.next_deadline(7.0) == twin.next_deadline(7.0)
    assert machine.data_to_send() == twin.data_to_send()
    assert machine.next_event() is twin.next_event()


def test_an_acceptor_proposes_nothing() -> None:
    machine, twin = machine_in(Role.ACCEPTOR, State.STA1), machine_in(Role.ACCEPTOR, State.STA1)
    with pytest.raises(LocalProtocolError, match="an acceptor sends no AssociateRQ"):
        machine.send(RQ)
    assert_same(machine, twin)


def test_an_unsupported_protocol_version_is_rejected() -> None:
    """AE-6, the other branch: not acceptable to the service-provider, so the next state is Sta13."""
    machine = machine_in(Role.ACCEPTOR, State.STA2)
    machine.receive_data(encode_pdu(RQ.replace(protocol_version=2)))
    rejection = AssociateRJ(result=1, source=2, reason=2)
    assert events_of(machine) == [LocallyEnded(pdu=rejection)]
    assert sent_by(machine) == encode_pdu(rejection)
    assert machine.state is State.STA13
    assert machine.request is None


def test_only_the_lowest_bit_of_the_protocol_version_is_tested() -> None:
    machine = machine_in(Role.ACCEPTOR, State.STA2)
    request = RQ.replace(protocol_version=0xFFFF)
    machine.receive_data(encode_pdu(request))
    assert events_of(machine) == [request]


@pytest.mark.parametrize(("role", "state"), PLACES, ids=str)
def test_an_invalid_pdu_in_each_state(role: Role, state: State) -> None:
    """Evt19 again, by a PDU of a known type whose length is wrong."""
    if state in (State.STA1, State.STA4, State.STA13):
        return
    machine = machine_in(role, state)
    machine.receive_data(b"\x05\x00\x00\x00\x00\x05")
    (violation,) = events_of(machine)
    abort = Abort() if state is State.STA2 else Abort(source=2, reason=6)
    assert isinstance(violation, ProtocolViolation)
    assert (violation.abort, violation.item_path, violation.state) == (abort, "A-RELEASE-RQ", state.value)
    assert sent_by(machine) == encode_pdu(abort)
    assert machine.state is State.STA13


@pytest.mark.parametrize("role", Role)
def test_after_the_end_everything_is_refused_or_ignored(role: Role) -> None:
    machine = machine_in(role, State.STA13)
    for again in range(2):
        for event in RECEIVED:
            fire(machine, event)
        for event in set(SENT) - {"Evt15"}:
            with pytest.raises(LocalProtocolError):
                fire(machine, event)
        machine.send(Abort(source=2, reason=1))
        assert machine.data_to_send() == []
        assert machine.next_event() is CLOSED
        assert machine.state is (State.STA1 if again else State.STA13)
        machine.receive_eof()
        assert machine.close_action is CloseAction.CLOSE
