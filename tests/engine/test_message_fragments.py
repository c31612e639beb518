"""Many small fragments: folded where they are at hand, refused where they stay tiny, bounded in any case."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dicomproto import BUSY, CLOSED, NEED_DATA, Connection, Limits
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import CCancelRQ, CStoreRQ
from dicomproto.dimse.events import (
    CancelReceived,
    DataSetChunk,
    MessageIncomplete,
    RequestReceived,
    RequestRefused,
    UnexpectedDataSet,
)
from dicomproto.upper_layer import ProtocolViolation, ReleaseRQ, Role, encode_pdu
from tests.dialogues import (
    ABORT_OF_MESSAGE,
    ECHO,
    FIND_RQ,
    OUT_OF_RESOURCES,
    STORE,
    associate_ac,
    associate_rq,
    command_pdu,
    data_pdu,
    established,
    events_of,
    feed,
    fragment,
    joined,
    message,
    sent_by,
)
from tests.growth import MOST, growth
from tests.streams import cut_every

R, A = Role.REQUESTOR, Role.ACCEPTOR


def pdvs(context_id: int, *data: bytes, last: bool = True) -> bytes:
    """Return one P-DATA-TF of fragments of a data set."""
    values = [
        (len(part) + 2).to_bytes(4, "big")
        + bytes((context_id, 2 if last and number == len(data) else 0))
        + part
        for number, part in enumerate(data, 1)
    ]
    body = b"".join(values)
    return b"\x04\x00" + len(body).to_bytes(4, "big") + body


def chunks_of(events: list[object]) -> list[bytes]:
    return [bytes(event.data) for event in events if isinstance(event, DataSetChunk)]


# --- folding ----------------------------------------------------------------------------------------


def test_small_fragments_that_are_at_hand_are_one_chunk() -> None:
    parts = [b"ab", b"cdef", b"g" * 1024, b"hi", b"jk"]
    stream = command_pdu(STORE, 3) + pdvs(3, *parts[:3], last=False) + pdvs(3, *parts[3:])
    (request, chunk) = feed(established(A), stream)
    assert isinstance(request, RequestReceived)
    assert chunk.data == b"".join(parts)
    assert chunk.last
    assert chunk.data.readonly


def test_a_large_fragment_is_not_copied() -> None:
    large = bytes(range(256)) * 5
    stream = command_pdu(STORE, 3) + pdvs(3, b"ab", large, b"cd", b"ef", last=False) + pdvs(3, large)
    events = feed(established(A), stream)
    assert chunks_of(events) == [b"ab", large, b"cdef", large]
    assert all(event.data.obj is stream for event in events[2::2])  # views of what was received


def test_the_end_of_a_large_fragment_is_not_folded() -> None:
    """It is what a read has cut off: what follows is large as a rule, and a look at that costs time."""
    large = bytes(range(256)) * 5
    connection = established(A)
    feed(connection, command_pdu(STORE, 3))
    stream = pdvs(3, large, b"ab", b"cd")
    events = feed(connection, stream[:1200]) + feed(connection, stream[1200:])
    assert chunks_of(events) == [large[:1188], large[1188:], b"abcd"]


def test_at_most_65_fragments_are_folded_at_once() -> None:
    parts = [b"ab"] * 100
    events = feed(established(A), command_pdu(STORE, 3) + pdvs(3, *parts))
    assert chunks_of(events) == [b"ab" * 65, b"ab" * 35]


@pytest.mark.parametrize(
    ("behind", "kinds"),
    [
        (b"", []),
        (data_pdu(b"cd", 3)[:-1], [DataSetChunk]),  # as far as it came
        (pdvs(3, b"", last=False), []),
        (data_pdu(b"cd", 5), [MessageIncomplete, ProtocolViolation]),
        (
            fragment(b"cd", context_id=3, is_command=True, is_last=True),
            [MessageIncomplete, ProtocolViolation],
        ),
        (encode_pdu(ReleaseRQ()), [MessageIncomplete, ReleaseRQ]),
        (b"\x04\0\0\0\0\7\0\0\0\x09\3\0?", [MessageIncomplete, ProtocolViolation]),
        (b"\x04\0\0\xff\0\0" + bytes(8), [MessageIncomplete, ProtocolViolation]),
    ],
    ids=[
        "nothing",
        "half a fragment",
        "no data",
        "another context",
        "a command",
        "a release",
        "a PDV that is too long",
        "a PDU that is too long",
    ],
)
def test_what_is_no_small_fragment_keeps_its_turn(behind: bytes, kinds: list[type]) -> None:
    """While the chunk is acted on, nothing behind it has happened yet."""
    connection = established(A)
    feed(connection, command_pdu(STORE, 3))
    connection.receive_data(data_pdu(b"ab", 3, is_last=False) + behind)
    chunk = connection.next_event()
    assert isinstance(chunk, DataSetChunk)
    assert (chunk.data, chunk.last) == (b"ab", False)
    assert connection.is_established
    connection.send_response(STORE.response(Status=OUT_OF_RESOURCES))
    assert [type(event) for event in events_of(connection)] == kinds


def test_a_fragment_that_is_longer_than_announced_is_told() -> None:
    connection = established(A, ac=associate_ac(maximum_length=128))
    stream = command_pdu(STORE, 3) + pdvs(3, b"ab", last=False) + pdvs(3, b"x" * 200)
    (_, first, second) = feed(connection, stream)
    assert first.warnings == ()
    assert second.warnings == ("p-data-too-long: 206 bytes, 128 were announced",)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_data_set_tells_each_kind_of_oddity_once(size: int) -> None:
    stream = command_pdu(STORE, 3) + pdvs(3, *[b"a"] * 30, last=False) + pdvs(3, b"abc")
    stream += message(STORE.replace(MessageID=2), b"abc")
    events = joined(feed(established(A), *cut_every(stream, size)))
    assert [event.warnings for event in events] == [
        (),
        ("odd-fragment: 1 bytes",),
        (),
        ("odd-fragment: 3 bytes",),
    ]


# --- tiny fragments ---------------------------------------------------------------------------------


LIMIT = 100
COMMAND_PART = fragment(b"\0\0", context_id=3, is_command=True, is_last=False)
KINDS = {
    "data set": (command_pdu(STORE, 3), data_pdu(b"ab", 3, is_last=False)),
    "two fragments in a PDU": (command_pdu(STORE, 3), pdvs(3, b"abcdef", b"", last=False)),
    "command set": (COMMAND_PART, COMMAND_PART),
    "dropped data set": (command_pdu(STORE, 1), data_pdu(b"ab", 1, is_last=False)),
    "stray data set": (command_pdu(ECHO, 1), data_pdu(b"ab", 1, is_last=False)),
}


@pytest.mark.parametrize("size", [1, 13, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_whose_fragments_stay_tiny_is_refused(kind: str, size: int) -> None:
    connection = established(A, limits=Limits(tiny_fragments=LIMIT, empty_fragments=LIMIT))
    first, another = KINDS[kind]
    count = LIMIT // 2 if "two" in kind else LIMIT
    before = feed(connection, *cut_every(first + another * count, size))
    assert connection.is_established
    assert b"".join(chunks_of(before)) == {"data": b"ab", "two": b"abcdef"}.get(kind.split()[0], b"") * count
    *events, violation = feed(connection, *cut_every(another, size))
    assert isinstance(violation, ProtocolViolation)
    assert (
        violation.text == "more than 100 fragments of less than 64 bytes on average (Limits.tiny_fragments)"
    )
    assert violation.item_path == "P-DATA-TF / PDV / message"
    assert violation.abort == ABORT_OF_MESSAGE
    assert encode_pdu(ABORT_OF_MESSAGE) in sent_by(connection)
    assert not chunks_of(events)
    assert connection.next_event() is CLOSED


@pytest.mark.parametrize("more", [1, 2, 40])
def test_what_came_before_a_fragment_too_many_is_not_lost_with_it(more: int) -> None:
    """Nor does it depend on whether the fragment was at hand when the others were folded."""
    connection = established(A, limits=Limits(tiny_fragments=LIMIT))
    fragments = data_pdu(b"ab", 3, is_last=False) * (LIMIT + more)
    events = feed(connection, command_pdu(STORE, 3) + fragments)
    assert b"".join(chunks_of(events)) == b"ab" * LIMIT
    assert isinstance(events[-1], ProtocolViolation)


def test_fragments_of_command_and_data_set_are_counted_together() -> None:
    connection = established(A, limits=Limits(tiny_fragments=LIMIT))
    data = encode_command(STORE)
    parts = [fragment(data[n : n + 2], context_id=3, is_command=True, is_last=False) for n in range(0, 60, 2)]
    rest = fragment(data[60:], context_id=3, is_command=True, is_last=True)
    feed(connection, *parts, rest, data_pdu(b"ab", 3, is_last=False) * (LIMIT - len(parts)))
    assert connection.is_established
    feed(connection, data_pdu(b"ab", 3, is_last=False))
    assert not connection.is_established


def test_a_thousand_tiny_fragments_are_taken() -> None:
    stream = command_pdu(STORE, 3) + data_pdu(b"ab", 3, is_last=False) * 1022 + data_pdu(b"cd", 3)
    _, data_set = joined(feed(established(A), stream))
    assert data_set.data == b"ab" * 1022 + b"cd"
    assert data_set.last
    (*_, violation) = feed(established(A), command_pdu(STORE, 3), data_pdu(b"ab", 3, is_last=False) * 1025)
    assert isinstance(violation, ProtocolViolation)


@pytest.mark.parametrize(
    ("role", "announced", "size", "is_taken"),
    [
        (A, 16384, 64, True),
        (A, 16384, 62, False),
        (A, 0, 62, False),
        (A, 128, 32, True),
        (A, 128, 30, False),
        (R, 128, 32, True),
        (R, 128, 30, False),
        (R, 16384, 62, False),
    ],
)
def test_what_is_tiny_depends_on_what_we_announced(
    role: Role, announced: int, size: int, is_taken: bool
) -> None:
    """A quarter of the maximum length, if that is less than 64: a peer can do no better than fill it."""
    if role is A:
        connection = established(role, ac=associate_ac(maximum_length=announced))
    else:
        connection = established(role, rq=associate_rq(maximum_length=announced))
    command = STORE
    assert isinstance(command, CStoreRQ)
    feed(connection, command_pdu(command, 3), data_pdu(bytes(size), 3, is_last=False) * 1100)
    assert connection.is_established is is_taken
    assert connection.tiny_below == min(64, (announced or 256) // 4)


def test_many_fragments_of_a_decent_size_on_average_are_taken() -> None:
    connection = established(A, limits=Limits(tiny_fragments=LIMIT))
    stream = command_pdu(STORE, 3) + (pdvs(3, bytes(1200), *[b"ab"] * 15, last=False)) * 40
    feed(connection, stream)
    assert connection.is_established
    feed(connection, data_pdu(b"ab", 3, is_last=False) * 2000)
    assert not connection.is_established


def test_tiny_fragments_of_each_message_are_counted_by_themselves() -> None:
    connection = established(A, limits=Limits(tiny_fragments=LIMIT))
    for number in range(1, 5):
        command = STORE.replace(MessageID=number)
        feed(connection, command_pdu(command, 3), pdvs(3, *[b"ab"] * 99))
        feed(connection, command_pdu(ECHO.replace(MessageID=number + 10), 1), pdvs(1, *[b"ab"] * 99))
    assert connection.is_established


# --- the work of one call -----------------------------------------------------------------------------


def silence(kind: str, count: int) -> bytes:
    """Return `count` fragments that are no event, but for each hundredth of dropped data sets."""
    if kind == "cancels":
        return message(CCancelRQ(MessageIDBeingRespondedTo=1), context_id=5) * count
    if kind == "one large dropped data set":
        return command_pdu(STORE, 1) + pdvs(1, *[bytes(64)] * count, last=False)
    assert kind == "dropped data sets"
    return (command_pdu(STORE, 1) + pdvs(1, *[b"ab"] * 99)) * (count // 100)


@pytest.mark.parametrize("kind", ["dropped data sets", "cancels", "one large dropped data set"])
def test_one_call_takes_in_a_bounded_number_of_fragments(kind: str) -> None:
    connection = established(A)
    connection.receive_data(silence(kind, 2000))
    busy = 0
    while (event := connection.next_event()) is not NEED_DATA:
        busy += event is BUSY
        assert event is BUSY or isinstance(event, RequestRefused)
    assert busy >= (2000 // 256 if kind != "dropped data sets" else 0)


@pytest.mark.parametrize(("count", "busy"), [(255, 0), (256, 1), (511, 1), (512, 2)])
def test_one_call_takes_in_256_fragments_that_are_no_event(count: int, busy: int) -> None:
    connection = established(A)
    connection.receive_data(silence("cancels", count))
    assert [connection.next_event() for _ in range(busy + 1)] == [BUSY] * busy + [NEED_DATA]


def test_busy_is_never_an_answer_while_events_wait_and_loses_none() -> None:
    connection = established(A)
    feed(connection, message(FIND_RQ, b"key "))
    cancel = message(CCancelRQ(MessageIDBeingRespondedTo=1), context_id=5)
    nothing = message(CCancelRQ(MessageIDBeingRespondedTo=9), context_id=5)
    connection.receive_data(nothing * (256 - 1) + cancel + nothing * 256 + cancel)
    assert connection.next_event() == CancelReceived(message_id=1)
    assert connection.next_event() is BUSY
    assert connection.next_event() is NEED_DATA
    connection.receive_data(nothing * 256)
    connection.receive_eof()
    assert connection.next_event() is BUSY
    assert connection.next_event() is not NEED_DATA
    assert connection.next_event() is CLOSED


def test_a_stray_data_set_of_any_length_is_one_event() -> None:
    connection = established(A)
    stream = command_pdu(ECHO, 1) + pdvs(1, *[bytes(64)] * 2000)
    _, dropped = feed(connection, stream)
    assert dropped == UnexpectedDataSet(context_id=1, length=64 * 2000)
    assert connection.is_established


# --- growth -------------------------------------------------------------------------------------------


def pour(kind: str, count: int) -> bytes:
    if kind == "small fragments":
        return command_pdu(STORE, 3) + data_pdu(bytes(64), 3, is_last=False) * count
    if kind == "odd fragments":
        return command_pdu(STORE, 3) + pdvs(3, *[bytes(65)] * count, last=False)
    if kind == "refused requests":
        return b"".join(command_pdu(ECHO.replace(MessageID=n % 65535 + 1), 3) for n in range(count))
    if kind == "stray data sets":
        return message(ECHO, b"ab", context_id=1) * count
    return silence(kind, count)


@pytest.mark.serial
@pytest.mark.parametrize(
    "kind",
    [
        "small fragments",
        "odd fragments",
        "refused requests",
        "stray data sets",
        "cancels",
        "one large dropped data set",
    ],
)
def test_twice_as_much_takes_twice_as_long(kind: str) -> None:
    def task(count: int) -> Callable[[], object]:
        connection, pieces = established(A, strict_dispatch=True), cut_every(pour(kind, count), 100_000)

        def run() -> Connection:
            for piece in pieces:
                connection.receive_data(piece)
                while (event := connection.next_event()) is not NEED_DATA:
                    if isinstance(event, RequestReceived) and not event.has_data_set:
                        connection.send_response(event.command.response())
                connection.data_to_send()
            assert connection.is_established
            return connection

        return run

    assert growth(task, 1000) <= MOST
