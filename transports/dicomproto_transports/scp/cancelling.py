"""The early end of a C-FIND, C-GET or C-MOVE of the peer, by a cancel or the end of the association.

Input is read between two results. After a C-CANCEL the handler may still yield the final status. After a
release request, the end of the input, an abort or a broken connection the peer takes no result: `PeerLeaves`
closes the handler. Requests that came before the end are served then.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import CANCEL, CANNOT_UNDERSTAND, Category, category_of
from dicomproto.errors import AssociationError, DataSetError

from ..error_text import printable
from .results import END, comment_on, pair_of, status_of

if TYPE_CHECKING:
    from .. import evt
    from ..association.session import Session
    from .watching import HandlerCut

log: logging.Logger = logging.getLogger("dicomproto.handlers")


class ResultSource(Protocol):
    """A handler that yields results."""

    async def next(self) -> object:
        """Return the next result, `END` after the last. Raises the exceptions of the handler."""
        ...


class PeerLeaves(Exception):
    """The peer takes no more results; the operation ends without a response."""


async def poll_peer(session: Session) -> None:
    """Read the peer's input, and let other tasks run. Raises PeerLeaves."""
    if not session.driver.look_ahead():
        with suppress(AssociationError):
            await _act_on_end(session)
        raise PeerLeaves
    await session.driver.take_turn()


async def _act_on_end(session: Session) -> None:
    """Act on the events up to the end, which raises; a request before the end is put back."""
    while not isinstance(event := await session.next_event(), RequestReceived):
        await session.dispatch(event)
    session.driver.put_back(event)


async def final_result(results: ResultSource) -> tuple[object, object]:
    """Return the final status of a cancelled operation, and the data set beside it.

    The handler may yield both now. If it yields another pending result, or nothing, they are FE00H and None.
    """
    return _final(await results.next())


def _final(result: object) -> tuple[object, object]:
    status, beside = (CANCEL, None) if result is END else pair_of(result)
    return (CANCEL, None) if category_of(status_of(status)) is Category.PENDING else (status, beside)


def result_of_cut(session: Session, event: evt.RequestEvent, cut: HandlerCut) -> tuple[object, object]:
    """Return the final status of a handler that was cancelled, as `final_result`.

    Raises PeerLeaves if the peer takes none.
    """
    event.drop_deferred()
    log.info("%s: the handler of %s was cancelled", session.peer_name, event.event.name)
    if session.ending.is_leaving:
        raise PeerLeaves
    return _final(cut.result)


def settle(session: Session, event: evt.RequestEvent, *, is_over: bool = False) -> None:
    """Fix the value of `event.is_cancelled` once it is true or the operation `is_over`."""
    if event.verdict is None:
        if session.ending.is_leaving or event.command.MessageID in session.driver.cancelled:
            event.verdict = True
        elif is_over:
            event.verdict = False


def report_failure(
    session: Session, event: evt.RequestEvent, error: Exception, failed: int
) -> tuple[int, str]:
    """Log the failure of a handler; return the final status and the Error Comment.

    The status is `failed`, or C000H of a C-service whose data set cannot be read (PS3.4 B.2.3, C.4). If the
    handler failed because the association ended, nothing is logged and PeerLeaves raised.
    """
    event.drop_deferred()
    name, peer = event.event.name, session.peer_name
    if session.runner.explains(error, event):
        log.info("%s: the handler of %s ended with the association (%s)", peer, name, type(error).__name__)
        raise PeerLeaves
    if isinstance(error, DataSetError) and error.request is event.command:
        log.warning("%s: the data set of %s cannot be used: %s", peer, event.command.name, error)
        return CANNOT_UNDERSTAND if failed >= CANNOT_UNDERSTAND else failed, comment_on(error)
    log.error("%s: the handler of %s failed: %s", peer, name, printable(str(error)), exc_info=error)
    return failed, error_comment(f"{type(error).__name__} in the handler")
