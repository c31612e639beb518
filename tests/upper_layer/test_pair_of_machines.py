"""A requestor and an acceptor, driven at random against the simplest model there is.

What one side sent, the other receives, in that order and nothing else, until it ends or the wire
breaks. Neither side ever finds fault with the other, however local calls, bytes and time are mixed.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dicomproto.errors import LocalProtocolError
from dicomproto.upper_layer import (
    CLOSED,
    PDU,
    Abort,
    AssociateRJ,
    CloseAction,
    ConnectionClosed,
    LocallyEnded,
    PDVChunk,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    TimerExpired,
    UpperLayer,
)
from dicomproto.upper_layer.states import TRANSITIONS
from tests.conversations import AC, RJ, RQ, events_of, sent_by
from tests.streams import joined

LOCAL_ENDS = (LocallyEnded, ConnectionClosed, TimerExpired)
sides = st.sampled_from(Role)


class Side:
    """One machine, the wire that leaves it, and what the model knows of it."""

    def __init__(self, role: Role) -> None:
        self.machine = UpperLayer(role)
        self.sent: list[object] = []
        self.events: list[object] = []
        self.wire = bytearray()
        self.has_closed = False
        self.is_cut = False

    @property
    def received(self) -> list[object]:
        """What came from the peer, PDVs joined; one that has only begun is left out."""
        events = [event for event in joined(self.events) if not isinstance(event, LOCAL_ENDS)]
        if events and isinstance(events[-1], PDVChunk) and not events[-1].end_of_pdv:
            events.pop()
        return [(e.is_command, e.is_last, e.data) if isinstance(e, PDVChunk) else e for e in events]

    @property
    def ended(self) -> list[object]:
        return [event for event in self.events if isinstance(event, LOCAL_ENDS)]

    def look(self) -> None:
        """Take the events and put what is to be sent on the wire."""
        events = events_of(self.machine)
        self.events += events
        for event in events:
            if isinstance(event, TimerExpired) and event.state not in ("Sta2", "Sta4", "Sta13"):
                self.sent.append(Abort())
        self.wire += sent_by(self.machine)


class Pair(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sides = {role: Side(role) for role in Role}
        self.now = 0.0

    def other(self, role: Role) -> Side:
        return self.sides[Role.ACCEPTOR if role is Role.REQUESTOR else Role.REQUESTOR]

    def send(self, role: Role, pdu: PDU, event: str) -> None:
        """Send, and hold what happens against Table 9-10."""
        side = self.sides[role]
        machine = side.machine
        before, ended = machine.state, machine.close_action is not CloseAction.NONE
        allowed = (event, before) in TRANSITIONS and not ended
        if event == "Evt1" and role is Role.ACCEPTOR:
            allowed = False
        try:
            machine.send(pdu)
        except LocalProtocolError:
            assert not allowed
            assert machine.state is before
        else:
            assert allowed or (ended and event == "Evt15")
            if allowed and before is not State.STA4:
                side.sent.append(pdu)
        side.look()

    # --- what the local users do ------------------------------------------------------------------

    @initialize(is_established=st.sampled_from([True, True, True, False]))
    def begin(self, is_established: bool) -> None:
        if is_established:
            self.propose()
            self.connect(Role.REQUESTOR)
            self.connect(Role.ACCEPTOR)
            self.carry(Role.REQUESTOR, 1000)
            self.answer(Role.ACCEPTOR, True)
            self.carry(Role.ACCEPTOR, 1000)
            assert {side.machine.state for side in self.sides.values()} == {State.STA6}

    @rule()
    def propose(self) -> None:
        self.send(Role.REQUESTOR, RQ, "Evt1")

    @rule(role=sides)
    def connect(self, role: Role) -> None:
        side = self.sides[role]
        state = State.STA4 if role is Role.REQUESTOR else State.STA1
        allowed = side.machine.state is state and side.machine.close_action is CloseAction.NONE
        # The acceptor hears of the connection when the requestor has one.
        if role is Role.ACCEPTOR and self.sides[Role.REQUESTOR].machine.state is not State.STA5:
            return
        try:
            side.machine.transport_connected()
        except LocalProtocolError:
            assert not allowed
        else:
            assert allowed
        side.look()

    @rule(role=sides, accept=st.booleans())
    def answer(self, role: Role, accept: bool) -> None:
        self.send(role, AC if accept else RJ, "Evt7" if accept else "Evt8")

    @rule(role=sides)
    def release(self, role: Role) -> None:
        self.send(role, ReleaseRQ(), "Evt11")

    @rule(role=sides)
    def answer_release(self, role: Role) -> None:
        self.send(role, ReleaseRP(), "Evt14")

    @rule(role=sides, reason=st.integers(0, 6))
    def abort(self, role: Role, reason: int) -> None:
        self.send(role, Abort(source=2, reason=reason), "Evt15")

    @rule(role=sides, half=st.integers(0, 300), is_command=st.booleans(), is_last=st.booleans())
    def data(self, role: Role, half: int, is_command: bool, is_last: bool) -> None:
        side = self.sides[role]
        machine = side.machine
        payload = bytearray(at % 251 for at in range(2 * half))
        allowed = machine.state in (State.STA6, State.STA8) and machine.close_action is CloseAction.NONE
        try:
            machine.send_p_data(1, [payload[:5], payload[5:]], is_command=is_command, is_last=is_last)
        except LocalProtocolError:
            assert not allowed
        else:
            assert allowed
            side.sent.append((is_command, is_last, bytes(payload)))
        side.look()

    # --- what the world does ------------------------------------------------------------------------

    @rule(role=sides, size=st.one_of(st.integers(1, 40), st.just(10_000)))
    def carry(self, role: Role, size: int) -> None:
        """Carry some bytes from this side's wire to its peer, and its end of file once it is empty."""
        side, peer = self.sides[role], self.other(role)
        if peer.machine.state in (State.STA1, State.STA4) and peer.machine.close_action is CloseAction.NONE:
            return
        piece = bytes(side.wire[:size])
        del side.wire[:size]
        peer.machine.receive_data(piece)
        peer.look()
        if side.has_closed and not side.wire and not side.is_cut:
            peer.machine.receive_eof()
            peer.look()

    @rule(role=sides)
    @precondition(
        lambda self: any(s.machine.close_action is not CloseAction.NONE for s in self.sides.values())
    )
    def close(self, role: Role) -> None:
        """Do what `close_action` says; what is flushed still arrives."""
        side = self.sides[role]
        if side.machine.close_action is not CloseAction.NONE:
            side.has_closed = True

    @rule(role=sides)
    @precondition(lambda self: self.sides[Role.ACCEPTOR].machine.state is not State.STA1)
    def vanish(self, role: Role) -> None:
        """The connection breaks: what is under way is lost, both sides see the end."""
        for side in self.sides.values():
            side.wire.clear()
            side.is_cut = side.has_closed = True
            side.machine.receive_eof()
            side.look()
            side.wire.clear()

    @rule(seconds=st.sampled_from([0.5, 3.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        for side in self.sides.values():
            side.machine.next_deadline(self.now)
        self.now += seconds
        for side in self.sides.values():
            side.machine.handle_timeout(self.now)
            side.look()

    # --- the model ----------------------------------------------------------------------------------

    @invariant()
    def each_receives_what_the_other_sent(self) -> None:
        for role, side in self.sides.items():
            sent = self.other(role).sent
            assert side.received == sent[: len(side.received)]

    @invariant()
    def each_ends_once(self) -> None:
        for side in self.sides.values():
            over = side.machine.close_action is not CloseAction.NONE
            last_words = [e for e in side.received if isinstance(e, (Abort, AssociateRJ))]
            assert len(side.ended) + len(last_words) <= 1
            assert (side.machine.next_event() is CLOSED) is over
            if not over:
                assert not side.ended
                assert not last_words

    @invariant()
    def both_know_the_same_association(self) -> None:
        requestor, acceptor = (self.sides[role].machine for role in Role)
        assert requestor.request in (None, RQ)
        assert acceptor.request in (None, RQ)
        if requestor.state is State.STA6:
            assert requestor.answer == acceptor.answer == AC

    def teardown(self) -> None:
        """Let all bytes arrive and both sides close: both have ended, or never began."""
        for _ in range(3):
            for role in Role:
                self.close_if_over(role)
                self.carry(role, 10**6)
        for role, side in self.sides.items():
            if side.machine.close_action is CloseAction.NONE and self.other(role).has_closed:
                assert side.machine.state in (State.STA1, State.STA4)
        self.each_receives_what_the_other_sent()

    def close_if_over(self, role: Role) -> None:
        side = self.sides[role]
        side.has_closed |= side.machine.close_action is not CloseAction.NONE


TestPair = Pair.TestCase
