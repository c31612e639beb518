"""`Limits` and `Timeouts`: every bound the engine and the adapters keep, one docstring a field."""

from __future__ import annotations

from .record import Record

KIB = 1024
MIB = 1024 * 1024


class Limits(Record):
    """What a peer may make us hold or parse. Checked on declared sizes, before anything is buffered."""

    associate_length: int = 1 * MIB
    """Bytes of an A-ASSOCIATE-RQ or -AC after its header. Valid ones of 130 KB exist."""

    presentation_contexts: int = 256
    """Presentation context items in one A-ASSOCIATE PDU; 128 are conformant, an id is one byte."""

    transfer_syntaxes: int = 256
    """Transfer syntax sub-items in one presentation context."""

    items: int = 2048
    """All other items and sub-items of one A-ASSOCIATE PDU together."""

    p_data_length: int = 1 * MIB
    """Bytes of a P-DATA-TF after its header that are always taken, whatever we announced.

    Four times the announced maximum length is taken if that is more; an announced 0 means no limit.
    """

    empty_fragments: int = 64
    """PDVs without data within one message."""

    tiny_fragments: int = 1024
    """PDVs of one message whose mean is below 64 bytes, or a quarter of the maximum length that we announced.

    A message with more of them is refused; one whose fragments are of a decent size may have any number.
    """

    command_length: int = 64 * KIB
    """Bytes of one command set."""

    outstanding_requests: int = 64
    """Requests of the peer that are not answered yet; a larger window that was agreed on counts instead."""

    collect: int = 512 * MIB
    """Bytes of a data set that `DataSetCollector` holds, hence of one given whole to a handler."""

    identifier: int = 1 * MIB
    """Bytes of the identifier of a C-FIND, C-GET or C-MOVE request; `collect` counts as well.

    `dicomproto.encoded.IDENTIFIER_BOUNDS` bounds its elements, items and nested sequences.
    """


class Timeouts(Record):
    """How long each wait may last, in seconds, and how slow a message may be; None means no bound."""

    connect: float | None = 15.0
    """For the TCP connection, all addresses of a host together; the next one is tried after 250 ms."""

    proxy: float | None = 5.0
    """For the header of the PROXY protocol, where a server expects one."""

    tls: float | None = 15.0
    """For the TLS handshake, on either side."""

    association: float | None = 30.0
    """For the answer to our A-ASSOCIATE-RQ, and for the answer to our A-RELEASE-RQ."""

    artim: float | None = 30.0
    """For the peer's A-ASSOCIATE-RQ, from the moment the connection stands (PS3.8 9.1.5)."""

    pdu: float | None = 60.0
    """For the rest of a PDU once its first byte came; within a message each byte starts it again."""

    minimum_rate: float | None = 1024.0
    """Bytes a second that each message of the peer has to bring on average, judged after 300 s of it; 0: any.

    Time in which nobody reads does not count.
    """

    write: float | None = 60.0
    """For the peer to take any byte of what we send."""

    response: float | None = 60.0
    """For the response to a request, from the end of sending it."""

    action: float | None = 300.0
    """For the response to an N-ACTION, in place of `response`."""

    retrieve: float | None = 3600.0
    """For the next response to a C-GET or C-MOVE, in place of `response`."""

    cancel: float | None = 10.0
    """For the final response after a C-CANCEL; a C-MOVE provider may let the object under way end first."""

    idle: float | None = 900.0
    """An acceptor's, between the messages of an established association."""

    close: float | None = 2.0
    """For the peer to close the connection after our last words."""
