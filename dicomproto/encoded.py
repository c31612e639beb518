"""Walks over encoded data sets: does a data set end where its lengths and delimiters say?

`Walk` takes a data set in chunks and decodes nothing; `walk_file` walks over one in a file. `Bounds` tell how
much a data set may hold.
"""

from __future__ import annotations

from .encoding.bounds import DECODED_BOUNDS, IDENTIFIER_BOUNDS, NO_BOUNDS, NORMALIZED_BOUNDS, Bounds
from .encoding.walk import MAXIMUM_PADDING, Walk
from .encoding.walks import SeekableFile, walk_file

__all__ = [
    "DECODED_BOUNDS",
    "IDENTIFIER_BOUNDS",
    "MAXIMUM_PADDING",
    "NORMALIZED_BOUNDS",
    "NO_BOUNDS",
    "Bounds",
    "SeekableFile",
    "Walk",
    "walk_file",
]
