"""The error tree: local misuse, errors in data, and the ends of associations.

The engine raises only `LocalProtocolError`; everything that a peer does comes out of `next_event()` as data.
The adapters turn terminal events into `AssociationError`s.
"""

from __future__ import annotations


class DicomProtoError(Exception):
    """Base of every error of this project."""


class LocalProtocolError(DicomProtoError):
    """The protocol does not allow what the caller asked for, now or ever.

    State and output are unchanged. The text names the request, the state and the remedy.
    """


class InvalidPDU(DicomProtoError):
    """Bytes that are not a valid PDU, from `decode_pdu`.

    `offset` counts from the start of the PDU; `item_path` names the item; `reason` is the reason of the
    A-ABORT that answers it (PS3.8 Table 9-26).
    """

    def __init__(self, text: str, *, offset: int, item_path: str, reason: int) -> None:
        super().__init__(f"{item_path}: {text} (at byte {offset})")
        self.text = text
        self.offset = offset
        self.item_path = item_path
        self.reason = reason


class InvalidCommand(DicomProtoError):
    """Bytes that are not a valid command set, from `decode_command` (PS3.7 6.3)."""


class DataSetError(DicomProtoError):
    """A data set that cannot be encoded, decoded, re-encoded, matched or made as asked.

    From `dicomproto.datasets` and `dicomproto.matching`. If the data set came with a response, `response` is
    that response: the operation may have succeeded. If it came with a request of the peer, `request` is that
    request.
    """

    request: object = None
    response: object = None


class DataSetTooLarge(DataSetError):
    """A data set with more elements, items, nested sequences or inflated bytes than are allowed."""


class AssociationError(DicomProtoError):
    """Base of the errors for an association that could not be made, or that has ended."""


class AssociationRejected(AssociationError):
    """The peer answered with A-ASSOCIATE-RJ; the fields are those of PS3.8 Table 9-21."""

    def __init__(self, text: str, *, result: int, source: int, reason: int) -> None:
        super().__init__(text)
        self.result = result
        self.source = source
        self.reason = reason


class AssociationAborted(AssociationError):
    """The association was aborted; the fields are those of PS3.8 Table 9-26.

    `by_peer` tells whether the A-ABORT was received or sent.
    """

    def __init__(self, text: str, *, source: int, reason: int, by_peer: bool) -> None:
        super().__init__(text)
        self.source = source
        self.reason = reason
        self.by_peer = by_peer


class AssociationReleased(AssociationError):
    """The association was released while a caller still waited for something on it."""


class ConnectionLost(AssociationError):
    """The transport connection could not be made, or ended without an A-ABORT or a release.

    `state` is the protocol state in which it ended, or None if there was no connection.
    """

    def __init__(self, text: str, *, state: str | None = None) -> None:
        super().__init__(text)
        self.state = state


class TLSFailed(ConnectionLost):
    """The TLS handshake or a TLS connection failed; `kind` is the reason.

    "certificate": the certificate of the peer cannot be verified, or is missing. "hostname": it is for
    another host. "refused": the peer sent an alert, most often about our certificate. "plain": the peer does
    not speak TLS. "protocol": there is no common version or cipher suite, or the data was not valid.
    """

    def __init__(self, text: str, *, kind: str, state: str | None = None) -> None:
        super().__init__(text, state=state)
        self.kind = kind


class TimedOut(AssociationError):
    """A wait ended at its deadline; `phase` is the field of `Timeouts` that bounded it."""

    def __init__(self, text: str, *, phase: str) -> None:
        super().__init__(text)
        self.phase = phase


class RemoteProtocolError(AssociationError):
    """The peer violated the protocol, and we answered with A-ABORT.

    `offset` counts from the first byte of the connection; `item_path` names the item.
    """

    def __init__(self, text: str, *, offset: int, item_path: str) -> None:
        super().__init__(text)
        self.offset = offset
        self.item_path = item_path


class NotDicomError(AssociationError):
    """The peer speaks another protocol; `kind` is "tls", "http", "proxy", "ssh" or "unknown"."""

    def __init__(self, text: str, *, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class NoAcceptedContext(AssociationError):
    """No presentation context was accepted, or none fits the message to send."""
