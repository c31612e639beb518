"""Asks for storage commitment, and waits for the report on an association that the archive requests."""

import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, StorageCommitmentPresentationContexts, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

PORT, OWN_PORT = int(sys.argv[1]), int(sys.argv[2])
reported = threading.Event()
answers = []


def handle_report(event):
    information = event.event_information
    answers.append((event.event_type, information.TransactionUID))
    for item in information.get("ReferencedSOPSequence", []):
        answers.append((item.ReferencedSOPClassUID.name, item.ReferencedSOPInstanceUID))
    answers.append(("from", event.assoc.requestor.ae_title, event.assoc.is_acceptor))
    answers.append((event.request.AffectedSOPClassUID.name, event.context.abstract_syntax.name))
    reported.set()
    return 0x0000, None


ae = AE(ae_title="COMMITTER")
ae.requested_contexts = StorageCommitmentPresentationContexts
ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
for cx in ae.supported_contexts:
    print(cx.abstract_syntax.name, cx.scu_role, cx.scp_role)
server = ae.start_server(("", OWN_PORT), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle_report)])

request = Dataset()
request.TransactionUID = "1.2.826.0.1.3680043.10.999.7"
referenced = Dataset()
referenced.ReferencedSOPClassUID = CTImageStorage
referenced.ReferencedSOPInstanceUID = "1.2.3.4.5"
request.ReferencedSOPSequence = [referenced]

assoc = ae.associate("127.0.0.1", PORT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle_report)])
if assoc.is_established:
    status, reply = assoc.send_n_action(
        request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    if status:
        print(f"N-ACTION 0x{status.Status:04X}", reply)
        print("report came", reported.wait(10))
    else:
        print("no status", len(status), reply)
    assoc.release()
else:
    print("no association", assoc.is_rejected, assoc.is_aborted)
server.shutdown()
for answer in answers:
    print(*answer)
