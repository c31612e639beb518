"""`Connection`: DIMSE messages on top of `UpperLayer` (PS3.7), for either side of an association.

It allots Message IDs, matches responses to requests, counts the outstanding operations of both sides, and
streams data sets in and out as chunks. It refuses requests that must not reach a handler: those in a role
that was not negotiated, and those that their presentation context does not allow. It sends and receives one
message at a time; fragments of two messages never interleave.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from types import MappingProxyType

from .config import Limits, Timeouts
from .dimse.assembly import TINY, CommandReceived
from .dimse.commands import CCancelRQ, Request, Response
from .dimse.events import MessageEvent, MessageIncomplete, RequestReceived
from .dimse.inbox import Inbox
from .dimse.outbox import Outbox
from .dimse.waits import Waits
from .errors import InvalidCommand, LocalProtocolError
from .negotiation import AcceptedContext, ContextMatch, RejectedContext, operations_window
from .services import STANDARD, SOPClassRegistry
from .services.agreement import Agreement
from .services.invoker import Invoker
from .services.performer import Performer
from .upper_layer.associate_cache import AssociateCache
from .upper_layer.events import (
    BUSY,
    CLOSED,
    NEED_DATA,
    Busy,
    CloseAction,
    Closed,
    NeedData,
    PDVChunk,
    Role,
    Terminal,
)
from .upper_layer.machine import Transition, UpperLayer
from .upper_layer.pdu import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    SOPClassCommonExtendedNegotiation,
)
from .upper_layer.states import State

ConnectionEvent = AssociateRQ | AssociateAC | ReleaseRQ | Terminal | MessageEvent
"""What `Connection.next_event()` returns, besides NEED_DATA, BUSY and CLOSED."""

MOST_CHUNKS = 256
"""Most PDVs, or parts of PDVs, that one call of `next_event` takes in."""


class Connection:
    """One end of one association at the DIMSE level.

    A requestor calls `send(AssociateRQ(...))`, then `transport_connected()` when the TCP connection
    stands. An acceptor calls `transport_connected()`, waits for AssociateRQ and answers it.

    `pack_pdvs` puts a command set and the first fragment of its data set in one P-DATA-TF; some peers need
    this. `strict_roles` holds the peer to PS3.7 D.3.3.4, and `strict_dispatch` holds it to the SOP class of
    the context; known peers break both rules. With `idle_release` an acceptor releases the association when
    its idle time is up; without it, it aborts. Objects of the `supported_sop_classes` may come on the context
    of another SOP class; None stands for every known storage SOP class. `sop_classes` adds private SOP
    classes to those of the standard. `allow_unknown` lets us send requests that they do not have, on the
    context of their SOP class. A `cache` may serve many associations.
    """

    def __init__(
        self,
        role: Role,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        strict_roles: bool = False,
        pack_pdvs: bool = False,
        strict_dispatch: bool = False,
        idle_release: bool = False,
        supported_sop_classes: Container[str] | None = None,
        sop_classes: SOPClassRegistry = STANDARD,
        allow_unknown: bool = False,
        cache: AssociateCache | None = None,
    ) -> None:
        cache = AssociateCache(most=0) if cache is None else cache
        self._upper = UpperLayer(role, limits=limits, timeouts=timeouts, cache=cache)
        self._agreement = Agreement(
            role,
            strict_roles=strict_roles,
            strict_dispatch=strict_dispatch,
            supported_sop_classes=supported_sop_classes,
            sop_classes=sop_classes,
            allow_unknown=allow_unknown,
            cache=cache,
        )
        self._idle_release = idle_release
        self._events: list[ConnectionEvent] = []  # few at any time
        emit = self._events.append
        self._inbox = Inbox(self._upper, emit)
        self._outbox = Outbox(self._upper, pack_pdvs=pack_pdvs)
        self._invoker = Invoker(self._upper, self._agreement, self._inbox, self._outbox, emit)
        self._performer = Performer(self._upper, self._agreement, self._inbox, self._outbox, emit)
        self._operations = self._invoker.operations
        self._waits = Waits(self._operations, self.timeouts)
        self._release_reply_is_due = False

    # --- facts ---------------------------------------------------------------------------------

    @property
    def role(self) -> Role:
        """Which side of the association this is."""
        return self._upper.role

    @property
    def state(self) -> State:
        """The state of PS3.8 Table 9-10."""
        return self._upper.state

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._upper.limits

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts in force."""
        return self._upper.timeouts

    @property
    def is_established(self) -> bool:
        """Whether requests can be sent (Sta6)."""
        return self._upper.state is State.STA6

    @property
    def request(self) -> AssociateRQ | None:
        """The A-ASSOCIATE-RQ that was sent or received."""
        return self._upper.request

    @property
    def answer(self) -> AssociateAC | None:
        """The A-ASSOCIATE-AC that was sent or received."""
        return self._upper.answer

    @property
    def accepted_contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts, by id."""
        return MappingProxyType(self._agreement.contexts)

    @property
    def rejected_contexts(self) -> Mapping[int, RejectedContext]:
        """The rejected presentation contexts, by id; empty before the answer."""
        return self._agreement.rejected(self.request, self.answer)

    @property
    def outstanding(self) -> Mapping[int, Request]:
        """Our requests without a final response, by Message ID."""
        return {message_id: operation.request for message_id, operation in self._operations.items()}

    @property
    def unanswered(self) -> Mapping[int, RequestReceived]:
        """The peer's requests without a final response of ours, by Message ID."""
        return MappingProxyType(self._performer.unanswered)

    @property
    def can_invoke(self) -> bool:
        """Whether the asynchronous operations window has room for another request."""
        return len(self._operations) < self._operations.window

    @property
    def cancelled(self) -> Set[int]:
        """Message IDs of the unanswered operations that the peer has cancelled; the set stays current."""
        return self._performer.cancelled.keys()

    @property
    def is_sending(self) -> bool:
        """Whether a data set of ours is under way: begun, and without its last chunk."""
        return self._outbox.command is not None

    @property
    def is_receiving(self) -> bool:
        """Whether a message or PDU of the peer is under way: begun, and not complete."""
        return self._inbox.assembler.context_id is not None or self._upper.is_mid_pdu

    @property
    def peer_maximum_length(self) -> int:
        """Most bytes of a P-DATA-TF of ours after its header; the header of each PDV takes 6 of them."""
        return self._upper.peer_maximum_length

    @property
    def tiny_below(self) -> int:
        """Bytes; fragments of the peer below this mean are tiny, see `Limits.tiny_fragments`."""
        return self._inbox.assembler.tiny

    @property
    def close_action(self) -> CloseAction:
        """What the caller has to do with the transport connection now."""
        return self._upper.close_action

    @property
    def on_transition(self) -> Transition | None:
        """Function that is called after each transition of Table 9-10, for traces.

        It must not raise, and must not call this object.
        """
        return self._upper.on_transition

    @on_transition.setter
    def on_transition(self, function: Transition | None) -> None:
        self._upper.on_transition = function

    # --- bytes and time ------------------------------------------------------------------------

    def transport_connected(self) -> None:
        """Say that the TCP connection stands."""
        self._upper.transport_connected()

    def receive_data(self, data: Buffer) -> None:
        """Take received bytes; `data` must not change afterwards. Empty data is ignored.

        Read the socket only after `next_event()` returned NEED_DATA: that is the back-pressure.
        """
        self._upper.receive_data(data)

    def receive_eof(self) -> None:
        """Say that the peer closed the connection, or that it failed. Idempotent."""
        self._upper.receive_eof()

    def unread(self) -> tuple[int, list[Buffer]]:
        """Return how many bytes of the current PDU are still due, and the bytes that are not consumed yet.

        A listener that joins in the middle of the byte stream needs both.
        """
        return self._upper.unread()

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to send, in order, and forget them: headers and the caller's payload views."""
        return self._upper.data_to_send()

    def next_deadline(self, now: float, *, unread: float = 0.0) -> float | None:
        """Return when to call `handle_timeout`, in the clock of `now` (seconds), or None for never.

        Call this before each wait for input: timers armed since the last call start to run at `now`.
        `unread` is the part of the time since the last call, in seconds, in which the caller worked and did
        not wait; it does not count for `Timeouts.minimum_rate`.
        """
        earliest, at = self._upper.next_deadline(now), self._look(now, unread)
        return at if earliest is None or (at is not None and at < earliest) else earliest

    def handle_timeout(self, now: float) -> None:
        """Act on every timer whose deadline has come."""
        self._upper.handle_timeout(now)
        if self.close_action is not CloseAction.NONE:
            return
        self._look(now)
        timer = self._waits.expired(now)
        if timer == "idle" and self._idle_release:
            self.send(ReleaseRQ())
        elif timer is not None:
            self._upper.expire(timer)

    def _look(self, now: float, unread: float = 0.0) -> float | None:
        """Note what has moved; return when the first wait for a message is over."""
        upper, assembler = self._upper, self._inbox.assembler
        is_busy = self._operations or self._performer.unanswered or self._outbox.command is not None
        return self._waits.look(
            now,
            received=upper.bytes_received,
            message=assembler.message_number,
            is_answer_held_up=assembler.context_id is not None,
            is_idle=not is_busy and upper.role is Role.ACCEPTOR and upper.state is State.STA6,
            unread=unread,
        )

    # --- sending: the association --------------------------------------------------------------

    def send(
        self,
        pdu: AssociateRQ | AssociateAC | AssociateRJ | ReleaseRQ | ReleaseRP | Abort,
        *,
        common_extended: Iterable[SOPClassCommonExtendedNegotiation] = (),
    ) -> None:
        """Queue an association PDU and change state; LocalProtocolError leaves both as they were.

        A ReleaseRQ is allowed only after all operations of both sides have ended. A ReleaseRP that answers a
        colliding release waits until the standard allows it (Sta10). Abort is idempotent. `common_extended`
        belongs to an AssociateAC: the items of the requestor's SOP class common extended negotiation that we
        act on, as `accepted_common_extended` returns them. No PDU reports them to the requestor.
        """
        acted_on = tuple(common_extended)
        if isinstance(pdu, PDataTF):
            raise LocalProtocolError("messages are sent with send_request(), send_response(), send_data()")
        if isinstance(pdu, ReleaseRQ):
            self._check_nothing_open()
        elif isinstance(pdu, ReleaseRP) and self.state is State.STA10:
            self._release_reply_is_due = True
            return
        is_end = isinstance(pdu, Abort) and self.close_action is CloseAction.NONE
        self._upper.send(pdu)
        if isinstance(pdu, AssociateAC):
            self._establish(acted_on)
        elif is_end:
            # Nobody can act on the remaining events any more.
            kept = [event for event in self._events if isinstance(event, MessageIncomplete)]
            self._events.clear()
            self._events += kept

    def _check_nothing_open(self) -> None:
        self._outbox.check_free("A-RELEASE-RQ")
        for what, ids in (("sent", self._operations), ("received", self._performer.unanswered)):
            if ids:
                raise LocalProtocolError(
                    f"A-RELEASE-RQ while requests {what} are not answered: {sorted(ids)}"
                )

    def _establish(self, common_extended: Sequence[SOPClassCommonExtendedNegotiation]) -> None:
        request, answer = self._upper.request, self._upper.answer
        assert request is not None
        assert answer is not None
        self._agreement.settle(request, answer, self._upper.usable, common_extended)
        window = operations_window(request, answer)
        ours, theirs = window.maximum_invoked, window.maximum_performed
        if self.role is Role.ACCEPTOR:
            ours, theirs = theirs, ours
        announced = (request if self.role is Role.REQUESTOR else answer).maximum_length
        self._inbox.assembler.tiny = min(TINY, (announced or 4 * TINY) // 4)
        # 0 stands for any number (PS3.7 D.3.3.3); Message IDs end at 65535.
        self._operations.window = ours or 65535
        self._performer.limit = max(self.limits.outstanding_requests, theirs)

    # --- sending: messages ---------------------------------------------------------------------

    def find_request_context(
        self,
        request: type[Request],
        sop_class_uid: str,
        meta_uid: str | None = None,
        type_id: int | None = None,
    ) -> ContextMatch:
        """Find the accepted context that carries a request of ours; see `services.find_request_context`."""
        return self._agreement.find_context(request, sop_class_uid, meta_uid, type_id, self.rejected_contexts)

    def send_request(self, command: Request, context_id: int) -> int:
        """Queue a request on an accepted context; return its Message ID.

        An ID of 0 is replaced by one that no response is awaited or may come late for. So is the ID of an
        operation whose peer may well go on: one that was cancelled, or a C-FIND that ended with a warning.

        If the command has a data set, give it with `send_data`, to its last chunk, before you send anything
        else.
        """
        return self._invoker.send_request(command, context_id)

    def is_ambiguous(self, request: Request) -> bool:
        """Tell whether a late response to an operation that has ended would answer `request`.

        The operation had the same Message ID and the same service, and no later request has its response yet.
        Then take another Message ID: a faulty peer may send a second final response.
        """
        late = self._operations.late.get(request.MessageID)
        return late is not None and late.request.response_class is request.response_class

    def send_response(self, response: Response) -> None:
        """Queue a response to the peer's request with that Message ID; give its data set as for requests.

        A response without a data set waits until our current data set has ended. Until the peer's data set is
        complete, only a failure can be answered (PS3.7 9.3.1).
        """
        self._performer.send_response(response)

    def send_data(self, data: Buffer, *, last: bool, pad: bool = False) -> None:
        """Queue the next chunk, of any size, of the current data set; `last` ends the message.

        A data set has an even length. The last chunk of an odd one raises LocalProtocolError, unless `pad`
        adds one NUL. After an early failure (`ResponseReceived.is_early`) end the data set with b"": its last
        fragment is then two NULs, or the odd byte that was left and one NUL.

        `data` must not change until the send that carries it has returned.
        """
        command = self._outbox.command
        self._outbox.send_data(data, last=last, pad=pad)
        if last and isinstance(command, Request) and (operation := self._operations.get(command.MessageID)):
            operation.wait()

    def send_cancel(self, message_id: int) -> None:
        """Queue a C-CANCEL for an outstanding C-FIND, C-GET or C-MOVE; its final response still comes."""
        self._invoker.send_cancel(message_id)

    # --- receiving -----------------------------------------------------------------------------

    def next_event(self) -> ConnectionEvent | NeedData | Busy | Closed:
        """Return the next event, NEED_DATA, BUSY or CLOSED. Never raises for anything that the peer does.

        NEED_DATA means that no input is left. BUSY means that `MOST_CHUNKS` PDVs made no event (parts of a
        command set, a data set that is dropped, late C-CANCELs), and that input may be left: let others run,
        do not read, and call again. So the work of one call is bounded: that many PDVs and one event, which
        is a command set of `Limits.command_length`, another PDU, or up to 65 small fragments.
        """
        if self._events:
            return self._events.pop(0)
        upper, inbox = self._upper, self._inbox
        for _ in range(MOST_CHUNKS):
            event = upper.plain_pdv() or upper.next_event()
            if isinstance(event, (tuple, PDVChunk)):
                try:
                    command = inbox.take_plain(event) if isinstance(event, tuple) else inbox.take(event)
                    if command is not None:
                        self._command(command)
                except InvalidCommand as error:
                    self._violate(str(error))
            elif event is NEED_DATA or event is CLOSED:
                return event
            elif isinstance(event, AssociateAC):
                request = self._upper.request
                assert request is not None
                self._establish(request.sop_class_common_extended)
                return event
            elif isinstance(event, AssociateRQ):
                return event
            else:
                self._interrupt(event)
            if self._events:
                return self._events.pop(0)
        return BUSY

    def _violate(self, text: str) -> None:
        self._upper.violate(text, item_path="P-DATA-TF / PDV / message")

    def _interrupt(self, event: ReleaseRQ | Terminal) -> None:
        """Report the message that `event` cuts short, if any, and then `event`."""
        self._inbox.interrupt()
        if self.state is State.STA12:
            # The peer has answered our release; its own release waits for our answer (AR-10).
            if self._release_reply_is_due:
                self._upper.send(ReleaseRP())
            return
        if not isinstance(event, ReleaseRQ):
            self._outbox.discard()
            self._operations.clear()
            self._performer.unanswered.clear()
            self._performer.cancelled.clear()
        self._events.append(event)

    def _command(self, received: CommandReceived) -> None:
        command = received.command
        if isinstance(command, Request):
            self._performer.receive_request(received, command)
        elif isinstance(command, Response):
            self._invoker.receive_response(received, command)
        else:
            assert isinstance(command, CCancelRQ)
            self._performer.receive_cancel(command)
