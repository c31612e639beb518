"""The data sets of the peer's requests: checked and decoded, whole or in chunks."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, cast

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.commands import CStoreRQ
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import Category, category_of
from dicomproto.encoded import DECODED_BOUNDS, IDENTIFIER_BOUNDS, Bounds, Walk
from dicomproto.encoding.headers import encoding_of
from dicomproto.errors import DataSetError, DataSetTooLarge, LocalProtocolError
from dicomproto.negotiation import AcceptedContext
from dicomproto.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, normalize_uid
from dicomproto.upper_layer.pdu import Buffer

from ..association.incoming_data_set import TOO_MUCH, Incoming
from ..files.part10 import file_meta_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

    from ..association.session import Session

_SMALL = 16 * 1024
"""Bytes; a data set up to this size is decoded in place of a walk over its headers."""

_PIECE = 256 * 1024
"""Bytes that are inflated at a time."""


def _is_readable(transfer_syntax: str) -> bool:
    """Tell whether the encoding of data sets in this transfer syntax is known."""
    if normalize_uid(transfer_syntax) == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return True
    return encoding_of(transfer_syntax) is not None


class IncomingDataSet(Incoming):
    """The whole data set of a request; with `bounds`, checked as it arrives."""

    __slots__ = ("received", "limit", "bounds", "_session", "_data", "_dataset")

    def __init__(self, session: Session, received: RequestReceived, bounds: Bounds | None = None) -> None:
        super().__init__(session, session.held_bytes, session.maximum_collected)
        self._session = session
        self.received: RequestReceived = received
        limits = session.connection.limits
        self.limit: int = limits.collect
        self.bounds: Bounds | None = bounds
        if bounds is IDENTIFIER_BOUNDS:
            self.limit = min(limits.collect, limits.identifier)
        self._data: Buffer | None = None
        self._dataset: Dataset | None = None
        if not received.has_data_set:
            self._data = b""
            self.is_complete: bool = True

    @property
    def context(self) -> AcceptedContext:
        return self._session.connection.accepted_contexts[self.received.context_id]

    async def collect(self) -> bool:
        """Gather the whole data set; False, with the rest not read, if it is above `limit`.

        With `bounds`, raises DataSetError for a data set that is cut, malformed or beyond them. Decoding
        checks the same, so a small data set is decoded in place of a walk, and kept for the handler.
        """
        if self._data is not None:
            return True
        self.memory: bytearray | None = self._session.held_bytes.lend()
        if self.bounds is None:
            self._data = await self.gather(self.limit)
            return self._data is not None
        syntax = self.context.transfer_syntax
        walk, is_readable = Walk(syntax, bounds=self.bounds), _is_readable(syntax)
        self._data = await self.gather(self.limit, walk, unwalked=_SMALL if is_readable else 0)
        is_sure = walk.elements and walk.is_checked and not walk.warnings
        if self._data is not None and is_readable and not is_sure:
            self.dataset  # noqa: B018  # decoding finds faults that the walk does not
        return self._data is not None

    @property
    def has_elements(self) -> bool:
        """Whether the data set has elements, as far as is known; padding alone has none."""
        return len(self._data or b"" if self._dataset is None else self._dataset) > 0

    @property
    def data(self) -> Buffer:
        if self._data is None:
            raise AttributeError("the data set is given in chunks; EVT_C_STORE gives it whole")
        return self._data

    @property
    def dataset(self) -> Dataset:
        if self._dataset is None:
            from dicomproto.datasets import decode_noting_text

            data, syntax = self.data, self.context.transfer_syntax
            try:
                if normalize_uid(syntax) == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
                    data, syntax = self._inflated(), EXPLICIT_VR_LITTLE_ENDIAN
                bounds = self.bounds or DECODED_BOUNDS
                dataset, extended = decode_noting_text(data, syntax, bounds=bounds)
            except DataSetError as error:
                error.request = self.received.command
                raise
            self._session.text.settle(dataset, extended, self._session.peer_name)
            self._dataset = dataset
        return self._dataset

    def _inflated(self) -> Buffer:
        """Return the inflated data set; inflating may multiply the size by a thousand."""
        given, decompressor, inflated = (
            memoryview(self.data),
            zlib.decompressobj(-zlib.MAX_WBITS),
            bytearray(),
        )

        def take(data: Buffer) -> bool:
            piece = decompressor.decompress(data, _PIECE)
            inflated.extend(piece)
            if len(inflated) > self.limit:
                raise DataSetTooLarge(f"the deflated data set is larger than {self.limit} bytes")
            if not self.count(len(given) + len(inflated)):
                raise DataSetTooLarge(TOO_MUCH)
            return bool(piece)

        try:
            for start in range(0, len(given), _PIECE):
                rest: Buffer = given[start : start + _PIECE]
                while len(rest) and not decompressor.eof:
                    take(rest)
                    rest = decompressor.unconsumed_tail
            while not decompressor.eof:
                if not take(b""):
                    raise DataSetError("the deflated data set is incomplete")
        except zlib.error as error:
            raise DataSetError("the deflated data set cannot be inflated") from error
        return memoryview(inflated).toreadonly()


class IncomingStore(IncomingDataSet):
    """The data set of a C-STORE request: whole, or an iterator over its chunks."""

    __slots__ = ("is_streamed", "is_refused", "_file_meta")

    def __init__(self, session: Session, received: RequestReceived, *, is_streamed: bool) -> None:
        super().__init__(session, received)
        self.is_streamed: bool = is_streamed
        self.is_refused: bool = False
        self._file_meta: FileMetaDataset | None = None

    @property
    def request(self) -> CStoreRQ:
        return cast(CStoreRQ, self.received.command)

    # -- whole --------------------------------------------------------------------------------

    @property
    def dataset(self) -> Dataset:
        if self._dataset is None:
            self._dataset = super().dataset
            self._dataset.file_meta = self.file_meta
        return self._dataset

    @property
    def file_meta(self) -> FileMetaDataset:
        if self._file_meta is None:
            from pydicom import dcmread

            self._file_meta = dcmread(BytesIO(self.head)).file_meta
        return self._file_meta

    @property
    def head(self) -> bytes:
        requestor = self._session.connection.request
        return file_meta_bytes(
            sop_class_uid=self.request.sop_class_uid or self.context.abstract_syntax,
            sop_instance_uid=self.request.sop_instance_uid,
            transfer_syntax_uid=self.context.transfer_syntax,
            source_ae_title=requestor.calling_ae_title if requestor else "",
        )

    def encoded(self, include_meta: bool) -> bytes:
        return b"".join((self.head, self.data)) if include_meta else bytes(self.data)

    # -- in chunks ----------------------------------------------------------------------------

    def refuse(self, status: int, comment: str | None = None) -> None:
        """Answer a failure before the data set is complete."""
        if category_of(status) is not Category.FAILURE:
            raise LocalProtocolError(f"refuse: status {status:#06x} is no failure")
        if self.is_refused:
            return
        fields = {} if comment is None else {"ErrorComment": error_comment(comment)}
        self._session.respond(self.request.response(status, **fields))
        self.is_refused = True

    async def _next_streamed(self) -> Buffer | None:
        if self.is_refused:
            return None
        self._session.enter("event.chunks")
        try:
            return await self.next_chunk()
        finally:
            self._session.leave()

    def __aiter__(self) -> AsyncIterator[Buffer]:
        return self

    async def __anext__(self) -> Buffer:
        chunk = await self._next_streamed()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def __iter__(self) -> Iterator[Buffer]:
        if self._session.runner.drive is None:
            raise TypeError("use `async for` over event.chunks; a sync handler cannot wait here")
        return self

    def __next__(self) -> Buffer:
        drive = self._session.runner.drive
        assert drive is not None
        chunk = drive(self._next_streamed())
        if chunk is None:
            raise StopIteration
        return cast(Buffer, chunk)
