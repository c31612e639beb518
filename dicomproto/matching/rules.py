"""How the values of a key are compared with those of an entity, for each VR (PS3.4 C.2.2.2)."""

from __future__ import annotations

import calendar
import re
import struct
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from ..errors import DataSetError
from .values import DATE_VRS, TEXT_VRS

MAXIMUM_PATTERN = 1024
"""Characters of a key with wild cards; the values of most VRs are shorter."""

MAXIMUM_WILD_CARDS = 10_000
"""Wild cards in all keys of an identifier together; what stands between them is looked for one by one."""

MAXIMUM_VALUES = 2000
"""Values of text and tags in all keys of an identifier together; UIDs may be any number."""

MAXIMUM_NUMBERS = 200_000
"""Binary numbers in all keys of an identifier together: two bytes become some sixty."""

MAXIMUM_ITEMS = 1000
"""Items of all sequences of an identifier, each of which is put to each item of an entity."""

MAXIMUM_HIDDEN = 65_536
"""Bytes of keys in an identifier that are sequences though nothing tells it: they are walked once more."""

MAXIMUM_NAME = 256
"""Characters of a person name that is taken apart; the standard has 3 groups of 64 (PS3.5 6.2)."""

MAXIMUM_NAMES = 100_000
"""Characters of the person names in all keys of an identifier together."""

MAXIMUM_STEPS = 20_000_000
"""What one entity may cost, of some nanoseconds each: keys times values, and patterns times text."""

_CALL, _PARSE, _NORMALIZE = 100, 1000, 60
"""Steps that a comparison takes, the parsing of a value, and a character of a name."""

BUILD = 5000
"""Steps to build an item of an entity's sequence that came as bytes."""

WILD_CARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_MULTIPLE_VALUE_VRS = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
"""PS3.4 C.2.2.2.8."""

EMPTY = '""'
"""The key that an empty value matches, if that was negotiated (PS3.4 C.2.2.2.7)."""

Test = Callable[[Any], bool]
"""Whether one value of an entity matches, in the form that `prepared` gives it."""


class Rule(NamedTuple):
    """Whether the values of an entity match, and what it costs to find out.

    Each value is put to `tests` tests, and each character of it is compared with `width` characters.
    """

    match: Callable[[list[Any]], bool]
    tests: int = 0
    width: int = 0

    def steps(self, values: list[Any]) -> int:
        if not self.tests:
            return 2 * _CALL
        size = sum([_size(value) for value in values]) if self.width else 0
        return _CALL * (5 + self.tests * len(values)) + self.width * size


def _size(value: Any) -> int:
    """Return the characters of text, or of a name that is taken apart."""
    return len(value) if isinstance(value, str) else sum(map(len, value))


def steps_to_prepare(vr: str, values: list[Any]) -> int:
    """Return what `prepared` costs."""
    if vr == "PN":
        return sum([_PARSE + _NORMALIZE * len(value) for value in values if len(value) <= MAXIMUM_NAME])
    return len(values) * (_PARSE if vr in DATE_VRS else _CALL if vr in ("DS", "IS") else 0)


class Options(NamedTuple):
    """What was negotiated, and the offset from UTC, in microseconds, of what names none."""

    combined_datetime: bool
    multiple_values: bool
    empty_values: bool
    offset: int


def prepared(vr: str, values: list[Any], offset: int) -> list[Any]:
    """Return what the rules for VR `vr` compare: once for each value, however many keys it is put to.

    `offset` is that of the entity from UTC. Empty values are left out.
    """
    if vr == "PN":
        return [_groups(value) for value in values if value]
    if vr in DATE_VRS:
        return [interval(vr, value, offset) or value for value in values if value]
    if vr in ("DS", "IS"):
        return [_number(value) for value in values if value]
    if vr == "FL":
        return [_as_stored(value) for value in values]
    return [value for value in values if value or not isinstance(value, str)]


def rule_for(vr: str, keys: list[Any], options: Options) -> Rule | None:
    """Return the rule for a key of VR `vr`, anything but SQ; None for universal matching."""
    every = options.multiple_values and vr in _MULTIPLE_VALUE_VRS
    if vr not in TEXT_VRS and vr != "UN":
        return _rule_for_any_of(prepared(vr, keys, 0), every=every) if keys else None
    keys = [key for key in keys if key]
    if options.empty_values and keys == [EMPTY]:
        return Rule(lambda values: not values)
    if vr not in WILD_CARD_VRS and any(not key.strip("*") for key in keys):
        return None  # many send an asterisk for "anything" where C.2.2.2.4 knows no wild cards
    if vr not in WILD_CARD_VRS | DATE_VRS:  # C.2.2.2.2: a long list is not gone through for each entity
        return _rule_for_any_of(prepared(vr, keys, 0), every=every) if keys else None
    if not every and any(not key.strip("*") for key in keys):
        return None
    if vr != "PN" and vr in WILD_CARD_VRS and not any("*" in key or "?" in key for key in keys):
        return _rule_for_any_of(keys, every=every) if keys else None
    tests = [_test_for(vr, key, options.offset) for key in keys]
    needed = [test for test in tests if test]
    if not needed or (len(needed) < len(tests) and not every):
        return None
    width = sum(map(_width, keys)) if vr in WILD_CARD_VRS else 0
    if every:
        return Rule(lambda values: all(any(map(test, values)) for test in needed), len(needed), width)
    return Rule(lambda values: any(test(value) for value in values for test in needed), len(needed), width)


def _width(key: str) -> int:
    """Return how many characters of a key each character of a value may be compared with.

    That is more than one for a question mark between asterisks, which is looked for at every place.
    """
    if "*" not in key:
        return 0
    return max([1, *(len(stretch) for stretch in key.split("*")[1:-1] if "?" in stretch)])


def _rule_for_any_of(keys: list[Any], *, every: bool) -> Rule:
    """Return the rule for values that are equal or not; with `every`, all of `keys` have to be there."""
    wanted = frozenset(keys)
    if every:
        return Rule(wanted.issubset)
    return Rule(lambda values: not wanted.isdisjoint(values))


def _as_stored(value: Any) -> object:
    """Return a number of VR FL as it comes out of its encoding, which rounds it."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except (OverflowError, struct.error):
        return value


def _test_for(vr: str, key: str, offset: int) -> Test | None:
    if vr == "PN":
        return _test_for_name(key)
    return _test_for_date(vr, key, offset) if vr in DATE_VRS else _test_for_text(key)


# --- text and person names ----------------------------------------------------------------------


def _test_for_text(key: str) -> Test | None:
    if not key.strip("*"):
        return None  # C.2.2.2.4, note 1
    if "*" not in key and "?" not in key:
        return lambda value: value == key
    if len(key) > MAXIMUM_PATTERN:
        raise DataSetError(f"a key with wild cards has {len(key)} characters, {MAXIMUM_PATTERN} are allowed")
    first, *others = map(_Stretch, re.split(r"\*+", key))
    if not others:
        return lambda value: len(value) == first.length and first.is_at(value, 0)
    *middle, last = others

    def test(value: str) -> bool:
        """Look for each stretch once, from left to right: a later find could not help the rest."""
        position, end = first.length, len(value) - last.length
        if position > end or not first.is_at(value, 0) or not last.is_at(value, end):
            return False
        for stretch in middle:
            position = stretch.find(value, position, end)
            if position < 0:
                return False
        return True

    return test


class _Stretch:
    """What stands between the asterisks of a key; a question mark in it is any character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text)
        self.is_plain = "?" not in text
        self._pattern: re.Pattern[str] | None = None

    def is_at(self, value: str, position: int) -> bool:
        if self.is_plain:
            return value.startswith(self.text, position)
        return self.pattern.match(value, position) is not None

    def find(self, value: str, start: int, end: int) -> int:
        """Return where the first such stretch of `value` ends; -1 if there is none."""
        if self.is_plain:
            found = value.find(self.text, start, end)
            return -1 if found < 0 else found + self.length
        if end - start < self.length:
            return -1
        match = self.pattern.search(value, start, end)
        return -1 if match is None else match.end()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Made when a value is long enough to be looked through: most are not, and a pattern is dear."""
        if self._pattern is None:
            parts = map(re.escape, self.text.split("?"))
            self._pattern = re.compile(".".join(parts), re.DOTALL)
        return self._pattern


def _test_for_name(key: str) -> Test | None:
    wanted = [_test_for_group(group) for group in _groups(key)]
    if not any(wanted):
        return None
    if len(wanted) == 1 and (only := wanted[0]):
        return lambda groups: any(only(group) for group in groups if group)

    def test(groups: list[str]) -> bool:
        padded = groups + [""] * len(wanted)
        return all(not matches or matches(group) for matches, group in zip(wanted, padded, strict=False))

    return test


def _groups(name: str) -> list[str]:
    """Return the component groups in a form to compare, without the empty ones at the end (PS3.5 6.2.1).

    What is too long for a name is compared as it is: to normalize it takes time by the square of its length.
    """
    if len(name) > MAXIMUM_NAME:
        return [name]
    groups = [
        "^".join(component.strip() for component in group.split("^")).rstrip("^")
        for group in unicodedata.normalize("NFC", name).casefold().split("=")
    ]
    while groups and not groups[-1]:
        groups.pop()
    return groups


def _test_for_group(key: str) -> Test | None:
    """Return the test for a component group; empty components at its end come and go with the key's."""
    matches = _test_for_text(key) if key else None
    carets = key.count("^")
    if matches is None or not carets or ("*" not in key and "?" not in key):
        return matches
    return lambda group: matches(group + "^" * (carets - group.count("^")))


# --- numbers as text ----------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?([0-9]{1,99}(\.[0-9]{0,99})?|\.[0-9]{1,99})([eE][+-]?[0-9]{1,4})?")


def _number(text: str) -> Decimal | str:
    return Decimal(text) if _NUMBER.fullmatch(text) else text


# --- dates and times ----------------------------------------------------------------------------

Interval = tuple[int, int]
"""The first and the last microsecond that a value stands for."""

_HOUR, _MINUTE, _SECOND = 3_600_000_000, 60_000_000, 1_000_000
_DAY = 24 * _HOUR
_TIME = r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,6}))?)?)?"
_FORMATS = {
    "DA": re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})"),  # with dots: ACR-NEMA's, PS3.5 6.2
    "TM": re.compile(_TIME),
    "DT": re.compile(rf"([0-9]{{4}})(?:([0-9]{{2}})(?:([0-9]{{2}})(?:{_TIME})?)?)?([+-][0-9]{{4}})?"),
}
_LONGEST = 64
"""Characters of a range of DT, with offsets, and some spaces."""


def parse_offset(text: str) -> int | None:
    """Return the microseconds of an offset from UTC, `+HHMM`; None if it is none."""
    match = re.fullmatch(r"([+-])([0-9]{2})([0-9]{2})", text)
    if match is None:
        return None
    size = int(match[2]) * _HOUR + int(match[3]) * _MINUTE
    return -size if match[1] == "-" else size


def interval(vr: str, text: str, offset: int) -> Interval | None:
    """Return what a value of DA, TM or DT stands for, in UTC if it is DT; None if it is no such value."""
    match = _FORMATS[vr].fullmatch(text)
    if match is None:
        return None
    parts = match.groups()
    if vr == "TM":
        return _time_of_day(*parts)
    year, month, day = int(parts[0]), int(parts[1] or 1), int(parts[2] or 1)
    try:
        start = date(year, month, day).toordinal() * _DAY
    except ValueError:
        return None
    if vr == "DA" or parts[3] is None:
        if parts[2]:
            days = 1
        elif parts[1]:
            days = calendar.monthrange(year, month)[1]
        else:
            days = 366 if calendar.isleap(year) else 365
        within: Interval | None = (0, days * _DAY - 1)
    else:
        within = _time_of_day(*parts[3:7])
    if within is None:
        return None
    if vr == "DT":
        zone = parse_offset(parts[7] or "")
        start -= offset if zone is None else zone
    return start + within[0], start + within[1]


def _time_of_day(hour: str, minute: str | None, second: str | None, fraction: str | None) -> Interval | None:
    if hour > "23" or (minute or "") > "59" or (second or "") > "60":  # 60: a leap second
        return None
    start = int(hour) * _HOUR + int(minute or 0) * _MINUTE + int(second or 0) * _SECOND
    if fraction:
        unit = 10 ** (6 - len(fraction))
        start += int(fraction) * unit
    else:
        unit = _SECOND if second else _MINUTE if minute else _HOUR
    return start, start + unit - 1


def date_and_time(day: str, hour: str) -> str:
    """Return a DA and a TM as one DT; empty if both are."""
    return day.replace(".", "") + hour.replace(":", "")


def split_range(vr: str, key: str) -> tuple[str, str] | None:
    """Return both ends of a range of DA, TM or DT, an open end empty; None if the key is no range.

    In DT a hyphen may also belong to an offset: it is one of a range if that is a range, from earlier to
    later.
    """
    if len(key) > _LONGEST or key.count("-") > (3 if vr == "DT" else 1):
        return None
    for position, character in enumerate(key):
        if character != "-":
            continue
        start, end = key[:position].strip(), key[position + 1 :].strip()
        first, last = interval(vr, start, 0), interval(vr, end, 0)
        is_range = (first or not start) and (last or not end) and (start or end)
        if is_range and (vr != "DT" or not first or not last or first[0] <= last[1]):
            return start, end
    return None


def range_rule(vr: str, start: str, end: str, offset: int) -> Callable[[Interval], bool]:
    """Return whether a moment lies in a range whose ends `split_range` or `interval` understood."""
    first = interval(vr, start, offset)
    last = interval(vr, end, offset)
    return lambda moment: (not first or first[0] <= moment[0]) and (not last or moment[0] <= last[1])


def _test_for_date(vr: str, key: str, offset: int) -> Test:
    """C.2.2.2.1.3 and C.2.2.2.5; a single value is the range of all that it stands for."""
    ends = split_range(vr, key) or (key, key)
    if ends[0] == key and interval(vr, key, offset) is None:
        return lambda moment: moment == key
    lies_within = range_rule(vr, *ends, offset)
    return lambda moment: not isinstance(moment, str) and lies_within(moment)
