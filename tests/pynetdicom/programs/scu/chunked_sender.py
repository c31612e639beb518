"""Sends files as they lie on the disk, with the switches of the configuration that go with that."""

import sys
from pathlib import Path

from pynetdicom import AE, _config
from pynetdicom.sop_class import CTImageStorage, PatientRootQueryRetrieveInformationModelMove

_config.STORE_SEND_CHUNKED_DATASET = True
_config.USE_SHORT_DIMSE_AET = False
_config.LOG_REQUEST_IDENTIFIERS = False

ae = AE(ae_title="CHUNKS")
ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
ae.add_requested_context(PatientRootQueryRetrieveInformationModelMove)
assoc = ae.associate("127.0.0.1", int(sys.argv[1]), max_pdu=0)
if assoc.is_established:
    print(assoc.requestor.maximum_length, assoc.acceptor.maximum_length)
    for number, path in enumerate(("CT.dcm", Path("instances", "1.dcm")), 1):
        status = assoc.send_c_store(path, msg_id=number, originator_aet="MOVER", originator_id=5)
        print("status", status.get("Status"))
        if not status:
            sys.exit("lost")
    from pydicom.dataset import Dataset

    ds = Dataset()
    ds.QueryRetrieveLevel = "PATIENT"
    for status, _ in assoc.send_c_move(ds, "NOWHERE", PatientRootQueryRetrieveInformationModelMove):
        print(hex(status.Status))
    assoc.release()
else:
    print("no association", assoc.is_rejected)
