"""Elements as a data set stores them: bytes that were read, or Python values. Nothing is converted."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_deferred_data_element
from pydicom.multival import MultiValue

from .characters import MAXIMUM_CHARACTER_SETS
from .headers import LONG_VRS, SHORT_VRS


def no_data_set(given: object, call: str) -> TypeError:
    """Return the error for an argument of `call` that is not a data set; it names only the type."""
    what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
    return TypeError(f"{call}: a pydicom Dataset is wanted, not {what}")


def stored(dataset: Dataset, tag: int) -> DataElement | RawDataElement:
    """Return an element as the data set stores it; a value that pydicom left in the file is read.

    `Dataset.get_item` would also read empty values and decode them, which may raise anything, and hides that
    the file was cut.
    """
    element: DataElement | RawDataElement = dataset.get_item(tag, keep_deferred=True)
    if isinstance(element, RawDataElement) and element.value is None and element.length:
        buffer, name = dataset.buffer, dataset.filename
        source = name if buffer is None or (name and buffer.closed) else buffer
        element = read_deferred_data_element(dataset.fileobj_type, source, dataset.timestamp, element)
        dataset[tag] = element
    return element


def items_of(element: DataElement | RawDataElement) -> list[Dataset]:
    """Return the items of an element; none if it is not a sequence, or was not looked at."""
    return list(element.value or ()) if element.VR == "SQ" and isinstance(element, DataElement) else []


def values_of(dataset: Dataset, tag: int) -> list[str]:
    """Return the first few values of an element of ASCII text; none if it is absent or empty."""
    value = stored(dataset, tag).value if tag in dataset else None
    if isinstance(value, bytes):
        value = value.decode("latin-1").split("\\", MAXIMUM_CHARACTER_SETS)
    values = value if isinstance(value, (MultiValue, list, tuple)) else [value or ""]
    texts = [str(one).strip(" \0") for one in values[:MAXIMUM_CHARACTER_SETS]]
    return texts if any(texts) else []


def vr_of_raw(element: RawDataElement, dataset: Dataset) -> str:
    """Return the VR that was read, or the VRs of the dictionary, or UN."""
    vr = element.VR
    if vr in SHORT_VRS or vr in LONG_VRS:
        return vr if type(vr) is str else str(vr)
    tag = element.tag
    try:
        if not tag.is_private:
            return dictionary_VR(tag)
        if tag.is_private_creator:
            return "LO"
        place = tag & 0xFFFF_0000 | tag >> 8 & 0xFF
        return private_dictionary_VR(tag, "".join(values_of(dataset, place)))
    except KeyError:
        return "UN"
