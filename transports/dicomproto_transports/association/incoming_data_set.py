"""The data set of an incoming message: discarded, or gathered up to the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dicomproto.dimse.collector import DataSetCollector
from dicomproto.dimse.events import DataSetChunk

from .held_bytes import FREE

if TYPE_CHECKING:
    from dicomproto.connection import ConnectionEvent
    from dicomproto.encoded import Walk
    from dicomproto.upper_layer.pdu import Buffer

    from .held_bytes import HeldBytes

TOO_MUCH = "too much is being received from all peers together"


class EventReader(Protocol):
    """Reads and dispatches the events of an association."""

    @property
    def peer_name(self) -> str:
        """AE title and address of the other side."""
        ...

    async def next_event(self, deadline: float | None = None, /) -> ConnectionEvent:
        """Return the next event; raises the AssociationError of the end."""
        ...

    async def dispatch(self, event: ConnectionEvent, /) -> None:
        """Act on an event that is not what the caller waits for."""


class Incoming:
    """The data set of an incoming message.

    Held bytes count in `held_bytes`, up to `most` bytes over all associations.
    """

    __slots__ = (
        "is_complete", "is_over", "counted", "excess", "memory", "_reading", "_held_bytes", "_most",
    )  # fmt: skip

    is_refused = True

    def __init__(self, reading: EventReader, held_bytes: HeldBytes, most: int | None) -> None:
        self._reading = reading
        self._held_bytes = held_bytes
        self._most = most
        self.is_complete: bool = False
        self.is_over: bool = False
        """Whether its request has been served: bytes that a handler keeps longer do not count."""
        self.counted: int = 0
        """Bytes of it that count as held."""
        self.excess: str = ""
        """The limit that it exceeds, for an Error Comment; "" if it does not."""
        self.memory: bytearray | None = None
        """Lent by `held_bytes` to gather it in."""

    async def next_chunk(self) -> Buffer | None:
        """Return the next bytes, None after the last; raises AssociationError if they are cut short."""
        reading = self._reading
        while not self.is_complete:
            event = await reading.next_event()
            if type(event) is DataSetChunk:
                if event.last:
                    self.is_complete = True
                if len(event.data):
                    return event.data
            else:
                # Between the chunks of a message only the end of the association can come.
                await reading.dispatch(event)
        return None

    async def drain(self) -> None:
        """Discard the rest."""
        while await self.next_chunk() is not None:
            pass

    async def gather(self, limit: int, walk: Walk | None = None, *, unwalked: int = 0) -> Buffer | None:
        """Return the whole data set; None if it is above `limit` or the limit of all associations.

        With None, `excess` is set and the rest is not read. The bytes count until `let_go`. Raises the
        DataSetError of the `walk`, with the rest not read. There is no walk over a data set that arrives at
        once with at most `unwalked` bytes.
        """
        collector, held, free = DataSetCollector(limit, self.memory), 0, FREE
        while (chunk := await self.next_chunk()) is not None:
            if not collector.add(chunk):
                self._give_up(f"a data set of more than {limit} bytes")
                return None
            held += len(chunk)
            if held > free:
                if not self.count(held):
                    self._give_up(TOO_MUCH)
                    return None
                free = self.counted
            if self.is_complete and held == len(chunk) <= unwalked:
                walk = None
            if walk is not None:
                walk.feed(chunk)
        if walk is not None:
            walk.finish()
        return collector.collected()

    def count(self, size: int) -> bool:
        """Count held bytes; False, and a line in the log, if the limit is exceeded."""
        if size <= max(self.counted, FREE) or self.is_over:
            return True
        counted = self._held_bytes.grow(self.counted, size, self._most)
        if counted is None:
            assert self._most is not None
            self._held_bytes.tell(self._most, self._reading.peer_name)
            return False
        self.counted = counted
        return True

    def _give_up(self, excess: str) -> None:
        self.excess = excess
        self.let_go()

    def let_go(self) -> None:
        """Count it no longer."""
        if self.counted:
            self._held_bytes.let_go(self.counted)
            self.counted = 0

    def end(self) -> None:
        """Count it neither now nor later: its request has been served."""
        self.is_over = True
        if self.counted:
            self.let_go()
