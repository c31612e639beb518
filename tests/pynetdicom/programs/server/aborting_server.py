"""A server whose handlers abort or release the association that called them."""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, QueryRetrievePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage, Verification

count = 0


def handle_echo(event):
    global count
    count += 1
    print("echo", count, flush=True)
    if count == 3:
        event.assoc.abort()
    return 0x0000


def handle_find(event):
    ds = Dataset()
    ds.PatientName = "CITIZEN^Jan"
    yield 0xFF00, ds
    print("aborting", event.assoc.is_established, flush=True)
    event.assoc.abort()
    yield 0xFF00, ds


def handle_store(event):
    print("store from", event.assoc.remote["ae_title"], event.assoc.is_acceptor, flush=True)
    return 0xA702


def handle_end(event):
    ends.append(event.event.name)


ends = []
ae = AE(ae_title="ABORTS")
ae.supported_contexts = QueryRetrievePresentationContexts
ae.add_supported_context(Verification)
ae.add_supported_context(CTImageStorage)
handlers = [
    (evt.EVT_C_ECHO, handle_echo),
    (evt.EVT_C_FIND, handle_find),
    (evt.EVT_C_STORE, handle_store),
    (evt.EVT_ABORTED, handle_end),
]
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
print(sorted(set(ends)))
