"""The examples of pynetdicom's documents do the same with the drop-in, whatever the other side does.

`blocks/outcomes.json` has what each does with pynetdicom; it is written anew by
`python tests/pynetdicom/blocks/table.py --write`. Each program runs against
a peer of real pynetdicom, or is asked by one.
"""

from __future__ import annotations

import json

import pytest

from dicomproto_transports.pynetdicom.migrate import migrated
from tests.pynetdicom.blocks import table

DIFFERENT = {
    "1.5.7/README.rst:307 alone": "it runs: pynetdicom 3 has dropped `VerificationSOPClass`",
}
"""What does otherwise, and why."""


def test_table_has_each_program_in_each_situation() -> None:
    recorded = json.loads(table.RECORDED[False].read_text(encoding="utf-8"))
    assert sorted(recorded) == sorted(table.key(job) for job in table.jobs())
    assert len({job["name"] for job in table.jobs()}) >= 66
    assert len(DIFFERENT) <= 3
    assert set(DIFFERENT) <= set(recorded)


def test_each_program_does_the_same_with_the_drop_in() -> None:
    assert not table.differing(expected=DIFFERENT)


@pytest.mark.slow
def test_table_is_what_pynetdicom_does() -> None:
    assert not table.outdated()


SHOWN_OTHERWISE = {
    "ae_scp.rst:119", "ae_scp.rst:140", "ae_scu.rst:123", "ae_scu.rst:143",
    "presentation_introduction.rst:53",
}  # fmt: skip
"""Programs that print a presentation context, which the library shows on one line."""


@pytest.mark.slow
def test_what_is_migrated_to_the_library_without_a_finding_does_the_same() -> None:
    jobs = []
    for job in table.jobs():
        text, findings = migrated(job["text"], "blocking")
        if job["situation"] in ("serves", "asks", "alone") and not findings:
            jobs.append((job, job | {"moved": text}))
    assert len(jobs) > 50
    for _ in range(3):  # a busy machine changes the order of what happens at once
        theirs = table.run([before for before, _ in jobs], "pynetdicom")
        ours = table.run([after for _, after in jobs], table.DROP_IN)
        parts = ("exit", "output", "error", "files")
        jobs = [
            job
            for job, name in ((job, table.key(job[0])) for job in jobs)
            if any(ours[name][part] != theirs[name][part] for part in parts)
        ]
    assert {job["name"].rpartition("/")[2] for job, _ in jobs} == SHOWN_OTHERWISE
