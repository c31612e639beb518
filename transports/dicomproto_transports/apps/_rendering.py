"""What a peer answered to a query, shown: as lines for a person, as DICOM JSON for a program.

Peers send values that their VR does not allow, and whoever asked wants to see them all the same. What
pydicom can make nothing of is shown as the text that it is.
"""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag
from pydicom.multival import MultiValue

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_SPECIFIC_CHARACTER_SET = 0x0008_0005
DEEPEST = 32
"""Sequences within sequences that are shown."""


def _ignore() -> None:
    pass


def lines_of(
    dataset: Dataset, indentation: int = 0, *, depth: int = 0, on_cut: Callable[[], None] = _ignore
) -> Iterator[str]:
    """Yield a line for each element, those of items indented: `(0010,0010) PN [A^B]  # PatientName`.

    `on_cut` is called for what is nested too deep to be shown.
    """
    indent = "  " * indentation
    for tag in sorted(dataset.keys()):
        element = _element(dataset, tag)
        if isinstance(element, bytes):
            vr, shown, items = "??", _text(element), []
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
    """Return a data set in the DICOM JSON model (PS3.18 F.2), values with their text in Unicode.

    `on_cut` is called for what is nested too deep to be shown.
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
    element = _element(dataset, tag)
    if isinstance(element, bytes):
        return {"vr": "UN", "InlineBinary": b64encode(element).decode("ascii")} if element else {"vr": "UN"}
    if element.VR == "SQ":
        items = _items(element)
        if items and depth == DEEPEST:
            on_cut()
            items = []
        inner = [json_of(item, depth + 1, on_cut=on_cut) for item in items]
        return {"vr": "SQ", "Value": inner} if inner else {"vr": "SQ"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model: dict[str, object] = element.to_json_dict(None, 0)
        except Exception:  # a value that is none of its VR: as text, which is allowed for numbers, too
            return {"vr": element.VR, "Value": _shown(element).split("\\")}
    values = model.get("Value")
    if isinstance(values, list) and any(isinstance(part, float) and not isfinite(part) for part in values):
        model["Value"] = [part if isfinite(part) else str(part) for part in values]  # JSON has no NaN
    return model


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | bytes:
    """Return an element, or what it consists of if that cannot be decoded."""
    raw = dataset.get_item(tag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's quote values
        try:
            return dataset[tag]
        except Exception:
            value = getattr(raw, "value", None)
    return value if isinstance(value, bytes) else b""


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value or ()) if element.VR == "SQ" else []


def _shown(element: DataElement) -> str:
    value = element.value
    if element.VR in _BINARY or isinstance(value, bytes):
        return f"{len(value or b'')} bytes"
    if value is None:
        return ""
    values = value if isinstance(value, (MultiValue, list)) else [value]
    return "\\".join(_original(part) for part in values)


def _original(value: object) -> str:
    """Return a value as it was written, where pydicom keeps that; it keeps bytes of names."""
    written = getattr(value, "original_string", None)
    return written if isinstance(written, str) else str(value)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("latin-1")
