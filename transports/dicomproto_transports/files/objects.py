"""Objects for C-STORE: a data set, a path or an open file, prepared for sending.

The data set of a file is sent unchanged. Its head is read for the UIDs and the transfer syntax, and the
headers of its elements, to find a file that ends early. It is decoded only if the peer did not accept its
transfer syntax and the pixel data is native: then it is re-encoded, if that is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from dicomproto.encoded import Walk, walk_file
from dicomproto.errors import DataSetError
from dicomproto.record import Record
from dicomproto.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

from ..arguments import is_data_set
from ..error_text import named
from .opened import OpenedFile, ReadSource, first_stamp_of, head_of, open_object
from .part10 import FIRST_READ, FileHead, TruncatedFile
from .sources import (
    Encoding,
    FileSource,
    MemorySource,
    ObjectFile,
    Peer,
    PieceBuffers,
    Source,
    SourceChanged,
    Stamp,
    stamp_of,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class ObjectToSend(Protocol):
    """A composite SOP instance and its data set."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    warnings: tuple[str, ...]

    def source(self, size: int, buffers: PieceBuffers, peer: Peer) -> Source:
        """Return the data set unchanged, in pieces of `size` bytes."""
        ...

    def converted(self, transfer_syntax: str, size: int, peer: Peer) -> Source:
        """Return the data set re-encoded in another transfer syntax."""
        ...

    def close(self) -> None:
        """Close the file, if it was opened here."""


class KnownFile(Record):
    """A DICOM file with its head, which need not be read again.

    The heads of many files tell which contexts to propose. `send_c_store` takes a `KnownFile` in place of the
    path, and reads the head again only if the file has changed since.
    """

    path: str
    head: FileHead
    stamp: Stamp | None
    """The stamp of the file before the head was read."""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> KnownFile:
        """Read the head of a file; raises OSError and InvalidFile."""
        file = open_object(path, FIRST_READ)
        try:
            stamp = first_stamp_of(file)
            return cls(path=os.fspath(path), head=head_of(file), stamp=stamp)
        finally:
            file.close()


class FileToSend:
    """An object in a file, undecoded.

    Raises TruncatedFile if its data set certainly ends early, unless `send_truncated`.
    """

    def __init__(
        self,
        file: ObjectFile,
        name: str,
        *,
        is_ours: bool,
        known: KnownFile | None = None,
        send_truncated: bool = False,
    ) -> None:
        self._file = file
        self._name = name
        self.is_ours = is_ours
        """Whether the file was opened here, and not by the user."""

        try:
            # Taken before the head is read, so that a write in between is noticed.
            self._stamp = first_stamp_of(file)
            head = known.head if known and known.stamp == self._stamp else head_of(file)
            oddities = _walked(file, name, head, send_truncated=send_truncated)
        except BaseException:
            self.close()
            raise
        self._head = head
        self.sop_class_uid: str = head.sop_class_uid
        self.sop_instance_uid: str = head.sop_instance_uid
        self.transfer_syntax_uid: str = head.transfer_syntax_uid
        self.warnings: tuple[str, ...] = head.warnings + oddities
        if head.data_set_length & 1:
            self.warnings += ("odd-length: the data set was sent with a NUL at its end",)

    def source(self, size: int, buffers: PieceBuffers, peer: Peer) -> Source:
        file = self._file
        if isinstance(file, OpenedFile) and file.is_all_here:
            return ReadSource(file, self._head.data_set_offset, size)
        self._file.seek(self._head.data_set_offset)
        return FileSource(self._file, self._head.data_set_length, size, buffers, self._name, self._stamp)

    def converted(self, transfer_syntax: str, size: int, peer: Peer) -> Source:
        from dicomproto.datasets import convert

        self._file.seek(self._head.data_set_offset)
        data = self._file.read(self._head.data_set_length)
        if stamp_of(self._file) != self._stamp:
            raise SourceChanged(self._name, "was written to while it was read")
        return MemorySource(convert(data, self.transfer_syntax_uid, transfer_syntax), size)

    def close(self) -> None:
        if self.is_ours:
            self._file.close()


def _walked(file: ObjectFile, name: str, head: FileHead, *, send_truncated: bool) -> tuple[str, ...]:
    """Return warnings about the encoding of a file's data set; raises TruncatedFile."""
    syntax = head.transfer_syntax_uid
    try:
        if isinstance(file, OpenedFile) and file.is_all_here:
            walk = Walk(syntax)
            walk.feed(memoryview(file.first)[head.data_set_offset :])
            walk.finish()
        else:
            walk = walk_file(file, head.data_set_offset, head.data_set_length, syntax)
        if walk.is_checked and not walk.elements:
            raise DataSetError("it is empty")
        return walk.warnings
    except DataSetError as error:
        if not send_truncated:
            raise TruncatedFile(name, f"its data set is not whole: {error}") from None
        return (f"truncated: {error}",)


class DatasetToSend:
    """A pydicom data set."""

    warnings: tuple[str, ...] = ()

    def __init__(self, dataset: Dataset) -> None:
        from dicomproto.quiet import Quiet

        self._dataset = dataset
        with Quiet():
            self.sop_class_uid: str = self._uid("SOPClassUID")
            self.sop_instance_uid: str = self._uid("SOPInstanceUID")
            self.transfer_syntax_uid: str = _transfer_syntax_of(dataset)

    def _uid(self, keyword: str) -> str:
        uid = getattr(self._dataset, keyword, None)
        if not uid:
            raise ValueError(f"the data set has no {keyword}, which C-STORE needs")
        return str(uid)

    def source(self, size: int, buffers: PieceBuffers, peer: Peer) -> Source:
        return self.converted(self.transfer_syntax_uid, size, peer)

    def converted(self, transfer_syntax: str, size: int, peer: Peer) -> Source:
        return MemorySource(Encoding(peer).encode(self._dataset, transfer_syntax), size)

    def close(self) -> None:
        pass


def _transfer_syntax_of(dataset: Dataset) -> str:
    """Return the transfer syntax that a data set declares, or was read in."""
    meta = getattr(dataset, "file_meta", None)
    uid = None if meta is None else meta.get("TransferSyntaxUID")
    if uid:
        return str(uid)
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return IMPLICIT_VR_LITTLE_ENDIAN
    # A data set made in memory has no encoding yet; any accepted one will do.
    return EXPLICIT_VR_BIG_ENDIAN if is_little_endian is False else EXPLICIT_VR_LITTLE_ENDIAN


def prepare(what: object, *, send_truncated: bool = False) -> ObjectToSend:
    """Return the object to send; close it afterwards. Raises OSError, ValueError and TypeError.

    `what` is an argument of `send_c_store`. A file whose data set certainly ends early raises TruncatedFile
    (a ValueError), unless `send_truncated`.
    """
    known = None
    if isinstance(what, KnownFile):
        known, what = what, what.path
    if isinstance(what, (str, os.PathLike)):
        path = os.fspath(what)
        file = open_object(path)
        return FileToSend(file, path, is_ours=True, known=known, send_truncated=send_truncated)
    if is_data_set(what):
        return DatasetToSend(cast("Dataset", what))
    if hasattr(what, "readinto") and not _is_text(what):
        file = cast("ObjectFile", what)
        name = str(getattr(file, "name", "the file"))
        return FileToSend(file, name, is_ours=False, send_truncated=send_truncated)
    raise TypeError(
        f"a pydicom Dataset, the path of a DICOM file or an open binary file is wanted, not {_advised(what)}"
    )


def _is_text(what: object) -> bool:
    """Tell whether `what` is a file in text mode, or an object like one."""
    return hasattr(what, "read") and hasattr(what, "encoding")


def _advised(what: object) -> str:
    """Return the type of an argument that is not an object to send, with advice, for an error text."""
    if _is_text(what):
        return "a file in text mode: open it in binary mode, open(path, 'rb')"
    several = isinstance(what, Iterable) and not isinstance(what, bytes | type | Mapping)
    return f"{named(what)}{'; give one at a time' if several else ''}"
