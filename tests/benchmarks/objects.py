"""The objects that are sent: CT images of a given size, each with its own SOP Instance UID."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

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


def write_objects(folder: Path, size: int, count: int) -> None:
    """Write `count` CT images of about `size` bytes to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = 256
    columns = max(size // 2 // rows, 1)
    study, series = generate_uid(), generate_uid()
    for number in range(count):
        image = Dataset()
        image.SOPClassUID = CTImageStorage
        image.SOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.PatientName, image.PatientID = "Benchmark^Object", "BENCH"
        image.Modality, image.InstanceNumber = "CT", number
        # No field for rows and columns is wide enough for the largest; frames are.
        image.NumberOfFrames = max(columns // 256, 1)
        image.Rows, image.Columns = rows, min(columns, 256)
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        pixels = int(image.NumberOfFrames) * image.Rows * image.Columns
        image.PixelData = bytes(2 * pixels)
        image["PixelData"].VR = "OW"
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
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
