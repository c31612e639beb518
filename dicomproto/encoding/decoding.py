"""The decoder: it makes a pydicom Dataset of what a walk finds.

The reader of pydicom accepts a data set that ends early, stops at delimiters out of place, and decodes
sequences of defined length at their first use. Here the walk reads the headers, and pydicom decodes the
values.
"""

from __future__ import annotations

from functools import lru_cache
from struct import pack
from typing import NamedTuple, cast

from pydicom._dicom_dict import DicomDictionary
from pydicom.charset import default_encoding
from pydicom.datadict import private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.values import convert_string

from ..errors import DataSetError, DataSetTooLarge
from ..upper_layer.pdu import Buffer
from .bounds import DECODED_BOUNDS, Bounds
from .characters import EXTENDED_VRS, MAXIMUM_CHARACTER_SETS, are_known, encodings_of
from .frames import Sink
from .headers import LITTLE, UNDEFINED
from .walks import walk_whole

SEQUENCES: frozenset[int] = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
"""Tags of sequences; Implicit VR and UN do not mark them."""

_TEXTS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] in EXTENDED_VRS)
_MAYBE_TEXT: frozenset[str | None] = EXTENDED_VRS | {"UN", None}
_SMALL = 0x10000  # bytes that are examined at once
_HARMLESS = frozenset({"order", "odd length", "group length", "native pixel data", "trailing padding"})
_new_tuple = tuple.__new__  # makes a RawDataElement in half of the time
_LONGEST_NAME = 16  # bytes of a Defined Term of Specific Character Set
_LONGEST = MAXIMUM_CHARACTER_SETS * _LONGEST_NAME
_KNOWN_SEQUENCE = 0x0008_1110
"""A tag in place of a sequence that the walk does not know in Implicit VR, such as a private one."""

_SPECIFIC_CHARACTER_SET = BaseTag(0x0008_0005)


class Built(NamedTuple):
    """A data set, and its elements that need a character set."""

    dataset: Dataset
    extended: set[int]
    """Tags of elements that may be, or contain, text that is not ASCII or has escape sequences."""


def build_dataset(data: Buffer, *, is_explicit: bool, is_little_endian: bool, bounds: Bounds) -> Built:
    """Return `data` as a Dataset; the walk may find another VR or byte order than the given one.

    Raises DataSetError if it is not whole or cannot be followed, and DataSetTooLarge beyond `bounds`.
    """
    data = data if type(data) is bytes else bytes(data)
    builder = _Builder(data, is_little_endian=is_little_endian)
    walk = walk_whole(
        data, is_explicit=is_explicit, is_little_endian=is_little_endian, sink=builder, bounds=bounds
    )
    if builder.has_raw_sequences and not (builder.is_plain and walk.kinds <= _HARMLESS):
        builder = _Builder(data, is_little_endian=is_little_endian, keeps_raw=False)
        walk_whole(
            data, is_explicit=is_explicit, is_little_endian=is_little_endian, sink=builder, bounds=bounds
        )
    return Built(builder.dataset(is_explicit=walk.is_explicit), builder.extended)


def build_sequence(
    element: RawDataElement, encodings: list[str], bounds: Bounds = DECODED_BOUNDS
) -> DataElement:
    """Return a sequence with its items from the bytes that pydicom kept; text is in `encodings`.

    Raises DataSetError if it is not whole or cannot be followed, and DataSetTooLarge beyond `bounds`.
    """
    tag, value = element.tag, element.value or b""
    is_explicit, is_little_endian = not element.is_implicit_VR, bool(element.is_little_endian)
    known = tag if is_explicit or tag in SEQUENCES else _KNOWN_SEQUENCE
    order = "<" if is_little_endian else ">"
    # An element before it shows its VR and byte order.
    if is_explicit:
        head = pack(order + "HH2sHHH2sxxI", 8, 1, b"UL", 0, known >> 16, known & 0xFFFF, b"SQ", len(value))
    else:
        head = pack(order + "HHIHHI", 8, 1, 0, known >> 16, known & 0xFFFF, len(value))
    builder = _Builder(head + value, is_little_endian=is_little_endian, keeps_raw=False)
    builder.inherited = encodings
    try:
        walk_whole(
            builder.data,
            is_explicit=is_explicit,
            is_little_endian=is_little_endian,
            sink=builder,
            bounds=bounds,
        )
    except DataSetTooLarge:
        raise
    except DataSetError as error:
        told = error if known == tag else DataSetError(f"element {tag} has items that cannot be followed")
        raise told from None
    items = cast("Sequence | None", builder.elements[BaseTag(known)].value)
    return DataElement(tag, "SQ", Sequence(items or ()))


@lru_cache(64)
def _encodings(character_set: bytes) -> list[str]:
    names = convert_string(character_set, is_little_endian=True)
    return encodings_of([names] if isinstance(names, str) else list(names))


def _are_usual(character_sets: bytes) -> bool:
    """Tell whether these are a few Defined Terms of Specific Character Set."""
    return len(character_sets) <= _LONGEST and are_known(
        [name.strip(" \0") for name in character_sets.decode("latin-1").split("\\")]
    )


def _first_of(character_sets: bytes) -> bytes:
    """Return the first values of Specific Character Set; values that are too long become empty."""
    names = character_sets[: 4 * _LONGEST].split(b"\\", MAXIMUM_CHARACTER_SETS)[:MAXIMUM_CHARACTER_SETS]
    shorter = [name.strip(b" \0") for name in names]
    return b"\\".join([name if len(name) <= _LONGEST_NAME else b"" for name in shorter])


def _is_plain(data: bytes) -> bool:
    """Tell whether all is ASCII without escape sequences, except the headers of items."""
    return data.replace(LITTLE.item, b"").isascii() and b"\x1b" not in data


class _Level(NamedTuple):
    """The state of a builder before it entered an item."""

    elements: dict[BaseTag, DataElement | RawDataElement]
    inherited: str | list[str]
    private: list[int]
    is_little_endian: bool
    is_undefined: bool


class _Builder(Sink):
    """Makes Datasets of elements and items; values are decoded at their first use.

    With `keeps_raw`, sequences of defined length are too: pydicom reads plain ones as the walk does.
    """

    def __init__(self, data: bytes, *, is_little_endian: bool, keeps_raw: bool = True) -> None:
        self.data = data
        self.is_extended = len(data) > _SMALL or not _is_plain(data)
        self.extended: set[int] = set()
        self.raw_sequence = 0  # tag of the raw sequence that the walk is in
        self.keeps_raw = keeps_raw
        self.has_raw_sequences = False
        self.is_plain = True  # whether the content of raw sequences is plain
        self.depth = 0  # within a raw sequence
        self.is_little_endian = is_little_endian
        self.elements: dict[BaseTag, DataElement | RawDataElement] = {}
        self.private: list[int] = []  # private elements in it that their creator may call sequences
        self.inherited: str | list[str] = default_encoding
        self.empty: dict[str | None, bytes | None] = {None: None}
        self.sequences: list[tuple[BaseTag, int, bool, list[Dataset]]] = []
        self.outer: list[_Level] = []

    def dataset(self, *, is_explicit: bool) -> Dataset:
        """Return the Dataset of the elements so far."""
        for tag in self.private:
            if self.is_private_sequence(tag):
                self.keep_bytes(BaseTag(tag))
        made = Dataset(self.elements, parent_encoding=self.inherited)
        made.set_original_encoding(not is_explicit, self.is_little_endian, self.encoding())
        return made

    def encoding(self) -> str | list[str]:
        """Return the encoding of text here, and in items that name no other one (PS3.5 7.5.3)."""
        element = self.elements.get(_SPECIFIC_CHARACTER_SET)
        if element is None:
            return self.inherited
        value = element.value or b""
        if len(value) > _LONGEST_NAME:  # each item would keep a copy
            value = _first_of(value)
        return _encodings(value).copy()

    def element(self, tag: int, vr: str | None, start: int, length: int) -> None:
        if length and (vr is None or vr == "UN"):
            if tag in SEQUENCES:
                raise DataSetError(f"element {BaseTag(tag)} has something else than items (at byte {start})")
            if tag & 0x1_0000 and self.depth:
                self.is_plain = False
            elif tag & 0x1_0000:
                self.private.append(tag)
        if not self.depth:
            self.raw(tag, vr, start, length)
        elif tag == _SPECIFIC_CHARACTER_SET and not _are_usual(self.data[start : start + length]):
            self.is_plain = False  # pydicom would ask Python for these names, see `encodings_of`
        if self.is_extended and length and vr in _MAYBE_TEXT:
            self.note(tag, vr, self.data[start : start + length])

    def note(self, tag: int, vr: str | None, value: bytes) -> None:
        """Note an element of the data set that may be, or contain, text that is not plain ASCII."""
        if value.isascii() and b"\x1b" not in value:
            return
        if vr in EXTENDED_VRS or tag & 0x1_0000 or tag in _TEXTS or tag not in DicomDictionary:
            inner = self.raw_sequence if self.depth else tag
            self.extended.add(self.sequences[0][0] if self.sequences else inner)

    def raw(self, tag: int, vr: str | None, start: int, length: int) -> None:
        key = BaseTag(tag)
        if length:
            value: bytes | None = self.data[start : start + length]
        elif vr in self.empty:
            value = self.empty[vr]
        else:
            value = self.empty[vr] = cast("bytes | None", empty_value_for_VR(vr, raw=True))
        self.elements[key] = _new_tuple(
            RawDataElement, (key, vr, length, value, start, vr is None, self.is_little_endian, True, False)
        )

    def fragments(self, tag: int, vr: str | None, start: int, stop: int) -> None:
        if self.depth:
            self.is_plain = False
            return
        value = self.data[start:stop]
        # Only pixel data has no VR here: Implicit VR does not allow fragments, but some data sets have them.
        self.elements[BaseTag(tag)] = RawDataElement(
            BaseTag(tag), vr or "OB or OW", UNDEFINED, value, start, vr is None, self.is_little_endian
        )

    def begin_sequence(self, tag: int, vr: str | None, start: int, length: int) -> None:
        is_readable = length != UNDEFINED and (vr != "UN" or self.is_little_endian)  # by pydicom
        if self.depth or (self.keeps_raw and is_readable):
            if self.depth and vr != "SQ" and (vr == "UN" or tag not in SEQUENCES):
                self.is_plain = False
            if not self.depth:
                self.raw(tag, vr, start, length)
                self.raw_sequence = tag
            self.depth += 1
            self.has_raw_sequences = True
        else:
            self.sequences.append((BaseTag(tag), start, length == UNDEFINED, []))

    def end_sequence(self) -> None:
        if self.depth:
            self.depth -= 1
            return
        tag, start, is_undefined, items = self.sequences.pop()
        sequence = Sequence(items)
        sequence.is_undefined_length = is_undefined
        self.elements[tag] = DataElement(tag, "SQ", sequence, start, is_undefined_length=is_undefined)

    def begin_item(self, *, is_undefined: bool, is_little_endian: bool) -> None:
        if self.depth:
            return
        self.outer.append(
            _Level(self.elements, self.inherited, self.private, self.is_little_endian, is_undefined)
        )
        self.inherited = self.encoding()
        self.elements, self.private = {}, []
        self.is_little_endian = is_little_endian

    def end_item(self, *, is_explicit: bool) -> None:
        if self.depth:
            return
        item = self.dataset(is_explicit=is_explicit)
        self.elements, self.inherited, self.private, self.is_little_endian, is_undefined = self.outer.pop()
        if is_undefined:
            item.is_undefined_length_sequence_item = True
        self.sequences[-1][3].append(item)

    def is_private_sequence(self, tag: int) -> bool:
        if self.depth:
            self.is_plain = False
            return False
        creator = self.elements.get(BaseTag(tag & 0xFFFF_0000 | tag >> 8 & 0xFF))
        if not isinstance(creator, RawDataElement) or not creator.value:
            return False
        try:
            return private_dictionary_VR(tag, str(creator.value, "latin-1").strip(" \0")) == "SQ"
        except KeyError:
            return False

    def keep_bytes(self, tag: BaseTag) -> None:
        """Keep pydicom from reading an element that was not walked as a sequence.

        It has no items, or its private creator follows behind it.
        """
        element = self.elements[tag]
        if isinstance(element, RawDataElement) and element.VR in (None, "UN"):
            self.elements[tag] = DataElement(tag, "UN", element.value)
