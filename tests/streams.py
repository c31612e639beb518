"""Byte streams cut anywhere, and what must not depend on the cuts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from dicomproto.config import Limits
from dicomproto.errors import InvalidPDU
from dicomproto.upper_layer import PDVChunk
from dicomproto.upper_layer.framer import Framer


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces, cut at each position of `at` (modulo its length)."""
    positions = sorted({position % (len(data) + 1) for position in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(positions)]


def cut_every(data: bytes, size: int) -> list[bytes]:
    """Return `data` in pieces of `size` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def framed(pieces: Iterable[bytes], limits: Limits | None = None, maximum_length: int = 0) -> list[object]:
    """Return what a framer makes of `pieces`, an InvalidPDU as its last item if it raises one."""
    framer = Framer(limits or Limits())
    framer.maximum_length = maximum_length
    items: list[object] = []
    try:
        for piece in pieces:
            framer.receive(piece)
            while (item := framer.next()) is not None:
                items.append(item)
    except InvalidPDU as error:
        items.append((str(error), error.offset, error.item_path, error.reason))
    return items


def _same_pdv(first: object, second: PDVChunk) -> bool:
    return isinstance(first, PDVChunk) and not first.end_of_pdv and not second.starts_pdu


def joined(events: Sequence[object]) -> list[object]:
    """Return `events` with the chunks of each PDV joined into one."""
    result: list[object] = []
    for event in events:
        if isinstance(event, PDVChunk) and result and _same_pdv(result[-1], event):
            before = result[-1]
            assert isinstance(before, PDVChunk)
            head = before.context_id, before.is_command, before.is_last
            assert head == (event.context_id, event.is_command, event.is_last)
            assert not event.warnings
            result[-1] = before.replace(
                data=bytes(before.data) + bytes(event.data), end_of_pdv=event.end_of_pdv
            )
        elif isinstance(event, PDVChunk):
            result.append(event.replace(data=bytes(event.data)))
        else:
            result.append(event)
    return result
