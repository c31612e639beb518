"""A port for a program or a source address that must be told one before it is used."""

from __future__ import annotations

import os
import random
import socket

_PORTS = range(20_000, 32_768)
"""Below those that systems give to connections and to `bind` to port 0: from 32768 on with Linux."""

_SHARES = 16
"""Each worker of a run chooses among its own, so that two never choose the same."""

_chance = random.SystemRandom()  # pytest-randomly gives `random` the same seed in all workers


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free, and that nothing takes before it is used but who asks for its number."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = _chance.choice(_PORTS[worker % _SHARES :: _SHARES])
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
