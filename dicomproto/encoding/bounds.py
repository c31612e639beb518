"""Bounds of a data set, which are checked during a walk."""

from __future__ import annotations

from ..record import Record

NEVER = 1 << 60
"""The end of a part without a length; more than the size of any data set."""


class Bounds(Record):
    """The most that a data set may have; a walk raises DataSetTooLarge for more."""

    elements: int = NEVER
    """Elements, with the elements in items, and delimiters."""

    items: int = NEVER
    """Items of all sequences together."""

    depth: int = NEVER
    """Sequences within each other."""


NO_BOUNDS = Bounds()

DECODED_BOUNDS = Bounds(depth=64)
"""The default bounds of a decoded data set."""

IDENTIFIER_BOUNDS = Bounds(elements=2_000, items=1_000, depth=64)
"""The bounds of a peer's identifier: ten times what services need, since each key costs time per match."""

NORMALIZED_BOUNDS = Bounds(elements=1_000_000, items=100_000, depth=64)
"""The bounds of a peer's data set with an N-service, or with a response."""
