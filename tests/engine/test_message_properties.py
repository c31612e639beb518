"""What holds for all messages and for all bytes in their place (Hypothesis)."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from dicomproto import CLOSED, NEED_DATA, CloseAction, Connection, Limits, LocalProtocolError, strategies
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CCancelRQ, CFindRQ, Request
from dicomproto.dimse.events import DataSetChunk
from dicomproto.upper_layer import Abort, ReleaseRP, ReleaseRQ, Role, encode_pdu
from tests.dialogues import (
    ACTION,
    CONTEXT_OF,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    PENDING,
    STORE,
    associate_ac,
    associate_rq,
    data_pdu,
    established,
    events_of,
    feed,
    fragment,
    joined,
    message,
    pending,
    roles,
    sent_by,
    window,
)
from tests.streams import cut, cut_every

LIMITS = Limits(empty_fragments=3, command_length=400, outstanding_requests=4)
WINDOW = window(3, 3) | roles("1.2.840.10008.5.1.4.1.1.2")


def fresh(role: Role) -> Connection:
    return established(role, rq=associate_rq(**WINDOW), ac=associate_ac(**WINDOW), limits=LIMITS)


def busy_requestor() -> Connection:
    connection = fresh(Role.REQUESTOR)
    connection.send_request(FIND_RQ, 5)
    connection.send_data(b"", last=True)
    connection.send_request(ACTION.replace(MessageID=2), 11)
    connection.send_request(STORE.replace(MessageID=3), 3)
    connection.send_data(b"half", last=False)
    return connection


def busy_acceptor() -> Connection:
    connection = fresh(Role.ACCEPTOR)
    feed(connection, message(FIND_RQ, b"key "), message(ECHO.replace(MessageID=2)))
    connection.send_response(pending(FIND_RQ))
    return connection


def releasing(role: Role) -> Connection:
    connection = fresh(role)
    connection.send(ReleaseRQ())
    return connection


SITUATIONS: list[Callable[[], Connection]] = [
    *(lambda role=role: fresh(role) for role in Role),
    *(lambda role=role: releasing(role) for role in Role),
    busy_requestor,
    busy_acceptor,
]

REQUESTS = [ECHO, STORE, FIND_RQ, MOVE_RQ, GET_RQ, ACTION, EVENT]
cuts = st.lists(st.integers(0, 2**20), max_size=12)
small = st.integers(0, 3)
context_ids = st.sampled_from([1, 3, 5, 7, 9, 11, 13])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message as a peer may send it: of any kind, on any context, whole or in pieces."""
    request: Request = draw(st.sampled_from(REQUESTS)).replace(MessageID=draw(small))
    kind = draw(st.integers(0, 3))
    command = request
    if kind == 1:
        status = draw(st.sampled_from([0, PENDING, 0xA700, 0xB000, 0xFE00]))
        announced = draw(st.sampled_from([0x0101, 1])) if isinstance(request, CFindRQ) else 0x0101
        command = request.response(Status=status, CommandDataSetType=announced)
    elif kind == 2:
        command = CCancelRQ(MessageIDBeingRespondedTo=draw(small))
    context_id = draw(st.one_of(st.just(CONTEXT_OF[type(request)]), context_ids))
    encoded = encode_command(command)
    positions = draw(st.lists(st.integers(0, 200), max_size=2))
    pieces = cut(encoded, positions)
    data = b"".join(
        fragment(piece, context_id=context_id, is_command=True, is_last=number == len(pieces))
        for number, piece in enumerate(pieces, 1)
    )
    if command.has_data_set and draw(st.integers(0, 4)):
        for _ in range(draw(st.integers(0, 2))):
            data += data_pdu(draw(st.binary(max_size=6)), context_id, is_last=False)
        data += data_pdu(draw(st.binary(max_size=6)), context_id)
    return data


STREAMS = st.lists(
    st.one_of(
        messages(),
        messages(),
        messages(),
        strategies.commands().map(lambda command: message(command, context_id=1)),
        st.sampled_from([encode_pdu(ReleaseRQ()), encode_pdu(ReleaseRP()), encode_pdu(Abort())]),
        st.binary(max_size=6).map(lambda data: data_pdu(data, 5)),
        st.binary(max_size=40).map(lambda data: fragment(data, context_id=1, is_command=True, is_last=True)),
        st.binary(max_size=8),
    ),
    max_size=6,
).map(b"".join)


def outcome(connection: Connection, pieces: list[bytes], end_of_file: bool) -> tuple[object, ...]:
    """Return all that a peer or a user can see of what `pieces` did, apart from where chunks were cut."""
    events = feed(connection, *pieces)
    if end_of_file:
        connection.receive_eof()
        events += events_of(connection)
    ended = connection.next_event() is CLOSED
    assert ended is (connection.close_action is not CloseAction.NONE)
    return (
        [(event, getattr(event, "warnings", ())) for event in joined(events)],
        sent_by(connection),
        connection.state,
        connection.close_action,
        dict(connection.outstanding),
        dict(connection.unanswered),
        connection.is_receiving,
        connection.is_sending,
    )


@given(st.sampled_from(SITUATIONS), STREAMS, cuts, st.booleans())
def test_nothing_depends_on_the_cuts(make, data: bytes, at: list[int], end_of_file: bool) -> None:
    pieces = [data] if data else []
    whole = outcome(make(), pieces, end_of_file)
    assert outcome(make(), cut(data, at) if data else [], end_of_file) == whole
    assert outcome(make(), cut_every(data, 1), end_of_file) == whole


@given(st.sampled_from(SITUATIONS), st.binary(max_size=100), st.booleans(), st.booleans())
def test_any_bytes_in_a_fragment_give_events_and_no_exception(
    make, data: bytes, is_command: bool, is_last: bool
) -> None:
    connection = make()
    feed(connection, fragment(data, context_id=5, is_command=is_command, is_last=is_last))
    connection.receive_eof()
    events_of(connection)
    assert connection.next_event() is CLOSED


@given(
    st.lists(st.tuples(st.integers(0, 700), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([128, 1000, 16384]),
    cuts,
)
def test_data_sets_arrive_as_they_were_sent(chunks, maximum_length: int, at: list[int]) -> None:
    """Chunks of any sizes in, each buffer overwritten after its send; the same bytes out, and one pad."""
    sender = established(Role.REQUESTOR, ac=associate_ac(maximum_length=maximum_length))
    receiver = established(Role.ACCEPTOR)
    sender.send_request(STORE, 3)
    expected = b""
    events: list[object] = []
    for number, (size, is_array) in enumerate(chunks, 1):
        payload = bytes((7 * number + n) % 251 for n in range(size))
        buffer = bytearray(payload)
        sender.send_data(buffer if is_array else memoryview(buffer), last=number == len(chunks), pad=True)
        data = sent_by(sender)
        buffer[:] = b"\xaa" * size
        expected += payload
        events += feed(receiver, *cut(data, at)) if data else []
    received, data_set = joined(events)
    assert received.command == STORE
    assert isinstance(data_set, DataSetChunk)
    assert data_set.last
    assert data_set.data == expected + b"\0" * (len(expected) % 2)
    assert data_set.warnings == ()


LOCAL = [
    lambda c: c.send_request(ECHO.replace(MessageID=0), 1),
    lambda c: c.send_request(ECHO, 1),
    lambda c: c.send_request(STORE.replace(MessageID=0), 3),
    lambda c: c.send_request(FIND_RQ.replace(MessageID=0), 13),
    lambda c: c.send_request(EVENT.replace(MessageID=0), 11),
    lambda c: c.send_response(ECHO.response()),
    lambda c: c.send_response(ECHO.replace(MessageID=2).response()),
    lambda c: c.send_response(FIND_RQ.response()),
    lambda c: c.send_response(pending(FIND_RQ)),
    lambda c: c.send_response(FIND_RQ.response(Status=-1)),
    lambda c: c.send_data(b"ab", last=False),
    lambda c: c.send_data(b"a", last=False),
    lambda c: c.send_data(b"", last=True),
    lambda c: c.send_data(b"abc", last=True),
    lambda c: c.send_cancel(1),
    lambda c: c.send_cancel(2),
    lambda c: c.send(ReleaseRQ()),
    lambda c: c.send(ReleaseRP()),
    lambda c: c.send(associate_ac()),
    lambda c: c.send(Abort()),
    lambda c: feed(c, message(ECHO.replace(MessageID=2))),
    lambda c: feed(c, message(STORE.replace(MessageID=3), b"ab")),
]


def facts(connection: Connection) -> tuple[object, ...]:
    return (
        connection.state,
        dict(connection.outstanding),
        dict(connection.unanswered),
        connection.is_sending,
        connection.is_receiving,
        connection.can_invoke,
        connection.close_action,
        connection.next_deadline(3.0),
        sent_by(connection),
        connection.next_event(),
    )


@given(st.sampled_from(SITUATIONS), st.lists(st.sampled_from(LOCAL), max_size=8))
def test_a_local_error_changes_nothing(make, actions) -> None:
    """A twin does what succeeds and leaves out what fails: the two cannot be told apart."""
    connection, twin = make(), make()
    for action in actions:
        try:
            action(connection)
        except LocalProtocolError:
            continue
        action(twin)
        for each in (connection, twin):
            events_of(each)
    assert facts(connection) == facts(twin)
    if connection.close_action is CloseAction.NONE:
        assert connection.next_event() is NEED_DATA
