"""What holds of the engine in each state of either role, whatever its peer sends and its user does.

Each property is put to known input, which is always the same, and to what Hypothesis draws. The checks of
each step are those of `tests.watched`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto import CLOSED, NEED_DATA, Connection, Role, State, UpperLayer
from tests.conversations import RECEIVED, SENT, fire
from tests.dialogues import established
from tests.memory import KIB, peak_of
from tests.pourers import BLOCKS
from tests.streams import cut, cut_every
from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.watched import IN_USE, LOCAL, MAKE, Machine, Watched, calls_of
from tests.wild import CUTS, STREAMS_OF_MESSAGES, STREAMS_OF_PDUS

KNOWN = [
    next(one.sends for one in row.inputs if len(one.sends) <= KIB)
    for row in (*HOSTILE, *QUIRKS)
    if any(len(one.sends) <= KIB for one in row.inputs)
]
"""An input of each row of the tables; most of them belong in other states."""

CONNECTED = [name for name in MAKE if not name.endswith((" Sta1", " Sta4"))]
"""The machines that have a peer."""

STREAMS = st.one_of(STREAMS_OF_MESSAGES, STREAMS_OF_PDUS, st.binary(max_size=200))


def received(name: str, pieces: list[bytes]) -> Watched:
    """Return a machine that has received `pieces`."""
    watched = Watched(MAKE[name]())
    for piece in pieces:
        watched.receive(piece)
    return watched


def check_ends_once(watched: Watched) -> None:
    """End the connection; it has one end, and nothing that comes later changes that."""
    watched.end_of_file()
    assert watched.is_over
    end, seen = watched.end, len(watched.events)
    for data in (*RECEIVED.values(), bytes(100)):
        watched.receive(data)
    watched.end_of_file()
    watched.wait()
    assert watched.end is end
    assert len(watched.events) == seen


# --- cuts and the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONNECTED)
def test_known_input_is_the_same_in_pieces_and_ends_once(name: str) -> None:
    for data in KNOWN:
        whole = received(name, [data])
        assert received(name, cut_every(data, 1 + len(data) // 100)).seen() == whole.seen()
        check_ends_once(whole)


@given(st.sampled_from(CONNECTED), STREAMS, CUTS, st.booleans())
def test_nothing_depends_on_the_cuts(name: str, data: bytes, at: list[int], end_of_file: bool) -> None:
    machines = [
        received(name, [data] if data else []),
        received(name, cut(data, at) if data else []),
        received(name, cut_every(data, 1)),
    ]
    if end_of_file:
        for watched in machines:
            watched.end_of_file()
    assert machines[1].seen() == machines[0].seen()
    assert machines[2].seen() == machines[0].seen()
    check_ends_once(machines[0])


# --- scripts ----------------------------------------------------------------------------------------------

Step = Callable[[Watched], object]


def of_the_user(action: Callable[[Connection], object]) -> Step:
    """Return a step of the user of a connection; an upper layer has no such user."""
    return lambda watched: watched.do(action) if isinstance(watched.machine, Connection) else None


def of_event(event: str) -> Step:
    """Return the step that causes an event of PS3.8 by the user; a connection has no PDUs of data to send."""
    return lambda watched: (
        watched.do(lambda machine: fire(machine, event))
        if isinstance(watched.machine, UpperLayer) or event != "Evt9"
        else None
    )


STEPS: dict[str, Step] = {
    **{event: of_event(event) for event in (*SENT, "Evt2")},
    **{f"{event} received": (lambda w, data=data: w.receive(data)) for event, data in RECEIVED.items()},
    "end of file": Watched.end_of_file,
    "some time": lambda watched: watched.wait(0.5),
    "a timeout": Watched.wait,
}
"""What may happen next to any machine."""

CALLS: dict[str, Step] = {f"call {number}": of_the_user(action) for number, action in enumerate(LOCAL)}
"""What the user of a connection may do besides."""


@pytest.mark.parametrize("name", MAKE)
def test_any_two_steps_keep_to_the_rules(name: str) -> None:
    steps = CALLS if name in IN_USE else STEPS
    for first in (STEPS | steps).values():
        for second in steps.values():
            watched = Watched(MAKE[name]())
            first(watched)
            second(watched)


@given(
    st.sampled_from(list(MAKE)),
    st.lists(st.one_of(st.sampled_from([*STEPS, *CALLS]), STREAMS), max_size=12),
)
def test_any_script_keeps_to_the_rules(name: str, script: list[str | bytes]) -> None:
    watched = Watched(MAKE[name]())
    for step in script:
        if isinstance(step, bytes):
            watched.receive(step)
        else:
            (STEPS | CALLS)[step](watched)
    if watched.machine.state not in (State.STA1, State.STA4) or watched.is_over:
        check_ends_once(watched)


# --- steps and memory -------------------------------------------------------------------------------------

AT_MOST, FOR_A_BYTE, BYTE_BY_BYTE = 500, 8, 60
"""Functions that the engine may call for any input, and more for each byte, or for each that comes alone."""

FLOODS = {name: block for name, block in BLOCKS.items() if block}


def take(machine: Machine, pieces: list[bytes]) -> None:
    """Do what an adapter does with the bytes of a peer."""
    for piece in pieces:
        machine.receive_data(piece)
        while (event := machine.next_event()) is not NEED_DATA and event is not CLOSED:
            pass
        machine.data_to_send()


def check_steps(name: str, data: bytes) -> None:
    """Count what the engine does for bytes that come at once, and one by one."""
    at_once, one_by_one = MAKE[name](), MAKE[name]()
    assert calls_of(lambda: take(at_once, [data] if data else [])) <= AT_MOST + FOR_A_BYTE * len(data)
    steps = calls_of(lambda: take(one_by_one, cut_every(data, 1)))
    assert steps <= AT_MOST + BYTE_BY_BYTE * len(data)


@pytest.mark.parametrize("name", ["UpperLayer acceptor Sta2", "Connection requestor Sta5", "busy acceptor"])
def test_steps_for_known_input(name: str) -> None:
    for data in KNOWN:
        check_steps(name, data)


@given(st.sampled_from(CONNECTED), STREAMS)
def test_steps_for_any_input(name: str, data: bytes) -> None:
    check_steps(name, data)


@pytest.mark.parametrize("kind", FLOODS)
def test_twice_as_much_takes_twice_as_many_steps_and_no_more_memory(kind: str) -> None:
    """As fragments, cancels, refused requests and the like come; none of them is held."""
    size = 8 * KIB
    steps = []
    for count in (size, 2 * size):
        pieces = cut_every((FLOODS[kind] * 2)[:count], 4 * KIB)
        machine, twin = established(Role.ACCEPTOR), established(Role.ACCEPTOR)
        steps.append(calls_of(lambda machine=machine, pieces=pieces: take(machine, pieces)))
        assert peak_of(lambda twin=twin, pieces=pieces: take(twin, pieces)) < 4 * count
    assert steps[1] <= 2.1 * steps[0] + AT_MOST
