"""What an association may carry: proposal + policy -> answer; proposal + answer -> contexts and roles.

Pure functions over the PDUs of `upper_layer.pdu`. The acceptor's `negotiate` and the requestor's
`plan_contexts` and `build_associate_rq` make PDUs; `accepted_contexts` reads the same result out of
a proposal and its answer on either side, so that both sides agree by construction. UIDs are
compared without the padding that some peers give them, and come out without it.

An association of which every context was rejected is accepted all the same: so says the letter of
PS3.8 7.1.1, and the requestor learns the reason of each context.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, TypeVar

from ._record import Record
from .errors import LocalProtocolError
from .uids import (
    APPLICATION_CONTEXT_NAME,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    is_valid_uid,
    normalize_uid,
)
from .upper_layer.pdu import (
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

MAXIMUM_CONTEXTS = 128
"""Odd numbers from 1 to 255 identify presentation contexts (PS3.8 9.3.2.2)."""

DEFAULT_MAXIMUM_LENGTH = 131_072
"""What we announce unless told otherwise: large enough that PDU headers cost nothing."""

CONVERTIBLE_TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
"""Transfer syntaxes of native pixel data, each of which can be re-encoded in each other, best first.

Deflated is one of them: only the data set as a whole is compressed, without loss.
"""

FALLBACK_TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""Proposed for data sets whose own syntax may be refused; Explicit keeps private VRs, so it is first."""

ACCEPTANCE, USER_REJECTION, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)
"""Results of a presentation context (PS3.8 Table 9-18)."""

_RESULTS = {
    ACCEPTANCE: "accepted",
    USER_REJECTION: "rejected by the user",
    NO_REASON: "rejected without a reason",
    NO_ABSTRACT_SYNTAX: "abstract syntax not supported",
    NO_TRANSFER_SYNTAX: "none of the transfer syntaxes supported",
}

_ONE_OPERATION = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1)


# --- what was agreed, for both sides ------------------------------------------------------------


class AcceptedContext(Record):
    """A presentation context that may be used, with the roles of the association's requestor.

    The acceptor has the complementary roles: it is SCP where the requestor is SCU. `roles_answered`
    tells whether roles were both proposed and answered; otherwise the default ones hold, and a
    proposed SCP role counts as granted.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False
    roles_answered: bool = False


class RejectedContext(Record):
    """A proposed presentation context that may not be used.

    `result` is the answer's (PS3.8 Table 9-18), or None if there was none; `reason` says it in words.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    result: int | None
    reason: str


def accepted_contexts(
    rq: AssociateRQ, ac: AssociateAC, *, strict_roles: bool = False
) -> dict[int, AcceptedContext]:
    """Return the usable contexts by id: accepted, and with an id and transfer syntax that were proposed.

    With `strict_roles` a proposed SCP role that the acceptor did not answer is not granted, as
    PS3.7 D.3.3.4 has it; many acceptors of C-GET leave the answer out.
    """
    proposals, answers = _by_id(rq.presentation_contexts), _by_id(ac.presentation_contexts)
    proposed_roles, answered_roles = _proposed_roles(rq), _roles(ac)
    accepted = {}
    for context_id, proposal in proposals.items():
        answer = answers.get(context_id)
        if answer is None or _refusal(proposal, answer):
            continue
        uid = normalize_uid(proposal.abstract_syntax)
        proposed, answered = proposed_roles.get(uid), answered_roles.get(uid)
        scu, scp = True, False
        if proposed is not None and answered is not None:
            scu = proposed.scu_role and answered.scu_role
            scp = proposed.scp_role and answered.scp_role
        elif proposed is not None:
            scp = proposed.scp_role and not strict_roles
        accepted[context_id] = AcceptedContext(
            context_id=context_id,
            abstract_syntax=uid,
            transfer_syntax=normalize_uid(answer.transfer_syntax),
            requestor_is_scu=scu,
            requestor_is_scp=scp,
            roles_answered=proposed is not None and answered is not None,
        )
    return accepted


def rejected_contexts(rq: AssociateRQ, ac: AssociateAC) -> dict[int, RejectedContext]:
    """Return the proposed contexts that are not in `accepted_contexts`, by id, with the reason of each."""
    answers = _by_id(ac.presentation_contexts)
    rejected = {}
    for context_id, proposal in _by_id(rq.presentation_contexts).items():
        answer = answers.get(context_id)
        reason = "not answered" if answer is None else _refusal(proposal, answer)
        if reason:
            rejected[context_id] = RejectedContext(
                context_id=context_id,
                abstract_syntax=normalize_uid(proposal.abstract_syntax),
                transfer_syntaxes=_normalized(proposal.transfer_syntaxes),
                result=None if answer is None else answer.result,
                reason=reason,
            )
    return rejected


def may_invoke(
    context: AcceptedContext, *, by_requestor: bool, is_event_report: bool, strict: bool = False
) -> Literal["yes", "warn", "no"]:
    """Tell whether one side, the requestor or the acceptor, may invoke a request on `context`.

    N-EVENT-REPORT is invoked by the SCP, everything else by the SCU. "warn" is what the letter of
    PS3.7 D.3.3.4 forbids but real peers do: to use an SCP role that was proposed and not answered, or to
    report events without role selection. `strict` makes it "no".
    """
    needs_scp_requestor = by_requestor == is_event_report
    if not (context.requestor_is_scp if needs_scp_requestor else context.requestor_is_scu):
        lenient = is_event_report and not context.roles_answered
        return "warn" if lenient and not strict else "no"
    if needs_scp_requestor and not context.roles_answered:
        return "no" if strict else "warn"
    return "yes"


def operations_window(rq: AssociateRQ, ac: AssociateAC) -> AsynchronousOperationsWindow:
    """Return how many operations the requestor may have outstanding, and the acceptor; 0 for any number.

    One of each unless both sides negotiated more (PS3.7 D.3.3.3).
    """
    asked, answered = rq.asynchronous_operations_window, ac.asynchronous_operations_window
    return _ONE_OPERATION if asked is None or answered is None else _smaller_window(asked, answered)


class ContextMatch(Record):
    """What `find_context` found: the context to use, others to convert for, and why not more.

    `alternatives` are contexts of the same SOP class in other syntaxes that native pixel data can be
    re-encoded in, best first; empty for compressed data. `reasons` has a line for each near miss.
    """

    context: AcceptedContext | None
    alternatives: tuple[AcceptedContext, ...]
    reasons: tuple[str, ...]


def find_context(
    accepted: Mapping[int, AcceptedContext],
    sop_class: str,
    transfer_syntax: str,
    *,
    by_requestor: bool = True,
    rejected: Mapping[int, RejectedContext] = MappingProxyType({}),
) -> ContextMatch:
    """Find the context on which one side may send `sop_class` in `transfer_syntax` as an SCU."""
    sop_class, transfer_syntax = normalize_uid(sop_class), normalize_uid(transfer_syntax)
    exact: AcceptedContext | None = None
    alternatives = []
    reasons = []
    for context in accepted.values():
        if context.abstract_syntax != sop_class:
            continue
        name = f"context {context.context_id}"
        if may_invoke(context, by_requestor=by_requestor, is_event_report=False) == "no":
            side = "requestor" if by_requestor else "acceptor"
            reasons.append(f"{name}: the {side} was not granted the SCU role")
        elif context.transfer_syntax != transfer_syntax:
            reasons.append(f"{name}: accepted with transfer syntax {context.transfer_syntax}")
            if {transfer_syntax, context.transfer_syntax} <= set(CONVERTIBLE_TRANSFER_SYNTAXES):
                alternatives.append(context)
        elif exact is None:
            exact = context
    for refused in rejected.values():
        if refused.abstract_syntax == sop_class:
            proposed = ", ".join(refused.transfer_syntaxes) or "no transfer syntax"
            reasons.append(f"context {refused.context_id} ({proposed}): {refused.reason}")
    if exact is None and not reasons:
        reasons.append(f"no context was proposed for SOP class {sop_class}")
    alternatives.sort(key=lambda c: CONVERTIBLE_TRANSFER_SYNTAXES.index(c.transfer_syntax))
    return ContextMatch(context=exact, alternatives=tuple(alternatives), reasons=tuple(reasons))


# --- the acceptor -------------------------------------------------------------------------------


class SupportedContext(Record):
    """An abstract syntax that an acceptor supports, with its transfer syntaxes, preferred first.

    `scu_role` and `scp_role` say whether the requestor is granted that role if it proposes it; None
    grants it.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool | None = None
    scp_role: bool | None = None


class IdentityVerdict(Record):
    """Whether a user identity is accepted; `server_response` is sent only if a response was requested."""

    accepted: bool
    server_response: bytes | None = None


def index_supported(contexts: Iterable[SupportedContext]) -> dict[str, SupportedContext]:
    """Return `contexts` by abstract syntax, as `AcceptorPolicy.supported` wants them; build it once.

    Contexts of one abstract syntax are joined: their transfer syntaxes in order, the last roles that
    are not None.
    """
    index: dict[str, SupportedContext] = {}
    for context in contexts:
        uid = normalize_uid(context.abstract_syntax)
        known = index.get(uid, context)
        index[uid] = SupportedContext(
            abstract_syntax=uid,
            transfer_syntaxes=_normalized(known.transfer_syntaxes + context.transfer_syntaxes),
            scu_role=known.scu_role if context.scu_role is None else context.scu_role,
            scp_role=known.scp_role if context.scp_role is None else context.scp_role,
        )
    return index


def accept_anything(proposal: PresentationContextRQ) -> SupportedContext:
    """Support whatever is proposed, in its first transfer syntax: an `AcceptorPolicy.unknown_context`."""
    return SupportedContext(
        abstract_syntax=proposal.abstract_syntax, transfer_syntaxes=proposal.transfer_syntaxes
    )


class AcceptorPolicy(Record):
    """What an acceptor supports and whom it serves; one value serves any number of associations.

    The hooks are called by `negotiate`; what they raise goes through to its caller.
    """

    supported: Mapping[str, SupportedContext] = MappingProxyType({})
    """By abstract syntax, from `index_supported`. A service class UID as abstract syntax stands for every
    SOP class that the requestor says belongs to it, if `common_extended` accepts that."""

    unknown_context: Callable[[PresentationContextRQ], SupportedContext | None] | None = None
    """Asked about each proposal that `supported` does not know; its UIDs come normalized."""

    prefer_proposer_order: bool = False
    """Choose the first proposed transfer syntax that is supported, not the first supported one."""

    maximum_length: int = DEFAULT_MAXIMUM_LENGTH
    """Announced to the requestor: bytes of a P-DATA-TF after its header, 0 for any number."""

    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME

    operations_window: AsynchronousOperationsWindow = _ONE_OPERATION
    """How many operations the requestor may have outstanding, and how many we; answered only if asked."""

    called_ae_titles: Collection[str] | None = None
    """The titles that we answer to, without padding; None for any."""

    calling_ae_titles: Collection[str] | None = None
    """The titles of those whom we serve, without padding; None for anyone. A title proves nothing."""

    any_application_context: bool = False
    """Accept an application context name that is not the DICOM one."""

    request: Callable[[AssociateRQ], AssociateRJ | None] | None = None
    """Sees the whole request, once titles and application context have passed, and may reject it."""

    user_identity: Callable[[UserIdentityRQ], IdentityVerdict] | None = None
    """Judges a user identity; without it every identity is ignored and none is answered."""

    extended: Callable[[Mapping[str, bytes]], Mapping[str, bytes]] | None = None
    """Takes the application information by SOP class and returns the answers; only proposed classes count."""

    common_extended: (
        Callable[[tuple[SOPClassCommonExtendedNegotiation, ...]], Iterable[SOPClassCommonExtendedNegotiation]]
        | None
    ) = None
    """Returns the items to act on. A SOP class that is not in `supported` is then treated as the first of its
    related general SOP classes, or as its service class, that is (PS3.7 D.3.3.6). There is no answer."""


def negotiate(rq: AssociateRQ, policy: AcceptorPolicy) -> AssociateAC | AssociateRJ:
    """Return the answer to `rq`. Nothing in a request makes it raise; what a hook raises goes through.

    Each proposed context is answered once, in order, with one transfer syntax item (which means nothing
    in a rejection); of several with the same id the first counts. Proposed roles are always answered.
    """
    rejection = _rejection(rq, policy)
    if rejection is not None:
        return rejection
    identity = _identity(rq.user_identity, policy)
    if identity is not None and not identity.accepted:
        return AssociateRJ(result=2, source=2, reason=1)
    positive_response = None
    if identity is not None and rq.user_identity is not None and rq.user_identity.positive_response_requested:
        positive_response = UserIdentityAC(server_response=identity.server_response or b"")
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
        asynchronous_operations_window=asked and _smaller_window(asked, policy.operations_window),
        role_selections=roles,
        sop_class_extended=extended,
        user_identity_response=positive_response,
    )


def accepted_common_extended(
    rq: AssociateRQ, policy: AcceptorPolicy
) -> dict[str, SOPClassCommonExtendedNegotiation]:
    """Return the common extended negotiation items of `rq` that the policy acts on, by SOP class."""
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
    proposed_roles = _proposed_roles(rq)
    answered_roles: dict[str, RoleSelection] = {}
    contexts = []
    for context_id, raw in _by_id(rq.presentation_contexts).items():
        uid = normalize_uid(raw.abstract_syntax)
        proposal = PresentationContextRQ(
            context_id=context_id, abstract_syntax=uid, transfer_syntaxes=_normalized(raw.transfer_syntaxes)
        )
        result, transfer_syntax, supported = _answer_context(proposal, policy, common)
        role = proposed_roles.get(uid)
        if role is not None:
            answer = _answer_role(role, supported)
            # Several contexts of one SOP class have one answer; that of a supported one counts.
            if supported is not None or uid not in answered_roles:
                answered_roles[uid] = answer
            if result == ACCEPTANCE and not (answer.scu_role or answer.scp_role):
                result = USER_REJECTION
        contexts.append(
            PresentationContextAC(context_id=context_id, result=result, transfer_syntax=transfer_syntax)
        )
    return tuple(contexts), tuple(answered_roles.values())


def _answer_context(
    proposal: PresentationContextRQ,
    policy: AcceptorPolicy,
    common: Mapping[str, SOPClassCommonExtendedNegotiation],
) -> tuple[int, str, SupportedContext | None]:
    """Return the result, the transfer syntax to answer with, and what supports the proposal."""
    # One of the proposed syntaxes even in a rejection: some requestors refuse the answer without it.
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
        for uid in _normalized((*item.related_general_sop_class_uids, item.service_class_uid)):
            if uid in policy.supported:
                return policy.supported[uid]
    return None if policy.unknown_context is None else policy.unknown_context(proposal)


def _answer_role(role: RoleSelection, supported: SupportedContext | None) -> RoleSelection:
    """Grant the proposed roles that are not denied; an SOP class that is not supported has none."""
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

    What was asked came in one as well, but perhaps in a second, too, or without the items that we add.
    """
    size = 256 + sum([8 + len(role.sop_class_uid) for role in roles])
    size += sum([6 + len(item.sop_class_uid) + len(item.application_information) for item in extended])
    return size + (0 if response is None else len(response.server_response)) <= 0xFFFF


# --- the requestor ------------------------------------------------------------------------------

Proposal = PresentationContextRQ | tuple[str, Iterable[str]]
"""A context to propose: (abstract syntax, transfer syntaxes), or a record whose id is assigned anew."""


def propose_contexts(proposals: Iterable[Proposal]) -> tuple[PresentationContextRQ, ...]:
    """Return the contexts with ids 1, 3, 5, ..., without repetitions of the same syntaxes.

    Raises LocalProtocolError if more than 128 remain, or one has no abstract or no transfer syntax.
    """
    unique: dict[tuple[str, tuple[str, ...]], None] = {}
    for proposal in proposals:
        if isinstance(proposal, PresentationContextRQ):
            proposal = proposal.abstract_syntax, proposal.transfer_syntaxes
        abstract_syntax, transfer_syntaxes = normalize_uid(proposal[0]), _normalized(proposal[1])
        if not abstract_syntax or not transfer_syntaxes:
            missing = "transfer" if abstract_syntax else "abstract"
            raise LocalProtocolError(
                f"presentation context {(abstract_syntax, transfer_syntaxes)} has no {missing} syntax"
            )
        unique[abstract_syntax, transfer_syntaxes] = None
    surplus = len(unique) - MAXIMUM_CONTEXTS
    if surplus > 0:
        raise LocalProtocolError(
            f"an association has at most {MAXIMUM_CONTEXTS} presentation contexts,"
            f" {surplus} of these {len(unique)} do not fit; plan_contexts() chooses"
        )
    return tuple(
        PresentationContextRQ(
            context_id=2 * index + 1, abstract_syntax=abstract_syntax, transfer_syntaxes=transfer_syntaxes
        )
        for index, (abstract_syntax, transfer_syntaxes) in enumerate(unique)
    )


def build_associate_rq(
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Iterable[Proposal],
    *,
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH,
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID,
    implementation_version_name: str | None = IMPLEMENTATION_VERSION_NAME,
    role_selections: Iterable[RoleSelection] = (),
    sop_class_extended: Iterable[SOPClassExtendedNegotiation] = (),
    sop_class_common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
    user_identity: UserIdentityRQ | None = None,
    operations_window: AsynchronousOperationsWindow | None = None,
) -> AssociateRQ:
    """Return an A-ASSOCIATE-RQ that identifies this implementation.

    The contexts get ids and lose repetitions (`propose_contexts`, which also says what it raises). The
    window of asynchronous operations is not proposed unless given: its presence alone breaks some peers.
    """
    return AssociateRQ(
        calling_ae_title=calling_ae_title,
        called_ae_title=called_ae_title,
        presentation_contexts=propose_contexts(contexts),
        maximum_length=maximum_length,
        implementation_class_uid=implementation_class_uid,
        implementation_version_name=implementation_version_name,
        role_selections=tuple(role_selections),
        sop_class_extended=tuple(sop_class_extended),
        sop_class_common_extended=tuple(sop_class_common_extended),
        user_identity=user_identity,
        asynchronous_operations_window=operations_window,
    )


class ContextPlan(Record):
    """What to propose for the objects to be sent, and the (SOP class, transfer syntax) pairs without a place.

    `warnings` says in words what was given up, for a person to read.
    """

    contexts: tuple[PresentationContextRQ, ...]
    unplaced: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def plan_contexts(
    pairs: Iterable[tuple[str, str]], *, convert: bool = True, limit: int = MAXIMUM_CONTEXTS
) -> ContextPlan:
    """Plan the contexts for objects given as (SOP class, transfer syntax) pairs; repetitions are welcome.

    Each pair gets a context of its own, since an acceptor takes one transfer syntax of a context. Unless
    `convert` is False, a SOP class with native pixel data also gets a fallback context with Explicit and
    Implicit VR LE, for objects to be re-encoded in if their own syntax is refused (none where both are there
    anyway). When that is more than `limit`:

    1. fallbacks give way, those of Big Endian and Deflated objects, which are refused most, last;
    2. then the native pairs of a SOP class share one context, the fallback, beginning where most is gained:
       what is accepted of it, all of them can be re-encoded in, so that none becomes unsendable;
    3. then the last pairs are `unplaced`.
    """
    if not 0 < limit <= MAXIMUM_CONTEXTS:
        raise LocalProtocolError(f"the limit of contexts is from 1 to {MAXIMUM_CONTEXTS}, not {limit}")
    own: dict[tuple[str, str], None] = {(normalize_uid(a), normalize_uid(t)): None for a, t in pairs}
    native: dict[str, list[str]] = {}
    if convert:
        for sop_class, transfer_syntax in own:
            if transfer_syntax in CONVERTIBLE_TRANSFER_SYNTAXES:
                native.setdefault(sop_class, []).append(transfer_syntax)

    shared = _shared_classes(len(own), native, limit)
    placed: dict[tuple[str, tuple[str, ...]], list[tuple[str, str]]] = {}
    for sop_class, transfer_syntax in own:
        if sop_class in shared and transfer_syntax in CONVERTIBLE_TRANSFER_SYNTAXES:
            syntaxes: tuple[str, ...] = FALLBACK_TRANSFER_SYNTAXES
        else:
            syntaxes = (transfer_syntax,)
        placed.setdefault((sop_class, syntaxes), []).append((sop_class, transfer_syntax))
    contexts, unplaced = list(placed)[:limit], list(placed)[limit:]

    fallbacks = [
        (sop_class, FALLBACK_TRANSFER_SYNTAXES)
        for sop_class in native
        if sop_class not in shared and not set(FALLBACK_TRANSFER_SYNTAXES) <= set(native[sop_class])
    ]
    fallbacks.sort(key=lambda f: set(native[f[0]]) <= set(FALLBACK_TRANSFER_SYNTAXES))
    room = limit - len(contexts)
    contexts += fallbacks[:room]

    without_place = tuple(pair for key in unplaced for pair in placed[key])
    warnings = []
    if fallbacks[room:]:
        warnings.append(
            f"no room for the fallback contexts of {len(fallbacks[room:])} SOP classes:"
            " their objects fail if their own transfer syntax is refused"
        )
    if shared:
        warnings.append(
            f"the uncompressed transfer syntaxes of {len(shared)} SOP classes share one context each:"
            " objects in another syntax than is accepted are re-encoded"
        )
    if without_place:
        listed = ", ".join(f"{sop_class} in {syntax}" for sop_class, syntax in without_place)
        warnings.append(
            f"{len(without_place)} of {len(own)} pairs of SOP class and transfer syntax do not fit"
            f" in {limit} presentation contexts: {listed}"
        )
    return ContextPlan(contexts=propose_contexts(contexts), unplaced=without_place, warnings=tuple(warnings))


def _shared_classes(pairs: int, native: Mapping[str, list[str]], limit: int) -> set[str]:
    """Return the SOP classes whose native pairs must share one context to bring `pairs` down to `limit`."""
    shared: set[str] = set()
    for sop_class in sorted(native, key=lambda uid: -len(native[uid])):
        gain = len(native[sop_class]) - 1
        if pairs <= limit or not gain:
            break
        shared.add(sop_class)
        pairs -= gain
    return shared


# --- helpers ------------------------------------------------------------------------------------

Context = TypeVar("Context", PresentationContextRQ, PresentationContextAC)


def _normalized(uids: Iterable[str]) -> tuple[str, ...]:
    """Return the UIDs without padding, empty ones and repetitions."""
    return tuple(dict.fromkeys([uid for uid in map(normalize_uid, uids) if uid]))


def _by_id(contexts: Iterable[Context]) -> dict[int, Context]:
    """Return the contexts by id; of several with one id the first counts."""
    index: dict[int, Context] = {}
    for context in contexts:
        index.setdefault(context.context_id, context)
    return index


def _roles(pdu: AssociateRQ | AssociateAC) -> dict[str, RoleSelection]:
    """Return the roles by SOP class; of several for one class the first counts."""
    roles: dict[str, RoleSelection] = {}
    for role in pdu.role_selections:
        roles.setdefault(normalize_uid(role.sop_class_uid), role)
    return roles


def _proposed_roles(rq: AssociateRQ) -> dict[str, RoleSelection]:
    """Return the proposed roles by SOP class; a proposal of neither role is as good as none."""
    return {uid: role for uid, role in _roles(rq).items() if role.scu_role or role.scp_role}


def _refusal(proposal: PresentationContextRQ, answer: PresentationContextAC) -> str:
    """Return why `answer` does not make `proposal` usable, or an empty string if it does."""
    if answer.result != ACCEPTANCE:
        return _RESULTS.get(answer.result, f"rejected with result {answer.result}")
    transfer_syntax = normalize_uid(answer.transfer_syntax)
    if transfer_syntax in _normalized(proposal.transfer_syntaxes):
        return ""
    return f"accepted with transfer syntax {transfer_syntax!r}, which was not proposed"


def _smaller_window(
    one: AsynchronousOperationsWindow, other: AsynchronousOperationsWindow
) -> AsynchronousOperationsWindow:
    return AsynchronousOperationsWindow(
        maximum_invoked=_smaller(one.maximum_invoked, other.maximum_invoked),
        maximum_performed=_smaller(one.maximum_performed, other.maximum_performed),
    )


def _smaller(one: int, other: int) -> int:
    """Return the smaller of two bounds, where 0 is no bound."""
    return min(one, other) if one and other else one or other
