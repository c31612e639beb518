"""Runs of pynetdicom's own tests through a package, and what came of each test.

`python tests/pynetdicom/theirs/runs.py [--baseline] [NAME...]` runs them and prints what failed, by its text.
With `--count` it runs them on both packages, one after the other, and prints how many functions and cases
there are, how many cases pass on pynetdicom, and how many of these on the drop-in.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
DROP_IN = "dicomproto_transports.pynetdicom"

LIMIT = 60
"""Seconds for one test. The slowest of pynetdicom's takes about ten."""

ATTEMPTS = 3
"""Of a test that fails."""

SILENCE = 300
"""Seconds after which a process that says nothing is ended, and its test has failed."""


class Outcome(NamedTuple):
    """How a test ended: passed, failed or skipped, and the first line of its error."""

    word: str
    text: str = ""


def run(names: Iterable[str], package: str = DROP_IN, seconds: float = math.inf) -> dict[str, Outcome]:
    """Run tests one after the other, in as many processes as it takes; return the outcome of each.

    A process begins no test after `seconds`. What failed and is not listed is run again by itself: a busy
    machine makes a test fail that waits by the clock.
    """
    outcomes = _run_once(list(names), package, seconds)
    for _ in range(ATTEMPTS - 1):
        again = [name for name, outcome in outcomes.items() if outcome.word == "failed" and not kind(name)]
        if again:
            outcomes |= _run_once(again, package, math.inf)
    return outcomes


def _run_once(names: list[str], package: str, seconds: float) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    hung: str | None = ""
    while hung is not None:
        with tempfile.TemporaryDirectory(prefix="theirs-", ignore_cleanup_errors=True) as folder:
            came, hung = _session(names, list(outcomes), package, seconds, Path(folder))
        outcomes |= came
        if hung is not None:
            outcomes[hung] = Outcome("failed", "the process hung or died")
    return outcomes


@cache
def listed() -> dict[str, str]:
    """Return the tests that need not pass, with their kind: `differs`, or `race` if they pass at times."""
    causes = tomllib.loads((HERE / "failing.toml").read_text(encoding="utf-8"))["cause"]
    return {name: cause["kind"] for cause in causes for name in cause["names"]}


def kind(name: str) -> str | None:
    """Return the kind of a listed test, which the list names with or without its parameters."""
    return listed().get(name, listed().get(name.partition("[")[0]))


@cache
def own_network() -> tuple[str, ...]:
    """Return the command that runs another one in a network of its own, or nothing where that is refused.

    The tests listen on ports that another program of the machine may have, or may take.
    """
    command = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    try:
        found = subprocess.run([*command, "true"], capture_output=True, check=False)
    except OSError:
        return ()
    return () if found.returncode else command


def _session(
    names: list[str], done: list[str], package: str, seconds: float, folder: Path
) -> tuple[dict[str, Outcome], str | None]:
    """Return the outcomes of one process without what is done, and the test in which it hung or died."""
    (folder / "names").write_text(json.dumps({"names": names, "done": done}), encoding="utf-8")
    results = folder / "results"
    results.touch()
    command = [
        *own_network(),
        sys.executable,
        str(HERE / "session.py"),
        package,
        str(folder / "names"),
        str(results),
        str(LIMIT),
        str(seconds),
    ]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
        )
        try:
            _await(process, results)
        except BaseException:  # Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
            raise
    outcomes: dict[str, Outcome] = {}
    begun: str | None = None
    for line in results.read_text(encoding="utf-8").splitlines():
        found: dict[str, Any] = json.loads(line)
        if "uncollected" in found:
            outcomes[found["uncollected"]] = Outcome("failed", found["text"])
        elif "begun" in found:
            begun = found["begun"]
        elif "ended" in found:
            begun = None
            outcomes[found["ended"]] = Outcome(found["outcome"], found["text"])
    if begun is None and (process.returncode < 0 or not (outcomes or done)):
        raise RuntimeError((folder / "output").read_text(errors="replace")[-2000:])
    return outcomes, begun


def _await(process: subprocess.Popen[bytes], results: Path) -> None:
    """Wait for the end of a process; end it, with its children, when it has said nothing for too long."""
    seen, size = time.monotonic(), 0
    while process.poll() is None:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            now = results.stat().st_size
            if now != size:
                seen, size = time.monotonic(), now
            elif time.monotonic() - seen > SILENCE:
                os.killpg(process.pid, signal.SIGKILL)


def count(names: Iterable[str]) -> None:
    """Run tests on pynetdicom and on the drop-in, and print how many pass."""
    wanted = list(names)
    itself = {name for name, outcome in run(wanted, "pynetdicom").items() if outcome.word == "passed"}
    outcomes = run(wanted)
    passed = {name for name, outcome in outcomes.items() if outcome.word == "passed"} & itself
    kinds = Counter(kind(name) or "not listed" for name in itself - passed)
    skipped = sum(outcome.word == "skipped" for outcome in outcomes.values())
    print(f"functions          {len(wanted):5}")
    print(f"cases              {len(outcomes):5}, of which {skipped} are skipped")
    print(f"pass on pynetdicom {len(itself):5}")
    print(f"of them on ours    {len(passed):5}, {len(passed) / len(itself):.1%}")
    print("the others        ", ", ".join(f"{number} {word}" for word, number in kinds.items()))


def main() -> None:
    sys.path.insert(0, str(HERE))
    import selection

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", action="store_true", help="pynetdicom itself")
    parser.add_argument("--count", action="store_true", help="both, and print how many pass")
    parser.add_argument("names", nargs="*", help="parts of names; all by default")
    chosen = parser.parse_args()
    names = [
        name
        for name in selection.selected()
        if not chosen.names or any(part in name for part in chosen.names)
    ]
    if chosen.count:
        count(names)
        return
    outcomes = run(names, "pynetdicom" if chosen.baseline else DROP_IN)
    causes: defaultdict[str, list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.word == "failed":
            causes[outcome.text.partition("\n")[0]].append(name)
    for text, failed in sorted(causes.items(), key=lambda cause: -len(cause[1])):
        print(f"\n{len(failed)} {text}", *failed, sep="\n    ")
    words = Counter(outcome.word for outcome in outcomes.values())
    print(f"\n{len(names)} functions:", ", ".join(f"{number} {word}" for word, number in words.items()))


if __name__ == "__main__":
    main()
