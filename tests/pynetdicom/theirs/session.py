"""One run of pynetdicom's own tests, as they are installed, with `pynetdicom` meaning another package.

A program of its own, started by `runs.py`: `session.py PACKAGE NAMES RESULTS SECONDS`. It writes a line of
JSON to RESULTS when a test begins and when it has ended.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
import selection

ROOT = "pynetdicom"


class Substitute(MetaPathFinder, Loader):
    """Has `import pynetdicom` and its modules give those of `package`; only its tests and programs stay."""

    def __init__(self, package: str, real: Path) -> None:
        self.package = package
        self.real = real

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parts = fullname.split(".")
        if parts[0] != ROOT:
            return None
        is_program = parts[1:2] == ["apps"] and len(parts) > 2 and parts[2] != "common"
        if parts[1:2] == ["tests"] or is_program:
            return PathFinder.find_spec(fullname, [str(self.real.joinpath(*parts[1:-1]))])
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = self.package + module.__name__[len(ROOT) :]
        try:
            sys.modules[module.__name__] = importlib.import_module(name)
        except ImportError:
            if module.__name__.rpartition(".")[2] in selection.INTERNAL | selection.BUILT | {
                "dimse",
                "timer",
            }:
                return  # an empty module: what tests that do not count import from it fails when used
            raise

    def supply_names(self, files: Iterable[Path]) -> None:
        """Have files of tests import names that the package lacks; a test that uses one fails.

        What is imported at the top of a file would otherwise stop all of its tests.
        """
        for path in files:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == ROOT:
                    module = importlib.import_module(node.module)
                    for alias in node.names:
                        if (
                            alias.name != "*"
                            and not hasattr(module, alias.name)
                            and not is_module(node.module, alias.name)
                        ):
                            setattr(module, alias.name, lacking(f"{node.module}.{alias.name}"))


def is_module(package: str, name: str) -> bool:
    try:
        importlib.import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True


def lacking(name: str) -> type[object]:
    """Return a class to stand for a name that is not there."""

    class Lacking:
        def __init__(self, *_: object, **__: object) -> None:
            raise NotImplementedError(f"{name} is not in the drop-in")

    return Lacking


class Watch:
    """Runs the tests of a list, each with a limit of seconds, and writes down how they end."""

    def __init__(self, names: set[str], done: set[str], results: Path, seconds: int) -> None:
        self.names = names
        self.done = done
        self.results = results.open("a", encoding="utf-8", buffering=1)
        self.seconds = seconds
        self.outcomes: dict[str, str] = {}
        self.text = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if {item.nodeid, item.nodeid.partition("[")[0]} & self.names and item.nodeid not in self.done
        ]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.results.write(json.dumps({"begun": nodeid}) + "\n")
        self.outcomes[nodeid] = "passed"
        self.text = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            signal.alarm(5)  # for what its teardown waits
            pytest.fail(f"not done after {self.seconds} s")

        signal.signal(signal.SIGALRM, stop)
        signal.alarm(self.seconds)
        try:
            return (yield)
        finally:
            signal.alarm(0)

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
        if report.failed:
            text = next((line[4:] for line in str(report.longrepr).splitlines() if line.startswith("E ")), "")
            self.results.write(json.dumps({"uncollected": report.nodeid, "text": text}) + "\n")


def main() -> int:
    package, names, results, seconds = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    spec = find_spec(ROOT)
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pynetdicom is not installed; `make test` installs it in .venv-test")
    real = Path(spec.submodule_search_locations[0])
    os.environ["PY_IGNORE_IMPORTMISMATCH"] = (
        "1"  # pynetdicom/__init__.py is not the `pynetdicom` of this process
    )
    given = json.loads(Path(names).read_text(encoding="utf-8"))
    wanted, done = given["names"], set(given["done"])
    files = sorted({str(real / name.partition("::")[0]) for name in wanted})
    if package != ROOT:
        substitute = Substitute(package, real)
        sys.meta_path.insert(0, substitute)
        substitute.supply_names(Path(file) for file in files)
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
    return int(
        pytest.main([*options, *files], plugins=[Watch(set(wanted), done, Path(results), int(seconds))])
    )


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads that a failed test left behind keep nothing alive
