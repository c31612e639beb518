"""Peers made of pynetdicom for what its applications have no option for: to refuse, abort and vanish.

`pynetdicom_peer.py serve FAULT PORT` accepts verification and storage, `pynetdicom_peer.py send FAULT PORT
[FILE]` sends a C-ECHO, or a file with C-STORE. The faults: "title" rejects all who do not call it
PYNETDICOM; "abort" sends A-ABORT, "vanish" dies at once, both in the middle of an object or before the
answer to a C-ECHO.
"""

from __future__ import annotations

import os
import signal
import sys

from pydicom import dcmread
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification

A_ABORT = bytes.fromhex("07 00 00000004 00 00 00 00")
_ENOUGH = 3
"""P-DATA-TF PDUs that are let through when an object is sent: its command and some of its data set."""


class Fault:
    """Does the fault when enough P-DATA-TF PDUs have gone by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def __call__(self, event: evt.Event) -> None:
        if not isinstance(event.pdu, P_DATA_TF):
            return
        self._count += 1
        contexts = event.assoc.accepted_contexts
        if self._count < _ENOUGH and all(one.abstract_syntax != Verification for one in contexts):
            return
        if self._name == "abort":
            event.assoc.dul.socket.send(A_ABORT)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)


def serve(fault: str, port: int) -> None:
    """Serve until killed."""
    entity = AE(ae_title="PYNETDICOM")
    entity.require_called_aet = fault == "title"
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, AllTransferSyntaxes)
    entity.add_supported_context(Verification)
    handlers = [] if fault == "title" else [(evt.EVT_PDU_RECV, Fault(fault))]
    entity.start_server(("127.0.0.1", port), evt_handlers=handlers)


def send(fault: str, port: int, path: str | None) -> None:
    """Send one message; with a fault it does not come to its end."""
    entity = AE()
    dataset = dcmread(path) if path else None
    if dataset is None:
        entity.add_requested_context(Verification)
    else:
        entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, evt_handlers=[(evt.EVT_PDU_SENT, Fault(fault))])
    if dataset is None:
        association.send_c_echo()
    else:
        association.send_c_store(dataset)
    raise AssertionError("nothing went wrong")


if __name__ == "__main__":
    action, fault, port, *path = sys.argv[1:]
    if action == "serve":
        serve(fault, int(port))
    else:
        send(fault, int(port), path[0] if path else None)
