"""Fuzzes the engine for a while, or replays the corpus where atheris is not installed.

    python fuzz/run.py --seconds 20

Starts from fuzz/seeds/ and the findings of the past in fuzz/crashes/; what is learnt on the way is kept in
.build/fuzz/corpus for the next run. A finding is written to fuzz/crashes/, where the tests replay it until
it is mended and ever after, and the exit status is not zero. `--replay FILE...` checks single inputs.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
SEEDS, CRASHES = FUZZ / "seeds", FUZZ / "crashes"
CORPUS = FUZZ.parent / ".build" / "fuzz" / "corpus"

sys.path.insert(0, str(FUZZ))  # also where PYTHONSAFEPATH is set

MAXIMUM_INPUT = 4096  # bytes; what takes more to show itself is what the limits are tested for
SECONDS_PER_INPUT = 10
MEGABYTES = 512


def replay(paths: Sequence[Path]) -> int:
    """Check each input; print what fails and return how many did."""
    import harness

    failures = 0
    for path in paths:
        try:
            harness.check(path.read_bytes())
        except Exception:
            failures += 1
            print(f"{path} fails:\n{traceback.format_exc()}", file=sys.stderr)
    return failures


def fuzz(seconds: int, seed: int) -> int:
    """Run libFuzzer in a process of its own, which does not outlive its time; return its exit status."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    CRASHES.mkdir(exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAXIMUM_INPUT}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-artifact_prefix={CRASHES}/",
        f"-seed={seed}",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    command = [sys.executable, __file__, "--child", *options, CORPUS, SEEDS, CRASHES]
    done = subprocess.run(
        command,
        check=False,
        timeout=seconds + 240,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        print(done.stdout)
    else:
        print(*(line for line in done.stdout.splitlines() if line.startswith("stat::")), sep="\n")
    return done.returncode


def child(arguments: list[str]) -> None:
    """Be the process that libFuzzer takes over."""
    import atheris

    with atheris.instrument_imports(include=["dicomproto"]):
        import harness

    atheris.Setup([sys.argv[0], *arguments], harness.check)
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="how long to fuzz (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; 0 for another in each run")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="check these inputs alone")
    chosen = parser.parse_args()
    if chosen.replay:
        return 1 if replay(chosen.replay) else 0
    known = [path for folder in (SEEDS, CRASHES) for path in sorted(folder.glob("*"))]
    started = time.monotonic()
    if failures := replay(known):
        print(f"{failures} of {len(known)} known inputs fail", file=sys.stderr)
        return 1
    print(f"{len(known)} known inputs replayed in {time.monotonic() - started:.1f} s")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here: nothing new was tried")
        return 0
    status = fuzz(chosen.seconds, chosen.seed)
    if status:
        print(f"a finding: fuzz/crashes/ has it (libFuzzer ended with status {status})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
