"""The codec of command sets (PS3.7 6.3): Implicit VR Little Endian, driven by the element table.

The encoder is exact: group length first, tags ascending, even lengths, and only elements that belong to the
message. The decoder is lenient. It accepts elements out of order, a wrong or missing group length, elements
of the wrong size, several values in place of one, and elements of no message, and adds warnings. It only has
to know what the message is and what it answers. It stops at the first element outside group 0000.
It refuses data that begins outside group 0000, and elements that run beyond the data: such bytes are not a
command set, or were misread.

Each class has a plan, made once from its fields and the element table: one `attrgetter` for all values, and
one prepared encoder an element. `decode_command` reads a command set in one pass, and takes a second look
only at odd ones.

Most command sets begin as earlier ones did, up to their Status or Command Data Set Type, but for the Message
ID. Both directions keep some of these heads, of valid length only; the one that was not used for the longest
time gives way. No other value of a peer is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any

from ..errors import InvalidCommand, LocalProtocolError
from ..record import changer_of, maker_of, slots_of
from ..upper_layer.conformance import MAXIMUM_AE_TITLE_LENGTH, is_plain_text
from ..upper_layer.pdu import Buffer
from .commands import COMMANDS, NO_DATA_SET, Command, Request, Response
from .element_reader import HEADER, MAXIMUM_UID_LENGTH, SHORTS, TAG, read_elements, read_uid
from .elements import ELEMENTS, RETIRED_ELEMENTS, Element

_Encoder = Callable[[object], bytes]
_Absent = tuple[object, ...]

_COMMAND_FIELD, _STATUS = 0x0100, 0x0900  # element numbers
_INSTANCE = "AffectedSOPInstanceUID"

_MOST_HEADS = 256  # beginnings of command sets that are kept, each of some hundred bytes

MAXIMUM_COMMENT_LENGTH = 64  # LO

_GROUP_LENGTH = struct.Struct("<HHII")
_GROUP_LENGTH_HEADER = HEADER.pack(0, 0, 4)
_SHORT = struct.Struct("<HHIH")

# A retrieval may have more sub-operations than its counters of 16 bits can hold.
_CLAMPED = frozenset(e.keyword for e in ELEMENTS.values() if e.keyword.startswith("NumberOf"))


# --- encoding -----------------------------------------------------------------------------


def _encode_clamped(number: int, value: object) -> bytes:
    if not isinstance(value, int) or value < 0:
        raise ValueError
    return _SHORT.pack(0, number, 2, min(value, 0xFFFF))


def _encode_own_text(number: int, maximum: int, pad: bytes, value: object) -> bytes:
    """Encode a UID or AE title of our own: its length and characters must be conformant."""
    if not isinstance(value, str):
        raise TypeError("be a string")
    size = len(value)
    if not 0 < size <= maximum:
        raise ValueError(f"have 1 to {maximum} characters, not {size}")
    if not value.isascii() or not value.isprintable() or "\\" in value:
        raise ValueError("have printable ASCII characters only, and no backslash")
    data = value.encode("ascii")
    if size & 1:
        return HEADER.pack(0, number, size + 1) + data + pad
    return HEADER.pack(0, number, size) + data


def _encode_echoed_uid(number: int, value: object) -> bytes:
    """Encode a UID of a response: it goes back as the peer sent it, even if it is not valid."""
    if not isinstance(value, str):
        raise TypeError("be a string")
    data = value.encode("latin-1")
    if len(data) & 1:
        data += b"\0"
    return HEADER.pack(0, number, len(data)) + data


def error_comment(text: str) -> str:
    """Return text as an Error Comment: 64 characters of the Default Character Repertoire (PS3.7 C.4.1).

    Longer text is cut, and other characters become question marks, so that no response fails for its comment.
    """
    text = text[:MAXIMUM_COMMENT_LENGTH]
    return text if is_plain_text(text) else "".join([c if is_plain_text(c) else "?" for c in text])


def _encode_comment(number: int, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("be a string")
    data = error_comment(value).encode("ascii")
    if len(data) & 1:
        data += b" "
    return HEADER.pack(0, number, len(data)) + data


def _encode_tags(number: int, value: object) -> bytes:
    if not isinstance(value, tuple):
        raise TypeError
    tags = [TAG.pack(tag >> 16, tag & 0xFFFF) for tag in value]
    return b"".join([HEADER.pack(0, number, 4 * len(value)), *tags])


def _encoder_for(element: Element, command: type[Command]) -> _Encoder:
    number, vr = element.number, element.vr
    if element.keyword in _CLAMPED:
        return partial(_encode_clamped, number)
    if vr == "US":
        return partial(_SHORT.pack, 0, number, 2)
    if vr == "UI":
        if issubclass(command, Response):
            return partial(_encode_echoed_uid, number)
        return partial(_encode_own_text, number, MAXIMUM_UID_LENGTH, b"\0")
    if vr == "AE":
        return partial(_encode_own_text, number, MAXIMUM_AE_TITLE_LENGTH, b" ")
    return partial(_encode_comment if vr == "LO" else _encode_tags, number)


class _Plan:
    """How one class is encoded, and which elements its command set must and may have.

    The elements are in three parts: those up to the Status, which are the same in many messages, the Message
    ID, and the others.
    """

    def __init__(self, command: type[Command]) -> None:
        defaults = command._fields
        vital = "MessageID" if issubclass(command, Request) else "MessageIDBeingRespondedTo"
        elements = [e for e in ELEMENTS.values() if e.keyword in defaults or e.number == _COMMAND_FIELD]
        self.elements = sorted(elements, key=lambda e: (e.number > _STATUS, e.keyword == vital))
        self.names = [_attribute(element) for element in self.elements]
        optional = {name for name in self.names if defaults.get(name, 0) is None}
        self.make = maker_of(command)
        slots = slots_of(command)
        self.values = attrgetter(*[slots.get(name, name) for name in self.names])
        encoders = [_encoder_for(element, command) for element in self.elements]
        # Values that count as absent.
        absent = [(None, "", ()) if name in optional else () for name in self.names]
        self.encoders = list(zip(encoders, absent, strict=True))
        self.message_id = self.names.index(vital)
        self.encode_message_id = encoders[self.message_id]
        self.field = self.names.index("command_field")
        self.rest = self.encoders[self.message_id + 1 :]
        rest = self.names[self.message_id + 1 :]
        self.no_rest = (None,) * len(rest) if optional.issuperset(rest) else ()
        self.instance = -1  # place of the instance in the rest, if it may stand there alone
        if rest.count(_INSTANCE) and optional.issuperset(set(rest) - {_INSTANCE}):
            self.instance = rest.index(_INSTANCE)
        self.allowed = frozenset(e.keyword for e in self.elements)
        self.mandatory = self.allowed - optional - {"CommandField"}
        self.vital = (vital, "Status") if issubclass(command, Response) else (vital,)


def _attribute(element: Element) -> str:
    return "command_field" if element.keyword == "CommandField" else element.keyword


@cache
def _plan_of(command: type[Command]) -> _Plan:
    """Return the plan of one of the 23 classes; it is made at its first use."""
    if COMMANDS.get(getattr(command, "command_field", 0)) is not command:
        raise LocalProtocolError(f"{command.__name__} is none of the DIMSE commands")
    return _Plan(command)


def encode_command(command: Command) -> bytes:
    """Return the command set of `command`.

    The four sub-operation counters end at 65535, and an Error Comment is cut to 64 characters of ASCII.
    `unknown_elements` and `foreign_elements` are not sent. Raises LocalProtocolError for a value that the
    standard does not allow; UIDs in responses are echoed as they are.
    """
    kind = type(command)
    plan = _plan_of(kind)
    if command.CommandDataSetType == NO_DATA_SET:
        if command.data_set_required:
            raise LocalProtocolError(f"{command.name} has a data set; set CommandDataSetType to 0001H")
    elif not command.data_set_allowed:
        raise LocalProtocolError(f"{command.name} has no data set; set CommandDataSetType to 0101H")
    values, at = plan.values(command), plan.message_id
    class_uid, rest = values[0], values[at + 1 :]
    is_long = isinstance(class_uid, str) and len(class_uid) > MAXIMUM_UID_LENGTH
    encode_head = _encode_head if is_long else _kept_head  # nothing long is kept
    try:
        before, after = encode_head(kind, *values[:at])
        parts = [before, plan.encode_message_id(values[at]), after]
        if (place := plan.instance) >= 0 and rest[place] and rest.count(None) == len(rest) - 1:
            parts.append(plan.rest[place][0](rest[place]))
        elif rest != plan.no_rest:
            parts += _encode_each(plan.rest, rest)
    except (struct.error, TypeError, ValueError):
        raise LocalProtocolError(_fault(plan, command, values)) from None
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def _encode_head(kind: type[Command], *values: object) -> tuple[bytes, bytes]:
    """Return the elements before the Message ID, and those behind it up to the Status."""
    plan = _plan_of(kind)
    encoders, middle = plan.encoders[: plan.message_id], plan.field + 1
    before = _encode_each(encoders[:middle], values[:middle])
    return b"".join(before), b"".join(_encode_each(encoders[middle:], values[middle:]))


_kept_head = lru_cache(_MOST_HEADS, typed=True)(_encode_head)


def _encode_each(encoders: Iterable[tuple[_Encoder, _Absent]], values: Iterable[object]) -> list[bytes]:
    return [
        encode(value) for (encode, absent), value in zip(encoders, values, strict=True) if value not in absent
    ]


# For VRs whose own errors speak of Python's types and formats.
_DEMANDS = {"US": "be a number from 0 to 65535", "AT": "be a tuple of tags, each a number of 32 bits"}


def _fault(plan: _Plan, command: Command, values: tuple[object, ...]) -> str:
    """Return the name of the value that could not be encoded, and the reason; never the value itself."""
    reason = ""
    for element, (encode, absent), value in zip(plan.elements, plan.encoders, values, strict=True):
        try:
            if value not in absent:
                encode(value)
        except UnicodeEncodeError:
            reason = f"{element.keyword} has characters outside ISO 8859-1"
        except (struct.error, TypeError, ValueError) as error:
            demand = _DEMANDS.get(element.vr, error)
            reason = f"{element.keyword} must {demand}"
    return f"{command.name}: {reason}"


# --- decoding -----------------------------------------------------------------------------


def decode_command(data: Buffer) -> Command:
    """Return the command in a command set; its `warnings` list the tolerated faults.

    Raises InvalidCommand, and nothing else: if the first element is outside group 0000, if an element of
    group 0000 runs beyond the data, if the Command Field is missing or unknown, or if the Message ID (Being
    Responded To) or the Status is missing. Time and memory are a small multiple of `len(data)`, which the
    caller bounds (`Limits.command_length`).
    """
    data = bytes(data)
    at, head = _head_of(data)
    if head is None:
        return _decode(data, {}, 12 if _has_group_length(data) else 0)
    keyword, values, make, make_with_uid = head
    message_id, end, rest = data[at] | data[at + 1] << 8, len(data), data[at + 22 :]
    if int.from_bytes(data[8:12], "little") == end - 12:
        if not rest and make is not None:
            return make(message_id)
        is_uid = rest.startswith(_INSTANCE_UID_TAG) and int.from_bytes(rest[4:8], "little") == len(rest) - 8
        if is_uid and make_with_uid is not None:
            warnings: list[str] = []
            uid = read_uid(rest[8:], _INSTANCE, warnings)
            if uid is not None and not warnings:
                return make_with_uid(message_id, uid)
    return _decode(data, values | {keyword: message_id}, end - len(rest))


def _decode(data: bytes, fields: dict[str, Any], position: int) -> Command:
    """Return the command in a command set whose elements before `position` are in `fields`."""
    warnings: list[str] = []
    position, is_odd = read_elements(data, position, fields, warnings)
    command = COMMANDS.get(fields.get("CommandField", -1))
    if command is None:
        raise InvalidCommand(_unknown(fields))
    del fields["CommandField"]
    plan = _plan_of(command)
    if not fields.keys() >= plan.mandatory:
        _complete(fields, plan, command, warnings)
    if is_odd or not fields.keys() <= plan.allowed:
        _set_aside(fields, data[:position], plan, warnings)
    has_data_set = fields["CommandDataSetType"] != NO_DATA_SET
    if has_data_set and not command.data_set_allowed:
        warnings.append("unexpected-data-set")
    elif not has_data_set and command.data_set_required:
        warnings.append("missing-data-set")
    if position < len(data):
        # Orthanc puts the list of failed instances (0008,0058) behind the command set of a C-GET response.
        group = int.from_bytes(data[position : position + 2], "little")
        warnings.append(f"foreign-elements: {len(data) - position} bytes, from group {group:04X} on")
        fields["foreign_elements"] = data[position:]
    if warnings:
        fields["warnings"] = tuple(warnings)
    return plan.make(**fields)


def _with_group_length(body: bytes) -> bytes:
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def _has_group_length(data: bytes) -> bool:
    return data.startswith(_GROUP_LENGTH_HEADER) and len(data) >= 12


# Headers of the SOP class that a command set begins with; no valid UID is longer.
_CLASS_UIDS = {
    HEADER.pack(0, number, size) for number in (2, 3) for size in range(0, MAXIMUM_UID_LENGTH + 1, 2)
}
_INSTANCE_UID = 0x1000
_INSTANCE_UID_TAG = TAG.pack(0, _INSTANCE_UID)
_MESSAGE_IDS = ("MessageID", "MessageIDBeingRespondedTo")
_BEFORE_MESSAGE_ID = 38  # bytes before its value, besides the UID of the SOP class


_Head = tuple[str, dict[str, Any], Callable[..., Command] | None, Callable[..., Command] | None]
"""How command sets begin, apart from the Message ID: its keyword, and the values of the other elements.

Then functions that make commands: of a Message ID, if nothing has to follow; of a Message ID and an Affected
SOP Instance UID, if nothing else has to.
"""


def _head_of(data: bytes) -> tuple[int, _Head | None]:
    """Return where the value of the Message ID stands in a command set, and its head, if it has one.

    Those of earlier command sets are known.
    """
    if len(data) <= 16 or data[16] > MAXIMUM_UID_LENGTH or not data.startswith(_GROUP_LENGTH_HEADER):
        return 0, None
    at = _BEFORE_MESSAGE_ID + data[16]  # which is the length of the UID
    return at, _read_head(data[12:at], data[at + 2 : at + 22]) if at + 2 <= len(data) else None


@lru_cache(_MOST_HEADS)
def _read_head(before: bytes, after: bytes) -> _Head | None:
    """Return the head whose bytes stand before and after the value of the Message ID.

    None unless they are a UID, the Command Field, the header of the Message ID and up to two numbers, all of
    them whole and in order: a part of an element would be taken for one.
    """
    numbers = [after[at : at + 8] for at in range(0, len(after), 10)]
    is_whole = len(after) % 10 == 0 and all(number in SHORTS for number in (before[-18:-10], *numbers))
    keyword = SHORTS.get(before[-8:])
    if not is_whole or before[:8] not in _CLASS_UIDS or keyword not in _MESSAGE_IDS:
        return None
    values: dict[str, Any] = {}
    warnings: list[str] = []
    body = before + bytes(2) + after
    _, is_odd = read_elements(_with_group_length(body), 12, values, warnings)
    kind = COMMANDS.get(values.get("CommandField", -1))
    if is_odd or warnings or kind is None or not values.keys() >= set(_plan_of(kind).vital):
        return None
    uid = HEADER.pack(0, _INSTANCE_UID, 2) + b"1\0"
    make_with_uid = _maker_of_likes(body + uid, keyword, _INSTANCE)
    del values[keyword]
    return keyword, values, _maker_of_likes(body, keyword), make_with_uid


def _maker_of_likes(body: bytes, *keywords: str) -> Callable[..., Command] | None:
    """Return a function that makes commands with other values of some elements, unless this one is odd."""
    command = _decode(_with_group_length(body), {}, 12)
    return None if command.warnings else partial(changer_of(type(command), *keywords), command)


def _unknown(fields: dict[str, Any]) -> str:
    if "CommandField" not in fields:
        return "the Command Field is missing"
    return f"unknown Command Field {fields['CommandField']:04X}H"


def _complete(fields: dict[str, object], plan: _Plan, command: type[Command], warnings: list[str]) -> None:
    """Fill in missing mandatory elements. Raises InvalidCommand if a vital one is missing."""
    for keyword in plan.vital:
        if keyword not in fields:
            raise InvalidCommand(f"{command.name} without {keyword}")
    for element in plan.elements:
        keyword = element.keyword
        if keyword in plan.mandatory and keyword not in fields:
            warnings.append(f"missing-element: {keyword}")
            if keyword == "CommandDataSetType":
                fields[keyword] = NO_DATA_SET
            else:
                fields[keyword] = 0 if element.vr == "US" else ""


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (element number, value) from a command set whose structure was checked."""
    position = 0
    while position < len(data):
        _, number, length = HEADER.unpack_from(data, position)
        yield number, data[position + 8 : position + 8 + length]
        position += 8 + length


def _set_aside(fields: dict[str, object], data: bytes, plan: _Plan, warnings: list[str]) -> None:
    """Move elements of other messages to `unknown_elements`; warn once of each kind of oddity."""
    kept: list[tuple[int, bytes]] = []
    seen: set[int] = set()
    told: dict[str, list[int]] = {}
    for number, raw in _elements(data):
        if number == 0:
            continue
        if number not in ELEMENTS:
            kept.append((number, raw))
            if number not in RETIRED_ELEMENTS:
                told.setdefault("unknown-element", []).append(number)
        elif ELEMENTS[number].keyword not in plan.allowed:
            kept.append((number, raw))
            fields.pop(ELEMENTS[number].keyword, None)
            told.setdefault("unexpected-element", []).append(number)
        elif number in seen:
            told.setdefault("repeated-element", []).append(number)
        seen.add(number)
    for code, numbers in told.items():
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        warnings.append(f"{code}: (0000,{numbers[0]:04X}){more}")
    if kept:
        fields["unknown_elements"] = tuple(kept)
