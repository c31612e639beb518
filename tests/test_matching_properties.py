"""Matching against models that are slow and simple, and against anything at all."""

from __future__ import annotations

import contextlib
import warnings
from datetime import date, datetime, timedelta
from functools import cache

from hypothesis import given, reject
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.errors import DataSetError
from dicomproto.matching import Query, make_identifier, matches, response_identifier
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.identifiers import dataset, raw, sent


def like(pattern: str, text: str) -> bool:
    """Match wild cards by trying everything."""

    @cache
    def at(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        if pattern[i] == "*":
            return at(i + 1, j) or (j < len(text) and at(i, j + 1))
        return j < len(text) and pattern[i] in ("?", text[j]) and at(i + 1, j + 1)

    return at(0, 0)


@given(st.text("ab*?.[(", max_size=12), st.text("ab.[(", max_size=12))
def test_wild_cards(pattern: str, text: str) -> None:
    query, entity = dataset(PatientComments=pattern), dataset(PatientComments=text)
    expected = not pattern.strip("*") or (bool(text) and like(pattern, text))
    assert matches(query, entity) is expected


@given(st.text("ab^*?", max_size=12), st.text("ABab^", max_size=12))
def test_wild_cards_in_names(pattern: str, text: str) -> None:
    key, name = pattern.rstrip("^"), text.rstrip("^").lower()
    name += "^" * (key.count("^") - name.count("^"))
    expected = not key.strip("*") or (bool(name.strip("^")) and like(key, name))
    assert matches(dataset(PatientName=pattern), dataset(PatientName=text)) is expected


@given(st.dates(), st.none() | st.dates(), st.none() | st.dates())
def test_ranges_of_dates(day: date, first: date | None, last: date | None) -> None:
    query = sent(make_identifier(StudyDate=(first, last)))
    expected = (first or date.min) <= day <= (last or date.max)
    assert matches(query, dataset(StudyDate=day)) is expected


offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))


def written(moment: datetime, offset: timedelta) -> str:
    minutes = int(abs(offset).total_seconds()) // 60
    sign = "-" if offset < timedelta() else "+"
    return f"{moment + offset:%Y%m%d%H%M%S}.{moment.microsecond:06}{sign}{minutes // 60:02}{minutes % 60:02}"


@given(moments, moments, moments, offsets, offsets, offsets)
def test_ranges_of_datetimes(
    moment: datetime, one: datetime, other: datetime, here: timedelta, there: timedelta, elsewhere: timedelta
) -> None:
    """Hyphens of ranges and of negative offsets are told apart."""
    first, last = sorted((one, other))
    entity = dataset(AcquisitionDateTime=written(moment, here))
    start, end = written(first, there), written(last, elsewhere)
    for key, expected in [
        (f"{start}-{end}", first <= moment <= last),
        (f"{start}-", first <= moment),
        (f"-{end}", moment <= last),
        (start, moment == first),
    ]:
        assert matches(dataset(AcquisitionDateTime=key), entity) is expected


@given(moments, moments, moments)
def test_dates_and_times_as_one(moment: datetime, one: datetime, other: datetime) -> None:
    first, last = sorted((one, other))
    query = make_identifier(StudyDate=(first, last), StudyTime=(first, last))
    entity = dataset(StudyDate=moment.date(), StudyTime=moment.time())
    whole = last.replace(microsecond=999_999) if not last.microsecond else last
    assert matches(query, entity, combined_datetime=True) is (first <= moment <= whole)


texts = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="\\=^*?"), min_size=1, max_size=9
)


@given(texts, texts, texts)
def test_an_entity_matches_what_is_said_of_it_and_is_answered_whole(
    name: str, number: str, comment: str
) -> None:
    entity = dataset(PatientName=name, OtherPatientIDs=[number, "B"], PatientComments=comment)
    entity.ReferencedStudySequence = [dataset(StudyID=number)]
    query = make_identifier(PatientName=name, OtherPatientIDs=number, PatientComments=comment[:1] + "*")
    query.ReferencedStudySequence = [dataset(StudyID="*")]
    received = sent(query)
    assert matches(received, entity)
    answer = sent(response_identifier(received, entity))
    assert matches(received, answer)
    assert [str(answer.PatientName), *answer.OtherPatientIDs] == [name, number, "B"]
    assert answer.PatientComments == comment


KEYWORDS = [
    "PatientName",
    "PatientID",
    "StudyDate",
    "StudyTime",
    "AcquisitionDateTime",
    "Modality",
    "PatientWeight",
    "SeriesNumber",
    "StudyInstanceUID",
    "Rows",
    "ReferencedStudySequence",
    "SpecificCharacterSet",
    "PatientAge",
    "TimezoneOffsetFromUTC",
    "FrameIncrementPointer",
    "EncapsulatedDocument",
    "PatientComments",
]
values = st.binary(max_size=24) | st.text("0123456789-+.*?^=\\ ", max_size=30).map(str.encode)
encoded = st.dictionaries(st.sampled_from(KEYWORDS), values, max_size=6)


@given(encoded, encoded)
def test_any_query_and_any_entity(query: dict[str, bytes], entity: dict[str, bytes]) -> None:
    def received(parts: dict[str, bytes]) -> Dataset:
        try:
            return raw(*sorted((tag_for_keyword(keyword) or 0, value) for keyword, value in parts.items()))
        except ValueError:  # of pydicom's own reader, for a character set with a NUL in its name
            reject()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(DataSetError):
            for options in ({}, {"combined_datetime": True, "multiple_values": True, "empty_values": True}):
                compiled = Query(received(query), **options)
                candidate = received(entity)
                compiled.matches(candidate)
                answer = compiled.response(candidate, retrieve_ae_title="A")
                encode_data_set(answer, IMPLICIT_VR_LITTLE_ENDIAN)
                assert compiled.matches(Dataset()) or any(query.values())


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for syntax in (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN):
            with contextlib.suppress(DataSetError):
                received = decode_data_set(data, syntax)
                matches(received, received)
                response_identifier(received, received)
