"""UIDs that a program is shown are pydicom's, for type checkers too; the types gate reads it."""

from __future__ import annotations

from typing import assert_type

from pydicom.uid import UID

from dicomproto.negotiation import SupportedContext
from dicomproto_transports import evt
from dicomproto_transports.blocking import AE
from dicomproto_transports.contexts import PresentationContext


def on_store(event: evt.StoreEvent) -> int:
    assert_type(event.context.abstract_syntax, UID)
    assert_type(event.accepted_context.transfer_syntax, str)
    if not event.context.transfer_syntax.is_little_endian or event.context.transfer_syntax.is_compressed:
        return 0xA700
    assert_type(event.command.AffectedSOPClassUID, str)
    print(event.request.AffectedSOPClassUID.name, event.request.sop_instance_uid.is_private)
    print(event.context.abstract_syntax.name, event.assoc.accepted_contexts[0].abstract_syntax.keyword)
    print([context.transfer_syntaxes[0].name for context in event.assoc.requestor.requested_contexts])
    return 0x0000


def on_n_create(event: evt.NCreateEvent) -> int:
    assert_type(event.request.AffectedSOPInstanceUID, UID | None)
    return 0x0000 if event.request.sop_class_uid.keyword else 0x0118


def on_n_set(event: evt.NSetEvent) -> int:
    return 0x0112 if event.request.RequestedSOPInstanceUID.is_private else 0x0000


def main() -> None:
    ae = AE()
    requested: list[UID] = [context.abstract_syntax for context in ae.requested_contexts]
    supported: list[UID] = [syntax for context in ae.supported_contexts for syntax in context.transfer_syntax]
    given: list[PresentationContext] = [*ae.requested_contexts]
    plain: list[SupportedContext] = [*ae.supported_contexts]
    ae.requested_contexts = given
    ae.supported_contexts = plain
    for context in ae.supported_contexts:
        context.scu_role, context.scp_role = None, True
        context.scp_role = "yes"  # type: ignore[assignment]
        context.abstract_syntax = UID("1.2.3")  # type: ignore[misc]
    with ae.associate("localhost", 11112) as assoc:
        print(requested, supported, assoc.accepted_contexts[0].transfer_syntax.is_implicit_VR)
        print(assoc.rejected_contexts[0].transfer_syntaxes[0].is_deflated)
