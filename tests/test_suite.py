"""The suite itself: where it may be started from, and whom it blames for what is left open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SIGNALS = "tests/apps/test_apps_signals.py::test_it_may_come_before_anything_is_done"


def pytest_run(*words: str, cwd: Path, before: str = "") -> str:
    """Run pytest in a session of its own, as the statements `before` leave its process; return its output."""
    program = f"import os, signal, sys\n{before}\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", program, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        cwd=cwd, start_new_session=True,
    )  # fmt: skip
    return done.stdout


def test_signals_that_were_ignored_or_blocked_reach_the_programs_of_the_tests() -> None:
    """SIGHUP is ignored under nohup, SIGINT in the background of a script."""
    before = (
        "numbers = signal.SIGHUP, signal.SIGINT, signal.SIGTERM\n"
        "for number in numbers: signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_SETMASK, numbers)"
    )
    assert "\n3 passed" in pytest_run(SIGNALS, "-n", "0", cwd=ROOT, before=before)


CONFTEST = """
from tests.leaks import Leaks

def pytest_configure(config):
    config.pluginmanager.register(Leaks(patience=0.1))
"""

TESTS = """
import socket, subprocess, threading
import pytest

kept, end = [], threading.Event()

@pytest.fixture(scope="module")
def for_all():
    with socket.socket() as sock:
        yield sock

def test_a_shared_socket(for_all): pass

def test_garbage():
    cycle = [socket.socket()]
    cycle.append(cycle)

def test_a_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_a_thread():
    threading.Thread(target=end.wait, name="endless", daemon=True).start()

def test_a_process():
    kept.append(subprocess.Popen(["sleep", "60"]))

def test_a_process_that_nobody_waited_for():
    cycle = [subprocess.Popen(["true"])]
    cycle.append(cycle)

def test_failure():
    cycle = [socket.socket()]
    cycle.append(cycle)
    raise ValueError

def test_nothing():
    with socket.socket():
        subprocess.run(["true"])
        thread = threading.Thread(target=lambda: None)
        thread.start()

def test_the_rest_is_closed():
    end.set()
    kept[0].close()
    kept[1].kill()
    kept[1].wait()
"""


def test_a_leak_is_blamed_on_the_test_that_leaked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_leaks.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    told = pytest_run("-p", "no:randomly", "-rfE", cwd=tmp_path)
    words = ("ERROR ", "FAILED ")
    blamed = {line.split("::")[1].split()[0] for line in told.splitlines() if line.startswith(words)}
    assert blamed == {
        "test_garbage", "test_a_socket", "test_a_thread", "test_a_process",
        "test_a_process_that_nobody_waited_for", "test_failure",
    }  # fmt: skip
    assert "laddr=('127.0.0.1', " in told
