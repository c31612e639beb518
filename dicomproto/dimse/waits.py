"""How long each wait of an association at the DIMSE level may take; its clock is the caller's."""

from __future__ import annotations

from ..config import Timeouts
from .operations import Operations

SLOW_AFTER = 300.0
"""Seconds of a message after which its rate is judged."""


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
        self.deadline: float = float("inf")
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
        """See what moved since the last look; return when the first wait is over, None if there is none.

        `received` counts the bytes consumed so far, `message` the messages of the peer (None if none is under
        way). `is_answer_held_up` tells whether no response can come before that has ended, `is_idle` whether
        this side waits for a request. Of the time since the last look `unread` seconds were no wait.
        """
        timeouts, operations = self._timeouts, self._operations
        earliest = operations.next_deadline(now, timeouts, is_receiving=is_answer_held_up)
        idle = self._idle.look(received if is_idle else None, timeouts.idle, now)
        rest = self._message.look(None if message is None else received, timeouts.pdu, now)
        slow, rate = None, timeouts.minimum_rate
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
        """Return the field of `Timeouts` that bounds a wait that is over, if one is."""
        if (timer := self._operations.expired(now)) is not None:
            return timer
        if self._message.is_over(now):
            return "pdu"
        if self._pace is not None and self._pace.deadline <= now:
            return "minimum_rate"
        return "idle" if self._idle.is_over(now) else None
