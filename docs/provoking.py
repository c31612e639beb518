"""How the rows of the fault table are provoked: situations, bytes, and the kinds of rows.

`provoke()` of a row makes a connection, lets its peer commit the fault with real bytes, and returns the
answer. This module has no particular fault.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from dicomproto import (
    BUSY,
    CLOSED,
    NEED_DATA,
    Abort,
    AcceptorPolicy,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    CEchoRQ,
    CGetRQ,
    CloseAction,
    Command,
    Connection,
    CStoreRQ,
    Limits,
    NActionRQ,
    PDataTF,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    Request,
    Response,
    ResponseReceived,
    Role,
    build_associate_rq,
    decode_pdu,
    encode_pdu,
    negotiate,
)
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.negotiation import accept_anything
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
COMMITMENT = "1.2.840.10008.1.20.1"
PUSH = "1.2.840.10008.5.1.4.34.6.1"
CONTEXT_OF = {VERIFICATION: 1, CT: 3, FIND: 5, GET: 7, COMMITMENT: 9, PUSH: 11}

PROPOSAL = build_associate_rq(
    "SCU", "SCP", [(uid, [IMPLICIT_VR_LITTLE_ENDIAN]) for uid in CONTEXT_OF], maximum_length=16384
)
ANSWER = negotiate(PROPOSAL, AcceptorPolicy(unknown_context=accept_anything, maximum_length=16384))
assert isinstance(ANSWER, AssociateAC)


class Outcome(NamedTuple):
    """The answer: a PDU, a status, the result of a presentation context, or nothing."""

    answer: Abort | AssociateRJ | int | None
    event: str
    """The event that the user of the engine gets: the terminal one, if the association ended."""


# --- situations: a connection, and the actions of its peer so far ----------------------------------


def awaiting_request(limits: Limits) -> Connection:
    """An acceptor before the A-ASSOCIATE-RQ (Sta2)."""
    connection = Connection(Role.ACCEPTOR, limits=limits)
    connection.transport_connected()
    return connection


def awaiting_answer(limits: Limits) -> Connection:
    """A requestor before the answer (Sta5)."""
    connection = Connection(Role.REQUESTOR, limits=limits)
    connection.send(PROPOSAL)
    connection.transport_connected()
    return connection


def serving(limits: Limits) -> Connection:
    """An acceptor with an association (Sta6)."""
    connection = awaiting_request(limits)
    connection.receive_data(encode_pdu(PROPOSAL))
    connection.next_event()
    connection.send(ANSWER)
    return connection


def calling(limits: Limits) -> Connection:
    """A requestor with an association (Sta6)."""
    connection = awaiting_answer(limits)
    connection.receive_data(encode_pdu(ANSWER))
    connection.next_event()
    return connection


def waiting_for_echo(limits: Limits) -> Connection:
    """A requestor that has sent C-ECHO (Sta6), Message ID 1."""
    connection = calling(limits)
    connection.send_request(ECHO, CONTEXT_OF[VERIFICATION])
    return connection


def waiting_for_get(limits: Limits) -> Connection:
    """A requestor that has sent C-GET (Sta6), Message ID 1."""
    connection = calling(limits)
    connection.send_request(CGetRQ(AffectedSOPClassUID=GET), CONTEXT_OF[GET])
    connection.send_data(IDENTIFIER, last=True)
    return connection


def waiting_for_action(limits: Limits) -> Connection:
    """A requestor that has sent N-ACTION (Sta6), Message ID 1."""
    connection = calling(limits)
    action = NActionRQ(RequestedSOPClassUID=COMMITMENT, RequestedSOPInstanceUID="1.2", ActionTypeID=1)
    connection.send_request(action, CONTEXT_OF[COMMITMENT])
    return connection


def cancelling(limits: Limits) -> Connection:
    """A requestor that has cancelled its C-GET (Sta6), Message ID 1."""
    connection = waiting_for_get(limits)
    connection.send_cancel(1)
    return connection


def storing(limits: Limits) -> Connection:
    """A requestor in the middle of a C-STORE (Sta6), Message ID 1."""
    connection = calling(limits)
    connection.send_request(STORE, CONTEXT_OF[CT])
    connection.send_data(IDENTIFIER, last=False)
    return connection


def releasing(limits: Limits) -> Connection:
    """A requestor that has sent A-RELEASE-RQ (Sta7)."""
    connection = calling(limits)
    connection.send(ReleaseRQ())
    return connection


def aborted(limits: Limits) -> Connection:
    """A requestor that has sent A-ABORT (Sta13)."""
    connection = calling(limits)
    connection.send(Abort())
    return connection


# --- bytes -----------------------------------------------------------------------------------------


def item(item_type: int, *parts: bytes, length: int | None = None) -> bytes:
    """Return an item; `length` is a declared length in place of the true one."""
    value = b"".join(parts)
    return struct.pack(">BxH", item_type, len(value) if length is None else length) + value


def counted(value: bytes, length: int | None = None) -> bytes:
    """Return a value after its 16-bit length."""
    return struct.pack(">H", len(value) if length is None else length) + value


def associate(pdu_type: int, *items: bytes) -> bytes:
    """Return an A-ASSOCIATE PDU of the fixed fields and `items`."""
    body = b"\0\1\0\0" + b"SCP".ljust(16) + b"SCU".ljust(16) + bytes(32) + b"".join(items)
    return struct.pack(">BxI", pdu_type, len(body)) + body


def answer_with(*items: bytes) -> bytes:
    """Return an A-ASSOCIATE-AC with `items` as its user information."""
    return associate(2, item(0x50, *items))


def p_data(*values: tuple[int, int, bytes]) -> bytes:
    """Return a P-DATA-TF of PDVs given as context, flags (1 command, 2 last) and data."""
    pdvs = [
        PresentationDataValue(
            context_id=number, is_command=bool(flags & 1), is_last=bool(flags & 2), data=data
        )
        for number, flags, data in values
    ]
    return encode_pdu(PDataTF(values=tuple(pdvs)))


def message(command: Command, context_id: int, data: bytes = b"") -> bytes:
    """Return a message, its command and its data set in one PDV each."""
    encoded = p_data((context_id, 3, encode_command(command)))
    return encoded + p_data((context_id, 2, data)) if data else encoded


def element(number: int, value: bytes) -> bytes:
    """Return an element of a command set."""
    return struct.pack("<HHI", 0, number, len(value)) + value


ECHO = CEchoRQ(MessageID=1, AffectedSOPClassUID=VERIFICATION)
STORE = CStoreRQ(MessageID=1, AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2.3")
IDENTIFIER = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY "
STORE_COMMAND = (3, 3, encode_command(STORE))
RELEASE_RQ, RELEASE_RP = encode_pdu(ReleaseRQ()), encode_pdu(ReleaseRP())
IMPLEMENTATION = item(0x52, b"1.2.3")


# --- rows ------------------------------------------------------------------------------------------


def take_events(connection: Connection) -> list[object]:
    """Return all events that wait; a peer's release is confirmed."""
    events: list[object] = []
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        if event is not BUSY:
            events.append(event)
    return events


def sent_by(connection: Connection) -> list[object]:
    """Return the PDUs that the connection has to send, with messages as their commands."""
    data = b"".join(bytes(buffer) for buffer in connection.data_to_send())
    sent: list[object] = []
    while data:
        end = 6 + int.from_bytes(data[2:6], "big")
        pdu, data = decode_pdu(data[:end]), data[end:]
        if isinstance(pdu, PDataTF) and pdu.values[0].is_command:
            sent.append(decode_command(bytes(pdu.values[0].data)))
        else:
            sent.append(pdu)
    return sent


def outcome(connection: Connection, before: Sequence[object] = ()) -> Outcome:
    """Return the answer of a connection to the bytes that it has received; `before` are events taken."""
    events = [*before, *take_events(connection)]
    name = type(events[-1]).__name__ if events else ""
    answers = [pdu for pdu in sent_by(connection) if isinstance(pdu, (Abort, AssociateRJ, Response))]
    if not answers:
        return Outcome(None, name)
    last = answers[-1]
    return Outcome(last.Status if isinstance(last, Response) else last, name)


class Wire(NamedTuple):
    """A fault in the bytes that the peer sends in some situation."""

    fault: str
    given: Callable[[Limits], Connection]
    sends: bytes
    expected: Outcome
    clause: str = ""
    limits: Limits = Limits()

    def provoke(self) -> Outcome:
        """Bring a connection into the situation and let its peer commit the fault."""
        connection = self.given(self.limits)
        connection.data_to_send()
        connection.receive_data(self.sends)
        return outcome(connection)


class Wait(NamedTuple):
    """A wait that the peer lets expire, although it sends something every 50 seconds."""

    fault: str
    given: Callable[[Limits], Connection]
    sends: bytes
    expected: Outcome
    clause: str
    timer: str
    goes_on: bytes = b""

    def provoke(self) -> Outcome:
        """Let the clock reach the deadline, which is that of `timer`."""
        connection = self.given(Limits())
        connection.data_to_send()
        connection.receive_data(self.sends)
        take_events(connection)
        now, deadline = 0.0, connection.next_deadline(0.0)
        while self.goes_on and deadline > now + 50:
            now += 50
            connection.receive_data(self.goes_on)
            take_events(connection)
            deadline = connection.next_deadline(now)
        if not self.goes_on:
            assert deadline == getattr(connection.timeouts, self.timer), deadline
        connection.handle_timeout(deadline)
        return outcome(connection)


class Negotiation(NamedTuple):
    """A proposal that an acceptor's policy does not take, as a whole or in one context."""

    fault: str
    proposal: AssociateRQ
    policy: AcceptorPolicy
    expected: Outcome
    clause: str = ""

    def provoke(self) -> Outcome:
        """Send the proposal, and the policy's answer."""
        connection = awaiting_request(Limits())
        connection.receive_data(encode_pdu(self.proposal))
        (request,) = take_events(connection)
        if not isinstance(request, AssociateRQ):  # the engine has answered by itself
            (rejection,) = sent_by(connection)
            assert isinstance(rejection, AssociateRJ)
            return Outcome(rejection, type(request).__name__)
        connection.send(negotiate(request, self.policy))
        (answer,) = sent_by(connection)
        if isinstance(answer, AssociateAC):
            return Outcome(answer.presentation_contexts[0].result, "AssociateRQ")
        assert isinstance(answer, AssociateRJ)
        assert connection.close_action is CloseAction.SHUTDOWN
        return Outcome(answer, "AssociateRQ")


class Handling(NamedTuple):
    """A request that reaches an adapter's handler, or finds none."""

    fault: str
    handlers: Callable[[], list[tuple[object, Callable[..., object]]]]
    request: Request
    expected: Outcome
    clause: str = ""
    limits: Limits = Limits()
    data: bytes = IDENTIFIER

    def provoke(self) -> Outcome:
        """Send the request to a server on a loopback socket; return the status that came back."""
        with server(self.handlers(), self.limits) as port, Peer(port) as peer:
            return Outcome(peer.ask(self.request, self.data), "")


class Crowding(NamedTuple):
    """One association more than a server accepts; `limit` is the setting."""

    fault: str
    limit: str
    expected: Outcome
    clause: str = ""

    def provoke(self) -> Outcome:
        """Associate twice with a server that takes one; return the answer to the second."""
        settings: dict[str, object] = {"maximum_associations": 10, self.limit: 1}
        with server([], Limits(), settings) as port, Peer(port) as first, Peer(port) as second:
            assert first.ask(ECHO) == 0
            return Outcome(second.answer if isinstance(second.answer, AssociateRJ) else None, "")


class Guarding(NamedTuple):
    """An association that a handler of the server rejects."""

    fault: str
    handlers: Callable[[], list[tuple[object, Callable[..., object]]]]
    expected: Outcome
    clause: str = ""

    def provoke(self) -> Outcome:
        """Ask a server on a loopback socket for an association; return its answer."""
        with server(self.handlers(), Limits()) as port, Peer(port) as peer:
            return Outcome(peer.answer if isinstance(peer.answer, AssociateRJ) else None, "")


SERVED = (Handling, Crowding, Guarding)
"""The rows that need a server, hence the adapters."""


class Section(NamedTuple):
    """Rows of one kind."""

    title: str
    text: str
    rows: tuple[Wire | Wait | Negotiation | Handling | Crowding | Guarding, ...]


@contextmanager
def server(
    handlers: list[tuple[object, Callable[..., object]]],
    limits: Limits,
    settings: dict[str, object] | None = None,
) -> Iterator[int]:
    """Run a server of the blocking flavour; give its port."""
    from dicomproto_transports.blocking import AE

    scp = AE(ae_title="SCP", limits=limits)
    for name, value in (settings or {}).items():
        setattr(scp, name, value)
    for uid in CONTEXT_OF:
        scp.add_supported_context(uid, IMPLICIT_VR_LITTLE_ENDIAN)
    with scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as running:
        yield running.port


class Peer:
    """A requestor on a socket, without the adapters."""

    def __init__(self, port: int) -> None:
        self.connection = awaiting_answer(Limits())
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.answer = self.until(AssociateAC, AssociateRJ)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *error: object) -> None:
        with self.sock:
            if self.connection.is_established:
                self.connection.send(ReleaseRQ())
                self.until(ReleaseRP)

    def until(self, *kinds: type) -> object:
        """Send and receive until an event of one of these kinds."""
        while True:
            for buffer in self.connection.data_to_send():
                self.sock.sendall(buffer)
            event = self.connection.next_event()
            if isinstance(event, kinds):
                return event
            assert event is NEED_DATA, event  # what we send is far too little for BUSY
            self.connection.receive_data(self.sock.recv(65536))

    def ask(self, request: Request, data: bytes = IDENTIFIER) -> int:
        """Send a request, with `data` if it has a data set; return the status of its response."""
        self.connection.send_request(request, CONTEXT_OF[request.sop_class_uid])
        if request.has_data_set:
            self.connection.send_data(data, last=True)
        response = self.until(ResponseReceived)
        assert isinstance(response, ResponseReceived)
        return response.command.Status
