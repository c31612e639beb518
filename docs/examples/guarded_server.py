"""A server that chooses its peers, and gives reasons for a rejection."""

from __future__ import annotations

from dicomproto.errors import AssociationRejected
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, evt


def judge(event):
    requestor = event.assoc.requestor
    print("asked by", requestor.ae_title, "at", requestor.address)
    if requestor.ae_title == "NIGHTLY":
        event.reject(result=2, source=1, reason=1)  # not now; try again later


def ask(title, port):
    ae = AE(ae_title=title)
    ae.add_requested_context(VERIFICATION)
    try:
        return ae.associate("127.0.0.1", port)
    except AssociationRejected as error:
        print(title, "is rejected:", error.result, error.source, error.reason)


def main():
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(VERIFICATION)
    scp.allowed_networks = ["127.0.0.0/8", "2001:db8::/32"]
    scp.require_calling_aet = ["MODALITY", "NIGHTLY"]
    scp.maximum_associations_per_ae_title = 1
    handlers = [(evt.EVT_REQUESTED, judge)]

    with scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        with ask("MODALITY", server.port):
            ask("MODALITY", server.port)
            ask("NIGHTLY", server.port)
            ask("STRANGER", server.port)
        server.shutdown(grace=30)


main()
