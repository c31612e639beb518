"""`make check`: lint, types and the nearest tests, within a minute. `make test FILE=`: the tests of a file.

The nearest tests are those whose imports reach a changed file in the fewest steps. The nearest run first,
until the time is over; `make test` runs all. Both run in the developers' environment, on the source tree.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from tests.gates import BUILD, NO_TESTS_SELECTED, ROOT, WORKERS, GateFailed, gate_lint, gate_types, run, say

sys.path.insert(0, str(ROOT / "docs"))
try:
    from layers import Modules, arrows, modules_in
finally:
    sys.path.remove(str(ROOT / "docs"))

SECONDS = 40.0
LEAST_FOR_TESTS = 20.0
"""Seconds that the tests get, even where lint and types took long."""

MOST_FILES = 20
"""Test files; to import all takes longer than there is time for."""

INTERRUPTED = 2
"""pytest's exit status."""

ALWAYS = "tests/test_layers.py"
BASES = ("origin/main", "main")
"""The branches that a change may have begun from."""


def modules_of(root: Path) -> Modules:
    """Return the Python modules of a source tree; tests import those of `docs` without the folder's name."""
    return {
        **{path.stem: path for path in sorted((root / "docs").glob("*.py"))},
        **modules_in("tests", root / "tests"),
        **modules_in("dicomproto", root / "dicomproto"),
        **modules_in("dicomproto_transports", root / "transports" / "dicomproto_transports"),
    }


def imported_by(modules: Modules) -> dict[str, set[str]]:
    """Return the modules that import each module; every test has the `conftest` of its folders."""
    found: dict[str, set[str]] = {module: set() for module in modules}
    for module, imported in arrows(modules).items():
        for name in imported:
            found[name].add(module)
        parts = module.split(".")
        for end in range(1, len(parts)):
            if (conftest := ".".join([*parts[:end], "conftest"])) in modules and conftest != module:
                found[conftest].add(module)
    return found


def is_named_after(test: Path, changed: str) -> bool:
    """Tell whether the words of a file's name stand in the name of a test."""
    if changed.startswith("tests/"):
        return False
    words = PurePosixPath(changed).stem.strip("_").lower()
    return f"_{words}_" in f"{test.stem}_"


def names(text: str, changed: str) -> bool:
    """Tell whether a test's source has the name of a file, or of its folder, in quotes."""
    place = PurePosixPath(changed)
    return any(
        re.search(rf"[\"'/]{re.escape(name)}[\"'/]", text) for name in (place.name, place.parent.name) if name
    )


def distances(starts: Iterable[str], users: dict[str, set[str]]) -> dict[str, int]:
    """Return in how many steps each module is reached from the nearest of `starts`."""
    found = dict.fromkeys(starts, 0)
    reached = list(found)
    for module in reached:  # which grows
        for user in sorted(users[module] - set(found)):
            found[user] = found[module] + 1
            reached.append(user)
    return found


def nearest_tests(changed: Sequence[str], root: Path) -> list[str]:
    """Return the test files that a change concerns, the nearest first; paths are relative to `root`.

    A test is one step away from a module that it imports or that its name contains, and from a file of
    another kind whose name, or whose folder's name, it has in quotes. Of tests as many steps away, those in
    a folder of the same name as a changed file's are the nearer ones, and then those named after one.
    """
    modules = modules_of(root)
    name_of = {path.relative_to(root).as_posix(): name for name, path in modules.items()}
    tests = {name: path for name, path in modules.items() if path.stem.startswith("test_")}
    reached = distances([name_of[file] for file in changed if file in name_of], imported_by(modules))
    steps = {name: number for name, number in reached.items() if name in tests}
    for name, path in tests.items():
        text = path.read_text(encoding="utf-8")
        if any(is_named_after(path, file) if file in name_of else names(text, file) for file in changed):
            steps[name] = min(1, steps.get(name, 1))
    folders = {PurePosixPath(file).parent.name for file in changed}

    def order(name: str) -> tuple[int, bool, bool, str]:
        is_named = any(is_named_after(tests[name], file) for file in changed)
        return steps[name], tests[name].parent.name not in folders, not is_named, name

    ordered = sorted(steps, key=order)
    return [tests[name].relative_to(root).as_posix() for name in ordered]


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GateFailed(
            f"git {words[0]}: {done.stderr.strip()}; name what to check: make check FILE=tests/engine"
        )
    return done.stdout.splitlines()


def changed_files() -> list[str]:
    """Return what differs from where the branch began, files that git does not know yet among them."""
    known = git("for-each-ref", "--format=%(refname:short)")
    base = next((name for name in BASES if name in known), "HEAD")
    (start,) = git("merge-base", "HEAD", base)[:1]
    return sorted({*git("diff", "--name-only", start), *git("ls-files", "--others", "--exclude-standard")})


def files_below(place: str) -> list[str]:
    path = ROOT / place
    if not path.exists():
        raise GateFailed(f"there is no {place}")
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [one.relative_to(ROOT).as_posix() for one in found if one.is_file() and one.suffix != ".pyc"]


def chosen_tests(places: Sequence[str]) -> list[str]:
    """Return the tests to run for the files and folders given, or else for what has changed."""
    tests = [place for place in places if place.split("/")[0] == "tests"]
    changed = [file for place in places if place not in tests for file in files_below(place)]
    if not places:
        changed = changed_files()
        say(f"changed: {' '.join(changed) or 'nothing'}")
    nearest = nearest_tests(changed, ROOT) if changed else []
    if further := len(nearest[MOST_FILES:]):
        say(f"{further} test files that are further from the change are left out")
    return list(dict.fromkeys([ALWAYS, *tests, *nearest[:MOST_FILES]]))


def pytest(*options: str) -> bool:
    """Run tests; return whether they came to their end."""
    counts = BUILD / "check.json"
    counts.unlink(missing_ok=True)
    passing = (0, NO_TESTS_SELECTED, INTERRUPTED)
    run(sys.executable, "-m", "pytest", "-q", "--counts", counts, *options, passing=passing)
    came = json.loads(counts.read_text())
    if came["counts"]["failed"]:
        raise GateFailed("tests failed")
    return not came["stopped"]


def check(places: Sequence[str]) -> str:
    """Check what changed, and return what there is to say at the end."""
    began = time.monotonic()
    tests = chosen_tests(places)
    gate_lint()
    gate_types()
    left = max(SECONDS - (time.monotonic() - began), LEAST_FOR_TESTS)
    select = ["-n", WORKERS, "-p", "no:randomly", "-m", "not slow and not serial", "-x"]
    if pytest(*select, "--stop-after", f"{left:.0f}", *tests):
        return "all of the nearest tests passed; make test runs every gate"
    return "the tests so far passed, and the time is over; make test runs the rest"


def test(places: Sequence[str]) -> str:
    """Run all tests of files and folders, those that measure alone and last."""
    if any("::" in place for place in places):
        pytest("-n", "0", *places)
        return "passed"
    pytest("-n", WORKERS, "-m", "not slow and not serial", *places)
    files = [file for place in places for file in files_below(place) if file.endswith(".py")]
    if any("mark.serial" in (ROOT / file).read_text(encoding="utf-8") for file in files):
        pytest("-n", "0", "-m", "serial and not slow", *places)
    return "passed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="all tests of the files given, and nothing else")
    parser.add_argument("files", metavar="FILE", nargs="*", help="files or folders; what has changed if none")
    chosen = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    try:
        say((test if chosen.tests else check)(chosen.files))
    except GateFailed as error:
        say(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
