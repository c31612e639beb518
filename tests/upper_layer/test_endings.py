"""How associations end: released, in collision too, aborted, cut off, or never one of ours."""

from __future__ import annotations

import pytest

from dicomproto.errors import LocalProtocolError
from dicomproto.upper_layer import (
    CLOSED,
    Abort,
    CloseAction,
    ConnectionClosed,
    LocallyEnded,
    NotDicom,
    PDVChunk,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    UpperLayer,
    encode_pdu,
)
from tests.conversations import (
    AC,
    P_DATA,
    PLACES,
    RECEIVED,
    RJ,
    RQ,
    Pair,
    events_of,
    fire,
    machine_in,
    sent_by,
)
from tests.golden import PDUS
from tests.streams import cut_every

BOTH = pytest.mark.parametrize("role", Role)
R, A = Role.REQUESTOR, Role.ACCEPTOR


def one_byte(data: bytes) -> list[bytes]:
    return cut_every(data, 1)


def received(machine: UpperLayer, pieces: list[bytes]) -> list[object]:
    events: list[object] = []
    for piece in pieces:
        machine.receive_data(piece)
        events += events_of(machine)
    return events


@pytest.fixture(params=[lambda data: [data], one_byte], ids=["whole", "byte by byte"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param).establish()


# --- release --------------------------------------------------------------------------------------


@BOTH
def test_release_by_either_side(pair: Pair, role: Role) -> None:
    ours = pair.requestor if role is R else pair.acceptor
    peer = pair.other(ours)
    ours.send(ReleaseRQ())
    assert pair.carry(ours) == [ReleaseRQ()]
    peer.send_p_data(1, [b"still in time"[:12]], is_command=False, is_last=True)  # AR-7
    peer.send(ReleaseRP())
    *chunks, response = pair.carry(peer)
    assert b"".join(chunk.data for chunk in chunks) == b"still in tim"
    assert response == ReleaseRP()
    assert ours.close_action is CloseAction.CLOSE
    assert events_of(peer) == [LocallyEnded(pdu=ReleaseRP())]
    assert peer.close_action is CloseAction.SHUTDOWN
    peer.receive_eof()
    assert peer.close_action is CloseAction.CLOSE
    assert ours.next_event() is peer.next_event() is CLOSED


def test_release_collision(pair: Pair) -> None:
    """PS3.8 9.2.3: the requestor answers first (Sta9, Sta11), then the acceptor (Sta10, Sta12)."""
    requestor, acceptor = pair.requestor, pair.acceptor
    requestor.send(ReleaseRQ())
    acceptor.send(ReleaseRQ())
    assert pair.carry(requestor) == [ReleaseRQ()]
    assert pair.carry(acceptor) == [ReleaseRQ()]
    assert (requestor.state, acceptor.state) == (State.STA9, State.STA10)
    with pytest.raises(LocalProtocolError):
        acceptor.send(ReleaseRP())  # not before the requestor's
    requestor.send(ReleaseRP())
    assert pair.carry(requestor) == [ReleaseRP()]
    assert (requestor.state, acceptor.state) == (State.STA11, State.STA12)
    assert acceptor.close_action is CloseAction.NONE
    acceptor.send(ReleaseRP())
    assert events_of(acceptor) == [LocallyEnded(pdu=ReleaseRP())]
    assert pair.carry(acceptor) == [ReleaseRP()]
    assert (requestor.state, acceptor.state) == (State.STA1, State.STA13)
    assert requestor.close_action is CloseAction.CLOSE
    assert acceptor.close_action is CloseAction.SHUTDOWN


@pytest.mark.parametrize(
    ("role", "state"), [(R, State.STA9), (A, State.STA10), (R, State.STA11), (A, State.STA12)], ids=str
)
def test_no_data_in_a_release_collision(role: Role, state: State) -> None:
    machine = machine_in(role, state)
    with pytest.raises(LocalProtocolError, match=state.value):
        machine.send_p_data(1, [b""], is_command=True, is_last=True)
    fire(machine, "Evt10")
    (violation,) = events_of(machine)
    assert isinstance(violation, ProtocolViolation)
    assert violation.abort == Abort(source=2, reason=2)


# --- abort and rejection --------------------------------------------------------------------------


@BOTH
def test_abort_by_either_side(pair: Pair, role: Role) -> None:
    ours = pair.requestor if role is R else pair.acceptor
    ours.send_p_data(1, [b"data"], is_command=False, is_last=False)
    abort = Abort(source=0, reason=0)
    ours.send(abort)
    ours.send(abort)
    *chunks, received = pair.carry(ours)
    assert b"".join(chunk.data for chunk in chunks) == b"data"
    assert received == abort
    assert events_of(ours) == [LocallyEnded(pdu=abort)]
    assert ours.close_action is CloseAction.SHUTDOWN
    assert pair.other(ours).close_action is CloseAction.CLOSE
    assert pair.carry(pair.other(ours)) == []


def test_rejection() -> None:
    pair = Pair(one_byte)
    pair.requestor.send(RQ)
    pair.requestor.transport_connected()
    pair.acceptor.transport_connected()
    assert pair.carry(pair.requestor) == [RQ]
    pair.acceptor.send(RJ)
    assert events_of(pair.acceptor) == [LocallyEnded(pdu=RJ)]
    assert pair.carry(pair.acceptor) == [RJ]
    assert pair.requestor.close_action is CloseAction.CLOSE
    assert pair.acceptor.close_action is CloseAction.SHUTDOWN


def test_an_abort_of_our_own_drops_what_was_not_looked_at() -> None:
    machine = machine_in(A)
    fire(machine, "Evt10")
    machine.send(Abort())
    assert events_of(machine) == [LocallyEnded(pdu=Abort())]


def test_good_events_before_a_bad_byte_are_delivered() -> None:
    machine = machine_in(A)
    machine.receive_data(RECEIVED["Evt10"] * 2 + RECEIVED["Evt19"] + RECEIVED["Evt10"])
    *chunks, violation = events_of(machine)
    assert [bytes(chunk.data) for chunk in chunks] == [b"ping", b"ping"]
    assert isinstance(violation, ProtocolViolation)
    assert violation.abort == Abort(source=2, reason=1)
    assert violation.offset == len(encode_pdu(RQ)) + 2 * len(RECEIVED["Evt10"])


@pytest.mark.parametrize("cut", [lambda data: [data], one_byte], ids=["whole", "byte by byte"])
def test_a_fragment_on_a_context_that_was_not_accepted(cut) -> None:
    for context_id in (0, 2, 3, 255):
        machine = machine_in(R)
        data = bytearray(encode_pdu(P_DATA))
        data[10] = context_id
        *_, last = received(machine, cut(RECEIVED["Evt10"] + bytes(data)))
        assert isinstance(last, ProtocolViolation)
        assert last.abort == Abort(source=2, reason=6)
        assert (last.item_path, last.state) == ("P-DATA-TF / PDV", "Sta6")
        assert last.offset == len(encode_pdu(AC)) + len(RECEIVED["Evt10"]) + 6
        assert f"context {context_id} was not accepted" in last.text


def test_the_offset_of_an_unexpected_pdu_is_where_it_begins() -> None:
    for cut in (lambda data: [data], one_byte):
        machine = machine_in(A)
        *_, last = received(machine, cut(RECEIVED["Evt10"] + RECEIVED["Evt6"]))
        assert isinstance(last, ProtocolViolation)
        assert (last.offset, last.item_path) == (len(encode_pdu(RQ)) + 16, "A-ASSOCIATE-RQ")


@pytest.mark.parametrize("maximum_length", [1, 6, 127])
def test_a_maximum_length_too_small_to_talk(maximum_length: int) -> None:
    for role, pdu, abort in (
        (A, RQ, Abort()),  # AA-1 in Sta2
        (R, AC, Abort(source=2, reason=6)),
    ):
        machine = machine_in(role, State.STA2 if role is A else State.STA5)
        machine.receive_data(encode_pdu(pdu.replace(maximum_length=maximum_length)))
        (violation,) = events_of(machine)
        assert isinstance(violation, ProtocolViolation)
        assert violation.abort == abort
        assert violation.item_path.endswith("user information")
        assert str(maximum_length) in violation.text
        assert machine.answer is None


# --- the connection ends without a word -----------------------------------------------------------


@pytest.mark.parametrize(("role", "state"), PLACES, ids=str)
@pytest.mark.parametrize(
    "begun", [b"", b"\x04", b"\x01\x00\x00\x00\x00\x50", b"\x01\x00\x00\x00\x00\x50\x00"]
)
def test_end_of_file(role: Role, state: State, begun: bytes) -> None:
    if state in (State.STA1, State.STA13) or (state is State.STA4 and begun):
        return
    machine = machine_in(role, state)
    machine.receive_data(begun)
    machine.receive_eof()
    machine.receive_eof()
    fresh = state in (State.STA2, State.STA4, State.STA5)
    closed = ConnectionClosed(state=state.value, mid_pdu=bool(begun), quiet=fresh and not begun)
    assert events_of(machine) == [closed]
    assert machine.data_to_send() == []
    assert machine.close_action is CloseAction.CLOSE


@pytest.mark.parametrize("length", range(16))
def test_end_of_file_at_each_byte_of_a_p_data(length: int) -> None:
    machine = machine_in(A)
    machine.receive_data(RECEIVED["Evt10"][:length])
    machine.receive_eof()
    *chunks, closed = events_of(machine)
    assert closed == ConnectionClosed(state="Sta6", mid_pdu=0 < length < 16, quiet=False)
    assert sum(len(chunk.data) for chunk in chunks) == max(0, length - 12)


def test_nothing_comes_after_the_end_of_file() -> None:
    machine = machine_in(A)
    machine.receive_eof()
    machine.receive_data(b"")
    with pytest.raises(LocalProtocolError, match="after receive_eof"):
        machine.receive_data(b"\x04")


def test_what_came_before_the_end_of_file_is_delivered_first() -> None:
    machine = machine_in(A)
    fire(machine, "Evt10")
    machine.receive_eof()
    chunk, closed = events_of(machine)
    assert isinstance(chunk, PDVChunk)
    assert closed == ConnectionClosed(state="Sta6", mid_pdu=False, quiet=False)


def test_no_bytes_are_no_misuse_in_any_state() -> None:
    for role, state in PLACES:
        machine = machine_in(role, state)
        machine.receive_data(b"")
        assert machine.state is state


# --- other protocols ------------------------------------------------------------------------------

OTHERS = [
    (b"\x16\x03\x01\x01\x06\x01\x00\x01", "tls"),
    (b"SSH-2.0-OpenSSH_9.2", "ssh"),
    (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 104\r\n", "proxy"),
    (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", "proxy"),
    (b"GET / HTTP/1.1\r\n", "http"),
    (b"HEAD /index HTTP/1.1\r\n", "http"),
    (b"POST /dicom-web/studies HTTP/1.1\r\n", "http"),
    (b"PUT / HTTP/1.1\r\n", "http"),
    (b"OPTIONS * HTTP/1.1\r\n", "http"),
    (b"DELETE / HTTP/1.1\r\n", "http"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"),
    (b"HTTP/1.1 400 Bad Request\r\n", "http"),
    (b"EHLO example.org\r\n", "unknown"),
    (bytes(8), "unknown"),
    (b"\xff" * 8, "unknown"),
]


@BOTH
@pytest.mark.parametrize("cut", [lambda data: [data], one_byte], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("data", "kind"), OTHERS, ids=[repr(data[:8]) for data, _ in OTHERS])
def test_another_protocol(data: bytes, kind: str, cut, role: Role) -> None:
    machine = machine_in(role, State.STA5 if role is R else State.STA2)
    events = received(machine, cut(data))
    abort = Abort(source=2, reason=1) if role is R else Abort()
    assert events == [NotDicom(kind=kind, abort=abort)]
    assert sent_by(machine) == encode_pdu(abort)
    assert machine.close_action is CloseAction.SHUTDOWN


def test_five_bytes_decide_nothing() -> None:
    machine = machine_in(A, State.STA2)
    machine.receive_data(b"GET /")
    assert events_of(machine) == []
    machine.receive_eof()
    assert events_of(machine) == [ConnectionClosed(state="Sta2", mid_pdu=True, quiet=False)]


def test_only_the_first_bytes_may_be_another_protocol() -> None:
    machine = machine_in(R)
    machine.receive_data(b"GET / HTTP/1.1")
    (violation,) = events_of(machine)
    assert isinstance(violation, ProtocolViolation)
    assert violation.text == "unknown PDU type 47H"


# --- for any use ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "state"), PLACES, ids=str)
def test_every_pdu_in_every_state_ends_in_at_most_one_terminal_event(role: Role, state: State) -> None:
    """Out of sequence is a protocol error, never an exception."""
    for first in PDUS:
        for second in PDUS:
            machine = machine_in(role, state)
            if state in (State.STA1, State.STA4):
                continue
            machine.receive_data(first.data + second.data)
            events = events_of(machine)
            assert len([e for e in events if isinstance(e, ProtocolViolation)]) <= 1
            if machine.close_action is not CloseAction.NONE:
                assert machine.next_event() is CLOSED


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [State.STA1, State.STA13])
def test_nothing_is_wrong_or_late_where_there_is_no_association(role: Role, state: State) -> None:
    """`violate` and `expire` are for the layer above, which may misuse them as well."""
    machine = machine_in(role, state)
    with pytest.raises(LocalProtocolError, match="violate"):
        machine.violate("too late", item_path="P-DATA-TF")
    if state is State.STA1:
        with pytest.raises(LocalProtocolError, match="nothing is waited for in Sta1"):
            machine.expire("response")
    assert machine.state is state
    assert events_of(machine) == []


def test_a_connection_that_fails_before_it_stands() -> None:
    machine = UpperLayer(R)
    machine.send(RQ)
    machine.receive_eof()
    assert events_of(machine) == [ConnectionClosed(state="Sta4", mid_pdu=False, quiet=True)]
    with pytest.raises(LocalProtocolError):
        machine.transport_connected()


def test_a_local_abort_before_the_connection_stands_sends_nothing() -> None:
    machine = UpperLayer(R)
    machine.send(RQ)
    machine.send(Abort())
    assert machine.data_to_send() == []
    assert events_of(machine) == [LocallyEnded(pdu=Abort())]
    assert machine.close_action is CloseAction.CLOSE
