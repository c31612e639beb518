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
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from operator import attrgetter
from typing import Any

from ..errors import InvalidCommand, LocalProtocolError
from ..record import maker_of, slots_of
from ..uids import is_valid_uid
from ..upper_layer.conformance import MAXIMUM_AE_TITLE_LENGTH, is_plain_text
from ..upper_layer.pdu import Buffer
from .commands import COMMANDS, NO_DATA_SET, Command, Request, Response
from .elements import ELEMENTS, RETIRED_ELEMENTS, Element

_Encoder = Callable[[object], bytes]
_Reader = Callable[[bytes, str, list[str]], object]

MAXIMUM_UID_LENGTH = 64  # PS3.5 9.1
MAXIMUM_COMMENT_LENGTH = 64  # LO

_HEADER = struct.Struct("<HHI")
_GROUP_LENGTH = struct.Struct("<HHII")
_GROUP_LENGTH_HEADER = _HEADER.pack(0, 0, 4)
_TAG = struct.Struct("<HH")
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
        return _HEADER.pack(0, number, size + 1) + data + pad
    return _HEADER.pack(0, number, size) + data


def _encode_echoed_uid(number: int, value: object) -> bytes:
    """Encode a UID of a response: it goes back as the peer sent it, even if it is not valid."""
    if not isinstance(value, str):
        raise TypeError("be a string")
    data = value.encode("latin-1")
    if len(data) & 1:
        data += b"\0"
    return _HEADER.pack(0, number, len(data)) + data


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
    return _HEADER.pack(0, number, len(data)) + data


def _encode_tags(number: int, value: object) -> bytes:
    if not isinstance(value, tuple):
        raise TypeError
    tags = [_TAG.pack(tag >> 16, tag & 0xFFFF) for tag in value]
    return b"".join([_HEADER.pack(0, number, 4 * len(value)), *tags])


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
    """How one class is encoded, and which elements its command set must and may have."""

    def __init__(self, command: type[Command]) -> None:
        defaults = command._fields
        self.elements = [e for e in ELEMENTS.values() if e.keyword in defaults or e.number == 0x0100]
        self.names = [_attribute(element) for element in self.elements]
        optional = {name for name in self.names if defaults.get(name, 0) is None}
        self.make = maker_of(command)
        slots = slots_of(command)
        self.values = attrgetter(*[slots.get(name, name) for name in self.names])
        self.encoders = [_encoder_for(element, command) for element in self.elements]
        # Values that count as absent.
        self.absent = [(None, "", ()) if name in optional else () for name in self.names]
        self.allowed = frozenset(e.keyword for e in self.elements)
        self.mandatory = self.allowed - optional - {"CommandField"}
        vital = ("MessageID",) if issubclass(command, Request) else ("MessageIDBeingRespondedTo",)
        self.vital = (*vital, "Status") if issubclass(command, Response) else vital


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
    plan = _plan_of(type(command))
    if command.CommandDataSetType == NO_DATA_SET:
        if command.data_set_required:
            raise LocalProtocolError(f"{command.name} has a data set; set CommandDataSetType to 0001H")
    elif not command.data_set_allowed:
        raise LocalProtocolError(f"{command.name} has no data set; set CommandDataSetType to 0101H")
    values, parts = plan.values(command), []
    try:
        for encode, absent, value in zip(plan.encoders, plan.absent, values, strict=True):
            if value not in absent:
                parts.append(encode(value))
    except (struct.error, TypeError, ValueError):
        raise LocalProtocolError(_fault(plan, command, values)) from None
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


# For VRs whose own errors speak of Python's types and formats.
_DEMANDS = {"US": "be a number from 0 to 65535", "AT": "be a tuple of tags, each a number of 32 bits"}


def _fault(plan: _Plan, command: Command, values: tuple[object, ...]) -> str:
    """Return the name of the value that could not be encoded, and the reason; never the value itself."""
    reason = ""
    for element, encode, absent, value in zip(plan.elements, plan.encoders, plan.absent, values, strict=True):
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


def _read_short(raw: bytes, keyword: str, warnings: list[str]) -> object:
    """Read an US whose length is not 2: its first value, Little Endian."""
    if not raw:
        return None
    warnings.append(f"wrong-length: {keyword} has {len(raw)} bytes, not 2")
    return int.from_bytes(raw[:2], "little")


def _read_uid(raw: bytes, keyword: str, warnings: list[str]) -> object:
    if raw[-1:] == b"\0":
        raw = raw[:-1]
    text = raw.decode("latin-1")
    if len(raw) <= MAXIMUM_UID_LENGTH and raw.replace(b".", b"").isdigit():
        # A quick test for most valid UIDs: no empty component, and no leading zero but in "0" itself.
        dotted = b"." + raw + b"."
        if b".." not in dotted and b".0" not in dotted.replace(b".0.", b"."):
            return text
    if "\\" in text:
        # All values are kept: the first one alone would name another object.
        warnings.append(f"several-values: {keyword}")
    elif text and not is_valid_uid(text):
        warnings.append(f"invalid-uid: {keyword}")
    return text or None


def _read_text(raw: bytes, keyword: str, warnings: list[str]) -> object:
    """Read an AE or LO without the trailing spaces and NULs, which are padding (Q18)."""
    return raw.rstrip(b" \0").decode("latin-1") or None


def _read_tags(raw: bytes, keyword: str, warnings: list[str]) -> object:
    told = f"wrong-length: {keyword} has "
    # An element too short for a tag counts as absent, so thousands of them may follow: warn once.
    if len(raw) % 4 and not any(warning.startswith(told) for warning in warnings):
        warnings.append(f"{told}{len(raw)} bytes, no multiple of 4")
    pairs = _TAG.iter_unpack(raw[: len(raw) // 4 * 4])
    return tuple([group << 16 | number for group, number in pairs]) or None


_READERS: dict[str, _Reader] = {
    "US": _read_short,
    "UI": _read_uid,
    "AE": _read_text,
    "LO": _read_text,
    "AT": _read_tags,
}
_KNOWN = {e.number: (e.keyword, _READERS[e.vr]) for e in ELEMENTS.values() if e.number}
# Whole headers of the elements of two bytes; most elements of a command set are of this kind.
_SHORTS = {_HEADER.pack(0, e.number, 2): e.keyword for e in ELEMENTS.values() if e.vr == "US"}


def decode_command(data: Buffer) -> Command:
    """Return the command in a command set; its `warnings` list the tolerated faults.

    Raises InvalidCommand, and nothing else: if the first element is outside group 0000, if an element of
    group 0000 runs beyond the data, if the Command Field is missing or unknown, or if the Message ID (Being
    Responded To) or the Status is missing. Time and memory are a small multiple of `len(data)`, which the
    caller bounds (`Limits.command_length`).
    """
    data = bytes(data)
    fields: dict[str, Any] = {}
    warnings: list[str] = []
    position, is_odd = _read_elements(data, fields, warnings)
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


def _read_elements(data: bytes, fields: dict[str, Any], warnings: list[str]) -> tuple[int, bool]:
    """Read the known elements of group 0000 into `fields`; return where they end, and whether others came."""
    end = len(data)
    is_odd = False
    position = begin = 12 if data.startswith(_GROUP_LENGTH_HEADER) and end >= 12 else 0
    unpack = _HEADER.unpack_from
    while position < end:
        start = position + 8
        short = _SHORTS.get(data[position:start])
        if short is not None and short not in fields and start + 2 <= end:
            fields[short] = data[start] | data[start + 1] << 8
            position = start + 2
            continue
        if start > end or (header := unpack(data, position))[0] or start + header[2] > end:
            _check_foreign(data, position)
            break
        _, number, length = header
        position = start + length
        known = _KNOWN.get(number)
        if known is None or known[0] in fields:
            is_odd = True
            continue
        keyword, read = known
        value = read(data[start:position], keyword, warnings)
        if value is not None:
            fields[keyword] = value
    if not begin:
        warnings.insert(0, "missing-group-length")
    elif int.from_bytes(data[8:12], "little") != position - 12:
        warnings.insert(0, "wrong-group-length")
    return position, is_odd


def _unknown(fields: dict[str, Any]) -> str:
    if "CommandField" not in fields:
        return "the Command Field is missing"
    return f"unknown Command Field {fields['CommandField']:04X}H"


def _check_foreign(data: bytes, position: int) -> None:
    """Raise InvalidCommand unless an element outside group 0000, with others before it, begins here."""
    left = len(data) - position
    if position and left >= 2 and data[position : position + 2] != b"\0\0":
        return
    if left < 8:
        raise InvalidCommand(f"{left} bytes at byte {position} are no element")
    group, number, length = _HEADER.unpack_from(data, position)
    where = f"({group:04X},{number:04X}) at byte {position}"
    if group:
        raise InvalidCommand(f"{where} is outside group 0000")
    if length == 0xFFFFFFFF:
        raise InvalidCommand(f"{where} has an undefined length")
    raise InvalidCommand(f"{where} has {length} bytes, of which {left - 8} are there")


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
        _, number, length = _HEADER.unpack_from(data, position)
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
