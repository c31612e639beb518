"""Modality Performed Procedure Step (PS3.4 Annex F): a modality reports its steps, a manager keeps them."""

from __future__ import annotations

from threading import Lock

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid

from dicomproto.datasets import use_utf_8
from dicomproto.errors import DataSetError
from dicomproto.services.sop_classes import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
)
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"


# --- the manager: the SCP -----------------------------------------------------------------------

REQUIRED = (
    "PerformedProcedureStepID",
    "ScheduledStepAttributesSequence",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
)
"""Attributes that need a value in an N-CREATE, besides the status (PS3.4 Table F.7.2-1, type 1)."""

FIXED = (
    *REQUIRED,
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientBirthDate",
    "PatientSex",
    "ReferencedPatientSequence",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "ServiceEpisodeID",
    "IssuerOfServiceEpisodeIDSequence",
    "ServiceEpisodeDescription",
    "PerformedStationName",
    "PerformedLocation",
    "StudyID",
)
"""Attributes that an N-SET may not change (PS3.4 Table F.7.2-1, "Not allowed")."""

FINAL = ("PerformedSeriesSequence", "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime")
"""Attributes that need a value at either end of the step (PS3.4 Table F.7.2-1)."""

FINAL_OF_SERIES = ("ProtocolName", "SeriesInstanceUID")
"""The same of each series."""

SPECIFIC_CHARACTER_SET = 0x00080005  # ASCII text does not need it


def failure(status, comment, error_id=None):
    """Return a status with further elements."""
    result = Dataset()
    result.Status = status
    result.ErrorComment = comment
    if error_id is not None:
        result.ErrorID = error_id
    return result


class Manager:
    """Performed procedure steps by SOP Instance UID; each association has its own thread."""

    def __init__(self):
        self.steps = {}
        self.lock = Lock()

    def create(self, event):
        uid, step = event.request.AffectedSOPInstanceUID or generate_uid(), event.attribute_list
        try:
            use_utf_8(step)
        except DataSetError:
            return failure(0x0106, "a value cannot be read"), None
        for keyword in REQUIRED:
            if not step.get(keyword):
                return failure(0x0121 if keyword in step else 0x0120, f"{keyword} is missing"), None
        if step.get("PerformedProcedureStepStatus") != "IN PROGRESS":
            return failure(0x0106, "a step begins IN PROGRESS"), None
        with self.lock:
            if self.steps.setdefault(uid, step) is not step:
                return 0x0111, None  # duplicate SOP instance
        reply = Dataset()
        reply.AffectedSOPInstanceUID = uid
        return 0x0000, reply

    def set(self, event):
        uid, changes = event.request.RequestedSOPInstanceUID, event.modification_list
        try:
            use_utf_8(changes)  # PS3.4 F.7.2.2.3: its character set does not replace that of the step
        except DataSetError:
            return failure(0x0106, "a value cannot be read"), None
        with self.lock:
            step = self.steps.get(uid)
            if step is None:
                return 0x0112, None  # no such SOP instance
            if step.PerformedProcedureStepStatus != "IN PROGRESS":
                # PS3.4 Table F.7.2-2: the step has ended.
                return failure(0x0110, "the step may no longer be updated", error_id=0xA710), None
            if any(keyword in changes for keyword in FIXED):
                return failure(0x0105, "what identifies the patient and the step stays as it is"), None
            updated = Dataset()
            updated.update(step)
            updated.update(changes)
            status = updated.PerformedProcedureStepStatus
            if status not in ("IN PROGRESS", "COMPLETED", "DISCONTINUED"):
                return failure(0x0106, "there is no such status of a step"), None
            lacking = [keyword for keyword in FINAL if not updated.get(keyword)]
            for series in updated.get("PerformedSeriesSequence") or ():
                lacking += [keyword for keyword in FINAL_OF_SERIES if not series.get(keyword)]
            if status != "IN PROGRESS" and lacking:
                return failure(0x0121, f"{lacking[0]} has no value"), None
            self.steps[uid] = updated
        return 0x0000, None

    def get(self, event):
        asked, found = event.attribute_identifiers, Dataset()
        with self.lock:
            step = self.steps.get(event.request.RequestedSOPInstanceUID)
            if step is None:
                return 0x0112, None
            for tag in (SPECIFIC_CHARACTER_SET, *(asked or step.keys())):
                if tag in step:
                    found[tag] = step[tag]
        lacks_some = any(tag not in found for tag in asked if tag != SPECIFIC_CHARACTER_SET)
        return 0x0001 if lacks_some else 0x0000, found

    def handlers(self):
        return [(evt.EVT_N_CREATE, self.create), (evt.EVT_N_SET, self.set), (evt.EVT_N_GET, self.get)]


# --- a modality: the SCU ------------------------------------------------------------------------


def begun():
    """Return the attributes at the beginning of the step, for the N-CREATE."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    scheduled.AccessionNumber = "1001"
    scheduled.RequestedProcedureID = "R1001"
    scheduled.RequestedProcedureDescription = "Head without contrast"
    scheduled.ScheduledProcedureStepID = "S1001"
    scheduled.ScheduledProcedureStepDescription = "Head without contrast"
    scheduled.ReferencedStudySequence = []
    scheduled.ScheduledProtocolCodeSequence = []
    step = Dataset()
    step.ScheduledStepAttributesSequence = [scheduled]
    step.PatientName = "Doe^Jane"
    step.PatientID = "P1"
    step.PatientBirthDate = "19700101"
    step.PatientSex = "F"
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID = "P1001"
    step.PerformedStationAETitle = "CT1"
    step.PerformedStationName = ""
    step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate = "20240115"
    step.PerformedProcedureStepStartTime = "083500"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = ""
    step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = []
    step.PerformedProcedureStepEndDate = ""
    step.PerformedProcedureStepEndTime = ""
    step.Modality = "CT"
    step.StudyID = "1"
    step.PerformedProtocolCodeSequence = []
    step.PerformedSeriesSequence = []
    return step


def completed():
    """Return the attributes at the end of the step, for the N-SET."""
    image = Dataset()
    image.ReferencedSOPClassUID = CTImageStorage
    image.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["image"])
    series = Dataset()
    series.PerformingPhysicianName = ""
    series.OperatorsName = "Tec^Hanna"
    series.ProtocolName = "Head"
    series.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    series.SeriesDescription = ""
    series.RetrieveAETitle = "ARCHIVE"
    series.ReferencedImageSequence = [image]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    step = Dataset()
    step.PerformedProcedureStepStatus = "COMPLETED"
    step.PerformedProcedureStepEndDate = "20240115"
    step.PerformedProcedureStepEndTime = "084100"
    step.PerformedSeriesSequence = [series]
    return step


def show(what, response):
    error_id = f", Error ID {response.ErrorID:04X}" if "ErrorID" in response else ""
    comment = f": {response.ErrorComment}" if "ErrorComment" in response else ""
    print(f"{what}: {response.Status:04X} {response.status.meaning}{error_id}{comment}")


def main():
    manager = Manager()
    ris, modality = AE(ae_title="RIS"), AE(ae_title="CT1")
    for uid in (ModalityPerformedProcedureStep, ModalityPerformedProcedureStepRetrieve):
        ris.add_supported_context(uid)
        modality.add_requested_context(uid)
    uid = generate_uid(entropy_srcs=["step"])

    with (
        ris.start_server((HOST, 0), block=False, evt_handlers=manager.handlers()) as server,
        modality.associate(HOST, server.port, ae_title="RIS") as assoc,
    ):
        early = Dataset()
        early.PerformedProcedureStepStatus = "COMPLETED"

        response, _ = assoc.send_n_set(early, ModalityPerformedProcedureStep, uid)
        show("set before it was created", response)
        response, _ = assoc.send_n_create(early, ModalityPerformedProcedureStep, uid)
        show("created with too little", response)
        response, _ = assoc.send_n_create(begun(), ModalityPerformedProcedureStep, uid)
        show("created", response)
        response, _ = assoc.send_n_create(begun(), ModalityPerformedProcedureStep, uid)
        show("created again", response)
        response, _ = assoc.send_n_set(early, ModalityPerformedProcedureStep, uid)
        show("completed without a series", response)
        response, _ = assoc.send_n_set(completed(), ModalityPerformedProcedureStep, uid)
        show("completed", response)
        response, _ = assoc.send_n_set(completed(), ModalityPerformedProcedureStep, uid)
        show("completed again", response)

        wanted = ["PatientID", "PerformedProcedureStepStatus", "PerformedProcedureStepEndTime"]
        response, step = assoc.send_n_get(wanted, ModalityPerformedProcedureStepRetrieve, uid)
        show("asked for", response)
        print(*(step[keyword].value for keyword in wanted))


if __name__ == "__main__":
    main()
