"""Every gate of `make test`, the quick ones first; all run even when one fails.

Runs in the developers' environment (.venv). The tests themselves run in a second, fresh one (.venv-test)
that holds the built wheel, its extras and the test tools, so that what is tested is what is shipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
FRESH = ROOT / ".venv-test"
IN_CI = os.environ.get("CI") == "true"
WORKERS = "2"
OVERALL_TIMEOUT = 1200.0  # seconds for one command; only a hang takes that long
PACKAGES = ["dicomproto", "transports/dicomproto_transports"]


class GateFailed(Exception):
    """A gate did not pass; the text says which command, or what is missing."""


SERVICES, CELLS = "services as SCU or SCP", 12 * 2 * 4
"""The table of `tests/transports/test_services_table.py`: twelve services, both roles, four backends."""

NO_TESTS_SELECTED = 5
"""pytest's exit status."""


def run(
    *command: str | Path,
    env: dict[str, str] | None = None,
    timeout: float = OVERALL_TIMEOUT,
    passing: tuple[int, ...] = (0,),
) -> None:
    """Run a command from the root of the tree; on a timeout end its whole process group."""
    arguments = [str(part) for part in command]
    print("$", " ".join(arguments), flush=True)
    with subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            status = process.wait(timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise GateFailed(f"{arguments[0]} did not end in {timeout:.0f} s") from None
            raise
    if status not in passing:
        raise GateFailed(f"{Path(arguments[0]).name} ended with status {status}")


def tool(*command: str | Path) -> None:
    """Run a module of the developers' environment."""
    run(sys.executable, "-m", *command)


def gate_peers() -> None:
    """DCMTK is there, or is installed where that is possible; pynetdicom comes from PyPI."""
    if shutil.which("dcmdump"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            run("apt-get", "-q", "update", env=env)
            run("apt-get", "-qy", "install", "dcmtk", env=env)
            return
        except GateFailed as error:
            print(error)
    missing = "DCMTK is missing (Debian package dcmtk)"
    if IN_CI:
        raise GateFailed(missing)
    print(f"{missing}: its tests are skipped")


def gate_lint() -> None:
    tool("ruff", "check", ".")
    tool("ruff", "format", "--check", ".")


def gate_types() -> None:
    """Both packages, and programs of users with types in each flavour."""
    tool("mypy", "--strict", *PACKAGES, "tests/typed")


def gate_wheel() -> None:
    """The wheel is built from the source distribution, and installed in the fresh environment."""
    dist = BUILD / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    tool("build", "--no-isolation", "--outdir", dist)
    (wheel,) = dist.glob("*.whl")
    python = FRESH / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    stamp = FRESH / ".stamp"
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == key:
        run(*pip, "--no-deps", "--force-reinstall", wheel)
        return
    venv.create(FRESH, clear=True, with_pip=True)
    run(*pip, "--upgrade", "pip>=25.1")
    run(*pip, f"{wheel}[trio,anyio,apps,decompress,testing]", "--group", "test")
    try:
        run(*pip, "--only-binary", ":all:", "--group", "fuzz")
    except GateFailed:
        print("atheris has no wheel for this interpreter: the fuzz corpus will be replayed only")
    stamp.write_text(key)


class Tests:
    """The pytest runs, and what they counted together."""

    def __init__(self, seed: int, slow: bool) -> None:
        self.seed = seed
        self.slow = "" if slow else " and not slow"
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.services: list[str] = []
        """The lines of the table of services."""
        self.cells = 0
        """How many of its cells are ok."""

    def run(self, name: str, select: str, *options: str, passing: tuple[int, ...] = (0,)) -> None:
        counts = BUILD / f"{name}.json"
        counts.unlink(missing_ok=True)
        try:
            # pytest's own folder for `tmp_path` is shared by all runs of a user.
            with tempfile.TemporaryDirectory(prefix="dicomproto-", ignore_cleanup_errors=True) as folder:
                run(
                    FRESH / "bin" / "pytest",
                    *("-q", "--wheel", "--counts", str(counts), "--basetemp", f"{folder}/tmp"),
                    *("-p", "randomly", f"--randomly-seed={self.seed}", "-m", select + self.slow, *options),
                    # No folder that a test's subprocess is started from or in gets onto its sys.path.
                    env={"PYTHONSAFEPATH": "1", "COVERAGE_FILE": str(BUILD / "coverage")},
                    passing=passing,
                )
        finally:
            if counts.exists():
                came = json.loads(counts.read_text())
                for outcome, number in came["counts"].items():
                    self.counts[outcome] += number
                if table := came["tables"].get(SERVICES):
                    self.services, self.cells = table["lines"], table["ok"]
            else:
                self.counts["failed"] += 1  # pytest itself fell over, which is a failure too

    def engine(self) -> None:
        """The engine's tests reach each of its branches, without those that use Hypothesis."""
        select = "engine and not hypothesis and not serial"
        self.run("engine", select, "-n", WORKERS, "--cov", "--cov-report=term-missing:skip-covered")

    def others(self) -> None:
        """All of the table of services is among them, which no list of tests vouches for."""
        self.run("others", "(not engine or hypothesis) and not serial", "-n", WORKERS)
        if self.cells != CELLS:
            raise GateFailed(f"{self.cells} of the {CELLS} cells of {SERVICES} are ok")

    def serial(self) -> None:
        """Tests that measure time or memory run alone."""
        self.run("serial", "serial", "-n", "0", passing=(0, NO_TESTS_SELECTED))


def gate_docs() -> None:
    if not (ROOT / "docs" / "conf.py").exists():
        raise GateFailed("docs/conf.py is missing")
    tool("sphinx", "-q", "-E", "-W", "--keep-going", "-d", BUILD / "doctrees", "docs", BUILD / "docs")


def gate_fuzz(seconds: int) -> None:
    run(FRESH / "bin" / "python", "fuzz/run.py", "--seconds", str(seconds), timeout=seconds + 300.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="with the slow tests and ten minutes of fuzzing")
    parser.add_argument("--seed", type=int, help="of the order of the tests and of `random`")
    parser.add_argument("--only", metavar="GATE", action="append", help="these gates alone")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    tests = Tests(seed, chosen.all)
    gates: dict[str, Callable[[], None]] = {
        "peers": gate_peers,
        "lint": gate_lint,
        "types": gate_types,
        "wheel": gate_wheel,
        "engine": tests.engine,
        "others": tests.others,
        "serial": tests.serial,
        "docs": gate_docs,
        "fuzz": lambda: gate_fuzz(600 if chosen.all else 20),
    }
    if unknown := set(chosen.only or ()) - set(gates):
        parser.error(f"no such gate: {', '.join(sorted(unknown))}")
    BUILD.mkdir(exist_ok=True)
    outcomes: list[tuple[str, float, str]] = []
    for name, gate in gates.items():
        if chosen.only and name not in chosen.only:
            continue
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        problem = ""
        try:
            gate()
        except (GateFailed, OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
            print(f"{name}: {problem}", flush=True)
        outcomes.append((name, time.monotonic() - started, problem))
    return report(outcomes, tests, seed)


def report(outcomes: list[tuple[str, float, str]], tests: Tests, seed: int) -> int:
    """Print the tables of services and gates and, last, how many tests ran; return the exit status."""
    if tests.services:
        print("", f"{SERVICES}, by backend", *tests.services, sep="\n")
    print(f"\n{'gate':<8} {'seconds':>8}")
    for name, seconds, problem in outcomes:
        print(f"{name:<8} {seconds:8.1f}  {problem or 'ok'}")
    print(f"{'all':<8} {sum(seconds for _, seconds, _ in outcomes):8.1f}  (make test SEED={seed})")
    failed = any(problem for _, _, problem in outcomes) or tests.counts["failed"] > 0
    if any(tests.counts.values()):
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**tests.counts))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
