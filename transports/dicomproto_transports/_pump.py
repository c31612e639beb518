"""The part of an association that waits: bytes between engine and stream, until there is an event.

`next_event` is the only place where an association waits. It takes events out of the engine, and
while there are none it moves bytes: what is queued goes out first, then the next piece of the
data set under way, and only when there is nothing to send does it read. So whoever waits, for
whatever, a data set under way goes on leaving, and what the peer says is heard between two pieces.

The terminal event closes the stream as the engine says; from then on `next_event` raises.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast, get_args

from dicomproto.connection import Connection
from dicomproto.dimse.commands import NO_DATA_SET
from dicomproto.dimse.events import DataSetChunk
from dicomproto.dimse.status import Category
from dicomproto.errors import AssociationAborted, AssociationError
from dicomproto.upper_layer.events import (
    BUSY,
    CLOSED,
    NEED_DATA,
    CloseAction,
    ConnectionClosed,
    LocallyEnded,
    Role,
    Signal,
    Terminal,
)
from dicomproto.upper_layer.pdu import Abort, Buffer
from dicomproto.upper_layer.states import State

from ._endings import explain, timed_out
from ._facts import name_of
from ._stream import TLSBroken
from ._text import printable
from ._turns import MESSAGE, Turn

if TYPE_CHECKING:
    from dicomproto.config import Timeouts
    from dicomproto.connection import Event
    from dicomproto.dimse.commands import Response
    from dicomproto.upper_layer.events import Busy, Closed, NeedData

    from ._observer import Observer
    from ._outgoing import Source
    from ._stream import Backend, Stream

log = logging.getLogger("dicomproto.association")

TERMINAL_KINDS = frozenset(get_args(Terminal))

# Buffers that the peer has not taken yet: more than a piece of a data set in the smallest PDUs has.
_MOST_UNSENT = 20_000

# Pieces of a message that are read one after the other, without a look at the deadlines, if they are there.
_MOST_AT_ONCE = 8

# However `Timeouts.close` is set, the end of a connection comes.
_LONGEST_CLOSE = 3600.0


class Pump:
    """Moves the bytes of one association."""

    # Python looks up no attribute fast in an object that has more than 30 of them in its `__dict__`.
    __slots__ = (
        "_ahead", "_broken", "_deaf", "_deferred", "_held", "_is_fresh", "_is_input_over", "_is_owing",
        "_is_reply", "_overdue", "_read_at_once", "_reason", "_timeouts", "_turn", "_unsent", "_write_due",
        "backend", "cancelled", "connection", "is_gone", "is_leaving", "observer", "source", "stream",
        "terminal",
    )  # fmt: skip

    def __init__(self, connection: Connection, stream: Stream, backend: Backend, timeouts: Timeouts) -> None:
        self.connection = connection
        self.stream = stream
        self.backend = backend
        self._timeouts = timeouts
        self.terminal: Terminal | None = None
        self.source: Source | None = None  # of the data set under way
        self._is_reply = False  # it belongs to a response
        self.observer: Observer | None = None
        """Who listens to what passes over the wire; None unless somebody wants to hear of it."""
        self.cancelled: set[int] = set()
        """The Message IDs of the peer's operations that it has cancelled."""
        self.is_leaving = False
        """Whether the peer takes no more results: it has asked for a release, ends its output, or is gone.

        So it is as well when this side ends the association. Any thread may look at it.
        """
        self.is_gone = False
        """Whether the connection broke, or either side aborted: nothing can be answered any more."""
        self._turn = Turn(stream.now())
        self._ahead: deque[Event | Terminal] = deque()  # taken in by `look_ahead`
        self._held: Buffer = b""  # came, and waits until what came before was told to the observer
        self._read_at_once = 0  # since the last look at the deadlines
        self._is_input_over = False  # which the engine is told when all before it was acted on
        self._deferred: list[Response] = []
        self._unsent: list[Buffer] = []
        self._is_owing = False  # a response was queued and waits for the next send
        self._is_fresh = False  # nothing was served since the last bytes came
        self._write_due: float | None = None
        self._overdue: float | None = None
        self._deaf = False  # the peer takes nothing any more, but may have said why
        self._broken: OSError | None = None
        self._reason: Callable[[], AssociationError] | None = None

    @property
    def peer_name(self) -> str:
        """AE title and address of the other side, for error texts and logs."""
        rq = self.connection.request
        if rq is None:
            title = ""
        else:
            title = rq.called_ae_title if self.connection.role is Role.REQUESTOR else rq.calling_ae_title
        return name_of(title, self.stream.peer_address)

    @property
    def ending(self) -> AssociationError | None:
        """Why the association ended; None as long as it has not."""
        if self._reason is None:
            return None
        error = self._reason()
        error.__cause__ = self._broken
        return error

    def lost(self) -> AssociationError:
        """Return what tells that the connection broke, before its end was acted on."""
        terminal = ConnectionClosed(state=self.connection.state.value, mid_pdu=False, quiet=False)
        return explain(terminal, self.peer_name, broken=self._broken)

    @property
    def has_output(self) -> bool:
        """Whether something that was begun has not left yet."""
        return self.source is not None or bool(self._unsent or self._deferred)

    def count_unsent(self) -> int:
        """Return how many bytes the stream has not taken yet of what the engine gave."""
        return sum(map(len, self._unsent))

    # -- waiting ------------------------------------------------------------------------------

    async def next_event(self, deadline: float | None = None) -> Event:
        """Return the next event that is not terminal.

        Raises TimeoutError if nothing came until `deadline`, and the AssociationError of the end.
        """
        next_event, ahead, turn = self.connection.next_event, self._ahead, self._turn
        while True:
            if turn.events >= turn.look_at:
                await self.take_turn()
            event = ahead.popleft() if ahead else next_event()
            if self.observer is not None:
                await self._tell_observed(self.observer, event)
            if type(event) is DataSetChunk:
                turn.events += 1
                return event
            if event is NEED_DATA:
                if self._is_input_over:
                    self.connection.receive_eof()
                else:
                    await self.move(deadline)
            elif event is BUSY:
                await self._let_others_run()
            elif event is CLOSED:
                raise self._ended()
            elif type(event) in TERMINAL_KINDS:
                await self._finish(cast(Terminal, event))
                raise self._ended()
            else:
                turn.events += MESSAGE
                return event

    async def event_at_hand(self) -> Event | None:
        """Return the next event if it is there without reading; None if not. Raises as `next_event`."""
        while True:
            self._turn.events += MESSAGE
            await self.take_turn()
            event = self._ahead.popleft() if self._ahead else self.connection.next_event()
            if self.observer is not None:
                await self._tell_observed(self.observer, event)
            if event is BUSY:
                await self._let_others_run()
            elif event is NEED_DATA and self._held:
                self._look()
            elif event is NEED_DATA and self._is_input_over:
                self.connection.receive_eof()
            else:
                break
        if event is NEED_DATA:
            return None
        if event is CLOSED:
            raise self._ended()
        if type(event) in TERMINAL_KINDS:
            await self._finish(cast(Terminal, event))
            raise self._ended()
        return event

    def put_back(self, event: Event) -> None:
        """Let an event be the next one again."""
        self._ahead.appendleft(event)

    async def take_turn(self) -> None:
        """Let others run, if this association has worked for long or taken many events since they did."""
        if self._turn.is_over(self.stream.now()):
            await self._let_others_run()

    async def _let_others_run(self) -> float:
        """Let others run; return the time after that."""
        await self.backend.checkpoint()
        now = self.stream.now()
        self._turn.begin(now)
        return now

    def cancel(self, message_id: int) -> None:
        """Take note that the peer has cancelled an operation, if that has not ended meanwhile."""
        if message_id in self.connection.unanswered:
            self.cancelled.add(message_id)

    async def _tell_observed(self, observer: Observer, event: Event | NeedData | Busy | Closed) -> None:
        """Have told what passed over the wire before `event`, which keeps its place if that is cancelled."""
        try:
            await observer.tell()
            await self.take_turn()
        except BaseException:
            if not isinstance(event, Signal):
                self._ahead.appendleft(event)
            raise
        if self._reason is not None:  # a handler has aborted
            raise self._ended()

    def _ended(self) -> AssociationError:
        ending = self.ending
        assert ending is not None
        return ending

    async def move(self, deadline: float | None = None) -> None:
        """Send what there is to send, else receive once, else let time pass."""
        connection, stream = self.connection, self.stream
        is_sending = self.source is not None
        if is_sending and not self._unsent:
            await self._feed()
        if await self.send_queued() or is_sending:
            self._look()
            return
        if self._held:
            self._take(b"")
            return
        if self._read_at_once < _MOST_AT_ONCE and connection.is_receiving and self._read_on():
            return
        self._read_at_once = 0
        now, turn = stream.now(), self._turn
        if turn.is_over(now):
            now = await self._let_others_run()
        due = connection.next_deadline(now, unread=now - turn.heard_at)
        if due is not None and due <= now:
            # What we wait for may have come while a handler took its time: one look, then the wait is over.
            if self._overdue == due:
                connection.handle_timeout(now)
                return
            self._overdue = due
        until = due if deadline is None or (due is not None and due < deadline) else deadline
        if self._deaf:
            until = now + self._close_time()
        try:
            data = await stream.receive(until)
        except TimeoutError:
            if self._deaf:
                self._end_input()
            elif until is deadline:
                raise
            else:
                connection.handle_timeout(stream.now())
        except OSError as error:
            self._break(error)
        else:
            self._take(data)
        finally:
            turn.hear(now, stream.now())

    def _read_on(self) -> bool:
        """Take in what is there of the message that has begun; tell whether there was something."""
        try:
            data = self.stream.try_receive()
        except OSError as error:
            self._break(error)
            return True
        if not data:  # the end is for `receive`, which knows what it means
            return False
        self._read_at_once += 1
        self._take(data)
        return True

    def _look(self) -> None:
        """Take in what has arrived while we send.

        Time is not looked at before all is sent, or a response would be waited for while its request leaves.
        """
        if self._held:
            self._take(b"")
            return
        try:
            data = self.stream.try_receive()
        except OSError as error:
            self._break(error)
            return
        if data is not None:
            self._take(data)

    def _take(self, data: Buffer) -> None:
        """Give the engine what was received, after what is held; no more at once than the observer takes."""
        if self._held:
            data, self._held = self._held, b""
        elif not data:
            self._end_input()
            return
        self._is_fresh = True
        if self.observer is not None:
            taken = self.observer.received(data)
            data, self._held = memoryview(data)[:taken], memoryview(data)[taken:]
        self.connection.receive_data(data)

    def _break(self, error: OSError) -> None:
        """Take note that the connection broke, where it was read from."""
        if self._broken is None or isinstance(error, TLSBroken):  # which says why
            self._broken = error
        self.is_gone = True
        self._end_input()

    def _end_input(self) -> None:
        """Take note that nothing more can be read; the engine hears of it behind what was."""
        self._is_input_over = self.is_leaving = True

    # -- sending ------------------------------------------------------------------------------

    async def send_queued(self) -> bool:
        """Send what the engine has ready, once; tell whether something is left for the next time."""
        observer = self.observer  # one that comes while this waits begins after it
        if observer is not None:
            observer.start()
        self._is_owing = False
        buffers = self.connection.data_to_send()
        if self._unsent:
            buffers = self._unsent + buffers
        if not buffers or self._deaf:
            return False
        stream, due = self.stream, self._write_due
        if due is None and self._timeouts.write is not None:
            due = stream.now() + self._timeouts.write
        self._unsent = buffers
        try:
            rest = await stream.send(buffers, due)
        except TimeoutError:
            await self._end_stalled()
        except OSError as error:
            # What the peer said before it went away is still to be read, its A-ABORT above all.
            self._broken, self._deaf, self._unsent = error, True, []
            self.is_gone = self.is_leaving = True
            self._abandon()
            return False
        except BaseException:
            # Cancelled within a PDU perhaps: whatever followed, the peer would take for its rest.
            await self.end()
            raise
        if len(rest) > _MOST_UNSENT:
            await self._end_flooded()
        # The time to take something is over only for a peer that took nothing.
        stalled = len(rest) == len(buffers) and len(rest[0]) == len(buffers[0])
        if stalled and due is not None and stream.now() >= due:
            await self._end_stalled()
        self._write_due = due if stalled else None
        self._unsent = rest
        if observer is not None:
            observer.sent(buffers, rest)
            await observer.tell()
        return bool(self._unsent)

    async def _end_flooded(self) -> NoReturn:
        """End because the peer asks on and on and does not take the answers."""
        text = f"{self.peer_name} sends requests and does not take the responses: aborted"
        await self.end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
        raise self._ended()

    async def _end_stalled(self) -> NoReturn:
        """End because the peer takes nothing: not even an A-ABORT, so the stream resets the connection."""
        peer, seconds = self.peer_name, self._timeouts.write
        self._deaf = True
        await self.end(lambda: timed_out(peer, "write", seconds))
        raise self._ended() from None

    def begin(self, source: Source, piece: Buffer, last: bool, *, is_reply: bool = False) -> None:
        """Give the engine the first piece of the data set of the message just begun."""
        self.connection.send_data(piece, last=last, pad=source.pad)
        if not last:
            self.source, self._is_reply = source, is_reply

    def _abandon(self) -> None:
        """Forget the data set under way, which nobody takes any more.

        To the engine that of a response has ended, so that it goes on counting what is to be answered; that
        of a request never does: no answer to it may pass as one to the whole.
        """
        is_sending = self.source is not None and self.connection.is_sending
        self.source = None
        if is_sending and self._is_reply:
            self.connection.send_data(b"", last=True, pad=True)
            self._sent_whole()

    async def _feed(self) -> None:
        """Give the engine the next piece of the data set under way."""
        source = self.source
        assert source is not None
        try:
            piece, last = source.next_piece()
        except OSError as error:
            # The peer must not take what it has for the whole object.
            text = f"{self.peer_name}: the association was aborted from this side: {error}"
            await self.end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
            raise self._ended() from error
        self.connection.send_data(piece, last=last, pad=source.pad)
        if last:
            self._sent_whole()

    def stop_sending(self) -> None:
        """End the data set under way early, because the peer has answered a failure (PS3.7 9.3.1)."""
        if self.source is not None:
            self.connection.send_data(b"", last=True)
            self._sent_whole()

    def _sent_whole(self) -> None:
        self.source = None
        for response in self._deferred:
            self._send_response(response)
        self._deferred.clear()

    def respond(self, response: Response) -> None:
        """Queue a response; behind the data set under way, since messages never interleave (PS3.8 E.1).

        Raises the AssociationError of the end, if a handler has ended the association.
        """
        if self._reason is not None:
            raise self._ended()
        if self.source is None:
            self._send_response(response)
        else:
            self._deferred.append(response)
        if not self.is_gone and log.isEnabledFor(logging.INFO):
            self.log_response("its", response)

    def _send_response(self, response: Response) -> None:
        if self.is_gone:
            # Until its end the engine counts what is to be answered; nothing leaves any more.
            is_due = response.MessageIDBeingRespondedTo in self.connection.unanswered
            if response.category is Category.PENDING or not is_due or self.connection.is_sending:
                return
            response = response.replace(CommandDataSetType=NO_DATA_SET)
        self._is_owing = True
        self.connection.send_response(response)
        if response.category is not Category.PENDING:
            # The next operation may have the same Message ID.
            self.cancelled.discard(response.MessageIDBeingRespondedTo)

    # -- ending -------------------------------------------------------------------------------

    async def end(
        self, reason: Callable[[], AssociationError] | None = None, abort: Abort | None = None
    ) -> None:
        """Abort and close; `reason` explains it in place of a plain "aborted from this side"."""
        if self._reason is not None:
            return
        self.is_gone = self.is_leaving = True
        self._reason = reason
        if self.connection.state is State.STA2:  # nobody asked for anything that could be aborted
            self._reason = reason or (lambda: explain(LocallyEnded(pdu=Abort()), self.peer_name))
            self.connection.receive_eof()
        else:
            self.connection.send(abort or Abort())
        while True:
            event = self._ahead.popleft() if self._ahead else self.connection.next_event()
            if event is CLOSED:
                return
            if type(event) in TERMINAL_KINDS:
                await self._finish(cast(Terminal, event))
                return

    async def _finish(self, terminal: Terminal) -> None:
        """Close the stream after the terminal event, as the engine says."""
        self.is_gone = self.is_leaving = True
        self.terminal = terminal
        if self._reason is None:
            self._reason = lambda: explain(
                terminal, self.peer_name, broken=self._broken, timeouts=self._timeouts
            )
        quiet = isinstance(terminal, ConnectionClosed) and terminal.quiet  # a port probe
        level = logging.DEBUG if quiet else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s", printable(str(self.ending)))
        self.source = None
        now = self.stream.now()
        words: list[Buffer] = []
        observer = self.observer
        if observer is not None:
            observer.start()
        if self.connection.close_action is CloseAction.SHUTDOWN:
            words = self._unsent + self.connection.data_to_send()
            await self.stream.close(words, now + self._close_time())
        else:
            await self.stream.close([], now)
        self._unsent = []
        self.connection.receive_eof()
        if observer is not None:
            observer.sent([] if self._deaf else words, [])
            await observer.tell()

    def close_at_once(self) -> None:
        """Let the close that comes not wait for the peer."""
        self._timeouts = self._timeouts.replace(close=0.0)

    # -- logging ------------------------------------------------------------------------------

    def log_acceptance(self) -> None:
        """Log that the association stands."""
        if log.isEnabledFor(logging.INFO):
            request, accepted = self.connection.request, self.connection.accepted_contexts
            proposed = len(request.presentation_contexts) if request else 0
            what = "%s: the association was accepted, with %d of %d presentation contexts"
            log.info(what, self.peer_name, len(accepted), proposed)

    def log_response(self, whose: str, response: Response) -> None:
        """Log what an operation has come to, or that it goes on."""
        level = logging.DEBUG if response.category is Category.PENDING else logging.INFO
        operation, number = response.name.removesuffix("-RSP"), response.MessageIDBeingRespondedTo
        what = "%s: %s %s %d was answered %s"
        log.log(level, what, self.peer_name, whose, operation, number, response.status)

    def _close_time(self) -> float:
        close = self._timeouts.close
        return _LONGEST_CLOSE if close is None else min(close, _LONGEST_CLOSE)
