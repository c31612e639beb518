"""Waits for what another thread does, where nothing tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST = 10.0
"""Seconds after which a wait gives up."""


def becomes(condition: Callable[[], object]) -> bool:
    """Wait until a condition holds; False if it does not become true."""
    end = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
