"""What every test run has: order, markers, seeds, and the counts that `make test` prints.

Test modules are imported by path (`--import-mode=importlib`), so no folder of the source tree is on
`sys.path` and `import dicomproto` finds the installed wheel. Helper modules are still imported as
`tests.NAME`.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
ROOT = TESTS.parent
IN_CI = os.environ.get("CI") == "true"

# Nothing of Hypothesis looks at the clock: on a busy machine data is slow to come.
_PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dicomproto", **_PATIENT)
settings.register_profile("dicomproto-ci", **_PATIENT, derandomize=True, database=None, print_blob=True)
settings.load_profile("dicomproto-ci" if IN_CI else "dicomproto")

if paths := os.environ.get("PYTHONPATH"):  # tests start programs in folders of their own
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep))

if "tests" not in sys.modules:
    _tests = ModuleType("tests")
    _tests.__path__ = [str(TESTS)]
    sys.modules["tests"] = _tests


_LOGGERS = ("dicomproto", "dicomproto.dumps", "dicomproto.dumps.datasets", "pynetdicom")


@pytest.fixture(autouse=True)
def logger_restored() -> Iterator[None]:
    """Give the loggers back as they were: applications and `debug_logger` change them."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        if logger.level != level:
            logger.setLevel(level)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--counts", metavar="FILE", help="write tests by outcome, and tables, as JSON")
    parser.addoption("--stop-after", metavar="SECONDS", type=float, help="start no test after these seconds")
    parser.addoption("--wheel", action="store_true", help="fail unless dicomproto is an installed wheel")


def _take_signals_as_usual() -> None:
    """Have no signal ignored or blocked in the programs that tests start, whatever pytest was started from.

    In the background of a script SIGINT is ignored, under nohup SIGHUP, and so they would be in every
    program. What has a handler is not; ours does nothing, so that pytest itself outlives a hangup.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # which Python ignores
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _StopAfter:
    """Ends a run when its time is over; the test that runs then is the last one."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.end, self.session = time.monotonic() + self.seconds, session

    def pytest_runtest_logfinish(self) -> None:
        if time.monotonic() > self.end and not self.session.shouldstop:
            self.session.shouldstop = f"{self.seconds:.0f} seconds are over"


def pytest_configure(config: pytest.Config) -> None:
    _take_signals_as_usual()
    if sys.platform == "linux":
        from tests.leaks import Leaks  # here, when `tests` is known

        config.pluginmanager.register(Leaks())
    if seconds := config.getoption("--stop-after"):
        config.pluginmanager.register(_StopAfter(seconds))
    if not config.getoption("--wheel"):
        return
    for package in ("dicomproto", "dicomproto_transports"):
        spec = importlib.util.find_spec(package)
        origin = Path(spec.origin) if spec and spec.origin else ROOT
        if "site-packages" not in origin.parts:
            raise pytest.UsageError(f"{package} comes from {origin}, not from the wheel")


_ADAPTERS = re.compile(r"^\s*(from|import)\s+(dicomproto_transports|pynetdicom)\b", re.MULTILINE)


def _is_engine_test(path: Path, known: dict[Path, bool]) -> bool:
    """Tell whether a test module does without the adapters, by its place and its imports."""
    if path not in known:
        place = path.relative_to(TESTS).parts if path.is_relative_to(TESTS) else ()
        elsewhere = {"transports", "apps", "interop", "benchmarks", "docs"}.intersection(place)
        known[path] = not elsewhere and not _ADAPTERS.search(path.read_text(encoding="utf-8"))
    return known[path]


_COLLECTED = pytest.StashKey[frozenset[str]]()


@pytest.fixture
def collected(pytestconfig: pytest.Config) -> frozenset[str]:
    """The tests that this run has found, whether it runs them or not."""
    return pytestconfig.stash[_COLLECTED]


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by these markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[_COLLECTED] = frozenset(item.nodeid for item in items)
    known: dict[Path, bool] = {}
    has_dcmtk = shutil.which("dcmdump") is not None
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("hypothesis")
        if _is_engine_test(item.path, known):
            item.add_marker("engine")
        if not has_dcmtk and not IN_CI and item.get_closest_marker("dcmtk"):
            item.add_marker(pytest.mark.skip(reason="DCMTK is not installed (Debian package dcmtk)"))


_TABLES = {
    "scenarios": re.compile(r"transports/test_scenarios\.py::test_(\w+)\[(.+)\]$"),
    "services as SCU or SCP": re.compile(r"transports/test_services_table\.py::test_(sc[up]_\w+)\[(.+)\]$"),
}
_SERVICE = re.compile(r"[CN](-[A-Z]+)+")
_OUTCOMES = {"passed": "ok", "skipped": "skipped", "failed": "FAILED", "error": "ERROR"}  # the worst last


def _tables(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, int, list[str]]]:
    """Yield title, number of cells that are ok, and lines of each table of which anything ran."""
    for title, pattern in _TABLES.items():
        ran = [
            (match[1], match[2], word)
            for outcome, word in _OUTCOMES.items()
            for report in reporter.stats.get(outcome, ())
            if (match := pattern.search(report.nodeid))
        ]
        if ran:
            yield title, *_table(title, ran)


def _table(title: str, ran: list[tuple[str, str, str]]) -> tuple[int, list[str]]:
    """Return what passed on which backend; the parameters of one test are one cell, as bad as the worst."""
    from tests.backends import NAMES  # here, as it imports what is to be measured

    longest_first = sorted(NAMES, key=len, reverse=True)
    table: dict[str, dict[str, str]] = {}
    for row, parameters, word in ran:
        backend = next(name for name in longest_first if f"-{name}-" in f"-{parameters}-")
        if row.endswith("_of"):  # one test for several services, which its parameters name
            service = _SERVICE.search(parameters)
            assert service is not None
            row = row.removesuffix("of") + service[0].replace("-", "_").lower()
        table.setdefault(row, {})[backend] = word
    names = [name for name in NAMES if any(name in row for row in table.values())]
    width = max(map(len, table))
    lines = []
    for label, cells in {"": {name: name for name in names}, **dict(sorted(table.items()))}.items():
        words = [cells.get(name, "-").rjust(max(len(name), 7)) for name in names]
        lines.append("  ".join([label.ljust(width), *words]))
    passed = sum(word == "ok" for cells in table.values() for word in cells.values())
    lines.append(f"{len(table)} {title} on {len(names)} backends: {passed} cells are ok")
    return passed, lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, _, lines in _tables(terminalreporter):
        terminalreporter.section(f"{title} by backend")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--counts")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if path is None or reporter is None or hasattr(session.config, "workerinput"):
        return

    def count(outcomes: Iterable[str]) -> int:
        return sum(len(reporter.stats.get(outcome, ())) for outcome in outcomes)

    counts = {
        "passed": count(["passed"]),
        "failed": count(["failed", "error"]),
        "skipped": count(["skipped", "xfailed", "xpassed"]),
    }
    tables = {title: {"ok": passed, "lines": lines} for title, passed, lines in _tables(reporter)}
    came = {"counts": counts, "tables": tables, "stopped": bool(session.shouldstop)}
    Path(path).write_text(json.dumps(came), encoding="utf-8")
