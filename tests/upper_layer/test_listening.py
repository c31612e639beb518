"""What the engine has for those who watch it: its transitions, and where its byte stream is."""

from __future__ import annotations

from itertools import accumulate, islice, pairwise

import pytest

from dicomproto import Connection, Limits
from dicomproto.upper_layer import (
    NEED_DATA,
    Abort,
    AssociateRQ,
    PDataTF,
    PresentationDataValue,
    ReleaseRQ,
    Role,
    State,
    UpperLayer,
    encode_pdu,
)
from dicomproto.upper_layer.framer import Framer
from tests.conversations import AC, P_DATA, PLACES, RQ, Pair, events_of, fire, machine_in, sent_by


class Trace(list[tuple[str, str, str, str]]):
    def __call__(self, event: str, met: State, action: str, following: State) -> None:
        self.append((event, met.value, action, following.value))


def test_transitions_of_an_association_are_told_to_both_sides() -> None:
    pair = Pair()
    requestor, acceptor = Trace(), Trace()
    pair.requestor.on_transition, pair.acceptor.on_transition = requestor, acceptor
    pair.establish()
    pair.requestor.send(P_DATA)
    pair.carry(pair.requestor)
    pair.requestor.send(Abort())
    pair.carry(pair.requestor)
    assert requestor == [
        ("Evt1", "Sta1", "AE-1", "Sta4"),
        ("Evt2", "Sta4", "AE-2", "Sta5"),
        ("Evt3", "Sta5", "AE-3", "Sta6"),
        ("Evt9", "Sta6", "DT-1", "Sta6"),
        ("Evt15", "Sta6", "AA-1", "Sta13"),
    ]
    assert acceptor == [
        ("Evt5", "Sta1", "AE-5", "Sta2"),
        ("Evt6", "Sta2", "AE-6", "Sta3"),
        ("Evt7", "Sta3", "AE-7", "Sta6"),
        ("Evt10", "Sta6", "DT-2", "Sta6"),
        ("Evt16", "Sta6", "AA-3", "Sta1"),
    ]


def test_of_two_states_that_may_follow_the_one_that_does_is_told() -> None:
    rejecting = machine_in(Role.ACCEPTOR, State.STA2)
    rejecting.on_transition = trace = Trace()
    rejecting.receive_data(encode_pdu(RQ.replace(protocol_version=2)))
    events_of(rejecting)
    assert trace == [("Evt6", "Sta2", "AE-6", "Sta13")]


@pytest.mark.parametrize(("role", "state"), PLACES)
def test_a_machine_that_is_watched_does_what_another_does(role: Role, state: State) -> None:
    def ended(*, watched: bool) -> tuple[list[object], bytes, State]:
        machine = machine_in(role, state)
        machine.on_transition = Trace() if watched else None
        if state is State.STA1:
            return [], b"", machine.state
        fire(machine, "Evt17")
        return events_of(machine), sent_by(machine), machine.state

    assert ended(watched=True) == ended(watched=False)


def test_a_connection_tells_its_transitions_too() -> None:
    connection = Connection(Role.REQUESTOR)
    assert connection.on_transition is None
    connection.on_transition = trace = Trace()
    assert connection.on_transition is trace
    connection.send(RQ)
    connection.on_transition = None
    connection.transport_connected()
    assert trace == [("Evt1", "Sta1", "AE-1", "Sta4")]


# --- joining in the middle of the byte stream ---------------------------------------------------

TWO_VALUES = PDataTF(
    values=(
        PresentationDataValue(context_id=1, is_command=True, is_last=True, data=b"data"),
        PresentationDataValue(context_id=1, is_command=False, is_last=False, data=b""),
    )
)
PDUS = [encode_pdu(pdu) for pdu in (TWO_VALUES, P_DATA, P_DATA, ReleaseRQ())]
STREAM = b"".join(PDUS)
BOUNDARIES = [0, *accumulate(map(len, PDUS))]


def check_unread(machine: UpperLayer | Connection, received: int) -> None:
    rest, waiting = machine.unread()
    consumed = received - sum(map(len, waiting))
    assert b"".join(waiting) == STREAM[consumed:received]
    # The next PDU to begin is the first that has not: nothing is left out, nothing read twice.
    assert consumed + rest == next(boundary for boundary in BOUNDARIES if boundary >= consumed)


@pytest.mark.parametrize("received", range(len(STREAM) + 1))
def test_what_was_not_read_begins_where_a_pdu_does(received: int) -> None:
    machine = machine_in(Role.ACCEPTOR)
    for start, end in pairwise((0, received // 2, received)):
        machine.receive_data(STREAM[start:end])
        check_unread(machine, end)
    while machine.next_event() is not NEED_DATA:
        check_unread(machine, received)
    check_unread(machine, received)


@pytest.mark.parametrize("received", range(0, 200, 7))
def test_a_pdu_that_is_gathered_was_begun(received: int) -> None:
    stream = encode_pdu(RQ)
    machine = machine_in(Role.ACCEPTOR, State.STA2)
    machine.receive_data(stream[:received])
    events_of(machine)
    rest, waiting = machine.unread()
    if received < 6:
        assert (rest, b"".join(waiting)) == (0, stream[:received])
    else:
        assert (rest, b"".join(waiting)) == (len(stream) - received, b"")


def test_a_connection_says_what_it_has_not_read() -> None:
    connection = Connection(Role.ACCEPTOR)
    connection.transport_connected()
    connection.receive_data(encode_pdu(RQ) + STREAM[:20])
    assert isinstance(connection.next_event(), AssociateRQ)
    connection.send(AC)
    rest, waiting = connection.unread()
    assert (rest, b"".join(waiting)) == (0, STREAM[:20])


def test_a_listener_may_take_less_than_it_was_given() -> None:
    """What it forgets comes again: the items are the same."""

    def items_of(most: int) -> list[object]:
        framer, items, rest = Framer(Limits()), [], STREAM
        while rest:
            before = framer.consumed
            framer.receive(rest)
            items += islice(iter(framer.next, None), most)
            framer.forget_rest()
            rest = rest[framer.consumed - before :]
        return items

    assert items_of(1) == items_of(2) == items_of(1000)
