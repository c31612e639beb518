"""The tables of hostile input and of quirks, as the tests have them: `tests/suites`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.suites.hostile import HOSTILE
from tests.suites.quirks import QUIRKS
from tests.suites.rows import Row

TABLES = {"hostile": HOSTILE, "quirks": QUIRKS}
HEADER = ("The peer", "dicomproto", "Proof")


def cells(row: Row) -> tuple[str, str, str]:
    """Return what the peer does, what is made of it, and the tests that prove it."""
    return row.peer, f"{row.answer}. {row.cannot}".rstrip(" ."), "\n\n".join(proof(row))


def proof(row: Row) -> Iterator[str]:
    """Yield the name under which the inputs of a row are tested, and the other tests."""
    if row.inputs:
        yield f"``{row.row}-{row.name}``, {len(row.inputs)} inputs"
    yield from (f"``{test.removeprefix('tests/')}``" for test in row.tests)
