"""The events of an association: its connection, negotiation and end, and its bytes, PDUs and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomproto.upper_layer.conformance import check_associate_rj
from dicomproto.upper_layer.pdu import AssociateRJ

from ..uid_values import by_uid
from .event import A_co, Event

if TYPE_CHECKING:
    from pydicom.uid import UID

    from dicomproto.upper_layer.pdu import PDU, AssociateRQ, Buffer, SOPClassCommonExtendedNegotiation

    from .event_kind import EventKind
    from .message import Message

# --- states -------------------------------------------------------------------------------------


class TransportEvent(Event[A_co]):
    """The transport connection was opened or closed (EVT_CONN_OPEN, EVT_CONN_CLOSE)."""

    __slots__ = ("address",)

    address: object
    """The peer's address."""

    def __init__(self, kind: EventKind[object], assoc: A_co, address: object) -> None:
        super().__init__(kind, assoc)
        self.address = address


class StateEvent(Event[A_co]):
    """The association was accepted, established or rejected, or has ended.

    EVT_ACCEPTED, EVT_REJECTED, EVT_ESTABLISHED, EVT_RELEASED and EVT_ABORTED.
    """

    __slots__ = ()


# --- negotiation --------------------------------------------------------------------------------


class NegotiationEvent(Event[A_co]):
    """An association is requested, or something is proposed with it."""

    __slots__ = ("associate_request",)

    associate_request: AssociateRQ
    """The A-ASSOCIATE-RQ."""

    def __init__(self, kind: EventKind[object], assoc: A_co, associate_request: AssociateRQ) -> None:
        super().__init__(kind, assoc)
        self.associate_request = associate_request


class RequestedEvent(NegotiationEvent[A_co]):
    """An association is requested (EVT_REQUESTED)."""

    __slots__ = ("rejection",)

    rejection: tuple[int, int, int] | None
    """The arguments of `reject`: result, source and reason; None without a call."""

    def __init__(self, kind: EventKind[object], assoc: A_co, associate_request: AssociateRQ) -> None:
        super().__init__(kind, assoc, associate_request)
        self.rejection = None

    def reject(self, result: int = 1, source: int = 1, reason: int = 1) -> None:
        """Reject the association, with values of PS3.8 Table 9-21.

        Raises LocalProtocolError for other values.
        """
        check_associate_rj(AssociateRJ(result=result, source=source, reason=reason))
        self.rejection = (result, source, reason)


class AsyncOpsEvent(NegotiationEvent[A_co]):
    """An asynchronous operations window is proposed (EVT_ASYNC_OPS)."""

    __slots__ = ("nr_invoked", "nr_performed")

    nr_invoked: int
    """Operations that the requestor would like to have outstanding, 0 for any number."""
    nr_performed: int
    """Operations that the requestor could perform at once, 0 for any number."""

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        associate_request: AssociateRQ,
        nr_invoked: int,
        nr_performed: int,
    ) -> None:
        super().__init__(kind, assoc, associate_request)
        self.nr_invoked = nr_invoked
        self.nr_performed = nr_performed


class SOPCommonEvent(NegotiationEvent[A_co]):
    """SOP class common extended negotiation is proposed (EVT_SOP_COMMON)."""

    __slots__ = ("items",)

    items: dict[UID, SOPClassCommonExtendedNegotiation]
    """The proposed items by SOP class UID, as `pydicom.uid.UID`."""

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        associate_request: AssociateRQ,
        items: dict[str, SOPClassCommonExtendedNegotiation],
    ) -> None:
        super().__init__(kind, assoc, associate_request)
        self.items = by_uid(items.items())


class SOPExtendedEvent(NegotiationEvent[A_co]):
    """SOP class extended negotiation is proposed (EVT_SOP_EXTENDED)."""

    __slots__ = ("app_info",)

    app_info: dict[UID, bytes]
    """The application information by SOP class UID, as `pydicom.uid.UID`."""

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        associate_request: AssociateRQ,
        app_info: dict[str, bytes],
    ) -> None:
        super().__init__(kind, assoc, associate_request)
        self.app_info = by_uid(app_info.items())


class UserIdentityEvent(NegotiationEvent[A_co]):
    """A user identity is presented (EVT_USER_ID)."""

    __slots__ = ("user_id_type", "primary_field", "secondary_field")

    user_id_type: int
    """1 user name, 2 with passcode, 3 Kerberos, 4 SAML, 5 JWT."""
    primary_field: bytes
    """The user name, ticket, assertion or token."""
    secondary_field: bytes
    """The passcode, empty for all types but 2."""

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        associate_request: AssociateRQ,
        user_id_type: int,
        primary_field: bytes,
        secondary_field: bytes,
    ) -> None:
        super().__init__(kind, assoc, associate_request)
        self.user_id_type = user_id_type
        self.primary_field = primary_field
        self.secondary_field = secondary_field


# --- bytes, PDUs and messages -------------------------------------------------------------------


class ACSEEvent(Event[A_co]):
    """A PDU that opens or ends the association was received or sent (EVT_ACSE_RECV, EVT_ACSE_SENT)."""

    __slots__ = ("primitive",)

    primitive: PDU
    """The A-ASSOCIATE, A-RELEASE or A-ABORT PDU."""

    def __init__(self, kind: EventKind[object], assoc: A_co, primitive: PDU) -> None:
        super().__init__(kind, assoc)
        self.primitive = primitive


class DIMSEEvent(Event[A_co]):
    """A message was received or sent, its data set included (EVT_DIMSE_RECV, EVT_DIMSE_SENT)."""

    __slots__ = ("message",)

    message: Message
    """The message: its command, and its data set if it has one."""

    def __init__(self, kind: EventKind[object], assoc: A_co, message: Message) -> None:
        super().__init__(kind, assoc)
        self.message = message


class PDUEvent(Event[A_co]):
    """A PDU was received or sent (EVT_PDU_RECV, EVT_PDU_SENT)."""

    __slots__ = ("pdu",)

    pdu: PDU
    """The PDU; a P-DATA-TF with all its fragments."""

    def __init__(self, kind: EventKind[object], assoc: A_co, pdu: PDU) -> None:
        super().__init__(kind, assoc)
        self.pdu = pdu


class DataEvent(Event[A_co]):
    """The bytes of a PDU were received or sent (EVT_DATA_RECV, EVT_DATA_SENT)."""

    __slots__ = ("data",)

    data: Buffer
    """The bytes of one PDU."""

    def __init__(self, kind: EventKind[object], assoc: A_co, data: Buffer) -> None:
        super().__init__(kind, assoc)
        self.data = data


class TransitionEvent(Event[A_co]):
    """The state machine of PS3.8 Table 9-10 has made a transition (EVT_FSM_TRANSITION)."""

    __slots__ = ("fsm_event", "current_state", "action", "next_state")

    fsm_event: str
    """The event of the state machine, such as "Evt10"."""
    current_state: str
    """The state before the transition, such as "Sta6"."""
    action: str
    """The action of the transition, such as "DT-2"."""
    next_state: str
    """The state after the transition, such as "Sta6"."""

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        fsm_event: str,
        current_state: str,
        action: str,
        next_state: str,
    ) -> None:
        super().__init__(kind, assoc)
        self.fsm_event = fsm_event
        self.current_state = current_state
        self.action = action
        self.next_state = next_state
