"""`make bench`: this project beside DCMTK and others in interleaved pairs, each row with its goal.

A row has two contenders that do the same work in turn: ours, theirs, theirs, ours, or in the next pair the
other way round. Its ratio is that of our rate to theirs in one pair, and its lower quartile is what is
compared with the goal. Start-up is taken off on both sides: DCMTK's tools run twice, for many units and for
one, and the difference counts. Rows of start-up count time, so for them the upper quartile is not to lie
above the goal. DCMTK "nd" runs with TCP_NODELAY=1, which is its best case; "as packaged" leaves Nagle on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from . import wire
from .against import BUILD, KB, MB, Side, install, quartiles, with_warm_up
from .against import image as plain_image
from .bare import Visitor, serving_bare
from .codec import decoding
from .network import DELAYS, in_a_namespace
from .objects import ct, data_sets, write_objects
from .peers import Product, dcmtk, dicomproto
from .plot import table, write_plot
from .tls import KINDS, tls_tasks

SECONDS = 0.3
"""What one turn is to take."""

PAIRS = 9
SIZES = {"40KB": 40 * KB, "525KB": 525 * KB, "8MB": 8_400 * KB, "210MB": 210 * MB}
NODELAY = {"TCP_NODELAY": "1"}

Take = Callable[[int], float]
"""Does so many units and returns the seconds that they took."""


@dataclass
class Row:
    """Two contenders for one work, the goal of the ratio, and what was measured."""

    name: str
    title: str
    goal: float | None
    ours: Take
    theirs: Take
    first: int = 10
    most: int = 100_000
    is_time: bool = False
    ratios: list[float] = field(default_factory=list)
    rates: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def calibrate(self) -> tuple[int, int]:
        """Return how many units a turn of each contender has."""
        return self._count(self.ours), self._count(self.theirs)

    def _count(self, take: Take) -> int:
        seconds = max(take(self.first), 1e-6)
        return max(1, min(self.most, round(self.first * SECONDS / seconds)))

    def pair(self, counts: tuple[int, int], *, ours_first: bool) -> None:
        """Measure both, each in two turns."""
        seconds = [0.0, 0.0]
        for number in (0, 1, 1, 0) if ours_first else (1, 0, 0, 1):
            seconds[number] += (self.ours, self.theirs)[number](counts[number])
        ours, theirs = (2 * count / max(taken, 1e-9) for count, taken in zip(counts, seconds, strict=True))
        self.rates[0].append(ours)
        self.rates[1].append(theirs)
        self.ratios.append(theirs / ours if self.is_time else ours / theirs)

    @property
    def verdict(self) -> str:
        """`ok`, `below` (for times `above`), or nothing when the row has no goal."""
        lower, _, upper = quartiles(self.ratios)
        if self.goal is None:
            return ""
        if self.is_time:
            return "ok" if upper <= self.goal else "above"
        return "ok" if lower >= self.goal else "below"

    def result(self) -> dict[str, Any]:
        """Return what is kept of the row."""
        lower, median, upper = quartiles(self.ratios)
        ours, theirs = (statistics.median(rates) for rates in self.rates)
        return {
            "name": self.name, "title": self.title, "ours": ours, "theirs": theirs, "lower": lower,
            "median": median, "upper": upper, "goal": self.goal, "verdict": self.verdict,
            "ratios": self.ratios,
        }  # fmt: skip


# --- contenders ---------------------------------------------------------------------------------


def program(command: list[str], environment: dict[str, str]) -> float:
    """Run a program and return the seconds that it took; one that fails ends the benchmark."""
    started = time.perf_counter()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return time.perf_counter() - started


def repeated(command: list[str], environment: dict[str, str]) -> Take:
    """Return the take of a tool of DCMTK's that repeats its work, without its start and its association."""

    def run(count: int) -> float:
        return program([*command, "--repeat", str(count)], environment)

    return lambda count: run(count + 1) - run(1)


def dcmtk_scu(port: int, path: Path | None, environment: dict[str, str]) -> Take:
    """Return DCMTK's SCU: storescu with a file, echoscu without."""
    if path is None:
        return repeated(["/usr/bin/echoscu", "127.0.0.1", str(port)], environment)
    large = ["-pdu", "131072"] if environment else []
    return repeated(["/usr/bin/storescu", *large, "127.0.0.1", str(port), str(path)], environment)


def our_scu(side: Side, port: int, path: Path | None) -> Take:
    """Return our blocking SCU."""
    if path is None:
        return lambda count: side.ask("echo", port, **with_warm_up(count))
    return lambda count: side.ask("store", port, path=str(path), **with_warm_up(count))


def dcmtk_scp(environment: dict[str, str]) -> Product:
    """Return DCMTK's storescp, which receives and writes nothing."""
    large = ["-pdu", "131072"] if environment else []
    command = ["/usr/bin/storescp", *large, "--ignore", "{port}"]
    return Product("DCMTK", scp=command, store=[], echo=[], environment=environment)


# --- the rows -----------------------------------------------------------------------------------


class Streaming(Side):
    """A side whose provider takes objects as they come."""

    provider = "stream"


def image(folder: Path, name: str) -> Path:
    """Write a CT image of the size of that name, and return its path."""
    path = folder / f"{name}.dcm"
    if not path.exists():
        ct(SIZES[name]).save_as(path, enforce_file_format=True)
    return path


def transfers(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """Our SCU and SCP, DCMTK's, and both mixtures; and the bare loop."""
    nd = stack.enter_context(dcmtk_scp(NODELAY).serving())
    packaged = stack.enter_context(dcmtk_scp({}).serving())
    bare = stack.enter_context(serving_bare())
    streaming = stack.enter_context(Streaming("ours", side.place).running())
    goals = {"echo": 0.36, "40KB": 0.9, "525KB": 0.85, "8MB": 1.3, "210MB": 2.2}
    paths = {"echo": None} | {name: image(folder, name) for name in SIZES}
    for name, path in paths.items():
        title = "C-ECHO" if path is None else f"C-STORE {name}"
        first = {"210MB": 1, "8MB": 4}.get(name, 50)
        theirs = dcmtk_scu(nd, path, NODELAY)
        port = streaming.port if name == "210MB" else side.port
        ours = our_scu(side, port, path)
        row = partial(Row, theirs=theirs, first=first)
        yield row(name, f"{title}, our SCU and SCP / DCMTK nd", goals[name], ours)
        yield row(f"scu-{name}", f"{title}, our SCU, their SCP / DCMTK nd", 0.95, our_scu(side, nd, path))
        mixed = dcmtk_scu(port, path, NODELAY)
        yield row(f"scp-{name}", f"{title}, their SCU, our SCP / DCMTK nd", 0.95, mixed)
        if path is not None and name != "210MB":
            yield Row(f"bare-{name}", f"{title}, ours / bare loop", None, ours, bare_loop(bare, name), first)
    plain = plain_image(folder, 40 * KB)
    title = "C-STORE 40KB of 25 elements, our SCU and SCP / DCMTK nd"
    yield Row("plain-40KB", title, None, our_scu(side, side.port, plain), dcmtk_scu(nd, plain, NODELAY), 50)
    small = paths["40KB"]
    slow = partial(Row, theirs=dcmtk_scu(packaged, small, {}), first=8)
    title = "C-STORE 40KB, DCMTK as packaged"
    ours = our_scu(side, packaged, small)
    yield slow("scu-40KB-packaged", f"{title}: our SCU, their SCP / itself", 100, ours)
    ours = dcmtk_scu(side.port, small, {})
    yield slow("scp-40KB-packaged", f"{title}: their SCU, our SCP / itself", 40, ours)


def bare_loop(port: int, name: str) -> Take:
    """Return the bare loop's SCU: messages that are ready before the clock starts."""
    uid = "1.2.3.1"
    (message,) = wire.messages([(uid, data_sets([uid], SIZES[name], 25)[0])], 131_000)
    return lambda count: wire.send_all(port, [message], [message] * count)


def queries(side: Side) -> Iterator[Row]:
    """C-FIND of 20 matches at our SCP: our SCU beside findscu."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID"]
    for name, task, model in (("find", "find", "-P"), ("find-encoded", "count", "-S")):
        findscu = ["/usr/bin/findscu", "-q", model, *keys, "127.0.0.1", str(side.port)]

        def ours(count: int, task: str = task) -> float:
            return side.ask(task, side.port, **with_warm_up(count))

        matches = "Dataset" if task == "find" else "encoded"
        title = f"C-FIND of 20 {matches} matches at our SCP: our SCU / findscu"
        yield Row(name, title, None, ours, repeated(findscu, NODELAY))


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
        ours = partial(take, side.port)
        yield Row(f"associations-{at_once}", title, goal, ours, partial(take, theirs), 4 * at_once)


def programs(folder: Path) -> Iterator[Row]:
    """`storescu` to `storescp` as programs; all files are in memory where it has a file system."""
    products = dicomproto(), dcmtk(packaged=False)
    for name, count, goal in (("40KB", 500, 0.9), ("525KB", 150, 0.9), ("8MB", 20, 1.3)):
        many, one = folder / f"many{name}", folder / f"one{name}"
        write_objects(many, SIZES[name], count)
        write_objects(one, SIZES[name], 1)

        def take(product: Product, _: int, many: Path = many, one: Path = one) -> float:
            with product.serving() as port:
                seconds = []
                for files in (one, many):
                    started = time.perf_counter()
                    product.run(product.store(port, files))
                    seconds.append(time.perf_counter() - started)
                return seconds[1] - seconds[0]

        ours, theirs = (partial(take, product) for product in products if product is not None)
        title = f"storescu to storescp, {count - 1} files of {name} / DCMTK nd"
        yield Row(f"programs-{name}", title, goal, ours, theirs, 1, 1)


class Asynchronous(Side):
    """A side whose programs are those of trio or anyio."""

    program = "flavours.py"


def flavours(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """trio and anyio on both sides, beside the blocking flavour on both sides."""
    for flavour, low, high in (("trio", 0.75, 0.9), ("anyio", 0.6, 0.75)):
        other = stack.enter_context(Asynchronous("ours", side.place, flavour).running())
        for name in ("echo", "40KB", "525KB", "8MB"):
            path = None if name == "echo" else image(folder, name)
            title = "C-ECHO" if path is None else f"C-STORE {name}"
            goal = low if name in ("echo", "40KB") else high
            ours, theirs = (our_scu(each, each.port, path) for each in (other, side))
            yield Row(f"{flavour}-{name}", f"{title}, {flavour} / blocking", goal, ours, theirs)


def start_up(side: Side) -> Iterator[Row]:
    """`echoscu` as a whole process, and the import of what it takes to use the engine."""

    def take(*words: str) -> Take:
        return lambda count: sum(program([sys.executable, *words], side.environment) for _ in range(count))

    python = take("-c", "pass")
    echoscu = take("-m", "dicomproto_transports.apps", "echoscu", "-q", "127.0.0.1", str(side.port))
    yield Row("echoscu", "echoscu, whole process / a bare interpreter", 3.2, echoscu, python, 2, 4, True)
    made = (
        "from dicomproto import Connection, Role, UpperLayer; "
        "Connection(Role.REQUESTOR); UpperLayer(Role.REQUESTOR)"
    )
    title = "import of Connection and UpperLayer, one of each / a bare interpreter"
    yield Row("import", title, 2.0, take("-c", made), python, 2, 4, True)


def parts(stack: ExitStack) -> Iterator[Row]:
    """TLS and the codec of PDUs."""
    tasks = stack.enter_context(tls_tasks())
    ours, theirs = (tasks[kind] for kind in KINDS[:2])
    yield Row("tls", "200 MiB through TLS / an ssl socket", 0.85, timed(ours), timed(theirs), 1, 1)
    first, second = (repeat(task) for task in decoding())
    yield Row("codec", "A-ASSOCIATE-RQ of 128 contexts, decoded / pynetdicom", 18, first, second, 10)


def timed(task: Callable[[], object]) -> Take:
    """Return the take of a task that is done once."""

    def take(_: int) -> float:
        started = time.perf_counter()
        task()
        return time.perf_counter() - started

    return take


def repeat(task: Callable[[], object]) -> Take:
    """Return the take of a function that is called again and again."""

    def take(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            task()
        return time.perf_counter() - started

    return take


# --- the run ------------------------------------------------------------------------------------


def rows(side: Side, folder: Path, stack: ExitStack) -> Iterator[Row]:
    """Yield all rows."""
    yield from transfers(side, folder, stack)
    yield from associations(side, stack)
    yield from queries(side)
    yield from flavours(side, folder, stack)
    yield from programs(folder)
    yield from start_up(side)
    yield from parts(stack)


def measure(row: Row, pairs: int) -> None:
    """Measure a row, and show progress on a terminal."""
    counts = row.calibrate()
    for number in range(pairs):
        row.pair(counts, ours_first=number % 2 == 0)
        if sys.stderr.isatty():
            print(f"\r{row.name}: {number + 1} of {pairs} ", end="", file=sys.stderr, flush=True)


def show(result: dict[str, Any]) -> None:
    """Print a row."""
    goal = "" if result["goal"] is None else f"{result['goal']:g}"
    figures = "".join(f"{result[key]:>8.2f}" for key in ("lower", "median", "upper"))
    print(f"{result['title']:<72}{figures}{goal:>7}  {result['verdict']}", flush=True)


def main(arguments: list[str]) -> int:
    """Measure what is wanted, print it and write it where it is asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--row", action="append", metavar="NAME", help="this row, or those of a pattern such as scu-*"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"how many (default {PAIRS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write a table and a plot there")
    options = parser.parse_args(arguments)
    if options.pairs < 2:
        parser.error("quartiles need at least 2 pairs")
    started, results, left_out = time.monotonic(), list[dict[str, Any]](), 0
    failed: list[str] = []
    memory = Path("/dev/shm")
    place = str(memory) if os.access(memory, os.W_OK) else None
    tempfile.tempdir = place
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
        side = Side("ours", install(BUILD.with_name("goals"), None))
        stack.enter_context(side.running())
        print(f"{'ratio':<72}{'lower':>8}{'median':>8}{'upper':>8}{'goal':>7}")
        for row in rows(side, folder, stack):
            if any(fnmatch(row.name, pattern) for pattern in options.row or ["*"]):
                try:
                    measure(row, options.pairs)
                except (RuntimeError, OSError) as error:
                    print(f"{row.title}: FAILED: {error}", flush=True)
                    failed.append(row.name)
                    continue
                results.append(row.result())
                show(results[-1])
                if options.json:
                    options.json.write_text(json.dumps(results, indent=1) + "\n")
    for delay in DELAYS:
        if any(fnmatch(f"network-{delay}ms", pattern) for pattern in options.row or ["*"]):
            found = in_a_namespace(delay)
            if isinstance(found, str):
                print(f"left out: rows with MTU 1500 and {delay} ms of delay ({found})", flush=True)
                left_out += 1
                continue
            for result in found:
                show(result)
            results += found
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if not results and not left_out and not failed:
        parser.error("no such row")
    if options.docs:
        (options.docs / "speed_table.rst").write_text(table(results))
        write_plot(options.docs / "speed.svg", results)
    missed = failed + [str(result["name"]) for result in results if result["verdict"] in ("below", "above")]
    print(f"{time.monotonic() - started:.0f} s in all; goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
