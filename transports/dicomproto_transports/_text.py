"""Text from elsewhere, made fit to be shown."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

T = TypeVar("T")


def printable(text: str) -> str:
    """Return `text` on one line, with control, format and surrogate characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def uid_named(uid: str) -> str:
    """Return a UID with the keyword of what it names, if that is known."""
    from dicomproto.services import keyword_of  # a table that is seldom needed
    from dicomproto.services._sop_class_table import TRANSFER_SYNTAXES

    plain = uid.rstrip("\0 ")
    keyword = keyword_of(plain) or TRANSFER_SYNTAXES.get(plain)
    return f"{printable(uid)} ({keyword})" if keyword else printable(uid) or "(none)"


def named(given: object) -> str:
    """Say what kind of thing something is, without its content, such as "a list" or "the class Dataset"."""
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    name = type(given).__name__
    if name == "bytes":
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def known_as(name: str) -> Callable[[type[T]], type[T]]:
    """Let Python tell of wrong arguments of a class's methods under the name that users know it by."""

    def decorate(kind: type[T]) -> type[T]:
        for method in vars(kind).values():
            if isinstance(method, FunctionType):
                method.__qualname__ = f"{name}.{method.__name__}"
        return kind

    return decorate


def shown(given: object) -> str:
    """Return how an argument is shown: of what may hold anything, patients included, only what it is."""
    return repr(given)[:80] if _is_plain(given) else named(given)


def _is_plain(given: object) -> bool:
    if isinstance(given, list | tuple | set | frozenset):
        return all(map(_is_plain, given))
    return given is None or isinstance(given, str | bytes | int | float)
