"""What asks a server that an example has started: real pynetdicom, or DCMTK's tools."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from peers import CLASSES, OWN_CLASSES, TOOLS, Record
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, JPEGBaseline8Bit
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom import pdu_primitives as items
from pynetdicom import sop_class as sop

Calls = list[tuple[UID, Callable[[], Iterable[Any]]]]

FIND = sop.PatientRootQueryRetrieveInformationModelFind
GET = sop.PatientRootQueryRetrieveInformationModelGet
MOVE = sop.PatientRootQueryRetrieveInformationModelMove
MPPS = sop.ModalityPerformedProcedureStep
RELEVANT = sop.GeneralRelevantPatientInformationQuery
COMMITMENT = sop.StorageCommitmentPushModel


def leave_at_once(port: int) -> None:
    """Connect, and be gone before a byte is sent."""
    with socket.create_connection(("127.0.0.1", port)) as gone:
        gone.shutdown(socket.SHUT_WR)
        gone.recv(1)  # the server closes, too


def identifier(**more: str) -> Dataset:
    """Return the keys of a patient."""
    keys = Dataset()
    keys.PatientName, keys.PatientID, keys.QueryRetrieveLevel = "CITIZEN^Jan", "1234567", "PATIENT"
    for keyword, value in more.items():
        setattr(keys, keyword, value)
    return keys


def calls_of(assoc: Any, ct: Dataset) -> Calls:
    """Return a call of each service."""
    keys, step = identifier(), Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    display, well_known = sop.DisplaySystem, sop.DisplaySystemInstance
    return [
        (sop.Verification, lambda: [assoc.send_c_echo()]),
        (sop.CTImageStorage, lambda: [assoc.send_c_store(ct)]),
        (FIND, lambda: assoc.send_c_find(keys, FIND)),
        (RELEVANT, lambda: assoc.send_c_find(keys, RELEVANT)),
        (GET, lambda: assoc.send_c_get(keys, GET)),
        (MOVE, lambda: assoc.send_c_move(keys, "STORE_SCP", MOVE)),
        (MOVE, lambda: assoc.send_c_move(keys, "UNKNOWN", MOVE)),
        (display, lambda: [assoc.send_n_get([(8, 0x70)], display, well_known)]),
        (MPPS, lambda: [assoc.send_n_create(step, MPPS, "1.2.3.4.5")]),
        (MPPS, lambda: [assoc.send_n_create(step, MPPS, "1.2.3.4.5")]),
        (MPPS, lambda: [assoc.send_n_set(step, MPPS, "1.2.3.4.5")]),
        (MPPS, lambda: [assoc.send_n_set(step, MPPS, "1.2.3.4.6")]),
    ]


def more_calls_of(assoc: Any, ct: Dataset, reports: Reports) -> Calls:
    """Return the calls that our own programs get besides."""
    big, mr = deepcopy(ct), deepcopy(ct)
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    big.set_original_encoding(False, False)
    mr.SOPClassUID = mr.file_meta.MediaStorageSOPClassUID = sop.MRImageStorage
    worklist, push = sop.ModalityWorklistInformationFind, sop.StorageCommitmentPushModelInstance
    committed, completed, unfinished = Dataset(), Dataset(), Dataset()
    completed.PerformedProcedureStepStatus = "COMPLETED"
    unfinished.PatientID = "1"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop.CTImageStorage, "1.2.3.4.5"
    committed.TransactionUID, committed.ReferencedSOPSequence = "1.2.3.9", [item]

    def commit(action: int) -> list[Any]:
        status, reply = assoc.send_n_action(committed, action, COMMITMENT, push)
        return [status, reply, *(reports.wait() if status and status.Status == 0 else ())]

    keys = identifier(PatientName="M*")
    return [
        (sop.Verification, lambda: [assoc.send_c_echo(msg_id=65535)]),
        (sop.CTImageStorage, lambda: [assoc.send_c_store(big, 2, 0, "MOVER", 77)]),
        (sop.CTImageStorage, lambda: [assoc.send_c_store(ct, 3)]),
        (sop.MRImageStorage, lambda: [assoc.send_c_store(mr, 4)]),
        (worklist, lambda: assoc.send_c_find(keys, worklist, 5)),
        (FIND, lambda: assoc.send_c_find(identifier(PatientName="", PatientID=""), FIND, 6)),
        (FIND, lambda: assoc.send_c_find(Dataset(), FIND, 7)),
        (GET, lambda: assoc.send_c_get(keys, GET, 8)),
        (GET, lambda: assoc.send_c_get(keys, GET, 9)),
        (GET, lambda: assoc.send_c_get(keys, GET, 10)),
        (MOVE, lambda: assoc.send_c_move(keys, "STORE_SCP", MOVE, 11)),
        (MOVE, lambda: assoc.send_c_move(keys, "STORE_SCP", MOVE, 12)),
        (MPPS, lambda: [assoc.send_n_create(unfinished, MPPS, "1.2.3.4.7")]),
        (MPPS, lambda: [assoc.send_n_set(completed, MPPS, "1.2.3.4.5", 13)]),
        (MPPS, lambda: [assoc.send_n_get([0x00400252], MPPS, "1.2.3.4.5", 14)]),
        (COMMITMENT, lambda: commit(1)),
        (COMMITMENT, lambda: commit(2)),
    ]


class Reports:
    """The N-EVENT-REPORTs that came."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.found: list[str] = []

    def handle(self, event: Any) -> Any:
        self.found = [str(event.event_type), str(event.event_information)]
        self.came.set()
        return 0x0000, None

    def wait(self) -> list[str]:
        self.came.wait(10)
        return self.found


def proposed_items() -> list[Any]:
    """Return an item of each kind of extended negotiation."""
    identity = items.UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"user", b"secret"
    extended = items.SOPClassExtendedNegotiation()
    extended.sop_class_uid = sop.CTImageStorage
    extended.service_class_application_information = b"\x02\x00\x03\x00\x01\x00"
    common = items.SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = sop.MRImageStorage, "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = [sop.CTImageStorage]
    window = items.AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 3
    return [identity, extended, common, window]


def state_of(assoc: Any) -> list[Any]:
    """Return the state of an association, and the reason of a rejection."""
    state = [assoc.is_established, assoc.is_rejected, assoc.is_aborted]
    if assoc.is_rejected:
        answer = assoc.acceptor.primitive
        state += [answer.result, answer.result_source, answer.diagnostic]
    return state


def ask(situation: str, port: int, other: int, record: Record, folder: Path, *, own: bool = False) -> None:
    """Drive a server that an example has started; `own` is for a program of ours."""
    if situation == TOOLS:
        ask_with_tools(port, other, record, folder)
        return
    if situation == "is gone at once":
        leave_at_once(port)
    ct = dcmread(folder / "CT.dcm")
    reports = Reports()
    stored = [
        (
            evt.EVT_C_STORE,
            lambda event: record.add("sub-operation", event.request.AffectedSOPInstanceUID) or 0,
        )
    ]
    store = AE(ae_title="STORE_SCP")
    store.add_supported_context(sop.CTImageStorage, ct.file_meta.TransferSyntaxUID)
    store.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
    handlers = [*stored, (evt.EVT_N_EVENT_REPORT, reports.handle)]
    store.start_server(("127.0.0.1", other), block=False, evt_handlers=handlers)
    ae = AE(ae_title="DRIVER")
    if situation == "proposes nothing known":
        ae.add_requested_context("1.2.3.4")
    else:
        for uid in [*CLASSES, *(OWN_CLASSES if own else ())]:
            ae.add_requested_context(uid, ct.file_meta.TransferSyntaxUID)
        if own:
            ae.add_requested_context(sop.CTImageStorage, ExplicitVRBigEndian)
            ae.add_requested_context(sop.MRImageStorage, JPEGBaseline8Bit)
    title = "ANOTHER" if situation == "calls another" else "ANY-SCP"
    negotiated = [build_role(sop.CTImageStorage, scu_role=True, scp_role=True)]
    if own and situation == "asks":
        negotiated += proposed_items()
    assoc = ae.associate("127.0.0.1", port, ae_title=title, ext_neg=negotiated, evt_handlers=stored)
    record.add("association", *(state_of(assoc) if own else state_of(assoc)[:3]))
    record.add(
        "accepted",
        [[c.abstract_syntax, c.transfer_syntax, c.as_scu, c.as_scp] for c in assoc.accepted_contexts],
    )
    record.add("rejected", [[c.abstract_syntax, c.result] for c in assoc.rejected_contexts])
    if own:
        answer = assoc.acceptor
        record.add("names", answer.maximum_length, answer.asynchronous_operations)
        record.add("items", str(answer.sop_class_extended), str(answer.user_identity))
    calls = calls_of(assoc, ct)
    if own:
        calls += more_calls_of(assoc, ct, reports)
    accepted, lost = {context.abstract_syntax for context in assoc.accepted_contexts if context.as_scu}, False
    for number, (uid, call) in enumerate(calls):
        if uid in accepted and assoc.is_established:
            for answer in call():
                record.add(uid.keyword, str(answer))
                lost = own and (answer[0] if isinstance(answer, tuple) else answer) == Dataset()
                if situation == "aborts in the middle":
                    assoc.abort()
                    break
        if lost:  # it may still say that it is established for a moment
            record.add("lost")
            break
        if own and situation == "asks" and not number:
            visit(port, record)
    if not lost:
        assoc.release()
        record.add("end", assoc.is_released, assoc.is_aborted)
    if own and situation == "asks":
        for _ in range(3):
            visit(port, record)


def visit(port: int, record: Record) -> None:
    """Request an association, send a C-ECHO and release it."""
    ae = AE(ae_title="DRIVER")
    contexts = [build_context(sop.Verification), build_context(MPPS), build_context(sop.CTImageStorage)]
    assoc = ae.associate("127.0.0.1", port, contexts=contexts)
    record.add("visit", state_of(assoc), len(assoc.accepted_contexts), assoc.acceptor.maximum_length)
    record.add(assoc.acceptor.implementation_version_name and "named")
    if sop.Verification in {context.abstract_syntax for context in assoc.accepted_contexts}:
        record.add("visit", str(assoc.send_c_echo()))
    if assoc.is_established:
        assoc.release()


def ask_with_tools(port: int, other: int, record: Record, folder: Path) -> None:
    """Drive a server with DCMTK's tools."""
    received = folder / "received"
    received.mkdir()
    keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=1234567", "-k", "PatientName"]
    address = ["127.0.0.1", str(port)]
    move = ["-aem", "STORE_SCP", "+P", str(other), "-od", "received"]
    for tool, *arguments in (
        ["echoscu", "-aet", "DCMTK", *address],
        ["storescu", "-aet", "DCMTK", *address, "CT.dcm", "instances/1.dcm"],
        ["findscu", "-P", "-aet", "DCMTK", *keys, *address],
        ["findscu", "-W", "-aet", "DCMTK", "-k", "PatientName=D*", "-k", "PatientID", *address],
        ["getscu", "-P", "-aet", "DCMTK", "-od", "received", *keys, *address],
        ["movescu", "-P", "-aet", "DCMTK", *move, *keys, *address],
    ):
        path = shutil.which(tool, path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
        assert path is not None, f"DCMTK's {tool} is not installed (Debian package dcmtk)"
        done = subprocess.run(
            [path, *arguments], check=False, capture_output=True, text=True, errors="replace", timeout=60
        )
        record.add(tool, done.returncode, (done.stdout + done.stderr).splitlines())
    record.add("received", sorted(path.name for path in received.iterdir()))
