"""Identifiers made from keywords and Python values."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

from dicomproto.datasets import encode_data_set
from dicomproto.errors import DataSetError
from dicomproto.matching import WORKLIST_RETURN_KEYS, make_identifier, matches, worklist_query
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN
from tests.identifiers import RIGHT_KEYS, WRONG_KEYS, dataset, sent

NOT_IN_LATIN_1 = (
    "element (0010,0010): not all text can be encoded in the SpecificCharacterSet 'ISO_IR 100'; "
    "it may be ISO_IR 192, which is UTF-8 and has all"
)
NO_NUMBER = "a value of VR IS is a whole number from -2147483648 to 2147483647"
NO_DATE = "a date is YYYYMMDD, a range of them YYYYMMDD-YYYYMMDD, YYYYMMDD- or -YYYYMMDD"
PARIS = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientName", None, ""),
        ("PatientName", "", ""),
        ("PatientName", "DOE^J*", "DOE^J*"),
        ("PatientName", PersonName("Doe^John"), "Doe^John"),
        ("ModalitiesInStudy", "C*", "C*"),
        ("ModalitiesInStudy", ["CT", "MR"], ["CT", "MR"]),
        ("ModalitiesInStudy", ("CT", "MR"), ["CT", "MR"]),
        ("ModalitiesInStudy", "CT\\MR", ["CT", "MR"]),
        ("StudyInstanceUID", ["1.2", "1.3"], ["1.2", "1.3"]),
        ("StudyInstanceUID", [], ""),
        ("StudyInstanceUID", [None], ""),
        ("Rows", 512, 512),
        ("Rows", None, None),
        ("PatientWeight", 70.5, 70.5),
        ("SeriesNumber", "7", 7),
        ("StudyDate", "20240101-", "20240101-"),
        ("StudyDate", date(2024, 1, 2), "20240102"),
        ("StudyDate", date(24, 1, 2), "00240102"),
        ("StudyDate", datetime(2024, 1, 2, 3), "20240102"),
        ("StudyDate", (date(2024, 1, 2), date(2024, 2, 1)), "20240102-20240201"),
        ("StudyDate", (date(2024, 1, 2), None), "20240102-"),
        ("StudyDate", (None, date(2024, 1, 2)), "-20240102"),
        ("StudyDate", ("20240102", date(2024, 2, 1)), "20240102-20240201"),
        ("StudyDate", (None, None), ""),
        ("StudyTime", time(10, 30), "103000"),
        ("StudyTime", time(10, 30, 0, 50), "103000.000050"),
        ("StudyTime", datetime(2024, 1, 2, 10, 30, tzinfo=PARIS), "103000"),
        ("StudyTime", (time(10), time(18)), "100000-180000"),
        ("AcquisitionDateTime", date(2024, 1, 2), "20240102"),
        ("AcquisitionDateTime", datetime(2024, 1, 2, 10, 30), "20240102103000"),
        ("AcquisitionDateTime", datetime(2024, 1, 2, 0, 30, tzinfo=PARIS), "20240101233000+0000"),
        (
            "AcquisitionDateTime",
            (datetime(2024, 1, 2, 10, tzinfo=PARIS), None),
            "20240102090000+0000-",
        ),
    ],
)
def test_a_key_from_a_value(keyword: str, value: object, expected: object) -> None:
    made = make_identifier(**{keyword: value})
    assert made[keyword].value == expected
    assert "SpecificCharacterSet" not in made
    encode_data_set(made, IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ([], []),
        ({}, [Dataset()]),
        ({"Modality": "CT"}, [dataset(Modality="CT")]),
        ([{"Modality": "CT"}], [dataset(Modality="CT")]),
        (dataset(Modality="CT"), [dataset(Modality="CT")]),
        (Sequence([dataset(Modality="CT")]), [dataset(Modality="CT")]),
    ],
)
def test_the_items_of_a_sequence(value: object, expected: list[Dataset]) -> None:
    made = make_identifier(ScheduledProcedureStepSequence=value)
    assert list(made.ScheduledProcedureStepSequence) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientName": "Doe"}, None),
        ({"PatientName": "Doe", "SpecificCharacterSet": "ISO_IR 100"}, "ISO_IR 100"),
        ({"PatientName": "Müller"}, "ISO_IR 192"),
        ({"PatientName": "Müller", "SpecificCharacterSet": "ISO_IR 100"}, "ISO_IR 100"),
        ({"ScheduledProcedureStepSequence": {"ScheduledProcedureStepDescription": "Schädel"}}, "ISO_IR 192"),
        ({"OtherPatientIDs": ["a", "é"]}, "ISO_IR 192"),
        (
            {"PatientName": "Yamada=山田", "SpecificCharacterSet": ["", "ISO 2022 IR 87"]},
            ["", "ISO 2022 IR 87"],
        ),
    ],
)
def test_the_character_set_holds_the_keys(keys: dict[str, object], expected: object) -> None:
    made = make_identifier(**keys)
    assert made.get("SpecificCharacterSet") == expected
    assert matches(sent(made), made)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"PatientsName": "Doe"}, "'PatientsName' is not a keyword of the data dictionary"),
        (
            {"ScheduledProcedureStepSequence": {"Station": ""}},
            "'Station' is not a keyword of the data dictionary",
        ),
        ({"SeriesNumber": object()}, "SeriesNumber cannot have this value: TypeError"),
        ({"SeriesNumber": "seven"}, f"SeriesNumber cannot have this value: {NO_NUMBER}"),
        ({"StudyDate": "2024-01-15"}, f"StudyDate cannot have this value: {NO_DATE}"),
        (
            {"PatientName": "Иванов", "SpecificCharacterSet": "ISO_IR 100"},
            NOT_IN_LATIN_1,
        ),
    ],
)
def test_keys_that_cannot_be(keys: dict[str, object], reason: str) -> None:
    with pytest.raises(DataSetError) as caught:
        make_identifier(**keys)
    assert str(caught.value) == reason
    assert caught.value.__context__ is None or caught.value.__suppress_context__  # it names the value


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_value_that_is_none_of_its_vr_is_refused(key: str) -> None:
    keyword, _, value = key.partition("=")
    for given in (value, [None, value]):
        with pytest.raises(DataSetError, match=f"^{keyword} cannot have this value: a") as caught:
            make_identifier(**{keyword: given})
        assert "hello" not in str(caught.value)


@pytest.mark.parametrize("key", RIGHT_KEYS)
def test_a_value_range_or_pattern_of_its_vr_is_taken(key: str) -> None:
    keyword, _, value = key.partition("=")
    made = make_identifier(**{keyword: value})
    assert value.strip().encode() in encode_data_set(made, IMPLICIT_VR_LITTLE_ENDIAN)


def test_the_sequence_of_a_worklist_is_not_given_whole() -> None:
    with pytest.raises(DataSetError, match="by their own keywords"):
        worklist_query(ScheduledProcedureStepSequence={"Modality": "CT"})


def test_a_query_for_a_worklist() -> None:
    made = worklist_query(
        PatientName="doe*",
        Modality="CT",
        ScheduledProcedureStepStartDate=(date(2024, 1, 15), date(2024, 1, 16)),
        StudyDate=None,
    )
    (step,) = made.ScheduledProcedureStepSequence
    assert (made.PatientName, made.AccessionNumber, made.StudyDate) == ("doe*", "", "")
    assert (step.Modality, step.ScheduledProcedureStepStartDate) == ("CT", "20240115-20240116")
    keywords = {element.keyword for element in (*made, *step)}
    assert keywords == {*WORKLIST_RETURN_KEYS, "StudyDate", "ScheduledProcedureStepSequence"}

    item = dataset(Modality="CT", ScheduledProcedureStepStartDate="20240116")
    assert matches(sent(made), dataset(PatientName="Doe^John", ScheduledProcedureStepSequence=[item]))
    item.Modality = "MR"
    assert not matches(sent(made), dataset(PatientName="Doe^John", ScheduledProcedureStepSequence=[item]))


def test_a_query_for_a_worklist_asks_for_what_is_wanted_only() -> None:
    made = worklist_query(return_keys=["PatientName"], ScheduledStationAETitle="CT1")
    assert made == dataset(
        PatientName="", ScheduledProcedureStepSequence=[dataset(ScheduledStationAETitle="CT1")]
    )
    assert worklist_query(return_keys=[]) == dataset(ScheduledProcedureStepSequence=[Dataset()])
