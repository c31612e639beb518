"""The values of a data set, read without warnings, and the copies of them in an answer.

pydicom validates the text that it decodes. It warns of values that are not valid for their VR, and quotes
them: for example of wild cards in CS, which are legal in a key (PS3.4 C.2.2.2). So this module decodes text
from the raw element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.values import convert_value

from ..encoding.bounds import IDENTIFIER_BOUNDS
from ..encoding.characters import EXTENDED_VRS, decode_text
from ..encoding.decoding import build_sequence
from ..encoding.headers import LONG_VRS, SHORT_VRS
from ..encoding.stored import items_of, stored
from ..errors import DataSetError, DataSetTooLarge

SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET = 0x0008_0005, 0x0008_0201

MAXIMUM_DEPTH = 64
"""Most sequences within each other in a query, and in an answer."""

TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_TEXT = re.compile(rb"[^\x00-\x1a\x1c-\x1f\x7f]+\x00?")
_KNOWN_VRS = (SHORT_VRS | LONG_VRS) - {"UN"}
_ITEM = b"\xfe\xff\x00\xe0"
DATE_VRS = frozenset({"DA", "DT", "TM"})
SINGLE_VALUED = frozenset({"LT", "ST", "UN", "UR", "UT"})
_LEADING_SPACES_COUNT = frozenset({"LT", "ST", "UC", "UR", "UT"})


class Unreadable(DataSetError):
    """The bytes of an element are not valid for its VR."""


def vr_of(dataset: Dataset, tag: int, creator: str) -> str:
    """Return the VR of the dictionary, or else the VR of the element, or else UN."""
    try:
        known = private_dictionary_VR(tag, creator) if creator else dictionary_VR(tag)
    except KeyError:
        known = ""
    if len(known) == 2:  # not "US or SS"
        return known
    return stored(dataset, tag).VR or known or "UN"


def told_vr(dataset: Dataset, tag: int) -> str | None:
    """Return the VR that was read with an element; None if the element is absent or has none."""
    vr = stored(dataset, tag).VR if tag in dataset else None
    return vr if vr in _KNOWN_VRS else None


def likely_vr(dataset: Dataset, tag: int, vr: str) -> str:
    """Return the likely VR of UN: SQ for bytes that begin as an item, LO for a line of text, else `vr`."""
    value = stored(dataset, tag).value
    if vr != "UN" or not isinstance(value, bytes):
        return vr
    if value.startswith(_ITEM):
        return "SQ"
    return "LO" if _TEXT.fullmatch(value) else vr


def read(dataset: Dataset, tag: int, vr: str) -> list[Any]:
    """Return the values of an element of VR `vr`; none if it is absent or empty.

    Text and UN are returned as str without insignificant spaces, the items of a sequence as Datasets, and all
    else in the types of pydicom. Raises Unreadable, and DataSetTooLarge for a sequence of bytes with more
    items than an identifier may have.
    """
    try:
        if tag not in dataset:
            return []
        element = stored(dataset, tag)
        if element.VR == "SQ" and vr != "SQ":
            raise TypeError
        if vr == "AT" and isinstance(element.value, bytes) and len(element.value) % 4:
            raise ValueError  # pydicom drops an incomplete number: a short key would become empty
        if vr in TEXT_VRS or vr == "UN":
            return _texts(element.value, vr, dataset.original_character_set)
        value = dataset[tag].value
        if isinstance(value, bytes) and value:
            value = _as_vr(value, tag, vr, dataset.original_character_set)
        if vr == "SQ":
            return _items_of(value)
        return [one for one in _as_list(value) if one not in (b"", "", None)]
    except DataSetTooLarge:
        raise
    except Exception as error:  # bytes that are not valid for their VR may make pydicom raise anything
        raise Unreadable(f"element {BaseTag(tag)} cannot be read: {type(error).__name__}") from None


def _items_of(value: Any) -> list[Dataset]:
    items: list[Dataset] = list(value) if value else []
    if not all(isinstance(item, Dataset) for item in items):
        raise TypeError  # text, for example, has no items, and would match everything
    return items


def _as_vr(value: bytes, tag: int, vr: str, character_set: str | Sequence[str]) -> object:
    """Return bytes of unknown VR as a value of VR `vr`; they are Little Endian, as UN is (PS3.5 6.2.2)."""
    element = RawDataElement(BaseTag(tag), vr, len(value), value, 0, True, True)
    if vr != "SQ":
        return convert_value(vr, element) if vr in _KNOWN_VRS else value
    encodings = [character_set] if isinstance(character_set, str) else list(character_set or ())
    return build_sequence(element, encodings, IDENTIFIER_BOUNDS).value


def items_within(items: list[Dataset]) -> int:
    """Return the number of items, including the built items in their sequences."""
    inner = [items_of(element) for item in items for element in item.values()]
    return len(items) + sum(map(items_within, inner))


def read_if_possible(dataset: Dataset, tag: int, vr: str) -> list[Any]:
    """Return the same as `read`, or no values if they cannot be read."""
    try:
        return read(dataset, tag, vr)
    except Unreadable:
        return []


def is_private_creator(tag: BaseTag) -> bool:
    return tag.is_private and 0x10 <= tag.element <= 0xFF


def owned_elements(dataset: Dataset) -> Iterator[tuple[BaseTag, str]]:
    """Yield the tags of a data set with their private creators, "" for standard elements.

    Group lengths, groups that do not belong to a data set, and private elements without a creator are
    skipped.
    """
    creators: dict[tuple[int, int], str] = {}
    for tag in sorted(dataset.keys()):
        if tag.group < 8 or tag.element == 0:
            continue
        if is_private_creator(tag):
            creators[tag.group, tag.element] = "".join(read_if_possible(dataset, tag, "LO"))
        elif tag.is_private:
            if creator := creators.get((tag.group, tag.element >> 8)):
                yield tag, creator
            continue
        yield tag, ""


def _as_list(value: object) -> list[Any]:
    if isinstance(value, (list, tuple, MultiValue)):
        return list(value)
    return [value]


def _texts(value: object, vr: str, character_set: str | Sequence[str]) -> list[str]:
    if isinstance(value, bytes):
        text = _decode(value, vr, character_set)
        texts = [text] if vr in SINGLE_VALUED else text.split("\\")
    else:
        texts = [_as_text(one, vr) for one in _as_list(value)]
    if vr in _LEADING_SPACES_COUNT:
        texts = [text.rstrip(" \0") for text in texts]
    else:
        texts = [text.strip(" \0") for text in texts]
    return texts if any(texts) else []


def _decode(data: bytes, vr: str, character_set: str | Sequence[str]) -> str:
    """Decode all values before they are split: in some sets the byte of a backslash is half a character."""
    if vr not in EXTENDED_VRS:
        return data.decode("latin-1")
    return decode_text(data, character_set, is_name=vr == "PN")


def _as_text(value: object, vr: str) -> str:
    if value is None:
        return ""
    if isinstance(value, (date, time)):
        return str(getattr(value, "original_string", "")) or date_text(value, vr)
    return str(value)


def date_text(value: date | time, vr: str) -> str:
    """Return a date, time or datetime as a value of DA, TM or DT; with a time zone, in UTC."""
    text = ""
    if isinstance(value, datetime) and value.tzinfo is not None and vr == "DT":
        value = value.astimezone(UTC)
        text = "+0000"  # a negative offset would look like a range (PS3.4 C.2.2.2.1.3, notes 3 and 4)
    if isinstance(value, (datetime, time)) and vr != "DA":
        fraction = f".{value.microsecond:06}" if value.microsecond else ""
        text = f"{value.hour:02}{value.minute:02}{value.second:02}{fraction}{text}"
    if isinstance(value, date) and vr != "TM":
        text = f"{value.year:04}{value.month:02}{value.day:02}{text}"
    return text


# --- writing --------------------------------------------------------------------------------------


_uid = partial(str.__new__, UID)
"""Makes a UID of text without checks, which take most of the time: lists of UIDs are long."""


def element_of(tag: int, vr: str, values: list[Any]) -> DataElement:
    """Return an element without validation, which would warn of wild cards.

    Raises any exception of pydicom for values that are not valid for the VR.
    """
    if vr == "UI" and len(values) > 1 and set(map(type, values)) == {str}:
        return DataElement(tag, vr, MultiValue(_uid, values), already_converted=True)
    empty = "" if vr in TEXT_VRS else None
    value = values if vr == "SQ" or len(values) > 1 else values[0] if values else empty
    return DataElement(tag, vr, value, validation_mode=IGNORE)


def too_deep() -> DataSetError:
    return DataSetError(f"there are more than {MAXIMUM_DEPTH} sequences within each other")


class Copier:
    """Puts copies of elements into data sets, and collects their text to choose a character set."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def put(self, dataset: Dataset, tag: int, vr: str, values: list[Any]) -> None:
        """Put values into a data set; make an empty element if they are not valid for the VR."""
        try:
            dataset[tag] = element_of(tag, vr, values)
        except Exception:  # the entity may have invalid values, such as text in place of a number
            dataset[tag] = element_of(tag, vr, [])
        if vr in EXTENDED_VRS:
            self.texts.extend(values)

    def copy(
        self, source: Dataset, place: int, creator: str, target: Dataset, tag: int, vr: str, depth: int = 0
    ) -> None:
        """Copy the element at `place` to `tag`; make an empty one of `vr` if it cannot be read."""
        if place in source:
            vr = vr_of(source, place, creator)
        values = read_if_possible(source, place, "OB" if vr == "UN" else vr)  # UN would be read as text
        if vr == "SQ":
            values = [self.copy_of(item, depth + 1) for item in values]
        self.put(target, tag, vr, values)
        if vr in EXTENDED_VRS and any("\N{REPLACEMENT CHARACTER}" in one for one in values):
            target[tag].file_tell = 0  # marks it as read, so that the encoder finds text with lost bytes

    def copy_of(self, dataset: Dataset, depth: int = 1) -> Dataset:
        """Return a copy of an item at this `depth` of sequences."""
        if depth > MAXIMUM_DEPTH:
            raise too_deep()
        copy = Dataset()
        for tag, creator in owned_elements(dataset):
            if tag != SPECIFIC_CHARACTER_SET:
                self.copy(dataset, tag, creator, copy, tag, "", depth)
        return copy
