"""What an association does while somebody waits: requests of both sides, handlers, events.

A call begins a request and dispatches events until its response is there. To dispatch is to serve
the peer's requests, to keep the responses that others wait for, to stop a data set that was refused
early, to answer a release. A handler that runs inside may call the association that called it,
which dispatches in its turn. How bytes move meanwhile is `_pump.py`; what requests get, `_provider.py`.

One task uses an association at a time, with no lock, queue or task inside; a second is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from dicomproto.connection import Connection
from dicomproto.dimse.commands import CStoreRQ, Request
from dicomproto.dimse.events import (
    CancelReceived,
    MessageIncomplete,
    RequestReceived,
    RequestRefused,
    ResponseReceived,
    UnexpectedDataSet,
)
from dicomproto.encoded import NORMALIZED_BOUNDS
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    DataSetError,
    LocalProtocolError,
)
from dicomproto.quiet import Quiet
from dicomproto.upper_layer.events import Terminal
from dicomproto.upper_layer.pdu import ReleaseRP, ReleaseRQ

from . import evt
from ._charset import Doubt
from ._incoming import Incoming
from ._outgoing import PieceBuffers, Source
from ._provider import serve_request
from ._responses import Operation, Reply
from ._text import known_as, printable
from ._using import Using

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.config import Timeouts
    from dicomproto.connection import Event
    from dicomproto.dimse.commands import Response
    from dicomproto.negotiation import AcceptedContext
    from dicomproto.upper_layer.pdu import Buffer

    from ._ae import AECore
    from ._holding import Holding
    from ._settings import Settings
    from ._stream import Backend, Stream

log = logging.getLogger("dicomproto.association")

# Responses that somebody began to take and does not.
_MOST_REPLIES = 4096

_MOST_ODDITIES = 10  # of one event that are logged, a line each

T = TypeVar("T")


class Unfinished(Protocol):
    """Something of ours that is still to be ended before the next call can begin."""

    is_active: bool
    """Whether somebody waits for it just now, further out than whoever calls."""

    async def finish(self, cut: str = "") -> None:
        """End it; `cut` says what makes that necessary."""


@known_as("Association")
class Operating(Using):
    """The operations of one association, in both directions."""

    __slots__ = (
        "_awaited", "_contexts", "ae", "ae_title", "data_sets", "depth", "facade", "handlers", "holding",
        "incoming", "piece_buffers", "settings", "store_contexts", "text", "unfinished",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        timeouts: Timeouts,
        handlers: evt.Handlers,
        ae: AECore,
        settings: Settings,
        holding: Holding,
    ) -> None:
        super().__init__(connection, stream, backend, timeouts, type(ae).drive)
        self.facade: object = self
        """What handlers get as `event.assoc`; a flavour may put an object of its own here."""

        self.handlers = handlers
        self.ae = ae
        """The application entity that made it."""

        self.settings = settings
        """Those of the application entity when it was made, which stay as they were."""

        self.holding = holding
        """Counts what is held of data sets, together with the other associations of a server."""

        self.data_sets: list[Incoming] = []
        """Those of the requests that are being served, each while another one waits."""

        self.ae_title = settings.ae_title
        """What this side is called; a server may have a name of its own."""

        self.depth = 0
        """How many requests are being served, each while another one waits."""

        self.incoming: Incoming | None = None
        """The data set of a message of the peer, as long as it is not complete."""

        self.unfinished: list[Unfinished] = []
        """What somebody has begun to iterate over and has not come to the end of."""

        self.text = Doubt(settings.assume_charset)
        """What is done about text of the peer whose character set is in doubt."""

        self.piece_buffers = PieceBuffers()
        self.store_contexts: dict[tuple[str, str, bool], AcceptedContext] = {}
        """Where objects are sent, by SOP class, transfer syntax and whether none is converted."""

        self._awaited: dict[int, Operation] = {}
        self._contexts: dict[tuple[type[Request], str, str | None, int | None], AcceptedContext] = {}

    @property
    def is_released(self) -> bool:
        """Whether it ended in order, by a release from either side."""
        return isinstance(self.ending, AssociationReleased)

    @property
    def is_rejected(self) -> bool:
        """Whether the acceptor rejected it."""
        return isinstance(self.ending, AssociationRejected)

    # -- handlers -----------------------------------------------------------------------------

    def bind(self, event: evt.EventKind, handler: evt.Handler, args: Sequence[object] = ()) -> None:
        """Bind a handler from now on, for this association alone.

        It is called as `handler(event, *args)`, and takes the place of the one before where the event asks
        for a decision. Raises TypeError, with a reason, for one that cannot be run.
        """
        handlers = self.handlers.copy()
        handlers.bind(event, handler, args)
        self.handlers = handlers
        self.observe()

    def unbind(self, event: evt.EventKind, handler: evt.Handler) -> None:
        """Bind a handler no longer, for this association alone; nothing happens if it is not bound."""
        handlers = self.handlers.copy()
        handlers.unbind(event, handler)
        self.handlers = handlers
        self.observe()

    def get_events(self) -> list[evt.EventKind]:
        """Return the events that have a handler."""
        return self.handlers.get_events()

    def get_handlers(self, event: evt.EventKind) -> list[tuple[evt.Handler, tuple[object, ...]]]:
        """Return the handlers of an event, each with its extra arguments, in the order they were bound."""
        return self.handlers.get_handlers(event)

    def observe(self) -> None:
        """Have an observer as long as a handler wants to hear of what passes over the wire."""
        if not self.handlers.are_observing:
            if self.observer is not None:
                self.observer.stop()
            self.observer = None
        elif self.observer is None:
            from ._observer import Observer

            self.observer = Observer(self)

    async def handle(self, bound: evt.Bound, event: object, *, may_use: bool = True) -> object:
        """Run a handler, with its event or whatever else is its first argument, and return its result."""
        if bound.in_thread:
            return await self.in_thread(lambda: bound.handler(event, *bound.args), may_look=may_use)
        with self.handler_running(may_use=may_use):
            return await evt.call(bound, event, is_blocking=self.drive is not None)

    async def in_thread(self, function: Callable[[], T], *, may_look: bool = True) -> T:
        """Return what a function of a handler returns, run in a worker thread; see `Backend`."""
        quiet, self._is_quiet = self._is_quiet, may_look

        def run() -> T:
            with Quiet():
                return function()

        try:
            return await self.backend.in_thread(run, self._leave)
        finally:
            with self._looking:
                self._is_quiet = quiet

    def _leave(self) -> None:
        """Take note that this side is about to end the association."""
        self.is_leaving = True

    async def notify(self, kind: evt.EventKind, **facts: object) -> None:
        """Run the handlers of a notification event."""
        if self.handlers.all(kind):
            await self.tell(evt.Event(kind, self.facade, facts))

    async def tell(self, event: evt.Event) -> bool:
        """Run the handlers of a notification event; tell whether none failed, which is logged."""
        good, may_use = True, event.event not in evt.OBSERVED
        for bound in self.handlers.all(event.event):
            had_ended = self.is_leaving
            try:
                await self.handle(bound, event, may_use=may_use)
            except Exception as error:
                good = False
                name = event.event.name
                if self.explains(error) and not had_ended:
                    what = "%s: a handler of %s ended with the association (%s)"
                    log.info(what, self.peer_name, name, type(error).__name__)
                else:
                    log.exception("%s: a handler of %s failed", self.peer_name, name)
        return good

    async def _finish(self, terminal: Terminal) -> None:
        await super()._finish(terminal)
        if self.handlers.get_events():
            if self.is_rejected:
                await self.notify(evt.EVT_REJECTED)
            elif self.connection.request is not None:  # of a port probe there is nothing to tell
                await self.notify(evt.EVT_RELEASED if self.is_released else evt.EVT_ABORTED)
            await self.notify(evt.EVT_CONN_CLOSE, address=self.stream.peer_address)

    # -- what comes ---------------------------------------------------------------------------

    async def dispatch(self, event: Event) -> None:
        """Do what an event asks for that nobody in particular waits for."""
        if log.isEnabledFor(logging.DEBUG):
            self._log_oddities(event)
        if isinstance(event, ResponseReceived):
            await self._take_response(event)
        elif isinstance(event, RequestReceived):
            await self._serve(event)
        elif isinstance(event, ReleaseRQ):
            await self._answer_release()
        elif isinstance(event, CancelReceived):
            self.cancel(event.message_id)
        elif isinstance(event, RequestRefused):
            self._is_owing = True  # the engine has answered it
            name, number = event.command.name.removesuffix("-RQ"), event.command.MessageID
            level = (
                logging.WARNING if isinstance(event.command, CStoreRQ) else logging.INFO
            )  # an object is lost
            text = printable(event.text)
            log.log(level, "%s: its %s %d was refused: %s", self.peer_name, name, number, text)
        # The rest is for information: a data set that nobody asked for, a message that the end cuts short.

    def _log_oddities(self, event: Event) -> None:
        warnings = getattr(event, "warnings", ())
        for warning in warnings[:_MOST_ODDITIES]:
            log.debug("%s: tolerated: %s", self.peer_name, printable(warning))
        if len(warnings) > _MOST_ODDITIES:
            log.debug("%s: tolerated: %d more", self.peer_name, len(warnings) - _MOST_ODDITIES)
        if isinstance(event, UnexpectedDataSet):
            log.debug("%s: dropped a data set of %d bytes that was not due", self.peer_name, event.length)
        elif isinstance(event, MessageIncomplete):
            name = "message" if event.command is None else event.command.name
            log.debug("%s: its %s was cut short", self.peer_name, name)

    async def _serve(self, received: RequestReceived) -> None:
        """Serve a request, and end what its handlers have begun and not finished."""
        known, begun = set(self.unfinished), len(self.data_sets)
        self.depth += 1
        try:
            await serve_request(self, received)
            if self.unfinished:
                for unfinished in [one for one in self.unfinished if one not in known]:
                    await unfinished.finish("the handler that began it has ended")
        finally:
            self.depth -= 1
            for data_set in self.data_sets[begun:]:
                data_set.end()
            del self.data_sets[begun:]

    async def act_on_end(self) -> None:
        """Act on the end that is ahead, which raises, unless a request came before it."""
        while not isinstance(event := await self.next_event(), RequestReceived):
            await self.dispatch(event)
        self.put_back(event)

    async def _answer_release(self) -> None:
        # To end a data set here would make the peer take half an object for the whole; what was begun may
        # still be sent (PS3.8 Table 9-10, Sta8 and Evt9).
        self.is_leaving = True
        await self.send_all()
        self.connection.send(ReleaseRP())

    async def _take_response(self, event: ResponseReceived) -> None:
        if event.is_early:
            self.stop_sending()
        operation = self._awaited.get(event.command.MessageIDBeingRespondedTo)
        data = None
        if event.has_data_set:
            data = await self._response_data(is_wanted=operation is not None)
        if log.isEnabledFor(logging.INFO):
            self.log_response("our", event.command)
        if operation is not None:
            syntax = self.connection.accepted_contexts[event.context_id].transfer_syntax
            operation.add(Reply(event.command, data, syntax, is_final=event.is_final))
            limit = self.connection.limits.collect
            if len(operation.replies) > _MOST_REPLIES or operation.size > limit:
                what = f"more than {_MOST_REPLIES} responses, or {limit} bytes of them, that nobody took"
                await self._end_for(f"{self.peer_name} sent {what}: aborted")

    async def _response_data(self, *, is_wanted: bool) -> Buffer | None:
        incoming = Incoming(self)
        if not is_wanted:
            await incoming.drain()
            return None
        try:
            data = await incoming.gather(self.connection.limits.collect)
        finally:
            incoming.end()
        if data is None:
            what = f"{incoming.excess} (Limits.collect, maximum_collected)"
            await self._end_for(f"{self.peer_name} sent with a response {what}: aborted")
        return data

    async def _end_for(self, text: str) -> NoReturn:
        await self.end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
        raise self._ended()

    # -- requests of ours ---------------------------------------------------------------------

    async def settle(self, what: str) -> None:
        """End what the user has left unfinished, before the call named `what` begins.

        That is the rest of a data set that a handler has refused, since nothing else can come before it
        (the fragments of two messages never interleave), and responses that nobody takes any more.
        """
        if self.incoming is not None:
            if not self.incoming.is_refused:
                raise LocalProtocolError(f"{what}: read event.chunks to the end first, or event.refuse()")
            await self.incoming.drain()
        for unfinished in self.unfinished[:]:
            if not unfinished.is_active:
                await unfinished.finish(f"{what} was called")

    async def begin_operation(
        self, request: Request, context_id: int, source: Source | None = None
    ) -> Operation:
        """Send one request, with its data set; `next_reply` returns its responses, `forget` ends it."""
        try:
            await self.settle(request.name)
            await self._until_sendable(source)
            piece, last = None, True
            if source is not None:
                # Read before anything is sent: a file that cannot be read then costs nothing.
                piece, last = source.next_piece()
            operation = Operation(self.connection.send_request(request, context_id))
            self._awaited[operation.message_id] = operation
            if source is not None and piece is not None:
                self.begin(source, piece, last)
            return operation
        except Exception:
            raise
        except BaseException:
            await self.end()
            raise

    async def _until_sendable(self, source: Source | None) -> None:
        """Wait until a message can be begun; from then to its beginning nothing may be waited for.

        One data set at a time leaves. With one of its own, what has not left of the last file would be
        read over.
        """
        if self._deaf and self.depth:  # what else had come is not for this handler to serve
            raise self.lost()
        while self._deaf:  # until the end, which says why
            await self.dispatch(await self.next_event())
        if source is not None or self.source is not None:
            await self.send_all()

    async def next_reply(self, operation: Operation) -> Reply:
        """Return the next response to an operation, and serve the peer until it has come."""
        return (await self.next_of((operation,)))[1]

    async def next_of(self, operations: Collection[Operation]) -> tuple[Operation, Reply]:
        """Return whichever of the operations has a response first, and that."""
        try:
            while True:
                for operation in operations:
                    if operation.replies:
                        reply = operation.take()
                        if reply.is_final:
                            await self.send_all()
                        return operation, reply
                await self.dispatch(await self.next_event())
        except Exception:
            raise
        except BaseException:
            # A response that nobody waits for, or half a data set: there is no way back.
            await self.end()
            raise

    def forget(self, operation: Operation) -> None:
        """Let what may still come in answer to an operation pass."""
        self._awaited.pop(operation.message_id, None)

    async def cancel_operation(self, operation: Operation) -> None:
        """Send C-CANCEL for an operation of ours, if it is still outstanding."""
        await self._until_sendable(None)
        if operation.message_id in self.connection.outstanding:
            self.connection.send_cancel(operation.message_id)
            await self.send_all()

    async def call(self, request: Request, context_id: int, source: Source | None = None) -> Reply:
        """Send one request, with its data set, and return its final response."""
        operation = await self.begin_operation(request, context_id, source)
        try:
            while not (reply := await self.next_reply(operation)).is_final:
                pass
            return reply
        finally:
            self.forget(operation)

    def decoded(self, reply: Reply) -> Dataset | None:
        """Return the data set of a response; None if there is none, or nothing in it. Raises DataSetError."""
        if reply.data is None or not len(reply.data):
            return None
        from dicomproto.datasets import decode_noting_text

        try:
            dataset, extended = decode_noting_text(
                reply.data,
                reply.transfer_syntax,
                inflate_limit=self.connection.limits.collect,
                bounds=NORMALIZED_BOUNDS,
            )
        except DataSetError as error:
            error.response = reply.response
            raise
        self.text.settle(dataset, extended, self.peer_name)
        return dataset if len(dataset) else None

    async def send_all(self) -> None:
        """Send what was begun and what is queued, to the last byte: between calls nobody would."""
        while self.source is not None or await self.send_queued():
            if self.source is None:
                self._look()
            else:
                await self.move()
            while (event := await self.event_at_hand()) is not None:
                await self.dispatch(event)

    async def answer(self, response: Response, source: Source | None = None) -> None:
        """Send a response of ours, with its data set; nothing leaves for a peer that is gone."""
        if source is not None and not self.is_gone:
            await self._until_sendable(source)
        if source is None or self.is_gone:
            self.respond(response)
            return
        piece, last = source.next_piece()
        self.respond(response)
        self.begin(source, piece, last, is_reply=True)
