"""What comes out of `next_event()` besides the PDUs themselves."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, final

from ..record import Record
from .pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, Buffer, ReleaseRP, ReleaseRQ


class Role(Enum):
    """Which side of the association a machine is: the one that proposes it or the one that answers."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class Signal(Enum):
    """What `next_event()` returns when there is no event."""

    NEED_DATA = "need data"
    CLOSED = "closed"
    BUSY = "busy"


NEED_DATA: Final = Signal.NEED_DATA
"""Nothing more can be said until more bytes, end of file or time come in: no input is left."""

BUSY: Final = Signal.BUSY
"""Many fragments were taken in that are no event: let others run, then ask again before more is read."""

CLOSED: Final = Signal.CLOSED
"""The terminal event was given; nothing follows."""


class CloseAction(Enum):
    """What the owner of the transport connection has to do with it now."""

    NONE = "none"
    SHUTDOWN = "shutdown"
    """Flush `data_to_send()`, shut down writing, read and discard until end of file or the next deadline."""
    CLOSE = "close"
    """Close it."""


@final
class PDVChunk(Record):
    """Bytes of one PDV as they came: a PDV may arrive in several chunks, `end_of_pdv` marks the last.

    `is_command` and `is_last` are the message control header (PS3.8 E.2), the same in all chunks of
    a PDV; `starts_pdu` marks the first chunk of the first PDV of a P-DATA-TF. `data` is a read-only
    view of what was received.
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
    """Terminal: the transport connection ended without a word (AA-4, AA-5).

    `state` is the state it ended in; `mid_pdu` tells whether a PDU was cut short; `quiet` that no
    byte ever came, as from a port probe.
    """

    state: str
    mid_pdu: bool
    quiet: bool


class TimerExpired(Record):
    """Terminal: a wait was too long; `timer` is the field of `Timeouts`, `state` where it was reached."""

    timer: str
    state: str


class LocallyEnded(Record):
    """Terminal: what we sent ended it. `pdu` is our A-ABORT, A-ASSOCIATE-RJ or A-RELEASE-RP."""

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
"""Exactly one of these ends every connection. (A ReleaseRP that crosses our own release is not terminal.)"""

UpperLayerEvent = AssociateRQ | AssociateAC | ReleaseRQ | PDVChunk | Terminal
"""What `UpperLayer.next_event()` returns, besides NEED_DATA and CLOSED."""

NeedData = Literal[Signal.NEED_DATA]
Closed = Literal[Signal.CLOSED]
Busy = Literal[Signal.BUSY]
