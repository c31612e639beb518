"""Where data sets are cut, to see that what is left is not taken for whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from pydicom.filereader import data_element_generator
from pydicom.uid import UID

from tests.data_sets import FILES, data_set_of

CUT_FILES = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "rtplan.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
    "nested_priv_SQ.dcm",
    "UN_sequence.dcm",
    "test-SR.dcm",
)
"""Files of pydicom that can be walked; a deflated data set cannot."""

DEFLATED_FILE = "image_dfl.dcm"


def ends_of_elements(data: bytes, syntax: str) -> set[int]:
    """Return where the elements at the top level end, as pydicom reads them."""
    uid, file = UID(syntax), BytesIO(data)
    return {0} | {file.tell() for _ in data_element_generator(file, uid.is_implicit_VR, uid.is_little_endian)}


def cuts(count: int) -> Iterator[tuple[Path, int, bool]]:
    """Yield path, place and whether what is left of its data set looks whole, of `count` cuts in each file.

    The places are even, as the lengths of fragments are, and always the same.
    """
    for name in CUT_FILES:
        data, syntax = data_set_of(FILES / name)
        ends = ends_of_elements(data, syntax)
        for cut in sorted(random.Random(name).sample(range(2, len(data), 2), count)):
            whole = max(end for end in ends if end <= cut)
            yield FILES / name, cut, cut == whole or not any(data[whole:cut])
