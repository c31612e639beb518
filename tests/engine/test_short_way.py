"""The short way: what is not odd passes framer, machine, assembler and codec in one step each.

The long way takes everything. So whatever a peer sends, and however it is cut, both ways show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto import Connection, Limits, LocalProtocolError
from dicomproto.dimse import codec
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import CEchoRQ, Command
from dicomproto.dimse.events import RequestRefused
from dicomproto.errors import InvalidCommand
from dicomproto.services import ServiceClass, agreement
from dicomproto.strategies import commands
from dicomproto.upper_layer import PDataTF, PresentationDataValue, ProtocolViolation, Role, encode_pdu
from dicomproto.upper_layer.machine import UpperLayer
from tests.dialogues import (
    ACTION,
    CT,
    ECHO,
    EVENT,
    FIND,
    FIND_RQ,
    GET_RQ,
    MOVE_RQ,
    STORE,
    VERIFICATION,
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
)
from tests.streams import cut, cut_every
from tests.watched import HEARD, LOCAL, SITUATIONS
from tests.wild import STREAMS_OF_MESSAGES


@contextmanager
def the_long_way() -> Iterator[None]:
    """Close the short ways of PDVs in and out; nothing of earlier messages is remembered."""
    with ExitStack() as stack:
        for owner, name, closed in (
            (UpperLayer, "plain_pdv", lambda self: None),
            (UpperLayer, "send_plain_pdv", lambda self, *plain: False),
            (codec, "_head_of", lambda data: (0, None)),
            (codec, "_kept_head", codec._encode_head),
            (agreement, "_USUAL", frozenset()),
            (agreement, "_MOST_STATUSES", 0),
        ):
            stack.enter_context(mock.patch.object(owner, name, closed))
        yield


def all_facts(connection: Connection, now: float) -> tuple[object, ...]:
    """Return all that a caller can see, but for events."""
    due, (rest, unread) = connection.next_deadline(now), connection.unread()
    return (
        [bytes(buffer) for buffer in connection.data_to_send()],
        connection.state,
        connection.close_action,
        dict(connection.outstanding),
        dict(connection.unanswered),
        set(connection.cancelled),
        connection.is_receiving,
        connection.is_sending,
        due,
        rest,
        b"".join(map(bytes, unread)),
    )


def trace(make: Callable[[], Connection], pieces: list[bytes], end_of_file: bool) -> list[object]:
    """Return every event with its warnings, and all facts after each piece."""
    connection, seen = make(), []
    for now, piece in enumerate(pieces):
        connection.receive_data(piece)
        seen += [(event, getattr(event, "warnings", ())) for event in events_of(connection)]
        seen.append(all_facts(connection, float(now)))
    if end_of_file:
        connection.receive_eof()
        seen += [events_of(connection), all_facts(connection, 1e3)]
    return seen


def both_ways_show_the_same(
    make: Callable[[], Connection], pieces: list[bytes], end_of_file: bool = True
) -> None:
    short = trace(make, pieces, end_of_file)
    with the_long_way():
        assert trace(make, pieces, end_of_file) == short


@st.composite
def p_data(draw: st.DrawFn) -> bytes:
    """A P-DATA-TF of up to three PDVs, of any content, at times with a byte or a length that is wrong."""
    values = [
        PresentationDataValue(
            context_id=draw(st.sampled_from([1, 3, 3, 3, 13])),
            is_command=draw(st.booleans()),
            is_last=draw(st.booleans()),
            data=draw(st.sampled_from([b"", b"a", b"ab", bytes(1022), bytes(1024), bytes(20_000)])),
        )
        for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3])))
    ]
    encoded = bytearray(encode_pdu(PDataTF(values=tuple(values))))
    if draw(st.integers(0, 3)) == 0:
        encoded[draw(st.integers(0, min(len(encoded), 14) - 1))] = draw(st.sampled_from([0, 1, 2, 4, 5, 255]))
    return bytes(encoded)


@st.composite
def stores(draw: st.DrawFn) -> bytes:
    """An object in PDUs of any length, at times packed with its command set."""
    command = STORE.replace(MessageID=draw(st.integers(1, 4)))
    sizes = draw(st.lists(st.sampled_from([0, 2, 64, 1023, 1024, 4000, 16378]), min_size=1, max_size=5))
    parts = [data_pdu(bytes(size), 3, is_last=number == len(sizes)) for number, size in enumerate(sizes, 1)]
    if draw(st.booleans()):
        return command_pdu(command, 3) + b"".join(parts)
    encoded = encode_command(command)
    values = (
        PresentationDataValue(context_id=3, is_command=True, is_last=True, data=encoded),
        PresentationDataValue(context_id=3, is_command=False, is_last=False, data=b"head"),
    )
    return encode_pdu(PDataTF(values=values)) + b"".join(parts)


WIRE = st.lists(st.one_of(stores(), stores(), p_data(), STREAMS_OF_MESSAGES), max_size=4).map(b"".join)


@given(st.sampled_from(SITUATIONS), WIRE, st.lists(st.integers(0, 2**20), max_size=12), st.booleans())
def test_both_ways_show_the_same_of_any_stream(make, data: bytes, at: list[int], end_of_file: bool) -> None:
    both_ways_show_the_same(make, cut(data, at), end_of_file)
    both_ways_show_the_same(make, [data] if data else [], end_of_file)


@given(st.sampled_from(SITUATIONS), STREAMS_OF_MESSAGES)
def test_both_ways_show_the_same_byte_by_byte(make, data: bytes) -> None:
    both_ways_show_the_same(make, cut_every(data, 1))


PLAIN = (
    message(ECHO)
    + message(STORE.replace(MessageID=2), bytes(3000))
    + message(FIND_RQ.replace(MessageID=3), b"\x08\0\x52\0\0\0\0\0")
)


def test_both_ways_show_the_same_for_every_cut_in_two() -> None:
    for at in range(1, len(PLAIN)):
        if at < 260 or at > len(PLAIN) - 260 or at % 97 == 0:
            both_ways_show_the_same(lambda: established(Role.ACCEPTOR), [PLAIN[:at], PLAIN[at:]])


@given(st.sampled_from(SITUATIONS), st.lists(st.sampled_from([*LOCAL, *HEARD]), max_size=8), st.booleans())
def test_both_ways_send_the_same(make, actions, is_watched: bool) -> None:
    def outcome() -> list[object]:
        connection, seen = make(), []
        if is_watched:
            connection.on_transition = lambda *transition: seen.append(transition)
        for action in actions:
            try:
                action(connection)
            except LocalProtocolError as error:
                seen.append(str(error))
            seen += [events_of(connection), all_facts(connection, 1.0)]
        return seen

    short = outcome()
    with the_long_way():
        assert outcome() == short


@given(
    st.lists(st.tuples(st.integers(0, 700), st.sampled_from([bytes, bytearray, memoryview])), max_size=6),
    st.sampled_from([0, 128, 519, 1000, 16384]),
    st.booleans(),
)
def test_both_ways_send_the_same_data_sets(chunks, maximum_length: int, pack: bool) -> None:
    def outcome() -> bytes:
        sender = established(Role.REQUESTOR, ac=associate_ac(maximum_length=maximum_length), pack_pdvs=pack)
        sender.send_request(STORE, 3)
        for size, kind in chunks:
            sender.send_data(kind(bytes(range(256)) * 3)[:size], last=False)
        sender.send_data(b"", last=True, pad=True)
        return b"".join(sender.data_to_send())

    short = outcome()
    with the_long_way():
        assert outcome() == short


# --- command sets ---------------------------------------------------------------------------------


def decoded(data: bytes) -> tuple[object, ...]:
    try:
        command = decode_command(data)
    except InvalidCommand as error:
        return (str(error),)
    return command, command.warnings, command.unknown_elements, command.foreign_elements


def both_ways_decode_the_same(data: bytes) -> None:
    first, again = decoded(data), decoded(data)
    with the_long_way():
        assert first == again == decoded(data)


@given(commands(), st.integers(0, 200), st.binary(max_size=12), st.integers(0, 200))
def test_both_ways_decode_the_same(command: Command, at: int, other: bytes, until: int) -> None:
    """Whole ones, those that are cut, and those with other bytes in some place."""
    data = encode_command(command)
    both_ways_decode_the_same(data)
    both_ways_decode_the_same(data[:until])
    both_ways_decode_the_same(data[:at] + other + data[at + len(other) :])
    both_ways_decode_the_same(data + other)


@pytest.mark.parametrize(
    "uid", [b"1.2.3.4", b"1.02.34", b"1.2\\3.4", b"1.2.3.\0", b"A.2.3.4", b"1.2.3  ", bytes(7)]
)
def test_both_ways_decode_the_same_uid(uid: bytes) -> None:
    """Of the instance, and of the SOP class."""
    for command in (STORE, STORE.replace(AffectedSOPClassUID="1.2.3.4", AffectedSOPInstanceUID="1.2")):
        both_ways_decode_the_same(encode_command(command).replace(b"1.2.3.4", uid))


@pytest.mark.parametrize("data_set_type", [0x0101, 0x0001])
def test_both_ways_decode_the_same_in_another_order(data_set_type: int) -> None:
    """The Command Data Set Type stands where the Message ID is mostly."""
    data = encode_command(FIND_RQ)
    kind = data[-10:-2] + data_set_type.to_bytes(2, "little")
    both_ways_decode_the_same(data[:-30] + kind + data[-30:-10])


@given(commands())
def test_both_ways_encode_the_same(command: Command) -> None:
    first, again = encode_command(command), encode_command(command)
    with the_long_way():
        assert first == again == encode_command(command)


@pytest.mark.parametrize("message_id", [1, 2, 0x0101, 65535])
@pytest.mark.parametrize("command", [ECHO, STORE, STORE.response(), FIND_RQ.response(Status=0xFF00)])
def test_a_command_set_that_begins_as_another_has_its_own_values(command: Command, message_id: int) -> None:
    keyword = "MessageID" if hasattr(command, "MessageID") else "MessageIDBeingRespondedTo"
    uid = f"1.2.{message_id}"
    other = command.replace(**{keyword: message_id})
    if hasattr(command, "AffectedSOPInstanceUID"):
        other = other.replace(AffectedSOPInstanceUID=uid)
    for each in (command, other, command):
        assert decode_command(encode_command(each)) == each


def test_an_equal_value_of_another_type_is_judged_anew() -> None:
    encode_command(CEchoRQ(AffectedSOPClassUID=VERIFICATION, MessageID=1))
    with pytest.raises(LocalProtocolError, match="CommandDataSetType must be a number"):
        encode_command(CEchoRQ(AffectedSOPClassUID=VERIFICATION, MessageID=1, CommandDataSetType=257.0))


def test_what_a_peer_sends_is_kept_in_bounds() -> None:
    """A UID that is too long is not kept, in either direction, and of others only the last few hundred."""
    kept = codec._read_head, codec._kept_head
    for cache in kept:
        cache.cache_clear()
    long = CEchoRQ(AffectedSOPClassUID="1." * 40 + "1", MessageID=1)
    with the_long_way():
        data = encode_command(long.response())
    assert encode_command(decode_command(data)) == data
    assert [cache.cache_info().currsize for cache in kept] == [0, 0]
    for number in range(1000):
        decode_command(encode_command(ECHO.replace(AffectedSOPClassUID=f"1.2.{number}")))
    assert [cache.cache_info().currsize for cache in kept] == [256, 256]


# --- what has passed before ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"strict_roles": True, "strict_dispatch": True}, {"allow_unknown": True}]
)
@pytest.mark.parametrize("role", Role)
def test_what_has_passed_before_changes_no_judgement(role: Role, options: dict[str, bool]) -> None:
    """Requests as they should be, and with another SOP class or instance, on every context."""
    requests = []
    for request in (ECHO, STORE, FIND_RQ, MOVE_RQ, GET_RQ, ACTION, EVENT):
        keyword = "AffectedSOPClassUID" if hasattr(request, "AffectedSOPClassUID") else "RequestedSOPClassUID"
        requests += [
            request,
            *(request.replace(**{keyword: uid}) for uid in (CT, FIND, f"{CT}\0", "", "1.2.3")),
        ]
        if request is STORE:
            requests.append(request.replace(AffectedSOPInstanceUID="1.2\\1.3"))
    chosen = roles(CT) if role is Role.ACCEPTOR else {}
    connection = established(role, rq=associate_rq(**chosen), ac=associate_ac(**chosen), **options)
    agreed = connection._agreement
    every = [
        (request, context, by_us)
        for request, context, by_us in product(requests, agreed.contexts.values(), (True, False))
    ]
    with the_long_way():
        anew = [agreed.judge(request, context, by_us=by_us) for request, context, by_us in every]
    for _ in range(2):
        assert [agreed.judge(request, context, by_us=by_us) for request, context, by_us in every] == anew
    assert agreed._passed


def test_one_of_several_instances_is_refused_after_others_have_passed() -> None:
    connection = established(Role.ACCEPTOR)
    instance = STORE.replace(AffectedSOPInstanceUID="1.2.1.3")
    several = command_pdu(instance.replace(MessageID=3), 3).replace(b"1.2.1.3", b"1.2\\1.3")
    for message_id in (1, 2):
        feed(connection, message(instance.replace(MessageID=message_id), b"ab"))
    refused = feed(connection, several, data_pdu(b"ab", 3))
    assert [type(event) for event in refused] == [RequestRefused]
    assert refused[0].status == 0x0117


def test_the_statuses_that_are_remembered_are_few() -> None:
    """Each has its meaning all the same."""
    connection = established(Role.REQUESTOR)
    for code in (*range(0xC000, 0xC100), 0x0000, 0xA700):
        connection.send_request(STORE.replace(MessageID=0), 3)
        connection.send_data(b"ab", last=True)
        (message_id,) = connection.outstanding
        (response,) = feed(
            connection, message(STORE.replace(MessageID=message_id).response(Status=code), None, 3)
        )
        assert response.command.Status == code
        assert response.command.Status.service_class is ServiceClass.STORAGE
    assert len(connection._agreement._statuses) == 64


# --- what is odd takes the long way ----------------------------------------------------------------


def pdv(data: bytes, *, context_id: int = 3, is_command: bool = False, is_last: bool = True) -> bytes:
    return fragment(data, context_id=context_id, is_command=is_command, is_last=is_last)


ODD = {
    "an odd PDV behind another": encode_pdu(
        PDataTF(
            values=(
                PresentationDataValue(context_id=3, is_command=False, is_last=False, data=b"ab"),
                PresentationDataValue(context_id=3, is_command=False, is_last=True, data=b"cde"),
            )
        )
    ),
    "two PDVs": encode_pdu(
        PDataTF(
            values=(
                PresentationDataValue(context_id=3, is_command=False, is_last=False, data=b"ab" * 600),
                PresentationDataValue(context_id=3, is_command=False, is_last=True, data=b"cd"),
            )
        )
    ),
    "empty": pdv(b"", is_last=False) + pdv(b"ab"),
    "odd length": pdv(b"abc"),
    "too long": pdv(bytes(16384)),
    "another context": pdv(b"ab", context_id=1),
    "a refused context": pdv(b"ab", context_id=13),
    "a refused context behind another": encode_pdu(
        PDataTF(
            values=(
                PresentationDataValue(context_id=3, is_command=False, is_last=True, data=b"ab"),
                PresentationDataValue(
                    context_id=13,
                    is_command=True,
                    is_last=True,
                    data=encode_command(ECHO.replace(MessageID=3)),
                ),
            )
        )
    ),
    "a command set within": pdv(encode_command(STORE), is_command=True),
    "small pieces": pdv(b"ab", is_last=False) * 3 + pdv(b"ab"),
    "another PDU": b"\x05\0\0\0\0\x04\0\0\0\0",
    "no PDU": b"\x09\0\0\0\0\x04\0\0\0\0ABCD",
    "PDV too long": b"\x04\0\0\0\0\x08\0\0\0\x40\x03\x02ab",
    "PDV too short": b"\x04\0\0\0\0\x08\0\0\0\x01\x03\x02ab",
    "rest of the PDU": b"\x04\0\0\0\0\x0a\0\0\0\x04\x03\x02abcd",
    "other bits": b"\x04\0\0\0\0\x08\0\0\0\x04\x03\xf4ab" + pdv(b"cd"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_odd_takes_the_long_way(odd: bytes) -> None:
    data = message(STORE) + odd + message(ECHO.replace(MessageID=2))
    for pieces in ([data], cut_every(data, 1), cut_every(data, 13), cut(data, [len(message(STORE)) + 12])):
        both_ways_show_the_same(lambda: established(Role.ACCEPTOR), pieces)


def test_too_many_tiny_fragments_take_the_long_way() -> None:
    pieces = [message(STORE), *[data_pdu(b"ab", 3, is_last=False)] * 2, data_pdu(bytes(1024), 3)]
    limits = Limits(tiny_fragments=2)
    both_ways_show_the_same(lambda: established(Role.ACCEPTOR, limits=limits), pieces)
    assert isinstance(feed(established(Role.ACCEPTOR, limits=limits), *pieces)[-1], ProtocolViolation)
