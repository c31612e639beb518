"""A modality worklist (PS3.4 Annex K): a schedule, and modalities that query it."""

from __future__ import annotations

from datetime import date

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicomproto.errors import DataSetError
from dicomproto.matching import Query, worklist_query
from dicomproto.services.sop_classes import ModalityWorklistInformationModelFind
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"


# --- the department's schedule: the SCP ---------------------------------------------------------


def scheduled(name, patient_id, accession_number, station, modality, day, time, description):
    """Return an entry of the worklist: one scheduled procedure step, with its patient and its order."""
    step = Dataset()
    step.ScheduledStationAETitle = station
    step.Modality = modality
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = time
    step.ScheduledProcedureStepDescription = description
    step.ScheduledProcedureStepID = f"S{accession_number}"
    entry = Dataset()
    entry.PatientName = name
    entry.PatientID = patient_id
    entry.AccessionNumber = accession_number
    entry.RequestedProcedureID = f"R{accession_number}"
    entry.StudyInstanceUID = generate_uid(entropy_srcs=[accession_number])
    entry.ScheduledProcedureStepSequence = [step]
    return entry


WORKLIST = [
    scheduled("Doe^Jane", "P1", "1001", "CT1", "CT", "20240115", "083000", "Head without contrast"),
    scheduled("Roe^Richard", "P2", "1002", "CT1", "CT", "20240116", "100000", "Chest"),
    scheduled("Müller^Hans", "P3", "1003", "CT2", "CT", "20240115", "093000", "Schädel"),
    scheduled(
        "Yamada^Tarou=山田^太郎=やまだ^たろう", "P4", "1004", "MR1", "MR", "20240115", "110000", "Knee"
    ),
]


def handle_find(event, worklist):
    """Answer a C-FIND with the entries that match."""
    try:
        query = Query(event.identifier)
    except DataSetError as error:
        status = Dataset()
        status.Status = 0xA900  # the identifier does not match the SOP class
        status.ErrorComment = str(error)[:64]
        yield status, None
        return
    for entry in worklist:
        if event.is_cancelled:
            yield 0xFE00, None
            return
        if query.matches(entry):
            yield 0xFF00, query.response(entry)


def department():
    """Return the application entity that has the worklist."""
    ae = AE(ae_title="RIS")
    ae.add_supported_context(ModalityWorklistInformationModelFind)
    return ae


# --- a modality: the SCU ------------------------------------------------------------------------


def ask(assoc, title, identifier):
    """Send a C-FIND and show the matches."""
    print(title)
    for response, entry in assoc.send_c_find(identifier, ModalityWorklistInformationModelFind):
        if entry is None:
            print(f"  {response.Status:04X} {response.status.meaning}")
            continue
        for step in entry.ScheduledProcedureStepSequence:
            when = f"{step.ScheduledProcedureStepStartDate} {step.ScheduledProcedureStepStartTime}"
            print(
                f"  {when} {entry.AccessionNumber} {entry.PatientName} ({entry.get('SpecificCharacterSet')})"
            )


def main():
    modality = AE(ae_title="CT1")
    modality.add_requested_context(ModalityWorklistInformationModelFind)
    today = date(2024, 1, 15)

    handlers = [(evt.EVT_C_FIND, handle_find, [WORKLIST])]
    with (
        department().start_server((HOST, 0), block=False, evt_handlers=handlers) as server,
        modality.associate(HOST, server.port, ae_title="RIS") as assoc,
    ):
        mine = worklist_query(ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate=(today, None))
        ask(assoc, "from today on, on this scanner", mine)

        every_ct = worklist_query(Modality="CT", ScheduledProcedureStepStartDate=(today, today))
        ask(assoc, "every CT of today", every_ct)

        ask(assoc, "by a name, in any writing", worklist_query(PatientName="山田*"))

        little = worklist_query(return_keys=["AccessionNumber"], PatientName="*DOE*", StudyInstanceUID=None)
        little.ScheduledProcedureStepSequence = []  # all of it
        ask(assoc, "by a part of a name, and little in return", little)


if __name__ == "__main__":
    main()
