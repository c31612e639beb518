"""Unified Procedure Steps (PS3.4 Annex CC): a scheduler, a performer, a watcher, and a manager.

Every message about a step names the Push SOP class, on contexts of the Pull, Watch and Event classes as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from queue import Queue
from threading import Lock, Thread

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicomproto.datasets import use_utf_8
from dicomproto.errors import DataSetError, DicomProtoError
from dicomproto.matching import Query, make_identifier
from dicomproto.services.sop_classes import (
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepWatch,
    UPSFilteredGlobalSubscriptionInstance,
    UPSGlobalSubscriptionInstance,
)
from dicomproto_transports import build_role
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"

# Action Type IDs and Event Type IDs, PS3.4 Tables CC.2.1-1, CC.2.2-1, CC.2.3-1 and CC.2.4-1
CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND_GLOBAL_SUBSCRIPTION = 1, 2, 3, 4, 5
STATE_REPORT, CANCEL_REQUESTED, PROGRESS_REPORT = 1, 2, 3

SUCCESS, NO_SUCH_ACTION = 0x0000, 0x0123
NO_SUCH_ATTRIBUTE, INVALID_VALUE, DUPLICATE_INSTANCE = 0x0105, 0x0106, 0x0111
INVALID_ARGUMENT, MISSING_ATTRIBUTE, MISSING_VALUE = 0x0115, 0x0120, 0x0121
ALREADY_CANCELED, ALREADY_COMPLETED = 0xB304, 0xB306
MAY_NO_LONGER_BE_UPDATED, WRONG_TRANSACTION_UID, ALREADY_IN_PROGRESS = 0xC300, 0xC301, 0xC302
SCHEDULED_BY_CREATION_ONLY, REQUIREMENTS_NOT_MET, NO_SUCH_STEP = 0xC303, 0xC304, 0xC307
UNKNOWN_AE_TITLE, NOT_SCHEDULED, NOT_IN_PROGRESS = 0xC308, 0xC309, 0xC310
COMPLETED_BEFORE_CANCEL, PERFORMER_OUT_OF_REACH, NOT_APPROPRIATE = 0xC311, 0xC312, 0xC314


def information(**values):
    """Return a data set: the Action Information, the Modification List, or an item."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(value, meaning, scheme="DCM"):
    return information(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


# --- the manager: the SCP of everything ---------------------------------------------------------

REQUIRED = (
    "ProcedureStepLabel", "ScheduledProcedureStepPriority", "ScheduledProcedureStepStartDateTime",
    "InputReadinessState",
)  # fmt: skip
"""Attributes that always have a value, besides the state (PS3.4 Table CC.2.5-3, type 1)."""

FIXED = (
    "SOPClassUID", "SOPInstanceUID", "PatientName", "PatientID", "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence", "PatientBirthDate", "PatientSex", "AdmissionID",
    "IssuerOfAdmissionIDSequence", "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence",
    "ReferencedRequestSequence", "ReplacedProcedureStepSequence", "ProcedureStepState",
)  # fmt: skip
"""Attributes that an N-SET may not change (PS3.4 Table CC.2.5-3, "Not allowed")."""

CANCEL_DETAILS = (
    "ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence", "ContactURI",
    "ContactDisplayName",
)  # fmt: skip
"""Attributes of a request to cancel that are passed on (PS3.4 Table CC.2.4-1)."""

PERFORMED = "UnifiedProcedureStepPerformedProcedureSequence"
PROGRESS = "ProcedureStepProgressInformationSequence"
DISCONTINUED_FOR = "ProcedureStepDiscontinuationReasonCodeSequence"

FINAL = {
    "COMPLETED": (PERFORMED, (
        "PerformedStationNameCodeSequence", "PerformedProcedureStepStartDateTime",
        "PerformedWorkitemCodeSequence", "PerformedProcedureStepEndDateTime",
    )),
    "CANCELED": (PROGRESS, (DISCONTINUED_FOR,)),
}  # fmt: skip
"""Sequences with items at the end, and the attributes of each item (PS3.4 Table CC.2.5-3, P and X)."""

UNSPECIFIED_REASON = "110513", "Discontinued for unspecified reason"
SPECIFIC_CHARACTER_SET = 0x00080005  # ASCII text does not need it


def part(dataset, tags):
    """Return some attributes of a data set, and their character set."""
    found = Dataset()
    for tag in (SPECIFIC_CHARACTER_SET, *tags):
        if tag in dataset:
            found[tag] = dataset[tag]
    return found


def objection(uid, step):
    """Return the status that refuses a new step, or None (PS3.4 CC.2.5.3)."""
    if step.get("ProcedureStepState") != "SCHEDULED":
        return NOT_SCHEDULED
    for keyword in REQUIRED:
        if not step.get(keyword):
            return MISSING_VALUE if keyword in step else MISSING_ATTRIBUTE
    if step.get("TransactionUID"):  # nobody has claimed it yet
        return INVALID_VALUE
    if uid in (UPSGlobalSubscriptionInstance, UPSFilteredGlobalSubscriptionInstance):
        return DUPLICATE_INSTANCE
    return None


def has(item, keyword):
    """Tell whether there is a value. A sequence may have no empty item."""
    return bool(item.get(keyword)) and all(item.get(keyword))


def is_final(step, state):
    """Tell whether a step has the attributes of a final state."""
    sequence, keywords = FINAL[state]
    return has(step, sequence) and all(
        all(has(item, keyword) for keyword in keywords)
        and (state == "CANCELED" or "OutputInformationSequence" in item)  # the sequence may be empty
        for item in step.get(sequence)
    )


def canceled(*parts):
    """Merge progress information; the last part prevails. Add the time and reason of a cancellation."""
    made, now = Dataset(), datetime.now(UTC).strftime("%Y%m%d%H%M%S%z")
    for attributes in parts:
        made.update(attributes)
    needed = {"ProcedureStepCancellationDateTime": now, DISCONTINUED_FOR: [code(*UNSPECIFIED_REASON)]}
    made.update(information(**{keyword: needed[keyword] for keyword in needed if not has(made, keyword)}))
    return made


class Manager:
    """Procedure steps by SOP Instance UID, with their performers and subscribers.

    `addresses` has the addresses of AE titles: (host, port).
    """

    def __init__(self, addresses):
        self.addresses = addresses
        self.steps = {}
        self.claims = {}  # the Transaction UID of each step in progress
        self.subscribers = {}  # for each step: AE titles, and the deletion lock of each
        self.everywhere = {}  # the global subscribers, for future steps
        self.reports = Queue()
        self.lock = Lock()  # each association has its own thread
        self.ae = AE(ae_title="MANAGER")
        for uid in (UnifiedProcedureStepPush, UnifiedProcedureStepPull, UnifiedProcedureStepWatch):
            self.ae.add_supported_context(uid)

    def handlers(self):
        return [
            (evt.EVT_N_CREATE, self.create), (evt.EVT_C_FIND, self.find), (evt.EVT_N_GET, self.get),
            (evt.EVT_N_SET, self.set), (evt.EVT_N_ACTION, self.act),
        ]  # fmt: skip

    def create(self, event):
        uid, step = event.request.AffectedSOPInstanceUID or generate_uid(), event.attribute_list
        try:
            use_utf_8(step)
        except DataSetError:
            return INVALID_VALUE, None
        if (refusal := objection(uid, step)) is not None:
            return refusal, None
        step.SOPClassUID, step.SOPInstanceUID = UnifiedProcedureStepPush, uid
        step.TransactionUID = ""
        with self.lock:
            if self.steps.setdefault(uid, step) is not step:
                return DUPLICATE_INSTANCE, None
            self.subscribers[uid] = dict(self.everywhere)
            self.tell_of_state(uid)
        return SUCCESS, information(AffectedSOPInstanceUID=uid)

    def find(self, event):
        try:
            query = Query(event.identifier)
        except DataSetError:
            yield 0xA900, None  # the identifier does not match the SOP class
            return
        with self.lock:
            found = [query.response(step) for step in self.steps.values() if query.matches(step)]
        for answer in found:
            yield 0xFF00, answer

    def get(self, event):
        asked = event.attribute_identifiers
        with self.lock:
            step = self.steps.get(event.request.RequestedSOPInstanceUID)
            if step is None:
                return NO_SUCH_STEP, None
            found = part(step, asked or step.keys())
        lacks_some = any(tag not in found for tag in asked if tag != SPECIFIC_CHARACTER_SET)
        return 0x0001 if lacks_some else SUCCESS, found

    def set(self, event):
        uid, changes = event.request.RequestedSOPInstanceUID, event.modification_list
        try:
            use_utf_8(changes)  # PS3.4 CC.2.6.3: the step keeps text in other character sets
        except DataSetError:
            return INVALID_VALUE, None
        with self.lock:
            step = self.steps.get(uid)
            if step is None:
                return NO_SUCH_STEP, None
            if step.ProcedureStepState in ("COMPLETED", "CANCELED"):
                return MAY_NO_LONGER_BE_UPDATED, None
            if step.ProcedureStepState == "SCHEDULED" and "TransactionUID" in changes:  # PS3.4 CC.2.6.2
                return NOT_IN_PROGRESS, None
            if changes.get("TransactionUID") != self.claims.get(uid):
                return WRONG_TRANSACTION_UID, None
            if any(keyword in changes for keyword in FIXED):
                return NO_SUCH_ATTRIBUTE, None
            if any(keyword in changes and not changes.get(keyword) for keyword in REQUIRED):
                return MISSING_VALUE, None
            changes.pop("TransactionUID", None)  # the performer's secret
            readiness = step.InputReadinessState
            step.update(changes)
            if step.InputReadinessState != readiness:
                self.tell_of_state(uid)
            if PROGRESS in changes:
                self.tell(uid, PROGRESS_REPORT, part(step, [PROGRESS]))
        return SUCCESS, None

    def act(self, event):
        actions = {
            CHANGE_STATE: self.change_state, REQUEST_CANCEL: self.request_cancel, SUBSCRIBE: self.subscribe,
            UNSUBSCRIBE: self.unsubscribe, SUSPEND_GLOBAL_SUBSCRIPTION: self.suspend,
        }  # fmt: skip
        action = actions.get(event.action_type)
        if action is None:
            return NO_SUCH_ACTION, None
        uid = event.request.RequestedSOPInstanceUID
        is_global = uid == UPSGlobalSubscriptionInstance
        is_of_step = event.action_type in (CHANGE_STATE, REQUEST_CANCEL)
        with self.lock:
            if not is_global and uid not in self.steps:
                return NO_SUCH_STEP, None
            if is_of_step if is_global else event.action_type == SUSPEND_GLOBAL_SUBSCRIPTION:
                return NOT_APPROPRIATE, None
            if not is_of_step and event.action_information.get("ReceivingAE") not in self.addresses:
                return UNKNOWN_AE_TITLE, None
            return action(uid, event), None

    # -- N-ACTION, by type ------------------------------------------------------------------------

    def change_state(self, uid, event):
        """PS3.4 Table CC.1.1-2."""
        step, asked = self.steps[uid], event.action_information
        transaction = asked.get("TransactionUID")
        state, wanted = step.ProcedureStepState, asked.get("ProcedureStepState")
        if wanted == "SCHEDULED":
            return SCHEDULED_BY_CREATION_ONLY
        if state in ("COMPLETED", "CANCELED"):
            warning = ALREADY_COMPLETED if state == "COMPLETED" else ALREADY_CANCELED
            return warning if wanted == state else MAY_NO_LONGER_BE_UPDATED
        if wanted == "IN PROGRESS":
            if state == "IN PROGRESS":
                return ALREADY_IN_PROGRESS
            if not transaction:
                return WRONG_TRANSACTION_UID
            self.claims[uid] = transaction
        elif wanted in ("COMPLETED", "CANCELED"):
            if state == "SCHEDULED":
                return NOT_IN_PROGRESS
            if transaction != self.claims[uid]:
                return WRONG_TRANSACTION_UID
            if not is_final(step, wanted):
                return REQUIREMENTS_NOT_MET
            if wanted == "CANCELED":
                step.update(information(**{PROGRESS: [canceled(item) for item in step.get(PROGRESS)]}))
        else:
            return INVALID_VALUE
        step.ProcedureStepState = wanted
        self.tell_of_state(uid)
        return SUCCESS

    def request_cancel(self, uid, event):
        step = self.steps[uid]
        if step.ProcedureStepState == "COMPLETED":
            return COMPLETED_BEFORE_CANCEL
        if step.ProcedureStepState == "CANCELED":
            return ALREADY_CANCELED
        if step.ProcedureStepState == "IN PROGRESS" and not self.subscribers[uid]:
            return PERFORMER_OUT_OF_REACH  # the performer has no address
        use_utf_8(event.action_information)
        request = part(event.action_information, CANCEL_DETAILS)
        request.RequestingAE = event.assoc.requestor.ae_title
        self.tell(uid, CANCEL_REQUESTED, request)
        if step.ProcedureStepState == "SCHEDULED":  # PS3.4 CC.2.2.3
            reason = part(request, ["ReasonForCancellation", DISCONTINUED_FOR])
            step.update(information(**{PROGRESS: [canceled(*(step.get(PROGRESS) or ()), reason)]}))
            use_utf_8(step)
            for state in ("IN PROGRESS", "CANCELED"):
                step.ProcedureStepState = state
                self.tell_of_state(uid)
        return SUCCESS

    # PS3.4 Table CC.2.3-2. This manager deletes no step. One that does has to respect the locks.

    def subscribe(self, uid, event):
        title, lock = event.action_information.ReceivingAE, event.action_information.get("DeletionLock")
        if lock not in ("TRUE", "FALSE"):
            return INVALID_ARGUMENT
        if uid in self.steps:
            self.subscribers[uid][title] = lock
            self.tell_of_state(uid, [title])
            return SUCCESS
        self.everywhere[title] = lock
        for known, subscribers in self.subscribers.items():
            subscribers.setdefault(title, lock)  # a subscription to one step takes precedence
            if lock == "TRUE":  # PS3.4 CC.2.4.3
                self.tell_of_state(known, [title])
        return SUCCESS

    def unsubscribe(self, uid, event):
        everything = self.everywhere, *self.subscribers.values()
        for subscribers in [self.subscribers[uid]] if uid in self.steps else everything:
            subscribers.pop(event.action_information.ReceivingAE, None)
        return SUCCESS

    def suspend(self, uid, event):
        """End the subscription to future steps; subscriptions to existing steps remain."""
        self.everywhere.pop(event.action_information.ReceivingAE, None)
        return SUCCESS

    # -- N-EVENT-REPORT ---------------------------------------------------------------------------

    def tell_of_state(self, uid, titles=None):
        state, readiness = self.steps[uid].ProcedureStepState, self.steps[uid].InputReadinessState
        report = information(ProcedureStepState=state, InputReadinessState=readiness)
        self.tell(uid, STATE_REPORT, report, titles)

    def tell(self, uid, event_type, report, titles=None):
        """Queue a report for the subscribers of a step."""
        for title in sorted(self.subscribers[uid] if titles is None else titles):
            self.reports.put((title, uid, event_type, report))

    def deliver(self):
        """Send the reports in order, each on an association in the role of SCP, until there is None."""
        while (waiting := self.reports.get()) is not None:
            title, uid, event_type, report = waiting
            try:
                role = build_role(UnifiedProcedureStepEvent, scp_role=True)
                proposal = {"contexts": [UnifiedProcedureStepEvent], "ae_title": title, "ext_neg": [role]}
                with self.ae.associate(*self.addresses[title], **proposal) as assoc:
                    assoc.send_n_event_report(report, event_type, UnifiedProcedureStepPush, uid)
            except (DicomProtoError, ValueError, OSError) as error:  # a product would try again later
                print(f"manager: no report to {title}: {type(error).__name__}")  # the text may quote values


# --- those who use it: the SCUs -----------------------------------------------------------------


def show(what, response, _=None):
    print(f"{what}: {response.Status:04X} {response.status.meaning}")


def ordered(label, state="SCHEDULED"):
    """Return a step for an N-CREATE (PS3.4 Table CC.2.5-3 has the rest)."""
    return information(
        ProcedureStepState=state, ProcedureStepLabel=label, WorklistLabel="PLANNING",
        ScheduledProcedureStepPriority="MEDIUM", ScheduledProcedureStepStartDateTime="20240115103000",
        InputReadinessState="READY", PatientName="Doe^Jane", PatientID="P1", InputInformationSequence=[],
        **{PROGRESS: [], PERFORMED: []},
    )  # fmt: skip


def order(assoc, uid):
    """Push: N-CREATE."""
    for what, state in (("ordered as begun", "IN PROGRESS"), ("ordered", "SCHEDULED")):
        show(what, *assoc.send_n_create(ordered("Plan", state), UnifiedProcedureStepPush, uid))


def change_state(assoc, uid, state, transaction):
    changes = information(ProcedureStepState=state, TransactionUID=transaction)
    show(f"to be {state}", *assoc.send_n_action(changes, CHANGE_STATE, UnifiedProcedureStepPush, uid))


def claim(assoc, transaction):
    """Pull: find a scheduled step by C-FIND, and claim it by N-ACTION; return the step's UID."""
    identifier = make_identifier(
        ProcedureStepState="SCHEDULED", WorklistLabel="PLAN*", ProcedureStepLabel=None, SOPInstanceUID=None,
        ScheduledProcedureStepStartDateTime="20240115-20240116",
    )  # fmt: skip
    uid = None
    for response, step in assoc.send_c_find(identifier, UnifiedProcedureStepPull):
        if step is None:
            show("what is to be done", response)
        else:
            uid = step.SOPInstanceUID
            print(f"to do: {step.ProcedureStepLabel}, {step.ScheduledProcedureStepStartDateTime}")
    change_state(assoc, uid, "IN PROGRESS", transaction)
    return uid


def rival(assoc, uid):
    """Pull: the requests of another performer on a claimed step."""
    other = generate_uid()
    change_state(assoc, uid, "IN PROGRESS", other)
    change_state(assoc, uid, "CANCELED", other)
    response, step = assoc.send_n_get(["ProcedureStepState", "TransactionUID"], UnifiedProcedureStepPush, uid)
    show(f"it is {step.ProcedureStepState} by {step.TransactionUID or 'somebody'}", response)


def performed():
    """Return the attributes at the end of the step (PS3.4 Table CC.2.5-3); it has no output."""
    return information(
        PerformedStationNameCodeSequence=[code("PLAN1", "Planning workstation", "99HOSPITAL")],
        PerformedProcedureStepStartDateTime="20240115103500",
        PerformedWorkitemCodeSequence=[code("110001", "Image Processing")],
        PerformedProcedureStepEndDateTime="20240115105000",
        OutputInformationSequence=[],
    )


def perform(assoc, uid, transaction):
    """Pull: N-SET, and N-ACTION at the end."""
    progress = information(ProcedureStepProgress="50", ProcedureStepProgressDescription="halfway")
    changes = information(TransactionUID=transaction, **{PROGRESS: [progress]})
    show("halfway", *assoc.send_n_set(changes, UnifiedProcedureStepPush, uid))
    change_state(assoc, uid, "COMPLETED", transaction)
    changes = information(TransactionUID=transaction, **{PERFORMED: [performed()]})
    show("what was done", *assoc.send_n_set(changes, UnifiedProcedureStepPush, uid))
    change_state(assoc, uid, "COMPLETED", transaction)
    change_state(assoc, uid, "COMPLETED", transaction)
    show("more of it", *assoc.send_n_set(changes, UnifiedProcedureStepPush, uid))


class Watcher:
    """Watch: subscribes by N-ACTION. Event: has a server for the N-EVENT-REPORTs."""

    def __init__(self):
        self.ae = AE(ae_title="WATCHER")
        self.ae.add_requested_context(UnifiedProcedureStepWatch)
        self.ae.add_supported_context(UnifiedProcedureStepEvent)
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self.handle_report)]
        self.heard = Queue()

    def handle_report(self, event):
        report = event.event_information
        if event.event_type == STATE_REPORT:
            self.heard.put(f"it is {report.ProcedureStepState}")
        elif event.event_type == PROGRESS_REPORT:
            (progress,) = report.ProcedureStepProgressInformationSequence
            self.heard.put(f"it is done to {progress.ProcedureStepProgress} %")
        elif event.event_type == CANCEL_REQUESTED:
            reason = report.get("ReasonForCancellation", "no reason given")
            self.heard.put(f"{report.RequestingAE} asks to cancel it: {reason}")
        return SUCCESS, None

    def act(self, assoc, action_type, uid):
        wanted = information(ReceivingAE=self.ae.ae_title, DeletionLock="FALSE")
        response, _ = assoc.send_n_action(wanted, action_type, UnifiedProcedureStepPush, uid)
        show("subscribed" if action_type == SUBSCRIBE else "unsubscribed", response)

    def ask_to_cancel(self, assoc, uid):
        reason = information(ReasonForCancellation="the patient has gone")
        show("please cancel", *assoc.send_n_action(reason, REQUEST_CANCEL, UnifiedProcedureStepPush, uid))

    def hear(self, count=1):
        for _ in range(count):
            print("  watcher:", self.heard.get(timeout=30))


def connected(title, sop_class, manager_port):
    """Return an association with the manager, under an AE title."""
    ae = AE(ae_title=title)
    ae.add_requested_context(sop_class)
    return ae.associate(HOST, manager_port, ae_title="MANAGER")


def session(port, watcher):
    transaction = generate_uid()
    with (
        watcher.ae.associate(HOST, port, ae_title="MANAGER") as watching,
        connected("ORDERER", UnifiedProcedureStepPush, port) as ordering,
        connected("PERFORMER", UnifiedProcedureStepPull, port) as performing,
        connected("RIVAL", UnifiedProcedureStepPull, port) as competing,
    ):
        watcher.act(watching, SUBSCRIBE, UPSGlobalSubscriptionInstance)
        order(ordering, generate_uid())
        watcher.hear()
        uid = claim(performing, transaction)
        watcher.hear()
        rival(competing, uid)
        watcher.ask_to_cancel(watching, uid)
        watcher.hear()
        perform(performing, uid, transaction)
        watcher.hear(2)
        watcher.act(watching, UNSUBSCRIBE, UPSGlobalSubscriptionInstance)


def main():
    watcher = Watcher()
    with watcher.ae.start_server((HOST, 0), block=False, evt_handlers=watcher.handlers) as listening:
        manager = Manager({"WATCHER": (HOST, listening.port)})
        delivering = Thread(target=manager.deliver)
        delivering.start()
        try:
            with manager.ae.start_server((HOST, 0), block=False, evt_handlers=manager.handlers()) as server:
                session(server.port, watcher)
        finally:
            manager.reports.put(None)
            delivering.join()


if __name__ == "__main__":
    main()
