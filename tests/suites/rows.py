"""The form of the two tables of this folder, and how their rows are put to the engine.

A row stands for a kind of input. Its `wires` are the inputs that are bytes, each in a situation of
docs/provoking.py, with the expected answer and event; `tests` names tests elsewhere that prove it; `cannot`
says in a sentence why it cannot happen here. The row's number is that of the list that the kinds come from.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from dicomproto import CLOSED, CloseAction, Connection, Limits
from dicomproto.upper_layer.events import Terminal
from tests.memory import KIB, peak_of
from tests.streams import cut_every

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))
try:
    import provoking
    import wire_faults as faults
    from provoking import Outcome, Wire
finally:
    sys.path.remove(str(DOCS))

ACCEPTORS = (provoking.awaiting_request, provoking.serving)
"""The situations of an acceptor; a server can be brought into them. All others are those of a requestor."""


class Row(NamedTuple):
    """A kind of input: its row and its name, what the peer does, what is made of it, and the proof."""

    row: str
    name: str
    peer: str
    answer: str
    wires: tuple[Wire, ...] = ()
    tests: tuple[str, ...] = ()
    cannot: str = ""
    served: bool = True
    """Whether its inputs do to a server, which answers at once, what they do to an engine."""

    def of(self, role: str) -> tuple[Wire, ...]:
        """Return the inputs of the side that is put to the test."""
        return tuple(wire for wire in self.wires if role_of(wire) == role)

    def at_servers(self) -> tuple[Wire, ...]:
        """Return the inputs for servers."""
        return self.of("acceptor") if self.served else ()


def role_of(wire: Wire) -> str:
    """Return the side that an input is put to."""
    return "acceptor" if wire.given in ACCEPTORS else "requestor"


# --- the parts of tables ----------------------------------------------------------------------------

REQUEST, ANSWER = Outcome(None, "AssociateRQ"), Outcome(None, "AssociateAC")
NOTHING = Outcome(None, "")
"""Nothing is said, and nothing is told."""


def pdu(pdu_type: int, *parts: bytes, length: int | None = None) -> bytes:
    """Return a PDU of any content; `length` is a declared length in place of the true one."""
    body = b"".join(parts)
    return struct.pack(">BxI", pdu_type, len(body) if length is None else length) + body


def in_both(what: str, *items: bytes) -> tuple[Wire, Wire]:
    """Return faulty items of an A-ASSOCIATE PDU, in a request and in an answer."""
    rq, ac = (provoking.associate(pdu_type, *items) for pdu_type in (1, 2))
    return (
        Wire(what, provoking.awaiting_request, rq, faults.EARLY_VIOLATION),
        Wire(what, provoking.awaiting_answer, ac, faults.INVALID),
    )


def taken_in_both(what: str, *items: bytes) -> tuple[Wire, Wire]:
    """Return items of an A-ASSOCIATE PDU that are taken, in a request and in an answer."""
    rq, ac = (provoking.associate(pdu_type, *items) for pdu_type in (1, 2))
    return (
        Wire(what, provoking.awaiting_request, rq, REQUEST),
        Wire(what, provoking.awaiting_answer, ac, ANSWER),
    )


def in_each(
    situations: Iterable[Callable[[Limits], Connection]], what: str, sends: bytes, expected: Outcome
) -> tuple[Wire, ...]:
    """Return the same input in several situations."""
    return tuple(Wire(what, given, sends, expected) for given in situations)


ASSOCIATED = (provoking.serving, provoking.calling)

# --- the engine ---------------------------------------------------------------------------------------

SMALL = 4 * KIB
"""Bytes of an input up to which it is also given byte by byte."""


def has_ended(events: list[object]) -> bool:
    """Tell whether an association is over, and check that it ends only once."""
    ends = [event for event in events if isinstance(event, Terminal)]
    assert len(ends) <= 1
    assert not ends or events[-1] is ends[0], "something came behind the end"
    return bool(ends)


def put_to_engine(wire: Wire, size: int) -> Outcome:
    """Give an input in pieces of `size` bytes; return the outcome, once all that holds for any input does."""
    connection = wire.given(wire.limits)
    connection.data_to_send()
    events: list[object] = []
    for piece in cut_every(wire.sends, size):
        connection.receive_data(piece)
        events += provoking.take_events(connection)
    ended = has_ended(events)
    result = provoking.outcome(connection, events)
    assert ended is (connection.next_event() is CLOSED)
    assert ended is (connection.close_action is not CloseAction.NONE)
    if ended:
        connection.receive_data(wire.sends)
        connection.receive_eof()
        assert connection.next_event() is CLOSED
        assert connection.data_to_send() == []
    return result


def check_on_engine(wires: Iterable[Wire]) -> None:
    """Put inputs to the engine, whole and in pieces, and measure the memory that they take."""
    bound = 256 * KIB + 16 * max(len(wire.sends) for wire in wires)

    def put_all() -> None:
        for wire in wires:
            assert put_to_engine(wire, len(wire.sends)) == wire.expected, wire.fault

    assert peak_of(put_all) < bound
    for wire in wires:
        size = 1 if len(wire.sends) <= SMALL else 1021
        assert put_to_engine(wire, size) == wire.expected, f"{wire.fault}, {size} bytes at a time"
