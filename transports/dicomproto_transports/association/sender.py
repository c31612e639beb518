"""The sending half of an association: messages, and the data set under way, one piece at a time.

A response that is queued during a data set waits in the engine until the data set is sent. Bytes that the
stream has not taken are kept for the next send.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

from dicomproto.dimse.commands import NO_DATA_SET
from dicomproto.dimse.status import Category
from dicomproto.errors import AssociationAborted

from ..error_text import timed_out
from ..streams.interface import try_send
from .endings import Ending, Reason, is_over
from .log_lines import log, log_response

if TYPE_CHECKING:
    from dicomproto.connection import Connection
    from dicomproto.dimse.commands import Response
    from dicomproto.upper_layer.pdu import Buffer

    from ..files.sources import Source
    from ..streams.interface import Stream
    from .observer import Observer

# Most buffers not taken by the peer; a piece of a data set in the smallest PDUs has fewer.
_MOST_UNSENT = 20_000


class Sender:
    """Sends the output of the engine, and feeds the engine the data set under way.

    `end` aborts the association for the given reason.
    """

    __slots__ = (
        "source", "observer", "unsent", "has_piece", "is_owing", "_connection", "_stream", "_seconds",
        "_ending", "_end", "_is_reply", "_due",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        seconds: float | None,
        ending: Ending,
        end: Callable[[Reason | None], Awaitable[object]],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._seconds = seconds
        self._ending = ending
        self._end = end
        self.source: Source | None = None
        """The data set under way; None without one."""
        self.observer: Observer | None = None
        """Observes the sent bytes; None unless a handler asks for them."""
        self.unsent: list[Buffer] = []
        """Output of the engine that the stream has not taken yet."""
        self.has_piece: bool = False
        """Whether the engine holds a piece of a data set for the next send."""
        self.is_owing: bool = False
        """Whether a response was queued, here or by the engine, and waits for the next send."""
        self._is_reply = False  # the data set under way belongs to a response
        self._due: float | None = None

    @property
    def has_output(self) -> bool:
        """Whether a message is not sent to its end yet."""
        return self.source is not None or bool(self.unsent)

    @property
    def is_free(self) -> bool:
        """Whether the peer takes what is sent, and no data set is under way."""
        return self.source is None and not (self.unsent or self._ending.has_send_failed)

    @property
    def is_done(self) -> bool:
        """Whether every message and response was sent to its end."""
        return self.source is None and not (self.unsent or self.has_piece or self.is_owing)

    def close(self) -> None:
        """Forget what is not sent, and `end`: the association has ended."""
        self.source, self.unsent, self._end = None, [], is_over

    def count_unsent(self) -> int:
        """Return the number of bytes in `unsent`."""
        return sum(map(len, self.unsent))

    # -- bytes --------------------------------------------------------------------------------

    async def send_queued(self) -> bool:
        """Send the output of the engine, once; tell whether some of it is left for the next time."""
        observer = self.observer  # an observer that is set during the send begins after it
        if observer is not None:
            observer.start()
        self.is_owing = self.has_piece = False
        buffers = self._connection.data_to_send()
        if self.unsent:
            buffers = self.unsent + buffers
        if not buffers or self._ending.has_send_failed:
            return False
        stream, due = self._stream, self._due
        if due is None and self._seconds is not None:
            due = stream.now() + self._seconds
        self.unsent = buffers
        try:
            rest = await stream.send(buffers, due)
        except TimeoutError:
            await self._end_stalled()
        except OSError as error:
            self._break(error)
            return False
        except BaseException:
            # The cut may be within a PDU: the peer would take any further bytes for its rest.
            await self._end(None)
            raise
        if len(rest) > _MOST_UNSENT:
            await self._end_flooded()
        # The write timeout is over only for a peer that took no byte in that time.
        stalled = len(rest) == len(buffers) and len(rest[0]) == len(buffers[0])
        if stalled and due is not None and stream.now() >= due:
            await self._end_stalled()
        self._due = due if stalled else None
        self.unsent = rest
        if observer is not None:
            observer.sent(buffers, rest)
            await observer.tell()
        return bool(self.unsent)

    def send_at_once(self) -> None:
        """Send what the network takes without a wait; the next send, or the close, sends the rest."""
        if self._ending.has_send_failed:
            return
        observer = self.observer
        if observer is not None:
            observer.start()
        buffers = self.unsent + self._connection.data_to_send()
        try:
            self.unsent = try_send(self._stream, buffers)
        except OSError as error:
            self._break(error)
            return
        if observer is not None:
            observer.sent(buffers, self.unsent)

    def _break(self, error: OSError) -> None:
        """Note that sending failed.

        Bytes that the peer sent before can still be read, such as an A-ABORT.
        """
        ending = self._ending
        ending.broken, self.unsent = error, []
        ending.has_send_failed = ending.is_gone = ending.is_leaving = True
        self._abandon()

    async def _end_flooded(self) -> NoReturn:
        """Abort because the peer sends requests and does not take the responses."""
        text = f"{self._ending.peer_name} sends requests and does not take the responses: aborted"
        await self._end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
        raise self._ending.known()

    async def _end_stalled(self) -> NoReturn:
        """End because of the write timeout; the peer would not take an A-ABORT, so the stream resets."""
        peer, seconds = self._ending.peer_name, self._seconds
        self._ending.has_send_failed = True
        await self._end(lambda: timed_out(peer, "write", seconds))
        raise self._ending.known() from None

    # -- the data set under way ---------------------------------------------------------------

    def begin(self, source: Source, piece: Buffer, last: bool, *, is_reply: bool = False) -> None:
        """Give the engine the first piece of the data set of the message just begun."""
        self._connection.send_data(piece, last=last, pad=source.pad)
        self.has_piece = True
        if not last:
            self.source, self._is_reply = source, is_reply

    async def feed(self) -> None:
        """Give the engine the next piece of the data set under way."""
        source = self.source
        assert source is not None
        try:
            piece, last = source.next_piece()
        except OSError as error:
            # The peer must not take the part that it has for the whole object.
            text = f"{self._ending.peer_name}: the association was aborted from this side: {error}"
            await self._end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
            raise self._ending.known() from error
        self._connection.send_data(piece, last=last, pad=source.pad)
        self.has_piece = True
        if last:
            self.source = None

    def stop(self) -> None:
        """End the data set under way early: the peer has answered a failure (PS3.7 9.3.1)."""
        if self.source is not None:
            self._connection.send_data(b"", last=True)
            self.source, self.has_piece = None, True

    def _abandon(self) -> None:
        """Forget the data set under way: the peer takes no more bytes.

        The engine takes the data set of a response as ended, and goes on counting unanswered requests. The
        data set of a request never ends: no response may count as an answer to the whole.
        """
        is_sending = self.source is not None and self._connection.is_sending
        self.source = None
        if is_sending and self._is_reply:
            self._connection.send_data(b"", last=True, pad=True)

    # -- responses ----------------------------------------------------------------------------

    def respond(self, response: Response) -> None:
        """Queue a response, after the data set under way: messages never interleave (PS3.8 E.1).

        Raises the AssociationError of the end if a handler has ended the association.
        """
        ending = self._ending
        if ending.reason is not None:
            raise ending.known()
        if ending.is_gone:
            # Nothing is sent any more, but the engine counts unanswered requests until its end.
            is_due = response.MessageIDBeingRespondedTo in self._connection.unanswered
            if response.category is Category.PENDING or not is_due or self._connection.is_sending:
                return
            response = response.replace(CommandDataSetType=NO_DATA_SET)
        self.is_owing = True
        self._connection.send_response(response)
        if not ending.is_gone and log.isEnabledFor(logging.INFO):
            log_response(ending.peer_name, "its", response)
