"""`python -m tests.weaknesses`: the table of weaknesses, ours and pynetdicom's, from running the probes.

With --write pynetdicom's verdicts go to verdicts.json beside this file; those of other rows stay. Row 12
needs SQLAlchemy, which is not among the test tools: pynetdicom's qrscp does not run without.
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
    """Print the table; the exit status tells whether ours passed all of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.weaknesses", description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, help="these rows alone")
    parser.add_argument("--write", action="store_true", help="keep pynetdicom's verdicts")
    options = parser.parse_args()
    document = json.loads(VERDICTS.read_text(encoding="utf-8"))
    if options.rows and options.write and document["pynetdicom"] != version("pynetdicom"):
        parser.error(f"--write is for all rows: the verdicts are on pynetdicom {document['pynetdicom']}")
    chosen = options.rows or [weakness.row for weakness in WEAKNESSES]
    theirs: dict[str, dict[str, str]] = {}
    good = True
    print("| # | weakness | dicomproto | pynetdicom | how it shows, or why it cannot be put |")
    print("|---|---|---|---|---|")
    for weakness in WEAKNESSES:
        if weakness.row not in chosen:
            continue
        our = judge(weakness, "dicomproto")
        their = judge(weakness, "pynetdicom")
        good = good and our.verdict == PASSES
        reason = our.reason or their.reason
        print(
            f"| {weakness.row} | {weakness.text} | {our.verdict} | {their.verdict} | {reason} |", flush=True
        )
        theirs[str(weakness.row)] = {"weakness": weakness.text, **their._asdict()}
    if options.write:
        rows = document["rows"] | theirs if options.rows else theirs
        document = {"pynetdicom": version("pynetdicom"), "rows": rows}
        VERDICTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
