"""The elements of a received command set: Implicit VR Little Endian, read in one pass (PS3.7 6.3).

The codec of commands has more about what is tolerated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..errors import InvalidCommand
from ..uids import is_valid_uid
from .elements import ELEMENTS

_Reader = Callable[[bytes, str, list[str]], object]

MAXIMUM_UID_LENGTH = 64  # PS3.5 9.1

HEADER = struct.Struct("<HHI")
TAG = struct.Struct("<HH")


def _read_short(raw: bytes, keyword: str, warnings: list[str]) -> object:
    """Read an US whose length is not 2: its first value, Little Endian."""
    if not raw:
        return None
    warnings.append(f"wrong-length: {keyword} has {len(raw)} bytes, not 2")
    return int.from_bytes(raw[:2], "little")


def read_uid(raw: bytes, keyword: str, warnings: list[str]) -> object:
    """Read a UID without its padding; None if it is empty."""
    text = (raw[:-1] if raw[-1:] == b"\0" else raw).decode("latin-1")
    if is_valid_uid(text):
        return text
    if "\\" in text:
        # All values are kept: the first one alone would name another object.
        warnings.append(f"several-values: {keyword}")
    elif text:
        warnings.append(f"invalid-uid: {keyword}")
    return text or None


def _read_text(raw: bytes, keyword: str, warnings: list[str]) -> object:
    """Read an AE or LO without the trailing spaces and NULs, which are padding."""
    return raw.rstrip(b" \0").decode("latin-1") or None


def _read_tags(raw: bytes, keyword: str, warnings: list[str]) -> object:
    told = f"wrong-length: {keyword} has "
    # An element too short for a tag counts as absent, so thousands of them may follow: warn once.
    if len(raw) % 4 and not any(warning.startswith(told) for warning in warnings):
        warnings.append(f"{told}{len(raw)} bytes, no multiple of 4")
    pairs = TAG.iter_unpack(raw[: len(raw) // 4 * 4])
    return tuple([group << 16 | number for group, number in pairs]) or None


_READERS: dict[str, _Reader] = {
    "US": _read_short,
    "UI": read_uid,
    "AE": _read_text,
    "LO": _read_text,
    "AT": _read_tags,
}
_KNOWN = {e.number: (e.keyword, _READERS[e.vr]) for e in ELEMENTS.values() if e.number}
# Whole headers of the elements of two bytes; most elements of a command set are of this kind.
SHORTS = {HEADER.pack(0, e.number, 2): e.keyword for e in ELEMENTS.values() if e.vr == "US"}


def read_elements(
    data: bytes, position: int, fields: dict[str, Any], warnings: list[str]
) -> tuple[int, bool]:
    """Read the known elements of group 0000 into `fields`, from `position` on.

    Return where they end, and whether others came.
    """
    end = len(data)
    is_odd, begin = False, position
    unpack = HEADER.unpack_from
    while position < end:
        start = position + 8
        short = SHORTS.get(data[position:start])
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


def _check_foreign(data: bytes, position: int) -> None:
    """Raise InvalidCommand unless an element outside group 0000, with others before it, begins here."""
    left = len(data) - position
    if position and left >= 2 and data[position : position + 2] != b"\0\0":
        return
    if left < 8:
        raise InvalidCommand(f"{left} bytes at byte {position} are no element")
    group, number, length = HEADER.unpack_from(data, position)
    where = f"({group:04X},{number:04X}) at byte {position}"
    if group:
        raise InvalidCommand(f"{where} is outside group 0000")
    if length == 0xFFFFFFFF:
        raise InvalidCommand(f"{where} has an undefined length")
    raise InvalidCommand(f"{where} has {length} bytes, of which {left - 8} are there")
