"""On which accepted presentation context a request can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..dimse.commands import NEventReportRQ, Request
from ..negotiation import AcceptedContext, ContextMatch, RejectedContext, may_invoke
from ..uids import normalize_uid
from .sop_classes import STANDARD, SOPClassRegistry, keyword_of


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
    uid, meta = normalize_uid(sop_class_uid), normalize_uid(meta_uid or "")
    found = []
    for context in accepted.values():
        rank = _rank(context, request, uid, meta, registry)
        role = _may_invoke(context, request, by_requestor=by_requestor, strict=strict_roles)
        if rank is not None and role != "no":
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
    uid, meta = normalize_uid(sop_class_uid), normalize_uid(meta_uid or "")
    reasons = []
    for context in accepted.values():
        name = f"context {context.context_id} ({_name(context.abstract_syntax)})"
        if _rank(context, request, uid, meta, registry) is not None:
            side, role = "requestor" if by_requestor else "acceptor", _role(request)
            reasons.append(f"{name}: the {side} was not granted the {role} role")
        elif _is_near(context.abstract_syntax, uid, meta, registry):
            reasons.append(f"{name}: does not carry {request.name}")
    for refused in rejected.values():
        if _is_near(refused.abstract_syntax, uid, meta, registry):
            name = f"context {refused.context_id} ({_name(refused.abstract_syntax)})"
            reasons.append(f"{name}: {refused.reason}")
    if not reasons:
        reasons.append(f"no context was proposed for SOP class {_name(meta or uid)}")
    return ContextMatch(context=None, alternatives=(), reasons=tuple(reasons))


def _rank(
    context: AcceptedContext, request: type[Request], uid: str, meta: str, registry: SOPClassRegistry
) -> int | None:
    """Return how far off `uid` the context is, the nearest 0, or None if it cannot carry the request."""
    abstract_syntax = context.abstract_syntax
    known = registry.find(abstract_syntax, context.service_class_uid)
    if not _is_near(abstract_syntax, uid, meta, registry):
        return None
    if known is None:
        return 0
    if known.members:
        member = registry.find(uid)
        return 2 if member is not None and uid in known.members and request in member.requests else None
    if request not in known.requests:
        return None
    return 0 if abstract_syntax == uid else 1


def _is_near(abstract_syntax: str, uid: str, meta: str, registry: SOPClassRegistry) -> bool:
    """Tell whether a context of `abstract_syntax` has to do with SOP class `uid`."""
    if meta:
        return abstract_syntax == meta
    known = registry.find(abstract_syntax)
    return abstract_syntax == uid or (
        known is not None and (known.instance_class == uid or uid in known.members)
    )


def _may_invoke(context: AcceptedContext, request: type[Request], *, by_requestor: bool, strict: bool) -> str:
    return may_invoke(
        context, by_requestor=by_requestor, is_event_report=request is NEventReportRQ, strict=strict
    )


def _role(request: type[Request]) -> str:
    return "SCP" if request is NEventReportRQ else "SCU"


def _name(uid: str) -> str:
    return keyword_of(uid) or uid
