"""The responses to a C-FIND, C-GET or C-MOVE, as an iterator.

The iterator has a defined end, unlike an async generator. If it is left early, the operation is cancelled and
the rest of the responses drained: at the end of its block, or before the next call, release or exit of the
association. `Timeouts.cancel` bounds the drain.
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from dicomproto.dimse.commands import AnsweredBy, Response
from dicomproto.errors import AssociationError, LocalProtocolError

from ..files.sources import MemorySource, piece_size
from .requests import decoded

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.negotiation import AcceptedContext

    from ..association.operations import Operation, Reply
    from ..association.session import Session

R = TypeVar("R", bound=Response)


class EncodedResponses(Generic[R]):
    """The responses to one operation, each with its identifier as it came, or None."""

    def __init__(self, responses: Responses[R]) -> None:
        self._responses = responses

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[R, bytes | None]:
        reply = await self._responses.next_reply()
        if reply is None:
            raise StopAsyncIteration
        response: R = reply.response
        return response, None if reply.data is None else bytes(reply.data)


class Responses(Generic[R]):
    """The responses to one operation, each with its identifier or None; the last one is final.

    The request is sent by the first step of the iteration, by entering the block, or by an await of this
    object. In `async for status, identifier in responses`, `status` is the response, with its `Status`, and
    is always true; `identifier` is a pydicom Dataset. An identifier that cannot be decoded raises
    DataSetError; the iteration may go on after it. Raises the AssociationError of the end.
    """

    def __init__(
        self, session: Session, request: AnsweredBy[R], context: AcceptedContext, identifier: bytes
    ) -> None:
        self._session = session
        self._request = request
        self._context = context
        self._identifier = identifier
        self._operation: Operation | None = None
        self._is_over = False
        self._cut = ""
        self.is_active: bool = False
        """Whether a call waits for the next response at present."""

    def __repr__(self) -> str:
        return f"<responses to {self._request.name} {self.message_id or 'not sent yet'}>"

    @property
    def message_id(self) -> int:
        """The Message ID of the request; 0 before it is sent, unless the caller chose one."""
        return self._request.MessageID if self._operation is None else self._operation.message_id

    @property
    def is_over(self) -> bool:
        """Whether the final response has come, or the association has ended."""
        return self._is_over or self._session.ending.reason is not None

    # -- beginning ----------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, Self]:
        return self.begin().__await__()

    async def begin(self) -> Self:
        """Send the request, if it is not sent yet."""
        if self._operation is None and not self._is_over:
            session = self._session
            self._enter()
            try:
                size = piece_size(session.connection.peer_maximum_length)
                source = MemorySource(self._identifier, size)
                self._operation = await session.begin_operation(
                    self._request, self._context.context_id, source
                )
                session.unfinished.append(self)
                await session.send_queued()  # the caller may not iterate at once
            finally:
                self._leave()
        return self

    def _enter(self) -> None:
        name = self._request.name
        self._session.enter(name)
        if self.is_active:  # in a handler that runs during the wait for the next response
            self._session.leave()
            raise LocalProtocolError(
                f"{name} {self.message_id}: its next response is being waited for by the caller; cancel() is"
                " possible here"
            )
        self.is_active = True

    def _leave(self) -> None:
        self.is_active = False
        self._session.leave()

    async def __aenter__(self) -> Self:
        return await self.begin()

    # -- one after the other ------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[R, Dataset | None]:
        reply = await self.next_reply()
        if reply is None:
            raise StopAsyncIteration
        response: R = reply.response
        return response, decoded(self._session, reply)

    def encoded(self) -> EncodedResponses[R]:
        """Return the responses from here on with their identifiers as they came, for `async for`.

        Identifiers are `bytes` in the context's transfer syntax, or None; nothing checks them.
        """
        return EncodedResponses(self)

    async def next_reply(self) -> Reply[Any] | None:
        """Return the next response with its encoded identifier; None after the final one."""
        if self._cut:
            raise LocalProtocolError(
                f"{self._request.name} {self.message_id} was cancelled because {self._cut};"
                " take all responses first, or use another association"
            )
        if self._is_over:
            return None
        await self.begin()
        session, operation = self._session, self._operation
        assert operation is not None
        self._enter()
        try:
            reply = await session.next_reply(operation)
        except AssociationError:
            self._end()
            raise
        finally:
            self._leave()
        if reply.is_final:
            self._end()
        return reply

    def _end(self) -> None:
        self._is_over = True
        session = self._session
        if self._operation is not None:
            session.forget(self._operation)
        if self in session.unfinished:
            session.unfinished.remove(self)

    # -- leaving ------------------------------------------------------------------------------

    async def cancel(self) -> None:
        """Send C-CANCEL; further responses may come, up to the final one (PS3.7 9.3.2.3)."""
        if self._operation is not None and not self.is_over:
            await self._session.cancel(self.message_id)

    async def close(self) -> None:
        """Cancel the operation and drain its responses; raises AssociationError if that takes too long."""
        if self._operation is not None and not self.is_over:
            self._enter()
            try:
                await self.finish()
            finally:
                self._leave()
        self._end()

    async def finish(self, cut: str = "") -> None:
        """Close; `cut` names the call that makes that necessary."""
        operation = self._operation
        assert operation is not None
        session = self._session
        self._cut = cut
        self.is_active = True
        try:
            await session.cancel_operation(operation)
            while not (await session.next_reply(operation)).is_final:
                pass
        finally:
            self.is_active = False
            self._end()

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
