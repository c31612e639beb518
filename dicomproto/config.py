"""`Limits` and `Timeouts`: all bounds of the engine and the adapters, one docstring a field.

A value that is not allowed raises TypeError or ValueError, with the field, when a record is made or replaced.
"""

from __future__ import annotations

from functools import partial

from .judging import rate, seconds, whole
from .record import Record

KIB = 1024
MIB = 1024 * 1024


class Limits(Record):
    """Most that a peer can make us hold or parse; declared sizes are checked before anything is buffered."""

    associate_length: int = 1 * MIB
    """Bytes of an A-ASSOCIATE-RQ or -AC after its header. Valid ones of 130 KB exist."""

    presentation_contexts: int = 256
    """Presentation context items in one A-ASSOCIATE PDU; at most 128 are conformant."""

    transfer_syntaxes: int = 256
    """Transfer syntax sub-items in one presentation context."""

    items: int = 2048
    """All other items and sub-items of one A-ASSOCIATE PDU together."""

    p_data_length: int = 1 * MIB
    """Bytes of a P-DATA-TF after its header.

    If four times the announced maximum length is more, that counts; an announced 0 means no limit.
    """

    empty_fragments: int = 64
    """PDVs without data within one message."""

    tiny_fragments: int = 1024
    """PDVs of one message, if their mean length is below 64 bytes; otherwise their number is not limited.

    A quarter of the announced maximum length counts in place of 64 bytes, if that is less.
    """

    command_length: int = 64 * KIB
    """Bytes of one command set."""

    outstanding_requests: int = 64
    """Requests of the peer that are not answered yet; a larger negotiated window counts instead."""

    collect: int = 512 * MIB
    """Bytes of a data set in a `DataSetCollector`, and so of a data set that a handler gets whole."""

    identifier: int = 1 * MIB
    """Bytes of the identifier of a C-FIND, C-GET or C-MOVE request; `collect` counts too.

    `dicomproto.encoded.IDENTIFIER_BOUNDS` limits its elements, items and nested sequences.
    """

    _converters = {field: partial(whole, field) for field in __annotations__}  # noqa: RUF012


class Timeouts(Record):
    """The longest time of each wait, in seconds, and the slowest rate of a message; None means no bound."""

    connect: float | None = 15.0
    """For the TCP connection, to all addresses of a host together; the next one is tried after 250 ms."""

    proxy: float | None = 5.0
    """For the header of the PROXY protocol, where a server expects one."""

    tls: float | None = 15.0
    """For the TLS handshake, on either side."""

    association: float | None = 30.0
    """For the answer to our A-ASSOCIATE-RQ, and for the answer to our A-RELEASE-RQ."""

    artim: float | None = 30.0
    """For the peer's A-ASSOCIATE-RQ, from the moment the connection stands (PS3.8 9.1.5)."""

    pdu: float | None = 60.0
    """For the rest of a PDU after its first byte; in a P-DATA-TF each byte starts the time again."""

    minimum_rate: float | None = 1024.0
    """Least bytes a second of each message of the peer, on average, judged after 300 s; 0 for any rate.

    Time without a reader does not count.
    """

    write: float | None = 60.0
    """For the peer to take any byte of our output."""

    response: float | None = 60.0
    """For the response to a request, after the last byte of the request."""

    action: float | None = 300.0
    """For the response to an N-ACTION, in place of `response`."""

    retrieve: float | None = 3600.0
    """For the next response to a C-GET or C-MOVE, in place of `response`."""

    cancel: float | None = 10.0
    """For the final response after a C-CANCEL; a C-MOVE provider may finish the current object first."""

    idle: float | None = 900.0
    """For the next message of an established association, on the acceptor's side."""

    close: float | None = 2.0
    """For the peer to close the connection after our last PDU."""

    _converters = {  # noqa: RUF012
        field: partial(rate if field == "minimum_rate" else seconds, field) for field in __annotations__
    }
