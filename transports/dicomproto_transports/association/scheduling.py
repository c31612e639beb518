"""Cooperative scheduling: an association lets other tasks run though more input is there.

A stream yields by its bytes and calls. A few bytes may cost much work: one read holds 3,000 C-ECHOs, or
30,000 dropped fragments. So a turn also ends after a number of events, or of seconds. The operating system
schedules threads; there the end of a turn only checks for a shutdown of the server.
"""

from __future__ import annotations

MOST_EVENTS = 256
"""Most pieces of data sets in one turn; a message counts as four."""

MESSAGE = 4

LENGTH = 0.003
"""Seconds of work in one turn; with 50 busy peers, a message of another peer is read within about 0.2 s."""

CLOCK_INTERVAL = 8
"""Pieces of data sets between two reads of the clock."""


class Turn:
    """The turn of one association: its work in seconds and events since other tasks last ran."""

    __slots__ = ("_left", "_unread", "_wait_ended_at", "_worked_since", "events", "look_at")

    def __init__(self, now: float) -> None:
        self.events: int = 0
        """Events taken in this turn; a message counts as `MESSAGE`."""
        self.look_at: int = CLOCK_INTERVAL
        """The value of `events` at the next read of the clock."""
        self._unread = 0.0  # seconds between waits for input, since `take_unread`
        self._wait_ended_at = now
        self._worked_since = now
        self._left = LENGTH

    def is_over(self, now: float) -> bool:
        """Tell whether other tasks are to run."""
        self.look_at = self.events + CLOCK_INTERVAL
        return self.events >= MOST_EVENTS or now - self._worked_since >= self._left

    def begin(self, now: float) -> None:
        """Begin the next turn."""
        self.events = 0
        self.look_at = CLOCK_INTERVAL
        self._worked_since = now
        self._left = LENGTH

    def end_wait(self, begun: float, now: float) -> None:
        """Take out of the turn the time of a wait for input since `begun`; it may have been no wait."""
        self._left -= begun - self._worked_since
        self._unread += begun - self._wait_ended_at
        self._wait_ended_at = self._worked_since = now

    def take_unread(self, now: float) -> float:
        """Return the seconds, since this was last asked for, in which nothing waited for input."""
        unread, self._unread = self._unread + now - self._wait_ended_at, 0.0
        self._wait_ended_at = now
        return unread
