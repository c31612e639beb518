"""Sends an image; tells why nothing was established, and tries again."""

import sys

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

PORT = int(sys.argv[1])


def send(ae, attempt):
    ds = dcmread("CT.dcm")
    assoc = ae.associate("127.0.0.1", PORT, ae_title="ARCHIVE")
    if assoc.is_established:
        status = assoc.send_c_store(ds)
        if status:
            print(f"C-STORE request status: 0x{status.Status:04x}")
            assoc.release()
            return status.Status == 0x0000
        print("Connection timed out, was aborted or received invalid response")
        return False
    if assoc.is_rejected:  # the only reason to try again
        primitive = assoc.acceptor.primitive
        print(f"attempt {attempt}: rejected", primitive.result, primitive.result_source, primitive.diagnostic)
        print(primitive.result_str, "/", primitive.source_str, "/", primitive.reason_str)
        return None
    if assoc.is_aborted:
        print(f"attempt {attempt}: aborted or never connected")
        print([(cx.abstract_syntax.name, cx.result, cx.status) for cx in assoc.rejected_contexts])
        return False
    print("no reason")
    return False


ae = AE(ae_title="SENDER")
ae.acse_timeout = 10
ae.connection_timeout = 10
ae.add_requested_context(CTImageStorage)
for attempt in range(2):
    outcome = send(ae, attempt)
    if outcome is not None:
        sys.exit(0 if outcome else 3)
print("giving up")
sys.exit(4)
