"""Plain elements, by table: their bytes depend on nothing around them.

Most elements are plain: bytes that were read in the same byte order and not looked at, text in ASCII,
numbers. `Encoder` encodes the others, and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from typing import Any, Final, cast

from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import IS, DSdecimal, DSfloat, PersonName

from .characters import EXTENDED_VRS
from .headers import LONG_VRS, SHORT_VRS

ASCII_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
PADDED_BY_SPACES = EXTENDED_VRS | ASCII_VRS - {"UI"}

_DICTIONARY = cast("dict[int, tuple[str, ...]]", DicomDictionary)
_COPIED = {vr: vr.encode() for vr in SHORT_VRS | LONG_VRS - {"SQ"}}
"""VRs of which read values are copied."""

Write = Callable[[Any], bytes]
"""Encodes a value, without padding; raises anything if the value is not plain."""


def _text(value: object) -> bytes:
    text = str(value)
    if "\x1b" in text:
        raise ValueError
    return text.encode("ascii")


def _texts(values: MultiValue[str]) -> bytes:
    return _text("\\".join(values))


def _number_text(value: Any) -> bytes:
    """Return a number as it was read or as pydicom shows it."""
    return _text(value.original_string if hasattr(value, "original_string") else value)


def _number_texts(values: MultiValue[object]) -> bytes:
    return b"\\".join(map(_number_text, values))


def _nothing(_: None) -> bytes:
    return b""


def _bytes(value: bytes) -> bytes:
    return value


def _numbers(order: str, letter: str) -> Write:
    def write(values: MultiValue[object]) -> bytes:
        return pack(f"{order}{len(values)}{letter}", *values)

    return write


def _writes(order: str) -> dict[str, dict[type, Write]]:
    """Return the functions for plain values, by VR and type of the value."""
    found: dict[str, dict[type, Write]] = {vr: {type(None): _nothing} for vr in _COPIED}
    for vr in EXTENDED_VRS | ASCII_VRS:
        found[vr] |= {str: _text, MultiValue: _texts}
    found["UI"][UID] = _text
    found["PN"] = {type(None): _nothing, str: _text, PersonName: _text}
    for vr in ("DS", "IS"):
        found[vr] |= {
            IS: _number_text,
            DSfloat: _number_text,
            DSdecimal: _number_text,
            MultiValue: _number_texts,
        }
    for vr, letter in ("SL", "l"), ("SS", "h"), ("SV", "q"), ("UL", "L"), ("US", "H"), ("UV", "Q"):
        found[vr] |= {int: Struct(order + letter).pack, MultiValue: _numbers(order, letter)}
    del found["SS"][MultiValue]  # the first number of a LUT Descriptor is of VR US
    for vr, letter in ("FD", "d"), ("FL", "f"):
        found[vr] |= {float: Struct(order + letter).pack, MultiValue: _numbers(order, letter)}
    for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN"):
        found[vr][bytes] = _bytes
    return found


class PlainElements:
    """Encodes the plain elements of data sets in Explicit or Implicit VR, in one byte order."""

    def __init__(self, *, is_explicit: bool, is_little_endian: bool) -> None:
        order = "<" if is_little_endian else ">"
        self._is_explicit: Final = is_explicit
        self._is_little_endian: Final = is_little_endian
        self.short_header: Final = Struct(order + "HH2sH").pack
        self.long_header: Final = Struct(order + "HH2sxxI").pack
        self.header: Final = Struct(order + "HHI").pack
        self.writes: dict[str, dict[type, Write]] = _writes(order)
        """The functions for plain values, by VR and type of the value."""

    def add(self, tag: int, element: DataElement | RawDataElement, parts: list[bytes]) -> bool:
        """Add an element to `parts` if it is plain; tell whether it is."""
        if type(element) is RawDataElement:
            vr, length, value = element.VR, element.length, element.value
            if vr is None and tag in _DICTIONARY:
                vr = _DICTIONARY[tag][0]
            if value is None and not length:
                value = b""
            elif type(value) is not bytes or len(value) != length:
                return False
            if element.is_little_endian is not self._is_little_endian or vr not in _COPIED:
                return False
            if vr in EXTENDED_VRS and not (value.isascii() and b"\x1b" not in value):
                return False
        elif type(element) is DataElement and not element.is_undefined_length:
            vr, value = element.VR, element.value
            write = self.writes.get(vr, {}).get(type(value))
            if write is None:
                return False
            try:
                value = write(value)
            except Exception:  # a value of the wrong type may raise anything
                return False
            length = len(value)
        else:
            return False
        padding = b""
        if length & 1:
            padding = b" " if vr in PADDED_BY_SPACES else b"\0"
            length += 1
        if not self._is_explicit:
            header = self.header(tag >> 16, tag & 0xFFFF, length)
        elif vr in LONG_VRS:
            header = self.long_header(tag >> 16, tag & 0xFFFF, _COPIED[vr], length)
        elif length > 0xFFFF:
            return False
        else:
            header = self.short_header(tag >> 16, tag & 0xFFFF, _COPIED[vr], length)
        parts += (header, value, padding) if padding else (header, value)
        return True


PLAIN_ELEMENTS = {
    (is_explicit, is_little_endian): PlainElements(is_explicit=is_explicit, is_little_endian=is_little_endian)
    for is_explicit in (False, True)
    for is_little_endian in (False, True)
}
