"""How the processor time of a task grows with its size."""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import inf
from time import process_time

MOST = 2.3
"""Times that twice as much may take: twice, and what a measurement is off by."""

_ROUNDS = 12


def growth(task: Callable[[int], Callable[[], object]], size: int) -> float:
    """Return how many times the processor time of `task(size)()` that of `task(2 * size)()` is.

    `task` prepares what is not measured. The least of several rounds counts; there are more of them as
    long as the growth is above `MOST`, for a busy machine can only add to a time.
    """
    least = {size: inf, 2 * size: inf}
    for number in range(1, _ROUNDS + 1):
        for count in least:
            run = task(count)
            gc.collect()
            gc.disable()
            try:
                began = process_time()
                run()
                least[count] = min(least[count], process_time() - began)
            finally:
                gc.enable()
        if number > 1 and least[2 * size] <= MOST * least[size]:
            break
    return least[2 * size] / least[size]
