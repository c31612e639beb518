"""A server whose settings are changed while it serves, at each request of an association."""

import sys

from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, ModalityPerformedProcedureStep, Verification

seen = []


def handle_requested(event):
    assoc = event.assoc
    seen.append(assoc.requestor.ae_title)
    number = len(seen)
    if number == 2:
        ae.maximum_associations = 1
    elif number == 3:
        ae.maximum_associations = 10
        ae.require_called_aet = True
    elif number == 4:
        ae.require_called_aet = False
        ae.require_calling_aet = ["SOMEBODY"]
    elif number == 5:
        ae.require_calling_aet = ["SOMEBODY", "DRIVER"]
        ae.ae_title = "CHANGED"
        ae.maximum_pdu_size = 32000
        ae.implementation_version_name = "CHANGED_2"
    print(
        number, assoc.requestor.ae_title, assoc.acceptor.ae_title, assoc.acceptor.maximum_length, flush=True
    )


def handle_echo(event):
    assoc = event.assoc
    print("echo", len(seen), ae.ae_title, len(assoc.accepted_contexts), flush=True)
    if len(seen) == 1:
        ae.acse_timeout, ae.dimse_timeout, ae.network_timeout = 11, 12, 13
        ae.add_supported_context(ModalityPerformedProcedureStep)
        for cx in ae.supported_contexts:
            cx.scu_role = True
            cx.scp_role = True
        ae.remove_supported_context(CTImageStorage)
        print(assoc.acse_timeout, assoc.dimse_timeout, assoc.network_timeout, flush=True)
        print(len(ae.supported_contexts), len(assoc.acceptor.supported_contexts), flush=True)
    return 0x0000


def handle_rejected(event):
    print("rejected", len(seen), event.assoc.is_rejected, flush=True)


ae = AE(ae_title="FIRST")
ae.add_supported_context(Verification)
ae.add_supported_context(CTImageStorage)
for name, value in (
    ("acse_timeout", "x"),
    ("dimse_timeout", -5),
    ("network_timeout", "y"),
    ("maximum_associations", 0),
):
    setattr(ae, name, value)
    print(name, getattr(ae, name))
ae.maximum_associations = 5
ae.maximum_pdu_size = -1
ae.acse_timeout = 30
for name, value in (
    ("ae_title", ""),
    ("ae_title", 5),
    ("ae_title", "x" * 17),
    ("require_calling_aet", "ABC"),
):
    try:
        setattr(ae, name, value)
        print(name, getattr(ae, name))
    except (TypeError, ValueError) as error:
        print(name, type(error).__name__)
ae.require_calling_aet = []
ae.colour = "blue"
ae.start_server(
    ("127.0.0.1", int(sys.argv[1])),
    evt_handlers=[
        (evt.EVT_REQUESTED, handle_requested),
        (evt.EVT_C_ECHO, handle_echo),
        (evt.EVT_REJECTED, handle_rejected),
    ],
)
