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
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from . import wire
from .objects import data_sets, write_file
from .row import UPPER, WARM_UP, Row, program, show, show_head, with_warm_up
from .sides import BUILD, KB, MB, BenchmarkFailed, Side, image, install

BOUND, BOUND_OF_TOOLS = 0.97, 0.90
FEWEST_PAIRS = 15
MOST_FILES = 1000
ELEMENTS = 250

Work = Callable[[Side, int], float]
"""Has a side do so many units, and returns the seconds that they took."""


# --- the rows -----------------------------------------------------------------------------------


def rows(new: Side, old: Side, folder: Path) -> dict[str, Row]:
    """Return the rows by their names; their files are written to `folder`."""
    found = dict[str, Row]()

    def add(name: str, title: str, work: Work, first: int, most: int = 100_000, bound: float = BOUND) -> None:
        ours, theirs = partial(work, new), partial(work, old)
        found[name] = Row(name, title, bound, ours, theirs, first, most, decisive=UPPER)

    def ask(task: str, **words: object) -> Work:
        return lambda side, count: side.ask(task, side.port, **with_warm_up(count), **words)

    def store(size: int, task: str = "store", **words: object) -> Work:
        return ask(task, path=str(image(folder, size)), **words)

    def start(*arguments: str) -> Work:
        command = [sys.executable, *arguments]
        return lambda side, count: sum(program(command, side.environment) for _ in range(count))

    tools = Tools(folder)
    add("echo", "C-ECHO", ask("echo"), 300)
    add("find", "C-FIND of 20 matches", ask("find"), 20)
    add("worklist", "C-FIND of 20 worklist entries", ask("worklist"), 20)
    add("count", "C-FIND of 20 encoded matches", ask("count"), 20)
    add("dataset", "C-STORE of a Dataset, 40 KB", store(40 * KB, is_read=True), 200)
    add("changed", "read, change one tag, send, 40 KB", store(40 * KB, "changed"), 100)
    add("store40KB", "C-STORE, 40 KB", store(40 * KB), 200)
    add("store525KB", "C-STORE, 525 KB", store(525 * KB), 100)
    add("store8MB", "C-STORE, 8 MB", store(8 * MB), 10)
    add("associations", "associations", ask("associate"), 50)
    flavour = "import dicomproto_transports.blocking"
    add("import", "import of the blocking flavour", start("-c", flavour), 4, 8)
    echoscu = start("-m", "dicomproto_transports.apps", "echoscu", "--version")
    add("echoscu", "echoscu --version", echoscu, 4, 8)
    title = f"40 KB of {ELEMENTS} elements"
    add("storescp", f"storescp, {title}", tools.receive, 200, MOST_FILES, BOUND_OF_TOOLS)
    add("storescu", f"storescu, {title}", tools.send, 200, MOST_FILES, BOUND_OF_TOOLS)
    return found


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
    """Measure all rows, round after round; each starts the sides anew."""
    for number in range(-1, pairs):
        ours_first = number % 2 == 0
        with ExitStack() as stack:
            for side in sides if ours_first else sides[::-1]:
                stack.enter_context(side.running())
            for row in chosen:
                if number < 0:
                    row.calibrate()
                else:
                    row.pair(ours_first=ours_first)
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {pairs} rounds ", end="", file=sys.stderr, flush=True)


def report(chosen: list[Row], title: str) -> list[str]:
    """Print the rows under a title, and return the titles of those that failed."""
    show_head(title)
    for row in chosen:
        show(row.result())
    print("work: processor time of the programs (of storescp with its start), theirs by ours")
    return [row.title for row in chosen if row.verdict != "ok"]


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
            new = Side("ours", install(BUILD / "new", None))
            old = Side(options.revision, install(BUILD / "old", options.revision))
            known = rows(new, old, Path(folder))
            chosen = [known[name] for name in options.rows.split(",")]
            measure([new, old], chosen, options.pairs)
        except BenchmarkFailed as error:
            print(f"make bench: {error}", file=sys.stderr)
            return 2
    title = f"ours: this tree, theirs: {options.revision}; {options.pairs} interleaved pairs"
    failed = report(chosen, title)
    print(f"{time.monotonic() - started:.0f} s in all")
    if failed:
        print(f"slower than {options.revision}: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
