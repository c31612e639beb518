"""Iteration over the results of a handler, for any kind of iterable.

A handler may be a sync or async generator, return a list, return any of these from a coroutine, or return one
result, a tuple. Each step runs like a handler, so it may use the association. `close` closes a generator, so
that its `finally` runs however the operation ends.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar, cast

from dicomproto.dimse.status import Category, category_of

from .. import evt
from ..error_text import named
from ..events.handlers import is_coroutine_function
from .results import END, status_of
from .watching import HandlerStep, watch_results

if TYPE_CHECKING:
    from ..association.session import Session
    from ..events.handlers import Bound
    from .watching import Watch

T = TypeVar("T")

log: logging.Logger = logging.getLogger("dicomproto.handlers")

_LONGEST_CLEANUP = 5.0
"""Seconds for the `finally` of an async generator after the end of its association; and, for one in a thread,
seconds until a thread is free to run it."""


class ResultIterator:
    """The results of one handler of a C-FIND, C-GET or C-MOVE.

    With `takes_status` a returned number is a status and the only result; without, it is a count.
    """

    def __init__(
        self, session: Session, bound: Bound, event: evt.RequestEvent, *, takes_status: bool = False
    ) -> None:
        self.bound = bound
        self._takes_status = takes_status
        self._session = session
        self._event = event
        self._sync: Iterator[object] | None = None
        self._async: AsyncIterator[object] | None = None
        self._is_begun = False
        self._watch: Watch | None = None

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation that takes all results, and close the handler after it; return its result.

        Raises HandlerCut if the handler is async and was cancelled; see `watching.py`.
        """

        async def whole() -> T:
            try:
                return await operation()
            finally:
                await self.close()

        bound = self.bound
        if not is_coroutine_function(bound.handler):
            return await whole()
        watch = self._watch = watch_results(self._session, self._event, is_cancellable=bound.is_cancellable)
        return await watch.run(whole)

    async def next(self) -> object:
        """Return the next result, `END` after the last. Raises the exceptions of the handler.

        If the handler waits for it, or another thread makes it, queued responses are sent first.
        """
        if not self._is_begun:
            self._is_begun = True
            await self._begin()
        iterator = self._async
        if iterator is not None:
            with self._session.runner.running():
                result = await self._step(anext(iterator, END))
            if self._watch is not None:
                await self._watch.leave_if_cut(result)
            return result
        sync = self._sync
        assert sync is not None
        if self.bound.in_thread:
            if self._session.sender.is_owing:
                await self._session.send_queued()
            return await self._session.runner.in_thread(lambda: next(sync, END))
        with self._session.runner.running():
            return next(sync, END)

    def _step(self, awaited: Awaitable[object]) -> Awaitable[object]:
        return HandlerStep(awaited, self._session, self._watch)

    async def _begin(self) -> None:
        result = await self._session.runner.run(self.bound, self._event, step=self._step)
        if self._watch is not None:
            await self._watch.leave_if_cut(END)
        if hasattr(result, "__aiter__"):
            if self._session.runner.drive is not None:
                raise TypeError("an async generator, which the blocking flavour does not run")
            self._async = aiter(cast("AsyncIterator[object]", result))
        elif isinstance(result, tuple) or (self._takes_status and _is_status(result)):
            self._sync = iter([result])  # returned, not yielded
        elif isinstance(result, Iterable) and not isinstance(result, (str, bytes)):
            self._sync = iter(result)
        else:
            raise TypeError(f"{named(result)} in place of an iterable of results")

    async def close(self) -> None:
        """Close the handler, if it has not ended. An exception from its cleanup is logged."""
        close: Callable[[], object] | None = getattr(self._sync, "close", None)
        aclose = getattr(self._async, "aclose", None)
        try:
            if aclose is not None:
                with self._session.backend.shield(_LONGEST_CLEANUP), self._session.runner.running():
                    await aclose()
            elif close is not None and self.bound.in_thread:
                with self._session.backend.shield(_LONGEST_CLEANUP):
                    await self._session.runner.in_thread(close)
            elif close is not None:
                with self._session.runner.running():
                    close()
        except Exception as error:
            if not self._session.runner.explains(error, self._event):
                what = "%s: the handler of %s failed when it was closed"
                log.exception(what, self._session.peer_name, self._event.event.name)


def _is_status(result: object) -> bool:
    """Tell whether a result is a status alone; raises ValueError for a pending one."""
    if not isinstance(result, int) and not hasattr(result, "Status"):
        return False
    if category_of(status_of(result)) is Category.PENDING:
        raise ValueError("a pending status is yielded, with its identifier")
    return True
