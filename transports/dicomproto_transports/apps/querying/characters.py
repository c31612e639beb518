"""The character set of an identifier: what its text was read in, and what it is sent in."""

from __future__ import annotations

from argparse import ArgumentTypeError

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from dicomproto.datasets import name_character_set
from dicomproto.errors import DataSetError


def decode_text(dataset: Dataset) -> None:
    """Read the text of a data set and of its items now, while the character set is that of the file.

    Raises ArgumentTypeError for what is not in that character set.
    """
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # whatever an odd value makes pydicom raise: it stays what it is
            continue
        if any("\ufffd" in text for text in _values(element)):  # what pydicom makes of it
            raise ArgumentTypeError(f"{element.tag}: text that is not in its SpecificCharacterSet")
        for item in _items(element):
            decode_text(item)


def settle_characters(identifier: Dataset) -> None:
    """See to it that all text can be encoded; raises ArgumentTypeError if it cannot."""
    try:
        name_character_set(identifier)
    except DataSetError as error:
        raise ArgumentTypeError(f"the identifier cannot be encoded: {error}") from None


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value or ()) if element.VR == "SQ" else []


def _values(element: DataElement) -> list[str]:
    """Return the values of an element that are text."""
    value = element.value
    values = value if isinstance(value, (list, tuple, MultiValue)) else [value] if value else []
    return [str(one) for one in values if isinstance(one, (str, PersonName))]
