"""Takes requests of storage commitment, and reports over an association of its own, from a worker thread."""

import queue
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

REPORT_PORT = int(sys.argv[2])
jobs = queue.Queue()


def report(ae):
    while (job := jobs.get()) is not None:
        address, title, information = job
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        assoc = ae.associate(address, REPORT_PORT, ae_title=title, ext_neg=[role])
        if not assoc.is_established:
            print("cannot report", assoc.is_rejected, assoc.is_aborted, flush=True)
            continue
        print([(cx.as_scu, cx.as_scp) for cx in assoc.accepted_contexts], flush=True)
        status, reply = assoc.send_n_event_report(
            information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        print("reported", status.get("Status", "no status"), reply, flush=True)
        assoc.release()


def handle_action(event):
    if event.action_type != 1:
        return 0x0123, None
    wanted = event.action_information
    information = Dataset()
    information.TransactionUID = wanted.TransactionUID
    information.RetrieveAETitle = ae.ae_title
    information.ReferencedSOPSequence = wanted.ReferencedSOPSequence
    print("commit", len(wanted.ReferencedSOPSequence), event.request.RequestedSOPInstanceUID.name, flush=True)
    jobs.put((event.assoc.requestor.address, event.assoc.requestor.ae_title, information))
    return 0x0000, None


ae = AE(ae_title="COMMIT")
ae.add_supported_context(StorageCommitmentPushModel)
ae.add_requested_context(StorageCommitmentPushModel)
worker = threading.Thread(target=report, args=(ae,))
worker.start()
try:
    ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_N_ACTION, handle_action)])
finally:
    jobs.put(None)
    worker.join()
    print("worker has ended")
