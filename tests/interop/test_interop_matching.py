"""The query helper and DCMTK: it finds what wlmscpfs finds in a worklist, and knows what findscu asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicomproto.matching import Query, worklist_query
from dicomproto_transports.blocking import evt
from tests.interop.archives import WORKLIST, associated, serving, told, wlmscpfs
from tests.interop.programs import dcmtk, run

pytestmark = pytest.mark.dcmtk

PENDING, SUCCESS = 0xFF00, 0x0000

ENTRIES = [  # accession number, name, ID, station, modality, day, hour, physician
    ("A1", "Doe^Jane", "P1", "CT1", "CT", "20240115", "083000", "House^G"),
    ("A2", "Doe^John", "P2", "CT1", "CT", "20240116", "1000", "House^G"),
    ("A3", "Roe^Richard", "P3", "CT2", "CT", "20240115", "2330", "Wilson^J"),
    ("A4", "Müller^Hans", "P4", "MR1", "MR", "20240117", "000000.5", "Wilson^J"),
    ("A5", "Doe", "P 5", "MR1", "MR", "20240131", "120000", "Cuddy^L"),
    ("A6", "O'Neil^J.[x](y)", "P*6", "US1", "US", "20231231", "235959", "Cuddy^L"),
]


def entry(
    accession: str, name: str, patient: str, station: str, modality: str, day: str, hour: str, physician: str
) -> Dataset:
    """Return an entry of the worklist with all that wlmscpfs insists on."""
    made = worklist_query(
        SpecificCharacterSet="ISO_IR 192",
        AccessionNumber=accession,
        PatientName=name,
        PatientID=patient,
        PatientBirthDate="19700101",
        PatientSex="O",
        StudyInstanceUID=f"1.2.826.0.1.3680043.8.498.6.{accession[1:]}",
        RequestedProcedureID=f"R{accession}",
        RequestedProcedureDescription="Procedure",
        ScheduledStationAETitle=station,
        Modality=modality,
        ScheduledProcedureStepStartDate=day,
        ScheduledProcedureStepStartTime=hour,
        ScheduledPerformingPhysicianName=physician,
        ScheduledProcedureStepDescription="Step",
        ScheduledProcedureStepID=f"S{accession}",
    )
    del made.ReferencedStudySequence, made.ReferencedPatientSequence, made.RequestedProcedureCodeSequence
    del made.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence
    return made


KEYS: list[dict[str, object]] = [
    {},
    {"PatientName": "Doe^Jane"},
    {"PatientName": "Doe^J*"},
    {"PatientName": "Doe*"},
    {"PatientName": "*J*"},
    {"PatientName": "Doe^J?n?"},
    {"PatientName": "Müller*"},
    {"PatientName": "*[x](y)"},
    {"PatientName": "*.*"},
    {"PatientID": "P1"},
    {"PatientID": "p1"},
    {"PatientID": "P*6"},
    {"PatientID": "*"},
    {"AccessionNumber": "A*"},
    {"AccessionNumber": "A"},
    {"ScheduledStationAETitle": "CT1"},
    {"ScheduledStationAETitle": "ct1"},
    {"Modality": "CT"},
    {"Modality": "CT", "ScheduledStationAETitle": "CT2"},
    {"Modality": "CT", "ScheduledStationAETitle": "MR1"},
    {"ScheduledPerformingPhysicianName": "House*"},
    {"ScheduledProcedureStepStartDate": "20240115"},
    {"ScheduledProcedureStepStartDate": "20240115-20240116"},
    {"ScheduledProcedureStepStartDate": "20240116-"},
    {"ScheduledProcedureStepStartDate": "-20240115"},
    {"ScheduledProcedureStepStartDate": "20240201-20240229"},
    {"ScheduledProcedureStepStartTime": "0800-1200"},
    {"ScheduledProcedureStepStartTime": "120000-"},
    {"ScheduledProcedureStepStartTime": "-083000"},
    {"ScheduledProcedureStepStartTime": "100000"},
    {"ScheduledProcedureStepStartTime": "1000"},
    {"Modality": "CT", "PatientName": "Doe*", "ScheduledProcedureStepStartDate": "20240116-20240131"},
]

MORE_THAN_WLMSCPFS: list[dict[str, object]] = [
    {"PatientID": "P?"},  # of these, PS3.4 Table K.6-1 asks for single value matching alone
    {"ScheduledStationAETitle": "CT?"},
    {"Modality": "C*"},
    {"PatientName": "M?ller^Hans"},  # for wlmscpfs a "?" is a byte, and the ü has two
]

RETURNED = ("AccessionNumber", "PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID")
RETURNED_OF_STEP = ("ScheduledStationAETitle", "Modality", "ScheduledProcedureStepID")


def facts(answer: Dataset) -> list[str]:
    (step,) = answer.ScheduledProcedureStepSequence
    return [str(answer[k].value) for k in RETURNED] + [str(step[k].value) for k in RETURNED_OF_STEP]


def test_the_same_is_found_as_by_wlmscpfs(tmp_path: Path) -> None:
    worklist = [entry(*row) for row in ENTRIES]
    with (
        wlmscpfs(tmp_path, worklist, "-csk") as server,
        associated(server.port, WORKLIST, called="WORKLIST") as association,
    ):
        for keys in KEYS:
            identifier = worklist_query(
                return_keys=(*RETURNED, *RETURNED_OF_STEP), SpecificCharacterSet="ISO_IR 192", **keys
            )
            *matches, (final, _) = association.send_c_find(identifier, WORKLIST)
            query = Query(identifier)
            ours = [facts(query.response(one)) for one in worklist if query.matches(one)]
            theirs = [facts(answer) for _, answer in matches if answer is not None]
            assert final.Status == SUCCESS
            assert sorted(ours) == sorted(theirs), keys


@pytest.mark.parametrize("keys", [*KEYS[1:], *MORE_THAN_WLMSCPFS], ids=str)
def test_findscu_is_understood(keys: dict[str, object]) -> None:
    worklist = [entry(*row) for row in ENTRIES]

    def handle(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        query = Query(event.identifier)
        for one in worklist:
            if query.matches(one):
                yield PENDING, query.response(one)

    options = ["-k", "SpecificCharacterSet=ISO_IR 192"]
    for keyword, value in keys.items():
        place = (
            "ScheduledProcedureStepSequence[0]." if "Scheduled" in keyword or keyword == "Modality" else ""
        )
        options += ["-k", f"{place}{keyword}={value}"]
    with serving((evt.EVT_C_FIND, handle), contexts=[WORKLIST]) as port:
        done = run([*dcmtk("findscu"), "-d", "-W", *options, "127.0.0.1", str(port)])
    *pending, final = told(done.everything)
    query = Query(worklist_query(SpecificCharacterSet="ISO_IR 192", **keys))
    assert final.status == SUCCESS
    assert [one.status for one in pending] == [PENDING] * sum(query.matches(one) for one in worklist)
