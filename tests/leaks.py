"""What a test opens it closes: sockets, threads and processes that it leaves fail that very test.

A socket that nobody holds any more warns when it is collected, which may be many tests later; so garbage is
collected after each test that has made sockets or processes. An audit hook tells which ones have, and what
was there before the first test is frozen (`gc.freeze`), so that this takes a few milliseconds. What a fixture
of a module or session opens may stay.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Generator

import psutil
import pytest

USED = frozenset({"socket.__new__", "subprocess.Popen", "os.fork"})
"""The audit events of what warns when it is collected."""

KEPT = ("Trio thread ", "AnyIO worker thread", "asyncio_", "dicomproto resolves ")
"""The beginnings of the names of threads that their owners keep for what may come, or cannot end."""

_FREEZE_AFTER = 500
"""Tests after which what they have left, such as their reports, is frozen, too."""


class Leaks:
    """A plugin of pytest that looks for leaks after each test.

    `patience` is how many seconds it waits for what is about to end, such as the thread of a server whose
    peer is gone.
    """

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self._used = False
        self._tests = 0
        self._failed = False
        self._before: set[str] = set()
        sys.addaudithook(self._notice)

    def _notice(self, event: str, arguments: object) -> None:
        if event in USED:
            self._used = True

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        gc.collect()
        gc.freeze()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._used = self._failed = False
        self._before = open_now()
        result = yield
        if self._failed:  # what it has left goes with it, and not in the middle of a test that comes later
            for name in ("last_type", "last_value", "last_traceback", "last_exc"):
                vars(sys).pop(name, None)
            collected()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        before = open_now()
        result = yield
        self._before |= open_now() - before
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._failed |= report.failed
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        result = yield
        if not self._failed:  # a failure holds the frames of its test, and all that is in them
            left = [*(collected() if self._used else ()), *self._left_open()]
            if left:
                pytest.fail(f"the test has left: {'; '.join(left)}", pytrace=False)
        self._tests += 1
        if self._tests % _FREEZE_AFTER == 0:
            gc.collect()
            gc.freeze()
        return result

    def _left_open(self) -> list[str]:
        """Return what is still open, after it had time to end."""
        deadline = time.monotonic() + self._patience
        while left := open_now() - self._before:
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)
        return sorted(map(described, left))


def collected() -> list[str]:
    """Collect garbage, and return what it had to say: unclosed sockets, running processes and the like."""
    said: list[str] = []

    def listen(unraisable: sys.UnraisableHookArgs) -> None:
        said.append(f"{unraisable.object!r}: {unraisable.exc_value!r}")

    before, sys.unraisablehook = sys.unraisablehook, listen
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
    return said


def open_now() -> set[str]:
    """Return the sockets, threads and processes that this process has."""
    threads = (one for one in threading.enumerate() if not one.name.startswith(KEPT))
    found = {f"thread {one.name!r} ({one.native_id})" for one in threads}
    return found | sockets().keys() | processes()


def sockets() -> dict[str, int]:
    """Return the descriptors of the sockets that are open, by what identifies each."""
    found = {}
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # that of the listing itself
            continue
        if target.startswith("socket:"):
            found[target] = int(descriptor)
    return found


def described(what: str) -> str:
    """Return the addresses of a socket, and what else there is as it is."""
    descriptor = sockets().get(what)
    if descriptor is None:
        return what
    with socket.socket(fileno=os.dup(descriptor)) as one:
        return repr(one)


def processes() -> set[str]:
    """Return the processes that this one has started and not yet waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case, for a single system call
        return set()
    return {f"process {child.pid}" for child in psutil.Process().children()}
