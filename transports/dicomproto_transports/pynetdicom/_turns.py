"""Turns at an association: one thread uses it at a time, its own thread waits for the peer in between.

A call takes an uncontended lock. Only if another thread holds it, the call makes that thread, if it merely
waits for the peer, give way.
"""

from __future__ import annotations

import threading
from types import TracebackType

from ..streams.blocking_waits import INTERRUPTION, Wake


class Turns:
    """The turns at one association; a context manager for one call. A handler's calls are within its turn."""

    __slots__ = ("uses", "_lock", "_guard", "_wanted", "_wake", "_is_idle", "_free")

    def __init__(self) -> None:
        self.uses: int = 0
        """The number of turns that calls have taken."""
        self._lock = threading.RLock()
        self._guard = threading.Lock()
        self._free = threading.Condition(self._guard)
        self._wanted = 0
        self._wake: Wake | None = None
        self._is_idle = False

    def __enter__(self) -> None:
        self.uses += 1
        if not self._lock.acquire(blocking=False):
            self._acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _acquire(self) -> None:
        """Take the turn from a thread that waits, or after one that works."""
        with self._guard:
            self._wanted += 1
            if self._wake is not None:
                self._wake.set()
        try:
            self._lock.acquire()
        finally:
            with self._guard:
                self._wanted -= 1
                if not self._wanted:
                    if self._wake is not None:
                        self._wake.clear()
                    self._free.notify_all()

    # -- the thread of the association -------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """True while the thread waits for the peer, and lets itself be interrupted."""
        return self._is_idle

    def take(self, *, wait: bool = True) -> bool:
        """Take the turn for the association's own thread; False if it is taken, without `wait`."""
        return self._lock.acquire(blocking=wait)

    def give(self) -> None:
        """Give the turn back."""
        self._lock.release()

    def begin_wait(self) -> bool:
        """Let others interrupt from now on; False if another thread wants the turn already."""
        wake = self._wake
        if wake is None or wake.is_set:  # a wake that another thread sets from now on stays set
            with self._guard:
                wake = self._wake = self._wake or Wake()
                if not self._wanted:
                    wake.clear()
        if self._wanted:
            return False
        self._is_idle, INTERRUPTION.wake = True, wake
        return True

    def nudge(self) -> None:
        """Have the association's own thread begin its wait again, with what was set meanwhile."""
        with self._guard:
            if self._is_idle and self._wake is not None:
                self._wake.set()

    def end_wait(self) -> None:
        """Let nobody interrupt from now on."""
        self._is_idle, INTERRUPTION.wake = False, None

    def let_others(self) -> None:
        """Give the turn to the threads that want it, and take it back after them."""
        self._lock.release()
        with self._free:
            while self._wanted:
                self._free.wait()
        self._lock.acquire()

    def close(self) -> None:
        """Close the descriptors at the end of the association's thread."""
        with self._guard:
            wake, self._wake = self._wake, None
            self._is_idle = False
            if wake is not None:
                wake.close()
