"""The walker of encoded data sets: what it refuses, what it lets pass, and that cuts change nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from struct import pack
from time import process_time
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomproto.datasets import decode_data_set
from dicomproto.encoded import MAXIMUM_PADDING, Bounds, Walk, walk_file
from dicomproto.encoding.headers import BIG as BIG_ENDIAN
from dicomproto.encoding.headers import LITTLE, Run, Runs
from dicomproto.errors import DataSetError, DataSetTooLarge
from tests.data_sets import (
    BIG,
    DEFLATED,
    EXPLICIT,
    FILES,
    IMPLICIT,
    TRUNCATED,
    UNDEFINED,
    closed,
    data_set_files,
    data_set_of,
    ended,
    explicit,
    implicit,
    item,
)  # fmt: skip
from tests.growth import MOST, growth

JPEG = "1.2.840.10008.1.2.4.50"
TEXT = b"DOE^JANE"
NAME, ITEMS, PIXELS = 0x00100010, 0x00400100, 0x7FE00010


FIRST = explicit(0x00080005, b"CS", b"ISO_IR 6")
LAST = explicit(0x00400009, b"SH", b"LAST")
WITHIN = explicit(NAME, b"PN", TEXT)
IMPLICIT_FIRST, IMPLICIT_LAST = implicit(0x00080005, b"ISO_IR 6"), implicit(0x00400009, b"LAST")
IMPLICIT_WITHIN = implicit(NAME, TEXT)
BIG_FIRST = explicit(0x00080005, b"CS", b"ISO_IR 6", order=">")
SEQUENCE = explicit(ITEMS, b"SQ", closed(ended(WITHIN) + item(WITHIN)), UNDEFINED)
UN = explicit(0x00091010, b"UN", closed(ended(IMPLICIT_WITHIN)), UNDEFINED)

WHOLE = {
    "empty": (EXPLICIT, b"", ""),
    "plain": (EXPLICIT, FIRST + WITHIN + LAST, ""),
    "implicit": (IMPLICIT, IMPLICIT_FIRST + IMPLICIT_WITHIN + IMPLICIT_LAST, ""),
    "big endian": (BIG, BIG_FIRST + explicit(0x00280010, b"US", b"\0\1", order=">"), ""),
    "long VRs": (EXPLICIT, FIRST + explicit(0x00081190, b"UR", b"urn:x   ") + LAST, ""),
    "empty long VR at the end": (EXPLICIT, FIRST + explicit(PIXELS, b"OB"), ""),
    "sequence": (EXPLICIT, FIRST + SEQUENCE, ""),
    "sequence of defined length": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN) + ended(WITHIN)) + SEQUENCE,
        "order",
    ),
    "sequences without items": (
        EXPLICIT,
        explicit(ITEMS, b"SQ") + explicit(0x00400260, b"SQ", closed(b""), UNDEFINED),
        "",
    ),
    "empty items": (EXPLICIT, explicit(ITEMS, b"SQ", item() + ended()), ""),
    "implicit sequence": (IMPLICIT, implicit(ITEMS, closed(ended(IMPLICIT_WITHIN)), UNDEFINED), ""),
    "implicit sequence of defined length": (IMPLICIT, implicit(ITEMS, item(IMPLICIT_WITHIN)), ""),
    "implicit value that begins as an item": (IMPLICIT, implicit(NAME, item(length=99)), ""),
    "implicit unknown value that begins as an item": (IMPLICIT, implicit(0x00100001, item(length=99)), ""),
    "implicit private value that begins as an item": (IMPLICIT, implicit(0x00111010, item(length=99)), ""),
    "implicit private sequence": (
        IMPLICIT,
        implicit(0x00111010, closed(item(IMPLICIT_WITHIN)), UNDEFINED),
        "",
    ),
    "big endian sequence": (
        BIG,
        explicit(ITEMS, b"SQ", closed(ended(BIG_FIRST, ">"), ">"), UNDEFINED, ">"),
        "",
    ),
    "encapsulated": (
        JPEG,
        FIRST + explicit(PIXELS, b"OB", closed(item() + item(b"\xff\xd8\xff\xd9")), UNDEFINED),
        "",
    ),
    "encapsulated in implicit VR": (
        IMPLICIT,
        implicit(PIXELS, closed(item() + item(b"\xff\xd8\xff\xd9")), UNDEFINED),
        "",
    ),
    "native in an encapsulated syntax": (
        JPEG,
        FIRST + explicit(PIXELS, b"OW", bytes(4)),
        "native pixel data",
    ),
    "private fragments": (EXPLICIT, explicit(0x00091010, b"OB", closed(item(b"abcd")), UNDEFINED), ""),
    "UN with implicit items": (EXPLICIT, FIRST + UN + LAST, ""),
    "UN with explicit items": (
        EXPLICIT,
        explicit(0x00091010, b"UN", closed(ended(WITHIN) + item(FIRST)), UNDEFINED),
        "",
    ),
    "UN with an empty first element": (
        EXPLICIT,
        explicit(0x00091010, b"UN", closed(ended(implicit(NAME) + IMPLICIT_LAST)), UNDEFINED),
        "",
    ),
    "UN with a first element whose length is printable": (
        EXPLICIT,
        explicit(0x00091010, b"UN", closed(item(implicit(NAME, b" " * 0x2020)) + item()), UNDEFINED),
        "",
    ),
    "UN with sequences": (
        EXPLICIT,
        explicit(0x00091010, b"UN", closed(ended(implicit(ITEMS, closed(ended()), UNDEFINED))), UNDEFINED),
        "",
    ),
    "UN in big endian": (
        BIG,
        explicit(0x00091010, b"UN", closed(ended(IMPLICIT_WITHIN)), UNDEFINED, ">"),
        "",
    ),
    "UN without items in big endian": (
        BIG,
        explicit(0x00091010, b"UN", closed(b""), UNDEFINED, ">")
        + explicit(0x00091010, b"UN", closed(b"", ">"), UNDEFINED, ">"),
        "order",
    ),
    "UN of defined length": (EXPLICIT, explicit(0x00091010, b"UN", item(length=99)) + LAST, ""),
    "UN that is a sequence": (EXPLICIT, explicit(ITEMS, b"UN", item(IMPLICIT_WITHIN)), ""),
    "UN that is no sequence after all": (
        EXPLICIT,
        explicit(ITEMS, b"UN", item(length=99)) + SEQUENCE,
        "order; not checked",
    ),
    "NULs": (EXPLICIT, FIRST + bytes(8), "padding"),
    "some NULs": (EXPLICIT, FIRST + bytes(3), "padding"),
    "all the NULs": (EXPLICIT, FIRST + bytes(MAXIMUM_PADDING), "padding"),
    "implicit NULs": (IMPLICIT, IMPLICIT_FIRST + bytes(1029), "padding"),
    "NULs between elements": (EXPLICIT, FIRST + bytes(8) + LAST, "padding; not checked"),
    "NULs in an item": (EXPLICIT, explicit(ITEMS, b"SQ", item(WITHIN + bytes(2))), "padding"),
    "trailing padding": (EXPLICIT, LAST + explicit(0xFFFCFFFC, b"OB", bytes(6)), "trailing padding"),
    "group length": (EXPLICIT, explicit(0x00080000, b"UL", pack("<I", len(FIRST))) + FIRST, "group length"),
    "odd length": (EXPLICIT, explicit(NAME, b"PN", b"DOE") + LAST, "odd length"),
    "unordered": (EXPLICIT, LAST + FIRST, "order"),
    "repeated": (EXPLICIT, FIRST + FIRST, "order"),
    "unordered sequences": (EXPLICIT, SEQUENCE + UN, "order"),
    "item delimiter": (EXPLICIT, FIRST + implicit(0xFFFEE00D) + LAST, "delimiter"),
    "sequence delimiter": (EXPLICIT, FIRST + implicit(0xFFFEE0DD) + LAST, "delimiter"),
    "delimiter in an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN + implicit(0xFFFEE00D))),
        "delimiter",
    ),
    "delimiters in a sequence": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", closed(ended() + implicit(0xFFFEE00D)), UNDEFINED),
        "delimiter",
    ),
    "delimiter of a sequence of defined length": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", closed(item(WITHIN))),
        "delimiter",
    ),
    "an item outside": (EXPLICIT, FIRST + item(WITHIN) + LAST, "not checked"),
    "a delimiter that there is not": (EXPLICIT, FIRST + explicit(0xFFFEFFFC, b"OB", b"ab"), "not checked"),
    "unknown VR": (EXPLICIT, FIRST + b"\x10\0\x10\0ZZ\0\0\4\0\0\0abcd" + LAST, "VR"),
    "unknown VR with a short length": (EXPLICIT, FIRST + explicit(NAME, b"ZZ", b"DOE ") + LAST, "VR"),
    "NULs for a VR": (EXPLICIT, FIRST + explicit(NAME, b"\0\0", b"DOE ") + LAST, "VR"),
    "NULs for a VR and no value": (EXPLICIT, FIRST + explicit(NAME, b"\0\0") + LAST, "VR"),
    "blanks for a VR": (
        EXPLICIT,
        FIRST + explicit(NAME, b"  ", b"DOE ") + explicit(0x00100020, b"  ") + LAST,
        "VR",
    ),
    "one letter for a VR": (EXPLICIT, FIRST + explicit(NAME, b"U\0", b"DOE ") + LAST, "VR"),
    "question marks for a VR": (EXPLICIT, FIRST + explicit(NAME, b"??", b"DOE ") + LAST, "VR"),
    "a guess that leads astray": (
        EXPLICIT,
        FIRST + explicit(NAME, b"\0\0", b"DOE ", 40) + LAST,
        "VR; not checked",
    ),
    "a guess that leads astray in an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(explicit(NAME, b"\0\0", b"DOE ", 40))) + LAST,
        "VR; not checked; order",
    ),
    "a guess that leads astray in an item with a delimiter": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", closed(ended(explicit(NAME, b"??", b"", 0))), UNDEFINED)
        + LAST
        + explicit(0x00400010, b"SH", b"", 90),
        "VR; order; not checked",
    ),
    "a guess that leads to a cut header in an item": (
        EXPLICIT,
        FIRST + explicit(ITEMS, b"SQ", item(explicit(NAME, b"??", b"DOE ") + LAST[:6])) + SEQUENCE,
        "VR; not checked; order",
    ),
    "a guess that leads to a cut long header in an item": (
        EXPLICIT,
        FIRST + explicit(ITEMS, b"SQ", item(explicit(NAME, b"??") + explicit(PIXELS, b"OB")[:10])) + LAST,
        "VR; not checked; order",
    ),
    "a guess that leads to no delimiter": (
        EXPLICIT,
        explicit(NAME, b"??", b"DOE ") + explicit(ITEMS, b"SQ", item(LAST, UNDEFINED), UNDEFINED),
        "VR; not checked",
    ),
    "a guess that leads to no delimiter in a sequence": (
        EXPLICIT,
        explicit(NAME, b"??", b"DOE ") + explicit(ITEMS, b"SQ", item(LAST, UNDEFINED)),
        "VR; not checked",
    ),
    "reserved bytes": (EXPLICIT, FIRST + b"\x10\0\x10\0UN\1\1\4\0\0\0abcd" + LAST, "VR"),
    "group 0002": (EXPLICIT, explicit(0x00020010, b"UI", b"1.2\0") + FIRST, "group 0002"),
    "group 0002 in implicit VR": (
        IMPLICIT,
        explicit(0x00020010, b"UI", b"1.2\0") + explicit(0x00020102, b"OB", b"ab") + IMPLICIT_FIRST,
        "VR; group 0002",
    ),
    "implicit group 0002": (IMPLICIT, implicit(0x00020010, b"1.2\0") + IMPLICIT_FIRST, "group 0002"),
    "implicit for explicit": (EXPLICIT, IMPLICIT_FIRST + IMPLICIT_LAST, "implicit VR"),
    "explicit for implicit": (IMPLICIT, FIRST + SEQUENCE, "explicit VR"),
    "an implicit element among explicit ones": (EXPLICIT, FIRST + IMPLICIT_WITHIN + LAST, "implicit VR"),
    "implicit items": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(IMPLICIT_WITHIN + implicit(0x00100020)) + item(WITHIN)) + LAST,
        "implicit VR; order",
    ),
    "big for little": (EXPLICIT, BIG_FIRST + explicit(0x00280010, b"US", b"\0\1", order=">"), "byte order"),
    "little for big": (BIG, FIRST + SEQUENCE, "byte order"),
    "big for little, first empty": (
        EXPLICIT,
        explicit(0x00080005, b"CS", order=">") + explicit(0x00280010, b"US", b"\0\1", order=">"),
        "byte order",
    ),
    "big implicit": (IMPLICIT, implicit(0x00080005, b"ISO_IR 6", order=">"), "byte order"),
    "groups that look swapped": (
        EXPLICIT,
        explicit(0x20000010, b"IS", b"1 ") + explicit(0x20000020, b"CS"),
        "",
    ),
    "something else among items": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item() + WITHIN) + LAST,
        "not checked; order",
    ),
    "something else among fragments": (
        EXPLICIT,
        explicit(PIXELS, b"OB", item(b"abcd") + WITHIN, UNDEFINED),
        "not checked",
    ),
    "a fragment of undefined length": (
        EXPLICIT,
        explicit(PIXELS, b"OB", closed(ended()), UNDEFINED),
        "not checked",
    ),
    "something else in UN": (EXPLICIT, FIRST + explicit(0x00091010, b"UN", WITHIN, UNDEFINED), "not checked"),
    "noise": (EXPLICIT, b"\xff" * 32, "implicit VR; not checked"),
    "noise in big endian": (BIG, b"\xff\xfc\xfcOB" + bytes(17), "byte order; implicit VR; not checked"),
    "very deep": (EXPLICIT, explicit(ITEMS, b"SQ", item(b"", UNDEFINED), UNDEFINED) * 600, "not checked"),
    "a text": (EXPLICIT, b"GET / HTTP/1.1\r\n\r\n", "VR; not checked"),
    "deflated": (DEFLATED, b"\x12\x34", None),
    "JPIP deflated": ("1.2.840.10008.1.2.4.95", FIRST[:-2], None),
    "unknown syntax": ("1.2.3", FIRST[:-2], None),
}
"""Syntax, data set, and the kinds of warnings; None if nothing is checked."""

CUT = {
    "value": (EXPLICIT, FIRST[:-1], r"element \(0008,0005\) declares 8 bytes, 7 are left \(at byte 0\)$"),
    "long value": (
        EXPLICIT,
        explicit(PIXELS, b"OW", bytes(4), 6),
        r"\(7FE0,0010\) declares 6 bytes, 4 are left",
    ),
    "implicit value": (
        IMPLICIT,
        IMPLICIT_FIRST + implicit(NAME, b"", 8),
        r"\(0010,0010\) declares 8 bytes, 0 are left \(at byte 16\)",
    ),
    "big endian value": (BIG, BIG_FIRST[:-1], r"\(0008,0005\) declares 8 bytes, 7 are left"),
    "unknown VR": (
        EXPLICIT,
        FIRST + b"\x10\0\x10\0ZZ\0\0\4\0\0\0abc",
        r"\(0010,0010\) declares 4 bytes, 3 are left",
    ),
    "header": (EXPLICIT, FIRST + LAST[:6], r"element \(0040,0009\) ends within its header \(at byte 16\)$"),
    "three bytes of a header": (
        EXPLICIT,
        FIRST + LAST[:3],
        r"^an element ends within its header \(at byte 16\)$",
    ),
    "long header": (EXPLICIT, explicit(PIXELS, b"OB")[:11], r"element \(7FE0,0010\) ends within its header"),
    "header of an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item()[:7], UNDEFINED),
        r"\(0040,0100\) ends within the header of an item \(at byte 12\)",
    ),
    "header in an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN + b"\1\0\1\0")),
        r"item 1, \(0001,0001\) ends within its header \(at byte 36\)",
    ),
    "long header in an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(explicit(PIXELS, b"OB")[:9])),
        r"\(7FE0,0010\) ends within its header",
    ),
    "short sequence": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN), 99),
        r"element \(0040,0100\) declares 99 bytes|\(0040,0100\) is shorter",
    ),
    "short item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN, 99), UNDEFINED),
        "item 1 is shorter than its length|item of 99 bytes",
    ),
    "item longer than its sequence": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN, 18)) + LAST,
        r"\(0040,0100\) has an item of 18 bytes, 16 are left \(at byte 12\)",
    ),
    "value longer than its item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(explicit(NAME, b"PN", b"DOE ", 6))) + LAST,
        r"item 1, \(0010,0010\) declares 6 bytes, 4 are left \(at byte 20\)",
    ),
    "no delimiter of an item": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN, UNDEFINED), UNDEFINED),
        r"\(0040,0100\) item 1 has no delimiter \(at byte 12\)",
    ),
    "no delimiter of an item in its sequence": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN, UNDEFINED)) + LAST,
        r"\(0040,0100\) item 1 has no delimiter",
    ),
    "no delimiter of a sequence": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN), UNDEFINED),
        r"\(0040,0100\) has no delimiter \(at byte 0\)",
    ),
    "elements where a delimiter should be": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(WITHIN), UNDEFINED) + LAST,
        r"\(0040,0100\) has no delimiter, or something else among its items",
    ),
    "no delimiter of fragments": (
        JPEG,
        explicit(PIXELS, b"OB", item() + item(b"ab"), UNDEFINED),
        r"\(7FE0,0010\) has no delimiter",
    ),
    "fragment": (
        JPEG,
        explicit(PIXELS, b"OB", item() + item(b"ab", 4), UNDEFINED),
        r"\(7FE0,0010\) declares 4 bytes, 2 are left|fragment",
    ),
    "nothing of fragments": (
        JPEG,
        explicit(PIXELS, b"OB", b"", UNDEFINED),
        r"\(7FE0,0010\) has no delimiter",
    ),
    "no delimiter of UN": (EXPLICIT, UN[:-8], r"\(0009,1010\) has no delimiter"),
    "an item of UN": (EXPLICIT, UN[:-17], r"\(0009,1010\) item 1, .*left"),
    "implicit sequence": (
        IMPLICIT,
        implicit(ITEMS, item(IMPLICIT_WITHIN[:-1])),
        r"\(0010,0010\) declares 8 bytes, 7 are left",
    ),
    "nested": (
        EXPLICIT,
        explicit(ITEMS, b"SQ", item(b"", UNDEFINED), UNDEFINED) * 6,
        r"^element (\(0040,0100\) item 1, ){2}\.\.\., \(0040,0100\) item 1, \(0040,0100\) item 1 has no",
    ),
    "too many NULs": (
        EXPLICIT,
        FIRST + bytes(MAXIMUM_PADDING + 1),
        "^more than 4096 NULs stand behind the last element",
    ),
    "not only NULs": (EXPLICIT, FIRST + b"\0\0\0\1", r"element \(0000,0100\) ends within its header"),
}


def walked(syntax: str, data: bytes, step: int = 0, bounds: Bounds | None = None) -> tuple[object, ...]:
    """Return what a walk in chunks of `step` bytes (all at once if 0) finds."""
    walk = Walk(syntax, bounds=bounds or Bounds())
    try:
        for start in range(0, len(data), step or len(data) or 1):
            walk.feed(data[start : start + (step or len(data))])
        walk.finish()
    except DataSetError as error:
        return type(error), str(error)
    return walk.warnings, walk.is_checked, walk.elements, walk.items


def kinds(warnings: tuple[str, ...]) -> str:
    return "; ".join(sorted(warning.partition(":")[0] for warning in warnings))


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_passes_with_a_warning_for_what_is_odd(name: str) -> None:
    syntax, data, expected = WHOLE[name]
    walk = Walk(syntax)
    walk.feed(data)
    walk.finish()
    assert kinds(walk.warnings) == "; ".join(sorted((expected or "").split("; ")))
    assert walk.is_checked == (expected is not None and "not checked" not in expected)
    assert "DOE" not in str(walk.warnings)
    for step in (1, 2, 3, 7, 13, 64):
        assert walked(syntax, data, step) == walked(syntax, data)


@pytest.mark.parametrize("name", CUT)
def test_what_certainly_ends_early_is_refused(name: str) -> None:
    syntax, data, text = CUT[name]
    with pytest.raises(DataSetError, match=text) as caught:
        walk_file(BytesIO(data), 0, len(data), syntax)
    assert "DOE" not in str(caught.value)
    for step in (1, 2, 3, 7, 13, 64):
        assert walked(syntax, data, step) == walked(syntax, data)


@pytest.mark.parametrize("path", list(data_set_files()), ids=lambda path: str(path.relative_to(FILES)))
def test_all_whole_files_of_pydicom_pass(path: Path) -> None:
    data, syntax = data_set_of(path)
    if path.name in TRUNCATED:
        with pytest.raises(DataSetError, match="are left"):
            walk_file(BytesIO(data), 0, len(data), syntax)
        return
    walk = Walk(syntax)
    walk.feed(memoryview(bytearray(data)))
    walk.finish()
    assert walk.is_checked == (syntax != DEFLATED)
    file = BytesIO(b"head" + data + b"tail")
    walked = walk_file(file, 4, len(data), syntax)
    assert (walked.elements, walked.items, walked.warnings) == (walk.elements, walk.items, walk.warnings)


FIRSTS: list[tuple[int, bytes, bytes | None]] = [
    (0x00080000, b"UL", b"\0\0\0\x26"),
    (0x00080001, b"UL", b""),
    (0x00080005, b"CS", b""),
    (0x00080005, b"CS", b"ISO_IR 100"),
    (0x00080008, b"CS", b"A" * 256),
    (0x00080008, b"CS", b"A" * 514),
    (0x00081115, b"SQ", None),
    (0x00081195, b"UI", b"1.2\0"),
    (0x00090010, b"LO", b""),
    (0x00090010, b"LO", b"ACME"),
    (0x00091001, b"UN", b"abcd"),
    (0x00090010, b"LO", b"A" * 514),
    (0x00100010, b"PN", b""),
    (0x00100010, b"PN", b"DOE*"),
    (0x0020000D, b"UI", b""),
    (0x0020000D, b"UI", b"1.2\0"),
    (0x0040A730, b"SQ", None),
    (0x20000010, b"IS", b"1 "),
    (0x20000500, b"SQ", None),
    (0x21000020, b"CS", b"DONE"),
    (0x300A0002, b"SH", b"LAB "),
    (0x52009229, b"SQ", None),
    (0x60000010, b"US", b"\1\1"),
    (0x7FE00010, b"OW", b"abcd"),
]
OTHERS = {
    "nothing": [],
    "empty values": [(0x00880130, b"SH", b""), (0x00880904, b"LO", b"")],
    "values": [(0x00880130, b"SH", b""), (0x00880904, b"LO", b" " * 0x2020), (0x00880200, b"SQ", None)],
}


def encoded(syntax: str, tag: int, vr: bytes, value: bytes | None) -> bytes:
    """Return an element; a sequence of one item if `value` is None."""
    order = ">" if syntax == BIG else "<"

    def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        if syntax == IMPLICIT:
            return implicit(tag, value, length)
        return explicit(tag, vr, value, length, order)

    if value is not None:
        return element(tag, vr, value)
    return element(tag, vr, closed(ended(element(0x00080100, b"SH", b"1 "), order), order), UNDEFINED)


@pytest.mark.parametrize("first", FIRSTS, ids=lambda first: f"{first[0]:08X}")
@pytest.mark.parametrize("others", OTHERS)
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_data_set_in_another_vr_or_byte_order_is_recognized(
    syntax: str, first: tuple[int, bytes, bytes | None], others: str
) -> None:
    elements = [first, *OTHERS[others]]
    data = b"".join(encoded(syntax, *element) for element in elements)
    for context in (IMPLICIT, EXPLICIT, BIG):
        assert walked(context, data)[1] is True
        decoded = decode_data_set(data, context)
        assert [int(tag) for tag in decoded.keys()] == [tag for tag, _, _ in elements]  # noqa: SIM118
        for tag, _, value in elements:
            found = decoded.get_item(tag).value
            assert (found or b"") == value if value is not None else found[0].CodeValue == "1"


# --- skipping, bounds, growth -------------------------------------------------------------------


class Counted(BytesIO):
    """Counts what is read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


# --- what is like it was before ----------------------------------------------------------------


def run_of(*lengths: int, first: int = 0x00100020, count: int = 40) -> bytes:
    """Return elements one behind the other; `lengths` are those of the first values, the others have 4."""
    own = dict(enumerate(lengths))
    return b"".join(explicit(first + n, b"LO", b"x" * own.get(n, 4)) for n in range(count))


def fresh(syntax: str, data: bytes, bounds: Bounds | None = None) -> tuple[object, ...]:
    """Walk over a data set as if nothing had been walked before."""
    with pytest.MonkeyPatch.context() as patch:
        for order in (LITTLE, BIG_ENDIAN):
            patch.setattr(order, "runs", Runs(order.explicit))
        return walked(syntax, data, bounds=bounds)


ALIKE = run_of(2, 4, 6)
SERIES = {
    "alike": ALIKE,
    "of another length": run_of(2, 4, 8),
    "of the same size": run_of(6, 4, 2),
    "with another behind it": ALIKE + LAST,
    "with a sequence between": ALIKE + SEQUENCE + run_of(first=0x00500020),
    "with an odd length": run_of(2, 4, 5),
    "twice": ALIKE + ALIKE,
    "behind something greater": LAST + ALIKE,
    "in an item": explicit(0x00081140, b"SQ", item(ALIKE)) + ALIKE,
    "long": run_of(2, 4, 6, count=2000),
    "with long values": run_of(*[100] * 40),
    "cut": ALIKE[:-1],
    "cut between elements": ALIKE[:-12],
    "in a sequence that is too short": explicit(0x00081140, b"SQ", item(ALIKE, len(ALIKE) - 4)) + FIRST,
}


@pytest.mark.parametrize("name", SERIES)
def test_what_was_walked_before_changes_nothing(name: str) -> None:
    for _ in range(3):
        walked(EXPLICIT, ALIKE)
    for bounds in (None, Bounds(elements=39), Bounds(elements=40)):
        for _ in range(3):
            data = SERIES[name]
            assert walked(EXPLICIT, data, bounds=bounds) == fresh(EXPLICIT, data, bounds)
            assert walked(EXPLICIT, ALIKE, bounds=bounds) == fresh(EXPLICIT, ALIKE, bounds)


def test_a_run_is_known_when_it_has_come_twice() -> None:
    runs = Runs(LITTLE.explicit)

    def come(data: bytes) -> bool:
        """Tell whether the run is known, and take notice of it if not."""
        known = runs.find(data, 0, len(data), -1)
        if known is None:
            runs.add(data, 0, Run(40, len(data), 0))
        else:
            assert (known.count, known.size, known.first) == (40, len(data), 0x00100020)
        return known is not None

    assert [come(ALIKE) for _ in range(4)] == [False, False, True, True]
    assert runs.find(ALIKE, 0, len(ALIKE) - 1, -1) is None
    # What differs each time is no more taken notice of after a while.
    other = [run_of(2, length) for length in (6, 8, 10, 12, 14)]
    assert [come(data) for data in [*other, ALIKE, ALIKE, ALIKE]] == [False] * 8
    # There is room for some.
    for number in range(Runs.MOST):
        come(run_of(first=0x00200020 + number))
    assert [come(ALIKE) for _ in range(3)] == [False, False, True]
    short = run_of(count=15)
    runs.add(short, 0, Run(15, len(short), 0))
    assert len(runs._known) <= Runs.MOST
    # To compare one of long values would take longer than to walk.
    wide = run_of(*[60] * 40)
    assert [come(wide) for _ in range(3)] == [False] * 3


@pytest.mark.serial
def test_a_series_takes_less_time_than_one_of_its_kind() -> None:
    def cost(content: list[bytes]) -> float:
        began = process_time()
        for data in content:
            walked(EXPLICIT, data)
        return process_time() - began

    alike = [run_of(2, count=500)] * 100
    different = [run_of(2 + 2 * (n % 50), 102 - 2 * (n % 50), count=500) for n in range(100)]
    cost(different)
    assert min(cost(alike) / cost(different) for _ in range(3)) < 0.5


NATIVE = {
    EXPLICIT: FIRST + run_of(count=250) + explicit(PIXELS, b"OW", bytes(40_000)),
    IMPLICIT: IMPLICIT_FIRST
    + b"".join(implicit(0x00100020 + n, b"text") for n in range(250))
    + implicit(PIXELS, bytes(40_000)),
}


@pytest.mark.parametrize(("syntax", "data"), NATIVE.items())
def test_a_walk_over_native_pixel_data_takes_few_calls(syntax: str, data: bytes) -> None:
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            calls[frame.f_code.co_name] += 1

    for _ in range(2):
        walk_file(BytesIO(data), 0, len(data), syntax)
    file, profile = BytesIO(data), sys.getprofile()
    sys.setprofile(count)
    try:
        walk = walk_file(file, 0, len(data), syntax)
    finally:
        sys.setprofile(profile)
    assert (walk.is_checked, walk.elements, walk.warnings) == (True, 252, ())
    assert sum(calls.values()) <= 18, calls


def test_a_walk_over_a_file_does_not_read_its_values() -> None:
    fragments = closed(b"".join(item(bytes(50_000)) for _ in range(20)))
    data = FIRST + explicit(PIXELS, b"OB", fragments, UNDEFINED)
    file = Counted(data)
    assert walk_file(file, 0, len(data), JPEG).is_checked
    assert file.count <= 22 * 8192 < len(data) / 5
    with pytest.raises(DataSetError, match="declares 50000 bytes, 48992 are left"):
        walk_file(Counted(data), 0, len(data) - 1016, JPEG)
    with pytest.raises(DataSetError, match=r"\(7FE0,0010\) has no delimiter"):
        walk_file(Counted(data), 0, len(data) - 8, JPEG)


def test_a_file_that_is_shorter_than_it_was_ends_early() -> None:
    with pytest.raises(DataSetError, match=r"\(0040,0009\) ends within its header"):
        walk_file(BytesIO((FIRST + LAST)[:-6]), 0, len(FIRST + LAST), EXPLICIT)
    with pytest.raises(DataSetError, match=r"\(7FE0,0010\) declares 20000 bytes"):
        walk_file(BytesIO(explicit(PIXELS, b"OW", b"", 20_000) + bytes(9000)), 0, 19_000, EXPLICIT)


def test_what_is_not_checked_is_not_read() -> None:
    file = Counted(b"\xff" * 100_000)
    assert not walk_file(file, 0, 100_000, EXPLICIT).is_checked
    assert file.count <= 8192
    assert not walk_file(file, 0, 100_000, DEFLATED).is_checked


def test_values_may_be_skipped() -> None:
    walk = Walk(EXPLICIT)
    walk.feed(FIRST[:10])
    assert walk.skippable == 6
    walk.skip(5)
    assert walk.skippable == 1
    walk.feed(FIRST[-1:] + LAST)
    walk.finish()
    assert (walk.skippable, walk.elements) == (0, 2)


MANY = b"".join(explicit(0x00100000 + tag, b"LO") for tag in range(16, 116))


@pytest.mark.parametrize(
    ("syntax", "data", "bounds", "text"),
    [
        (EXPLICIT, MANY, Bounds(elements=99), "more than 99 elements"),
        (IMPLICIT, implicit(NAME) * 100, Bounds(elements=99), "more than 99 elements"),
        (EXPLICIT, SEQUENCE, Bounds(elements=6), "more than 6 elements"),
        (
            EXPLICIT,
            explicit(ITEMS, b"SQ", item() * 10),
            Bounds(items=9),
            r"\(0040,0100\) has an item too many, 9 are allowed in all",
        ),
        (
            EXPLICIT,
            explicit(ITEMS, b"SQ", item(b"", UNDEFINED), UNDEFINED) * 3,
            Bounds(depth=2),
            "nested deeper than 2 sequences",
        ),
    ],
)
def test_what_is_too_much_is_told_from_what_is_not_whole(
    syntax: str, data: bytes, bounds: Bounds, text: str
) -> None:
    with pytest.raises(DataSetTooLarge, match=text):
        Walk(syntax, bounds=bounds).feed(data)
    for step in (1, 7, 64):
        assert walked(syntax, data, step, bounds) == walked(syntax, data, 0, bounds)


def test_as_much_as_is_allowed_passes() -> None:
    assert walked(EXPLICIT, MANY, 0, Bounds(elements=100))[2] == 100
    assert walked(IMPLICIT, implicit(NAME) * 100, 0, Bounds(elements=100))[2] == 100
    assert walked(EXPLICIT, SEQUENCE, 0, Bounds(elements=7, items=2, depth=1))[2:] == (7, 2)


@pytest.mark.serial
@pytest.mark.parametrize("unit", [ended(), item(explicit(ITEMS, b"SQ")), implicit(0xFFFEE00D)])
def test_the_time_of_a_walk_grows_with_the_data_set(unit: bytes) -> None:
    def task(count: int) -> Callable[[], object]:
        data = explicit(ITEMS, b"SQ", unit * count + item(bytes(8)), UNDEFINED)
        walk = Walk(EXPLICIT)
        return lambda: walk.feed(data)

    assert growth(task, 20_000) <= MOST


# --- cuts and noise -----------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(WHOLE) + sorted(CUT)),
    st.lists(st.integers(0, 200)),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
)
def test_how_a_data_set_is_cut_changes_nothing(
    name: str, cuts: list[int], changes: list[tuple[int, int]]
) -> None:
    syntax, data = (WHOLE.get(name) or CUT[name])[:2]
    noisy = bytearray(data)
    for position, value in changes:
        if position < len(noisy):
            noisy[position] = value
    walk = Walk(syntax)
    edges = sorted({0, len(noisy), *(cut for cut in cuts if cut < len(noisy))})
    found: tuple[object, ...]
    try:
        for start, stop in pairwise(edges):
            walk.feed(noisy[start:stop])
        walk.finish()
        found = (walk.warnings, walk.is_checked, walk.elements, walk.items)
    except DataSetError as error:
        found = (type(error), str(error))
    assert found == walked(syntax, bytes(noisy))
