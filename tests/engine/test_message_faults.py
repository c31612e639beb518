"""What a peer may get wrong in messages: each cut point, disorder and limit, and the answer to each."""

from __future__ import annotations

from itertools import permutations

import pytest

from dicomproto import CLOSED, CloseAction, Connection, Limits
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CCancelRQ, CEchoRSP, Command, CStoreRSP, Request
from dicomproto.dimse.events import (
    DataSetChunk,
    MessageIncomplete,
    RequestReceived,
    RequestRefused,
    ResponseReceived,
    UnexpectedDataSet,
)
from dicomproto.upper_layer import (
    Abort,
    ConnectionClosed,
    PresentationContextAC,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    TimerExpired,
    encode_pdu,
)
from tests.dialogues import (
    ABORT_OF_MESSAGE,
    ACTION,
    CT,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    MR,
    OUT_OF_RESOURCES,
    PENDING,
    REFUSED_CONTEXT,
    STORE,
    associate_ac,
    associate_rq,
    command_pdu,
    data_pdu,
    established,
    events_of,
    feed,
    fragment,
    message,
    roles,
    sent_by,
)
from tests.streams import cut_every

R, A = Role.REQUESTOR, Role.ACCEPTOR


def assert_violation(connection: Connection, events: list[object], text: str, abort: Abort) -> None:
    """The last event is a violation that says `text`, and it was answered with `abort`."""
    violation = events[-1]
    assert isinstance(violation, ProtocolViolation)
    assert text in violation.text
    assert violation.abort == abort
    assert sent_by(connection) == encode_pdu(abort)
    assert connection.close_action is CloseAction.SHUTDOWN
    assert connection.next_event() is CLOSED
    assert not connection.outstanding
    assert not connection.unanswered
    assert not connection.is_receiving


# --- messages cut short ---------------------------------------------------------------------------

WHOLE = [
    fragment(encode_command(STORE)[:20], context_id=3, is_command=True, is_last=False),
    fragment(encode_command(STORE)[20:], context_id=3, is_command=True, is_last=True),
    data_pdu(b"ab", 3, is_last=False),
    data_pdu(b"cd", 3),
]
ENDINGS = {
    "release": (encode_pdu(ReleaseRQ()), ReleaseRQ()),
    "abort": (encode_pdu(Abort()), Abort()),
    "end of file": (b"", ConnectionClosed(state="Sta6", mid_pdu=False, quiet=False)),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("count", range(len(WHOLE) + 1))
def test_a_message_cut_short_at_each_fragment(count: int, ending: str) -> None:
    data, event = ENDINGS[ending]
    connection = established(A)
    events = feed(connection, *WHOLE[:count])
    assert connection.is_receiving is (0 < count < len(WHOLE))
    if data:
        events += feed(connection, data)
    else:
        connection.receive_eof()
        events += events_of(connection)
    assert events[-1] == event
    cut = [event for event in events if isinstance(event, MessageIncomplete)]
    if 0 < count < len(WHOLE):
        assert cut == [MessageIncomplete(context_id=3, command=None if count == 1 else STORE)]
        assert events[-2] == cut[0]
    else:
        assert cut == []
    assert not connection.is_receiving


@pytest.mark.parametrize("at", range(1, len(b"".join(WHOLE))))
def test_a_message_cut_short_at_each_byte(at: int) -> None:
    connection = established(A)
    stream = b"".join(WHOLE)
    feed(connection, stream[:at])
    connection.receive_eof()
    *others, closed = events_of(connection)
    ends = {len(b"".join(WHOLE[:n])) for n in range(len(WHOLE))}
    assert closed == ConnectionClosed(state="Sta6", mid_pdu=at not in ends, quiet=False)
    begun = at >= 6 + 6 + 1  # a byte of the first fragment
    assert [type(event) for event in others] == [MessageIncomplete] * begun


@pytest.mark.parametrize("timer", ["pdu", "idle"])
def test_a_message_that_does_not_go_on_is_given_up(timer: str) -> None:
    for count in range(1, len(WHOLE)):
        connection = established(A)
        feed(connection, *WHOLE[:count])
        assert connection.next_deadline(0.0) == 60.0
        if timer == "pdu":
            connection.handle_timeout(60.0)
            incomplete, expired = events_of(connection)
            assert isinstance(incomplete, MessageIncomplete)
            assert expired == TimerExpired(timer="pdu", state="Sta6")
            assert sent_by(connection) == encode_pdu(Abort())
        else:
            feed(connection, WHOLE[count])
            assert connection.next_deadline(50.0) == (110.0 if count < len(WHOLE) - 1 else None)


def test_our_own_abort_cuts_the_peers_message_short() -> None:
    connection = established(A)
    feed(connection, *WHOLE[:3])
    connection.send(Abort())
    incomplete, ended = events_of(connection)
    assert incomplete == MessageIncomplete(context_id=3, command=STORE)
    assert ended.pdu == Abort()
    assert not connection.unanswered


def test_a_bad_pdv_leaves_what_was_delivered_delivered() -> None:
    connection = established(A)
    bad = b"\x04\x00\x00\x00\x00\x10" + b"\x00\x00\x00\x04\x03\x00ab" + b"\xff\xff\xff\xff\x03\x00cd"
    request, first, second, incomplete, violation = feed(connection, *WHOLE[:3], bad)
    assert [bytes(chunk.data) for chunk in (first, second)] == [b"ab", b"ab"]
    assert incomplete == MessageIncomplete(context_id=3, command=STORE)
    assert_violation(connection, [violation], "declares 4294967295 bytes", Abort(source=2, reason=6))
    assert isinstance(request, RequestReceived)


# --- disorder -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [o for o in permutations(range(4)) if o != (0, 1, 2, 3)], ids=str)
def test_fragments_in_any_other_order_are_a_violation_or_cut_short(order: tuple[int, ...]) -> None:
    connection = established(A)
    events = feed(connection, *(WHOLE[n] for n in order))
    violations = [event for event in events if isinstance(event, ProtocolViolation)]
    assert len(violations) == 1
    assert_violation(connection, events, "", ABORT_OF_MESSAGE)


DISORDER = {
    "data set where a command is due": ([data_pdu(b"ab", 1)], "a command was due"),
    "its first fragment": ([data_pdu(b"ab", 1, is_last=False)], "a command was due"),
    "command where a data set is due": ([WHOLE[0], WHOLE[1], command_pdu(ECHO, 3)], "data set is incomplete"),
    "command within a data set": ([*WHOLE[:3], command_pdu(ECHO, 3)], "data set is incomplete"),
    "data set within a command": ([WHOLE[0], data_pdu(b"ab", 3)], "command is incomplete"),
    "command goes on on another context": (
        [WHOLE[0], fragment(encode_command(STORE)[20:], context_id=1, is_command=True, is_last=True)],
        "fragment on context 1 within a message on 3",
    ),
    "data set on another context": ([*WHOLE[:2], data_pdu(b"ab", 1)], "fragment on context 1"),
    "data set goes on on another context": ([*WHOLE[:3], data_pdu(b"ab", 5)], "fragment on context 5"),
    "data set after one": ([*WHOLE, data_pdu(b"ab", 3)], "a command was due"),
}


@pytest.mark.parametrize(("pieces", "text"), DISORDER.values(), ids=DISORDER)
@pytest.mark.parametrize("size", [10_000, 1])
def test_disorder(pieces: list[bytes], text: str, size: int) -> None:
    connection = established(A)
    events = feed(connection, *cut_every(b"".join(pieces), size))
    assert_violation(connection, events, text, ABORT_OF_MESSAGE)


@pytest.mark.parametrize("context_id", [0, 2, REFUSED_CONTEXT, 99, 255])
@pytest.mark.parametrize("role", Role)
def test_a_context_that_was_not_accepted(context_id: int, role: Role) -> None:
    connection = established(role)
    events = feed(connection, command_pdu(ECHO, context_id))
    assert_violation(connection, events, f"{context_id} was not accepted", Abort(source=2, reason=6))


def test_a_context_accepted_with_a_syntax_that_was_not_proposed() -> None:
    """The acceptor broke the rules of negotiation; what it sends there has no defined encoding."""
    answer = associate_ac(
        presentation_contexts=(
            PresentationContextAC(context_id=1, result=0, transfer_syntax="1.2.840.10008.1.2.2"),
        )
    )
    connection = established(R, ac=answer)
    assert not connection.accepted_contexts
    events = feed(connection, command_pdu(EVENT, 1))
    assert_violation(connection, events, "1 was not accepted", Abort(source=2, reason=6))


@pytest.mark.parametrize("role", Role)
def test_any_fragment_on_any_context_gives_events_and_no_exception(role: Role) -> None:
    """All permutations of two fragments."""
    kinds = [
        (context_id, is_command, is_last)
        for context_id in (0, 1, 3, REFUSED_CONTEXT)
        for is_command in (True, False)
        for is_last in (True, False)
    ]
    for first in kinds:
        for second in kinds:
            connection = established(role)
            for context_id, is_command, is_last in (first, second):
                data = encode_command(ECHO) if is_command else b"ab"
                feed(
                    connection,
                    fragment(data, context_id=context_id, is_command=is_command, is_last=is_last),
                )
            connection.receive_eof()
            events_of(connection)
            assert connection.next_event() is CLOSED


# --- responses to nothing, of another kind, of another context ---------------------------------------


def with_echo(context_id: int = 1) -> Connection:
    connection = established(R)
    connection.send_request(ECHO, context_id)
    connection.data_to_send()
    return connection


def test_a_response_to_nothing() -> None:
    connection = established(R)
    events = feed(connection, message(ECHO.response(), context_id=1))
    assert_violation(connection, events, "Message ID 1, which is not outstanding", ABORT_OF_MESSAGE)


def test_a_response_to_another_message_id() -> None:
    connection = with_echo()
    events = feed(connection, message(CEchoRSP(MessageIDBeingRespondedTo=2), context_id=1))
    assert_violation(connection, events, "Message ID 2", ABORT_OF_MESSAGE)


def test_a_second_final_response() -> None:
    connection = with_echo()
    (response, *events) = feed(connection, message(ECHO.response(), context_id=1) * 2)
    assert isinstance(response, ResponseReceived)
    assert_violation(connection, events, "not outstanding", ABORT_OF_MESSAGE)


def test_a_response_of_another_kind() -> None:
    connection = with_echo()
    events = feed(connection, message(CStoreRSP(MessageIDBeingRespondedTo=1), context_id=1))
    assert_violation(connection, events, "C-STORE-RSP to a C-ECHO-RQ", ABORT_OF_MESSAGE)


def test_a_pending_response_where_there_is_none() -> None:
    connection = with_echo()
    events = feed(connection, message(ECHO.response(Status=PENDING), context_id=1))
    assert_violation(connection, events, "pending status FF00H", ABORT_OF_MESSAGE)


def test_a_response_on_another_context_is_taken_with_a_warning() -> None:
    connection = with_echo()
    (response,) = feed(connection, message(ECHO.response(), context_id=5))
    assert response.warnings == ("other-context: request on 1",)
    assert response.context_id == 5


@pytest.mark.parametrize("status", [0x0000, 0xB000, PENDING])
def test_success_before_the_data_set_was_complete(status: int) -> None:
    connection = established(R)
    connection.send_request(FIND_RQ, 5)
    connection.send_data(b"ab", last=False)
    connection.data_to_send()
    events = feed(connection, message(FIND_RQ.response(Status=status), context_id=5))
    assert_violation(connection, events, "before the data set was complete", ABORT_OF_MESSAGE)
    assert not connection.is_sending


# --- command sets that are none -------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        bytes(8),
        bytes(7),
        encode_command(ECHO)[:-1],
        encode_command(ECHO) + b"\0",
        encode_command(ECHO)[:12],
        encode_command(ECHO).replace(b"\x30\x00", b"\x31\x00"),
        b"\x08\x00" + encode_command(ECHO)[2:],
        b"\xff" * 64,
    ],
    ids=[
        "empty",
        "one byte",
        "group length of no bytes",
        "seven bytes",
        "cut short",
        "a byte more",
        "group length alone",
        "unknown command field",
        "another group",
        "noise",
    ],
)
@pytest.mark.parametrize("size", [10_000, 1])
def test_no_command_set(data: bytes, size: int) -> None:
    connection = established(A)
    pdu = fragment(data, context_id=1, is_command=True, is_last=True)
    *events, violation = feed(connection, *cut_every(pdu, size))
    assert events == [MessageIncomplete(context_id=1, command=None)]
    assert_violation(connection, [violation], "", ABORT_OF_MESSAGE)
    assert violation.item_path == "P-DATA-TF / PDV / message"


def test_the_offset_of_a_fault_in_a_message_is_that_of_its_pdv() -> None:
    for size in (10_000, 1):
        connection = established(A)
        bad = fragment(b"\xff" * 64, context_id=1, is_command=True, is_last=True)
        events = feed(connection, *cut_every(message(ECHO) + bad, size))
        assert events[-1].offset == len(encode_pdu(associate_rq())) + len(message(ECHO)) + 6


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 50, 10_000])
@pytest.mark.parametrize("limit", [100, None])
def test_command_length(limit: int | None, size: int) -> None:
    limits = Limits() if limit is None else Limits(command_length=limit)
    limit = limits.command_length
    surplus = b"\x00\x00\xee\xee\x00\x00\x00\x00"
    encoded = encode_command(ECHO)
    padding, rest = divmod(limit - len(encoded), 8)
    padded = (
        encoded + surplus * (padding - 1) + surplus[:4] + (8 + rest - 8).to_bytes(4, "little") + bytes(rest)
    )
    assert len(padded) == limit
    for data, fits in ((padded, True), (padded + b"\0", False)):
        connection = established(A, limits=limits)
        pieces = cut_every(data, max(size, limit // 100))
        events = []
        for number, piece in enumerate(pieces, 1):
            last = number == len(pieces)
            events += feed(connection, fragment(piece, context_id=1, is_command=True, is_last=last))
        if fits:
            assert isinstance(events[0], RequestReceived)
        else:
            assert_violation(connection, events, "Limits.command_length", ABORT_OF_MESSAGE)


@pytest.mark.parametrize("limit", [0, 1, 5, 64])
@pytest.mark.parametrize("where", ["command", "data set", "dropped data set"])
def test_empty_fragments(limit: int, where: str) -> None:
    for surplus in (0, 1):
        connection = established(R, limits=Limits(empty_fragments=limit))
        connection.send_request(FIND_RQ, 5)
        connection.send_data(b"", last=True)
        connection.data_to_send()
        if where == "data set":
            feed(connection, command_pdu(FIND_RQ.response(Status=PENDING, CommandDataSetType=1), 5))
        elif where == "dropped data set":
            feed(connection, command_pdu(FIND_RQ.response(), 5))
        empty = fragment(b"", context_id=5, is_command=where == "command", is_last=False)
        events = feed(connection, *[empty] * (limit + surplus))
        if surplus:
            assert_violation(connection, events, "Limits.empty_fragments", ABORT_OF_MESSAGE)
        else:
            assert events == []


def test_empty_fragments_are_counted_for_each_message() -> None:
    connection = established(A, limits=Limits(empty_fragments=2))
    empty = [
        fragment(b"", context_id=3, is_command=is_command, is_last=False) for is_command in (True, False)
    ]
    for message_id in range(1, 4):
        command = command_pdu(STORE.replace(MessageID=message_id), 3)
        events = feed(connection, empty[0] * 2 + command + empty[1] * 2 + data_pdu(b"ab", 3))
        assert [type(event) for event in events] == [RequestReceived, DataSetChunk]


@pytest.mark.parametrize("limit", [1, 5, None])
def test_outstanding_requests(limit: int | None) -> None:
    """A peer that sends on and on, whatever window was negotiated."""
    limits = Limits() if limit is None else Limits(outstanding_requests=limit)
    limit = limits.outstanding_requests
    connection = established(A, limits=limits)
    requests = [message(ECHO.replace(MessageID=n)) for n in range(1, limit + 2)]
    assert len(feed(connection, *requests[:-1])) == limit == len(connection.unanswered)
    connection.send_response(ECHO.response())
    connection.data_to_send()
    assert len(feed(connection, requests[0])) == 1
    events = feed(connection, requests[-1])
    assert_violation(connection, events, "Limits.outstanding_requests", ABORT_OF_MESSAGE)


def test_refusals_that_wait_count_as_outstanding() -> None:
    connection = established(A, limits=Limits(outstanding_requests=3))
    feed(connection, message(FIND_RQ, b"ab"))
    connection.send_response(FIND_RQ.response(Status=PENDING, CommandDataSetType=1))
    connection.data_to_send()
    refused = message(ACTION.replace(MessageID=2), context_id=3)
    events = feed(connection, refused, refused)
    assert [type(event) for event in events] == [RequestRefused] * 2
    assert_violation(connection, feed(connection, refused), "Limits.outstanding_requests", ABORT_OF_MESSAGE)


# --- dispatch: the engine refuses by itself -------------------------------------------------------


def refusal(connection: Connection, request: Request, status: int, context_id: int) -> bytes:
    """Return the response on the wire, told by the event that the engine gave for information."""
    event = connection.next_event()
    assert isinstance(event, RequestRefused)
    assert (event.command, event.status, event.context_id) == (request, status, context_id)
    assert event.text
    response = request.response(Status=status, ErrorComment=event.text)
    return message(response, context_id=context_id)


REFUSED = {
    "store as acceptor to requestor": (R, STORE, 3, 0x0122),
    "echo as acceptor": (R, ECHO, 1, 0x0122),
    "operation of another service": (A, FIND_RQ, 3, 0x0211),
    "retrieval on a verification context": (A, GET_RQ, 1, 0x0211),
    "action on a storage context": (A, ACTION, 3, 0x0211),
}


@pytest.mark.parametrize(("role", "request_", "context_id", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("size", [10_000, 1])
def test_refused_requests(role: Role, request_: Request, context_id: int, status: int, size: int) -> None:
    """The data set of a refused request is dropped, and the association stays."""
    connection = established(role)
    data = message(request_, b"abcd" if request_.has_data_set else None, context_id)
    for piece in cut_every(data, size):
        connection.receive_data(piece)
    expected = refusal(connection, request_, status, context_id)
    assert events_of(connection) == []
    assert sent_by(connection) == expected
    assert connection.is_established
    assert not connection.unanswered
    assert not connection.is_receiving


def test_a_message_id_in_use() -> None:
    connection = established(A)
    (received,) = feed(connection, message(ECHO))
    connection.receive_data(message(ECHO))
    expected = refusal(connection, ECHO, 0x0210, 1)
    assert sent_by(connection) == expected
    assert dict(connection.unanswered) == {1: received}


def test_a_refusal_waits_for_the_end_of_a_data_set() -> None:
    connection = established(A)
    feed(connection, message(FIND_RQ, b"ab"))
    connection.send_response(FIND_RQ.response(Status=PENDING, CommandDataSetType=1))
    connection.send_data(b"ab", last=False)
    connection.data_to_send()
    other = MOVE_RQ.replace(MessageID=2)
    connection.receive_data(message(other, b"ab", 3))
    expected = refusal(connection, other, 0x0211, 3)
    assert connection.data_to_send() == []
    connection.send_data(b"cd", last=True)
    assert sent_by(connection) == data_pdu(b"cd", 5) + expected


ROLES = [
    # role selection proposed, answered, the acceptor's C-STORE on 3, the requestor's C-STORE on 3
    (None, None, "no", "yes"),
    ({"scp": True}, None, "warn", "yes"),  # proposed and not answered: granted, many acceptors forget
    ({"scp": True}, {"scp": True}, "yes", "yes"),
    ({"scp": True}, {"scp": False}, "no", "yes"),
    ({"scu": False}, {"scu": False}, "yes", "no"),
    (None, {"scp": True}, "no", "yes"),  # not proposed: not granted
]


@pytest.mark.parametrize(("proposed", "answered", "by_acceptor", "by_requestor"), ROLES)
@pytest.mark.parametrize("strict", [False, True])
def test_roles(proposed, answered, by_acceptor: str, by_requestor: str, strict: bool) -> None:
    rq = associate_rq(**({} if proposed is None else roles(CT, **proposed)))
    ac = associate_ac(**({} if answered is None else roles(CT, **answered)))
    for receiver, verdict in ((R, by_acceptor), (A, by_requestor)):
        connection = established(receiver, rq=rq, ac=ac, strict_roles=strict)
        event, *_ = feed(connection, message(STORE, b"ab"))
        if verdict == "no" or (strict and verdict == "warn"):
            assert isinstance(event, RequestRefused)
            assert event.status == 0x0122
            assert connection.is_established
        else:
            assert isinstance(event, RequestReceived)
            assert event.warnings == (("role-not-negotiated: for C-STORE-RQ",) if verdict == "warn" else ())


@pytest.mark.parametrize("strict", [False, True])
def test_event_reports_without_role_selection(strict: bool) -> None:
    connection = established(R, strict_roles=strict)
    event, *_ = feed(connection, message(EVENT))
    assert isinstance(event, RequestReceived)  # the acceptor is SCP by default
    connection = established(A, strict_roles=strict)
    event, *_ = feed(connection, message(EVENT))
    if strict:
        assert isinstance(event, RequestRefused)
    else:
        assert event.warnings == ("role-not-negotiated: for N-EVENT-REPORT-RQ",)


def test_all_that_is_odd_about_a_request_is_told() -> None:
    encoded = encode_command(EVENT) + b"\x00\x00\xee\xee\x01\x00\x00\x00x"
    (event,) = feed(established(A), fragment(encoded, context_id=11, is_command=True, is_last=True))
    codes = ["odd-fragment", "wrong-group-length", "unknown-element", "role-not-negotiated"]
    assert [warning.partition(":")[0] for warning in event.warnings] == codes
    (event,) = feed(
        established(A),
        fragment(
            encode_command(ECHO) + b"\x00\x00\xee\xee\0\0\0\0", context_id=3, is_command=True, is_last=True
        ),
    )
    codes = ["wrong-group-length", "unknown-element", "sop-class-mismatch"]
    assert [warning.partition(":")[0] for warning in event.warnings] == codes


LIBERTIES = [
    (ECHO, 3, "C-ECHO-RQ on another context"),
    (STORE.replace(AffectedSOPClassUID=MR), 3, "C-STORE-RQ of another SOP class than the context's"),
]


@pytest.mark.parametrize(("request_", "context_id", "text"), LIBERTIES)
@pytest.mark.parametrize("strict", [False, True])
def test_liberties(request_: Request, context_id: int, text: str, strict: bool) -> None:
    connection = established(A, strict_dispatch=strict)
    event, *_ = feed(connection, message(request_, b"ab" if request_.has_data_set else None, context_id))
    if strict:
        assert isinstance(event, RequestRefused)
        assert (event.status, event.text) == (0x0122, text)
    else:
        assert event.warnings == (f"sop-class-mismatch: {text}",)


# --- what crosses our release ---------------------------------------------------------------------


def releasing(role: Role) -> Connection:
    connection = established(role)
    connection.send(ReleaseRQ())
    connection.data_to_send()
    return connection


def test_a_request_that_crosses_our_release_cannot_be_answered() -> None:
    for request_, context_id in ((STORE, 3), (FIND_RQ, 3)):  # one that would pass, one that would be refused
        connection = releasing(A)
        (refused,) = feed(connection, message(request_, b"ab", context_id))
        assert isinstance(refused, RequestRefused)
        assert refused.status is None
        assert connection.data_to_send() == []
        assert feed(connection, encode_pdu(ReleaseRP())) == [ReleaseRP()]


def test_a_late_response_is_dropped_whole() -> None:
    connection = releasing(R)
    late = FIND_RQ.response(Status=PENDING, CommandDataSetType=1)
    assert feed(connection, message(late, b"ab", 5)) == []
    assert feed(connection, command_pdu(late, 5), message(late, b"ab", 5)) == []
    assert feed(connection, message(ECHO.response(), context_id=1)) == []
    assert feed(connection, encode_pdu(ReleaseRP())) == [ReleaseRP()]


def test_half_a_dropped_message_is_not_reported() -> None:
    connection = established(A)
    feed(connection, command_pdu(FIND_RQ, 3), data_pdu(b"ab", 3, is_last=False))
    assert feed(connection, encode_pdu(ReleaseRQ())) == [ReleaseRQ()]


@pytest.mark.parametrize("claims", [False, True])
@pytest.mark.parametrize("command", [ECHO, CCancelRQ(MessageIDBeingRespondedTo=9)], ids=lambda c: c.name)
def test_what_cannot_have_a_data_set_has_none(command: Command, claims: bool) -> None:
    """Whatever its Data Set Type says; one that follows all the same is dropped and reported."""
    connection = established(A)
    encoded = encode_command(command)
    if claims:
        encoded = (
            encoded[: encoded.rindex(b"\x01\x01")] + b"\x00\x00" + encoded[encoded.rindex(b"\x01\x01") + 2 :]
        )
    pdu = fragment(encoded, context_id=1, is_command=True, is_last=True)
    events = feed(connection, pdu)
    assert [event.has_data_set for event in events] == [False] * len(events)
    assert feed(connection, data_pdu(b"ab", 1)) == [UnexpectedDataSet(context_id=1, length=2)]
    (event,) = feed(connection, message(ECHO.replace(MessageID=8)))
    assert isinstance(event, RequestReceived)


def test_a_dropped_data_set_may_be_followed_by_a_message() -> None:
    connection = established(R)
    connection.send_request(MOVE_RQ, 7)
    connection.send_data(b"", last=True)
    response, dropped, event = feed(
        connection, message(MOVE_RQ.response(), context_id=7), data_pdu(b"ab", 7), message(EVENT)
    )
    assert response.is_final
    assert isinstance(dropped, UnexpectedDataSet)
    assert isinstance(event, RequestReceived)


def test_one_data_set_is_dropped_and_no_more() -> None:
    connection = established(R)
    connection.send_request(MOVE_RQ, 7)
    connection.send_data(b"", last=True)
    connection.data_to_send()
    events = feed(connection, message(MOVE_RQ.response(), context_id=7), data_pdu(b"ab", 7) * 2)
    assert events[1] == UnexpectedDataSet(context_id=7, length=2)
    assert_violation(connection, events, "a command was due", ABORT_OF_MESSAGE)


def test_no_data_set_is_dropped_once_another_message_has_come() -> None:
    connection = established(R)
    connection.send_request(MOVE_RQ, 7)
    connection.send_data(b"", last=True)
    connection.data_to_send()
    events = feed(connection, message(MOVE_RQ.response(), context_id=7), message(EVENT), data_pdu(b"ab", 7))
    assert_violation(connection, events, "a command was due", ABORT_OF_MESSAGE)


def test_a_data_set_that_has_begun_is_not_merely_announced() -> None:
    pending = message(FIND_RQ.response(Status=PENDING, CommandDataSetType=1), context_id=5)
    part = data_pdu(b"ab", 5, is_last=False)
    for rest in ([], [data_pdu(b"", 5, is_last=False)]):
        connection = established(R)
        connection.send_request(FIND_RQ, 5)
        connection.send_data(b"", last=True)
        connection.data_to_send()
        events = feed(connection, pending, part, *rest, pending)
        assert_violation(
            connection, events, "command fragment while the data set is incomplete", ABORT_OF_MESSAGE
        )


def test_warnings_stay_with_their_message() -> None:
    connection = established(A)
    odd = encode_command(ECHO)
    pieces = [
        fragment(odd[:3], context_id=1, is_command=True, is_last=False),
        fragment(odd[3:], context_id=1, is_command=True, is_last=True),
    ]
    first, second = feed(connection, *pieces, message(ECHO.replace(MessageID=2)))
    assert [warning.partition(":")[0] for warning in first.warnings] == ["odd-fragment"]
    assert second.warnings == ()


def test_other_contexts_have_no_stray_data_sets() -> None:
    connection = established(R)
    connection.send_request(MOVE_RQ, 7)
    connection.send_data(b"", last=True)
    connection.data_to_send()
    events = feed(connection, message(MOVE_RQ.response(), context_id=7), data_pdu(b"ab", 5))
    assert_violation(connection, events, "a command was due", ABORT_OF_MESSAGE)


def test_the_failures_of_a_retrieval_reach_the_caller() -> None:
    connection = established(R)
    connection.send_request(GET_RQ, 9)
    connection.send_data(b"", last=True)
    response = GET_RQ.response(
        Status=OUT_OF_RESOURCES, NumberOfFailedSuboperations=3, ErrorComment="disk full"
    )
    (event,) = feed(connection, message(response, context_id=9))
    assert event.command == response
