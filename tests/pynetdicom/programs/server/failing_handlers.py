"""Handlers that raise, return nothing, or return what is no status."""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, QueryRetrievePresentationContexts, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    DisplaySystem,
    GeneralRelevantPatientInformationQuery,
    ModalityPerformedProcedureStep,
    MRImageStorage,
    StorageCommitmentPushModel,
    Verification,
)

counts = {}


def count(name):
    counts[name] = counts.get(name, 0) + 1
    print(name, counts[name], flush=True)
    return counts[name]


def handle_echo(event):
    count("echo")
    raise KeyError("patient")


def handle_store(event):
    number = count("store")
    if number == 1:
        return None
    if number == 2:
        return "0000"
    status = Dataset()
    status.ErrorComment = "no status in it"
    return status


def handle_find(event):
    number = count("find")
    if number == 1:
        return None
    if number == 2:
        raise ValueError("no database")
    return iter([(0xFF00, event)])


def handle_get(event):
    count("get")
    yield "three"


def handle_move(event):
    if count("move") == 1:
        yield "127.0.0.1"
    raise OSError("no disk")


def handle_create(event):
    if count("create") == 1:
        return None, None
    return 0xFFF0, Dataset()


def handle_set(event):
    count("set")
    return "x", event.modification_list


def handle_n_get(event):
    count("n-get")
    status = Dataset()
    status.Status = 0x0107
    status.ErrorComment = "not all"
    status.AttributeIdentifierList = [0x00080070]
    return status, event.attribute_identifiers and Dataset()


ae = AE(ae_title="FAILS")
ae.supported_contexts = QueryRetrievePresentationContexts
for uid in (
    Verification,
    CTImageStorage,
    MRImageStorage,
    DisplaySystem,
    GeneralRelevantPatientInformationQuery,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
):
    ae.add_supported_context(uid)
handlers = [
    (evt.EVT_C_ECHO, handle_echo),
    (evt.EVT_C_STORE, handle_store),
    (evt.EVT_C_FIND, handle_find),
    (evt.EVT_C_GET, handle_get),
    (evt.EVT_C_MOVE, handle_move),
    (evt.EVT_N_CREATE, handle_create),
    (evt.EVT_N_SET, handle_set),
    (evt.EVT_N_GET, handle_n_get),
    (evt.EVT_REQUESTED, lambda event: 1 / 0),
]
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
