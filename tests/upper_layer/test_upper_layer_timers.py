"""Every wait of the upper layer, against a clock that the test moves."""

from __future__ import annotations

import pytest

from dicomproto.config import Timeouts
from dicomproto.upper_layer import (
    CLOSED,
    NEED_DATA,
    Abort,
    CloseAction,
    LocallyEnded,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    TimerExpired,
    UpperLayer,
    encode_pdu,
)
from tests.conversations import AC, PLACES, RQ, events_of, fire, machine_in, sent_by

R, A = Role.REQUESTOR, Role.ACCEPTOR
EVERY = Timeouts(artim=1.0, association=2.0, pdu=4.0, close=8.0)

# The timer that runs in each state, if any; the states in which the local user's word is awaited have none.
RUNNING = {
    (A, State.STA2): "artim",
    (R, State.STA5): "association",
    (R, State.STA7): "association",
    (A, State.STA7): "association",
    (R, State.STA9): "association",  # of our own release, which is still unanswered
    (A, State.STA10): "association",
    (R, State.STA11): "association",
    (R, State.STA13): "close",
    (A, State.STA13): "close",
}


@pytest.mark.parametrize(("role", "state"), PLACES, ids=str)
def test_the_timer_of_each_state(role: Role, state: State) -> None:
    machine = machine_in(role, state, timeouts=EVERY)
    timer = RUNNING.get((role, state))
    if timer is None:
        assert machine.next_deadline(100.0) is None
        machine.handle_timeout(1e9)
        assert machine.state is state
        return
    deadline = 100.0 + getattr(EVERY, timer)
    assert machine.next_deadline(100.0) == deadline
    assert machine.next_deadline(100.5) == deadline  # latched
    machine.handle_timeout(deadline - 0.001)
    assert machine.state is state
    machine.handle_timeout(deadline)
    assert machine.state is (State.STA1 if state in (State.STA2, State.STA13) else State.STA13)
    if state is not State.STA13:
        assert events_of(machine) == [TimerExpired(timer=timer, state=state.value)]
        assert sent_by(machine) == (b"" if state is State.STA2 else encode_pdu(Abort()))
    assert machine.next_event() is CLOSED


@pytest.mark.parametrize(("role", "state"), PLACES, ids=str)
def test_no_bound_no_timer(role: Role, state: State) -> None:
    boundless = Timeouts(artim=None, association=None, pdu=None, close=None)
    machine = machine_in(role, state, timeouts=boundless)
    assert machine.next_deadline(0.0) is None
    machine.handle_timeout(1e9)
    assert machine.state is state


def test_a_timer_runs_only_once_it_was_asked_for() -> None:
    machine = machine_in(A, State.STA2)
    machine.handle_timeout(1e9)
    assert machine.state is State.STA2


@pytest.mark.parametrize(
    ("role", "state", "events"),
    [
        (A, State.STA2, ["Evt6"]),
        (R, State.STA5, ["Evt3"]),
        (R, State.STA7, ["Evt12", "Evt14", "Evt13"]),
        (A, State.STA7, ["Evt12", "Evt13"]),
        (A, State.STA13, ["Evt17"]),
    ],
    ids=str,
)
def test_what_was_awaited_stops_the_timer(role: Role, state: State, events: list[str]) -> None:
    machine = machine_in(role, state)
    assert machine.next_deadline(0.0) is not None
    for event in events:
        fire(machine, event)
        events_of(machine)
    assert machine.next_deadline(0.0) is None


# --- the bytes of one PDU -------------------------------------------------------------------------

TIMED = Timeouts(pdu=10.0, association=None, artim=None)


def pdu_machine(state: State = State.STA6) -> UpperLayer:
    return machine_in(A, state, timeouts=TIMED)


def feed(machine: UpperLayer, data: bytes) -> None:
    machine.receive_data(data)
    events_of(machine)


@pytest.mark.parametrize("received", [1, 5, 6, 7, 9])
def test_the_rest_of_a_pdu_is_one_wait(received: int) -> None:
    data = encode_pdu(Abort())
    machine = pdu_machine()
    for at in range(received):
        feed(machine, data[at : at + 1])
        assert machine.next_deadline(float(at)) == 10.0, "from its first byte"
    machine.handle_timeout(9.9)
    assert machine.state is State.STA6
    machine.handle_timeout(10.0)
    assert events_of(machine) == [TimerExpired(timer="pdu", state="Sta6")]
    assert sent_by(machine) == encode_pdu(Abort())


def test_each_byte_of_a_p_data_starts_the_wait_again() -> None:
    data = b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x06\x01\x00abcd"
    machine = pdu_machine()
    for at, deadline in enumerate([10.0] * 5 + [float(at + 10) for at in range(5, 15)]):
        feed(machine, data[at : at + 1])
        assert machine.next_deadline(float(at)) == deadline
        assert machine.next_deadline(at + 0.5) == deadline
    feed(machine, data[15:])
    assert machine.next_deadline(20.0) is None


def test_a_pdu_that_is_whole_when_time_is_looked_at_is_in_time() -> None:
    data = encode_pdu(ReleaseRQ())
    machine = pdu_machine()
    feed(machine, data[:3])
    assert machine.next_deadline(0.0) == 10.0
    machine.receive_data(data[3:])
    assert machine.next_event() == ReleaseRQ()
    machine.handle_timeout(10.0)
    assert machine.state is State.STA8


def test_the_wait_for_one_pdu_is_not_that_for_the_next() -> None:
    """One PDU ends and the next begins between two looks at the clock."""
    data = encode_pdu(RQ)
    machine = machine_in(A, State.STA2, timeouts=TIMED)
    feed(machine, data[:50])
    assert machine.next_deadline(0.0) == 10.0
    feed(machine, data[50:] + b"\x05\x00")
    machine.handle_timeout(11.0)
    assert machine.state is State.STA3
    assert machine.next_deadline(12.0) == 22.0


def test_a_silent_proposal_is_closed_without_a_word() -> None:
    machine = pdu_machine(State.STA2)
    feed(machine, b"\x01")
    machine.next_deadline(0.0)
    machine.handle_timeout(10.0)
    assert events_of(machine) == [TimerExpired(timer="pdu", state="Sta2")]
    assert machine.data_to_send() == []
    assert machine.close_action is CloseAction.CLOSE


def test_two_timers_at_once_end_it_once() -> None:
    machine = machine_in(R, State.STA5, timeouts=Timeouts(association=5.0, pdu=5.0))
    feed(machine, b"\x02")
    assert machine.next_deadline(0.0) == 5.0
    machine.handle_timeout(5.0)
    assert events_of(machine) == [TimerExpired(timer="association", state="Sta5")]
    assert sent_by(machine) == encode_pdu(Abort())
    assert machine.next_deadline(5.0) == 7.0  # close
    machine.handle_timeout(7.0)
    assert machine.close_action is CloseAction.CLOSE
    assert machine.next_deadline(7.0) is None


def test_after_the_last_word_only_the_close_is_timed() -> None:
    machine = pdu_machine()
    feed(machine, b"\x05")
    machine.next_deadline(0.0)
    machine.send(Abort())
    assert machine.next_deadline(0.0) == 2.0
    machine.receive_eof()
    assert machine.next_deadline(0.0) is None
    assert events_of(machine) == [LocallyEnded(pdu=Abort())]


def test_an_answer_in_the_same_moment_wins_if_it_is_given_first() -> None:
    machine = machine_in(R, State.STA5)
    machine.next_deadline(0.0)
    machine.receive_data(encode_pdu(AC))
    assert machine.next_event() == AC
    machine.handle_timeout(1e9)
    assert machine.next_event() is NEED_DATA
    machine.send(ReleaseRQ())
    machine.next_deadline(0.0)
    machine.receive_data(encode_pdu(ReleaseRP()))
    assert machine.next_event() == ReleaseRP()
    assert machine.next_deadline(0.0) is None
