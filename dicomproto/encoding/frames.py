"""The parts of a data set that a walk is in, and the interface for its findings."""

from __future__ import annotations

from typing import Protocol

from .bounds import NEVER
from .headers import Order

ELEMENTS, SEQUENCE, FRAGMENTS, PADDING = range(4)
"""Kinds of `Frame`: the data set or an item, a sequence, encapsulated fragments, NULs at the end."""


class Sink(Protocol):
    """Takes the elements and items of a walk over a data set that is fed whole; positions are indices."""

    is_little_endian: bool
    """Whether numbers are Little Endian; the walk corrects it."""

    def element(self, tag: int, vr: str | None, start: int, length: int) -> None:
        """Take an element with its value; the VR is None in Implicit VR."""

    def fragments(self, tag: int, vr: str | None, start: int, stop: int) -> None:
        """Take an element of undefined length that is not a sequence; its delimiter begins at `stop`."""

    def begin_sequence(self, tag: int, vr: str | None, start: int, length: int) -> None:
        """Begin a sequence whose items follow."""

    def end_sequence(self) -> None:
        """End the innermost sequence."""

    def begin_item(self, *, is_undefined: bool, is_little_endian: bool) -> None:
        """Begin an item whose elements follow."""

    def end_item(self, *, is_explicit: bool) -> None:
        """End the innermost item."""

    def is_private_sequence(self, tag: int) -> bool:
        """Tell whether a private dictionary knows `tag` as a sequence."""
        ...


class Frame:
    """A part that a walk is in: the data set, an item, a sequence, or fragments."""

    __slots__ = (
        "at", "end", "explicit", "has_vr", "is_guess", "is_sure", "is_undefined", "items", "kind", "order",
        "previous", "start", "tag", "vr",
    )  # fmt: skip

    def __init__(self, kind: int, order: Order, *, explicit: bool, end: int = NEVER) -> None:
        self.kind: int = kind
        self.order: Order = order
        self.explicit: bool = explicit
        self.has_vr: bool = False  # whether an element so far had a VR
        self.end: int = end  # the latest possible end
        self.is_undefined: bool = False  # whether it ends at a delimiter
        self.tag: int = 0  # of the sequence or the fragments
        self.vr: str | None = None
        self.at: int = 0  # offset of its header
        self.start: int = 0  # offset of its value
        self.previous: int = -1  # the tag before
        self.items: int = 0  # of a sequence: items so far; of an item: its number
        self.is_guess: bool = False  # whether something in it was guessed
        self.is_sure: bool = True  # whether it certainly is a sequence, or an item with the VR of its parent
