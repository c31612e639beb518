"""The bridge to pydicom: data sets to bytes, bytes to data sets, and from one encoding to another.

`convert` works on the encoded elements themselves, with no Dataset between: headers are written anew, numbers
are byte-swapped where the byte order changes, and every value is otherwise passed on as it is. pydicom
decodes and encodes each value instead, which alters what it cannot read, and does not swap the bytes of
OW; so `encode_data_set` lets it write in the byte order that the data set has, and converts after that.

Of pydicom, `convert` needs the data dictionary alone: for the VRs of Implicit VR Little Endian.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydicom.charset import python_encoding
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from .characters import EXTENDED_VRS, UTF_8, are_known
from .config import Limits
from .decoding import build_dataset
from .encoded import DECODED_BOUNDS, Bounds
from .encoder import SPECIFIC_CHARACTER_SET, Encoder, items_of, shown_names, stored, values_of, vr_of_raw
from .errors import DataSetError, DataSetTooLarge
from .quiet import Quiet
from .uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    normalize_uid,
)
from .upper_layer.pdu import Buffer

MAXIMUM_DEPTH = DECODED_BOUNDS.depth
"""Sequences within sequences that are followed."""

_INFLATE_LIMIT = Limits().collect
_PIXEL_DATA, _BITS_ALLOCATED, _PIXEL_REPRESENTATION = 0x7FE0_0010, 0x0028_0100, 0x0028_0103
_WAVEFORM_BITS_ALLOCATED = 0x5400_1004
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
_UNDEFINED = 0xFFFF_FFFF
_NATIVE = {  # transfer syntax -> is the VR explicit, is it Little Endian
    IMPLICIT_VR_LITTLE_ENDIAN: (False, True),
    EXPLICIT_VR_LITTLE_ENDIAN: (True, True),
    EXPLICIT_VR_BIG_ENDIAN: (True, False),
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: (True, True),
}
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)
_UNITS = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
          "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}  # fmt: skip
"""Bytes of one number, which stand in the opposite order in the other byte order (PS3.5 7.3)."""


# --- to and from pydicom ------------------------------------------------------------------------


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _listed(tags: Iterable[BaseTag]) -> str:
    first, *others = tags
    return f"element {first}" + (f" and {len(others)} more" if others else "")


def encode_data_set(
    dataset: Dataset, transfer_syntax: str, *, on_warning: Callable[[str], object] = _warn
) -> bytes:
    """Return `dataset` encoded in `transfer_syntax`, without groups 0000 and 0002, odd values padded.

    Text that a program set has to be in the character sets that the data set names; text that was read leaves
    as it came. `on_warning` is called, once, if such text is not ASCII and no character set is named for it.
    Compressed pixel data cannot be encoded in another syntax, nor native pixel data in a compressed one. The
    values of OW elements are taken to be in the byte order that the data set was read in; Little Endian if it
    was made in memory and its `file_meta` does not say Big Endian. Raises DataSetError, which names the
    element.
    """
    transfer_syntax = normalize_uid(transfer_syntax)
    target = _syntax(transfer_syntax)
    with Quiet():
        source = _uid((getattr(dataset, "file_meta", None) or {}).get("TransferSyntaxUID", ""))
        _check_pixel_data(dataset, source, target)
        little_endian = _is_little_endian(dataset, source)
        same_order = little_endian == target.is_little_endian
        is_explicit = not (target.is_implicit_VR and same_order)
        encoder = Encoder(
            target.name, is_explicit=is_explicit, is_little_endian=little_endian, convert=convert
        )
        encoded = encoder.data_set(dataset)
    if encoder.unnamed:
        on_warning(
            f"{_listed(encoder.unnamed)} has text that is not ASCII and leaves as it was read, for no known"
            " character set is named for it (SpecificCharacterSet)"
        )
    if not same_order:
        written = EXPLICIT_VR_LITTLE_ENDIAN if little_endian else EXPLICIT_VR_BIG_ENDIAN
        return convert(encoded, written, transfer_syntax)
    return _deflate(encoded) if target.is_deflated else encoded


def decode_data_set(
    data: Buffer,
    transfer_syntax: str,
    *,
    inflate_limit: int = _INFLATE_LIMIT,
    file_meta: bool = True,
    bounds: Bounds = DECODED_BOUNDS,
) -> Dataset:
    """Return the pydicom Dataset that `data` holds; a `file_meta`, if asked for, names the transfer syntax.

    What is cut, or cannot be followed, raises DataSetError, and more than `bounds` allow DataSetTooLarge.
    Values are decoded when they are first used, and may raise then what pydicom raises. A deflated data set
    of more than `inflate_limit` bytes is refused.
    """
    transfer_syntax = normalize_uid(transfer_syntax)
    syntax = _syntax(transfer_syntax)
    if syntax.is_deflated:
        data = _inflate(data, inflate_limit)
    explicit, little_endian = not syntax.is_implicit_VR, syntax.is_little_endian
    try:
        with Quiet():
            dataset = build_dataset(data, is_explicit=explicit, is_little_endian=little_endian, bounds=bounds)
    except DataSetError:
        raise
    except Exception as error:  # whatever a character set makes pydicom raise
        raise DataSetError(f"the data set cannot be decoded as {syntax.name}: {_summary(error)}") from None
    if file_meta:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def name_character_set(dataset: Dataset) -> None:
    """Say in a data set of a program's that it is in UTF-8, if text needs it and no character set is named.

    Raises DataSetError if not all text can be encoded, or if a character set is named that there is not.
    """
    if SPECIFIC_CHARACTER_SET not in dataset and not all(map(str.isascii, _texts(dataset))):
        dataset.SpecificCharacterSet = UTF_8
    encode_data_set(dataset, IMPLICIT_VR_LITTLE_ENDIAN, on_warning=_ignore)
    _check_names(dataset)


def _texts(dataset: Dataset) -> Iterator[str]:
    """Yield the text that the character set of a data set is for: not that of items with one of their own."""
    for tag in list(dataset.keys()):
        element = stored(dataset, tag)
        if element.is_raw:
            continue
        value = element.value
        if element.VR in EXTENDED_VRS:
            values = value if isinstance(value, (list, tuple, MultiValue)) else [value]
            yield from (str(one) for one in values if isinstance(one, (str, PersonName)))
        for item in items_of(element):
            if SPECIFIC_CHARACTER_SET not in item:
                yield from _texts(item)


def _check_names(dataset: Dataset) -> None:
    names = values_of(dataset, SPECIFIC_CHARACTER_SET)
    if names and not are_known(names):
        raise DataSetError(f"there is no character set {shown_names(names)!r} (SpecificCharacterSet)")
    for tag in list(dataset.keys()):
        for item in items_of(stored(dataset, tag)):
            _check_names(item)


def _ignore(_: str) -> None:
    pass


def use_utf_8(dataset: Dataset) -> None:
    """Decode the text of a data set and of its items in place, to be encoded in UTF-8 if it is not all ASCII.

    Data sets that came in different character sets, as N-CREATE and N-SET may, can then become one (PS3.4
    F.7.2.2.3, CC.2.6.3): Specific Character Set is UTF-8 or, where all is ASCII, absent. Text that names no
    character set is taken for Latin-1. Raises DataSetError if a value cannot be read, or text is not in its
    character set; the data set may be altered then.
    """
    texts: list[str] = []
    names: set[str] = set()
    try:
        with Quiet():
            _read_all(dataset, texts, names)
    except Exception as error:  # whatever bytes that are no value of their VR make pydicom raise
        raise DataSetError(f"the data set has a value that cannot be read: {_summary(error)}") from None
    text = "".join(texts)
    if text.isascii():
        return
    if "\N{REPLACEMENT CHARACTER}" in text or not names <= python_encoding.keys():
        raise DataSetError("the data set has text that is not in its character set")
    dataset.SpecificCharacterSet = UTF_8


def _read_all(dataset: Dataset, texts: list[str], names: set[str]) -> None:
    """Have pydicom decode all elements; collect the text, and take out the names of character sets."""
    for tag in sorted(dataset.keys()):
        raw = stored(dataset, tag)
        vr = vr_of_raw(raw, dataset) if isinstance(raw, RawDataElement) else raw.VR
        element = dataset[tag]
        if vr in ("DS", "IS") and isinstance(element.value, str) and element.value:
            raise ValueError(str(tag))  # which pydicom leaves as it is where it is no number
        if tag == SPECIFIC_CHARACTER_SET:
            names.update(values_of(dataset, tag))
            del dataset[tag]
        elif vr in EXTENDED_VRS:
            texts.append(str(element.value))
        for item in items_of(element):
            _read_all(item, texts, names)


def decompress(data: Buffer, transfer_syntax: str) -> bytes:
    """Return the data set `data`, whose pixel data is compressed, in Explicit VR Little Endian.

    The pixels are decoded by pydicom, which makes RGB of YBR and keeps all UIDs. It needs libraries
    that the extra `decompress` names. Raises DataSetError.
    """
    from pydicom.pixels.decoders.base import get_decoder

    syntax = _syntax(normalize_uid(transfer_syntax))
    try:
        decoder = get_decoder(syntax) if syntax.is_encapsulated else None
    except NotImplementedError:
        decoder = None
    if decoder is None:
        raise DataSetError(f"there is no decoder of pixel data for {syntax.name}")
    missing = DataSetError(
        f"no decoder of pixel data for {syntax.name} is installed (pip install 'dicomproto[decompress]')"
    )
    if not decoder.is_available:
        raise missing
    dataset = decode_data_set(data, syntax)
    try:
        with Quiet():
            for image in (dataset, *dataset.get("IconImageSequence", ())):
                if _is_encapsulated(image.get_item(_PIXEL_DATA)):
                    image.file_meta = FileMetaDataset()
                    image.file_meta.TransferSyntaxUID = syntax
                    image.decompress(generate_instance_uid=False)
    except MemoryError:
        raise
    except ImportError:  # of numpy, without which pydicom counts a decoder as available
        raise missing from None
    except Exception as error:  # whatever broken pixel data makes a decoder raise
        raise DataSetError(f"its pixel data cannot be decompressed: {_summary(error)}") from None
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    return encode_data_set(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


def _syntax(transfer_syntax: str) -> UID:
    uid = _uid(transfer_syntax)
    try:
        uid.is_implicit_VR  # noqa: B018  # pydicom raises ValueError for a UID that it does not know
    except ValueError:
        text = "is not a transfer syntax that pydicom knows (see pydicom.uid.register_transfer_syntax)"
        raise DataSetError(f"{transfer_syntax!r} {text}") from None
    return uid


def _uid(text: str) -> UID:
    return UID(text, validation_mode=IGNORE)  # else an odd one makes pydicom warn


def _is_little_endian(dataset: Dataset, source: UID) -> bool:
    read_as = dataset.original_encoding[1]
    return source != EXPLICIT_VR_BIG_ENDIAN if read_as is None else read_as


def _check_pixel_data(dataset: Dataset, source: UID, target: UID) -> None:
    """Raise DataSetError where the pixel data would have to be compressed or decompressed."""
    if _PIXEL_DATA not in dataset:
        return
    known = source.is_transfer_syntax
    element = stored(dataset, _PIXEL_DATA)
    compressed = source.is_encapsulated if known else _is_encapsulated(element)
    if compressed and known and source != target:
        raise DataSetError(
            f"its pixel data is compressed in {source.name}; it cannot be encoded in {target.name}"
        )
    if compressed and not target.is_encapsulated:
        raise DataSetError(f"its pixel data is compressed; it cannot be encoded in {target.name}")
    if target.is_encapsulated:
        if not compressed:
            raise DataSetError(f"its pixel data is not compressed; it cannot be encoded in {target.name}")
        if isinstance(element, DataElement):
            element.is_undefined_length = True  # PS3.5 A.4; pydicom's own save_as() sets it as well


def _is_encapsulated(element: object) -> bool:
    if getattr(element, "length", None) == _UNDEFINED or getattr(element, "is_undefined_length", False):
        return True
    value = getattr(element, "value", None)
    return isinstance(value, bytes) and value.startswith(b"\xfe\xff\x00\xe0")


def _summary(error: Exception) -> str:
    """Name an error of pydicom's and its element; the text would tell the value, which may be a patient's."""
    element = re.search(r"\([0-9A-Fa-f]{4}, ?[0-9A-Fa-f]{4}\)", str(error))
    return type(error).__name__ + (f" at element {element[0]}" if element else "")


def _even(encoded: bytes) -> bytes:
    return encoded + b"\0" if len(encoded) % 2 else encoded


def _deflate(encoded: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return _even(compressor.compress(encoded) + compressor.flush())


def _inflate(data: Buffer, limit: int) -> bytes:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise DataSetError("the deflated data set cannot be inflated") from error
    if len(inflated) > limit:
        raise DataSetTooLarge(f"the deflated data set is larger than {limit} bytes")
    if not decompressor.eof:
        raise DataSetError("the deflated data set is incomplete")
    return inflated


# --- from one native encoding to another --------------------------------------------------------


def convert(data: Buffer, from_syntax: str, to_syntax: str, *, inflate_limit: int = _INFLATE_LIMIT) -> bytes:
    """Return the data set `data` re-encoded from one transfer syntax of native pixel data in another.

    Group lengths are left out (PS3.5 7.2), odd values padded, UN of undefined length becomes SQ. Elements
    that the data dictionary does not know become UN on the way from Implicit VR. Pixel cells of more than 16
    bits in OW are refused where the byte order changes, for software disagrees on which bytes to swap.
    Raises DataSetError.
    """
    from_syntax, to_syntax = normalize_uid(from_syntax), normalize_uid(to_syntax)
    for uid in (from_syntax, to_syntax):
        if uid not in _NATIVE:
            raise DataSetError(f"{_uid(uid).name!r} is not a transfer syntax of native pixel data")
    if from_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        data = _inflate(data, inflate_limit)
    view = memoryview(data).cast("B")
    parsed, _ = _Parser(view).data_set(0, len(view), _Encoding(*_NATIVE[from_syntax]), depth=0)
    parts, _ = _Writer(view, _Encoding(*_NATIVE[to_syntax])).data_set(parsed, _Context(16, 0, 16))
    converted = b"".join(parts)
    return _deflate(converted) if to_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else converted


class _Encoding:
    """VR explicit or not, and byte order, with the structs for both."""

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
    """Makes a tree of the elements of an encoded data set; values stay where they are."""

    def __init__(self, data: memoryview) -> None:
        self.data = data

    def data_set(
        self, position: int, end: int, encoding: _Encoding, *, depth: int, until_delimiter: bool = False
    ) -> tuple[_DataSet, int]:
        """Parse elements up to `end`, or to the delimiter of the item; return them and where they end."""
        elements: list[_Element] = []
        creators: dict[int, str] = {}
        while position < end:
            if end - position < 8 and depth == 0 and not any(self.data[position:end]):
                break  # what an odd data set was padded with
            tag, vr, start, length = self.header(position, end, encoding)
            if tag == _ITEM_END and until_delimiter:
                return _DataSet(elements, encoding), start
            if tag >> 16 == 0xFFFE:
                raise _error("is out of place", tag, position)
            vr = vr or self.look_up(tag, start, length, creators)
            if length == _UNDEFINED:
                if vr not in ("SQ", "UN") or tag == _PIXEL_DATA:
                    raise _error("is compressed, or its length is undefined for no reason", tag, position)
                # PS3.5 6.2.2: UN of undefined length is a sequence in Implicit VR Little Endian.
                inside = _IMPLICIT if vr == "UN" else encoding
                items, position = self.items(tag, start, end, inside, depth + 1, until_delimiter=True)
                elements.append(_Element(tag, "SQ", start, start, items, is_undefined=True))
                continue
            position = start + length
            if position > end:
                raise _error(f"declares {length} bytes, {end - start} are left", tag, start)
            if vr == "SQ":
                items, _ = self.items(tag, start, position, encoding, depth + 1, until_delimiter=False)
                elements.append(_Element(tag, vr, start, start, items))
            elif tag & 0xFFFF:  # else a group length, which is retired and would no longer be right
                elements.append(_Element(tag, vr, start, position))
        if until_delimiter:
            raise DataSetError(f"an item has no end (at byte {position})")
        return _DataSet(elements, encoding), position

    def items(
        self, tag: int, position: int, end: int, encoding: _Encoding, depth: int, *, until_delimiter: bool
    ) -> tuple[list[_Item], int]:
        """Parse the items of a sequence up to `end`, or to its delimiter."""
        if depth > MAXIMUM_DEPTH:
            raise _error(f"is nested deeper than {MAXIMUM_DEPTH} sequences", tag, position)
        items: list[_Item] = []
        while position < end:
            item_tag, _, start, length = self.header(position, end, encoding)
            if item_tag == _SEQUENCE_END and until_delimiter:
                return items, start
            if item_tag != _ITEM:
                raise _error("has something else among its items", tag, position)
            if length == _UNDEFINED:
                data_set, position = self.data_set(start, end, encoding, depth=depth, until_delimiter=True)
            else:
                position = start + length
                if position > end:
                    raise _error(f"has an item of {length} bytes, {end - start} are left", tag, start)
                data_set, _ = self.data_set(start, position, encoding, depth=depth)
            items.append(_Item(data_set, length == _UNDEFINED))
        if until_delimiter:
            raise _error("has no end", tag, position)
        return items, position

    def header(self, position: int, end: int, encoding: _Encoding) -> tuple[int, str, int, int]:
        """Return tag, VR (empty if implicit), start of the value and length of the element at `position`."""
        if end - position < 8:
            raise DataSetError(f"{end - position} bytes are no element (at byte {position})")
        group, number, length = encoding.header.unpack_from(self.data, position)
        tag, start = group << 16 | number, position + 8
        if not encoding.explicit or group == 0xFFFE:
            return tag, "", start, length
        vr = str(self.data[position + 4 : position + 6], "latin-1")
        if vr in _LONG_VRS:
            if end - start < 4:
                raise _error("ends within its header", tag, position)
            return tag, vr, start + 4, encoding.long.unpack_from(self.data, start)[0]
        if vr.isascii() and vr.isalpha() and vr.isupper():
            return tag, vr, start, encoding.short.unpack_from(self.data, position + 6)[0]
        return tag, "", start, length  # implicit VR among explicit ones, as some software writes it

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
            # A sequence whose length is undefined gives itself away; of any other nothing is known.
            return "SQ" if length == _UNDEFINED else "UN"


class _Context(NamedTuple):
    """What decides about ambiguous VRs; items inherit it (PS3.5 Annex A.1, A.2)."""

    bits_allocated: int
    pixel_representation: int
    waveform_bits_allocated: int


class _Writer:
    """Encodes a tree of elements; what changes is encoded anew, what does not is passed on."""

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
        if self.target.explicit and length > 0xFFFF and vr not in _LONG_VRS:
            vr = "UN"  # PS3.5 6.2.2: what is too long for its own VR
        converted: Buffer = value
        if swap and vr in _UNITS:
            if tag == _PIXEL_DATA and context.bits_allocated > 16:
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
            content.append(self.delimiter(_ITEM, _UNDEFINED if item.is_undefined else length))
            content += body
            total += 8 + length
            if item.is_undefined:
                content.append(self.delimiter(_ITEM_END, 0))
                total += 8
        parts.append(self.header(element.tag, "SQ", _UNDEFINED if element.is_undefined else total))
        parts += content
        if element.is_undefined:
            parts.append(self.delimiter(_SEQUENCE_END, 0))

    def delimiter(self, tag: int, length: int) -> bytes:
        return self.target.header.pack(tag >> 16, tag & 0xFFFF, length)

    def header(self, tag: int, vr: str, length: int) -> bytes:
        target, group, number = self.target, tag >> 16, tag & 0xFFFF
        if not target.explicit:
            return target.header.pack(group, number, length)
        if vr in _LONG_VRS:
            return target.long_header.pack(group, number, vr.encode(), length)
        return target.short_header.pack(group, number, vr.encode(), length)


_CONTEXT_FIELDS = {
    _BITS_ALLOCATED: "bits_allocated",
    _PIXEL_REPRESENTATION: "pixel_representation",
    _WAVEFORM_BITS_ALLOCATED: "waveform_bits_allocated",
}


def _resolve(vr: str, tag: int, context: _Context) -> str:
    """Return which of the VRs that the data dictionary allows an element has."""
    if vr == "US or SS":
        return "SS" if context.pixel_representation == 1 else "US"
    if vr == "OB or OW" and tag == _PIXEL_DATA:
        return "OW" if context.bits_allocated > 8 else "OB"
    if vr == "OB or OW" and tag >> 16 == 0x5400:
        return "OW" if context.waveform_bits_allocated > 8 else "OB"
    return "OW"  # of words in any case


def _swapped(value: memoryview, unit: int) -> bytearray:
    """Return `value` with the bytes of each number of `unit` bytes in the opposite order."""
    data = bytes(value)
    swapped = bytearray(data)
    whole = len(data) - len(data) % unit
    for index in range(unit):
        swapped[index:whole:unit] = data[unit - 1 - index : whole : unit]
    return swapped


def _error(text: str, tag: int, position: int) -> DataSetError:
    return DataSetError(f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) {text} (at byte {position})")
