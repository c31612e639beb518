"""Prints who talks to whom, in all the ways that programs ask for it."""

import sys
import threading

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification


def name_of(assoc):
    return f"{assoc.remote['ae_title']}@{assoc.remote['address']} from {assoc.local['ae_title']}"


def handle_established(event):
    assoc = event.assoc
    print("established with", name_of(assoc))
    print(sorted(assoc.remote), sorted(assoc.local))
    print(assoc.mode, assoc.is_requestor, assoc.is_acceptor, assoc.ae is ae)


def handle_closed(event):
    closed.set()


closed = threading.Event()
ae = AE(ae_title="WHO")
ae.add_requested_context(Verification)
handlers = [(evt.EVT_ESTABLISHED, handle_established), (evt.EVT_CONN_CLOSE, handle_closed)]
assoc = ae.associate("localhost", int(sys.argv[1]), ae_title="PACS", evt_handlers=handlers)
print(assoc.name.partition("@")[0], isinstance(assoc, threading.Thread), assoc.is_alive())
print(assoc.requestor.ae_title, assoc.acceptor.ae_title, assoc.acceptor.port == int(sys.argv[1]))
if assoc.is_established:
    print(assoc.acceptor.address, assoc.requestor.address, assoc.requestor.port > 0)
    print(assoc in ae.active_associations, len(ae.active_associations))
    status = assoc.send_c_echo()
    print(status.Status if status else "nothing")
    info = assoc.requestor.info
    print(info["ae_title"], info["mode"], info["address"])
    primitive = assoc.acceptor.primitive
    print(primitive.calling_ae_title, primitive.called_ae_title, primitive.result)
    print(assoc.requestor.primitive.application_context_name)
    assoc.release()
    assoc.join(5)
print(assoc.is_alive(), assoc.is_established, assoc.is_released, assoc.is_aborted, assoc.is_rejected)
print(assoc in ae.active_associations, closed.wait(5))
print(str(ae).splitlines()[1])
