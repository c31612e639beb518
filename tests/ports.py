"""A port for a program or a source address that must be told one before it is used."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

_PORTS = range(20_000, 32_768)
"""Below those that systems give to connections and to `bind` to port 0: from 32768 on with Linux."""

_SHARES = 16
"""Each worker of a run chooses among its own, so that two never choose the same."""

_LISTEN = "0A"
"""The state, in the system's table of sockets, of one that listens."""

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


def is_listening(port: int) -> bool:
    """Whether a server of this machine listens on a port, as the system's table of sockets says (Linux)."""
    wanted = f":{port:04X}"
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if local.endswith(wanted) and state == _LISTEN:
                return True
    return False
