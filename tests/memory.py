"""How much memory something takes at its worst."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

KIB = 1024
MIB = 1024 * 1024


def peak_of(action: Callable[[], object]) -> int:
    """Return the bytes that were allocated, at most, at one time while `action` ran."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
