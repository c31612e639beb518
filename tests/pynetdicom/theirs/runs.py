"""Runs of pynetdicom's own tests through a package, and what came of each test.

`python tests/pynetdicom/theirs/runs.py [--baseline] [FILE...]` runs them and prints what failed, by its text.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
DROP_IN = "dicomproto_transports.pynetdicom"

LIMIT = 20
"""Seconds for one test. The slowest of pynetdicom's takes about ten."""

SILENCE = 60
"""Seconds after which a process that says nothing is ended, and its test has failed."""


class Outcome(NamedTuple):
    """How a test ended: passed, failed or skipped, and the first line of its error."""

    word: str
    text: str = ""


def run(names: Iterable[str], package: str = DROP_IN) -> dict[str, Outcome]:
    """Run tests one after the other, in as many processes as it takes; return the outcome of each."""
    outcomes: dict[str, Outcome] = {}
    wanted = list(names)
    hung: str | None = ""
    while hung is not None:
        with tempfile.TemporaryDirectory(prefix="theirs-", ignore_cleanup_errors=True) as folder:
            came, hung = _session(wanted, list(outcomes), package, Path(folder))
        outcomes |= came
        if hung is not None:
            outcomes[hung] = Outcome("failed", "the process hung or died")
    return outcomes


def listed() -> dict[str, str]:
    """Return the tests that do not pass, with their kind.

    `differs`: the drop-in does otherwise. `baseline`: they fail on pynetdicom itself. `flaky`: they pass at
    times.
    """
    causes = tomllib.loads((HERE / "failing.toml").read_text(encoding="utf-8"))["cause"]
    return {name: cause["kind"] for cause in causes for name in cause["names"]}


def _session(
    names: list[str], done: list[str], package: str, folder: Path
) -> tuple[dict[str, Outcome], str | None]:
    """Return the outcomes of one process without what is done, and the test in which it hung or died."""
    (folder / "names").write_text(json.dumps({"names": names, "done": done}), encoding="utf-8")
    results = folder / "results"
    results.touch()
    command = [
        sys.executable,
        str(HERE / "session.py"),
        package,
        str(folder / "names"),
        str(results),
        str(LIMIT),
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
        seen, size = time.monotonic(), 0
        while process.poll() is None:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                now = results.stat().st_size
                if now != size:
                    seen, size = time.monotonic(), now
                elif time.monotonic() - seen > SILENCE:
                    os.killpg(process.pid, 9)
    outcomes: dict[str, Outcome] = {}
    begun: str | None = None
    for line in results.read_text(encoding="utf-8").splitlines():
        found: dict[str, Any] = json.loads(line)
        if "uncollected" in found:
            outcomes[found["uncollected"]] = Outcome("failed", found["text"])
        elif "begun" in found:
            begun = found["begun"]
        else:
            begun = None
            outcomes[found["ended"]] = Outcome(found["outcome"], found["text"])
    if begun is None and (process.returncode < 0 or not (outcomes or done)):
        raise RuntimeError((folder / "output").read_text(errors="replace")[-2000:])
    return outcomes, begun


def main() -> None:
    sys.path.insert(0, str(HERE))
    import selection

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", action="store_true", help="pynetdicom itself")
    parser.add_argument("--save", type=Path, help="write the outcomes as JSON")
    parser.add_argument("names", nargs="*", help="parts of names; all by default")
    chosen = parser.parse_args()
    names = [
        name
        for name in selection.selected()
        if not chosen.names or any(part in name for part in chosen.names)
    ]
    outcomes = run(names, "pynetdicom" if chosen.baseline else DROP_IN)
    if chosen.save:
        chosen.save.write_text(json.dumps(outcomes, indent=1))
    causes: defaultdict[str, list[str]] = defaultdict(list)
    for name, outcome in outcomes.items():
        if outcome.word == "failed":
            causes[outcome.text.splitlines()[0] if outcome.text else ""].append(name)
    for text, failed in sorted(causes.items(), key=lambda cause: -len(cause[1])):
        print(f"\n{len(failed)} {text}", *failed, sep="\n    ")
    print(
        f"\n{len(names)} tests,",
        *(f"{count} {word}" for word, count in Counter(o.word for o in outcomes.values()).items()),
    )


if __name__ == "__main__":
    main()
