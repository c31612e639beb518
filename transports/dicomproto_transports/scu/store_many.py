"""C-STORE of many objects over one association, with as many operations outstanding as were negotiated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dicomproto.dimse.commands import CStoreRSP
from dicomproto.errors import AssociationError, DicomProtoError, LocalProtocolError, NoAcceptedContext
from dicomproto.record import Record, maker_of

from ..files.objects import ObjectToSend, prepare
from .store import make_request, placed, with_warnings

if TYPE_CHECKING:
    from ..association.operations import Operation
    from ..association.session import Session


class StoreOutcome(Record):
    """The outcome of one object of `store_many`.

    `item` is the given object, `response` the C-STORE response. If the object was not sent, `error` is the
    reason and `response` is None.
    """

    item: object
    response: CStoreRSP | None = None
    error: Exception | None = None

    def __repr__(self) -> str:
        # A data set is not shown: it may hold anything about a patient.
        item = type(self.item).__name__ if hasattr(self.item, "to_json_dict") else repr(self.item)
        return f"StoreOutcome(item={item}, response={self.response!r}, error={self.error!r})"


_make_outcome = maker_of(StoreOutcome)


class StoreOutcomes:
    """The outcomes of `store_many`, in the order of the responses: an async iterator and context manager.

    Another call of the association waits for the outstanding responses first; the iteration may go on after
    it. If it is left early, no more objects are sent, and outstanding responses are awaited at the end of the
    block, or before the next call. Raises the AssociationError of the end.
    """

    def __init__(
        self,
        session: Session,
        objects: Iterable[object],
        *,
        priority: int,
        never_convert: bool,
        send_truncated: bool,
    ) -> None:
        self._session = session
        self._objects: Iterator[object] | None = iter(objects)
        self._priority = priority
        self._never_convert = never_convert
        self._send_truncated = send_truncated
        self._under_way: dict[Operation, tuple[object, ObjectToSend]] = {}
        self._leaving: ObjectToSend | None = None  # the last object begun; all before it are sent
        self._ready: deque[StoreOutcome] = deque()
        self._is_over = False
        self.is_active: bool = False

    # -- one after the other ------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StoreOutcome:
        if self._ready:
            return self._ready.popleft()
        if self._is_over:
            raise StopAsyncIteration
        session = self._session
        self._enter()
        try:
            if self not in session.unfinished:
                await session.settle("store_many")
                session.unfinished.append(self)
            await self._fill()
            if self._under_way and not self._ready:
                await self._take_outcome()
        except BaseException:
            if session.ending.reason is not None:
                self._drop()
            raise
        finally:
            self._leave()
        if self._ready:
            return self._ready.popleft()
        self._is_over = True
        self._drop()
        raise StopAsyncIteration

    def _enter(self) -> None:
        self._session.enter("store_many")
        if self.is_active:  # in a handler that runs during the wait for the next outcome
            self._session.leave()
            raise LocalProtocolError("store_many: its next outcome is being waited for by the caller")
        self.is_active = True

    def _leave(self) -> None:
        self.is_active = False
        self._session.leave()

    async def _fill(self) -> None:
        """Begin operations until the window is full, or an object could not be sent."""
        connection = self._session.connection
        while self._objects is not None and not self._ready:
            if self._under_way and not connection.can_invoke:
                return
            item = next(self._objects, self)
            if item is self:
                self._objects = None
            else:
                await self._begin(item)

    async def _begin(self, item: object) -> None:
        if hasattr(item, "readinto"):
            # It may be the file being sent, and reading its head moves the file position.
            await self._session.send_all()
        try:
            prepared = prepare(item, send_truncated=self._send_truncated)
        except (OSError, ValueError, TypeError, DicomProtoError) as error:
            self._ready.append(StoreOutcome(item=item, error=error))
            return
        try:
            context, source = placed(self._session, prepared, never_convert=self._never_convert)
            request = make_request(
                AffectedSOPClassUID=prepared.sop_class_uid,
                AffectedSOPInstanceUID=prepared.sop_instance_uid,
                Priority=self._priority,
            )
            operation = await self._session.begin_operation(request, context.context_id, source)
        except BaseException as error:
            prepared.close()
            if not isinstance(error, Exception) or (
                isinstance(error, AssociationError) and not isinstance(error, NoAcceptedContext)
            ):
                raise
            self._ready.append(StoreOutcome(item=item, error=error))
            return
        self._close_file()
        self._leaving = prepared
        self._under_way[operation] = item, prepared

    async def _take_outcome(self) -> None:
        operation, reply = await self._session.next_of(self._under_way)
        item, prepared = self._under_way.pop(operation)
        self._session.forget(operation)
        if prepared is self._leaving:
            self._close_file()
        response: CStoreRSP = reply.response
        self._ready.append(_make_outcome(item, with_warnings(response, prepared)))

    # -- leaving ------------------------------------------------------------------------------

    async def finish(self, cut: str = "") -> None:
        """Wait for outstanding responses; the iteration may go on after it."""
        self.is_active = True
        try:
            while self._under_way:
                await self._take_outcome()
        finally:
            self.is_active = False
            self._drop()

    def _drop(self) -> None:
        """Forget all outstanding operations."""
        for operation in self._under_way:
            self._session.forget(operation)
        self._under_way.clear()
        self._close_file()
        if self in self._session.unfinished:
            self._session.unfinished.remove(self)

    def _close_file(self) -> None:
        if self._leaving is not None:
            self._leaving.close()
            self._leaving = None

    async def close(self) -> None:
        """Send no more objects, and wait for outstanding responses."""
        session = self._session
        if self in session.unfinished and session.ending.reason is None:
            self._enter()
            try:
                self._is_over = True
                await self.finish()
            finally:
                self._leave()
        self._is_over = True
        self._drop()
        self._ready.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            try:
                await self.close()
            except AssociationError:
                if kind is None:
                    raise
        else:
            self._is_over = True  # the next call waits for outstanding responses
            if self._session.sender.source is None:
                self._close_file()
