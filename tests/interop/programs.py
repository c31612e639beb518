"""Running programs: ours and the peers', servers on ports of their own, and what they printed.

Nothing here sleeps a while and hopes: whoever waits, waits for the end of a process or for a fact,
looked at every few milliseconds, within a bounded time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.ports import free_port

TIMEOUT = 60.0
"""Seconds for whatever a program has to do; only one that hangs takes that long."""
_LOOK = 0.005
_PORTS = 5  # attempts: between a look for a free port and its use another process may take it


def _ours() -> list[str]:
    script = shutil.which("dicomproto", path=os.path.dirname(sys.executable))
    return [script] if script else [sys.executable, "-m", "dicomproto_transports.apps"]


OURS = _ours()
PYNETDICOM = [sys.executable, "-m", "pynetdicom"]
LOOPBACK = "127.0.0.1"


def dcmtk(tool: str) -> list[str]:
    """Return the command of a DCMTK tool; pynetdicom installs scripts of the same names, hence the path."""
    path = shutil.which(tool, path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert path is not None, f"DCMTK's {tool} is not installed (Debian package dcmtk)"
    return [path]


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    status: int
    output: str
    errors: str

    @property
    def everything(self) -> str:
        """What it printed, results and diagnostics."""
        return self.output + self.errors

    @property
    def events(self) -> list[dict[str, object]]:
        """What one of ours printed with `--json`."""
        return [json.loads(line) for line in self.output.splitlines()]

    def event(self, name: str) -> dict[str, object]:
        """Return the only event of that name."""
        (found,) = (event for event in self.events if event["event"] == name)
        return found


def run(command: Sequence[str | Path], folder: Path | None = None) -> Done:
    """Run a program to its end, in `folder` if it writes to where it is."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments, check=False, capture_output=True, text=True, errors="replace", timeout=TIMEOUT,
        stdin=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


class Program:
    """A program that runs beside the test; its output goes to files, so that it never waits for a reader."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.command = [str(part) for part in command]
        self.port = 0
        self._output, self._errors = folder / "stdout.txt", folder / "stderr.txt"
        with open(self._output, "wb") as output, open(self._errors, "wb") as errors:
            self.process = subprocess.Popen(
                self.command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        """What it has printed on stdout by now."""
        return self._output.read_text(errors="replace")

    @property
    def errors(self) -> str:
        """What it has printed on stderr by now."""
        return self._errors.read_text(errors="replace")

    def until(self, fact: Callable[[], object], what: str) -> None:
        """Wait until `fact()` is true; fail when the program ends before, or time is up."""
        deadline = time.monotonic() + TIMEOUT
        while not fact():
            try:
                status = self.process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                raise AssertionError(f"waited in vain until {what}: {self.command}") from None
            if fact():
                return
            raise ProgramEnded(
                f"{self.command} ended with status {status} before {what}:\n{self.output}{self.errors}"
            )

    def is_listening(self) -> bool:
        """Tell whether the program itself, and not some other one, listens on its port."""
        try:
            connections = psutil.Process(self.process.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == self.port for one in connections)

    def wait(self) -> Done:
        """Wait for the end."""
        status = self.process.wait(TIMEOUT)
        return Done(status, self.output, self.errors)

    def stop(self) -> Done:
        """Ask the program to end, as a user does, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End the program, and what it has forked, as a power failure does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


class ProgramEnded(Exception):
    """A program ended before it was expected to."""


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port on which nobody listens as long as the block runs."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def peer_server(command: Callable[[int], Sequence[str | Path]], folder: Path) -> Iterator[Program]:
    """Run a peer's server, `command(port)`, on a free port; yields it once it listens there."""
    for attempt in range(_PORTS):
        port = free_port()
        program = Program(command(port), folder)
        program.port = port
        with program:
            try:
                program.until(program.is_listening, "it listens")
            except ProgramEnded:
                if attempt == _PORTS - 1:
                    raise
                continue
            yield program
            return


@contextlib.contextmanager
def our_server(*arguments: str | Path, folder: Path) -> Iterator[Program]:
    """Run `dicomproto` with `--json` and these arguments on a free port; yields it once it listens."""
    name, *rest = arguments
    with Program([*OURS, str(name), "0", "-ba", LOOPBACK, "--json", *rest], folder) as program:
        program.until(lambda: "\n" in program.output, "it listens")
        program.port = json.loads(program.output.splitlines()[0])["port"]
        yield program


def our_storescp(folder: Path, *options: str) -> contextlib.AbstractContextManager[Program]:
    """Run `dicomproto storescp`; what it stores goes to `stored` in `folder`."""
    return our_server("storescp", "-od", folder / "stored", *options, folder=folder)


def dcmtk_storescp(folder: Path, *options: str) -> contextlib.AbstractContextManager[Program]:
    """Run DCMTK's storescp, which writes what it receives, undecoded and under unique names, to `stored`."""
    stored = folder / "stored"
    stored.mkdir(parents=True)
    command = [*dcmtk("storescp"), "-v", "+B", "+xa", "+uf", *options, "-od", stored]
    return peer_server(lambda port: [*command, str(port)], folder)


def pynetdicom_server(tool: str, folder: Path, *options: str) -> contextlib.AbstractContextManager[Program]:
    """Run pynetdicom's storescp or echoscp."""
    command = [*PYNETDICOM, tool, "-v", "-ba", LOOPBACK, *options]
    return peer_server(lambda port: [*command, str(port)], folder)
