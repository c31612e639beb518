"""Release and abort of an association, and the end of its block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomproto.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    LocalProtocolError,
)
from dicomproto.upper_layer.pdu import ReleaseRQ

from ..error_text import timed_out

if TYPE_CHECKING:
    from .session import Session


async def release(
    session: Session, timeout: float | None = None, *, close_timeout: float | None = None
) -> None:
    """Release an association in order; see `Association.release`.

    `close_timeout` replaces `Timeouts.close`, from now on to the end.
    """
    if session.ending.reason is not None:
        return
    if close_timeout is not None:
        session.driver.close_timeout = close_timeout
    session.enter("release")
    try:
        async with session.abort_on_cut:
            await session.settle("release")
            while (event := await session.driver.event_at_hand()) is not None:
                await session.dispatch(event)
            session.connection.send(ReleaseRQ())
            deadline = None if timeout is None else session.stream.now() + timeout
            while True:
                await session.dispatch(await session.next_event(deadline))
    except TimeoutError:
        await session.end(lambda: timed_out(session.peer_name, "association", timeout))
        raise session.ending.known() from None
    except (AssociationReleased, ConnectionLost, AssociationAborted):
        pass
    finally:
        session.leave()


async def abort(session: Session, *, waits: bool = True) -> None:
    """Abort an association; see `Association.abort`. Without `waits` the A-ABORT is tried once."""
    if session.ending.terminal is None:
        await session.runner.abort(waits=waits)


async def leave_block(session: Session, cut_by: type[BaseException] | None) -> None:
    """Release an association at the end of its block; abort it if an exception has cut the block short.

    After an error the peer has time to close; a cancellation is not held up.
    """
    if cut_by is not None:
        await abort(session, waits=issubclass(cut_by, Exception))
        return
    try:
        await release(session)
    except LocalProtocolError:
        if session.runner.is_free:
            await session.end()  # no later call could; a task that still uses the association can
        raise
