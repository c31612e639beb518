"""Machines in every state of either role, and what must hold of them whatever happens.

`MAKE` has `UpperLayer` and `Connection` in each state that a role can be in, and connections in the middle of
messages. A `Watched` machine is driven step by step; each step checks what must hold of any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import dicomproto
from dicomproto import (
    BUSY,
    CLOSED,
    NEED_DATA,
    Abort,
    AssociateRJ,
    CloseAction,
    Connection,
    ConnectionClosed,
    Limits,
    LocallyEnded,
    LocalProtocolError,
    NotDicom,
    ProtocolViolation,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    TimerExpired,
    UpperLayer,
    decode_pdu,
)
from dicomproto.upper_layer.events import Terminal
from tests import dialogues, streams
from tests.conversations import PLACES, machine_in
from tests.dialogues import (
    ACTION,
    ECHO,
    EVENT,
    FIND_RQ,
    STORE,
    associate_ac,
    associate_rq,
    established,
    feed,
    message,
    pending,
)

Machine = UpperLayer | Connection

# --- machines -----------------------------------------------------------------------------------------

LIMITS = Limits(empty_fragments=3, command_length=400, outstanding_requests=4)
"""Small ones, so that they are met."""

AGREED = dialogues.window(3, 3) | dialogues.roles(dialogues.CT)


def fresh(role: Role) -> Connection:
    """Return a connection whose association stands."""
    return established(role, rq=associate_rq(**AGREED), ac=associate_ac(**AGREED), limits=LIMITS)


def busy_requestor() -> Connection:
    """Return a requestor with three open requests, the last of which is being sent."""
    connection = fresh(Role.REQUESTOR)
    connection.send_request(FIND_RQ, 5)
    connection.send_data(b"", last=True)
    connection.send_request(ACTION.replace(MessageID=2), 11)
    connection.send_request(STORE.replace(MessageID=3), 3)
    connection.send_data(b"half", last=False)
    return connection


def busy_acceptor() -> Connection:
    """Return an acceptor with two requests to answer, the first of them in part."""
    connection = fresh(Role.ACCEPTOR)
    feed(connection, message(FIND_RQ, b"key "), message(ECHO.replace(MessageID=2)))
    connection.send_response(pending(FIND_RQ))
    return connection


def releasing(role: Role) -> Connection:
    """Return a connection that has asked for the release."""
    connection = fresh(role)
    connection.send(ReleaseRQ())
    return connection


IN_USE: dict[str, Callable[[], Connection]] = {
    "open requestor": partial(fresh, Role.REQUESTOR),
    "open acceptor": partial(fresh, Role.ACCEPTOR),
    "releasing requestor": partial(releasing, Role.REQUESTOR),
    "releasing acceptor": partial(releasing, Role.ACCEPTOR),
    "busy requestor": busy_requestor,
    "busy acceptor": busy_acceptor,
}
"""Connections with contexts for every service, the latter two in the middle of messages."""

SITUATIONS = list(IN_USE.values())

MAKE: dict[str, Callable[[], Machine]] = {
    f"{kind.__name__} {role.value} {state.value}": partial(machine_in, role, state, kind=kind)
    for kind in (UpperLayer, Connection)
    for role, state in PLACES
} | IN_USE
"""All machines, by name."""

LOCAL: list[Callable[[Connection], object]] = [
    lambda c: c.send_request(ECHO.replace(MessageID=0), 1),
    lambda c: c.send_request(ECHO, 1),
    lambda c: c.send_request(STORE.replace(MessageID=0), 3),
    lambda c: c.send_request(FIND_RQ.replace(MessageID=0), 13),
    lambda c: c.send_request(EVENT.replace(MessageID=0), 11),
    lambda c: c.send_response(ECHO.response()),
    lambda c: c.send_response(ECHO.replace(MessageID=2).response()),
    lambda c: c.send_response(FIND_RQ.response()),
    lambda c: c.send_response(pending(FIND_RQ)),
    lambda c: c.send_response(FIND_RQ.response(Status=-1)),
    lambda c: c.send_data(b"ab", last=False),
    lambda c: c.send_data(b"a", last=False),
    lambda c: c.send_data(b"", last=True),
    lambda c: c.send_data(b"abc", last=True),
    lambda c: c.send_cancel(1),
    lambda c: c.send_cancel(2),
    lambda c: c.send(ReleaseRQ()),
    lambda c: c.send(ReleaseRP()),
    lambda c: c.send(associate_ac()),
    lambda c: c.send(Abort()),
]
"""What the user of a connection may try, at the right moment or not."""

HEARD: list[Callable[[Connection], object]] = [
    lambda c: feed(c, message(ECHO.replace(MessageID=2))),
    lambda c: feed(c, message(STORE.replace(MessageID=3), b"ab")),
]
"""What its peer may send meanwhile."""

# --- what must hold -----------------------------------------------------------------------------------

REASONS = (0, 1, 2, 5, 6)
"""Those of an A-ABORT of the service-provider that a fault can have (PS3.8 Table 9-26): 3 is reserved."""

PDU_TYPES = range(1, 8)


class Watched:
    """A machine, what it gave and sent, and the checks of each step.

    Nothing but LocalProtocolError comes out of it, and that only of what its user does. It ends once, and
    nothing follows. An A-ABORT leaves when the end says so, with the source and the reason of the cause.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.events: list[object] = []
        self.end: object = None
        self.sent = b""
        self.now = 0.0
        self._before = machine.bytes_received if isinstance(machine, UpperLayer) else None
        self._received = bytearray()
        self._was_over = self.is_over = machine.next_event() is CLOSED
        self._stood = machine.state not in (State.STA1, State.STA4)

    # -- steps

    def receive(self, data: bytes) -> None:
        """Have the peer send bytes; without a connection there is no peer, and that is the user's mistake."""
        if self._stood or self.is_over:
            self._received += data
            self.machine.receive_data(data)
            self._look()
        else:
            self.do(lambda machine: machine.receive_data(data))

    def end_of_file(self) -> None:
        """Have the peer close the connection."""
        self.machine.receive_eof()
        self._look()

    def wait(self, part: float = 1.0) -> None:
        """Let the time pass up to the next deadline, or a part of it."""
        deadline = self.machine.next_deadline(self.now)
        if deadline is not None and deadline < float("inf"):
            self.now += part * (deadline - self.now)
        self.machine.handle_timeout(self.now)
        self._look()

    def do(self, action: Callable[[Machine], object]) -> None:
        """Have the user do something, which may be the wrong thing."""
        state = self.machine.state
        try:
            action(self.machine)
        except LocalProtocolError:
            assert self.machine.state is state
        self._stood |= self.machine.state not in (State.STA1, State.STA4)
        self._look()

    # -- checks

    def _look(self) -> None:
        """Take what there is, and check it."""
        for _ in range(len(self._received) + 64):
            event = self.machine.next_event()
            if event is NEED_DATA or event is CLOSED:
                break
            if event is not BUSY:
                self._take(event)
        else:
            raise AssertionError("more events than bytes")
        sent = b"".join(self.machine.data_to_send())
        assert not (self.is_over and sent), "something was sent after the end"
        self.sent += sent
        self.is_over = event is CLOSED
        assert self.is_over is (self.end is not None or self._was_over)
        assert self.is_over is (self.machine.close_action is not CloseAction.NONE)
        assert self.aborts() == self._due(), self.end

    def _take(self, event: object) -> None:
        assert not self.is_over, "an event came after CLOSED"
        assert self.end is None, "an event came after the end"
        self.events.append(event)
        # A ReleaseRP that crosses our own release is not terminal (AR-10).
        if isinstance(event, Terminal) and not (
            type(event) is ReleaseRP and self.machine.state is State.STA12
        ):
            self.end = event

    def aborts(self) -> list[Abort]:
        """Return the A-ABORTs that were sent."""
        return [pdu for pdu in map(decode_pdu, pdus_of(self.sent)) if isinstance(pdu, Abort)]

    def _due(self) -> list[Abort]:
        """Return the A-ABORTs that the end calls for (PS3.8 9.2.3, 9.3.8)."""
        match self.end:
            case ProtocolViolation(state=state, abort=abort, offset=offset):
                assert state not in ("Sta1", "Sta4", "Sta13")
                if state == "Sta2":  # AA-1
                    assert abort == Abort(source=0, reason=0)
                else:  # AA-8, AA-7
                    assert abort.source == 2
                    assert abort.reason in REASONS
                    if self._before is not None and abort.reason == 1:
                        assert self._received[offset - self._before] not in PDU_TYPES
                return [abort]
            case NotDicom(abort=abort):
                early = self.machine.role is Role.ACCEPTOR
                assert abort == (Abort(source=0, reason=0) if early else Abort(source=2, reason=1))
                return [abort]
            case TimerExpired(timer=timer):
                return [] if timer == "artim" else [Abort(source=0, reason=0)]
            case LocallyEnded(pdu=Abort() as abort):
                return [abort] if self._stood else []
            case None | AssociateRJ() | ReleaseRP() | Abort() | ConnectionClosed() | LocallyEnded():
                return []
        raise AssertionError(f"no such end: {self.end}")

    def seen(self) -> tuple[object, ...]:
        """Return all that a peer or a user can see, apart from where chunks were cut."""
        joined = streams.joined if isinstance(self.machine, UpperLayer) else dialogues.joined
        facts: list[object] = [self.machine.state, self.machine.close_action]
        if isinstance(self.machine, Connection):
            facts += [dict(self.machine.outstanding), dict(self.machine.unanswered)]
            facts += [self.machine.is_receiving, self.machine.is_sending]
        else:
            facts += [self.machine.request, self.machine.answer]
            facts += [] if self.is_over else [self.machine.is_mid_pdu, self.machine.bytes_received]
        told = [(event, getattr(event, "warnings", ())) for event in joined(self.events)]
        return (told, self.sent, *facts)


def pdus_of(data: bytes) -> list[bytes]:
    """Return the PDUs that bytes consist of."""
    found = []
    while data:
        end = 6 + int.from_bytes(data[2:6], "big")
        assert len(data) >= end, "half a PDU was sent"
        found.append(data[:end])
        data = data[end:]
    return found


# --- steps --------------------------------------------------------------------------------------------

_ENGINE = str(Path(dicomproto.__file__).parent)


def calls_of(action: Callable[[], object]) -> int:
    """Return how many functions of Python and of C the engine calls while `action` runs."""
    count = 0

    def notice(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(_ENGINE):
            count += 1

    sys.setprofile(notice)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count
