"""A Query/Retrieve server whose C-GET and C-MOVE promise more than they yield."""

import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, QueryRetrievePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage

NODES = {"STORE_SCP": ("127.0.0.1", int(sys.argv[2]))}


def handle_find(event):
    if "QueryRetrieveLevel" not in event.identifier:
        yield 0xC000, None
        return
    for name in ("CITIZEN^Jan", "OTHER^Person"):
        if event.is_cancelled:
            yield 0xFE00, None
            return
        ds = Dataset()
        ds.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
        ds.PatientName = name
        ds.RetrieveAETitle = event.assoc.ae.ae_title
        print("match", name, event.message_id, flush=True)
        yield 0xFF00, ds


def handle_get(event):
    yield 5
    for _ in range(2):
        if event.is_cancelled:
            yield 0xFE00, None
            return
        yield 0xFF00, dcmread("CT.dcm")
    print("get is done", event.identifier.PatientID, flush=True)


def handle_move(event):
    destination = event.move_destination
    print("move to", repr(destination), event.request.MoveDestination, flush=True)
    yield NODES.get(destination, (None, None))
    yield 4
    yield (0xFF00, dcmread("CT.dcm"))
    yield (0xFF00, dcmread("instances/1.dcm"))
    print("move is done", flush=True)


ae = AE(ae_title="QRSCP")
ae.supported_contexts = QueryRetrievePresentationContexts
ae.add_supported_context(CTImageStorage, "1.2.840.10008.1.2.1", scu_role=True, scp_role=True)
ae.requested_contexts = [cx for cx in ae.supported_contexts if cx.abstract_syntax == CTImageStorage]
handlers = [(evt.EVT_C_FIND, handle_find), (evt.EVT_C_GET, handle_get), (evt.EVT_C_MOVE, handle_move)]
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
