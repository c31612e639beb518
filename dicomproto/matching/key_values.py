"""The valid text of a key: one value, a range, or a pattern (PS3.5 6.2, PS3.4 C.2.2.2).

Text that is not valid for its VR matches nothing at any peer, as if there were nothing to find.
"""

from __future__ import annotations

import re

from .rules import EMPTY, interval, split_range
from .values import DATE_VRS

_WHOLE = r"[+-]?[0-9]{1,11}"
_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_VALUES = {
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "DA": re.compile(r"[0-9]{8}|[0-9]{8}-|-[0-9]{8}|[0-9]{8}-[0-9]{8}|-"),
    "DS": re.compile(rf"{_DECIMAL}(?:-{_DECIMAL})?"),
    "DT": re.compile(r"[0-9.+-]+"),
    "IS": re.compile(rf"{_WHOLE}(?:-{_WHOLE})?"),
    "TM": re.compile(r"[0-9.-]+"),
    "UI": re.compile(r"[0-9]+(?:\.[0-9]+)*"),
}
_PATTERNS = {
    "AS": re.compile(r"[0-9DWMY*?]+"),
    "DA": re.compile(r"[0-9*?-]+"),
    "DS": re.compile(r"[0-9.eE+*?-]+"),
    "DT": re.compile(r"[0-9.+*?-]+"),
    "IS": re.compile(r"[0-9+*?-]+"),
    "TM": re.compile(r"[0-9.*?-]+"),
    "UI": re.compile(r"[0-9.*?]+"),
}
"""Patterns that find invalid text. The standard has no wild cards in these VRs, but some archives do."""

_LONGEST = {"DS": 16 + 1 + 16, "UI": 64}
_TOLD = {
    "AS": "an age is three digits and one of D, W, M, Y, such as 042Y",
    "DA": "a date is YYYYMMDD, a range of them YYYYMMDD-YYYYMMDD, YYYYMMDD- or -YYYYMMDD",
    "DS": "a value of VR DS is a number of at most 16 characters",
    "DT": "a date and time is YYYYMMDDHHMMSS.FFFFFF&ZZXX, from the year to as far as it is known, or a range",
    "IS": "a value of VR IS is a whole number from -2147483648 to 2147483647",
    "TM": "a time is HHMMSS.FFFFFF, from the hour to as far as it is known, or a range such as 1000-1200",
    "UI": "a UID is at most 64 characters, digits between dots",
}


def fault_of(vr: str, text: str) -> str | None:
    r"""Return the rule for values of VR `vr` if one in `text` breaks it; None if all are valid.

    Values are separated by `\`. Empty values and asterisks stand for anything. The VRs AS, DA, DS, DT, IS, TM
    and UI are checked.
    """
    if vr not in _VALUES or all(_will_do(vr, value.strip(" \0")) for value in text.split("\\")):
        return None
    return _TOLD[vr]


def is_number(text: str) -> bool:
    """Tell whether the key of a number is a number, not a pattern or a range."""
    return re.fullmatch(_DECIMAL, text.strip(" \0")) is not None


def _will_do(vr: str, value: str) -> bool:
    if not value.strip("*") or value == EMPTY:
        return True
    if len(value) > _LONGEST.get(vr, 64):
        return False
    if "*" in value or "?" in value:
        return _PATTERNS[vr].fullmatch(value) is not None
    if not _VALUES[vr].fullmatch(value):
        return False
    if vr == "IS":
        return all(-(2**31) <= int(one) < 2**31 for one in re.findall(_WHOLE, value))
    if vr == "DS":
        return len(value) <= 16 or not is_number(value)
    return vr not in DATE_VRS or value == "-" or bool(interval(vr, value, 0) or split_range(vr, value))
