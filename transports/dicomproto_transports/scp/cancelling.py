"""What ends a C-FIND, C-GET or C-MOVE of the peer before its handler does.

The peer is heard between two results. A C-CANCEL leaves the handler a last word. A release request, the
end of its output, an abort or a broken connection leave nobody to tell: `PeerLeaves` closes the handler.
Requests that came before that have their turn then.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import CANCEL, CANNOT_UNDERSTAND, Category, category_of
from dicomproto.errors import AssociationError, DataSetError

from ..words import printable
from .results import comment_on, pair_of, status_of
from .yielded import END

if TYPE_CHECKING:
    from .. import evt
    from ..association.session import Session

log: logging.Logger = logging.getLogger("dicomproto.handlers")


class Yielding(Protocol):
    """A handler that yields results."""

    async def next(self) -> object:
        """Return what the handler yields next, `END` after the last. Raises what the handler raises."""
        ...


class PeerLeaves(Exception):
    """The peer takes no more results; the operation ends without a response."""


async def give_way(session: Session) -> None:
    """Hear what the peer has to say, and let others run. Raises PeerLeaves."""
    if not session.driver.look_ahead():
        with suppress(AssociationError):
            await _act_on_end(session)
        raise PeerLeaves
    await session.driver.take_turn()


async def _act_on_end(session: Session) -> None:
    """Act on the end that is ahead, which raises, unless a request came before it."""
    while not isinstance(event := await session.next_event(), RequestReceived):
        await session.dispatch(event)
    session.driver.put_back(event)


async def last_word(steps: Yielding) -> tuple[object, object]:
    """Let a handler that was cancelled see that; return the final status, and what comes with it.

    It is what the handler yields now; if it goes on, or ends without a word, FE00H and None.
    """
    result = await steps.next()
    status, beside = (CANCEL, None) if result is END else pair_of(result)
    return (CANCEL, None) if category_of(status_of(status)) is Category.PENDING else (status, beside)


def settle(session: Session, event: evt.RequestEvent, *, is_over: bool = False) -> None:
    """Keep what `event.is_cancelled` says, for good where it is true or the operation `is_over`."""
    if event.verdict is None:
        if session.ending.is_leaving or event.message_id in session.driver.cancelled:
            event.verdict = True
        elif is_over:
            event.verdict = False


def report_failure(
    session: Session, event: evt.RequestEvent, error: Exception, failed: int
) -> tuple[int, str]:
    """Log that a handler failed; return the status and the Error Comment, after which nothing comes.

    The status is `failed`, or C000H of a C-service whose data set cannot be read (PS3.4 B.2.3, C.4). A
    handler that ends because the association does is not blamed: raises PeerLeaves then.
    """
    event.deferred = ()
    name, peer = event.event.name, session.peer_name
    if session.handling.explains(error, event):
        log.info("%s: the handler of %s ended with the association (%s)", peer, name, type(error).__name__)
        raise PeerLeaves
    if isinstance(error, DataSetError) and error.request is event.request:
        log.warning("%s: the data set of %s cannot be used: %s", peer, event.request.name, error)
        return CANNOT_UNDERSTAND if failed >= CANNOT_UNDERSTAND else failed, comment_on(error)
    log.error("%s: the handler of %s failed: %s", peer, name, printable(str(error)), exc_info=error)
    return failed, error_comment(f"{type(error).__name__} in the handler")
