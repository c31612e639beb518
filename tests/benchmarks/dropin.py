"""`python -m tests.benchmarks --only dropin`: the drop-in for pynetdicom against the blocking flavour.

Both come from this tree, with the same presentation contexts and the same maximum length of PDUs, that of
pynetdicom. Each task is done with the drop-in on both sides of the association, as its SCU alone and as its
SCP alone, each time against the blocking flavour on both sides. The interleaved pairs are those of
`against.py`. A row fails when the median of its ratios says that the drop-in is more than 5 % behind.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .against import BUILD, FEWEST_PAIRS, KB, MB, Row, Side, image, install, measure, report, with_warm_up

MAXIMUM_LENGTH = "16382"
LIBRARY, DROPIN = "dicomproto_transports.blocking", "dicomproto_transports.pynetdicom"


class DropinRow(Row):
    """A row that fails at a median of more than 5 % behind."""

    bound = 0.95
    decisive = 1


def rows_of(library: Side, title: str, first: int, task: str, **words: object) -> Iterator[Row]:
    """Yield the rows of one task: the drop-in on both sides, then on one side of an association."""

    def both(side: Side, count: int) -> float:
        return side.ask(task, side.port, **words, **with_warm_up(count))

    def scu(side: Side, count: int) -> float:
        return side.ask(task, library.port, **words, **with_warm_up(count))

    def scp(side: Side, count: int) -> float:
        return library.ask(task, side.port, **words, **with_warm_up(count))

    for sides, take in (("both sides", both), ("SCU", scu), ("SCP", scp)):
        yield DropinRow(f"{title}, {sides}", take, first)


def rows(library: Side, folder: Path) -> Iterator[Row]:
    """Yield all rows; their files are written to `folder`."""
    small, middle, large = (str(image(folder, size)) for size in (40 * KB, 525 * KB, 8 * MB))
    yield from rows_of(library, "C-ECHO", 300, "echo")
    yield from rows_of(library, "C-STORE, 40 KB", 200, "store", path=small)
    yield from rows_of(library, "C-STORE, 525 KB", 100, "store", path=middle)
    yield from rows_of(library, "C-STORE, 8 MB", 10, "store", path=large)
    yield from rows_of(library, "C-STORE, Dataset, 40 KB", 50, "store", path=small, is_read=True)


def bench_dropin(pairs: int) -> list[str]:
    """Measure and print all rows, in at least 15 pairs; return the titles of those that failed."""
    pairs = max(pairs, FEWEST_PAIRS)
    place, started = install(BUILD / "new", None), time.monotonic()
    library, dropin = (
        Side(name, place, package, MAXIMUM_LENGTH) for name, package in (("old", LIBRARY), ("new", DROPIN))
    )
    with tempfile.TemporaryDirectory() as folder:
        chosen = list(rows(library, Path(folder)))
        measure([library, dropin], chosen, pairs)
    failed = report(chosen, f"old: the blocking flavour, new: the drop-in; {pairs} interleaved pairs")
    print(f"{time.monotonic() - started:.0f} s in all")
    return failed
