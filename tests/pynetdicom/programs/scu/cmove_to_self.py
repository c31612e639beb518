"""Has a patient moved to a storage server of its own, which runs beside the query."""

import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, StoragePresentationContexts, evt
from pynetdicom.sop_class import (  # type: ignore
    PatientRootQueryRetrieveInformationModelMove as PatientRootMove,
)

PORT, STORE_PORT = int(sys.argv[1]), int(sys.argv[2])
received, lost = [], False
lock = threading.Lock()


def handle_store(event, storage):
    with lock:
        storage.append(event.request.AffectedSOPInstanceUID)
    print("originator", event.request.MoveOriginatorApplicationEntityTitle)
    print(event.request.MoveOriginatorMessageID, event.assoc.requestor.ae_title)
    with open(event.request.AffectedSOPInstanceUID, "wb") as f:
        f.write(event.encoded_dataset())
    return 0x0000


store = AE(ae_title="OUR_STORE_SCP")
store.supported_contexts = StoragePresentationContexts
for cx in store.supported_contexts:
    cx.transfer_syntax = ALL_TRANSFER_SYNTAXES
    cx.scp_role = True
    cx.scu_role = False
scp = store.start_server(
    ("127.0.0.1", STORE_PORT), block=False, evt_handlers=[(evt.EVT_C_STORE, handle_store, [received])]
)

ae = AE("OUR_STORE_SCP")
ae.add_requested_context(PatientRootMove)
ds = Dataset()
ds.QueryRetrieveLevel = "PATIENT"
ds.PatientID = "1234567"
assoc = ae.associate("127.0.0.1", PORT, ae_title="QRSCP")
try:
    if assoc.is_established:
        for number, destination in enumerate(("OUR_STORE_SCP", "ELSEWHERE"), 1):
            if lost:
                print("lost before", destination)
                continue
            responses = assoc.send_c_move(ds, destination, PatientRootMove, msg_id=number)
            for status, identifier in responses:
                if status:
                    print(f"C-MOVE query status: 0x{status.Status:04X}", identifier is None)
                    completed = getattr(status, "NumberOfCompletedSuboperations", None)
                    print("completed", completed)
                else:
                    print("no status")
                    lost = True
        assoc.release()
    else:
        print("no association")
finally:
    scp.shutdown()
print(len(received), "received")
