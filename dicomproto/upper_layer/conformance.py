"""What we send is conformant: the checks between a caller's PDU and the wire.

Each function raises LocalProtocolError with the field, the rule and its clause. Received PDUs
never come here.
"""

from __future__ import annotations

from ..errors import LocalProtocolError
from ..uids import is_valid_uid, normalize_uid
from .pdu import AssociateAC, AssociateRQ

MINIMUM_LENGTH = 128
"""The smallest maximum length that is worth a conversation; smaller ones only amplify."""


def check_ae_title(title: str, field: str) -> None:
    """PS3.5 6.2: 1 to 16 characters of ASCII without control characters and backslash, not all spaces."""
    if not 0 < len(title) <= 16 or not title.strip(" "):
        raise LocalProtocolError(f"{field} {title!r} must have 1 to 16 characters, not all of them spaces")
    if not (title.isascii() and title.isprintable()) or "\\" in title:
        raise LocalProtocolError(f"{field} {title!r} must be printable ASCII without backslash")


def _check_uid(uid: str, field: str) -> None:
    if not is_valid_uid(uid):
        raise LocalProtocolError(f"{field} {uid!r} is no valid UID (PS3.5 9.1)")


def _check_user_information(pdu: AssociateRQ | AssociateAC) -> None:
    if pdu.maximum_length is not None and 0 < pdu.maximum_length < MINIMUM_LENGTH:
        raise LocalProtocolError(
            f"maximum_length is {pdu.maximum_length}, at least {MINIMUM_LENGTH} or 0 is needed"
        )
    if pdu.implementation_class_uid is None:
        raise LocalProtocolError("implementation_class_uid is mandatory (PS3.7 D.3.3.2)")
    _check_uid(pdu.implementation_class_uid, "implementation_class_uid")
    name = pdu.implementation_version_name
    if name is not None and not (0 < len(name) <= 16 and name.isascii() and name.isprintable()):
        raise LocalProtocolError(f"implementation_version_name {name!r} must have 1 to 16 ASCII characters")


def check_associate_rq(pdu: AssociateRQ) -> None:
    """PS3.8 9.3.2: titles, 1 to 128 contexts with odd and distinct ids, valid UIDs."""
    check_ae_title(pdu.called_ae_title, "called_ae_title")
    check_ae_title(pdu.calling_ae_title, "calling_ae_title")
    _check_uid(pdu.application_context_name, "application_context_name")
    _check_user_information(pdu)
    contexts = pdu.presentation_contexts
    if not 1 <= len(contexts) <= 128:
        raise LocalProtocolError(
            f"{len(contexts)} presentation contexts; 1 to 128 can be proposed (PS3.8 9.3.2.2)"
        )
    if len({context.context_id for context in contexts}) != len(contexts):
        raise LocalProtocolError("presentation context ids must be distinct (PS3.8 9.3.2.2)")
    for context in contexts:
        if not (context.context_id & 1 and 1 <= context.context_id <= 255):
            raise LocalProtocolError(f"presentation context id {context.context_id} is not odd and 1 to 255")
        _check_uid(context.abstract_syntax, f"abstract syntax of context {context.context_id}")
        if not context.transfer_syntaxes:
            raise LocalProtocolError(f"context {context.context_id} proposes no transfer syntax")
        for uid in context.transfer_syntaxes:
            _check_uid(uid, f"transfer syntax of context {context.context_id}")


def check_associate_ac(pdu: AssociateAC, request: AssociateRQ) -> None:
    """PS3.8 9.3.3: answers only to what `request` proposed. The AE titles are reserved and not tested."""
    _check_user_information(pdu)
    proposed = {context.context_id: context for context in request.presentation_contexts}
    for answer in pdu.presentation_contexts:
        context = proposed.get(answer.context_id)
        if context is None:
            raise LocalProtocolError(f"context {answer.context_id} is answered and was not proposed")
        offered = [normalize_uid(uid) for uid in context.transfer_syntaxes]
        if answer.result == 0 and normalize_uid(answer.transfer_syntax) not in offered:
            raise LocalProtocolError(
                f"context {answer.context_id} accepted with {answer.transfer_syntax!r}, not one of {offered}"
            )
