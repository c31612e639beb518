"""The character sets of a data set or item, as they are now and as they were read (PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.charset import STAND_ALONE_ENCODINGS
from pydicom.dataset import Dataset

from .characters import DEFAULT_REPERTOIRE, are_known, decode_text, encodings_of, is_lost, is_plain
from .stored import values_of

SPECIFIC_CHARACTER_SET = 0x0008_0005
LOST = "\N{REPLACEMENT CHARACTER}"
"""The character that a decoder puts in place of invalid bytes."""

_TERM = re.compile(r"(ISO[ _]|GB)[A-Z0-9 _]{0,16}")


class Scope:
    """A data set or an item, its parent, and its character sets, which are read when text needs them."""

    def __init__(self, dataset: Dataset, outer: Scope | None) -> None:
        self.dataset = dataset
        self.outer = outer
        self._names: list[str] | None = None
        self._is_unchanged: bool | None = None

    @property
    def names(self) -> list[str]:
        """The values of Specific Character Set, which items inherit (PS3.5 7.5.3)."""
        if self._names is None:
            if SPECIFIC_CHARACTER_SET in self.dataset or self.outer is None:
                self._names = values_of(self.dataset, SPECIFIC_CHARACTER_SET)
            else:
                self._names = self.outer.names
        return self._names

    @property
    def is_named(self) -> bool:
        """Whether a character set is named that exists and has more than the default repertoire."""
        return are_known(self.names) and not DEFAULT_REPERTOIRE.issuperset(self.names)

    @property
    def encodings(self) -> list[str]:
        """The encodings in which pydicom decodes text of this data set."""
        original = self.dataset.original_character_set or "iso8859"
        return [original] if isinstance(original, str) else list(original)

    @property
    def is_unchanged(self) -> bool:
        """Whether the character sets are still those in which the data set was read, if it was read."""
        if self._is_unchanged is None:
            self._is_unchanged = (
                not self.dataset.original_character_set or encodings_of(self.names) == self.encodings
            )
        return self._is_unchanged

    def has(self, value: bytes) -> bool:
        """Tell whether bytes are text in the named character sets."""
        if is_plain(value):
            return True
        return self.is_named and not is_lost(decode_text(value, encodings_of(self.names)))

    def was_unnamed(self, value: bytes) -> bool:
        """Tell whether text was read without a character set, or with one that does not exist."""
        first, *others = self.encodings
        return first == "iso8859" and LOST in decode_text(value, ["ascii", *others])

    def is_repaired_for(self, value: bytes) -> bool:
        """Tell whether text is valid in the character sets of now, and was not valid in those of then.

        If none was named then, one of now has to be a set in which most byte sequences are invalid.
        """
        names = self.names
        is_told = not set(names).isdisjoint(STAND_ALONE_ENCODINGS) and self.was_unnamed(value)
        if not are_known(names) or not (is_told or is_lost(decode_text(value, self.encodings))):
            return False
        return not is_lost(decode_text(value, encodings_of(names)))

    def ancestors(self) -> list[Dataset]:
        """Return the data set and its parents, the nearest first."""
        return [self.dataset, *(self.outer.ancestors() if self.outer else ())]

    def number(self, tag: int, default: int) -> int:
        """Return a number of VR US from the nearest data set that has it."""
        for dataset in self.ancestors():
            value = dataset[tag].value if tag in dataset else None
            if isinstance(value, int):
                return value
        return default


def shown_names(names: Iterable[str]) -> str:
    """Return names of character sets to show, with "..." for invalid ones: they may be patient data."""
    return "\\".join(name if not name or _TERM.fullmatch(name) else "..." for name in names)
