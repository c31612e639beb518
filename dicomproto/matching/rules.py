"""The rules that compare the values of a key with those of an entity, for each VR (PS3.4 C.2.2.2)."""

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
"""Most characters of a key with wild cards; the values of most VRs are shorter."""

MAXIMUM_WILD_CARDS = 10_000
"""Most wild cards in all keys of an identifier; each piece of text between them is searched for."""

MAXIMUM_VALUES = 2000
"""Most values of text and tags in all keys of an identifier; the number of UIDs is not limited."""

MAXIMUM_NUMBERS = 200_000
"""Most binary numbers in all keys of an identifier: two bytes become about sixty in memory."""

MAXIMUM_ITEMS = 1000
"""Most items of all sequences of an identifier; each is compared with each item of an entity."""

MAXIMUM_HIDDEN = 65_536
"""Most bytes of keys that are sequences of unknown VR: they are walked a second time."""

MAXIMUM_NAME = 256
"""Most characters of a person name that is split; the standard allows 3 groups of 64 (PS3.5 6.2)."""

MAXIMUM_NAMES = 100_000
"""Most characters of the person names in all keys of an identifier."""

MAXIMUM_STEPS = 20_000_000
"""Most steps for one entity, of some nanoseconds each: keys times values, and patterns times text."""

_CALL, _PARSE, _NORMALIZE = 100, 1000, 60
"""Steps of a comparison, of the parsing of a value, and of a character of a name."""

BUILD = 5000
"""Steps to build an item of an entity's sequence that came as bytes."""

WILD_CARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_MULTIPLE_VALUE_VRS = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
"""The VRs of multiple value matching (PS3.4 C.2.2.2.8)."""

EMPTY = '""'
"""The key that an empty value matches, if that was negotiated (PS3.4 C.2.2.2.7)."""

Test = Callable[[Any], bool]
"""A function that tells whether one value of an entity, from `prepared`, matches."""


class Rule(NamedTuple):
    """The rule for the values of an entity, and its cost.

    Each value takes `tests` tests, and each of its characters is compared with `width` characters.
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
    """Return the number of characters of text, or of a name that is split."""
    return len(value) if isinstance(value, str) else sum(map(len, value))


def steps_to_prepare(vr: str, values: list[Any]) -> int:
    """Return the cost of `prepared`."""
    if vr == "PN":
        return sum([_PARSE + _NORMALIZE * len(value) for value in values if len(value) <= MAXIMUM_NAME])
    return len(values) * (_PARSE if vr in DATE_VRS else _CALL if vr in ("DS", "IS") else 0)


class Options(NamedTuple):
    """The negotiated options, and the offset from UTC, in microseconds, of values without one."""

    combined_datetime: bool
    multiple_values: bool
    empty_values: bool
    offset: int


def prepared(vr: str, values: list[Any], offset: int) -> list[Any]:
    """Return values in the form that the rules for VR `vr` compare, without empty ones.

    A value is prepared once, for any number of keys. `offset` is the offset of the entity from UTC.
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
        return None  # many peers send an asterisk for "anything" in VRs without wild cards (C.2.2.2.4)
    if vr not in WILD_CARD_VRS | DATE_VRS:  # C.2.2.2.2: a set is faster than a long list
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
    """Return with how many characters of a key each character of a value may be compared.

    It is more than one for a question mark between asterisks, which is tried at each position.
    """
    if "*" not in key:
        return 0
    return max([1, *(len(stretch) for stretch in key.split("*")[1:-1] if "?" in stretch)])


def _rule_for_any_of(keys: list[Any], *, every: bool) -> Rule:
    """Return the rule for values that equal any of `keys`; with `every`, all of them have to be there."""
    wanted = frozenset(keys)
    if every:
        return Rule(wanted.issubset)
    return Rule(lambda values: not wanted.isdisjoint(values))


def _as_stored(value: Any) -> object:
    """Return a number of VR FL as its encoding rounds it."""
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
        """Search for each stretch once, from left to right: a later match could not help the rest."""
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
    """The text between two asterisks of a key; a question mark in it is any character."""

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
        """Return the end of the first match in `value`, or -1."""
        if self.is_plain:
            found = value.find(self.text, start, end)
            return -1 if found < 0 else found + self.length
        if end - start < self.length:
            return -1
        match = self.pattern.search(value, start, end)
        return -1 if match is None else match.end()

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern, made for the first long value: most are short, and to compile is slow."""
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
    """Return the component groups in a form to compare, without empty ones at the end (PS3.5 6.2.1).

    Text too long for a name is compared as it is, since to normalize it takes quadratic time.
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
    """Return the test for a component group; empty components at the end of key and value are ignored."""
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
"""The first and the last microsecond of a value."""

_HOUR, _MINUTE, _SECOND = 3_600_000_000, 60_000_000, 1_000_000
_DAY = 24 * _HOUR
_TIME = r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,6}))?)?)?"
_FORMATS = {
    "DA": re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})"),  # with dots: ACR-NEMA's, PS3.5 6.2
    "TM": re.compile(_TIME),
    "DT": re.compile(rf"([0-9]{{4}})(?:([0-9]{{2}})(?:([0-9]{{2}})(?:{_TIME})?)?)?([+-][0-9]{{4}})?"),
}
_LONGEST = 64
"""Most characters of a range of DT with offsets and some spaces."""


def parse_offset(text: str) -> int | None:
    """Return the microseconds of an offset from UTC, `+HHMM`; None if it is not valid."""
    match = re.fullmatch(r"([+-])([0-9]{2})([0-9]{2})", text)
    if match is None:
        return None
    size = int(match[2]) * _HOUR + int(match[3]) * _MINUTE
    return -size if match[1] == "-" else size


def interval(vr: str, text: str, offset: int) -> Interval | None:
    """Return the interval of a value of DA, TM or DT, in UTC for DT; None if it is not valid."""
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
    """Return both ends of a range of DA, TM or DT, with "" for an open end; None if the key is not a range.

    In DT a hyphen may also belong to an offset. It counts as the hyphen of a range if this gives a range from
    earlier to later.
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
    """Return the test whether an interval lies in a range; `split_range` or `interval` accepted its ends."""
    first = interval(vr, start, offset)
    last = interval(vr, end, offset)
    return lambda moment: (not first or first[0] <= moment[0]) and (not last or moment[0] <= last[1])


def _test_for_date(vr: str, key: str, offset: int) -> Test:
    """Return the test for a value or a range (C.2.2.2.1.3, C.2.2.2.5); a value is its interval."""
    ends = split_range(vr, key) or (key, key)
    if ends[0] == key and interval(vr, key, offset) is None:
        return lambda moment: moment == key
    lies_within = range_rule(vr, *ends, offset)
    return lambda moment: not isinstance(moment, str) and lies_within(moment)
