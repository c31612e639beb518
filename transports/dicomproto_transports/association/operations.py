"""Requests of ours with outstanding responses, and the responses received so far."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from dicomproto.dimse.commands import Response

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

R = TypeVar("R", bound=Response)


class Reply(Generic[R]):
    """One response with its encoded data set, and the transfer syntax of the data set."""

    __slots__ = ("response", "data", "transfer_syntax", "is_final")

    def __init__(self, response: R, data: Buffer | None, transfer_syntax: str, *, is_final: bool) -> None:
        self.response: R = response
        self.data: Buffer | None = data
        self.transfer_syntax: str = transfer_syntax
        self.is_final: bool = is_final


class Operation:
    """A request of ours with outstanding responses, and the replies received so far."""

    __slots__ = ("asked_for", "message_id", "replies", "size")

    def __init__(self, message_id: int, asked_for: int) -> None:
        self.message_id: int = message_id
        self.asked_for: int = asked_for
        """The Message ID that the caller gave, if any; the engine may have chosen another one."""
        self.replies: deque[Reply[Any]] = deque()
        self.size: int = 0
        """Bytes of the data sets in `replies`."""

    def add(self, reply: Reply[Any]) -> None:
        """Keep a reply for `take`."""
        self.replies.append(reply)
        if reply.data is not None:
            self.size += len(reply.data)

    def take(self) -> Reply[Any]:
        """Return the oldest reply and forget it."""
        reply = self.replies.popleft()
        if reply.data is not None:
            self.size -= len(reply.data)
        return reply


class Unfinished(Protocol):
    """A started iterator over responses; it must end before the next call begins."""

    is_active: bool
    """Whether an outer call waits for it at present."""

    async def finish(self, cut: str = "") -> None:
        """End it; `cut` names the call that makes that necessary."""
