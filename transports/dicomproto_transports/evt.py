"""The kinds of events that handlers are bound to, and the events that handlers receive.

A handler is bound as `(event, handler)` or `(event, handler, [args])`, in `associate` or `start_server`. It
is called with the event, then the args. An *intervention* event has one handler, which makes a decision; a
*notification* event has any number of handlers.

Each kind of event has a class: the handler of EVT_C_STORE receives a `StoreEvent`. A type checker refuses a
binding whose handler takes an event of another class. With `StoreEvent[Association]` it knows the methods of
`event.assoc` in that flavour.

An exception from a handler of a notification event is logged and changes nothing, with one exception: if a
handler of EVT_REQUESTED fails, the acceptor rejects the association (2, 3, 1).

In trio and anyio a handler may be `async`. A sync handler runs inline and must not wait, unless it is bound
as `in_thread(handler)`. The blocking flavour has sync handlers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events.association_events import (
    ACSEEvent,
    AsyncOpsEvent,
    DataEvent,
    DIMSEEvent,
    NegotiationEvent,
    PDUEvent,
    RequestedEvent,
    SOPCommonEvent,
    SOPExtendedEvent,
    StateEvent,
    TransitionEvent,
    TransportEvent,
    UserIdentityEvent,
)
from .events.event import Event
from .events.event_kind import EventKind, Handler, HandlerOf
from .events.handlers import Binding, cancellable, in_thread
from .events.kinds import (
    EVT_ABORTED,
    EVT_ACCEPTED,
    EVT_ACSE_RECV,
    EVT_ACSE_SENT,
    EVT_ASYNC_OPS,
    EVT_C_ECHO,
    EVT_C_FIND,
    EVT_C_GET,
    EVT_C_MOVE,
    EVT_C_STORE,
    EVT_C_STORE_STREAM,
    EVT_CONN_CLOSE,
    EVT_CONN_OPEN,
    EVT_DATA_RECV,
    EVT_DATA_SENT,
    EVT_DIMSE_RECV,
    EVT_DIMSE_SENT,
    EVT_ESTABLISHED,
    EVT_FSM_TRANSITION,
    EVT_N_ACTION,
    EVT_N_CREATE,
    EVT_N_DELETE,
    EVT_N_EVENT_REPORT,
    EVT_N_GET,
    EVT_N_SET,
    EVT_PDU_RECV,
    EVT_PDU_SENT,
    EVT_REJECTED,
    EVT_RELEASED,
    EVT_REQUESTED,
    EVT_SOP_COMMON,
    EVT_SOP_EXTENDED,
    EVT_USER_ID,
    OBSERVED,
)
from .events.request_events import (
    AnyStoreEvent,
    EchoEvent,
    EventReportEvent,
    FindEvent,
    GetEvent,
    IdentifierEvent,
    MoveEvent,
    NActionEvent,
    NCreateEvent,
    NDeleteEvent,
    NGetEvent,
    NSetEvent,
    RequestEvent,
    StoreEvent,
    StoreStreamEvent,
)
from .events.service_user import ServiceUser, UserInfo

if TYPE_CHECKING:  # for annotations; at run time on first use
    from .events.any_association import AnyAssociation
    from .events.message import Message

__all__ = [
    "EVT_CONN_OPEN",
    "EVT_CONN_CLOSE",
    "EVT_REQUESTED",
    "EVT_ACCEPTED",
    "EVT_REJECTED",
    "EVT_ESTABLISHED",
    "EVT_RELEASED",
    "EVT_ABORTED",
    "EVT_ACSE_RECV",
    "EVT_ACSE_SENT",
    "EVT_DIMSE_RECV",
    "EVT_DIMSE_SENT",
    "EVT_PDU_RECV",
    "EVT_PDU_SENT",
    "EVT_DATA_RECV",
    "EVT_DATA_SENT",
    "EVT_FSM_TRANSITION",
    "EVT_ASYNC_OPS",
    "EVT_SOP_COMMON",
    "EVT_SOP_EXTENDED",
    "EVT_USER_ID",
    "EVT_C_ECHO",
    "EVT_C_STORE",
    "EVT_C_STORE_STREAM",
    "EVT_C_FIND",
    "EVT_C_GET",
    "EVT_C_MOVE",
    "EVT_N_EVENT_REPORT",
    "EVT_N_GET",
    "EVT_N_SET",
    "EVT_N_ACTION",
    "EVT_N_CREATE",
    "EVT_N_DELETE",
    "OBSERVED",
    "ACSEEvent",
    "AnyStoreEvent",
    "AsyncOpsEvent",
    "DIMSEEvent",
    "DataEvent",
    "EchoEvent",
    "Event",
    "EventReportEvent",
    "FindEvent",
    "GetEvent",
    "IdentifierEvent",
    "MoveEvent",
    "NActionEvent",
    "NCreateEvent",
    "NDeleteEvent",
    "NGetEvent",
    "NSetEvent",
    "NegotiationEvent",
    "PDUEvent",
    "RequestEvent",
    "RequestedEvent",
    "SOPCommonEvent",
    "SOPExtendedEvent",
    "StateEvent",
    "StoreEvent",
    "StoreStreamEvent",
    "TransitionEvent",
    "TransportEvent",
    "UserIdentityEvent",
    "AnyAssociation",
    "Binding",
    "EventKind",
    "Handler",
    "HandlerOf",
    "Message",
    "ServiceUser",
    "UserInfo",
    "cancellable",
    "in_thread",
]

if not TYPE_CHECKING:  # with it, a checker would allow any name

    def __getattr__(name: str) -> object:
        if name == "AnyAssociation":
            from .events.any_association import AnyAssociation as found
        elif name == "Message":
            from .events.message import Message as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return found
