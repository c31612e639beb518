"""The invoker of operations (PS3.7 6.1): our requests, and the responses that the peer sends to them."""

from __future__ import annotations

from collections.abc import Callable

from ..dimse.assembly import CommandReceived
from ..dimse.commands import CANCELLABLE, CCancelRQ, CFindRQ, Request, Response
from ..dimse.events import MessageEvent, ResponseReceived
from ..dimse.inbox import Inbox
from ..dimse.operations import Operations
from ..dimse.outbox import Outbox
from ..dimse.status import Category, category_of
from ..errors import InvalidCommand, LocalProtocolError
from ..record import changer_of, maker_of
from ..upper_layer.machine import UpperLayer
from ..upper_layer.states import State
from .agreement import Agreement

_make_response_received = maker_of(ResponseReceived)
_ENDED_WELL = (Category.SUCCESS, Category.WARNING)


class Invoker:
    """Sends requests, and matches responses to them; each response goes to `emit`."""

    def __init__(
        self,
        upper: UpperLayer,
        agreement: Agreement,
        inbox: Inbox,
        outbox: Outbox,
        emit: Callable[[MessageEvent], None],
    ) -> None:
        self.operations: Operations = Operations()
        self._upper = upper
        self._agreement = agreement
        self._inbox = inbox
        self._outbox = outbox
        self._emit = emit

    def send_request(self, command: Request, context_id: int) -> int:
        """Queue a request; see `Connection.send_request`."""
        agreement, operations = self._agreement, self.operations
        if self._outbox.command is not None:
            self._outbox.check_free(command.name)
        state = self._upper.state
        if state is not State.STA6:
            raise LocalProtocolError(f"{command.name} needs an association, this is {state.value}")
        context = agreement.contexts.get(context_id)
        if context is None:
            raise LocalProtocolError(f"{command.name}: presentation context {context_id} was not accepted")
        invocation, verdict = agreement.judge(command, context, by_us=True)
        if invocation == "no":
            raise LocalProtocolError(
                f"{command.name}: not in our role on context {agreement.name_of(context)}"
            )
        if len(operations) >= operations.window:
            raise LocalProtocolError(
                f"{command.name}: {len(operations)} operations are outstanding, as many as negotiated"
            )
        late = operations.late.get(command.MessageID)
        if not command.MessageID or (late is not None and late.is_doubtful):
            command = changer_of(type(command), "MessageID")(command, operations.next_message_id())
        message_id = command.MessageID
        if message_id in operations:
            raise LocalProtocolError(f"{command.name}: Message ID {message_id} is in use")
        if verdict.status is not None:
            raise LocalProtocolError(
                f"{command.name} on context {agreement.name_of(context)}: {verdict.text};"
                " with allow_unknown=True it is sent all the same"
            )
        self._outbox.send(command, context_id)
        operations.add(command, context_id)
        return message_id

    def send_cancel(self, message_id: int) -> None:
        """Queue a C-CANCEL; see `Connection.send_cancel`."""
        self._outbox.check_free("C-CANCEL-RQ")
        operation = self.operations.get(message_id)
        if operation is None or not isinstance(operation.request, CANCELLABLE):
            raise LocalProtocolError(
                f"no C-FIND, C-GET or C-MOVE with Message ID {message_id} is outstanding"
            )
        self._outbox.send(CCancelRQ(MessageIDBeingRespondedTo=message_id), operation.context_id)
        operation.cancel()

    def receive_response(self, received: CommandReceived, response: Response) -> None:
        """Match a response to its request. Raises InvalidCommand."""
        message_id = response.MessageIDBeingRespondedTo
        operation = self.operations.get(message_id)
        if operation is None:
            late = self.operations.late.get(message_id)
            # A late response does no harm after our A-RELEASE-RQ either.
            if self._upper.state is State.STA7 or (late is not None and late.is_doubtful):
                self._inbox.drop(received.has_data_set)
                return
            raise InvalidCommand(f"{response.name} to Message ID {message_id}, which is not outstanding")
        request = operation.request
        if type(response) is not request.response_class:
            raise InvalidCommand(f"{response.name} to a {request.name}")
        category = category_of(response.Status)
        is_final = category is not Category.PENDING
        if not is_final and not isinstance(request, CANCELLABLE):
            raise InvalidCommand(f"{response.name} with pending status {response.Status:04X}H")
        is_early = self._outbox.command is request
        if is_early and (not is_final or category in _ENDED_WELL):
            raise InvalidCommand(
                f"{response.name} with status {response.Status:04X}H before the data set was complete"
            )
        self._outbox.is_early |= is_early
        warnings = received.warnings
        if received.context_id != operation.context_id:
            warnings += (f"other-context: request on {operation.context_id}",)
        if is_final:
            # PS3.7 9.1.2.1.6 has no warning for C-FIND, so some peers go on after that of PS3.4 C.4.1.1.4.
            operation.is_doubtful |= category is Category.WARNING and isinstance(request, CFindRQ)
            self.operations.end(message_id)
        else:
            operation.pending()
        context = self._agreement.contexts[operation.context_id]
        self._agreement.explain(response, request, context)
        has_data_set = received.has_data_set
        self._emit(
            _make_response_received(
                received.context_id, response, request, has_data_set, is_final, is_early, warnings
            )
        )
