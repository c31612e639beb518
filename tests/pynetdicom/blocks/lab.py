"""Runs examples, each in a process of its own, against a peer of real pynetdicom.

`lab.py PACKAGE JOBS RESULTS DATA`.

Both packages are imported once; each program and its peer are forks, which start at once.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.extend(str(folder) for folder in Path(__file__).parents[:3:2])

import drivers
import peers
from ports import free_port

DROP_IN = "dicomproto_transports.pynetdicom"
LINGERS = 3.0
"""Seconds after which a program is taken to wait for its peer's end of the association."""

PATIENCE = 20.0
"""Seconds for one program."""


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens on."""
    one = free_port()
    while (two := free_port()) == one:
        pass
    return one, two


class Child:
    """A process that was forked. It says that it is ready by a byte in a pipe, which ends when it does."""

    def __init__(self, pid: int, told: int) -> None:
        self.pid, self.told = pid, told

    @classmethod
    def fork(cls) -> tuple[Child | None, int]:
        """Return the child and -1, or in the child None and the pipe's end to write to."""
        told, tell = os.pipe()
        if pid := os.fork():
            os.close(tell)
            return cls(pid, told), -1
        os.close(told)
        return None, tell

    def is_ready(self, seconds: float) -> bool:
        """Wait until it says that it is ready; False if it does not, or ends."""
        return bool(select.select([self.told], [], [], seconds)[0] and os.read(self.told, 1))

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, or None if it does not end in time."""
        end = time.monotonic() + seconds
        while select.select([self.told], [], [], max(0, end - time.monotonic()))[0]:
            if not os.read(self.told, 100):
                os.close(self.told)
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return None

    def kill(self, seconds: float = 0.0) -> None:
        """End it, unless it ends in time."""
        if self.wait(seconds) is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(PATIENCE)


def run_program(text: str, folder: Path, ports: tuple[int, int]) -> Child:
    """Start a program in a child, which is ready when it listens on the first port."""
    child, ready = Child.fork()
    if child:
        return child
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    tell_of_listening(ports[0], ready)
    sys.argv[:] = ["program.py", *map(str, ports)]
    raise Program(compile(text, "program.py", "exec"), ports)


def tell_of_listening(port: int, ready: int) -> None:
    """Write a byte when a socket of this process begins to listen on a port."""
    listen = socket.socket.listen

    def told(self: socket.socket, *backlog: int) -> None:
        listen(self, *backlog)
        if self.getsockname()[1] == port:
            os.write(ready, b"1")

    socket.socket.listen = told


class Program(Exception):
    """Unwinds a child to the top of this file, so that it ends as the interpreter does."""


def run_peer(job: dict[str, Any], ports: tuple[int, int], folder: Path) -> tuple[Child, int]:
    """Start a peer in a child; return it and the end of a pipe that, closed, ends it."""
    stop, end = os.pipe()
    child, ready = Child.fork()
    if child:
        os.close(stop)
        child.is_ready(PATIENCE)
        return child, end
    os.close(end)
    try:
        os.dup2(os.open(folder / "peer", os.O_CREAT | os.O_WRONLY), 2)
        record = peers.Record(folder / "record")
        server = peers.serve(job["situation"], *ports, record, folder, own=job["own"])
        os.write(ready, b"1")
        if os.read(stop, 1):
            os._exit(0)
        for association in server.active_associations:  # until each has seen its end
            association.join(LINGERS)
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def run_driver(job: dict[str, Any], ports: tuple[int, int], folder: Path) -> Child:
    """Start what asks a server in a child."""
    child, _ = Child.fork()
    if child:
        return child
    os.dup2(os.open(folder / "peer", os.O_CREAT | os.O_WRONLY), 2)
    record = peers.Record(folder / "record")
    try:
        os.chdir(folder)
        drivers.ask(job["situation"], *ports, record, folder, own=job["own"])
    except BaseException as error:
        record.add("error", repr(error))
        traceback.print_exc()
    os._exit(0)


def run_job(job: dict[str, Any], package: str, data: Path) -> dict[str, Any]:
    """Run one program in one situation."""
    kind, situation = job["kind"], job["situation"]
    text = job["moved"] if package == DROP_IN else job["text"]
    ports = free_ports()
    # No context manager: the child of `run_program` unwinds through here as well.
    folder = Path(tempfile.mkdtemp(prefix="blocks-"))
    shutil.copytree(data, folder, dirs_exist_ok=True)
    waits, status = False, None
    if kind == "scu" and situation != "is down":
        peer, end = run_peer(job, ports, folder)
        program = run_program(text, folder, ports)
        status = program.wait(PATIENCE if job["own"] else LINGERS)
        if waits := status is None:  # its association stands, and it ends when that ends
            os.write(end, b"x")
            status = program.wait(PATIENCE)
        os.close(end)
        peer.kill(5)
    else:
        program = run_program(text, folder, ports)
        if kind == "server":
            if program.is_ready(PATIENCE):
                run_driver(job, ports, folder).kill(PATIENCE)
            status = program.wait(LINGERS) if "time.sleep" in text else None
            if status is None:
                os.kill(program.pid, signal.SIGINT)
        if status is None:
            status = program.wait(PATIENCE)
    if status is None:
        program.kill()
    found = outcome(folder, status, waits, ports)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def outcome(folder: Path, status: int | None, waits: bool, ports: tuple[int, int]) -> dict[str, Any]:
    """Return what came of a program, without what changes from run to run."""

    def read(name: str) -> str:
        path = folder / name
        text = path.read_text(errors="replace") if path.exists() else ""
        for number, port in enumerate(ports):
            text = text.replace(str(port), f"PORT{number}")
        return peers.GENERATED.sub("UID", text).replace(DROP_IN, "pynetdicom")

    errors = read("stderr")
    lines = errors.splitlines()
    raised = (
        lines[-1]
        if "Traceback (most recent call last)" in errors
        and lines
        and not lines[-1].startswith(("I:", "D:", "E:", "W:"))
        else ""
    )
    return {
        "exit": status,
        "waits": waits,
        "output": read("stdout").splitlines(),
        "error": raised if status else "",
        "wire": json.loads(read("record") or "[]"),
        "log": lines[-30:],
        "files": sorted(path.name for path in folder.iterdir() if path.name.startswith("1.")),
    }


def run_to_the_end(code: Any, space: dict[str, Any]) -> int:
    """Run a program and wait for its threads, as the interpreter does; return the exit status.

    The interpreter would then take apart all modules, which takes longer than most programs.
    """
    status = 0
    try:
        exec(code, space)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        traceback.print_exc()
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    sys.stdout.flush()
    return status


def main() -> None:
    package, jobs, results, data = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script
    __import__(package)
    gc.collect()
    gc.freeze()  # no fork copies what all share
    with open(results, "a", encoding="utf-8", buffering=1) as out:
        for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
            found = run_job(job, package, Path(data))
            out.write(json.dumps({"name": job["name"], "situation": job["situation"], **found}) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Program as program:
        code, (PORT, OTHER_PORT) = program.args
    else:
        sys.exit()
    os._exit(run_to_the_end(code, {"__name__": "__main__", "PORT": PORT, "OTHER_PORT": OTHER_PORT}))
