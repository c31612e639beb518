"""Asks a worklist, and prints what comes as scripts of modalities do."""

import sys
from datetime import date

from pydicom.dataset import Dataset
from pynetdicom import AE, BasicWorklistManagementPresentationContexts
from pynetdicom.sop_class import ModalityWorklistInformationFind
from pynetdicom.status import code_to_category

ae = AE(ae_title=b"MODALITY".decode())
ae.requested_contexts = BasicWorklistManagementPresentationContexts

ds = Dataset()
ds.PatientName = "*"
ds.PatientID = ""
ds.ScheduledProcedureStepSequence = [Dataset()]
item = ds.ScheduledProcedureStepSequence[0]
item.ScheduledStationAETitle = "CTSCANNER"
item.ScheduledProcedureStepStartDate = date(2026, 1, 2).strftime("%Y%m%d")
item.Modality = "CT"

assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
if assoc.is_established:
    found = 0
    for status, identifier in assoc.send_c_find(ds, ModalityWorklistInformationFind):
        if not status:
            print("lost:", status.get("Status"), identifier, len(status))
            continue
        print(status.get("Status"), status.get((0x0000, 0x0900)).value, code_to_category(status.Status))
        print("ErrorComment" in status, hasattr(status, "ErrorComment"), status.get("ErrorComment", "-"))
        if status.Status in (0xFF00, 0xFF01):
            found += 1
            print(identifier.PatientName, identifier.get("PatientID"), identifier.get("Modality", "none"))
            print(identifier.PatientName.family_name)
    print(found, "found")
    assoc.release()
    print("released", assoc.is_released)
else:
    print("Association rejected, aborted or never connected", assoc.is_rejected, assoc.is_aborted)
    sys.exit(1)
