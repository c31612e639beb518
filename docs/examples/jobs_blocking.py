"""Jobs on a server, by the normalized services and a private SOP class, over blocking sockets."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicomproto import (
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
)
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
JOB = "1.2.826.0.1.3680043.8.498.9.1"
START = 1  # an Action Type ID
FINISHED = 1  # an Event Type ID
JOBS = {}


# [provider]
def of(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


UNKNOWN = of(Status=0x0112, ErrorComment="no such job")


def handle_create(event):
    uid = event.request.AffectedSOPInstanceUID
    if uid is None:
        uid = generate_uid()
    elif uid in JOBS:
        return 0x0111, None
    JOBS[uid] = event.attribute_list
    return 0x0000, of(AffectedSOPInstanceUID=uid)


def handle_set(event):
    uid = event.request.RequestedSOPInstanceUID
    if uid not in JOBS:
        return UNKNOWN, None
    JOBS[uid].update(event.modification_list)
    return 0x0000, None


def handle_get(event):
    uid = event.request.RequestedSOPInstanceUID
    if uid not in JOBS:
        return UNKNOWN, None
    tags = event.attribute_identifiers
    job = JOBS[uid]
    answer = Dataset()
    for tag in tags or list(job.keys()):
        if tag in job:
            answer[tag] = job[tag]
    if "SpecificCharacterSet" in job:  # of the text in it
        answer.SpecificCharacterSet = job.SpecificCharacterSet
    return 0x0000, answer


def handle_action(event):
    uid = event.request.RequestedSOPInstanceUID
    if uid not in JOBS:
        return UNKNOWN, None
    if event.action_type != START:
        return 0x0123, None
    event.after_response(finish, uid)
    return 0x0000, None


def finish(assoc, uid):
    state = of(ProcedureStepState="COMPLETED")
    JOBS[uid].update(state)
    assoc.send_n_event_report(state, FINISHED, JOB, uid)


def handle_delete(event):
    uid = event.request.RequestedSOPInstanceUID
    if JOBS.pop(uid, None) is None:
        return UNKNOWN
    return 0x0000


# [user]
HEARD = []


def hear(event):
    state = event.event_information.ProcedureStepState
    HEARD.append(state)
    return 0x0000, None


def show(response):
    comment = response.get("ErrorComment", "")
    print(f"{response.Status:04X}", comment)


def work(assoc):
    job = of(ProcedureStepLabel="Plan")
    response, _ = assoc.send_n_create(job, JOB)
    uid = response.AffectedSOPInstanceUID

    change = of(ProcedureStepLabel="Better plan")
    response, _ = assoc.send_n_set(change, JOB, uid)
    show(response)

    asked = ["ProcedureStepLabel"]
    response, job = assoc.send_n_get(asked, JOB, uid)
    show(response)
    print(job.ProcedureStepLabel)

    response, _ = assoc.send_n_action(None, START, JOB, uid)
    show(response)
    assoc.serve(timeout=30, until=lambda: HEARD)
    print(*HEARD)

    show(assoc.send_n_delete(JOB, uid))
    response, job = assoc.send_n_get([], JOB, uid)
    show(response)


# [together]
def entity(title):
    ae = AE(ae_title=title)
    requests = [
        NCreateRQ,
        NSetRQ,
        NGetRQ,
        NActionRQ,
        NDeleteRQ,
        NEventReportRQ,
    ]
    ae.register_uid(JOB, "ExampleJob", requests)
    return ae


def main():
    provider = entity("PROVIDER")
    provider.add_supported_context(JOB)
    handlers = [
        (evt.EVT_N_CREATE, handle_create),
        (evt.EVT_N_SET, handle_set),
        (evt.EVT_N_GET, handle_get),
        (evt.EVT_N_ACTION, handle_action),
        (evt.EVT_N_DELETE, handle_delete),
    ]

    with (
        provider.start_server(
            (HOST, 0),
            block=False,
            evt_handlers=handlers,
        ) as server,
        entity("USER").associate(
            HOST,
            server.port,
            contexts=[JOB],
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)],
        ) as assoc,
    ):
        work(assoc)


main()
