"""A Query/Retrieve server whose handlers yield more than promised, failures, and what is no data set."""

import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
)

calls = {"get": 0, "move": 0, "find": 0}


def handle_find(event):
    calls["find"] += 1
    status = Dataset()
    status.Status = 0xFF01
    status.ErrorComment = "some keys are not supported"
    answer = Dataset()
    answer.PatientID = event.identifier.get("PatientID", "none")
    yield status, answer
    status.Status = 0xA900
    status.OffendingElement = [0x00100010]
    yield status, None
    yield 0xFF00, answer


def handle_get(event):
    calls["get"] += 1
    print("get", calls["get"], flush=True)
    ds = dcmread("CT.dcm")
    if calls["get"] == 1:
        yield 1
        yield 0xFF00, ds
        yield 0xFF00, ds
    elif calls["get"] == 2:
        yield 3
        yield 0xFF00, "no data set"
        yield 0xFF00, ds
        yield 0xFF00, None
    elif calls["get"] == 3:
        yield 2
        yield 0xFF00, ds
        failed = Dataset()
        failed.FailedSOPInstanceUIDList = ["1.2.3"]
        yield 0xA702, failed
    else:
        raise RuntimeError("no more")


def handle_move(event):
    calls["move"] += 1
    print("move", calls["move"], flush=True)
    if calls["move"] == 1:
        yield "127.0.0.1", int(sys.argv[2]), {"contexts": ae.requested_contexts[:1]}
        yield 2
        yield 0xFF00, dcmread("CT.dcm")
        yield 0xC123, None
    elif calls["move"] == 2:
        yield None, None
    elif calls["move"] == 3:
        yield "127.0.0.1", int(sys.argv[2])
        yield 0
    else:
        yield "127.0.0.1"


ae = AE(ae_title="ODD")
ae.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
ae.add_supported_context(PatientRootQueryRetrieveInformationModelGet)
ae.add_supported_context(PatientRootQueryRetrieveInformationModelMove)
ae.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
server = ae.start_server(
    ("127.0.0.1", int(sys.argv[1])),
    evt_handlers=[(evt.EVT_C_FIND, handle_find), (evt.EVT_C_GET, handle_get), (evt.EVT_C_MOVE, handle_move)],
)
print(server, calls)
