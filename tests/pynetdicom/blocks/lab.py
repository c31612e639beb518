"""Runs examples, each in a process of its own, against a peer of real pynetdicom.

`lab.py PACKAGE JOBS RESULTS DATA`.

Both packages are imported once; each program and its peer are forks, which start at once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.extend(str(folder) for folder in Path(__file__).parents[:3:2])

import peers
from ports import free_port, is_listening
from programs import moved

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


def wait_for(pid: int, seconds: float) -> int | None:
    """Return the exit status of a child, or None if it does not end in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def finish(pid: int) -> None:
    if wait_for(pid, 0.1) is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def run_program(text: str, folder: Path, ports: tuple[int, int]) -> int:
    """Start a program in a child; return its process id."""
    if pid := os.fork():
        return pid
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    raise Program(compile(text, "program.py", "exec"), ports)


class Program(Exception):
    """Unwinds a child to the top of this file, so that it ends as the interpreter does."""


def run_peer(situation: str, ports: tuple[int, int], folder: Path) -> tuple[int, int]:
    """Start a peer in a child; return its process id and the end of a pipe that, closed, ends it."""
    (ready, is_ready), (stop, end) = os.pipe(), os.pipe()
    if pid := os.fork():
        os.close(is_ready)
        os.close(stop)
        os.read(ready, 1)
        os.close(ready)
        return pid, end
    os.close(end)
    try:
        os.dup2(os.open(folder / "peer", os.O_CREAT | os.O_WRONLY), 2)
        server = peers.serve(situation, *ports, peers.Record(folder / "record"), folder)
        os.write(is_ready, b"1")
        if os.read(stop, 1):
            os._exit(0)
        for _ in range(
            200
        ):  # until its associations have seen their end; `shutdown` would wait half a second
            if not server.active_associations:
                break
            time.sleep(0.01)
        time.sleep(0.02)
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def run_driver(situation: str, ports: tuple[int, int], folder: Path) -> int:
    if pid := os.fork():
        return pid
    os.dup2(os.open(folder / "peer", os.O_CREAT | os.O_WRONLY), 2)
    record = peers.Record(folder / "record")
    try:
        peers.ask(situation, *ports, record, folder)
    except BaseException as error:
        record.add("error", repr(error))
        traceback.print_exc()
    os._exit(0)


def listens(pid: int, port: int) -> bool:
    """Wait until a server listens. False if its process ends before."""
    for _ in range(1000):
        if is_listening(port):
            return True
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return False
        time.sleep(0.005)
    return False


def run_job(job: dict[str, Any], package: str, data: Path) -> dict[str, Any]:
    """Run one program in one situation."""
    kind, situation = job["kind"], job["situation"]
    text = moved(job["text"]) if package == DROP_IN else job["text"]
    ports = free_ports()
    # No context manager: the child of `run_program` unwinds through here as well.
    folder = Path(tempfile.mkdtemp(prefix="blocks-"))
    shutil.copytree(data, folder, dirs_exist_ok=True)
    waits = False
    if kind == "scu" and situation != "is down":
        peer, end = run_peer(situation, ports, folder)
        pid = run_program(text, folder, ports)
        status = wait_for(pid, LINGERS)
        if waits := status is None:  # its association stands, and it ends when that ends
            os.write(end, b"x")
            status = wait_for(pid, PATIENCE)
        os.close(end)
        if wait_for(peer, 5) is None:
            finish(peer)
    else:
        pid = run_program(text, folder, ports)
        if kind == "server":
            if listens(pid, ports[0]):
                driver = run_driver(situation, ports, folder)
                if wait_for(driver, PATIENCE) is None:
                    finish(driver)
            status = wait_for(pid, 3.0) if "time.sleep" in text else None
            if status is None:
                os.kill(pid, signal.SIGINT)
        else:
            status = None
        if status is None:
            status = wait_for(pid, PATIENCE)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
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
