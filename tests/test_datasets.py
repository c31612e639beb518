"""Data sets to and from pydicom, and from one native encoding to another."""

from __future__ import annotations

import contextlib
import random
import struct
import subprocess
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from dicomproto.datasets import (
    MAXIMUM_DEPTH,
    convert,
    decode_data_set,
    encode_data_set,
    name_character_set,
    use_utf_8,
)
from dicomproto.errors import DataSetError
from dicomproto.matching import Query
from dicomproto.text import assume_character_set, text_in_doubt
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.data_sets import FILES, TRUNCATED, data_set_of

IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
JPEG, JPEG2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
NATIVE = (IMPLICIT, EXPLICIT, BIG, DEFLATED)
CELLS_OF_32_BITS = {
    "badVR.dcm",
    "rtdose.dcm",
    "rtdose_1frame.dcm",
    "rtdose_expb.dcm",
    "rtdose_expb_1frame.dcm",
}


# --- the files that pydicom carries -------------------------------------------------------------


def read(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def native_files() -> Iterator[Path]:
    for path in sorted(FILES.rglob("*")):
        if path.is_file():
            try:
                syntax = read(path).file_meta.TransferSyntaxUID
            except (pydicom.errors.InvalidDicomError, AttributeError):
                continue
            if syntax in NATIVE:
                yield path


def is_little(syntax: str) -> bool:
    return syntax != BIG


def assert_same(one: Dataset, other: Dataset, *, swapped: bool, implicit: bool) -> None:
    """Compare element by element; pydicom leaves the bytes of OW in the order that they were in."""
    tags = {tag for tag in one.keys() if tag.element}  # noqa: SIM118  # a Dataset is no dict
    assert tags == set(other.keys())
    for tag in tags:
        left, right = one[tag], other[tag]
        if left.VR == "SQ":
            assert right.VR == "SQ"
            assert len(left.value) == len(right.value)
            for left_item, right_item in zip(left.value, right.value, strict=True):
                assert_same(left_item, right_item, swapped=swapped, implicit=implicit)
        elif left.is_empty:
            assert right.is_empty
        elif swapped and left.VR == "OW" and right.VR == "OW":
            words = struct.unpack(f"<{len(left.value) // 2}H", left.value)
            assert struct.unpack(f">{len(right.value) // 2}H", right.value) == words
        elif implicit and left.VR != right.VR:
            # One of the two comes from the dictionary, for private elements and ambiguous VRs.
            assert tag.is_private or (tag == 0x7FE00010 and {left.VR, right.VR} == {"OB", "OW"})
        else:
            assert {left.VR, right.VR} in ({left.VR}, {"OB", "OW"})
            odd = isinstance(left.value, bytes) and len(left.value) % 2
            assert right.value == left.value or (odd and right.value == left.value + b"\0")


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(FILES))) for p in native_files()])
def test_convert_keeps_every_value(path: Path) -> None:
    data, syntax = data_set_of(path)
    if path.name in TRUNCATED:
        with pytest.raises(DataSetError, match="are left"):
            convert(data, syntax, EXPLICIT)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        original = decode_data_set(data, syntax)
        for target in NATIVE:
            swapped = is_little(syntax) != is_little(target)
            if swapped and path.name in CELLS_OF_32_BITS:
                with pytest.raises(DataSetError, match=r"\(7FE0,0010\) has cells of 32 bits"):
                    convert(data, syntax, target)
                continue
            converted = convert(data, syntax, target)
            assert len(converted) % 2 == 0
            implicit = IMPLICIT in (syntax, target)
            decoded = decode_data_set(converted, target)
            assert_same(original, decoded, swapped=swapped, implicit=implicit)
            # There and back again nothing has changed but what any conversion changes.
            if target != IMPLICIT or syntax == IMPLICIT:
                assert convert(converted, target, syntax) == convert(data, syntax, syntax)


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(FILES))) for p in native_files()])
def test_a_file_is_encoded_in_any_native_syntax(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data, syntax = data_set_of(path)
        for target in NATIVE:
            if path.name in TRUNCATED or (
                is_little(syntax) != is_little(target) and path.name in CELLS_OF_32_BITS
            ):
                continue
            encoded = encode_data_set(read(path), target)
            assert len(encoded) % 2 == 0
            swapped = is_little(syntax) != is_little(target)
            implicit = IMPLICIT in (syntax, target)
            original = decode_data_set(data, syntax)
            assert_same(original, decode_data_set(encoded, target), swapped=swapped, implicit=implicit)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "SC_rgb_jpeg_gdcm.dcm", "MR_small_RLE.dcm"])
def test_a_compressed_file_is_encoded_in_its_own_syntax_only(name: str) -> None:
    data, syntax = data_set_of(FILES / name)
    dataset = read(FILES / name)
    encoded = encode_data_set(dataset, syntax)
    assert decode_data_set(encoded, syntax) == decode_data_set(data, syntax)
    for target in (*NATIVE, "1.2.840.10008.1.2.4.100"):
        with pytest.raises(DataSetError, match=r"is compressed in .*; it cannot be encoded in"):
            encode_data_set(dataset, target)


OF_ALL_KINDS = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "liver_expb_1frame.dcm",
    "rtplan.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
]


@pytest.mark.dcmtk
@pytest.mark.parametrize("name", OF_ALL_KINDS)
@pytest.mark.parametrize(("target", "option"), [(IMPLICIT, "+ti"), (EXPLICIT, "+te"), (BIG, "+tb")])
def test_conversion_is_that_of_dcmtk(name: str, target: str, option: str, tmp_path: Path) -> None:
    """DCMTK writes all lengths or none, we keep what was there; these files have one kind each."""
    theirs = []
    for lengths in ("+e", "-e"):
        command = ["dcmconv", option, lengths, "-g", FILES / name, tmp_path / "converted"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        theirs.append(data_set_of(tmp_path / "converted")[0])
    data, syntax = data_set_of(FILES / name)
    assert convert(data, syntax, target) in theirs


# --- encode_data_set ----------------------------------------------------------------------------


def dataset(**elements: object) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def image(bits: int = 16, pixels: bytes = b"\x01\x00\x02\x00") -> Dataset:
    made = dataset(BitsAllocated=bits, PixelRepresentation=0, PixelData=pixels)
    made["PixelData"].VR = "OW" if bits > 8 else "OB"
    return made


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (IMPLICIT, "1000 1000 06000000 4E6F626F6479  2800 0001 02000000 1000"),
        (EXPLICIT, "1000 1000 504E 0600 4E6F626F6479  2800 0001 5553 0200 1000"),
        (BIG, "0010 0010 504E 0006 4E6F626F6479  0028 0100 5553 0002 0010"),
        ("1.2.840.10008.1.2.4.50", "1000 1000 504E 0600 4E6F626F6479  2800 0001 5553 0200 1000"),
    ],
)
def test_golden_bytes(syntax: str, expected: str) -> None:
    made = dataset(PatientName="Nobody", BitsAllocated=16)
    assert encode_data_set(made, syntax) == bytes.fromhex(expected)
    assert encode_data_set(made, syntax + "\0") == bytes.fromhex(expected)
    assert decode_data_set(bytes.fromhex(expected), syntax) == made


def test_pixel_words_are_swapped_for_big_endian() -> None:
    made = image()
    little = encode_data_set(made, EXPLICIT)
    big = encode_data_set(made, BIG)
    assert little.endswith(bytes.fromhex("E07F 1000 4F57 0000 04000000 0100 0200"))
    assert big.endswith(bytes.fromhex("7FE0 0010 4F57 0000 00000004 0001 0002"))
    assert encode_data_set(decode_data_set(big, BIG), EXPLICIT) == little
    assert encode_data_set(decode_data_set(big, BIG), BIG) == big
    assert encode_data_set(decode_data_set(big, BIG), IMPLICIT) == encode_data_set(made, IMPLICIT)
    assert encode_data_set(image(8), BIG).endswith(bytes.fromhex("0100 0200"))


def test_made_data_set_holds_big_endian_words_if_its_file_meta_says_so() -> None:
    made = image()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(BIG)
    assert encode_data_set(made, BIG).endswith(bytes.fromhex("0100 0200"))
    assert encode_data_set(made, EXPLICIT).endswith(bytes.fromhex("0001 0002"))


def test_command_set_and_file_meta_are_left_out() -> None:
    made = dataset(PatientName="Nobody")
    alone = encode_data_set(made, EXPLICIT)
    made.add_new(0x00000002, "UI", "1.2.3")
    made.add_new(0x00020010, "UI", EXPLICIT)
    assert encode_data_set(made, EXPLICIT) == alone
    assert made[0x00020010].value == EXPLICIT
    assert encode_data_set(Dataset(), EXPLICIT) == b""


def test_deflated() -> None:
    made = dataset(PatientName="Nobody", PatientComments="x" * 10_000)
    encoded = encode_data_set(made, DEFLATED)
    assert len(encoded) % 2 == 0
    assert len(encoded) < 200
    assert zlib.decompress(encoded, -15) == encode_data_set(made, EXPLICIT)
    assert decode_data_set(encoded, DEFLATED) == made
    assert decode_data_set(encoded, DEFLATED).file_meta.TransferSyntaxUID == DEFLATED


def test_odd_value_is_padded() -> None:
    made = Dataset()
    made.add_new(0x00091010, "UN", b"odd")
    raw = decode_data_set(bytes.fromhex("0900 1010 554E 0000 03000000 010203"), EXPLICIT)
    assert encode_data_set(made, EXPLICIT)[-4:] == b"odd\0"
    assert encode_data_set(raw, EXPLICIT)[-4:] == b"\1\2\3\0"


def test_compressed_pixel_data_made_in_memory() -> None:
    made = image(8, encapsulate([b"\xff\xd8\xff\xd9"]))
    encoded = encode_data_set(made, JPEG)
    assert encoded.endswith(bytes.fromhex("FFD8FFD9 FEFFDDE0 00000000"))
    assert encode_data_set(decode_data_set(encoded, JPEG), JPEG) == encoded
    made = image(8, encapsulate([b"\xff\xd8\xff\xd9"]))
    with pytest.raises(
        DataSetError, match="is compressed; it cannot be encoded in Explicit VR Little Endian"
    ):
        encode_data_set(made, EXPLICIT)
    made["PixelData"].is_undefined_length = True
    with pytest.raises(
        DataSetError, match="is compressed; it cannot be encoded in Explicit VR Little Endian"
    ):
        encode_data_set(made, EXPLICIT)


def test_native_pixel_data_cannot_be_encoded_in_a_compressed_syntax() -> None:
    with pytest.raises(DataSetError, match="not compressed; it cannot be encoded in JPEG Baseline"):
        encode_data_set(image(), JPEG)
    buffered = image()
    buffered.PixelData = BytesIO(b"\1\0\2\0")
    assert encode_data_set(buffered, EXPLICIT) == encode_data_set(image(), EXPLICIT)
    with pytest.raises(DataSetError, match="not compressed"):
        encode_data_set(buffered, JPEG)


def test_error_names_the_element_and_not_its_value() -> None:
    made = dataset(Rows=1)
    made["Rows"]._value = "SECRET"
    with pytest.raises(DataSetError) as caught:
        encode_data_set(made, EXPLICIT)
    assert "Explicit VR Little Endian" in str(caught.value)
    assert "(0028,0010)" in str(caught.value)
    # Programs log the traceback, so it must not show the value either.
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("syntax", ["", "1.2.3", "no UID", "1.2.840.10008.1.1"])
def test_unknown_transfer_syntax(syntax: str) -> None:
    with pytest.raises(DataSetError, match="is not a transfer syntax that pydicom knows"):
        encode_data_set(Dataset(), syntax)
    with pytest.raises(DataSetError, match="is not a transfer syntax that pydicom knows"):
        decode_data_set(b"", syntax)


# --- decode_data_set ----------------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def test_decode_takes_any_buffer_and_names_the_syntax() -> None:
    made = image()
    encoded = encode_data_set(made, EXPLICIT)
    for buffer in (encoded, bytearray(encoded), memoryview(encoded)):
        decoded = decode_data_set(buffer, EXPLICIT + "\0")
        assert decoded == made
        assert decoded.file_meta.TransferSyntaxUID == EXPLICIT
        assert not hasattr(decode_data_set(buffer, EXPLICIT, file_meta=False), "file_meta")
        assert decoded.original_encoding == (False, True)


def test_deflate_bomb_is_refused() -> None:
    bomb = deflated(bytes(10_000_000))
    for function in (decode_data_set, lambda data, syntax, **limit: convert(data, syntax, IMPLICIT, **limit)):
        with pytest.raises(DataSetError, match="larger than 1000000 bytes"):
            function(bomb, DEFLATED, inflate_limit=1_000_000)
        with pytest.raises(DataSetError, match="incomplete"):
            function(deflated(random.Random(0).randbytes(1000))[:-100], DEFLATED)
        with pytest.raises(DataSetError, match="cannot be inflated"):
            function(b"no deflate stream", DEFLATED)
    exact = deflated(encode_data_set(dataset(PatientName="Nobody"), EXPLICIT))
    assert decode_data_set(exact + b"\0", DEFLATED, inflate_limit=14).PatientName == "Nobody"
    with pytest.raises(DataSetError, match="larger than 13"):
        decode_data_set(exact, DEFLATED, inflate_limit=13)


# --- character sets -----------------------------------------------------------------------------


def made(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def sent(dataset: Dataset, syntax: str = EXPLICIT) -> Dataset:
    """Return a data set as a peer would have it."""
    return decode_data_set(encode_data_set(dataset, syntax), syntax)


@pytest.mark.parametrize("syntax", NATIVE)
def test_text_in_several_character_sets_becomes_utf_8(syntax: str) -> None:
    japanese = ["", "ISO 2022 IR 87"]
    created = sent(
        made(
            SpecificCharacterSet="ISO_IR 100",
            PatientName="Müller^Jörg",
            ProcedureCodeSequence=[
                made(CodeMeaning="Schädel"),
                made(SpecificCharacterSet="ISO_IR 144", CodeMeaning="Череп", OtherPatientNames="Ж^Б"),
            ],
        ),
        syntax,
    )
    names = "Yamada^Tarou=山田^太郎"
    changes = sent(
        made(SpecificCharacterSet=japanese, OperatorsName=names, StudyComments="頭", Rows=1), syntax
    )
    for dataset in (created, changes):
        use_utf_8(dataset)
    created.update(changes)
    found = sent(created, syntax)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "Müller^Jörg"
    assert found.OperatorsName == names
    assert (found.StudyComments, found.Rows) == ("頭", 1)
    first, second = found.ProcedureCodeSequence
    assert first.CodeMeaning == "Schädel"
    assert (second.CodeMeaning, second.OtherPatientNames) == ("Череп", "Ж^Б")
    assert "SpecificCharacterSet" not in second


def test_simplified_chinese_becomes_utf_8_without_its_escape_sequence() -> None:
    names, comments = ["Zhang^XiaoDong=张^小东", "A=张"], "张小东"
    chinese = made(
        SpecificCharacterSet=["", "ISO 2022 IR 58"], OtherPatientNames=names, StudyComments=comments
    )
    created, changes = made(PatientID="1"), sent(chinese)
    use_utf_8(changes)
    created.update(changes)
    found = sent(created)
    assert (found.SpecificCharacterSet, found.OtherPatientNames, found.StudyComments) == (
        "ISO_IR 192",
        names,
        comments,
    )


def test_text_that_names_no_character_set_is_taken_for_latin_1() -> None:
    dataset = decode_data_set(b"\x10\0\x10\0PN\6\0M\xfcller", EXPLICIT)
    use_utf_8(dataset)
    found = sent(dataset)
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 192", "Müller")


def test_text_in_several_values_becomes_utf_8() -> None:
    dataset = sent(
        made(SpecificCharacterSet="ISO_IR 100", OtherPatientNames=["Ä^A", "Ö^O"], PatientComments="")
    )
    use_utf_8(dataset)
    found = sent(dataset)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.OtherPatientNames == ["Ä^A", "Ö^O"]


@pytest.mark.parametrize("names", [None, "", "ISO_IR 100", ["", "ISO 2022 IR 87"]])
def test_ascii_needs_no_character_set(names: object) -> None:
    dataset = made(SpecificCharacterSet=names, PatientName="Doe^Jane")
    use_utf_8(dataset)
    assert dataset == made(PatientName="Doe^Jane")


@pytest.mark.parametrize(
    "dataset",
    [
        made(SpecificCharacterSet="ISO_IR 192", PatientName="M\N{REPLACEMENT CHARACTER}ller"),
        made(SpecificCharacterSet="ISO_IR 999", PatientName="Müller"),
        decode_data_set(b"\x10\0\x10\0PN\6\0\x1b$B;3 ", EXPLICIT),
        decode_data_set(b"\x10\0\x10\0PN\4\0\x1b-L\xb6", EXPLICIT),
    ],
)
def test_text_that_is_not_in_its_character_set(dataset: Dataset) -> None:
    with pytest.raises(DataSetError, match="text that is not in its character set"):
        use_utf_8(dataset)


def test_a_value_that_cannot_be_read_has_no_character_set() -> None:
    dataset = decode_data_set(b"\x20\0\x13\0IS\x04\0once", EXPLICIT)
    with pytest.raises(DataSetError, match=r"cannot be read: \w+ at element \(0020,0013\)") as caught:
        use_utf_8(dataset)
    assert "once" not in "".join(traceback.format_exception(caught.value))


def test_a_character_set_that_python_cannot_look_up() -> None:
    name = b"\x10\0\x10\0PN\x04\0Doe "
    assert decode_data_set(b"\x08\0\x05\0CS\x04\0a\0bc" + name, EXPLICIT).PatientName == "Doe"


# --- convert ------------------------------------------------------------------------------------

LITTLE_ENDS = "FEFF 0DE0 00000000 FEFF DDE0 00000000"  # of an item, of a sequence
BIG_ENDS = "FFFE E00D 00000000 FFFE E0DD 00000000"

# The same elements in Explicit VR Little Endian and Big Endian, and in Implicit VR Little Endian.
ELEMENTS = {
    "AT": ("2800 0900 4154 0400 1800 6310", "0028 0009 4154 0004 0018 1063", "2800 0900 04000000 1800 6310"),
    "FD": (
        "1800 8790 4644 0800 0102030405060708",
        "0018 9087 4644 0008 0807060504030201",
        "1800 8790 08000000 0102030405060708",
    ),
    "FL": ("7000 1400 464C 0400 01020304", "0070 0014 464C 0004 04030201", "7000 1400 04000000 01020304"),
    "SL": (
        "1800 2060 534C 0800 01020304 05060708",
        "0018 6020 534C 0008 04030201 08070605",
        "1800 2060 08000000 01020304 05060708",
    ),
    "US": ("2800 1000 5553 0200 0102", "0028 0010 5553 0002 0201", "2800 1000 02000000 0102"),
    "OB": (
        "4200 1100 4F42 0000 04000000 01020304",
        "0042 0011 4F42 0000 00000004 01020304",
        "4200 1100 04000000 01020304",
    ),
    "OW": (
        "2800 0112 4F57 0000 04000000 01020304",
        "0028 1201 4F57 0000 00000004 02010403",
        "2800 0112 04000000 01020304",
    ),
    "OV": (
        "E07F 0100 4F56 0000 08000000 0102030405060708",
        "7FE0 0001 4F56 0000 00000008 0807060504030201",
        "E07F 0100 08000000 0102030405060708",
    ),
    "LO": ("0800 7000 4C4F 0400 41424320", "0008 0070 4C4F 0004 41424320", "0800 7000 04000000 41424320"),
    "SQ, defined": (
        "0800 1511 5351 0000 10000000 FEFF 00E0 08000000 0800 6000 4353 0000",
        "0008 1115 5351 0000 00000010 FFFE E000 00000008 0008 0060 4353 0000",
        "0800 1511 10000000 FEFF 00E0 08000000 0800 6000 00000000",
    ),
    "SQ, defined, other lengths": (
        "0800 1511 5351 0000 14000000 FEFF 00E0 0C000000 0800 4011 5351 0000 00000000",
        "0008 1115 5351 0000 00000014 FFFE E000 0000000C 0008 1140 5351 0000 00000000",
        "0800 1511 10000000 FEFF 00E0 08000000 0800 4011 00000000",
    ),
    "SQ, undefined": (
        f"0800 1511 5351 0000 FFFFFFFF FEFF 00E0 FFFFFFFF 2800 1000 5553 0200 0102 {LITTLE_ENDS}",
        f"0008 1115 5351 0000 FFFFFFFF FFFE E000 FFFFFFFF 0028 0010 5553 0002 0201 {BIG_ENDS}",
        f"0800 1511 FFFFFFFF FEFF 00E0 FFFFFFFF 2800 1000 02000000 0102 {LITTLE_ENDS}",
    ),
}


@pytest.mark.parametrize("vr", ELEMENTS)
def test_one_element_in_all_encodings(vr: str) -> None:
    encoded = dict(zip((EXPLICIT, BIG, IMPLICIT), map(bytes.fromhex, ELEMENTS[vr]), strict=True))
    for source in encoded:
        for target in encoded:
            assert convert(encoded[source], source, target) == encoded[target]
            assert convert(memoryview(encoded[source]), source + "\0", target) == encoded[target]
        assert zlib.decompress(convert(encoded[source], source, DEFLATED), -15) == encoded[EXPLICIT]


def implicit(*elements: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HHI", t >> 16, t & 0xFFFF, len(value)) + value for t, value in elements)


PIXELS, BITS, SIGN, WAVE_BITS, WAVE = 0x7FE00010, 0x00280100, 0x00280103, 0x54001004, 0x54001010
PADDING, LUT, OVERLAY = 0x00280120, 0x00283006, 0x60003000


@pytest.mark.parametrize(
    ("elements", "tag", "vr"),
    [
        ([(PIXELS, b"\0\0")], PIXELS, "OW"),
        ([(BITS, b"\x10\0"), (PIXELS, b"\0\0")], PIXELS, "OW"),
        ([(BITS, b"\x08\0"), (PIXELS, b"\0\0")], PIXELS, "OB"),
        ([(BITS, b""), (PIXELS, b"\0\0")], PIXELS, "OW"),
        ([(WAVE_BITS, b"\x08\0"), (WAVE, b"\0\0")], WAVE, "OB"),
        ([(WAVE_BITS, b"\x10\0"), (WAVE, b"\0\0")], WAVE, "OW"),
        ([(SIGN, b"\0\0"), (PADDING, b"\0\0")], PADDING, "US"),
        ([(SIGN, b"\1\0"), (PADDING, b"\0\0")], PADDING, "SS"),
        ([(PADDING, b"\0\0")], PADDING, "US"),
        ([(LUT, b"\0\0")], LUT, "OW"),
        ([(OVERLAY, b"\0\0")], OVERLAY, "OW"),
        ([(0x00091010, b"\0\0")], 0x00091010, "UN"),
        ([(0x00090010, b"GEMS_IDEN_01"), (0x00091004, b"\0\0")], 0x00090010, "LO"),
        ([(0x00090010, b"GEMS_IDEN_01"), (0x00091004, b"\0\0")], 0x00091004, "SH"),
        ([(0x00080A0A, b"\0\0")], 0x00080A0A, "UN"),
        ([(0x00104000, b"x" * 70_000)], 0x00104000, "UN"),
    ],
)
def test_vr_on_the_way_from_implicit(elements: list[tuple[int, bytes]], tag: int, vr: str) -> None:
    data = implicit(*elements)
    for target in (EXPLICIT, BIG):
        converted = convert(data, IMPLICIT, target)
        found = decode_data_set(converted, target).get_item(tag)
        assert vr == found.VR
        assert convert(converted, target, IMPLICIT) == data


def test_items_inherit_what_decides_about_ambiguous_vrs() -> None:
    item = implicit((0xFFFEE000, implicit((PADDING, b"\1\2"))))
    data = implicit((SIGN, b"\1\0"), (0x00283010, item))
    converted = decode_data_set(convert(data, IMPLICIT, BIG), BIG)
    assert converted[0x00283010].value[0].get_item(PADDING).VR == "SS"
    assert converted[0x00283010].value[0][PADDING].value == 0x0201


UNDEFINED = b"\xff\xff\xff\xff"
ITEM, OPEN_ITEM = bytes.fromhex("FEFF00E0"), bytes.fromhex("FEFF00E0FFFFFFFF")
ITEM_END, SEQUENCE_END = bytes.fromhex("FEFF0DE000000000"), bytes.fromhex("FEFFDDE000000000")


@pytest.mark.parametrize(
    ("data", "source", "target", "expected"),
    [
        pytest.param(
            bytes.fromhex("0800 0000 554C 0400 00000000  0800 6000 4353 0000"),
            EXPLICIT,
            EXPLICIT,
            bytes.fromhex("0800 6000 4353 0000"),
            id="group length",
        ),
        pytest.param(
            bytes.fromhex("0800 6000 4353 0100 41  2800 1000 5553 0100 41"),
            EXPLICIT,
            BIG,
            bytes.fromhex("0008 0060 4353 0002 4120  0028 0010 5553 0002 4100"),
            id="odd lengths",
        ),
        pytest.param(
            bytes.fromhex("0800 6000 4353 0000  0000"),
            EXPLICIT,
            IMPLICIT,
            bytes.fromhex("0800 6000 00000000"),
            id="padded",
        ),
        pytest.param(
            bytes.fromhex("0800 6000 02000000 4354"),
            EXPLICIT,
            EXPLICIT,
            bytes.fromhex("0800 6000 4353 0200 4354"),
            id="implicit among explicit",
        ),
        pytest.param(
            bytes.fromhex("0900 1010 554E 0000")
            + UNDEFINED
            + OPEN_ITEM
            + bytes.fromhex("2800 1000 02000000 0102")
            + ITEM_END
            + SEQUENCE_END,
            EXPLICIT,
            BIG,
            bytes.fromhex("0009 1010 5351 0000 FFFFFFFF FFFEE000 FFFFFFFF 0028 0010 5553 0002 0201")
            + bytes.fromhex("FFFEE00D 00000000 FFFEE0DD 00000000"),
            id="UN of undefined length",
        ),
        pytest.param(
            bytes.fromhex("0900 1010") + UNDEFINED + ITEM + bytes(4) + SEQUENCE_END,
            IMPLICIT,
            EXPLICIT,
            bytes.fromhex("0900 1010 5351 0000") + UNDEFINED + ITEM + bytes(4) + SEQUENCE_END,
            id="unknown sequence",
        ),
        pytest.param(
            bytes.fromhex("0900 1010 554E 0000 04000000 01020304"),
            EXPLICIT,
            BIG,
            bytes.fromhex("0009 1010 554E 0000 00000004 01020304"),
            id="UN stays as it is",
        ),
        pytest.param(
            bytes.fromhex("0900 1010 5A5A 0200 0102"),
            EXPLICIT,
            BIG,
            bytes.fromhex("0009 1010 5A5A 0002 0102"),
            id="a VR of the future",
        ),
        pytest.param(
            bytes.fromhex("0900 1010 5A5A 0000 04000000 00000000"),
            EXPLICIT,
            BIG,
            bytes.fromhex("0009 1010 554E 0000 00000004 00000000"),
            id="a long VR of the future",
        ),
        pytest.param(
            bytes.fromhex("1000 1000") + UNDEFINED + ITEM + bytes(4) + SEQUENCE_END,
            IMPLICIT,
            EXPLICIT,
            bytes.fromhex("1000 1000 5351 0000") + UNDEFINED + ITEM + bytes(4) + SEQUENCE_END,
            id="a sequence that the dictionary does not know as one",
        ),
        pytest.param(
            bytes.fromhex("0009 1010 554E 0000")
            + UNDEFINED
            + ITEM
            + bytes.fromhex("0A000000 1000 2000 4C4F 0200 3132")
            + ITEM
            + bytes.fromhex("0A000000 1000 2000 02000000 3132")
            + SEQUENCE_END,
            BIG,
            EXPLICIT,
            bytes.fromhex("0900 1010 5351 0000")
            + UNDEFINED
            + (ITEM + bytes.fromhex("0A000000 1000 2000 4C4F 0200 3132")) * 2
            + SEQUENCE_END,
            id="UN with items in Explicit and in Implicit VR",
        ),
        pytest.param(b"", BIG, EXPLICIT, b"", id="nothing"),
    ],
)
def test_what_conversion_changes(data: bytes, source: str, target: str, expected: bytes) -> None:
    assert convert(data, source, target) == expected


SEQUENCE = bytes.fromhex("0800 1511 5351 0000")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes.fromhex("0800 6000 4353"), "6 bytes are no element (at byte 0)"),
        (bytes.fromhex("0800 6000 4353 0000 01"), "1 bytes are no element (at byte 8)"),
        (
            bytes.fromhex("0800 6000 4353 0400 4354"),
            "element (0008,0060) declares 4 bytes, 2 are left (at byte 8)",
        ),
        (SEQUENCE + b"\0", "element (0008,1115) ends within its header (at byte 0)"),
        (SEQUENCE + UNDEFINED, "element (0008,1115) has no end (at byte 12)"),
        (SEQUENCE + UNDEFINED + OPEN_ITEM, "an item has no end (at byte 20)"),
        (
            SEQUENCE + UNDEFINED + ITEM_END,
            "element (0008,1115) has something else among its items (at byte 12)",
        ),
        (
            SEQUENCE + b"\x08\0\0\0" + SEQUENCE_END,
            "element (0008,1115) has something else among its items (at byte 12)",
        ),
        (SEQUENCE + b"\4\0\0\0" + ITEM, "4 bytes are no element (at byte 12)"),
        (
            SEQUENCE + b"\x08\0\0\0" + ITEM + b"\2\0\0\0",
            "element (0008,1115) has an item of 2 bytes, 0 are left (at byte 20)",
        ),
        (ITEM_END, "element (FFFE,E00D) is out of place (at byte 0)"),
        (
            SEQUENCE + UNDEFINED + ITEM + b"\x08\0\0\0" + ITEM_END,
            "element (FFFE,E00D) is out of place (at byte 20)",
        ),
        (
            bytes.fromhex("E07F 1000 4F42 0000") + UNDEFINED + SEQUENCE_END,
            "element (7FE0,0010) is compressed, or its length is undefined for no reason (at byte 0)",
        ),
        (
            (SEQUENCE + UNDEFINED + OPEN_ITEM) * (MAXIMUM_DEPTH + 1),
            f"element (0008,1115) is nested deeper than 64 sequences (at byte {64 * 20 + 12})",
        ),
    ],
)
def test_malformed_data_sets(data: bytes, reason: str) -> None:
    with pytest.raises(DataSetError) as caught:
        convert(data, EXPLICIT, IMPLICIT)
    assert str(caught.value) == reason


def test_deepest_nesting() -> None:
    head, tail = SEQUENCE + UNDEFINED + OPEN_ITEM, ITEM_END + SEQUENCE_END
    data = head * MAXIMUM_DEPTH + tail * MAXIMUM_DEPTH
    assert convert(convert(data, EXPLICIT, BIG), BIG, EXPLICIT) == data


def test_large_cells_are_refused_only_where_the_byte_order_changes() -> None:
    data = encode_data_set(image(32), EXPLICIT)
    assert convert(data, EXPLICIT, DEFLATED)
    assert convert(convert(data, EXPLICIT, IMPLICIT), IMPLICIT, EXPLICIT) == data
    for source in (EXPLICIT, IMPLICIT):
        with pytest.raises(DataSetError, match=r"\(7FE0,0010\) has cells of 32 bits, whose byte order in OW"):
            convert(convert(data, EXPLICIT, source), source, BIG)


@pytest.mark.parametrize("syntax", [JPEG, "1.2.3", ""])
def test_convert_knows_native_syntaxes_only(syntax: str) -> None:
    with pytest.raises(DataSetError, match="is not a transfer syntax of native pixel data"):
        convert(b"", syntax, EXPLICIT)
    with pytest.raises(DataSetError, match="is not a transfer syntax of native pixel data"):
        convert(b"", EXPLICIT, syntax)


# --- properties ---------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from(NATIVE), st.sampled_from(NATIVE))
def test_any_bytes(data: bytes, source: str, target: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(DataSetError):
            assert len(convert(data, source, target)) % 2 == 0
        with contextlib.suppress(DataSetError):
            decode_data_set(data, source)


values = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.text(st.characters(min_codepoint=33, max_codepoint=91), max_size=20),
        "Rows": st.integers(0, 65535),
        "FrameIncrementPointer": st.integers(0x00080008, 0x00FF0000),
        "DopplerCorrectionAngle": st.floats(allow_nan=False),
        "ReferencePixelX0": st.integers(-(2**31), 2**31 - 1),
        "RedPaletteColorLookupTableData": st.binary(max_size=50).map(lambda b: b + b[: len(b) % 2]),
        "EncapsulatedDocument": st.binary(max_size=50).map(lambda b: b + b[: len(b) % 2]),
    },
)


@given(values, st.lists(values, max_size=3), st.booleans(), st.sampled_from(NATIVE), st.sampled_from(NATIVE))
def test_there_and_back(
    top: dict[str, object], items: list[dict[str, object]], undefined: bool, one: str, other: str
) -> None:
    made = dataset(**top)
    made.ReferencedSeriesSequence = Sequence([dataset(**item) for item in items])
    made["ReferencedSeriesSequence"].is_undefined_length = undefined
    encoded = encode_data_set(made, one)
    assert convert(convert(encoded, one, other), other, one) == encoded
    assert convert(encoded, one, other) == encode_data_set(made, other)


# What takes a data set -> the name that the error gives it.
TAKES_A_DATA_SET: dict[str, tuple[Callable[[Any], object], str]] = {
    "encode_data_set": (lambda it: encode_data_set(it, IMPLICIT_VR_LITTLE_ENDIAN), "encode_data_set"),
    "name_character_set": (name_character_set, "name_character_set"),
    "use_utf_8": (use_utf_8, "use_utf_8"),
    "text_in_doubt": (text_in_doubt, "text_in_doubt"),
    "assume_character_set": (lambda it: assume_character_set(it, "ISO_IR 100"), "text_in_doubt"),
    "a query": (Query, "Query"),
    "an entity": (lambda it: Query(Dataset()).matches(it), "Query"),
    "an entity to answer with": (lambda it: Query(Dataset()).response(it), "Query"),
}


@pytest.mark.parametrize("taker", TAKES_A_DATA_SET)
def test_what_is_no_data_set_is_told_in_words(taker: str) -> None:
    take, name = TAKES_A_DATA_SET[taker]
    patient = Dataset()
    patient.PatientName = "DOE"
    for thing, kind in (
        ([patient], "list"),
        ({"PatientName": "DOE"}, "dict"),
        ((one for one in [patient]), "generator"),
        (None, "NoneType"),
        (b"DOE", "bytes"),
        (patient["PatientName"], "DataElement"),
        (Dataset, "the class Dataset"),
    ):
        with pytest.raises(TypeError, match=f"^{name}: a pydicom Dataset is wanted, not {kind}$"):
            take(thing)


def test_what_is_no_transfer_syntax_is_told_in_words() -> None:
    for thing in (None, 5, b"1.2.840.10008.1.2"):
        with pytest.raises(TypeError, match="a UID is text, not "):
            encode_data_set(Dataset(), thing)  # type: ignore[arg-type]
