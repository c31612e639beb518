"""The A-ASSOCIATE-RQ of a requestor."""

from __future__ import annotations

from typing import cast

from dicomproto.upper_layer.pdu import (
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)

from ._negotiation_items import to_record
from ._service_user import ServiceUser


def request_of(requestor: ServiceUser, acceptor: ServiceUser) -> AssociateRQ:
    """Return the request, from what was set on both sides."""
    records = [to_record(item) for item in requestor.extended_negotiation]
    windows = [record for record in records if isinstance(record, AsynchronousOperationsWindow)]
    identities = [record for record in records if isinstance(record, UserIdentityRQ)]
    return AssociateRQ(
        called_ae_title=acceptor.ae_title,
        calling_ae_title=requestor.ae_title,
        presentation_contexts=tuple(
            PresentationContextRQ(
                context_id=cast(int, context.context_id),
                abstract_syntax=str(context.abstract_syntax),
                transfer_syntaxes=tuple(map(str, context.transfer_syntax)),
            )
            for context in requestor.requested_contexts
        ),
        maximum_length=requestor.maximum_length,
        implementation_class_uid=str(requestor.implementation_class_uid),
        implementation_version_name=requestor.implementation_version_name,
        asynchronous_operations_window=windows[0] if windows else None,
        role_selections=tuple(record for record in records if isinstance(record, RoleSelection)),
        sop_class_extended=tuple(
            record for record in records if isinstance(record, SOPClassExtendedNegotiation)
        ),
        sop_class_common_extended=tuple(
            record for record in records if isinstance(record, SOPClassCommonExtendedNegotiation)
        ),
        user_identity=identities[0] if identities else None,
    )
