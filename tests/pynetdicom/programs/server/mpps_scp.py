"""Keeps performed procedure steps; N-SET reads both of the names under which its data set is known."""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, ModalityPerformedPresentationContexts, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep

steps = {}


def handle_create(event):
    req = event.request
    uid = req.AffectedSOPInstanceUID
    if uid is None:
        return 0x0106, None
    if uid in steps:
        return 0x0111, None
    attr_list = event.attribute_list
    if "PerformedProcedureStepStatus" not in attr_list:
        return 0x0120, None
    if attr_list.PerformedProcedureStepStatus.upper() != "IN PROGRESS":
        return 0x0106, None
    ds = Dataset()
    ds.SOPClassUID = ModalityPerformedProcedureStep
    ds.SOPInstanceUID = uid
    ds.update(attr_list)
    steps[uid] = ds
    print("created", uid, ds.PerformedProcedureStepStatus, flush=True)
    return 0x0000, ds


def handle_set(event):
    req = event.request
    if req.RequestedSOPInstanceUID not in steps:
        print("no such step", req.RequestedSOPClassUID.name, flush=True)
        return 0x0112, None
    ds = steps[req.RequestedSOPInstanceUID]
    by_attributes = event.attribute_list
    by_modifications = event.modification_list
    print(len(by_attributes), len(by_modifications), flush=True)
    ds.update(by_attributes)
    ds.update(by_modifications)
    print("set", ds.PerformedProcedureStepStatus, event.context.transfer_syntax.name, flush=True)
    return 0x0000, ds


def handle_get(event):
    print("get", event.attribute_identifiers, flush=True)
    return 0x0112, None


ae = AE(ae_title="MPPS")
ae.supported_contexts = ModalityPerformedPresentationContexts
handlers = [(evt.EVT_N_CREATE, handle_create), (evt.EVT_N_SET, handle_set), (evt.EVT_N_GET, handle_get)]
try:
    ae.start_server(("127.0.0.1", int(sys.argv[1])), block=True, evt_handlers=handlers)
except KeyboardInterrupt:
    print("interrupted")
print(sorted(steps))
