"""The interfaces that the event of a request uses: its data set, and the runner of its handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

    from dicomproto.upper_layer.pdu import Buffer


class HandlerRunner(Protocol):
    """Runs the handlers of an association."""

    def is_cut(self, message_id: int, /) -> bool:
        """Tell whether the peer no longer waits for the result of an operation."""
        ...


class RequestData(Protocol):
    """The data set of a request."""

    @property
    def data(self) -> Buffer:
        """The encoded data set, as received."""
        ...

    @property
    def dataset(self) -> Dataset:
        """The data set, decoded by pydicom at first use."""
        ...


class StoreData(RequestData, Protocol):
    """The data set of a C-STORE request."""

    @property
    def file_meta(self) -> FileMetaDataset:
        """File Meta Information for it."""
        ...

    @property
    def head(self) -> bytes:
        """The bytes before it in a Part 10 file."""
        ...

    def encoded(self, include_meta: bool, /) -> bytes:
        """Return it as received, after its head if `include_meta`."""
        ...


class StreamedData(StoreData, Protocol):
    """The data set of a C-STORE request in chunks, read-only views; see `StoreStreamEvent.chunks`."""

    def __iter__(self) -> Iterator[Buffer]: ...
    def __next__(self) -> Buffer: ...
    def __aiter__(self) -> AsyncIterator[Buffer]: ...
    async def __anext__(self) -> Buffer: ...

    def refuse(self, status: int, comment: str | None = None, /) -> None:
        """Send a failure before the data set is complete."""
        ...
