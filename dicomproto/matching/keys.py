"""The keys of an identifier, level by level, as rules for the values of an entity (PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ..encoding.stored import stored
from .costs import Count
from .entities import Entity
from .rules import (
    Interval,
    Options,
    Rule,
    date_and_time,
    interval,
    range_rule,
    rule_for,
    split_range,
    steps_to_prepare,
)
from .values import (
    MAXIMUM_DEPTH,
    SPECIFIC_CHARACTER_SET,
    TIMEZONE_OFFSET,
    Copier,
    Unreadable,
    is_private_creator,
    likely_vr,
    owned_elements,
    read,
    told_vr,
    too_deep,
    vr_of,
)

LEVEL = 0x0008_0052
RETRIEVE_AE_TITLE = 0x0008_0054
_VIEW, _AVAILABILITY, _FILE_SET_ID, _FILE_SET_UID = 0x0008_0053, 0x0008_0056, 0x0088_0130, 0x0088_0140

_NOT_ANSWERED = ({SPECIFIC_CHARACTER_SET, LEVEL, _VIEW}, {SPECIFIC_CHARACTER_SET})
"""Attributes that are not keys, at the top level and in items (PS3.4 C.2.2.2, C.4.1.1.3.1)."""

_NOT_MATCHED = (
    {TIMEZONE_OFFSET, RETRIEVE_AE_TITLE, _AVAILABILITY, _FILE_SET_ID, _FILE_SET_UID},
    {TIMEZONE_OFFSET},
)
"""Attributes that are only returned, since they are not properties of the entity."""


class Key(NamedTuple):
    """A key: `rule` decides which values match, or an item has to match one of `items`."""

    tag: BaseTag
    vr: str
    creator: str
    rule: Rule | None
    items: list[Keys]

    @property
    def is_universal(self) -> bool:
        """Whether it matches anything (PS3.4 C.2.2.2.3, C.2.2.2.6); an item with only empty keys does."""
        return self.rule is None and (not self.items or any(item.is_universal for item in self.items))

    @property
    def has_unknown(self) -> bool:
        """Whether the VR of a key in its items is unknown, so that only an entity shows what is universal."""
        return bool(self.items) and any(item.has_unknown for item in self.items)

    def match(self, entity: Entity) -> bool:
        if self.is_universal and (not self.items or not self.has_unknown or not entity.items(self)):
            return True
        if self.rule:
            values = entity.prepared(self)
            entity.work.add(self.rule.steps(values))
            return self.rule.match(values)
        return any(keys.match(item) for item in entity.items(self) for keys in self.items)

    def answer(self, entity: Entity, copier: Copier, answer: Dataset) -> None:
        """Put the values of the entity for this key into `answer`."""
        if self.vr != "SQ":
            copier.copy(entity.dataset, entity.place(self), self.creator, answer, self.tag, self.vr)
            return
        items = []
        for item in entity.items(self):
            wanted = next((keys for keys in self.items if keys.match(item)), None)
            if wanted and wanted.keys:
                items.append(wanted.answer(item, copier))
            elif wanted or not self.items:
                items.append(copier.copy_of(item.dataset))
        copier.put(answer, self.tag, "SQ", items)


class UnknownKey:
    """A key of unknown VR, such as a private element in Implicit VR; the entity may give the VR."""

    def __init__(self, likely: Key, key_as: Callable[[str], Key]) -> None:
        self.tag: BaseTag = likely.tag
        self.vr: str = likely.vr
        self.creator: str = likely.creator
        self.is_universal: bool = likely.is_universal
        self.has_unknown: bool = True
        self._likely = likely
        self._key_as = key_as
        self._keys: dict[str, Key] = {}

    def _for(self, entity: Entity) -> Key:
        """Return the key in the VR of the entity, or in the likely VR if the entity gives none."""
        vr = told_vr(entity.dataset, entity.place(self))
        if vr is None:
            return self._likely
        key = self._keys.get(vr)
        if key is None:
            try:
                key = self._key_as(vr)
            except Unreadable:
                key = self._likely._replace(vr=vr, rule=_NEVER, items=[])
            self._keys[vr] = key
        return key

    def match(self, entity: Entity) -> bool:
        return self._for(entity).match(entity)

    def answer(self, entity: Entity, copier: Copier, answer: Dataset) -> None:
        self._for(entity).answer(entity, copier, answer)


_NEVER = Rule(lambda _: False)
"""The rule for a key that is not valid in the VR of the entity."""


class Keys:
    """The keys of an identifier, or of an item in it."""

    def __init__(self, identifier: Dataset, options: Options, *, depth: int, count: Count) -> None:
        if depth > MAXIMUM_DEPTH:
            raise too_deep()
        if depth:
            count.add_item()
        self.creators: list[tuple[BaseTag, list[str]]] = []
        self.keys: list[Key | UnknownKey] = []
        for tag, creator in owned_elements(identifier):
            if is_private_creator(tag):
                self.creators.append((tag, count.read(identifier, tag, "LO")))
            elif tag not in _NOT_ANSWERED[depth > 0]:
                self.keys.append(_key(identifier, tag, creator, options, depth, count))
        self.pairs: list[_Pair] = []
        if options.combined_datetime:
            self.pairs, self.keys = _combine(identifier, self.keys, options)
        self.is_universal: bool = not self.pairs and all(key.is_universal for key in self.keys)
        self.has_unknown: bool = any(key.has_unknown for key in self.keys)

    def match(self, entity: Entity) -> bool:
        return all(key.match(entity) for key in self.keys) and all(pair.match(entity) for pair in self.pairs)

    def answer(self, entity: Entity, copier: Copier) -> Dataset:
        answer = Dataset()
        for tag, creator in self.creators:
            copier.put(answer, tag, "LO", creator)
        for key in self.keys:
            key.answer(entity, copier, answer)
        return answer


def _key(
    identifier: Dataset, tag: BaseTag, creator: str, options: Options, depth: int, count: Count
) -> Key | UnknownKey:
    vr = vr_of(identifier, tag, creator)
    if len(vr) == 2 and vr != "UN":
        return _key_as(identifier, tag, creator, options, depth, count, vr)
    key_as = partial(_key_as, identifier, tag, creator, options, depth)
    try:
        likely = key_as(count, likely_vr(identifier, tag, vr))
    except Unreadable:
        likely = key_as(count, vr)
    if not stored(identifier, tag).value:
        return likely
    return UnknownKey(likely, lambda vr: key_as(count.of(vr), vr))


def _key_as(
    identifier: Dataset, tag: BaseTag, creator: str, options: Options, depth: int, count: Count, vr: str
) -> Key:
    values = count.read(identifier, tag, vr)
    if vr == "SQ":
        items = [Keys(item, options, depth=depth + 1, count=count) for item in values]
        return Key(tag, vr, creator, None, items)
    rule = None if tag in _NOT_MATCHED[depth > 0] else rule_for(vr, values, options)
    return Key(tag, vr, creator, rule, [])


# --- dates and times in two elements ------------------------------------------------------------


class _Pair(NamedTuple):
    """A date and a time that are matched as one moment (PS3.4 C.2.2.2.5.4)."""

    date: Key
    time: Key
    lies_within: Callable[[Interval], bool]

    def match(self, entity: Entity) -> bool:
        days, hours = entity.values(self.date), entity.values(self.time)
        entity.work.add(steps_to_prepare("DT", days))
        moments = [
            interval("DT", date_and_time(day, hour), entity.offset)
            for day, hour in zip(days, hours, strict=False)
        ]
        return any(moment and self.lies_within(moment) for moment in moments)


def _combine(
    identifier: Dataset, keys: list[Key | UnknownKey], options: Options
) -> tuple[list[_Pair], list[Key | UnknownKey]]:
    """Replace the rules of `...Date` and `...Time` by a pair, if both are ranges of the same form."""
    pairs: list[_Pair] = []
    by_tag = {int(key.tag): key for key in keys}
    for date in keys:
        keyword = keyword_for_tag(date.tag)
        time = by_tag.get(tag_for_keyword(keyword.removesuffix("Date") + "Time") or 0)
        if not isinstance(date, Key) or not isinstance(time, Key) or (date.vr, time.vr) != ("DA", "TM"):
            continue
        days = _ends(identifier, date)
        hours = _ends(identifier, time)
        if days and hours and [not end for end in days] == [not end for end in hours]:
            start, end = (date_and_time(day, hour) for day, hour in zip(days, hours, strict=True))
            pairs.append(_Pair(date, time, range_rule("DT", start, end, options.offset)))
            for key in (date, time):
                by_tag[key.tag] = key._replace(rule=None)
    return pairs, list(by_tag.values())


def _ends(identifier: Dataset, key: Key) -> tuple[str, str] | None:
    values = read(identifier, key.tag, key.vr)
    return split_range(key.vr, values[0]) if len(values) == 1 else None
