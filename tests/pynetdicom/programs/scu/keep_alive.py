"""Keeps an association alive by C-ECHO in a thread of its own, while it is established."""

import sys
import threading

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

over = threading.Event()
ended = threading.Event()
count = 0


def beat(assoc):
    global count
    while assoc.is_established:
        try:
            status = assoc.send_c_echo(msg_id=count + 1)
        except (RuntimeError, ValueError) as error:
            print(type(error).__name__)
            break
        if not status:
            print("no answer")
            break
        count += 1
        if count == 5:
            over.set()
        if over.wait(0.02):
            break
    over.set()


ae = AE()
ae.add_requested_context(Verification)
ae.network_timeout = None
ae.dimse_timeout = 5
assoc = ae.associate(
    "127.0.0.1", int(sys.argv[1]), evt_handlers=[(evt.EVT_ABORTED, lambda event: ended.set())]
)
if assoc.is_established:
    thread = threading.Thread(target=beat, args=(assoc,), daemon=True)
    thread.start()
    over.wait(10)
    thread.join(10)
    print(count)
    if count:
        assoc.abort()
    print("aborted", ended.wait(5), assoc.is_aborted)
else:
    print("could not connect")
try:
    assoc.send_c_echo()
except RuntimeError as error:
    print(error)
