"""Every gate of `make test`; all run even when one fails, and some beside others.

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
import threading
import time
import venv
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
FRESH = ROOT / ".venv-test"
IN_CI = os.environ.get("CI") == "true"
WORKERS = "2"
MORE_WORKERS = "4"
"""Of tests that wait for programs and peers as much as they compute."""

OVERALL_TIMEOUT = 2400.0  # seconds for one command; only a hang takes that long
PYNETDICOM = "tests/pynetdicom/test_theirs.py"
"""pynetdicom's own tests, run through the drop-in: they sleep, and listen on ports that they choose."""
PACKAGES = ["dicomproto", "transports/dicomproto_transports"]


class GateFailed(Exception):
    """A gate did not pass; the text says which command, or what is missing."""


SERVICES, CELLS = "services as SCU or SCP", 12 * 2 * 4
"""The table of `tests/transports/test_services_table.py`: twelve services, both roles, four backends."""

NO_TESTS_SELECTED = 5
"""pytest's exit status."""


said: ContextVar[IO[str] | None] = ContextVar("said", default=None)
"""Where the gate that runs beside another one has its output; the others print as they go."""


running: set[subprocess.Popen[bytes]] = set()


def say(*words: object) -> None:
    print(*words, file=said.get(), flush=True)


def run(
    *command: str | Path,
    env: dict[str, str] | None = None,
    timeout: float = OVERALL_TIMEOUT,
    passing: tuple[int, ...] = (0,),
    cwd: Path = ROOT,
) -> None:
    """Run a command, from the root of the tree unless `cwd` is given; on a timeout end its process group."""
    arguments = [str(part) for part in command]
    say("$", " ".join(arguments))
    with subprocess.Popen(
        arguments,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=said.get(),
        stderr=None if said.get() is None else subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        running.add(process)
        try:
            status = process.wait(timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise GateFailed(f"{arguments[0]} did not end in {timeout:.0f} s") from None
            raise
        finally:
            running.discard(process)
    if status not in passing:
        raise GateFailed(f"{Path(arguments[0]).name} ended with status {status}")


def tool(*command: str | Path, env: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run a module of the developers' environment."""
    run(sys.executable, "-m", *command, env=env, cwd=cwd)


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
            say(error)
    missing = "DCMTK is missing (Debian package dcmtk)"
    if IN_CI:
        raise GateFailed(missing)
    say(f"{missing}: its tests are skipped")


def gate_lint() -> None:
    tool("ruff", "check", ".")
    tool("ruff", "format", "--check", ".")


def gate_types() -> None:
    """Both packages, and programs of users with types in each flavour."""
    tool("mypy", "--strict", *PACKAGES, "tests/typed")


def gate_pyright(python: Path) -> None:
    """The same with pyright, and whether both packages, as `python` imports them, say the type of each name.

    pyright looks for the first `python` of PATH, and for a package with types in the folders of its
    `sys.path`, among which the one of an editable install is none. It takes a package for the source tree
    where that lies around it, so the last two run elsewhere.
    """
    quiet = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}  # or it asks PyPI for a newer version of itself
    tool("pyright", "--warnings", env=quiet | before_path(Path(sys.executable)))
    env = quiet | before_path(python)
    if python == Path(sys.executable):
        env["PYTHONPATH"] = os.pathsep.join(str((ROOT / package).parent) for package in PACKAGES)
    with tempfile.TemporaryDirectory(prefix="dicomproto-") as folder:
        for package in PACKAGES:
            # pydicom has no types to verify.
            options = "--ignoreexternal", "--verifytypes", Path(package).name
            tool("pyright", *options, env=env, cwd=Path(folder))


def before_path(python: Path) -> dict[str, str]:
    """Return the environment in which a program finds that interpreter first."""
    return {"PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])}


def gate_wheel() -> None:
    """The wheel is built from the source distribution, and installed in the fresh environment."""
    dist = BUILD / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    tool("build", "--no-isolation", "--outdir", dist)
    (wheel,) = dist.glob("*.whl")
    python = FRESH / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    stamp = FRESH / ".stamp"
    documents = ROOT / "tests/pynetdicom/blocks/sources.py"
    made_from = (ROOT / "pyproject.toml").read_bytes() + documents.read_bytes() + sys.version.encode()
    key = hashlib.sha256(made_from).hexdigest()
    if stamp.exists() and stamp.read_text() == key:
        run(*pip, "--no-deps", "--force-reinstall", wheel)
        return
    venv.create(FRESH, clear=True, with_pip=True)
    run(*pip, "--upgrade", "pip>=25.1")
    run(*pip, f"{wheel}[trio,anyio,apps,decompress,testing]", "--group", "test")
    try:
        run(*pip, "--only-binary", ":all:", "--group", "fuzz")
    except GateFailed:
        say("atheris has no wheel for this interpreter: the fuzz corpus will be replayed only")
    run(python, documents)
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

    def run(
        self,
        name: str,
        select: str,
        *options: str,
        passing: tuple[int, ...] = (0,),
        timeout: float = OVERALL_TIMEOUT,
    ) -> None:
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
                    timeout=timeout,
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
        select = "(not engine or hypothesis) and not serial"
        self.run("others", select, "-n", MORE_WORKERS, "--dist", "worksteal")
        if self.cells != CELLS:
            raise GateFailed(f"{self.cells} of the {CELLS} cells of {SERVICES} are ok")

    def serial(self) -> None:
        """Tests that measure time or memory run alone."""
        self.run("serial", "serial", "-n", "0", "--ignore", PYNETDICOM, passing=(0, NO_TESTS_SELECTED))

    def pynetdicom(self) -> None:
        """A minute of pynetdicom's own tests, or all of them, one after the other, as long as that takes."""
        patient = "-o", f"faulthandler_timeout={OVERALL_TIMEOUT:.0f}"
        self.run("pynetdicom", "serial", "-n", "0", *patient, PYNETDICOM, timeout=3 * OVERALL_TIMEOUT)


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
    has_wheel = not chosen.only or "wheel" in chosen.only
    gates: dict[str, Callable[[], None]] = {
        "peers": gate_peers,
        "wheel": gate_wheel,
        "lint": gate_lint,
        "types": gate_types,
        "docs": gate_docs,
        "engine": tests.engine,
        "others": tests.others,
        "pyright": lambda: gate_pyright(FRESH / "bin" / "python" if has_wheel else Path(sys.executable)),
        "fuzz": lambda: gate_fuzz(600 if chosen.all else 20),
        "serial": tests.serial,
        "pynetdicom": tests.pynetdicom,
    }
    # What runs beside a gate that does not keep the machine busy; tests that measure run alone.
    beside = {
        "wheel": ("lint", "types", "docs"),
        "others": ("pyright",) if chosen.all else ("fuzz", "pyright"),
    }
    if unknown := set(chosen.only or ()) - set(gates):
        parser.error(f"no such gate: {', '.join(sorted(unknown))}")
    BUILD.mkdir(exist_ok=True)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    todo = [name for name in gates if not chosen.only or name in chosen.only]
    while todo:
        name = todo[0]
        others = [other for other in beside.get(name, ()) if other in todo]
        outcomes += together(name, others, gates)
        todo = [other for other in todo if other != name and other not in others]
    return report(outcomes, time.monotonic() - began, tests, seed)


Outcome = tuple[str, float, str]
"""The name of a gate, the seconds it took, and the problem if there was one."""


def pass_gate(name: str, gate: Callable[[], None]) -> Outcome:
    """Run a gate."""
    say(f"\n== {name}")
    started = time.monotonic()
    problem = ""
    try:
        gate()
    except (GateFailed, OSError, ValueError) as error:
        problem = str(error) or type(error).__name__
        say(f"{name}: {problem}")
    return name, time.monotonic() - started, problem


def together(name: str, others: Sequence[str], gates: dict[str, Callable[[], None]]) -> list[Outcome]:
    """Run a gate, and beside it `others`, one after the other, whose output follows when all have ended."""
    if not others:
        return [pass_gate(name, gates[name])]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:

        def run_others() -> None:
            said.set(output)
            outcomes.extend(pass_gate(other, gates[other]) for other in others)

        thread = threading.Thread(target=run_others, daemon=True)
        thread.start()
        try:
            outcome = pass_gate(name, gates[name])
            thread.join()
        except BaseException:  # Ctrl-C
            for process in list(running):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        output.seek(0)
        print(output.read(), end="", flush=True)
    return [outcome, *outcomes]


def report(outcomes: list[Outcome], seconds_in_all: float, tests: Tests, seed: int) -> int:
    """Print the tables of services and gates and, last, how many tests ran; return the exit status."""
    if tests.services:
        print("", f"{SERVICES}, by backend", *tests.services, sep="\n")
    print(f"\n{'gate':<10} {'seconds':>8}")
    for name, seconds, problem in outcomes:
        print(f"{name:<10} {seconds:8.1f}  {problem or 'ok'}")
    print(f"{'all':<10} {seconds_in_all:8.1f}  (make test SEED={seed}; some gates run beside others)")
    failed = any(problem for _, _, problem in outcomes) or tests.counts["failed"] > 0
    if any(tests.counts.values()):
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**tests.counts))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
