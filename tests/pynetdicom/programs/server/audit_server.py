"""Writes a journal of all that happens, by the notification events."""

import datetime
import sys

from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.sop_class import CTImageStorage, Verification


def line(event: Event, *words) -> None:
    stamp = isinstance(event.timestamp, datetime.datetime) and event.timestamp.tzinfo is None
    print(event.event.name, event.event.is_intervention, stamp, *words, flush=True)


def association(event, what):
    assoc = event.assoc
    line(event, what, assoc.remote["ae_title"], assoc.is_acceptor, assoc.name.startswith("AcceptorThread"))


def message(event):
    command = event.message.command_set
    words = [command.get("CommandField"), command.get("MessageID"), command.get("Status")]
    line(event, type(event.message).__name__, *words, event.message.context_id)


def pdu(event):
    if isinstance(event.pdu, A_ASSOCIATE_RQ) or "P_DATA" not in type(event.pdu).__name__:
        line(event, type(event.pdu).__name__, event.pdu.pdu_type)


def acse(event):
    line(event, type(event.primitive).__name__)


def connection(event):
    line(event, event.address[0])


def handle_store(event):
    print(event.assoc.requestor.ae_title, event.event.description, flush=True)
    return 0x0000


ae = AE(ae_title="AUDIT")
ae.add_supported_context(Verification)
ae.add_supported_context(CTImageStorage)
handlers = [
    (evt.EVT_CONN_OPEN, connection),
    (evt.EVT_REQUESTED, association, ["requested"]),
    (evt.EVT_ACCEPTED, association, ["accepted"]),
    (evt.EVT_REJECTED, association, ["rejected"]),
    (evt.EVT_ESTABLISHED, association, ["established"]),
    (evt.EVT_DIMSE_RECV, message),
    (evt.EVT_C_STORE, handle_store),
]
found = []
for kind in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_PDU_RECV, evt.EVT_ACSE_RECV, evt.EVT_CONN_CLOSE):
    handlers.append((kind, lambda event: found.append(event.event.name)))
try:
    ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
finally:
    print(sorted(set(found)))
