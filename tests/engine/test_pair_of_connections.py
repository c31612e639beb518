"""Two connections that talk DIMSE at random, against a model: what one side says is what the other hears.

Requests in both directions, several at once, data sets in chunks, pending responses, early failures,
cancels, releases and aborts, on wires that cut the bytes anywhere.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dicomproto import CLOSED, CloseAction, Connection, LocalProtocolError
from dicomproto.dimse.commands import CFindRQ, Command, Request
from dicomproto.dimse.events import (
    CancelReceived,
    DataSetChunk,
    MessageIncomplete,
    RequestReceived,
    RequestRefused,
    ResponseReceived,
)
from dicomproto.upper_layer import (
    Abort,
    LocallyEnded,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    encode_pdu,
)
from tests.dialogues import (
    ACTION,
    CONTEXT_OF,
    ECHO,
    EVENT,
    FIND_RQ,
    OUT_OF_RESOURCES,
    PENDING,
    STORE,
    associate_ac,
    associate_rq,
    events_of,
    feed,
    joined,
    roles,
    sent_by,
    window,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
COMMITMENT = "1.2.840.10008.1.20.1"
WINDOW = 3
TERMS = window(WINDOW, WINDOW) | {
    "role_selections": tuple(roles(uid)["role_selections"][0] for uid in (CT, COMMITMENT))
}
REQUESTS = {
    Role.REQUESTOR: [ECHO, STORE, FIND_RQ, ACTION, EVENT],
    Role.ACCEPTOR: [STORE, ACTION, EVENT],
}
sides = st.sampled_from(Role)


class Side:
    """One connection, the wire that leaves it, and what the model knows of it."""

    def __init__(self, role: Role) -> None:
        self.connection = Connection(role)
        self.said: list[object] = []
        self.events: list[object] = []
        self.wire = bytearray()
        self.cancelled: list[int] = []
        self.payload = bytearray()
        self.current: tuple[int, Command] | None = None
        self.behind: list[object] = []
        """Responses that wait for the data set under way."""

    def look(self) -> None:
        """Take the events and put what is to be sent on the wire."""
        self.events += events_of(self.connection)
        self.wire += sent_by(self.connection)

    @property
    def is_over(self) -> bool:
        return self.connection.close_action is not CloseAction.NONE

    @property
    def heard(self) -> list[object]:
        """What came from the peer, as the peer's `said` has it."""
        heard: list[object] = []
        for event in joined(self.events):
            if isinstance(event, (RequestReceived, ResponseReceived)):
                assert event.warnings == ()
                heard.append((event.context_id, event.command))
            elif isinstance(event, DataSetChunk) and event.last:
                heard.append((event.context_id, event.data))
            elif isinstance(event, (ReleaseRQ, ReleaseRP, Abort)):
                heard.append(event)
        return heard


class Pair(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sides = {role: Side(role) for role in Role}
        requestor, acceptor = (self.sides[role].connection for role in Role)
        requestor.send(associate_rq(**TERMS))
        requestor.transport_connected()
        acceptor.transport_connected()
        feed(acceptor, encode_pdu(associate_rq(**TERMS)))
        acceptor.send(associate_ac(**TERMS))
        feed(requestor, encode_pdu(associate_ac(**TERMS)))
        for side in self.sides.values():
            side.connection.data_to_send()

    def other(self, role: Role) -> Side:
        return self.sides[Role.ACCEPTOR if role is Role.REQUESTOR else Role.REQUESTOR]

    # --- what the local users do ------------------------------------------------------------------

    @rule(role=sides, data=st.data())
    def invoke(self, role: Role, data: st.DataObject) -> None:
        side = self.sides[role]
        connection = side.connection
        request: Request = data.draw(st.sampled_from(REQUESTS[role])).replace(MessageID=0)
        allowed = (
            connection.state is State.STA6
            and not side.is_over
            and len(connection.outstanding) < WINDOW
            and not side.current
        )
        context_id = CONTEXT_OF[type(request)]
        try:
            message_id = connection.send_request(request, context_id)
        except LocalProtocolError:
            assert not allowed
            return
        assert allowed
        self.begun(side, context_id, request.replace(MessageID=message_id))

    @rule(role=sides, status=st.sampled_from([0, 0xB000, OUT_OF_RESOURCES, PENDING]), data=st.data())
    @precondition(lambda self: any(side.connection.unanswered for side in self.sides.values()))
    def respond(self, role: Role, status: int, data: st.DataObject) -> None:
        side = self.sides[role]
        if not side.connection.unanswered:
            return
        received = data.draw(st.sampled_from(list(side.connection.unanswered.values())))
        request = received.command
        is_query = isinstance(request, CFindRQ)
        has_data_set = status == PENDING and is_query
        response = request.response(Status=status, CommandDataSetType=1 if has_data_set else 0x0101)
        is_complete = not request.has_data_set or self.has_data_set_of(side, received)
        allowed = (
            not side.is_over
            and side.connection.state in (State.STA6, State.STA8)
            and not (side.current and has_data_set)
            and (is_complete or status == OUT_OF_RESOURCES)
            and (is_query or status != PENDING)
        )
        try:
            side.connection.send_response(response)
        except LocalProtocolError:
            assert not allowed
            return
        assert allowed
        self.begun(side, received.context_id, response)

    def has_data_set_of(self, side: Side, received: RequestReceived) -> bool:
        """Tell whether the last chunk that belongs to `received` has come."""
        position = max(n for n, event in enumerate(side.events) if event is received)
        return any(isinstance(event, DataSetChunk) and event.last for event in side.events[position:])

    def begun(self, side: Side, context_id: int, command: Command) -> None:
        if side.current:
            side.behind.append((context_id, command))
            return
        side.said.append((context_id, command))
        if command.has_data_set:
            side.current = context_id, command
            side.payload.clear()
        side.look()

    @rule(role=sides, chunk=st.binary(max_size=9), last=st.booleans())
    @precondition(lambda self: any(side.current for side in self.sides.values()))
    def data(self, role: Role, chunk: bytes, last: bool) -> None:
        side = self.sides[role]
        buffer = bytearray(chunk)
        try:
            side.connection.send_data(buffer, last=last, pad=True)
        except LocalProtocolError:
            assert not side.current or side.is_over
            return
        assert side.current
        side.look()
        buffer[:] = b"\xaa" * len(buffer)
        side.payload += chunk
        if last:
            side.payload += b"\0" * (len(side.payload) % 2)
            side.said.append((side.current[0], bytes(side.payload)))
            side.current = None
            side.said += side.behind
            side.behind.clear()

    @rule(role=sides, message_id=st.integers(1, 4))
    def cancel(self, role: Role, message_id: int) -> None:
        side = self.sides[role]
        request = side.connection.outstanding.get(message_id)
        try:
            side.connection.send_cancel(message_id)
        except LocalProtocolError:
            assert side.current or side.is_over or not isinstance(request, CFindRQ)
            return
        assert isinstance(request, CFindRQ)
        side.cancelled.append(message_id)
        side.look()

    @rule(role=sides, wish=st.integers(0, 5))
    def release(self, role: Role, wish: int) -> None:
        side = self.sides[role]
        connection = side.connection
        if wish:  # rarely, or nothing else would happen
            return
        is_open = side.current or connection.outstanding or connection.unanswered
        try:
            connection.send(ReleaseRQ())
        except LocalProtocolError:
            assert is_open or connection.state is not State.STA6 or side.is_over
            return
        side.said.append(ReleaseRQ())
        side.look()

    @rule(role=sides)
    def answer_release(self, role: Role) -> None:
        side = self.sides[role]
        before = side.connection.state
        asked = (State.STA8, State.STA9, State.STA10, State.STA12)
        try:
            side.connection.send(ReleaseRP())
        except LocalProtocolError:
            assert before not in asked or side.is_over
            return
        assert before in asked
        if ReleaseRP() not in side.said:
            side.said.append(ReleaseRP())
        side.look()

    @rule(role=sides, wish=st.integers(0, 9))
    def abort(self, role: Role, wish: int) -> None:
        side = self.sides[role]
        if wish == 0 and not side.is_over:
            side.connection.send(Abort())
            side.said.append(Abort())
            side.look()

    # --- what the world does ------------------------------------------------------------------------

    @rule(role=sides, size=st.one_of(st.integers(1, 60), st.just(10_000)))
    def carry(self, role: Role, size: int) -> None:
        side, peer = self.sides[role], self.other(role)
        piece = bytes(side.wire[:size])
        del side.wire[:size]
        peer.connection.receive_data(piece)
        peer.look()

    # --- the model ----------------------------------------------------------------------------------

    @invariant()
    def each_hears_what_the_other_said(self) -> None:
        for role, side in self.sides.items():
            peer = self.other(role)
            assert not [event for event in side.events if isinstance(event, ProtocolViolation)]
            if ReleaseRQ() in side.said:
                continue  # what crosses our release is dropped
            heard = side.heard
            assert heard == peer.said[: len(heard)]
            assert not [event for event in side.events if isinstance(event, RequestRefused)]

    @invariant()
    def cancels_were_meant(self) -> None:
        for role, side in self.sides.items():
            heard = [event.message_id for event in side.events if isinstance(event, CancelReceived)]
            assert len(heard) <= len(self.other(role).cancelled)
            assert set(heard) <= set(self.other(role).cancelled)

    @invariant()
    def facts_agree(self) -> None:
        for side in self.sides.values():
            connection = side.connection
            assert (connection.next_event() is CLOSED) is side.is_over
            if side.is_over:
                assert not connection.outstanding
                assert not connection.unanswered
                ends = [event for event in side.events if isinstance(event, (Abort, LocallyEnded))]
                assert len(ends) <= 1
            elif connection.state is State.STA6:
                assert connection.is_sending is (side.current is not None)
                assert connection.can_invoke is (len(connection.outstanding) < WINDOW)

    @invariant()
    def what_was_cut_short_is_told_once(self) -> None:
        for side in self.sides.values():
            cuts = [event for event in side.events if isinstance(event, MessageIncomplete)]
            assert len(cuts) <= 1

    def teardown(self) -> None:
        """Let all bytes arrive: an end that was said is heard."""
        for _ in range(3):
            for role in Role:
                self.carry(role, 10**6)
        self.each_hears_what_the_other_said()
        if any(side.is_over for side in self.sides.values()):
            waiting = [s for s in self.sides.values() if not s.is_over]
            assert all(side.connection.state in (State.STA9, State.STA12) for side in waiting)


TestPair = Pair.TestCase
