# A script of the kind that is handed on from one hospital to the next.
import sys

import pynetdicom
from pydicom.dataset import Dataset
from pynetdicom import AE, QueryRetrievePresentationContexts, debug_logger, evt  # noqa: F401
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind as FIND

# debug_logger()
ae = AE()
ae.ae_title = "OLDSCRIPT"
ae.requested_contexts = QueryRetrievePresentationContexts
ae.add_requested_context("1.2.840.10008.1.1")
ds = Dataset()
ds.PatientName = "CITIZEN*"
ds.QueryRetrieveLevel = "PATIENT"
results = []
try:
    assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
    if assoc.is_established == True:  # noqa: E712
        responses = assoc.send_c_find(ds, FIND)
        for status, identifier in responses:
            if status and status.Status in [0xFF00, 0xFF01]:
                results.append(identifier.to_json_dict())
                print("C-FIND query status: 0x{0:04x}".format(status.Status), status[0x00000900].value)
                print([(elem.tag, elem.VR, elem.value) for elem in status])
                print(status["Status"].value, status.keys() == {0x00000900}, "Status" in status, len(status))
                print(identifier.to_json()[:40], type(identifier).__name__)
            elif status:
                print("end", hex(status.Status), identifier, str(status).split()[-1])
            else:
                print("Connection timed out, was aborted or received invalid response")
                sys.exit(2)
        found = [
            identifier
            for (status, identifier) in assoc.send_c_find(ds, FIND, msg_id=2)
            if identifier is not None
        ]
        print(len(found), len(results), found[0] == found[1])
        assoc.release()
    else:
        print("Association rejected, aborted or never connected")
except Exception as e:
    print("error", type(e), e)
finally:
    print("done", assoc.is_released, pynetdicom.__name__.split(".")[-1])
