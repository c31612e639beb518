"""The performer of operations (PS3.7 6.1): the requests of the peer, and our responses to them.

It refuses requests that must not reach a handler: those in a role that was not negotiated, and those that
their presentation context does not allow.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dimse.assembly import CommandReceived
from ..dimse.commands import CANCELLABLE, CCancelRQ, CFindRSP, Request, Response
from ..dimse.events import CancelReceived, MessageEvent, RequestReceived, RequestRefused
from ..dimse.inbox import Inbox
from ..dimse.outbox import Outbox
from ..dimse.status import DUPLICATE_INVOCATION, SOP_CLASS_NOT_SUPPORTED, Category, category_of
from ..errors import InvalidCommand, LocalProtocolError
from ..record import maker_of
from ..upper_layer.machine import UpperLayer
from ..upper_layer.states import State
from .agreement import Agreement

_make_request_received = maker_of(RequestReceived)


class Performer:
    """Takes requests and sends the responses to them; events for the handlers go to `emit`."""

    def __init__(
        self,
        upper: UpperLayer,
        agreement: Agreement,
        inbox: Inbox,
        outbox: Outbox,
        emit: Callable[[MessageEvent], None],
    ) -> None:
        self.unanswered: dict[int, RequestReceived] = {}
        """The peer's requests without a final response of ours, by Message ID."""
        self.cancelled: dict[int, None] = {}  # not a set: an empty one takes 216 bytes
        """Message IDs of the unanswered requests that the peer has cancelled."""
        self.limit: int = upper.limits.outstanding_requests
        """Most unanswered requests."""
        self._upper = upper
        self._agreement = agreement
        self._inbox = inbox
        self._outbox = outbox
        self._emit = emit

    def receive_request(self, received: CommandReceived, request: Request) -> None:
        """Report a request, or refuse it. Raises InvalidCommand if there are too many."""
        context_id, message_id = received.context_id, request.MessageID
        agreement, outbox = self._agreement, self._outbox
        context = agreement.contexts[context_id]
        if len(self.unanswered) + (outbox.count_final() if outbox.waiting else 0) >= self.limit:
            raise InvalidCommand(f"more than {self.limit} unanswered requests (Limits.outstanding_requests)")
        invocation, verdict = agreement.judge(request, context, by_us=False)
        waiting = outbox.waiting and outbox.has_response_to(message_id)
        if waiting or message_id in self.unanswered:
            self._refuse(received, request, DUPLICATE_INVOCATION, f"Message ID {message_id} is in use")
        elif invocation == "no":
            text = f"the role for {request.name} was not negotiated"
            self._refuse(received, request, SOP_CLASS_NOT_SUPPORTED, text)
        elif verdict.status is not None:
            self._refuse(received, request, verdict.status, verdict.text)
        elif self._upper.state is State.STA7:
            self._refuse(received, request, None, "arrived after our A-RELEASE-RQ")
        else:
            warnings = received.warnings
            if invocation == "warn":
                warnings += (f"role-not-negotiated: for {request.name}",)
            if verdict.warning is not None:
                warnings += (verdict.warning,)
            event = _make_request_received(context_id, request, received.has_data_set, warnings)
            self.unanswered[message_id] = event
            self._emit(event)

    def _refuse(self, received: CommandReceived, request: Request, status: int | None, text: str) -> None:
        context_id = received.context_id
        self._inbox.drop(received.has_data_set)
        if self._upper.state is State.STA7:
            status = None  # no response may follow our A-RELEASE-RQ (AR-6)
        if status is not None:
            response = request.response(Status=status, ErrorComment=text)
            self._outbox.send_in_turn(response, context_id)
        self._emit(RequestRefused(context_id=context_id, command=request, status=status, text=text))

    def receive_cancel(self, cancel: CCancelRQ) -> None:
        """Report the first C-CANCEL of an operation.

        A C-CANCEL of an operation that has ended crossed our last response, and is ignored.
        """
        message_id = cancel.MessageIDBeingRespondedTo
        unanswered = self.unanswered.get(message_id)
        is_useful = unanswered is not None and isinstance(unanswered.command, CANCELLABLE)
        if is_useful and message_id not in self.cancelled:
            self.cancelled[message_id] = None
            self._emit(CancelReceived(message_id=message_id))

    def send_response(self, response: Response) -> None:
        """Queue a response; see `Connection.send_response`."""
        message_id, outbox = response.MessageIDBeingRespondedTo, self._outbox
        if outbox.command is not None and response.has_data_set:
            outbox.check_free(response.name)
        received = self.unanswered.get(message_id)
        if received is None:
            raise LocalProtocolError(
                f"{response.name}: no request with Message ID {message_id} is unanswered"
            )
        if type(response) is not received.command.response_class:
            raise LocalProtocolError(f"{response.name} does not answer a {received.command.name}")
        category = category_of(response.Status)
        is_failure = category in (Category.FAILURE, Category.CANCEL)
        if not is_failure and self._inbox.is_incomplete(received.command):
            raise LocalProtocolError(
                f"{response.name} with status {response.Status:04X}H before the data set is complete"
            )
        is_final = category is not Category.PENDING
        if not is_final and not isinstance(received.command, CANCELLABLE):
            raise LocalProtocolError(f"{response.name} with pending status {response.Status:04X}H")
        if isinstance(response, CFindRSP) and not is_final and not response.has_data_set:
            raise LocalProtocolError("a pending C-FIND-RSP has an identifier (PS3.7 Table 9.3-4)")
        if outbox.command is None:
            outbox.send(response, received.context_id)
        else:
            outbox.send_in_turn(response, received.context_id)
        if is_final:
            del self.unanswered[message_id]
            self.cancelled.pop(message_id, None)
