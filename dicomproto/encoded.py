"""Walks over encoded data sets, which check that a data set ends where its lengths and delimiters say.

`Walk` takes a data set in chunks and decodes nothing. `walk_file` walks over a data set in a file. `Bounds`
limit the size of a data set.
"""

from __future__ import annotations

from .encoding.bounds import DECODED_BOUNDS, IDENTIFIER_BOUNDS, NO_BOUNDS, NORMALIZED_BOUNDS, Bounds
from .encoding.walk import MAXIMUM_PADDING, Walk
from .encoding.walks import SeekableFile, walk_file
from .errors import DataSetError, DataSetTooLarge

__all__ = [
    "DECODED_BOUNDS",
    "IDENTIFIER_BOUNDS",
    "MAXIMUM_PADDING",
    "NORMALIZED_BOUNDS",
    "NO_BOUNDS",
    "Bounds",
    "DataSetError",
    "DataSetTooLarge",
    "SeekableFile",
    "Walk",
    "walk_file",
]
