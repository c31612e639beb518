"""Programs with the habits of pynetdicom's users do the same with the drop-in, against the same peers.

Each lies in `programs/`, written for pynetdicom, and is moved by the command `migrate`. Those in `scu/` ask a
peer of real pynetdicom, those in `server/` are asked by one and by DCMTK's tools, those in `plain/` are both
sides. `programs/outcomes.json` has what each does with pynetdicom, in each situation; it is written anew by
`python tests/pynetdicom/blocks/table.py --own --write`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.interop.programs import Done, dcmtk_storescp, run
from tests.pynetdicom.blocks import table

MIGRATE = [sys.executable, "-m", "dicomproto_transports.pynetdicom", "migrate"]
SENDERS = ("retry_sender.py", "folder_sender.py", "echo_monitor.py", "context_juggler.py")
"""Those for which DCMTK's storescp is a peer."""


def test_table_has_each_program_in_each_situation() -> None:
    recorded = json.loads(table.RECORDED[True].read_text(encoding="utf-8"))
    jobs = table.jobs(own=True)
    assert sorted(recorded) == sorted(table.key(job) for job in jobs)
    assert len({job["name"] for job in jobs}) >= 40


@pytest.mark.dcmtk
def test_each_program_does_the_same_with_the_drop_in() -> None:
    assert not table.differing(own=True)


@pytest.mark.dcmtk
@pytest.mark.slow
def test_table_is_what_pynetdicom_does() -> None:
    assert not table.outdated(own=True)


def test_migrate_changes_import_lines_alone_and_finds_nothing_that_differs() -> None:
    done = run([*MIGRATE, table.OWN])
    assert done.status == 0, done.everything
    changed = [line for line in done.output.splitlines() if line.startswith(("+", "-"))]
    assert len(changed) > 200
    assert all("pynetdicom" in line for line in changed if not line.startswith(("+++", "---")))


@pytest.mark.dcmtk
def test_senders_do_the_same_against_dcmtk(tmp_path: Path) -> None:
    """Each is a process of its own here; both packages run against one server."""
    folders = {package: tmp_path / package for package in ("pynetdicom", "drop-in")}
    for folder in folders.values():
        folder.mkdir()
        table.data_folder(folder)
        for name in SENDERS:
            shutil.copy(table.OWN / "scu" / name, folder)
    assert run([*MIGRATE, "--write", *(folders["drop-in"] / name for name in SENDERS)]).status == 0

    with dcmtk_storescp(tmp_path) as peer:

        def outcome(folder: Path, name: str) -> Done:
            return run([sys.executable, "-W", "ignore", folder / name, str(peer.port), "0"], folder)

        for name in SENDERS:
            theirs, ours = (outcome(folder, name) for folder in folders.values())
            assert (ours.status, ours.output) == (theirs.status, theirs.output), name
            assert ours.output
