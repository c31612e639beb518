"""Encoded data sets: those of the files that pydicom carries, and such as are put together here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pydicom

from dicomproto.encoding.headers import LONG_VRS, UNDEFINED
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
TRUNCATED = {"MR_truncated.dcm", "rtplan_truncated.dcm", "DICOMDIR-nooffset"}
"""Those that end early."""


def data_set_of(path: Path) -> tuple[bytes, str]:
    """Return the bytes after group 0002 and their transfer syntax."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta = pydicom.filereader.read_file_meta_info(path)
        file.seek(132)
        pydicom.filereader._read_file_meta_info(file)
        return file.read(), str(meta.get("TransferSyntaxUID", IMPLICIT_VR_LITTLE_ENDIAN))


def data_set_files() -> Iterator[Path]:
    """Yield the paths of all files that are DICOM files (PS3.10)."""
    for path in sorted(FILES.rglob("*")):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            yield path


def explicit(tag: int, vr: bytes, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    head = pack(order + "HH", tag >> 16, tag & 0xFFFF) + vr
    length = len(value) if length is None else length
    if vr.decode() in LONG_VRS:
        return head + pack(order + "HI", 0, length) + value
    return head + pack(order + "H", length) + value


def implicit(tag: int, value: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    length = len(value) if length is None else length
    return pack(order + "HHI", tag >> 16, tag & 0xFFFF, length) + value


def item(content: bytes = b"", length: int | None = None, order: str = "<") -> bytes:
    return implicit(0xFFFEE000, content, length, order)


def ended(content: bytes = b"", order: str = "<") -> bytes:
    """Return an item of undefined length."""
    return item(content, UNDEFINED, order) + implicit(0xFFFEE00D, order=order)


def closed(items: bytes, order: str = "<") -> bytes:
    """Return items and the delimiter of their sequence."""
    return items + implicit(0xFFFEE0DD, order=order)
