"""What must hold for any bytes that a peer sends, checked for one input.

The first two bytes of an input choose the set-up, the rest is what the peer sends (with FRAMED, in a short
form in which most lengths cannot be wrong, so that mutations get deeper). One machine is given it whole,
another one byte by byte, a third in pieces; each is answered by the same local user. Then:

- nothing raises, and a LocalProtocolError leaves state and output as they were;
- events (chunks of one data set or PDV joined), warnings, output and deadlines are the same for all cuts;
- exactly one terminal event ends it, and CLOSED follows for ever;
- the output is a sequence of whole, valid PDUs with nothing after an A-ABORT or A-ASSOCIATE-RJ;
- the number of events and the size of the output are bounded by the size of the input.

`check` raises AssertionError, or whatever the engine raised. Nothing here needs atheris.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from dicomproto.config import KIB, MIB, Limits
from dicomproto.connection import Connection
from dicomproto.dimse.commands import DATA_SET_PRESENT, CEchoRQ, CFindRQ, CMoveRQ, CStoreRQ, Request
from dicomproto.dimse.events import CancelReceived, DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import LocalProtocolError
from dicomproto.negotiation import (
    AcceptorPolicy,
    IdentityVerdict,
    accept_anything,
    accepted_common_extended,
    build_associate_rq,
    negotiate,
)
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import (
    BUSY,
    CLOSED,
    NEED_DATA,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    CloseAction,
    ConnectionClosed,
    LocallyEnded,
    NotDicom,
    PDVChunk,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    RoleSelection,
    State,
    TimerExpired,
    UpperLayer,
    encode_pdu,
)
from dicomproto.upper_layer.framer import Framer

# Bits of the first byte.
ACCEPTOR, UPPER_LAYER, ESTABLISHED, SMALL_LIMITS, STRICT, OCCUPIED, TIMES_OUT, FRAMED = (
    1 << bit for bit in range(8)
)

# The second byte: an action of the local user, at a moment given by the number of events before it.
MOMENT = 0x0F
ABORT, RELEASE, REQUEST, CANCEL = 0x10, 0x20, 0x30, 0x40
ACTION = 0x70

MAXIMUM_BODY = 2048
"""Bytes of a PDU of a FRAMED input are less than this."""

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"

TERMINAL = (
    AssociateRJ,
    ReleaseRP,
    Abort,
    ProtocolViolation,
    NotDicom,
    ConnectionClosed,
    TimerExpired,
    LocallyEnded,
)
SMALL = Limits(
    associate_length=2 * KIB,
    presentation_contexts=4,
    transfer_syntaxes=3,
    items=24,
    p_data_length=KIB,
    empty_fragments=2,
    command_length=256,
    outstanding_requests=3,
)
PROPOSAL = build_associate_rq(
    "FUZZ",
    "PEER",
    [
        (VERIFICATION, [IMPLICIT_VR_LITTLE_ENDIAN]),
        (CT_IMAGE_STORAGE, [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]),
        (STUDY_ROOT_FIND, [IMPLICIT_VR_LITTLE_ENDIAN]),
        (STUDY_ROOT_MOVE, [IMPLICIT_VR_LITTLE_ENDIAN]),
    ],
    maximum_length=256,
    role_selections=[RoleSelection(sop_class_uid=CT_IMAGE_STORAGE, scu_role=True, scp_role=True)],
    operations_window=AsynchronousOperationsWindow(maximum_invoked=0, maximum_performed=0),
)
POLICY = AcceptorPolicy(
    unknown_context=accept_anything,
    maximum_length=256,
    operations_window=AsynchronousOperationsWindow(maximum_invoked=0, maximum_performed=0),
    any_application_context=True,
    user_identity=lambda identity: IdentityVerdict(accepted=True, server_response=b"known"),
    extended=lambda proposed: proposed,
    common_extended=lambda items: items,
)
_ANSWER = negotiate(PROPOSAL, POLICY)
assert isinstance(_ANSWER, AssociateAC)
PRELUDE = {Role.ACCEPTOR: encode_pdu(PROPOSAL), Role.REQUESTOR: encode_pdu(_ANSWER)}
"""What the peer sent before the input, with ESTABLISHED."""


class User:
    """A machine and its local user, who does the same whenever the same events come."""

    def __init__(self, setup: int, action: int) -> None:
        self.role = Role.ACCEPTOR if setup & ACCEPTOR else Role.REQUESTOR
        self.setup = setup
        self.action = action
        limits = SMALL if setup & SMALL_LIMITS else Limits()
        strict = bool(setup & STRICT)
        self.machine: UpperLayer | Connection
        if setup & UPPER_LAYER:
            self.machine = UpperLayer(self.role, limits=limits)
        else:
            self.machine = Connection(
                self.role, limits=limits, strict_roles=strict, strict_dispatch=strict, idle_release=strict
            )
        self.events: list[object] = []
        self.output: list[bytes] = []
        self.moments = 0
        """Events so far, a data set or PDV as one: a count that no cut changes."""
        self.request: Request | None = None
        """The peer's request whose data set is under way."""
        self.ended = False

    def begin(self) -> None:
        """Connect, and with ESTABLISHED go on to Sta6."""
        if self.role is Role.REQUESTOR:
            self.machine.send(PROPOSAL)
        self.machine.transport_connected()
        if self.setup & ESTABLISHED:
            self.feed([PRELUDE[self.role]])

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Let the peer send `pieces`; take and answer all events after each."""
        for piece in pieces:
            self.machine.receive_data(piece)
            self.pull()

    def pull(self) -> None:
        """Take events until there are no more."""
        while (event := self.machine.next_event()) is not NEED_DATA:
            if event is CLOSED:
                assert self.ended
                break
            if event is BUSY:  # that depends on the cuts; what comes of the input does not
                continue
            assert not self.ended, f"{event!r} after the terminal event"
            self.note(event)
            self.answer(event)
            if is_whole(event):
                self.moments += 1
                if self.action & ACTION and self.moments == self.action & MOMENT:
                    self.act()
        self.output += [bytes(buffer) for buffer in self.machine.data_to_send()]

    def note(self, event: object) -> None:
        """Record `event`; join it to the one before if both are chunks of the same data set or PDV."""
        if isinstance(event, PDVChunk | DataSetChunk):
            assert memoryview(event.data).readonly
            event = event.replace(data=bytes(event.data))
            before = self.events[-1] if self.events else None
            if isinstance(event, PDVChunk):
                if isinstance(before, PDVChunk) and not (before.end_of_pdv or event.starts_pdu):
                    assert not event.warnings
                    joined = {"data": before.data + event.data, "end_of_pdv": event.end_of_pdv}
                    self.events[-1] = before.replace(**joined)
                    return
            elif isinstance(before, DataSetChunk) and not before.last:
                warnings = before.warnings + event.warnings
                joined = {"data": before.data + event.data, "last": event.last, "warnings": warnings}
                self.events[-1] = before.replace(**joined)
                return
        self.ended = isinstance(event, TERMINAL) and not self.crosses_release(event)
        self.events.append(event)

    def crosses_release(self, event: object) -> bool:
        """Tell whether a ReleaseRP only answers our half of a release collision (AR-10)."""
        return isinstance(event, ReleaseRP) and self.machine.state is State.STA12

    def do(
        self, verb: Callable[..., object], *arguments: object, must: bool = False, **options: object
    ) -> None:
        """Call a verb that may not be allowed now; then it must change nothing."""
        outbox = upper_layer(self.machine)._outbox
        before = self.machine.state, len(outbox)
        try:
            verb(*arguments, **options)
            return
        except LocalProtocolError as error:
            refusal = str(error)
        assert before == (self.machine.state, len(outbox)), f"changed something: {refusal}"
        assert not must, f"the peer made this impossible: {refusal}"
        self.events.append(refusal)

    def answer(self, event: object) -> None:
        """Answer what needs an answer."""
        machine = self.machine
        if isinstance(event, AssociateRQ):
            options = {}
            if isinstance(machine, Connection):
                options["common_extended"] = accepted_common_extended(event, POLICY).values()
            self.do(machine.send, negotiate(event, POLICY), must=True, **options)
        elif isinstance(event, ReleaseRQ):
            if isinstance(machine, Connection) or machine.state is not State.STA10:
                self.do(machine.send, ReleaseRP(), must=True)
        elif isinstance(event, ReleaseRP) and not self.ended:
            self.do(machine.send, ReleaseRP(), must=True)
        if not isinstance(machine, Connection):
            return
        if isinstance(event, AssociateRQ | AssociateAC):
            if self.setup & OCCUPIED:
                self.be_occupied(machine)
        elif isinstance(event, RequestReceived):
            if event.has_data_set:  # answered after it
                self.request = event.command
            else:
                self.do(machine.send_response, event.command.response(), must=not machine.is_sending)
        elif isinstance(event, DataSetChunk):
            if event.last and self.request is not None:
                request, self.request = self.request, None
                may = not machine.is_sending
                if isinstance(request, CFindRQ):  # its final response comes when it is cancelled
                    pending = request.response(Status=0xFF00, CommandDataSetType=DATA_SET_PRESENT)
                    self.do(machine.send_response, pending, must=may)
                    if may:
                        self.do(machine.send_data, b"\x08\x00\x52\x00", last=True, must=True)
                else:
                    self.do(machine.send_response, request.response(), must=may)
        elif isinstance(event, CancelReceived):
            cancelled = machine.unanswered[event.message_id].command.response(Status=0xFE00)
            self.do(machine.send_response, cancelled, must=not machine.is_sending)
        elif isinstance(event, ResponseReceived) and event.is_early:
            self.do(machine.send_data, b"", last=True, must=True)

    def be_occupied(self, machine: Connection) -> None:
        """Have operations of several kinds outstanding, and a data set under way."""
        contexts = machine.accepted_contexts.values()
        by_class = {context.abstract_syntax: context.context_id for context in contexts}
        for request in (
            CEchoRQ(AffectedSOPClassUID=VERIFICATION),
            CFindRQ(AffectedSOPClassUID=STUDY_ROOT_FIND),
            CMoveRQ(AffectedSOPClassUID=STUDY_ROOT_MOVE, MoveDestination="ELSEWHERE"),
            CStoreRQ(AffectedSOPClassUID=CT_IMAGE_STORAGE, AffectedSOPInstanceUID="1.2.3"),
        ):
            self.do(machine.send_request, request, by_class.get(request.AffectedSOPClassUID, 0))
            if machine.is_sending:
                last = not isinstance(request, CStoreRQ)
                self.do(machine.send_data, b"\x08\x00\x52\x00" * 100, last=last, must=True)

    def act(self) -> None:
        """Do what the second byte says."""
        machine, action = self.machine, self.action & ACTION
        if action == ABORT:
            self.do(machine.send, Abort())
        elif action == RELEASE:
            self.do(machine.send, ReleaseRQ())
        elif isinstance(machine, Connection) and action == REQUEST:
            context_id = next(iter(machine.accepted_contexts), 1)
            self.do(machine.send_request, CEchoRQ(AffectedSOPClassUID=VERIFICATION), context_id)
        elif isinstance(machine, Connection) and action == CANCEL:
            self.do(machine.send_cancel, next(iter(machine.outstanding), 1))

    def finish(self) -> None:
        """End of input: the peer closes, or falls silent until a deadline passes."""
        deadline = self.machine.next_deadline(0.0)
        self.events.append(deadline)
        if self.setup & TIMES_OUT and deadline is not None:
            self.machine.handle_timeout(deadline)
            self.pull()
        self.events.append(self.machine.close_action)
        self.machine.receive_eof()
        self.machine.receive_eof()
        self.pull()
        assert self.ended, "no terminal event after the end of file"
        assert self.machine.next_event() is CLOSED
        assert self.machine.close_action is CloseAction.CLOSE
        assert self.machine.next_deadline(0.0) is None


def is_whole(event: object) -> bool:
    """Tell whether the event is one for every cut, that is, no chunk with more to come."""
    if isinstance(event, PDVChunk):
        return event.end_of_pdv
    return event.last if isinstance(event, DataSetChunk) else True


def upper_layer(machine: UpperLayer | Connection) -> UpperLayer:
    """Return the P-DATA level of either machine."""
    return machine._upper if isinstance(machine, Connection) else machine


def expand(short: bytes) -> bytes:
    """Return the PDUs of a FRAMED input: type, 16-bit length, body; that of a P-DATA-TF is one PDV's."""
    data = bytearray()
    while short:
        pdu_type, length = short[0], int.from_bytes(short[1:3], "big") % MAXIMUM_BODY
        body, short = short[3 : 3 + length], short[3 + length :]
        if pdu_type == 4:
            body = len(body).to_bytes(4, "big") + body
        data += struct.pack(">BxI", pdu_type, len(body)) + body
    return bytes(data)


def cuts(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the ways in which the input is cut."""
    for name, size in (("whole", len(data) or 1), ("byte by byte", 1), ("in pieces", 11)):
        yield name, [data[start : start + size] for start in range(0, len(data), size)]


def with_warnings(events: Iterable[object]) -> list[object]:
    """Pair each event with its warnings, which take no part in equality."""
    return [(event, getattr(event, "warnings", ())) for event in events]


def check_output(output: bytes) -> None:
    """Hold what we sent to the standard."""
    framer = Framer(Limits(p_data_length=2 * MIB))
    framer.receive(output)
    ended = False
    while (item := framer.next()) is not None:
        assert not ended, f"{type(item).__name__} after the last PDU"
        ended = isinstance(item, Abort | AssociateRJ)
    assert not framer.is_mid_pdu, "half a PDU was sent"


def check(data: bytes) -> None:
    """Raise unless everything holds for the input `data`."""
    setup, action = (data[:2] + b"\0\0")[:2]
    received = expand(data[2:]) if setup & FRAMED else data[2:]
    first: tuple[str, list[object], bytes] | None = None
    for name, pieces in cuts(received):
        user = User(setup, action)
        user.begin()
        user.feed(pieces)
        user.finish()
        outcome = name, with_warnings(user.events), b"".join(user.output)
        if first is None:
            first = outcome
            check_output(outcome[2])
            # 6 bytes of a PDV make an event, and perhaps an answer of some 200 bytes.
            assert len(user.events) <= 32 + len(received) // 3, f"{len(user.events)} events"
            assert len(outcome[2]) <= 8 * KIB + 24 * len(received), f"{len(outcome[2])} bytes of output"
        else:
            assert outcome[1] == first[1], f"{name}: {outcome[1]}\n{first[0]}: {first[1]}"
            assert outcome[2] == first[2], f"{name} has other output than {first[0]}"
