"""The result of a proposal and its answer, the same for both sides: contexts, roles and the window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from ..record import Record, maker_of
from ..uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    UNCOMPRESSED_TRANSFER_SYNTAXES,
    normalize_uid,
)
from ..upper_layer.contexts import UsableContext, answered_contexts, is_usable, usable_contexts
from ..upper_layer.pdu import (
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContextAC,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
)

MAXIMUM_CONTEXTS = 128
"""Presentation contexts of an association: their ids are odd and from 1 to 255 (PS3.8 9.3.2.2)."""

DEFAULT_MAXIMUM_LENGTH = 131_072
"""The maximum length that we announce by default: large enough that PDU headers cost nothing."""

CONVERTIBLE_TRANSFER_SYNTAXES = (*UNCOMPRESSED_TRANSFER_SYNTAXES, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
"""Transfer syntaxes of native pixel data, best first; each can be re-encoded in each other.

Deflated is one of them: it compresses only the data set as a whole, without loss.
"""

FALLBACK_TRANSFER_SYNTAXES = UNCOMPRESSED_TRANSFER_SYNTAXES[:2]
"""Proposed for data sets whose own syntax may be refused. Explicit is first: it keeps private VRs."""

ACCEPTANCE, USER_REJECTION, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)
"""Results of a presentation context (PS3.8 Table 9-18)."""

_RESULTS = {
    ACCEPTANCE: "accepted",
    USER_REJECTION: "rejected by the user",
    NO_REASON: "rejected without a reason",
    NO_ABSTRACT_SYNTAX: "abstract syntax not supported",
    NO_TRANSFER_SYNTAX: "none of the transfer syntaxes supported",
}

ONE_OPERATION = AsynchronousOperationsWindow(maximum_invoked=1, maximum_performed=1)


class AcceptedContext(Record):
    """An accepted presentation context, with the roles of the association's requestor.

    The acceptor has the complementary roles: it is SCP where the requestor is SCU. `roles_answered` tells
    whether roles were both proposed and answered. If not, the default roles hold, and a proposed SCP role
    counts as granted.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False
    roles_answered: bool = False
    service_class_uid: str = ""
    """The service class of the SOP class, from common extended negotiation (PS3.7 D.3.3.6)."""


_make_accepted = maker_of(AcceptedContext)


class RejectedContext(Record):
    """A proposed presentation context that was not accepted.

    `result` is the result in the answer (PS3.8 Table 9-18), or None without an answer; `reason` is its text.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    result: int | None
    reason: str


def accepted_contexts(
    rq: AssociateRQ,
    ac: AssociateAC,
    *,
    strict_roles: bool = False,
    common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
) -> dict[int, AcceptedContext]:
    """Return the usable contexts by id: accepted, with a proposed id and a proposed transfer syntax.

    With `strict_roles` a proposed SCP role without an answer is not granted, as PS3.7 D.3.3.4 says; many
    acceptors of C-GET omit the answer. `common_extended` are the valid items of SOP class common extended
    negotiation, since the answer has none: for a requestor its own, for an acceptor those that it acts on
    (`accepted_common_extended`).
    """
    usable = usable_contexts(rq, ac)
    return contexts_in_use(usable, rq, ac, strict_roles, common_extended)


def contexts_in_use(
    usable: Iterable[UsableContext],
    rq: AssociateRQ,
    ac: AssociateAC,
    strict_roles: bool,
    common_extended: Iterable[SOPClassCommonExtendedNegotiation],
) -> dict[int, AcceptedContext]:
    """Return the `usable_contexts` by id; see `accepted_contexts`."""
    roles_proposed, roles_answered = proposed_roles(rq), roles_by_class(ac)
    service_classes = {
        normalize_uid(item.sop_class_uid): normalize_uid(item.service_class_uid) for item in common_extended
    }
    accepted = {}
    for proposal, answer in usable:
        uid = normalize_uid(proposal.abstract_syntax)
        proposed, answered = roles_proposed.get(uid), roles_answered.get(uid)
        scu, scp = True, False
        if proposed is not None and answered is not None:
            scu = proposed.scu_role and answered.scu_role
            scp = proposed.scp_role and answered.scp_role
        elif proposed is not None:
            scp = proposed.scp_role and not strict_roles
        accepted[proposal.context_id] = _make_accepted(
            context_id=proposal.context_id,
            abstract_syntax=uid,
            transfer_syntax=normalize_uid(answer.transfer_syntax),
            requestor_is_scu=scu,
            requestor_is_scp=scp,
            roles_answered=proposed is not None and answered is not None,
            service_class_uid=service_classes.get(uid, ""),
        )
    return accepted


def rejected_contexts(rq: AssociateRQ, ac: AssociateAC) -> dict[int, RejectedContext]:
    """Return the proposed contexts that are not in `accepted_contexts`, by id, each with the reason."""
    rejected = {}
    for proposal, answer in answered_contexts(rq, ac):
        if not is_usable(proposal, answer):
            rejected[proposal.context_id] = RejectedContext(
                context_id=proposal.context_id,
                abstract_syntax=normalize_uid(proposal.abstract_syntax),
                transfer_syntaxes=normalized(proposal.transfer_syntaxes),
                result=None if answer is None else answer.result,
                reason=_refusal(answer),
            )
    return rejected


def may_invoke(
    context: AcceptedContext, *, by_requestor: bool, is_event_report: bool, strict: bool = False
) -> Literal["yes", "warn", "no"]:
    """Tell whether one side, the requestor or the acceptor, may invoke a request on `context`.

    The SCP invokes N-EVENT-REPORT, and the SCU all other requests. "warn" stands for what PS3.7 D.3.3.4
    forbids and real peers do: to use a proposed SCP role that was not answered, or to report events without
    role selection. `strict` makes it "no".
    """
    needs_scp_requestor = by_requestor == is_event_report
    if not (context.requestor_is_scp if needs_scp_requestor else context.requestor_is_scu):
        lenient = is_event_report and not context.roles_answered
        return "warn" if lenient and not strict else "no"
    if needs_scp_requestor and not context.roles_answered:
        return "no" if strict else "warn"
    return "yes"


def operations_window(rq: AssociateRQ, ac: AssociateAC) -> AsynchronousOperationsWindow:
    """Return how many operations the requestor, and the acceptor, may have outstanding; 0 for any number.

    It is 1 for each, unless both sides negotiated more (PS3.7 D.3.3.3).
    """
    asked, answered = rq.asynchronous_operations_window, ac.asynchronous_operations_window
    return ONE_OPERATION if asked is None or answered is None else smaller_window(asked, answered)


class ContextMatch(Record):
    """The result of `find_context`: the context to use, alternatives, and the reasons why others failed.

    `alternatives` are contexts of the same SOP class in other syntaxes to which native pixel data can be
    re-encoded, best first; empty for compressed data. `reasons` has a line for each near miss.
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
        reasons.append("no context was proposed for this SOP class")
    alternatives.sort(key=lambda c: CONVERTIBLE_TRANSFER_SYNTAXES.index(c.transfer_syntax))
    return ContextMatch(context=exact, alternatives=tuple(alternatives), reasons=tuple(reasons))


# --- reading a proposal and its answer -----------------------------------------------------------


def normalized(uids: Iterable[str]) -> tuple[str, ...]:
    """Return the UIDs without padding, empty ones and repetitions."""
    return tuple(dict.fromkeys([uid for uid in map(normalize_uid, uids) if uid]))


def roles_by_class(pdu: AssociateRQ | AssociateAC) -> dict[str, RoleSelection]:
    """Return the roles by SOP class; if a class has several, the first counts."""
    roles: dict[str, RoleSelection] = {}
    for role in pdu.role_selections:
        roles.setdefault(normalize_uid(role.sop_class_uid), role)
    return roles


def proposed_roles(rq: AssociateRQ) -> dict[str, RoleSelection]:
    """Return the proposed roles by SOP class, without proposals of neither role."""
    return {uid: role for uid, role in roles_by_class(rq).items() if role.scu_role or role.scp_role}


def _refusal(answer: PresentationContextAC | None) -> str:
    """Return the reason why `answer` does not make a context usable."""
    if answer is None:
        return "not answered"
    if answer.result != ACCEPTANCE:
        return _RESULTS.get(answer.result, f"rejected with result {answer.result}")
    transfer_syntax = normalize_uid(answer.transfer_syntax)
    return f"accepted with transfer syntax {transfer_syntax!r}, which was not proposed"


def smaller_window(
    one: AsynchronousOperationsWindow, other: AsynchronousOperationsWindow
) -> AsynchronousOperationsWindow:
    return AsynchronousOperationsWindow(
        maximum_invoked=_smaller(one.maximum_invoked, other.maximum_invoked),
        maximum_performed=_smaller(one.maximum_performed, other.maximum_performed),
    )


def _smaller(one: int, other: int) -> int:
    """Return the smaller of two bounds; 0 is no bound."""
    return min(one, other) if one and other else one or other
