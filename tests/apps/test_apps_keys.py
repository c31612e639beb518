r"""The `-k` of the query tools, the files of `-f`, and how answers are shown."""

from __future__ import annotations

import json
import os
import struct
import zlib
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto_transports.apps.querying.identifier import identifier_of
from dicomproto_transports.apps.querying.keys import InvalidKey, apply_key
from dicomproto_transports.apps.querying.rendering import json_of, lines_of
from tests.data_sets import explicit
from tests.identifiers import RIGHT_KEYS, WRONG_KEYS

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
HEAD = bytes(128) + b"DICM" + explicit(0x00020010, b"UI", EXPLICIT.encode() + b"\0")


def with_keys(*keys: str) -> Dataset:
    dataset = Dataset()
    for key in keys:
        apply_key(dataset, key)
    return dataset


@pytest.mark.parametrize(
    ("key", "tag", "vr", "value"),
    [
        ("PatientName=CITIZEN^A*", 0x0010_0010, "PN", "CITIZEN^A*"),
        ("(0010,0010)=*", 0x0010_0010, "PN", "*"),
        ("(0010, 0010)=*", 0x0010_0010, "PN", "*"),
        ("0010,0010=a=b", 0x0010_0010, "PN", "a=b"),
        ("00100010=*", 0x0010_0010, "PN", "*"),
        ("7fe00008=", 0x7FE0_0008, "OF", b""),
        ("PatientName", 0x0010_0010, "PN", ""),
        ("PatientName=", 0x0010_0010, "PN", ""),
        ("PatientID= x y ", 0x0010_0020, "LO", " x y "),
        ("StudyDate=20200101-20201231", 0x0008_0020, "DA", "20200101-20201231"),
        ("StudyTime=-1200", 0x0008_0030, "TM", "-1200"),
        ("Modality=CT\\MR", 0x0008_0060, "CS", ["CT", "MR"]),
        ("StudyInstanceUID=1.2\\1.3", 0x0020_000D, "UI", ["1.2", "1.3"]),
        ("PatientComments=a\\b", 0x0010_4000, "LT", "a\\b"),
        ("InstanceNumber=1-5", 0x0020_0013, "IS", "1-5"),
        ("PixelSpacing=0.50\\1", 0x0028_0030, "DS", "0.50\\1"),
        ("Rows=512", 0x0028_0010, "US", 512),
        ("Rows=512\\3", 0x0028_0010, "US", [512, 3]),
        ("Rows=", 0x0028_0010, "US", None),
        ("PixelPaddingValue=-1", 0x0028_0120, "SS", -1),
        ("PixelPaddingValue=40000", 0x0028_0120, "US", 40000),
        ("SelectorSLValue=-5", 0x0072_007C, "SL", -5),
        ("SelectorULValue=4294967295", 0x0072_0078, "UL", 4294967295),
        ("SelectorFDValue=1e5\\-2", 0x0072_0074, "FD", [100000.0, -2.0]),
        ("SelectorFLValue=.5", 0x0072_0076, "FL", 0.5),
        ("FrameIncrementPointer=(0018,1063)\\00181065", 0x0028_0009, "AT", [0x00181063, 0x00181065]),
        ("FrameIncrementPointer=FrameTime", 0x0028_0009, "AT", 0x00181063),
        ("(6002,0010)=7", 0x6002_0010, "US", 7),
        ("(0009,1001)=01 02\\03", 0x0009_1001, "UN", b"\1\2\3\0"),
        ("(0011,0010)=", 0x0011_0010, "LO", ""),
        ("(0009,00FF)=ACME 1", 0x0009_00FF, "LO", "ACME 1"),
        ("(0009,0100)=", 0x0009_0100, "UN", b""),
        ("(0010,0011)=00", 0x0010_0011, "UN", b"\0\0"),
        ("RedPaletteColorLookupTableData=00FF", 0x0028_1201, "OW", b"\0\xff"),
        ("OtherPatientIDsSequence", 0x0010_1002, "SQ", []),
        ("OtherPatientIDsSequence=", 0x0010_1002, "SQ", []),
    ],
)
def test_a_key_becomes_an_element(key: str, tag: int, vr: str, value: object) -> None:
    dataset = with_keys(key)
    assert list(dataset.keys()) == [Tag(tag)]
    element = dataset[tag]
    assert (element.VR, element.value) == (vr, value)


def test_a_path_makes_what_it_passes_through() -> None:
    steps = "ScheduledProcedureStepSequence"
    dataset = with_keys(
        f"{steps}[1].Modality=CT", f"{steps}[0].(0040,0001)=TITLE", f"{steps}[1].ReferencedStudySequence[0]"
    )
    first, second = dataset.ScheduledProcedureStepSequence
    assert first.ScheduledStationAETitle == "TITLE"
    assert second.Modality == "CT"
    assert [len(item) for item in second.ReferencedStudySequence] == [0]
    apply_key(dataset, "(0040,0100)[0].(0040,0008)[0].CodeValue=X")
    assert dataset.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence[0].CodeValue == "X"


def test_the_last_of_two_keys_for_an_element_counts() -> None:
    assert with_keys("PatientID=1", "PatientID=2").PatientID == "2"
    assert with_keys("StudyID=1", "(0020,0010)").StudyID == ""


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "a keyword or a tag (gggg,eeee) is needed here (at character 1)"),
        ("=x", "a keyword or a tag (gggg,eeee) is needed here (at character 1)"),
        ("Nonsense=1", "there is no element with the keyword 'Nonsense' (at character 1)"),
        ("patientname=1", "there is no element with the keyword 'patientname'"),
        ("(0010,001)=1", "a keyword or a tag (gggg,eeee) is needed here"),
        ("(0010,0010=1", "a keyword or a tag (gggg,eeee) is needed here"),
        (
            "PatientName:x",
            "'.' and another element, '=' and a value, or the end is needed here (at character 12)",
        ),
        ("OtherPatientIDsSequence[0].", "a keyword or a tag (gggg,eeee) is needed here (at character 28)"),
        ("OtherPatientIDsSequence[0].X=1", "no element with the keyword 'X' (at character 28)"),
        ("OtherPatientIDsSequence[x].PatientID", "the number of an item is from 0 to 999 (at character 25)"),
        ("OtherPatientIDsSequence[-1]", "the number of an item is from 0 to 999"),
        ("OtherPatientIDsSequence[]", "the number of an item is from 0 to 999"),
        ("OtherPatientIDsSequence[*]", "the number of an item is from 0 to 999"),
        ("OtherPatientIDsSequence[1000]", "the number of an item is from 0 to 999"),
        ("OtherPatientIDsSequence[99999999999]", "the number of an item is from 0 to 999"),
        (
            "OtherPatientIDsSequence.PatientID=1",
            "the item is missing: OtherPatientIDsSequence[0] is the first",
        ),
        ("OtherPatientIDsSequence=1", "OtherPatientIDsSequence is a sequence and has no value"),
        ("OtherPatientIDsSequence[0]=1", "is a sequence and has no value: name an element within it"),
        ("PatientName[0]=1", "PatientName[0] is not a sequence, so it has no items"),
        ("PatientName.PatientID=1", "PatientName is not a sequence, so nothing can be within it"),
        ("(0002,0010)=1", "(0002,0010) belongs to File Meta Information, not to a data set"),
        ("(0000,0002)=1", "belongs to the command set"),
        ("(FFFE,E000)=1", "belongs to an item"),
        ("Rows=x", "a value of VR US is a whole number from 0 to 65535 (at character 6)"),
        ("Rows=65536", "a value of VR US is a whole number from 0 to 65535"),
        ("Rows=1\\", "a value of VR US is a whole number"),
        ("SelectorSLValue=-2147483649", "a whole number from -2147483648 to 2147483647"),
        ("SelectorFDValue=x", "a value of VR FL or FD is a number"),
        ("FrameIncrementPointer=x", "a value of VR AT is a tag, (gggg,eeee), or a keyword"),
        ("(0009,1001)=abc", "a value of VR UN is given in pairs of hexadecimal digits"),
        ("InstanceNumber=ä", "a value of VR IS is a whole number from -2147483648 to 2147483647"),
        ("StudyDate=hello", "a date is YYYYMMDD, a range of them YYYYMMDD-YYYYMMDD"),
        (
            "StudyDate=20261399",
            "* matches any value, and the elements of a file of -f are sent as they are (at character 11)",
        ),
    ],
)
def test_what_is_wrong_with_a_key_is_told_with_its_place(key: str, text: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        with_keys(key)
    assert str(caught.value).startswith(f"{key!r}: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_value_that_is_none_of_its_vr_is_refused(key: str) -> None:
    for written in (key, f"ReferencedStudySequence[0].{key}"):
        with pytest.raises(InvalidKey, match="the elements of a file of -f are sent as they are"):
            with_keys(written)


@pytest.mark.parametrize("key", RIGHT_KEYS)
def test_a_value_range_or_pattern_of_its_vr_is_taken(key: str) -> None:
    value = key.partition("=")[2]
    assert value.strip().encode() in encode_data_set(with_keys(key), IMPLICIT)


def test_a_private_key_has_to_be_a_value_of_its_vr() -> None:
    with pytest.raises(InvalidKey, match="a date is YYYYMMDD"):
        with_keys("0009,0010=GEMS_GENIE_1", "0009,1042=hello")


def test_a_file_may_have_values_that_are_none_of_their_vr(tmp_path: Path) -> None:
    path = tmp_path / "query.dcm"
    path.write_bytes(element(0x0008_0020, b"DA", b"hello") + element(0x0010_1010, b"AS", b".."))
    sent = encode_data_set(identifier("PatientID", file=path), EXPLICIT)
    assert b"hello" in sent
    assert b".." in sent


def test_a_key_that_is_not_in_the_character_set_of_the_locale() -> None:
    with pytest.raises(InvalidKey, match="not in the character set of this locale"):
        with_keys(os.fsdecode(b"PatientName=M\xfcller"))


def test_a_wrong_key_changes_nothing() -> None:
    dataset = with_keys("PatientID=1")
    with pytest.raises(InvalidKey):
        apply_key(dataset, "PatientID[0]=2")
    assert dataset == with_keys("PatientID=1")


# --- the identifier -----------------------------------------------------------------------------


def identifier(*keys: str, file: object = None) -> Dataset:
    return identifier_of(Namespace(keys=list(keys), file=None if file is None else str(file)))


def test_something_must_be_asked() -> None:
    with pytest.raises(ArgumentTypeError, match="-k or -f is needed: the keys of the query"):
        identifier()


def test_a_wrong_key_names_its_option() -> None:
    with pytest.raises(ArgumentTypeError, match="argument -k: 'X': there is no element"):
        identifier("X")


def test_keys_go_before_a_dicom_file() -> None:
    path = get_testdata_file("CT_small.dcm")
    found = identifier("PatientID=*", "OtherPatientIDsSequence[0].PatientID=7", file=path)
    assert found.PatientID == "*"
    assert str(found.PatientName) == "CompressedSamples^CT1"
    assert found.OtherPatientIDsSequence[0].PatientID == "7"
    assert len(found.OtherPatientIDsSequence) == 2
    assert "PixelData" not in found
    assert encode_data_set(found, IMPLICIT)


def test_a_file_may_be_a_bare_data_set(tmp_path: Path) -> None:
    path = tmp_path / "query.dcm"
    for syntax in (IMPLICIT, EXPLICIT):
        path.write_bytes(encode_data_set(with_keys("QueryRetrieveLevel=STUDY", "PatientID=1"), syntax))
        assert identifier(file=path) == with_keys("QueryRetrieveLevel=STUDY", "PatientID=1")


@pytest.mark.parametrize(
    "keys",
    [
        ["PatientID=1", "StudyID=2"],
        ["(0009,0010)=ACME", "PatientID=1"],
        ["ScheduledProcedureStepSequence[0].Modality=CT"],
        ["(2010,0010)=STANDARD"],
        ["(0008,0001)=1", "PatientID=1"],
    ],
)
def test_a_bare_data_set_may_begin_with_any_group(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "query.dcm"
    for syntax in (IMPLICIT, EXPLICIT, BIG):
        path.write_bytes(encode_data_set(with_keys(*keys), syntax))
        assert identifier(file=path) == with_keys(*keys)


def test_a_bare_data_set_may_begin_with_a_group_length(tmp_path: Path) -> None:
    path = tmp_path / "query.dcm"
    path.write_bytes(element(0x0008_0000, b"UL", bytes(4)) + element(0x0008_0052, b"CS", b"STUDY"))
    assert identifier(file=path).QueryRetrieveLevel == "STUDY"


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_no_key_of_a_file_is_lost_behind_a_stray_delimiter(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "query.dcm"
    stray = b"\xfe\xff\x0d\xe0\0\0\0\0"
    keys = explicit(0x00080052, b"CS", b"STUDY ") + stray + explicit(0x00100020, b"LO", b"PAT1")
    if syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        keys = deflate.compress(keys) + deflate.flush()
    meta = explicit(0x00020010, b"UI", syntax.encode().ljust(-(-len(syntax) // 2) * 2, b"\0"))
    path.write_bytes(bytes(128) + b"DICM" + meta + keys)
    assert identifier(file=path) == with_keys("QueryRetrieveLevel=STUDY", "PatientID=PAT1")


def test_a_file_may_be_dicom_json(tmp_path: Path) -> None:
    path = tmp_path / "query.json"
    model = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]},
        "00400100": {"vr": "SQ", "Value": [{"00080060": {"vr": "CS", "Value": ["CT"]}}]},
    }
    for content, mark in ((model, ""), ([model], ""), (model, "\ufeff")):
        path.write_text(mark + "\n " + json.dumps(content))
        found = identifier("SpecificCharacterSet=ISO_IR 100", "PatientID", file=path)
        assert found.ScheduledProcedureStepSequence[0].Modality == "CT"
        assert b"M\xfcller" in encode_data_set(found, IMPLICIT)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[]", "an identifier is one data set, not 0"),
        (b"[{}, {}]", "an identifier is one data set, not 2"),
        (b"{", "is neither a DICOM file nor DICOM JSON (JSONDecodeError)"),
        pytest.param(b"[" * 100_000, "its sequences are nested too deeply", id="brackets"),
        pytest.param(
            b'{"00400100": {"vr": "SQ", "Value": [' * 200 + b"{}" + b"]}}" * 200,
            "nested too deeply",
            id="items",
        ),
        pytest.param(
            b"\x40\0\0\x01SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 200,
            "its sequences are nested too deeply",
            id="sequences",
        ),
        pytest.param(HEAD + b"\xff" * 32, "element (FFFF,FFFF)", id="no data set"),
        pytest.param(HEAD, "no data set", id="File Meta alone"),
        pytest.param(HEAD + b"\x08\0\x52", "ends within its header", id="cut behind File Meta"),
        pytest.param(
            Path(str(get_testdata_file("rtplan_truncated.dcm"))).read_bytes(),
            "(300A,00B0) declares 976 bytes, 711 are left",
            id="cut",
        ),
        pytest.param(
            Path(str(get_testdata_file("rtplan_truncated.dcm"))).read_bytes()[132:],
            "(300A,00B0) declares 976 bytes, 711 are left",
            id="cut, without preamble",
        ),
        pytest.param(
            explicit(0x00100010, b"PN", b"DOE^JANE") + explicit(0x00100020, b"LO", b"", 4),
            "element (0010,0020) declares 4 bytes, 0 are left",
            id="cut, without File Meta",
        ),
        (b"hello, whoever reads this", "is neither a DICOM file nor DICOM JSON (InvalidDicomError)"),
        (b"\x10\x00\x10\x00PN\x05\x00", "is neither a DICOM file nor DICOM JSON (InvalidDicomError)"),
        (b"\x10\x00\x10\x00SQ", "is neither a DICOM file nor DICOM JSON (InvalidDicomError)"),
        (b"hello", "is neither a DICOM file nor DICOM JSON (InvalidDicomError)"),
        (b"", "is neither a DICOM file nor DICOM JSON"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_of_another_kind_is_named(content: bytes | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArgumentTypeError) as caught:
        identifier(file=path)
    assert str(caught.value).startswith(f"argument -f: {path}")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "charset", "encoded"),
    [
        (["PatientName=Muller"], None, b"Muller"),
        (["PatientName=Müller"], "ISO_IR 192", "Müller".encode()),
        (["SpecificCharacterSet=ISO_IR 100", "PatientName=Müller"], "ISO_IR 100", b"M\xfcller"),
        (["OtherPatientIDsSequence[0].PatientID=ü"], "ISO_IR 192", "ü".encode()),
        (["SpecificCharacterSet=\\ISO 2022 IR 87", "PatientName=A=山"], ["", "ISO 2022 IR 87"], b"\x1b$B"),
    ],
)
def test_text_is_encoded_in_the_character_set_that_is_named(
    keys: list[str], charset: object, encoded: bytes
) -> None:
    found = identifier(*keys)
    assert found.get("SpecificCharacterSet") == charset
    assert encoded in encode_data_set(found, IMPLICIT)


@pytest.mark.parametrize(
    ("charset", "name"),
    [("", "山田"), ("", "Müller"), ("ISO_IR 6", "Müller"), ("ISO_IR 100", "山田"), ("ISO_IR 13", "山田")],
)
def test_text_that_cannot_be_encoded_is_refused(charset: str, name: str) -> None:
    told = f"not all text can be encoded in the SpecificCharacterSet {charset!r}; "
    if not charset:
        told = "the data set names no Specific Character Set, so that its text is ASCII; "
    for key in ("PatientName", "OtherPatientIDsSequence[0].PatientID"):
        with pytest.raises(ArgumentTypeError) as caught:
            identifier(f"SpecificCharacterSet={charset}", f"{key}={name}")
        assert told in str(caught.value)
        assert name not in str(caught.value)


@pytest.mark.parametrize("key", ["SpecificCharacterSet", "OtherPatientIDsSequence[0].SpecificCharacterSet"])
def test_a_character_set_that_there_is_not(key: str) -> None:
    for value in ("nonsense", "latin-1", "ISO_IR_100", "\\ISO 2022 IR 78"):
        with pytest.raises(ArgumentTypeError, match="there is no character set '"):
            identifier(f"{key}={value}", "PatientName=A")


def test_only_some_elements_have_characters_beyond_ascii() -> None:
    with pytest.raises(
        ArgumentTypeError, match=r"\(0008,0060\): a value of VR CS is made of ASCII characters"
    ):
        identifier("Modality=Ü")


def in_items(charset: str | None, inner: str | None, name: str) -> Dataset:
    """A data set with a name, and the same within an item, and within an item of its own character set."""
    dataset = with_keys(f"PatientName={name}", f"OtherPatientIDsSequence[0].PatientID={name}")
    if charset is not None:
        dataset.SpecificCharacterSet = charset
    apply_key(dataset, f"ReferencedStudySequence[0].PatientComments={name if inner else 'x'}")
    if inner is not None:
        dataset.ReferencedStudySequence[0].SpecificCharacterSet = inner
    return dataset


def test_text_of_a_file_that_is_not_in_its_character_set(tmp_path: Path) -> None:
    """It is not sent as something else."""
    path = tmp_path / "query.dcm"
    wrong = encode_data_set(in_items("ISO_IR 100", None, "Müller"), EXPLICIT)
    path.write_bytes(wrong.replace(b"ISO_IR 100", b"ISO_IR 192"))
    with pytest.raises(
        ArgumentTypeError, match=r"\(0010,0010\): text that is not in its SpecificCharacterSet"
    ):
        identifier(file=path)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_a_file_is_sent_in_another_character_set(tmp_path: Path, charset: str, syntax: str) -> None:
    """What is in its items, too; but not where they name one of their own."""
    path = tmp_path / "query.dcm"
    path.write_bytes(encode_data_set(in_items(charset, "ISO_IR 100", "Müller"), syntax))
    for other in ("ISO_IR 100", "ISO_IR 192", "ISO_IR 109"):
        for sent in (IMPLICIT, EXPLICIT):
            found = encode_data_set(identifier(f"SpecificCharacterSet={other}", file=path), sent)
            assert found == encode_data_set(in_items(other, "ISO_IR 100", "Müller"), sent)
    with pytest.raises(ArgumentTypeError, match="not all text can be encoded"):
        identifier("SpecificCharacterSet=ISO_IR 144", file=path)


def test_the_text_of_a_file_that_names_no_character_set_goes_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "query.json"
    path.write_text(in_items(None, None, "山田").to_json())
    found = identifier(file=path)
    assert encode_data_set(found, IMPLICIT) == encode_data_set(in_items("ISO_IR 192", None, "山田"), IMPLICIT)
    path = tmp_path / "query.dcm"
    name = element(0x0010_0010, b"PN", b"M\xfcller^")  # Latin-1, where ASCII is said
    path.write_bytes(element(0x0008_0052, b"CS", b"STUDY") + name)
    assert identifier(file=path).SpecificCharacterSet == "ISO_IR 192"
    assert "Müller^".encode() in encode_data_set(identifier(file=path), IMPLICIT)


def test_a_value_of_a_file_that_cannot_be_read_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "query.dcm"
    content = element(0x0008_0005, b"CS", b"ISO_IR 100") + element(0x0010_0010, b"PN", b"M\xfcller")
    path.write_bytes(content + element(0x0020_0013, b"IS", b"1.5x"))
    assert b"1.5x" in encode_data_set(identifier("PatientID", file=path), EXPLICIT)


# --- what is shown ------------------------------------------------------------------------------


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """Encode an element in Explicit VR Little Endian, whatever its value."""
    value += b" " * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"SQ", b"UN", b"OW"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


ODD = b"".join(
    [
        element(0x0008_0000, b"UL", b"\0\0\0\0"),
        element(0x0008_0005, b"CS", b"ISO_IR 100"),
        element(0x0008_0020, b"DA", b"20200101-"),
        element(0x0008_002A, b"XX", b"1.2"),
        element(0x0009_1001, b"UN", b"ab"),
        element(0x0010_0010, b"PN", b"M\xfcller^A=x"),
        element(0x0010_0020, b"LO", b"\x1b[2Jx"),
        element(0x0018_0050, b"DS", b"abc"),
        element(0x0020_0013, b"IS", b"1-5"),
        element(0x0020_1206, b"IS", b"5"),
        element(0x0028_0010, b"US", b"\1\0\2\0"),
        element(0x0028_0030, b"DS", b"1.50\\2"),
        element(0x0028_1201, b"OW", b"abcd"),
        element(0x0040_0100, b"SQ", item(element(0x0040_0002, b"DA", b"no date"))),
        element(0x0040_0275, b"SQ", b""),
        element(0x0072_0074, b"FD", struct.pack("<dd", float("nan"), 1.5)),
        element(0x0072_0076, b"FL", b""),
    ]
)


def test_answers_are_shown_whatever_their_values() -> None:
    assert list(lines_of(decode_data_set(ODD, EXPLICIT))) == [
        "(0008,0000) UL [0]  # unknown",
        "(0008,0005) CS [ISO_IR 100]  # SpecificCharacterSet",
        "(0008,0020) DA [20200101-]  # StudyDate",
        "(0008,002A) DT [1.2]  # AcquisitionDateTime",
        "(0009,1001) UN [2 bytes]  # unknown",
        "(0010,0010) PN [Müller^A=x]  # PatientName",
        "(0010,0020) LO [\x1b[2Jx]  # PatientID",
        "(0018,0050) DS [abc]  # SliceThickness",
        "(0020,0013) IS [1-5]  # InstanceNumber",
        "(0020,1206) IS [5]  # NumberOfStudyRelatedSeries",
        "(0028,0010) US [1\\2]  # Rows",
        "(0028,0030) DS [1.50\\2]  # PixelSpacing",
        "(0028,1201) OW [4 bytes]  # RedPaletteColorLookupTableData",
        "(0040,0100) SQ [1 item]  # ScheduledProcedureStepSequence",
        "  item 0",
        "    (0040,0002) DA [no date]  # ScheduledProcedureStepStartDate",
        "(0040,0275) SQ [0 items]  # RequestAttributesSequence",
        "(0072,0074) FD [nan\\1.5]  # SelectorFDValue",
        "(0072,0076) FL []  # SelectorFLValue",
    ]


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (b"\\ISO 2022 IR 58", b"AB=\x1b$)A\xc9\xbd^\x1b$)A\xcc\xef"),
        (b"\\ISO 2022 IR 87", b"AB=\x1b$B;3\x1b(J^\x1b$BED\x1b(J"),
        (b"GB18030", b"AB=\xc9\xbd^\xcc\xef "),
    ],
)
def test_text_is_shown_without_escape_sequences(names: bytes, name: bytes) -> None:
    data = element(0x0008_0005, b"CS", names) + element(0x0010_0010, b"PN", name)
    assert list(lines_of(decode_data_set(data, EXPLICIT)))[1] == "(0010,0010) PN [AB=山^田]  # PatientName"


def test_dicom_json_is_made_whatever_the_values() -> None:
    model = json_of(decode_data_set(ODD, EXPLICIT))
    assert json.loads(json.dumps(model, allow_nan=False)) == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20200101-"]},
        "0008002A": {"vr": "DT", "Value": ["1.2"]},
        "00091001": {"vr": "UN", "InlineBinary": "YWI="},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^A", "Ideographic": "x"}]},
        "00100020": {"vr": "LO", "Value": ["\x1b[2Jx"]},
        "00180050": {"vr": "DS", "Value": ["abc"]},
        "00200013": {"vr": "IS", "Value": ["1-5"]},
        "00201206": {"vr": "IS", "Value": [5]},
        "00280010": {"vr": "US", "Value": [1, 2]},
        "00280030": {"vr": "DS", "Value": [1.5, 2.0]},
        "00281201": {"vr": "OW", "InlineBinary": "YWJjZA=="},
        "00400100": {"vr": "SQ", "Value": [{"00400002": {"vr": "DA", "Value": ["no date"]}}]},
        "00400275": {"vr": "SQ"},
        "00720074": {"vr": "FD", "Value": ["nan", 1.5]},
        "00720076": {"vr": "FL"},
    }


def test_a_deep_nest_ends_somewhere() -> None:
    content = element(0x0010_0020, b"LO", b"x")
    for _ in range(60):
        content = element(0x0040_0100, b"SQ", item(content))
    dataset = decode_data_set(content, EXPLICIT)
    cut = []
    assert len(list(lines_of(dataset, on_cut=lambda: cut.append("lines")))) < 100
    assert len(json.dumps(json_of(dataset, on_cut=lambda: cut.append("json")))) < 3000
    assert cut == ["lines", "json"]


def test_what_ends_before_that_is_whole() -> None:
    content = element(0x0010_0020, b"LO", b"x")
    for _ in range(32):
        content = element(0x0040_0100, b"SQ", item(content))
    dataset = decode_data_set(content, EXPLICIT)
    cut: list[int] = []
    assert list(lines_of(dataset, on_cut=lambda: cut.append(1)))[-1].endswith("LO [x]  # PatientID")
    assert '"LO"' in json.dumps(json_of(dataset, on_cut=lambda: cut.append(1)))
    empty = element(0x0040_0100, b"SQ", b"")
    for _ in range(32):
        empty = element(0x0040_0100, b"SQ", item(empty))
    json_of(decode_data_set(empty, EXPLICIT), on_cut=lambda: cut.append(1))
    assert cut == []


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"IS", b"1.5", ["1.5"]),
        (b"IS", b"0.9", ["0.9"]),
        (b"IS", b"9007199254740992", [2**53]),
        (b"IS", b"9007199254740993", ["9007199254740993"]),
        (b"IS", b"-007\\+5\\1e3\\1_0", [-7, 5, "1e3", "1_0"]),
        (b"IS", b"\\5\\\\", [None, 5, None, None]),
        (b"IS", b"9" * 5000, ["9" * 5000]),
        (b"DS", b"0.1\\1.50\\-.5\\1e2", [0.1, 1.5, -0.5, 100.0]),
        (b"DS", b"0.12345678901234567890", ["0.12345678901234567890"]),
        (b"DS", b"9007199254740993", ["9007199254740993"]),
        (b"DS", b"1e400\\nan\\inf", ["1e400", "nan", "inf"]),
        (b"DS", b"\\1", [None, 1.0]),
        (b"CS", b"CT\\\\MR\\", ["CT", None, "MR", None]),
        (b"PN", b"A^B=x\\", [{"Alphabetic": "A^B", "Ideographic": "x"}, None]),
        (b"SV", struct.pack("<qq", 2**53, -(2**53) - 1), [2**53, str(-(2**53) - 1)]),
        (b"UV", struct.pack("<Q", 2**64 - 1), [str(2**64 - 1)]),
        (b"FL", struct.pack("<f", 0.5), [0.5]),
        (b"FD", struct.pack("<d", float("-inf")), ["-inf"]),
        (b"AT", bytes.fromhex("10001000 20000D00"), ["00100010", "0020000D"]),
        (b"AT", b"\x10\0\x10\0\x10\0", "EAAQABAA"),
        (b"US", b"\1\0\2", "AQAC"),
    ],
)
def test_a_number_in_json_is_that_number(vr: bytes, value: bytes, expected: object) -> None:
    long = vr in (b"SV", b"UV")
    head = struct.pack("<HH", 0x0072, 0x0099) + vr
    data = head + (b"\0\0" + struct.pack("<I", len(value)) if long else struct.pack("<H", len(value))) + value
    model = json.loads(json.dumps(json_of(decode_data_set(data, EXPLICIT)), allow_nan=False))["00720099"]
    if isinstance(expected, str):
        assert model == {"vr": "UN", "InlineBinary": expected}
    else:
        assert model == {"vr": vr.decode(), "Value": expected}
        assert [type(one) for one in model["Value"]] == [type(one) for one in expected]


# --- private elements ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_a_private_key_has_the_vr_of_its_dictionary(order: int) -> None:
    """(0009,xx02) of GEMS_IDEN_01 is SH, (0019,xx02) of GEMS_ACQU_01 SL."""
    keys = ["0009,0010=GEMS_IDEN_01", "0009,1002=CT0*", "0019,0010=GEMS_ACQU_01", "(0019,1002)=-5"]
    found = identifier(*keys[::order])
    assert (found[0x00091002].VR, found[0x00091002].value) == ("SH", "CT0*")
    assert (found[0x00191002].VR, found[0x00191002].value) == ("SL", -5)
    with pytest.raises(ArgumentTypeError, match="hexadecimal digits"):
        identifier("0009,0010=ACME", "0009,1002=CT0*")


def test_a_private_key_in_an_item_has_its_creator_there() -> None:
    within = "ScheduledProcedureStepSequence[0]."
    found = identifier(f"{within}0009,1002=CT0*", f"{within}0009,0010=GEMS_IDEN_01")
    assert found.ScheduledProcedureStepSequence[0][0x00091002].value == "CT0*"
    with pytest.raises(ArgumentTypeError, match="hexadecimal digits"):
        identifier("0009,0010=GEMS_IDEN_01", f"{within}0009,1002=CT0*")
