"""The rows of both tables that are bytes on the wire, put to the engine in both roles."""

from __future__ import annotations

import pytest

from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.suites.rows import Row, check_on_engine


def cases(rows: tuple[Row, ...]) -> list[object]:
    """Return the rows with inputs for a role, under the names of their tests."""
    return [
        pytest.param(row, role, id=f"{row.row}-{row.name}-{role}")
        for row in rows
        for role in ("acceptor", "requestor")
        if row.of(role)
    ]


@pytest.mark.parametrize(("row", "role"), cases(HOSTILE))
def test_hostile(row: Row, role: str) -> None:
    check_on_engine(row.of(role))


@pytest.mark.parametrize(("row", "role"), cases(QUIRKS))
def test_quirk(row: Row, role: str) -> None:
    check_on_engine(row.of(role))
