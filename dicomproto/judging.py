"""The checks of values that a program gives to a record, made when the record is made.

Each takes the name of the field and the value, and returns the value to keep. A wrong one raises TypeError or
ValueError with the field and what is allowed. Of the value only a number is shown: it may hold anything.
"""

from __future__ import annotations


def _wrong(field: str, wanted: str, value: object) -> str:
    shown = str(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
    return f"{field}: must be {wanted}, not {shown}"


def seconds(field: str, value: object, unit: str = "seconds") -> object:
    """Check a number from 0, infinity included, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(_wrong(field, f"a number of {unit}, or None", value))
    if value is not None and not value >= 0:  # nor is NaN
        raise ValueError(_wrong(field, f"a number of {unit} from 0, or None", value))
    return value


def rate(field: str, value: object) -> object:
    """Check a number of bytes a second from 0, or None."""
    return seconds(field, value, "bytes a second")


def whole(field: str, value: object, most: int | None = None) -> object:
    """Check a whole number from 0."""
    wanted = "a whole number from 0" if most is None else f"a whole number from 0 to {most}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(_wrong(field, wanted, value))
    if value < 0 or (most is not None and value > most):
        raise ValueError(_wrong(field, wanted, value))
    return value


def short(field: str, value: object) -> object:
    """Check a whole number that two bytes hold."""
    return whole(field, value, 0xFFFF)


def text(field: str, value: object) -> object:
    """Check a UID by its type alone: peers send some that are not valid, and these are kept."""
    if not isinstance(value, str):
        raise TypeError(_wrong(field, "a UID, as text", value))
    return value


def texts(field: str, value: object) -> object:
    """Check several UIDs by their type, and return them as a tuple."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise TypeError(_wrong(field, "several UIDs, as a tuple of text", value))
    return tuple(value)


def octets(field: str, value: object) -> object:
    """Check bytes."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(_wrong(field, "bytes", value))
    return value


def truth(field: str, value: object) -> object:
    """Check True or False."""
    if not isinstance(value, bool):
        raise TypeError(_wrong(field, "True or False", value))
    return value
