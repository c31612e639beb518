"""Collecting a whole data set in memory, up to a limit."""

from __future__ import annotations

from ..upper_layer.pdu import Buffer


class DataSetCollector:
    """Collects the chunks of one data set, up to `limit` bytes (`Limits.collect`).

    A single chunk is not copied. Several chunks are: each small view would keep alive all the bytes that
    were received with it. They are copied to `memory`, if it is given, which grows as needed; its first bytes
    are the data set then. It must have no views, and keeps those of `collected`.
    """

    def __init__(self, limit: int, memory: bytearray | None = None) -> None:
        self._limit = limit
        self._memory = bytearray() if memory is None else memory
        self._chunk: Buffer = b""  # the only one so far
        self._size = 0
        self._is_over = False

    def __len__(self) -> int:
        return self._size

    def add(self, data: Buffer) -> bool:
        """Add `data`; beyond the limit drop everything and return False."""
        size = self._size + len(data)
        if self._is_over or size > self._limit:
            self._is_over = True
            self._chunk, self._memory, self._size = b"", bytearray(), 0
            return False
        if not self._size:
            self._chunk = data
        else:
            if len(self._chunk):
                self._copy(self._chunk, 0)
                self._chunk = b""
            self._copy(data, self._size)
        self._size = size
        return True

    def _copy(self, data: Buffer, start: int) -> None:
        end = start + len(data)
        if end <= len(self._memory):
            memoryview(self._memory)[start:end] = data
        else:
            self._memory[start:] = data

    def collected(self) -> memoryview:
        """Return the data set, read-only. Raises ValueError if it exceeded the limit."""
        if self._is_over:
            raise ValueError(f"the data set has more than {self._limit} bytes")
        if len(self._chunk):
            return memoryview(self._chunk).toreadonly()
        return memoryview(self._memory)[: self._size].toreadonly()
