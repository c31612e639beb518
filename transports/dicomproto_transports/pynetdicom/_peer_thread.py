"""The thread of an association: it serves the peer while nobody calls."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from dicomproto.errors import AssociationError

from ..association.closing import release
from ..streams.blocking_waits import Interrupted, run
from ._link import Link
from .utils import make_target

if TYPE_CHECKING:
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.association")

LAST_WAIT = 0.5
"""Seconds that an abort or a release waits for the thread of the association."""

QUIET = 0.05
"""Seconds without a call after which the thread of a requested association waits for the peer."""


class PeerThread(Link):
    """The thread of one association.

    That of a requested association waits for the peer between calls: it serves requests, and notices a
    release, an abort and the idle timeout. In a server it is the thread that serves the peer.
    """

    def __init__(self, ae: Any, mode: str, **options: Any) -> None:
        super().__init__(ae, mode, **options)
        self.network_timeout_response: str = "A-ABORT"
        self._target_in_context = make_target(self._serve)
        self._over = threading.Event()
        self._is_release_due = False

    def run(self) -> None:
        """Serve the peer while nobody calls; the thread does this."""
        self._target_in_context()

    def _serve(self) -> None:
        try:
            if self.is_acceptor:
                self.turns.take()
                try:
                    super().run()
                finally:
                    self.turns.give()
            else:
                self._watch()
        finally:
            self.turns.close()

    def _watch(self) -> None:
        """Wait for the peer whenever no call has come for a moment, to the end of the association."""
        session, turns = self.session, self.turns
        while session is not None and session.ending.reason is None:
            uses = turns.uses
            self._over.wait(QUIET)
            if turns.uses != uses or session.unfinished or not turns.take(wait=False):
                continue
            try:
                session.enter("the association's thread")
                try:
                    run(self._serve_until_wanted(session))
                finally:
                    session.leave()
            except AssociationError as error:
                LOGGER.info("The association has ended: %s", error)
            except Exception as error:  # a fault of the library is not to leave the peer alone
                LOGGER.exception(error)
                run(session.end())
            finally:
                turns.give()

    def serve_peer(self) -> None:
        """Serve the peer in the association's own thread, to the end of the association, which raises."""
        session, turns = self.session, self.turns
        assert session is not None
        while True:
            run(self._serve_until_wanted(session))
            session.leave()
            try:
                turns.let_others()
            finally:
                session.enter("the server")

    async def _serve_until_wanted(self, session: Session) -> None:
        """Serve the peer until another thread wants the association; raises AssociationError at the end."""
        turns, now = self.turns, session.stream.now
        while turns.begin_wait():
            timeout = self.network_timeout
            try:
                event = await session.next_event(None if timeout is None else now() + timeout)
            except Interrupted:
                return
            except TimeoutError:
                turns.end_wait()
                await self._end_idle(session)
                continue
            finally:
                turns.end_wait()
            await session.dispatch(event)
            if session.sender.source is not None:  # a small response leaves before the next wait
                await session.send_all()
            if self._is_release_due:
                await self._release(session, self.acse_timeout)
        await session.send_all()

    async def _end_idle(self, session: Session) -> None:
        LOGGER.error("Network timeout reached")
        if self.network_timeout_response == "A-RELEASE":
            await self._release(session)
        else:
            await session.end()

    async def _release(self, session: Session, timeout: float | None = None) -> None:
        session.leave()
        try:
            await release(session, timeout)
        finally:
            session.enter("the association's thread")

    def release_later(self) -> None:
        """Let the thread release the association once no request of the peer waits for a response."""
        self._is_release_due = True

    def end_thread(self, *, wait: bool) -> None:
        """Let the thread end, and wait for that: the peer has then had time to notice."""
        self._over.set()
        if wait and self.is_alive() and threading.current_thread() is not self:
            self.join(LAST_WAIT)
