"""The acceptor's half: a proposal and a policy give an A-ASSOCIATE-AC or -RJ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from types import MappingProxyType

from ..record import Record
from ..uids import (
    APPLICATION_CONTEXT_NAME,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    is_valid_uid,
    normalize_uid,
)
from ..upper_layer.contexts import first_of_each_id, make_context_ac, make_context_rq
from ..upper_layer.pdu import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    normalize_ae_title,
)
from .agreed import (
    ACCEPTANCE,
    DEFAULT_MAXIMUM_LENGTH,
    NO_ABSTRACT_SYNTAX,
    NO_TRANSFER_SYNTAX,
    ONE_OPERATION,
    USER_REJECTION,
    normalized,
    proposed_roles,
    smaller_window,
)


class SupportedContext(Record):
    """An abstract syntax that an acceptor supports, with its transfer syntaxes, preferred first.

    `scu_role` and `scp_role` tell whether a requestor that proposes this role gets it; None grants it.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool | None = None
    scp_role: bool | None = None


_NAMES = (1, 2)
"""The user identity types of a user name, without and with a passcode."""


class IdentityVerdict(Record):
    """Whether a user identity is accepted.

    `server_response` is sent if a response was requested. It is empty for a user name, with or without
    passcode (PS3.7 D.3.3.7.2).
    """

    accepted: bool
    server_response: bytes | None = None


def index_supported(contexts: Iterable[SupportedContext]) -> dict[str, SupportedContext]:
    """Return `contexts` by abstract syntax, for `AcceptorPolicy.supported`; build it once.

    Contexts of one abstract syntax are joined: all transfer syntaxes in order, and the last roles that are
    not None.
    """
    index: dict[str, SupportedContext] = {}
    for context in contexts:
        uid = normalize_uid(context.abstract_syntax)
        known = index.get(uid, context)
        index[uid] = SupportedContext(
            abstract_syntax=uid,
            transfer_syntaxes=normalized(known.transfer_syntaxes + context.transfer_syntaxes),
            scu_role=known.scu_role if context.scu_role is None else context.scu_role,
            scp_role=known.scp_role if context.scp_role is None else context.scp_role,
        )
    return index


def accept_anything(proposal: PresentationContextRQ) -> SupportedContext:
    """Support any proposal in its first transfer syntax; use it as `AcceptorPolicy.unknown_context`."""
    return SupportedContext(
        abstract_syntax=proposal.abstract_syntax, transfer_syntaxes=proposal.transfer_syntaxes
    )


class AcceptorPolicy(Record):
    """The contexts and peers that an acceptor accepts, for any number of associations.

    `negotiate` calls the hooks, and lets their exceptions pass to its caller.
    """

    supported: Mapping[str, SupportedContext] = MappingProxyType({})
    """Contexts by abstract syntax, from `index_supported`. A service class UID as abstract syntax stands for
    every SOP class that the requestor assigns to it, if `common_extended` accepts that."""

    unknown_context: Callable[[PresentationContextRQ], SupportedContext | None] | None = None
    """Called with each proposal that is not in `supported`; its UIDs are normalized."""

    prefer_proposer_order: bool = False
    """Choose the first supported one of the proposed transfer syntaxes; by default, our order decides."""

    maximum_length: int = DEFAULT_MAXIMUM_LENGTH
    """The maximum length to announce: bytes of a P-DATA-TF after its header, 0 for any number."""

    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME

    operations_window: AsynchronousOperationsWindow = ONE_OPERATION
    """Most operations that the requestor, and that we, may have outstanding; sent only as an answer."""

    called_ae_titles: Set[str] | tuple[str, ...] | None = None
    """The accepted called AE titles, without padding; None for any."""

    calling_ae_titles: Set[str] | tuple[str, ...] | None = None
    """The accepted calling AE titles, without padding; None for any. A title proves nothing."""

    any_application_context: bool = False
    """Accept any application context name, not only the one of DICOM."""

    request: Callable[[AssociateRQ], AssociateRJ | None] | None = None
    """Called with the whole request after titles and application context have passed; may reject it."""

    user_identity: Callable[[UserIdentityRQ], IdentityVerdict] | None = None
    """Called with the user identity; without it identities are ignored and not answered."""

    extended: Callable[[Mapping[str, bytes]], Mapping[str, bytes]] | None = None
    """Called with the application information by SOP class; returns the answers for proposed SOP classes."""

    common_extended: (
        Callable[[tuple[SOPClassCommonExtendedNegotiation, ...]], Iterable[SOPClassCommonExtendedNegotiation]]
        | None
    ) = None
    """Returns the items to act on. A SOP class that is not in `supported` then counts as the first of its
    related general SOP classes, or as its service class, that is supported (PS3.7 D.3.3.6). No PDU has an
    answer, so pass the items to `Connection.send` too: see `accepted_common_extended`."""


def negotiate(rq: AssociateRQ, policy: AcceptorPolicy) -> AssociateAC | AssociateRJ:
    """Return the answer to `rq`. No request makes it raise; exceptions of the hooks pass through.

    Each proposed context has one answer, in order, with one transfer syntax item, which has no meaning in a
    rejection. If several contexts have one id, the first counts. Proposed roles are always answered.
    """
    rejection = _rejection(rq, policy)
    if rejection is not None:
        return rejection
    identity = _identity(rq.user_identity, policy)
    if identity is not None and not identity.accepted:
        # PS3.7 D.3.3.7: rejected permanently by the service-provider (ACSE related), without a reason.
        return AssociateRJ(result=1, source=2, reason=1)
    positive_response = None
    if identity is not None and rq.user_identity is not None and rq.user_identity.positive_response_requested:
        is_name = rq.user_identity.identity_type in _NAMES
        server_response = b"" if is_name else identity.server_response or b""
        positive_response = UserIdentityAC(server_response=server_response)
    contexts, roles = _answer_contexts(rq, policy)
    extended = _answer_extended(rq, policy)
    if not _fits(roles, extended, positive_response):
        return AssociateRJ(result=1, source=3, reason=2)
    asked = rq.asynchronous_operations_window
    return AssociateAC(
        called_ae_title=rq.called_ae_title,
        calling_ae_title=rq.calling_ae_title,
        presentation_contexts=contexts,
        maximum_length=policy.maximum_length,
        implementation_class_uid=policy.implementation_class_uid,
        implementation_version_name=policy.implementation_version_name,
        asynchronous_operations_window=asked and smaller_window(asked, policy.operations_window),
        role_selections=roles,
        sop_class_extended=extended,
        user_identity_response=positive_response,
        reserved=rq.reserved,
        raw_ae_titles=rq.raw_ae_titles,
    )


def accepted_common_extended(
    rq: AssociateRQ, policy: AcceptorPolicy
) -> dict[str, SOPClassCommonExtendedNegotiation]:
    """Return the common extended negotiation items of `rq` that the policy acts on, by SOP class.

    Pass their values to `Connection.send` as `common_extended`, together with the answer of `negotiate`.
    """
    if policy.common_extended is None or not rq.sop_class_common_extended:
        return {}
    items = policy.common_extended(rq.sop_class_common_extended)
    return {normalize_uid(item.sop_class_uid): item for item in items}


def _rejection(rq: AssociateRQ, policy: AcceptorPolicy) -> AssociateRJ | None:
    # PS3.8 Table 9-21. A missing application context item is a warning of the decoder, not another context.
    context_name = normalize_uid(rq.application_context_name)
    if context_name not in ("", APPLICATION_CONTEXT_NAME) and not policy.any_application_context:
        return AssociateRJ(result=1, source=1, reason=2)
    called, calling = normalize_ae_title(rq.called_ae_title), normalize_ae_title(rq.calling_ae_title)
    if policy.called_ae_titles is not None and called not in policy.called_ae_titles:
        return AssociateRJ(result=1, source=1, reason=7)
    if policy.calling_ae_titles is not None and calling not in policy.calling_ae_titles:
        return AssociateRJ(result=1, source=1, reason=3)
    return None if policy.request is None else policy.request(rq)


def _identity(identity: UserIdentityRQ | None, policy: AcceptorPolicy) -> IdentityVerdict | None:
    if identity is None or policy.user_identity is None:
        return None
    return policy.user_identity(identity)


def _answer_contexts(
    rq: AssociateRQ, policy: AcceptorPolicy
) -> tuple[tuple[PresentationContextAC, ...], tuple[RoleSelection, ...]]:
    common = accepted_common_extended(rq, policy)
    proposed = proposed_roles(rq)
    answered_roles: dict[str, RoleSelection] = {}
    contexts = []
    for context_id, raw in first_of_each_id(rq.presentation_contexts).items():
        uid = normalize_uid(raw.abstract_syntax)
        proposal = make_context_rq(
            context_id=context_id, abstract_syntax=uid, transfer_syntaxes=normalized(raw.transfer_syntaxes)
        )
        result, transfer_syntax, supported = _answer_context(proposal, policy, common)
        role = proposed.get(uid)
        if role is not None:
            answer = _answer_role(role, supported)
            # Several contexts of one SOP class share one answer: the one of a supported context counts.
            if supported is not None or uid not in answered_roles:
                answered_roles[uid] = answer
            if result == ACCEPTANCE and not (answer.scu_role or answer.scp_role):
                result = USER_REJECTION
        contexts.append(
            make_context_ac(context_id=context_id, result=result, transfer_syntax=transfer_syntax)
        )
    return tuple(contexts), tuple(answered_roles.values())


def _answer_context(
    proposal: PresentationContextRQ,
    policy: AcceptorPolicy,
    common: Mapping[str, SOPClassCommonExtendedNegotiation],
) -> tuple[int, str, SupportedContext | None]:
    """Return the result, the transfer syntax of the answer, and the supported context, if any."""
    # A rejection has one of the proposed syntaxes too, since some requestors refuse an answer without it.
    filler = next(filter(is_valid_uid, proposal.transfer_syntaxes), IMPLICIT_VR_LITTLE_ENDIAN)
    if not proposal.abstract_syntax:
        return NO_ABSTRACT_SYNTAX, filler, None
    if not proposal.transfer_syntaxes:
        return NO_TRANSFER_SYNTAX, filler, None
    supported = _supported(proposal, policy, common)
    if supported is None:
        return NO_ABSTRACT_SYNTAX, filler, None
    first, second = supported.transfer_syntaxes, proposal.transfer_syntaxes
    if policy.prefer_proposer_order:
        first, second = second, first
    for transfer_syntax in first:
        if transfer_syntax in second:
            return ACCEPTANCE, transfer_syntax, supported
    return NO_TRANSFER_SYNTAX, filler, supported


def _supported(
    proposal: PresentationContextRQ,
    policy: AcceptorPolicy,
    common: Mapping[str, SOPClassCommonExtendedNegotiation],
) -> SupportedContext | None:
    supported = policy.supported.get(proposal.abstract_syntax)
    if supported is not None:
        return supported
    item = common.get(proposal.abstract_syntax)
    if item is not None:
        for uid in normalized((*item.related_general_sop_class_uids, item.service_class_uid)):
            if uid in policy.supported:
                return policy.supported[uid]
    return None if policy.unknown_context is None else policy.unknown_context(proposal)


def _answer_role(role: RoleSelection, supported: SupportedContext | None) -> RoleSelection:
    """Grant the proposed roles that are not denied; none of a SOP class that is not supported."""
    return RoleSelection(
        sop_class_uid=normalize_uid(role.sop_class_uid),
        scu_role=supported is not None and role.scu_role and supported.scu_role is not False,
        scp_role=supported is not None and role.scp_role and supported.scp_role is not False,
    )


def _answer_extended(rq: AssociateRQ, policy: AcceptorPolicy) -> tuple[SOPClassExtendedNegotiation, ...]:
    if policy.extended is None or not rq.sop_class_extended:
        return ()
    proposed = {normalize_uid(e.sop_class_uid): e.application_information for e in rq.sop_class_extended}
    answers = policy.extended(proposed)
    return tuple(
        SOPClassExtendedNegotiation(sop_class_uid=uid, application_information=answers[uid])
        for uid in proposed
        if uid in answers
    )


def _fits(
    roles: tuple[RoleSelection, ...],
    extended: tuple[SOPClassExtendedNegotiation, ...],
    response: UserIdentityAC | None,
) -> bool:
    """Tell whether the answers fit in a user information item, whose length has 16 bits.

    They may not fit, since a request may have two such items, and since we add items of our own.
    """
    size = 256 + sum([8 + len(role.sop_class_uid) for role in roles])
    size += sum([6 + len(item.sop_class_uid) + len(item.application_information) for item in extended])
    return size + (0 if response is None else len(response.server_response)) <= 0xFFFF
