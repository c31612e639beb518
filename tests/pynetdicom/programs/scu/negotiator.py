"""Proposes every item of extended negotiation; each is made empty and then filled."""

import sys

from pynetdicom import AE
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

items = []

window = AsynchronousOperationsWindowNegotiation()
print(window.maximum_number_operations_invoked, window.maximum_number_operations_performed)
window.maximum_number_operations_invoked = 5
window.maximum_number_operations_performed = 3
items.append(window)

for uid in (CTImageStorage, MRImageStorage):
    role = SCP_SCU_RoleSelectionNegotiation()
    print(role.sop_class_uid, role.scu_role, role.scp_role)
    role.sop_class_uid = uid
    role.scu_role = uid == CTImageStorage
    role.scp_role = True
    items.append(role)

extended = SOPClassExtendedNegotiation()
print(extended.sop_class_uid, extended.service_class_application_information)
extended.sop_class_uid = CTImageStorage
extended.service_class_application_information = b"\x02\x00\x03\x00\x01\x00"
items.append(extended)

common = SOPClassCommonExtendedNegotiation()
print(common.sop_class_uid, common.service_class_uid, common.related_general_sop_class_identification)
common.sop_class_uid = MRImageStorage
common.service_class_uid = "1.2.840.10008.4.2"
common.related_general_sop_class_identification = ["1.2.840.10008.5.1.4.1.1.88.22"]
items.append(common)

identity = UserIdentityNegotiation()
print(identity.user_identity_type, identity.primary_field, identity.secondary_field, identity.server_response)
identity.user_identity_type = 2
identity.primary_field = b"radiographer"
identity.secondary_field = b"secret"
identity.positive_response_requested = True
items.append(identity)

for change in (
    lambda: setattr(identity, "user_identity_type", 9),
    lambda: setattr(window, "maximum_number_operations_invoked", -1),
    lambda: setattr(extended, "sop_class_uid", 7),
):
    try:
        change()
    except (TypeError, ValueError) as error:
        print(type(error).__name__)

ae = AE("NEGOTIATOR")
for uid in (Verification, CTImageStorage, MRImageStorage):
    ae.add_requested_context(uid)
assoc = ae.associate("127.0.0.1", int(sys.argv[1]), ext_neg=items)
user = assoc.requestor
print([type(item).__name__ for item in user.extended_negotiation])
print(user.asynchronous_operations, sorted(user.sop_class_extended.items()), user.user_identity.primary_field)
if assoc.is_established:
    peer = assoc.acceptor
    print(peer.asynchronous_operations, peer.sop_class_extended, peer.user_identity)
    for uid, role in sorted(peer.role_selection.items()):
        print(uid.name, role.scu_role, role.scp_role)
    for cx in assoc.accepted_contexts:
        print(cx.context_id, cx.as_scu, cx.as_scp)
    print(peer.maximum_length, peer.implementation_version_name, user.maximum_length)
    print(assoc.send_c_echo().get("Status", "none"))
    assoc.release()
else:
    print("not established")
