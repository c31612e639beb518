"""A storage server that writes files, and branches on the transfer syntax."""

import os
import sys

from pydicom.filewriter import write_file_meta_info
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import MRImageStorage, Verification

STATUS_OK, CANNOT_UNDERSTAND = 0x0000, 0xC210


def handle_store(event):
    requestor = event.assoc.requestor
    print("from", requestor.ae_title, requestor.address, event.assoc.acceptor.ae_title, flush=True)
    syntax = event.context.transfer_syntax
    if not syntax.is_little_endian:
        return CANNOT_UNDERSTAND
    if event.request.AffectedSOPClassUID == MRImageStorage:
        return 0xA900
    ds = event.dataset
    ds.file_meta = event.file_meta
    ds.is_little_endian = syntax.is_little_endian
    ds.is_implicit_VR = syntax.is_implicit_VR
    print(ds.PatientName, ds.SOPClassUID.name, syntax.name, syntax.is_compressed, flush=True)
    print(event.file_meta.MediaStorageSOPClassUID == event.request.AffectedSOPClassUID, flush=True)
    ds.save_as(ds.SOPInstanceUID, enforce_file_format=True)
    with open(ds.SOPInstanceUID + ".raw", "wb") as f:
        f.write(b"\x00" * 128)
        f.write(b"DICM")
        write_file_meta_info(f, event.file_meta)
        f.write(event.request.DataSet.getvalue())
    with open(ds.SOPInstanceUID + ".raw", "rb") as f, open(ds.SOPInstanceUID + ".whole", "wb") as g:
        g.write(event.encoded_dataset())
        print(len(f.read()) == g.tell(), event.request.Priority, event.message_id, flush=True)
    os.remove(ds.SOPInstanceUID + ".whole")
    return STATUS_OK


ae = AE(ae_title="STORE")
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
ae.add_supported_context(Verification)
ae.maximum_pdu_size = 0
ae.network_timeout = 30
ae.start_server(("127.0.0.1", int(sys.argv[1])), block=True, evt_handlers=[(evt.EVT_C_STORE, handle_store)])
