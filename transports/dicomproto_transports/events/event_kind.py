"""A kind of event, and what is bound to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with a default, which that of Python 3.12 does not have

    E_co = TypeVar("E_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    E_co = TypeVar("E_co", covariant=True)

E = TypeVar("E")

Handler = Callable[..., object]
"""A handler of any kind of event."""

HandlerOf = Callable[Concatenate[E, ...], object]
"""A handler of one class of events: it takes the event, then the arguments that it was bound with."""


class EventKind(Generic[E_co]):
    """One of the `EVT_*` constants; compared by identity.

    To a type checker an `EventKind[StoreEvent]` is what a handler of `StoreEvent`s is bound to.
    """

    __slots__ = ("name", "event_class", "is_intervention")

    name: str
    """The name of the constant."""
    event_class: Callable[..., E_co]
    """What a handler receives is of this class."""
    is_intervention: bool
    """Whether the event asks for a decision; others only tell."""

    def __init__(self, name: str, event_class: Callable[..., E_co], *, is_intervention: bool = False) -> None:
        self.name = name
        self.event_class = event_class
        self.is_intervention = is_intervention

    @property
    def is_notification(self) -> bool:
        """Whether the event only tells."""
        return not self.is_intervention

    def __repr__(self) -> str:
        return f"<{self.name}>"
