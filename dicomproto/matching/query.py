"""A query: the keys of an identifier, compiled once and put to one entity after the other (PS3.4 C.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ..encoding.characters import EXTENDED_VRS, MAXIMUM_CHARACTER_SETS, MAXIMUM_ESCAPES, choose_character_set
from ..encoding.decoding import SEQUENCES
from ..encoding.encoder import no_data_set, stored
from ..errors import DataSetError
from ..quiet import Quiet
from .rules import (
    BUILD,
    MAXIMUM_HIDDEN,
    MAXIMUM_ITEMS,
    MAXIMUM_NAME,
    MAXIMUM_NAMES,
    MAXIMUM_NUMBERS,
    MAXIMUM_STEPS,
    MAXIMUM_VALUES,
    MAXIMUM_WILD_CARDS,
    WILD_CARD_VRS,
    Interval,
    Options,
    Rule,
    date_and_time,
    interval,
    parse_offset,
    prepared,
    range_rule,
    rule_for,
    split_range,
    steps_to_prepare,
)
from .values import (
    MAXIMUM_DEPTH,
    SINGLE_VALUED,
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    TIMEZONE_OFFSET,
    Copier,
    Unreadable,
    is_private_creator,
    items_within,
    likely_vr,
    owned_elements,
    read,
    read_if_possible,
    told_vr,
    too_deep,
    vr_of,
)

_LEVEL, _VIEW, _RETRIEVE_AE_TITLE = 0x0008_0052, 0x0008_0053, 0x0008_0054
_AVAILABILITY, _FILE_SET_ID, _FILE_SET_UID = 0x0008_0056, 0x0088_0130, 0x0088_0140

_NOT_ANSWERED = ({SPECIFIC_CHARACTER_SET, _LEVEL, _VIEW}, {SPECIFIC_CHARACTER_SET})
"""What is no key at all, at the top and below (PS3.4 C.2.2.2, C.4.1.1.3.1)."""

_NOT_MATCHED = (
    {TIMEZONE_OFFSET, _RETRIEVE_AE_TITLE, _AVAILABILITY, _FILE_SET_ID, _FILE_SET_UID},
    {TIMEZONE_OFFSET},
)
"""What may be asked for, but is no property of the entity."""

_NOWHERE = BaseTag(0)
"""The tag of an element that no data set has: a group length, of the command set."""


class Query:
    """What the identifier of a C-FIND request asks for; see the text of the module for the choices made.

    `combined_datetime`, `multiple_values` and `empty_values` (the key `""`) are matching that needs extended
    negotiation (PS3.4 C.2.2.2.5.4, C.2.2.2.8, C.2.2.2.7). `timezone` (`+HHMM`) is the offset from UTC of data
    sets that name none; without it they are taken to be in UTC. Raises DataSetError if the identifier cannot
    be read, has over 64 sequences within each other, wild cards in more than 1024 characters, or in all over
    2000 values of text, 200,000 binary numbers, 10,000 wild cards, 20,000 escape sequences, 100,000
    characters of names or 1000 items.
    """

    def __init__(
        self,
        identifier: Dataset,
        *,
        combined_datetime: bool = False,
        multiple_values: bool = False,
        empty_values: bool = False,
        timezone: str | None = None,
    ) -> None:
        self._timezone = timezone
        with Quiet():
            offset = self._offset_of(identifier)
            options = Options(combined_datetime, multiple_values, empty_values, offset)
            count = _Count()
            self._level = count.read(identifier, _LEVEL, "CS")
            names = count.read(identifier, SPECIFIC_CHARACTER_SET, "CS")
            self._character_set = names[:MAXIMUM_CHARACTER_SETS]
            self._keys = _Keys(identifier, options, depth=0, count=count)

    def matches(self, entity: Dataset) -> bool:
        """Return whether an entity matches every key. What cannot be read of the entity is unknown.

        Raises DataSetError if it would take long: thousands of values or items, put to as many keys, or text
        of a million characters, put to dozens of wild cards. So do too many values or items of keys of which
        only the entity tells the VR.
        """
        with Quiet():
            return self._keys.match(_Entity(entity, self._offset_of(entity), _Work()))

    def response(self, entity: Dataset, *, retrieve_ae_title: str | None = None) -> Dataset:
        """Return the identifier that answers the query with an entity that matches (PS3.4 C.4.1.1.3.2).

        It has what was asked for and nothing else: an attribute that the entity lacks is empty, of a sequence
        the items that match are there. Query/Retrieve Level is that of the query. Specific Character Set is
        the entity's or the query's, if that holds the text, or else UTF-8. Raises DataSetError if the entity
        has more than 64 sequences within each other, or takes long, as in `matches`.
        """
        with Quiet():
            return self._response(entity, retrieve_ae_title)

    def _response(self, entity: Dataset, retrieve_ae_title: str | None) -> Dataset:
        copier = Copier()
        answer = self._keys.answer(_Entity(entity, self._offset_of(entity), _Work()), copier)
        if self._level:
            copier.put(answer, _LEVEL, "CS", self._level)
        if retrieve_ae_title is not None:
            copier.put(answer, _RETRIEVE_AE_TITLE, "AE", [retrieve_ae_title])
        if self._timezone and TIMEZONE_OFFSET in answer and not answer[TIMEZONE_OFFSET].value:
            copier.put(answer, TIMEZONE_OFFSET, "SH", [self._timezone])
        own = read_if_possible(entity, SPECIFIC_CHARACTER_SET, "CS")
        if character_set := choose_character_set(copier.texts, own, self._character_set):
            copier.put(answer, SPECIFIC_CHARACTER_SET, "CS", character_set)
        return answer

    def _offset_of(self, dataset: Dataset) -> int:
        if not isinstance(dataset, Dataset):
            raise no_data_set(dataset, "Query")
        for text in [*read_if_possible(dataset, TIMEZONE_OFFSET, "SH")[:1], self._timezone or ""]:
            offset = parse_offset(text)
            if offset is not None:
                return offset
        return 0


class Negotiated(TypedDict, total=False):
    """The options of `Query`."""

    combined_datetime: bool
    multiple_values: bool
    empty_values: bool
    timezone: str | None


def matches(identifier: Dataset, entity: Dataset, **options: Unpack[Negotiated]) -> bool:
    """Return what `Query(identifier, **options).matches(entity)` does."""
    return Query(identifier, **options).matches(entity)


def response_identifier(
    identifier: Dataset,
    entity: Dataset,
    *,
    retrieve_ae_title: str | None = None,
    **options: Unpack[Negotiated],
) -> Dataset:
    """Return what `Query(identifier, **options).response(entity)` does."""
    return Query(identifier, **options).response(entity, retrieve_ae_title=retrieve_ae_title)


# --- the keys of one level ----------------------------------------------------------------------


class _Key(NamedTuple):
    """A key: either `rule` says which values match, or an item has to match one of `items`."""

    tag: BaseTag
    vr: str
    creator: str
    rule: Rule | None
    items: list[_Keys]

    @property
    def is_universal(self) -> bool:
        """PS3.4 C.2.2.2.3, C.2.2.2.6; an item of nothing but empty keys asks for attributes, not items."""
        return self.rule is None and (not self.items or any(item.is_universal for item in self.items))

    @property
    def has_unknown(self) -> bool:
        """Whether the VR of a key within it is not known, so that only an entity tells what is universal."""
        return bool(self.items) and any(item.has_unknown for item in self.items)

    def match(self, entity: _Entity) -> bool:
        if self.is_universal and (not self.items or not self.has_unknown or not entity.items(self)):
            return True
        if self.rule:
            values = entity.prepared(self)
            entity.work.add(self.rule.steps(values))
            return self.rule.match(values)
        return any(keys.match(item) for item in entity.items(self) for keys in self.items)

    def answer(self, entity: _Entity, copier: Copier, answer: Dataset) -> None:
        """Put into `answer` what the entity has for the key."""
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


class _UnknownKey:
    """A key of which nothing tells the VR, as of private elements in Implicit VR: the entity may tell it."""

    def __init__(self, likely: _Key, key_as: Callable[[str], _Key]) -> None:
        self.tag, self.vr, self.creator = likely.tag, likely.vr, likely.creator
        self.is_universal, self.has_unknown = likely.is_universal, True
        self._likely = likely
        self._key_as = key_as
        self._keys: dict[str, _Key] = {}

    def _for(self, entity: _Entity) -> _Key:
        """Return the key in the VR that the entity has, or in the likely one if that tells none either."""
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

    def match(self, entity: _Entity) -> bool:
        return self._for(entity).match(entity)

    def answer(self, entity: _Entity, copier: Copier, answer: Dataset) -> None:
        self._for(entity).answer(entity, copier, answer)


_NEVER = Rule(lambda _: False)
"""The rule for a key that is no value of the VR that the entity has."""


class _Work:
    """What has been done so far to compare one entity."""

    def __init__(self) -> None:
        self.steps = 0

    def add(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAXIMUM_STEPS:
            raise DataSetError("an entity has too many values, or too long text, for so many keys")


class _Entity:
    """An entity, or an item in it, and the offset from UTC of its times.

    What was read of it is kept, for the items of a key may be many.
    """

    def __init__(self, dataset: Dataset, offset: int, work: _Work) -> None:
        self.dataset = dataset
        self.offset = offset
        self.work = work
        self._private: dict[tuple[str, int], BaseTag] | None = None
        self._found: dict[tuple[BaseTag, str], list[Any]] = {}

    def place(self, key: _Key | _UnknownKey) -> BaseTag:
        """Return the tag that the entity has for a key: a private block may lie elsewhere (PS3.5 7.8.1)."""
        if not key.creator:
            return key.tag
        if self._private is None:
            self._private = {
                (creator, tag & 0xFFFF_00FF): tag for tag, creator in owned_elements(self.dataset) if creator
            }
        return self._private.get((key.creator, key.tag & 0xFFFF_00FF), _NOWHERE)

    def values(self, key: _Key) -> list[Any]:
        return read_if_possible(self.dataset, self.place(key), key.vr)

    def prepared(self, key: _Key) -> list[Any]:
        """Return the values in the form to compare."""
        place = self.place(key), key.vr
        found = self._found.get(place)
        if found is None:
            values = self.values(key)
            self.work.add(steps_to_prepare(key.vr, values))
            found = self._found[place] = prepared(key.vr, values, self.offset)
        return found

    def items(self, key: _Key) -> list[_Entity]:
        place = self.place(key), "SQ"
        found = self._found.get(place)
        if found is None:
            is_told = told_vr(self.dataset, place[0]) == "SQ"
            items = self.values(key)
            if not is_told:
                self.work.add(BUILD * items_within(items))
            found = self._found[place] = [_Entity(item, self.offset, self.work) for item in items]
        return found


class _Count:
    """What the keys have so far of what costs time and memory."""

    def __init__(self) -> None:
        self.items = self.values = self.escapes = self.names = self.wild_cards = self.hidden = 0
        self.numbers = 0
        self._others: dict[str, _Count] = {}

    def of(self, vr: str) -> _Count:
        """Return the count of those keys that an entity tells to have this VR."""
        return self._others.setdefault(vr, _Count())

    def add_item(self) -> None:
        self.items += 1
        _check(self.items, MAXIMUM_ITEMS, "items")

    def read(self, identifier: Dataset, tag: int, vr: str) -> list[Any]:
        """Return the values of a key; they are counted before they are decoded, which takes long."""
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


class _Keys:
    """The keys of an identifier, or of an item in it."""

    def __init__(self, identifier: Dataset, options: Options, *, depth: int, count: _Count) -> None:
        if depth > MAXIMUM_DEPTH:
            raise too_deep()
        if depth:
            count.add_item()
        self.creators: list[tuple[BaseTag, list[str]]] = []
        self.keys: list[_Key | _UnknownKey] = []
        for tag, creator in owned_elements(identifier):
            if is_private_creator(tag):
                self.creators.append((tag, count.read(identifier, tag, "LO")))
            elif tag not in _NOT_ANSWERED[depth > 0]:
                self.keys.append(_key(identifier, tag, creator, options, depth, count))
        self.pairs: list[_Pair] = []
        if options.combined_datetime:
            self.pairs, self.keys = _combine(identifier, self.keys, options)
        self.is_universal = not self.pairs and all(key.is_universal for key in self.keys)
        self.has_unknown = any(key.has_unknown for key in self.keys)

    def match(self, entity: _Entity) -> bool:
        return all(key.match(entity) for key in self.keys) and all(pair.match(entity) for pair in self.pairs)

    def answer(self, entity: _Entity, copier: Copier) -> Dataset:
        answer = Dataset()
        for tag, creator in self.creators:
            copier.put(answer, tag, "LO", creator)
        for key in self.keys:
            key.answer(entity, copier, answer)
        return answer


def _key(
    identifier: Dataset, tag: BaseTag, creator: str, options: Options, depth: int, count: _Count
) -> _Key | _UnknownKey:
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
    return _UnknownKey(likely, lambda vr: key_as(count.of(vr), vr))


def _key_as(
    identifier: Dataset, tag: BaseTag, creator: str, options: Options, depth: int, count: _Count, vr: str
) -> _Key:
    values = count.read(identifier, tag, vr)
    if vr == "SQ":
        items = [_Keys(item, options, depth=depth + 1, count=count) for item in values]
        return _Key(tag, vr, creator, None, items)
    rule = None if tag in _NOT_MATCHED[depth > 0] else rule_for(vr, values, options)
    return _Key(tag, vr, creator, rule, [])


# --- dates and times in two elements ------------------------------------------------------------


class _Pair(NamedTuple):
    """A date and a time that are matched as one (PS3.4 C.2.2.2.5.4)."""

    date: _Key
    time: _Key
    lies_within: Callable[[Interval], bool]

    def match(self, entity: _Entity) -> bool:
        days, hours = entity.values(self.date), entity.values(self.time)
        entity.work.add(steps_to_prepare("DT", days))
        moments = [
            interval("DT", date_and_time(day, hour), entity.offset)
            for day, hour in zip(days, hours, strict=False)
        ]
        return any(moment and self.lies_within(moment) for moment in moments)


def _combine(
    identifier: Dataset, keys: list[_Key | _UnknownKey], options: Options
) -> tuple[list[_Pair], list[_Key | _UnknownKey]]:
    """Take the rules out of the keys that make pairs: `...Date` and `...Time`, ranges of the same form."""
    pairs: list[_Pair] = []
    by_tag = {int(key.tag): key for key in keys}
    for date in keys:
        keyword = keyword_for_tag(date.tag)
        time = by_tag.get(tag_for_keyword(keyword.removesuffix("Date") + "Time") or 0)
        if not isinstance(date, _Key) or not isinstance(time, _Key) or (date.vr, time.vr) != ("DA", "TM"):
            continue
        days = _ends(identifier, date)
        hours = _ends(identifier, time)
        if days and hours and [not end for end in days] == [not end for end in hours]:
            start, end = (date_and_time(day, hour) for day, hour in zip(days, hours, strict=True))
            pairs.append(_Pair(date, time, range_rule("DT", start, end, options.offset)))
            for key in (date, time):
                by_tag[key.tag] = key._replace(rule=None)
    return pairs, list(by_tag.values())


def _ends(identifier: Dataset, key: _Key) -> tuple[str, str] | None:
    values = read(identifier, key.tag, key.vr)
    return split_range(key.vr, values[0]) if len(values) == 1 else None
