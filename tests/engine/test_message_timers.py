"""The waits for responses and for an idle peer, against a clock that the test moves."""

from __future__ import annotations

import pytest

from dicomproto import CLOSED, NEED_DATA, CloseAction, Connection, Timeouts
from dicomproto.dimse.commands import Request
from dicomproto.dimse.events import MessageIncomplete
from dicomproto.upper_layer import (
    Abort,
    AssociateAC,
    LocallyEnded,
    ReleaseRP,
    ReleaseRQ,
    Role,
    RoleSelection,
    State,
    TimerExpired,
    encode_pdu,
)
from tests.dialogues import (
    ACTION,
    CANCELLED,
    CONTEXT_OF,
    CT,
    ECHO,
    EVENT,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    OUT_OF_RESOURCES,
    PENDING,
    STORE,
    associate_ac,
    associate_rq,
    command_pdu,
    data_pdu,
    established,
    events_of,
    feed,
    message,
    pending,
    sent_by,
    window,
)

R, A = Role.REQUESTOR, Role.ACCEPTOR
EVERY = Timeouts(
    response=1.0, action=2.0, retrieve=4.0, cancel=8.0, idle=16.0, association=32.0, pdu=64.0, close=0.5
)
WAITS = [
    (ECHO, "response"),
    (STORE, "response"),
    (FIND_RQ, "response"),
    (ACTION, "action"),
    (GET_RQ, "retrieve"),
    (MOVE_RQ, "retrieve"),
]
waits = pytest.mark.parametrize(("request_", "timer"), WAITS, ids=[request.name for request, _ in WAITS])


def waiting(request: Request, timeouts: Timeouts = EVERY) -> Connection:
    connection = established(R, timeouts=timeouts)
    connection.send_request(request, CONTEXT_OF[type(request)])
    if request.has_data_set:
        connection.send_data(b"", last=True)
    connection.data_to_send()
    return connection


def assert_expired(connection: Connection, timer: str, state: str = "Sta6") -> None:
    assert events_of(connection) == [TimerExpired(timer=timer, state=state)]
    assert sent_by(connection) == encode_pdu(Abort())
    assert connection.next_event() is CLOSED
    assert connection.close_action is CloseAction.SHUTDOWN
    assert not connection.outstanding


@waits
def test_the_wait_for_a_response(request_: Request, timer: str) -> None:
    connection = waiting(request_)
    deadline = 100.0 + getattr(EVERY, timer)
    assert connection.next_deadline(100.0) == deadline
    assert connection.next_deadline(100.5) == deadline  # latched
    connection.handle_timeout(deadline - 0.01)
    assert connection.next_event() is NEED_DATA
    connection.handle_timeout(deadline)
    assert_expired(connection, timer)


@waits
def test_no_bound_no_wait(request_: Request, timer: str) -> None:
    connection = waiting(request_, EVERY.replace(**{timer: None}))
    assert connection.next_deadline(0.0) is None
    connection.handle_timeout(1e9)
    assert connection.next_event() is NEED_DATA


@waits
def test_the_final_response_ends_the_wait(request_: Request, timer: str) -> None:
    connection = waiting(request_)
    assert connection.next_deadline(0.0) is not None
    feed(connection, message(request_.response(), context_id=CONTEXT_OF[type(request_)]))
    assert connection.next_deadline(0.0) is None
    connection.handle_timeout(1e9)
    assert connection.is_established


def test_a_response_that_was_seen_is_in_time() -> None:
    connection = waiting(ECHO)
    assert connection.next_deadline(0.0) == 1.0
    feed(connection, message(ECHO.response(), context_id=1))
    connection.handle_timeout(1.0)
    assert connection.is_established


@pytest.mark.parametrize("request_", [FIND_RQ, GET_RQ, MOVE_RQ], ids=lambda request: request.name)
def test_each_pending_response_starts_the_wait_again(request_: Request) -> None:
    connection = waiting(request_)
    duration = connection.next_deadline(0.0)
    for now in (0.5, 0.9, 1.7):
        feed(connection, message(request_.response(Status=PENDING), context_id=CONTEXT_OF[type(request_)]))
        assert connection.next_deadline(now) == now + duration


def test_the_wait_begins_when_the_request_is_complete() -> None:
    connection = established(R, timeouts=EVERY)
    connection.send_request(STORE, 3)
    connection.send_data(b"ab", last=False)
    assert connection.next_deadline(0.0) is None
    connection.send_data(b"cd", last=True)
    assert connection.next_deadline(5.0) == 6.0


def test_after_an_early_failure_nothing_is_awaited() -> None:
    connection = established(R, timeouts=EVERY)
    connection.send_request(STORE, 3)
    feed(connection, message(STORE.response(Status=OUT_OF_RESOURCES), context_id=3))
    connection.send_data(b"", last=True)
    assert connection.next_deadline(0.0) is None


def test_the_first_of_several_waits() -> None:
    connection = established(R, timeouts=EVERY, rq=associate_rq(**window(3)), ac=associate_ac(**window(3)))
    connection.send_request(ACTION, 11)
    assert connection.next_deadline(0.0) == 2.0
    connection.send_request(ECHO.replace(MessageID=2), 1)
    assert connection.next_deadline(0.5) == 1.5
    connection.send_request(ECHO.replace(MessageID=3), 1)
    assert connection.next_deadline(0.6) == 1.5
    feed(connection, message(ECHO.replace(MessageID=2).response(), context_id=1))
    assert connection.next_deadline(0.7) == 1.6
    feed(connection, message(ECHO.replace(MessageID=3).response(), context_id=1))
    assert connection.next_deadline(1.0) == 2.0
    connection.data_to_send()
    connection.handle_timeout(2.0)
    assert_expired(connection, "action")


@pytest.mark.parametrize("request_", [FIND_RQ, GET_RQ, MOVE_RQ], ids=lambda request: request.name)
def test_the_wait_after_a_cancel_is_not_prolonged(request_: Request) -> None:
    """A peer that goes on with pending responses for ever does not obey the cancel."""
    connection = waiting(request_)
    connection.next_deadline(0.0)
    connection.send_cancel(1)
    connection.data_to_send()
    assert connection.next_deadline(1.0) == 9.0
    pending = message(request_.response(Status=PENDING), context_id=CONTEXT_OF[type(request_)])
    for now in (2.0, 5.0, 8.0):
        feed(connection, pending)
        assert connection.next_deadline(now) == 9.0
    connection.handle_timeout(9.0)
    assert_expired(connection, "cancel")


def test_nor_by_what_comes_with_the_pending_responses() -> None:
    connection = waiting(FIND_RQ)
    connection.send_cancel(1)
    connection.data_to_send()
    assert connection.next_deadline(1.0) == 9.0
    match = message(pending(FIND_RQ), b"match ", context_id=5)
    for now in (2.0, 5.0, 8.0):
        feed(connection, match[:-1])
        assert connection.next_deadline(now) == 9.0
        connection.handle_timeout(now)
        feed(connection, match[-1:])
    feed(connection, match[:-1])
    connection.handle_timeout(9.0)
    incomplete, expired = events_of(connection)
    assert incomplete == MessageIncomplete(context_id=5, command=pending(FIND_RQ))
    assert expired == TimerExpired(timer="cancel", state="Sta6")


def test_objects_under_way_are_let_come_after_the_cancel_of_a_retrieval() -> None:
    """Two of them: the one that is being sent, and one that was begun before the peer knew of the cancel."""
    roles = (RoleSelection(sop_class_uid=CT, scu_role=True, scp_role=True),)
    rq, ac = associate_rq(role_selections=roles), associate_ac(role_selections=roles)
    connection = established(R, timeouts=EVERY, rq=rq, ac=ac)
    connection.send_request(GET_RQ, CONTEXT_OF[type(GET_RQ)])
    connection.send_data(b"query ", last=True)
    connection.send_cancel(1)
    connection.data_to_send()
    assert connection.next_deadline(0.0) == 8.0
    for number, now in ((1, 5.0), (2, 20.0), (3, 40.0)):
        stored = message(STORE.replace(MessageID=number), b"object", context_id=CONTEXT_OF[type(STORE)])
        feed(connection, stored[:-1])
        last = number == 3
        assert connection.next_deadline(now) == (33.0 if last else now + 64.0)  # the peer may pause: `pdu`
        if last:
            connection.handle_timeout(33.0)
            break
        feed(connection, stored[-1:])
        assert connection.next_deadline(now + 5.0) == now + 13.0
        connection.send_response(STORE.replace(MessageID=number).response())
        connection.data_to_send()
    assert TimerExpired(timer="cancel", state="Sta6") in events_of(connection)


def test_the_final_response_ends_the_wait_after_a_cancel() -> None:
    connection = waiting(FIND_RQ)
    connection.send_cancel(1)
    assert connection.next_deadline(0.0) == 8.0
    feed(connection, message(FIND_RQ.response(Status=CANCELLED), context_id=5))
    assert connection.next_deadline(0.0) is None


# --- idle -----------------------------------------------------------------------------------------


def idle(**options: bool) -> Connection:
    return established(A, timeouts=EVERY, **options)


def test_an_idle_acceptor_aborts() -> None:
    connection = idle()
    assert connection.next_deadline(100.0) == 116.0
    connection.handle_timeout(115.9)
    assert connection.is_established
    connection.handle_timeout(116.0)
    assert_expired(connection, "idle")


def test_an_idle_acceptor_releases_by_option() -> None:
    connection = idle(idle_release=True)
    assert connection.next_deadline(100.0) == 116.0
    connection.handle_timeout(116.0)
    assert sent_by(connection) == encode_pdu(ReleaseRQ())
    assert connection.state is State.STA7
    assert connection.next_deadline(116.0) == 116.0 + 32.0  # association
    connection.handle_timeout(117.0)
    assert feed(connection, encode_pdu(ReleaseRP())) == [ReleaseRP()]


def test_a_requestor_is_never_idle() -> None:
    connection = established(R, timeouts=EVERY)
    assert connection.next_deadline(0.0) is None


def test_no_bound_for_an_idle_peer() -> None:
    connection = established(A, timeouts=EVERY.replace(idle=None))
    assert connection.next_deadline(0.0) is None


def test_what_comes_and_goes_ends_idleness() -> None:
    connection = idle()
    assert connection.next_deadline(0.0) == 16.0
    feed(connection, message(ECHO))
    assert connection.next_deadline(1.0) is None  # it is our turn
    connection.handle_timeout(1e9)
    connection.send_response(ECHO.response(0))
    assert connection.next_deadline(20.0) == 36.0
    assert connection.next_deadline(30.0) == 36.0
    connection.send_request(EVENT, 11)
    assert connection.next_deadline(31.0) == 32.0  # response
    feed(connection, message(EVENT.response(), context_id=11))
    assert connection.next_deadline(33.0) == 49.0
    feed(connection, message(ECHO)[:3])
    assert connection.next_deadline(34.0) == 50.0


def test_a_request_that_was_seen_is_in_time() -> None:
    connection = idle()
    assert connection.next_deadline(0.0) == 16.0
    feed(connection, message(ECHO))
    connection.send_response(ECHO.response(0))
    connection.handle_timeout(16.0)
    assert connection.is_established
    assert connection.next_deadline(16.0) == 32.0


def test_while_a_data_set_is_being_sent_nobody_is_idle() -> None:
    connection = idle()
    feed(connection, message(FIND_RQ, b""))
    connection.send_response(FIND_RQ.response(Status=PENDING, CommandDataSetType=1))
    assert connection.next_deadline(0.0) is None


# --- the association's own ------------------------------------------------------------------------


def test_before_and_after_the_association_only_its_own_timers_run() -> None:
    connection = Connection(A, timeouts=EVERY.replace(artim=3.0))
    assert connection.next_deadline(0.0) is None
    connection.transport_connected()
    assert connection.next_deadline(0.0) == 3.0
    feed(connection, encode_pdu(associate_rq()))
    assert connection.next_deadline(0.0) is None
    connection.send(associate_ac())
    assert isinstance(connection.answer, AssociateAC)
    assert connection.next_deadline(0.0) == 16.0
    connection.send(Abort())
    assert connection.next_deadline(0.0) == 0.5
    connection.handle_timeout(0.5)
    assert connection.close_action is CloseAction.CLOSE
    assert events_of(connection) == [LocallyEnded(pdu=Abort())]
    assert connection.next_deadline(1.0) is None


def test_the_association_timer_aborts() -> None:
    connection = Connection(R, timeouts=EVERY)
    connection.send(associate_rq())
    connection.transport_connected()
    connection.data_to_send()
    assert connection.next_deadline(0.0) == 32.0
    connection.handle_timeout(32.0)
    assert_expired(connection, "association", "Sta5")


def test_a_connection_that_is_over_has_no_waits_for_messages() -> None:
    connection = waiting(ECHO)
    connection.next_deadline(0.0)
    connection.send(Abort())
    connection.handle_timeout(1e9)
    assert events_of(connection) == [LocallyEnded(pdu=Abort())]


@pytest.mark.parametrize("end", ["eof", "abort", "release"])
def test_a_data_set_that_was_not_due_and_is_cut_short_leaves_no_wait(end: str) -> None:
    connection = established(A)
    feed(connection, command_pdu(ECHO, 1))
    connection.send_response(ECHO.response(0))
    feed(connection, data_pdu(b"ab", 1, is_last=False))
    assert connection.next_deadline(0.0) is not None
    if end == "abort":
        connection.send(Abort())
    elif end == "release":
        feed(connection, encode_pdu(ReleaseRQ()))
        connection.send(ReleaseRP())
    connection.data_to_send()
    connection.receive_eof()
    assert events_of(connection)
    assert connection.next_event() is CLOSED
    assert connection.next_deadline(1.0) is None


# --- a message that comes too slowly ----------------------------------------------------------------


KIB = 1024


def receiving(**timeouts: float | None) -> Connection:
    """Return an acceptor to which a data set has begun to come, looked at once, at 0 seconds."""
    connection = established(A, timeouts=Timeouts(**timeouts))
    feed(connection, message(STORE, None))
    connection.next_deadline(0.0)
    return connection


def assert_too_slow(connection: Connection) -> None:
    incomplete, *_ = events = events_of(connection)
    assert isinstance(incomplete, MessageIncomplete)
    assert events[1:] == [TimerExpired(timer="minimum_rate", state="Sta6")]
    assert encode_pdu(Abort()) in sent_by(connection)


def drip(connection: Connection, piece: bytes, every: float, until: float, unread: float = 0.0) -> float:
    """Let `piece` come again and again; return when the association has ended, or `until`."""
    now = 0.0
    while now < until:
        deadline = connection.next_deadline(now, unread=unread if now else 0.0)
        if deadline is not None and deadline <= now + every - unread:
            now = max(deadline, now)
            connection.handle_timeout(now)
            if not connection.is_established:
                return now
        else:
            now += every
            feed(connection, piece)
    return now


@pytest.mark.parametrize("every", [0.5, 59.0])
def test_a_message_that_drips_is_given_up_after_300_seconds(every: float) -> None:
    connection = receiving()
    feed(connection, data_pdu(bytes(10_000), 3)[:12])
    assert drip(connection, b"a", every, 10_000) == pytest.approx(300, abs=1)
    assert_too_slow(connection)


def test_its_average_is_what_counts() -> None:
    """A mebibyte at once is enough for 1024 seconds."""
    connection = receiving()
    feed(connection, data_pdu(bytes(16 * KIB - 12), 3, is_last=False) * 64)
    ended = drip(connection, data_pdu(b"ab", 3, is_last=False), 20.0, 10_000)
    assert ended == pytest.approx(1024, abs=2)
    assert_too_slow(connection)


def test_a_message_at_the_minimum_rate_goes_on() -> None:
    connection = receiving()
    assert drip(connection, data_pdu(bytes(3 * KIB), 3, is_last=False), 2.5, 5000) == 5000
    assert connection.is_established


@pytest.mark.parametrize("rate", [0.0, None])
def test_the_minimum_rate_can_be_switched_off(rate: float | None) -> None:
    connection = receiving(minimum_rate=rate)
    assert drip(connection, data_pdu(b"ab", 3, is_last=False), 20.0, 2000) == 2000
    assert connection.is_established


def test_another_minimum_rate() -> None:
    connection = receiving(minimum_rate=10_000)
    drip(connection, data_pdu(bytes(4 * KIB), 3, is_last=False), 1.0, 400)
    assert_too_slow(connection)


def test_time_in_which_nobody_reads_does_not_count() -> None:
    """20 seconds pass between two pieces, 19 of them in a handler: 300 of waiting are over after 6000."""
    connection = receiving()
    piece = data_pdu(b"ab", 3, is_last=False)
    assert drip(connection, piece, 20.0, 10_000, unread=19.0) == pytest.approx(6000, abs=40)
    assert_too_slow(connection)


def test_each_message_has_its_own_time() -> None:
    connection = established(A)
    for number in range(1, 20):
        begun = message(STORE.replace(MessageID=number), None)
        feed(connection, begun)
        connection.next_deadline(100.0 * number)
        feed(connection, data_pdu(b"ab", 3, is_last=False))
        connection.next_deadline(100.0 * number + 50)
        feed(connection, data_pdu(b"cd", 3))
        connection.send_response(STORE.replace(MessageID=number).response())
    assert connection.is_established
    feed(connection, data_pdu(b"ab", 3)[:0])
    deadline = connection.next_deadline(5000.0)
    assert deadline == 5900.0  # nothing but the idle time


def test_a_message_right_behind_another_begins_anew() -> None:
    """At each look some message is half there, and none of them takes 300 seconds."""
    connection = established(A)
    now = 0.0
    feed(connection, message(ECHO)[:-1])
    while now < 2000:
        connection.handle_timeout(now)
        connection.next_deadline(now)
        now += 50
        (request,) = feed(connection, message(ECHO)[-1:] + message(ECHO)[:-1])
        connection.send_response(request.command.response())
    assert connection.is_established


def test_a_stray_data_set_has_a_minimum_rate_too() -> None:
    connection = established(A)
    feed(connection, message(ECHO), data_pdu(b"ab", 1, is_last=False))
    connection.send_response(ECHO.response(0))
    assert drip(connection, data_pdu(b"ab", 1, is_last=False), 20.0, 2000) == pytest.approx(300, abs=1)
    assert events_of(connection) == [TimerExpired(timer="minimum_rate", state="Sta6")]


def test_a_response_has_a_minimum_rate_too() -> None:
    connection = waiting(FIND_RQ, Timeouts(response=None))
    feed(connection, message(pending(FIND_RQ), None, context_id=CONTEXT_OF[FIND_RQ.__class__]))
    assert drip(connection, data_pdu(b"ab", 5, is_last=False), 20.0, 2000) == pytest.approx(300, abs=1)
    assert_too_slow(connection)
