"""The events of `Connection` about messages."""

from __future__ import annotations

from ..record import Record
from ..upper_layer.pdu import Buffer
from .commands import Command, Request, Response


class RequestReceived(Record):
    """A request of the peer whose command set is complete; its data set follows as `DataSetChunk`s."""

    context_id: int
    command: Request
    has_data_set: bool
    warnings: tuple[str, ...] = ()


class ResponseReceived(Record):
    """A response to `request`, one of ours; a data set follows as `DataSetChunk`s.

    After the final response the request is no longer outstanding. `is_early` marks a failure that came while
    we were sending the data set of the request (PS3.7 9.3.1): end that data set with
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
    """The peer cancelled its request `message_id` (C-CANCEL), which still needs a final response."""

    message_id: int


class DataSetChunk(Record):
    """Bytes of the data set of the last request or response; `last` marks its end.

    `data` is a read-only view of received bytes, and may be empty. Small neighbouring fragments that came
    together are one chunk. A data set has at most one warning of each kind.
    """

    context_id: int
    data: Buffer
    last: bool
    warnings: tuple[str, ...] = ()


class UnexpectedDataSet(Record):
    """A data set of `length` bytes that was dropped: its message cannot have one, or had announced none."""

    context_id: int
    length: int


class RequestRefused(Record):
    """A request that the engine refused and answered; its data set is dropped.

    `status` is None if no answer was possible, because our A-RELEASE-RQ had been sent.
    """

    context_id: int
    command: Request
    status: int | None
    text: str


class MessageIncomplete(Record):
    """The next event cut a message of the peer short; `command` is None if its command set was cut."""

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
"""The events of `Connection` about messages."""
