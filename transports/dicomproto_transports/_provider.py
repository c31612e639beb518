"""What the peer's requests get: an answer for each, whatever the handler does.

A request is served where it arrives, within whatever call of the association waits; its handler
may use the association. What goes wrong here becomes a status, and the association stays:

| what happened                                             | C-STORE | C-ECHO |
|-----------------------------------------------------------|---------|--------|
| the handler returned a status (int, Status, Dataset)      | that    | that   |
| the handler raised (logged under `dicomproto.handlers`)   | C211H   | 0110H  |
| the handler returned something that is no final status    | C002H   | 0110H  |
| no handler is bound                                       | 0122H   | 0000H  |
| the data set is larger than `Limits.collect` (EVT_C_STORE)| A700H   |        |
| the request has no data set                               | C000H   |        |
| handlers have called back eight deep                      | 0213H   | 0213H  |

All other services are answered 0211H (unrecognized operation). An Error Comment says what
happened in at most 64 characters, without a word of the data set.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, cast

from dicomproto.dimse.collector import DataSetCollector
from dicomproto.dimse.commands import CEchoRQ, CStoreRQ, Request, Response
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.dimse.status import Category, category_of
from dicomproto.errors import AssociationError, LocalProtocolError
from dicomproto.negotiation import AcceptedContext
from dicomproto.upper_layer.pdu import Buffer

from . import evt
from ._part10 import file_meta_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

    from ._association import AssociationCore

log = logging.getLogger("dicomproto.handlers")

MAXIMUM_DEPTH = 8
"""Handlers that may be under way at once in one association, each called while another one waits."""

PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
STORE_HANDLER_FAILED = 0xC211
STORE_STATUS_UNKNOWN = 0xC002

_COMMENT_LENGTH = 64  # of an LO; longer ones have made peers drop the response


async def serve_request(association: AssociationCore, received: RequestReceived) -> None:
    """Serve one request of the peer to its end, data set included."""
    request = received.command
    kind = type(request)
    if association.depth >= MAXIMUM_DEPTH:
        await _refuse(association, received, RESOURCE_LIMITATION, "too many operations within each other")
    elif kind is CEchoRQ:
        await _serve_echo(association, received)
    elif kind is CStoreRQ:
        await _serve_store(association, received)
    else:
        await _refuse(association, received, UNRECOGNIZED_OPERATION, f"{request.name} is not provided here")


async def _refuse(association: AssociationCore, received: RequestReceived, status: int, comment: str) -> None:
    """Answer a failure at once, then discard the data set (PS3.7 9.3.1)."""
    association.respond(received.command.response(status, ErrorComment=comment))
    if received.has_data_set:
        await Incoming(association, received).drain()


async def _serve_echo(association: AssociationCore, received: RequestReceived) -> None:
    if received.has_data_set:
        await Incoming(association, received).drain()
    request = received.command
    bound = association.handlers.one(evt.EVT_C_ECHO)
    if bound is None:
        association.respond(request.response())
        return
    event = evt.Event(evt.EVT_C_ECHO, association.facade, _facts(association, received))
    association.respond(await _ask(association, evt.EVT_C_ECHO, bound, event, request))


async def _serve_store(association: AssociationCore, received: RequestReceived) -> None:
    handlers = association.handlers
    bound = handlers.one(evt.EVT_C_STORE_STREAM)
    kind = evt.EVT_C_STORE_STREAM if bound else evt.EVT_C_STORE
    bound = bound or handlers.one(kind)
    if bound is None:
        await _refuse(association, received, SOP_CLASS_NOT_SUPPORTED, "no storage service here")
        return
    if not received.has_data_set:
        await _refuse(association, received, CANNOT_UNDERSTAND, "no data set")
        return
    store = IncomingStore(association, received, is_streamed=kind is evt.EVT_C_STORE_STREAM)
    if not store.is_streamed and not await store.collect():
        limit = association.connection.limits.collect
        await _refuse_rest(store, OUT_OF_RESOURCES, f"a data set of more than {limit} bytes")
        return
    await association.send_queued()  # the answers to earlier requests do not wait for this handler
    event = evt.Event(kind, association.facade, _facts(association, received), store)
    response = await _ask(association, kind, bound, event, received.command)
    if store.is_refused:
        await store.drain()
    elif response.category is Category.FAILURE:
        association.respond(response)
        await store.drain()
    else:
        # Success or a warning means that all of it was received (PS3.7 9.3.1).
        await store.drain()
        association.respond(response)


async def _refuse_rest(store: IncomingStore, status: int, comment: str) -> None:
    store.refuse(status, comment)
    await store.drain()


def _facts(association: AssociationCore, received: RequestReceived) -> dict[str, object]:
    return {
        "request": received.command,
        "context": association.connection.accepted_contexts[received.context_id],
        "warnings": received.warnings,
    }


# --- the handler and its answer -----------------------------------------------------------------


async def _ask(
    association: AssociationCore, kind: evt.EventKind, bound: evt.Bound, event: evt.Event, request: Request
) -> Response:
    """Run the handler and return the response that its result stands for."""
    is_store = kind is not evt.EVT_C_ECHO
    try:
        result = await association.handle(bound, event)
    except Exception as error:
        if not (association.terminal and isinstance(error, AssociationError)):
            log.exception("the handler of %s failed", kind.name)
        status = STORE_HANDLER_FAILED if is_store else PROCESSING_FAILURE
        return request.response(status, ErrorComment=_comment(f"{type(error).__name__} in the handler"))
    try:
        return response_for(request, result)
    except (TypeError, ValueError) as error:
        log.error("the handler of %s returned %s", kind.name, error)
        status = STORE_STATUS_UNKNOWN if is_store else PROCESSING_FAILURE
        return request.response(status, ErrorComment="the handler returned no status")


def response_for(request: Request, result: object) -> Response:
    """Return the response for what a handler returned: a status, or what has one and says more.

    TypeError or ValueError tell what was returned, without its content.
    """
    fields: dict[str, object] = {}
    status = result
    if not isinstance(result, int):
        status = getattr(result, "Status", None)
        comment = getattr(result, "ErrorComment", None)
        if comment:
            fields["ErrorComment"] = _comment(str(comment))
        offending = getattr(result, "OffendingElement", None)
        if offending is not None and offending != "":
            several = offending if hasattr(offending, "__iter__") else (offending,)
            fields["OffendingElement"] = tuple(int(tag) for tag in several)
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"{type(result).__name__}, which is no status and has none")
    if not 0 <= status <= 0xFFFF or category_of(status) in (Category.PENDING, Category.CANCEL):
        raise ValueError(f"status {int(status):#06x}, which cannot end a {request.name}")
    return request.response(int(status), **fields)


def _comment(text: str) -> str:
    """Make an Error Comment: an LO of the default character repertoire, without backslash."""
    plain = [c if " " <= c <= "~" and c != "\\" else "?" for c in text]
    return "".join(plain)[:_COMMENT_LENGTH]


# --- the data set -------------------------------------------------------------------------------


class Incoming:
    """The data set of a request as it comes in; while it does, it is the association's `incoming`."""

    __slots__ = ("association", "received", "is_complete")

    is_refused = True

    def __init__(self, association: AssociationCore, received: RequestReceived) -> None:
        self.association = association
        self.received = received
        self.is_complete = False
        association.incoming = self

    async def next_chunk(self) -> Buffer | None:
        """Return the next bytes, None after the last. Raises AssociationError where they are cut short."""
        association = self.association
        while not self.is_complete:
            event = await association.next_event()
            if isinstance(event, DataSetChunk):
                if event.last:
                    self.is_complete = True
                    association.incoming = None
                if len(event.data):
                    return event.data
            else:
                # Nothing comes between the chunks of a message but the end of the association.
                await association.dispatch(event)
        return None

    async def drain(self) -> None:
        """Discard what is still to come."""
        while await self.next_chunk() is not None:
            pass


class IncomingStore(Incoming):
    """The data set of a C-STORE request: whole, or an iterator over its chunks."""

    __slots__ = ("is_streamed", "is_refused", "_data", "_dataset", "_file_meta")

    def __init__(self, association: AssociationCore, received: RequestReceived, *, is_streamed: bool) -> None:
        super().__init__(association, received)
        self.is_streamed = is_streamed
        self.is_refused = False
        self._data: Buffer | None = None
        self._dataset: Dataset | None = None
        self._file_meta: FileMetaDataset | None = None

    @property
    def request(self) -> CStoreRQ:
        return cast(CStoreRQ, self.received.command)

    @property
    def context(self) -> AcceptedContext:
        return self.association.connection.accepted_contexts[self.received.context_id]

    # -- whole --------------------------------------------------------------------------------

    async def collect(self) -> bool:
        """Gather the whole data set; False, with the rest still to come, if it is too large."""
        collector = DataSetCollector(self.association.connection.limits.collect)
        while (chunk := await self.next_chunk()) is not None:
            if not collector.add(chunk):
                return False
        self._data = collector.collected()
        return True

    @property
    def data(self) -> Buffer:
        if self._data is None:
            raise AttributeError("the data set is given in chunks; EVT_C_STORE gives it whole")
        return self._data

    @property
    def dataset(self) -> Dataset:
        if self._dataset is None:
            from dicomproto.datasets import decode_data_set

            limit = self.association.connection.limits.collect
            syntax = self.context.transfer_syntax
            self._dataset = decode_data_set(self.data, syntax, inflate_limit=limit)
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
        requestor = self.association.connection.request
        return file_meta_bytes(
            sop_class_uid=self.request.sop_class_uid,
            sop_instance_uid=self.request.sop_instance_uid,
            transfer_syntax_uid=self.context.transfer_syntax,
            source_ae_title=requestor.calling_ae_title if requestor else "",
        )

    def encoded(self, include_meta: bool) -> bytes:
        return b"".join((self.head, self.data)) if include_meta else bytes(self.data)

    # -- in chunks ----------------------------------------------------------------------------

    def streamed(self, what: str) -> IncomingStore:
        """Return this, for a handler that asks for the `what` of a streaming event."""
        if not self.is_streamed:
            raise AttributeError(f"an EVT_C_STORE event has no {what!r}; it has the data set whole")
        return self

    def refuse(self, status: int, comment: str | None = None) -> None:
        """Answer a failure before the data set is complete."""
        if category_of(status) is not Category.FAILURE:
            raise LocalProtocolError(f"refuse: status {status:#06x} is no failure")
        if self.is_refused:
            return
        fields = {} if comment is None else {"ErrorComment": _comment(comment)}
        self.association.respond(self.request.response(status, **fields))
        self.is_refused = True

    async def _next_streamed(self) -> Buffer | None:
        if self.is_refused:
            return None
        self.association.enter("event.chunks")
        try:
            return await self.next_chunk()
        finally:
            self.association.leave()

    def __aiter__(self) -> AsyncIterator[Buffer]:
        return self

    async def __anext__(self) -> Buffer:
        chunk = await self._next_streamed()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def __iter__(self) -> Iterator[Buffer]:
        if self.association.drive is None:
            raise TypeError("use `async for` over event.chunks; a sync handler cannot wait here")
        return self

    def __next__(self) -> Buffer:
        drive = self.association.drive
        assert drive is not None
        chunk = drive(self._next_streamed())
        if chunk is None:
            raise StopIteration
        return cast(Buffer, chunk)
