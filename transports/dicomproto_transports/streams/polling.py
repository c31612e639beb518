"""Streams to a second peer that hear the first one while they wait.

A C-MOVE waits for its destination, in a TLS handshake, for the answer to its request and for each
response. One task serves both, so that every such wait is cut into short ones, and between two of them
the peer that asked for the C-MOVE is heard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from .interface import glimpse
from .supplied import ConnectingBackend

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

    from .addresses import Address
    from .interface import Backend, Stream

_GLANCE = 0.25
"""Seconds between two looks at the first peer."""


def polling_backend(backend: Backend, poll: Callable[[], Awaitable[None]]) -> Backend:
    """Return a backend whose connections call `poll` every quarter of a second while they are used."""

    async def connect(host: str, port: int, **options: Any) -> Stream:
        stream = await backend.connect(host, port, **options)  # meanwhile nobody is heard
        return PollingStream(stream, poll)

    return ConnectingBackend(backend, connect)


class PollingStream:
    """A stream that calls `poll` while it waits to receive, and between two pieces that it sends.

    What that raises ends the wait, and the connection, if something was being sent.
    """

    def __init__(self, stream: Stream, poll: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._poll = poll
        self._due = stream.now() + _GLANCE
        self.now = stream.now
        self.try_receive = stream.try_receive

    @property
    def local_address(self) -> Address:
        """Where this end is bound."""
        return self._stream.local_address

    @property
    def peer_address(self) -> Address:
        """Where the other end is bound."""
        return self._stream.peer_address

    async def receive(self, deadline: float | None) -> bytes:
        """Return what has arrived, as every stream does."""
        while True:
            await self._poll_if_due()
            if deadline is not None and deadline <= self._due:
                return await self._stream.receive(deadline)
            try:
                return await self._stream.receive(self._due)
            except TimeoutError:
                pass

    def glimpse(self) -> str:
        """Tell how the input below ends, behind what is unread, as streams do that can."""
        return glimpse(self._stream)

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send, as every stream does; what is cut is final, so within one call nobody is heard."""
        await self._poll_if_due()
        return await self._stream.send(buffers, deadline)

    async def _poll_if_due(self) -> None:
        if self.now() >= self._due:
            await self._poll()
            self._due = self.now() + _GLANCE

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Close, as every stream does."""
        await self._stream.close(last_words, deadline)
