"""The known weaknesses of pynetdicom are not ours: a hostile or unlucky peer on a bare socket each.

What pynetdicom itself makes of the same peers is in verdicts.json, by `python -m tests.weaknesses --write`.
"""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

import pytest

import dicomproto_transports  # noqa: F401 - what is tested, though it is imported by the targets
from tests.weaknesses import hostile, provider
from tests.weaknesses.products import Ours, OursServed
from tests.weaknesses.running import CANNOT, FAILS, PASSES, judge
from tests.weaknesses.table import WEAKNESSES, Probe

ROWS = [*range(1, 31), 33, 34, 35, 42]
PROBES = [(one.row, probe) for one in WEAKNESSES for probe in one.probes]


def params(probes: list[tuple[int, Probe]]) -> list[object]:
    return [pytest.param(probe, id=f"{row:02}-{probe.__name__}") for row, probe in probes]


OF_SERVERS = [
    (row, probe)
    for row, probe in PROBES
    if probe.__module__ in (hostile.__name__, provider.__name__) and probe not in hostile.OF_APPLICATIONS
]
VERDICTS = json.loads(Path(__file__).with_name("verdicts.json").read_text(encoding="utf-8"))
BY_ROW = {one.row: one for one in WEAKNESSES}


def test_each_of_the_34_weaknesses_has_its_row_and_a_probe() -> None:
    assert [one.row for one in WEAKNESSES] == ROWS
    assert len(ROWS) == 34
    assert all(one.probes for one in WEAKNESSES)


@pytest.mark.parametrize("probe", params(PROBES))
def test_ours_does_not_have_it(probe: Probe) -> None:
    probe(Ours())


@pytest.mark.parametrize("backend", ["trio", "anyio-asyncio", "anyio-trio"])
@pytest.mark.parametrize("probe", params(OF_SERVERS))
def test_our_other_servers_do_not_have_it(probe: Probe, backend: str) -> None:
    probe(OursServed(backend))


@pytest.mark.parametrize("row", [one.row for one in WEAKNESSES if one.optimized])
def test_ours_does_not_have_it_under_python_o(row: int) -> None:
    assert judge(BY_ROW[row], "dicomproto").verdict == PASSES


def test_the_verdicts_on_pynetdicom_are_those_of_this_table() -> None:
    rows = VERDICTS["rows"]
    assert {int(row): one["weakness"] for row, one in rows.items()} == {
        one.row: one.text for one in WEAKNESSES
    }
    for one in rows.values():
        assert one["verdict"] in (PASSES, FAILS, CANNOT)
        assert bool(one["reason"]) is (one["verdict"] != PASSES)


PATIENCE = (4, 16, 32)
"""Seconds that an answer of pynetdicom is waited for, in one attempt after the other: a busy system is slow.
The kept verdicts are those of the first."""
QUICK = (7, 15, 21, 29)
RACES = (35,)
"""Rows of which not every probe shows the weakness every time: one of them is enough."""
HAVE_SQLALCHEMY = importlib.util.find_spec("sqlalchemy") is not None


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[] if row in QUICK else pytest.mark.slow)
        for row in ROWS
        if row != 12 or HAVE_SQLALCHEMY  # without it pynetdicom's qrscp does not run
    ],
)
def test_the_verdicts_on_pynetdicom_can_be_had_again(row: int) -> None:
    """Now and then pynetdicom loses an answer between its threads, and what shows is that."""
    assert VERDICTS["pynetdicom"] == version("pynetdicom")
    kept = VERDICTS["rows"][str(row)]
    seen = []
    for patience in PATIENCE:
        seen.append(judge(BY_ROW[row], "pynetdicom", patience))
        reason = kept["reason"].replace(f" {PATIENCE[0]} s", f" {patience} s")
        known = {reason, *(reason.split("; ") if row in RACES else ())}
        if seen[-1].verdict == kept["verdict"] and seen[-1].reason in known:
            return
    assert seen == [kept] * len(PATIENCE)
