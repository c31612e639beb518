"""Attributes of primitives that are judged when they are set."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, overload

from pydicom.uid import UID

Given = TypeVar("Given", contravariant=True)
Kept = TypeVar("Kept")


class Judged(Generic[Given, Kept]):
    """An attribute: `judge` returns what is kept of a value that is set, or raises TypeError or ValueError.

    Until it is set the attribute is `first`; of a list, each object has one of its own. Attributes of one
    `place` are the same by several names.
    """

    def __init__(self, judge: Callable[[Given], Kept], first: Kept, place: str = "") -> None:
        """Describe the attribute."""
        self._judge = judge
        self._first = first
        self._key = place and f"_{place}"

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name in the class."""
        self._key = self._key or f"_{name}"

    @overload
    def __get__(self, obj: None, owner: type) -> Self: ...
    @overload
    def __get__(self, obj: object, owner: type) -> Kept: ...
    def __get__(self, obj: object, owner: type) -> Self | Kept:
        """Return what was kept."""
        if obj is None:
            return self
        try:
            kept: Kept = obj.__dict__[self._key]
        except KeyError:
            if not isinstance(self._first, list):
                return self._first
            kept = obj.__dict__[self._key] = copy(self._first)
        return kept

    def __set__(self, obj: object, value: Given) -> None:
        """Judge a value and keep it."""
        obj.__dict__[self._key] = self._judge(value)


UIDField: TypeAlias = Judged[str | bytes | UID | None, UID | None]
NumberField: TypeAlias = Judged[int | None, int | None]


class Primitive:
    """An object that consists of judged attributes."""

    fields: ClassVar[tuple[str, ...]] = ()
    """The names of the attributes."""

    def __init_subclass__(cls) -> None:
        """Note the judged attributes of a class, those of its bases first."""
        super().__init_subclass__()
        own = tuple(name for name, value in vars(cls).items() if isinstance(value, Judged))
        cls.fields = (*cls.fields, *own)


PrimitiveT = TypeVar("PrimitiveT", bound=Primitive)


def fill(primitive: PrimitiveT, **values: object) -> PrimitiveT:
    """Give a primitive values that are not judged, such as those of a peer, and return it."""
    for name, value in values.items():
        primitive.__dict__[f"_{name}"] = value
    return primitive


def refused(logger: logging.Logger, kind: type[Exception], text: str) -> Exception:
    """Log why a value is refused, and return the error to raise."""
    logger.error(text)
    return kind(text)


def instance_of(
    logger: logging.Logger, kinds: type[Any] | tuple[type[Any], ...], text: str
) -> Callable[[Any], Any]:
    """Return a judge that refuses other types with TypeError; `text` says what is expected."""

    def judge(value: Any) -> Any:
        if not isinstance(value, kinds):
            raise refused(logger, TypeError, text)
        return value

    return judge
