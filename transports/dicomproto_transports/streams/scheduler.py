"""The functions of trio and anyio that begin, cancel and wake tasks, in one shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self


class Scope(Protocol):
    """The part of a cancel scope that the adapters use."""

    @property
    def cancelled_caught(self) -> bool: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class Group(Protocol):
    """The part of a nursery or task group that the adapters use."""

    def start_soon(
        self, function: Callable[..., Coroutine[Any, Any, object]], /, *args: object
    ) -> object: ...


class Event(Protocol):
    """The part of an event that the adapters use."""

    def set(self) -> object: ...
    async def wait(self) -> object: ...


class Scheduler(Protocol):
    """Begins, cancels and wakes tasks."""

    async def sleep(self, seconds: float, /) -> None: ...
    def scope(self, *, shield: bool = False) -> Scope: ...
    def open_group(self) -> AbstractAsyncContextManager[Group]: ...
    def event(self) -> Event: ...
