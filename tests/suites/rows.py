"""The form of the two tables of this folder, and how their rows are put to the engine.

A row stands for a kind of input. Its `inputs` are bytes in a situation of docs/provoking.py: a `Wire` has the
expected answer and the last event, a `Quirk` all events with the codes of their warnings and no answer, a
`Query` an identifier that the engine passes on unread, and the statuses that a server may answer.
`tests` names tests elsewhere that prove the row; `cannot` says in a sentence why it cannot happen here. The
row's number is that of the list that the kinds come from.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dicomproto import CLOSED, DATA_SET_PRESENT, CFindRQ, CloseAction, Connection, Limits
from dicomproto.dimse.codec import encode_command
from dicomproto.upper_layer.events import Terminal
from tests.dialogues import joined
from tests.memory import KIB, peak_of
from tests.streams import cut_every

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))
try:
    import provoking
    import wire_faults as faults
    from provoking import Outcome, Wire
    from quirks import Quirk
finally:
    sys.path.remove(str(DOCS))


class Query(NamedTuple):
    """A C-FIND by its identifier."""

    query: str
    identifier: bytes
    statuses: tuple[int, ...]

    @property
    def given(self) -> Callable[[Limits], Connection]:
        """A server with an association."""
        return provoking.serving

    @property
    def sends(self) -> bytes:
        """The request, its identifier in PDUs that are not too long."""
        data = self.identifier
        request = CFindRQ(
            MessageID=1, AffectedSOPClassUID=provoking.FIND, CommandDataSetType=DATA_SET_PRESENT
        )
        command = provoking.p_data((5, 3, encode_command(request)))
        pieces = cut_every(data, 16_000)
        last = len(pieces) - 1
        return command + b"".join(
            provoking.p_data((5, 2 * (number == last), piece)) for number, piece in enumerate(pieces)
        )


Input = Wire | Quirk | Query

ACCEPTORS = (provoking.awaiting_request, provoking.serving)
"""The situations of an acceptor; a server can be brought into them. All others are those of a requestor."""


class Row(NamedTuple):
    """A kind of input: its row and its name, what the peer does, what is made of it, and the proof."""

    row: str
    name: str
    peer: str
    answer: str
    inputs: tuple[Input, ...] = ()
    tests: tuple[str, ...] = ()
    cannot: str = ""
    served: bool = True
    """Whether its inputs do to the adapters, which answer at once, what they do to the engine."""

    def of(self, role: str) -> tuple[Input, ...]:
        """Return the inputs of the side that is put to the test."""
        return tuple(one for one in self.inputs if role_of(one) == role)

    def at_servers(self) -> tuple[Input, ...]:
        """Return the inputs for servers."""
        return self.of("acceptor") if self.served else ()


def role_of(one: Input) -> str:
    """Return the side that an input is put to."""
    return "acceptor" if one.given in ACCEPTORS else "requestor"


def name_of(one: Input) -> str:
    """Return the name of an input within its row."""
    return one[0]


def outcome_of(one: Input) -> Outcome:
    """Return the answer that is expected, and the last event."""
    if isinstance(one, Query):
        return Outcome(None, "DataSetChunk")
    return one.expected if isinstance(one, Wire) else Outcome(None, one.events[-1])


def spread(inputs: Sequence[Input], most: int) -> tuple[Input, ...]:
    """Return some of the inputs, from the first on and at equal distances."""
    return tuple(inputs[:: -(-len(inputs) // most)]) if inputs else ()


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

SMALL, PIECE = KIB, 97
"""Bytes of an input up to which it is also given byte by byte, and of the pieces of larger ones."""


def has_ended(events: list[object]) -> bool:
    """Tell whether an association is over, and check that it ends only once."""
    ends = [event for event in events if isinstance(event, Terminal)]
    assert len(ends) <= 1
    assert not ends or events[-1] is ends[0], "something came behind the end"
    return bool(ends)


def put_to_engine(one: Input, size: int) -> None:
    """Give an input in pieces of `size` bytes; check the outcome, and what holds for any input."""
    connection = one.given(one.limits if isinstance(one, Wire) else Limits())
    connection.data_to_send()
    events: list[object] = []
    for piece in cut_every(one.sends, size):
        connection.receive_data(piece)
        events += provoking.take_events(connection)
    ended = has_ended(events)
    assert provoking.outcome(connection, events) == outcome_of(one)
    assert ended is (connection.next_event() is CLOSED)
    assert ended is (connection.close_action is not CloseAction.NONE)
    if isinstance(one, Quirk):
        told = joined(events)
        codes = tuple(text.partition(":")[0] for event in told for text in getattr(event, "warnings", ()))
        assert (tuple(type(event).__name__ for event in told), codes) == (one.events, one.warnings)
    if ended:
        connection.receive_data(one.sends)
        connection.receive_eof()
        assert connection.next_event() is CLOSED
        assert connection.data_to_send() == []


def check_on_engine(inputs: tuple[Input, ...]) -> None:
    """Put inputs to the engine, whole and in pieces, and measure the memory that they take."""
    bound = 256 * KIB + 16 * max(len(one.sends) for one in inputs)

    def put_all() -> None:
        for one in inputs:
            with naming(one):
                put_to_engine(one, len(one.sends))

    assert peak_of(put_all) < bound
    for one in inputs:
        with naming(one):
            put_to_engine(one, 1 if len(one.sends) <= SMALL else PIECE)


@contextmanager
def naming(one: Input) -> Iterator[None]:
    """Add the name of an input to what it causes."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the input: {name_of(one)}")
        raise
