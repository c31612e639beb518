"""The matches of a query as lines for a person, and as DICOM JSON for a program.

Peers send values that their VR does not allow, and users want to see them. A value that pydicom cannot
convert is shown as text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue

from dicomproto.encoding.characters import EXTENDED_VRS, decode_text, is_plain
from dicomproto.encoding.stored import stored, vr_of_raw
from dicomproto.matching.values import TEXT_VRS, read_if_possible
from dicomproto.quiet import Quiet

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_NUMERIC_TEXT = frozenset(("DS", "IS"))
_NUMBER = {
    "IS": re.compile(r"[+-]?[0-9]{1,64}"),
    "DS": re.compile(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,4})?"),
}
_LARGEST = 1 << 53
"""The largest number up to which a float of 64 bits holds every whole number."""

_SPECIFIC_CHARACTER_SET = 0x0008_0005
DEEPEST = 32
"""The number of nested sequences that are shown."""


def _ignore() -> None:
    pass


def lines_of(
    dataset: Dataset, indentation: int = 0, *, depth: int = 0, on_cut: Callable[[], None] = _ignore
) -> Iterator[str]:
    """Yield a line for each element, indented within items: `(0010,0010) PN [A^B]  # PatientName`.

    `on_cut` is called for items nested deeper than `DEEPEST`.
    """
    indent = "  " * indentation
    for tag in sorted(dataset.keys()):
        text = _text_of(dataset, tag)
        items: list[Dataset] = []
        element = _element(dataset, tag)
        if isinstance(element, bytes):
            vr, shown = "??", _text(element)
        elif text is not None:
            vr, shown = element.VR, text
        else:
            vr, items = element.VR, _items(element)
            shown = f"{len(items)} item{'s' * (len(items) != 1)}" if vr == "SQ" else _shown(element)
        group, number = tag.group, tag.elem
        line = f"{indent}({group:04X},{number:04X}) {vr} [{shown}]"
        yield f"{line}  # {keyword_for_tag(tag) or 'unknown'}"
        for position, item in enumerate(items):
            yield f"{indent}  item {position}"
            if depth < DEEPEST:
                yield from lines_of(item, indentation + 2, depth=depth + 1, on_cut=on_cut)
            else:
                on_cut()


def json_of(dataset: Dataset, depth: int = 0, *, on_cut: Callable[[], None] = _ignore) -> dict[str, object]:
    """Return a data set in the DICOM JSON model (PS3.18 F.2), with text in Unicode.

    `on_cut` is called for items nested deeper than `DEEPEST`.
    """
    model: dict[str, object] = {}
    for tag in sorted(dataset.keys()):
        if tag.elem == 0:  # a group length
            continue
        model[f"{tag.group:04X}{tag.elem:04X}"] = _json_element(dataset, tag, depth, on_cut)
    if f"{_SPECIFIC_CHARACTER_SET:08X}" in model:  # PS3.18 F.2.2: JSON is UTF-8
        model[f"{_SPECIFIC_CHARACTER_SET:08X}"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return model


def _json_element(
    dataset: Dataset, tag: BaseTag, depth: int, on_cut: Callable[[], None]
) -> dict[str, object]:
    raw = stored(dataset, tag)
    vr = vr_of_raw(raw, dataset) if isinstance(raw, RawDataElement) else str(raw.VR)
    if vr in TEXT_VRS:
        return _json_values(vr, read_if_possible(dataset, tag, vr))
    element = _element(dataset, tag)
    if isinstance(element, bytes):
        return {"vr": "UN", "InlineBinary": b64encode(element).decode("ascii")} if element else {"vr": "UN"}
    vr = str(element.VR)
    if vr == "SQ":
        items = _items(element)
        if items and depth == DEEPEST:
            on_cut()
            items = []
        inner = [json_of(item, depth + 1, on_cut=on_cut) for item in items]
        return {"vr": "SQ", "Value": inner} if inner else {"vr": "SQ"}
    value = element.value
    if isinstance(value, bytes):
        return {"vr": vr, "InlineBinary": b64encode(value).decode("ascii")} if value else {"vr": vr}
    return _json_values(vr, list(value) if isinstance(value, (MultiValue, list, tuple)) else [value])


def _json_values(vr: str, values: list[object]) -> dict[str, object]:
    model = [_json_value(one, vr) for one in values]
    return {"vr": vr, "Value": model} if any(one is not None for one in model) else {"vr": vr}


def _json_value(value: object, vr: str) -> object:
    """Return a value in JSON, None if it is empty (PS3.18 F.2.5)."""
    text = str(value)
    if value is None or not text:
        return None
    if vr == "PN":
        groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))
        return {name: group for name, group in groups.items() if group} or None
    if vr == "AT" and isinstance(value, int):
        return f"{value:08X}"
    if vr in _NUMERIC_TEXT:
        return _number_of(text, vr)
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(float(value))  # JSON has no NaN
    if isinstance(value, int):
        return int(value) if abs(value) <= _LARGEST else str(int(value))
    return text


def _number_of(text: str, vr: str) -> object:
    """Return the number in a text; the text itself if JSON would change the number.

    Most readers of JSON take numbers for floats of 64 bits; DS and IS may be text (PS3.18 F.2.3.1).
    """
    if _NUMBER[vr].fullmatch(text):
        number = float(text)
        if isfinite(number) and Decimal(repr(number)) == Decimal(text):
            return int(text) if vr == "IS" else number
    return text


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | bytes:
    """Return an element, or its bytes if they cannot be decoded."""
    raw = stored(dataset, tag)
    with Quiet():
        try:
            if raw.VR == "AT" and isinstance(raw.value, bytes) and len(raw.value) % 4:
                raise ValueError  # pydicom would return wrong tags
            return dataset[tag]
        except Exception:
            value = raw.value
    return value if isinstance(value, bytes) else b""


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value or ()) if element.VR == "SQ" else []


def _text_of(dataset: Dataset, tag: BaseTag) -> str | None:
    """Decode text beyond ASCII, which pydicom does not always do rightly; None for other values."""
    raw = stored(dataset, tag)
    if not isinstance(raw, RawDataElement) or raw.value is None or is_plain(raw.value):
        return None
    vr = vr_of_raw(raw, dataset)
    if vr not in EXTENDED_VRS:
        return None
    return decode_text(raw.value, dataset.original_character_set, is_name=vr == "PN").rstrip(" \0")


def _shown(element: DataElement) -> str:
    value = element.value
    if element.VR in _BINARY or isinstance(value, bytes):
        return f"{len(value or b'')} bytes"
    if value is None:
        return ""
    values = value if isinstance(value, (MultiValue, list)) else [value]
    return "\\".join(_original(part) for part in values)


def _original(value: object) -> str:
    """Return a value as it was sent, if pydicom keeps that; of names it keeps bytes."""
    written = getattr(value, "original_string", None)
    return written if isinstance(written, str) else str(value)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("latin-1")
