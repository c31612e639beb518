"""Hands what comes to a worker thread that writes it; ends in order when it is interrupted."""

import queue
import signal
import sys
import threading

from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

_config.UNRESTRICTED_STORAGE_SERVICE = True
waiting = queue.Queue()
over = threading.Event()


def write():
    while (item := waiting.get()) is not None:
        uid, data, sender = item
        with open(uid + ".dcm", "wb") as f:
            f.write(data)
        print("written for", sender, len(data) > 1000, flush=True)


def handle_store(event):
    waiting.put(
        (event.request.AffectedSOPInstanceUID, event.encoded_dataset(), event.assoc.remote["ae_title"])
    )
    return 0x0000


signal.signal(signal.SIGINT, lambda number, frame: over.set())
worker = threading.Thread(target=write)
worker.start()
ae = AE(ae_title="QUEUE")
for uid in (Verification, CTImageStorage, MRImageStorage):
    ae.add_supported_context(uid)
handlers = [(evt.EVT_C_STORE, handle_store)]
server = ae.start_server(("0.0.0.0", int(sys.argv[1])), block=False, evt_handlers=handlers)
over.wait()
server.shutdown()
ae.shutdown()
waiting.put(None)
worker.join()
print("ended", waiting.qsize())
