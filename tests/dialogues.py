"""Connections in mid-conversation, what their peer puts on the wire, and two of them wired together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dicomproto import BUSY, CLOSED, NEED_DATA, Connection, Limits, Timeouts
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    Command,
    CStoreRQ,
    NActionRQ,
    NEventReportRQ,
    Response,
)
from dicomproto.dimse.events import DataSetChunk
from dicomproto.upper_layer import (
    Abort,
    AssociateAC,
    AssociateRQ,
    AsynchronousOperationsWindow,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    Role,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    State,
    encode_pdu,
)

IMPLICIT = "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
REFUSED_CONTEXT = 13

CONTEXTS = {1: VERIFICATION, 3: CT, 5: FIND, 7: MOVE, 9: GET, 11: COMMITMENT, REFUSED_CONTEXT: "1.2.3"}

ECHO = CEchoRQ(AffectedSOPClassUID=VERIFICATION, MessageID=1)
STORE = CStoreRQ(AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2.3.4", MessageID=1)
FIND_RQ = CFindRQ(AffectedSOPClassUID=FIND, MessageID=1)
MOVE_RQ = CMoveRQ(AffectedSOPClassUID=MOVE, MoveDestination="DEST", MessageID=1)
GET_RQ = CGetRQ(AffectedSOPClassUID=GET, MessageID=1)
ACTION = NActionRQ(
    RequestedSOPClassUID=COMMITMENT,
    RequestedSOPInstanceUID=COMMITMENT_INSTANCE,
    ActionTypeID=1,
    MessageID=1,
)
EVENT = NEventReportRQ(
    AffectedSOPClassUID=COMMITMENT,
    AffectedSOPInstanceUID=COMMITMENT_INSTANCE,
    EventTypeID=1,
    MessageID=1,
)
CONTEXT_OF = {CEchoRQ: 1, CStoreRQ: 3, CFindRQ: 5, CMoveRQ: 7, CGetRQ: 9, NActionRQ: 11, NEventReportRQ: 11}
"""The context that each class of request belongs on."""

PENDING, SUCCESS, CANCELLED, OUT_OF_RESOURCES = 0xFF00, 0x0000, 0xFE00, 0xA700


def associate_rq(**changes: object) -> AssociateRQ:
    """Return a proposal of `CONTEXTS`; the requestor also wants to be SCP of CT images, for C-GET."""
    proposal = AssociateRQ(
        called_ae_title="SCP",
        calling_ae_title="SCU",
        presentation_contexts=tuple(
            PresentationContextRQ(context_id=n, abstract_syntax=uid, transfer_syntaxes=(IMPLICIT,))
            for n, uid in CONTEXTS.items()
        ),
        maximum_length=16384,
        implementation_class_uid="1.2.3",
    )
    return proposal.replace(**changes)


def associate_ac(**changes: object) -> AssociateAC:
    """Return an answer that accepts all of `CONTEXTS` but the last."""
    answer = AssociateAC(
        called_ae_title="SCP",
        calling_ae_title="SCU",
        presentation_contexts=tuple(
            PresentationContextAC(
                context_id=n, result=3 if n == REFUSED_CONTEXT else 0, transfer_syntax=IMPLICIT
            )
            for n in CONTEXTS
        ),
        maximum_length=16384,
        implementation_class_uid="1.2.3",
    )
    return answer.replace(**changes)


def window(invoked: int, performed: int = 1) -> dict[str, object]:
    """Return what `associate_rq` and `associate_ac` take to negotiate several operations at once."""
    return {
        "asynchronous_operations_window": AsynchronousOperationsWindow(
            maximum_invoked=invoked, maximum_performed=performed
        )
    }


def roles(uid: str, *, scu: bool = True, scp: bool = True) -> dict[str, object]:
    """Return what `associate_rq` and `associate_ac` take to negotiate roles."""
    return {"role_selections": (RoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp),)}


def established(
    role: Role,
    *,
    rq: AssociateRQ | None = None,
    ac: AssociateAC | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
    **options: bool,
) -> Connection:
    """Return one end of an association that stands, whose peer is the test."""
    rq, ac = rq or associate_rq(), ac or associate_ac()
    connection = Connection(role, limits=limits, timeouts=timeouts, **options)
    if role is Role.REQUESTOR:
        connection.send(rq)
        connection.transport_connected()
        connection.receive_data(encode_pdu(ac))
        assert connection.next_event() == ac
    else:
        connection.transport_connected()
        connection.receive_data(encode_pdu(rq))
        assert connection.next_event() == rq
        connection.send(ac, common_extended=common_extended)
    connection.data_to_send()
    assert connection.state is State.STA6
    return connection


# --- what a peer sends ----------------------------------------------------------------------------


def fragment(data: bytes, *, context_id: int, is_command: bool, is_last: bool) -> bytes:
    """Return a P-DATA-TF of one PDV."""
    value = PresentationDataValue(context_id=context_id, is_command=is_command, is_last=is_last, data=data)
    return encode_pdu(PDataTF(values=(value,)))


def command_pdu(command: Command, context_id: int) -> bytes:
    """Return the command set of a message in one PDU."""
    return fragment(encode_command(command), context_id=context_id, is_command=True, is_last=True)


def data_pdu(data: bytes, context_id: int, *, is_last: bool = True) -> bytes:
    """Return a fragment of a data set in one PDU."""
    return fragment(data, context_id=context_id, is_command=False, is_last=is_last)


def message(command: Command, data: bytes | None = None, context_id: int | None = None) -> bytes:
    """Return a message: one PDU for its command set, one for its data set if there is one."""
    if context_id is None:
        context_id = CONTEXT_OF[type(command)]
    encoded = command_pdu(command, context_id)
    return encoded if data is None else encoded + data_pdu(data, context_id)


# --- what a connection gives ----------------------------------------------------------------------


def events_of(connection: Connection) -> list[object]:
    """Return all events up to NEED_DATA or CLOSED; these two are left out, and BUSY."""
    events: list[object] = []
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        if event is not BUSY:
            events.append(event)
    return events


def feed(connection: Connection, *pieces: bytes) -> list[object]:
    """Give `pieces` one after the other; return the events."""
    events: list[object] = []
    for piece in pieces:
        connection.receive_data(piece)
        events += events_of(connection)
    return events


def sent_by(connection: Connection) -> bytes:
    """Return what the connection wants sent, joined."""
    return b"".join(connection.data_to_send())


def joined(events: list[object]) -> list[object]:
    """Return `events` with the chunks of each data set joined into one."""
    result: list[object] = []
    for event in events:
        before = result[-1] if result else None
        if not isinstance(event, DataSetChunk):
            result.append(event)
        elif isinstance(before, DataSetChunk) and not before.last:
            assert before.context_id == event.context_id
            result[-1] = before.replace(
                data=before.data + bytes(event.data),
                last=event.last,
                warnings=before.warnings + event.warnings,
            )
        else:
            result.append(event.replace(data=bytes(event.data)))
    return result


ABORT_OF_MESSAGE = Abort(source=2, reason=0)
"""What answers a message that cannot be one."""

Cut = Callable[[bytes], list[bytes]]


class Dialogue:
    """A requestor and an acceptor wired back to back; `cut` says how the wire cuts the bytes."""

    def __init__(
        self,
        cut: Cut = lambda data: [data],
        *,
        rq: AssociateRQ | None = None,
        ac: AssociateAC | None = None,
        common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
        **options: object,
    ) -> None:
        self.requestor = Connection(Role.REQUESTOR, **options)
        self.acceptor = Connection(Role.ACCEPTOR, **options)
        self.cut = cut
        rq, ac = rq or associate_rq(), ac or associate_ac()
        self.requestor.send(rq)
        self.requestor.transport_connected()
        self.acceptor.transport_connected()
        assert self.carry(self.requestor) == [rq]
        self.acceptor.send(ac, common_extended=common_extended)
        assert self.carry(self.acceptor) == [ac]

    def other(self, connection: Connection) -> Connection:
        """Return the peer of `connection`."""
        return self.acceptor if connection is self.requestor else self.requestor

    def carry(self, connection: Connection) -> list[object]:
        """Carry what `connection` wants sent to its peer; return the peer's events, data sets joined."""
        data = sent_by(connection)
        return joined(feed(self.other(connection), *self.cut(data))) if data else []


def pending(request: CFindRQ) -> Response:
    """Return a pending C-FIND response, which has an identifier."""
    return request.response(Status=PENDING, CommandDataSetType=1)
