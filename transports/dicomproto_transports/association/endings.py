"""The end of an association: terminal events of the engine as exceptions, and the state of one end.

Each error text names the peer, the event and the state, so that an application can show it unchanged. Text
from the peer is quoted with escapes. `Ending` holds the state; `AbortOnCut` ends an association after a cut.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from dicomproto.config import Timeouts
from dicomproto.errors import (
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    AssociationReleased,
    ConnectionLost,
    NotDicomError,
    RemoteProtocolError,
    TLSFailed,
)
from dicomproto.upper_layer.events import (
    ConnectionClosed,
    LocallyEnded,
    NotDicom,
    ProtocolViolation,
    Role,
    Terminal,
    TimerExpired,
)
from dicomproto.upper_layer.pdu import Abort, AssociateRJ, ReleaseRP

from ..error_text import PROTOCOLS, during, timed_out
from ..streams.addresses import name_of
from ..streams.interface import TLSBroken

if TYPE_CHECKING:
    from dicomproto.connection import Connection

    from ..streams.interface import Stream

Reason = Callable[[], AssociationError]
"""Makes the error that explains an end."""


def explain(
    terminal: Terminal, peer: str, *, broken: OSError | None = None, timeouts: Timeouts | None = None
) -> AssociationError:
    """Return the exception for a terminal event; `broken` is the error of the transport, if there was one."""
    if isinstance(terminal, AssociateRJ):
        return AssociationRejected(
            f"{peer}: {terminal.meaning}",
            result=terminal.result,
            source=terminal.source,
            reason=terminal.reason,
        )
    if isinstance(terminal, Abort):
        text = f"{peer} ended the association: {terminal.meaning}"
        return AssociationAborted(text, source=terminal.source, reason=terminal.reason, by_peer=True)
    if isinstance(terminal, ReleaseRP):
        return AssociationReleased(f"{peer}: the association was released")
    if isinstance(terminal, LocallyEnded):
        return _ended_here(terminal, peer)
    if isinstance(terminal, ProtocolViolation):
        text = f"{peer} broke the protocol: {terminal.item_path}: {terminal.text} (byte {terminal.offset})"
        return RemoteProtocolError(text, offset=terminal.offset, item_path=terminal.item_path)
    if isinstance(terminal, NotDicom):
        spoken = PROTOCOLS.get(terminal.kind, "no DICOM")
        return NotDicomError(f"{peer} speaks {spoken}", kind=terminal.kind)
    if isinstance(terminal, TimerExpired):
        return timed_out(peer, terminal.timer, getattr(timeouts, terminal.timer, None), terminal.state)
    return _lost(terminal, peer, broken)


def _ended_here(terminal: LocallyEnded, peer: str) -> AssociationError:
    pdu = terminal.pdu
    if isinstance(pdu, Abort):
        text = f"{peer}: the association was aborted from this side"
        return AssociationAborted(text, source=pdu.source, reason=pdu.reason, by_peer=False)
    if isinstance(pdu, AssociateRJ):
        text = f"{peer}: the association was {pdu.meaning}, from this side"
        return AssociationRejected(text, result=pdu.result, source=pdu.source, reason=pdu.reason)
    return AssociationReleased(f"{peer} released the association")


def _lost(terminal: ConnectionClosed, peer: str, broken: OSError | None) -> ConnectionLost:
    how = "closed the connection" if broken is None else f"is gone ({broken.strerror or broken})"
    where = " in the middle of a PDU" if terminal.mid_pdu else ""
    text = f"{peer} {how} {during(terminal.state)}{where}"
    if isinstance(broken, TLSBroken):
        return TLSFailed(text, kind=broken.kind, state=terminal.state)
    return ConnectionLost(text, state=terminal.state)


async def is_over(_: object = None) -> None:
    """Do nothing: takes the place of what a part did at the end, so that it holds no other part any more."""


class Ending:
    """The end of one association, as far as it is known."""

    __slots__ = (
        "terminal", "is_leaving", "is_gone", "has_send_failed", "broken", "reason", "waiting", "is_told",
        "_connection", "_stream",
    )  # fmt: skip

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream
        self.terminal: Terminal | None = None
        """The terminal event of the engine."""
        self.is_leaving: bool = False
        """Whether the peer takes no more results: it asked for a release, ended its output, or is gone.

        True as well when this side ends the association. Any thread may read it.
        """
        self.is_gone: bool = False
        """Whether the connection broke, or either side aborted: no request can be answered any more."""
        self.has_send_failed: bool = False
        """Whether the peer takes no more bytes; the reason may still be there to read."""
        self.broken: OSError | None = None
        """The error of the transport, if there was one."""
        self.reason: Reason | None = None
        """Makes the error that explains the end; None before the end.

        An abort from outside sets it before the end: `terminal` tells that the engine has ended.
        """
        self.waiting: threading.Condition | None = None
        """Threads that abort the association wait on it until its own thread has ended or left it."""
        self.is_told: bool = False
        """Whether the caller logs the end: it is then logged at DEBUG only."""

    def tell_waiting(self) -> None:
        """Wake the threads that abort the association."""
        if self.waiting is not None:
            with self.waiting:
                self.waiting.notify_all()

    @property
    def peer_name(self) -> str:
        """AE title and address of the other side, for error texts and logs."""
        rq = self._connection.request
        if rq is None:
            title = ""
        else:
            title = rq.called_ae_title if self._connection.role is Role.REQUESTOR else rq.calling_ae_title
        return name_of(title, self._stream.peer_address)

    @property
    def error(self) -> AssociationError | None:
        """The error that explains the end; None before the end."""
        if self.reason is None:
            return None
        error = self.reason()
        error.__cause__ = self.broken
        return error

    def known(self) -> AssociationError:
        """Return the error that explains the end, after the end."""
        error = self.error
        assert error is not None
        return error

    def why(self, terminal: Terminal, timeouts: Timeouts | None = None) -> Reason:
        """Return the reason that a terminal event gives; it holds no part of the association."""
        return partial(explain, terminal, self.peer_name, broken=self.broken, timeouts=timeouts)

    def aborted_here(self) -> Reason:
        """Return the reason for an abort from this side."""
        return self.why(LocallyEnded(pdu=Abort()))

    def lost(self) -> AssociationError:
        """Return the error for a broken connection before its terminal event."""
        return self.why(ConnectionClosed(state=self._connection.state.value, mid_pdu=False, quiet=False))()


class AbortOnCut:
    """A block that aborts the association when it is cut, by a cancellation or a shutdown.

    Half a data set, or a response that no call takes, cannot be undone. The A-ABORT is tried once, and nobody
    waits for the peer to close: a cancellation is not held up. An exception does not end the association, nor
    does a cut while `when` is false.
    """

    __slots__ = ("_end", "_when")

    def __init__(
        self, end: Callable[..., Awaitable[object]], when: Callable[[], object] = lambda: True
    ) -> None:
        self._end = end
        self._when = when

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, Exception) and self._when():
            await self._end(waits=False)
