"""Collecting a whole data set in memory, up to a limit."""

from __future__ import annotations

from ..upper_layer.pdu import Buffer


class DataSetCollector:
    """Collects the chunks of one data set, up to `limit` bytes (`Limits.collect`).

    A single chunk is not copied. Several chunks are: each small view would keep alive all the bytes that
    were received with it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data: Buffer = b""
        self._is_over = False

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: Buffer) -> bool:
        """Add `data`; beyond the limit drop everything and return False."""
        if self._is_over or len(self._data) + len(data) > self._limit:
            self._is_over = True
            self._data = b""
            return False
        if not self._data:
            self._data = data
        elif isinstance(self._data, bytearray):
            self._data += data
        else:
            self._data = bytearray(self._data)
            self._data += data
        return True

    def collected(self) -> memoryview:
        """Return the data set, read-only. Raises ValueError if it exceeded the limit."""
        if self._is_over:
            raise ValueError(f"the data set has more than {self._limit} bytes")
        return memoryview(self._data).toreadonly()
