"""The short way for plain elements gives what the careful way gives: bytes, warnings and errors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.encoding.headers import LONG_VRS, SHORT_VRS
from dicomproto.encoding.plain import PlainElements
from dicomproto.quiet import Quiet
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.data_sets import data_set_files, data_set_of

SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]  # fmt: skip

Encode = Callable[..., bytes]


def outcome(dataset: Dataset, syntax: str, encode: Encode = encode_data_set) -> tuple[object, ...]:
    """Return the encoded data set or the error, and the warnings."""
    said: list[str] = []
    try:
        return encode(dataset, syntax, on_warning=said.append), *said
    except Exception as error:  # of another copy of the package as well
        return type(error).__name__, str(error), *said


def in_both_ways(dataset: Dataset, another: Dataset, syntax: str) -> tuple[object, ...]:
    """Check that two equal data sets have the same outcome in both ways, and return it."""
    short = outcome(dataset, syntax)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainElements, "add", lambda *_: False)
        careful = outcome(another, syntax)
    assert short == careful
    return short


# --- files --------------------------------------------------------------------------------------


def read(path: Path) -> Dataset:
    with Quiet():
        return pydicom.dcmread(path, force=True)


def looked_at(path: Path) -> Dataset:
    dataset = read(path)
    with Quiet():
        for element in dataset.iterall():
            element.value  # noqa: B018
    return dataset


def received(path: Path) -> Dataset:
    data, syntax = data_set_of(path)
    return decode_data_set(data, syntax)


@pytest.mark.parametrize("how", [read, looked_at, received])
def test_files_leave_in_both_ways_alike(how: Callable[[Path], Dataset]) -> None:
    encoded = 0
    for path in data_set_files():
        try:
            both = how(path), how(path)
        except Exception:  # a value that pydicom cannot read, a data set that is not whole
            continue
        for syntax in SYNTAXES[:3]:
            encoded += isinstance(in_both_ways(*both, syntax)[0], bytes)
    assert encoded > 100


# --- made data sets -----------------------------------------------------------------------------

TAGS = {
    "AE": 0x00080055, "AS": 0x00101010, "AT": 0x00280009, "CS": 0x00080060, "DA": 0x00080020,
    "DS": 0x00101030, "DT": 0x0008002A, "FD": 0x00189087, "FL": 0x00089459, "IS": 0x00200013,
    "LO": 0x00100020, "LT": 0x00104000, "OB": 0x00282000, "OD": 0x0070150D, "OF": 0x00640009,
    "OL": 0x00660129, "OV": 0x7FE00003, "OW": 0x00281201, "PN": 0x00100010, "SH": 0x00080050,
    "SL": 0x00186020, "SS": 0x00281101, "ST": 0x00080081, "SV": 0x00720082, "TM": 0x00080030,
    "UC": 0x00080119, "UI": 0x00080018, "UL": 0x00081161, "UN": 0x00091001, "UR": 0x00080120,
    "US": 0x00280010, "UT": 0x00181800, "UV": 0x00720083, "SQ": 0x00400100,
    "US or SS": 0x00280106, "OB or OW": 0x7FE00010, "US or OW": 0x00283006,
}  # fmt: skip

texts = st.text("aZ 9^=.\\\x1b\0\xfcЖ", max_size=6) | st.sampled_from(["20240115", "1.2.3", "1.50", "-7"])
numbers = st.integers(-70_000, 70_000) | st.sampled_from([2**31, 2**63, 2**64, -(2**31) - 1]) | st.floats()
scalars = texts | numbers | st.none() | st.booleans() | st.binary(max_size=5)
values = scalars | st.lists(scalars, max_size=3) | st.lists(texts, max_size=3) | st.lists(numbers, max_size=3)
"""Of any type: many are wrong for the VR of their element."""


@st.composite
def made(draw: st.DrawFn) -> DataElement | None:
    vr = draw(st.sampled_from(sorted(TAGS.keys() - {"SQ"})))
    try:
        return DataElement(TAGS[vr], vr, draw(values), validation_mode=IGNORE)
    except Exception:  # what pydicom does not take cannot be encoded
        return None


@st.composite
def raw(draw: st.DrawFn) -> RawDataElement:
    vr = draw(st.sampled_from(sorted(SHORT_VRS | LONG_VRS - {"SQ"})))
    value = draw(texts).encode("iso8859-5", "replace") if draw(st.booleans()) else draw(st.binary(max_size=5))
    length = draw(st.sampled_from([len(value)] * 8 + [len(value) + 2, 0xFFFF_FFFF]))
    shown = draw(st.sampled_from([vr, vr, vr, None, "??"]))
    tag = draw(st.sampled_from([TAGS[vr], TAGS[vr], 0x00091002, 0x00280106, 0x60003000]))
    little = draw(st.sampled_from([True, True, True, False]))
    given = None if not value and draw(st.booleans()) else value
    return RawDataElement(BaseTag(tag), shown, length, given, 0, shown is None, little)


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 1) -> Dataset:
    dataset = Dataset()
    if draw(st.booleans()):
        name = draw(st.sampled_from(["ISO_IR 100", "ISO_IR 192", "ISO_IR 144", "?"]))
        dataset.add(DataElement(0x00080005, "CS", name, validation_mode=IGNORE))
    for element in draw(st.lists(made() | raw(), max_size=8)):
        if element is not None:
            dataset._dict[element.tag] = element  # as a reader does: nothing is converted
    if draw(st.booleans()):
        dataset.set_original_encoding(False, True, draw(st.sampled_from(["iso8859", "utf_8"])))
    if depth and draw(st.booleans()):
        dataset.ScheduledProcedureStepSequence = draw(st.lists(data_sets(depth - 1), max_size=2))
    return dataset


@given(data_sets(), st.sampled_from(SYNTAXES))
def test_data_sets_leave_in_both_ways_alike(dataset: Dataset, syntax: str) -> None:
    with Quiet():
        in_both_ways(dataset, copy.deepcopy(dataset), syntax)
