"""Retrieves a study by C-GET over the same association; roles are set on contexts and by build_role."""

import os
import sys

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, StoragePresentationContexts, build_context, build_role, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, PatientRootQueryRetrieveInformationModelGet


def handle_store(event):
    ds = event.dataset
    ds.file_meta = event.file_meta
    path = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    context = event.context
    print("received", ds.Modality, context.transfer_syntax.name, context.transfer_syntax.is_little_endian)
    print(event.request.MessageID, event.message_id, os.path.getsize(path) > 1000)
    return 0x0000


ae = AE(ae_title="VIEWER")
ae.add_requested_context(PatientRootQueryRetrieveInformationModelGet)
for cx in StoragePresentationContexts[:10]:
    ae.add_requested_context(cx.abstract_syntax)
ae.add_requested_context(CTImageStorage)
roles = []
for cx in ae.requested_contexts[1:]:
    cx.scp_role = True
    cx.scu_role = False
    roles.append(build_role(cx.abstract_syntax, scp_role=True))
negotiated = {role.sop_class_uid: (role.scu_role, role.scp_role) for role in roles}
print(len(roles), negotiated[CTImageStorage], MRImageStorage in negotiated)

identifier = Dataset()
identifier.QueryRetrieveLevel = "STUDY"
identifier.PatientID = "1234567"
identifier.StudyInstanceUID = "1.2.3"

assoc = ae.associate(
    "127.0.0.1", int(sys.argv[1]), ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, handle_store)]
)
if assoc.is_established:
    for cx in assoc.accepted_contexts:
        print(cx.context_id, UID(cx.abstract_syntax).keyword, cx.as_scu, cx.as_scp, cx.scu_role, cx.scp_role)
    for status, answer in assoc.send_c_get(identifier, PatientRootQueryRetrieveInformationModelGet):
        if status:
            print(f"C-GET query status: 0x{status.Status:04x}")
            for keyword in ("Remaining", "Completed", "Failed", "Warning"):
                print(keyword, status.get(f"NumberOf{keyword}Suboperations", "not sent"))
            print(answer is None, answer and answer.get("FailedSOPInstanceUIDList"))
        else:
            print("Connection timed out, was aborted or received invalid response")
    assoc.release()
else:
    print("not established", [cx.status for cx in assoc.rejected_contexts][:1])
single = build_context(CTImageStorage)
print(single.scu_role, single.scp_role, single.as_scu, single.as_scp)
