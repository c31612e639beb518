"""The events of an association besides PDUs, its terminal events, and the signals of `next_event()`."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, final

from ..record import Record
from .pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, Buffer, ReleaseRP, ReleaseRQ


class Role(Enum):
    """The side of an association: the requestor proposes it, the acceptor answers."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class Signal(Enum):
    """What `next_event()` returns when there is no event."""

    NEED_DATA = "need data"
    CLOSED = "closed"
    BUSY = "busy"


NEED_DATA: Final = Signal.NEED_DATA
"""No input is left: the next event needs more bytes, end of file, or time."""

BUSY: Final = Signal.BUSY
"""Many fragments made no event: let others run, then ask again before you read."""

CLOSED: Final = Signal.CLOSED
"""The terminal event has been returned; nothing follows."""


class CloseAction(Enum):
    """What the caller has to do with the transport connection now."""

    NONE = "none"
    SHUTDOWN = "shutdown"
    """Flush `data_to_send()`, shut down writing, read and discard until end of file or the next deadline."""
    CLOSE = "close"
    """Close it."""


@final
class PDVChunk(Record):
    """Bytes of one PDV. A PDV may come in several chunks; `end_of_pdv` marks the last one.

    `is_command` and `is_last` are the message control header (PS3.8 E.2), the same in all chunks of a PDV.
    `starts_pdu` marks the first chunk of the first PDV of a P-DATA-TF. `data` is a read-only view of received
    bytes.
    """

    context_id: int
    is_command: bool
    is_last: bool
    data: Buffer
    end_of_pdv: bool
    starts_pdu: bool
    warnings: tuple[str, ...] = ()


class ProtocolViolation(Record):
    """Terminal: the peer broke the protocol, and `abort` was sent (Evt19, or a PDU out of sequence).

    `offset` counts from the first byte of the connection; `item_path` names PDU and item.
    """

    text: str
    offset: int
    item_path: str
    state: str
    abort: Abort


class NotDicom(Record):
    """Terminal: the first bytes belong to another protocol.

    `kind` is "tls", "http", "proxy", "ssh" or "unknown"; `abort` was sent.
    """

    kind: str
    abort: Abort


class ConnectionClosed(Record):
    """Terminal: the transport connection ended without an A-ABORT or a release (AA-4, AA-5).

    `state` is the state in which it ended. `mid_pdu` tells whether a PDU was cut short. `quiet` tells whether
    no byte ever came, as from a port probe.
    """

    state: str
    mid_pdu: bool
    quiet: bool


class TimerExpired(Record):
    """Terminal: a wait was too long; `timer` is the field of `Timeouts`, `state` the state of the wait."""

    timer: str
    state: str


class LocallyEnded(Record):
    """Terminal: we ended the association. `pdu` is our A-ABORT, A-ASSOCIATE-RJ or A-RELEASE-RP."""

    pdu: Abort | AssociateRJ | ReleaseRP


Terminal = (
    AssociateRJ
    | ReleaseRP
    | Abort
    | ProtocolViolation
    | NotDicom
    | ConnectionClosed
    | TimerExpired
    | LocallyEnded
)
"""Exactly one of these ends each connection. (A ReleaseRP in a release collision is not terminal.)"""

UpperLayerEvent = AssociateRQ | AssociateAC | ReleaseRQ | PDVChunk | Terminal
"""What `UpperLayer.next_event()` returns, besides NEED_DATA and CLOSED."""

NeedData = Literal[Signal.NEED_DATA]
Closed = Literal[Signal.CLOSED]
Busy = Literal[Signal.BUSY]
