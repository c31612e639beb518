"""Walks over whole data sets, in files without reading their values, and in memory."""

from __future__ import annotations

from typing import Protocol

from ..uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from ..upper_layer.pdu import Buffer
from .bounds import NEVER, NO_BOUNDS, Bounds
from .frames import Sink
from .walk import Walk

_PIECE = 8192  # bytes that `walk_file` reads at once


class SeekableFile(Protocol):
    """A file that `walk_file` can read."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go on at `offset`."""
        ...


def walk_file(file: SeekableFile, start: int, size: int, transfer_syntax: str) -> Walk:
    """Return a finished walk over the data set of `size` bytes at `start` of `file`; values are not read.

    Raises DataSetError if the data set certainly ends early, and the exceptions of `file`.
    """
    walk = Walk(transfer_syntax)
    position, end = start, start + size
    while position < end and walk.skippable < NEVER:
        file.seek(position)
        chunk = file.read(min(_PIECE, end - position))
        if not chunk:
            break
        walk.feed(chunk)
        position += len(chunk)
        passed = min(walk.skippable, end - position)
        if passed:
            walk.skip(passed)
            position += passed
    walk.finish()
    return walk


def walk_whole(
    data: Buffer, *, is_explicit: bool, is_little_endian: bool, sink: Sink, bounds: Bounds = NO_BOUNDS
) -> Walk:
    """Return a finished walk over a whole data set; `sink` takes its elements and items.

    A part that cannot be followed raises DataSetError too, since it cannot be decoded.
    """
    syntax = EXPLICIT_VR_LITTLE_ENDIAN if is_explicit else IMPLICIT_VR_LITTLE_ENDIAN
    syntax = syntax if is_little_endian else EXPLICIT_VR_BIG_ENDIAN
    walk = Walk(syntax, bounds=bounds, sink=sink, size=len(data))
    walk.feed(data)
    walk.finish()
    return walk
