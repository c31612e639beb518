"""The examples of pynetdicom's documents do the same with the drop-in, whatever the other side does.

`blocks/outcomes.json` has what each does with pynetdicom; it is written anew by
`python tests/pynetdicom/blocks/table.py --write`. Each program runs against
a peer of real pynetdicom, or is asked by one.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pynetdicom.blocks import table

DIFFERENT = {
    "1.5.7/README.rst:307 alone": "it runs: pynetdicom 3 has dropped `VerificationSOPClass`",
}
"""What does otherwise, and why."""


def text_of(differing: dict[str, Any], theirs: dict[str, Any]) -> str:
    lines = []
    for name, ours in differing.items():
        lines += [
            f"{name}: {part}\n  pynetdicom: {theirs[name][part]}\n  drop-in:    {ours[part]}"
            for part in table.differences(ours, theirs[name])
        ]
    return "\n".join(lines)


def test_table_has_each_program_in_each_situation() -> None:
    recorded = json.loads(table.RECORDED[False].read_text(encoding="utf-8"))
    assert sorted(recorded) == sorted(table.key(job) for job in table.jobs())
    assert len({job["name"] for job in table.jobs()}) >= 66
    assert len(DIFFERENT) <= 3
    assert set(DIFFERENT) <= set(recorded)


def test_each_program_does_the_same_with_the_drop_in() -> None:
    recorded = json.loads(table.RECORDED[False].read_text(encoding="utf-8"))
    jobs = table.jobs()
    ours = table.run(jobs, table.DROP_IN)
    suspects = [job for job in jobs if table.short(ours[table.key(job)]) != recorded[table.key(job)]]
    assert {table.key(job) for job in suspects} >= set(DIFFERENT)
    # A busy machine changes the order of what happens at once: what differs runs again, beside pynetdicom.
    suspects = [job for job in suspects if table.key(job) not in DIFFERENT]
    for _ in range(2):
        ours, theirs = table.run(suspects, table.DROP_IN), table.run(suspects, "pynetdicom")
        suspects = [
            job for job in suspects if table.differences(ours[table.key(job)], theirs[table.key(job)])
        ]
    assert not suspects, text_of({table.key(job): ours[table.key(job)] for job in suspects}, theirs)


@pytest.mark.slow
def test_table_is_what_pynetdicom_does() -> None:
    recorded = json.loads(table.RECORDED[False].read_text(encoding="utf-8"))
    jobs = table.jobs()
    for _ in range(3):
        theirs = table.run(jobs, "pynetdicom")
        jobs = [job for job in jobs if table.short(theirs[table.key(job)]) != recorded[table.key(job)]]
    assert not [table.key(job) for job in jobs]
