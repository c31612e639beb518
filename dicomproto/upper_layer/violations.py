"""Violations of the protocol by a peer: the A-ABORT that answers one, and the event that reports it."""

from __future__ import annotations

from ..errors import InvalidPDU
from .events import NotDicom, ProtocolViolation
from .layout import UNRECOGNIZED_PDU
from .pdu import Abort

_SIGNATURES = (
    (b"\x16\x03", "tls"),
    (b"\x15\x03", "tls"),
    (b"SSH-", "ssh"),
    (b"PROXY ", "proxy"),
    (b"\r\n\r\n\x00\r", "proxy"),
    (b"GET ", "http"),
    (b"HEAD ", "http"),
    (b"POST ", "http"),
    (b"PUT ", "http"),
    (b"OPTION", "http"),
    (b"DELETE", "http"),
    (b"PRI * ", "http"),
    (b"HTTP/", "http"),
)


def sniff(header: bytes) -> str:
    """Return the protocol of the first 6 bytes of a connection, or "unknown"."""
    return next((kind for signature, kind in _SIGNATURES if header.startswith(signature)), "unknown")


def violation(
    error: InvalidPDU, state: str, *, source: int, first_bytes: bytes
) -> tuple[Abort, NotDicom | ProtocolViolation]:
    """Return our A-ABORT from `source`, and the terminal event, for an error in `state`.

    If the first PDU was not recognized, the `first_bytes` of the connection name another protocol.
    """
    # Source 0, the service-user, has no reasons (PS3.8 Table 9-26).
    abort = Abort(source=source, reason=error.reason if source else 0)
    if error.reason == UNRECOGNIZED_PDU and not error.offset:
        return abort, NotDicom(kind=sniff(first_bytes), abort=abort)
    return abort, ProtocolViolation(
        text=error.text, offset=error.offset, item_path=error.item_path, state=state, abort=abort
    )
