"""Notification events of the library, passed on to the handlers of the drop-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicomproto.upper_layer.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ

from .. import evt as library
from . import events as evt
from .dimse_messages import message_of
from .pdu_primitives import A_RELEASE, abort_primitive, associate_primitive

_FACTS: dict[str, tuple[str, ...]] = {
    "EVT_CONN_OPEN": ("address",),
    "EVT_CONN_CLOSE": ("address",),
    "EVT_DATA_RECV": ("data",),
    "EVT_DATA_SENT": ("data",),
    "EVT_PDU_RECV": ("pdu",),
    "EVT_PDU_SENT": ("pdu",),
    "EVT_FSM_TRANSITION": ("fsm_event", "current_state", "action", "next_state"),
}
"""The facts of each event besides association, kind and time."""


def library_binding(assoc: Any, event: evt.NotificationEvent) -> tuple[Any, Callable[[Any], None]]:
    """Return the library's kind of an event, and the handler that runs ours."""

    def notice(happened: Any) -> None:
        handlers = assoc.bindings.several.get(event)
        if handlers and not (event is evt.EVT_REJECTED and assoc.is_told_rejected):
            evt.tell(handlers, evt.Event(assoc, event, _facts(assoc, event, happened)))

    return getattr(library, event.name), notice


def library_bindings(assoc: Any) -> list[tuple[Any, Callable[[Any], None]]]:
    """Return what binds all handlers of an association; it tells of EVT_REQUESTED by itself."""
    several = assoc.bindings.several
    bindings = [library_binding(assoc, event) for event in several if event is not evt.EVT_REQUESTED]
    if evt.EVT_ACCEPTED not in several or assoc.is_acceptor:
        return bindings

    def accepted_without_contexts(_: Any) -> None:
        if not assoc.accepted_contexts and assoc.rejected_contexts:
            evt.trigger(assoc, evt.EVT_ACCEPTED, {})

    return [(library.EVT_ABORTED, accepted_without_contexts), *bindings]


def _facts(assoc: Any, event: evt.NotificationEvent, happened: Any) -> dict[str, Any]:
    if event.name in ("EVT_ACSE_RECV", "EVT_ACSE_SENT"):
        return {"primitive": _primitive(assoc, happened.primitive)}
    if event.name in ("EVT_DIMSE_RECV", "EVT_DIMSE_SENT"):
        return {"message": message_of(happened.message)}
    return {name: getattr(happened, name) for name in _FACTS.get(event.name, ())}


def _primitive(assoc: Any, pdu: Any) -> Any:
    if isinstance(pdu, AssociateRQ | AssociateAC | AssociateRJ):
        return associate_primitive(pdu)
    if isinstance(pdu, Abort):
        return abort_primitive(pdu)
    primitive = A_RELEASE()
    if isinstance(pdu, ReleaseRP):
        primitive.result = "affirmative"
    assert isinstance(pdu, ReleaseRQ | ReleaseRP)
    return primitive
