"""The objects that are sent: CT images of a given size, each with its own SOP Instance UID."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
TEXT = {
    "CS": "CODE",
    "DS": "1.25",
    "IS": "42",
    "LO": "some text",
    "SH": "short",
    "DA": "20240115",
    "TM": "083000",
}
"""A value of each VR of which the objects are made."""


def ct(size: int) -> FileDataset:
    """Return a CT image of about `size` bytes: pydicom's, of 39 KB, with as many pixels as that takes."""
    image = dcmread(get_testdata_file("CT_small.dcm"), force=True)
    frame = len(image.PixelData)
    image.NumberOfFrames = frames = max(1, round((size - 6_500) / frame))
    image.PixelData = image.PixelData * frames
    return image


def write_objects(folder: Path, size: int, count: int) -> None:
    """Write `count` CT images of about `size` bytes to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    image = ct(size)
    for number in range(count):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode an element in Explicit VR Little Endian."""
    value += b" " * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in ("OW", "SQ"):
        return head + struct.pack("<xxI", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def data_sets(uids: Sequence[str], size: int, elements: int) -> list[bytes]:
    """Return CT images of `size` bytes of `elements` elements, one for each UID; these are equally long."""
    chosen = {0x0008_0016: ("UI", CT + "\0"), 0x0008_0018: ("UI", uids[0] + "\0" * (len(uids[0]) % 2))}
    for tag, (vr, multiplicity, _, retired, _) in sorted(DicomDictionary.items()):
        if len(chosen) == elements - 1:
            break
        if 0x0008_0020 < tag < 0x0040_0000 and vr in TEXT and multiplicity == "1" and not retired:
            chosen.setdefault(tag, (vr, TEXT[vr]))
    content = b"".join(element(tag, vr, value.encode()) for tag, (vr, value) in sorted(chosen.items()))
    content += element(0x7FE0_0010, "OW", bytes(size - len(content) - 12))
    return [content.replace(uids[0].encode(), uid.encode()) for uid in uids]


def write_file(path: Path, uid: str, content: bytes) -> None:
    """Write a data set as a DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(CT), UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        write_file_meta_info(file, meta)
        file.write(content)
