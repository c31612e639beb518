"""The cost of the keys of a query in time and memory, counted while they are read."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

from ..encoding.characters import EXTENDED_VRS, MAXIMUM_ESCAPES
from ..encoding.decoding import SEQUENCES
from ..encoding.stored import stored
from ..errors import DataSetError
from .rules import (
    MAXIMUM_HIDDEN,
    MAXIMUM_ITEMS,
    MAXIMUM_NAME,
    MAXIMUM_NAMES,
    MAXIMUM_NUMBERS,
    MAXIMUM_VALUES,
    MAXIMUM_WILD_CARDS,
    WILD_CARD_VRS,
)
from .values import SINGLE_VALUED, TEXT_VRS, read, told_vr


class Count:
    """The parts of the keys read so far that cost time and memory."""

    def __init__(self) -> None:
        self.items: int = 0
        self.values: int = 0
        self.numbers: int = 0
        self.escapes: int = 0
        self.names: int = 0
        self.wild_cards: int = 0
        self.hidden: int = 0
        self._others: dict[str, Count] = {}

    def of(self, vr: str) -> Count:
        """Return the count of the keys that have this VR in an entity."""
        return self._others.setdefault(vr, Count())

    def add_item(self) -> None:
        self.items += 1
        _check(self.items, MAXIMUM_ITEMS, "items")

    def read(self, identifier: Dataset, tag: int, vr: str) -> list[Any]:
        """Return the values of a key; they are counted before they are decoded, which may take long."""
        encoded = stored(identifier, tag).value if tag in identifier else None
        if isinstance(encoded, bytes):
            self._add_encoded(encoded, vr)
            if vr == "SQ" and told_vr(identifier, tag) is None and tag not in SEQUENCES:
                self.hidden += len(encoded)
                _check(self.hidden, MAXIMUM_HIDDEN, "bytes of sequences of unknown VR")
        values = read(identifier, tag, vr)
        if not isinstance(encoded, bytes) and vr in _COUNTED_VRS:
            self._add_values(len(values))
        if vr == "PN":
            self.names += sum([len(value) for value in values if len(value) <= MAXIMUM_NAME])
            _check(self.names, MAXIMUM_NAMES, "characters of names")
        if vr in WILD_CARD_VRS:
            self._add_wild_cards(values)
        return values

    def _add_encoded(self, encoded: bytes, vr: str) -> None:
        if vr == "AT":
            self._add_values(len(encoded) // 4)
        elif vr in _WIDTHS:
            self.numbers += len(encoded) // _WIDTHS[vr]
            _check(self.numbers, MAXIMUM_NUMBERS, "binary numbers")
        elif vr in _COUNTED_VRS and encoded.strip(b"\\ \0"):
            self._add_values(1 if vr in SINGLE_VALUED else encoded.count(b"\\") + 1)
        if vr in EXTENDED_VRS:
            self.escapes += encoded.count(b"\x1b")
            _check(self.escapes, MAXIMUM_ESCAPES, "escape sequences")

    def _add_values(self, values: int) -> None:
        self.values += values
        _check(self.values, MAXIMUM_VALUES, "values that are no UIDs or numbers")

    def _add_wild_cards(self, values: list[str]) -> None:
        self.wild_cards += sum([value.count("*") + value.count("?") for value in values if value.strip("*")])
        _check(self.wild_cards, MAXIMUM_WILD_CARDS, "wild cards")


_COUNTED_VRS = (TEXT_VRS - {"UI"}) | {"AT"}
_WIDTHS = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "UV": 8, "SV": 8, "FD": 8}
"""Bytes of a binary number."""


def _check(number: int, maximum: int, what: str) -> None:
    if number > maximum:
        raise DataSetError(f"there are more than {maximum} {what} in the keys")
