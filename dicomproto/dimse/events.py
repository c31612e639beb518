"""What `Connection.next_event()` says about messages."""

from __future__ import annotations

from ..record import Record
from ..upper_layer.pdu import Buffer
from .commands import Command, Request, Response


class RequestReceived(Record):
    """The peer's request, as soon as its command set is complete; a data set follows as `DataSetChunk`s."""

    context_id: int
    command: Request
    has_data_set: bool
    warnings: tuple[str, ...] = ()


class ResponseReceived(Record):
    """A response to `request`, one of ours; a data set follows as `DataSetChunk`s.

    After the final one the request is no longer outstanding. `is_early` marks a failure that came
    while we were still sending the request's data set (PS3.7 9.3.1): end it with
    `send_data(b"", last=True)`.
    """

    context_id: int
    command: Response
    request: Request
    has_data_set: bool
    is_final: bool
    is_early: bool = False
    warnings: tuple[str, ...] = ()


class CancelReceived(Record):
    """The peer wants request `message_id` to end (C-CANCEL). It still needs its final response."""

    message_id: int


class DataSetChunk(Record):
    """Bytes of the data set of the last request or response, as they came; `last` ends it.

    `data` is a read-only view of what was received, and may be empty; neighbouring small fragments that came
    together are one chunk. Of each kind of warning a data set has one.
    """

    context_id: int
    data: Buffer
    last: bool
    warnings: tuple[str, ...] = ()


class UnexpectedDataSet(Record):
    """A message that cannot have a data set, or a response that denied it, came with one of `length` bytes.

    They were dropped.
    """

    context_id: int
    length: int


class RequestRefused(Record):
    """A request that the engine refused, and answered, by itself; its data set is dropped.

    `status` is None if it could not be answered, because our A-RELEASE-RQ had been sent.
    """

    context_id: int
    command: Request
    status: int | None
    text: str


class MessageIncomplete(Record):
    """A message of the peer was cut short by what follows; `command` is None if its command set was."""

    context_id: int
    command: Command | None


MessageEvent = (
    RequestReceived
    | ResponseReceived
    | CancelReceived
    | DataSetChunk
    | UnexpectedDataSet
    | RequestRefused
    | MessageIncomplete
)
"""What `Connection` says about messages."""
