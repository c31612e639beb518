"""pynetdicom's own tests, as they are installed, run through the drop-in, and its programs with them.

Which of them count says `theirs/selection.py`; those that need not pass are in `theirs/failing.toml`.
"""

from __future__ import annotations

import math

import pytest

from tests.pynetdicom.theirs import runs, selection

PARTS = 7
"""Each has every seventh test of all files: `make test` runs the first, which takes a minute."""

MINUTE = 60.0
"""Seconds after which `make test` begins no more of them: a slow machine runs fewer."""

SHARE = 0.85
"""Of those that pass on pynetdicom itself."""


def test_list_of_failures_names_tests_that_count_and_is_short() -> None:
    counting = set(selection.selected())
    functions = {name.partition("[")[0] for name in runs.listed()}
    assert functions <= counting
    assert len(functions) <= (1 - SHARE) * len(counting)


@pytest.mark.serial
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))]
)
def test_tests_of_pynetdicom_end_as_they_did(part: int, request: pytest.FixtureRequest) -> None:
    is_short = "not slow" in request.config.getoption("markexpr")
    names = part_of_all(part)
    outcomes = runs.run(names, seconds=MINUTE if is_short else math.inf)
    assert outcomes
    if not is_short:
        assert_all_ran(names, outcomes)
    failed = [name for name, outcome in outcomes.items() if outcome.word == "failed" and not runs.kind(name)]
    # What fails on pynetdicom too, here and now, says nothing of the drop-in.
    collected = [name for name in failed if "::" in name]
    itself = runs.run(collected, "pynetdicom") if collected else {}
    report = [
        f"{name}: {outcomes[name].text}"
        for name in failed
        if name not in itself or itself[name].word == "passed"
    ]
    assert not report, "these pass on pynetdicom, and do not pass on the drop-in:\n" + "\n".join(report)
    passed = [
        name
        for name, outcome in outcomes.items()
        if outcome.word == "passed" and runs.kind(name) == "differs"
    ]
    assert not passed, "these pass, so failing.toml is to lose them:\n" + "\n".join(passed)


def part_of_all(part: int) -> list[str]:
    """Return the tests of a part, so that the first quarter of them has tests of all files as well."""
    names = selection.selected()[part::PARTS]
    return [name for start in range(4) for name in names[start::4]]


def assert_all_ran(names: list[str], outcomes: dict[str, runs.Outcome]) -> None:
    ran = {name.partition("[")[0] for name in outcomes}
    uncollected = {name for name in ran if "::" not in name}
    lost = [name for name in names if name not in ran and name.partition("::")[0] not in uncollected]
    assert not lost, "these have not run"
