"""One end of an association in any state that the standard allows, and two ends wired together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dicomproto import BUSY, Connection
from dicomproto.config import Limits, Timeouts
from dicomproto.upper_layer import (
    CLOSED,
    NEED_DATA,
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    UpperLayer,
    encode_pdu,
)

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"

RQ = AssociateRQ(
    called_ae_title="SCP",
    calling_ae_title="SCU",
    presentation_contexts=(
        PresentationContextRQ(context_id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT,)),
        PresentationContextRQ(context_id=3, abstract_syntax="1.2.3", transfer_syntaxes=(IMPLICIT,)),
    ),
    maximum_length=16384,
    implementation_class_uid="1.2.3.4",
)
AC = AssociateAC(
    called_ae_title="SCP",
    calling_ae_title="SCU",
    presentation_contexts=(
        PresentationContextAC(context_id=1, result=0, transfer_syntax=IMPLICIT),
        PresentationContextAC(context_id=3, result=3, transfer_syntax=IMPLICIT),
    ),
    maximum_length=16384,
    implementation_class_uid="1.2.3.5",
)
"""Accepts context 1 and refuses context 3."""
RJ = AssociateRJ(result=1, source=1, reason=1)
P_DATA = PDataTF(values=(PresentationDataValue(context_id=1, is_command=True, is_last=True, data=b"ping"),))

RECEIVED = {
    "Evt3": encode_pdu(AC),
    "Evt4": encode_pdu(RJ),
    "Evt6": encode_pdu(RQ),
    "Evt10": encode_pdu(P_DATA),
    "Evt12": encode_pdu(ReleaseRQ()),
    "Evt13": encode_pdu(ReleaseRP()),
    "Evt16": encode_pdu(Abort(source=2, reason=4)),
    "Evt19": b"\x08\x00\x00\x00\x00\x00",
}
"""What a peer sends to cause each event."""

SENT: dict[str, PDU] = {
    "Evt1": RQ,
    "Evt7": AC,
    "Evt8": RJ,
    "Evt9": P_DATA,
    "Evt11": ReleaseRQ(),
    "Evt14": ReleaseRP(),
    "Evt15": Abort(),
}
"""What the local user sends to cause each event."""

_ROUTES: dict[tuple[Role, State], tuple[State | None, str]] = {}
"""(role, state) -> the state before it and the event that leads from there."""
for _role, _routes in {
    Role.REQUESTOR: {
        State.STA4: (State.STA1, "Evt1"),
        State.STA5: (State.STA4, "Evt2"),
        State.STA6: (State.STA5, "Evt3"),
        State.STA9: (State.STA7, "Evt12"),
        State.STA11: (State.STA9, "Evt14"),
    },
    Role.ACCEPTOR: {
        State.STA2: (State.STA1, "Evt5"),
        State.STA3: (State.STA2, "Evt6"),
        State.STA6: (State.STA3, "Evt7"),
        State.STA10: (State.STA7, "Evt12"),
        State.STA12: (State.STA10, "Evt13"),
    },
}.items():
    _common = {
        State.STA1: (None, ""),
        State.STA7: (State.STA6, "Evt11"),
        State.STA8: (State.STA6, "Evt12"),
        State.STA13: (State.STA6, "Evt15"),
    }
    _ROUTES.update({(_role, state): route for state, route in (_routes | _common).items()})

PLACES = sorted(_ROUTES, key=lambda place: (place[0].value, int(place[1].value[3:])))
"""Every role with every state that it can be in."""


def fire(machine: UpperLayer | Connection, event: str) -> None:
    """Cause `event`: by a call, by bytes, by end of file or by the passing of time."""
    if event in SENT:
        machine.send(SENT[event])
    elif event in RECEIVED:
        machine.receive_data(RECEIVED[event])
    elif event == "Evt17":
        machine.receive_eof()
    elif event == "Evt18":
        machine.next_deadline(0.0)
        machine.handle_timeout(1e9)
    else:
        machine.transport_connected()


def events_of(machine: UpperLayer | Connection) -> list[object]:
    """Return all events up to NEED_DATA or CLOSED; these two are left out, and BUSY."""
    events: list[object] = []
    while (event := machine.next_event()) is not NEED_DATA and event is not CLOSED:
        if event is not BUSY:
            events.append(event)
    return events


def sent_by(machine: UpperLayer) -> bytes:
    """Return what the machine wants sent, joined."""
    return b"".join(machine.data_to_send())


M = TypeVar("M", UpperLayer, Connection)


def machine_in(
    role: Role,
    state: State = State.STA6,
    *,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    drain: bool = True,
    kind: type[M] = UpperLayer,
) -> M:
    """Return a machine that got into `state` by a legal conversation; `drain` takes its events and output."""
    machine = kind(role, timeouts=timeouts, limits=limits)
    steps: list[str] = []
    place: State | None = state
    while place is not None:
        place, event = _ROUTES[role, place]
        steps.insert(0, event)
    for event in steps[1:]:
        fire(machine, event)
        events_of(machine)
    if drain:
        machine.data_to_send()
    assert machine.state is state
    return machine


Cut = Callable[[bytes], list[bytes]]


class Pair:
    """A requestor and an acceptor wired back to back; `cut` says how the wire cuts the bytes."""

    def __init__(self, cut: Cut = lambda data: [data], **options: object) -> None:
        self.requestor = UpperLayer(Role.REQUESTOR, **options)
        self.acceptor = UpperLayer(Role.ACCEPTOR, **options)
        self.cut = cut

    def other(self, machine: UpperLayer) -> UpperLayer:
        """Return the peer of `machine`."""
        return self.acceptor if machine is self.requestor else self.requestor

    def carry(self, machine: UpperLayer) -> list[object]:
        """Carry what `machine` wants sent to its peer; return the peer's events."""
        peer = self.other(machine)
        events: list[object] = []
        for piece in self.cut(sent_by(machine)):
            peer.receive_data(piece)
            events += events_of(peer)
        return events

    def establish(self, rq: AssociateRQ = RQ, ac: AssociateAC = AC) -> Pair:
        """Make the association."""
        self.requestor.send(rq)
        self.requestor.transport_connected()
        self.acceptor.transport_connected()
        assert self.carry(self.requestor) == [rq]
        self.acceptor.send(ac)
        assert self.carry(self.acceptor) == [ac]
        return self
