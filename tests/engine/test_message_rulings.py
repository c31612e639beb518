"""Rulings on who may say what when: cut messages, waits, windows, and what leaves us."""

from __future__ import annotations

import pytest

from dicomproto import Abort, Connection, Limits, LocallyEnded, LocalProtocolError, Role, State
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ
from dicomproto.dimse.events import MessageIncomplete, RequestReceived, RequestRefused
from dicomproto.upper_layer import (
    AsynchronousOperationsWindow,
    ReleaseRQ,
    SOPClassCommonExtendedNegotiation,
    encode_pdu,
)
from dicomproto.upper_layer.pdu import PresentationContextAC, PresentationContextRQ
from tests.dialogues import (
    CT,
    ECHO,
    FIND_RQ,
    MR,
    OUT_OF_RESOURCES,
    STORE,
    associate_ac,
    associate_rq,
    data_pdu,
    established,
    events_of,
    feed,
    message,
    sent_by,
)

R, A = Role.REQUESTOR, Role.ACCEPTOR
PRIVATE = "1.2.246.352.70.1.70"
STORAGE_SERVICE = "1.2.840.10008.4.2"


def test_a_request_that_was_cut_cannot_be_answered_success() -> None:
    connection = established(A)
    events = feed(connection, message(STORE, b"ab")[:-2], encode_pdu(ReleaseRQ()))
    assert [type(event) for event in events][-1] is not RequestReceived
    connection = established(A)
    whole = message(STORE, b"abcd")
    command = whole[: len(whole) - len(data_pdu(b"abcd", 3))]
    received, cut, release = feed(connection, command, encode_pdu(ReleaseRQ()))
    assert isinstance(received, RequestReceived)
    assert cut == MessageIncomplete(context_id=3, command=received.command)
    assert release == ReleaseRQ()
    with pytest.raises(LocalProtocolError, match="before the data set is complete"):
        connection.send_response(received.command.response())
    connection.send_response(received.command.response(Status=OUT_OF_RESOURCES))


def test_an_early_failure_lets_an_odd_data_set_end() -> None:
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(b"odd", last=False)
    (response,) = feed(connection, message(STORE.response(Status=OUT_OF_RESOURCES), context_id=3))
    assert response.is_early
    connection.send_data(b"", last=True)
    assert not connection.is_sending
    connection.send_request(STORE, 3)
    with pytest.raises(LocalProtocolError, match="odd length"):
        connection.send_data(b"odd", last=True)


@pytest.mark.parametrize(
    ("sent", "end"), [(b"", b"\0\0"), (b"even", b"\0\0"), (b"odd", b"d\0"), (b"x", b"x\0")]
)
def test_after_an_early_failure_the_last_fragment_has_data(sent: bytes, end: bytes) -> None:
    """Not every peer takes a fragment without any."""
    connection = established(R)
    connection.send_request(STORE, 3)
    connection.send_data(sent, last=False)
    feed(connection, message(STORE.response(Status=OUT_OF_RESOURCES), context_id=3))
    sent_by(connection)
    connection.send_data(b"", last=True)
    assert sent_by(connection) == data_pdu(end, 3)
    assert not connection.is_sending


def test_no_response_is_due_within_a_message_of_the_peer() -> None:
    connection = established(R, rq=associate_rq(), ac=associate_ac())
    connection.send_request(ECHO, 1)
    event = message(STORE.replace(MessageID=9), bytes(4000))
    assert connection.next_deadline(0.0) == connection.timeouts.response
    feed(connection, event[:200])
    for seconds in range(10, 200, 10):  # a slow peer, but one that goes on
        connection.handle_timeout(float(seconds))
        connection.next_deadline(float(seconds))
        feed(connection, event[190 + seconds : 200 + seconds])
    assert connection.state is State.STA6
    feed(connection, event[390:])
    assert connection.next_deadline(200.0) == 200.0 + (connection.timeouts.response or 0)
    connection.handle_timeout(260.0)
    assert connection.state is State.STA13


def test_a_window_that_was_agreed_on_is_no_fault() -> None:
    window = AsynchronousOperationsWindow(maximum_invoked=6, maximum_performed=1)
    connection = established(
        A,
        rq=associate_rq(asynchronous_operations_window=window),
        ac=associate_ac(asynchronous_operations_window=window),
        limits=Limits(outstanding_requests=2),
    )
    requests = [message(ECHO.replace(MessageID=number)) for number in range(1, 7)]
    assert len(feed(connection, *requests)) == 6
    assert connection.state is State.STA6
    feed(connection, message(ECHO.replace(MessageID=7)))
    assert connection.state is State.STA13


def test_after_a_local_abort_nothing_is_left_to_be_answered() -> None:
    connection = established(A)
    whole = message(STORE, b"abcd")
    connection.receive_data(whole[: len(whole) - len(data_pdu(b"abcd", 3))] + encode_pdu(ReleaseRQ()))
    assert isinstance(connection.next_event(), RequestReceived)
    assert isinstance(connection.next_event(), MessageIncomplete)
    connection.send(Abort())
    assert events_of(connection) == [LocallyEnded(pdu=Abort())]


def test_a_message_id_is_used_up_by_what_is_sent_alone() -> None:
    connection = established(R)
    with pytest.raises(LocalProtocolError):
        connection.send_request(CStoreRQ(AffectedSOPClassUID=CT, AffectedSOPInstanceUID=""), 3)
    assert connection.send_request(CEchoRQ(AffectedSOPClassUID=ECHO.AffectedSOPClassUID), 1) == 1


def test_what_a_context_does_not_allow_is_not_sent() -> None:
    connection = established(R)
    with pytest.raises(LocalProtocolError, match="not an operation of the context"):
        connection.send_request(STORE, 1)
    acceptor = established(A)
    feed(acceptor, message(FIND_RQ, b"key "))
    with pytest.raises(LocalProtocolError, match="identifier"):
        acceptor.send_response(FIND_RQ.response(Status=0xFF00))


def test_what_the_tables_do_not_know_is_sent_if_the_user_says_so() -> None:
    with pytest.raises(LocalProtocolError, match="with allow_unknown=True it is sent all the same"):
        established(R).send_request(STORE, 1)
    connection = established(R, allow_unknown=True)
    assert connection.send_request(STORE.replace(MessageID=7), 1) == 7
    assert connection.find_request_context(CStoreRQ, ECHO.AffectedSOPClassUID).context is not None
    assert connection.find_request_context(CStoreRQ, PRIVATE).context is None


@pytest.mark.parametrize(
    ("supported", "named", "passes"),
    [(None, MR, True), (None, PRIVATE, False), ({CT}, MR, False), ({CT, PRIVATE}, PRIVATE, True)],
)
def test_an_object_of_another_class_passes_if_it_is_supported(
    supported: set[str] | None, named: str, passes: bool
) -> None:
    connection = established(A, supported_sop_classes=supported)
    (event, *_) = feed(connection, message(STORE.replace(AffectedSOPClassUID=named), b"ab"))
    assert isinstance(event, RequestReceived if passes else RequestRefused)


def test_common_extended_negotiation_says_what_an_unknown_class_is() -> None:
    context = PresentationContextRQ(
        context_id=1, abstract_syntax=PRIVATE, transfer_syntaxes=("1.2.840.10008.1.2",)
    )
    item = SOPClassCommonExtendedNegotiation(sop_class_uid=PRIVATE, service_class_uid=STORAGE_SERVICE)
    answer = PresentationContextAC(context_id=1, result=0, transfer_syntax="1.2.840.10008.1.2")

    def connection(
        *accepted: SOPClassCommonExtendedNegotiation, proposed: bool = True, role: Role = A
    ) -> Connection:
        rq = associate_rq(
            presentation_contexts=(context,), sop_class_common_extended=(item,) if proposed else ()
        )
        ac = associate_ac(presentation_contexts=(answer,))
        return established(role, rq=rq, ac=ac, common_extended=accepted)

    find = message(FIND_RQ.replace(AffectedSOPClassUID=PRIVATE), b"key ", context_id=1)
    store = message(STORE.replace(AffectedSOPClassUID=PRIVATE), b"ab", context_id=1)
    assert isinstance(feed(connection(proposed=False), find)[0], RequestReceived)
    assert isinstance(feed(connection(), find)[0], RequestReceived)  # what only the requestor says
    assert isinstance(feed(connection(item), find)[0], RequestRefused)
    assert isinstance(feed(connection(item), store)[0], RequestReceived)
    requestor = connection(role=Role.REQUESTOR)
    assert requestor.accepted_contexts[1].service_class_uid == STORAGE_SERVICE
