"""Uses names from places that are private, or only half public, as products do."""

import sys

from pydicom import dcmread
from pynetdicom import AE, register_uid
from pynetdicom import sop_class as sop
from pynetdicom._globals import (
    ALL_TRANSFER_SYNTAXES,
    DEFAULT_MAX_LENGTH,
    DEFAULT_TRANSFER_SYNTAXES,
    STATUS_FAILURE,
    STATUS_PENDING,
    STATUS_SUCCESS,
    STATUS_WARNING,
)
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import _QR_CLASSES, _STORAGE_CLASSES, _VERIFICATION_CLASSES, uid_to_sop_class
from pynetdicom.status import (
    QR_FIND_SERVICE_CLASS_STATUS,
    STORAGE_SERVICE_CLASS_STATUS,
    VERIFICATION_SERVICE_CLASS_STATUS,
    code_to_category,
)

register_uid("1.2.246.352.70.1.70", "VarianRTPlanStorage", StorageServiceClass)
from pynetdicom.sop_class import VarianRTPlanStorage  # noqa: E402

print(VarianRTPlanStorage, VarianRTPlanStorage.service_class.__name__, sop.VarianRTPlanStorage.name)
print(DEFAULT_MAX_LENGTH, len(ALL_TRANSFER_SYNTAXES), DEFAULT_TRANSFER_SYNTAXES[:1])
print(STATUS_SUCCESS, STATUS_PENDING, STATUS_WARNING, STATUS_FAILURE)
print(STORAGE_SERVICE_CLASS_STATUS[0xA700][0], QR_FIND_SERVICE_CLASS_STATUS[0xFF01][0])
print(
    sorted(VERIFICATION_SERVICE_CLASS_STATUS),
    [code_to_category(code) for code in (0, 0xB000, 0xC001, 0xFE00)],
)
print(_VERIFICATION_CLASSES, len(_QR_CLASSES), _STORAGE_CLASSES["CTImageStorage"])
print("VarianRTPlanStorage" in _STORAGE_CLASSES)
ct = uid_to_sop_class("1.2.840.10008.5.1.4.1.1.2")
print(ct.name, ct.keyword, ct.service_class.__name__, uid_to_sop_class("1.2.3").service_class.__name__)

ae = AE()
for keyword in ("CTImageStorage", "MRImageStorage", "VarianRTPlanStorage"):
    cx = PresentationContext()
    cx.abstract_syntax = _STORAGE_CLASSES[keyword]
    for syntax in ALL_TRANSFER_SYNTAXES[:3]:
        cx.add_transfer_syntax(syntax)
    ae.requested_contexts = [cx]
ae.add_requested_context(sop.CTImageStorage, ALL_TRANSFER_SYNTAXES[3:])
print(len(ae.requested_contexts), [len(cx.transfer_syntax) for cx in ae.requested_contexts])

assoc = ae.associate("127.0.0.1", int(sys.argv[1]), max_pdu=DEFAULT_MAX_LENGTH * 4)
if assoc.is_established:
    for cx in assoc.accepted_contexts + assoc.rejected_contexts:
        print(cx.context_id, uid_to_sop_class(cx.abstract_syntax).keyword, cx.result, cx.transfer_syntax)
    ds = dcmread("CT.dcm")
    status = assoc.send_c_store(ds, msg_id=7, priority=0, originator_aet="MOVER", originator_id=3)
    print(status)
    if status:
        ds.SOPClassUID = VarianRTPlanStorage
        print(assoc.send_c_store(ds, msg_id=8).get("Status"))
        assoc.release()
else:
    print("no association")
