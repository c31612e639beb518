"""The character sets of an identifier: that of its file, and that of the request."""

from __future__ import annotations

from argparse import ArgumentTypeError

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from dicomproto.datasets import name_character_set
from dicomproto.errors import DataSetError


def decode_text(dataset: Dataset) -> None:
    """Decode the text of a data set and its items now, while the character set is that of the file.

    Raises ArgumentTypeError for text that is not in that character set.
    """
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # pydicom raises many kinds for an odd value, which is sent as it is
            continue
        if any("\ufffd" in text for text in _values(element)):  # the replacement of pydicom
            raise ArgumentTypeError(f"{element.tag}: text that is not in its SpecificCharacterSet")
        for item in _items(element):
            decode_text(item)


def settle_characters(identifier: Dataset) -> None:
    """Choose a character set for all text of an identifier; raises ArgumentTypeError if none fits."""
    try:
        name_character_set(identifier)
    except DataSetError as error:
        raise ArgumentTypeError(f"the identifier cannot be encoded: {error}") from None


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value or ()) if element.VR == "SQ" else []


def _values(element: DataElement) -> list[str]:
    """Return the text values of an element."""
    value = element.value
    values = value if isinstance(value, (list, tuple, MultiValue)) else [value] if value else []
    return [str(one) for one in values if isinstance(one, (str, PersonName))]
