"""The server of trio and anyio: a task for each association."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from ..arguments import check_shutdown
from ..error_text import known_as
from ..streams.event_loop import AsyncWaiter, Library, refuse_with
from ..streams.listening import ListenOn, accept, addresses_of, listeners
from ..streams.scheduler import Group
from ..streams.tcp import SocketStream
from .connections import MAXIMUM_PENDING, PAUSE, Connections
from .serving import ConnectionServer, Serving, report

if TYPE_CHECKING:
    from ..streams.interface import Backend


@known_as("Server")
class Server(Serving):
    """A server for trio and anyio: one task per association, all within `async with`.

    It listens from the moment it is made, and accepts from the moment it is entered. Leaving the
    block ends every association.
    """

    def __init__(
        self,
        core: ConnectionServer,
        address: ListenOn,
        *,
        backend: Backend,
        library: Library,
        maximum_pending: int = MAXIMUM_PENDING,
        reuse_port: bool = False,
    ) -> None:
        self._connections = Connections(maximum_pending, library.current_task, self._notice_idle)
        self._listeners = listeners(address, reuse_port=reuse_port)
        super().__init__(core, addresses_of(self._listeners))
        self._associations = core
        self._backend = backend
        self._library = library
        self._is_stopping = False
        self._idle, self._ended = library.event(), library.event()
        self._accepting, self._serving = library.scope(), library.scope()
        self._running = self._run()
        self._entered = False

    if not TYPE_CHECKING:  # a checker knows by itself

        def __enter__(self) -> NoReturn:
            self._close_listeners()
            refuse_with("start_server")

        def __exit__(self, *error: object) -> None:
            """Exist, so that `with` calls `__enter__`."""

    async def __aenter__(self) -> Self:
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._running.__aexit__(kind, error, traceback)

    async def serve_forever(self) -> None:
        """Accept connections until `shutdown` is called or an exception is raised."""
        async with self:
            await self._ended.wait()

    async def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Accept no more associations, give the running ones `grace` seconds, abort the rest.

        New connections are refused by the system meanwhile. With `refuse` the server listens until the last
        association has ended or the grace is over, and rejects newcomers as temporary congestion (2, 3, 1).
        Of two calls, the one whose grace ends first holds.

        Each association is aborted and closed within `Timeouts.close`, or at most 15 seconds later when a
        handler in a thread does not return: its thread goes on, and its result is ignored. A handler may call
        this; the grace does not wait for its own association, which is aborted with the rest.
        """
        check_shutdown(grace, refuse)
        self._associations.begin_shutdown()
        if not self._entered:
            self._close_listeners()
            return
        if not refuse:
            self._accepting.cancel()
        self._is_stopping = True
        self._connections.spare_current_user()
        if grace > 0 and not self._connections.is_idle:
            with self._library.scope(self._library.now() + grace):
                await self._idle.wait()
        self._idle.set()  # ends the waits of other calls
        self._accepting.cancel()
        self._serving.cancel()
        await self._ended.wait()

    def _notice_idle(self) -> None:
        if self._is_stopping:
            self._idle.set()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        carried = None
        self._entered = True
        try:
            async with self._library.open_group() as group:
                group.start_soon(self._serve_all)
                try:
                    yield
                except BaseException as error:
                    if self._library.is_cancellation(error):
                        raise
                    carried = error  # the group would wrap it
                await self.shutdown()
        finally:
            self._close_listeners()
            if carried is not None:  # a cancellation of the shutdown would hide it
                raise carried

    async def _serve_all(self) -> None:
        try:
            with self._serving:
                async with self._library.open_group() as associations:
                    try:
                        with self._accepting:
                            async with self._library.open_group() as group:
                                for listener in self._listeners:
                                    group.start_soon(self._accept, listener, associations)
                    finally:
                        self._close_listeners()
        finally:
            self._ended.set()

    async def _accept(self, listener: socket.socket, associations: Group) -> None:
        waiter = AsyncWaiter(self._library, listener)
        while True:
            try:
                stream = accept(listener, partial(AsyncWaiter, self._library), self._connections)
            except OSError:
                self._connections.drop_oldest()
                await self._library.sleep(PAUSE)
                continue
            if stream is None:
                await waiter.readable(None)
                continue
            self._connections.add(stream)
            associations.start_soon(self._serve, stream)
            await waiter.checkpoint()

    async def _serve(self, stream: SocketStream) -> None:
        try:
            associated = partial(self._connections.associate, stream)
            await self._associations.serve_connection(stream, self._backend, associated)
        except Exception:
            report(stream)
        finally:
            stream.close_now()
