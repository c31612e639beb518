"""Who uses an association, and who may look at it meanwhile.

One task uses it at a time, or the handler that this task runs. As long as a handler runs and calls nothing,
any thread may look ahead for it, to tell whether anybody still waits for its result.

What the peer says is acted on in its turn. `look_ahead` takes it in before that, but never past a
release request or the end: the engine must not be further than those who act on its events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from dicomproto.dimse.events import CancelReceived, DataSetChunk
from dicomproto.errors import AssociationError, LocalProtocolError
from dicomproto.quiet import Quiet
from dicomproto.upper_layer.events import BUSY, CLOSED, NEED_DATA
from dicomproto.upper_layer.pdu import ReleaseRQ

from ._pump import TERMINAL_KINDS, Pump
from ._stream import ServerShutdown, glimpse

if TYPE_CHECKING:
    from dicomproto.config import Timeouts
    from dicomproto.connection import Connection

    from . import evt
    from ._stream import Backend, Stream

Drive = Callable[[Coroutine[object, object, object]], object]
"""Runs a coroutine to its end without an event loop, as the blocking flavour does."""


# Events that `look_ahead` takes in before their turn, and bytes of data sets after which it reads no more.
_FARTHEST = 64
_MOST_AHEAD = 1024 * 1024


class Using(Pump):
    """The one that uses an association."""

    __slots__ = ("_busy", "_clock_offset", "_is_quiet", "_looking", "_user", "drive")

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        backend: Backend,
        timeouts: Timeouts,
        drive: Drive | None,
    ) -> None:
        super().__init__(connection, stream, backend, timeouts)
        self.drive = drive
        self._looking = threading.Lock()  # held by whoever looks ahead, from any thread
        self._clock_offset = stream.now() - monotonic()
        self._is_quiet = False  # a handler runs and has called nothing: what has come may be looked at
        self._busy = False
        self._user: object = None  # the task that runs a handler, and may use the association meanwhile

    def enter(self, what: str) -> None:
        """Take the association for one call, until `leave`; LocalProtocolError if another has it."""
        if self._reason is not None:
            raise self._ended()
        if self._busy or (self._user is not None and self._user != self.backend.current_task()):
            raise LocalProtocolError(
                f"{what}: the association is in use by another call; open one for each task or thread"
            )
        if self._is_quiet:  # else nobody looks, or begins to
            with self._looking:
                self._is_quiet = False
        self._busy = True

    def leave(self) -> None:
        """Let the next call have the association."""
        self._busy = False
        self._is_quiet = self._user is not None

    @contextmanager
    def handler_running(self, *, may_use: bool = True) -> Iterator[None]:
        """A block in which a handler runs: nobody else may use the association, and it may if `may_use`.

        pydicom, which decodes values when a handler looks at them, does not quote them on stderr or in a log.
        """
        busy, self._busy = self._busy, not may_use
        user, self._user = self._user, self.backend.current_task()
        quiet, self._is_quiet = self._is_quiet, may_use
        try:
            with Quiet():
                yield
        finally:
            with self._looking:
                self._is_quiet = quiet
            self._busy, self._user = busy, user

    # -- looking ahead ------------------------------------------------------------------------

    def look_ahead(self) -> bool:
        """Take in what has arrived, so that a C-CANCEL is known of before its turn.

        Tells whether the peer still takes results; what else has come waits for `next_event`.
        """
        ahead, has_looked = self._ahead, False
        while not self.is_leaving:
            if len(ahead) >= _FARTHEST:
                self._notice_end()
                break
            event = self.connection.next_event()
            if event is NEED_DATA:
                if has_looked:
                    break
                if self._is_far_ahead():
                    self._notice_end()
                    break
                has_looked = True
                self._look()
            elif event is CLOSED or event is BUSY:
                break
            elif isinstance(event, CancelReceived):
                self.cancel(event.message_id)
            else:
                ahead.append(event)
                self.is_gone = type(event) in TERMINAL_KINDS
                self.is_leaving = self.is_gone or type(event) is ReleaseRQ
        return not self.is_leaving

    def _is_far_ahead(self) -> bool:
        """Tell whether so much of a data set was taken in that no more is to be read before its turn."""
        sizes = [len(event.data) for event in self._ahead if isinstance(event, DataSetChunk)]
        return sum(sizes) >= _MOST_AHEAD

    def _notice_end(self) -> None:
        """Take note of an end of input that stands behind what is not to be read yet."""
        end = glimpse(self.stream)
        self.is_gone |= end == "broken"
        self.is_leaving |= end != ""

    async def is_too_late(self) -> bool:
        """Send the answers to earlier requests, and tell whether nobody can take that to the next one.

        What was read just now is a sign of life, which costs no look.
        """
        if self._is_owing:
            await self.send_queued()
        if self._is_fresh:
            self._is_fresh = False
        elif not self.is_gone:
            self._notice_end()
        return self.is_gone

    def is_cut(self, message_id: int) -> bool:
        """Tell whether nobody waits for the result of an operation of the peer any more.

        Looks at what has arrived, without waiting, while a handler runs and does not use the association.
        Any thread may ask: a look takes the lock that the association's own thread takes when it goes on.
        """
        if not self.is_leaving and self._looking.acquire(blocking=False):
            try:
                if self._is_quiet and self.look_ahead():
                    self._notice_time()
            finally:
                self._looking.release()
        return self.is_leaving or message_id in self.cancelled

    def _notice_time(self) -> None:
        """Take note that the peer was silent within a message for too long, or that the server ends."""
        connection = self.connection
        if connection.is_receiving:
            now = self._now()
            due = connection.next_deadline(now, unread=now - self._turn.heard_at)
            self._turn.heard_at = now
            if due is not None and due <= now:
                connection.handle_timeout(now)
                self.look_ahead()
        if self.drive is not None:
            try:
                self.drive(self.backend.checkpoint())
            except ServerShutdown:
                self.is_leaving = True

    def _now(self) -> float:
        """Return the time of the stream, in any thread."""
        try:
            return self.stream.now()
        except RuntimeError:  # a thread without an event loop
            return monotonic() + self._clock_offset

    def explains(self, error: BaseException | None, event: evt.Event | None = None) -> bool:
        """Tell whether a handler raised something because this association ended, and is not to blame for it.

        It is or came of an AssociationError, or the handler had seen that its event `is_cancelled`.
        """
        if not self.is_leaving:
            return False
        if event is not None and event.verdict:
            return True
        while error is not None and not isinstance(error, AssociationError):
            error = error.__cause__ or error.__context__
        return error is not None
