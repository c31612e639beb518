"""Several senders at once, a limit of associations, and a server that is started by hand."""

import sys
import threading

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
results, lock = [], threading.Lock()


def associate(number):
    ae = AE(f"SENDER{number}")
    ae.add_requested_context(Verification)
    return ae.associate(*ADDRESS)


def use(assoc):
    if assoc.is_established:
        word = f"{assoc.send_c_echo().Status:04X}"
        assoc.release()
    else:
        primitive = assoc.acceptor.primitive
        word = f"rejected {primitive.result} {primitive.result_source} {primitive.diagnostic}"
    with lock:
        results.append(word)


ae = AE("LIMITED")
ae.add_supported_context(Verification)
ae.maximum_associations = 3
server = ae.make_server(ADDRESS, evt_handlers=[(evt.EVT_C_ECHO, lambda event: 0x0000)])
print(type(server).__name__, server.ae.ae_title, server.ae_title, len(server.contexts))
thread = threading.Thread(target=server.serve_forever, daemon=True)
thread.start()
threads = [threading.Thread(target=use, args=(associate(number),)) for number in range(5)]
for sender in threads:
    sender.start()
for sender in threads:
    sender.join(30)
print(sorted(results))
server.server_close()
