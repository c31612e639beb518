"""Storage commitment with the report over the association of the request, from a thread of its own."""

import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
came = threading.Event()


def handle_action(event):
    assoc = event.assoc
    information = event.action_information

    def report():
        done.wait(10)
        status, _ = assoc.send_n_event_report(
            information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        print("reported", status.get("Status", "none"))
        answered.set()

    threading.Thread(target=report, daemon=True).start()
    return 0x0000, None


def handle_report(event):
    print("report", event.event_type, event.event_information.TransactionUID)
    came.set()
    return 0x0000, None


done, answered = threading.Event(), threading.Event()
archive = AE("ARCHIVE")
archive.add_supported_context(StorageCommitmentPushModel)
server = archive.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_N_ACTION, handle_action)])
modality = AE("MODALITY")
modality.add_requested_context(StorageCommitmentPushModel)
assoc = modality.associate(*ADDRESS, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle_report)])
ds = Dataset()
ds.TransactionUID = "1.2.3.4"
status, reply = assoc.send_n_action(ds, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
print(status.Status, reply)
done.set()
print(came.wait(10), answered.wait(10), assoc.is_established)
assoc.release()
server.shutdown()
