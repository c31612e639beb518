"""Handlers that take part in the negotiation of an association (PS3.7 D.3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from dicomproto.negotiation import AcceptorPolicy, IdentityVerdict
from dicomproto.uids import normalize_uid
from dicomproto.upper_layer.pdu import AssociateRQ, SOPClassCommonExtendedNegotiation

from .. import evt
from ..association.log_lines import log
from ..checks import window_of

if TYPE_CHECKING:
    from ..association.session import Session

T = TypeVar("T")


async def intervene(session: Session, rq: AssociateRQ, policy: AcceptorPolicy) -> AcceptorPolicy:
    """Return the policy with the handlers' answers to the extended negotiation items of `rq`.

    They run here and not within `negotiate`, because they may be async. After a failed handler its item is
    not answered; a user identity is rejected.
    """
    changes: dict[str, object] = {}
    identity, window = rq.user_identity, rq.asynchronous_operations_window
    if identity is not None and session.runner.handlers.one(evt.EVT_USER_ID):
        facts: dict[str, object] = {
            "user_id_type": identity.identity_type,
            "primary_field": identity.primary_field,
            "secondary_field": identity.secondary_field,
        }
        verdict = await _ask(session, evt.EVT_USER_ID, rq, facts, _verdict)
        changes["user_identity"] = lambda _: verdict or IdentityVerdict(accepted=False)
    if window is not None:
        facts = {"nr_invoked": window.maximum_invoked, "nr_performed": window.maximum_performed}
        answered = await _ask(session, evt.EVT_ASYNC_OPS, rq, facts, window_of)
        if answered is not None:
            changes["operations_window"] = answered
    if rq.sop_class_extended:
        proposed = {normalize_uid(e.sop_class_uid): e.application_information for e in rq.sop_class_extended}
        information = await _ask(session, evt.EVT_SOP_EXTENDED, rq, {"app_info": proposed}, _information)
        if information is not None:
            changes["extended"] = lambda _: information
    if rq.sop_class_common_extended:
        items = {normalize_uid(item.sop_class_uid): item for item in rq.sop_class_common_extended}
        accepted = await _ask(session, evt.EVT_SOP_COMMON, rq, {"items": items}, _items)
        if accepted is not None:
            changes["common_extended"] = lambda _: accepted
    return policy.replace(**changes) if changes else policy


async def _ask(
    session: Session,
    kind: evt.EventKind,
    rq: AssociateRQ,
    facts: dict[str, object],
    read: Callable[[object], T],
) -> T | None:
    """Run the handler of an event, if there is one, and read its result."""
    bound = session.runner.handlers.one(kind)
    if bound is None:
        return None
    event = kind.event_class(kind, session.association, rq, **facts)
    try:
        return read(await session.runner.run(bound, event))
    except Exception as error:
        if session.runner.explains(error):
            what = "%s: the handler of %s ended with the association (%s)"
            log.info(what, session.peer_name, kind.name, type(error).__name__)
        else:
            log.exception("%s: the handler of %s failed", session.peer_name, kind.name)
        return None


def _verdict(result: object) -> IdentityVerdict:
    accepted, response = result if isinstance(result, tuple) else (result, None)
    if not isinstance(accepted, bool) or not isinstance(response, bytes | None):
        raise TypeError("the handler of EVT_USER_ID returns (bool, bytes or None)")
    return IdentityVerdict(accepted=accepted, server_response=response)


def _information(result: object) -> dict[str, bytes]:
    answers = dict(cast("Mapping[object, bytes]", result))
    if not all(isinstance(value, bytes | bytearray | memoryview) for value in answers.values()):
        raise TypeError("the handler of EVT_SOP_EXTENDED returns bytes by SOP class UID")
    return {normalize_uid(str(uid)): bytes(value) for uid, value in answers.items()}


def _items(result: object) -> tuple[SOPClassCommonExtendedNegotiation, ...]:
    items = tuple(dict(cast("Mapping[str, SOPClassCommonExtendedNegotiation]", result)).values())
    if not all(isinstance(item, SOPClassCommonExtendedNegotiation) for item in items):
        raise TypeError("the handler of EVT_SOP_COMMON returns some of event.items")
    return items
