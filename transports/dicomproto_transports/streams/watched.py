"""An operation that a task beside it may cancel.

The task begins on demand and pauses on demand, since most operations end before they need one. It has ended
before the operation returns. All is written over four functions that trio and anyio have under one name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .scheduler import Event, Group, Scheduler

T = TypeVar("T")

DELAY = 0.1
"""Seconds from `begin` until the task looks for the first time: a short operation ends before that."""


class WatchedOperation:
    """An operation in a cancel scope of its own, and `watch`, which runs beside it and never raises."""

    def __init__(self, scheduler: Scheduler, watch: Callable[[], Awaitable[object]]) -> None:
        self._scheduler = scheduler
        self._watch = watch
        self._scope, self._beside = scheduler.scope(), scheduler.scope()
        self._group: Group | None = None
        self._ended: Event | None = None  # of the task, once it has begun
        self._resumed: Event | None = None  # while the task pauses
        self.is_cancelled: bool = False
        """Whether `cancel` was called."""

    @property
    def was_cut(self) -> bool:
        """Whether `cancel` ended the operation."""
        return self._scope.cancelled_caught

    async def run(self, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the operation returns, None if it was cut; its exceptions come out as they are."""
        result, error = None, None
        async with self._scheduler.open_group() as self._group:
            try:
                with self._scope:
                    result = await operation()
            except BaseException as raised:  # the group would wrap it
                error = raised
            if self._ended is not None:
                self._beside.cancel()
                with self._scheduler.scope(shield=True):
                    await self._ended.wait()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return result

    # -- for the operation --------------------------------------------------------------------

    def go_on(self) -> None:
        """Begin the task, or end its pause."""
        if self._ended is None:
            assert self._group is not None
            self._ended = self._scheduler.event()
            self._group.start_soon(self._run_watch, self._ended)
        elif self._resumed is not None:
            self._resumed.set()

    async def _run_watch(self, ended: Event) -> None:
        try:
            with self._beside:
                await self._scheduler.sleep(DELAY)
                await self._watch()
        finally:
            ended.set()

    # -- for the task -------------------------------------------------------------------------

    async def pause(self) -> None:
        """Wait until the operation calls `go_on`."""
        self._resumed = self._scheduler.event()
        try:
            await self._resumed.wait()
        finally:
            self._resumed = None

    def cancel(self) -> None:
        """Cancel the operation."""
        self.is_cancelled = True
        self._scope.cancel()
