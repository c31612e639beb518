"""Our own requests that are not answered yet: their Message IDs, their window; and what is waited for."""

from __future__ import annotations

from ..config import Timeouts
from .commands import CGetRQ, CMoveRQ, NActionRQ, Request

_OBJECTS_UNDER_WAY = 2

SLOW_AFTER = 300.0
"""Seconds of a message after which its rate is judged."""


class Operation:
    """A request without its final response; `timer` is the field of `Timeouts` that bounds the next wait."""

    __slots__ = ("_patience", "context_id", "deadline", "is_held_up", "is_waiting", "request", "timer")

    def __init__(self, request: Request, context_id: int) -> None:
        self.request = request
        self.context_id = context_id
        self.timer = "response"
        if isinstance(request, NActionRQ):
            self.timer = "action"
        elif isinstance(request, (CGetRQ, CMoveRQ)):
            self.timer = "retrieve"
        self.is_waiting = False
        self.is_held_up = False
        self.deadline: float | None = None
        self._patience = 0

    def wait(self) -> None:
        """Start the wait for the next response, anew; it runs from the next `next_deadline`."""
        self.is_waiting = True
        self.deadline = None

    def cancel(self) -> None:
        """Start the wait for the final response, which no pending one prolongs.

        The object that a C-GET is sending, and one that it began before it knew, are let come to their end.
        """
        self.timer = "cancel"
        self._patience = _OBJECTS_UNDER_WAY if isinstance(self.request, CGetRQ) else 0
        self.wait()

    def hold_up(self) -> bool:
        """The peer is within a message: the wait begins anew after it. Tells whether it does."""
        if self.timer == "cancel" and not self._patience:
            return False
        self.deadline, self.is_held_up = None, True
        return True

    def go_on(self) -> None:
        """The message that held the wait up is over."""
        self.is_held_up = False
        if self.timer == "cancel":
            self._patience -= 1

    def pending(self) -> None:
        """A pending response came."""
        if self.timer != "cancel":
            self.wait()


class Watch:
    """A wait that begins anew whenever something moves on."""

    def __init__(self) -> None:
        self._progress: object = None
        self.deadline: float | None = None

    def look(self, progress: object, duration: float | None, now: float) -> float | None:
        """Return the deadline, moved to `duration` from `now` if `progress` changed; None if it is None."""
        if progress != self._progress:
            self._progress = progress
            self.deadline = None if progress is None or duration is None else now + duration
        return self.deadline

    def is_over(self, now: float) -> bool:
        """Tell whether the wait took too long."""
        return self.deadline is not None and self.deadline <= now


class Pace:
    """How fast one message comes, over the time in which somebody reads."""

    def __init__(self, message: int, received: int, now: float) -> None:
        self.message = message
        """Its number."""
        self.deadline = float("inf")
        """When it is given up, if nothing more comes."""
        self._received_before = received
        self._read_for = 0.0
        self._looked_at = now

    def look(self, received: int, rate: float, now: float, unread: float) -> float:
        """Return when the message is given up, if nothing more comes.

        `received` counts bytes, `rate` is how many a second are enough. Of the time since the last look,
        `unread` seconds do not count.
        """
        self._read_for += max(now - self._looked_at - unread, 0.0)
        self._looked_at = now
        enough_for = max((received - self._received_before) / rate, SLOW_AFTER)
        self.deadline = now + enough_for - self._read_for
        return self.deadline


class Operations(dict[int, Operation]):
    """The operations of one association, by Message ID."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 1
        """How many may be outstanding at once (PS3.7 D.3.3.3)."""
        self._last_message_id = 0

    def next_message_id(self) -> int:
        """Return a Message ID that is not in use, 1 to 65535, the one unused for longest first."""
        message_id = self._last_message_id % 65535 + 1
        while message_id in self:
            message_id = message_id % 65535 + 1
        return message_id

    def add(self, request: Request, context_id: int) -> None:
        """Remember a request that was sent; it waits from now on if no data set is to follow."""
        if request.MessageID == self.next_message_id():
            self._last_message_id = request.MessageID
        operation = self[request.MessageID] = Operation(request, context_id)
        if not request.has_data_set:
            operation.wait()

    def next_deadline(self, now: float, timeouts: Timeouts, *, is_receiving: bool) -> float | None:
        """Return when the first wait is over; a wait begun since the last call starts to run at `now`.

        While a message of the peer `is_receiving` no response can come, so waits begin anew after it;
        but not the one for what a C-CANCEL should end, see `Operation.cancel`.
        """
        earliest = None
        for operation in self.values():
            if is_receiving and operation.hold_up():
                continue
            if operation.is_held_up:
                operation.go_on()
            if operation.is_waiting and operation.deadline is None:
                duration: float | None = getattr(timeouts, operation.timer)
                if duration is None:
                    continue
                operation.deadline = now + duration
            deadline = operation.deadline
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def expired(self, now: float) -> str | None:
        """Return the timer of a wait that is over, if one is."""
        for operation in self.values():
            if operation.deadline is not None and operation.deadline <= now:
                return operation.timer
        return None
