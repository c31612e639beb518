"""`WrappedStream`: a `Stream` over any byte stream of trio or anyio, such as a tunnel.

Such a stream does not tell whether input waits, and its send is all or nothing. So two things differ from
a socket. Output is sent in joined pieces of 64 KiB, and during each piece input is read beside it and kept:
`try_receive` returns that, and two peers that both send do not stall each other. A connection whose send
failed is closed by force.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from .addresses import Address

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

    from .event_loop import Library
from .scheduler import Event, Scope

PIECE = 64 * 1024
"""Bytes joined for one send."""

READ = 256 * 1024
"""Bytes asked for in one read, and kept at most while sending, but for the last read."""


class ByteStream(Protocol):
    """The stream of a library in one shape; failures are OSErrors."""

    local_address: Address
    peer_address: Address

    async def receive(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        ...

    async def send(self, data: bytes, /) -> None:
        """Send all of it."""

    async def send_eof(self) -> bool:
        """Shut down writing; False if the stream cannot do that without closing."""
        ...

    async def close(self) -> None:
        """Close in order."""

    async def force_close(self) -> None:
        """Close at once."""


class WrappedStream:
    """A `Stream` over a `ByteStream`; it owns the byte stream."""

    def __init__(self, library: Library, raw: ByteStream) -> None:
        self._library = library
        self._raw = raw
        self.local_address: Address = raw.local_address
        self.peer_address: Address = raw.peer_address
        self.flavour: Final = library.flavour
        self.now: Final = library.now
        self._kept: deque[bytes] = deque()
        self._kept_size = 0
        self._failure: OSError | None = None
        self._rest: list[Buffer] = []
        self._receiving: Scope | None = None
        self._watching: tuple[Scope, Event] | None = None  # of `wait_for_input`
        self._cut = self._eof = self._closed = self._is_interrupted = False

    def __repr__(self) -> str:
        return f"<WrappedStream {self.local_address} - {self.peer_address}>"

    def try_receive(self) -> bytes | None:
        """Return the bytes that came during the last send, None if there are none; see `Stream`."""
        if self._kept:
            data = self._kept.popleft()
            self._kept_size -= len(data)
            return data
        if self._failure is not None:
            raise self._failure
        return b"" if self._eof else None

    async def receive(self, deadline: float | None) -> bytes:
        """Return the bytes that have arrived, b"" at the end; see `Stream`."""
        await self._end_watching()
        data = self.try_receive()
        if data is not None:
            return data
        with self._scope(deadline) as scope:
            if self._is_interrupted:
                scope.cancel()
            self._receiving = scope
            try:
                data = await self._raw.receive(READ)
            finally:
                self._receiving = None
        if data is None:
            raise TimeoutError
        self._eof = not data
        return data

    async def wait_for_input(self) -> None:
        """Wait until something can be read, and keep it for `try_receive`; see `wait_for_input`."""
        ended = self._library.event()
        with self._library.scope() as scope:
            if self._is_interrupted:
                scope.cancel()
            self._watching = scope, ended
            try:
                await self._keep_reading(most=1)
            finally:
                self._watching = None
                ended.set()
        if scope.cancelled_caught:
            raise TimeoutError

    async def _end_watching(self) -> None:
        """End the wait of `wait_for_input`: two tasks must not read at once."""
        if self._watching is not None:
            scope, ended = self._watching
            scope.cancel()
            with self._library.scope(shield=True):
                await ended.wait()

    def interrupt(self) -> None:
        """End waits for input as at their deadlines; a send ends with its piece."""
        if not self._closed:
            self._is_interrupted = True
            for scope in (self._receiving, self._watching and self._watching[0]):
                if scope is not None:
                    scope.cancel()

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send the buffers and return the rest if input came meanwhile; see `Stream`."""
        await self._end_watching()
        rest = list(buffers)
        index = 0
        failure: OSError | None = None
        reading = self._library.scope()
        async with self._library.open_group() as group:
            group.start_soon(self._keep_reading_until, reading)  # the peer may not read before we do
            try:
                while index < len(rest):
                    index = await self._send_piece(rest, index, deadline)
                    if self._kept or self._is_interrupted:
                        break
            except OSError as error:
                failure = error  # the group would wrap it
            reading.cancel()
        if failure is not None:
            raise failure
        self._rest = rest[index:]
        return self._rest.copy()

    async def _send_piece(self, buffers: list[Buffer], index: int, deadline: float | None) -> int:
        piece, index = _join(buffers, index)
        self._cut = True  # stays True after an exception
        with self._scope(deadline):
            await self._raw.send(piece)
            self._cut = False
        if self._cut:
            raise TimeoutError
        return index

    async def _keep_reading_until(self, until: Scope) -> None:
        with until:
            await self._keep_reading(READ)

    async def _keep_reading(self, most: int) -> None:
        """Read and keep up to `most` bytes and the rest of a read, or to the end."""
        try:
            while not self._eof and self._failure is None and self._kept_size < most:
                data = await self._raw.receive(READ)
                if data:
                    self._kept.append(data)
                    self._kept_size += len(data)
                else:
                    self._eof = True
        except OSError as error:  # the next receive raises it
            self._failure = error

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Flush, shut down writing, discard until EOF or the deadline, close; see `Stream`."""
        if self._closed:
            return
        self._closed = True
        self._is_interrupted = False
        await self._end_watching()
        if self._rest and not (last_words and last_words[0] is self._rest[0]):
            self._cut = True
        polite = False
        try:
            if not self._cut and (last_words or deadline > self.now()):
                with self._library.scope(max(deadline, self.now() + 0.001), shield=True):
                    await self._farewell(list(last_words))
                    polite = True
        except OSError:
            pass
        finally:
            with self._library.scope(shield=True):
                if not polite:
                    await self._raw.force_close()

    async def _farewell(self, words: list[Buffer]) -> None:
        while words:
            words = await self.send(words, None)
            self._kept.clear()
            self._kept_size = 0
        if await self._raw.send_eof():
            while not self._eof:
                self._eof = not await self._raw.receive(READ)
        await self._raw.close()

    def _scope(self, deadline: float | None) -> Scope:
        return self._library.scope() if deadline is None else self._library.scope(deadline)


def _join(buffers: list[Buffer], index: int) -> tuple[bytes, int]:
    """Return up to `PIECE` bytes from `index` on, and the index of the first buffer with more.

    A buffer that is used in part is replaced by the view of its rest.
    """
    piece = bytearray()
    while index < len(buffers):
        buffer = memoryview(buffers[index])
        room = PIECE - len(piece)
        piece += buffer[:room]
        if len(buffer) > room:
            buffers[index] = buffer[room:]
            break
        index += 1
    return bytes(piece), index
