"""The programs of the pages for pynetdicom's users do the same before and after the move.

Whole programs, as on the pages: the archive with pynetdicom and with the drop-in, the sender with pynetdicom
and with two flavours of the library. Their peers are of real pynetdicom.
"""

from __future__ import annotations

import difflib
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pynetdicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from dicomproto_transports.pynetdicom.migrate import migrated
from tests.ports import free_port

DOCS = Path(__file__).parents[2] / "docs"
MOVING = DOCS / "examples" / "moving"
LOOPBACK = "127.0.0.1"
FIND = StudyRootQueryRetrieveInformationModelFind

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom leaves sockets open."""


def sample(name: str) -> Any:
    return dcmread(pydicom.data.get_testdata_file(name, download=False))


# --- the archive, before and after -----------------------------------------------------------------


def ask(port: int) -> list[object]:
    """Use an archive as a modality and a workstation; return what came of it."""
    ct, mr = sample("CT_small.dcm"), sample("MR_small.dcm")
    ae = pynetdicom.AE("MODALITY")
    for uid in (Verification, CTImageStorage, MRImageStorage, FIND):
        ae.add_requested_context(uid)
    stranger = ae.associate(LOOPBACK, port, ae_title="OTHER")
    answer = stranger.acceptor.primitive
    seen: list[object] = [stranger.is_rejected, (answer.result, answer.result_source, answer.diagnostic)]
    assoc = ae.associate(LOOPBACK, port, ae_title="ARCHIVE")
    seen += [[cx.transfer_syntax for cx in assoc.accepted_contexts], assoc.send_c_echo()]
    seen += [assoc.send_c_store(instance, msg_id=number) for number, instance in enumerate((ct, mr, ct), 7)]
    for level, patient in (("STUDY", ""), ("STUDY", ct.PatientID), ("STUDY", "none"), ("IMAGE", "")):
        query = Dataset()
        query.QueryRetrieveLevel, query.PatientID, query.StudyInstanceUID = level, patient, ""
        seen += assoc.send_c_find(query, FIND)
    assoc.release()
    return [*seen, assoc.is_released]


def run_archive(name: str, folder: Path) -> tuple[list[object], str, int]:
    """Run an archive, use it and end it; return what a peer saw, what it printed and its exit status."""
    folder.mkdir()
    command = [sys.executable, "-W", "error", str(MOVING / f"{name}.py"), str(folder), "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as archive:
        assert archive.stdout is not None
        first = archive.stdout.readline()
        assert first.startswith("listens on port "), first + archive.stdout.read()
        seen = ask(int(first.split()[-1]))
        printed, _ = archive.communicate(timeout=60)
    return seen, printed, archive.returncode


def test_the_archive_does_the_same_after_the_move(tmp_path: Path) -> None:
    before = run_archive("archive_pynetdicom", tmp_path / "before")
    after = run_archive("archive_drop_in", tmp_path / "after")
    assert before[1].splitlines() == [
        "MODALITY at 127.0.0.1",
        "CT Image Storage, Implicit VR Little Endian, message 7",
        "MR Image Storage, Implicit VR Little Endian, message 8",
        "CT Image Storage, Implicit VR Little Endian, message 9",
        "2 objects",
    ]
    assert after == before
    stored = [
        {path.name: dcmread(path) for path in (tmp_path / name).iterdir()} for name in ("before", "after")
    ]
    assert stored[0] == stored[1]


def test_migrate_makes_of_the_archive_what_the_page_shows() -> None:
    before, after = ((MOVING / f"archive_{name}.py").read_text() for name in ("pynetdicom", "drop_in"))
    assert migrated(before) == (after, [])
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert all(line[2:].startswith("from ") for line in changed)


# --- the sender, before and after ------------------------------------------------------------------


@pytest.fixture(
    params=["serves", "fails", "rejects", "is down", "accepts nothing", "aborts a store", "aborts a query"]
)
def peer(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of an archive of pynetdicom, and how it behaves."""
    manner = request.param
    if manner == "is down":
        yield free_port()
        return
    sent = sample("CT_small.dcm").SOPInstanceUID

    def store(event: Any) -> Any:
        if manner == "aborts a store":
            event.assoc.abort()
        status = Dataset()
        status.Status = 0x0000
        if manner == "fails" and event.request.AffectedSOPInstanceUID == sent:
            status.Status, status.ErrorComment = 0xA700, "the disk is full"
        return status

    def find(event: Any) -> Iterator[Any]:
        for uid in ("1.2.3", "1.2.4"):
            match = Dataset()
            match.QueryRetrieveLevel, match.PatientID, match.StudyInstanceUID = "STUDY", "ID", uid
            yield 0xFF00, match
            if manner == "aborts a query":
                event.assoc.abort()
                return

    ae = pynetdicom.AE("OTHER" if manner == "rejects" else "ARCHIVE")
    ae.require_called_aet = True
    ae.add_supported_context("1.2.3.4" if manner == "accepts nothing" else FIND)
    if manner != "accepts nothing":
        ae.add_supported_context(CTImageStorage)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find)]
    server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        ae.shutdown()


def run_sender(
    flavour: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str, str]:
    """Run a sender; return its exit status, and what it printed to each stream."""
    monkeypatch.setattr(sys, "argv", ["sender.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(MOVING / f"sender_{flavour}.py"), run_name="__main__")
    return end.value.code, *capsys.readouterr()


def test_the_sender_does_the_same_after_the_move(
    peer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm"):
        sample(name).save_as(tmp_path / name)
    before, *after = (
        run_sender(flavour, [str(tmp_path), LOOPBACK, str(peer)], monkeypatch, capsys)
        for flavour in ("pynetdicom", "blocking", "trio")
    )
    assert before[1]
    assert after == [before, before]


def test_the_pages_show_the_programs() -> None:
    pages = "".join((DOCS / f"{name}.md").read_text() for name in ("pynetdicom-drop-in", "from-pynetdicom"))
    for path in MOVING.glob("*.py"):
        assert f"examples/moving/{path.name}" in pages
