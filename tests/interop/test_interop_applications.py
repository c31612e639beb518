"""`dicomproto findscu`, `getscu` and `movescu` with the servers of DCMTK and pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    MR_IMAGE,
    PATIENT,
    STUDY_ROOT,
    WORKLIST,
    Held,
    dcmqrscp,
    differences,
    held_by,
    holdings,
    key_options,
    keys,
    paths,
    wlmscpfs,
    worklist_entry,
    write_small,
)
from tests.interop.catalogue import read_dataset
from tests.interop.programs import LOOPBACK, OURS, Done, run
from tests.interop.sides import THEIRS, again_if_an_answer_is_lost
from tests.ports import free_port

SUCCESS, SOME_FAILED, CANCEL, PENDING = 0x0000, 0xB000, 0xFE00, 0xFF00


def ask(
    tool: str,
    port: int,
    identifier: Dataset,
    *options: str | Path,
    model: str = "-S",
    called: str = "ARCHIVE",
) -> Done:
    """Run an application with the keys of an identifier; it fails only when it says why."""
    address = f"{called}@{LOOPBACK}:{port}"
    done = run([*OURS, tool, "--json", model, *options, *key_options(identifier), address])
    assert (done.status == 0) is bool(done.event("summary")["ok"]), done.everything
    return done


def matches(done: Done) -> list[Dataset]:
    """Return what findscu printed."""
    found = [event["dataset"] for event in done.events if event["event"] == "match"]
    return [Dataset.from_json(one) for one in found if isinstance(one, dict)]


def assert_stored(folder: Path, done: Done, expected: Sequence[Held]) -> None:
    """Assert that these objects, and nothing else, lie in a folder, and that the application says so."""
    wanted = {held.object.sop_instance_uid: held for held in expected}
    written = {str(event["path"]) for event in done.events if event["event"] == "object"}
    assert written == {str(path) for path in folder.iterdir()}
    for path in folder.iterdir():
        dataset = read_dataset(path)
        held = wanted.pop(dataset.SOPInstanceUID)
        assert dataset.file_meta.TransferSyntaxUID == held.object.transfer_syntax_uid
        assert differences(held, dataset) == [], held.object.name
    assert wanted == {}


def study() -> tuple[Dataset, list[Held]]:
    """Return the identifier that asks for a study, and its objects."""
    uid = max(
        {held.StudyInstanceUID for held in held_by(PatientID=PATIENT)},
        key=lambda value: len(held_by(StudyInstanceUID=value)),
    )
    some = held_by(StudyInstanceUID=uid)
    assert len(some) > 2
    return keys("STUDY", StudyInstanceUID=uid), some


def completed(done: Done) -> tuple[object, ...]:
    """Return the final status and the counts of sub-operations."""
    summary = done.event("summary")
    counts = [summary[f"suboperations_{name}"] for name in ("completed", "failed", "warning")]
    return summary["status"], *counts


# --- DCMTK's ----------------------------------------------------------------------------------------


@pytest.mark.dcmtk
def test_findscu_asks_dcmqrscp(tmp_path: Path) -> None:
    wanted = {(held.PatientID, held.StudyInstanceUID) for held in holdings() if held.PatientID == PATIENT}
    with dcmqrscp(tmp_path, paths(holdings())) as server:
        done = ask("findscu", server.port, keys("STUDY", PatientID=PATIENT, StudyInstanceUID=""))
    assert done.status == 0, done.everything
    found = [(match.PatientID, match.StudyInstanceUID) for match in matches(done)]
    assert sorted(found) == sorted(wanted)
    assert (done.event("summary")["matches"], done.event("summary")["status"]) == (len(wanted), SUCCESS)


@pytest.mark.dcmtk
def test_findscu_cancels_at_dcmqrscp(tmp_path: Path) -> None:
    """It takes no more than it wants, whether dcmqrscp is still at work then or has sent all already."""
    many = write_small(tmp_path / "many", 400)
    head = read_dataset(many[0])
    identifier = keys(
        "IMAGE",
        StudyInstanceUID=head.StudyInstanceUID,
        SeriesInstanceUID=head.SeriesInstanceUID,
        SOPInstanceUID="",
    )
    with dcmqrscp(tmp_path, many) as server:
        done = ask("findscu", server.port, identifier, "--cancel", "3")
    assert done.status == 0, done.everything
    assert {match.StudyInstanceUID for match in matches(done)} == {head.StudyInstanceUID}
    summary = done.event("summary")
    assert (len(matches(done)), summary["matches"], summary["cancelled"]) == (3, 3, True)
    assert summary["status"] in (SUCCESS, CANCEL)


@pytest.mark.dcmtk
def test_findscu_asks_wlmscpfs(tmp_path: Path) -> None:
    worklist = [worklist_entry(number, "CT" if number % 2 else "MR") for number in range(1, 7)]
    options = ["-k", "ScheduledProcedureStepSequence[0].Modality=CT"]
    options += ["-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID"]
    identifier = keys(SpecificCharacterSet="ISO_IR 192", PatientName="", AccessionNumber="")
    with wlmscpfs(tmp_path, worklist, "-csk") as server:
        done = ask("findscu", server.port, identifier, *options, model="-W", called="WORKLIST")
    assert done.status == 0, done.everything
    assert sorted(
        (str(match.PatientName), match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID)
        for match in matches(done)
    ) == [(f"Wörker^{number}", f"S{number}") for number in (1, 3, 5)]


@pytest.mark.dcmtk
def test_findscu_cancels_at_wlmscpfs(tmp_path: Path) -> None:
    """It is told to wait a second before each match."""
    worklist = [worklist_entry(number) for number in range(1, 21)]
    identifier = keys(SpecificCharacterSet="ISO_IR 192", PatientName="", PatientID="")
    with wlmscpfs(tmp_path, worklist, "--sleep-during", "1") as server:
        done = ask("findscu", server.port, identifier, "--cancel", "1", model="-W", called="WORKLIST")
    summary = done.event("summary")
    assert done.status == 0, done.everything
    assert (summary["matches"], summary["status"], summary["cancelled"]) == (1, CANCEL, True)


@pytest.mark.dcmtk
def test_getscu_retrieves_from_dcmqrscp(tmp_path: Path) -> None:
    identifier, some = study()
    with dcmqrscp(tmp_path / "archive", paths(held_by(PatientID=PATIENT))) as server:
        done = ask("getscu", server.port, identifier, "-od", tmp_path / "out")
    assert done.status == 0, done.everything
    assert completed(done) == (SUCCESS, len(some), 0, 0)
    assert_stored(tmp_path / "out", done, some)


@pytest.mark.dcmtk
def test_getscu_is_told_by_dcmqrscp_what_failed(tmp_path: Path) -> None:
    """Only CT images are asked for, of a patient who has others."""
    some = held_by(PatientID=PATIENT)
    images = [held for held in some if held.object.sop_class_uid == CT_IMAGE]
    others = {held.object.sop_instance_uid for held in some} - {
        held.object.sop_instance_uid for held in images
    }
    identifier = keys("PATIENT", PatientID=PATIENT)
    with dcmqrscp(tmp_path / "archive", paths(some)) as server:
        done = ask(
            "getscu", server.port, identifier, "--sop-class", "CT", "-od", tmp_path / "out", model="-P"
        )
    assert done.status == 1
    assert completed(done) == (SOME_FAILED, len(images), len(others), 0)
    failed = done.event("summary")["failed_uids"]
    assert isinstance(failed, list)
    assert set(failed) == others
    assert_stored(tmp_path / "out", done, images)


@pytest.mark.dcmtk
def test_movescu_has_dcmqrscp_send_to_itself(tmp_path: Path) -> None:
    identifier, some = study()
    port = free_port()
    options = ["--store", "--store-port", str(port), "-ba", LOOPBACK, "--store-aet", "HERE"]
    with dcmqrscp(tmp_path / "a", paths(held_by(PatientID=PATIENT)), destinations={"HERE": port}) as server:
        done = ask("movescu", server.port, identifier, *options, "-od", tmp_path / "out")
        nobody = ask("movescu", server.port, identifier, "-aem", "NOBODY")
    assert done.status == 0, done.everything
    assert completed(done) == (SUCCESS, len(some), 0, 0)
    assert_stored(tmp_path / "out", done, some)
    assert (nobody.status, nobody.event("summary")["status"]) == (1, 0xA801)


# --- pynetdicom's -----------------------------------------------------------------------------------


def providing(some: Sequence[Held], asked: list[Dataset], destination: object = None) -> Any:
    """Return a handler of C-GET, or with a destination of C-MOVE."""

    def handle(event: Any) -> Iterator[object]:
        asked.append(event.identifier)
        if destination is not None:
            yield destination if event.move_destination == "HERE" else (None, None)
        yield len(some)
        for held in some:
            yield PENDING, held.head

    return handle


def test_findscu_asks_pynetdicom() -> None:
    asked: list[Dataset] = []
    steps = [worklist_entry(number) for number in range(1, 21)]

    def find(event: Any) -> Iterator[object]:
        asked.append(event.identifier)
        for step in steps:
            if event.is_cancelled:
                yield CANCEL, None
                return
            yield PENDING, step

    identifier = keys(SpecificCharacterSet="ISO_IR 192", PatientName="Wörker*", PatientID="")
    with THEIRS.serving({"C_FIND": find}, WORKLIST) as port:
        done = ask("findscu", port, identifier, model="-W")
    assert done.status == 0, done.everything
    assert matches(done) == steps
    assert asked == [identifier]


@pytest.mark.parametrize("tool", ["getscu", "movescu"])
@again_if_an_answer_is_lost
def test_retrieval_from_pynetdicom(tool: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    identifier, some = study()
    asked: list[Dataset] = []
    out = tmp_path_factory.mktemp("out")
    here = free_port()
    options: list[str | Path] = ["-od", out]
    if tool == "getscu":
        service, model, to = "C_GET", STUDY_ROOT.get, None
    else:
        service, model, to = "C_MOVE", STUDY_ROOT.move, THEIRS.destination(here, CT_IMAGE, MR_IMAGE)
        options += ["--store", "--store-port", str(here), "-ba", LOOPBACK, "--store-aet", "HERE"]
    contexts = [(uid, [EXPLICIT]) for uid in (CT_IMAGE, MR_IMAGE)]
    with THEIRS.serving({service: providing(some, asked, to)}, model, *contexts) as port:
        done = ask(tool, port, identifier, *options)
    assert done.status == 0, done.everything
    assert completed(done) == (SUCCESS, len(some), 0, 0)
    assert asked == [identifier]
    assert_stored(out, done, some)
