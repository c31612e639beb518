"""What users supply in place of ours is checked where it is given: it has all that will be asked of it.

Otherwise what is missing would be missed late, in the middle of an association, or by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .interface import Backend, Stream

T = TypeVar("T")


def check_supplied(
    given: T, methods: Iterable[str], where: str, advice: str, attributes: Iterable[str] = ()
) -> T:
    """Return what was given if it has these; TypeError says where it was given and what it lacks."""
    if isinstance(given, type):
        raise TypeError(f"{where}: this is the class {given.__name__}, give an object: {given.__name__}()")
    lacking = [name for name in methods if not callable(getattr(given, name, None))]
    lacking += [name for name in attributes if not hasattr(given, name)]
    if lacking:
        raise TypeError(f"{where}: {type(given).__name__} lacks {', '.join(lacking)}; {advice}")
    return given


def check_backend(given: Backend, where: str) -> Backend:
    """Return a `Backend` that has all of its methods."""
    return check_supplied(given, _BACKEND, where, "take from BACKEND of the flavour what stays as it is")


def check_stream(given: Stream, backend: Backend) -> Stream:
    """Return the `Stream` that a backend has connected if it is one."""
    advice = "a Stream is wanted: wrap_stream() makes one of a trio or anyio stream"
    where = f"{type(backend).__name__}.connect()"
    return check_supplied(given, _STREAM, where, advice, ("local_address", "peer_address"))


def _methods(interface: type) -> list[str]:
    return sorted(name for name, value in vars(interface).items() if name[0] != "_" and callable(value))


_BACKEND, _STREAM = _methods(Backend), _methods(Stream)
