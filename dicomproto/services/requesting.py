"""The choice of an accepted presentation context for a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from ..dimse.commands import NEventReportRQ, Request
from ..negotiation import AcceptedContext, ContextMatch, RejectedContext, may_invoke
from ..uids import normalize_uid
from .sop_classes import STANDARD, SOPClass, SOPClassRegistry, carriers_of


def request_contexts(
    accepted: Mapping[int, AcceptedContext],
    request: type[Request],
    sop_class_uid: str,
    *,
    by_requestor: bool,
    meta_uid: str | None = None,
    type_id: int | None = None,
    registry: SOPClassRegistry = STANDARD,
    strict_roles: bool = False,
    allow_unknown: bool = False,
) -> list[AcceptedContext]:
    """Return the contexts that can carry a request which names `sop_class_uid`, the best first.

    These are the contexts of the SOP class itself, of other SOP classes that deal with its instances (Pull,
    Watch, Event and Query contexts carry some requests for unified procedure steps of the Push class), and of
    meta SOP classes with it as a member. `meta_uid` admits only the context of that meta SOP class. `type_id`
    is the Action or Event Type ID, which decides where SOP classes share a request (PS3.4 CC.2); a type that
    none of them defines is ignored. Contexts whose role was not strictly negotiated are the last. With
    `allow_unknown`, contexts of the SOP class itself or of `meta_uid` follow, whatever the tables say.
    """
    uid = normalize_uid(sop_class_uid)
    carriers = _carriers(uid, meta_uid)
    type_id = _defined(request, uid, type_id, registry)
    found = []
    for context in accepted.values():
        rank = carriers.get(context.abstract_syntax)
        if rank is None:
            continue
        is_known = _carries(context, request, uid, type_id, registry)
        if is_known or (allow_unknown and rank == 0):
            role = _may_invoke(context, request, by_requestor=by_requestor, strict=strict_roles)
            if role != "no":
                found.append((not is_known, role == "warn", rank, context.context_id, context))
    return [context for *_, context in sorted(found, key=lambda item: item[:4])]


def find_request_context(
    accepted: Mapping[int, AcceptedContext],
    request: type[Request],
    sop_class_uid: str,
    *,
    by_requestor: bool,
    meta_uid: str | None = None,
    type_id: int | None = None,
    registry: SOPClassRegistry = STANDARD,
    strict_roles: bool = False,
    allow_unknown: bool = False,
    rejected: Mapping[int, RejectedContext] = MappingProxyType({}),
) -> ContextMatch:
    """Return the best of `request_contexts` and the others; if there is none, a reason for each near miss.

    `rejected` are the rejected contexts, for the reasons. If an accepted context does not carry the request,
    last reasons name the SOP classes that do, and the setting that sends it all the same.
    """
    find = partial(
        request_contexts,
        accepted,
        request,
        sop_class_uid,
        by_requestor=by_requestor,
        meta_uid=meta_uid,
        type_id=type_id,
        registry=registry,
        strict_roles=strict_roles,
    )
    found = find(allow_unknown=allow_unknown)
    if found:
        return ContextMatch(context=found[0], alternatives=tuple(found[1:]), reasons=())
    uid = normalize_uid(sop_class_uid)
    carriers = _carriers(uid, meta_uid)
    needed = _needed(request, uid, _defined(request, uid, type_id, registry), registry)
    reasons, is_wrong_class = [], False
    for context in accepted.values():
        if context.abstract_syntax in carriers:
            reason = _why_not(context, request, uid, type_id, registry, by_requestor=by_requestor)
            is_wrong_class = is_wrong_class or reason.startswith(_NOT_CARRIED)
            reasons.append(f"{_named(context, registry)}: {reason}")
    refused = [context for context in rejected.values() if context.abstract_syntax in carriers]
    reasons += [f"{_named(context, registry)}: {context.reason}" for context in refused]
    if not reasons:
        names = needed if needed and not meta_uid else [registry.name_of(normalize_uid(meta_uid or uid))]
        reasons.append(f"no context was proposed for SOP class {' or '.join(names)}")
    elif is_wrong_class and needed:
        reasons.append(f"needed: a context of {' or '.join(needed)}")
    if is_wrong_class and find(allow_unknown=True):
        reasons.append("with allow_unknown=True it is sent all the same")
    return ContextMatch(context=None, alternatives=(), reasons=tuple(reasons))


def _named(context: AcceptedContext | RejectedContext, registry: SOPClassRegistry) -> str:
    return f"context {context.context_id} ({registry.name_of(context.abstract_syntax)})"


_NOT_CARRIED = "does not carry"


def _why_not(
    context: AcceptedContext,
    request: type[Request],
    uid: str,
    type_id: int | None,
    registry: SOPClassRegistry,
    *,
    by_requestor: bool,
) -> str:
    """Return the reason why an accepted context, related to the SOP class, does not carry the request."""
    if not _carries(context, request, uid, None, registry):
        return f"{_NOT_CARRIED} {request.name}"
    if not _carries(context, request, uid, _defined(request, uid, type_id, registry), registry):
        return f"{_NOT_CARRIED} {request.name} of type {type_id}"
    return f"the {'requestor' if by_requestor else 'acceptor'} was not granted the {_role(request)} role"


def _carriers(uid: str, meta_uid: str | None) -> Mapping[str, int]:
    """Return the abstract syntaxes that are related to SOP class `uid`, with their distance."""
    return carriers_of(uid) if meta_uid is None else {normalize_uid(meta_uid): 0}


def _relatives(uid: str, registry: SOPClassRegistry) -> list[SOPClass]:
    """Return the SOP classes with the same instances as `uid`, and the meta SOP classes with it."""
    known = registry.find(uid)
    found = [registry.find(other) for other in carriers_of((known and known.instance_class) or uid)]
    return [sop_class for sop_class in found if sop_class is not None]


def _defined(request: type[Request], uid: str, type_id: int | None, registry: SOPClassRegistry) -> int | None:
    """Return the type of a request, or None if no SOP class of these instances defines it."""
    is_defined = type_id is not None and any(
        type_id in sop_class.types_of(request) for sop_class in _relatives(uid, registry)
    )
    return type_id if is_defined else None


def _needed(request: type[Request], uid: str, type_id: int | None, registry: SOPClassRegistry) -> list[str]:
    """Return the names of the SOP classes whose contexts carry a request that names `uid`."""
    return [
        registry.name_of(sop_class.uid or uid)
        for sop_class in _relatives(uid, registry)
        if _allows(sop_class, request, uid, type_id, registry)
    ]


def _carries(
    context: AcceptedContext,
    request: type[Request],
    uid: str,
    type_id: int | None,
    registry: SOPClassRegistry,
) -> bool:
    """Tell whether a request that names `uid` is legal on a related context."""
    known = registry.find(context.abstract_syntax, context.service_class_uid)
    return known is None or _allows(known, request, uid, type_id, registry)


def _allows(
    sop_class: SOPClass, request: type[Request], uid: str, type_id: int | None, registry: SOPClassRegistry
) -> bool:
    """Tell whether a context of a SOP class carries a request that names `uid`, or one of its members."""
    if not sop_class.members:
        return sop_class.carries(request, type_id)
    member = registry.find(uid)
    return member is not None and uid in sop_class.members and member.carries(request, type_id)


def _may_invoke(context: AcceptedContext, request: type[Request], *, by_requestor: bool, strict: bool) -> str:
    return may_invoke(
        context, by_requestor=by_requestor, is_event_report=request is NEventReportRQ, strict=strict
    )


def _role(request: type[Request]) -> str:
    return "SCP" if request is NEventReportRQ else "SCU"
