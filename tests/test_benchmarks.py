"""The comparison of two revisions: what it loads, and what it calls slower."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.against import BOUND
from tests.benchmarks.dropin import DROPIN, MAXIMUM_LENGTH
from tests.benchmarks.plot import table
from tests.benchmarks.row import UPPER, Row, Take
from tests.benchmarks.sides import BenchmarkFailed, Side, image, install


def row_of(ours: Take, theirs: Take, goal: float | None, **words: Any) -> Row:
    """Return a row after six pairs."""
    row = Row("any", "any", goal, ours, theirs, **words)
    for number in range(6):
        row.pair(ours_first=number % 2 == 0)
    return row


def verdict(*rates: float) -> str:
    """Return that of a row whose side has these rates, in hundredths of the other one's, in turn."""
    turn = itertools.cycle(rates)
    return row_of(lambda count: 100 * count / next(turn), lambda count: count, BOUND, decisive=UPPER).verdict


def test_a_revision_is_slower_when_most_of_its_ratios_lie_below_the_bound() -> None:
    assert BOUND == 0.97
    assert verdict(96.0) == "below"
    assert verdict(97.5) == "ok"
    assert verdict(100.0) == "ok"
    noisy = [100.0, 90.0, 90.0, 105.0, 105.0, 96.0, 96.0]  # the first calibrates, the others are two a pair
    assert verdict(*noisy) == "ok"
    assert verdict(*(rate - 12 for rate in noisy)) == "below"


@pytest.mark.parametrize(
    ("ratio", "is_time", "goal", "verdict"),
    [
        (0.9, False, 0.8, "ok"),
        (0.9, False, 1.0, "below"),
        (3.0, True, 3.2, "ok"),
        (3.0, True, 2.0, "above"),
        (0.9, False, None, ""),
    ],
)
def test_a_row_is_judged_by_its_goal(ratio: float, is_time: bool, goal: float | None, verdict: str) -> None:
    ours, theirs = (ratio, 1.0) if is_time else (1.0, ratio)
    row = row_of(lambda n: n * ours, lambda n: n * theirs, goal, is_time=is_time)
    assert row.ratios == pytest.approx([ratio] * 6)
    assert row.verdict == verdict
    assert f"- {ratio:.2f}" in table([row.result()])


def test_a_side_loads_nothing_but_its_own_revision(tmp_path: Path) -> None:
    side = Side("new", install(tmp_path / "new", None))
    with side.running():
        assert side.ask("echo", side.port, warm_up=1, count=2) > 0
    with Side("new", side.place, DROPIN, MAXIMUM_LENGTH).running() as dropin:
        path = str(image(tmp_path, 1000))
        assert dropin.ask("store", dropin.port, path=path, is_read=True, warm_up=1, count=2) > 0
    side.place = tmp_path / "elsewhere"
    with pytest.raises(BenchmarkFailed, match="new was loaded from"), side.running():
        pass


def test_a_revision_that_git_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFailed, match="no-such-revision"):
        install(tmp_path / "old", "no-such-revision")
