r"""The keys of `-k`: paths to elements, with values, in the notation of pynetdicom's and DCMTK's tools.

    path  = element *( "." element ) [ "=" value ]
    element = ( keyword | "(gggg,eeee)" | "gggg,eeee" | "ggggeeee" ) [ "[" number "]" ]

`ScheduledProcedureStepSequence[0].Modality=CT` makes the sequence and its items up to the named one, if they
are missing. The VR comes from the data dictionary; for a private element, from pydicom's private dictionary
if its creator is among the keys or in the file; otherwise it is UN. An element of a repeating group is given
by its tag. `\` separates values. Text, `*` and ranges included, is taken as it is if its VR allows it.
Numbers are in decimal digits, and all other values in hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag

from dicomproto.encoding.stored import values_of
from dicomproto.matching.key_values import fault_of

MAXIMUM_ITEM = 999
"""The highest number of an item, so that a typing error does not fill the memory."""

_ELEMENT = re.compile(
    r"(?:(?P<keyword>[A-Za-z][A-Za-z0-9]*)"
    r"|\((?P<both>[0-9A-Fa-f]{4} ?, ?[0-9A-Fa-f]{4})\)"
    r"|(?P<bare>[0-9A-Fa-f]{4},?[0-9A-Fa-f]{4}))"
    r"(?P<item>\[(?P<number>[^\]]*)\])?"
)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8}")
_SINGLE = frozenset(("LT", "ST", "UT", "UR"))  # a backslash is text (PS3.5 Table 6.2-1)
_TEXT = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "PN", "SH", "TM", "UC", "UI")) | _SINGLE
_NUMERIC_TEXT = frozenset(("DS", "IS"))  # kept as text: pydicom would convert it, or fail
_INTEGERS = {"SS": (True, 16), "US": (False, 16), "SL": (True, 32), "UL": (False, 32), "SV": (True, 64),
             "UV": (False, 64)}  # fmt: skip
_AMBIGUOUS = {"US or SS": "US", "US or SS or OW": "US", "US or OW": "US", "OB or OW": "OW"}
_FOREIGN = {0x0000: "the command set", 0x0002: "File Meta Information", 0xFFFE: "an item"}


class InvalidKey(ValueError):
    """A key that is not valid; the text shows it and the position of the fault."""


class _Fault(Exception):
    """A fault at a position of the text."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


class _Step:
    """One element of a path."""

    def __init__(self, match: re.Match[str]) -> None:
        self.text = match[0]
        self.start = match.start()
        self.item: int | None = None
        if match["item"]:
            self.item = _item_number(match["number"], match.start("number"))
        self.tag = _tag(match)

    def vr(self, dataset: Dataset) -> str:
        """Return the VR from the data dictionaries; `dataset` may hold the creator of a private element."""
        try:
            if self.tag.is_private_creator:
                return "LO"  # PS3.5 7.8.1
            if not self.tag.is_private:
                return dictionary_VR(self.tag)
            creator = values_of(dataset, self.tag & 0xFFFF_0000 | self.tag >> 8 & 0xFF)
            return private_dictionary_VR(self.tag, "".join(creator))
        except KeyError:
            return "UN"


def apply_key(dataset: Dataset, text: str) -> None:
    """Set the key `text` in `dataset`; raises InvalidKey."""
    if any("\udc80" <= character <= "\udcff" for character in text):  # bytes that Python could not decode
        raise InvalidKey(f"{text!r} is not in the character set of this locale")
    try:
        steps, value, position = _parse(text)
        _set(dataset, steps, value, position)
    except _Fault as fault:
        raise InvalidKey(f"{text!r}: {fault} (at character {fault.position + 1})") from None


def names_creator(text: str) -> bool:
    """Tell whether a key is that of a private creator, which other keys need."""
    try:
        return _parse(text)[0][-1].tag.is_private_creator
    except _Fault:
        return False


def _parse(text: str) -> tuple[list[_Step], str | None, int]:
    """Return the steps of the path, the value or None, and its position."""
    steps: list[_Step] = []
    position = 0
    while True:
        match = _ELEMENT.match(text, position)
        if match is None:
            raise _Fault(position, "a keyword or a tag (gggg,eeee) is needed here")
        steps.append(_Step(match))
        position = match.end()
        following = text[position : position + 1]
        if following == "":
            return steps, None, position
        if following == "=":
            return steps, text[position + 1 :], position + 1
        if following != ".":
            raise _Fault(position, "'.' and another element, '=' and a value, or the end is needed here")
        position += 1


def _item_number(text: str, position: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > MAXIMUM_ITEM or len(text) > 9:
        raise _Fault(position, f"the number of an item is from 0 to {MAXIMUM_ITEM}")
    return int(text)


def _tag(match: re.Match[str]) -> BaseTag:
    digits = match["both"] or match["bare"]
    if digits:
        tag = Tag(int(re.sub("[, ]", "", digits), 16))
    elif _HEXADECIMAL.fullmatch(match["keyword"]):  # "ggggeeee" that begins with a letter
        tag = Tag(int(match["keyword"], 16))
    else:
        number = tag_for_keyword(match["keyword"])
        if number is None:
            raise _Fault(match.start(), f"there is no element with the keyword {match['keyword']!r}")
        tag = Tag(number)
    if tag.group in _FOREIGN:
        raise _Fault(match.start(), f"{tag} belongs to {_FOREIGN[tag.group]}, not to a data set")
    return tag


def _set(dataset: Dataset, steps: list[_Step], value: str | None, position: int) -> None:
    *way, last = steps
    for step in way:
        if step.vr(dataset) != "SQ":
            raise _Fault(step.start, f"{step.text} is not a sequence, so nothing can be within it")
        if step.item is None:
            end = step.start + len(step.text)
            raise _Fault(end, f"the item is missing: {step.text}[0] is the first one")
        dataset = _item(dataset, step.tag, step.item)
    vr = last.vr(dataset)
    if vr == "SQ":
        if value:
            raise _Fault(position, f"{last.text} is a sequence and has no value: name an element within it")
        if last.item is None:
            dataset[last.tag] = DataElement(last.tag, "SQ", DicomSequence())
        else:
            _item(dataset, last.tag, last.item)
        return
    if last.item is not None:
        raise _Fault(last.start, f"{last.text} is not a sequence, so it has no items")
    vr = "SS" if vr == "US or SS" and "-" in (value or "") else _AMBIGUOUS.get(vr, vr)
    try:
        dataset[last.tag] = _element(last.tag, vr, value or "")
    except ValueError as error:
        raise _Fault(position, str(error)) from None


def _item(dataset: Dataset, tag: BaseTag, number: int) -> Dataset:
    """Return an item of a sequence; make it and those before it if they are missing."""
    if tag not in dataset or not dataset[tag].value:
        dataset[tag] = DataElement(tag, "SQ", DicomSequence())
    items: DicomSequence = dataset[tag].value
    while len(items) <= number:
        items.append(Dataset())
    item: Dataset = items[number]
    return item


# --- values -------------------------------------------------------------------------------------


def _element(tag: BaseTag, vr: str, text: str) -> DataElement:
    """Return an element with the value in `text`; raises ValueError."""
    if (fault := fault_of(vr, text)) is not None:
        raise ValueError(
            f"{fault}; * matches any value, and the elements of a file of -f are sent as they are"
        )
    if vr in _NUMERIC_TEXT:
        return DataElement(tag, vr, text, already_converted=True)
    return DataElement(tag, vr, _value(vr, text), validation_mode=IGNORE)


def _value(vr: str, text: str) -> object:
    if vr in _SINGLE:
        return text
    if vr in _TEXT:
        values = text.split("\\")
        return values if len(values) > 1 else text
    if not text:
        return b"" if vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN") else None
    if vr in _INTEGERS:
        return _several(text, lambda part: _integer(part, vr))
    if vr in ("FD", "FL"):
        return _several(text, _float)
    if vr == "AT":
        return _several(text, _tag_value)
    return _bytes(vr, text)


def _several(text: str, read: Callable[[str], object]) -> object:
    values: Sequence[object] = [read(part) for part in text.split("\\")]
    return values if len(values) > 1 else values[0]


def _integer(text: str, vr: str) -> int:
    signed, bits = _INTEGERS[vr]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"a value of VR {vr} is a whole number from {low} to {high}")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a value of VR FL or FD is a number") from None


def _tag_value(text: str) -> int:
    digits = re.sub(r"^\(?([0-9A-Fa-f]{4}) ?, ?([0-9A-Fa-f]{4})\)?$", r"\1\2", text)
    if _HEXADECIMAL.fullmatch(digits):
        return int(digits, 16)
    number = tag_for_keyword(text)
    if number is None:
        raise ValueError("a value of VR AT is a tag, (gggg,eeee), or a keyword")
    return number


def _bytes(vr: str, text: str) -> bytes:
    try:
        value = bytes.fromhex(text.replace("\\", " "))
    except ValueError:
        raise ValueError(f"a value of VR {vr} is given in pairs of hexadecimal digits") from None
    return value + b"\0" * (len(value) % 2)
