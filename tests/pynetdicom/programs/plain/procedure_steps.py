"""Unified procedure steps: pushed, claimed, watched and completed, with a report to the watcher."""

import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, UnifiedProcedurePresentationContexts, evt
from pynetdicom.sop_class import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepWatch,
    UPSGlobalSubscriptionInstance,
)

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
steps = {}
reported = threading.Event()


def handle_create(event):
    uid = event.request.AffectedSOPInstanceUID
    print("create", uid, event.request.AffectedSOPClassUID.keyword, event.context.abstract_syntax.keyword)
    steps[uid] = event.attribute_list
    return 0x0000, None


def handle_action(event):
    print("action", event.action_type, event.request.RequestedSOPClassUID.keyword)
    if event.action_type == 1:
        wanted = event.action_information.ProcedureStepState
        if steps[event.request.RequestedSOPInstanceUID].ProcedureStepState == wanted:
            return 0xC302, None
        steps[event.request.RequestedSOPInstanceUID].ProcedureStepState = wanted
    return 0x0000, event.action_information


def handle_get(event):
    ds = Dataset()
    for tag in event.attribute_identifiers:
        if tag in steps[event.request.RequestedSOPInstanceUID]:
            ds.add(steps[event.request.RequestedSOPInstanceUID][tag])
    return 0x0000, ds


def handle_report(event):
    print("report", event.event_type, event.event_information.ProcedureStepState)
    reported.set()
    return 0x0000, None


manager = AE("MANAGER")
for cx in UnifiedProcedurePresentationContexts:
    manager.add_supported_context(cx.abstract_syntax, scu_role=True, scp_role=True)
handlers = [(evt.EVT_N_CREATE, handle_create), (evt.EVT_N_ACTION, handle_action), (evt.EVT_N_GET, handle_get)]
server = manager.start_server(ADDRESS, block=False, evt_handlers=handlers)

ae = AE("PERFORMER")
ae.requested_contexts = UnifiedProcedurePresentationContexts
assoc = ae.associate(*ADDRESS, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle_report)])
step = Dataset()
step.ProcedureStepState = "SCHEDULED"
step.ProcedureStepLabel = "Planning"
print(assoc.send_n_create(step, UnifiedProcedureStepPush, "1.2.3")[0].Status)
state = Dataset()
state.ProcedureStepState = "IN PROGRESS"
for _ in range(2):
    status, reply = assoc.send_n_action(
        state, 1, UnifiedProcedureStepPush, "1.2.3", meta_uid=UnifiedProcedureStepPull
    )
    print(hex(status.Status), reply and reply.ProcedureStepState)
status, reply = assoc.send_n_action(None, 3, UnifiedProcedureStepWatch, UPSGlobalSubscriptionInstance)
print(hex(status.Status), reply)
status, attributes = assoc.send_n_get(
    [0x00741000, 0x00741204, 0x00100010], UnifiedProcedureStepPush, "1.2.3", meta_uid=UnifiedProcedureStepPull
)
print(hex(status.Status), [(elem.keyword, elem.value) for elem in attributes])
(serving,) = server.active_associations
status, _ = serving.send_n_event_report(
    state, 1, UnifiedProcedureStepPush, "1.2.3", meta_uid=UnifiedProcedureStepEvent
)
print(hex(status.Status), reported.wait(10))
assoc.release()
server.shutdown()
