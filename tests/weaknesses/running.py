"""Runs a probe in a process of its own, where nothing that it leaves behind does harm, and judges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.weaknesses.products import PRODUCTS
from tests.weaknesses.table import WEAKNESSES, Weakness
from tests.weaknesses.wire import CannotBePut, Weak

PASSES, FAILS, CANNOT = "passes", "fails", "cannot be put to it"

_TESTS = Path(__file__).resolve().parent.parent
_LONGEST = 90.0
"""Seconds for one probe; only a product that hangs where no probe looks for it takes that long."""

# The tests are no installed package, and their folder must not hide what is installed.
_START = """
import sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = [sys.argv[1]]
from tests.weaknesses.running import run_here
run_here(*sys.argv[2:])
"""


class Verdict(NamedTuple):
    """What came of the probes of a row; how it showed, or why they cannot be put."""

    verdict: str
    reason: str = ""


def judge(weakness: Weakness, product: str, patience: float | None = None) -> Verdict:
    """Put all probes of a row to a product, with another patience than its own if so told."""
    verdicts = [_run(weakness, number, product, patience) for number in range(len(weakness.probes))]
    reasons = "; ".join(dict.fromkeys(one.reason for one in verdicts if one.reason))
    for verdict in (FAILS, CANNOT):
        if any(one.verdict == verdict for one in verdicts):
            return Verdict(verdict, reasons)
    return Verdict(PASSES)


def _run(weakness: Weakness, number: int, product: str, patience: float | None) -> Verdict:
    optimized = ["-O"] if weakness.optimized else []
    told = [str(weakness.row), str(number), product, *([] if patience is None else [str(patience)])]
    command = [sys.executable, *optimized, "-c", _START, str(_TESTS), *told]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_LONGEST
        )
    except subprocess.TimeoutExpired:
        return Verdict(FAILS, f"{weakness.probes[number].__name__} did not end in {_LONGEST:g} s")
    if done.returncode:
        raise RuntimeError(f"{weakness.probes[number].__name__} broke on {product}:\n{done.stderr}")
    return Verdict(*json.loads(done.stdout.splitlines()[-1]))


def run_here(row: str, number: str, product: str, patience: str = "") -> None:
    """Run one probe, print what came of it, and end the process with whatever hangs in it."""
    (weakness,) = (one for one in WEAKNESSES if one.row == int(row))
    target = PRODUCTS[product]()
    if patience:
        target.patience = float(patience)
    try:
        weakness.probes[int(number)](target)
    except Weak as weak:
        verdict = Verdict(FAILS, str(weak))
    except CannotBePut as why:
        verdict = Verdict(CANNOT, str(why))
    else:
        verdict = Verdict(PASSES)
    print(json.dumps(verdict), flush=True)
    os._exit(0)
