"""Every row of the documented fault table is provoked, and answered as the table says."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from dicomproto import Limits, Timeouts

DOCS = Path(__file__).resolve().parent.parent / "docs"

sys.path.insert(0, str(DOCS))
try:
    import faults
    import provoking
finally:
    sys.path.remove(str(DOCS))

ROWS = [row for section in faults.SECTIONS for row in section.rows]
ENGINE_ROWS = [row for row in ROWS if not isinstance(row, provoking.SERVED)]


@pytest.mark.parametrize("row", ENGINE_ROWS, ids=lambda row: row.fault)
def test_a_fault_is_answered_as_the_table_says(row: provoking.Wire) -> None:
    assert row.provoke() == row.expected


def test_the_table_names_each_fault_once() -> None:
    named = [(row.fault, row.expected) for row in ROWS]
    assert len(set(named)) == len(named)
    assert len(ROWS) >= 70


def test_every_abort_reason_and_rejection_of_the_standard_that_we_use_has_a_row() -> None:
    answers = {row.expected.answer for row in ROWS}
    aborts = {(a.source, a.reason) for a in answers if isinstance(a, faults.Abort)}
    rejections = {(a.result, a.source, a.reason) for a in answers if isinstance(a, faults.AssociateRJ)}
    assert aborts == {(0, 0), (2, 0), (2, 1), (2, 2), (2, 5), (2, 6)}
    assert rejections >= {(1, 1, 2), (1, 1, 3), (1, 1, 7), (1, 2, 2), (1, 2, 1), (1, 3, 2), (2, 3, 2)}


def test_every_limit_and_every_timeout_has_a_row() -> None:
    faults_named = " ".join(row.fault for row in ROWS)
    for limit in inspect.signature(Limits).parameters:
        assert f"Limits.{limit}`" in faults_named
    timers = {row.timer for row in ROWS if isinstance(row, provoking.Wait)}
    of_the_adapters = {"connect", "tls", "proxy", "write"}  # waits that the engine knows nothing of
    assert timers | of_the_adapters == set(inspect.signature(Timeouts).parameters)
