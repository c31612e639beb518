"""Signals come over a pipe, so that none is lost and no signal handler interrupts other code."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from threading import Lock
from time import monotonic


class Signals:
    """Receives signals, and news from other threads, until it is closed; the main thread makes it."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers_before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        self._lock = Lock()
        self._is_closed = False

    def wait(self, deadline: float | None) -> bytes:
        """Return the numbers of received signals and the news, or b"" at the deadline."""
        timeout = None if deadline is None else max(deadline - monotonic(), 0)
        ready, _, _ = select.select([self._reader], [], [], timeout)
        return os.read(self._reader, 100) if ready else b""

    def tell(self, news: bytes) -> None:
        """End a wait with news; any thread may call it, also after the end."""
        with self._lock:
            if not self._is_closed:
                with suppress(BlockingIOError):  # the pipe is full, which wakes it as well
                    os.write(self._writer, news)

    def close(self) -> None:
        """Restore what was before."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        with self._lock:
            self._is_closed = True
            os.close(self._reader)
            os.close(self._writer)
