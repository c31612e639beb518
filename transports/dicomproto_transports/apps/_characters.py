"""The character set of an identifier: what its text was read in, and what it is sent in.

pydicom encodes whatever text Latin-1 has under the default repertoire, which is ASCII (PS3.5 6.1.1), and
under a character set that it does not know; no peer could tell what is meant. So text is checked here before.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentTypeError
from collections.abc import Iterator

from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from dicomproto.characters import EXTENDED_VRS, UTF_8, choose_character_set
from dicomproto.datasets import encode_data_set
from dicomproto.errors import DataSetError
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN


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
    if "SpecificCharacterSet" not in identifier and not all(map(str.isascii, _texts(identifier))):
        identifier.SpecificCharacterSet = UTF_8
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _check_characters(identifier)
        try:
            encode_data_set(identifier, EXPLICIT_VR_LITTLE_ENDIAN)
        except DataSetError as error:
            raise ArgumentTypeError(f"the identifier cannot be encoded: {error}") from None
    if any("encode" in str(warning.message) for warning in caught):
        raise _unfit(identifier.get("SpecificCharacterSet"))


def _check_characters(dataset: Dataset) -> None:
    """Hold text to the character set that is said to be its own; raises ArgumentTypeError."""
    if "SpecificCharacterSet" in dataset:
        names = _values(dataset["SpecificCharacterSet"])
        for name in names:
            if name not in python_encoding:
                raise ArgumentTypeError(f"there is no character set {name!r} (SpecificCharacterSet)")
        if choose_character_set(_texts(dataset), names) != names:
            raise _unfit("\\".join(names))
    for element in _elements(dataset):
        for item in _items(element):
            _check_characters(item)
        if element.VR not in EXTENDED_VRS and not all(map(str.isascii, _values(element))):
            raise ArgumentTypeError(f"{element.tag}: a value of VR {element.VR} is made of ASCII characters")


def _unfit(name: object) -> ArgumentTypeError:
    hint = "" if name == UTF_8 else "; it may be left out, or be ISO_IR 192, which is UTF-8"
    return ArgumentTypeError(f"not all text can be encoded in the SpecificCharacterSet {name!r}{hint}")


def _texts(dataset: Dataset) -> Iterator[str]:
    """Yield the text that the character set of a data set is for: not that of items with one of their own."""
    for element in _elements(dataset):
        if element.VR in EXTENDED_VRS:
            yield from _values(element)
        for item in _items(element):
            if "SpecificCharacterSet" not in item:
                yield from _texts(item)


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """Yield the elements that pydicom can make something of."""
    for tag in list(dataset.keys()):
        if not dataset.get_item(tag).is_raw:
            yield dataset[tag]


def _items(element: DataElement) -> list[Dataset]:
    return list(element.value or ()) if element.VR == "SQ" else []


def _values(element: DataElement) -> list[str]:
    """Return the values of an element that are text."""
    value = element.value
    values = value if isinstance(value, (list, tuple, MultiValue)) else [value] if value else []
    return [str(one) for one in values if isinstance(one, (str, PersonName))]
