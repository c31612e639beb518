"""Data sets of any values for the tests of matching, as they are made and as a peer receives them."""

from __future__ import annotations

import struct
from io import BytesIO

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN


def dataset(**values: object) -> Dataset:
    """Return a data set of any values, valid or not."""
    made = Dataset()
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        made[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)
    return made


def sent(made: Dataset, syntax: str = IMPLICIT_VR_LITTLE_ENDIAN) -> Dataset:
    """Return the data set as a peer receives it, its elements still raw."""
    return decode_data_set(encode_data_set(made, syntax), syntax)


def raw(*parts: tuple[int, bytes]) -> Dataset:
    """Return the data set of elements that pydicom read in Implicit VR Little Endian, valid or not."""
    data = b"".join(struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value for tag, value in parts)
    return read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)


WRONG_KEYS = [
        "StudyDate=hello", "StudyDate=20261399", "StudyDate=20260230", "StudyDate=2026",
    "StudyDate=2026-01-15",
    "StudyDate=2026011520260116", "StudyDate=2026.01.15", "StudyDate=20260101-20261399", "StudyDate=--",
    "StudyDate=20260101-20260102-", "StudyDate=20260101\\x", "StudyDate=Jan*", "StudyDate=00000000",
    "StudyDate=\u0662\u0660260101", "StudyDate=2026 0101",
        "StudyTime=25", "StudyTime=1060", "StudyTime=noon", "StudyTime=1", "StudyTime=10:30",
    "StudyTime=1000-12:00",
    "StudyTime=1000-2500", "StudyTime=1000.5",
    "AcquisitionDateTime=202613", "AcquisitionDateTime=20260101T10", "AcquisitionDateTime=2026-13",
    "AcquisitionDateTime=2026010125", "AcquisitionDateTime=10",
        "PatientAge=..", "PatientAge=42", "PatientAge=42Y", "PatientAge=0042Y", "PatientAge=042y",
    "PatientAge=old*",
        "SeriesNumber=seven", "SeriesNumber=1.5", "SeriesNumber=2147483648", "SeriesNumber=1e3",
    "SeriesNumber=\u0667",
    "SeriesNumber=1_0", "SeriesNumber=1-9999999999",
    "PatientWeight=heavy", "PatientWeight=1,5", "PatientWeight=nan", "PatientWeight=1.2.3",
    "PatientWeight=12345678901234567", "PatientWeight=0x10",
    "StudyInstanceUID=abc", "StudyInstanceUID=1..2", "StudyInstanceUID=.1", "StudyInstanceUID=1.2.",
    "StudyInstanceUID=" + "1.2" * 22, "SOPClassUID=CTImageStorage", "StudyInstanceUID=1.2\\x",
]  # fmt: skip
"""Keys that are no values of their VR, of any kind of matching."""

RIGHT_KEYS = [
    "StudyDate=", "StudyDate=*", "StudyDate=20260101", "StudyDate=20260101-", "StudyDate=-20260101",
    "StudyDate=20260101-20260131", "StudyDate=20260101\\20260301-", 'StudyDate=""', "StudyDate=2026*",
    "StudyDate=202601??", "StudyDate=**", "StudyDate= 20260101 ", "StudyDate=-",
        "StudyTime=*", "StudyTime=10", "StudyTime=1000-1200", "StudyTime=1000-", "StudyTime=-1200",
    "StudyTime=235960",
    "StudyTime=103000.123456", "StudyTime=10*", "StudyTime=1000.*", "StudyTime=-",
        "AcquisitionDateTime=2026", "AcquisitionDateTime=20260101103000.5+0100",
    "AcquisitionDateTime=2025-2026",
    "AcquisitionDateTime=20260101-0500-", "AcquisitionDateTime=2026*",
    "PatientAge=042Y", "PatientAge=*", "PatientAge=04?Y", "PatientAge=",
    "SeriesNumber=7", "SeriesNumber=-7", "SeriesNumber=+007", "SeriesNumber=1\\2", "SeriesNumber=1*",
    "SeriesNumber=1-5", "SeriesNumber=*", "SeriesNumber=",
        "PatientWeight=70.5", "PatientWeight=.5", "PatientWeight=7e1", "PatientWeight=7?",
    "PatientWeight=60-70.5",
        "StudyInstanceUID=1.2.3", "StudyInstanceUID=1.2\\1.3", "StudyInstanceUID=1.02",
    "StudyInstanceUID=1.2.*",
    "StudyInstanceUID=*", "StudyInstanceUID=\\", "PatientName=..", "PatientID=*?",
]  # fmt: skip
"""Keys of one value, a range, or what stands for any, and those that archives take beyond the standard."""
