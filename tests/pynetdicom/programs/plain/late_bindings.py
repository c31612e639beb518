"""Handlers that are bound, replaced and unbound while an association runs, and named tuples of contexts."""

import functools
import sys
from typing import Any

import pynetdicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.events import EVT_C_ECHO, Event, InterventionEvent, NotificationEvent

ADDRESS = ("127.0.0.1", int(sys.argv[1]))


def answer(event: Event, code: int, *more: Any) -> int:
    cx = event.context
    print(code, more, cx._fields, cx.context_id, cx.abstract_syntax.name, cx.transfer_syntax.keyword)
    return code


def explained(event):
    status = Dataset()
    status.Status = 0x0122
    status.ErrorComment = "another time"
    return status


class Handlers:
    def __init__(self):
        self.seen = []

    def __call__(self, event):
        self.seen.append(event.event.name)

    def echo(self, event, extra):
        print(extra)
        return 0x0000


own = Handlers()
ae = pynetdicom.AE()
ae.add_supported_context(pynetdicom.sop_class.Verification, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
ae.requested_contexts = ae.supported_contexts
server = ae.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_C_ECHO, answer, [0x0000, "a", 1])])
assoc = ae.associate(*ADDRESS)
print(assoc.send_c_echo().Status)
server.bind(EVT_C_ECHO, functools.partial(answer, code=0x0210))
print(assoc.send_c_echo())
server.bind(evt.EVT_C_ECHO, explained)
print(assoc.send_c_echo().get("ErrorComment"))
server.bind(evt.EVT_C_ECHO, own.echo, ["extra"])
assoc.bind(evt.EVT_DIMSE_SENT, own)
assoc.bind(evt.EVT_DIMSE_RECV, own)
print(assoc.send_c_echo().Status, own.seen)
assoc.unbind(evt.EVT_DIMSE_SENT, own)
server.unbind(evt.EVT_C_ECHO, own.echo)
print(assoc.send_c_echo().Status, own.seen)
print(
    (own, None) in assoc.get_handlers(evt.EVT_DIMSE_RECV),
    (own, None) in assoc.get_handlers(evt.EVT_DIMSE_SENT),
)
print(isinstance(EVT_C_ECHO, InterventionEvent), isinstance(evt.EVT_DIMSE_RECV, NotificationEvent))
print(EVT_C_ECHO.name, EVT_C_ECHO.description, str(EVT_C_ECHO))
assoc.release()
server.shutdown()
print(pynetdicom.__version__.split(".")[0], pynetdicom.PYNETDICOM_UID_PREFIX)
