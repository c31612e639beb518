"""The kinds of events: what handlers are bound to.

*Intervention* events ask their one handler for a decision. *Notification* events tell any number of
handlers.
"""

from __future__ import annotations

from typing import Any

from .association_events import (
    ACSEEvent,
    AsyncOpsEvent,
    ConnectionEvent,
    DataEvent,
    MessageEvent,
    PDUEvent,
    RequestedEvent,
    SOPCommonEvent,
    SOPExtendedEvent,
    StateEvent,
    TransitionEvent,
    UserIdentityEvent,
)
from .event_kind import EventKind
from .request_events import (
    EchoEvent,
    EventReportEvent,
    FindEvent,
    GetEvent,
    MoveEvent,
    NActionEvent,
    NCreateEvent,
    NDeleteEvent,
    NGetEvent,
    NSetEvent,
    StoreEvent,
    StoreStreamEvent,
)

EVT_CONN_OPEN: EventKind[ConnectionEvent[Any]] = EventKind("EVT_CONN_OPEN", ConnectionEvent)
"""The transport connection stands."""
EVT_CONN_CLOSE: EventKind[ConnectionEvent[Any]] = EventKind("EVT_CONN_CLOSE", ConnectionEvent)
"""The transport connection is closed."""
EVT_REQUESTED: EventKind[RequestedEvent[Any]] = EventKind("EVT_REQUESTED", RequestedEvent)
"""An association is requested of us."""
EVT_ACCEPTED: EventKind[StateEvent[Any]] = EventKind("EVT_ACCEPTED", StateEvent)
"""The association is accepted."""
EVT_REJECTED: EventKind[StateEvent[Any]] = EventKind("EVT_REJECTED", StateEvent)
"""The association is rejected."""
EVT_ESTABLISHED: EventKind[StateEvent[Any]] = EventKind("EVT_ESTABLISHED", StateEvent)
"""The association is established."""
EVT_RELEASED: EventKind[StateEvent[Any]] = EventKind("EVT_RELEASED", StateEvent)
"""The association is released."""
EVT_ABORTED: EventKind[StateEvent[Any]] = EventKind("EVT_ABORTED", StateEvent)
"""The association ended in any other way."""

EVT_ACSE_RECV: EventKind[ACSEEvent[Any]] = EventKind("EVT_ACSE_RECV", ACSEEvent)
"""A PDU that makes or ends the association came."""
EVT_ACSE_SENT: EventKind[ACSEEvent[Any]] = EventKind("EVT_ACSE_SENT", ACSEEvent)
"""A PDU that makes or ends the association was sent."""
EVT_DIMSE_RECV: EventKind[MessageEvent[Any]] = EventKind("EVT_DIMSE_RECV", MessageEvent)
"""A message came, its data set included."""
EVT_DIMSE_SENT: EventKind[MessageEvent[Any]] = EventKind("EVT_DIMSE_SENT", MessageEvent)
"""A message was sent, its data set included."""
EVT_PDU_RECV: EventKind[PDUEvent[Any]] = EventKind("EVT_PDU_RECV", PDUEvent)
"""A PDU came."""
EVT_PDU_SENT: EventKind[PDUEvent[Any]] = EventKind("EVT_PDU_SENT", PDUEvent)
"""A PDU was sent."""
EVT_DATA_RECV: EventKind[DataEvent[Any]] = EventKind("EVT_DATA_RECV", DataEvent)
"""The bytes of a PDU came."""
EVT_DATA_SENT: EventKind[DataEvent[Any]] = EventKind("EVT_DATA_SENT", DataEvent)
"""The bytes of a PDU were sent."""
EVT_FSM_TRANSITION: EventKind[TransitionEvent[Any]] = EventKind("EVT_FSM_TRANSITION", TransitionEvent)
"""The state machine of PS3.8 Table 9-10 has made a transition."""

OBSERVED: frozenset[EventKind[Any]] = frozenset(
    {
        EVT_ACSE_RECV,
        EVT_ACSE_SENT,
        EVT_DIMSE_RECV,
        EVT_DIMSE_SENT,
        EVT_PDU_RECV,
        EVT_PDU_SENT,
        EVT_DATA_RECV,
        EVT_DATA_SENT,
        EVT_FSM_TRANSITION,
    }
)
"""The events about what passes over the wire. Their handlers may abort the association, no more."""

EVT_ASYNC_OPS: EventKind[AsyncOpsEvent[Any]] = EventKind("EVT_ASYNC_OPS", AsyncOpsEvent, is_intervention=True)
"""An asynchronous operations window is proposed (PS3.7 D.3.3.3).

`event.nr_invoked` and `event.nr_performed` say what. The handler returns (invoked, performed): how many
operations the requestor may have outstanding, and how many we, 0 for any number. The smaller of what was
proposed and returned holds. Without a handler, and if it fails, `AE.maximum_operations` is what is returned.
"""
EVT_SOP_COMMON: EventKind[SOPCommonEvent[Any]] = EventKind(
    "EVT_SOP_COMMON", SOPCommonEvent, is_intervention=True
)
"""SOP class common extended negotiation is proposed (PS3.7 D.3.3.6).

`event.items` holds the proposed `SOPClassCommonExtendedNegotiation`s by SOP class UID. The handler returns
those of them, in the same form, that the server is to act on: their SOP classes are accepted like the general
ones they name and have the services of the service class they name. Without a handler, and if it fails, none.
There is no answer to the requestor.
"""
EVT_SOP_EXTENDED: EventKind[SOPExtendedEvent[Any]] = EventKind(
    "EVT_SOP_EXTENDED", SOPExtendedEvent, is_intervention=True
)
"""SOP class extended negotiation is proposed (PS3.7 D.3.3.5).

`event.app_info` holds the Service Class Application Information, bytes, by SOP class UID. The handler returns
the answers in the same form, of proposed SOP classes; one that is not in it is not answered. Without a
handler, and if it fails, none is.
"""
EVT_USER_ID: EventKind[UserIdentityEvent[Any]] = EventKind(
    "EVT_USER_ID", UserIdentityEvent, is_intervention=True
)
"""A user identity is presented (PS3.7 D.3.3.7).

`event.user_id_type`, `event.primary_field` and `event.secondary_field` hold it. The handler returns (bool,
bytes or None): whether the user is accepted, and the server response, which is sent for Kerberos, SAML and
JWT where the requestor asked for a positive response; or the bool alone. A user who is not accepted is
rejected (1, 2, 1), and so is one whose handler fails. Without a handler identities are ignored and not
answered.
"""

EVT_C_ECHO: EventKind[EchoEvent[Any]] = EventKind("EVT_C_ECHO", EchoEvent, is_intervention=True)
"""A C-ECHO request came."""
EVT_C_STORE: EventKind[StoreEvent[Any]] = EventKind("EVT_C_STORE", StoreEvent, is_intervention=True)
"""A C-STORE request and its whole data set came."""
EVT_C_STORE_STREAM: EventKind[StoreStreamEvent[Any]] = EventKind(
    "EVT_C_STORE_STREAM", StoreStreamEvent, is_intervention=True
)
"""A C-STORE request came, its data set follows in chunks."""
EVT_C_FIND: EventKind[FindEvent[Any]] = EventKind("EVT_C_FIND", FindEvent, is_intervention=True)
"""A C-FIND request came."""
EVT_C_GET: EventKind[GetEvent[Any]] = EventKind("EVT_C_GET", GetEvent, is_intervention=True)
"""A C-GET request came."""
EVT_C_MOVE: EventKind[MoveEvent[Any]] = EventKind("EVT_C_MOVE", MoveEvent, is_intervention=True)
"""A C-MOVE request came."""
EVT_N_EVENT_REPORT: EventKind[EventReportEvent[Any]] = EventKind(
    "EVT_N_EVENT_REPORT", EventReportEvent, is_intervention=True
)
"""An N-EVENT-REPORT request came."""
EVT_N_GET: EventKind[NGetEvent[Any]] = EventKind("EVT_N_GET", NGetEvent, is_intervention=True)
"""An N-GET request came."""
EVT_N_SET: EventKind[NSetEvent[Any]] = EventKind("EVT_N_SET", NSetEvent, is_intervention=True)
"""An N-SET request came."""
EVT_N_ACTION: EventKind[NActionEvent[Any]] = EventKind("EVT_N_ACTION", NActionEvent, is_intervention=True)
"""An N-ACTION request came."""
EVT_N_CREATE: EventKind[NCreateEvent[Any]] = EventKind("EVT_N_CREATE", NCreateEvent, is_intervention=True)
"""An N-CREATE request came."""
EVT_N_DELETE: EventKind[NDeleteEvent[Any]] = EventKind("EVT_N_DELETE", NDeleteEvent, is_intervention=True)
"""An N-DELETE request came."""
