"""A row of a benchmark: two contenders in interleaved turns, their ratios, and a verdict.

The contenders do the same work in turn: ours, theirs, theirs, ours, or in the next pair the other way round,
so that a machine that speeds up or slows down does so for both. The ratio of a pair is that of our rate to
theirs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

SECONDS = 0.3
"""What one turn is to take."""

WARM_UP = 0.1
"""The share of a turn that goes before the clock starts."""

TICK = 0.01
"""The grain of the system's account of processor time."""

Take = Callable[[int], float]
"""Does so many units and returns the seconds that they took."""

LOWER, MEDIAN, UPPER = range(3)


@dataclass
class Row:
    """Two contenders for one work, the goal of their ratio, and what was measured.

    The goal is compared with one quartile of the ratios: `decisive`. Rows of start-up count time, so for
    them the upper one is not to lie above the goal.
    """

    name: str
    title: str
    goal: float | None
    ours: Take
    theirs: Take
    first: int = 10
    most: int = 100_000
    is_time: bool = False
    decisive: int = LOWER
    ratios: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    """The processor time of the programs of the other side, by that of ours."""

    rates: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    _counts: tuple[int, int] | None = None

    def calibrate(self) -> None:
        """Choose how many units a turn of each contender has."""
        self._counts = self._count(self.ours), self._count(self.theirs)

    def _count(self, take: Take) -> int:
        seconds = max(take(self.first), 1e-6)
        return max(1, min(self.most, round(self.first * SECONDS / seconds)))

    def pair(self, *, ours_first: bool) -> None:
        """Measure both, each in two turns."""
        if self._counts is None:
            self.calibrate()
        assert self._counts is not None
        contenders = tuple(zip((self.ours, self.theirs), self._counts, strict=True))
        seconds, work = [0.0, 0.0], [0.0, 0.0]
        for number in (0, 1, 1, 0) if ours_first else (1, 0, 0, 1):
            take, count = contenders[number]
            before = processor_time()
            seconds[number] += take(count)
            work[number] += (processor_time() - before) / count
        ours, theirs = (
            2 * count / max(taken, 1e-9) for count, taken in zip(self._counts, seconds, strict=True)
        )
        self.rates[0].append(ours)
        self.rates[1].append(theirs)
        self.ratios.append(theirs / ours if self.is_time else ours / theirs)
        self.work.append(work[1] / (work[0] or TICK))

    @property
    def verdict(self) -> str:
        """`ok`, `below` (for times `above`), or nothing when the row has no goal."""
        if self.goal is None:
            return ""
        if self.is_time:
            return "ok" if quartiles(self.ratios)[UPPER] <= self.goal else "above"
        return "ok" if quartiles(self.ratios)[self.decisive] >= self.goal else "below"

    def result(self) -> dict[str, Any]:
        """Return what is kept of the row."""
        lower, median, upper = quartiles(self.ratios)
        ours, theirs = (statistics.median(rates) for rates in self.rates)
        return {
            "name": self.name, "title": self.title, "ours": ours, "theirs": theirs, "lower": lower,
            "median": median, "upper": upper, "work": statistics.median(self.work), "goal": self.goal,
            "verdict": self.verdict, "ratios": self.ratios,
        }  # fmt: skip


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def show_head(title: str) -> None:
    """Print what the columns are."""
    print(f"\n{title}")
    print(f"{'':<64}{'ours':>9}{'theirs':>9}{'lower':>8}{'median':>8}{'upper':>8}{'work':>7}{'goal':>7}")


def show(result: dict[str, Any]) -> None:
    """Print a row: the rates, the quartiles of the ratios, the processor time, the goal and the verdict."""
    goal = "" if result["goal"] is None else f"{result['goal']:g}"
    rates = "".join(f"{result[key]:>9,.{0 if result[key] >= 100 else 1}f}" for key in ("ours", "theirs"))
    figures = "".join(f"{result[key]:>8.3f}" for key in ("lower", "median", "upper"))
    print(
        f"{result['title']:<64}{rates}{figures}{result['work']:>7.2f}{goal:>7}  {result['verdict']}",
        flush=True,
    )


def processor_time() -> float:
    """Return the seconds of processor time that our programs have taken; the side that rests takes none."""
    ended = psutil.Process().cpu_times()
    total = float(ended.children_user + ended.children_system)
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


# --- takes --------------------------------------------------------------------------------------


def with_warm_up(count: int) -> dict[str, int]:
    """Return the words for a side that does `count` units, and some before that are not counted."""
    return {"count": count, "warm_up": max(1, round(count * WARM_UP))}


def program(command: list[str], environment: dict[str, str]) -> float:
    """Run a program and return the seconds that it took; one that fails ends the row.

    It starts from bytecode, as installed programs do.
    """
    whole = os.environ | environment
    whole.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    done = subprocess.run(command, env=whole, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return time.perf_counter() - started


def once(task: Callable[[], object]) -> Take:
    """Return the take of a task that is done once."""
    return lambda _: repeatedly(task)(1)


def repeatedly(task: Callable[[], object]) -> Take:
    """Return the take of a function that is called again and again."""

    def take(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            task()
        return time.perf_counter() - started

    return take
