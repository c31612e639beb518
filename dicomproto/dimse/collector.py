"""Holding a data set whole, for those who want it so, and no more of it than was agreed."""

from __future__ import annotations

from ..upper_layer.pdu import Buffer


class DataSetCollector:
    """Gathers the chunks of one data set up to `limit` bytes (`Limits.collect`)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[Buffer] = []
        self.length = 0
        """Bytes held."""

    def add(self, data: Buffer) -> bool:
        """Hold `data`; return False, and let go of everything, if that would be more than the limit."""
        self.length += len(data)
        if self.length > self._limit:
            self._chunks.clear()
            return False
        self._chunks.append(data)
        return True

    def collected(self) -> bytes:
        """Return the data set: the one copy that is made of it."""
        return b"".join(self._chunks)
