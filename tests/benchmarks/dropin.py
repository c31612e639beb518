"""`python -m tests.benchmarks.dropin`: the drop-in for pynetdicom against the blocking flavour.

Both come from this tree, with the same presentation contexts and the same maximum length of PDUs, that of
pynetdicom. Each task is done with the drop-in on both sides of the association, as its SCU alone and as its
SCP alone, each time against the blocking flavour on both sides. The interleaved pairs are those of
`against.py`. A row fails when the median of its ratios says that the drop-in is more than 5 % behind.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .against import FEWEST_PAIRS, measure, report
from .row import MEDIAN, Row, with_warm_up
from .sides import BUILD, KB, MB, Side, image, install

MAXIMUM_LENGTH = "16382"
LIBRARY, DROPIN = "dicomproto_transports.blocking", "dicomproto_transports.pynetdicom"
BOUND = 0.95


def rows_of(dropin: Side, library: Side, title: str, first: int, task: str, **words: object) -> Iterator[Row]:
    """Yield the rows of one task: the drop-in on both sides, then on one side of an association."""

    def take(scu: Side, scp: Side, count: int) -> float:
        return scu.ask(task, scp.port, **words, **with_warm_up(count))

    theirs = partial(take, library, library)
    for name, scu, scp in (
        ("both sides", dropin, dropin),
        ("SCU", dropin, library),
        ("SCP", library, dropin),
    ):
        ours = partial(take, scu, scp)
        yield Row(title, f"{title}, {name}", BOUND, ours, theirs, first, decisive=MEDIAN)


def rows(dropin: Side, library: Side, folder: Path) -> Iterator[Row]:
    """Yield all rows; their files are written to `folder`."""
    task = partial(rows_of, dropin, library)
    small, middle, large = (str(image(folder, size)) for size in (40 * KB, 525 * KB, 8 * MB))
    yield from task("C-ECHO", 300, "echo")
    yield from task("C-STORE, 40 KB", 200, "store", path=small)
    yield from task("C-STORE, 525 KB", 100, "store", path=middle)
    yield from task("C-STORE, 8 MB", 10, "store", path=large)
    yield from task("C-STORE, Dataset, 40 KB", 50, "store", path=small, is_read=True)


def main(arguments: list[str]) -> int:
    """Measure and print all rows; tell by the exit status whether every one keeps its bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dropin", description=__doc__)
    parser.add_argument("--pairs", type=int, default=FEWEST_PAIRS, help="how many")
    options = parser.parse_args(arguments)
    place, started = install(BUILD / "new", None), time.monotonic()
    dropin, library = (Side(package, place, package, MAXIMUM_LENGTH) for package in (DROPIN, LIBRARY))
    with tempfile.TemporaryDirectory() as folder:
        chosen = list(rows(dropin, library, Path(folder)))
        measure([dropin, library], chosen, options.pairs)
    title = f"ours: the drop-in, theirs: the blocking flavour; {options.pairs} interleaved pairs"
    failed = report(chosen, title)
    print(f"{time.monotonic() - started:.0f} s in all")
    if failed:
        print(f"the drop-in is slower: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
