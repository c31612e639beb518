"""Keys against entities, VR by VR, as PS3.4 C.2.2.2 has it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from datetime import time as clock
from decimal import Decimal
from typing import Any

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM, PersonName

from dicomproto.errors import DataSetError
from dicomproto.matching import Query, matches, response_identifier
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.identifiers import dataset, raw, sent

IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN


KEYWORDS = {
    "AE": "ScheduledStationAETitle",
    "AS": "PatientAge",
    "AT": "FrameIncrementPointer",
    "CS": "ModalitiesInStudy",
    "DA": "StudyDate",
    "DS": "PatientWeight",
    "DT": "AcquisitionDateTime",
    "FD": "DopplerCorrectionAngle",
    "FL": "RecommendedDisplayFrameRateInFloat",
    "IS": "SeriesNumber",
    "LO": "OtherPatientIDs",
    "LT": "AdditionalPatientHistory",
    "OB": "EncapsulatedDocument",
    "PN": "OtherPatientNames",
    "SH": "AccessionNumber",
    "SL": "ReferencePixelX0",
    "SS": "TagAngleSecondAxis",
    "ST": "InstitutionAddress",
    "SV": "SelectorSVValue",
    "TM": "StudyTime",
    "UC": "LongCodeValue",
    "UI": "StudyInstanceUID",
    "UL": "SimpleFrameList",
    "UR": "RetrieveURL",
    "US": "Rows",
    "UT": "TextValue",
    "UV": "SelectorUVValue",
}

YES, NO = True, False
SINGLE, UIDS, UNIVERSAL, WILD = "C.2.2.2.1", "C.2.2.2.2", "C.2.2.2.3", "C.2.2.2.4"
NAMES, NUMBERS, DATES = "C.2.2.2.1.1", "C.2.2.2.1.4", "C.2.2.2.1.3"
DA_RANGE, TM_RANGE, DT_RANGE, SEVERAL = "C.2.2.2.5.1", "C.2.2.2.5.2", "C.2.2.2.5.3", "C.2.2.3"

TABLE: list[tuple[str, str, object, object, bool]] = [
    # Single value: the very same text, but for spaces that do not count (PS3.5 6.2).
    (SINGLE, "AE", "STORE", "STORE", YES),
    (SINGLE, "AE", "STORE", "store", NO),
    (SINGLE, "AE", " STORE ", "STORE", YES),
    (SINGLE, "AE", "STORE", "STORE2", NO),
    (SINGLE, "AS", "030Y", "030Y", YES),
    (SINGLE, "AS", "030Y", "360M", NO),
    (SINGLE, "CS", "CT", "CT", YES),
    (SINGLE, "CS", "ct", "CT", NO),
    (SINGLE, "CS", " CT", "CT ", YES),
    (SINGLE, "LO", "A1", "A1", YES),
    (SINGLE, "LO", "A1", "a1", NO),
    (SINGLE, "LO", "A 1", "A1", NO),
    (SINGLE, "LO", " A1", "A1", YES),
    (SINGLE, "LT", "a\\b", "a\\b", YES),
    (SINGLE, "LT", " a", "a", NO),
    (SINGLE, "LT", "a ", "a", YES),
    (SINGLE, "SH", "ü", "ü", YES),
    (SINGLE, "SH", "u", "ü", NO),
    (SINGLE, "ST", "a", "a ", YES),
    (SINGLE, "UC", "a", "a", YES),
    (SINGLE, "UC", " a", "a", NO),
    (SINGLE, "UR", "http://a/b", "http://a/b", YES),
    (SINGLE, "UR", "http://a/b", "http://a/B", NO),
    (SINGLE, "UT", "a\\b", "a\\b", YES),
    (SINGLE, "UI", "1.2", "1.2", YES),
    (SINGLE, "UI", "1.2", "1.2.3", NO),
    (SINGLE, "SH", "a.c", "abc", NO),
    (SINGLE, "SH", "a", "", NO),
    # Numbers.
    (NUMBERS, "IS", "7", "7", YES),
    (NUMBERS, "IS", "+7", "007", YES),
    (NUMBERS, "IS", "7", "70", NO),
    (NUMBERS, "DS", "70", "70.0", YES),
    (NUMBERS, "DS", "7e1", "70", YES),
    (NUMBERS, "DS", ".5", "0.5", YES),
    (NUMBERS, "DS", "70", "70.1", NO),
    (NUMBERS, "DS", "-1", "1", NO),
    (SINGLE, "US", 5, 5, YES),
    (SINGLE, "US", 5, 6, NO),
    (SINGLE, "US", 0, 0, YES),
    (SINGLE, "SS", -5, -5, YES),
    (SINGLE, "SL", -5, -5, YES),
    (SINGLE, "SL", -5, 5, NO),
    (SINGLE, "SV", -(2**40), -(2**40), YES),
    (SINGLE, "UV", 2**40, 2**40, YES),
    (SINGLE, "UL", [1, 2], [2, 3], YES),
    (SINGLE, "UL", [1, 2], [3, 4], NO),
    (SINGLE, "FD", 0.1, 0.1, YES),
    (SINGLE, "FD", 0.1, 0.2, NO),
    (SINGLE, "FL", 0.1, 0.1, YES),
    (SINGLE, "FL", 0.1, 0.2, NO),
    (SINGLE, "AT", 0x00181063, 0x00181063, YES),
    (SINGLE, "AT", 0x00181063, 0x00181065, NO),
    (SINGLE, "OB", b"\1\2", b"\1\2", YES),
    (SINGLE, "OB", b"\1\2", b"\1\3", NO),
    # Lists of UIDs, and several values of other VRs.
    (UIDS, "UI", ["1.2", "1.3"], "1.3", YES),
    (UIDS, "UI", ["1.2", "1.3"], "1.4", NO),
    (UIDS, "UI", ["1.2", "", "1.3"], "1.2", YES),
    (UIDS, "UI", ["", ""], "1.4", YES),
    (UIDS, "UI", "1.2*", "1.2.3", NO),
    (UIDS, "CS", ["CT", "MR"], "MR", YES),
    (UIDS, "CS", ["CT", "MR"], "US", NO),
    (UIDS, "CS", ["CT", "*"], "US", YES),
    (UIDS, "CS", ["CT", ""], "MR", NO),
    (SEVERAL, "CS", "MR", ["CT", "MR"], YES),
    (SEVERAL, "CS", "US", ["CT", "MR"], NO),
    (SEVERAL, "PN", "doe^j*", ["Roe^R", "Doe^Jane"], YES),
    (SEVERAL, "UI", "1.2", ["1.1", "1.2"], YES),
    (SEVERAL, "CS", "?*", ["", "CT"], YES),
    # Universal, with or without a value in the entity.
    *[
        (UNIVERSAL, vr, key, entity, YES)
        for vr, key, entity in [
            ("AE", "", "A"),
            ("CS", "", ""),
            ("DA", "", ""),
            ("UI", "", ""),
            ("LO", "  ", "A"),
            ("US", None, 1),
            ("US", None, None),
            ("OB", b"", b"\1\2"),
            ("PN", "^^", "A"),
            ("PN", "=", ""),
            ("SH", "*", ""),
            ("SH", "***", "A"),
            ("PN", "*", ""),
            ("PN", "*^^^^", ""),
            ("PN", "*=*", "A"),
            ("DS", "", "1"),
        ]
    ],
    # Wild cards, of these VRs only.
    (WILD, "AE", "CT*", "CT1", YES),
    (WILD, "CS", "C?", "CT", YES),
    (WILD, "CS", "C?", "C", NO),
    (WILD, "CS", "c?", "CT", NO),
    (WILD, "LO", "*b*", "abc", YES),
    (WILD, "LO", "*b*", "ac", NO),
    (WILD, "LO", "a*c*e", "abcde", YES),
    (WILD, "LO", "a*c*e", "abcd", NO),
    (WILD, "LO", "a*a", "a", NO),
    (WILD, "LO", "ab*ab*ab", "abab", NO),
    (WILD, "LO", "a**c", "abc", YES),
    (WILD, "LO", "a*", "a", YES),
    (WILD, "LO", "???", "ab", NO),
    (WILD, "LO", "?*?", "ab", YES),
    (WILD, "LO", "?*", "", NO),
    (WILD, "LO", "a.*", "abc", NO),
    (WILD, "LO", "[ab]*", "a", NO),
    (WILD, "LO", "(*", "(a", YES),
    (WILD, "LT", "a*\\d", "a1", NO),
    (WILD, "LT", "*line 2*", "line 1\r\nline 2\r\nline 3", YES),
    (WILD, "LT", "a?b", "a\nb", YES),
    (WILD, "SH", "ß?", "ßx", YES),
    (WILD, "ST", "*street*", "Main street 1", YES),
    (WILD, "UC", "a?c", "abc", YES),
    (WILD, "UR", "http://*/x", "http://host/x", YES),
    (WILD, "UT", "*z", "xyz", YES),
    (WILD, "AS", "03*", "030Y", NO),
    (WILD, "DA", "2024*", "20240101", NO),
    (WILD, "TM", "10*", "1030", NO),
    (WILD, "DT", "2024*", "20240101", NO),
    # Person names, without regard to case, and of what is empty at the end.
    (NAMES, "PN", "Doe^John", "DOE^JOHN", YES),
    (NAMES, "PN", "Doe^John", "Doe^John^^^", YES),
    (NAMES, "PN", "Doe^John^^^", "Doe^John", YES),
    (NAMES, "PN", "Doe", "Doe^John", NO),
    (NAMES, "PN", "Doe^John^M", "Doe^John", NO),
    (NAMES, "PN", "Doe^ John ", "Doe^John", YES),
    (NAMES, "PN", "Strauss^J", "Strauß^J", YES),
    (NAMES, "PN", "Mu\u0308ller", "M\u00fcller", YES),
    (NAMES, "PN", "Muller", "M\u00fcller", NO),
    (NAMES, "PN", "doe*", "Doe^John", YES),
    (NAMES, "PN", "DOE^*", "Doe", YES),
    (NAMES, "PN", "doe^?*", "Doe", NO),
    (NAMES, "PN", "doe^j*^*", "Doe^John", YES),
    (NAMES, "PN", "*john", "Doe^John^^^", YES),
    (NAMES, "PN", "*^john*", "Doe^John", YES),
    (NAMES, "PN", "d?e^j?hn", "Doe^John", YES),
    (NAMES, "PN", "doe*", "", NO),
    (NAMES, "PN", "Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA^TAROU=山田^太郎=やまだ^たろう", YES),
    (NAMES, "PN", "Yamada^Tarou", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    (NAMES, "PN", "山田*", "Yamada^Tarou=山田^太郎", YES),
    (NAMES, "PN", "=山田*", "Yamada^Tarou=山田^太郎", YES),
    (NAMES, "PN", "=山田*", "山田^太郎", NO),
    (NAMES, "PN", "==やまだ*", "Yamada^Tarou=山田^太郎=やまだ^たろう", YES),
    (NAMES, "PN", "Yamada*=鈴木*", "Yamada^Tarou=山田^太郎", NO),
    (NAMES, "PN", "Yamada*=*", "Yamada^Tarou", YES),
    (NAMES, "PN", "Yamada*=?*", "Yamada^Tarou", NO),
    (NAMES, "PN", "Yamada*田", "Yamada=山田", NO),
    (NAMES, "PN", "a=b=c=d", "a=b=c", NO),
    # Dates and times mean what they mean, however they are written.
    (DATES, "DA", "20240229", "20240229", YES),
    (DATES, "DA", "20240229", "20240301", NO),
    (DATES, "DA", "20240229", "2024.02.29", YES),
    (DATES, "DA", "00000000", "00000000", YES),
    (DATES, "DA", "20241301", "20241301", YES),
    (DATES, "DA", "today", "20240229", NO),
    (DATES, "DA", "20240229", "today", NO),
    (DATES, "TM", "2230", "223000", YES),
    (DATES, "TM", "223000", "2230", YES),
    (DATES, "TM", "223000", "22:30:00", YES),
    (DATES, "TM", "223000", "223000.5", YES),
    (DATES, "TM", "2230", "223059", YES),
    (DATES, "TM", "22", "223059", YES),
    (DATES, "TM", "223000.5", "223000.500000", YES),
    (DATES, "TM", "223000.5", "223000", NO),
    (DATES, "TM", "2230", "2231", NO),
    (DATES, "TM", "235960", "235960", YES),
    (DATES, "TM", "2460", "2460", YES),
    (DATES, "TM", "240000", "000000", NO),
    (DATES, "TM", "236000", "230000", NO),
    (DATES, "TM", "230061", "230101", NO),
    (DATES, "DT", "19980128103000.0000", "19980128103000", YES),
    (DATES, "DT", "19980128103000", "19980128073000-0300", YES),
    (DATES, "DT", "19980128073000-0300", "19980128103000", YES),
    (DATES, "DT", "19980128103000+0100", "19980128103000", NO),
    (DATES, "DT", "1998", "19980701", YES),
    (DATES, "DT", "1998", "19990101", NO),
    (DATES, "DT", "1996", "19961231235959", YES),
    (DATES, "DT", "199802", "19980228235959.999999", YES),
    (DATES, "DT", "199802", "19980301", NO),
    (DATES, "DT", "19980128", "1998012823", YES),
    (DATES, "DT", "1998012825", "19980129", NO),
    (DA_RANGE, "DA", "20240101-20240131", "20240101", YES),
    (DA_RANGE, "DA", "20240101-20240131", "20240131", YES),
    (DA_RANGE, "DA", "20240101-20240131", "20240201", NO),
    (DA_RANGE, "DA", "20240101-20240131", "20231231", NO),
    (DA_RANGE, "DA", "20240101 - 20240131", "2024.01.15", YES),
    (DA_RANGE, "DA", "-20240131", "19000101", YES),
    (DA_RANGE, "DA", "-20240131", "20240201", NO),
    (DA_RANGE, "DA", "20240101-", "20991231", YES),
    (DA_RANGE, "DA", "20240101-", "20231231", NO),
    (DA_RANGE, "DA", "20240101-", "", NO),
    (DA_RANGE, "DA", "20240131-20240101", "20240115", NO),
    (DA_RANGE, "DA", "-", "20240115", NO),
    (DA_RANGE, "DA", "--", "20240115", NO),
    (DA_RANGE, "DA", "20240101-tomorrow", "20240101", NO),
    (DA_RANGE, "DA", "20240101-" + " " * 80 + "20240131", "20240101", NO),
    (DA_RANGE, "DA", ["20240101-20240131", "20240301-"], "20240401", YES),
    (TM_RANGE, "TM", "1000-1800", "1800", YES),
    (TM_RANGE, "TM", "1000-1800", "095959.999999", NO),
    (TM_RANGE, "TM", "1000-180000", "180001", NO),
    (TM_RANGE, "TM", "-1800", "000000", YES),
    (TM_RANGE, "TM", "1800-", "235959", YES),
    (TM_RANGE, "TM", "1800-", "235960", YES),
    (TM_RANGE, "TM", "2200-0600", "2300", NO),
    (DT_RANGE, "DT", "2023-2024", "20240615", YES),
    (DT_RANGE, "DT", "2023-2024", "2025", NO),
    (DT_RANGE, "DT", "-2024", "20241231235959", YES),
    (DT_RANGE, "DT", "2024-", "20231231", NO),
    (DT_RANGE, "DT", "20240101-20240131", "20240131235959", YES),
    (DT_RANGE, "DT", "20240101100000+0100-20240101110000+0100", "20240101093000", YES),
    (DT_RANGE, "DT", "20240101100000+0100-20240101110000+0100", "20240101103000", NO),
    (DT_RANGE, "DT", "20240101100000-0500-20240101110000-0500", "20240101153000", YES),
    (DT_RANGE, "DT", "20240101100000-0500-", "20240101145900", NO),
    (DT_RANGE, "DT", "-20240101100000-0500", "20240101145900", YES),
    (DT_RANGE, "DT", "20240101100000-0500", "20240101150000", YES),
    (DT_RANGE, "DT", "20240101100000-0500", "20240101100000", NO),
]


@pytest.mark.parametrize("syntax", [None, IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize(
    ("vr", "key", "entity", "expected"),
    [pytest.param(*row[1:], id="-".join(map(str, row))[:90]) for row in TABLE],
)
def test_a_key_matches_a_value(
    vr: str, key: object, entity: object, expected: bool, syntax: str | None
) -> None:
    keyword = KEYWORDS[vr]
    assert dictionary_VR(keyword) == vr
    character_set = {"SpecificCharacterSet": "ISO_IR 192"}
    query, candidate = (
        dataset(**character_set, **{keyword: key}),
        dataset(**character_set, **{keyword: entity}),
    )
    if syntax:
        query, candidate = sent(query, syntax), sent(candidate, syntax)
    assert matches(query, candidate) is expected


@pytest.mark.parametrize("vr", sorted(KEYWORDS))
def test_what_the_entity_lacks_matches_universal_keys_only(vr: str) -> None:
    value = next(
        key for _, one, key, _, matching in TABLE if one == vr and matching and key not in ("", None)
    )
    assert not matches(dataset(**{KEYWORDS[vr]: value}), Dataset())
    assert matches(dataset(**{KEYWORDS[vr]: None}), Dataset())


CHARACTER_SET, SERIES_NUMBER, WEIGHT, PATIENT_ID = 0x00080005, 0x00200011, 0x00101030, 0x00100020
PATIENT_NAME, ROWS, STEP, STATION = 0x00100010, 0x00280010, 0x00400100, 0x00400001


@pytest.mark.parametrize(
    ("tag", "key", "entity", "expected"),
    [
        (SERIES_NUMBER, b"7*", b"70", NO),
        (SERIES_NUMBER, b"seven ", b"7 ", NO),
        (SERIES_NUMBER, b"seven ", b"seven ", YES),
        (SERIES_NUMBER, b"7 ", b"seven ", NO),
        (SERIES_NUMBER, b"7\0", b" 7", YES),
        (WEIGHT, b"nan ", b"nan ", YES),
        (WEIGHT, b"1e99999999", b"1e99999998", NO),
        (WEIGHT, b"1_0 ", b"10", NO),
        (0x0020000D, b"1.2.3\0", b"1.2.3 ", YES),
        (0x0020000D, b"1.2.3\\1.2.4\0", b"1.2.4 ", YES),
        (0x0020000D, b"1.02.3", b"1.2.3\0", NO),
        (0x00080060, b"\xe9t\xe9 ", b"\xe9t\xe9 ", YES),
        (PATIENT_ID, b"\0\0\0\0", b"A1", YES),
        (PATIENT_ID, b"\\\\", b"A1", YES),
        (ROWS, b"\2\0", b"\2\0", YES),
        (ROWS, b"", b"\2\0", YES),
        (ROWS, b"\2\0", b"\2\0\3", NO),
        (0x00280106, b"\2\0", b"\2\0", YES),
        (0x00280106, b"\2\0", b"\3\0", NO),
        (0x00080A0A, b"ab", b"ab", YES),
        (0x00080A0A, b"a*", b"ab", YES),
        (0x00080A0A, b"\1*", b"\1b", NO),
        (0x00000002, b"1.2\0", b"", YES),
        (0x00080000, b"\4\0\0\0", b"", YES),
        (CHARACTER_SET, b"ISO_IR 101", b"ISO_IR 100", YES),
    ],
    ids=str,
)
def test_values_that_are_odd(tag: int, key: bytes, entity: bytes, expected: bool) -> None:
    assert matches(raw((tag, key)), raw((tag, entity))) is expected


# --- what is in memory --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "entity"),
    [
        ({"StudyDate": "20240101-20240131"}, {"StudyDate": date(2024, 1, 15)}),
        ({"StudyDate": "20240101-20240131"}, {"StudyDate": DA("20240115")}),
        ({"StudyTime": "1000-1100"}, {"StudyTime": clock(10, 30)}),
        ({"StudyTime": "103000.000001"}, {"StudyTime": clock(10, 30, 0, 1)}),
        ({"StudyTime": "1000-1100"}, {"StudyTime": TM("103000")}),
        ({"AcquisitionDateTime": "202401"}, {"AcquisitionDateTime": datetime(2024, 1, 15, 10)}),
        ({"AcquisitionDateTime": "2024011510"}, {"AcquisitionDateTime": DT("20240115090000-0100")}),
        (
            {"AcquisitionDateTime": "2024011510"},
            {"AcquisitionDateTime": datetime(2024, 1, 15, 12, tzinfo=timezone(timedelta(hours=2)))},
        ),
        ({"PatientWeight": "70"}, {"PatientWeight": 70.0}),
        ({"PatientWeight": "70"}, {"PatientWeight": Decimal("70.00")}),
        ({"SeriesNumber": "7"}, {"SeriesNumber": 7}),
        ({"PatientName": "doe*"}, {"PatientName": PersonName("Doe^John")}),
        ({"PatientName": "doe*"}, {"OtherPatientNames": "x", "PatientName": PersonName(b"Doe^John")}),
        ({"OtherPatientIDs": "b"}, {"OtherPatientIDs": [None, "b"]}),
    ],
    ids=str,
)
def test_values_that_an_application_set(key: dict[str, object], entity: dict[str, object]) -> None:
    assert matches(dataset(**key), dataset(**entity))


def test_a_key_that_its_vr_cannot_hold_matches_nothing() -> None:
    key = Dataset()
    key[0x00186024] = DataElement(0x00186024, "UL", "text", validation_mode=IGNORE)
    assert not matches(key, dataset())
    key = dataset(RecommendedDisplayFrameRateInFloat=1e300)
    assert not matches(key, dataset(RecommendedDisplayFrameRateInFloat=1.0))


# --- sequences (C.2.2.2.6) ----------------------------------------------------------------------


def step(**values: object) -> Dataset:
    return dataset(**values)


EVEN_NOTHING = "matches an entity without the sequence"
STEPS = [
    step(Modality="CT", ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate="20240115"),
    step(Modality="MR", ScheduledStationAETitle="MR1", ScheduledProcedureStepStartDate="20240116"),
]


@pytest.mark.parametrize("syntax", [None, IMPLICIT, EXPLICIT])
@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], EVEN_NOTHING),
        ([{}], EVEN_NOTHING),
        ([{"Modality": ""}], EVEN_NOTHING),
        ([{"Modality": "*"}], EVEN_NOTHING),
        ([{"Modality": "MR"}], YES),
        ([{"Modality": "US"}], NO),
        ([{"Modality": "MR", "ScheduledStationAETitle": "CT1"}], NO),
        ([{"Modality": "MR", "ScheduledProcedureStepStartDate": "20240116-"}], YES),
        ([{"Modality": "US"}, {"Modality": "CT"}], YES),
        ([{"Modality": "US"}, {"Modality": ""}], EVEN_NOTHING),
        ([{"ScheduledProtocolCodeSequence": [dataset(CodeValue="1")]}], NO),
        ([{"ScheduledProtocolCodeSequence": [dataset(CodeValue="")]}], EVEN_NOTHING),
    ],
    ids=str,
)
def test_one_item_has_to_match_all_keys_of_the_item(
    items: list[dict[str, object]], expected: object, syntax: str | None
) -> None:
    key = dataset(ScheduledProcedureStepSequence=[dataset(**item) for item in items])
    entity = dataset(ScheduledProcedureStepSequence=STEPS)
    if syntax:
        key, entity = sent(key, syntax), sent(entity, syntax)
    assert matches(key, entity) is (expected is not NO)
    assert matches(key, Dataset()) is (expected == EVEN_NOTHING)


def test_sequences_within_sequences() -> None:
    def coded(value: str) -> Dataset:
        codes = [dataset(CodeValue=value, CodingSchemeDesignator="L", CodeMeaning="m")]
        return dataset(ScheduledProcedureStepSequence=[step(ScheduledProtocolCodeSequence=codes)])

    key = dataset(
        ScheduledProcedureStepSequence=[step(ScheduledProtocolCodeSequence=[dataset(CodeValue="A*")])]
    )
    assert matches(key, sent(coded("A1")))
    assert not matches(key, sent(coded("B1")))
    assert [answer.CodeValue for answer in protocol_codes(response_identifier(key, coded("A1")))] == ["A1"]
    assert "CodeMeaning" not in protocol_codes(response_identifier(key, coded("A1")))[0]


def protocol_codes(answer: Dataset) -> list[Dataset]:
    return list(answer.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence)


def test_a_sequence_and_an_element_that_is_none() -> None:
    key = dataset(ScheduledProcedureStepSequence=[step(Modality="CT")])
    odd = Dataset()
    odd[STEP] = DataElement(STEP, "LO", "CT")
    assert not matches(key, odd)
    odd[STEP] = DataElement(STEP, "US", 5)
    assert not matches(key, odd)
    assert list(response_identifier(key, odd).ScheduledProcedureStepSequence) == []


# --- options ------------------------------------------------------------------------------------


def ranges(day: object, hour: object) -> Dataset:
    return dataset(StudyDate=day, StudyTime=hour)


@pytest.mark.parametrize(
    ("day", "hour", "moment", "apart", "combined"),
    [
        ("20060705-20060707", "1000-1800", ("20060706", "0300"), NO, YES),
        ("20060705-20060707", "1000-1800", ("20060705", "0959"), NO, NO),
        ("20060705-20060707", "1000-1800", ("2006.07.07", "18:00:00"), YES, YES),
        ("20060705-20060707", "1000-1800", ("20060707", "1801"), NO, NO),
        ("20060705-", "1000-", ("20060706", "0900"), NO, YES),
        ("20060705-", "1000-", ("20060705", "0900"), NO, NO),
        ("-20060705", "-1000", ("20060704", "2300"), NO, YES),
        ("-20060705", "-1000", ("20060705", "1001"), NO, NO),
        ("20060705-20060707", "1000-", ("20060706", "0900"), NO, NO),
        ("20060705", "1000-1800", ("20060705", "1100"), YES, YES),
        ("20060705-20060707", "", ("20060706", "0300"), YES, YES),
        ("20060705-20060707", "1000-1800", ("20060706", ""), NO, NO),
        ("20060705-20060707", "1000-1800", ("20060706", "noon"), NO, NO),
        (["20060705-", "20060701"], "1000-1800", ("20060706", "1100"), YES, YES),
    ],
)
def test_a_date_and_a_time_as_one(
    day: object, hour: object, moment: tuple[str, str], apart: bool, combined: bool
) -> None:
    """C.2.2.2.5.4."""
    for query, entity in [
        (ranges(day, hour), ranges(*moment)),
        (
            dataset(ReferencedStudySequence=[ranges(day, hour)]),
            dataset(ReferencedStudySequence=[ranges(*moment)]),
        ),
    ]:
        assert matches(query, entity) is apart
        assert matches(query, entity, combined_datetime=True) is combined


def test_only_a_date_and_its_time_are_one() -> None:
    query = dataset(StudyDate="20060705-20060707", SeriesTime="1000-1800", PatientID="*")
    entity = dataset(StudyDate="20060706", SeriesTime="0300")
    assert not matches(query, entity, combined_datetime=True)
    entity.SeriesTime = "1100"
    assert matches(query, entity, combined_datetime=True)


def test_the_worklist_of_a_night_shift() -> None:
    day, hour = "20240115-20240116", "2200-0600"
    query = dataset(
        ScheduledProcedureStepSequence=[
            step(ScheduledProcedureStepStartDate=day, ScheduledProcedureStepStartTime=hour)
        ]
    )
    entity = dataset(
        ScheduledProcedureStepSequence=[
            step(ScheduledProcedureStepStartDate="20240116", ScheduledProcedureStepStartTime="013000")
        ]
    )
    assert not matches(query, entity)
    assert matches(query, entity, combined_datetime=True)
    answer = response_identifier(query, entity, combined_datetime=True)
    assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime == "013000"


@pytest.mark.parametrize(
    ("zone", "query_zone", "entity_zone", "expected"),
    [
        (None, None, None, YES),
        ("+0900", None, None, YES),
        (None, "+0100", None, NO),
        (None, "+0100", "+0100", YES),
        ("+0100", "+0100", None, YES),
        ("+0100", None, "+0100", YES),
        ("+0100", None, "+0000", NO),
        (None, None, "-0500", NO),
        (None, None, "nonsense", YES),
    ],
)
def test_datetimes_in_the_time_zone_of_their_data_set(
    zone: str | None, query_zone: str | None, entity_zone: str | None, expected: bool
) -> None:
    query = dataset(AcquisitionDateTime="20240115100000", TimezoneOffsetFromUTC=query_zone)
    entity = dataset(AcquisitionDateTime="20240115100000", TimezoneOffsetFromUTC=entity_zone)
    assert matches(query, entity, timezone=zone) is expected
    pair = dataset(StudyDate="20240115-20240115", StudyTime="1000-1000", TimezoneOffsetFromUTC=query_zone)
    study = dataset(StudyDate="20240115", StudyTime="1000", TimezoneOffsetFromUTC=entity_zone)
    assert matches(pair, study, timezone=zone, combined_datetime=True) is expected
    assert matches(pair, study, timezone=zone)  # a date or a time alone is in no zone


@pytest.mark.parametrize(
    ("keyword", "key", "entity", "any_of", "all_of"),
    [
        ("ModalitiesInStudy", ["CT", "PT"], ["CT", "PT", "SR"], YES, YES),
        ("ModalitiesInStudy", ["PT", "CT"], ["CT"], YES, NO),
        ("ModalitiesInStudy", ["CT", "*"], ["CT"], YES, YES),
        ("ModalitiesInStudy", ["PT", "*"], ["CT"], YES, NO),
        ("ModalitiesInStudy", ["*", "*"], [], YES, YES),
        ("FrameIncrementPointer", [0x00181063, 0x00181065], [0x00181063], YES, NO),
        ("FrameIncrementPointer", [0x00181063, 0x00181065], [0x00181065, 0x00181063], YES, YES),
        ("SimpleFrameList", [1, 2], [1], YES, YES),
        ("SOPClassesInStudy", ["1.2", "1.3"], ["1.2"], YES, YES),
        ("OtherPatientNames", ["a", "b"], ["B", "A"], YES, YES),
    ],
)
def test_several_values_in_a_key(
    keyword: str, key: list[Any], entity: list[Any], any_of: bool, all_of: bool
) -> None:
    """C.2.2.2.8: all of them, if negotiated, but not of UIDs."""
    query, candidate = dataset(**{keyword: key}), dataset(**{keyword: entity})
    assert matches(query, candidate) is any_of
    assert matches(query, candidate, multiple_values=True) is all_of


@pytest.mark.parametrize(
    "keyword", ["PatientID", "PatientName", "StudyDate", "StudyInstanceUID", "PatientComments"]
)
def test_the_key_for_an_empty_value(keyword: str) -> None:
    """C.2.2.2.7."""
    query = dataset(**{keyword: '""'})
    for empty in (Dataset(), dataset(**{keyword: ""})):
        assert matches(query, empty, empty_values=True)
        assert not matches(query, empty)
    assert not matches(query, dataset(**{keyword: "20240101"}), empty_values=True)


# --- private elements ---------------------------------------------------------------------------


def private(creator: str, block: int, value: object, vr: str = "LO", group: int = 0x0009) -> Dataset:
    made = Dataset()
    made.add(DataElement((group, block), "LO", creator))
    made.add(DataElement((group, block << 8 | 0x01), vr, value))
    return made


@pytest.mark.parametrize("syntax", [None, IMPLICIT, EXPLICIT])
def test_private_elements_are_found_by_their_creator(syntax: str | None) -> None:
    query = private("ACME", 0x10, "A*")
    entity = private("OTHER", 0x10, "B1")
    entity.update(private("ACME", 0x11, "A1"))
    if syntax:
        query = sent(query, syntax)
    assert matches(query, entity)
    assert matches(query, sent(entity, EXPLICIT))
    assert not matches(query, private("ACME", 0x10, "B1"))
    assert not matches(query, private("ACME", 0x10, "A1", group=0x000B))
    assert not matches(query, private("OTHER", 0x10, "A1"))
    answer = response_identifier(query, entity)
    assert [(element.tag, element.value) for element in answer] == [(0x00090010, "ACME"), (0x00091001, "A1")]
    answer = response_identifier(query, Dataset())
    assert answer[0x00090010].value == "ACME"
    assert not answer[0x00091001].value


def test_several_private_keys() -> None:
    query, entity = private("ACME", 0x10, "A1"), private("ACME", 0x11, "A1")
    query.add(DataElement(0x00091002, "LO", "B?"))
    entity.add(DataElement(0x00091102, "LO", "B1"))
    assert matches(query, entity)
    assert [element.value for element in response_identifier(query, entity)] == ["ACME", "A1", "B1"]
    entity[0x00091102].value = "C1"
    assert not matches(query, entity)


def test_a_private_dictionary_is_asked_for_the_vr() -> None:
    query = raw((0x00090010, b"GEMS_IDEN_01"), (0x00091002, b"CT*\0"))
    assert matches(query, gems("CT01"))
    assert not matches(query, gems("MR01"))


def gems(suite: str) -> Dataset:
    made = Dataset()
    made.add(DataElement((0x0009, 0x0020), "LO", "GEMS_IDEN_01"))
    made.add(DataElement((0x0009, 0x2002), "SH", suite))
    return made


def test_private_elements_that_nobody_owns_are_no_keys() -> None:
    stray = Dataset()
    stray.add(DataElement(0x00091001, "LO", "A1"))
    stray.add(DataElement(0x00090001, "LO", "A1"))
    assert matches(stray, Dataset())
    assert len(response_identifier(stray, private("ACME", 0x10, "A1"))) == 0


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("A*b?d*E", "AxxbcdxxE", True),
        ("A*b?d*E", "AbdE", False),  # too short for the stretch in the middle
        ("A*b?d*E", "Axxbccdxx_E", False),
        ("A*E", "AE", True),
        ("AE*E", "AE", False),
        ("A*bd*E", "AxbxdxE", False),
        ("?*?", "A", False),
        ("?*?", "AB", True),
        ("A.*", "AB", False),
        ("A?", "A", False),
    ],
)
def test_wild_cards_between_and_beside_each_other(key: str, value: str, expected: bool) -> None:
    query, entity = Query(dataset(PatientComments=key)), dataset(PatientComments=value)
    assert query.matches(entity) is expected
    assert query.matches(entity) is expected


@pytest.mark.parametrize("key_syntax", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize("syntax", [None, IMPLICIT, EXPLICIT])
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("SCAN*", "SCANNER 1", True),
        ("SCAN*", "OTHER", False),
        ("A", ["A", "B"], True),
        ("B?", ["A", "BC"], True),
        ("*", "", True),
        ("M\xfc*", "Müller", True),
    ],
)
def test_private_keys_may_have_wild_cards(
    key: str, value: object, expected: bool, syntax: str | None, key_syntax: str
) -> None:
    """In Implicit VR nothing tells the VR of a private element."""

    def private(value: object) -> Dataset:
        made = dataset(SpecificCharacterSet="ISO_IR 192")
        made.private_block(0x0009, "ACME", create=True).add_new(1, "LO", value)
        return made

    entity = private(value) if syntax is None else sent(private(value), syntax)
    identifier = sent(private(key), key_syntax)
    assert matches(identifier, entity) is expected
    if expected and value:
        answer = sent(response_identifier(identifier, entity), EXPLICIT).get_item(0x00091001).value
        assert answer.rstrip() == ("\\".join(value) if isinstance(value, list) else str(value)).encode()


def with_private(vr: str, value: object, *, depth: int = 0) -> Dataset:
    """A data set with a private element of a creator that no dictionary knows, or that within sequences."""
    made = Dataset()
    made.private_block(0x0009, "ACME", create=True)
    made[0x00091001] = DataElement(0x00091001, vr, value, validation_mode=IGNORE)
    if depth:
        return with_private("SQ", [made], depth=depth - 1)
    made.SpecificCharacterSet = "ISO_IR 192"
    return made


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize(
    ("vr", "key", "entity", "expected"),
    [pytest.param(*row[1:], id="-".join(map(str, row))[:90]) for row in TABLE],
)
def test_a_private_key_matches_where_one_side_tells_its_vr(
    vr: str, key: object, entity: object, expected: bool, depth: int
) -> None:
    query, candidate = with_private(vr, key, depth=depth), with_private(vr, entity, depth=depth)
    for one, other in [(IMPLICIT, EXPLICIT), (EXPLICIT, IMPLICIT), (IMPLICIT, BIG)][: 2 if depth else 3]:
        asked, found = sent(query, one), sent(candidate, other)
        assert matches(asked, found) is expected, (one, other)
        if expected:
            answer = response_identifier(asked, found)
            told = sent(answer, EXPLICIT)[0x00091001]
            whole = sent(response_identifier(sent(query, EXPLICIT), found), EXPLICIT)[0x00091001]
            assert told == whole


@pytest.mark.parametrize(
    ("vr", "key", "entity", "expected"),
    [
        ("US", 0x2A2A, 0x2A2A, True),  # in Implicit VR the text "**"
        ("US", 0x2A2A, 0x2A2B, False),
        ("US", 0x2A2A, None, False),
        ("SQ", [], [dataset(PatientID="1")], True),
        ("SQ", [Dataset()], [], True),
        ("SQ", [dataset(PatientID="")], [], True),
        ("SQ", [dataset(PatientID="*")], [dataset(PatientID="1")], True),
        ("SQ", [dataset(PatientID="A?")], [dataset(PatientID="B1"), dataset(PatientID="A1")], True),
        ("SQ", [dataset(PatientID="A?")], [dataset(PatientID="B1")], False),
        ("SQ", [dataset(PatientID="A?"), dataset(PatientID="B?")], [dataset(PatientID="B1")], True),
        ("SQ", [dataset(PatientID="A?")], [], False),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_private_numbers_and_sequences(
    vr: str, key: object, entity: object, expected: bool, depth: int
) -> None:
    test_a_private_key_matches_where_one_side_tells_its_vr(vr, key, entity, expected, depth)
    query, candidate = with_private(vr, key, depth=depth), with_private(vr, entity, depth=depth)
    if vr == "SQ":
        assert matches(sent(query, IMPLICIT), sent(candidate, IMPLICIT)) is expected


def test_an_entity_without_the_element_matches_what_is_universal_in_any_vr() -> None:
    empty = sent(Dataset(), EXPLICIT)
    for vr, key in [("LO", "*"), ("DA", "*"), ("UI", ""), ("SQ", []), ("SQ", [dataset(PatientID="*")])]:
        assert matches(sent(with_private(vr, key), IMPLICIT), empty), (vr, key)
        assert matches(sent(with_private(vr, key), EXPLICIT), empty), (vr, key)
    assert not matches(sent(with_private("SQ", [dataset(PatientID="1")]), IMPLICIT), empty)


@pytest.mark.parametrize(
    ("key", "vr", "entity"),
    [
        (b"\1\0\2", "US", 1),
        (b"A*", "SQ", [dataset(PatientID="A")]),
        (b"\xfe\xff\x00\xe0\x10\0\0\0", "SQ", [dataset(PatientID="A")]),
        (b"\xfe\xff\x00\xe0\x10\0\0\0", "LO", "A"),
        (b"\1\0\2\0", "FD", 1.5),
        (b"\1\0\2", "AT", 0x00100010),
        (b"A*", "FL", 1.5),
        (b"\xff\xff", "LO", "A"),
        (b"\x08\0\0\0" * 4, "PN", "A"),
    ],
)
def test_what_is_no_value_of_the_vr_that_the_entity_has_matches_nothing(
    key: bytes, vr: str, entity: object
) -> None:
    query = Query(raw((0x00090010, b"ACME"), (0x00091001, key)))
    for _ in range(2):
        assert not query.matches(with_private(vr, entity))
        assert not query.matches(sent(with_private(vr, entity), IMPLICIT))
    assert 0x00091001 in query.response(with_private(vr, entity))


@pytest.mark.parametrize("value", [b"\1\0", b"\1\0\2\0\3"])
def test_a_tag_that_is_cut_asks_for_no_other(value: bytes) -> None:
    with pytest.raises(DataSetError, match=r"\(0028,0009\) cannot be read"):
        Query(raw((0x00280009, value)))
    assert not matches(dataset(FrameIncrementPointer=0x00020001), raw((0x00280009, value)))


def test_a_vr_that_is_one_of_two_is_told_by_the_entity() -> None:
    tag = 0x00280106  # US or SS
    key, other = raw((tag, b"\5\0")), raw((tag, b"\6\0"))
    for vr in ("US", "SS"):
        entity = Dataset()
        entity.add(DataElement(tag, vr, 5))
        assert matches(key, entity)
        assert matches(entity, key)
        assert not matches(other, entity)
        assert not matches(entity, other)


def test_a_private_key_that_is_no_text_is_compared_as_it_is() -> None:
    creator = (0x00090010, b"ACME")
    assert matches(raw(creator, (0x00091001, b"\1\0*")), raw(creator, (0x00091001, b"\1\0*")))
    assert not matches(raw(creator, (0x00091001, b"\1\0*")), raw(creator, (0x00091001, b"\1\0A")))
