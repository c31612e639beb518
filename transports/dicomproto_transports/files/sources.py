"""Sources of outgoing data sets: memory or a file, one piece at a time.

A piece is about 1 MiB, a whole number of fragments; the peer's input is read between two pieces. Files are
read into two buffers in turn, since a piece must not change until the send that carries it has returned.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final, Protocol

from dicomproto.errors import AssociationAborted
from dicomproto.upper_layer.pdu import Buffer

from .part10 import BinaryFile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

log: logging.Logger = logging.getLogger("dicomproto.association")

PIECE = 1024 * 1024
_SMALL = 128 * 1024

Stamp = tuple[int, int, int, int]
"""Device, inode, size and modification time of a file."""


class SourceChanged(OSError):
    """A file that changed while it was sent; its text has `name` and `reason`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


def read_failure(error: Exception) -> OSError | None:
    """Return the OSError of reading an object, if it was the cause of the end of an association."""
    cause = error.__cause__
    is_ours = isinstance(error, AssociationAborted) and not error.by_peer
    return cause if is_ours and isinstance(cause, OSError) else None


class Peer(Protocol):
    """The receiver of a data set."""

    @property
    def peer_name(self) -> str:
        """Its name for the log."""
        ...


class ObjectFile(BinaryFile, Protocol):
    """An open file that holds an object."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Source(Protocol):
    """An outgoing data set; with `pad`, an odd length gets one NUL."""

    pad: bool

    def next_piece(self) -> tuple[Buffer, bool]:
        """Return the next piece and whether it is the last. Raises OSError."""
        ...


def piece_size(peer_maximum_length: int) -> int:
    """Return the bytes of a piece, a multiple of a full fragment."""
    room = peer_maximum_length - 6  # PS3.8 9.3.5.1: length, context id and control header of the PDV
    return max(PIECE // room, 1) * room


class Encoding:
    """Encodes the data sets of one operation; logs a warning about their text once."""

    __slots__ = ("_peer", "_told")

    def __init__(self, peer: Peer | None) -> None:
        self._peer = peer
        self._told = False

    def encode(self, dataset: Dataset, transfer_syntax: str) -> bytes:
        """Return an encoded data set; raises DataSetError."""
        from dicomproto.datasets import encode_data_set

        return encode_data_set(dataset, transfer_syntax, on_warning=self._warn)

    def _warn(self, text: str) -> None:
        if not self._told:
            self._told = True
            to = "" if self._peer is None else f"{self._peer.peer_name}: "
            log.warning("%s%s", to, text)


class MemorySource:
    """A data set in memory."""

    __slots__ = ("pad", "_view", "_position", "_size")

    def __init__(self, data: Buffer, size: int, *, pad: bool = False) -> None:
        self.pad: bool = pad
        self._view = memoryview(data).cast("B")
        self._position = 0
        self._size = size

    def next_piece(self) -> tuple[Buffer, bool]:
        start, end = self._position, self._position + self._size
        self._position = end
        return self._view[start:end], end >= len(self._view)


_NONE: Final = bytearray()


class PieceBuffers:
    """The two buffers of an association, made for the first file and used for all files."""

    __slots__ = ("_buffers", "_turn")

    def __init__(self) -> None:
        self._buffers = [_NONE, _NONE]
        self._turn = 0

    def next_buffer(self, size: int) -> memoryview:
        """Return a view of `size` bytes of the buffer not used last."""
        turn = self._turn = 1 - self._turn
        if len(self._buffers[turn]) < size:
            self._buffers[turn] = bytearray(max(size, _SMALL))
        return memoryview(self._buffers[turn])[:size]


class FileSource:
    """`length` bytes of an open file from its current position on.

    The `stamp` is compared before the last piece is returned, so that a peer never receives a changed file as
    a whole object.
    """

    __slots__ = ("pad", "_file", "_left", "_size", "_buffers", "_name", "_stamp")

    def __init__(
        self, file: ObjectFile, length: int, size: int, buffers: PieceBuffers, name: str, stamp: Stamp | None
    ) -> None:
        self.pad: bool = True  # a file may have an odd length, a data set must not (PS3.5 7.1.1)
        self._file = file
        self._left = length
        self._size = size
        self._buffers = buffers
        self._name = name
        self._stamp = stamp

    def next_piece(self) -> tuple[Buffer, bool]:
        view = self._buffers.next_buffer(min(self._left, self._size))
        filled = 0
        while filled < len(view):
            count = self._file.readinto(view[filled:])
            if not count:
                raise SourceChanged(self._name, "became shorter while it was sent")
            filled += count
        self._left -= filled
        if self._left == 0:
            if stamp_of(self._file) != self._stamp:
                raise SourceChanged(self._name, "was written to while it was sent")
            if self._stamp is None and self._file.read(1):
                raise SourceChanged(self._name, "became longer while it was sent")
        return view, self._left == 0


def stamp_of(file: ObjectFile) -> Stamp | None:
    """Return the stamp of a file, to notice changes; None for an object without a file descriptor."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError, AttributeError):  # io.UnsupportedOperation is the first two
        return None
    return stamp_from(status)


def stamp_from(status: os.stat_result) -> Stamp:
    """Return the stamp that the status of a file gives."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
