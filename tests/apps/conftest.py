"""Applications as processes of their own."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.applications import APPLICATION, Done, Server, run_application


@pytest.fixture
def run() -> Callable[..., Done]:
    """Runs an application to its end."""
    return run_application


@pytest.fixture
def logger_restored() -> Iterator[None]:
    """Gives the library's logger back as it was, after an application ran in this process."""
    logger = logging.getLogger("dicomproto")
    before = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])


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
