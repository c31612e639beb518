"""The tables are whole, and the tests that they name are collected."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.suites.rows import DOCS, Row, name_of

ROOT = Path(__file__).parents[2]
TABLES = {"H": (HOSTILE, 35), "Q": (QUIRKS, 40)}


@pytest.mark.parametrize("letter", TABLES)
def test_each_row_is_there_with_its_proof(letter: str) -> None:
    table, count = TABLES[letter]
    assert [row.row for row in table] == [f"{letter}{number:02}" for number in range(1, count + 1)]
    assert len({row.name for row in table}) == count
    for row in table:
        assert row.inputs or row.tests or row.cannot, row.row
        assert row.peer, row.row
        assert row.answer, row.row
        inputs = [(name_of(one), one.given, one.sends) for one in row.inputs]
        assert len(set(inputs)) == len(inputs), row.row


def named_tests() -> set[str]:
    """Return the tests that rows name, with the parameters that they name."""
    rows: list[Row] = [row for table, _ in TABLES.values() for row in table]
    return {test for row in rows for test in row.tests}


def found(files: set[str]) -> set[str]:
    """Return the tests that pytest finds in files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *sorted(files)], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def missing(tests: Iterable[str]) -> set[str]:
    """Return the tests that rows name, with parameters or without, and that are not among `tests`."""
    return named_tests().difference(tests, [test.partition("[")[0] for test in tests])


def test_the_tests_that_rows_name_are_collected(collected: frozenset[str]) -> None:
    """A run of the whole suite has found them all; a run of some files has to look at the others."""
    if files := {test.partition("::")[0] for test in missing(collected)}:
        collected |= found(files)
    assert missing(collected) == set()


def test_the_docs_print_each_table() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.rst")))
    assert re.findall(r"^\.\. row-table:: (\w+)$", pages, re.MULTILINE) == ["hostile", "quirks"]
