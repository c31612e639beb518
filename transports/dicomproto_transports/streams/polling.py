"""Streams to a second peer that poll the first one while they wait.

A C-MOVE waits for its destination: in a TLS handshake, for the answer to its request and for each
response. One task serves both peers. So every such wait is split into short ones, and between two of them
the input of the peer that asked for the C-MOVE is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .interface import glimpse, interrupt, try_send
from .supplied import ConnectingBackend

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

    from .addresses import Address
    from .interface import Backend, Stream

_POLL_INTERVAL = 0.25
"""Seconds between two polls of the first peer."""


def polling_backend(backend: Backend, poll: Callable[[], Awaitable[None]]) -> Backend:
    """Return a backend whose connections call `poll` every quarter of a second while they are used."""

    async def connect(host: str, port: int, **options: Any) -> Stream:
        stream = await backend.connect(host, port, **options)  # connecting does not poll
        return PollingStream(stream, poll)

    return ConnectingBackend(backend, connect)


class PollingStream:
    """A stream that calls `poll` while it waits to receive, and between two pieces that it sends.

    An exception of `poll` ends the wait, and the connection if a send was under way.
    """

    def __init__(self, stream: Stream, poll: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._poll = poll
        self._due = stream.now() + _POLL_INTERVAL
        self._is_interrupted = False
        self.now: Final = stream.now
        self.try_receive: Final = stream.try_receive

    @property
    def local_address(self) -> Address:
        """The address of this end."""
        return self._stream.local_address

    @property
    def peer_address(self) -> Address:
        """The address of the other end."""
        return self._stream.peer_address

    async def receive(self, deadline: float | None) -> bytes:
        """Return the bytes that have arrived; see `Stream`."""
        while True:
            await self._poll_if_due()
            if deadline is not None and deadline <= self._due:
                return await self._stream.receive(deadline)
            try:
                return await self._stream.receive(self._due)
            except TimeoutError:
                if self._is_interrupted:
                    raise

    def glimpse(self) -> str:
        """Return the end of the input of the stream below; see `glimpse`."""
        return glimpse(self._stream)

    def interrupt(self) -> None:
        """End the wait of the stream below; see `interrupt`."""
        self._is_interrupted = True
        interrupt(self._stream)

    def try_send(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Send without waiting; see `try_send`."""
        return try_send(self._stream, buffers)

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send; see `Stream`. A failed send is final, so there is no poll within one call."""
        await self._poll_if_due()
        return await self._stream.send(buffers, deadline)

    async def _poll_if_due(self) -> None:
        if self.now() >= self._due:
            await self._poll()
            self._due = self.now() + _POLL_INTERVAL

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Close; see `Stream`."""
        await self._stream.close(last_words, deadline)
