"""The error tree. Local misuse, what a peer sent, and how an association ended stay apart.

The engine raises `LocalProtocolError` and nothing else: whatever a peer does comes out of
`next_event()` as data. The adapters turn terminal events into the `AssociationError`s.
"""

from __future__ import annotations


class DicomProtoError(Exception):
    """Base of every error of this project."""


class LocalProtocolError(DicomProtoError):
    """The caller asked for something that the protocol does not allow now, or ever.

    Neither state nor output changed. The text names what was asked, the state and the remedy.
    """


class InvalidPDU(DicomProtoError):
    """Bytes that are no valid PDU, from `decode_pdu`.

    `offset` counts from the start of the PDU; `item_path` names the item; `reason` is the
    A-ABORT reason that answers it (PS3.8 Table 9-26).
    """

    def __init__(self, text: str, *, offset: int, item_path: str, reason: int) -> None:
        super().__init__(f"{item_path}: {text} (at byte {offset})")
        self.text = text
        self.offset = offset
        self.item_path = item_path
        self.reason = reason


class InvalidCommand(DicomProtoError):
    """Bytes that are no valid command set, from `decode_command` (PS3.7 6.3)."""


class DataSetError(DicomProtoError):
    """A data set that cannot be encoded, decoded, re-encoded, matched or made as asked.

    From `dicomproto.datasets` and `dicomproto.matching`. If it came with a response, that is the `response`:
    what was asked for may have been done. If it is about the data set of a request of the peer, that is the
    `request`.
    """

    request: object = None
    response: object = None


class DataSetTooLarge(DataSetError):
    """A data set with more elements, items, nested sequences or inflated bytes than are allowed."""


class AssociationError(DicomProtoError):
    """Base of the errors that say why an association could not be made or has ended."""


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
    """The association was released while something was still expected on it."""


class ConnectionLost(AssociationError):
    """The transport connection could not be made or ended without a word.

    `state` is the protocol state it ended in (None before there was a connection).
    """

    def __init__(self, text: str, *, state: str | None = None) -> None:
        super().__init__(text)
        self.state = state


class TLSFailed(ConnectionLost):
    """TLS could not be agreed on, or broke; `kind` says why.

    "certificate": the peer's cannot be verified, or is missing. "hostname": it is for another host.
    "refused": the peer sent an alert, most often about our certificate. "plain": the peer does not speak
    TLS. "protocol": no version or cipher suite in common, or nonsense.
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
    """The peer violated the protocol and was answered with A-ABORT.

    `offset` counts from the first byte of the connection, `item_path` names the item.
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
    """No presentation context was accepted, or none fits what is to be sent."""
