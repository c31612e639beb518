"""A response for an operation that has ended is never taken for one to a later request."""

from __future__ import annotations

import pytest

from dicomproto import CLOSED, Connection
from dicomproto.dimse.commands import Request
from dicomproto.dimse.events import ResponseReceived
from dicomproto.dimse.operations import Operations
from dicomproto.upper_layer import ProtocolViolation, Role
from tests.dialogues import (
    ACTION,
    CANCELLED,
    CONTEXT_OF,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    PENDING,
    STORE,
    SUCCESS,
    associate_ac,
    associate_rq,
    established,
    feed,
    message,
    pending,
    window,
)
from tests.streams import cut_every

R = Role.REQUESTOR
LIMIT_REACHED = 0xB001


def ask(connection: Connection, request: Request) -> int:
    """Send a request to its end; return the Message ID that it has."""
    message_id = connection.send_request(request, CONTEXT_OF[type(request)])
    if request.has_data_set:
        connection.send_data(b"", last=True)
    connection.data_to_send()
    return message_id


def answer(request: Request, status: int = SUCCESS) -> bytes:
    return message(request.response(Status=status), context_id=CONTEXT_OF[type(request)])


def assert_not_outstanding(connection: Connection, events: list[object]) -> None:
    (violation,) = events
    assert isinstance(violation, ProtocolViolation)
    assert "to Message ID 1, which is not outstanding" in violation.text
    assert connection.next_event() is CLOSED


@pytest.mark.parametrize(
    "request_", [ECHO, STORE, FIND_RQ, MOVE_RQ, GET_RQ, ACTION], ids=lambda request: request.name
)
def test_a_second_final_response_does_not_answer_the_next_request(request_: Request) -> None:
    connection = established(R)
    assert ask(connection, request_) == 1
    assert not connection.is_ambiguous(request_)
    (first,) = feed(connection, answer(request_))
    assert isinstance(first, ResponseReceived)
    assert connection.is_ambiguous(request_)
    assert not connection.is_ambiguous(EVENT)
    assert ask(connection, request_.replace(MessageID=0)) == 2
    events = feed(connection, answer(request_))
    assert_not_outstanding(connection, events)


@pytest.mark.parametrize("cut", [1, 1 << 20], ids=["byte by byte", "whole"])
@pytest.mark.parametrize("is_read_before", [True, False])
def test_what_follows_the_warning_of_a_query_is_dropped(cut: int, is_read_before: bool) -> None:
    """pynetdicom sends 0000H after B001H, which has ended the query; it may come after the next request."""
    connection = established(R)
    late = answer(FIND_RQ) + message(pending(FIND_RQ), b"late", 5)
    ask(connection, FIND_RQ)
    (limit,) = feed(connection, answer(FIND_RQ, LIMIT_REACHED))
    assert isinstance(limit, ResponseReceived)
    assert limit.is_final
    if is_read_before:
        assert feed(connection, *cut_every(late, cut)) == []
    message_id = ask(connection, FIND_RQ)
    assert message_id == 2
    if not is_read_before:
        assert feed(connection, *cut_every(late, cut)) == []
    assert list(connection.outstanding) == [2]
    second = FIND_RQ.replace(MessageID=2)
    events = feed(connection, message(pending(second), b"match", 5) + answer(second))
    statuses = [event.command.Status for event in events if isinstance(event, ResponseReceived)]
    assert statuses == [PENDING, SUCCESS]


@pytest.mark.parametrize("request_", [FIND_RQ, MOVE_RQ, GET_RQ], ids=lambda request: request.name)
def test_what_follows_the_end_of_a_cancelled_operation_is_dropped(request_: Request) -> None:
    connection = established(R)
    ask(connection, request_)
    connection.send_cancel(1)
    (end,) = feed(connection, answer(request_, CANCELLED))
    assert isinstance(end, ResponseReceived)
    assert feed(connection, answer(request_, PENDING), answer(request_)) == []
    assert ask(connection, request_) == 2
    assert feed(connection, answer(request_)) == []
    (second,) = feed(connection, answer(request_.replace(MessageID=2)))
    assert isinstance(second, ResponseReceived)
    assert second.request.MessageID == 2


def test_a_response_to_a_later_request_ends_the_doubt() -> None:
    """What comes after it was sent after it: Message ID 1 can be used again, and is not expected before."""
    connection = established(R)
    assert ask(connection, FIND_RQ) == 1
    feed(connection, answer(FIND_RQ, LIMIT_REACHED))
    assert ask(connection, ECHO) == 2
    feed(connection, answer(ECHO.replace(MessageID=2)))
    assert ask(connection, FIND_RQ) == 1
    feed(connection, answer(FIND_RQ))
    assert ask(connection, ECHO.replace(MessageID=0)) == 3  # the one that has been out of use the longest
    feed(connection, answer(ECHO.replace(MessageID=3)))
    events = feed(connection, answer(FIND_RQ))
    assert_not_outstanding(connection, events)


def test_a_response_to_an_earlier_request_does_not_end_the_doubt() -> None:
    connection = established(R, rq=associate_rq(**window(3)), ac=associate_ac(**window(3)))
    assert ask(connection, FIND_RQ) == 1
    assert ask(connection, ECHO.replace(MessageID=2)) == 2
    feed(connection, answer(FIND_RQ, LIMIT_REACHED))
    feed(connection, answer(ECHO.replace(MessageID=2)))  # was sent before the query ended
    assert ask(connection, FIND_RQ) == 3
    assert feed(connection, answer(FIND_RQ)) == []
    assert list(connection.outstanding) == [3]


def test_message_ids_do_not_run_out() -> None:
    """With all others outstanding, that of an ended operation is used again."""
    operations = Operations()
    for message_id in range(1, 65536):
        operations.add(ECHO.replace(MessageID=message_id), 1)
    operations.end(5)
    assert operations.next_message_id() == 5


def test_what_is_known_of_ended_operations_is_bounded_by_the_window() -> None:
    operations = Operations()
    under_way = []
    for _ in range(200):
        message_id = operations.next_message_id()
        operations.add(ECHO.replace(MessageID=message_id), 1)
        under_way.append(message_id)
        if len(under_way) == 4:
            operations.end(under_way.pop(0))
        assert len(operations.late) <= 8
