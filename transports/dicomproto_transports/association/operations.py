"""Our requests that wait for responses, and the responses that have come."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from dicomproto.dimse.commands import Response

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

R = TypeVar("R", bound=Response)


class Reply(Generic[R]):
    """One response with its data set as it came, and the transfer syntax of that."""

    __slots__ = ("response", "data", "transfer_syntax", "is_final")

    def __init__(self, response: R, data: Buffer | None, transfer_syntax: str, *, is_final: bool) -> None:
        self.response: R = response
        self.data: Buffer | None = data
        self.transfer_syntax: str = transfer_syntax
        self.is_final: bool = is_final


class Operation:
    """A request of ours that somebody waits for, and what has come in answer to it."""

    __slots__ = ("message_id", "replies", "size")

    def __init__(self, message_id: int) -> None:
        self.message_id: int = message_id
        self.replies: deque[Reply[Any]] = deque()
        self.size: int = 0
        """Bytes of the data sets of the replies that nobody has taken."""

    def add(self, reply: Reply[Any]) -> None:
        """Keep a reply until somebody takes it."""
        self.replies.append(reply)
        if reply.data is not None:
            self.size += len(reply.data)

    def take(self) -> Reply[Any]:
        """Return the first reply that nobody has taken."""
        reply = self.replies.popleft()
        if reply.data is not None:
            self.size -= len(reply.data)
        return reply


class Unfinished(Protocol):
    """An iterator of ours that was started: it must end before the next call can begin."""

    is_active: bool
    """Whether a caller further out waits for it just now."""

    async def finish(self, cut: str = "") -> None:
        """End it; `cut` says what makes that necessary."""
