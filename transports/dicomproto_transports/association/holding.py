"""How many bytes of data sets are held for the associations of a server, in all.

What is small is not counted, so that a message costs no more for it; what grows is counted ahead in steps, so
that it does not cost with each chunk, but by half of what is left at most: the rest is for others. Streamed
data sets are never held.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

log: logging.Logger = logging.getLogger("dicomproto.server")

FREE = 64 * 1024
"""Bytes of one data set that are not counted."""

_STEP = 1024 * 1024
"""Bytes that are counted ahead at most."""

_SILENCE = 60.0
"""Seconds between two lines that say that too much is held."""


class Holding:
    """Counts what is held, for any number of threads."""

    def __init__(self) -> None:
        self.size: int = 0
        self._lock = Lock()
        self._told: float | None = None

    def grow(self, counted: int, needed: int, most: int | None) -> int | None:
        """Count more for a data set of which `counted` bytes are counted and `needed` are to be held.

        Return how many are counted now; None, and no more are, if the sum would be above `most`.
        """
        with self._lock:
            room = needed if most is None else most - (self.size - counted)
            if needed > room:
                return None
            now = needed + (_STEP if most is None else min(_STEP, (room - needed) // 2))
            self.size += now - counted
            return now

    def let_go(self, counted: int) -> None:
        """Count so many bytes no longer."""
        with self._lock:
            self.size -= counted

    def tell(self, most: int, peer: str) -> None:
        """Log that a data set of a peer is refused for what others hold, once a minute."""
        now = monotonic()  # a worker thread does not know the time of a stream
        with self._lock:
            if self._told is not None and now - self._told < _SILENCE:
                return
            self._told = now
        log.warning("maximum_collected is reached (%d bytes): a data set of %s is refused", most, peer)
