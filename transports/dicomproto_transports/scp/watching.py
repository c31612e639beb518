"""The end of an async handler that waits while nobody wants its result any more.

The handler runs in the task of its association. A task beside it reads the peer's input while the handler
waits for something else. It does not read while the handler uses the association, and it cancels nothing
while this side sends: a message is never cut. A handler that shields itself, or waits for a thread, goes on
to the end of that. Nothing more is sent for it but the final response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..streams.interface import wait_for_input, watched
from .results import END

if TYPE_CHECKING:
    from .. import evt
    from ..association.session import Session
    from ..streams.watched import WatchedOperation
    from .data_sets import IncomingStore

T = TypeVar("T")

MOST_AHEAD = 64 * 1024
"""Most bytes of data sets that are read while a handler waits; what is behind them is seen at its end."""


class HandlerCut(Exception):
    """The handler was cancelled; `result` is what it yielded nevertheless, or END."""

    def __init__(self, result: object) -> None:
        self.result = result


class Watch:
    """Cancels the handler of one request while it waits, once `is_unwanted()`."""

    def __init__(self, session: Session, event: evt.RequestEvent, is_unwanted: Callable[[], bool]) -> None:
        self._session = session
        self._event = event
        self._is_unwanted = is_unwanted
        self._depth = session.depth
        self._operation: WatchedOperation | None = watched(session.backend, session.stream, self._watch)
        self._result: object = END

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what the operation returns. Raises its exceptions, and HandlerCut.

        All steps of a handler run within one operation: it may hold a nursery or task group over a `yield`.
        """
        if self._operation is None:
            return await operation()
        result = await self._operation.run(operation)
        if self._operation.was_cut:
            raise HandlerCut(self._result)
        return cast(T, result)

    def step(self, awaited: Awaitable[T]) -> Awaitable[T]:
        """Return an awaitable for one step of the handler."""
        return HandlerStep(awaited, self._session, self)

    async def leave_if_cut(self, result: object) -> None:
        """End the operation after a step that gave `result` although it was cancelled."""
        if self._operation is not None and self._operation.is_cancelled:
            self._result = result
            await self._session.backend.checkpoint()  # raises the cancellation

    def handler_waits(self) -> None:
        """Begin to read the peer's input, or go on, if the handler does not use the association."""
        if self._operation is not None and self._may_look() and not self._has_cut(self._operation):
            self._operation.go_on()

    def _has_cut(self, operation: WatchedOperation) -> bool:
        """Cancel the handler if its result is unwanted."""
        if self._is_unwanted():
            self._event.verdict = True
            operation.cancel()
        return operation.is_cancelled

    def _may_look(self) -> bool:
        session = self._session
        return session.runner.is_quiet and session.depth == self._depth and not session.driver.is_closing

    async def _watch(self) -> None:
        operation, session, driver = self._operation, self._session, self._session.driver
        assert operation is not None
        while True:
            if not self._may_look():
                await operation.pause()
                continue
            session.runner.look_ahead(MOST_AHEAD)
            if self._has_cut(operation):
                return
            if driver.is_busy:
                await session.backend.checkpoint()
            elif driver.can_look_further(MOST_AHEAD):
                try:
                    await wait_for_input(session.stream)
                except TimeoutError:  # another task ends the association
                    pass
                except OSError:  # no descriptor is left, or the stream is closed
                    return
            else:
                await operation.pause()


class HandlerStep:
    """Awaits a step of a handler; when the handler waits, queued responses leave and the watch goes on."""

    def __init__(self, awaited: Awaitable[Any], session: Session, watch: Watch | None) -> None:
        self._awaited = awaited
        self._sender = session.sender
        self._watch = watch

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = cast("Generator[object, object, object]", self._awaited.__await__())
        step: Callable[[], object] = partial(next, awaited)
        while True:
            try:
                signal = step()
            except StopIteration as stop:
                return stop.value
            if self._sender.is_owing:
                self._sender.send_at_once()
            if self._watch is not None:
                self._watch.handler_waits()
            try:
                step = partial(awaited.send, (yield signal))
            except BaseException as error:  # such as a cancellation: it is the handler's
                step = partial(awaited.throw, error)


def watch_results(session: Session, event: evt.RequestEvent, *, is_cancellable: bool) -> Watch:
    """Return the watch over a C-FIND, C-GET or C-MOVE: any end of the association makes it unwanted.

    So does a C-CANCEL if the handler `is_cancellable`; otherwise it sees `event.is_cancelled`.
    """
    ending, cancelled, message_id = session.ending, session.driver.cancelled, event.command.MessageID

    def is_unwanted() -> bool:
        return ending.is_leaving or (is_cancellable and message_id in cancelled)

    return Watch(session, event, is_unwanted)


def watch_request(session: Session, event: evt.RequestEvent) -> Watch:
    """Return the watch over another request: any end of the association makes it unwanted."""
    return Watch(session, event, lambda: session.ending.is_leaving)


def watch_stream(
    session: Session, event: evt.RequestEvent, store: IncomingStore, *, is_cancellable: bool
) -> Watch:
    """Return the watch over a data set that is stored as it arrives: it may not become whole any more.

    If the handler `is_cancellable`, the end of the association makes it unwanted also when it is whole.
    """
    ending, driver = session.ending, session.driver

    def is_unwanted() -> bool:
        is_whole = store.is_complete or driver.has_last_chunk
        is_over = ending.reason is not None or driver.has_read_all
        return ending.is_leaving if is_cancellable else is_over and not is_whole

    return Watch(session, event, is_unwanted)
