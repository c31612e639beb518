"""A server that checks a user and answers the extended negotiation, and a requestor that proposes both."""

from __future__ import annotations

from hmac import compare_digest

from dicomproto import (
    AsynchronousOperationsWindow,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dicomproto.errors import AssociationRejected
from dicomproto.services.sop_classes import CTImageStorage
from dicomproto.services.sop_classes import StudyRootQueryRetrieveInformationModelFind as FIND
from dicomproto_transports.blocking import AE, evt

STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"
OWN_CT = "1.2.826.0.1.3680043.8.498.1"  # a private SOP class, much like CT
PASSCODES = {b"anna": b"open sesame"}


# [handlers]
def check_user(event):  # (bool, bytes or None)
    passcode = PASSCODES.get(event.primary_field)
    is_known = passcode is not None and compare_digest(passcode, event.secondary_field)
    return event.user_id_type == 2 and is_known, None


def answer_extended(event):  # {SOP class UID: application information}
    relational = event.app_info.get(FIND, b"\0")[:1]  # PS3.4 C.5.1.1.1
    return {FIND: relational + b"\0"}  # no other proposed option is supported


def take_common(event):  # some of event.items
    return {uid: item for uid, item in event.items.items() if item.service_class_uid == STORAGE_SERVICE_CLASS}


def answer_window(event):  # (invoked, performed)
    return min(event.nr_invoked or 4, 4), 1  # 0 asks for any number


# [/handlers]
HANDLERS = [
    (evt.EVT_USER_ID, check_user),
    (evt.EVT_SOP_EXTENDED, answer_extended),
    (evt.EVT_SOP_COMMON, take_common),
    (evt.EVT_ASYNC_OPS, answer_window),
]


# [requestor]
def ask(port, passcode):
    ae = AE(ae_title="WORKSTATION")
    ae.add_requested_context(FIND)
    ae.add_requested_context(OWN_CT)
    items = [
        UserIdentityRQ(
            identity_type=2,  # user name and passcode
            primary_field=b"anna",
            secondary_field=passcode,
            positive_response_requested=True,
        ),
        SOPClassExtendedNegotiation(sop_class_uid=FIND, application_information=b"\1\1"),
        SOPClassCommonExtendedNegotiation(
            sop_class_uid=OWN_CT,
            service_class_uid=STORAGE_SERVICE_CLASS,
            related_general_sop_class_uids=(CTImageStorage,),
        ),
        AsynchronousOperationsWindow(maximum_invoked=8, maximum_performed=1),
    ]
    with ae.associate("127.0.0.1", port, ext_neg=items) as assoc:
        acceptor = assoc.acceptor
        if acceptor.user_identity is None:  # no answer: it ignored our identity
            raise PermissionError("the archive does not know its users")  # which aborts
        print("the user is accepted")
        print("application information:", acceptor.sop_class_extended[FIND].hex())
        print("window:", acceptor.asynchronous_operations.maximum_invoked)
        print("accepted:", sorted(context.abstract_syntax for context in assoc.accepted_contexts))


# [/requestor]
def main():
    scp = AE(ae_title="ARCHIVE")
    scp.add_supported_context(FIND)
    scp.add_supported_context(CTImageStorage)
    with scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=HANDLERS) as server:
        ask(server.port, b"open sesame")
        try:
            ask(server.port, b"a guess")
        except AssociationRejected as error:
            print("rejected:", error.result, error.source, error.reason)


main()
