"""How the flavours show the high level: the names, signatures and docstrings of the originals.

In trio and anyio `Association` is the association that users hold, since its methods are
awaited as they are. What `associate` returns can be awaited or entered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator, Iterable
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar

from ._acceptor import ServerCore
from ._ae import AECore
from ._association import Association
from ._settings import Context
from ._supplied import check_backend

if TYPE_CHECKING:
    from dicomproto.negotiation import SupportedContext

    from ._checks import Network
    from ._session import Session
    from ._stream import Backend
    from .evt import Binding
    from .tls import Context as TLSContext

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


def refuse_with(what: str) -> NoReturn:
    """Raise TypeError for `with` where it must be `async with`."""
    raise TypeError(f"{what} of this flavour is entered with `async with`, not `with`")


class Associating:
    """An association that is about to be requested: `await` it, or enter it with `async with`.

    Leaving the block releases the association; with an exception or a cancellation it is aborted.
    """

    def __init__(self, opening: Coroutine[Any, Any, Session]) -> None:
        self._opening = opening
        self._association: Association | None = None

    if not TYPE_CHECKING:  # a checker knows by itself

        def __enter__(self) -> NoReturn:
            self._opening.close()
            refuse_with("associate")

        def __exit__(self, *error: object) -> None:
            """Be there, so that `__enter__` is called."""

    def __await__(self) -> Generator[Any, Any, Association]:
        association = (yield from self._opening.__await__()).association
        assert isinstance(association, Association)
        return association

    async def __aenter__(self) -> Association:
        self._association = await self
        return self._association

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._association is not None
        await self._association.__aexit__(kind, error, traceback)


def _awaitable(opener: Opener[AsyncAE, P]) -> Callable[Concatenate[AsyncAE, P], Associating]:
    @named("associate", opener)
    def associate(self: AsyncAE, /, *args: P.args, **kwargs: P.kwargs) -> Associating:
        return Associating(opener(self, self.backend, *args, **kwargs))

    return associate


class AsyncAE(AECore):
    """An application entity whose associations are awaited."""

    backend: Backend
    """What connects and waits. A subclass may have one of its own."""

    associate = _awaitable(AECore.open_session)

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "backend" in vars(cls):
            check_backend(cls.backend, f"{cls.__name__}.backend")

    if not TYPE_CHECKING:  # a checker would take any name for one that may be set

        def __setattr__(self, name: str, value: object) -> None:
            if name == "backend":
                check_backend(value, f"{type(self).__name__}.backend")
            super().__setattr__(name, value)

    def _server_core(
        self,
        evt_handlers: Iterable[Binding] | None,
        ae_title: str | bytes | None,
        contexts: Iterable[Context | SupportedContext] | None,
        ssl_context: TLSContext | None,
        proxy_protocol_from: Network | Iterable[Network],
    ) -> ServerCore:
        return ServerCore(
            self, self.backend, evt_handlers, ae_title, contexts, ssl_context, proxy_protocol_from
        )
