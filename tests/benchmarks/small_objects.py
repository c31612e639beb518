"""`python -m tests.benchmarks.small_objects`: 20 objects of 40 KB between DCMTK as packaged and this project.

DCMTK's tools leave Nagle's algorithm on; with delayed acknowledgements at the other end every message
then waits some 40 ms, 0.9 s in all. Prints the seconds of whole programs, from start to exit, and of the
transfer alone; exit status 1 when a transfer takes 0.3 s or more. For DCMTK the transfer is the whole less
the time that the program takes to print its version.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from .__main__ import KB, timed
from .objects import write_objects
from .peers import Product, dcmtk, dicomproto

OBJECTS, SIZE = 20, 40 * KB
ROUNDS = 5
LIMIT = 0.3


def seconds_of_dcmtk(product: Product, command: list[str]) -> tuple[float, float]:
    """Return the seconds of the whole program, and of the transfer."""
    whole = timed(lambda: product.run(command))
    return whole, whole - timed(lambda: product.run([command[0], "--version"]))


def seconds_of_ours(command: list[str]) -> tuple[float, float]:
    """Return the seconds of the whole program, and those that it says the transfer took."""
    output = b""

    def run() -> None:
        nonlocal output
        done = subprocess.run([*command, "--json"], check=True, capture_output=True, timeout=60)
        output = done.stdout

    whole = timed(run)
    return whole, json.loads(output.splitlines()[-1])["seconds"]


def main() -> int:
    """Measure, print, and tell whether the limit is kept."""
    ours, theirs = dicomproto(), dcmtk(packaged=True)
    if theirs is None:
        print("DCMTK is missing (Debian package dcmtk)", file=sys.stderr)
        return 1
    kept = True
    with tempfile.TemporaryDirectory() as folder, ours.serving() as our_port, theirs.serving() as their_port:
        write_objects(Path(folder), SIZE, OBJECTS)
        from_dcmtk = theirs.store(our_port, Path(folder))
        to_dcmtk = [part for part in ours.store(their_port, Path(folder)) if part != "-q"]
        for title, measured in (
            ("DCMTK storescu to dicomproto storescp", lambda: seconds_of_dcmtk(theirs, from_dcmtk)),
            ("dicomproto storescu to DCMTK storescp", lambda: seconds_of_ours(to_dcmtk)),
        ):
            results = [measured() for _ in range(ROUNDS)]
            whole, transfer = (statistics.median(column) for column in zip(*results, strict=True))
            kept = kept and transfer < LIMIT
            print(f"{title}, {OBJECTS} objects of {SIZE // KB} KB:")
            print(f"  whole program {whole:.3f} s, transfer {transfer:.3f} s", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
