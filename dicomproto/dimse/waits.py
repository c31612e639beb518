"""The time limits of an association at the DIMSE level; the clock is the caller's."""

from __future__ import annotations

from ..config import Timeouts
from .operations import Operations

SLOW_AFTER = 300.0
"""Seconds after which the rate of a message is judged."""


class Watch:
    """A wait that starts again at each progress."""

    def __init__(self) -> None:
        self._progress: object = None
        self.is_running: bool = False
        """Whether something is waited for."""
        self.deadline: float | None = None

    def look(self, progress: object, duration: float | None, now: float) -> float | None:
        """Return the deadline: `duration` after `now` if `progress` changed; None if either is None."""
        if progress != self._progress:
            self._progress, self.is_running = progress, progress is not None
            self.deadline = None if progress is None or duration is None else now + duration
        return self.deadline

    def is_over(self, now: float) -> bool:
        """Tell whether the wait took too long."""
        return self.deadline is not None and self.deadline <= now


class Pace:
    """The rate at which one message comes, while somebody reads."""

    def __init__(self, message: int, received: int, now: float) -> None:
        self.message = message
        """Its number among the messages of the peer."""
        self.deadline: float = float("inf")
        """When the message is given up, if nothing more comes."""
        self._received_before = received
        self._read_for = 0.0
        self._looked_at = now

    def look(self, received: int, rate: float, now: float, unread: float) -> float:
        """Return when the message is given up, if nothing more comes.

        `received` counts bytes; `rate` is the least number of bytes a second. `unread` seconds of the time
        since the last look do not count.
        """
        self._read_for += max(now - self._looked_at - unread, 0.0)
        self._looked_at = now
        enough_for = max((received - self._received_before) / rate, SLOW_AFTER)
        self.deadline = now + enough_for - self._read_for
        return self.deadline


class Waits:
    """The waits for responses, for the rest of a message, and for the next request."""

    def __init__(self, operations: Operations, timeouts: Timeouts) -> None:
        self._operations = operations
        self._timeouts = timeouts
        self._idle = Watch()
        self._message = Watch()
        self._pace: Pace | None = None

    def look(
        self,
        now: float,
        *,
        received: int,
        message: int | None,
        is_answer_held_up: bool,
        is_idle: bool,
        unread: float = 0.0,
    ) -> float | None:
        """Note the progress since the last look; return when the first wait is over, or None.

        `received` counts the bytes consumed so far. `message` is the number of the peer's current message, or
        None. `is_answer_held_up` tells whether a response has to wait for the end of that message, and
        `is_idle` whether this side waits for a request. `unread` seconds of the time since the last look were
        no wait.
        """
        timeouts, operations = self._timeouts, self._operations
        earliest = idle = rest = slow = None
        if operations:
            earliest = operations.next_deadline(now, timeouts, is_receiving=is_answer_held_up)
        if is_idle or self._idle.is_running:
            idle = self._idle.look(received if is_idle else None, timeouts.idle, now)
        if message is not None or self._message.is_running:
            rest = self._message.look(None if message is None else received, timeouts.pdu, now)
        rate = timeouts.minimum_rate
        if message is None or not rate:
            self._pace = None
        else:
            if self._pace is None or self._pace.message != message:
                self._pace = Pace(message, received, now)
            slow = self._pace.look(received, rate, now, unread)
        for at in (idle, rest, slow):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def expired(self, now: float) -> str | None:
        """Return the field of `Timeouts` whose wait is over, or None."""
        if (timer := self._operations.expired(now)) is not None:
            return timer
        if self._message.is_over(now):
            return "pdu"
        if self._pace is not None and self._pace.deadline <= now:
            return "minimum_rate"
        return "idle" if self._idle.is_over(now) else None
