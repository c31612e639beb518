"""Stops a query by C-CANCEL after the first match, and goes on with the association."""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind as FIND
from pynetdicom.sop_class import Verification

ae = AE()
ae.add_requested_context(FIND)
ae.add_requested_context(Verification)
ds = Dataset()
ds.QueryRetrieveLevel = "PATIENT"
ds.PatientName = "CITIZEN*"
ds.PatientComments = ""
assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
if assoc.is_established:
    first, lost = True, False
    for status, identifier in assoc.send_c_find(ds, FIND, msg_id=21):
        print(
            "match" if identifier is not None and status else "end", status.get("Status") in (0xFF00, 0xFE00)
        )
        lost = lost or not status
        if first and status:
            assoc.send_c_cancel(21, query_model=FIND)
            first = False
    if lost:
        sys.exit("lost")
    for misuse in (
        lambda: assoc.send_c_cancel(21),
        lambda: list(assoc.send_c_find(ds, "1.2.3.4")),
        lambda: assoc.send_c_find(ds, FIND, msg_id=70000),
        lambda: list(assoc.send_c_find(ds, FIND, priority=5)),
        lambda: assoc.send_c_find(None, FIND),
    ):
        try:
            misuse()
        except (RuntimeError, ValueError, AttributeError, TypeError) as error:
            print(type(error).__name__)
    if assoc.is_established:
        print(assoc.send_c_echo().get("Status", "none"))
        assoc.release()
else:
    print("no association")
