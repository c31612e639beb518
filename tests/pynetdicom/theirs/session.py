"""One run of pynetdicom's own tests, as they are installed, with `pynetdicom` meaning another package.

A program of its own, started by `runs.py`: `session.py PACKAGE NAMES RESULTS LIMIT SECONDS`. It writes a line
of JSON to RESULTS when a file is collected, when a test begins and when it has ended. No test runs longer
than LIMIT seconds, and none begins later than SECONDS after the first.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydicom.config
import pytest

sys.path.extend(str(folder) for folder in Path(__file__).parents[:3:2])

import selection
import substitute
from ports import is_listening

PROGRAMS_PORT = 11112
"""Where pynetdicom's programs listen when its tests start them."""

PATIENCE = 10.0
"""Seconds that such a program has to start; the tests give it half a second."""


class Clock:
    """The `time` of a module whose tests start programs: its sleep lasts until the program listens."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep as told if a server listens already, which is one of the test's own."""
        if is_listening(PROGRAMS_PORT):
            time.sleep(seconds)
            return
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not is_listening(PROGRAMS_PORT):
            time.sleep(0.01)


class Watch:
    """Runs the tests of a list, in its order, and writes down how they end.

    Each begins with pydicom's settings as they are without pynetdicom: some tests, and a program that they
    import, change them and leave them so.
    """

    def __init__(self, names: list[str], done: set[str], results: Path, limit: int, seconds: float) -> None:
        self.places = {name: place for place, name in enumerate(names)}
        self.done = done
        self.results = results.open("a", encoding="utf-8", buffering=1)
        self.limit = limit
        self.seconds = seconds
        self.began: float | None = None
        self.outcomes: dict[str, str] = {}
        self.text = ""
        self.settings = [(where, dict(vars(where))) for where in (pydicom.config, pydicom.config.settings)]

    def place(self, item: pytest.Item) -> int | None:
        """Return the place of a test in the list, which names it with or without its parameters."""
        return self.places.get(item.nodeid, self.places.get(item.nodeid.partition("[")[0]))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        placed = [(self.place(item), item) for item in items if item.nodeid not in self.done]
        found = [(place, item) for place, item in placed if place is not None]
        items[:] = [item for _, item in sorted(found, key=lambda one: one[0])]
        for item in items:
            if isinstance(item, pytest.Function) and item.nodeid.startswith("apps/"):
                vars(item.module)["time"] = Clock

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.results.write(json.dumps({"begun": nodeid}) + "\n")
        self.outcomes[nodeid] = "passed"
        self.text = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.began = self.began or time.monotonic()
        for module, values in self.settings:
            vars(module).update(values)

        def stop(*_: object) -> None:
            signal.alarm(5)  # for what its teardown waits
            pytest.fail(f"not done after {self.limit} s")

        signal.signal(signal.SIGALRM, stop)
        signal.alarm(self.limit)
        try:
            return (yield)
        finally:
            signal.alarm(0)
            if time.monotonic() > self.began + self.seconds:
                item.session.shouldstop = "no time is left"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.outcomes[report.nodeid] = "skipped"
        elif report.failed:
            self.outcomes[report.nodeid] = "failed"
            crash: Any = getattr(report.longrepr, "reprcrash", None)
            self.text = self.text or str(crash.message if crash else report.longrepr)[:600]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        line = {"ended": nodeid, "outcome": self.outcomes[nodeid], "text": self.text}
        self.results.write(json.dumps(line) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Say that the process lives, and why a file has no tests."""
        line = {"collected": report.nodeid}
        if report.failed:
            text = next((line[4:] for line in str(report.longrepr).splitlines() if line.startswith("E ")), "")
            line = {"uncollected": report.nodeid, "text": text}
        self.results.write(json.dumps(line) + "\n")


def main() -> int:
    package, names, results, limit, seconds = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    if find_spec(substitute.ROOT) is None:
        sys.exit("pynetdicom is not installed; `make test` installs it in .venv-test")
    real = selection.package()
    path = [str(Path(__file__).parent / "children"), os.environ.get("PYTHONPATH", "")]
    os.environ |= {"PYNETDICOM_IS": package, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    os.environ["PY_IGNORE_IMPORTMISMATCH"] = (
        "1"  # pynetdicom/__init__.py is not the `pynetdicom` of this process
    )
    given = json.loads(Path(names).read_text(encoding="utf-8"))
    wanted, done = given["names"], set(given["done"])
    files = sorted({str(real / name.partition("::")[0]) for name in wanted})
    if finder := substitute.install(package):
        finder.supply_names(Path(file) for file in files)
    options = [
        f"--rootdir={real}",
        f"--confcutdir={real}",
        "-c",
        os.devnull,
        "-q",
        "--tb=short",
        "--import-mode=append",
        "--continue-on-collection-errors",
    ]
    for plugin in ("randomly", "cacheprovider", "xdist", "cov", "hypothesispytest"):
        options += ["-p", f"no:{plugin}"]
    options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    watch = Watch(wanted, done, Path(results), int(limit), float(seconds))
    return int(pytest.main([*options, *files], plugins=[watch]))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads that a failed test left behind keep nothing alive
