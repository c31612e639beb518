"""The conversion of data sets from one native encoding to another.

`convert` works on encoded elements, without a Dataset: it writes new headers, swaps the bytes of numbers if
the byte order changes, and passes on all other values as they are. pydicom decodes and encodes each value,
which changes values that it cannot read, and does not swap the bytes of OW. `convert` uses only the data
dictionary of pydicom, for the VRs of Implicit VR Little Endian.

It has a parser of its own, which makes a tree faster than a walk could. It refuses cut data sets as
`dicomproto.encoding.walk` does.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.uid import UID

from ..errors import DataSetError
from ..uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, normalize_uid
from ..upper_layer.pdu import Buffer
from .bounds import DECODED_BOUNDS
from .deflated import INFLATE_LIMIT, deflate, inflate
from .headers import ITEM, ITEM_END, LONG_VRS, NATIVE, PIXEL_DATA, SEQUENCE_END, SHORT_VRS, UNDEFINED

MAXIMUM_DEPTH = DECODED_BOUNDS.depth
"""Most sequences within each other."""

_BITS_ALLOCATED, _PIXEL_REPRESENTATION = 0x0028_0100, 0x0028_0103
_WAVEFORM_BITS_ALLOCATED = 0x5400_1004
_NATIVE = NATIVE | {DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: (True, True)}
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)
_UNITS = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
          "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}  # fmt: skip
"""Bytes of one number, which are reversed in the other byte order (PS3.5 7.3)."""


def convert(data: Buffer, from_syntax: str, to_syntax: str, *, inflate_limit: int = INFLATE_LIMIT) -> bytes:
    """Return the data set `data`, re-encoded from one transfer syntax of native pixel data to another.

    Group lengths are removed (PS3.5 7.2), odd values are padded, and UN of undefined length becomes SQ. From
    Implicit VR, elements that are not in the data dictionary become UN. If the byte order changes, pixel
    cells of more than 16 bits in OW are refused, since software disagrees on which bytes to swap. Raises
    DataSetError.
    """
    from_syntax, to_syntax = normalize_uid(from_syntax), normalize_uid(to_syntax)
    for uid in (from_syntax, to_syntax):
        if uid not in _NATIVE:
            raise DataSetError(
                f"{UID(uid, validation_mode=IGNORE).name!r} is not a transfer syntax of native pixel data"
            )
    if from_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = inflate(data, inflate_limit)
    view = memoryview(data).cast("B")
    parsed, _ = _Parser(view).data_set(0, len(view), _Encoding(*_NATIVE[from_syntax]), depth=0)
    parts, _ = _Writer(view, _Encoding(*_NATIVE[to_syntax])).data_set(parsed, _Context(16, 0, 16))
    converted = b"".join(parts)
    return deflate(converted) if to_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else converted


class _Encoding:
    """Explicit or Implicit VR and a byte order, with the structs for both."""

    def __init__(self, explicit: bool, little_endian: bool) -> None:
        order = "<" if little_endian else ">"
        self.explicit = explicit
        self.little_endian = little_endian
        self.header = struct.Struct(order + "HHI")
        self.short = struct.Struct(order + "H")
        self.long = struct.Struct(order + "I")
        self.short_header = struct.Struct(order + "HH2sH")
        self.long_header = struct.Struct(order + "HH2sxxI")


_IMPLICIT = _Encoding(explicit=False, little_endian=True)
_EXPLICIT = _Encoding(explicit=True, little_endian=True)


class _Element(NamedTuple):
    """An element whose value is data[start:stop], or a sequence of items."""

    tag: int
    vr: str
    start: int
    stop: int
    items: list[_Item] | None = None
    is_undefined: bool = False


class _DataSet(NamedTuple):
    elements: list[_Element]
    encoding: _Encoding


class _Item(NamedTuple):
    data_set: _DataSet
    is_undefined: bool


class _Parser:
    """Makes a tree of the elements of an encoded data set; values are not copied."""

    def __init__(self, data: memoryview) -> None:
        self.data = data

    def data_set(
        self, position: int, end: int, encoding: _Encoding, *, depth: int, until_delimiter: bool = False
    ) -> tuple[_DataSet, int]:
        """Parse elements up to `end`, or to the delimiter of the item; return them and their end."""
        elements: list[_Element] = []
        creators: dict[int, str] = {}
        while position < end:
            if end - position < 8 and depth == 0 and not any(self.data[position:end]):
                break  # the padding of an odd data set
            tag, vr, start, length = self.header(position, end, encoding)
            if tag == ITEM_END and until_delimiter:
                return _DataSet(elements, encoding), start
            if tag >> 16 == 0xFFFE:
                raise _error("is out of place", tag, position)
            is_implicit = not vr
            vr = vr or self.look_up(tag, start, length, creators)
            if length == UNDEFINED:
                vr = "SQ" if is_implicit and tag != PIXEL_DATA else vr
                if vr not in ("SQ", "UN") or tag == PIXEL_DATA:
                    raise _error("is compressed, or its length is undefined for no reason", tag, position)
                inside = None if vr == "UN" else encoding
                items, position = self.items(tag, start, end, inside, depth + 1, until_delimiter=True)
                elements.append(_Element(tag, "SQ", start, start, items, is_undefined=True))
                continue
            position = start + length
            if position > end:
                raise _error(f"declares {length} bytes, {end - start} are left", tag, start)
            if vr == "SQ":
                items, _ = self.items(tag, start, position, encoding, depth + 1, until_delimiter=False)
                elements.append(_Element(tag, vr, start, start, items))
            elif tag & 0xFFFF:  # group lengths are retired, and would be wrong now
                elements.append(_Element(tag, vr, start, position))
        if until_delimiter:
            raise DataSetError(f"an item has no end (at byte {position})")
        return _DataSet(elements, encoding), position

    def items(
        self,
        tag: int,
        position: int,
        end: int,
        inside: _Encoding | None,
        depth: int,
        *,
        until_delimiter: bool,
    ) -> tuple[list[_Item], int]:
        """Parse the items of a sequence up to `end` or its delimiter; items of UN if `inside` is None."""
        if depth > MAXIMUM_DEPTH:
            raise _error(f"is nested deeper than {MAXIMUM_DEPTH} sequences", tag, position)
        items: list[_Item] = []
        while position < end:
            # PS3.5 6.2.2: UN of undefined length is a sequence, in Implicit VR Little Endian.
            item_tag, _, start, length = self.header(position, end, inside or _IMPLICIT)
            if item_tag == SEQUENCE_END and until_delimiter:
                return items, start
            if item_tag != ITEM:
                raise _error("has something else among its items", tag, position)
            encoding = inside or self.inside_un(start, end)
            if length == UNDEFINED:
                data_set, position = self.data_set(start, end, encoding, depth=depth, until_delimiter=True)
            else:
                position = start + length
                if position > end:
                    raise _error(f"has an item of {length} bytes, {end - start} are left", tag, start)
                data_set, _ = self.data_set(start, position, encoding, depth=depth)
            items.append(_Item(data_set, length == UNDEFINED))
        if until_delimiter:
            raise _error("has no end", tag, position)
        return items, position

    def inside_un(self, start: int, end: int) -> _Encoding:
        """Return the encoding of an item of UN by its first element: some are in Explicit VR."""
        vr = bytes(self.data[start + 4 : min(start + 6, end)]).decode("latin-1")
        return _EXPLICIT if vr in LONG_VRS or vr in SHORT_VRS else _IMPLICIT

    def header(self, position: int, end: int, encoding: _Encoding) -> tuple[int, str, int, int]:
        """Return tag, VR (empty if implicit), start of the value and length of the element at `position`."""
        if end - position < 8:
            raise DataSetError(f"{end - position} bytes are no element (at byte {position})")
        group, number, length = encoding.header.unpack_from(self.data, position)
        tag, start = group << 16 | number, position + 8
        if not encoding.explicit or group == 0xFFFE:
            return tag, "", start, length
        vr = str(self.data[position + 4 : position + 6], "latin-1")
        short = encoding.short.unpack_from(self.data, position + 6)[0]
        is_vr = vr.isascii() and vr.isalpha() and vr.isupper()
        if vr in LONG_VRS or (is_vr and vr not in SHORT_VRS and not short):  # PS3.5 Table 7.1-1
            if end - start < 4:
                raise _error("ends within its header", tag, position)
            vr = vr if vr in LONG_VRS else "UN"
            return tag, vr, start + 4, encoding.long.unpack_from(self.data, start)[0]
        if is_vr:
            return tag, vr, start, short
        return tag, "", start, length  # some software writes Implicit VR among Explicit VR

    def look_up(self, tag: int, start: int, length: int, creators: dict[int, str]) -> str:
        """Return the VR of an element from the data dictionary; `creators` are the private ones so far."""
        group, number = tag >> 16, tag & 0xFFFF
        try:
            if group % 2 == 0:
                return dictionary_VR(tag)
            if 0x10 <= number <= 0xFF:
                creators[group << 8 | number] = str(self.data[start : start + length], "latin-1").strip(" \0")
                return "LO"
            return private_dictionary_VR(tag, creators[group << 8 | number >> 8])
        except KeyError:
            # Only a sequence of undefined length can be recognized.
            return "SQ" if length == UNDEFINED else "UN"


class _Context(NamedTuple):
    """The values that resolve ambiguous VRs; items inherit them (PS3.5 Annex A.1, A.2)."""

    bits_allocated: int
    pixel_representation: int
    waveform_bits_allocated: int


class _Writer:
    """Encodes a tree of elements; values that do not change are passed on."""

    def __init__(self, data: memoryview, target: _Encoding) -> None:
        self.data = data
        self.target = target

    def data_set(self, data_set: _DataSet, inherited: _Context) -> tuple[list[Buffer], int]:
        """Return the encoded elements in parts, and their length."""
        context = self.context(data_set, inherited)
        swap = data_set.encoding.little_endian != self.target.little_endian
        parts: list[Buffer] = []
        for element in data_set.elements:
            if element.items is None:
                self.value(parts, element, context, swap=swap)
            else:
                self.sequence(parts, element, context)
        return parts, sum(map(len, parts))

    def context(self, data_set: _DataSet, inherited: _Context) -> _Context:
        found = {}
        for element in data_set.elements:
            if element.tag in _CONTEXT_FIELDS and element.stop - element.start >= 2:
                (number,) = data_set.encoding.short.unpack_from(self.data, element.start)
                found[_CONTEXT_FIELDS[element.tag]] = number
        return inherited._replace(**found) if found else inherited

    def value(self, parts: list[Buffer], element: _Element, context: _Context, *, swap: bool) -> None:
        tag, value = element.tag, self.data[element.start : element.stop]
        vr = _resolve(element.vr, tag, context) if len(element.vr) > 2 else element.vr
        length = len(value) + len(value) % 2
        if self.target.explicit and length > 0xFFFF and vr not in LONG_VRS:
            vr = "UN"  # PS3.5 6.2.2: a value too long for its own VR
        converted: Buffer = value
        if swap and vr in _UNITS:
            if tag == PIXEL_DATA and context.bits_allocated > 16:
                text = f"has cells of {context.bits_allocated} bits, whose byte order in OW is ambiguous"
                raise _error(text, tag, element.start)
            converted = _swapped(value, _UNITS[vr])
        parts += [self.header(tag, vr, length), converted]
        if len(value) % 2:
            parts.append(b" " if vr in _TEXT_VRS else b"\0")

    def sequence(self, parts: list[Buffer], element: _Element, context: _Context) -> None:
        content: list[Buffer] = []
        total = 0
        for item in element.items or ():
            body, length = self.data_set(item.data_set, context)
            content.append(self.delimiter(ITEM, UNDEFINED if item.is_undefined else length))
            content += body
            total += 8 + length
            if item.is_undefined:
                content.append(self.delimiter(ITEM_END, 0))
                total += 8
        parts.append(self.header(element.tag, "SQ", UNDEFINED if element.is_undefined else total))
        parts += content
        if element.is_undefined:
            parts.append(self.delimiter(SEQUENCE_END, 0))

    def delimiter(self, tag: int, length: int) -> bytes:
        return self.target.header.pack(tag >> 16, tag & 0xFFFF, length)

    def header(self, tag: int, vr: str, length: int) -> bytes:
        target, group, number = self.target, tag >> 16, tag & 0xFFFF
        if not target.explicit:
            return target.header.pack(group, number, length)
        if vr in LONG_VRS:
            return target.long_header.pack(group, number, vr.encode(), length)
        return target.short_header.pack(group, number, vr.encode(), length)


_CONTEXT_FIELDS = {
    _BITS_ALLOCATED: "bits_allocated",
    _PIXEL_REPRESENTATION: "pixel_representation",
    _WAVEFORM_BITS_ALLOCATED: "waveform_bits_allocated",
}


def _resolve(vr: str, tag: int, context: _Context) -> str:
    """Return the VR of an element out of those that the data dictionary allows."""
    if vr == "US or SS":
        return "SS" if context.pixel_representation == 1 else "US"
    if vr == "OB or OW" and tag == PIXEL_DATA:
        return "OW" if context.bits_allocated > 8 else "OB"
    if vr == "OB or OW" and tag >> 16 == 0x5400:
        return "OW" if context.waveform_bits_allocated > 8 else "OB"
    return "OW"  # all other ambiguous VRs are of words


def _swapped(value: memoryview, unit: int) -> bytearray:
    """Return `value` with the bytes of each number of `unit` bytes reversed."""
    data = bytes(value)
    swapped = bytearray(data)
    whole = len(data) - len(data) % unit
    for index in range(unit):
        swapped[index:whole:unit] = data[unit - 1 - index : whole : unit]
    return swapped


def _error(text: str, tag: int, position: int) -> DataSetError:
    return DataSetError(f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) {text} (at byte {position})")
