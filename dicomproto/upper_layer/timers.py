"""The timers of one association at the P-DATA level; their clock is the caller's.

The name of a timer is the field of `Timeouts` with its duration. An armed timer starts to run at the next
`next_deadline`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Timeouts
from .framer import Framer


class Timers:
    """The armed timers. The `pdu` timer follows the framer, and bounds the time of a PDU under way."""

    def __init__(self, timeouts: Timeouts, framer: Framer) -> None:
        self._timeouts = timeouts
        self._framer = framer
        self._armed: dict[str, float | None] = {}  # deadlines; None before the timer runs
        self._is_over = False
        self._progress: tuple[int, int] | None = None

    def arm(self, timer: str) -> None:
        """Arm a timer, or arm it again; no effect if its duration is None."""
        if getattr(self._timeouts, timer) is not None:
            self._armed[timer] = None

    def disarm(self, timer: str) -> None:
        """Disarm a timer, if it is armed."""
        self._armed.pop(timer, None)

    def clear(self) -> None:
        """Disarm all timers."""
        self._armed.clear()

    def end(self) -> None:
        """Disarm all timers and stop following the framer: the association has ended."""
        self._armed.clear()
        self._is_over = True

    def next_deadline(self, now: float) -> float | None:
        """Return the earliest deadline, or None; timers armed since the last call start to run at `now`."""
        self._watch_pdu()
        timers, earliest = self._armed, None
        for name, deadline in timers.items():
            if deadline is None:
                deadline = timers[name] = now + getattr(self._timeouts, name)
            if earliest is None or deadline < earliest:
                earliest = deadline
        return earliest

    def expired(self, now: float) -> Iterator[str]:
        """Disarm each timer whose deadline has come, and yield it; others may be disarmed in between."""
        self._watch_pdu()
        for name, deadline in tuple(self._armed.items()):
            if deadline is not None and deadline <= now and name in self._armed:
                del self._armed[name]
                yield name

    def _watch_pdu(self) -> None:
        """Arm the `pdu` timer again for each new PDU, and at each progress within a P-DATA-TF."""
        progress = None if self._is_over else self._framer.progress
        if progress != self._progress:
            self._progress = progress
            if progress is None:
                self.disarm("pdu")
            else:
                self.arm("pdu")
