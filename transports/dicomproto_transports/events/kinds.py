"""The kinds of events: what handlers are bound to.

*Intervention* events ask their one handler for a decision. *Notification* events tell any number of
handlers.
"""

from __future__ import annotations


class EventKind:
    """One of the `EVT_*` constants below; compared by identity."""

    __slots__ = ("name", "is_intervention")

    def __init__(self, name: str, *, is_intervention: bool = False) -> None:
        self.name = name
        self.is_intervention = is_intervention
        """Whether the event asks for a decision; others only tell."""

    @property
    def is_notification(self) -> bool:
        """Whether the event only tells."""
        return not self.is_intervention

    def __repr__(self) -> str:
        return f"<{self.name}>"


EVT_CONN_OPEN = EventKind("EVT_CONN_OPEN")
"""The transport connection stands."""
EVT_CONN_CLOSE = EventKind("EVT_CONN_CLOSE")
"""The transport connection is closed."""
EVT_REQUESTED = EventKind("EVT_REQUESTED")
"""An association is requested of us."""
EVT_ACCEPTED = EventKind("EVT_ACCEPTED")
"""The association is accepted."""
EVT_REJECTED = EventKind("EVT_REJECTED")
"""The association is rejected."""
EVT_ESTABLISHED = EventKind("EVT_ESTABLISHED")
"""The association is established."""
EVT_RELEASED = EventKind("EVT_RELEASED")
"""The association is released."""
EVT_ABORTED = EventKind("EVT_ABORTED")
"""The association ended in any other way."""

EVT_ACSE_RECV = EventKind("EVT_ACSE_RECV")
"""A PDU that makes or ends the association came."""
EVT_ACSE_SENT = EventKind("EVT_ACSE_SENT")
"""A PDU that makes or ends the association was sent."""
EVT_DIMSE_RECV = EventKind("EVT_DIMSE_RECV")
"""A message came, its data set included."""
EVT_DIMSE_SENT = EventKind("EVT_DIMSE_SENT")
"""A message was sent, its data set included."""
EVT_PDU_RECV = EventKind("EVT_PDU_RECV")
"""A PDU came."""
EVT_PDU_SENT = EventKind("EVT_PDU_SENT")
"""A PDU was sent."""
EVT_DATA_RECV = EventKind("EVT_DATA_RECV")
"""The bytes of a PDU came."""
EVT_DATA_SENT = EventKind("EVT_DATA_SENT")
"""The bytes of a PDU were sent."""
EVT_FSM_TRANSITION = EventKind("EVT_FSM_TRANSITION")
"""The state machine of PS3.8 Table 9-10 has made a transition."""

OBSERVED = frozenset(
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

EVT_ASYNC_OPS = EventKind("EVT_ASYNC_OPS", is_intervention=True)
"""An asynchronous operations window is proposed (PS3.7 D.3.3.3).

`event.nr_invoked` and `event.nr_performed` say what. The handler returns (invoked, performed): how many
operations the requestor may have outstanding, and how many we, 0 for any number. The smaller of what was
proposed and returned holds. Without a handler, and if it fails, `AE.maximum_operations` is what is returned.
"""
EVT_SOP_COMMON = EventKind("EVT_SOP_COMMON", is_intervention=True)
"""SOP class common extended negotiation is proposed (PS3.7 D.3.3.6).

`event.items` holds the proposed `SOPClassCommonExtendedNegotiation`s by SOP class UID. The handler returns
those of them, in the same form, that the server is to act on: their SOP classes are accepted like the general
ones they name and have the services of the service class they name. Without a handler, and if it fails, none.
There is no answer to the requestor.
"""
EVT_SOP_EXTENDED = EventKind("EVT_SOP_EXTENDED", is_intervention=True)
"""SOP class extended negotiation is proposed (PS3.7 D.3.3.5).

`event.app_info` holds the Service Class Application Information, bytes, by SOP class UID. The handler returns
the answers in the same form, of proposed SOP classes; one that is not in it is not answered. Without a
handler, and if it fails, none is.
"""
EVT_USER_ID = EventKind("EVT_USER_ID", is_intervention=True)
"""A user identity is presented (PS3.7 D.3.3.7).

`event.user_id_type`, `event.primary_field` and `event.secondary_field` hold it. The handler returns (bool,
bytes or None): whether the user is accepted, and the server response, which is sent for Kerberos, SAML and
JWT where the requestor asked for a positive response; or the bool alone. A user who is not accepted is
rejected (1, 2, 1), and so is one whose handler fails. Without a handler identities are ignored and not
answered.
"""

EVT_C_ECHO = EventKind("EVT_C_ECHO", is_intervention=True)
"""A C-ECHO request came."""
EVT_C_STORE = EventKind("EVT_C_STORE", is_intervention=True)
"""A C-STORE request and its whole data set came."""
EVT_C_STORE_STREAM = EventKind("EVT_C_STORE_STREAM", is_intervention=True)
"""A C-STORE request came, its data set follows in chunks."""
EVT_C_FIND = EventKind("EVT_C_FIND", is_intervention=True)
"""A C-FIND request came."""
EVT_C_GET = EventKind("EVT_C_GET", is_intervention=True)
"""A C-GET request came."""
EVT_C_MOVE = EventKind("EVT_C_MOVE", is_intervention=True)
"""A C-MOVE request came."""
EVT_N_EVENT_REPORT = EventKind("EVT_N_EVENT_REPORT", is_intervention=True)
"""An N-EVENT-REPORT request came."""
EVT_N_GET = EventKind("EVT_N_GET", is_intervention=True)
"""An N-GET request came."""
EVT_N_SET = EventKind("EVT_N_SET", is_intervention=True)
"""An N-SET request came."""
EVT_N_ACTION = EventKind("EVT_N_ACTION", is_intervention=True)
"""An N-ACTION request came."""
EVT_N_CREATE = EventKind("EVT_N_CREATE", is_intervention=True)
"""An N-CREATE request came."""
EVT_N_DELETE = EventKind("EVT_N_DELETE", is_intervention=True)
"""An N-DELETE request came."""
