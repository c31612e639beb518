"""Why an association ended, in words: the terminal events of the engine as exceptions.

Each text names the peer, what happened and when, so that it can be shown as it is. Text that the
peer sent is quoted with escapes, since it may hold anything. `Ending` keeps what is known of the end of one
association, `CutEnds` ends one whose call is cut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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

from ..streams.addresses import name_of
from ..streams.interface import TLSBroken
from ..words import PROTOCOLS, during, timed_out

if TYPE_CHECKING:
    from dicomproto.connection import Connection

    from ..streams.interface import Stream

Reason = Callable[[], AssociationError]
"""Makes the error that says why an association ended."""


def explain(
    terminal: Terminal, peer: str, *, broken: OSError | None = None, timeouts: Timeouts | None = None
) -> AssociationError:
    """Return the exception for how an association ended; `broken` is the transport's error, if it had one."""
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


class Ending:
    """How one association ends, as far as that is known."""

    __slots__ = (
        "terminal", "is_leaving", "is_gone", "is_deaf", "broken", "reason", "_connection", "_stream"
    )  # fmt: skip

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream
        self.terminal: Terminal | None = None
        """The terminal event of the engine."""
        self.is_leaving: bool = False
        """Whether the peer takes no more results: it has asked for a release, ends its output, or is gone.

        So it is as well when this side ends the association. Any thread may look at it.
        """
        self.is_gone: bool = False
        """Whether the connection broke, or either side aborted: nothing can be answered any more."""
        self.is_deaf: bool = False
        """Whether the peer takes nothing any more, but may have said why."""
        self.broken: OSError | None = None
        """The error of the transport, if it had one."""
        self.reason: Reason | None = None
        """Makes the error that says why it ended; None as long as it has not."""

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
        """Why the association ended; None as long as it has not."""
        if self.reason is None:
            return None
        error = self.reason()
        error.__cause__ = self.broken
        return error

    def known(self) -> AssociationError:
        """Return why the association ended, which it has."""
        error = self.error
        assert error is not None
        return error

    def explain(self, terminal: Terminal, timeouts: Timeouts | None = None) -> AssociationError:
        """Return the error for a terminal event, with what the transport says about it."""
        return explain(terminal, self.peer_name, broken=self.broken, timeouts=timeouts)

    def lost(self) -> AssociationError:
        """Return what tells that the connection broke, before its end was acted on."""
        return self.explain(ConnectionClosed(state=self._connection.state.value, mid_pdu=False, quiet=False))


class CutEnds:
    """A block that aborts the association when it is cut, by a cancellation or a shutdown.

    After a response that nobody waits for, or half a data set, there is no way back. An exception changes
    nothing, nor does a cut for which `when` is false.
    """

    __slots__ = ("_end", "_when")

    def __init__(
        self, end: Callable[[], Awaitable[object]], when: Callable[[], object] = lambda: True
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
            await self._end()
