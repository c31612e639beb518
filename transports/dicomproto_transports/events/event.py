"""The base class of all events: association, kind and time."""

from __future__ import annotations

from time import time
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import TypeVar  # that of Python 3.12 has no default

    from .any_association import AnyAssociation
    from .event_kind import EventKind

    A_co = TypeVar("A_co", covariant=True, default=AnyAssociation)
else:
    from typing import TypeVar

    A_co = TypeVar("A_co", covariant=True)

_READ_FROM = {"message_id": "request", "reject": "associate_request"}
"""The attribute behind a member: if it is missing, the error for a missing member names it."""


class Event(Generic[A_co]):
    """The argument of a handler; each kind of event has a class of its own.

    A member of another kind raises AttributeError. A type checker takes the flavour of `assoc` from the
    parameter of the class: `StoreEvent[Association]`.
    """

    __slots__ = ("assoc", "event", "_came")

    assoc: A_co
    """The association, an `Association` of the flavour."""
    event: EventKind[Any]
    """The kind: one of the `EVT_*` constants."""

    _came: float

    def __init__(self, kind: EventKind[object], assoc: A_co) -> None:
        self.event = kind
        self.assoc = assoc
        self._came = time()

    def __repr__(self) -> str:
        return f"<Event {self.event.name}>"

    @property
    def timestamp(self) -> datetime:
        """The time of the event, as an aware local time."""
        from datetime import datetime  # takes more than a millisecond to load, and few ask

        return datetime.fromtimestamp(self._came).astimezone()

    if not TYPE_CHECKING:
        # Allows fewer parameters: Python 3.12 does not know their defaults.
        __class_getitem__ = classmethod(GenericAlias)

        # With it, a checker would allow any name.
        def __getattr__(self, name: str) -> object:
            if hasattr(type(self), name):  # a property raised AttributeError: raise its own error again
                return object.__getattribute__(self, name)
            raise AttributeError(self._without(name))

    def _without(self, name: str) -> str:
        """Return the error text for a missing member."""
        source = _READ_FROM.get(name, name)
        missing = name if hasattr(type(self), source) else source
        return f"an {self.event.name} event has no {missing!r}"
