"""Data sets encoded, decoded and shown, as in pynetdicom's `dsutils`.

A data set that is not whole is an error here: `decode` raises DataSetError where pynetdicom returns a part.
"""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import UID

from dicomproto.datasets import decode_data_set, encode_data_set
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

from ..files.part10 import InvalidFile, TruncatedFile, read_head
from ._version import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from .utils import pretty_bytes

LOGGER = logging.getLogger("pynetdicom.dsutils")

_BYTES = ("OB", "OD", "OF", "OL", "OW", "OV")


def create_file_meta(
    *,
    sop_class_uid: UID,
    sop_instance_uid: UID,
    transfer_syntax: UID,
    implementation_uid: UID = PYNETDICOM_IMPLEMENTATION_UID,
    implementation_version: str = PYNETDICOM_IMPLEMENTATION_VERSION,
) -> FileMetaDataset:
    """Return File Meta Information for an object (PS3.10 7.1)."""
    file_meta = FileMetaDataset()
    file_meta.FileMetaInformationGroupLength = 0
    file_meta.FileMetaInformationVersion = b"\x00\x01"
    file_meta.MediaStorageSOPClassUID = sop_class_uid
    file_meta.MediaStorageSOPInstanceUID = sop_instance_uid
    file_meta.TransferSyntaxUID = transfer_syntax
    file_meta.ImplementationClassUID = implementation_uid
    file_meta.ImplementationVersionName = implementation_version
    file_meta.set_original_encoding(False, True)
    return file_meta


def encode_file_meta(file_meta: FileMetaDataset) -> bytes:
    """Return File Meta Information encoded, with its group length."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    write_file_meta_info(buffer, file_meta)
    return bytes(buffer.getvalue())


def _syntax(is_implicit_vr: bool, is_little_endian: bool, deflated: bool) -> str:
    if deflated:
        return DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    if is_implicit_vr:
        if not is_little_endian:
            raise ValueError("no transfer syntax is Implicit VR Big Endian")
        return IMPLICIT_VR_LITTLE_ENDIAN
    return EXPLICIT_VR_LITTLE_ENDIAN if is_little_endian else EXPLICIT_VR_BIG_ENDIAN


def decode(
    bytestring: BytesIO, is_implicit_vr: bool, is_little_endian: bool, deflated: bool = False
) -> Dataset:
    """Return encoded bytes as a data set. Raises DataSetError for what is not a whole data set."""
    syntax = _syntax(is_implicit_vr, is_little_endian, deflated)
    if LOGGER.isEnabledFor(logging.DEBUG):
        LOGGER.debug("decode TransferSyntax=%s", UID(syntax).name)
    return decode_data_set(bytestring.getvalue(), syntax, file_meta=False)


def encode(ds: Dataset, is_implicit_vr: bool, is_little_endian: bool, deflated: bool = False) -> bytes | None:
    """Return a data set encoded, or None if it cannot be; the log says why."""
    try:
        target = _syntax(is_implicit_vr, is_little_endian, deflated)
        own = (getattr(ds, "file_meta", None) or {}).get("TransferSyntaxUID")
        if own is not None and target == EXPLICIT_VR_LITTLE_ENDIAN and UID(own).is_encapsulated:
            target = str(own)  # compressed pixel data stays as it is
        return encode_data_set(ds, target, on_warning=LOGGER.warning)
    except Exception as error:
        LOGGER.error("The data set cannot be encoded: %s", error)
        return None


def split_dataset(path: Path) -> tuple[Dataset, int]:
    """Return the File Meta Information of a file, and the offset of its data set, in bytes.

    Raises pydicom's InvalidDicomError for what is no DICOM file, TruncatedFile for the beginning of one.
    """
    try:
        offset = read_head(path).data_set_offset
    except TruncatedFile:
        raise
    except InvalidFile as error:
        raise InvalidDicomError(str(error)) from error
    with open(path, "rb") as file:
        head = file.read(offset)
    return decode_data_set(head[132:], EXPLICIT_VR_LITTLE_ENDIAN, file_meta=False), offset


# --- for logs --------------------------------------------------------------------------------------


def pretty_dataset(ds: Dataset, indent: int = 0, indent_char: str = "  ") -> list[str]:
    """Return the elements of a data set as lines, the items of a sequence below it."""
    lines = []
    for element in ds:
        if element.VR != "SQ":
            lines.append(indent_char * indent + pretty_element(element))
            continue
        lines.append(pretty_element(element))
        for number, item in enumerate(element.value, 1):
            lines.append(f"{indent_char * (indent + 1)}(Sequence item #{number})")
            lines += pretty_dataset(item, indent + 2, indent_char)
    return lines


def pretty_element(elem: DataElement) -> str:
    """Return an element as a line: tag, VR, value, multiplicity, keyword."""
    try:
        value = _shown(elem)
    except Exception:
        value = "(pynetdicom failed to beautify value)"
    tag = elem.tag
    return f"({tag.group:04X},{tag.element:04X}) {elem.VR} {value: <40} # {elem.VM} {elem.keyword}"


def _shown(element: DataElement) -> str:
    value = element.value
    if element.VR == "SQ":
        count = len(value)
        return f"(Sequence with {count} item{'' if count == 1 else 's'})"
    if element.VM == 0:
        return "(no value available)"
    if element.VR in _BYTES:
        if element.VM == 1 and len(value) <= 13:
            return f"[{pretty_bytes(value, prefix='', delimiter=' ')[0]}]"
        size = len(value) if element.VM == 1 else sum(map(len, value))
        return f"({size} bytes of binary data)"
    several = isinstance(value, MultiValue) or (element.VM > 1 and isinstance(value, list | tuple))
    return f"[{chr(92).join(map(str, value)) if several else value}]"
