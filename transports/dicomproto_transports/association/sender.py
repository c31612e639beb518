"""What leaves over an association: messages, and the data set under way, one piece at a time.

Responses that are given while a data set leaves wait behind it in the engine. What the stream has not taken
is kept for the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

from dicomproto.dimse.commands import NO_DATA_SET
from dicomproto.dimse.status import Category
from dicomproto.errors import AssociationAborted

from ..words import timed_out
from .endings import Ending, Reason
from .log_lines import log, log_response

if TYPE_CHECKING:
    from dicomproto.connection import Connection
    from dicomproto.dimse.commands import Response
    from dicomproto.upper_layer.pdu import Buffer

    from ..files.pieces import Source
    from ..streams.interface import Stream
    from .observer import Observer

# Buffers that the peer has not taken yet: more than a piece of a data set in the smallest PDUs has.
_MOST_UNSENT = 20_000


class Sender:
    """Sends what the engine has ready, and feeds it the data set under way.

    `end` aborts the association, for the reason that it is given.
    """

    __slots__ = (
        "source", "observer", "unsent", "is_owing", "_connection", "_stream", "_seconds",
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
        """Of the data set under way."""
        self.observer: Observer | None = None
        """Hears what is sent; None unless a handler wants to know."""
        self.unsent: list[Buffer] = []
        """What the stream has not taken yet of what the engine gave."""
        self.is_owing: bool = False
        """Whether a response was queued and waits for the next send."""
        self._is_reply = False  # the data set under way belongs to a response
        self._due: float | None = None

    @property
    def has_output(self) -> bool:
        """Whether something that was begun has not left yet."""
        return self.source is not None or bool(self.unsent)

    def count_unsent(self) -> int:
        """Return how many bytes the stream has not taken yet of what the engine gave."""
        return sum(map(len, self.unsent))

    # -- bytes --------------------------------------------------------------------------------

    async def send_queued(self) -> bool:
        """Send what the engine has ready, once; tell whether something is left for the next time."""
        observer = self.observer  # one that comes while this waits begins after it
        if observer is not None:
            observer.start()
        self.is_owing = False
        buffers = self._connection.data_to_send()
        if self.unsent:
            buffers = self.unsent + buffers
        if not buffers or self._ending.is_deaf:
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
            # Cancelled within a PDU perhaps: whatever followed, the peer would take for its rest.
            await self._end(None)
            raise
        if len(rest) > _MOST_UNSENT:
            await self._end_flooded()
        # The time to take something is over only for a peer that took nothing.
        stalled = len(rest) == len(buffers) and len(rest[0]) == len(buffers[0])
        if stalled and due is not None and stream.now() >= due:
            await self._end_stalled()
        self._due = due if stalled else None
        self.unsent = rest
        if observer is not None:
            observer.sent(buffers, rest)
            await observer.tell()
        return bool(self.unsent)

    def _break(self, error: OSError) -> None:
        """Take note that nothing leaves any more.

        What the peer said before it went away is still to be read, its A-ABORT above all.
        """
        ending = self._ending
        ending.broken, self.unsent = error, []
        ending.is_deaf = ending.is_gone = ending.is_leaving = True
        self._abandon()

    async def _end_flooded(self) -> NoReturn:
        """End because the peer asks on and on and does not take the answers."""
        text = f"{self._ending.peer_name} sends requests and does not take the responses: aborted"
        await self._end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
        raise self._ending.known()

    async def _end_stalled(self) -> NoReturn:
        """End because the peer takes nothing: not even an A-ABORT, so the stream resets the connection."""
        peer, seconds = self._ending.peer_name, self._seconds
        self._ending.is_deaf = True
        await self._end(lambda: timed_out(peer, "write", seconds))
        raise self._ending.known() from None

    # -- the data set under way ---------------------------------------------------------------

    def begin(self, source: Source, piece: Buffer, last: bool, *, is_reply: bool = False) -> None:
        """Give the engine the first piece of the data set of the message just begun."""
        self._connection.send_data(piece, last=last, pad=source.pad)
        if not last:
            self.source, self._is_reply = source, is_reply

    async def feed(self) -> None:
        """Give the engine the next piece of the data set under way."""
        source = self.source
        assert source is not None
        try:
            piece, last = source.next_piece()
        except OSError as error:
            # The peer must not take what it has for the whole object.
            text = f"{self._ending.peer_name}: the association was aborted from this side: {error}"
            await self._end(lambda: AssociationAborted(text, source=0, reason=0, by_peer=False))
            raise self._ending.known() from error
        self._connection.send_data(piece, last=last, pad=source.pad)
        if last:
            self.source = None

    def stop(self) -> None:
        """End the data set under way early, because the peer has answered a failure (PS3.7 9.3.1)."""
        if self.source is not None:
            self._connection.send_data(b"", last=True)
            self.source = None

    def _abandon(self) -> None:
        """Forget the data set under way, which nobody takes any more.

        To the engine that of a response has ended, so that it goes on counting what is to be answered; that
        of a request never does: no answer to it may pass as one to the whole.
        """
        is_sending = self.source is not None and self._connection.is_sending
        self.source = None
        if is_sending and self._is_reply:
            self._connection.send_data(b"", last=True, pad=True)

    # -- responses ----------------------------------------------------------------------------

    def respond(self, response: Response) -> None:
        """Queue a response; behind the data set under way, since messages never interleave (PS3.8 E.1).

        Raises the AssociationError of the end, if a handler has ended the association.
        """
        ending = self._ending
        if ending.reason is not None:
            raise ending.known()
        if ending.is_gone:
            # Until its end the engine counts what is to be answered; nothing leaves any more.
            is_due = response.MessageIDBeingRespondedTo in self._connection.unanswered
            if response.category is Category.PENDING or not is_due or self._connection.is_sending:
                return
            response = response.replace(CommandDataSetType=NO_DATA_SET)
        self.is_owing = True
        self._connection.send_response(response)
        if not ending.is_gone and log.isEnabledFor(logging.INFO):
            log_response(ending.peer_name, "its", response)
