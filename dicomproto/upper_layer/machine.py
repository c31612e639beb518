"""`UpperLayer`: the state machine of PS3.8 on top of the framer, at the level of P-DATA.

Bytes, end of file and time go in. PDUs, PDV chunks, one terminal event and bytes to send come out. Each
action of Table 9-10 is one method (`_ae_1` ... `_aa_8`). `_fire` looks up the cell of the table, and is the
only place where the state changes.

The header of a PDU is queued together with its payload, so an A-ABORT always falls on a PDU boundary. Bytes
received after the terminal event are discarded unparsed. PS3.8 lets AA-7 answer further PDUs with further
A-ABORTs, but nothing may follow our last PDU while the sending side is shut down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..config import Limits, Timeouts
from ..errors import InvalidPDU, LocalProtocolError
from .associate_cache import AssociateCache
from .conformance import MINIMUM_LENGTH, check_associate_ac, check_associate_rj, check_associate_rq
from .contexts import UsableContext, usable_contexts
from .encoding import encode_pdu
from .events import (
    CLOSED,
    NEED_DATA,
    CloseAction,
    Closed,
    ConnectionClosed,
    LocallyEnded,
    NeedData,
    PDVChunk,
    Role,
    Terminal,
    TimerExpired,
    UpperLayerEvent,
)
from .fragments import JOINED, UNLIMITED_LENGTH, fragments, packed_fragments
from .framer import P_DATA_HEADER, Framer, Item, PlainPDV
from .layout import INVALID_PARAMETER, P_DATA_AND_PDV, P_DATA_TF, PDU_NAMES, UNEXPECTED_PDU
from .pdu import PDU, Abort, AssociateAC, AssociateRJ, AssociateRQ, Buffer, PDataTF, ReleaseRP, ReleaseRQ
from .states import TRANSITIONS, State
from .timers import Timers
from .violations import violation

T = TypeVar("T")

Transition = Callable[[str, State, str, State], object]
"""A function of an event, the state before it, the action of Table 9-10 and the state after it."""

_SENT_EVENTS: dict[type, str] = {
    AssociateRQ: "Evt1",
    AssociateAC: "Evt7",
    AssociateRJ: "Evt8",
    PDataTF: "Evt9",
    ReleaseRQ: "Evt11",
    ReleaseRP: "Evt14",
    Abort: "Evt15",
}
_STA6 = State.STA6  # a member of an enumeration costs a call
_UNCONNECTED = (State.STA1, State.STA4)
_RECEIVED_EVENTS: dict[type, tuple[str, str]] = {
    AssociateRQ: ("Evt6", PDU_NAMES[1]),
    AssociateAC: ("Evt3", PDU_NAMES[2]),
    AssociateRJ: ("Evt4", PDU_NAMES[3]),
    type(P_DATA_HEADER): ("Evt10", PDU_NAMES[4]),
    ReleaseRQ: ("Evt12", PDU_NAMES[5]),
    ReleaseRP: ("Evt13", PDU_NAMES[6]),
    Abort: ("Evt16", PDU_NAMES[7]),
}


def _checked_request(pdu: AssociateRQ) -> bytes:
    check_associate_rq(pdu)
    return encode_pdu(pdu)


def _checked_answer(pdu: AssociateAC, request: AssociateRQ) -> bytes:
    check_associate_ac(pdu, request)
    return encode_pdu(pdu)


def _usable(request: AssociateRQ, answer: AssociateAC) -> tuple[Sequence[UsableContext], frozenset[int]]:
    """Return the usable contexts, and their ids."""
    usable = usable_contexts(request, answer)
    return usable, frozenset([proposal.context_id for proposal, _ in usable])


def _given(name: str, given: T, kind: type[T]) -> T:
    if not isinstance(given, kind):  # any other value would count as the role of an acceptor
        raise TypeError(f"{name}: a {kind.__name__} is wanted, not {type(given).__name__}")
    return given


class UpperLayer:
    """One end of one association at the P-DATA level: for proxies, routers, test rigs and fuzzers.

    A requestor calls `send(AssociateRQ(...))`, then `transport_connected()` when the TCP connection
    stands; an acceptor calls `transport_connected()` and waits for the AssociateRQ event. A `cache` may serve
    many associations.
    """

    def __init__(
        self,
        role: Role,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        cache: AssociateCache | None = None,
    ) -> None:
        self.role: Role = _given("role", role, Role)
        self.limits: Limits = Limits() if limits is None else _given("limits", limits, Limits)
        self.timeouts: Timeouts = Timeouts() if timeouts is None else _given("timeouts", timeouts, Timeouts)
        self.state: State = State.STA1
        self.request: AssociateRQ | None = None
        """The A-ASSOCIATE-RQ that was sent or received."""
        self.answer: AssociateAC | None = None
        """The A-ASSOCIATE-AC that was sent or received."""
        self.usable: Sequence[UsableContext] = ()
        """The accepted presentation contexts: proposal and answer."""
        self.peer_maximum_length: int = UNLIMITED_LENGTH
        """Most bytes of a P-DATA-TF of ours after its header."""
        self.on_transition: Transition | None = None
        """Function that is called after each transition, for traces.

        It must not raise, and must not call this object.
        """
        self._encoded_request = b""  # until the transport connection stands
        self._cache = AssociateCache(most=0) if cache is None else cache
        self._framer = Framer(self.limits, self._cache)
        self._events: list[UpperLayerEvent] = []  # few at any time
        self._outbox: list[Buffer] = []
        self._accepted: frozenset[int] = frozenset()
        self._terminal: Terminal | None = None
        self._eof = False
        self._timers = Timers(self.timeouts, self._framer)

    # --- bytes ---------------------------------------------------------------------------------

    def transport_connected(self) -> None:
        """Say that the TCP connection stands (Evt2, Evt5)."""
        event = "Evt2" if self.role is Role.REQUESTOR else "Evt5"
        self._check_local(event, "transport_connected()")
        self._fire(event, None)

    def receive_data(self, data: Buffer) -> None:
        """Take received bytes; `data` must not change afterwards. Empty data is ignored."""
        if self._terminal is not None or not len(data):
            return
        if self.state in _UNCONNECTED:
            raise LocalProtocolError(f"receive_data() before transport_connected(), in {self._where()}")
        if self._eof:
            raise LocalProtocolError("receive_data() after receive_eof()")
        self._framer.receive(data)

    def receive_eof(self) -> None:
        """Say that the peer closed the connection, or that it failed. Idempotent."""
        if self.state is State.STA13:
            self._fire("Evt17", None)
        self._eof = True

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to send, in order, and forget them: headers and the caller's payload views."""
        outbox, self._outbox = self._outbox, []
        return outbox

    # --- events --------------------------------------------------------------------------------

    def next_event(self) -> UpperLayerEvent | NeedData | Closed:
        """Return the next event, NEED_DATA or CLOSED. Never raises for anything that the peer does.

        The work of one call is bounded: at most two PDU headers, and one PDV or the body of one PDU.
        """
        while True:
            if self._events:
                return self._events.pop(0)
            if self._terminal is not None:
                return CLOSED
            item = None
            if self.state not in _UNCONNECTED:
                try:
                    item = self._framer.next()
                    if item is P_DATA_HEADER and self.state is State.STA6 and self.on_transition is None:
                        item = self._framer.next()  # Evt10 changes nothing in Sta6 (DT-2)
                except InvalidPDU as error:
                    self._fire("Evt19", error)
                    continue
            if type(item) is PDVChunk:
                if item.context_id in self._accepted:
                    return item
                self.violate(
                    f"presentation context {item.context_id} was not accepted",
                    item_path="P-DATA-TF / PDV",
                    reason=INVALID_PARAMETER,
                )
            elif item is not None:
                self._receive(item)
            elif not self._eof or self.state is State.STA1:
                return NEED_DATA
            else:
                self._fire("Evt17", None)

    def plain_pdv(self) -> PlainPDV | NeedData | None:
        """Return what `next_event` would return, if it is a PDV with nothing odd about it, or NEED_DATA.

        This is the short way of `Framer.plain_pdv`. It is open in Sta6, where Evt10 changes nothing (DT-2),
        while nobody looks at the transitions. None means that `next_event` has to tell.
        """
        if self.state is not _STA6 or self._events or self.on_transition is not None:
            return None
        pdv = self._framer.plain_pdv(self._accepted)
        return None if pdv is NEED_DATA and self._eof else pdv

    def has_fragment(self, context_id: int, most: int) -> bool:
        """Tell whether the next event is a whole PDV of 1 to `most` bytes of a data set on that context."""
        return self._framer.has_fragment(context_id, most)

    def _receive(self, item: Item) -> None:
        event, name = _RECEIVED_EVENTS[type(item)]
        if TRANSITIONS[event, self.state][0] in ("AE-3", "AE-6"):
            assert isinstance(item, (AssociateRQ, AssociateAC))
            if 0 < (item.maximum_length or 0) < MINIMUM_LENGTH:
                # An amplification: each byte or two of data would take 13 bytes on the wire.
                text = f"maximum length {item.maximum_length}, at least {MINIMUM_LENGTH} is needed"
                self.violate(text, item_path=f"{name} / user information", reason=INVALID_PARAMETER)
                return
        self._fire(event, item)

    def violate(self, text: str, *, item_path: str, reason: int = 0) -> None:
        """End the association because the content of the last PDV breaks a rule (Evt19)."""
        self._check_local("Evt19", "violate()")
        error = InvalidPDU(text, offset=self._framer.pdv_offset, item_path=item_path, reason=reason)
        self._fire("Evt19", error)

    # --- sending -------------------------------------------------------------------------------

    def send(self, pdu: PDU) -> None:
        """Queue `pdu` and change state; LocalProtocolError leaves both as they were.

        An Abort after the end of the association does nothing.
        """
        if isinstance(pdu, Abort) and self._terminal is not None:
            return
        event = _SENT_EVENTS.get(type(pdu))
        if event is None:
            raise LocalProtocolError(f"a {type(pdu).__name__} is no PDU to send")
        self._check_local(event, type(pdu).__name__)
        if isinstance(pdu, AssociateRQ):
            if self.role is not Role.REQUESTOR:
                raise LocalProtocolError("an acceptor sends no AssociateRQ")
            encoded = self._cache.once(_checked_request, pdu)
        elif isinstance(pdu, AssociateAC):
            assert self.request is not None
            encoded = self._cache.once(_checked_answer, pdu, self.request)
        else:
            if isinstance(pdu, AssociateRJ):
                check_associate_rj(pdu)
            elif isinstance(pdu, PDataTF):
                self._check_p_data(pdu)
            encoded = encode_pdu(pdu)
        self._fire(event, [encoded] if isinstance(pdu, PDataTF) else (pdu, encoded))

    def _check_p_data(self, pdu: PDataTF) -> None:
        length = sum(memoryview(value.data).nbytes + 6 for value in pdu.values)
        if not 6 <= length <= self.peer_maximum_length:
            raise LocalProtocolError(
                f"a P-DATA-TF of {length} bytes; the peer takes 6 to {self.peer_maximum_length}"
            )
        for value in pdu.values:
            self._check_pdv(value.context_id, memoryview(value.data).nbytes)

    def check_p_data(self, context_id: int, length: int) -> None:
        """Raise LocalProtocolError if `send_p_data` would raise it for a fragment of `length` bytes."""
        self._check_local("Evt9", "P-DATA")
        self._check_pdv(context_id, length)

    def _check_pdv(self, context_id: int, length: int) -> None:
        if context_id not in self._accepted:
            raise LocalProtocolError(f"presentation context {context_id} was not accepted")
        if length & 1:  # PS3.8 Annex E.1
            raise LocalProtocolError(f"a fragment of {length} bytes; fragments have an even length")

    def send_p_data(
        self,
        context_id: int,
        parts: Sequence[Buffer],
        *,
        is_command: bool,
        is_last: bool,
        command: bytes = b"",
    ) -> None:
        """Queue `parts`, joined in order, as PDVs of one context that fit the peer's maximum length.

        Each PDV has a P-DATA-TF of its own. The total length must be even; `is_last` marks the last PDV. The
        buffers must not change until the send that carries them has returned. A whole `command` set is sent
        before them, in one P-DATA-TF with the first PDV if both fit.
        """
        views, length = [], 0
        for part in parts:
            view = memoryview(part).cast("B")  # a view of wider items counts items
            views.append(view)
            length += len(view)
        self._check_local("Evt9", "P-DATA")
        self._check_pdv(context_id, length)
        maximum = self.peer_maximum_length
        if command:
            self._check_pdv(context_id, len(command))
            buffers = packed_fragments(context_id, command, views, length, is_last, maximum)
        else:
            buffers = fragments(context_id, views, length, is_command | is_last << 1, maximum)
        self._fire("Evt9", buffers)

    def send_plain_pdv(self, context_id: int, data: Buffer, control: int) -> bool:
        """Queue `data`, of single bytes, as one PDV: the short way of `send_p_data`. Tell whether it is open.

        It is if the data fits in one P-DATA-TF, has an even length and is not empty, in Sta6, where Evt9 only
        queues the PDU (DT-1), while nobody looks at the transitions. `control` is the message control header.
        """
        length = len(data)
        if self.state is not _STA6 or self.on_transition is not None or context_id not in self._accepted:
            return False
        if not 0 < length <= self.peer_maximum_length - 6 or length & 1:
            return False
        header = P_DATA_AND_PDV.pack(P_DATA_TF, length + 6, length + 2, context_id, control)
        self._outbox += (header + data,) if length <= JOINED else (header, memoryview(data))
        return True

    # --- time ----------------------------------------------------------------------------------

    def next_deadline(self, now: float) -> float | None:
        """Return when to call `handle_timeout`, in the clock of `now` (seconds), or None for never.

        Timers that were armed since the last call start to run at `now`.
        """
        return self._timers.next_deadline(now)

    def handle_timeout(self, now: float) -> None:
        """Act on every timer whose deadline has come."""
        for timer in self._timers.expired(now):
            self.expire(timer)

    def expire(self, timer: str) -> None:
        """End the association because a wait was too long."""
        event = "Evt18" if self.state in (State.STA2, State.STA13) else "Evt15"
        if (event, self.state) not in TRANSITIONS:
            raise LocalProtocolError(f"nothing is waited for in {self._where()}")
        self._fire(event, TimerExpired(timer=timer, state=self.state.value))

    # --- closing -------------------------------------------------------------------------------

    @property
    def close_action(self) -> CloseAction:
        """What the caller has to do with the transport connection now."""
        if self._terminal is None:
            return CloseAction.NONE
        if self.state is not State.STA13 or (self._eof and not self._outbox):
            return CloseAction.CLOSE
        return CloseAction.SHUTDOWN

    @property
    def is_mid_pdu(self) -> bool:
        """Whether a PDU of the peer is under way: begun, and not complete."""
        return self._framer.is_mid_pdu

    @property
    def bytes_received(self) -> int:
        """Bytes consumed so far; they tell progress from silence while `is_mid_pdu`."""
        return self._framer.consumed

    def unread(self) -> tuple[int, list[Buffer]]:
        """Return how many bytes of the current PDU are still due, and the bytes that are not consumed yet.

        A listener that joins in the middle of the byte stream needs both.
        """
        return self._framer.unread()

    # --- the table -----------------------------------------------------------------------------

    def _where(self) -> str:
        return f"{self.state.value} ({self.state.meaning})"

    def _check_local(self, event: str, what: str) -> None:
        if (event, self.state) not in TRANSITIONS or self._terminal is not None:
            raise LocalProtocolError(f"{what} is not allowed in {self._where()}")

    def _fire(self, event: str, argument: object) -> None:
        met = self.state
        action, following = TRANSITIONS[event, met]
        chosen = _ACTIONS[action](self, argument)
        self.state = chosen or following[0]
        if self.on_transition is not None:
            self.on_transition(event, met, action, self.state)

    def _end(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._events.append(terminal)
        self._framer.discard()
        self._timers.end()

    # Association establishment (PS3.8 Table 9-6)

    def _ae_1(self, sent: tuple[AssociateRQ, bytes]) -> None:
        self.request, self._encoded_request = sent
        self._framer.maximum_length = self.request.maximum_length or 0

    def _ae_2(self, _: None) -> None:
        self._outbox.append(self._encoded_request)
        self._encoded_request = b""
        self._timers.arm("association")

    def _ae_3(self, answer: AssociateAC) -> None:
        self._timers.disarm("association")
        self._establish(answer, answer.maximum_length)
        self._events.append(answer)

    def _ae_4(self, rejection: AssociateRJ) -> None:
        self._end(rejection)

    def _ae_5(self, _: None) -> None:
        self._timers.arm("artim")

    def _ae_6(self, request: AssociateRQ) -> State | None:
        self._timers.disarm("artim")
        if not request.protocol_version & 1:
            rejection = AssociateRJ(result=1, source=2, reason=2)
            self._ae_8((rejection, encode_pdu(rejection)))
            return State.STA13
        self.request = request
        self._set_peer_maximum_length(request.maximum_length)
        self._events.append(request)
        return None

    def _ae_7(self, sent: tuple[AssociateAC, bytes]) -> None:
        answer, encoded = sent
        self._framer.maximum_length = answer.maximum_length or 0
        self._establish(answer, None)
        self._outbox.append(encoded)

    def _ae_8(self, sent: tuple[AssociateRJ, bytes]) -> None:
        rejection, encoded = sent
        self._outbox.append(encoded)
        self._end(LocallyEnded(pdu=rejection))
        self._timers.arm("close")

    def _establish(self, answer: AssociateAC, peer_maximum_length: int | None) -> None:
        self.answer = answer
        if self.role is Role.REQUESTOR:
            self._set_peer_maximum_length(peer_maximum_length)
        assert self.request is not None
        self.usable, self._accepted = self._cache.once(_usable, self.request, answer)

    def _set_peer_maximum_length(self, announced: int | None) -> None:
        """Set the peer's maximum length: 0 is no limit (PS3.8 D.1), and an odd one is rounded down.

        Fragments have an even length.
        """
        self.peer_maximum_length = min((announced or UNLIMITED_LENGTH) & ~1, UNLIMITED_LENGTH)

    # Data transfer (PS3.8 Table 9-7)

    def _dt_1(self, buffers: list[Buffer]) -> None:
        self._outbox += buffers

    def _dt_2(self, _: object) -> None:
        """Nothing to do: the framer gives the PDVs."""

    # Association release (PS3.8 Table 9-8)

    def _ar_1(self, sent: tuple[ReleaseRQ, bytes]) -> None:
        self._outbox.append(sent[1])
        self._timers.arm("association")

    def _ar_2(self, request: ReleaseRQ) -> None:
        self._events.append(request)

    def _ar_3(self, response: ReleaseRP) -> None:
        self._end(response)

    def _ar_4(self, sent: tuple[ReleaseRP, bytes]) -> None:
        response, encoded = sent
        self._outbox.append(encoded)
        self._end(LocallyEnded(pdu=response))
        self._timers.arm("close")

    def _ar_5(self, _: None) -> None:
        self._timers.clear()

    _ar_6 = _dt_2
    _ar_7 = _dt_1

    def _ar_8(self, request: ReleaseRQ) -> State:
        self._events.append(request)
        return State.STA9 if self.role is Role.REQUESTOR else State.STA10

    def _ar_9(self, sent: tuple[ReleaseRP, bytes]) -> None:
        self._outbox.append(sent[1])

    def _ar_10(self, response: ReleaseRP) -> None:
        self._timers.disarm("association")
        self._events.append(response)

    # Abort (PS3.8 Table 9-9)

    def _aa_1(self, cause: object) -> None:
        self._abort(cause, source=0)

    def _aa_2(self, cause: object) -> None:
        if self._terminal is not None:
            return  # Sta13: only the connection has to be closed
        if isinstance(cause, tuple):
            self._end(LocallyEnded(pdu=cause[0]))
        else:
            assert isinstance(cause, (Abort, TimerExpired))
            self._end(cause)

    def _aa_3(self, abort: Abort) -> None:
        self._end(abort)

    def _aa_4(self, _: None) -> None:
        framer = self._framer
        quiet = not framer.consumed
        self._end(ConnectionClosed(state=self.state.value, mid_pdu=framer.is_mid_pdu, quiet=quiet))

    _aa_5 = _aa_4

    def _aa_6(self, _: object) -> None:
        """Ignore the PDU."""

    _aa_7 = _aa_6

    def _aa_8(self, cause: object) -> None:
        self._abort(cause, source=2)

    def _abort(self, cause: object, *, source: int) -> None:
        """Send A-ABORT, and end with its cause: our own request, a timer, or a fault of the peer."""
        if isinstance(cause, tuple):
            abort: Abort = cause[0]
            terminal: Terminal = LocallyEnded(pdu=abort)
        elif isinstance(cause, TimerExpired):
            abort, terminal = Abort(source=0, reason=0), cause
        else:
            error = cause if isinstance(cause, InvalidPDU) else self._unexpected(cause)
            first_bytes = self._framer.first_bytes
            abort, terminal = violation(error, self.state.value, source=source, first_bytes=first_bytes)
        self._outbox.append(encode_pdu(abort))
        self._end(terminal)
        self._timers.arm("close")

    def _unexpected(self, item: object) -> InvalidPDU:
        text, name = f"not expected in {self._where()}", _RECEIVED_EVENTS[type(item)][1]
        return InvalidPDU(text, offset=self._framer.pdu_offset, item_path=name, reason=UNEXPECTED_PDU)


_ACTIONS: dict[str, Callable[..., State | None]] = {
    action: getattr(UpperLayer, f"_{action.lower().replace('-', '_')}") for action, _ in TRANSITIONS.values()
}
"""The method of each action of Table 9-10."""
