"""Judges users and answers every item of extended negotiation; prints what the handlers are given."""

import sys

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification


def handle_user_id(event):
    print("user", event.user_id_type, event.primary_field, event.secondary_field, flush=True)
    if event.primary_field == b"intruder":
        return False, None
    return True, b"welcome"


def handle_extended(event):
    print("extended", {UID(uid).keyword: data for uid, data in event.app_info.items()}, flush=True)
    return dict(event.app_info)


def handle_common(event):
    for uid, item in event.items.items():
        print("common", UID(uid).keyword, item.service_class_uid.name, flush=True)
        print([u.name for u in item.related_general_sop_class_identification], flush=True)
    return event.items


def handle_window(event):
    print("window", event.nr_invoked, event.nr_performed, flush=True)
    return 5, 5


def handle_established(event):
    requestor = event.assoc.requestor
    identity = requestor.user_identity
    print(isinstance(identity, UserIdentityNegotiation), flush=True)
    if identity:
        print(identity.user_identity_type, identity.positive_response_requested, flush=True)
    print(requestor.asynchronous_operations, sorted(requestor.sop_class_extended.items()), flush=True)
    print([type(item).__name__ for item in requestor.extended_negotiation], flush=True)
    print(
        {uid.keyword: item[0].name for uid, item in event.assoc.acceptor.accepted_common_extended.items()},
        flush=True,
    )


ae = AE(ae_title="JUDGE")
for uid in (Verification, CTImageStorage, MRImageStorage):
    ae.add_supported_context(uid)
handlers = [
    (evt.EVT_USER_ID, handle_user_id),
    (evt.EVT_SOP_EXTENDED, handle_extended),
    (evt.EVT_SOP_COMMON, handle_common),
    (evt.EVT_ASYNC_OPS, handle_window),
    (evt.EVT_ESTABLISHED, handle_established),
    (evt.EVT_C_STORE, lambda event: 0xB000),
]
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
