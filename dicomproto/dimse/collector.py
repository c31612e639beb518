"""Holding a data set whole, for those who want it so, and no more of it than was agreed."""

from __future__ import annotations

from ..upper_layer.pdu import Buffer


class DataSetCollector:
    """Gathers the chunks of one data set up to `limit` bytes (`Limits.collect`).

    A data set that came in one chunk is not copied. Several are: many small views would each keep
    alive all that was received with them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data: Buffer = b""
        self._is_over = False

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: Buffer) -> bool:
        """Hold `data`; return False, and let go of everything, if that would be more than the limit."""
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
        """Return the data set, read-only; raises ValueError if it was more than the limit."""
        if self._is_over:
            raise ValueError(f"the data set has more than {self._limit} bytes")
        return memoryview(self._data).toreadonly()
