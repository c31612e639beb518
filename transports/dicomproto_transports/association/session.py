"""The session: requests of both sides, handlers and events of one association.

A call sends a request and dispatches events until its response is there. Dispatching serves the peer's
requests, keeps responses to other requests, stops a data set that was refused early, and answers a release.
A handler may call its association, which dispatches again inside. `driver.py` moves the bytes,
`handler_runner.py` admits the calls. The function that serves the peer's requests is passed in.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from weakref import ref

from dicomproto.dimse.commands import AnsweredBy, Request, Response
from dicomproto.dimse.events import RequestReceived, RequestRefused, ResponseReceived
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    LocalProtocolError,
)
from dicomproto.upper_layer.pdu import ReleaseRP, ReleaseRQ

from .. import evt
from ..files.sources import MemorySource, PieceBuffers, Source
from .driver import Driver
from .endings import AbortOnCut
from .handler_runner import Drive, HandlerRunner
from .incoming_data_set import Incoming
from .log_lines import log, log_oddities, log_refusal, log_response
from .operations import Operation, Reply, Unfinished

if TYPE_CHECKING:
    from dicomproto.config import Timeouts
    from dicomproto.connection import Connection, ConnectionEvent
    from dicomproto.negotiation import AcceptedContext
    from dicomproto.upper_layer.pdu import Buffer

    from ..events.any_association import AnyAssociation
    from ..events.handlers import Handlers
    from ..streams.interface import Backend, Stream
    from .charset import CharsetCheck
    from .endings import Ending
    from .held_bytes import HeldBytes
    from .sender import Sender

R = TypeVar("R", bound=Response)

Serve = Callable[["Session", RequestReceived], Awaitable[object]]
"""The provider: it answers a request of the peer."""

MakeAssociation = Callable[["Session"], evt.AnyAssociation]
"""The maker of the association object of a session."""

# Most responses of one operation that are kept until a call takes them.
_MOST_REPLIES = 4096


class Session:
    """The operations of one association, in both directions.

    `serve` answers a request of the peer. `make_association` is called once and returns `event.assoc`.
    """

    __slots__ = (
        "connection", "stream", "backend", "timeouts", "driver", "sender", "ending", "runner", "association",
        "ae_title", "text", "held_bytes", "maximum_collected", "data_sets", "depth", "unfinished",
        "piece_buffers", "contexts", "abort_on_cut", "next_event", "end", "send_queued", "respond", "enter",
        "leave", "keeps_message_ids", "_serve", "_limit", "_awaited", "_make_association", "_ended",
        "__weakref__",
    )  # fmt: skip

    connection: Connection
    stream: Stream
    backend: Backend
    association: AnyAssociation
    """The object that users and handlers see. Both hold each other up to the end, and no longer."""
    timeouts: Timeouts
    sender: Sender
    ending: Ending
    ae_title: str
    """The AE title of this side."""
    text: CharsetCheck
    """Checks the character sets of received data sets."""
    held_bytes: HeldBytes
    """Counts held bytes of data sets, over all associations of a server."""
    maximum_collected: int | None
    """Most bytes of data sets that all associations of a server may hold."""

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        timeouts: Timeouts,
        handlers: Handlers,
        *,
        serve: Serve,
        make_association: MakeAssociation,
        ae_title: str,
        drive: Drive | None,
        text: CharsetCheck,
        held_bytes: HeldBytes,
        maximum_collected: int | None,
    ) -> None:
        self.connection, self.stream = connection, stream
        self.backend, self.timeouts = backend, timeouts
        self.ae_title, self.text = ae_title, text
        self.held_bytes, self.maximum_collected = held_bytes, maximum_collected
        self.data_sets: list[Incoming] = []
        """The data sets of the requests being served, each inside the one before."""
        self.depth: int = 0
        """Number of requests being served, each inside the one before."""
        self.unfinished: list[Unfinished] = []
        """Iterators that were started and not finished."""
        self.piece_buffers: PieceBuffers = PieceBuffers()
        self.contexts: dict[tuple[object, ...], AcceptedContext] = {}
        """The contexts found for requests and objects, by their needs."""
        self._serve, self._limit = serve, connection.limits.collect
        self._awaited: dict[int, Operation] = {}
        self.keeps_message_ids: bool = False
        """True if a Message ID that the caller gives is sent, also that of the operation before."""
        self.driver: Driver = Driver(connection, stream, backend, timeouts, self._tell_end)
        self.sender, self.ending = self.driver.sender, self.driver.ending
        self.runner: HandlerRunner = HandlerRunner(self.driver, connection, stream, backend, handlers, drive)
        # Methods of the parts, bound here: a method that passes them on costs one more call.
        self.next_event: Final = self.driver.next_event
        self.end: Final = self.driver.end
        self.send_queued: Final = self.sender.send_queued
        self.respond: Final = self.sender.respond
        self.enter: Final = self.runner.enter
        self.leave: Final = self.runner.leave
        self.abort_on_cut: AbortOnCut = AbortOnCut(self.end)
        """A block of a call that cannot be resumed after a cut: a cut ends the association."""
        self._make_association, self.association = make_association, make_association(self)
        self.observe()
        if self.driver.observer is not None:
            self.driver.observer.start()

    @property
    def peer_name(self) -> str:
        """AE title and address of the other side, for error texts and logs."""
        return self.ending.peer_name

    @property
    def is_established(self) -> bool:
        """True while messages can be exchanged."""
        return self.ending.reason is None and self.connection.is_established

    def is_under_way(self) -> bool:
        """True while a message or a request of the peer is unfinished."""
        return bool(self.depth or self.sender.has_output or self.connection.unanswered)

    # -- handlers -----------------------------------------------------------------------------

    def bind(self, event: evt.EventKind, handler: evt.Handler, args: Sequence[object] = ()) -> None:
        """Bind a handler for this association alone; see `Association.bind`."""
        handlers = self.runner.handlers.copy()
        handlers.bind(event, handler, args)
        self.runner.handlers = handlers
        self.observe()

    def unbind(self, event: evt.EventKind, handler: evt.Handler) -> None:
        """Unbind a handler for this association alone."""
        handlers = self.runner.handlers.copy()
        handlers.unbind(event, handler)
        self.runner.handlers = handlers
        self.observe()

    def observe(self) -> None:
        """Start or stop the observer: it runs while a handler of `evt.OBSERVED` is bound."""
        driver, runner = self.driver, self.runner
        if not runner.handlers.are_observing:
            if driver.observer is not None:
                driver.observer.stop()
                driver.listen(None)
        elif driver.observer is None:
            from .observer import Observer

            parts = runner.handlers_of, runner.tell, self.sender.count_unsent
            driver.listen(Observer(self.connection, self.association, *parts))

    async def notify(self, kind: evt.EventKind, **facts: object) -> None:
        """Run the handlers of a notification event."""
        if self.runner.handlers.all(kind):
            await self.runner.tell(kind.event_class(kind, self.association, **facts))

    async def _tell_end(self) -> None:
        if self.runner.handlers.get_events():
            error = self.ending.error
            if isinstance(error, AssociationRejected):
                await self.notify(evt.EVT_REJECTED)
            elif self.connection.request is not None:  # a port probe has no events
                is_released = isinstance(error, AssociationReleased)
                await self.notify(evt.EVT_RELEASED if is_released else evt.EVT_ABORTED)
            await self.notify(evt.EVT_CONN_CLOSE, address=self.stream.peer_address)
        # From now on all is freed as soon as the user lets go of it, without the garbage collector.
        self._ended = ref(self.association)
        del self.association

    if not TYPE_CHECKING:  # with it, a checker would allow any name

        def __getattr__(self, name: str) -> AnyAssociation:
            """Return the `association` after the end: that of the user, or a new one if nobody has it."""
            if name != "association":
                raise AttributeError(name)
            return self._ended() or self._make_association(self)

    # -- events -------------------------------------------------------------------------------

    async def dispatch(self, event: ConnectionEvent) -> None:
        """Act on an event that is not what the caller waits for."""
        if log.isEnabledFor(logging.DEBUG):
            log_oddities(self.peer_name, event)
        if isinstance(event, ResponseReceived):
            await self._take_response(event)
        elif isinstance(event, RequestReceived):
            await self._serve_request(event)
        elif isinstance(event, ReleaseRQ):
            await self._answer_release()
        elif isinstance(event, RequestRefused):
            self.sender.is_owing = True  # the engine has answered it
            log_refusal(self.peer_name, event)
        # Other events need no action: a C-CANCEL is kept by the engine; a data set without a taker is
        # dropped; a message cut short comes before the end.

    async def _serve_request(self, received: RequestReceived) -> None:
        """Serve a request, and end the iterators that its handlers have not finished."""
        known, begun = set(self.unfinished), len(self.data_sets)
        self.depth += 1
        try:
            await self._serve(self, received)
            if self.unfinished:
                for unfinished in [one for one in self.unfinished if one not in known]:
                    await unfinished.finish("the handler that began it has ended")
        finally:
            if self.ending.reason is not None:  # a handler or another thread has aborted
                await self.end()
            self.depth -= 1
            while len(self.data_sets) > begun:
                self._end_data_set()

    def _end_data_set(self) -> None:
        data_set = self.data_sets.pop()
        data_set.end()
        memory = data_set.memory
        del data_set  # its view of the memory, unless a handler keeps it
        if memory is not None:
            self.held_bytes.take_back(memory)

    async def _answer_release(self) -> None:
        # An end of the data set here would make the peer take half an object for the whole. A message may
        # still be sent to its end (PS3.8 Table 9-10, Sta8 and Evt9).
        self.ending.is_leaving = True
        await self.send_all()
        self.connection.send(ReleaseRP())

    async def _take_response(self, event: ResponseReceived) -> None:
        if event.is_early:
            self.sender.stop()
        operation = self._awaited.get(event.command.MessageIDBeingRespondedTo)
        data = None
        if event.has_data_set:
            data = await self._response_data(is_wanted=operation is not None)
        if log.isEnabledFor(logging.INFO):
            log_response(self.peer_name, "our", event.command)
        if operation is not None:
            syntax = self.connection.accepted_contexts[event.context_id].transfer_syntax
            operation.add(Reply(event.command, data, syntax, is_final=event.is_final))
            if len(operation.replies) > _MOST_REPLIES or operation.size > self._limit:
                what = f"more than {_MOST_REPLIES} responses, or {self._limit} bytes, that no call took"
                await self._end_for(f"{self.peer_name} sent {what}: aborted")

    async def _response_data(self, *, is_wanted: bool) -> Buffer | None:
        incoming = Incoming(self, self.held_bytes, self.maximum_collected)
        if not is_wanted:
            await incoming.drain()
            return None
        try:
            data = await incoming.gather(self._limit)
        finally:
            incoming.end()
        if data is None:
            what = f"{incoming.excess} (Limits.collect, maximum_collected)"
            await self._end_for(f"{self.peer_name} sent with a response {what}: aborted")
        return data

    async def _end_for(self, text: str) -> NoReturn:
        await self.end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
        raise self.ending.known()

    # -- requests of ours ---------------------------------------------------------------------

    async def settle(self, what: str) -> None:
        """Finish what the user has left unfinished, before the call named `what` begins.

        This drains the rest of a data set that a handler has refused (the fragments of two messages never
        interleave), and ends iterators over responses.
        """
        if self.data_sets and not (incoming := self.data_sets[-1]).is_complete:
            if not incoming.is_refused:
                raise LocalProtocolError(f"{what}: read event.chunks to the end first, or event.refuse()")
            await incoming.drain()
        for unfinished in self.unfinished[:]:
            if not unfinished.is_active:
                await unfinished.finish(f"{what} was called")

    async def begin_operation(
        self, request: Request, context_id: int, source: Source | None = None
    ) -> Operation:
        """Send one request, with its data set; `next_reply` returns its responses, `forget` drops them."""
        async with self.abort_on_cut:
            return await self._begin(request, context_id, source)

    async def _begin(self, request: Request, context_id: int, source: Source | None) -> Operation:
        if self.data_sets or self.unfinished:
            await self.settle(request.name)
        is_late = source is not None and not self.sender.is_done
        if is_late or self.sender.source is not None or self.ending.has_send_failed:
            await self._until_sendable(source)
        piece, last = None, True
        if source is not None:
            # Read before anything is sent: an unreadable file then fails only its own request.
            piece, last = source.next_piece()
        asked_for = request.MessageID
        if asked_for and not self.keeps_message_ids and self.connection.is_ambiguous(request):
            request = request.replace(MessageID=0)
        message_id = self.connection.send_request(request, context_id)
        operation = Operation(message_id, asked_for or message_id)
        self._awaited[operation.message_id] = operation
        if source is not None and piece is not None:
            self.sender.begin(source, piece, last)
        return operation

    async def _until_sendable(self, source: Source | None) -> None:
        """Wait until a message can begin; the caller must not wait again before it begins the message.

        One data set is sent at a time. For a message with a data set, all bytes of the last file must be sent
        as well, since the next file is read into the same buffer.
        """
        if self.ending.has_send_failed and self.depth:  # this handler does not serve further requests
            raise self.ending.lost()
        while self.ending.has_send_failed:  # until the end, which raises its error
            await self.dispatch(await self.next_event())
        if source is not None or self.sender.source is not None:
            await self.send_all()

    async def next_reply(self, operation: Operation) -> Reply[Any]:
        """Return the next response to an operation, and serve the peer until it has come."""
        return (await self.next_of((operation,)))[1]

    async def next_of(self, operations: Collection[Operation]) -> tuple[Operation, Reply[Any]]:
        """Return the first operation that has a response, and the response."""
        async with self.abort_on_cut:
            return await self._next_of(operations)

    async def _next_of(self, operations: Collection[Operation]) -> tuple[Operation, Reply[Any]]:
        while True:
            for operation in operations:
                if operation.replies:
                    reply = operation.take()
                    if reply.is_final and not self.sender.is_done:
                        await self.send_all()
                    return operation, reply
            await self.dispatch(await self.next_event())

    def forget(self, operation: Operation) -> None:
        """Drop further responses to an operation."""
        self._awaited.pop(operation.message_id, None)

    async def cancel(self, message_id: int) -> None:
        """Ask the peer to end an operation of ours; see `Association.send_c_cancel`.

        `message_id` is its Message ID, or the one that the caller asked for.
        """
        self.enter("send_c_cancel")
        try:
            asked_for = (one for one in self._awaited.values() if one.asked_for == message_id)
            operation = self._awaited.get(message_id) or next(asked_for, None)
            if operation is None or operation.message_id not in self.connection.outstanding:
                raise LocalProtocolError(
                    f"send_c_cancel: no operation with Message ID {message_id} is outstanding"
                )
            await self.cancel_operation(operation)
        finally:
            self.leave()

    async def cancel_operation(self, operation: Operation) -> None:
        """Send C-CANCEL for an operation of ours, if it is still outstanding."""
        await self._until_sendable(None)
        if operation.message_id in self.connection.outstanding:
            self.connection.send_cancel(operation.message_id)
            await self.send_all()

    async def call(self, request: AnsweredBy[R], context_id: int, source: Source | None = None) -> Reply[R]:
        """Send one request, with its data set, and return its final response."""
        async with self.abort_on_cut:
            operation = await self._begin(request, context_id, source)
            try:
                while True:
                    await self.dispatch(await self.next_event())
                    while operation.replies:
                        reply = operation.take()
                        if reply.is_final:
                            if not self.sender.is_done:
                                await self.send_all()
                            return reply
            finally:
                self.forget(operation)

    async def send_all(self) -> None:
        """Send all output to the last byte: nothing is sent between calls."""
        driver, sender = self.driver, self.sender
        while sender.source is not None or await sender.send_queued():
            if sender.source is None:
                driver.look()
            else:
                await driver.move()
            while (event := await driver.event_at_hand()) is not None:
                await self.dispatch(event)

    async def answer(self, response: Response, source: Source | None = None) -> None:
        """Queue a response, with its data set; nothing is sent to a peer that is gone.

        Responses with data sets in memory may wait for `send_queued` together.
        """
        may_wait = type(source) is MemorySource and self.sender.is_free
        if source is not None and not may_wait and not self.ending.is_gone:
            await self._until_sendable(source)
        if source is None or self.ending.is_gone:
            self.respond(response)
            return
        piece, last = source.next_piece()
        self.respond(response)
        self.sender.begin(source, piece, last, is_reply=True)
