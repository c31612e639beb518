"""How a query is answered: with what was asked for, in a character set that holds it; hostile queries."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomproto.datasets import decode_data_set, encode_data_set, use_utf_8
from dicomproto.errors import DataSetError, DataSetTooLarge
from dicomproto.matching import Query, matches, response_identifier
from dicomproto.matching.rules import MAXIMUM_PATTERN, MAXIMUM_VALUES
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.identifiers import dataset, raw, sent

IMPLICIT, EXPLICIT = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
STEPS = "ScheduledProcedureStepSequence"


def shown(answer: Dataset) -> dict[str, Any]:
    return {element.keyword or str(element.tag): element.value for element in answer}


ENTITY = dataset(
    PatientName="Doe^John",
    PatientID="A1",
    OtherPatientIDs=["A1", "B1"],
    PatientWeight="70.5",
    SeriesNumber="7",
    Rows=512,
    StudyDate="20240115",
    StudyInstanceUID="1.2.3",
    FrameIncrementPointer=0x00181063,
    EncapsulatedDocument=b"\1\2",
    ScheduledProcedureStepSequence=[
        dataset(Modality="CT", ScheduledStationAETitle="CT1", ScheduledProcedureStepID="1"),
        dataset(Modality="MR", ScheduledStationAETitle="MR1", ScheduledProcedureStepID="2"),
    ],
)


@pytest.mark.parametrize("syntax", [None, IMPLICIT, EXPLICIT])
def test_an_answer_has_what_was_asked_for(syntax: str | None) -> None:
    entity = sent(ENTITY, syntax) if syntax else ENTITY
    wanted = ("PatientName", "OtherPatientIDs", "PatientWeight", "SeriesNumber", "Rows", "StudyDate")
    wanted = (*wanted, "StudyInstanceUID", "FrameIncrementPointer", "EncapsulatedDocument")
    query = dataset(**dict.fromkeys(wanted), PatientBirthDate="", PregnancyStatus=None, Modality="*")
    answer = shown(response_identifier(sent(query), entity))
    assert answer == {keyword: ENTITY[keyword].value for keyword in wanted} | {
        "PatientBirthDate": "",
        "PregnancyStatus": None,
        "Modality": "",
    }
    assert shown(response_identifier(sent(query), sent(entity)))


def test_an_answer_can_be_changed_without_changing_the_entity() -> None:
    answer = response_identifier(dataset(OtherPatientIDs="A1", ScheduledProcedureStepSequence=[]), ENTITY)
    answer.OtherPatientIDs.append("C1")
    answer.ScheduledProcedureStepSequence[0].Modality = "US"
    answer.ScheduledProcedureStepSequence.pop()
    assert ENTITY.OtherPatientIDs == ["A1", "B1"]
    assert [item.Modality for item in ENTITY.ScheduledProcedureStepSequence] == ["CT", "MR"]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], [("CT", "CT1", "1"), ("MR", "MR1", "2")]),
        ([{}], [("CT", "CT1", "1"), ("MR", "MR1", "2")]),
        ([{"Modality": ""}], [("CT", None, None), ("MR", None, None)]),
        ([{"Modality": "MR", "ScheduledProcedureStepID": ""}], [("MR", None, "2")]),
        ([{"Modality": "M*"}, {"ScheduledStationAETitle": "CT?"}], [(None, "CT1", None), ("MR", None, None)]),
        ([{"Modality": "US"}], []),
    ],
)
def test_of_a_sequence_the_items_that_match_are_answered(
    items: list[dict[str, str]], expected: list[tuple[str | None, ...]]
) -> None:
    """PS3.4 C.2.2.2.6."""
    query = dataset(ScheduledProcedureStepSequence=[dataset(**item) for item in items])
    for entity in (ENTITY, sent(ENTITY)):
        answer = response_identifier(query, entity)
        keywords = ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepID")
        assert [tuple(item.get(k) for k in keywords) for item in answer[STEPS].value] == expected


def test_whole_items_are_copied_with_all_that_is_in_them() -> None:
    inner = dataset(CodeValue="1", CodeMeaning="é", SpecificCharacterSet="ISO_IR 100", Rows=5)
    inner.add(DataElement(0x00090010, "LO", "ACME"))
    inner.add(DataElement(0x00091001, "UN", b" \0a"))
    inner.add(DataElement(0x00091101, "LO", "stray"))
    inner.add(DataElement(0x00080000, "UL", 4))
    entity = dataset(ScheduledProcedureStepSequence=[dataset(ScheduledProtocolCodeSequence=[inner])])
    answer = response_identifier(dataset(ScheduledProcedureStepSequence=[]), entity)
    copied = answer[STEPS].value[0].ScheduledProtocolCodeSequence[0]
    assert shown(copied) == {
        "CodeValue": "1",
        "CodeMeaning": "é",
        "Rows": 5,
        "(0009,0010)": "ACME",
        "(0009,1001)": b" \0a",
    }
    assert answer.SpecificCharacterSet == "ISO_IR 192"


def test_what_says_how_to_answer_is_no_key() -> None:
    """PS3.4 C.4.1.1.3."""
    query = dataset(
        QueryRetrieveLevel="STUDY",
        QueryRetrieveView="CLASSIC",
        SpecificCharacterSet="ISO_IR 101",
        TimezoneOffsetFromUTC="+0100",
        RetrieveAETitle="ELSEWHERE",
        InstanceAvailability="ONLINE",
        StorageMediaFileSetID="A",
        StorageMediaFileSetUID="1.2",
        PatientID="A1",
    )
    assert matches(query, ENTITY)
    assert shown(Query(query).response(ENTITY)) == {
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "",
        "InstanceAvailability": "",
        "PatientID": "A1",
        "StorageMediaFileSetID": "",
        "StorageMediaFileSetUID": "",
        "TimezoneOffsetFromUTC": "",
    }
    answer = Query(query, timezone="+0200").response(ENTITY, retrieve_ae_title="ARCHIVE")
    assert (answer.RetrieveAETitle, answer.TimezoneOffsetFromUTC) == ("ARCHIVE", "+0200")
    away = dataset(PatientID="A1", TimezoneOffsetFromUTC="-0500", RetrieveAETitle="HERE")
    answer = Query(query, timezone="+0200").response(away)
    assert (answer.RetrieveAETitle, answer.TimezoneOffsetFromUTC) == ("HERE", "-0500")
    assert not matches(dataset(ScheduledProcedureStepSequence=[dataset(RetrieveAETitle="X")]), ENTITY)
    inner = dataset(ScheduledProcedureStepSequence=[dataset(TimezoneOffsetFromUTC="+0100", Modality="CT")])
    assert matches(inner, ENTITY)
    assert "TimezoneOffsetFromUTC" not in response_identifier(dataset(PatientID=""), ENTITY)


# --- character sets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "entity_set", "query_set", "expected"),
    [
        ("Doe", None, None, None),
        ("Doe", None, "ISO_IR 100", None),
        ("Doe", "ISO_IR 100", "ISO_IR 192", "ISO_IR 100"),
        ("Müller", "ISO_IR 100", "ISO_IR 192", "ISO_IR 100"),
        ("Müller", None, "ISO_IR 100", "ISO_IR 100"),
        ("Müller", None, None, "ISO_IR 192"),
        ("Müller", "ISO_IR 6", "ISO_IR 144", "ISO_IR 192"),
        ("Müller", "ISO_IR 192", None, "ISO_IR 192"),
        ("Müller", "nonsense", "ISO_IR 109", "ISO_IR 109"),
        ("Иванов", "ISO_IR 100", "ISO_IR 144", "ISO_IR 144"),
        ("Иванов", "ISO_IR 100", "ISO_IR 100", "ISO_IR 192"),
        ("王", "GB18030", None, "GB18030"),
        ("Yamada=山田=やまだ", ["", "ISO 2022 IR 87"], None, ["", "ISO 2022 IR 87"]),
        ("Yamada=山田", ["ISO 2022 IR 6", "ISO 2022 IR 87"], None, ["ISO 2022 IR 6", "ISO 2022 IR 87"]),
        ("Yamada=山田=Müller", ["", "ISO 2022 IR 87"], None, "ISO_IR 192"),
        ("Yamada=山田", ["ISO_IR 192", "ISO 2022 IR 87"], None, "ISO_IR 192"),
        ("ﾔﾏﾀﾞ", "ISO_IR 13", None, "ISO_IR 13"),
        ("山田", "ISO_IR 13", None, "ISO_IR 192"),
    ],
)
def test_the_character_set_of_an_answer_holds_its_text(
    name: str, entity_set: object, query_set: object, expected: object
) -> None:
    query = dataset(PatientName="", **{"SpecificCharacterSet": query_set} if query_set else {})
    entity = dataset(PatientName=name, **{"SpecificCharacterSet": entity_set} if entity_set else {})
    answer = response_identifier(query, entity)
    assert answer.get("SpecificCharacterSet") == expected
    if expected:
        assert sent(answer).PatientName == name


@pytest.mark.parametrize(
    ("query_set", "entity_set", "name", "key"),
    [
        ("ISO_IR 192", "ISO_IR 100", "Müller^Hans", "müller*"),
        ("ISO_IR 100", "ISO_IR 192", "Müller^Hans", "MÜLLER^?ans"),
        ("ISO_IR 192", ["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*"),
        (["", "ISO 2022 IR 87"], "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田^太郎"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ISO_IR 192", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "ﾔﾏﾀﾞ*=山田*"),
        ("GB18030", "ISO_IR 192", "Wang^XiaoDong=王^小东", "=王*"),
        (["", "ISO 2022 IR 149"], "ISO_IR 192", "Hong^Gildong=洪^吉洞=홍^길동", "==홍^길동"),
        ("ISO_IR 144", "ISO_IR 192", "Люк^Иван", "люк^иван"),
    ],
)
def test_text_is_compared_whatever_its_character_set(
    query_set: object, entity_set: object, name: str, key: str
) -> None:
    query = sent(dataset(PatientName=key, SpecificCharacterSet=query_set))
    entity = dataset(PatientName=name, SpecificCharacterSet=entity_set)
    assert matches(query, entity)
    assert matches(query, sent(entity))
    assert not matches(query, sent(dataset(PatientName="Nobody", SpecificCharacterSet=entity_set)))


def test_the_second_byte_of_a_character_is_no_backslash() -> None:
    """In GB18030 the second byte of U+4E57 is 5C."""
    assert "\u4e57".encode("gb18030")[1:] == b"\\"
    query = dataset(PatientID="\u4e57*", SpecificCharacterSet="GB18030")
    entity = sent(dataset(PatientID="\u4e57A", SpecificCharacterSet="GB18030"))
    assert matches(sent(query), entity)
    assert response_identifier(query, entity).PatientID == "\u4e57A"


@pytest.mark.parametrize("text", [b"\xff\xfeA", b"\x1b$BA", b"\x1b(ZA", b"\x1b"])
def test_text_that_is_none_in_its_character_set(text: bytes) -> None:
    for character_set in (b"ISO_IR 192", b"\\ISO 2022 IR 87 "):
        parts = [(0x00080005, character_set), (0x00100020, text)]
        odd, clean = raw(*parts), raw((0x00100020, b"A1"))
        assert not matches(odd, clean)
        assert not matches(clean, odd)
        assert matches(odd, odd)
        answer = response_identifier(raw((0x00100020, b"")), odd)
        if "\ufffd" in answer.PatientID:
            with pytest.raises(DataSetError, match=r"\(0010,0020\) has text whose bytes were lost"):
                encode_data_set(answer, IMPLICIT)
        else:
            encode_data_set(answer, IMPLICIT)


# --- what cannot be read ------------------------------------------------------------------------

UNREADABLE = [(0x00280010, b"\1\2\3"), (0x00400100, b"\1\2\3\4\5")]


@pytest.mark.parametrize(
    ("vr", "value"), [("LO", "MR"), ("PN", "A^B"), ("US", 1), ("OB", b"MR"), ("LO", ["A", "B"])]
)
def test_a_sequence_that_came_as_something_else_does_not_match_everything(vr: str, value: object) -> None:
    identifier = dataset(PatientID="")
    identifier.add(DataElement(0x00400100, vr, value))
    with pytest.raises(DataSetError, match=r"\(0040,0100\) cannot be read: \w+Error$"):
        Query(decode_data_set(encode_data_set(identifier, EXPLICIT), EXPLICIT))


@pytest.mark.parametrize("part", UNREADABLE, ids=str)
def test_a_query_that_cannot_be_read(part: tuple[int, bytes]) -> None:
    with pytest.raises(DataSetError, match=r"^element \(00[0-9a-f]{2},0[0-9]{3}\) cannot be read: \w+$"):
        Query(raw(part))


@pytest.mark.parametrize("part", UNREADABLE, ids=str)
def test_what_cannot_be_read_of_an_entity_is_unknown(part: tuple[int, bytes]) -> None:
    entity = raw((0x00100020, b"A1"), part)
    query = dataset(PatientID="A1")
    query.add(DataElement(part[0], dictionary_VR(part[0]), None))
    assert matches(query, entity)
    answer = response_identifier(query, entity)
    assert answer.PatientID == "A1"
    assert not answer[part[0]].value
    query = dataset(
        Rows=1, FrameIncrementPointer=0x00181063, ScheduledProcedureStepSequence=[dataset(Rows=1)]
    )
    assert not matches(query, entity)


def test_what_is_no_number_is_answered_as_empty() -> None:
    entity = raw((0x00101030, b"heavy "), (0x00200011, b"7*"))
    answer = response_identifier(dataset(PatientWeight="", SeriesNumber=""), entity)
    assert shown(answer) == {"PatientWeight": "", "SeriesNumber": ""}


def test_unusual_elements_of_a_query() -> None:
    query = raw((0x00080001, b"\1\0\0\0"), (0x00280106, b""), (0x00280010, b""))
    assert response_identifier(query, dataset(Rows=5)).Rows == 5
    encode_data_set(response_identifier(query, Dataset()), EXPLICIT)


def test_a_value_that_is_still_in_a_file_that_is_gone() -> None:
    entity = dataset(PatientID="A1")
    entity._dict[Tag(0x00100010)] = RawDataElement(Tag(0x00100010), "PN", 8, None, 0, False, True)
    assert matches(dataset(PatientID="A1"), entity)
    assert not matches(dataset(PatientName="Doe"), entity)


# --- hostile queries ----------------------------------------------------------------------------


def nested(depth: int) -> Dataset:
    made = dataset(PatientID="A1")
    for _ in range(depth):
        made = dataset(PatientID="", ReferencedStudySequence=[made])
    return made


def test_the_deepest_query() -> None:
    assert matches(nested(64), nested(64))
    assert matches(sent(nested(64)), sent(nested(64)))
    assert not matches(nested(64), nested(63))
    for depth in (65, 200):
        with pytest.raises(DataSetError, match="there are more than 64 sequences within each other"):
            Query(nested(depth))
        with pytest.raises(DataSetTooLarge, match="nested deeper than 64 sequences"):
            sent(nested(depth))


def test_the_deepest_answer() -> None:
    query = dataset(ReferencedStudySequence=[])
    answer = response_identifier(query, nested(64))
    for _ in range(64):
        answer = answer.ReferencedStudySequence[0]
    assert answer.PatientID == "A1"
    with pytest.raises(DataSetError, match="there are more than 64 sequences within each other"):
        response_identifier(query, nested(65))


def test_the_longest_pattern() -> None:
    longest = "*" + "a" * (MAXIMUM_PATTERN - 1)
    assert matches(dataset(PatientComments=longest), dataset(PatientComments="a" * 2000))
    for keyword in ("PatientComments", "PatientName"):
        with pytest.raises(DataSetError, match="1025 characters, 1024 are allowed"):
            Query(dataset(**{keyword: longest + "a"}))
    exact = "a" * 100_000
    assert matches(dataset(PatientComments=exact), dataset(PatientComments=exact))


def test_the_most_values() -> None:
    """Each pattern of a key is looked for in turn; UIDs are not, so that a list of them may be long."""
    names = [f"{number}*" for number in range(MAXIMUM_VALUES)]
    assert matches(dataset(OtherPatientIDs=names), dataset(OtherPatientIDs="999"))
    with pytest.raises(DataSetError, match="more than 2000 values that are no UIDs or numbers"):
        Query(dataset(OtherPatientIDs=[*names, "x"]))
    uids = [f"1.2.{number}" for number in range(20_000)]
    assert matches(dataset(StudyInstanceUID=uids), dataset(StudyInstanceUID="1.2.19999"))


@pytest.mark.parametrize(
    "keyword", ["StudyDate", "StudyTime", "AcquisitionDateTime", "PatientAge", "StudyInstanceUID"]
)
def test_an_asterisk_is_anything_where_there_are_no_wild_cards(keyword: str) -> None:
    query = Dataset()
    query[keyword] = DataElement(keyword, dictionary_VR(keyword), "*", validation_mode=IGNORE)
    assert matches(query, Dataset())


@pytest.mark.serial
@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 500 + "*b",
        "*a?" * 340 + "*b",
        "*" + "?" * 1000 + "b",
        "?*" * 511,
        "*" + "a?" * 500 + "b",
        "*aab" * 250,
    ],
    ids=lambda pattern: pattern[:8],
)
def test_no_pattern_backtracks(pattern: str) -> None:
    query = Query(dataset(PatientComments=pattern))
    entity = dataset(PatientComments="a" * 10_240)  # the longest LT
    start = time.process_time()
    query.matches(entity)
    assert time.process_time() - start < 1.0


@pytest.mark.serial
def test_a_query_costs_time_in_proportion_to_its_size() -> None:
    uids = [f"1.2.{number}" for number in range(50_000)]
    creators = [(0x00090010 + block, b"C%03d" % block) for block in range(0xE0)]
    keys = [(0x00091000 + (block << 8) + number, b"A1") for block in range(0xE0) for number in range(7)]
    start = time.process_time()
    query = Query(raw((0x0020000D, "\\".join(uids).encode()), *creators, *keys))
    entity = dataset(StudyInstanceUID="1.2.49999")
    entity.add(DataElement(0x00090010, "LO", "C000"))
    for _ in range(200):
        assert not query.matches(entity)
        query.matches(Dataset())
    many = [dataset(Modality="CT")] * 300
    assert not matches(
        dataset(ScheduledProcedureStepSequence=[dataset(Modality="MR")] * 300),
        dataset(ScheduledProcedureStepSequence=many),
    )
    assert time.process_time() - start < 10.0


def odd(tag: int, vr: str, value: bytes | None) -> Dataset:
    """Return what pydicom keeps of an element with any VR."""
    made = Dataset()
    made[tag] = RawDataElement(Tag(tag), vr, len(value or b""), value, 8, False, True)
    made.set_original_encoding(False, True, "iso8859")
    return made


VRS = ("U\0", "XX", "\0\0", "  ", "us", "SQ", "US", "AT", "FD", "IS", "DS", "PN", "UN", "OB", "UT", "DA")


@pytest.mark.parametrize("vr", VRS)
@pytest.mark.parametrize(
    "tag", [0x00080060, 0x00091001, 0x00100010, 0x00200013, 0x00280010, 0x00283006, 0x00400100]
)
def test_no_vr_makes_a_query_raise_anything_else(tag: int, vr: str) -> None:
    for value in (None, b"", b"A*", b"\1\0\2", b"9" * 5000, b"\xfe\xff\x00\xe0\4\0\0\0", b"1e99999999"):
        made = odd(tag, vr, value)
        made.add(DataElement(0x00090010, "LO", "ACME"))
        with contextlib.suppress(DataSetError):
            query = Query(odd(tag, vr, value))
            query.matches(made)
            encode_data_set(query.response(made), IMPLICIT)
        Query(dataset(PatientName="A")).matches(made)
        for function in (use_utf_8, lambda made: encode_data_set(made, EXPLICIT, on_warning=str), Query):
            with contextlib.suppress(DataSetError):
                function(odd(tag, vr, value))  # type: ignore[operator]


def test_a_sequence_where_there_should_be_none() -> None:
    made = Dataset()
    made.add(DataElement(0x00100010, "SQ", [Dataset()]))
    with pytest.raises(DataSetError, match=r"\(0010,0010\) cannot be read"):
        Query(made)
    assert not matches(dataset(PatientName="A"), made)


def test_a_long_list_of_uids_is_copied_cheaply() -> None:
    """The checks of each made up most of the time."""
    uids = ["1.2.840.10008.1.2", *[f"1.2.{number}" for number in range(500)]]
    query, entity = Query(sent(dataset(StudyInstanceUID=""))), sent(dataset(StudyInstanceUID=uids))
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(event) if event == "call" else None)
    try:
        answer = query.response(entity)
    finally:
        sys.setprofile(None)
    assert len(calls) < 2 * len(uids)
    assert list(answer.StudyInstanceUID) == uids
    assert answer.StudyInstanceUID[0].name == "Implicit VR Little Endian"
    assert encode_data_set(answer, IMPLICIT_VR_LITTLE_ENDIAN) == encode_data_set(
        entity, IMPLICIT_VR_LITTLE_ENDIAN
    )
