"""A common limit for the bytes of data sets that all associations of a server hold in memory.

Small data sets are not counted, which keeps a message cheap. Larger ones are counted ahead in steps, not with
each chunk; a step is at most half of what is left, so that other associations get some. Streamed data sets
are never held.

Memory that has held a data set is kept for further ones: the kernel would clear all the pages of new memory.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

log: logging.Logger = logging.getLogger("dicomproto.server")

FREE = 64 * 1024
"""Bytes of one data set that are not counted."""

_STEP = 1024 * 1024
"""Most bytes that are counted ahead."""

_MOST_SPARE = 16 * 1024 * 1024
"""Most bytes of memory that are kept for further data sets."""

_LOG_INTERVAL = 60.0
"""Seconds between two log lines about the limit."""


class HeldBytes:
    """Counts held bytes; safe in any thread."""

    def __init__(self) -> None:
        self.size: int = 0
        self._lock = Lock()
        self._spare: list[bytearray] = []
        self._told: float | None = None

    def grow(self, counted: int, needed: int, most: int | None) -> int | None:
        """Count a data set further: `counted` bytes are counted, `needed` are to be held.

        Return the new count; None, without a change, if the sum of all would be above `most`.
        """
        with self._lock:
            room = needed if most is None else most - (self.size - counted)
            if needed > room:
                return None
            now = needed + (_STEP if most is None else min(_STEP, (room - needed) // 2))
            self.size += now - counted
            return now

    def let_go(self, counted: int) -> None:
        """Subtract bytes that are no longer held."""
        with self._lock:
            self.size -= counted

    def lend(self) -> bytearray:
        """Return memory for a data set, to be given back by `take_back`; empty if there is none to spare."""
        with self._lock:
            return self._spare.pop() if self._spare else bytearray()

    def take_back(self, memory: bytearray) -> None:
        """Keep memory for further data sets, unless a view of it exists: whoever has that may look later."""
        if not memory:
            return
        try:
            memory.append(0)
        except BufferError:
            return
        del memory[-1:]
        with self._lock:
            if len(memory) + sum(map(len, self._spare)) <= _MOST_SPARE:
                self._spare.append(memory)

    def tell(self, most: int, peer: str) -> None:
        """Log that a data set was refused because of the limit; at most once a minute."""
        now = monotonic()  # a worker thread has no access to the clock of a stream
        with self._lock:
            if self._told is not None and now - self._told < _LOG_INTERVAL:
                return
            self._told = now
        log.warning("maximum_collected is reached (%d bytes): a data set of %s is refused", most, peer)
