"""Sending many objects over one association, with as many operations outstanding as were negotiated."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dicomproto._record import Record
from dicomproto.dimse.commands import CStoreRQ, CStoreRSP
from dicomproto.errors import AssociationError, DicomProtoError, NoAcceptedContext

from ._responses import Operation
from ._sending import ObjectToSend, placed, prepare, with_warnings

if TYPE_CHECKING:
    from ._operating import Operating


class StoreOutcome(Record):
    """What became of one object of `store_many`.

    `item` is what was given, `response` the C-STORE response; `error` says why the object was not sent, and
    there is no response then.
    """

    item: object
    response: CStoreRSP | None = None
    error: Exception | None = None

    def __repr__(self) -> str:
        # A data set is not shown: it may hold anything about a patient.
        item = type(self.item).__name__ if hasattr(self.item, "to_json_dict") else repr(self.item)
        return f"StoreOutcome(item={item}, response={self.response!r}, error={self.error!r})"


class StoreOutcomes:
    """The outcomes of `store_many`, as they come in: an async iterator and context manager.

    Left early, it sends no more objects, and waits for the responses to those that are under way
    before the next call. Raises the AssociationError of the end.
    """

    def __init__(
        self, association: Operating, objects: Iterable[object], *, priority: int, never_convert: bool
    ) -> None:
        self._association = association
        self._objects: Iterator[object] | None = iter(objects)
        self._priority = priority
        self._never_convert = never_convert
        self._under_way: dict[Operation, tuple[object, ObjectToSend]] = {}
        self._failed: deque[StoreOutcome] = deque()
        self.is_active = False

    # -- one after the other ------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StoreOutcome:
        association = self._association
        association.enter("store_many")
        self.is_active = True
        try:
            if self not in association.unfinished:
                await association.settle("store_many")
                association.unfinished.append(self)
            await self._fill()
            if self._failed:
                return self._failed.popleft()
            if self._under_way:
                return await self._next_outcome()
            association.unfinished.remove(self)
            raise StopAsyncIteration
        except AssociationError:
            self._close_all()
            raise
        finally:
            self.is_active = False
            association.leave()

    async def _fill(self) -> None:
        """Begin operations until the window is full, or one object could not be sent."""
        connection = self._association.connection
        while self._objects is not None and not self._failed:
            if self._under_way and not connection.can_invoke:
                return
            item = next(self._objects, self)
            if item is self:
                self._objects = None
            else:
                await self._begin(item)

    async def _begin(self, item: object) -> None:
        try:
            prepared = prepare(item)  # type: ignore[arg-type]
        except (OSError, ValueError, TypeError, DicomProtoError) as error:
            self._failed.append(StoreOutcome(item=item, error=error))
            return
        try:
            context, source = placed(self._association, prepared, never_convert=self._never_convert)
            request = CStoreRQ(
                AffectedSOPClassUID=prepared.sop_class_uid,
                AffectedSOPInstanceUID=prepared.sop_instance_uid,
                Priority=self._priority,
            )
            operation = await self._association.begin_operation(request, context.context_id, source)
        except BaseException as error:
            prepared.close()
            if not isinstance(error, Exception) or (
                isinstance(error, AssociationError) and not isinstance(error, NoAcceptedContext)
            ):
                raise
            self._failed.append(StoreOutcome(item=item, error=error))
            return
        self._under_way[operation] = item, prepared

    async def _next_outcome(self) -> StoreOutcome:
        operation, reply = await self._association.next_of(self._under_way)
        item, prepared = self._under_way.pop(operation)
        self._association.forget(operation)
        prepared.close()
        response: CStoreRSP = reply.response  # type: ignore[assignment]
        return StoreOutcome(item=item, response=with_warnings(response, prepared))

    # -- leaving ------------------------------------------------------------------------------

    async def finish(self, cut: str = "") -> None:
        """Wait for what is under way, and send no more; `cut` names the call that asks for it."""
        self._objects = None
        self.is_active = True
        try:
            while self._under_way:
                await self._next_outcome()
        finally:
            self.is_active = False
            self._close_all()
            if self in self._association.unfinished:
                self._association.unfinished.remove(self)

    def _close_all(self) -> None:
        for operation, (_, prepared) in self._under_way.items():
            self._association.forget(operation)
            prepared.close()
        self._under_way.clear()

    async def close(self) -> None:
        """Send no more objects, and wait for the responses to those that are under way."""
        if self in self._association.unfinished:
            self._association.enter("store_many")
            try:
                await self.finish()
            finally:
                self._association.leave()
        self._objects = None

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
