"""Applications as processes of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.applications import APPLICATION, Done, Server, run_application


@pytest.fixture
def run() -> Callable[..., Done]:
    """Runs an application to its end."""
    return run_application


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts an application that listens on a free port of the loopback interface."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: object, **options: object) -> Server:
        process = subprocess.Popen(
            [*APPLICATION, str(words[0]), "--json", "-ba", "127.0.0.1", *map(str, words[1:]), "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,  # type: ignore[call-overload]
        )
        running.append(process)
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["event"] == "listening"
        return Server(process, first["port"])

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
