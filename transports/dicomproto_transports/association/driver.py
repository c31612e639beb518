"""The driver of an association: it moves bytes between engine and stream until there is an event.

`next_event` is the only place where an association waits. It takes events out of the engine. While there are
none it moves bytes: queued output first, then the next piece of the data set being sent. It reads when there
is nothing to send. So every wait goes on sending the data set, and reads the peer's messages between pieces.

Events are acted on in their order. `look_ahead` reads earlier than that, but never past a release request or
the end: the state of the engine must not be ahead of the code that acts on its events.

The terminal event closes the stream as the engine says; from then on `next_event` raises.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Set
from typing import TYPE_CHECKING, cast, get_args

from dicomproto.dimse.events import CancelReceived, DataSetChunk, RequestRefused
from dicomproto.upper_layer.events import (
    BUSY,
    CLOSED,
    NEED_DATA,
    CloseAction,
    ConnectionClosed,
    Signal,
    Terminal,
)
from dicomproto.upper_layer.pdu import Abort, Buffer, ReleaseRQ
from dicomproto.upper_layer.states import State

from ..error_text import printable
from ..streams.interface import TLSBroken, glimpse, interrupt
from .endings import Ending, Reason, is_over
from .log_lines import log
from .scheduling import MESSAGE, Turn
from .sender import Sender

if TYPE_CHECKING:
    from dicomproto.config import Timeouts
    from dicomproto.connection import Connection, ConnectionEvent
    from dicomproto.errors import AssociationError
    from dicomproto.upper_layer.events import Busy, Closed, NeedData

    from ..streams.interface import Backend, Stream
    from .observer import Observer

_TERMINAL_KINDS = frozenset(get_args(Terminal))

# Seconds; most input comes within this time, so that a wait begins without the deadlines of the engine.
_SOON = 0.01

# Seconds between two looks at the deadlines while input comes.
_UNWATCHED = 0.1

# Most reads of one message between two waits.
_MOST_AT_ONCE = 8

# Limits of `look_ahead`: events, and bytes of data sets.
_MOST_EVENTS_AHEAD = 64
MOST_AHEAD = 1024 * 1024

# Seconds; the upper bound of `Timeouts.close`.
_LONGEST_CLOSE = 3600.0


class Driver:
    """Moves the bytes of one association; awaits `on_end` after its end, when the stream is closed."""

    __slots__ = (
        "ending", "sender", "cancelled", "observer", "close_timeout", "is_busy", "is_closing", "_connection",
        "_stream", "_backend", "_timeouts", "_on_end", "_turn", "_ahead", "_held", "_read_at_once",
        "_look_at", "_is_input_over", "_is_fresh", "_overdue",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        timeouts: Timeouts,
        on_end: Callable[[], Awaitable[object]],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._backend = backend
        self._timeouts = timeouts
        self._on_end = on_end
        self.ending: Ending = Ending(connection, stream)
        self.sender: Sender = Sender(connection, stream, timeouts.write, self.ending, self.end)
        self.cancelled: Set[int] = connection.cancelled
        self.observer: Observer | None = None
        """Reports the bytes, PDUs and messages of the connection; None unless a handler asks for them."""
        self.close_timeout: float | None = timeouts.close
        """Seconds that the end waits for the peer to close the connection."""
        self.is_busy: bool = False
        """Whether the engine had more to do when `look_ahead` ended."""
        self.is_closing: bool = False
        """Whether the end is under way, or over."""
        self._turn = Turn(stream.now())
        self._ahead: list[ConnectionEvent | Terminal] = []  # events read by `look_ahead`
        self._held: Buffer = b""  # received; waits until the observer has reported all before it
        self._read_at_once = 0  # reads without a wait
        self._look_at = 0.0  # when the deadlines of the engine are due to be looked at
        self._is_input_over = False  # the engine hears of it after all events before it
        self._is_fresh = False  # bytes came, and no request was served since
        self._overdue: float | None = None

    def listen(self, observer: Observer | None) -> None:
        """Report to an observer from now on; None ends that."""
        self.observer = self.sender.observer = observer

    # -- waiting ------------------------------------------------------------------------------

    async def next_event(self, deadline: float | None = None) -> ConnectionEvent:
        """Return the next event that is not terminal.

        Raises TimeoutError if no event came until `deadline`, and the AssociationError of the end.
        """
        next_event, ahead, turn = self._connection.next_event, self._ahead, self._turn
        while True:
            if turn.events >= turn.look_at:
                await self.take_turn()
            event = ahead.pop(0) if ahead else next_event()
            if self.observer is not None:
                await self._tell_observed(self.observer, event)
            if type(event) is DataSetChunk:
                turn.events += 1
                return event
            if event is NEED_DATA:
                if self._is_input_over:
                    self._connection.receive_eof()
                else:
                    await self.move(deadline)
            elif event is BUSY:
                await self._let_others_run()
            elif event is CLOSED:
                raise await self.ended()
            elif type(event) in _TERMINAL_KINDS:
                self._note_end(cast(Terminal, event))
                raise await self.ended()
            else:
                turn.events += MESSAGE
                return event

    async def event_at_hand(self) -> ConnectionEvent | None:
        """Return the next event if it needs no read, else None. Raises as `next_event`."""
        while True:
            self._turn.events += MESSAGE
            await self.take_turn()
            event = self._ahead.pop(0) if self._ahead else self._connection.next_event()
            if self.observer is not None:
                await self._tell_observed(self.observer, event)
            if event is BUSY:
                await self._let_others_run()
            elif event is NEED_DATA and self._held:
                self.look()
            elif event is NEED_DATA and self._is_input_over:
                self._connection.receive_eof()
            else:
                break
        if event is NEED_DATA:
            return None
        if event is CLOSED:
            raise await self.ended()
        if type(event) in _TERMINAL_KINDS:
            self._note_end(cast(Terminal, event))
            raise await self.ended()
        return event

    def put_back(self, event: ConnectionEvent) -> None:
        """Make an event the next one again."""
        self._ahead.insert(0, event)

    async def take_turn(self) -> None:
        """Let other tasks run if the turn of this association is over; see `scheduling.py`.

        Raises the AssociationError of the end, also of one that was asked for from outside.
        """
        if self.ending.reason is not None:
            raise await self.ended()
        if self._turn.is_over(self._stream.now()):
            await self._let_others_run()

    async def _let_others_run(self) -> float:
        """Let other tasks run; return the time after that."""
        await self._backend.checkpoint()
        now = self._stream.now()
        self._turn.begin(now)
        return now

    async def _tell_observed(
        self, observer: Observer, event: ConnectionEvent | NeedData | Busy | Closed
    ) -> None:
        """Run the observer's handlers up to `event`; after a cancellation `event` is still the next one."""
        try:
            await observer.tell()
            await self.take_turn()
        except BaseException:
            if not isinstance(event, Signal):
                self._ahead.insert(0, event)
            raise
        if self.ending.reason is not None:  # a handler has aborted
            raise await self.ended()

    async def move(self, deadline: float | None = None) -> None:
        """Send if there is output, else receive once, else wait until a deadline."""
        connection, stream, sender = self._connection, self._stream, self.sender
        if self.ending.reason is not None:
            raise await self.ended()
        is_sending = sender.source is not None
        if is_sending and not sender.unsent:
            await sender.feed()
        if await sender.send_queued() or is_sending:
            self.look()
            return
        if self._held:
            self._take(b"")
            return
        if self._read_at_once < _MOST_AT_ONCE and connection.is_receiving and self._read_on():
            return
        self._read_at_once = 0
        begun, turn = stream.now(), self._turn
        if turn.is_over(begun):
            begun = await self._let_others_run()
        soon = begun + _SOON
        try:
            data: Buffer | None = None
            must_look = begun >= self._look_at or self.ending.has_send_failed
            if not must_look:
                try:
                    data = await stream.receive(soon if deadline is None or soon < deadline else deadline)
                except TimeoutError:
                    must_look = True
            if must_look:  # the long wait: no exception keeps what the short one used
                data = await self._receive_watched(begun, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            self._break(error)
        else:
            if data is not None:
                self._take(data)
        finally:
            turn.end_wait(begun, stream.now())

    async def _receive_watched(self, begun: float, deadline: float | None) -> Buffer | None:
        """Receive with a look at the deadlines of the engine; None if one has passed, and was acted on.

        Nothing came since `begun`, or the last look is long past. Timers armed since that run from `begun`.
        """
        connection, stream = self._connection, self._stream
        self._look_at = begun + _UNWATCHED
        due = connection.next_deadline(begun, unread=self._turn.take_unread(begun))
        if due is not None and due <= begun:
            # The bytes may have come while a handler ran: read once more before the deadline counts.
            if self._overdue == due:
                connection.handle_timeout(begun)
                return None
            self._overdue = due
        until = due if deadline is None or (due is not None and due < deadline) else deadline
        if self.ending.has_send_failed:
            until = begun + self.close_time()
        try:
            return await stream.receive(until)
        except TimeoutError:
            if self.ending.reason is not None:
                raise await self.ended() from None
            if self.ending.has_send_failed:
                self._end_input()
            elif until is deadline:
                raise
            else:
                connection.handle_timeout(stream.now())
            return None

    def _read_on(self) -> bool:
        """Read available bytes of the message that has begun; tell whether there were any."""
        try:
            data = self._stream.try_receive()
        except OSError as error:
            self._break(error)
            return True
        if not data:  # `receive` tells what the end of the input means
            return False
        self._read_at_once += 1
        self._take(data)
        return True

    def look(self) -> None:
        """Read what has arrived during a send.

        Deadlines are checked after all is sent, or the response timeout would run while its request is sent.
        """
        if self._held:
            self._take(b"")
            return
        try:
            data = self._stream.try_receive()
        except OSError as error:
            self._break(error)
            return
        if data is not None:
            self._take(data)

    def _take(self, data: Buffer) -> None:
        """Give the engine received bytes, held ones first; at most as many at once as the observer takes."""
        if self._held:
            data, self._held = self._held, b""
        elif not data:
            self._end_input()
            return
        self._is_fresh = True
        if self.observer is not None:
            taken = self.observer.received(data)
            data, self._held = memoryview(data)[:taken], memoryview(data)[taken:]
        self._connection.receive_data(data)

    def _break(self, error: OSError) -> None:
        """Note that a read found the connection broken."""
        if self.ending.broken is None or isinstance(error, TLSBroken):  # the more exact reason
            self.ending.broken = error
        self.ending.is_gone = True
        self._end_input()

    def _end_input(self) -> None:
        """Note the end of the input; the engine hears of it after the bytes before it."""
        self._is_input_over = self.ending.is_leaving = True

    # -- looking ahead ------------------------------------------------------------------------

    def look_ahead(self, most: int = MOST_AHEAD) -> bool:
        """Read what has arrived, up to `most` bytes of data sets, so that a C-CANCEL is known at once.

        Tells whether the peer still takes results; other events wait for `next_event`. Responses that wait to
        be sent together are sent first: the peer may answer them.
        """
        ahead, has_looked, ending = self._ahead, False, self.ending
        if self.sender.is_owing:
            self.sender.send_at_once()
        self.is_busy = False
        while not ending.is_leaving:
            if len(ahead) >= _MOST_EVENTS_AHEAD:
                self._notice_end()
                break
            event = self._connection.next_event()
            if event is NEED_DATA:
                if has_looked:
                    break
                if self._is_far_ahead(most):
                    self._notice_end()
                    break
                has_looked = True
                self.look()
            elif event is CLOSED or event is BUSY:
                self.is_busy = event is BUSY
                break
            elif not isinstance(event, CancelReceived):  # the engine keeps C-CANCELs
                ahead.append(event)
                self.sender.is_owing |= type(event) is RequestRefused  # the engine has answered it
                ending.is_gone = type(event) in _TERMINAL_KINDS
                ending.is_leaving = ending.is_gone or type(event) is ReleaseRQ
        return not ending.is_leaving

    def _is_far_ahead(self, most: int) -> bool:
        """Tell whether `look_ahead` holds as much of a data set as it may."""
        sizes = [len(event.data) for event in self._ahead if isinstance(event, DataSetChunk)]
        return sum(sizes) >= most

    def can_look_further(self, most: int) -> bool:
        """Tell whether `look_ahead` would read what arrives next."""
        is_full = len(self._ahead) >= _MOST_EVENTS_AHEAD or self._is_far_ahead(most)
        return not (is_full or self._held or self.ending.is_leaving)

    @property
    def has_last_chunk(self) -> bool:
        """Whether the data set that arrives is whole, as far as `look_ahead` has read."""
        return any(type(event) is DataSetChunk and event.last for event in self._ahead)

    @property
    def has_read_all(self) -> bool:
        """Whether the input was read to its end, or to a release request."""
        ends = [event for event in self._ahead if type(event) is ReleaseRQ or type(event) in _TERMINAL_KINDS]
        return self._is_input_over or bool(ends)

    def notice_overdue(self, now: float) -> None:
        """Note, while no call reads, that the rest of a message is overdue."""
        connection = self._connection
        due = connection.next_deadline(now, unread=self._turn.take_unread(now))
        if due is not None and due <= now:
            connection.handle_timeout(now)
            self.look_ahead()

    def _notice_end(self) -> None:
        """Note an end of the input behind bytes that are not to be read yet."""
        end = glimpse(self._stream)
        self.ending.is_gone |= end == "broken"
        self.ending.is_leaving |= end != ""

    async def is_too_late(self) -> bool:
        """Send the answers to earlier requests, and tell whether the peer can take no answer to the next one.

        Bytes read just now show that the peer is there, so there is no further check.
        """
        if self.sender.is_owing:
            await self.sender.send_queued()
        if self._is_fresh:
            self._is_fresh = False
        elif not self.ending.is_gone:
            self._notice_end()
        return self.ending.is_gone

    # -- ending -------------------------------------------------------------------------------

    async def end(
        self, reason: Reason | None = None, abort: Abort | None = None, *, waits: bool = True
    ) -> None:
        """Abort and close; `reason` makes the error in place of a plain "aborted from this side".

        It waits up to `close_time()` for the peer to close. Without `waits` the A-ABORT is tried once.
        """
        if self.ending.terminal is None:
            self.cut(reason, abort)
        if not self.is_closing:
            self.is_closing = True
            self.ending.tell_waiting()
            await self._close(waits=waits)

    async def ended(self) -> AssociationError:
        """End the association if that was asked for, close, and return the error of the end."""
        await self.end()
        return self.ending.known()

    def ask_to_end(self, reason: Reason | None = None) -> None:
        """Have the user of the association end it; any thread may call this.

        The association counts as aborted from now on. The waits of its stream end, and where the user waits,
        reads or sends, it ends the association.
        """
        ending = self.ending
        if ending.reason is None:
            ending.reason = reason or ending.aborted_here()
        ending.is_leaving = True
        interrupt(self._stream)

    def cut(self, reason: Reason | None = None, abort: Abort | None = None) -> None:
        """Abort; `end` sends what is left to send, and closes."""
        ending, connection = self.ending, self._connection
        ending.is_gone = ending.is_leaving = True
        ending.reason = ending.reason or reason
        if connection.state is State.STA2:  # no association was requested: nothing to abort
            ending.reason = ending.reason or ending.aborted_here()
            connection.receive_eof()
        else:
            connection.send(abort or Abort())
        while ending.terminal is None:
            event = self._ahead.pop(0) if self._ahead else connection.next_event()
            if type(event) in _TERMINAL_KINDS:
                self._note_end(cast(Terminal, event))

    def _note_end(self, terminal: Terminal) -> None:
        ending = self.ending
        ending.is_gone = ending.is_leaving = True
        ending.terminal = terminal
        if ending.reason is None:
            ending.reason = ending.why(terminal, self._timeouts)
        self.sender.source = None

    async def _close(self, *, waits: bool) -> None:
        """Close the stream after the terminal event, as the engine says."""
        ending, sender = self.ending, self.sender
        terminal = ending.terminal
        quiet = isinstance(terminal, ConnectionClosed) and terminal.quiet  # a port probe
        level = logging.DEBUG if quiet or ending.is_told else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s", printable(str(ending.error)))
        now = self._stream.now()
        words: list[Buffer] = []
        observer = self.observer
        if observer is not None:
            observer.start()
        if self._connection.close_action is CloseAction.SHUTDOWN:
            words = sender.unsent + self._connection.data_to_send()
            await self._stream.close(words, now + self.close_time() if waits else now)
        else:
            await self._stream.close([], now)
        sender.close()
        self._connection.receive_eof()
        if observer is not None:
            observer.sent([] if ending.has_send_failed else words, [])
            await observer.tell()
        on_end, self._on_end = self._on_end, is_over
        await on_end()

    def close_time(self) -> float:
        """Return the seconds that the end waits for the peer at most."""
        close = self.close_timeout
        return _LONGEST_CLOSE if close is None else min(close, _LONGEST_CLOSE)
