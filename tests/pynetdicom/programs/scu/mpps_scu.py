"""Reports a performed procedure step: created, set to completed, and looks at each answer."""

import sys

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

UID = "1.2.826.0.1.3680043.10.999.1"


def created():
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.PerformedProcedureStepID = "STEP1"
    ds.PerformedStationAETitle = "CTSCANNER"
    ds.PatientID = "1234567"
    scheduled = Dataset()
    scheduled.StudyInstanceUID = "1.2.3"
    ds.ScheduledStepAttributesSequence = Sequence([scheduled])
    return ds


def completed():
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "COMPLETED"
    series = Dataset()
    series.SeriesInstanceUID = "1.2.3.4"
    series.ReferencedImageSequence = []
    ds.PerformedSeriesSequence = [series]
    return ds


def tell(what, status, attributes):
    if not status:
        print(what, "no valid response")
        return False
    category = "success" if status.Status == 0x0000 else "other"
    print(what, f"0x{status.Status:04X}", category, type(attributes).__name__, attributes is None)
    if attributes:
        print(attributes.PerformedProcedureStepStatus, sorted(elem.keyword for elem in attributes))
    return status.Status == 0x0000


ae = AE(ae_title="CTSCANNER")
ae.add_requested_context(ModalityPerformedProcedureStep, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
ae.dimse_timeout = 15
assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
ok = False
if assoc.is_established:
    print(assoc.accepted_contexts[0].transfer_syntax[0].name)
    ok = tell("N-CREATE", *assoc.send_n_create(created(), ModalityPerformedProcedureStep, UID))
    if ok:
        ok = tell("N-SET", *assoc.send_n_set(completed(), ModalityPerformedProcedureStep, UID, msg_id=2))
    assoc.release()
else:
    print("MPPS: no association")
sys.exit(0 if ok else 1)
