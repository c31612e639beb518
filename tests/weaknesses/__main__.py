"""`python -m tests.weaknesses`: the table of weaknesses, ours and pynetdicom's, from running the probes.

Writes pynetdicom's verdicts to verdicts.json beside this file. Row 12 needs SQLAlchemy, for its qrscp.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from tests.weaknesses.running import PASSES, judge
from tests.weaknesses.table import WEAKNESSES

VERDICTS = Path(__file__).with_name("verdicts.json")


def main() -> int:
    """Print the table, and write it down if it is whole; the exit status tells whether ours passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.weaknesses", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, help="these rows alone; nothing is written then")
    chosen = parser.parse_args().rows
    theirs: dict[str, dict[str, str]] = {}
    good = True
    print("| # | weakness | dicomproto | pynetdicom | how it shows, or why it cannot be put |")
    print("|---|---|---|---|---|")
    for weakness in WEAKNESSES:
        if chosen and weakness.row not in chosen:
            continue
        our = judge(weakness, "dicomproto")
        their = judge(weakness, "pynetdicom")
        good = good and our.verdict == PASSES
        reason = our.reason or their.reason
        print(
            f"| {weakness.row} | {weakness.text} | {our.verdict} | {their.verdict} | {reason} |", flush=True
        )
        theirs[str(weakness.row)] = {"weakness": weakness.text, **their._asdict()}
    if not chosen:
        document = {"pynetdicom": version("pynetdicom"), "rows": theirs}
        VERDICTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
