"""One face for the five ways to run the same `async def` code: the `backend` fixture.

`run` runs one coroutine function to its end, `together` several side by side (tasks, or threads in
the blocking flavour), `pair` gives two connected streams, `serving` a server for a core.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import anyio
import trio

from dicomproto_transports import anyio as anyio_flavour
from dicomproto_transports import blocking, testing
from dicomproto_transports import trio as trio_flavour
from dicomproto_transports.server.serving import ConnectionServer
from dicomproto_transports.server.tasks import Server as AsyncServer
from dicomproto_transports.streams.blocking_waits import PollWaiter
from dicomproto_transports.streams.event_loop import AsyncWaiter
from dicomproto_transports.streams.interface import Backend, Stream
from dicomproto_transports.streams.tcp import SocketStream

AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]

NAMES = ("lockstep", "blocking", "trio", "anyio-asyncio", "anyio-trio")

LONGEST_WAIT = 30.0
"""Seconds after which a `Gate` will not be opened any more; only a failure takes so long."""


class Serving(Protocol):
    """What the servers of all flavours have."""

    @property
    def port(self) -> int: ...


def grace_of(core: ConnectionServer) -> float:
    """Return how many seconds those whom a server serves have left at the end of the block."""
    return getattr(core, "grace", 0.0)


def socket_pair(family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    """Return two connected TCP sockets on the loopback interface."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        left = socket.socket(family, socket.SOCK_STREAM)
        left.connect(listener.getsockname())
        right, _ = listener.accept()
    return left, right


class Lockstep:
    name = "lockstep"
    is_virtual = True

    def __init__(self) -> None:
        self.world = testing.Lockstep()
        self.backend: Backend = self.world.backend

    def run(self, function: AsyncFunction, *args: object) -> Any:
        with self.world:
            return self.world.run(function(*args))

    async def together(self, *functions: AsyncFunction) -> list[Any]:
        tasks = [self.world.spawn(function()) for function in functions]
        await self.world.wait_for(lambda: all(task.done for task in tasks))
        return [task.result for task in tasks]

    async def pair(self) -> tuple[Stream, Stream]:
        return self.world.pair()

    @asynccontextmanager
    async def serving(
        self, core: ConnectionServer, address: tuple[str, int] = ("127.0.0.1", 0), **options: int
    ) -> AsyncIterator[Serving]:
        async with self.world.listen(core, address[1], **options) as server:
            yield server
            await server.shutdown(grace_of(core))


class Blocking:
    name = "blocking"
    is_virtual = False

    def __init__(self) -> None:
        self.backend: Backend = blocking.BACKEND

    def run(self, function: AsyncFunction, *args: object) -> Any:
        return blocking.run(function(*args))

    async def together(self, *functions: AsyncFunction) -> list[Any]:
        results: dict[int, Any] = {}
        failures: list[BaseException] = []

        def call(index: int, function: AsyncFunction) -> None:
            try:
                results[index] = blocking.run(function())
            except BaseException as error:  # raised again below
                failures.append(error)

        threads = [
            threading.Thread(target=call, args=(index, function)) for index, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [results[index] for index in range(len(functions))]

    async def pair(self) -> tuple[Stream, Stream]:
        left, right = socket_pair()
        return (
            SocketStream(left, PollWaiter(left)),
            SocketStream(right, PollWaiter(right)),
        )

    @asynccontextmanager
    async def serving(
        self, core: ConnectionServer, address: tuple[str, int] = ("127.0.0.1", 0), **options: int
    ) -> AsyncIterator[Serving]:
        with blocking.Server(core, address, **options) as server:
            server.start()
            yield server
            server.shutdown(grace_of(core))


class Async:
    is_virtual = False

    def __init__(self, name: str) -> None:
        self.name = name
        flavour = trio_flavour if name == "trio" else anyio_flavour
        self.library = flavour.AE.library
        self.backend: Backend = flavour.BACKEND

    def run(self, function: AsyncFunction, *args: object) -> Any:
        if self.name == "trio":
            return trio.run(function, *args)
        return anyio.run(function, *args, backend=self.name.removeprefix("anyio-"))

    async def together(self, *functions: AsyncFunction) -> list[Any]:
        results: dict[int, Any] = {}

        async def call(index: int, function: AsyncFunction) -> None:
            results[index] = await function()

        async with self.library.open_group() as group:
            for index, function in enumerate(functions):
                group.start_soon(call, index, function)
        return [results[index] for index in range(len(functions))]

    async def pair(self) -> tuple[Stream, Stream]:
        left, right = (SocketStream(sock, AsyncWaiter(self.library, sock)) for sock in socket_pair())
        return left, right

    @asynccontextmanager
    async def serving(
        self, core: ConnectionServer, address: tuple[str, int] = ("127.0.0.1", 0), **options: int
    ) -> AsyncIterator[Serving]:
        backend, library = self.backend, self.library
        async with AsyncServer(core, address, backend=backend, library=library, **options) as server:
            yield server
            await server.shutdown(grace_of(core))


AnyBackend = Lockstep | Blocking | Async

MAKE: dict[str, Callable[[], AnyBackend]] = {
    "lockstep": Lockstep,
    "blocking": Blocking,
    **{name: partial(Async, name) for name in ("trio", "anyio-asyncio", "anyio-trio")},
}


class Gate:
    """Lets one coroutine wait for another, on whatever backend, for a while."""

    def __init__(self, backend: AnyBackend) -> None:
        self.is_open = False
        self._backend = backend
        self._event: Any = None
        if isinstance(backend, Blocking):
            self._event = threading.Event()
        elif isinstance(backend, Async):
            self._event = backend.library.event()

    def open(self) -> None:
        """Let go on whoever waits, and whoever comes."""
        self.is_open = True
        if self._event is not None:
            self._event.set()

    async def passed(self) -> None:
        """Wait until it is open."""
        backend = self._backend
        if isinstance(backend, Lockstep):
            await backend.world.wait_for(lambda: self.is_open, what="a gate")
        elif isinstance(backend, Blocking):
            self._event.wait(LONGEST_WAIT)
        else:
            with backend.library.scope(backend.library.now() + LONGEST_WAIT):
                await self._event.wait()
        assert self.is_open, "what was waited for did not happen"
