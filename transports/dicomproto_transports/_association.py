"""The association, written once as `async def` over a `Stream`, for requestor and acceptor alike.

A call (`send_c_echo`, `send_c_store`) begins a request and dispatches events until its response is
there. To dispatch is to serve the peer's requests, to stop a data set that was refused early, to
answer a release. A handler that runs inside may call the association that called it, which
dispatches in its turn. How bytes move meanwhile is `_pump.py`; what requests get, `_provider.py`.

One task uses an association at a time, with no lock, queue or task inside; a second is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from dicomproto.connection import Connection
from dicomproto.dimse.commands import LOW, CEchoRQ, CEchoRSP, CStoreRQ, CStoreRSP, Request, Response
from dicomproto.dimse.events import RequestReceived, ResponseReceived
from dicomproto.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    ConnectionLost,
    LocalProtocolError,
    NoAcceptedContext,
)
from dicomproto.negotiation import AcceptedContext, RejectedContext
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.events import Role, Terminal
from dicomproto.upper_layer.pdu import ReleaseRP, ReleaseRQ

from . import evt
from ._facts import ServiceUser, acceptor_of, requestor_of
from ._outgoing import PieceBuffers, Source, piece_size
from ._provider import Incoming, serve_request
from ._pump import Pump
from ._sending import KnownFile, ObjectToSend, choose_context, prepare

if TYPE_CHECKING:
    from os import PathLike
    from typing import Self

    from pydicom.dataset import Dataset

    from dicomproto.config import Timeouts
    from dicomproto.connection import Event

    from ._stream import Backend, Stream

log = logging.getLogger("dicomproto.association")

# The stream lets others run by calls and bytes; one read may hold a thousand requests.
_TURN = 64

Drive = Callable[[Coroutine[object, object, object]], object]
"""Runs a coroutine to its end without an event loop, as the blocking flavour does."""


class AssociationCore(Pump):
    """One association, from its first byte to its last.

    Not created by hand: `AE.associate` gives the requestor's, handlers find the acceptor's in
    `event.assoc`. The `send_*` methods return the response, with its `Status`; they raise
    `AssociationError`, which says who and why, when the association ends before it came.
    """

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        timeouts: Timeouts,
        handlers: evt.Handlers,
        drive: Drive | None = None,
    ) -> None:
        super().__init__(connection, stream, backend, timeouts)
        self.facade: object = self
        """What handlers get as `event.assoc`; a flavour may put an object of its own here."""

        self.handlers = handlers
        self.drive = drive
        self.depth = 0
        """How many handlers are running, each called by the one before."""

        self.incoming: Incoming | None = None
        """The data set of a request of the peer, as long as it is not complete."""

        self._piece_buffers = PieceBuffers()
        self._busy = False
        self._user: object = None  # the task that runs a handler, and may use the association meanwhile
        self._served = 0
        self._awaited: dict[int, Response | None] = {}

    def __repr__(self) -> str:
        state = "ended" if self.terminal else self.connection.state.value
        return f"<{type(self).__name__} with {self.peer_name}, {state}>"

    # -- what it is ---------------------------------------------------------------------------

    @property
    def is_established(self) -> bool:
        """Whether messages can be exchanged."""
        return self._reason is None and self.connection.is_established

    @property
    def is_released(self) -> bool:
        """Whether it ended in order, by a release from either side."""
        return isinstance(self.ending, AssociationReleased)

    @property
    def is_rejected(self) -> bool:
        """Whether the acceptor rejected it."""
        return isinstance(self.ending, AssociationRejected)

    @property
    def is_aborted(self) -> bool:
        """Whether it ended in any other way: aborted by either side, lost, or timed out."""
        return not isinstance(self.ending, AssociationReleased | AssociationRejected | None)

    @property
    def is_requestor(self) -> bool:
        """Whether this side proposed the association."""
        return self.connection.role is Role.REQUESTOR

    @property
    def is_acceptor(self) -> bool:
        """Whether the peer proposed the association."""
        return self.connection.role is Role.ACCEPTOR

    @property
    def accepted_contexts(self) -> list[AcceptedContext]:
        """The presentation contexts that can be used."""
        return list(self.connection.accepted_contexts.values())

    @property
    def rejected_contexts(self) -> list[RejectedContext]:
        """The presentation contexts that were refused, each with the reason."""
        return list(self.connection.rejected_contexts.values())

    @property
    def requestor(self) -> ServiceUser:
        """The side that proposed the association: its name, address and proposals."""
        address = self.stream.local_address if self.is_requestor else self.stream.peer_address
        return requestor_of(self.connection.request, address)

    @property
    def acceptor(self) -> ServiceUser:
        """The side that answered: its name, address and answers."""
        address = self.stream.peer_address if self.is_requestor else self.stream.local_address
        return acceptor_of(self.connection.request, self.connection.answer, address)

    # -- the user's calls ---------------------------------------------------------------------

    async def send_c_echo(self, msg_id: int | None = None) -> CEchoRSP:
        """Ask the peer for a sign of life (PS3.7 9.1.5).

        `msg_id` is the Message ID, allotted if None. Raises NoAcceptedContext if no context for Verification
        was accepted.
        """
        self.enter("send_c_echo")
        try:
            context_id = self._context_for(VERIFICATION)
            request = CEchoRQ(MessageID=msg_id or 0, AffectedSOPClassUID=VERIFICATION)
            response = await self._call(request, context_id)
            assert isinstance(response, CEchoRSP)
            return response
        finally:
            self.leave()

    async def send_c_store(
        self,
        dataset: Dataset | str | PathLike[str] | BinaryIO | KnownFile,
        msg_id: int | None = None,
        priority: int = LOW,
        originator_aet: str | None = None,
        originator_id: int | None = None,
        *,
        never_convert: bool = False,
    ) -> CStoreRSP:
        """Send a composite SOP instance for storage (PS3.7 9.1.1).

        `dataset` is a pydicom data set, the path of a DICOM file, a binary file that can seek, or a
        `KnownFile`, whose head was read before. A file is streamed as it is. If its transfer syntax was not
        accepted but another one was for the SOP class, and its pixel data is native, it is re-encoded,
        unless `never_convert`. `originator_aet` and `originator_id` name the C-MOVE that this is a part of.
        `warnings` of the result tells what was odd.

        Raises NoAcceptedContext, ValueError for what is no DICOM object, and OSError if the file cannot be
        read; the association stays. A file that changes or fails midway ends in AssociationAborted.
        """
        self.enter("send_c_store")
        try:
            item = prepare(dataset)
            try:
                return await self._store(item, msg_id, priority, originator_aet, originator_id, never_convert)
            finally:
                item.close()
        finally:
            self.leave()

    async def _store(
        self,
        item: ObjectToSend,
        msg_id: int | None,
        priority: int,
        originator_aet: str | None,
        originator_id: int | None,
        never_convert: bool,
    ) -> CStoreRSP:
        connection = self.connection
        context = choose_context(
            connection, item, by_requestor=self.is_requestor, never_convert=never_convert
        )
        size = piece_size(connection.peer_maximum_length)
        if context.transfer_syntax == item.transfer_syntax_uid:
            source = item.source(size, self._piece_buffers)
        else:
            source = item.converted(context.transfer_syntax, size)
        request = CStoreRQ(
            MessageID=msg_id or 0,
            AffectedSOPClassUID=item.sop_class_uid,
            AffectedSOPInstanceUID=item.sop_instance_uid,
            Priority=priority,
            MoveOriginatorApplicationEntityTitle=originator_aet,
            MoveOriginatorMessageID=originator_id,
        )
        response = await self._call(request, context.context_id, source)
        assert isinstance(response, CStoreRSP)
        if item.warnings:
            response = response.replace(warnings=item.warnings + response.warnings)
        return response

    async def serve(self, timeout: float | None = None, until: Callable[[], object] | None = None) -> bool:
        """Handle what the peer sends, for `timeout` seconds or until `until()` is true.

        What was begun is finished first. Returns True if `until()` became true or, where none was given, the
        peer released the association; False otherwise. Raises AssociationError if it ends in another way.
        """
        self.enter("serve")
        deadline = None if timeout is None else self.stream.now() + timeout
        try:
            await self._finish_incoming("serve")
            while until is None or not until():
                await self.dispatch(await self.next_event(deadline))
                if deadline is not None and self.stream.now() >= deadline:
                    break
            await self._send_all()
            return until is not None and bool(until())
        except TimeoutError:
            return False
        except AssociationReleased:
            return until is None or bool(until())
        except Exception:
            raise
        except BaseException:
            # Cancelled between two messages, nothing is lost and the association stays.
            if self.depth or self.has_output or self.connection.unanswered:
                await self.end()
            raise
        finally:
            self.leave()

    async def release(self) -> None:
        """Release the association in order (PS3.8 7.2); nothing happens if it has ended.

        A peer that closes or aborts in place of an answer cuts nothing short, so that is no error, but
        `is_released` is false then. Raises TimedOut and RemoteProtocolError, and LocalProtocolError in a
        handler, whose request is still to be answered.
        """
        if self._reason is not None:
            return
        self.enter("release")
        try:
            await self._finish_incoming("release")
            while (event := await self.event_at_hand()) is not None:
                await self.dispatch(event)
            self.connection.send(ReleaseRQ())
            while True:
                await self.dispatch(await self.next_event())
        except AssociationReleased:
            pass
        except (ConnectionLost, AssociationAborted) as error:
            log.info("in place of an answer to the release: %s", error)
        except Exception:
            raise
        except BaseException:
            await self.end()
            raise
        finally:
            self.leave()

    async def abort(self) -> None:
        """Abort the association (PS3.8 7.3); nothing happens if it has ended.

        Then waits for the peer to close the connection, no longer than `Timeouts.close`.
        """
        if self._reason is None:
            self.enter("abort")
            try:
                await self.end()
            finally:
                self.leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.release()
        else:
            await self.end()

    # -- for handlers and the server ----------------------------------------------------------

    def enter(self, what: str) -> None:
        """Take the association for one call, until `leave`; LocalProtocolError if another has it."""
        if self._reason is not None:
            raise self._ended()
        if self._busy or (self._user is not None and self._user != self.backend.current_task()):
            raise LocalProtocolError(
                f"{what}: the association is in use by another call; open one for each task or thread"
            )
        self._busy = True

    def leave(self) -> None:
        """Let the next call have the association."""
        self._busy = False

    async def handle(self, bound: evt.Bound, event: evt.Event) -> object:
        """Run a handler and return its result; while it runs, it and nobody else may use the association."""
        if bound.in_thread:
            return await self.backend.in_thread(lambda: bound.handler(event, *bound.args))
        busy, self._busy = self._busy, False
        user, self._user = self._user, self.backend.current_task()
        self.depth += 1
        try:
            return await evt.call(bound, event, is_blocking=self.drive is not None)
        finally:
            self.depth -= 1
            self._busy, self._user = busy, user

    async def notify(self, kind: evt.EventKind, **facts: object) -> None:
        """Run the handlers of a notification event."""
        if self.handlers.all(kind):
            await self.tell(evt.Event(kind, self.facade, facts))

    async def tell(self, event: evt.Event) -> bool:
        """Run the handlers of a notification event; tell whether none failed, which is logged."""
        good = True
        for bound in self.handlers.all(event.event):
            try:
                await self.handle(bound, event)
            except Exception:
                log.exception("a handler of %s failed", event.event.name)
                good = False
        return good

    async def _finish(self, terminal: Terminal) -> None:
        await super()._finish(terminal)
        if self.handlers.get_events():
            if self.is_rejected:
                await self.notify(evt.EVT_REJECTED)
            elif self.connection.request is not None:  # of a port probe there is nothing to tell
                await self.notify(evt.EVT_RELEASED if self.is_released else evt.EVT_ABORTED)
            await self.notify(evt.EVT_CONN_CLOSE, address=self.stream.peer_address)

    async def dispatch(self, event: Event) -> None:
        """Do what an event asks for that nobody in particular waits for."""
        if isinstance(event, ResponseReceived):
            self._take_response(event)
        elif isinstance(event, RequestReceived):
            await serve_request(self, event)
            self._served += 1
            if self._served % _TURN == 0:
                await self.backend.checkpoint()
        elif isinstance(event, ReleaseRQ):
            await self._answer_release()
        # The rest is for information: a late cancel, a data set that nobody asked for, a request that the
        # engine refused by itself or that crossed our release, a message that the end cuts short.

    async def _answer_release(self) -> None:
        if self.source is None:
            self.connection.send(ReleaseRP())
            return
        # To end the data set here would make the peer take half an object for the whole.
        text = f"{self.peer_name} asked for a release while a data set was being sent to it: aborted"
        await self.end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))

    def _take_response(self, event: ResponseReceived) -> None:
        if event.is_early:
            self.stop_sending()
        message_id = event.command.MessageIDBeingRespondedTo
        if event.is_final and message_id in self._awaited:
            self._awaited[message_id] = event.command

    # -- requests -----------------------------------------------------------------------------

    def _context_for(self, sop_class: str) -> int:
        """Return the context for a request without a data set."""
        for context in self.connection.accepted_contexts.values():
            if context.abstract_syntax == sop_class:
                return context.context_id
        refused = self.connection.rejected_contexts.values()
        reasons = [context.reason for context in refused if context.abstract_syntax == sop_class]
        raise NoAcceptedContext(
            f"SOP class {sop_class}: {'; '.join(reasons) or 'no presentation context was proposed'}"
        )

    async def _finish_incoming(self, what: str) -> None:
        """Take in the rest of a data set that a handler leaves to call the association.

        Nothing else can come before it has, since the fragments of two messages never interleave.
        """
        if self.incoming is not None:
            if not self.incoming.is_refused:
                raise LocalProtocolError(f"{what}: read event.chunks to the end first, or event.refuse()")
            await self.incoming.drain()

    async def _call(self, request: Request, context_id: int, source: Source | None = None) -> Response:
        """Send one request, with its data set, and return its final response."""
        try:
            await self._finish_incoming(request.name)
            while self.source is not None:
                # One data set at a time leaves; an event need not come before it has.
                event = await self.event_at_hand()
                await (self.move() if event is None else self.dispatch(event))
            piece, last = None, True
            if source is not None:
                await self._send_all()  # what has not left of the last file would be read over
                # Read before anything is sent: a file that cannot be read then costs nothing.
                piece, last = source.next_piece()
            message_id = self.connection.send_request(request, context_id)
            awaited = self._awaited
            awaited[message_id] = None
            try:
                if source is not None and piece is not None:
                    self.begin(source, piece, last)
                while (response := awaited[message_id]) is None:
                    await self.dispatch(await self.next_event())
            finally:
                del awaited[message_id]
            await self._send_all()
            return response
        except Exception:
            raise
        except BaseException:
            # A response that nobody waits for, or half a data set: there is no way back.
            await self.end()
            raise

    async def _send_all(self) -> None:
        """Send what is queued, to the last byte: between calls nobody would."""
        while await self.send_queued():
            self._look()
            while (event := await self.event_at_hand()) is not None:
                await self.dispatch(event)
