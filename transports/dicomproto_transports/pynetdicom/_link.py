"""The link of an association to the library: its session, its state, and the calls that take turns at it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from pydicom.dataset import Dataset

from dicomproto.errors import AssociationError, AssociationRejected, AssociationReleased

from ..files.sources import Encoding
from ..streams.blocking_waits import run
from ._accepted_contexts import NegotiatedContexts
from ._answers import reason_of
from ._core import ChangingTimeouts, timeouts_of
from ._globals import MODE_ACCEPTOR, MODE_REQUESTOR
from ._turns import Turns
from .presentation import PresentationContext

if TYPE_CHECKING:
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.association")

T = TypeVar("T")


class Link(threading.Thread):
    """One association as the library has it."""

    def __init__(self, ae: Any, mode: str, **options: Any) -> None:
        super().__init__(**options)
        self._ae = ae
        self.mode = mode
        self.turns: Turns = Turns()
        self.session: Session | None = None
        """The session of the library, None before the connection stands."""
        self.contexts: NegotiatedContexts = NegotiatedContexts(self.negotiated)
        self.failure: AssociationError | None = None
        """The error that kept the session from being made."""
        self.is_told_rejected: bool = False
        """True once this side rejects the association."""
        self.live_timeouts: ChangingTimeouts = timeouts_of(
            acse=ae.acse_timeout, dimse=ae.dimse_timeout, connection=ae.connection_timeout, tls=15.0
        )
        self._network_timeout: float | None = ae.network_timeout

    def negotiated(self) -> list[PresentationContext] | None:
        """Return the answered contexts; None before there is an answer."""
        raise NotImplementedError

    # -- which one ----------------------------------------------------------------------------------

    @property
    def ae(self) -> Any:
        """The application entity of this side."""
        return self._ae

    @property
    def mode(self) -> str:
        """ "requestor" or "acceptor"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        mode = mode.lower()
        if mode not in (MODE_REQUESTOR, MODE_ACCEPTOR):
            raise ValueError("Invalid association `mode` value, must be either 'requestor' or 'acceptor'")
        self._mode = mode

    @property
    def is_acceptor(self) -> bool:
        """True if the peer has requested it."""
        return self._mode == MODE_ACCEPTOR

    @property
    def is_requestor(self) -> bool:
        """True if this side has requested it."""
        return self._mode == MODE_REQUESTOR

    # -- state --------------------------------------------------------------------------------------

    @property
    def ending(self) -> AssociationError | None:
        """The error that explains the end, as the library knows it; None before the end."""
        return self.failure if self.session is None else self.session.ending.error

    @property
    def is_established(self) -> bool:
        """True if it was accepted, and has not ended."""
        session = self.session
        return session is not None and session.ending.reason is None and session.connection.answer is not None

    @property
    def is_released(self) -> bool:
        """True if it ended in order."""
        return isinstance(self.ending, AssociationReleased)

    @property
    def is_rejected(self) -> bool:
        """True if the acceptor rejected it."""
        return self.is_told_rejected or isinstance(self.ending, AssociationRejected)

    @property
    def is_aborted(self) -> bool:
        """True if it ended otherwise: aborted, lost, timed out, or never connected."""
        return not isinstance(self.ending, AssociationReleased | AssociationRejected | None)

    # -- timeouts -----------------------------------------------------------------------------------

    @property
    def acse_timeout(self) -> float | None:
        """Seconds for the answer to a request of the association or of its release."""
        return self.live_timeouts.association

    @acse_timeout.setter
    def acse_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(association=value, artim=value)

    @property
    def connection_timeout(self) -> float | None:
        """Seconds for the TCP connection."""
        return self.live_timeouts.connect

    @connection_timeout.setter
    def connection_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(connect=value)

    @property
    def dimse_timeout(self) -> float | None:
        """Seconds for each response."""
        return self.live_timeouts.response

    @dimse_timeout.setter
    def dimse_timeout(self, value: float | None) -> None:
        self.live_timeouts.change(response=value, action=value, retrieve=value)

    @property
    def network_timeout(self) -> float | None:
        """Seconds without a message after which the association is ended."""
        return self._network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self._network_timeout = value
        self.turns.nudge()

    # -- calls --------------------------------------------------------------------------------------

    def established(self, what: str) -> Session:
        """Return the session, to send `what`. Raises RuntimeError unless the association is established."""
        session = self.session
        if session is None or not session.is_established:
            text = f"The association with a peer SCP must be established before sending {what} request"
            raise RuntimeError(text)
        return session

    def in_turn(self, session: Session, what: str, coroutine: Coroutine[Any, Any, T]) -> T | None:
        """Run a call of this thread; returns None if the association ends before its result."""
        with self.turns:
            try:
                session.enter(what)
                try:
                    return run(coroutine)
                finally:
                    session.leave()
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
                return None
            finally:
                coroutine.close()


def encoded(session: Session, dataset: Dataset, context: PresentationContext, what: str) -> bytes:
    """Return a data set as it is sent on a context; `what` names it. Raises ValueError."""
    try:
        return Encoding(session).encode(dataset, context.transfer_syntax[0])
    except Exception as error:
        verb = "Unable" if "Event Information" in what else "Failed"
        text = f"{verb} to encode the supplied {what}: {reason_of(error)}"
        LOGGER.error(text)
        raise ValueError(text) from error


def check_numbers(msg_id: int, priority: int = 2) -> None:
    """Check a Message ID and a priority. Raises TypeError and ValueError."""
    given: object = msg_id
    if not isinstance(given, int):
        raise TypeError("Message ID must be an int")
    if not 0 <= given <= 0xFFFF:
        raise ValueError("Message ID must be between 0 and 65535, inclusive")
    if priority not in (0, 1, 2):
        raise ValueError("Priority must be 0, 1, or 2")
