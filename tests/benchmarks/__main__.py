"""`make bench`: this project beside DCMTK and others in interleaved pairs, each row with its goal.

Of each row the lower quartile of the ratios is compared with the goal. Start-up is taken off on both sides:
DCMTK's tools run twice, for many units and for one, and the difference counts. Rows of start-up count time,
so for them the upper quartile is not to lie above the goal. DCMTK "nd" runs with TCP_NODELAY=1, which is its
best case; "as packaged" leaves Nagle on. Figures without a contender have a most.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .associations import associations
from .memory import figures, show_figure
from .network import DELAYS, in_a_namespace
from .parts import codec, start_up, tls
from .plot import table, table_of_figures, write_plot
from .queries import queries
from .row import Row, show, show_head
from .sides import BUILD, Side, install
from .transfers import against_pynetdicom, flavours, programs, transfers

PAIRS = 7


def rows(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """Yield all rows."""
    yield from transfers(side, folder, stack)
    yield from associations(side, stack)
    yield from queries(side, folder, stack)
    yield from flavours(side, folder, stack)
    yield from programs(folder)
    yield from start_up(side)
    yield from tls(stack)
    yield from codec()
    yield from against_pynetdicom(side, folder, stack)


class Run:
    """What one run of the command measures, and what it found."""

    def __init__(self, patterns: list[str], pairs: int, kept: Path | None) -> None:
        self._patterns = patterns
        self._pairs = pairs
        self._kept = kept
        self.results = list[dict[str, Any]]()
        self.figures = list[dict[str, Any]]()
        self.failed = list[str]()
        self.left_out = 0

    def is_wanted(self, name: str) -> bool:
        """Tell whether somebody asked for a row."""
        return any(fnmatch(name, pattern) for pattern in self._patterns)

    def measure(self, row: Row) -> None:
        """Measure a row, show progress on a terminal, and print it; a row that fails ends no other."""
        try:
            for number in range(self._pairs):
                row.pair(ours_first=number % 2 == 0)
                if sys.stderr.isatty():
                    print(
                        f"\r{row.name}: {number + 1} of {self._pairs} ", end="", file=sys.stderr, flush=True
                    )
        except (RuntimeError, OSError) as error:
            print(f"{row.title}: FAILED: {error}", flush=True)
            self.failed.append(row.name)
        else:
            self.results.append(row.result())
            show(self.results[-1])
            self._keep()

    def measure_networks(self) -> None:
        """Measure the rows of a network namespace, for each delay that this machine can give."""
        for delay in DELAYS:
            if self.is_wanted(f"network-{delay}ms"):
                found = in_a_namespace(delay)
                if isinstance(found, str):
                    print(f"left out: rows with MTU 1500 and {delay} ms of delay ({found})", flush=True)
                    self.left_out += 1
                    continue
                for result in found:
                    show(result)
                self.results += found
                self._keep()

    def _keep(self) -> None:
        if self._kept is not None:
            self._kept.write_text(json.dumps(self.results + self.figures, indent=1) + "\n")

    def measure_figures(self, side: Side, folder: Path) -> None:
        """Measure what has no contender."""
        for figure in figures(side, folder):
            if self.is_wanted(figure.name):
                try:
                    self.figures.append(figure.result())
                except FileNotFoundError as error:
                    print(f"left out: {figure.title} ({error.filename} is missing)", flush=True)
                    self.left_out += 1
                    continue
                except RuntimeError as error:
                    print(f"{figure.title}: FAILED: {error}", flush=True)
                    self.failed.append(figure.name)
                    continue
                show_figure(self.figures[-1])
                self._keep()

    @property
    def missed(self) -> list[str]:
        """The names of the rows that failed or missed their goals."""
        found = self.results + self.figures
        return self.failed + [str(each["name"]) for each in found if each["verdict"] in ("below", "above")]


def main(arguments: list[str]) -> int:
    """Measure what is wanted, print it and write it where it is asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--row", action="append", metavar="NAME", help="this row, or those of a pattern such as scu-*"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"how many (default {PAIRS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write tables and a plot there")
    options = parser.parse_args(arguments)
    if options.pairs < 2:
        parser.error("quartiles need at least 2 pairs")
    started = time.monotonic()
    run = Run(options.row or ["*"], options.pairs, options.json)
    memory = Path("/dev/shm")
    tempfile.tempdir = str(memory) if os.access(memory, os.W_OK) else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        side = Side("ours", install(BUILD.with_name("bench"), None))
        stack.enter_context(side.running())
        show_head(f"rates a second, and the quartiles of the ratios of {options.pairs} pairs")
        for row in rows(side, folder, stack):
            if run.is_wanted(row.name):
                run.measure(row)
        run.measure_figures(side, folder)
    run.measure_networks()
    if not (run.results or run.figures or run.failed or run.left_out):
        parser.error("no such row")
    if options.docs:
        (options.docs / "speed_table.rst").write_text(table(run.results))
        (options.docs / "speed_figures.rst").write_text(table_of_figures(run.figures))
        write_plot(options.docs / "speed.svg", run.results)
    print(f"{time.monotonic() - started:.0f} s in all; goals missed: {', '.join(run.missed) or 'none'}")
    return 1 if run.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
