"""An entity that is compared with the keys of a query: its values, read and prepared once."""

from __future__ import annotations

from typing import Any, Protocol

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ..errors import DataSetError
from .rules import BUILD, MAXIMUM_STEPS, prepared, steps_to_prepare
from .values import items_within, owned_elements, read_if_possible, told_vr

_NOWHERE = BaseTag(0)
"""The tag of an element that no data set has: a group length, of the command set."""


class Sought(Protocol):
    """The part of a key that an entity needs."""

    @property
    def tag(self) -> BaseTag: ...

    @property
    def vr(self) -> str: ...

    @property
    def creator(self) -> str: ...


class Work:
    """The steps taken so far to compare one entity."""

    def __init__(self) -> None:
        self.steps: int = 0

    def add(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAXIMUM_STEPS:
            raise DataSetError("an entity has too many values, or too long text, for so many keys")


class Entity:
    """An entity, or an item in it, and the offset from UTC of its times.

    Values that were read are kept, since a key may have many items.
    """

    def __init__(self, dataset: Dataset, offset: int, work: Work) -> None:
        self.dataset = dataset
        self.offset = offset
        self.work = work
        self._private: dict[tuple[str, int], BaseTag] | None = None
        self._found: dict[tuple[BaseTag, str], list[Any]] = {}

    def place(self, key: Sought) -> BaseTag:
        """Return the tag of a key in the entity: a private block may have another place (PS3.5 7.8.1)."""
        if not key.creator:
            return key.tag
        if self._private is None:
            self._private = {
                (creator, tag & 0xFFFF_00FF): tag for tag, creator in owned_elements(self.dataset) if creator
            }
        return self._private.get((key.creator, key.tag & 0xFFFF_00FF), _NOWHERE)

    def values(self, key: Sought) -> list[Any]:
        return read_if_possible(self.dataset, self.place(key), key.vr)

    def prepared(self, key: Sought) -> list[Any]:
        """Return the values in the form to compare."""
        place = self.place(key), key.vr
        found = self._found.get(place)
        if found is None:
            values = self.values(key)
            self.work.add(steps_to_prepare(key.vr, values))
            found = self._found[place] = prepared(key.vr, values, self.offset)
        return found

    def items(self, key: Sought) -> list[Entity]:
        place = self.place(key), "SQ"
        found = self._found.get(place)
        if found is None:
            is_told = told_vr(self.dataset, place[0]) == "SQ"
            items = self.values(key)
            if not is_told:
                self.work.add(BUILD * items_within(items))
            found = self._found[place] = [Entity(item, self.offset, self.work) for item in items]
        return found
