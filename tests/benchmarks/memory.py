"""Figures without a contender: memory, page faults and processor time, each with what it may be at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .servers import IDLE, open_association, serving
from .sides import KB, Asynchronous, Side, Streaming, image
from .transfers import SIZES

REST = 3.0
"""Seconds for which idle associations are watched."""


@dataclass
class Figure:
    """What is measured, in which unit, and the most that it may be."""

    name: str
    title: str
    unit: str
    goal: float
    measure: Callable[[], float]

    def result(self) -> dict[str, Any]:
        """Measure it, and return what is kept."""
        value = self.measure()
        verdict = "ok" if value <= self.goal else "above"
        return {"name": self.name, "title": self.title, "unit": self.unit, "value": value} | {
            "goal": self.goal, "verdict": verdict
        }  # fmt: skip


def show_figure(result: dict[str, Any]) -> None:
    """Print a figure."""
    text = f"{result['value']:.2f} {result['unit']}"
    print(f"{result['title']:<64}{text:>18}{result['goal']:>40g}  {result['verdict']}", flush=True)


def figures(side: Side, folder: Path) -> Iterator[Figure]:
    """Yield all figures; those of a process are read from Linux' /proc."""
    sides: dict[str, Callable[[], Side]] = {
        "blocking": lambda: Side("ours", side.place),
        "trio": lambda: Asynchronous("ours", side.place, "trio"),
        "anyio": lambda: Asynchronous("ours", side.place, "anyio"),
    }
    streaming = Streaming("ours", side.place)
    title = "memory of a 210 MB object over one of 40 KB, either side"
    yield Figure("memory-210MB", title, "MiB", 4, lambda: growth(streaming, folder))
    for flavour, make in sides.items():
        title = f"page faults of a 525 KB object, either side, {flavour}"
        yield Figure(f"faults-{flavour}", title, "faults", 2, lambda make=make: faults(make(), folder))  # type: ignore[misc]
    for flavour, most in (("trio", 20), ("blocking", 35)):
        with ExitStack() as stack:
            idle = Idle(flavour, stack)
            yield Figure(
                f"idle-{flavour}", f"memory of an idle association, {flavour}", "KB", most, idle.memory
            )
            title = f"processor time of {IDLE} idle associations, {flavour}"
            yield Figure(f"idle-time-{flavour}", title, "%", 0.3, idle.processor_time)


def growth(side: Side, folder: Path) -> float:
    """Return the MiB by which the peak of either side grows with the object; the more of both."""
    small, large = (str(image(folder, SIZES[name])) for name in ("40KB", "210MB"))
    with side.running():
        side.ask("store", side.port, path=small, warm_up=1, count=20)
        before = [peak(process) for process in side.processes]
        side.ask("store", side.port, path=large, warm_up=1, count=2)
        return max(peak(process) - was for process, was in zip(side.processes, before, strict=True)) / 2**20


def peak(process: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process} tells no peak of its memory")


def faults(side: Side, folder: Path, count: int = 300) -> float:
    """Return the page faults of an object of 525 KB in the steady state, of the side that has more."""
    path = str(image(folder, SIZES["525KB"]))
    with side.running():
        side.ask("store", side.port, path=path, warm_up=1, count=100)
        before = [minor_faults(process) for process in side.processes]
        side.ask("store", side.port, path=path, warm_up=1, count=count)
        pairs = zip(side.processes, before, strict=True)
        return max(minor_faults(process) - was for process, was in pairs) / count


def minor_faults(process: int) -> int:
    """Return the page faults of a process that needed no disk."""
    behind_the_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    return int(behind_the_name.split()[7])


class Idle:
    """A server with associations on which nothing happens."""

    def __init__(self, flavour: str, stack: ExitStack) -> None:
        self._flavour = flavour
        self._stack = stack
        self._process: psutil.Process | None = None

    def memory(self) -> float:
        """Return the memory of each association in KB."""
        port, self._process = self._stack.enter_context(serving(self._flavour))
        # What the first associations import and cache is not theirs alone. They stay, lest others use
        # their memory again.
        for _ in range(10):
            self._stack.enter_context(open_association(port))
        before = self._process.memory_info().rss
        for _ in range(IDLE):
            self._stack.enter_context(open_association(port))
        return float((self._process.memory_info().rss - before) / IDLE / KB)

    def processor_time(self) -> float:
        """Return the processor time that all associations take together, in percent."""
        if self._process is None:
            self.memory()
        assert self._process is not None
        start = self._process.cpu_times()
        time.sleep(REST)
        end = self._process.cpu_times()
        used = float(end.user + end.system - start.user - start.system)
        return 100 * abs(used) / REST
