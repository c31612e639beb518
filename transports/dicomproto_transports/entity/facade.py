"""How the flavours show the high level: the names, signatures and docstrings of the originals.

In trio and anyio `Association` is the association that users hold, since its methods are
awaited as they are. What `associate` returns can be awaited or entered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .ae import AECore

if TYPE_CHECKING:
    from ..association.session import Session
    from ..streams.interface import Backend

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=AECore)

Opener = Callable[Concatenate[A, "Backend", P], Coroutine[Any, Any, "Session"]]


def named(
    name: str, original: Callable[..., object]
) -> Callable[[Callable[Concatenate[A, P], T]], Callable[Concatenate[A, P], T]]:
    """Give a method the documentation of the original, and its signature without the backend.

    The original goes by the same name, so that Python tells of wrong arguments under it.
    """
    signature = inspect.signature(original)
    shown = [parameter for parameter in signature.parameters.values() if parameter.name != "backend"]

    def decorate(method: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
        method = update_wrapper(method, original)
        method.__name__ = name
        method.__qualname__ = original.__qualname__ = f"AE.{name}"
        method.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        return method

    return decorate
