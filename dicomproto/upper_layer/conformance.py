"""The rules of conformant PDUs: what we send must keep them, and what a peer sends may break them.

The checks of our PDUs raise LocalProtocolError with the field, the rule and its clause, before anything is
queued. A received PDU is never refused by these rules: `oddities` makes warnings of its faults.
"""

from __future__ import annotations

from ..errors import LocalProtocolError
from ..record import values_of
from ..uids import are_valid_uids, is_valid_uid, normalize_uid
from .contexts import first_of_each_id, is_usable
from .pdu import REJECT_REASONS, AssociateAC, AssociateRJ, AssociateRQ, NegotiationItem

MINIMUM_LENGTH = 128
"""The smallest maximum length that we accept: a smaller one would make us send too many headers."""


MAXIMUM_AE_TITLE_LENGTH = 16
"""Characters of an AE title (PS3.5 Table 6.2-1)."""


def is_plain_text(text: str) -> bool:
    """Tell whether text is printable ASCII without backslash, as AE titles and Error Comments are."""
    return text.isascii() and text.isprintable() and "\\" not in text


def is_valid_ae_title(title: str) -> bool:
    """Tell whether `title` is conformant: 1 to 16 plain characters, not all of them spaces (PS3.5 6.2)."""
    return _has_title_length(title) and is_plain_text(title)


def _has_title_length(title: str) -> bool:
    return len(title) <= MAXIMUM_AE_TITLE_LENGTH and title.strip(" ") != ""


def _check_ae_title(title: str, field: str) -> None:
    if not _has_title_length(title):
        raise LocalProtocolError(f"{field} {title!r} must have 1 to 16 characters, not all of them spaces")
    if not is_plain_text(title):
        raise LocalProtocolError(f"{field} {title!r} must be printable ASCII without backslash")


def _check_uid(uid: str, field: str) -> None:
    if not is_valid_uid(uid):
        raise _invalid_uid(uid, field)


def _invalid_uid(uid: str, field: str) -> LocalProtocolError:
    return LocalProtocolError(f"{field} {uid!r} is no valid UID (PS3.5 9.1)")


def _check_filled(*items: NegotiationItem) -> None:
    for item in items:
        missing = [name for name, value in values_of(item).items() if value is None]
        if missing:
            how = f"set it, or give it when the item is made: {type(item).__name__}({missing[0]}=..., ...)"
            raise LocalProtocolError(f"{type(item).__name__} has no {' and no '.join(missing)}: {how}")


def _check_common(pdu: AssociateRQ | AssociateAC, proposed: AssociateRQ | None = None) -> None:
    """Check what both have; a role in answer to one that was `proposed` has its UID, valid or not."""
    if pdu.asynchronous_operations_window is not None:
        _check_filled(pdu.asynchronous_operations_window)
    if pdu.role_selections:
        _check_filled(*pdu.role_selections)
        answered = (
            {normalize_uid(role.sop_class_uid) for role in proposed.role_selections} if proposed else ()
        )
        for role in pdu.role_selections:
            if role.sop_class_uid not in answered:
                _check_uid(role.sop_class_uid, "SOP class of a role selection")
    if not pdu.protocol_version & 1:
        raise LocalProtocolError(f"protocol_version {pdu.protocol_version} lacks bit 0 (PS3.8 9.3.2)")
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
    """Check AE titles, 1 to 128 contexts with odd and distinct ids, and UIDs (PS3.8 9.3.2)."""
    _check_ae_title(pdu.called_ae_title, "called_ae_title")
    _check_ae_title(pdu.calling_ae_title, "calling_ae_title")
    _check_uid(pdu.application_context_name, "application_context_name")
    _check_common(pdu)
    if pdu.user_identity_response is not None:
        raise LocalProtocolError("user_identity_response belongs into the A-ASSOCIATE-AC")
    if pdu.user_identity is not None:
        _check_filled(pdu.user_identity)
        if not 1 <= pdu.user_identity.identity_type <= 5:
            raise LocalProtocolError(f"user identity type {pdu.user_identity.identity_type} is not 1 to 5")
    if pdu.sop_class_extended or pdu.sop_class_common_extended:
        _check_extended(pdu)
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
        if not is_valid_uid(context.abstract_syntax):
            raise _invalid_uid(context.abstract_syntax, f"abstract syntax of context {context.context_id}")
        if not context.transfer_syntaxes:
            raise LocalProtocolError(f"context {context.context_id} proposes no transfer syntax")
        for uid in context.transfer_syntaxes:
            if not is_valid_uid(uid):
                raise _invalid_uid(uid, f"transfer syntax of context {context.context_id}")


def _check_extended(pdu: AssociateRQ) -> None:
    """Check the items of the extended negotiation of a request; their answers repeat its UIDs."""
    extended, common = pdu.sop_class_extended, pdu.sop_class_common_extended
    _check_filled(*extended, *common)
    for uid in [item.sop_class_uid for item in extended] + [item.sop_class_uid for item in common]:
        _check_uid(uid, "SOP class of an extended negotiation")
    for item in common:
        _check_uid(item.service_class_uid, "service class of a common extended negotiation")
        for uid in item.related_general_sop_class_uids:
            _check_uid(uid, "related general SOP class of a common extended negotiation")


def check_associate_ac(pdu: AssociateAC, request: AssociateRQ) -> None:
    """Check that each context of `request`, and no other, has one answer (PS3.8 9.3.3).

    The AE titles are reserved and not tested.
    """
    _check_common(pdu, request)
    answers = first_of_each_id(pdu.presentation_contexts)
    proposed = first_of_each_id(request.presentation_contexts)
    if len(answers) != len(pdu.presentation_contexts) or answers.keys() != proposed.keys():
        raise LocalProtocolError("each proposed presentation context has to be answered once")
    for context_id, answer in answers.items():
        if not 0 <= answer.result <= 4:
            raise LocalProtocolError(f"context {context_id}: result {answer.result} is not 0 to 4")
        if answer.result == 0 and not is_usable(proposed[context_id], answer):
            raise LocalProtocolError(
                f"context {context_id} is accepted with {answer.transfer_syntax!r}, which was not proposed"
            )
    if pdu.user_identity is not None:
        raise LocalProtocolError("user_identity belongs into the A-ASSOCIATE-RQ")
    identity = request.user_identity
    if pdu.user_identity_response is not None and not (identity and identity.positive_response_requested):
        raise LocalProtocolError("user_identity_response was not asked for (PS3.7 D.3.3.7)")
    if pdu.asynchronous_operations_window and not request.asynchronous_operations_window:
        raise LocalProtocolError("asynchronous_operations_window was not asked for (PS3.7 D.3.3.3)")


def check_associate_rj(pdu: AssociateRJ) -> None:
    """Check that PS3.8 Table 9-21 has the combination of the three fields."""
    if pdu.result not in (1, 2) or (pdu.source, pdu.reason) not in REJECT_REASONS:
        raise LocalProtocolError(f"{pdu} is not in PS3.8 Table 9-21")


def oddities(pdu: AssociateRQ | AssociateAC) -> list[str]:
    """Return where a received PDU is not conformant, as "code: detail"."""
    found = _odd_contexts(pdu)
    if isinstance(pdu, AssociateRQ):
        found += _odd_titles(pdu)
        if pdu.user_identity_response is not None:
            found.append("misplaced-item: a user identity response in a request")
        if pdu.user_identity is not None and not 1 <= pdu.user_identity.identity_type <= 5:
            found.append(f"odd-value: user identity of type {pdu.user_identity.identity_type}")
    elif pdu.user_identity is not None:
        found.append("misplaced-item: a user identity in an answer")
    if pdu.protocol_version != 1:
        found.append(f"odd-value: protocol version {pdu.protocol_version:04X}H")
    found += _odd_identification(pdu)
    uids = [role.sop_class_uid for role in pdu.role_selections]
    uids += [item.sop_class_uid for item in pdu.sop_class_extended]
    uids += [item.sop_class_uid for item in pdu.sop_class_common_extended]
    if not all(map(is_valid_uid, uids)):
        found.append("invalid-uid: SOP class of a user information item")
    return found


def _odd_contexts(pdu: AssociateRQ | AssociateAC) -> list[str]:
    found = []
    contexts = pdu.presentation_contexts
    ids = [context.context_id for context in pdu.presentation_contexts]
    if 0 in {context_id & 1 for context_id in ids}:
        found.append("even-context-id: ids are odd")
    if len(set(ids)) != len(ids):
        found.append("repeated-context-id: the first counts")
    if isinstance(pdu, AssociateRQ):
        if () in [context.transfer_syntaxes for context in pdu.presentation_contexts]:
            found.append("no-transfer-syntax: in a presentation context")
        uids = [uid for context in pdu.presentation_contexts for uid in context.transfer_syntaxes]
        uids += [context.abstract_syntax for context in pdu.presentation_contexts]
    else:
        uids = [context.transfer_syntax for context in pdu.presentation_contexts if context.result == 0]
        if max([context.result for context in pdu.presentation_contexts], default=0) > 4:
            found.append("unknown-result: of a presentation context")
    if not contexts:
        found.append("missing-item: presentation context")
    if not are_valid_uids(set(uids)):  # most proposals repeat a few UIDs
        found.append("invalid-uid: in a presentation context")
    return found


def _odd_titles(pdu: AssociateRQ) -> list[str]:
    """Return the faults of the AE titles of a request; those of an answer are reserved."""
    found = []
    for side, title in (("called", pdu.called_ae_title), ("calling", pdu.calling_ae_title)):
        if not title.strip():
            found.append(f"blank-ae-title: {side}")
        elif not is_plain_text(title):
            found.append(f"odd-ae-title: {side}, not printable ASCII without backslash")
    if b"\0" in pdu.raw_ae_titles:
        found.append("padded-ae-title: with NULs, not with spaces")
    return found


def _odd_identification(pdu: AssociateRQ | AssociateAC) -> list[str]:
    """Return the faults of the application context and of the items that identify the implementation."""
    found = []
    if pdu.application_context_name and not is_valid_uid(pdu.application_context_name):
        found.append("invalid-uid: application context")
    if pdu.maximum_length is None:
        found.append("missing-item: maximum length")
    if pdu.implementation_class_uid is None:
        found.append("missing-item: implementation class UID")
    elif not is_valid_uid(pdu.implementation_class_uid):
        found.append("invalid-uid: implementation class UID")
    name = pdu.implementation_version_name
    if name is not None and not (0 < len(name) <= 16 and name.isascii() and name.isprintable()):
        found.append("odd-value: implementation version name, not 1 to 16 characters of ASCII")
    return found
