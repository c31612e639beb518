"""A kind of event, and the types of its handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # that of Python 3.12 has no default

    E_co = TypeVar("E_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    E_co = TypeVar("E_co", covariant=True)

E = TypeVar("E")

Handler = Callable[..., object]
"""A handler of any kind of event."""

HandlerOf = Callable[Concatenate[E, ...], object]
"""A handler of one class of events: it takes the event, then the arguments of its binding."""


class EventKind(Generic[E_co]):
    """One of the `EVT_*` constants; compared by identity.

    A type checker allows only handlers of `StoreEvent`s to be bound to an `EventKind[StoreEvent]`.
    """

    __slots__ = ("name", "event_class", "is_intervention")

    name: str
    """The name of the constant."""
    event_class: Callable[..., E_co]
    """The class of the events that handlers receive."""
    is_intervention: bool
    """Whether the handler makes a decision; notification events have no result."""

    def __init__(self, name: str, event_class: Callable[..., E_co], *, is_intervention: bool = False) -> None:
        self.name = name
        self.event_class = event_class
        self.is_intervention = is_intervention

    @property
    def is_notification(self) -> bool:
        """Whether the results of handlers are ignored."""
        return not self.is_intervention

    def __repr__(self) -> str:
        return f"<{self.name}>"
