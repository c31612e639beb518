"""Fragments of messages that fit the peer's maximum length, each a PDV in its own P-DATA-TF (PS3.8 9.3.5).

The caller's buffers are not copied: a long fragment is a header and views of them.
"""

from __future__ import annotations

from collections import deque

from ..config import MIB
from .encoding import p_data_header
from .pdu import Buffer

UNLIMITED_LENGTH = 1 * MIB
"""Most bytes of a P-DATA-TF after its header, for a peer that announces no maximum length."""

JOINED = 512
"""Bytes; up to this size header and data share one buffer, since the copy costs nothing."""

_COMMAND, _LAST = 0b01, 0b10  # bits of the message control header (PS3.8 Annex E.2)


def fragments(
    context_id: int, views: list[memoryview], length: int, control: int, maximum_length: int
) -> list[Buffer]:
    """Return the P-DATA-TFs that carry `views` in order, which have `length` bytes together.

    `control` is the message control header of the last PDV; the others are without the last bit. A PDU has at
    most `maximum_length` bytes after its header. A length of 0 makes one empty PDV.
    """
    room = maximum_length - 6
    if length <= min(room, JOINED):
        return [b"".join((p_data_header(context_id, control, length), *views))]
    buffers: list[Buffer] = []
    header = p_data_header(context_id, control & ~_LAST, room)  # of all but the last
    rest = (length - 1) % room + 1
    if len(views) == 1:
        for start in range(0, length - rest, room):
            buffers += (header, views[0][start : start + room])
        return [*buffers, p_data_header(context_id, control, rest), views[0][length - rest :]]
    queue = deque(views)
    for _ in range(0, length - rest, room):
        buffers.append(header)
        _move(queue, buffers, room)
    buffers.append(p_data_header(context_id, control, rest))
    _move(queue, buffers, rest)
    return buffers


def packed_fragments(
    context_id: int,
    command: bytes,
    views: list[memoryview],
    length: int,
    is_last: bool,
    maximum_length: int,
) -> list[Buffer]:
    """Return the P-DATA-TFs of a command set and of `views`, which are `length` bytes of its data set.

    The command set and the first fragment of the data set share one PDU if both fit.
    """
    size = min(length, maximum_length - len(command) - 12)
    if size <= 0:
        control = _COMMAND | _LAST
        commands = fragments(context_id, [memoryview(command)], len(command), control, maximum_length)
        # An empty data set needs a PDV too.
        return commands + fragments(context_id, views, length, is_last << 1, maximum_length)
    header = p_data_header(context_id, _COMMAND | _LAST, len(command), more=size + 6)
    # The header of the second PDV is at the end of what p_data_header returns.
    last = is_last and size == length
    buffers: list[Buffer] = [b"".join((header, command, p_data_header(context_id, last << 1, size)[6:]))]
    queue = deque(views)
    _move(queue, buffers, size)
    if size < length:
        buffers += fragments(context_id, list(queue), length - size, is_last << 1, maximum_length)
    return buffers


def _move(queue: deque[memoryview], buffers: list[Buffer], size: int) -> None:
    """Move `size` bytes of views from the head of `queue` to `buffers`, without copying."""
    while size:
        view = queue[0]
        if len(view) <= size:
            buffers.append(queue.popleft())
            size -= len(view)
        else:
            buffers.append(view[:size])
            queue[0] = view[size:]
            size = 0
