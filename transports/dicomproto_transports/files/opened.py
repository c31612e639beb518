"""A file that is opened here: with 64 KiB it takes five system calls (open, fstat, read, fstat, close).

Its size comes with its stamp, its first bytes are read at once, and a seek is a number. What is behind them
is read where it lies.
"""

from __future__ import annotations

import errno
import os
import stat

from dicomproto.upper_layer.pdu import Buffer

from .part10 import FileHead, head_within, read_head
from .sources import ObjectFile, SourceChanged, Stamp, stamp_from, stamp_of

FIRST_BYTES = 64 * 1024


def open_object(path: str | os.PathLike[str], first: int = FIRST_BYTES) -> ObjectFile:
    """Open a file for reading, and read its first bytes; raises OSError with the path.

    What is no regular file, or has no size yet (as in /proc), is an ordinary unbuffered file.
    """
    name = os.fspath(path)
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            data = os.read(descriptor, min(first, status.st_size))
            return OpenedFile(descriptor, name, stamp_from(status), data)
        return os.fdopen(descriptor, "rb", buffering=0)
    except OSError as error:
        os.close(descriptor)
        error.filename = name
        raise


def head_of(file: ObjectFile) -> FileHead:
    """Return the head of a file, as `read_head`."""
    head = head_within(file.first, file.stamp[2], file.name) if isinstance(file, OpenedFile) else None
    return head or read_head(file)


def first_stamp_of(file: ObjectFile) -> Stamp | None:
    """Return the stamp of a file before anything of it was read; None for an object without a descriptor."""
    return file.stamp if isinstance(file, OpenedFile) else stamp_of(file)


class OpenedFile:
    """A regular file by its descriptor, which it owns."""

    __slots__ = ("name", "stamp", "first", "_descriptor", "_position")

    def __init__(self, descriptor: int, name: str, stamp: Stamp, first: bytes) -> None:
        self.name: str = name
        self.stamp: Stamp = stamp
        """That of the file before its first bytes were read."""
        self.first: bytes = first
        """Its first bytes."""
        self._descriptor = descriptor
        self._position = 0

    @property
    def is_all_here(self) -> bool:
        """True if the first bytes are all bytes of the file."""
        return len(self.first) == self.stamp[2]

    def fileno(self) -> int:
        """Return the descriptor, -1 after the end."""
        return self._descriptor

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, and return it; the size is that of the stamp."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.stamp[2]}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, by default the rest of the file."""
        start = self._position
        if size < 0:
            size = max(self.stamp[2] - start, 0)
        data = self.first[start : start + size]
        if len(data) < size and start + len(data) < self.stamp[2]:
            data += os.pread(self._descriptor, size - len(data), start + len(data))
        self._position = start + len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill a buffer, or less of it, and return how many bytes that are."""
        data = self.first[self._position : self._position + len(buffer)]
        count = len(data)
        buffer[:count] = data
        if count < len(buffer):
            count += os.preadv(self._descriptor, [buffer[count:]], self._position + count)
        self._position += count
        return count

    def close(self) -> None:
        """Close the file; nothing happens the second time."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class ReadSource:
    """The data set of a file whose bytes are all here, from `offset` on in pieces of `size` bytes.

    The stamp is compared before the last piece is returned, as `FileSource` does.
    """

    __slots__ = ("pad", "_file", "_view", "_position", "_size")

    def __init__(self, file: OpenedFile, offset: int, size: int) -> None:
        self.pad: bool = True  # a file may have an odd length, a data set must not (PS3.5 7.1.1)
        self._file = file
        self._view = memoryview(file.first)[offset:]
        self._position = 0
        self._size = size

    def next_piece(self) -> tuple[Buffer, bool]:
        start, end = self._position, self._position + self._size
        self._position = end
        is_last = end >= len(self._view)
        if is_last and stamp_of(self._file) != self._file.stamp:
            raise SourceChanged(self._file.name, "was written to while it was sent")
        return self._view[start:end], is_last
