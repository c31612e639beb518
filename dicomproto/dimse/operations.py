"""Our requests without a final response: their Message IDs, their window, and the waits for responses."""

from __future__ import annotations

from ..config import Timeouts
from .commands import NO_DATA_SET, CGetRQ, CMoveRQ, NActionRQ, Request

_OBJECTS_UNDER_WAY = 2
_TIMERS: dict[type[Request], str] = {NActionRQ: "action", CGetRQ: "retrieve", CMoveRQ: "retrieve"}


class OutstandingOperation:
    """A request without a final response; `timer` is the field of `Timeouts` that bounds the next wait."""

    __slots__ = (
        "_patience", "began", "context_id", "deadline", "ended", "is_doubtful", "is_held_up", "is_waiting",
        "request", "timer",
    )  # fmt: skip

    def __init__(self, request: Request, context_id: int) -> None:
        self.request: Request = request
        self.context_id: int = context_id
        self.began: int = 0
        """The number of operations that had ended when this one began."""
        self.ended: int = 0
        """The number of operations that had ended with this one."""
        self.is_doubtful: bool = False
        """Whether the peer may go on after the final response: that of a C-CANCEL, or a warning to C-FIND."""
        self.timer: str = _TIMERS.get(type(request), "response")
        self.is_waiting: bool = request.CommandDataSetType == NO_DATA_SET
        self.is_held_up: bool = False
        self.deadline: float | None = None
        self._patience = 0

    def wait(self) -> None:
        """Start the wait for the next response again; it runs from the next `next_deadline`."""
        self.is_waiting = True
        self.deadline = None

    def cancel(self) -> None:
        """Start the wait for the final response; a pending response does not prolong it.

        A C-GET may finish the object that it is sending, and one more that it began before it knew.
        """
        self.timer, self.is_doubtful = "cancel", True
        self._patience = _OBJECTS_UNDER_WAY if isinstance(self.request, CGetRQ) else 0
        self.wait()

    def hold_up(self) -> bool:
        """Suspend the wait during a message of the peer; return False if the wait goes on all the same."""
        if self.timer == "cancel" and not self._patience:
            return False
        self.deadline, self.is_held_up = None, True
        return True

    def go_on(self) -> None:
        """Resume the wait after that message."""
        self.is_held_up = False
        if self.timer == "cancel":
            self._patience -= 1

    def pending(self) -> None:
        """Note a pending response."""
        if self.timer != "cancel":
            self.wait()


class Operations(dict[int, OutstandingOperation]):
    """The operations of one association, by Message ID.

    A faulty peer sends another response after the final one. That comes before the response to any request
    that was sent after the final one; up to then, `late` has the operation and its Message ID is not reused.
    """

    __slots__ = ("window", "late", "_ended", "_last_message_id")

    def __init__(self) -> None:
        super().__init__()
        self.window: int = 1
        """Most operations that may be outstanding at once (PS3.7 D.3.3.3)."""
        self.late: dict[int, OutstandingOperation] = {}
        """The operations that have ended and to which more responses may come, the oldest first."""
        self._ended = 0
        self._last_message_id = 0

    def next_message_id(self) -> int:
        """Return the Message ID, 1 to 65535, that has been out of use the longest."""
        late = self.late if len(self) + len(self.late) < 65535 else ()
        message_id = self._last_message_id % 65535 + 1
        while message_id in self or message_id in late:
            message_id = message_id % 65535 + 1
        return message_id

    def add(self, request: Request, context_id: int) -> None:
        """Add a request that was sent; its wait starts now if no data set is to follow."""
        is_next = request.MessageID == self._last_message_id % 65535 + 1  # mostly, and then without a call
        if is_next or request.MessageID == self.next_message_id():
            self._last_message_id = request.MessageID
        operation = self[request.MessageID] = OutstandingOperation(request, context_id)
        operation.began = self._ended

    def end(self, message_id: int) -> None:
        """Remove an operation that has its final response; those that ended before it began are over."""
        operation, late = self.pop(message_id), self.late
        while late and late[oldest := next(iter(late))].ended <= operation.began:
            del late[oldest]
        self._ended += 1
        operation.ended = self._ended
        late[message_id] = operation

    def next_deadline(self, now: float, timeouts: Timeouts, *, is_receiving: bool) -> float | None:
        """Return when the first wait is over, or None; waits since the last call start to run at `now`.

        While a message of the peer comes (`is_receiving`) no response can come, so waits start again after
        it. The wait after a C-CANCEL does not, see `OutstandingOperation.cancel`.
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
        """Return the timer of a wait that is over, or None."""
        for operation in self.values():
            if operation.deadline is not None and operation.deadline <= now:
                return operation.timer
        return None
