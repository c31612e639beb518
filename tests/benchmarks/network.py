"""The same rows in a network namespace of their own: packets of Ethernet's size, and a delay."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .sides import ROOT

DELAYS = 0, 1, 10
"""Milliseconds, each way."""

ROWS = "echo", "40KB", "525KB"
FEW = 4


def in_a_namespace(delay: int) -> list[dict[str, Any]] | str:
    """Return the results of the rows with MTU 1500 and a delay, or why this machine cannot give them."""
    setting = "ip link set lo mtu 1500 up"
    if delay:
        setting += f" && tc qdisc add dev lo root netem delay {delay}ms"
    enter = ["unshare", "--map-root-user", "--net", "sh", "-c"]
    try:
        tried = subprocess.run([*enter, setting], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    if tried.returncode:
        return tried.stderr.strip()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures.json")
        words = [sys.executable, "-m", "tests.benchmarks", "--pairs", str(FEW), "--json", str(figures)]
        words += [word for row in ROWS for word in ("--row", row)]
        command = [*enter, f'{setting} && exec "$@"', "sh", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not figures.exists():
            raise RuntimeError(f"the rows in a network namespace failed:\n{done.stderr[-2000:]}")
        results: list[dict[str, Any]] = json.loads(figures.read_text())
    for result in results:
        result["name"] = f"network-{delay}ms-{result['name']}"
        result["title"] += f"; MTU 1500, {delay} ms"
        result |= {"goal": None, "verdict": ""}
    return results
