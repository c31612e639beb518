"""Both sides with TLS; a client without it, and a server that nobody can verify."""

import ssl
import sys

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

ADDRESS = ("127.0.0.1", int(sys.argv[1]))


def handle_open(event):
    seen.append((event.address[0], event.assoc.is_acceptor))


seen = []
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("server.crt", "server.key")
ae = AE("SECURE")
ae.add_supported_context(Verification)
ae.add_requested_context(Verification)
ae.acse_timeout = 10
server = ae.start_server(
    ADDRESS, block=False, ssl_context=context, evt_handlers=[(evt.EVT_CONN_OPEN, handle_open)]
)
known = ssl.create_default_context(cafile="server.crt")
for name, arguments in (
    ("known", (known, "localhost")),
    ("unknown", (ssl.create_default_context(), "localhost")),
):
    assoc = ae.associate(*ADDRESS, tls_args=arguments)
    print(name, assoc.is_established, assoc.is_aborted, assoc.is_rejected)
    if assoc.is_established:
        print(assoc.send_c_echo().Status)
        assoc.release()
print(seen[:1])
server.shutdown()
