"""Constants that programs import from pynetdicom's `_globals`.

As with pynetdicom, an import gives pydicom the names of the transfer syntaxes that it does not know, so that
a `UID` of one tells its name and its encoding.
"""

from __future__ import annotations

from typing import TypeAlias

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from dicomproto import uids
from dicomproto.services._sop_class_table import TRANSFER_SYNTAXES

DEFAULT_MAX_LENGTH: int = 16382
"""The default maximum length of a P-DATA-TF, in bytes; 0 is no limit."""

APPLICATION_CONTEXT_NAME: str = uids.APPLICATION_CONTEXT_NAME
"""The DICOM application context name (PS3.7 Annex A.2.1)."""

DEFAULT_TRANSFER_SYNTAXES: list[str] = [
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
]
"""The transfer syntaxes of a presentation context that is made without any."""

ALL_TRANSFER_SYNTAXES: list[str] = list(TRANSFER_SYNTAXES)
"""All transfer syntaxes of PS3.6, retired ones included."""

MODE_ACCEPTOR: str = "acceptor"
MODE_REQUESTOR: str = "requestor"

STATUS_SUCCESS: str = "Success"
STATUS_FAILURE: str = "Failure"
STATUS_WARNING: str = "Warning"
STATUS_CANCEL: str = "Cancel"
STATUS_PENDING: str = "Pending"
STATUS_UNKNOWN: str = "Unknown"

OptionalUIDType: TypeAlias = str | bytes | UID | None

_NAMES = {
    "DeflatedImageFrameCompression": "Deflated Image Frame Compression",
    "JPEGXL": "JPEG XL",
    "JPEGXLJPEGRecompression": "JPEG XL JPEG Recompression",
    "JPEGXLLossless": "JPEG XL Lossless",
}
"""The names in PS3.6 of the newest transfer syntaxes."""

for _uid, _keyword in TRANSFER_SYNTAXES.items():
    if _keyword in _NAMES:
        UID_dictionary.setdefault(_uid, (_NAMES[_keyword], "Transfer Syntax", "", "", _keyword))
