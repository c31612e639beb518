"""Dumps of A-ASSOCIATE PDUs and DIMSE messages, line by line, for logs.

Text from a peer is escaped, so that it cannot look like another line. For bytes, such as user identities,
only the number is shown. Only `dataset_lines` shows values of data sets; Error Comments are shown on request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dicomproto.dimse.commands import HIGH, LOW, MEDIUM, Response
from dicomproto.errors import DataSetError
from dicomproto.upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    ReleaseRP,
    ReleaseRQ,
)

from ..error_text import printable, uid_named

if TYPE_CHECKING:
    from dicomproto.dimse.commands import Command
    from dicomproto.upper_layer.pdu import PDU

    from .message import Message

_NAMES: dict[type, str] = {
    AssociateRQ: "A-ASSOCIATE-RQ",
    AssociateAC: "A-ASSOCIATE-AC",
    AssociateRJ: "A-ASSOCIATE-RJ",
    ReleaseRQ: "A-RELEASE-RQ",
    ReleaseRP: "A-RELEASE-RP",
    Abort: "A-ABORT",
}
_RESULTS = {
    0: "accepted",
    1: "rejected by the user",
    2: "rejected without a reason",
    3: "abstract syntax not supported",
    4: "none of the transfer syntaxes supported",
}
_IDENTITIES = {
    1: "user name",
    2: "user name and passcode",
    3: "Kerberos ticket",
    4: "SAML assertion",
    5: "JSON Web Token",
}
_PRIORITIES: dict[object, str] = {LOW: "low", MEDIUM: "medium", HIGH: "high"}
_MOST_SHOWN = 32  # unexpected elements, and tags of a list
_LONGEST = 128  # characters of a value
_HIDDEN = {"CommandDataSetType", "unknown_elements", "foreign_elements", "warnings"}


# --- associations -------------------------------------------------------------------------------


def association_lines(pdu: PDU, way: str, request: AssociateRQ | AssociateAC | None) -> Iterator[str]:
    """Yield the lines for a PDU that opens or ends an association; `request` belongs to an answer."""
    name = _NAMES[type(pdu)]
    if isinstance(pdu, AssociateRJ | Abort):
        yield f"{name} {way}: {pdu.meaning}"
        return
    yield f"{name} {way}"
    if isinstance(pdu, AssociateRQ | AssociateAC):
        yield from _associate(pdu, request if isinstance(request, AssociateRQ) else None)


def _associate(pdu: AssociateRQ | AssociateAC, request: AssociateRQ | None) -> Iterator[str]:
    yield f"  calling AE title {pdu.calling_ae_title!r}, called AE title {pdu.called_ae_title!r}"
    version = "" if pdu.implementation_version_name is None else f", {pdu.implementation_version_name!r}"
    yield f"  implementation {uid_named(pdu.implementation_class_uid or '')}{version}"
    yield f"  application context {printable(pdu.application_context_name)}"
    yield f"  maximum length {pdu.maximum_length}"
    if isinstance(pdu, AssociateRQ):
        for proposed in pdu.presentation_contexts:
            yield f"  context {proposed.context_id}: {uid_named(proposed.abstract_syntax)}"
            for syntax in proposed.transfer_syntaxes:
                yield f"    {uid_named(syntax)}"
    else:
        names = {c.context_id: c.abstract_syntax for c in request.presentation_contexts} if request else {}
        for context in pdu.presentation_contexts:
            yield f"  context {context.context_id}: {uid_named(names.get(context.context_id, ''))}"
            yield f"    {_result(context)}"
    yield from _extended(pdu)
    for warning in pdu.warnings:
        yield f"  tolerated: {printable(warning)}"


def _result(context: PresentationContextAC) -> str:
    result = _RESULTS.get(context.result, f"result {context.result}")
    return f"{result}, {uid_named(context.transfer_syntax)}" if context.result == 0 else result


def _extended(pdu: AssociateRQ | AssociateAC) -> Iterator[str]:
    """Yield the lines for the items of the extended negotiation (PS3.7 D.3.3.3 to D.3.3.7)."""
    window = pdu.asynchronous_operations_window
    if window is not None:
        yield f"  asynchronous operations window: {_window(window)}"
    for role in pdu.role_selections:
        granted = [name for name, has_it in (("SCU", role.scu_role), ("SCP", role.scp_role)) if has_it]
        yield f"  roles for {uid_named(role.sop_class_uid)}: {' and '.join(granted) or 'none'}"
    for item in pdu.sop_class_extended:
        yield f"  extended for {uid_named(item.sop_class_uid)}: {len(item.application_information)} bytes"
    for common in pdu.sop_class_common_extended:
        related = ", ".join(map(uid_named, common.related_general_sop_class_uids))
        service = uid_named(common.service_class_uid)
        yield f"  {uid_named(common.sop_class_uid)} is of the service {service}" + (
            related and f", related to {related}"
        )
    identity, answer = pdu.user_identity, pdu.user_identity_response
    if identity is not None:
        kind = _IDENTITIES.get(identity.identity_type, "unknown")
        wish = ", to be answered" if identity.positive_response_requested else ""
        sizes = f"{len(identity.primary_field)} and {len(identity.secondary_field)} bytes"
        yield f"  user identity of type {identity.identity_type} ({kind}): {sizes}{wish}"
    if answer is not None:
        yield f"  user identity response: {len(answer.server_response)} bytes"
    for unknown in (*pdu.unknown_items, *pdu.unknown_user_information):
        yield f"  unknown item {unknown.item_type:02X}H: {len(unknown.data)} bytes"


def _window(window: AsynchronousOperationsWindow) -> str:
    return f"{window.maximum_invoked} invoked, {window.maximum_performed} performed (0 is any number)"


# --- messages -----------------------------------------------------------------------------------


def message_lines(message: Message, way: str, *, with_comment: bool = False) -> Iterator[str]:
    """Yield the lines for a message: its command, and the size of its data set.

    `way` is "to" or "from" and the peer. An Error Comment may hold any text, names of patients included.
    """
    command = message.command
    yield f"{command.name} {way}, context {message.context_id}"
    for field in type(command)._fields:
        value = getattr(command, field, None)
        if field == "ErrorComment" and value is not None and not with_comment:
            yield f"  {field}: {len(value)} characters"
        elif field not in _HIDDEN and value is not None:
            yield f"  {field}: {_shown(command, field, value)}"
    for number, raw in command.unknown_elements[:_MOST_SHOWN]:
        yield f"  (0000,{number:04X}): {len(raw)} bytes"
    if (more := len(command.unknown_elements) - _MOST_SHOWN) > 0:
        yield f"  and {more} more unknown elements"
    if command.foreign_elements:
        yield f"  elements outside group 0000: {len(command.foreign_elements)} bytes"
    if command.has_data_set:
        yield f"  data set: {message.data_length} bytes, {uid_named(message.transfer_syntax)}"


def _shown(command: Command, field: str, value: Any) -> str:
    if field == "Status" and isinstance(command, Response):
        return str(command.status)
    if field == "Priority":
        return _PRIORITIES.get(value, str(value))
    if isinstance(value, tuple):
        tags = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in value[:_MOST_SHOWN])
        return tags if len(value) <= _MOST_SHOWN else f"{tags} and {len(value) - _MOST_SHOWN} more"
    if isinstance(value, str):
        shown = value[:_LONGEST]
        text = uid_named(shown) if field.endswith("UID") else repr(shown)
        return text if len(value) <= _LONGEST else f"{text} and {len(value) - _LONGEST} characters more"
    return str(value)


def dataset_lines(message: Message) -> Iterator[str]:
    """Yield the lines for the data set of a message, with its values as pydicom shows them."""
    try:
        from dicomproto.quiet import Quiet

        with Quiet():
            lines = str(message.dataset or "").splitlines()
    except DataSetError as error:
        lines = [str(error)]
    except Exception as error:  # pydicom may raise anything for a malformed value
        lines = [f"the data set cannot be shown: {type(error).__name__}"]
    for line in lines:
        yield f"    {printable(line)}"
