"""Associations that end because nobody speaks, or because an answer does not come in time."""

import sys
import threading

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
may_answer = threading.Event()


def slow(event):
    may_answer.wait(20)
    return 0x0000


def ended():
    over = threading.Event()
    return over, [(evt.EVT_ABORTED, lambda e: over.set()), (evt.EVT_RELEASED, lambda e: over.set())]


server_ae = AE("SERVER")
server_ae.add_supported_context(Verification)
server_ae.network_timeout = 0.2
server = server_ae.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_C_ECHO, slow)])

client = AE("CLIENT")
client.add_requested_context(Verification)
over, handlers = ended()
assoc = client.associate(*ADDRESS, evt_handlers=handlers)
print("idle", assoc.is_established, over.wait(20), assoc.is_aborted, assoc.is_released)

server_ae.network_timeout = None
client.dimse_timeout = 0.3
assoc = client.associate(*ADDRESS)
print("silent", assoc.send_c_echo(), assoc.is_aborted or assoc.is_established)
may_answer.set()

client.dimse_timeout = None
over, handlers = ended()
assoc = client.associate(*ADDRESS, evt_handlers=handlers)
print("answers", assoc.send_c_echo().Status, assoc.dimse_timeout)
assoc.network_timeout_response = "A-RELEASE"
assoc.network_timeout = 0.1
print("own", over.wait(20), assoc.is_released, assoc.is_aborted)
client.network_timeout = 0.1
over, handlers = ended()
assoc = client.associate(*ADDRESS, evt_handlers=handlers)
print("own", over.wait(20), assoc.is_released, assoc.is_aborted)
server.shutdown()
