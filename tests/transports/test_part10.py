"""File heads: every file that pydicom carries, built ones for each branch, and any bytes at all."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomproto_transports.files.part10 import (
    READ_LIMIT,
    FileHead,
    InvalidFile,
    NotPart10,
    file_meta_bytes,
    read_head,
)

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
CT = b"1.2.840.10008.5.1.4.1.1.2\0"
INSTANCE = b"1.2.3.4\0"
IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
JPEG = "1.2.840.10008.1.2.4.50"

NOT_DICOM = {
    "README.txt",
    "crayons.icc",
    "dicomdirtests/README.txt",
    "dicomdirtests/TINY_ALPHA/README",
    "no_meta.dcm",  # begins with the second byte of an element
    "rtplan.dump",
    "rtstruct.dump",
    "test1.json",
    "test_PN.json",
    "zipMR.gz",
}
WITHOUT_UIDS = {"empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}
UIDS_OF_FILE_META = {
    "UN_sequence.dcm",
    "dicomdirtests/DICOMDIR",
    "dicomdirtests/DICOMDIR-bigEnd",
    "dicomdirtests/DICOMDIR-empty.dcm",
    "dicomdirtests/DICOMDIR-implicit",
    "dicomdirtests/DICOMDIR-nooffset",
    "dicomdirtests/DICOMDIR-nopatient",
    "dicomdirtests/DICOMDIR-reordered",
    "dicomdirtests/TINY_ALPHA/DICOMDIR",
    "no_meta_group_length.dcm",
    "priv_SQ.dcm",
}
DIFFERENT_UIDS = {
    "badVR.dcm",
    "rtdose.dcm",
    "rtdose_1frame.dcm",
    "rtdose_expb.dcm",
    "rtdose_expb_1frame.dcm",
    "rtplan.dcm",
    "rtplan_truncated.dcm",
}
WITHOUT_TRANSFER_SYNTAX = {
    "ExplVR_BigEndNoMeta.dcm": BIG,
    "ExplVR_LitEndNoMeta.dcm": EXPLICIT,
    "rtstruct.dcm": IMPLICIT,
}
WRONG_TRANSFER_SYNTAX = {"SC_rgb_jpeg.dcm"}


def head_of(data: bytes) -> FileHead:
    return read_head(io.BytesIO(data))


def warned(head: FileHead) -> set[str]:
    return {warning.partition(":")[0] for warning in head.warnings}


# --- the files that pydicom carries -------------------------------------------------------------


def corpus() -> list[str]:
    return sorted(str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file())


def test_the_corpus_is_there() -> None:
    files = set(corpus())
    assert len(files) > 150
    listed = NOT_DICOM | WITHOUT_UIDS | UIDS_OF_FILE_META | DIFFERENT_UIDS | WRONG_TRANSFER_SYNTAX
    assert (listed | set(WITHOUT_TRANSFER_SYNTAX)) <= files


@pytest.mark.parametrize("name", sorted(set(corpus()) - NOT_DICOM - WITHOUT_UIDS))
def test_head_is_what_pydicom_reads(name: str) -> None:
    path = FILES / name
    head = read_head(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    meta = dataset.file_meta
    assert head.sop_class_uid == dataset.get("SOPClassUID", meta.get("MediaStorageSOPClassUID"))
    assert head.sop_instance_uid == dataset.get("SOPInstanceUID", meta.get("MediaStorageSOPInstanceUID"))
    syntax = meta.get("TransferSyntaxUID", WITHOUT_TRANSFER_SYNTAX.get(name))
    assert head.transfer_syntax_uid == syntax
    assert head.data_set_offset + head.data_set_length == path.stat().st_size

    kinds = {
        "missing-uid": name in UIDS_OF_FILE_META,
        "different-uid": name in DIFFERENT_UIDS,
        "missing-transfer-syntax": name in WITHOUT_TRANSFER_SYNTAX,
        "wrong-transfer-syntax": name in WRONG_TRANSFER_SYNTAX,
    }
    assert warned(head) == {kind for kind, applies in kinds.items() if applies}
    if syntax != DEFLATED:
        order = ">" if syntax == BIG else "<"
        first = struct.unpack_from(order + "HH", path.read_bytes(), head.data_set_offset)
        assert first == divmod(int(min(dataset.keys())), 0x10000)


@pytest.mark.parametrize("name", sorted(NOT_DICOM))
def test_files_of_other_kinds(name: str) -> None:
    with pytest.raises(NotPart10, match="not a DICOM file"):
        read_head(FILES / name)


@pytest.mark.parametrize("name", sorted(WITHOUT_UIDS))
def test_files_without_uids(name: str) -> None:
    with pytest.raises(InvalidFile, match="no SOP Class UID") as caught:
        read_head(FILES / name)
    assert not isinstance(caught.value, NotPart10)
    assert str(FILES / name) in str(caught.value)


# --- built files --------------------------------------------------------------------------------


def explicit(tag: int, vr: bytes, value: bytes, order: str = "<") -> bytes:
    if vr in (b"OB", b"SQ", b"UN", b"UT"):
        return struct.pack(order + "HH2sxxI", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def undefined(tag: int, content: bytes, vr: bytes | None = None, order: str = "<") -> bytes:
    vr_bytes = b"" if vr is None else vr + b"\0\0"
    tag_bytes = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    end = struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)
    return tag_bytes + vr_bytes + b"\xff\xff\xff\xff" + content + end


def item(content: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, len(content)) + content


def open_item(content: bytes, order: str = "<") -> bytes:
    head = struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return head + content + struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0)


def uids(order: str = "<") -> bytes:
    return explicit(0x0008_0016, b"UI", CT, order) + explicit(0x0008_0018, b"UI", INSTANCE, order)


IMPLICIT_UIDS = implicit(0x0008_0016, CT) + implicit(0x0008_0018, INSTANCE)
NOISE = random.Random(0).randbytes(60_000)
PATIENT = explicit(0x0010_0010, b"PN", b"Nobody")


def file(data_set: bytes, syntax: str | None = EXPLICIT, *, meta_uids: bool = False) -> bytes:
    meta = explicit(0x0002_0001, b"OB", b"\0\1")
    if meta_uids:
        meta += explicit(0x0002_0002, b"UI", CT) + explicit(0x0002_0003, b"UI", INSTANCE)
    if syntax is not None:
        meta += explicit(0x0002_0010, b"UI", syntax.encode() + b"\0" * (len(syntax) % 2))
    return bytes(128) + b"DICM" + meta + data_set


def deflated(data_set: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data_set) + compressor.flush()


@pytest.mark.parametrize(
    ("data", "syntax", "offset"),
    [
        pytest.param(file(uids() + PATIENT), EXPLICIT, 174, id="explicit"),
        pytest.param(file(uids()), EXPLICIT, 174, id="nothing after the UIDs"),
        pytest.param(file(IMPLICIT_UIDS, IMPLICIT), IMPLICIT, 172, id="implicit"),
        pytest.param(file(uids(">"), BIG), BIG, 174, id="big endian"),
        pytest.param(file(deflated(uids() + PATIENT), DEFLATED), DEFLATED, 176, id="deflated"),
        pytest.param(file(uids(), JPEG), JPEG, 176, id="compressed"),
        pytest.param(file(uids(), "1.3.12"), "1.3.12", 160, id="private transfer syntax"),
        pytest.param(file(IMPLICIT_UIDS, "1.3.12"), "1.3.12", 160, id="private transfer syntax, implicit"),
        pytest.param(
            file(explicit(0x0008_0001, b"UT", b"x" * 70_000) + uids()), EXPLICIT, 174, id="long element"
        ),
        pytest.param(
            file(deflated(explicit(0x0008_0001, b"UT", b"x" * 60_000) + uids()), DEFLATED),
            DEFLATED,
            176,
            id="long element, deflated",
        ),
        pytest.param(
            file(explicit(0x0008_0006, b"SQ", item(uids()) + item(b"")) + uids()),
            EXPLICIT,
            174,
            id="sequence",
        ),
        pytest.param(
            file(
                undefined(
                    0x0008_0006,
                    open_item(
                        undefined(0x0008_0006, item(PATIENT), b"SQ") + explicit(0x0008_0016, b"UI", b"9.9 ")
                    )
                    + item(b"AB" * 0x2121)  # a length that looks like a VR
                    + open_item(b""),
                    b"SQ",
                )
                + uids()
            ),
            EXPLICIT,
            174,
            id="nested sequences of undefined length",
        ),
        pytest.param(
            file(
                undefined(0x0008_0006, open_item(explicit(0x0008_0016, b"UI", b"9 ", ">"), ">"), b"SQ", ">")
                + uids(">"),
                BIG,
            ),
            BIG,
            174,
            id="sequence of undefined length, big endian",
        ),
        pytest.param(
            file(undefined(0x0007_0006, open_item(IMPLICIT_UIDS) + item(b""), b"UN") + uids()),
            EXPLICIT,
            174,
            id="UN of undefined length is implicit inside",
        ),
        pytest.param(
            file(undefined(0x0008_0006, open_item(IMPLICIT_UIDS)) + IMPLICIT_UIDS, IMPLICIT),
            IMPLICIT,
            172,
            id="implicit sequence of undefined length",
        ),
        pytest.param(
            file(explicit(0x0008_0005, b"CS", b"") + implicit(0x0008_0008, b"X ") + uids()),
            EXPLICIT,
            174,
            id="an implicit element among explicit ones",
        ),
        pytest.param(
            file(explicit(0x0002_0102, b"OB", bytes(5000)) + uids()), EXPLICIT, 5186, id="long File Meta"
        ),
        pytest.param(
            file(deflated(explicit(0x0008_0001, b"UT", NOISE) + uids()), DEFLATED),
            DEFLATED,
            176,
            id="long element that deflates badly",
        ),
        pytest.param(
            file(implicit(0x0002_0100, b"1.2 ") + uids(), EXPLICIT), EXPLICIT, 186, id="implicit meta element"
        ),
    ],
)
def test_where_the_uids_are(data: bytes, syntax: str, offset: int) -> None:
    expected = FileHead(
        sop_class_uid=CT.decode().rstrip("\0"),
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=syntax,
        data_set_offset=offset,
        data_set_length=len(data) - offset,
    )
    head = head_of(data)
    assert head == expected
    assert head.warnings == ()


@pytest.mark.parametrize(
    ("data", "syntax", "offset", "kind"),
    [
        pytest.param(uids(), EXPLICIT, 0, "missing-transfer-syntax", id="bare explicit"),
        pytest.param(uids(">"), BIG, 0, "missing-transfer-syntax", id="bare big endian"),
        pytest.param(IMPLICIT_UIDS, IMPLICIT, 0, "missing-transfer-syntax", id="bare implicit"),
        pytest.param(
            bytes(128) + b"DICM" + uids(), EXPLICIT, 132, "missing-transfer-syntax", id="no group 2"
        ),
        pytest.param(file(uids(">"), None), BIG, 146, "missing-transfer-syntax", id="no syntax in group 2"),
        pytest.param(
            explicit(0x0002_0010, b"UI", IMPLICIT.encode() + b"\0") + IMPLICIT_UIDS,
            IMPLICIT,
            26,
            None,
            id="no preamble",
        ),
        pytest.param(
            file(uids(), IMPLICIT), IMPLICIT, 172, "wrong-transfer-syntax", id="explicit, said implicit"
        ),
        pytest.param(
            file(IMPLICIT_UIDS), EXPLICIT, 174, "wrong-transfer-syntax", id="implicit, said explicit"
        ),
        pytest.param(file(PATIENT, meta_uids=True), EXPLICIT, 224, "missing-uid", id="File Meta only"),
        pytest.param(
            file(b"no deflate stream", DEFLATED, meta_uids=True),
            DEFLATED,
            226,
            "missing-uid",
            id="cannot be inflated",
        ),
        pytest.param(
            file(explicit(0x0008_0005, b"CS", b"x" * 50)[:40], meta_uids=True),
            EXPLICIT,
            224,
            "missing-uid",
            id="cut",
        ),
    ],
)
def test_what_is_tolerated(data: bytes, syntax: str, offset: int, kind: str | None) -> None:
    head = head_of(data)
    assert head.sop_class_uid == CT.decode().rstrip("\0")
    assert head.sop_instance_uid == "1.2.3.4"
    assert (head.transfer_syntax_uid, head.data_set_offset) == (syntax, offset)
    assert head.data_set_length == len(data) - offset
    assert warned(head) == ({kind} if kind else set())


def test_what_stands_in_the_place_of_a_uid_is_not_shown() -> None:
    meta = file_meta_bytes(
        sop_class_uid="SECRET^NAME", sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN
    )
    data_set = explicit(0x0008_0016, b"UI", b"1.2.3\0") + explicit(0x0008_0018, b"UI", b"1.2.4\0")
    assert head_of(meta + data_set).warnings == (
        "different-uid: SOP Class UID is '1.2.3' in the data set, 11 characters of other text in File Meta",
        "different-uid: SOP Instance UID is '1.2.4' in the data set, '1.2.3' in File Meta",
    )


def test_uids_of_the_data_set_rule() -> None:
    data_set = explicit(0x0008_0016, b"UI", b" 1.2.9  ") + explicit(0x0008_0018, b"UI", b"1.02")
    head = head_of(file(data_set, meta_uids=True))
    assert (head.sop_class_uid, head.sop_instance_uid) == ("1.2.9", "1.02")
    assert [warning.partition(" is ")[0] for warning in head.warnings] == [
        "different-uid: SOP Class UID",
        "different-uid: SOP Instance UID",
        "invalid-uid: SOP Instance UID '1.02'",
    ]


BOMB = deflated(explicit(0x0008_0001, b"UT", bytes(50_000_000)) + uids())


@pytest.mark.parametrize(
    ("data", "reason", "offset"),
    [
        pytest.param(b"", "not a DICOM file", 0, id="empty"),
        pytest.param(b"\x08\0", "not a DICOM file", 0, id="two bytes"),
        pytest.param(bytes(1000), "not a DICOM file", 0, id="zeros"),
        pytest.param(bytes(128) + b"DICM", "no data set", 132, id="preamble only"),
        pytest.param(file(b""), "no data set", 174, id="no data set"),
        pytest.param(file(b"")[:160], "the file ends within its File Meta", 146, id="cut in File Meta"),
        pytest.param(
            file(PATIENT), "the data set has no SOP Class UID, and File Meta has none", 174, id="no UIDs"
        ),
        pytest.param(
            file(explicit(0x0008_0016, b"UI", CT) + PATIENT),
            "the data set has no SOP Instance UID, and File Meta has none",
            174,
            id="no instance",
        ),
        pytest.param(
            file(uids()[:40]),
            "the data set has no SOP Instance UID, it cannot be read beyond its byte 34,"
            " and File Meta has none",
            174,
            id="cut in the data set",
        ),
        pytest.param(
            file(explicit(0x0008_0005, b"CS", b"") + explicit(0x0008_0008, b"UT", b"")[:8]),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 8, and File Meta has none",
            174,
            id="cut in a long header",
        ),
        pytest.param(
            file(undefined(0x0008_0006, b"", b"SQ")[:-8]),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 0, and File Meta has none",
            174,
            id="sequence without end",
        ),
        pytest.param(
            file(struct.pack("<HH2sxxI", 8, 6, b"SQ", 0xFFFFFFFF) * 100_000 + uids()),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 0, and File Meta has none",
            174,
            id="nested without end",
        ),
        pytest.param(
            file(explicit(0x0008_0001, b"UT", bytes(READ_LIMIT)) + uids()),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 0, and File Meta has none",
            174,
            id="too far in",
        ),
        pytest.param(
            file(BOMB, DEFLATED),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 0, and File Meta has none",
            176,
            id="deflate bomb",
        ),
        pytest.param(
            file(deflated(uids())[:10], DEFLATED),
            "the data set has no SOP Class UID, it cannot be read beyond its byte 0, and File Meta has none",
            176,
            id="deflated, cut",
        ),
        pytest.param(
            file(b"no deflate stream", DEFLATED),
            "the data set has no SOP Class UID, it cannot be inflated, and File Meta has none",
            176,
            id="cannot be inflated",
        ),
        pytest.param(
            file(explicit(0x0008_0016, b"UI", CT) + explicit(0x0008_0018, b"UI", b"../1.2.3")),
            "the SOP Instance UID is no UID but 8 characters of other text",
            174,
            id="no UID",
        ),
        pytest.param(
            file(explicit(0x0008_0016, b"UI", b"1" * 66)),
            "the SOP Class UID is no UID but 66 characters of digits and dots",
            174,
            id="long",
        ),
        pytest.param(
            file(uids(), "\x1b[2J"),
            "the Transfer Syntax UID is no UID but 4 characters of other text",
            158,
            id="no syntax",
        ),
    ],
)
def test_what_cannot_be_sent(data: bytes, reason: str, offset: int, tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_bytes(data)
    with pytest.raises(InvalidFile) as caught:
        read_head(path)
    assert (caught.value.name, caught.value.reason, caught.value.offset) == (str(path), reason, offset)
    assert str(caught.value) == f"{path}: {reason} (at byte {offset})"
    assert isinstance(caught.value, NotPart10) is (reason == "not a DICOM file")


def test_open_file_is_read_from_its_position() -> None:
    stream = io.BytesIO(b"before it" + file(uids()))
    stream.seek(9)
    head = read_head(stream)
    assert head.data_set_offset == 9 + 174
    stream.seek(head.data_set_offset)
    assert stream.read() == uids()
    assert head.data_set_length == len(uids())


class Dribbling(io.RawIOBase):
    """A file that gives at most 100 bytes at once, and ends at `end` whatever it said before."""

    def __init__(self, data: bytes, end: int) -> None:
        self._data = data
        self._end = end
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        data = self._data[self._position : min(self._position + min(size, 100), self._end)]
        self._position += len(data)
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = len(self._data) if whence == 2 else offset
        return self._position


def test_file_that_comes_in_parts_or_shrinks() -> None:
    data = file(explicit(0x0008_0001, b"UT", b"x" * 10_000) + uids() + PATIENT)
    assert read_head(Dribbling(data, len(data))) == head_of(data)
    assert read_head(Dribbling(data, len(data) - len(PATIENT))) == head_of(data[: -len(PATIENT)])
    with pytest.raises(InvalidFile, match="no SOP Class UID"):
        read_head(Dribbling(data, 1000))


def test_missing_file() -> None:
    with pytest.raises(FileNotFoundError):
        read_head("no such file")


@given(st.binary(max_size=300), st.sampled_from([None, EXPLICIT, IMPLICIT, BIG, DEFLATED]))
@example(data=b"\x08\0", syntax=None)
def test_any_bytes(data: bytes, syntax: str | None) -> None:
    for whole in (data, bytes(128) + b"DICM" + data, file(data, syntax), file(data, syntax, meta_uids=True)):
        try:
            head = head_of(whole)
        except InvalidFile:
            with pytest.raises(InvalidFile):
                read_head(io.BytesIO(whole))
        else:
            assert read_head(io.BytesIO(whole)) == head


@given(st.data())
def test_any_cut_and_change_of_a_file(data: st.DataObject) -> None:
    base = file(undefined(0x0008_0006, open_item(PATIENT), b"SQ") + uids() + PATIENT, meta_uids=True)
    whole = bytearray(base[: data.draw(st.integers(0, len(base)))])
    if whole:
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidFile):
        head = head_of(bytes(whole))
        assert head.data_set_offset + head.data_set_length == len(whole)


# --- File Meta ----------------------------------------------------------------------------------


def test_file_meta_golden_bytes() -> None:
    assert file_meta_bytes(
        sop_class_uid="1.2.840.10008.1.1",
        sop_instance_uid="1.2.34",
        transfer_syntax_uid=EXPLICIT,
        implementation_class_uid="1.2.3",
        implementation_version_name="ODD",
        source_ae_title="STORESCU ",
    ) == bytes(128) + b"DICM" + b"".join(
        [
            bytes.fromhex("0200 0000") + b"UL" + bytes.fromhex("0400 7C000000"),
            bytes.fromhex("0200 0100") + b"OB" + bytes.fromhex("0000 02000000 0001"),
            bytes.fromhex("0200 0200") + b"UI" + bytes.fromhex("1200") + b"1.2.840.10008.1.1\0",
            bytes.fromhex("0200 0300") + b"UI" + bytes.fromhex("0600") + b"1.2.34",
            bytes.fromhex("0200 1000") + b"UI" + bytes.fromhex("1400") + b"1.2.840.10008.1.2.1\0",
            bytes.fromhex("0200 1200") + b"UI" + bytes.fromhex("0600") + b"1.2.3\0",
            bytes.fromhex("0200 1300") + b"SH" + bytes.fromhex("0400") + b"ODD ",
            bytes.fromhex("0200 1600") + b"AE" + bytes.fromhex("0800") + b"STORESCU",
        ]
    )


@pytest.mark.parametrize("title", ["", "  \0", "SCU", "A" * 16, "\x1b[2J\\\xff"])
def test_file_meta_as_pydicom_reads_it(title: str) -> None:
    meta = file_meta_bytes(
        sop_class_uid=CT.decode().rstrip("\0"),
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=JPEG,
        source_ae_title=title,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = pydicom.dcmread(io.BytesIO(meta + PATIENT))
    info = dataset.file_meta
    assert dataset.preamble == bytes(128)
    assert info.FileMetaInformationGroupLength == len(meta) - 144
    assert info.FileMetaInformationVersion == b"\0\1"
    assert info.MediaStorageSOPClassUID == CT.decode().rstrip("\0")
    assert info.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert info.TransferSyntaxUID == JPEG
    assert info.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert info.get("SourceApplicationEntityTitle", "") == {"  \0": "", "\x1b[2J\\\xff": "?[2J??"}.get(
        title, title
    )
    assert dataset.PatientName == "Nobody"
    head = head_of(meta + PATIENT)
    assert (head.data_set_offset, head.data_set_length) == (len(meta), len(PATIENT))
