"""Messages in both directions: requests, responses, data sets in chunks, cancels, and what matches what."""

from __future__ import annotations

import array

import pytest

from dicomproto import NEED_DATA, Connection, LocalProtocolError
from dicomproto.dimse.codec import decode_command
from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    NO_DATA_SET,
    CCancelRQ,
    CEchoRSP,
    CFindRSP,
    CStoreRSP,
    Request,
)
from dicomproto.dimse.events import (
    CancelReceived,
    DataSetChunk,
    RequestReceived,
    RequestRefused,
    ResponseReceived,
    UnexpectedDataSet,
)
from dicomproto.dimse.status import DUPLICATE_INVOCATION
from dicomproto.upper_layer import (
    Abort,
    LocallyEnded,
    PDataTF,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    decode_pdu,
)
from tests.dialogues import (
    ACTION,
    CANCELLED,
    CONTEXT_OF,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    OUT_OF_RESOURCES,
    PENDING,
    REFUSED_CONTEXT,
    STORE,
    SUCCESS,
    Dialogue,
    associate_ac,
    associate_rq,
    data_pdu,
    established,
    events_of,
    feed,
    joined,
    message,
    pending,
    sent_by,
    window,
)
from tests.streams import cut_every

R, A = Role.REQUESTOR, Role.ACCEPTOR
REQUESTS = [ECHO, STORE, FIND_RQ, MOVE_RQ, GET_RQ, ACTION, EVENT]


@pytest.fixture(params=[lambda data: [data], lambda data: cut_every(data, 1)], ids=["whole", "byte by byte"])
def dialogue(request: pytest.FixtureRequest) -> Dialogue:
    return Dialogue(request.param)


def values_of(data: bytes) -> list[tuple[int, bool, bool, bytes]]:
    """Return the PDVs of a byte stream of P-DATA-TF PDUs, one of each in each."""
    values = []
    while data:
        length = 6 + int.from_bytes(data[2:6], "big")
        pdu = decode_pdu(data[:length])
        assert isinstance(pdu, PDataTF)
        (value,) = pdu.values
        values.append((value.context_id, value.is_command, value.is_last, bytes(value.data)))
        data = data[length:]
    return values


# --- one operation --------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_request_and_response(dialogue: Dialogue, request_: Request) -> None:
    """Either side sends (N-EVENT-REPORT the SCP), the other answers; both forget it."""
    invoker = dialogue.acceptor if request_ is EVENT else dialogue.requestor
    performer = dialogue.other(invoker)
    context_id = CONTEXT_OF[type(request_)]
    message_id = invoker.send_request(request_.replace(MessageID=0), context_id)
    assert message_id == 1
    assert dict(invoker.outstanding) == {1: request_}
    expected: list[object] = []
    if request_.has_data_set:
        assert invoker.is_sending
        invoker.send_data(b"data set", last=True)
        expected = [DataSetChunk(context_id=context_id, data=b"data set", last=True)]
    assert not invoker.is_sending
    received, *data_set = dialogue.carry(invoker)
    assert data_set == expected
    assert received == RequestReceived(
        context_id=context_id, command=request_, has_data_set=request_.has_data_set
    )
    assert dict(performer.unanswered) == {1: received}
    response = request_.response(Status=SUCCESS)
    performer.send_response(response)
    assert not performer.unanswered
    assert dialogue.carry(performer) == [
        ResponseReceived(
            context_id=context_id, command=response, request=request_, has_data_set=False, is_final=True
        )
    ]
    assert not invoker.outstanding
    assert not performer.is_receiving
    assert not invoker.is_receiving


def test_pending_responses_with_identifiers(dialogue: Dialogue) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(FIND_RQ, 5)
    requestor.send_data(b"key", last=False)
    requestor.send_data(b"s", last=True)
    received, _ = dialogue.carry(requestor)
    for number in range(3):
        acceptor.send_response(pending(received.command))
        with pytest.raises(LocalProtocolError, match="end it first"):
            acceptor.send_response(pending(received.command))
        acceptor.send_data(bytes([number]) * 2, last=True)
        response, chunk = dialogue.carry(acceptor)
        assert (response.is_final, response.has_data_set, response.request) == (False, True, FIND_RQ)
        assert chunk.data == bytes([number]) * 2
        assert 1 in requestor.outstanding
        assert 1 in acceptor.unanswered
    acceptor.send_response(received.command.response())
    (response,) = dialogue.carry(acceptor)
    assert response.is_final
    assert not requestor.outstanding


def test_a_response_waits_behind_the_data_set_under_way(dialogue: Dialogue) -> None:
    """PS3.8 Annex E.1: the fragments of two messages never interleave."""
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(FIND_RQ, 5)
    requestor.send_data(b"keys", last=True)
    received, _ = dialogue.carry(requestor)
    acceptor.send_response(pending(received.command))
    acceptor.send_data(b"some", last=False)
    acceptor.send_response(received.command.response())
    assert not acceptor.unanswered
    first, chunk = dialogue.carry(acceptor)
    assert (first.is_final, chunk.last) == (False, False)
    with pytest.raises(LocalProtocolError, match="end it first"):
        acceptor.send(ReleaseRQ())
    acceptor.send_data(b"more", last=True)
    rest, final = dialogue.carry(acceptor)
    assert (rest.data, rest.last) == (b"more", True)
    assert final.is_final
    assert not requestor.outstanding


def test_pending_responses_that_wait_are_no_requests(dialogue: Dialogue) -> None:
    """`Limits.outstanding_requests` bounds what the peer asks, not how often we answer."""
    acceptor = dialogue.acceptor
    limit = acceptor.limits.outstanding_requests
    (received,) = [e for e in feed(acceptor, message(MOVE_RQ, b"keys")) if isinstance(e, RequestReceived)]
    acceptor.send_request(EVENT.replace(CommandDataSetType=DATA_SET_PRESENT), 11)
    for _ in range(limit + 1):
        acceptor.send_response(received.command.response(PENDING))
    again = message(ECHO.replace(MessageID=2))
    (echo,) = feed(acceptor, again)
    assert isinstance(echo, RequestReceived)
    for _ in range(limit - 2):  # responses to requests that are refused do count, with the two unanswered
        (refused,) = feed(acceptor, again)
        assert isinstance(refused, RequestRefused)
    *_, end = feed(acceptor, again)
    assert isinstance(end, ProtocolViolation)
    assert not acceptor.cancelled


def test_a_response_that_cannot_be_encoded_does_not_wait(dialogue: Dialogue) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(FIND_RQ, 5)
    requestor.send_data(b"keys", last=True)
    received, _ = dialogue.carry(requestor)
    acceptor.send_response(pending(received.command))
    with pytest.raises(LocalProtocolError):
        acceptor.send_response(received.command.response(OUT_OF_RESOURCES, AffectedSOPClassUID="1.\u20ac"))
    assert acceptor.unanswered
    acceptor.send_data(b"some", last=True)
    assert not acceptor.is_sending


def test_a_message_id_is_in_use_until_its_response_has_left(dialogue: Dialogue) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(FIND_RQ, 5)
    requestor.send_data(b"keys", last=True)
    received, _ = dialogue.carry(requestor)
    acceptor.send_response(pending(received.command))
    acceptor.send_data(b"some", last=False)
    acceptor.send_response(received.command.response())
    (refused,) = feed(acceptor, message(ECHO))
    assert isinstance(refused, RequestRefused)
    assert (refused.command, refused.status) == (ECHO, DUPLICATE_INVOCATION)


def test_requests_in_both_directions_at_once(dialogue: Dialogue) -> None:
    """The peer may ask while it is being asked; equal Message IDs do not meet."""
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    assert requestor.send_request(ACTION.replace(MessageID=0), 11) == 1
    assert acceptor.send_request(EVENT.replace(MessageID=0), 11) == 1
    (action,) = dialogue.carry(requestor)
    (event,) = dialogue.carry(acceptor)
    requestor.send_response(event.command.response())
    acceptor.send_response(action.command.response())
    (response,) = dialogue.carry(requestor)
    assert response.request == EVENT
    (response,) = dialogue.carry(acceptor)
    assert response.request == ACTION


def test_one_command_and_one_pdv_in_each_pdu() -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(bytes(20_000), last=False)
    connection.send_data(bytes(2), last=True)
    first, *rest = values_of(sent_by(connection))
    assert first[:3] == (3, True, True)
    assert decode_command(first[3]) == STORE
    assert [(value[:3], len(value[3])) for value in rest] == [
        ((3, False, False), 16378),
        ((3, False, False), 3622),
        ((3, False, True), 2),
    ]


# --- data sets in chunks of any size --------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        [0],
        [2],
        [1, 1],
        [1, 0, 1],
        [3, 4, 5],
        [0, 0, 2, 0],
        [1, 2, 3, 4, 6],
        [7, 0, 0, 1],
        [1] * 10,
        [513, 515],
    ],
    ids=str,
)
@pytest.mark.parametrize("ended_by", ["last chunk", "empty chunk"])
def test_chunks_of_any_size_leave_as_even_fragments(sizes: list[int], ended_by: str) -> None:
    payload = bytes(at % 251 for at in range(sum(sizes)))
    connection = established(R)
    connection.send_request(STORE, 3)
    if ended_by == "empty chunk":
        sizes = [*sizes, 0]
    position = 0
    for number, size in enumerate(sizes, 1):
        chunk = payload[position : position + size]
        connection.send_data(chunk, last=number == len(sizes))
        position += size
    _, *values = values_of(sent_by(connection))
    assert b"".join(value[3] for value in values) == payload
    assert all(len(value[3]) % 2 == 0 for value in values)
    assert [value[2] for value in values] == [False] * (len(values) - 1) + [True]
    assert all(value[3] for value in values[:-1])
    assert not connection.is_sending


@pytest.mark.parametrize("sizes", [[1], [2, 1], [1, 1, 1], [3, 0], [0, 5]], ids=str)
def test_an_odd_data_set_is_refused_or_padded(sizes: list[int]) -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    for size in sizes[:-1]:
        connection.send_data(b"x" * size, last=False)
    before = connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="odd length; pad=True adds a NUL"):
        connection.send_data(b"x" * sizes[-1], last=True)
    assert connection.is_sending
    assert connection.data_to_send() == []
    connection.send_data(b"x" * sizes[-1], last=True, pad=True)
    _, *values = values_of(b"".join(before) + sent_by(connection))
    assert b"".join(value[3] for value in values) == b"x" * sum(sizes) + b"\0"
    assert not connection.is_sending


def test_an_even_data_set_is_not_padded() -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(b"ab", last=True, pad=True)
    assert values_of(sent_by(connection))[-1][3] == b"ab"


def test_a_view_of_wider_items_counts_bytes() -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(memoryview(array.array("H", [1, 2, 3])), last=True)
    assert len(values_of(sent_by(connection))[-1][3]) == 6


def test_chunks_of_a_received_data_set_are_views_of_what_came() -> None:
    connection = established(A)
    data = message(STORE, b"x" * 1000)
    (_, chunk) = feed(connection, data)
    assert isinstance(chunk.data, memoryview)
    assert chunk.data.obj is data
    assert chunk.data.readonly


def test_the_first_bytes_of_a_data_set_do_not_wait_for_the_rest() -> None:
    connection = established(A)
    data = message(STORE, b"x" * 1000)
    events = feed(connection, data[:-999])
    assert [type(event) for event in events] == [RequestReceived, DataSetChunk]
    assert connection.is_receiving
    (chunk,) = feed(connection, data[-999:])
    assert (len(chunk.data), chunk.last) == (999, True)
    assert not connection.is_receiving


@pytest.mark.parametrize("size", [0, 2, 700])
def test_buffers_may_change_once_they_were_sent(size: int) -> None:
    dialogue = Dialogue()
    dialogue.requestor.send_request(STORE, 3)
    expected = b""
    received: list[object] = []
    for fill in (b"\x11", b"\x22", b"\x33"):
        buffer = bytearray(fill * size + fill)  # odd, so one byte waits each time
        dialogue.requestor.send_data(buffer, last=fill == b"\x33", pad=True)
        data = sent_by(dialogue.requestor)
        expected += bytes(buffer)
        buffer[:] = b"\xaa" * len(buffer)
        received += feed(dialogue.acceptor, data)
    _, chunk = joined(received)
    assert chunk.data == expected + b"\0" * (len(expected) % 2)


# --- fragments of a command, several messages in a PDU --------------------------------------------


def pdvs(*values: tuple[bytes, bool, bool], context_id: int) -> bytes:
    """Return one P-DATA-TF of (data, is command, is last) values."""
    body = b"".join(
        (len(data) + 2).to_bytes(4, "big") + bytes((context_id, is_command | is_last << 1)) + data
        for data, is_command, is_last in values
    )
    return b"\x04\x00" + len(body).to_bytes(4, "big") + body


def command_bytes(command: Request) -> bytes:
    return message(command)[12:]


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_a_command_in_fragments(size: int) -> None:
    encoded = command_bytes(STORE)
    pieces = cut_every(encoded, size)
    connection = established(A)
    assert feed(connection, pdvs((b"", True, False), context_id=3)) == []
    for piece in pieces[:-1]:
        assert feed(connection, pdvs((piece, True, False), context_id=3)) == []
        assert connection.is_receiving
    (received,) = feed(connection, pdvs((pieces[-1], True, True), context_id=3))
    assert received.command == STORE


def test_command_and_data_set_in_one_pdu() -> None:
    connection = established(A)
    both = pdvs((command_bytes(STORE), True, True), (b"ab", False, False), (b"cd", False, True), context_id=3)
    received, chunk = joined(feed(connection, both))
    assert received.command == STORE
    assert received.warnings == ()
    assert (chunk.data, chunk.last) == (b"abcd", True)


def test_several_messages_in_one_pdu_are_taken_in_order_with_a_warning() -> None:
    connection = established(A)
    first, second = command_bytes(STORE), command_bytes(STORE.replace(MessageID=2))
    data = pdvs(
        (first, True, True), (b"ab", False, True), (second, True, True), (b"cd", False, True), context_id=3
    )
    events = joined(feed(connection, data))
    assert [type(event).__name__ for event in events] == ["RequestReceived", "DataSetChunk"] * 2
    assert [chunk.data for chunk in events[1::2]] == [b"ab", b"cd"]
    assert events[0].warnings == ()
    assert events[2].warnings == ("several-messages: in one P-DATA-TF",)


def test_oddities_of_the_fragments_come_with_the_message() -> None:
    connection = established(A)
    odd = command_bytes(ECHO)
    events = feed(
        connection,
        pdvs((odd[:3], True, False), (odd[3:], True, True), context_id=1),
        message(STORE.replace(MessageID=2), b"abc"),
    )
    assert events[0].warnings == ("odd-fragment: 3 bytes",)  # each kind once
    assert events[-1].warnings == ("odd-fragment: 3 bytes",)


# --- several operations at once -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "effective"), [(3, 3, 3), (5, 2, 2), (0, 4, 4), (4, 0, 4), (0, 0, 200)]
)
def test_a_peer_that_withholds_all_answers(asked: int, answered: int, effective: int) -> None:
    """N requests go out before the first answer; they are answered in any order, the last one first."""
    dialogue = Dialogue(rq=associate_rq(**window(asked)), ac=associate_ac(**window(answered)))
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    count = min(effective, 60)
    for number in range(count):
        assert requestor.can_invoke
        requestor.send_request(STORE.replace(MessageID=0), 3)
        requestor.send_data(bytes([number]) * 2, last=True)
    assert len(requestor.outstanding) == count
    assert requestor.can_invoke is (effective > count)
    if effective == count:
        with pytest.raises(LocalProtocolError, match=f"{count} operations are outstanding"):
            requestor.send_request(ECHO.replace(MessageID=0), 1)
    requests = [event for event in dialogue.carry(requestor) if isinstance(event, RequestReceived)]
    assert [request.command.MessageID for request in requests] == list(range(1, count + 1))
    assert len(acceptor.unanswered) == count
    for request in reversed(requests):
        acceptor.send_response(request.command.response(Status=request.command.MessageID + 0xB000))
    responses = dialogue.carry(acceptor)
    assert [response.request.MessageID for response in responses] == list(range(count, 0, -1))
    assert all(r.command.Status == r.request.MessageID + 0xB000 for r in responses)
    assert requestor.can_invoke
    assert not requestor.outstanding


@pytest.mark.parametrize(
    ("rq", "ac"), [({}, {}), (window(5), {}), ({}, window(5)), (window(5), window(1)), (window(1), window(9))]
)
def test_one_at_a_time_unless_both_negotiate_more(rq: dict[str, object], ac: dict[str, object]) -> None:
    connection = established(R, rq=associate_rq(**rq), ac=associate_ac(**ac))
    connection.send_request(ECHO, 1)
    assert not connection.can_invoke
    with pytest.raises(LocalProtocolError, match="1 operations are outstanding"):
        connection.send_request(ECHO.replace(MessageID=2), 1)
    assert sent_by(connection) == message(ECHO)


def test_the_acceptor_has_the_other_half_of_the_window() -> None:
    both = window(1, 2)
    connection = established(A, rq=associate_rq(**both), ac=associate_ac(**both))
    for message_id in (1, 2):
        connection.send_request(EVENT.replace(MessageID=message_id), 11)
    assert not connection.can_invoke


def test_message_ids() -> None:
    connection = established(R, rq=associate_rq(**window(0)), ac=associate_ac(**window(0)))
    assert connection.send_request(ECHO.replace(MessageID=2), 1) == 2
    assert connection.send_request(ECHO.replace(MessageID=0), 1) == 1
    assert connection.send_request(ECHO.replace(MessageID=0), 1) == 3  # 2 is in use
    assert connection.send_request(ECHO.replace(MessageID=65535), 1) == 65535
    with pytest.raises(LocalProtocolError, match="Message ID 3 is in use"):
        connection.send_request(ECHO.replace(MessageID=3), 1)
    with pytest.raises(LocalProtocolError):
        connection.send_request(ECHO.replace(MessageID=65536), 1)
    feed(connection, message(ECHO.replace(MessageID=3).response(), context_id=1))
    for message_id in [*range(4, 65535), 3]:  # the one unused for longest, and round again
        assert connection.send_request(ECHO.replace(MessageID=0), 1) == message_id
        connection.data_to_send()
        if message_id > 100:
            feed(connection, message(ECHO.replace(MessageID=message_id).response(), context_id=1))


# --- C-CANCEL -------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [FIND_RQ, MOVE_RQ, GET_RQ], ids=lambda request: request.name)
def test_cancel(dialogue: Dialogue, request_: Request) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(request_, CONTEXT_OF[type(request_)])
    requestor.send_data(b"", last=True)
    dialogue.carry(requestor)
    requestor.send_cancel(1)
    assert dialogue.carry(requestor) == [CancelReceived(message_id=1)]
    assert 1 in acceptor.unanswered
    assert 1 in requestor.outstanding
    acceptor.send_response(request_.response(Status=CANCELLED))
    (response,) = dialogue.carry(acceptor)
    assert (response.is_final, response.command.Status) == (True, CANCELLED)


def test_a_cancel_is_reported_once_for_each_operation() -> None:
    connection = established(A)
    cancel = message(CCancelRQ(MessageIDBeingRespondedTo=1), context_id=5)
    assert feed(connection, cancel) == []  # nothing to cancel
    feed(connection, message(FIND_RQ, b"key "))
    cancelled = connection.cancelled
    assert feed(connection, cancel * 1000) == [CancelReceived(message_id=1)]
    assert cancelled == {1}
    connection.send_response(FIND_RQ.response(Status=CANCELLED))
    assert feed(connection, cancel) == []  # it crossed our response
    feed(connection, message(FIND_RQ, b"key "))
    assert feed(connection, cancel) == [CancelReceived(message_id=1)]


def test_a_cancel_of_what_cannot_be_cancelled_is_ignored() -> None:
    connection = established(A)
    feed(connection, message(STORE, b"ab"))
    assert feed(connection, message(CCancelRQ(MessageIDBeingRespondedTo=1), context_id=3)) == []
    connection.send_response(STORE.response())
    assert values_of(sent_by(connection))


def test_only_outstanding_queries_and_retrievals_can_be_cancelled() -> None:
    connection = established(R)
    with pytest.raises(LocalProtocolError, match="Message ID 1 is outstanding"):
        connection.send_cancel(1)
    connection.send_request(ECHO, 1)
    with pytest.raises(LocalProtocolError, match="Message ID 1 is outstanding"):
        connection.send_cancel(1)
    assert sent_by(connection) == message(ECHO)


def test_no_cancel_within_a_data_set() -> None:
    connection = established(R)
    connection.send_request(FIND_RQ, 5)
    with pytest.raises(LocalProtocolError, match="within the data set of a C-FIND-RQ"):
        connection.send_cancel(1)


# --- early failure --------------------------------------------------------------------------------


def test_an_scp_may_fail_early_and_drains_the_rest(dialogue: Dialogue) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send_request(STORE, 3)
    requestor.send_data(b"first half", last=False)
    received, _ = dialogue.carry(requestor)
    with pytest.raises(LocalProtocolError, match="before the data set is complete"):
        acceptor.send_response(STORE.response(Status=SUCCESS))
    acceptor.send_response(received.command.response(Status=OUT_OF_RESOURCES))
    (response,) = dialogue.carry(acceptor)
    assert (response.is_early, response.is_final) == (True, True)
    assert not requestor.outstanding
    assert requestor.is_sending
    requestor.send_data(b"", last=True)
    (rest,) = dialogue.carry(requestor)
    assert (rest.data, rest.last) == (b"\0\0", True)
    requestor.send_request(ECHO, 1)
    (received,) = dialogue.carry(requestor)
    acceptor.send_response(received.command.response())
    (response,) = dialogue.carry(acceptor)
    assert (response.is_early, response.request) == (False, ECHO)


@pytest.mark.parametrize(
    ("status", "data_set"), [(SUCCESS, NO_DATA_SET), (0xB000, NO_DATA_SET), (PENDING, DATA_SET_PRESENT)]
)
def test_only_a_failure_may_come_early(status: int, data_set: int) -> None:
    connection = established(A)
    data = message(FIND_RQ, b"key ")
    feed(connection, data[:-1])
    with pytest.raises(LocalProtocolError, match="before the data set is complete"):
        connection.send_response(FIND_RQ.response(Status=status))
    feed(connection, data[-1:])
    connection.send_response(FIND_RQ.response(Status=status, CommandDataSetType=data_set))


def test_the_message_id_of_an_early_failure_may_be_used_again() -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(b"ab", last=False)
    feed(connection, message(STORE.response(Status=OUT_OF_RESOURCES), context_id=3))
    connection.send_data(b"cd", last=True)
    assert connection.next_deadline(0.0) is None  # nothing is awaited
    connection.send_request(STORE, 3)
    connection.send_data(b"", last=True)
    (response,) = feed(connection, message(STORE.response(), context_id=3))
    assert (response.is_early, response.command.Status) == (False, SUCCESS)


# --- data sets that were not announced, or only announced ------------------------------------------


def test_a_data_set_that_was_not_announced_is_dropped() -> None:
    connection = established(R, rq=associate_rq(**window(2)), ac=associate_ac(**window(2)))
    connection.send_request(FIND_RQ, 5)
    connection.send_data(b"", last=True)
    data = message(FIND_RQ.response(), context_id=5)
    response, dropped = feed(
        connection,
        data,
        data_pdu(b"abc", 5, is_last=False),
        data_pdu(b"", 5, is_last=False),
        data_pdu(b"d", 5),
    )
    assert response.is_final
    assert dropped == UnexpectedDataSet(context_id=5, length=4)
    connection.send_request(ECHO, 1)
    (response,) = feed(connection, message(ECHO.response(), context_id=1))
    assert response.request == ECHO


def test_a_data_set_that_was_only_announced_is_empty() -> None:
    """Some peers say that a pending C-MOVE response has a data set, and send none."""
    connection = established(R)
    connection.send_request(MOVE_RQ, 7)
    connection.send_data(b"", last=True)
    lie = message(MOVE_RQ.response(Status=PENDING, CommandDataSetType=1), context_id=7)
    events = feed(connection, lie, lie, message(MOVE_RQ.response(), context_id=7))
    assert [type(event).__name__ for event in events] == [
        "ResponseReceived",
        "DataSetChunk",
        "ResponseReceived",
        "DataSetChunk",
        "ResponseReceived",
    ]
    for chunk in events[1::2]:
        assert (chunk.context_id, chunk.data, chunk.last) == (7, b"", True)
        assert chunk.warnings == ("missing-data-set: the response announced one",)


@pytest.mark.parametrize("data_set_type", [0x0000, 0x0001, 0x0102, 0xFEFE])
def test_anything_but_0101_says_that_a_data_set_follows(data_set_type: int) -> None:
    connection = established(A)
    request = STORE.replace(CommandDataSetType=data_set_type)
    received, chunk = feed(connection, message(request, b"ab"))
    assert received.has_data_set
    assert chunk.last


# --- misuse ---------------------------------------------------------------------------------------

UNANSWERED = established(A)
feed(UNANSWERED, message(ECHO))


def while_sending() -> Connection:
    connection = established(R)
    connection.send_request(STORE, 3)
    return connection


def with_store() -> Connection:
    connection = established(A)
    feed(connection, message(STORE, b"ab"))
    return connection


def waiting() -> Connection:
    connection = established(R)
    connection.send_request(ECHO, 1)
    return connection


MISUSE = {
    "request on a refused context": (lambda: established(R), lambda c: c.send_request(ECHO, REFUSED_CONTEXT)),
    "request on no context": (lambda: established(R), lambda c: c.send_request(ECHO, 99)),
    "request in the wrong role": (lambda: established(A), lambda c: c.send_request(ECHO, 1)),
    "request that cannot be encoded": (
        lambda: established(R),
        lambda c: c.send_request(ECHO.replace(AffectedSOPClassUID="1" * 65), 1),
    ),
    "request without its data set": (
        lambda: established(R),
        lambda c: c.send_request(STORE.replace(CommandDataSetType=0x0101), 3),
    ),
    "request within a data set": (while_sending, lambda c: c.send_request(ECHO, 1)),
    "release within a data set": (while_sending, lambda c: c.send(ReleaseRQ())),
    "response without request": (lambda: established(A), lambda c: c.send_response(ECHO.response())),
    "response of another kind": (
        with_store,
        lambda c: c.send_response(CEchoRSP(MessageIDBeingRespondedTo=1)),
    ),
    "pending C-STORE response": (with_store, lambda c: c.send_response(STORE.response(Status=PENDING))),
    "response that cannot be encoded": (
        with_store,
        lambda c: c.send_response(STORE.response(Status=0x10000)),
    ),
    "data without a message": (with_store, lambda c: c.send_data(b"", last=True)),
    "release with a request unanswered": (with_store, lambda c: c.send(ReleaseRQ())),
    "release with a request outstanding": (waiting, lambda c: c.send(ReleaseRQ())),
    "release response unasked": (waiting, lambda c: c.send(ReleaseRP())),
    "P-DATA past the messages": (lambda: established(R), lambda c: c.send(PDataTF(values=()))),
    "proposal on an association": (lambda: established(R), lambda c: c.send(associate_rq())),
    "answer on an association": (lambda: established(A), lambda c: c.send(associate_ac())),
}


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
        connection.data_to_send(),
        connection.next_event(),
    )


@pytest.mark.parametrize(("make", "misuse"), MISUSE.values(), ids=MISUSE)
def test_misuse_changes_nothing(make, misuse) -> None:
    connection, twin = make(), make()
    with pytest.raises(LocalProtocolError):
        misuse(connection)
    assert facts(connection) == facts(twin)


@pytest.mark.parametrize("state", ["new", "proposed", "released", "aborted"])
def test_no_messages_without_an_association(state: str) -> None:
    connection = Connection(R) if state in ("new", "proposed") else established(R)
    if state == "proposed":
        connection.send(associate_rq())
        connection.transport_connected()
    elif state == "released":
        connection.send(ReleaseRQ())
    elif state == "aborted":
        connection.send(Abort())
    before = connection.state
    with pytest.raises(LocalProtocolError):
        connection.send_request(ECHO, 1)
    assert connection.state is before


def test_errors_name_the_remedy() -> None:
    with pytest.raises(LocalProtocolError, match=r"A-RELEASE-RQ while requests sent are not answered: \[1\]"):
        waiting().send(ReleaseRQ())
    with pytest.raises(LocalProtocolError, match=r"requests received are not answered: \[1\]"):
        UNANSWERED.send(ReleaseRQ())
    with pytest.raises(LocalProtocolError, match="C-ECHO-RSP does not answer a C-STORE-RQ"):
        with_store().send_response(CEchoRSP(MessageIDBeingRespondedTo=1))


# --- release --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_release(dialogue: Dialogue, role: Role) -> None:
    ours = dialogue.requestor if role is R else dialogue.acceptor
    peer = dialogue.other(ours)
    ours.send(ReleaseRQ())
    assert not ours.is_established
    assert dialogue.carry(ours) == [ReleaseRQ()]
    peer.send(ReleaseRP())
    assert dialogue.carry(peer) == [ReleaseRP()]
    assert events_of(peer) == [LocallyEnded(pdu=ReleaseRP())]


def test_what_is_open_may_be_answered_after_the_peers_release_request() -> None:
    connection = established(A)
    feed(connection, message(FIND_RQ, b"ab") + bytes.fromhex("05 00 00000004 00000000"))
    connection.send_response(pending(FIND_RQ))
    connection.send_data(b"ab", last=True)
    connection.send_response(FIND_RQ.response())
    connection.send(ReleaseRP())
    assert events_of(connection) == [LocallyEnded(pdu=ReleaseRP())]


def test_release_collision(dialogue: Dialogue) -> None:
    """The acceptor's answer is held back until the requestor's has come; each sees one end."""
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send(ReleaseRQ())
    acceptor.send(ReleaseRQ())
    assert dialogue.carry(requestor) == [ReleaseRQ()]
    assert dialogue.carry(acceptor) == [ReleaseRQ()]
    acceptor.send(ReleaseRP())
    assert acceptor.data_to_send() == []
    assert acceptor.state is State.STA10
    requestor.send(ReleaseRP())
    assert dialogue.carry(requestor) == [LocallyEnded(pdu=ReleaseRP())]
    assert dialogue.carry(acceptor) == [ReleaseRP()]


def test_release_collision_answered_late(dialogue: Dialogue) -> None:
    requestor, acceptor = dialogue.requestor, dialogue.acceptor
    requestor.send(ReleaseRQ())
    acceptor.send(ReleaseRQ())
    dialogue.carry(requestor)
    dialogue.carry(acceptor)
    requestor.send(ReleaseRP())
    assert dialogue.carry(requestor) == []
    assert acceptor.state is State.STA12
    acceptor.send(ReleaseRP())
    assert dialogue.carry(acceptor) == [ReleaseRP()]
    assert events_of(acceptor) == [LocallyEnded(pdu=ReleaseRP())]


# --- facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_facts_of_an_association(role: Role) -> None:
    connection = established(role)
    assert connection.role is role
    assert (connection.request, connection.answer) == (associate_rq(), associate_ac())
    assert list(connection.accepted_contexts) == [1, 3, 5, 7, 9, 11]
    assert list(connection.rejected_contexts) == [REFUSED_CONTEXT]
    assert connection.is_established
    assert connection.can_invoke
    assert connection.peer_maximum_length == 16384
    assert connection.limits.collect
    assert connection.timeouts.close
    assert not connection.outstanding
    assert not connection.unanswered
    assert connection.next_event() is NEED_DATA


def test_classes_of_the_answers() -> None:
    assert isinstance(STORE.response(), CStoreRSP)
    assert isinstance(pending(FIND_RQ), CFindRSP)
