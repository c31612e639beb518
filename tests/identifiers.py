"""Data sets of any values for the tests of matching, as they are made and as a peer receives them."""

from __future__ import annotations

import struct
from io import BytesIO

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN


def dataset(**values: object) -> Dataset:
    """Return a data set of any values, valid or not."""
    made = Dataset()
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        made[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)
    return made


def sent(made: Dataset, syntax: str = IMPLICIT_VR_LITTLE_ENDIAN) -> Dataset:
    """Return the data set as a peer receives it, its elements still raw."""
    return decode_data_set(encode_data_set(made, syntax), syntax)


def raw(*parts: tuple[int, bytes]) -> Dataset:
    """Return the data set of elements that pydicom read in Implicit VR Little Endian, valid or not."""
    data = b"".join(struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value for tag, value in parts)
    return read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
