"""The matches of a query as DICOM files."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from dicomproto.datasets import encode_data_set
from dicomproto.quiet import Quiet
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

from ...files.part10 import file_meta_bytes
from ..cli.output_directory import open_temporary

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_SYNTAXES: dict[object, str] = {  # by `original_encoding` of pydicom: implicit VR, Little Endian
    (True, True): IMPLICIT_VR_LITTLE_ENDIAN,
    (False, True): EXPLICIT_VR_LITTLE_ENDIAN,
}
"""All others are Big Endian, with VR or, against the standard, without."""


def write_match(path: str, match: Dataset, model: str) -> None:
    """Write a match to a DICOM file, in the transfer syntax of the response.

    An old file with this name is replaced only when the new one is complete. A match is not an instance of a
    SOP class, but the File Meta Information needs both UIDs: the SOP class is that of the query, the SOP
    Instance UID that of the match, or one made from a UUID (PS3.5 B.2).

    Raises OSError or DataSetError.
    """
    transfer_syntax = _SYNTAXES.get(match.original_encoding, EXPLICIT_VR_BIG_ENDIAN)
    data = encode_data_set(match, transfer_syntax, on_warning=lambda text: None)  # they were shown before
    meta = file_meta_bytes(
        sop_class_uid=model,
        sop_instance_uid=_uid_of(match),
        transfer_syntax_uid=transfer_syntax,
    )
    descriptor, part = open_temporary(os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(meta)
            file.write(data)
            file.flush()
            os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _uid_of(match: Dataset) -> str:
    with Quiet():
        uid = match.get("SOPInstanceUID")
    if isinstance(uid, str) and 0 < len(uid) <= 64 and set(uid) <= set("0123456789."):
        return uid
    from uuid import uuid4

    return f"2.25.{uuid4().int}"
