"""Rows of associations: each SCP alone, under requestors whose bytes are made before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from .bare import Visitor
from .peers import NODELAY, our_storescp
from .row import Row
from .sides import Side
from .transfers import dcmtk_scp


def associations(side: Side, stack: ExitStack) -> Iterator[Row]:
    """Associate, echo and release with each SCP alone, under a visitor whose bytes are made before."""
    theirs = stack.enter_context(dcmtk_scp(NODELAY).serving())
    visitor = Visitor()
    for at_once, goal in ((1, 0.3), (16, 0.3), (64, 1.0)):
        pool = stack.enter_context(ThreadPoolExecutor(at_once))

        def take(port: int, count: int, pool: ThreadPoolExecutor = pool) -> float:
            started = time.perf_counter()
            for _ in pool.map(visitor.visit, [port] * count):
                pass
            return time.perf_counter() - started

        title = f"associate, echo, release, {at_once} at once: our SCP / DCMTK nd"
        row = partial(Row, theirs=partial(take, theirs), first=4 * at_once)
        yield row(f"associations-{at_once}", title, goal, partial(take, side.port))
        if at_once == 16:
            two = stack.enter_context(our_storescp("--ignore", "--processes", "2").serving())
            title = f"the same, {at_once} at once: our storescp --processes 2 / DCMTK nd"
            yield row("associations-processes-2", title, 0.5, partial(take, two))
