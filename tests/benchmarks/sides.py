"""The sides that are measured: copies of this package, each with a provider and a requestor of its own."""

from __future__ import annotations

import compileall
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .objects import ct
from .peers import Product

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build" / "against"
PACKAGES = ("dicomproto", "transports")
KB, MB = 1000, 1_000_000


class BenchmarkFailed(Exception):
    """Nothing could be measured; the text says why."""


def install(place: Path, revision: str | None) -> Path:
    """Copy a revision, or the tree as it stands, to where its processes find it; return the place."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if revision is None:
        for package in PACKAGES:
            shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        command = ["git", "-C", str(ROOT), "archive", revision, "--", *PACKAGES]
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode:
            raise BenchmarkFailed(f"{revision}: {archive.stderr.decode().strip()}")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(place, filter="data")
    compileall.compile_dir(place, quiet=1)
    return place


class Side:
    """One revision: its environment, and its processes while a round lasts, with words for them."""

    program, provider = "side.py", "provide"

    def __init__(self, name: str, place: Path, *words: str) -> None:
        self.name = name
        self.place = place
        self._words = words
        path = os.pathsep.join([str(place), str(place / "transports")])
        self.environment = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        self.port = 0
        self.processes: list[int] = []
        """Those of the provider and the requestor, while they run."""

        self._requestor: subprocess.Popen[str] | None = None

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run its provider and its requestor."""
        with self._program(self.provider) as provider, self._program("request") as self._requestor:
            self.port = self._answer(provider)["port"]
            self._answer(self._requestor)
            self.processes = [provider.pid, self._requestor.pid]
            yield self

    def ask(self, task: str, port: int, **words: object) -> float:
        """Have its requestor do something; return the seconds that it took."""
        requestor = self._requestor
        assert requestor is not None
        assert requestor.stdin is not None
        requestor.stdin.write(json.dumps({"task": task, "port": port} | words) + "\n")
        requestor.stdin.flush()
        return float(self._answer(requestor)["seconds"])

    def storescp(self) -> Product:
        """Return its receiver."""
        command = [sys.executable, "-m", "dicomproto_transports.apps", "storescp", "-q", "-ba", "127.0.0.1"]
        scp = [*command, "{port}", "-od", "{folder}"]
        return Product(self.name, scp=scp, environment=self.environment)

    @contextmanager
    def _program(self, role: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name(self.program)), role, *self._words]
        environment = os.environ | self.environment
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
            assert process.stdin is not None
            process.stdin.close()

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchmarkFailed(f"a program of {self.name} ended with status {process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if not Path(answer["from"]).is_relative_to(self.place):
            raise BenchmarkFailed(f"{self.name} was loaded from {answer['from']}")
        return answer


def image(folder: Path, size: int) -> Path:
    """Write a CT image of about `size` bytes, and return its path."""
    path = folder / f"{size}.dcm"
    if not path.exists():
        ct(size).save_as(path, enforce_file_format=True)
    return path


class Streaming(Side):
    """A side whose provider takes objects as they come."""

    provider = "stream"


class Asynchronous(Side):
    """A side whose programs are those of trio or anyio."""

    program = "flavours.py"
