"""Hostile identifiers: nested without end, longer than they are, and made to crash who matches them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tests.data_sets import UNDEFINED, closed, ended, implicit, item
from tests.suites.rows import Query

SUCCESS, PENDING, TOO_MUCH, CANNOT, HANDLER_FAILED = 0x0000, 0xFF00, 0xA700, 0xC000, 0xC311
LEVEL = implicit(0x00080052, b"STUDY ")
STEPS, NAME, UID = 0x00400100, 0x00100010, 0x0020000D
"""A sequence, a name and a UID, as keys of queries."""


def nested(depth: int, undefined: bool) -> bytes:
    """Return a key of sequences within each other, with lengths or with delimiters."""
    data = implicit(NAME)
    for _ in range(depth):
        data = implicit(STEPS, closed(ended(data)), UNDEFINED) if undefined else implicit(STEPS, item(data))
    return data


def deep() -> Iterator[Query]:
    """Sequences up to the bound and above it."""
    for depth, status in ((64, PENDING), (65, TOO_MUCH), (300, TOO_MUCH), (3000, TOO_MUCH)):
        for undefined in (False, True):
            what = f"{depth} deep, {'delimiters' if undefined else 'lengths'}"
            yield Query(what, LEVEL + nested(depth, undefined), (status,))
    yield Query(
        "60,000 open",
        LEVEL + (implicit(STEPS, length=UNDEFINED) + item(length=UNDEFINED)) * 30_000,
        (TOO_MUCH,),
    )
    yield Query("1001 items", LEVEL + implicit(STEPS, item() * 1001), (TOO_MUCH,))
    yield Query("2001 elements", LEVEL + implicit(NAME) * 2001, (TOO_MUCH,))
    yield Query("more than a mebibyte", LEVEL + implicit(NAME, b" " * (1 << 20)), (TOO_MUCH,))


def beyond() -> Iterator[Query]:
    """Elements, items and sequences that are longer than what holds them, or end within their header."""
    whole = implicit(NAME, b"DOE^JANE")
    for what, data in {
        **{
            f"a value of {length:X}H": implicit(NAME, b"DOE^", length)
            for length in (6, 0x7FFFFFFE, 0xFFFFFFFE)
        },
        **{f"a header of {size} bytes": whole + whole[:size] for size in range(1, 8)},
        "an item": implicit(STEPS, item(whole, 99)),
        "an item of 4 GiB": implicit(STEPS, item(whole, 0xFFFFFFFE)),
        "a sequence": implicit(STEPS, item(whole), 999),
        "a value in an item": implicit(STEPS, item(whole[:-2])),
        "no delimiter": implicit(STEPS, item(whole), UNDEFINED),
        "no delimiter of an item": implicit(STEPS, item(whole, UNDEFINED), UNDEFINED),
        "ones": b"\xff" * 32,
    }.items():
        yield Query(what, LEVEL + data, (CANNOT,))


KEYS = {
    "a character set": 0x00080005,
    "a date": 0x00080020,
    "a time": 0x00080030,
    "a UID": UID,
    "a name": NAME,
    "a decimal": 0x00101030,
    "an integer": 0x00201208,
    "a code": 0x00080060,
    "text": 0x00104000,
    "a tag": 0x00280009,
    "a number": 0x00280010,
    "bytes": 0x7FE00010,
    "a sequence": STEPS,
    "a private key": 0x00091001,
    "a command": 0x00000100,
    "File Meta": 0x00020010,
}
VALUES = {
    "wild cards": b"*?" * 2000,
    "backslashes": b"\\" * 4000,
    "hyphens": b"-" * 500,
    "carets and equals": b"^=" * 500,
    "NULs": bytes(256),
    "ones": b"\xff" * 255 + b"\n",
    "escape sequences": b"\x1b$B\x1b(J" * 200,
    "digits": b"9" * 5000,
    "an exponent": b"1e999999",
    "a range of nothing": b"20249999-00000000 ",
    "a format": b"%s%n{0.__class__}",
    "a query": b"' OR 1=1; --",
}


def crafted() -> Iterator[Query]:
    """Each kind of key with each kind of value; whatever a handler makes of it, there is a status."""
    statuses = (SUCCESS, PENDING, CANNOT, HANDLER_FAILED)
    for (key, tag), (value, data) in product(KEYS.items(), VALUES.items()):
        first, rest = sorted((LEVEL, implicit(tag, data)), key=lambda one: (one[1], one[0], one[3], one[2]))
        yield Query(f"{value} in {key}", first + rest, statuses)
