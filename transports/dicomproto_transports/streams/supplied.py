"""Backends and streams of users are checked when they are given: they must have all methods.

Otherwise a missing method would be found late, in the middle of an association, or never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dicomproto.errors import ConnectionLost, TimedOut

from .addresses import Address
from .connecting import reason_of
from .flavours import check_flavour
from .interface import Backend, Connect, Stream
from .tcp import SocketStream

if TYPE_CHECKING:
    from typing_extensions import TypeIs

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


def check_stream(given: Stream, where: str, backend: Backend) -> Stream:
    """Return a `Stream` if it is one, has addresses, and waits where the backend waits."""
    advice = "a Stream is wanted: wrap_stream() makes one of a connected socket, or of a trio or anyio stream"
    if type(given) is not SocketStream:  # which has all of it
        check_supplied(given, _STREAM, where, advice, _ADDRESSES)
        for name in _ADDRESSES:
            if not _is_address(getattr(given, name)):
                kind = type(given).__name__
                raise TypeError(f"{where}: {kind}.{name}: must be (host, port), a str and an int, or None")
    check_flavour(given, backend, where)
    return given


def is_stream(given: object) -> TypeIs[Stream]:
    """Whether an object has all that a `Stream` has."""
    is_complete = all(callable(getattr(given, name, None)) for name in _STREAM)
    return is_complete and all(hasattr(given, name) for name in _ADDRESSES) and not isinstance(given, type)


def _is_address(given: object) -> TypeIs[Address]:
    if not isinstance(given, tuple):
        return given is None
    return [type(part) for part in given] in ([str, int], [str, int, int, int])  # four parts: IPv6


def _methods(interface: type) -> list[str]:
    return sorted(name for name, value in vars(interface).items() if name[0] != "_" and callable(value))


_BACKEND, _STREAM = _methods(Backend), _methods(Stream)
_ADDRESSES = "local_address", "peer_address"


class ConnectingBackend:
    """A backend that connects by a given function; all else is that of the backend below."""

    def __init__(self, backend: Backend, connect: Callable[..., Awaitable[Stream]]) -> None:
        self._connect = connect
        self.now: Final = backend.now
        self.checkpoint: Final = backend.checkpoint
        self.current_task: Final = backend.current_task
        self.shield: Final = backend.shield
        self.in_thread: Final = backend.in_thread
        self.watched: Final = getattr(backend, "watched", None)

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
        return check_stream(stream, "connect()", backend)

    return ConnectingBackend(backend, call)
