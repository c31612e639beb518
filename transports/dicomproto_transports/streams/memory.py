"""A connection in memory, in the shape of two non-blocking sockets, and its faults."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dicomproto.record import Record

from .addresses import Address

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

CAPACITY = 64 * 1024
"""Bytes that a pipe holds before its writer must wait."""


class Faults(Record):
    """The faults of one direction of a pipe."""

    chunk: int | None = None
    """A read returns at most so many bytes; 1 delivers byte by byte."""

    accept: int | None = None
    """A write takes at most so many bytes, so that sends are partial."""

    cut_after: int | None = None
    """Only so many bytes arrive; `how` says what follows."""

    how: Literal["eof", "reset", "stall"] = "eof"
    """"eof": the end of the stream, and later writes are lost. "reset": the connection breaks, for both
    ends. "stall": nothing, and the pipe fills up."""


class _Channel:
    """One direction of a connection: bytes on their way, and how they end."""

    def __init__(self, capacity: int, faults: Faults) -> None:
        self.capacity = capacity
        self.faults = faults
        self.pieces: deque[memoryview] = deque()
        self.size: int = 0
        self.left = faults.cut_after
        """Bytes that may still arrive, None for any number."""
        self.is_ended = False
        self.is_reset = False
        self.is_read = True

    @property
    def is_cut(self) -> bool:
        return self.left == 0

    def room(self) -> int:
        if self.is_cut and self.faults.how == "eof":
            return self.capacity
        return self.capacity - self.size

    def put(self, data: bytes) -> None:
        if not (self.is_cut and self.faults.how == "eof"):
            self.pieces.append(memoryview(data))
            self.size += len(data)

    def has_data(self) -> bool:
        return self.size > 0 and not self.is_cut

    def take(self, most: int, *, keep: bool) -> bytes:
        """Return up to `most` bytes from the first piece."""
        if self.left is not None:
            most = min(most, self.left)
        if self.faults.chunk is not None:
            most = min(most, self.faults.chunk)
        piece = self.pieces[0]
        data, rest = piece[:most], piece[most:]
        if not keep:
            self.pieces.popleft()
            if rest:
                self.pieces.appendleft(rest)
            self.size -= len(data)
            if self.left is not None:
                self.left -= len(data)
        return bytes(data)


class MemorySocket:
    """One end of a connection in memory, in the shape of a non-blocking socket."""

    family: int = int(socket.AF_UNIX)

    def __init__(self, inward: _Channel, outward: _Channel, here: Address, there: Address) -> None:
        self._inward, self._outward = inward, outward
        self._here, self._there = here, there
        self._lingers = True
        self._is_closed = False

    def getsockname(self) -> Address:
        return self._here

    def getpeername(self) -> Address:
        return self._there

    def setblocking(self, flag: bool, /) -> None:
        """It never blocks."""

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Note that `close` shall reset; other options have no effect."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._lingers = False

    def is_readable(self) -> bool:
        return self._inward.has_data() or self._is_at_end()

    def is_writable(self) -> bool:
        return self._outward.room() > 0 or not self._outward.is_read or self._is_broken()

    def _is_at_end(self) -> bool:
        inward = self._inward
        if inward.is_cut:
            return inward.faults.how != "stall"
        return inward.is_ended or self._is_broken()

    def glimpse(self) -> str:
        """Return the end of the input, behind the unread bytes; see `SocketStream`."""
        if self._is_broken():
            return "broken"
        return "ended" if self._inward.is_ended and not self._inward.is_cut else ""

    def _is_broken(self) -> bool:
        if any(channel.is_cut and channel.faults.how == "reset" for channel in (self._inward, self._outward)):
            return True
        return self._inward.is_reset and not self._inward.is_cut

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Return bytes that have arrived; raises BlockingIOError if there are none."""
        if self._is_closed:
            raise OSError(errno.EBADF, "the socket is closed")
        if self._inward.has_data():
            return self._inward.take(size, keep=bool(flags & socket.MSG_PEEK))
        if self._is_broken():
            raise ConnectionResetError(errno.ECONNRESET, "the connection was reset")
        if self._is_at_end():
            return b""
        raise BlockingIOError

    def sendmsg(self, buffers: Sequence[Buffer], /) -> int:
        """Take as many bytes as there is room for; raises BlockingIOError if there is none."""
        if self._is_closed:
            raise OSError(errno.EBADF, "the socket is closed")
        if self._is_broken() or not self._outward.is_read:
            raise ConnectionResetError(errno.ECONNRESET, "the connection was reset")
        room = min(self._outward.room(), self._outward.faults.accept or self._outward.capacity)
        taken = bytearray()
        for buffer in buffers:
            taken += buffer[: room - len(taken)]
            if len(taken) == room:
                break
        if taken:
            self._outward.put(bytes(taken))
        elif any(buffers):
            raise BlockingIOError
        return len(taken)

    def shutdown(self, how: int, /) -> None:
        """End one direction, or both."""
        if self._is_broken():
            raise OSError(errno.ENOTCONN, "the connection was reset")
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._outward.is_ended = True
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._inward.is_ended = True

    def close(self) -> None:
        """End the connection: with a reset if input is unread, as TCP does, or if `SO_LINGER` asked."""
        if self._is_closed:
            return
        self._is_closed = True
        self._outward.is_ended = True
        self._inward.is_read = False
        if not self._lingers or self._inward.size:
            self._outward.is_reset = True


def connected(
    to_left: Faults, to_right: Faults, capacity: int, left: Address, right: Address
) -> tuple[MemorySocket, MemorySocket]:
    """Return the two ends, left and right, of a connection between two addresses."""
    leftward, rightward = _Channel(capacity, to_left), _Channel(capacity, to_right)
    return (
        MemorySocket(leftward, rightward, left, right),
        MemorySocket(rightward, leftward, right, left),
    )
