"""How data sets are written: text in its character sets, odd values padded, what was read as it came."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit
from pydicom.valuerep import PersonName

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.errors import DataSetError
from dicomproto.matching import make_identifier
from dicomproto.quiet import Quiet
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.identifiers import dataset

IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
STEPS, CREATOR = "ScheduledProcedureStepSequence", (0x00091001, "LO", "Иванов")
LONG = ("OB", "SQ", "UC", "UN", "UT")


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Return an element in Explicit VR Little Endian, odd or not."""
    group, number = tag >> 16, tag & 0xFFFF
    if vr in LONG:
        return struct.pack("<HH2sxxI", group, number, vr.encode(), len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def received(*elements: bytes) -> Dataset:
    return decode_data_set(b"".join(elements), EXPLICIT)


def read(*elements: bytes) -> Dataset:
    """Return what pydicom reads, whose sequences of defined length are bytes as well."""
    with Quiet():
        return pydicom.dcmread(BytesIO(b"".join([bytes(128), b"DICM", META, *elements])))


META = element(0x00020000, "UL", struct.pack("<I", 28)) + element(0x00020010, "UI", EXPLICIT.encode() + b"\0")


UNNAMED = (
    "the data set names no Specific Character Set, so that its text is ASCII; "
    "set SpecificCharacterSet = 'ISO_IR 192' (UTF-8)"
)


@pytest.fixture
def said() -> list[str]:
    return []


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize(
    ("vr", "low", "high"),
    [
        ("US", 0, 65535),
        ("SS", -32768, 32767),
        ("UL", 0, 4294967295),
        ("SL", -2147483648, 2147483647),
        ("UV", 0, 18446744073709551615),
        ("SV", -9223372036854775808, 9223372036854775807),
    ],
)
def test_a_number_is_in_the_range_of_its_vr(vr: str, low: int, high: int, syntax: str) -> None:
    def encoded(value: object) -> bytes:
        made = Dataset()
        made.add_new(0x0029_0010, "LO", "ACME")
        made.add_new(0x0029_1000, vr, [0, 0])
        made[0x0029_1000]._value = MultiValue(lambda one: one, [0, value])
        return encode_data_set(made, syntax)

    assert len({len(encoded(low)), len(encoded(high))}) == 1
    for wrong in (low - 1, high + 1, "SECRET"):
        with pytest.raises(DataSetError) as caught:
            encoded(wrong)
        text = str(caught.value)
        assert text.startswith("element (0029,1000) cannot be encoded in ")
        assert text.endswith(f": a value of VR {vr} is a whole number from {low} to {high}")


def test_a_floating_point_number_is_one_that_its_vr_holds() -> None:
    for value in (1e39, "SECRET"):
        made = Dataset()
        made.RecommendedDisplayFrameRateInFloat = 1.0
        made["RecommendedDisplayFrameRateInFloat"]._value = value
        with pytest.raises(DataSetError, match="a value of VR FL is a number that 32 bits hold$"):
            encode_data_set(made, EXPLICIT)


# --- text that a program set --------------------------------------------------------------------


def private(*, names: str | None = None) -> Dataset:
    made = dataset() if names is None else dataset(SpecificCharacterSet=names)
    made.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "Иванов")
    return made


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize(
    ("made", "tag", "told"),
    [
        (dataset(PatientName="Иванов"), "(0010,0010)", UNNAMED),
        (dataset(PatientName="Müller"), "(0010,0010)", UNNAMED),
        (dataset(PatientName="Müller", SpecificCharacterSet="ISO_IR 6"), "(0010,0010)", "'ISO_IR 6'"),
        (dataset(PatientName="Müller", SpecificCharacterSet=None), "(0010,0010)", UNNAMED),
        (dataset(PatientName="A", PatientComments="Иванов", SpecificCharacterSet="ISO_IR 100"), "(0010,4000)",
         "'ISO_IR 100'"),
        (dataset(OtherPatientNames=["A", "Иванов"], SpecificCharacterSet="ISO_IR 100"), "(0010,1001)", "100"),
        (dataset(PatientName="A=山^田", SpecificCharacterSet=["", "ISO 2022 IR 144"]), "(0010,0010)", "144'"),
        (dataset(PatientName="ü", SpecificCharacterSet=["ISO_IR 100", "ISO_IR 192"]), "(0010,0010)", "192'"),
        (dataset(PatientName="ü", SpecificCharacterSet="ISO_IR 999"), "(0010,0010)", "'ISO_IR 999'"),
        (dataset(PatientName="ü", SpecificCharacterSet="Doe^Jane"), "(0010,0010)", "'...'"),
        (dataset(PatientName="ü\ud800", SpecificCharacterSet="ISO_IR 192"), "(0010,0010)", "192'"),
        (dataset(Modality="Ü", SpecificCharacterSet="ISO_IR 100"), "(0008,0060)", "VR CS is made of ASCII"),
        (dataset(ModalitiesInStudy=["CT", "Ü"]), "(0008,0061)", "VR CS is made of ASCII"),
        (dataset(StudyInstanceUID="И"), "(0020,000D)", "cannot be encoded in"),
        (private(), "(0009,1001)", UNNAMED),
        (private(names="ISO_IR 100"), "(0009,1001)", "'ISO_IR 100'"),
        (dataset(ScheduledProcedureStepSequence=[dataset(), private()]), "(0009,1001)", UNNAMED),
        (dataset(SpecificCharacterSet="ISO_IR 144", ScheduledProcedureStepSequence=[
            private(), private(names="ISO_IR 100")]), "(0009,1001)", "'ISO_IR 100'"),
    ],
)  # fmt: skip
def test_text_has_to_be_in_its_character_set(made: Dataset, tag: str, told: str, syntax: str) -> None:
    with pytest.raises(DataSetError) as caught:
        encode_data_set(made, syntax)
    assert tag in str(caught.value)
    assert told in str(caught.value)
    for secret in ("Иванов", "Müller", "Doe"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (dataset(PatientName="Müller", SpecificCharacterSet="ISO_IR 100"), b"M\xfcller"),
        (dataset(PatientName="Иванов", SpecificCharacterSet="ISO_IR 192"), "Иванов".encode()),
        (private(names="ISO_IR 144"), "Иванов".encode("iso8859_5")),
        (dataset(SpecificCharacterSet="ISO_IR 144", ScheduledProcedureStepSequence=[private()]),
         "Иванов".encode("iso8859_5")),
        (dataset(PatientName="A=山", SpecificCharacterSet=["", "ISO 2022 IR 87"]), b"A=\x1b$B;3\x1b(B"),
        (dataset(PatientName="Müller", SpecificCharacterSet=["", "ISO 2022 IR 100"]), b"M\x1b-A\xfcller"),
        (dataset(PatientName="A\ufffd", SpecificCharacterSet="ISO_IR 192"), b"A\xef\xbf\xbd"),  # as set
        (dataset(OtherPatientNames=["Ä", "Ö"], SpecificCharacterSet="ISO_IR 100"), b"\xc4\\\xd6 "),
        (dataset(OtherPatientIDs=["Ä", None], SpecificCharacterSet="ISO_IR 100"), b"\xc4\\"),
        (dataset(PatientComments=b"\xfc", SpecificCharacterSet="ISO_IR 144"), b"\xfc "),
        (dataset(PatientName=PersonName(b"M\xfc"), SpecificCharacterSet="ISO_IR 192"), "Mü ".encode()),
    ],
)  # fmt: skip
def test_text_in_its_character_set(made: Dataset, expected: bytes) -> None:
    assert expected in encode_data_set(made, EXPLICIT)


@pytest.mark.parametrize(
    ("names", "value", "is_right"),
    [
        (None, b"A", True),
        (None, b"M\xfc", False),
        ("ISO_IR 100", b"M\xfc", True),
        ("ISO_IR 192", b"M\xfc", False),
        ("ISO_IR 192", "Mü".encode(), True),
        ("ISO_IR 100", b"\x1b$B;3\x1b(B", False),
        (["", "ISO 2022 IR 87"], b"\x1b$B;3\x1b(B", True),
    ],
)
def test_bytes_that_a_program_set_are_text_as_well(names: object, value: bytes, is_right: bool) -> None:
    for values in (value, [value, b"A"]):
        made = dataset() if names is None else dataset(SpecificCharacterSet=names)
        made.add(DataElement(0x00101000, "LO", values))
        if is_right:
            assert value in encode_data_set(made, EXPLICIT)
        else:
            with pytest.raises(DataSetError, match=r"element \(0010,1000\): .* Specific ?Character ?Set"):
                encode_data_set(made, EXPLICIT)


def test_a_value_that_is_no_text() -> None:
    made = dataset(PatientID="A")
    made["PatientID"]._value = 5
    with pytest.raises(DataSetError, match=r"\(0010,0020\) cannot be encoded in .*: TypeError"):
        encode_data_set(made, EXPLICIT)


def test_an_identifier_is_held_to_its_character_set() -> None:
    with pytest.raises(DataSetError, match=r"\(0010,0010\): not all text can be encoded in .*'ISO_IR 100'"):
        make_identifier(PatientName="Иванов", SpecificCharacterSet="ISO_IR 100")
    with pytest.raises(DataSetError, match=r"\(0009,1001\): not all text can be encoded in .*'ISO_IR 100'"):
        make_identifier(SpecificCharacterSet="ISO_IR 100", ScheduledProcedureStepSequence=[private()])
    for names in ("nonsense", ["", "ISO_IR 192"]):
        with pytest.raises(DataSetError, match="there is no character set '"):
            make_identifier(PatientName="A", SpecificCharacterSet=names)
    made = make_identifier(PatientName="A", ScheduledProcedureStepSequence=[private()])
    assert made.SpecificCharacterSet == "ISO_IR 192"
    inner = dataset(ScheduledProcedureStepSequence=[private(names="ISO_IR 144"), received(COMMENTS)])
    assert "SpecificCharacterSet" not in make_identifier(ReferencedStudySequence=[inner], PatientID=None)


# --- text that was read -------------------------------------------------------------------------

NAME, COMMENTS = element(0x00100010, "PN", b"M\xfcller"), element(0x00104000, "LT", b"\xfcber")
LATIN_1 = element(0x00080005, "CS", b"ISO_IR 100")
UTF_8 = element(0x00080005, "CS", b"ISO_IR 192")
UNKNOWN = element(0x00080005, "CS", b"ISO_IR 999")
MISSPELT = element(0x00080005, "CS", b"ISO-IR 144")
JAPANESE = element(0x00080005, "CS", b"\\ISO 2022 IR 87 ")


def looks(made: Dataset) -> Iterator[object]:
    with Quiet():
        for one in made:
            yield one.value
            if one.VR == "SQ":
                for within in one.value:
                    yield from looks(within)


@pytest.mark.parametrize("reader", [received, read])
@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("elements", "is_told"),
    [
        ((NAME, COMMENTS), True),
        ((LATIN_1, NAME, COMMENTS), False),
        ((UNKNOWN, NAME, COMMENTS), True),
        ((MISSPELT, NAME, COMMENTS), True),
        ((JAPANESE, element(0x00100010, "PN", b"A=\x1b$B;3\x1b(B^\x1b$BED\x1b(B "), ), False),
        ((element(0x00400100, "SQ", item(NAME + COMMENTS)), ), True),
        ((LATIN_1, element(0x00400100, "SQ", item(NAME + COMMENTS)), ), False),
        ((element(0x00080060, "CS", b"\xdcB"), ), None),
    ],
)  # fmt: skip
def test_text_that_was_read_leaves_as_it_came(
    elements: tuple[bytes, ...], is_told: bool | None, target: str, reader: object, said: list[str]
) -> None:
    for look in (False, True):
        made = reader(*elements)  # type: ignore[operator]
        if look:
            list(looks(made))
        encoded = encode_data_set(made, target, on_warning=said.append)
        for value in (b"M\xfcller", b"\xfcber", b"\x1b$B;3\x1b(B^\x1b$BED\x1b(B ", b"\xdcB"):
            assert (value in encoded) is (value in b"".join(elements))
        if is_told is not None:
            assert bool(said) is is_told
    if is_told is None:
        assert len(said) == 1  # looked at; CS has no character set anyway
    assert all(text.startswith("element (") and "leaves as it was read" in text for text in said)
    assert "M\xfcller" not in "".join(said)


CHINESE = element(0x00080005, "CS", b"\\ISO 2022 IR 58 ")
ZHANG = b"AB=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1"


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize(("tag", "vr", "value"), [(0x00100010, "PN", ZHANG), (0x00104000, "LT", ZHANG[3:9])])
def test_an_escape_sequence_that_pydicom_leaves_in_is_no_text(
    tag: int, vr: str, value: bytes, look: bool
) -> None:
    made = received(CHINESE, element(tag, vr, value))
    if look:
        list(looks(made))
    assert encode_data_set(made, EXPLICIT) == CHINESE + element(tag, vr, value)
    made.SpecificCharacterSet = "ISO_IR 192"
    assert ("AB=张^小" if vr == "PN" else "张").encode() in encode_data_set(made, EXPLICIT)


@pytest.mark.parametrize("look", [False, True])
def test_the_way_back_to_ascii_does_not_leave_in_another_set(look: bool) -> None:
    made = received(
        JAPANESE, element(0x00100010, "PN", b"A=\x1b$B;3ED\x1b(JB "), element(0x00104000, "LT", b"\x1b(Ja ")
    )
    if look:
        list(looks(made))
    made.SpecificCharacterSet = "ISO_IR 192"
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert (back.PatientName, back.PatientComments) == ("A=山田B", "a")


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("names", [b"", b"ISO_IR 100"])
def test_text_in_a_set_that_is_not_named_does_not_become_other_text(names: bytes, look: bool) -> None:
    for tag, vr in ((0x00100010, "PN"), (0x00104000, "LT")):
        made = received(element(0x00080005, "CS", names), element(tag, vr, b"\xfc\x1b-L\xb6 "))
        if look:
            list(looks(made))
        made.SpecificCharacterSet = "ISO_IR 192"
        with pytest.raises(DataSetError, match="has text whose bytes were lost .*assume_character_set"):
            encode_data_set(made, EXPLICIT)
        made.SpecificCharacterSet = ["ISO 2022 IR 100", "ISO 2022 IR 144"]
        assert b"\xfc\x1b-L\xb6 " in encode_data_set(made, EXPLICIT)


ESCAPED = b"A=\x1b$B;3\x1b(B^\x1b$BED\x1b(B "


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("names", "text"),
    [
        (b"ISO_IR 192", b"M\xfcller"),
        (b"ISO_IR 192\\ISO_IR 100 ", b"M\xfcller"),
        (b"ISO-IR 192", b"M\xfcller"),
        (b"ISO IR 192", b"M\xfcller"),
        (b"ISO_IR 166", b"\xdb\xdc"),
        (b"GB18030 ", b"\xcd\xff"),
        (b"", ESCAPED),  # of which pydicom loses what goes back to ASCII
        (b"ISO_IR 100", ESCAPED),
        (b"", b"\x1b$(D0!\x1b(B "),
    ],
)
def test_bytes_that_are_lost_are_refused(names: bytes, text: bytes, target: str) -> None:
    for tag, vr in ((0x00100010, "PN"), (0x00104000, "LT")):
        made = received(element(0x00080005, "CS", names), element(tag, vr, text))
        assert text in encode_data_set(made, target, on_warning=[].append)
        list(looks(made))
        with pytest.raises(DataSetError, match="has text whose bytes were lost .*assume_character_set"):
            encode_data_set(made, target)


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("names", "text"),
    [
        (b"\\ISO 2022 IR 149", "홍길동".encode("euc_kr")),
        (b"\\ISO 2022 IR 87 ", "山田".encode("shift_jis")),
        (b"ISO_IR 13 ", "山田".encode("shift_jis")),
        (b"\\ISO_IR 192 ", "Иванов".encode()),
        (b"", b"\x1b-A\xfc\xfc "),
        (b"", b"\x1b(Ja "),
    ],
)
def test_text_that_is_not_in_its_character_set_leaves_as_it_came(
    names: bytes, text: bytes, target: str, said: list[str]
) -> None:
    for tag, vr in ((0x00100010, "PN"), (0x00104000, "LT")):
        made = received(element(0x00080005, "CS", names), element(tag, vr, text))
        list(looks(made))
        back = decode_data_set(encode_data_set(made, target, on_warning=said.append), target)
        assert back.get_item(tag).value.rstrip() == text.rstrip()
    assert len(said) == (0 if text.isascii() else 2)
    assert all("leaves as it was read, or was set over what was read" in one for one in said)


@pytest.mark.parametrize("look", [False, True])
def test_text_goes_with_a_character_set_that_is_set_later(look: bool, said: list[str]) -> None:
    made = received(NAME, COMMENTS)
    if look:
        list(looks(made))
    made.SpecificCharacterSet = "ISO_IR 192"
    encoded = encode_data_set(made, EXPLICIT, on_warning=said.append)
    assert "Müller".encode() in encoded
    assert "über".encode() in encoded
    told = "element (0010,0010) and 1 more has text that is not ASCII and was read without a character set"
    assert [text[: len(told)] for text in said] == ([] if look else [told])
    made.SpecificCharacterSet = "ISO_IR 144"
    with pytest.raises(DataSetError, match=r"\(0010,0010\): not all text .*'ISO_IR 144'") as caught:
        encode_data_set(made, EXPLICIT)
    assert ("assume_character_set" in str(caught.value)) is not look
    made.SpecificCharacterSet = "ISO_IR 100"
    assert NAME[8:] in encode_data_set(made, EXPLICIT)  # nothing is in doubt any more


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Иванов".encode(), "ISO_IR 192"),
        ("王小东".encode("gb18030"), "GB18030"),
        (b"A=\x1b$B;3\x1b(B^\x1b$BED\x1b(B ", ["", "ISO 2022 IR 87"]),
    ],
)
def test_a_character_set_that_is_named_later_does_not_change_what_is_in_it(
    text: bytes, names: str | list[str], target: str, look: bool
) -> None:
    made = received(element(0x00100010, "PN", text), element(0x00104000, "LT", text))
    if look:
        list(looks(made))
    made.SpecificCharacterSet = names
    if look and b"\x1b" in text:
        with pytest.raises(DataSetError, match=r"\(0010,0010\) has text whose bytes were lost"):
            encode_data_set(made, target)
        return
    back = decode_data_set(encode_data_set(made, target), target)
    assert [back.get_item(tag).value for tag in (0x00100010, 0x00104000)] == [text, text]


@pytest.mark.parametrize("names", ["ISO_IR 100", "GB18030"])
def test_a_wrong_character_set_can_be_mended_before_text_is_looked_at(names: str) -> None:
    text = "Käse".encode("latin-1") if names == "ISO_IR 100" else "王小东".encode("gb18030")
    made = received(UTF_8, element(0x00104000, "LT", text))
    made.SpecificCharacterSet = names
    assert text in encode_data_set(made, EXPLICIT)
    made.SpecificCharacterSet = "ISO 2022 IR 149"
    if names == "ISO_IR 100":
        with pytest.raises(DataSetError, match=r"\(0010,4000\) has text whose bytes .*assume_character_set"):
            encode_data_set(made, EXPLICIT)
    made.SpecificCharacterSet = "ISO_IR 999"
    with pytest.raises(DataSetError, match=r"\(0010,4000\) has text whose bytes"):
        encode_data_set(made, EXPLICIT)


def test_an_item_goes_with_the_character_set_that_it_comes_into() -> None:
    inner = received(LATIN_1, element(0x00400100, "SQ", item(NAME)))[STEPS].value[0]
    inner.PatientComments = "ü"
    made = dataset(SpecificCharacterSet="ISO_IR 192", ScheduledProcedureStepSequence=[inner])
    assert "Müller".encode() in encode_data_set(made, EXPLICIT)
    made.SpecificCharacterSet = "ISO_IR 144"
    with pytest.raises(DataSetError, match=r"\(0010,0010\): not all text"):
        encode_data_set(made, EXPLICIT)


def test_text_that_is_set_in_a_data_set_that_was_read(said: list[str]) -> None:
    made = received(NAME, COMMENTS)
    made.PatientName = "Иванов"
    with pytest.raises(DataSetError, match=r"\(0010,0010\): the data set names no Specific Character Set"):
        encode_data_set(made, EXPLICIT)
    made.PatientName = "Mueller"
    made.PatientComments = "Иванов"
    with pytest.raises(DataSetError, match=r"\(0010,4000\): the data set names no Specific Character Set"):
        encode_data_set(made, EXPLICIT)
    made.PatientComments = "A"
    made.PatientID = "ü"
    with pytest.raises(DataSetError, match=r"\(0010,0020\): the data set names no Specific Character Set"):
        encode_data_set(made, EXPLICIT)
    made.PatientID = "A"
    assert encode_data_set(made, EXPLICIT, on_warning=said.append)
    assert not said
    made.PatientComments = "ö"  # which cannot be told from what was read
    assert encode_data_set(made, EXPLICIT, on_warning=said.append)
    assert ["(0010,4000) has text" in one and "or was set over what was read" in one for one in said] == [
        True
    ]


def test_who_does_not_say_how_is_warned() -> None:
    with pytest.warns(UserWarning, match=r"element \(0010,0010\) and 1 more has text that is not ASCII"):
        encode_data_set(received(NAME, COMMENTS), EXPLICIT)


# --- what is not whole, or in disorder --------------------------------------------------------

SHORT_PIXELS = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", 100) + bytes(50)
SHORT_NAME = element(0x00100010, "PN", b"A^B^C ")[:-2]
SHORT_ITEM = element(0x00400100, "SQ", item(element(0x00080060, "CS", b"CT")))[:-4]


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(
    ("cut", "tag"),
    [(SHORT_PIXELS, "7FE0,0010"), (SHORT_NAME, "0010,0010"), (SHORT_ITEM, "0040,0100")],
)
def test_what_was_read_from_a_file_that_was_cut_is_refused(cut: bytes, tag: str, target: str) -> None:
    made = read(element(0x00080060, "CS", b"CT"), cut)
    with pytest.raises(DataSetError, match=rf"\({tag}\) .* it declared \d+ bytes, and fewer were there"):
        encode_data_set(made, target)
    with pytest.raises(DataSetError, match=rf"\({tag}\) .* it declared \d+ bytes, and fewer were there"):
        encode_data_set(dataset(ReferencedStudySequence=[made]), target)


@pytest.mark.parametrize("cut", [SHORT_PIXELS, element(0x00104000, "LT", b"A" * 40)[:-2]])
def test_what_pydicom_left_in_a_file_that_was_cut_is_refused(cut: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(b"".join([bytes(128), b"DICM", META, element(0x00080060, "CS", b"CT"), cut]))
    for source in (path, BytesIO(path.read_bytes())):
        made = pydicom.dcmread(source, defer_size=20)
        with pytest.raises(DataSetError, match=r"it declared \d+ bytes, and fewer were there"):
            encode_data_set(made, EXPLICIT)


def test_what_pydicom_left_in_a_file_leaves_as_it_is_there(tmp_path: Path) -> None:
    path, comments = tmp_path / "whole", element(0x00104000, "LT", b"M\xfcller" * 8)
    path.write_bytes(b"".join([bytes(128), b"DICM", META, LATIN_1, comments]))
    for source in (path, BytesIO(path.read_bytes())):
        made = pydicom.dcmread(source, defer_size=20)
        assert encode_data_set(made, EXPLICIT) == LATIN_1 + comments
        assert made.PatientComments == "Müller" * 8


STRAY = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("modality", [b"CT", b"C"])
def test_what_stands_behind_a_delimiter_out_of_place_is_sent(modality: bytes, target: str) -> None:
    disordered = element(0x00080060, "CS", modality) + STRAY + element(0x00100020, "LO", b"A1")
    made = read(element(0x00400100, "SQ", item(disordered)))
    back = decode_data_set(encode_data_set(made, target), target)
    inner = back.ScheduledProcedureStepSequence[0]
    assert (inner.Modality, inner.PatientID) == (modality.decode(), "A1")
    deeper = element(0x00081110, "SQ", item(element(0x00400100, "SQ", item(disordered))))
    back = decode_data_set(encode_data_set(read(deeper), target), target)
    inner = back.ReferencedStudySequence[0].ScheduledProcedureStepSequence[0]
    assert (inner.Modality, inner.PatientID) == (modality.decode(), "A1")


def read_implicit(*elements: bytes) -> Dataset:
    return read_dataset(BytesIO(b"".join(elements)), True, True)


PHILIPS = implicit(0x20010010, b"Philips Imaging DD 001")
PRIVATE_SEQUENCE = 0x2001105F  # in pydicom's dictionary


def test_a_private_sequence_with_a_delimiter_out_of_place() -> None:
    disordered = implicit(0x00080060, b"CT") + STRAY + implicit(0x00100020, b"A1")
    made = read_implicit(PHILIPS, implicit(PRIVATE_SEQUENCE, implicit(0xFFFEE000, disordered)))
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert back[PRIVATE_SEQUENCE].value[0].PatientID == "A1"
    for value in (b"nothing", b"no items"):
        made = read_implicit(PHILIPS, implicit(PRIVATE_SEQUENCE, value))
        with pytest.raises(DataSetError, match=r"\(2001,105F\) has items that cannot be followed"):
            encode_data_set(made, EXPLICIT)
    made = read_implicit(PHILIPS, implicit(PRIVATE_SEQUENCE, b""))
    assert not decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)[PRIVATE_SEQUENCE].value
    made = read_implicit(implicit(0x00400100, b"nothing"))
    with pytest.raises(DataSetError, match=r"\(0040,0100\) has something else than items"):
        encode_data_set(made, EXPLICIT)


@pytest.mark.parametrize("filler", [16708, 20048])  # a length whose bytes are those of a VR: DA, PN
def test_a_sequence_whose_length_looks_like_a_vr(filler: int) -> None:
    inner = implicit(0xFFFEE000, implicit(0x00420011, bytes(filler - 16)))
    made = read_implicit(implicit(0x00080060, b"CT"), implicit(0x00400100, inner))
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert len(back[STEPS].value[0].EncapsulatedDocument) == filler - 16


# --- odd values ---------------------------------------------------------------------------------

ODD = [
    (0x00091001, "UN", b"\1\2\3", b"\0"),
    (0x00080060, "CS", b"CTX", b" "),
    (0x00080018, "UI", b"1.2", b"\0"),
    (0x00104000, "LT", b"abc", b" "),
    (0x00420011, "OB", b"\5", b"\0"),
    (0x00080005, "CS", b"GBK", b" "),
]


@pytest.mark.parametrize("reader", [received, read])
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize(("tag", "vr", "value", "pad"), ODD)
def test_each_odd_value_is_padded_by_itself(
    tag: int, vr: str, value: bytes, pad: bytes, target: str, within: bool, reader: object
) -> None:
    odd = element(tag, vr, value) + element(0xFFFBFFFE - 0x10000, "UN", b"")
    elements = element(0x00400100, "SQ", item(odd)) if within else odd
    for look in (False, True):
        made = reader(elements)  # type: ignore[operator]
        if look:
            list(looks(made))
        back = decode_data_set(encode_data_set(made, target), target)
        found = (back[STEPS].value[0] if within else back).get_item(tag)
        assert found.value == value + pad
        assert len(encode_data_set(made, target)) % 2 == 0


def test_an_untouched_sequence_that_is_even_leaves_as_it_came() -> None:
    data = element(
        0x00400100, "SQ", item(element(0x00091001, "UN", b"\1\2") + element(0x00100020, "LO", b"A1"))
    )
    assert encode_data_set(read(data), EXPLICIT) == data


def test_a_value_that_a_program_set_is_padded() -> None:
    made = Dataset()
    made.add(DataElement(0x00091001, "UN", b"\1"))
    made.add(DataElement(0x00091002, "UN", b"\2\2\2"))
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert [one.value for one in back] == [b"\1\0", b"\2\2\2\0"]


# --- headers ------------------------------------------------------------------------------------


def test_the_vr_of_what_came_without_one() -> None:
    data = b"".join(
        [
            implicit(0x00080060, b"CT"),
            implicit(0x00090010, b"GEMS_IDEN_01"),
            implicit(0x00091002, b"AB"),  # SH in the private dictionary
            implicit(0x00091F02, b"AB"),  # of nobody
            implicit(0x00280103, b"\1\0"),
            implicit(0x00280106, b"\1\0"),  # US or SS
            implicit(0x00283006, b"\1\0"),  # US or OW
            implicit(0x00400100, implicit(0xFFFEE000, implicit(0x00280106, b"\1\0"))),
            implicit(0x54000110, b"\1\0"),  # OB or OW
            implicit(0x7FE00010, b"\1\0"),
        ]
    )
    back = decode_data_set(encode_data_set(decode_data_set(data, IMPLICIT), EXPLICIT), EXPLICIT)
    vrs = [back.get_item(tag).VR for tag in back.keys()]  # noqa: SIM118
    assert vrs == ["CS", "LO", "SH", "UN", "US", "SS", "OW", "SQ", "OW", "OW"]
    assert back[STEPS].value[0].get_item(0x00280106).VR == "SS"
    small = implicit(0x00280100, b"\x08\0") + implicit(0x54001004, b"\x08\0") + data[-22 - 10 + 12 :]
    for number in (b"\0\0", b""):
        small = b"".join(
            [
                implicit(0x00280100, b"\x08\0"),
                implicit(0x00280103, number),
                implicit(0x00280106, b"\1\0"),
                implicit(0x54000110, b"\1\0"),
                implicit(0x54001004, b"\x08\0"),
                implicit(0x7FE00010, b"\1\0"),
            ]
        )
        back = decode_data_set(encode_data_set(decode_data_set(small, IMPLICIT), EXPLICIT), EXPLICIT)
        assert [back.get_item(tag).VR for tag in sorted(back.keys())] == ["US", "US", "US", "OB", "US", "OB"]


def test_what_is_too_long_for_its_vr_becomes_un() -> None:
    made = dataset(PatientComments="A" * 70_000)
    assert decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT).get_item(0x00104000).VR == "UN"
    raw = decode_data_set(encode_data_set(made, IMPLICIT), IMPLICIT)
    assert decode_data_set(encode_data_set(raw, EXPLICIT), EXPLICIT).get_item(0x00104000).VR == "UN"


def test_an_element_from_a_data_set_in_the_other_byte_order() -> None:
    made = decode_data_set(encode_data_set(dataset(Rows=258, PatientID="A1"), BIG), BIG)
    into = dataset(Columns=3)
    for tag in (0x00280010, 0x00100020):
        into[tag] = made.get_item(tag)
    back = decode_data_set(encode_data_set(into, EXPLICIT), EXPLICIT)
    assert (back.Rows, back.Columns, back.PatientID) == (258, 3, "A1")


def test_sequences_of_undefined_length_stay_so() -> None:
    made = dataset(ScheduledProcedureStepSequence=[dataset(Modality="CT"), dataset()])
    made[STEPS].is_undefined_length = True
    made[STEPS].value[0].is_undefined_length_sequence_item = True
    encoded = encode_data_set(made, EXPLICIT)
    assert encoded.endswith(bytes.fromhex("FEFF0DE000000000 FEFF00E000000000 FEFFDDE000000000"))
    assert decode_data_set(encoded, EXPLICIT)[STEPS].value[0].Modality == "CT"


def test_a_vr_that_is_not_settled() -> None:
    made = Dataset()
    made.add(DataElement(0x54000110, "OB or OW", b"\1\0"))
    with pytest.raises(DataSetError, match=r"\(5400,0110\) cannot be encoded in Explicit VR Little Endian"):
        encode_data_set(made, EXPLICIT)
    made = Dataset()
    made.add(DataElement(0x00280071, "US or SS", b"\1\0"))  # of which pydicom knows no rule
    with pytest.raises(DataSetError, match="which of US or SS it is must be said"):
        encode_data_set(made, EXPLICIT)
    assert encode_data_set(made, IMPLICIT)
    made = dataset(PixelRepresentation=1, SmallestImagePixelValue=-5)
    assert decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT).SmallestImagePixelValue == -5


def test_pixel_data_of_undefined_length_that_is_not_encapsulated() -> None:
    made = Dataset()
    made.add(DataElement(0x7FE00010, "OB", b"\1\2"))
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(DataSetError, match=r"\(7FE0,0010\) .* of undefined length, and not encapsulated"):
        encode_data_set(made, JPEGBaseline8Bit)


def test_memory_that_is_not_there_is_no_data_set_error() -> None:
    class Large(bytes):
        def isascii(self) -> bool:
            raise MemoryError

    made = received(NAME)
    made[0x00100010] = made.get_item(0x00100010)._replace(value=Large(b"A"), length=1)
    with pytest.raises(MemoryError):
        encode_data_set(made, EXPLICIT)


def test_a_sequence_that_is_one_for_its_tag_only() -> None:
    made = Dataset()
    made.add(DataElement(0x00400100, dictionary_VR(0x00400100), Sequence(), validation_mode=IGNORE))
    assert encode_data_set(made, EXPLICIT) == element(0x00400100, "SQ", b"")


def test_a_sequence_in_big_endian_without_vr() -> None:
    """No transfer syntax is so, but pydicom reads it."""
    data = struct.pack(">HHIHHIHHI", 0x0040, 0x0100, 18, 0xFFFE, 0xE000, 10, 0x0008, 0x0060, 2) + b"CT"
    made = read_dataset(BytesIO(data), True, False)
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert back[STEPS].value[0].Modality == "CT"
