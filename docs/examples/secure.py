"""Associations over TLS: identities by certificate, rejections, and renewal of certificates."""

from __future__ import annotations

import tempfile
from pathlib import Path

import trustme  # a certification authority for tests; yours is a file with its certificate

from dicomproto.errors import TLSFailed
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, evt
from dicomproto_transports.tls import ReloadingContext, client_context, server_context

HOST = "127.0.0.1"


def check(event):
    subject = dict(name[0] for name in event.assoc.peer_certificate["subject"])
    print("the certificate is that of", subject["commonName"])
    if subject["commonName"] != event.associate_request.calling_ae_title:
        event.reject(result=1, source=1, reason=3)  # PS3.8 Table 9-21: calling AE title not recognized


def main(folder):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    for name, host in (("ARCHIVE", HOST), ("MODALITY", "modality.example")):
        issued = ca.issue_cert(host, common_name=name)
        issued.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")

    # [server]
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(VERIFICATION)
    of_server = ReloadingContext(lambda: server_context(folder / "ARCHIVE.pem", ca_file=folder / "ca.pem"))
    server = scp.start_server(
        (HOST, 0), block=False, ssl_context=of_server, evt_handlers=[(evt.EVT_REQUESTED, check)]
    )
    # [/server]

    # [client]
    scu = AE(ae_title="MODALITY")
    scu.add_requested_context(VERIFICATION)
    of_client = client_context(folder / "ca.pem", cert=folder / "MODALITY.pem")
    with scu.associate(HOST, server.port, tls_args=of_client) as assoc:
        print(f"status {assoc.send_c_echo().Status:04X}")
    # [/client]

    try:
        scu.associate(HOST, server.port, tls_args=client_context(folder / "ca.pem"))
    except TLSFailed as error:
        print(error.kind)

    (folder / "ARCHIVE.pem").write_text("half a file")
    try:
        of_server.reload()
    except ValueError as error:
        print("not reloaded:", str(error).replace(f"{folder}/", ""))
    with scu.associate(HOST, server.port, tls_args=of_client) as assoc:
        print(f"status {assoc.send_c_echo().Status:04X}")
    server.shutdown()


with tempfile.TemporaryDirectory() as name:
    main(Path(name))
