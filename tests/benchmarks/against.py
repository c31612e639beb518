"""`make bench AGAINST=REVISION`: this tree against another revision, in interleaved pairs, with a verdict.

Both revisions are copied to `.build/against` and compiled; each has processes of its own that load nothing
but its copy. Every round starts them anew, so that no figure hangs on one process's luck with its memory. In
a round each row is measured with both, in short turns: old, new, new, old, or in the next round new, old,
old, new, so that a machine that speeds up or slows down does so for both. A ratio is that of the two rates
in one round, new by old, and a row fails when three quarters of its ratios lie below its bound.

C-ECHO, C-FIND and C-STORE: provider and requestor are both of the revision, and their handlers do next to
nothing; association and warm-up are not counted. `storescp` is fed, and `storescu` is answered, by peers on
bare sockets (`wire.py`), which are the same for both revisions; the start of the programs is not counted.
Associations, whole ones without a message, are counted. The import of the blocking flavour and the start of
`echoscu` are processes of their own.
"""

from __future__ import annotations

import argparse
import compileall
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psutil

from . import wire
from .objects import data_sets, write_file
from .peers import Product

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build" / "against"
PACKAGES = ("dicomproto", "transports")
KB, MB = 1000, 1_000_000
BOUND, BOUND_OF_TOOLS = 0.97, 0.90
FEWEST_PAIRS = 15
SECONDS = 0.3
"""What one turn is to take."""

TICK = 0.01
"""The grain of the system's account of processor time."""

WARM_UP = 0.1
"""Its share that goes before the clock starts."""

MOST_FILES = 1000
ELEMENTS = 250


class BenchmarkFailed(Exception):
    """Nothing could be measured; the text says why."""


# --- the two revisions --------------------------------------------------------------------------


def install(place: Path, revision: str | None) -> Path:
    """Copy a revision, or the tree as it stands, to where its processes find it; return the place."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if revision is None:
        for package in PACKAGES:
            shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        command = ["git", "-C", str(ROOT), "archive", revision, "--", *PACKAGES]
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode:
            raise BenchmarkFailed(f"{revision}: {archive.stderr.decode().strip()}")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(place, filter="data")
    compileall.compile_dir(place, quiet=1)
    return place


class Side:
    """One revision: its environment, and its processes while a round lasts, with words for them."""

    program, provider = "side.py", "provide"

    def __init__(self, name: str, place: Path, *words: str) -> None:
        self.name = name
        self.place = place
        self._words = words
        path = os.pathsep.join([str(place), str(place / "transports")])
        self.environment = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        self.port = 0
        self._requestor: subprocess.Popen[str] | None = None

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run its provider and its requestor."""
        with self._program(self.provider) as provider, self._program("request") as self._requestor:
            self.port = self._answer(provider)["port"]
            self._answer(self._requestor)
            yield self

    def ask(self, task: str, port: int, **words: object) -> float:
        """Have its requestor do something; return the seconds that it took."""
        requestor = self._requestor
        assert requestor is not None
        assert requestor.stdin is not None
        requestor.stdin.write(json.dumps({"task": task, "port": port} | words) + "\n")
        requestor.stdin.flush()
        return float(self._answer(requestor)["seconds"])

    def storescp(self) -> Product:
        """Return its receiver."""
        command = [sys.executable, "-m", "dicomproto_transports.apps", "storescp", "-q", "-ba", "127.0.0.1"]
        scp = [*command, "{port}", "-od", "{folder}"]
        return Product(self.name, scp=scp, store=[], echo=[], environment=self.environment)

    @contextmanager
    def _program(self, role: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name(self.program)), role, *self._words]
        environment = os.environ | self.environment
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
            assert process.stdin is not None
            process.stdin.close()

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchmarkFailed(f"a program of {self.name} ended with status {process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if not Path(answer["from"]).is_relative_to(self.place):
            raise BenchmarkFailed(f"{self.name} was loaded from {answer['from']}")
        return answer


# --- the rows -----------------------------------------------------------------------------------


class Row:
    """What is measured: `take(side, count)` returns the seconds of `count` units."""

    most = 1_000_000
    bound = BOUND
    decisive = 2
    """The quartile that is not to lie below the bound: the upper one, for three quarters of all."""

    def __init__(self, title: str, take: Callable[[Side, int], float], first: int, unit: str = "a second"):
        self.title = title
        self.unit = unit
        self.count = first
        self._take = take
        self.ratios: list[float] = []
        self.work: list[float] = []
        self.rates: dict[str, list[float]] = {"old": [], "new": []}

    def calibrate(self, side: Side) -> None:
        """Choose how many units a turn has."""
        seconds = self._take(side, self.count)
        self.count = max(2, min(self.most, round(self.count * SECONDS / seconds)))

    def pair(self, first: Side, second: Side) -> None:
        """Measure both sides, each in two turns."""
        seconds, work = dict.fromkeys(("old", "new"), 0.0), dict.fromkeys(("old", "new"), 0.0)
        for side in (first, second, second, first):
            before = processor_time()
            seconds[side.name] += self._take(side, self.count)
            work[side.name] += processor_time() - before
        for name, taken in seconds.items():
            self.rates[name].append(2 * self.count / taken)
        self.ratios.append(seconds["old"] / seconds["new"])
        self.work.append(work["old"] / (work["new"] or TICK))

    @property
    def failed(self) -> bool:
        """Whether the decisive quartile of the ratios lies below the bound."""
        return quartiles(self.ratios)[self.decisive] < self.bound


class FileRow(Row):
    """A row of one of the tools, which send or receive files."""

    most = MOST_FILES
    bound = BOUND_OF_TOOLS

    def __init__(self, title: str, take: Callable[[Side, int], float]) -> None:
        super().__init__(title, take, 200, "files a second")


class ProgramRow(Row):
    """A row of processes that begin and end: each takes a tenth of a second or so."""

    most = 8

    def __init__(self, title: str, *arguments: str) -> None:
        def take(side: Side, count: int) -> float:
            environment = os.environ | side.environment
            started = time.perf_counter()
            for _ in range(count):
                subprocess.run(
                    [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
                )
            return time.perf_counter() - started

        super().__init__(title, take, 4)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def processor_time() -> float:
    """Return the seconds of processor time that our programs have taken; the side that rests takes none."""
    ended = psutil.Process().cpu_times()
    total = float(ended.children_user + ended.children_system)
    for process in psutil.Process().children():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def with_warm_up(count: int) -> dict[str, int]:
    return {"count": count, "warm_up": max(1, round(count * WARM_UP))}


def image(folder: Path, size: int) -> Path:
    """Write a CT image of `size` bytes and 25 elements, and return its path."""
    path = folder / f"{size}.dcm"
    (content,) = data_sets(["1.2.3.1"], size, 25)
    write_file(path, "1.2.3.1", content)
    return path


def rows(folder: Path) -> dict[str, Row]:
    """Return the rows by their names; their files are written to `folder`."""

    def store(size: int, task: str = "store", **words: object) -> Callable[[Side, int], float]:
        path = str(image(folder, size))
        return lambda side, count: side.ask(task, side.port, path=path, **with_warm_up(count), **words)

    tools = Tools(folder)
    return {
        "echo": Row("C-ECHO", lambda side, count: side.ask("echo", side.port, **with_warm_up(count)), 300),
        "find": Row(
            "C-FIND of 20 matches",
            lambda side, count: side.ask("find", side.port, **with_warm_up(count)),
            20,
            "operations a second",
        ),
        "worklist": Row(
            "C-FIND of 20 worklist entries",
            lambda side, count: side.ask("worklist", side.port, **with_warm_up(count)),
            20,
            "operations a second",
        ),
        "count": Row(
            "C-FIND of 20 encoded matches",
            lambda side, count: side.ask("count", side.port, **with_warm_up(count)),
            20,
            "operations a second",
        ),
        "dataset": Row("C-STORE of a Dataset, 40 KB", store(40 * KB, is_read=True), 200),
        "changed": Row("read, change one tag, send, 40 KB", store(40 * KB, "changed"), 100),
        "store40KB": Row("C-STORE, 40 KB", store(40 * KB), 200),
        "store525KB": Row("C-STORE, 525 KB", store(525 * KB), 100),
        "store8MB": Row("C-STORE, 8 MB", store(8 * MB), 10),
        "associations": Row(
            "associations",
            lambda side, count: side.ask("associate", side.port, **with_warm_up(count)),
            50,
        ),
        "import": ProgramRow("import of the blocking flavour", "-c", "import dicomproto_transports.blocking"),
        "echoscu": ProgramRow(
            "echoscu --version", "-m", "dicomproto_transports.apps", "echoscu", "--version"
        ),
        "storescp": FileRow(f"storescp, 40 KB of {ELEMENTS} elements", tools.receive),
        "storescu": FileRow(f"storescu, 40 KB of {ELEMENTS} elements", tools.send),
    }


class Tools:
    """`storescp` and `storescu`, with peers that are the same for both revisions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        uids = [f"1.2.826.0.1.3680043.8.498.{number}" for number in range(10_000, 10_000 + 2 * MOST_FILES)]
        self._objects = list(zip(uids, data_sets(uids, 40 * KB, ELEMENTS), strict=True))
        self._messages = wire.messages(self._objects)
        self._folders: dict[int, Path] = {}

    def receive(self, side: Side, count: int) -> float:
        """Return the seconds that `storescp` takes to receive files and write them."""
        warm_up = round(count * WARM_UP)
        with side.storescp().serving() as port:
            return wire.send_all(port, self._messages[:warm_up], self._messages[warm_up : warm_up + count])

    def send(self, side: Side, count: int) -> float:
        """Return the seconds that a run of `storescu` takes, when all that it imports has been imported."""
        warm_up = max(1, round(count * WARM_UP))
        paths = [str(self._files(number)) for number in (warm_up, count)]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            received: list[int] = []

            def receive() -> None:
                received.extend(wire.receive_all(listener) for _ in paths)

            peer = threading.Thread(target=receive, daemon=True)
            peer.start()
            seconds = side.ask("storescu", listener.getsockname()[1], warm_up=paths[0], path=paths[1])
            peer.join(wire.PATIENCE)
        if received != [warm_up, count]:
            raise BenchmarkFailed(f"storescu of {side.name} sent {received} of {[warm_up, count]} files")
        return seconds

    def _files(self, count: int) -> Path:
        """Return a folder with so many files."""
        if count not in self._folders:
            folder = self._folder / f"files{count}"
            folder.mkdir()
            for number, (uid, content) in enumerate(self._objects[:count]):
                write_file(folder / f"{number:05}.dcm", uid, content)
            self._folders[count] = folder
        return self._folders[count]


# --- the run ------------------------------------------------------------------------------------


def measure(sides: list[Side], chosen: list[Row], pairs: int) -> None:
    """Measure all rows, round after round."""
    for number in range(-1, pairs):
        order = sides if number % 2 == 0 else sides[::-1]
        with ExitStack() as stack:
            for side in order:
                stack.enter_context(side.running())
            for row in chosen:
                if number < 0:
                    row.calibrate(sides[0])
                else:
                    row.pair(*order)
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {pairs} rounds ", end="", file=sys.stderr, flush=True)


def show(row: Row) -> None:
    """Print a row."""
    lower, median, upper = quartiles(row.ratios)
    old, new = (statistics.median(row.rates[name]) for name in ("old", "new"))
    verdict = f"FAILED: below {row.bound:g}" if row.failed else "ok"
    print(
        f"{row.title:<34}{old:>9,.0f}{new:>9,.0f} {row.unit:<20}{median:>7.3f}  {lower:.3f} to {upper:.3f}"
        f"{statistics.median(row.work):>9.3f}  {verdict}",
        flush=True,
    )


def report(chosen: list[Row], title: str) -> list[str]:
    """Print the rows under a title, and return those that failed."""
    print(f"\n{title}, ratios new by old")
    print(f"{'':<34}{'old':>9}{'new':>9} {'':<20}{'median':>7}  {'quartiles':<14}{'work':>8}")
    for row in chosen:
        show(row)
    print("work: processor time of the programs (of storescp with its start), old by new")
    return [row.title for row in chosen if row.failed]


def main(arguments: list[str]) -> int:
    """Measure, print, and tell by the exit status whether every row keeps its bound."""
    names = [
        "echo", "find", "worklist", "count", "dataset", "changed", "store40KB", "store525KB", "store8MB",
        "associations", "import", "echoscu", "storescp", "storescu",
    ]  # fmt: skip
    parser = argparse.ArgumentParser(prog="make bench AGAINST=REVISION", description=__doc__)
    parser.add_argument("revision", help="what git knows the other revision by")
    parser.add_argument("--pairs", type=int, default=FEWEST_PAIRS, help="how many, at least 15")
    parser.add_argument("--rows", default=",".join(names), help="those to measure, with commas between")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows.split(",")) - set(names):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.pairs < FEWEST_PAIRS:
        parser.error(f"fewer than {FEWEST_PAIRS} pairs prove nothing")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            sides = [
                Side("old", install(BUILD / "old", options.revision)),
                Side("new", install(BUILD / "new", None)),
            ]
            known = rows(Path(folder))
            chosen = [known[name] for name in options.rows.split(",")]
            measure(sides, chosen, options.pairs)
        except BenchmarkFailed as error:
            print(f"make bench: {error}", file=sys.stderr)
            return 2
    title = f"old: {options.revision}, new: this tree; {options.pairs} interleaved pairs"
    failed = report(chosen, title)
    print(f"{time.monotonic() - started:.0f} s in all")
    if failed:
        print(f"slower than {options.revision}: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
