"""On which accepted presentation context a request can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..dimse.commands import NEventReportRQ, Request
from ..negotiation import AcceptedContext, ContextMatch, RejectedContext, may_invoke
from ..uids import normalize_uid
from .sop_classes import STANDARD, SOPClassRegistry, carriers_of, keyword_of


def request_contexts(
    accepted: Mapping[int, AcceptedContext],
    request: type[Request],
    sop_class_uid: str,
    *,
    by_requestor: bool,
    meta_uid: str | None = None,
    registry: SOPClassRegistry = STANDARD,
    strict_roles: bool = False,
) -> list[AcceptedContext]:
    """Return the contexts that can carry a request which names `sop_class_uid`, the best first.

    That is a context of the SOP class itself; one of another SOP class that deals with its instances
    (a unified procedure step of the Push class goes on Pull, Watch, Event and Query contexts, for what
    each of them allows); or one of a meta SOP class that it is a member of. `meta_uid` insists on the
    latter. Contexts on which the role was not negotiated to the letter come last.
    """
    uid = normalize_uid(sop_class_uid)
    carriers = _carriers(uid, meta_uid)
    found = []
    for context in accepted.values():
        rank = carriers.get(context.abstract_syntax)
        if rank is not None and _carries(context, request, uid, registry):
            role = _may_invoke(context, request, by_requestor=by_requestor, strict=strict_roles)
            if role != "no":
                found.append((role == "warn", rank, context.context_id, context))
    return [context for *_, context in sorted(found, key=lambda item: item[:3])]


def find_request_context(
    accepted: Mapping[int, AcceptedContext],
    request: type[Request],
    sop_class_uid: str,
    *,
    by_requestor: bool,
    meta_uid: str | None = None,
    registry: SOPClassRegistry = STANDARD,
    strict_roles: bool = False,
    rejected: Mapping[int, RejectedContext] = MappingProxyType({}),
) -> ContextMatch:
    """Return the best of `request_contexts` and the others; if there is none, a reason for each near miss.

    `rejected` are the contexts that were proposed in vain, for the reasons.
    """
    found = request_contexts(
        accepted,
        request,
        sop_class_uid,
        by_requestor=by_requestor,
        meta_uid=meta_uid,
        registry=registry,
        strict_roles=strict_roles,
    )
    if found:
        return ContextMatch(context=found[0], alternatives=tuple(found[1:]), reasons=())
    uid = normalize_uid(sop_class_uid)
    carriers = _carriers(uid, meta_uid)
    reasons = []
    for context in accepted.values():
        if context.abstract_syntax in carriers:
            reason = f"does not carry {request.name}"
            if _carries(context, request, uid, registry):
                side, role = "requestor" if by_requestor else "acceptor", _role(request)
                reason = f"the {side} was not granted the {role} role"
            reasons.append(f"context {context.context_id} ({_name(context.abstract_syntax)}): {reason}")
    for refused in rejected.values():
        if refused.abstract_syntax in carriers:
            name = _name(refused.abstract_syntax)
            reasons.append(f"context {refused.context_id} ({name}): {refused.reason}")
    if not reasons:
        reasons.append(f"no context was proposed for SOP class {_name(next(iter(carriers)))}")
    return ContextMatch(context=None, alternatives=(), reasons=tuple(reasons))


def _carriers(uid: str, meta_uid: str | None) -> Mapping[str, int]:
    """Return which abstract syntaxes have to do with SOP class `uid`, and how far off they are."""
    return carriers_of(uid) if meta_uid is None else {normalize_uid(meta_uid): 0}


def _carries(context: AcceptedContext, request: type[Request], uid: str, registry: SOPClassRegistry) -> bool:
    """Tell whether a request that names `uid` is legal on a context that has to do with it."""
    known = registry.find(context.abstract_syntax, context.service_class_uid)
    if known is None:
        return True
    if known.members:
        member = registry.find(uid)
        return member is not None and uid in known.members and request in member.requests
    return request in known.requests


def _may_invoke(context: AcceptedContext, request: type[Request], *, by_requestor: bool, strict: bool) -> str:
    return may_invoke(
        context, by_requestor=by_requestor, is_event_report=request is NEventReportRQ, strict=strict
    )


def _role(request: type[Request]) -> str:
    return "SCP" if request is NEventReportRQ else "SCU"


def _name(uid: str) -> str:
    return keyword_of(uid) or uid
