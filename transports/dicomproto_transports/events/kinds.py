"""The kinds of events, the `EVT_*` constants that handlers are bound to.

An *intervention* event has one handler, which makes a decision. A *notification* event has any number.
"""

from __future__ import annotations

from typing import Any

from .association_events import (
    ACSEEvent,
    AsyncOpsEvent,
    DataEvent,
    DIMSEEvent,
    PDUEvent,
    RequestedEvent,
    SOPCommonEvent,
    SOPExtendedEvent,
    StateEvent,
    TransitionEvent,
    TransportEvent,
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

EVT_CONN_OPEN: EventKind[TransportEvent[Any]] = EventKind("EVT_CONN_OPEN", TransportEvent)
"""The transport connection is open."""
EVT_CONN_CLOSE: EventKind[TransportEvent[Any]] = EventKind("EVT_CONN_CLOSE", TransportEvent)
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
"""The association ended in another way."""

EVT_ACSE_RECV: EventKind[ACSEEvent[Any]] = EventKind("EVT_ACSE_RECV", ACSEEvent)
"""A PDU that opens or ends the association was received."""
EVT_ACSE_SENT: EventKind[ACSEEvent[Any]] = EventKind("EVT_ACSE_SENT", ACSEEvent)
"""A PDU that opens or ends the association was sent."""
EVT_DIMSE_RECV: EventKind[DIMSEEvent[Any]] = EventKind("EVT_DIMSE_RECV", DIMSEEvent)
"""A message was received, its data set included."""
EVT_DIMSE_SENT: EventKind[DIMSEEvent[Any]] = EventKind("EVT_DIMSE_SENT", DIMSEEvent)
"""A message was sent, its data set included."""
EVT_PDU_RECV: EventKind[PDUEvent[Any]] = EventKind("EVT_PDU_RECV", PDUEvent)
"""A PDU was received."""
EVT_PDU_SENT: EventKind[PDUEvent[Any]] = EventKind("EVT_PDU_SENT", PDUEvent)
"""A PDU was sent."""
EVT_DATA_RECV: EventKind[DataEvent[Any]] = EventKind("EVT_DATA_RECV", DataEvent)
"""The bytes of a PDU were received."""
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
"""The events of bytes, PDUs and messages. Their only allowed use of the association is an abort."""

EVT_ASYNC_OPS: EventKind[AsyncOpsEvent[Any]] = EventKind("EVT_ASYNC_OPS", AsyncOpsEvent, is_intervention=True)
"""An asynchronous operations window is proposed (PS3.7 D.3.3.3).

`event.nr_invoked` and `event.nr_performed` are the proposed numbers. The handler returns (invoked,
performed): the numbers of operations that the requestor and that we may have outstanding, 0 for any. The
smaller one of the proposed and the returned number holds. Without a handler, and if it fails, the numbers of
`AE.maximum_operations` are used.
"""
EVT_SOP_COMMON: EventKind[SOPCommonEvent[Any]] = EventKind(
    "EVT_SOP_COMMON", SOPCommonEvent, is_intervention=True
)
"""SOP class common extended negotiation is proposed (PS3.7 D.3.3.6).

`event.items` holds the proposed `SOPClassCommonExtendedNegotiation`s by SOP class UID. The handler returns
those to accept, in the same form: their SOP classes are accepted like the general ones that they name, and
have the services of the named service class. Without a handler, and if it fails, none is accepted. The
requestor gets no answer.
"""
EVT_SOP_EXTENDED: EventKind[SOPExtendedEvent[Any]] = EventKind(
    "EVT_SOP_EXTENDED", SOPExtendedEvent, is_intervention=True
)
"""SOP class extended negotiation is proposed (PS3.7 D.3.3.5).

`event.app_info` holds the Service Class Application Information, bytes, by SOP class UID. The handler returns
the answers in the same form; a proposed SOP class without one is not answered. Without a handler, and if it
fails, none is answered.
"""
EVT_USER_ID: EventKind[UserIdentityEvent[Any]] = EventKind(
    "EVT_USER_ID", UserIdentityEvent, is_intervention=True
)
"""A user identity is presented (PS3.7 D.3.3.7).

`event.user_id_type`, `event.primary_field` and `event.secondary_field` hold it. The handler returns a bool,
whether the user is accepted, or a pair of the bool and the server response, bytes or None. The response is
sent for Kerberos, SAML and JWT if the requestor asked for a positive response. Without acceptance, and if the
handler fails, the association is rejected (1, 2, 1). Without a handler, identities are ignored and not
answered.
"""

EVT_C_ECHO: EventKind[EchoEvent[Any]] = EventKind("EVT_C_ECHO", EchoEvent, is_intervention=True)
"""A C-ECHO request was received."""
EVT_C_STORE: EventKind[StoreEvent[Any]] = EventKind("EVT_C_STORE", StoreEvent, is_intervention=True)
"""A C-STORE request and its whole data set were received."""
EVT_C_STORE_STREAM: EventKind[StoreStreamEvent[Any]] = EventKind(
    "EVT_C_STORE_STREAM", StoreStreamEvent, is_intervention=True
)
"""A C-STORE request was received; its data set follows in chunks."""
EVT_C_FIND: EventKind[FindEvent[Any]] = EventKind("EVT_C_FIND", FindEvent, is_intervention=True)
"""A C-FIND request was received."""
EVT_C_GET: EventKind[GetEvent[Any]] = EventKind("EVT_C_GET", GetEvent, is_intervention=True)
"""A C-GET request was received.

The handler yields the number of objects, and each of them. Objects that it announces and does not yield count
as failed sub-operations: the final status is B000H then, or A702H if no object was sent.
"""
EVT_C_MOVE: EventKind[MoveEvent[Any]] = EventKind("EVT_C_MOVE", MoveEvent, is_intervention=True)
"""A C-MOVE request was received.

The handler yields the destination, the number of objects, and each of them; a number that is too high counts
as for a C-GET.
"""
EVT_N_EVENT_REPORT: EventKind[EventReportEvent[Any]] = EventKind(
    "EVT_N_EVENT_REPORT", EventReportEvent, is_intervention=True
)
"""An N-EVENT-REPORT request was received."""
EVT_N_GET: EventKind[NGetEvent[Any]] = EventKind("EVT_N_GET", NGetEvent, is_intervention=True)
"""An N-GET request was received."""
EVT_N_SET: EventKind[NSetEvent[Any]] = EventKind("EVT_N_SET", NSetEvent, is_intervention=True)
"""An N-SET request was received."""
EVT_N_ACTION: EventKind[NActionEvent[Any]] = EventKind("EVT_N_ACTION", NActionEvent, is_intervention=True)
"""An N-ACTION request was received."""
EVT_N_CREATE: EventKind[NCreateEvent[Any]] = EventKind("EVT_N_CREATE", NCreateEvent, is_intervention=True)
"""An N-CREATE request was received."""
EVT_N_DELETE: EventKind[NDeleteEvent[Any]] = EventKind("EVT_N_DELETE", NDeleteEvent, is_intervention=True)
"""An N-DELETE request was received."""

REQUESTS: frozenset[EventKind] = frozenset(
    (
        EVT_C_ECHO, EVT_C_STORE, EVT_C_STORE_STREAM, EVT_C_FIND, EVT_C_GET, EVT_C_MOVE, EVT_N_EVENT_REPORT,
        EVT_N_GET, EVT_N_SET, EVT_N_ACTION, EVT_N_CREATE, EVT_N_DELETE,
    )
)  # fmt: skip
"""The events of the peer's requests."""
