"""When an association lets others run, though more is at hand.

A stream lets others run by the bytes and calls that pass through it. What a peer sends may cost far more
than its bytes: one read holds 3,000 C-ECHOs, or 30,000 fragments that are dropped. So the work counts too,
in events and in seconds. Threads take turns by themselves; there a turn is only the chance to notice that the
server ends.
"""

from __future__ import annotations

MOST_EVENTS = 256
"""Pieces of data sets that are taken in one turn, at most; a message counts as four."""

MESSAGE = 4

LENGTH = 0.003
"""Seconds of work in one turn; with 50 busy peers a silent one's message is then read within 0.2 s or so."""

GLANCE = 8
"""Pieces of data sets between two looks at the clock."""


class Turn:
    """How long an association has worked, and how many events it has taken, since others last ran."""

    __slots__ = ("_left", "_worked_since", "events", "heard_at", "look_at")

    def __init__(self, now: float) -> None:
        self.events: int = 0
        """Events taken in this turn; a message counts as `MESSAGE`."""
        self.look_at: int = GLANCE
        """How many there will be at the next look at the clock."""
        self.heard_at: float = now
        """When the last wait for input ended."""
        self._worked_since = now
        self._left = LENGTH

    def is_over(self, now: float) -> bool:
        """Tell whether others are to run."""
        self.look_at = self.events + GLANCE
        return self.events >= MOST_EVENTS or now - self._worked_since >= self._left

    def begin(self, now: float) -> None:
        """The next turn begins."""
        self.events = 0
        self.look_at = GLANCE
        self._worked_since = now
        self._left = LENGTH

    def hear(self, begun: float, now: float) -> None:
        """A wait for input that had `begun` is over; the turn goes on, as there may have been none."""
        self._left -= begun - self._worked_since
        self.heard_at = self._worked_since = now
