"""Objects to send: data sets and files, checked as pynetdicom does."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..files.objects import DatasetToSend, ObjectToSend, prepare
from ..files.part10 import InvalidFile, TruncatedFile
from . import _config
from .dsutils import split_dataset

_IN_HEAD = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")

_NEEDED = {"SOPClassUID": BaseTag(0x0008_0016), "SOPInstanceUID": BaseTag(0x0008_0018)}

_ENCODINGS = {
    syntax: (syntax.is_implicit_VR, syntax.is_little_endian)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
}
"""The transfer syntaxes of nearly all data sets, with whether they have implicit VR and are little endian."""

LOGGER = logging.getLogger("pynetdicom.association")


def object_to_send(dataset: str | Path | Dataset) -> tuple[ObjectToSend, bool]:
    """Return the object of a data set or file, and whether it may be converted.

    Raises AttributeError for one that lacks something, InvalidDicomError for a file that is no DICOM file.
    """
    if isinstance(dataset, Dataset):
        try:
            item = DatasetToSend(dataset)
        except ValueError:
            _check_uids(dataset)
            raise
        item.transfer_syntax_uid = _transfer_syntax(dataset)
        return item, True
    path = dataset if isinstance(dataset, str) else os.fspath(Path(dataset))
    try:
        if _config.STORE_SEND_CHUNKED_DATASET:
            _check_head(path)
        return prepare(path), not _config.STORE_SEND_CHUNKED_DATASET
    except TruncatedFile:
        raise
    except InvalidFile as error:
        raise InvalidDicomError(str(error)) from error


def _check_head(path: str) -> None:
    """Raise AttributeError for a file that does not say what it holds; only its head is read."""
    head, _ = split_dataset(Path(path))
    missing = [keyword for keyword in _IN_HEAD if keyword not in head]
    if missing:
        raise AttributeError(
            f"Unable to send the dataset from the file at {path} as one or more required file meta "
            f"information elements are missing: {', '.join(missing)}"
        )


def _check_uids(dataset: Dataset) -> None:
    """Raise AttributeError for a data set that does not say what it is."""
    missing = [keyword for keyword, tag in _NEEDED.items() if tag not in dataset]
    if missing:
        text = f"one or more required element are missing: {', '.join(missing)}"
        raise AttributeError(f"Unable to send the dataset as {text}")


def _transfer_syntax(dataset: Dataset) -> str:
    """Return the transfer syntax that a data set declares; one that contradicts its encoding is an error."""
    meta = getattr(dataset, "file_meta", None)
    syntax: UID | None = None if meta is None else meta.get("TransferSyntaxUID")
    if syntax is None:
        raise AttributeError(
            "Unable to determine the presentation context to use with `dataset` as it contains no "
            "'(0002,0010) Transfer Syntax UID' file meta information element"
        )
    read = dataset.original_encoding
    implicit = dataset.is_implicit_VR if read[0] is None else read[0]
    little = dataset.is_little_endian if read[1] is None else read[1]
    if implicit is None or little is None:
        return str(syntax)
    if (_ENCODINGS.get(syntax) or (syntax.is_implicit_VR, syntax.is_little_endian)) == (implicit, little):
        return str(syntax)
    encoding = f"{'implicit' if implicit else 'explicit'} VR {'little' if little else 'big'} endian"
    declared = f"a (0002,0010) Transfer Syntax UID of '{syntax.name}'"
    text = f"'dataset' is encoded as {encoding} but the file meta has {declared}"
    if implicit != little:
        raise AttributeError(f"{text} - please set an appropriate Transfer Syntax")
    used = ImplicitVRLittleEndian if implicit else ExplicitVRBigEndian
    LOGGER.warning("%s - using '%s' instead", text, used.name)
    return str(used)
