"""The other side of an example: real pynetdicom, which writes down what it sees on the wire."""

from __future__ import annotations

import json
import re
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, build_role, evt
from pynetdicom import sop_class as sop

SITUATIONS = {
    "scu": ("serves", "is down", "rejects", "accepts no context", "aborts in the middle"),
    "server": ("asks", "is gone at once", "calls another", "proposes nothing known", "aborts in the middle"),
    "plain": ("alone",),
}
"""What the other side does, by kind of program."""

TOOLS = "asks with DCMTK"
"""A situation of the servers among our own programs."""

GENERATED = re.compile(r"1\.2\.826\.0\.1\.3680043\.8\.498\.\d+")

CLASSES = [
    sop.Verification,
    sop.CTImageStorage,
    sop.MRImageStorage,
    sop.ModalityWorklistInformationFind,
    sop.PatientRootQueryRetrieveInformationModelFind,
    sop.PatientRootQueryRetrieveInformationModelGet,
    sop.PatientRootQueryRetrieveInformationModelMove,
    sop.GeneralRelevantPatientInformationQuery,
    sop.DisplaySystem,
    sop.ModalityPerformedProcedureStep,
    sop.BasicGrayscalePrintManagementMeta,
    UID("1.2.246.352.70.1.70"),
]


OWN_CLASSES = [
    sop.StorageCommitmentPushModel,
    sop.Printer,
]
"""What the other side of our own programs knows as well."""


class Record:
    """What came and went, in order, as lines of JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Any] = []
        self.lock = threading.Lock()

    def add(self, *words: Any) -> None:
        with self.lock:
            self.lines.append(json.loads(GENERATED.sub("UID", json.dumps(words, default=str))))
            self.path.write_text(json.dumps(self.lines))


def words_of(message: Any, syntax: Any) -> list[Any]:
    """Return the command set of a message, and its data set as text."""
    command = message.command_set
    elements = {e.keyword: str(e.value) for e in command if e.keyword != "CommandGroupLength"}
    data = message.data_set.getvalue() if message.data_set else b""
    text = ""
    if data:
        uid = UID(syntax)
        text = str(read_dataset(BytesIO(data), uid.is_implicit_VR, uid.is_little_endian))
    return [type(message).__name__, elements, text]


def report(port: int, event: Any) -> Any:
    """Send an N-EVENT-REPORT for an N-ACTION over a second association; return its outcome."""
    push, instance = sop.StorageCommitmentPushModel, sop.StorageCommitmentPushModelInstance
    ae = AE(ae_title="REPORTER")
    ae.add_requested_context(push)
    assoc = ae.associate("127.0.0.1", port, ext_neg=[build_role(push, scp_role=True)])
    if not assoc.is_established:
        return "no association"
    answer = assoc.send_n_event_report(event.action_information, 1, push, instance)
    assoc.release()
    return str(answer)


def serve(situation: str, port: int, other: int, record: Record, folder: Path, *, own: bool = False) -> Any:
    """Start a peer and return its server; `own` is for a program of ours, which may ask for more."""
    ct = dcmread(folder / "CT.dcm")
    aborts = situation == "aborts in the middle"

    def reply(value: Any) -> Any:
        def handle(event: Any) -> Any:
            if aborts:
                event.assoc.abort()
            return value(event) if callable(value) else value

        return handle

    def stream(*values: Any) -> Any:
        def handle(event: Any) -> Any:
            if aborts:
                event.assoc.abort()
                return
            yield from values

        return handle

    def find(event: Any) -> Any:
        waits = own and "PatientComments" in event.identifier
        yield from stream((0xFF00, match), *(() if waits else [(0xFF00, match)]))(event)
        if waits and not aborts:
            cancelled.wait(10)
            yield 0xFE00, None

    def move(event: Any) -> Any:
        if aborts:
            event.assoc.abort()
        known = event.move_destination == "OUR_STORE_SCP"
        yield ("127.0.0.1", other) if known else (None, None)
        yield 1
        yield 0xFF00, ct

    def attributes(event: Any) -> Any:
        found = Dataset()
        found.PrinterStatus = "NORMAL"
        found.Manufacturer = "Maker"
        return 0x0000, found

    def created(event: Any) -> Any:
        found = event.attribute_list
        found.SOPClassUID, found.SOPInstanceUID = event.request.AffectedSOPClassUID, "1.2.3.4.5"
        return 0x0000, found

    def committed(event: Any) -> Any:
        if own and event.request.RequestedSOPClassUID == sop.StorageCommitmentPushModel:
            record.add("report", report(other, event))
        return 0, None

    cancelled = threading.Event()
    match = Dataset()
    match.PatientName, match.PatientID, match.QueryRetrieveLevel = "CITIZEN^Jan", "1234567", "PATIENT"

    def requested(event: Any) -> None:
        user = event.assoc.requestor
        contexts = [[c.context_id, c.abstract_syntax, c.transfer_syntax] for c in user.requested_contexts]
        roles = {uid: [r.scu_role, r.scp_role] for uid, r in user.role_selection.items()}
        identity = user.user_identity and user.user_identity.user_identity_type
        titles = user.primitive.calling_ae_title, user.primitive.called_ae_title
        record.add("association", *titles, user.maximum_length, contexts, roles, identity)

    def received(event: Any) -> None:
        context = event.message.context_id
        accepted = {c.context_id: c.transfer_syntax[0] for c in event.assoc.accepted_contexts}
        record.add("received", context, *words_of(event.message, accepted[context]))
        if event.message.command_set.CommandField == 0x0FFF:
            cancelled.set()

    def sent(event: Any) -> None:
        record.add("sent", type(event.message).__name__, event.message.command_set.get("Status"))

    handlers: list[Any] = [
        (evt.EVT_REQUESTED, requested),
        (evt.EVT_DIMSE_RECV, received),
        (evt.EVT_DIMSE_SENT, sent),
        (evt.EVT_RELEASED, lambda event: record.add("released")),
        (evt.EVT_ABORTED, lambda event: record.add("aborted")),
        (evt.EVT_ACCEPTED, lambda event: record.add("accepted")),
        (evt.EVT_REJECTED, lambda event: record.add("rejected")),
        (evt.EVT_C_ECHO, reply(0)),
        (evt.EVT_C_STORE, reply(0)),
        (evt.EVT_C_FIND, find),
        (evt.EVT_C_GET, stream(1, (0xFF00, ct))),
        (evt.EVT_C_MOVE, move),
        (evt.EVT_N_GET, reply(attributes)),
        (evt.EVT_N_CREATE, reply(created)),
        (evt.EVT_N_SET, reply(lambda event: (0, event.modification_list))),
        (evt.EVT_N_ACTION, reply(committed)),
        (evt.EVT_N_DELETE, reply(0)),
    ]
    if own:
        handlers += [
            (evt.EVT_USER_ID, lambda event: (True, b"welcome")),
            (evt.EVT_SOP_EXTENDED, lambda event: event.app_info),
            (evt.EVT_SOP_COMMON, lambda event: event.items),
            (evt.EVT_ASYNC_OPS, lambda event: (event.nr_invoked, event.nr_performed)),
        ]
    ae = AE(ae_title="PEER")
    known = [*CLASSES, "1.2.840.10008.5.1.4.1.1.88.11", *(OWN_CLASSES if own else ())]
    for uid in ["1.2.3.4"] if situation == "accepts no context" else known:
        ae.add_supported_context(uid, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    for uid in (sop.CTImageStorage, sop.MRImageStorage):  # to send its data set as it is
        ae.add_requested_context(uid, ct.file_meta.TransferSyntaxUID)
    if situation == "rejects":
        ae.require_calling_aet = ["NOBODY"]
    return ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
