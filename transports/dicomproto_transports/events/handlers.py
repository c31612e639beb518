"""The handlers of an association or server: bindings, lookup and calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock
from types import CodeType, CoroutineType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from dicomproto.record import Record

from ..error_text import named, shown
from .event import Event
from .event_kind import EventKind, Handler, HandlerOf
from .kinds import EVT_C_STORE, EVT_C_STORE_STREAM, OBSERVED, REQUESTS

if TYPE_CHECKING:
    from .association_events import (
        ACSEEvent,
        AsyncOpsEvent,
        DataEvent,
        DIMSEEvent,
        PDUEvent,
        RequestedEvent,
        SOPCommonEvent,
        SOPExtendedEvent,
        StateEvent,
        TransitionEvent,
        TransportEvent,
        UserIdentityEvent,
    )
    from .request_events import (
        EchoEvent,
        EventReportEvent,
        FindEvent,
        GetEvent,
        MoveEvent,
        NActionEvent,
        NCreateEvent,
        NDeleteEvent,
        NGetEvent,
        NSetEvent,
        StoreEvent,
        StoreStreamEvent,
    )

E = TypeVar("E", bound=Event[Any])
P = ParamSpec("P")

if TYPE_CHECKING:
    _BindingOf = (
        tuple[EventKind[E], Callable[[E], object]] | tuple[EventKind[E], HandlerOf[E], Sequence[object]]
    )

    Binding = (
        _BindingOf[Event[Any]]
        | _BindingOf[TransportEvent[Any]]
        | _BindingOf[RequestedEvent[Any]]
        | _BindingOf[StateEvent[Any]]
        | _BindingOf[ACSEEvent[Any]]
        | _BindingOf[DIMSEEvent[Any]]
        | _BindingOf[PDUEvent[Any]]
        | _BindingOf[DataEvent[Any]]
        | _BindingOf[TransitionEvent[Any]]
        | _BindingOf[AsyncOpsEvent[Any]]
        | _BindingOf[SOPCommonEvent[Any]]
        | _BindingOf[SOPExtendedEvent[Any]]
        | _BindingOf[UserIdentityEvent[Any]]
        | _BindingOf[EchoEvent[Any]]
        | _BindingOf[StoreEvent[Any]]
        | _BindingOf[StoreStreamEvent[Any]]
        | _BindingOf[FindEvent[Any]]
        | _BindingOf[GetEvent[Any]]
        | _BindingOf[MoveEvent[Any]]
        | _BindingOf[EventReportEvent[Any]]
        | _BindingOf[NGetEvent[Any]]
        | _BindingOf[NSetEvent[Any]]
        | _BindingOf[NActionEvent[Any]]
        | _BindingOf[NCreateEvent[Any]]
        | _BindingOf[NDeleteEvent[Any]]
    )
else:  # only a checker needs the classes
    Binding = tuple[EventKind, Handler] | tuple[EventKind, Handler, Sequence[object]]

_STORES = (EVT_C_STORE, EVT_C_STORE_STREAM)  # only one of them may be bound
_IS_ASYNC = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR, of functions made by `async def`


class InThread(Generic[P]):
    """A sync handler to run in a worker thread; made by `in_thread`."""

    __slots__ = ("handler",)

    def __init__(self, handler: Callable[P, object]) -> None:
        self.handler: Callable[P, object] = handler

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> object:
        return self.handler(*args, **kwargs)


def in_thread(handler: Callable[P, object]) -> InThread[P]:
    """Mark a sync handler that waits (for a disk, a database), so that it runs in a worker thread.

    In the blocking flavour each association has its own thread already, and the mark has no effect. The
    handler must not use the association, except `event.is_cancelled`. Each step of a generator may run in
    another thread: an object that belongs to one thread, such as an sqlite3 connection by default, must not
    be used across a `yield`.
    """
    if is_coroutine_function(handler):
        raise TypeError(f"in_thread: {_name(handler)} is async; bind it as it is")
    return InThread(handler)


class Cancellable(Generic[P]):
    """An async handler that ends when its result is not wanted any more; made by `cancellable`."""

    __slots__ = ("handler",)

    def __init__(self, handler: Callable[P, object]) -> None:
        self.handler: Callable[P, object] = handler

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> object:
        return self.handler(*args, **kwargs)


def cancellable(handler: Callable[P, object]) -> Cancellable[P]:
    """Mark an async handler of a request that may be cancelled while it waits, at any `await`.

    It is cancelled when its peer aborts, is lost or asks for a release. A handler of a C-FIND, C-GET or
    C-MOVE is so without the mark; with it, a C-CANCEL does the same, and is answered with FE00H (PS3.7
    9.3.2.3). One of EVT_C_STORE_STREAM is cancelled without the mark while its data set cannot become whole
    any more. All others run to their end without it.

    Raises TypeError for a sync handler: it reads `event.is_cancelled`.
    """
    if isinstance(handler, InThread) or not is_coroutine_function(handler):
        text = "only an async handler can be cancelled; a sync one reads event.is_cancelled"
        raise TypeError(f"cancellable: {_name(_unmarked(handler))} is sync: {text}")
    return Cancellable(handler)


def is_coroutine_function(handler: object) -> bool:
    """Tell whether `handler` is an `async def`, also through `partial`, methods and `__call__`.

    Without `inspect`, whose import takes longer than that of this package.
    """
    while isinstance(handler, partial | Cancellable):
        handler = handler.func if isinstance(handler, partial) else handler.handler
    if not hasattr(handler, "__code__") and not hasattr(handler, "__func__"):
        handler = getattr(type(handler), "__call__", None)  # noqa: B004 - its code is needed
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _IS_ASYNC)


def _unmarked(handler: Handler) -> Handler:
    return handler.handler if isinstance(handler, InThread | Cancellable) else handler


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)


class Bound(Record):
    """One handler with its extra arguments.

    With `in_thread`, it runs in a worker thread. With `is_cancellable`, it is cancelled when its result is
    not wanted any more.
    """

    handler: Handler
    args: tuple[object, ...] = ()
    in_thread: bool = False
    is_cancellable: bool = False


class Handlers:
    """The handlers of one association or server, by event kind; any thread may bind and unbind."""

    __slots__ = ("_bound", "_allow_async", "_lock")

    def __init__(self, bindings: Iterable[Binding] | None = None, *, allow_async: bool) -> None:
        self._bound: dict[EventKind[Any], tuple[Bound, ...]] = {}
        self._allow_async: bool = allow_async
        self._lock = Lock()
        for binding in _listed(bindings):
            self.bind(*binding)

    def bind(self, kind: EventKind[object], handler: Handler, args: Sequence[object] = ()) -> None:
        """Bind `handler`; for an intervention event, it replaces the one before."""
        _check_kind(kind)
        if not callable(handler):
            raise TypeError(f"{kind.name}: {shown(handler)} is not callable")
        if isinstance(args, (str, bytes)) or not isinstance(args, Sequence):
            raise TypeError(f"{kind.name}: the arguments of a handler are a list or tuple, not {shown(args)}")
        if is_coroutine_function(handler) and not self._allow_async:
            name = _name(_unmarked(handler))
            raise TypeError(
                f"{kind.name}: {name} is a coroutine function; the blocking flavour has nothing to run it, "
                "use dicomproto_transports.trio or .anyio"
            )
        threaded = isinstance(handler, InThread)
        if threaded and kind is EVT_C_STORE_STREAM:
            raise TypeError(
                "EVT_C_STORE_STREAM: chunks are read by the association's own task, not in_thread"
            )
        is_cancellable = isinstance(handler, Cancellable)
        if is_cancellable and kind not in REQUESTS:
            raise TypeError(f"{kind.name}: cancellable is for the handlers of requests")
        in_thread = threaded and self._allow_async
        bound = Bound(
            handler=_unmarked(handler), args=tuple(args), in_thread=in_thread, is_cancellable=is_cancellable
        )
        with self._lock:
            if kind in _STORES and any(other in self._bound for other in _STORES if other is not kind):
                raise ValueError("EVT_C_STORE and EVT_C_STORE_STREAM exclude each other; bind one of them")
            before = () if kind.is_intervention else self._bound.get(kind, ())
            self._bound[kind] = (*before, bound)

    def unbind(self, kind: EventKind[object], handler: Handler) -> None:
        """Unbind `handler`; does nothing if it is not bound."""
        _check_kind(kind)
        gone = _unmarked(handler)
        with self._lock:
            left = tuple([bound for bound in self._bound.get(kind, ()) if bound.handler != gone])
            if left:
                self._bound[kind] = left
            else:
                self._bound.pop(kind, None)

    def copy(self) -> Handlers:
        """Return an independent copy."""
        copied = Handlers(allow_async=self._allow_async)
        copied._bound = self._bound.copy()
        return copied

    @property
    def are_observing(self) -> bool:
        """Whether a handler of `OBSERVED` is bound."""
        return not OBSERVED.isdisjoint(self._bound)

    def one(self, kind: EventKind[object]) -> Bound | None:
        """Return the handler of an intervention event."""
        bound = self._bound.get(kind)
        return bound[0] if bound else None

    def all(self, kind: EventKind[object]) -> tuple[Bound, ...]:
        """Return the handlers of a notification event, in the order of binding."""
        return self._bound.get(kind, ())

    def get_events(self) -> list[EventKind[Any]]:
        """Return the kinds that have a handler."""
        return list(self._bound)

    def get_handlers(self, kind: EventKind[object]) -> list[tuple[Handler, tuple[object, ...]]]:
        """Return the handlers of a kind, each with its extra arguments, in the order of binding."""
        _check_kind(kind)
        return [(bound.handler, bound.args) for bound in self._bound.get(kind, ())]


def _listed(bindings: object) -> list[Sequence[Any]]:
    """Return bindings, each of the right length; TypeError names the type of anything else."""
    if bindings is None:
        return []
    wanted = "a list of (event, handler) or (event, handler, [args])"
    if isinstance(bindings, str | bytes | Mapping) or not isinstance(bindings, Iterable):
        raise TypeError(f"evt_handlers is {wanted}, not {named(bindings)}")
    listed = list(bindings)
    if listed and isinstance(listed[0], EventKind):
        raise TypeError(f"evt_handlers is {wanted}, this is one binding: put it in a list")
    for binding in listed:
        if not isinstance(binding, tuple | list) or len(binding) not in (2, 3):
            raise TypeError(f"evt_handlers is {wanted}; {named(binding)} is none of those")
    return listed


def _check_kind(kind: object) -> None:
    if not isinstance(kind, EventKind):
        raise TypeError(f"{_name(kind)} is no event; the events are the EVT_* names of `evt`")


Step = Callable[[Awaitable[object]], Awaitable[object]]
"""Makes the awaitable that waits for a coroutine of a handler."""


async def call(bound: Bound, event: object, *, is_blocking: bool, step: Step | None = None) -> object:
    """Run one handler, sync or async, and return its result; `step` wraps what it awaits."""
    result = bound.handler(event, *bound.args)
    if isinstance(result, CoroutineType):
        if is_blocking:
            result.close()
            raise TypeError(f"{_name(bound.handler)} returned a coroutine; the blocking flavour runs none")
        result = await (result if step is None else step(result))
    return result
