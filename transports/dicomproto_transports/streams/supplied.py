"""Backends and streams of users are checked when they are given: they must have all methods.

Otherwise a missing method would be found late, in the middle of an association, or never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from dicomproto.errors import ConnectionLost, TimedOut

from .connecting import reason_of
from .interface import Backend, Connect, Stream

T = TypeVar("T")


def check_supplied(
    given: T, methods: Iterable[str], where: str, advice: str, attributes: Iterable[str] = ()
) -> T:
    """Return an object that has these members; TypeError says where it was given and what it lacks."""
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


def check_stream(given: Stream, where: str) -> Stream:
    """Return a `Stream` if it is one."""
    advice = "a Stream is wanted: wrap_stream() makes one of a trio or anyio stream"
    return check_supplied(given, _STREAM, where, advice, ("local_address", "peer_address"))


def _methods(interface: type) -> list[str]:
    return sorted(name for name, value in vars(interface).items() if name[0] != "_" and callable(value))


_BACKEND, _STREAM = _methods(Backend), _methods(Stream)


class ConnectingBackend:
    """A backend that connects by a given function; all else is that of the backend below."""

    def __init__(self, backend: Backend, connect: Callable[..., Awaitable[Stream]]) -> None:
        self._connect = connect
        self.now: Final = backend.now
        self.checkpoint: Final = backend.checkpoint
        self.current_task: Final = backend.current_task
        self.shield: Final = backend.shield
        self.in_thread: Final = backend.in_thread

    async def connect(
        self,
        host: str,
        port: int,
        *,
        bind_address: tuple[str, int] | None = None,
        deadline: float | None = None,
    ) -> Stream:
        """Connect, as every backend does."""
        return await self._connect(host, port, bind_address=bind_address, deadline=deadline)


def connecting_by(connect: Connect, backend: Backend) -> Backend:
    """Return a backend that connects by the function of a program; its failures get their names."""

    async def call(host: str, port: int, **options: Any) -> Stream:
        try:
            made: Any = connect(host, port, **options)
            stream = await made if hasattr(made, "__await__") else made
        except TimeoutError as error:
            raise TimedOut(f"connecting to {host} port {port} took too long", phase="connect") from error
        except OSError as error:
            raise ConnectionLost(f"cannot connect to {host} port {port}: {reason_of(error)}") from error
        return check_stream(stream, "connect()")

    return ConnectingBackend(backend, call)
