"""The comparison of two revisions: what it loads, and what it calls slower."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.benchmarks import goals
from tests.benchmarks.against import BOUND, BenchmarkFailed, Row, Side, image, install
from tests.benchmarks.dropin import DROPIN, MAXIMUM_LENGTH
from tests.benchmarks.plot import table

SIDES = Side("old", Path("old")), Side("new", Path("new"))


def verdict(*rates: float) -> bool:
    """Tell whether a row fails whose new side has these rates, in hundredths of the old one's, in turn."""
    turn = itertools.cycle(rates)
    row = Row("any", lambda side, count: 1.0 if side.name == "old" else 100 / next(turn), 1)
    for number in range(6):
        row.pair(*(SIDES if number % 2 == 0 else SIDES[::-1]))
    return row.failed


def test_a_row_fails_when_most_of_its_ratios_lie_below_the_bound() -> None:
    assert BOUND == 0.97
    assert verdict(96.0)
    assert not verdict(97.5)
    assert not verdict(100.0)
    noisy = [90.0, 90.0, 105.0, 105.0, 96.0, 96.0]  # two turns a pair
    assert not verdict(*noisy)
    assert verdict(*(rate - 9 for rate in noisy))


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
    row = goals.Row("any", "any", goal, lambda n: n * ours, lambda n: n * theirs, is_time=is_time)
    for number in range(4):
        row.pair((3, 5), ours_first=number % 2 == 0)
    assert row.ratios == pytest.approx([ratio] * 4)
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
