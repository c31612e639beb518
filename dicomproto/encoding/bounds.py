"""How much a data set may hold: bounds that are judged while it is walked."""

from __future__ import annotations

from ..record import Record

NEVER = 1 << 60
"""Where something ends that has no length; more than any data set has."""


class Bounds(Record):
    """How much a data set may hold; more raises DataSetTooLarge while it is walked."""

    elements: int = NEVER
    """Elements, those of items and delimiters included."""

    items: int = NEVER
    """Items of all sequences together."""

    depth: int = NEVER
    """Sequences within each other."""


NO_BOUNDS = Bounds()

DECODED_BOUNDS = Bounds(depth=64)
"""Of a data set that is decoded, unless others are given."""

IDENTIFIER_BOUNDS = Bounds(elements=2_000, items=1_000, depth=64)
"""Of an identifier that a peer sends: ten times what services ask for, and each costs time for each match."""

NORMALIZED_BOUNDS = Bounds(elements=1_000_000, items=100_000, depth=64)
"""Of a data set that a peer sends with an N-service, or with a response."""
