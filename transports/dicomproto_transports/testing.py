"""Networks in memory with a virtual clock: tests of handlers and protocols without waiting.

`Lockstep` runs coroutines in turns, always in the same order, in one thread. When all of them wait, its clock
jumps to the next deadline: a timeout of 15 minutes takes no time, and each run is the same. When all wait and
none has a deadline, it raises `Deadlock`, which lists the waits.

    with Lockstep() as world:
        left, right = world.pair()

        async def talk() -> bytes:
            await left.send([b"hello"], None)
            return await right.receive(None)

        assert world.run(talk()) == b"hello"

`AE` works in such a network, with servers and associations as in trio and anyio, so handlers are tested
unchanged:

    async def store() -> int:
        async with scp.start_server(evt_handlers=[(evt.EVT_C_STORE, handler)]) as server:
            async with scu.associate("archive", server.port) as assoc:
                return (await assoc.send_c_store(path)).Status

    with Lockstep() as world:
        scp, scu = AE(world, "ARCHIVE"), AE(world, "MODALITY")
        ...
        assert world.run(store()) == 0x0000

The bytes go through pipes of bounded capacity, by the same `SocketStream` as for real sockets. `Faults` make
the pipes slow, cut them or break them.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from dicomproto.errors import ConnectionLost

from . import evt
from .arguments import Context, check_shutdown
from .asynchronous import AsyncAE
from .entity.acceptor import ServerCore
from .entity.association import Association
from .logs import debug_logger
from .server.connections import MAXIMUM_PENDING, Connections
from .server.serving import ConnectionServer, Serving
from .streams.addresses import Address
from .streams.flavours import Flavour
from .streams.interface import Backend, Connect, Stream
from .streams.memory import CAPACITY, Faults, MemorySocket, connected
from .streams.tcp import SocketStream
from .streams.watched import WatchedOperation

if TYPE_CHECKING:
    from dicomproto.config import Limits, Timeouts
    from dicomproto.negotiation import SupportedContext

    from .checks import Network
    from .tls import Context as TLSContext

__all__ = [
    "AE", "Association", "Cancelled", "Deadlock", "Faults", "Lockstep", "LockstepServer", "Task",
    "debug_logger", "evt",
]  # fmt: skip

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every coroutine waits for another, without a deadline."""


class Cancelled(BaseException):
    """A coroutine was cancelled, as in trio and anyio: every wait raises it again."""


class _Wait:
    """A condition and a deadline, which a coroutine yields."""

    def __init__(self, what: str, ready: Callable[[], bool], deadline: float | None) -> None:
        self.what = what
        self.ready = ready
        self.deadline = deadline

    def __await__(self) -> Generator[_Wait, None, None]:
        yield self


class Task(Generic[T]):
    """A coroutine in a `Lockstep`."""

    def __init__(self, coroutine: Coroutine[Any, None, T], name: str) -> None:
        self.name = name
        self.done = False
        self._coroutine = coroutine
        self._outcome: list[T] = []
        self._wait = _Wait("its first turn", lambda: True, None)
        self._is_cancelled = False
        self._scopes: list[Scope] = []

    def __repr__(self) -> str:
        return f"<{self.name}: {'done' if self.done else f'waits for {self._wait.what}'}>"

    @property
    def result(self) -> T:
        """The result of the coroutine; raises RuntimeError while it has none."""
        if not self._outcome:
            raise RuntimeError(f"{self!r} has no result")
        return self._outcome[0]

    def cancel(self) -> None:
        """Raise `Cancelled` in the coroutine, at its next turn and in every wait after that."""
        self._is_cancelled = True

    @property
    def _cancelled_by(self) -> Scope | Task[T] | None:
        """The outermost cancelled scope that no shield hides, or the whole task."""
        found: Scope | Task[T] | None = None
        for scope in reversed(self._scopes):
            if scope.is_cancelled:
                found = scope
            if scope.shield:
                return found
        return self if self._is_cancelled else found


class Scope:
    """A block of the running coroutine that `cancel` ends, as in trio and anyio.

    With `shield`, nothing else ends it.
    """

    def __init__(self, world: Lockstep, *, shield: bool = False) -> None:
        self._world = world
        self._task: Task[Any] | None = None
        self.shield: bool = shield
        self.is_cancelled: bool = False
        self.cancelled_caught: bool = False
        """Whether a cancellation has ended the block."""

    def cancel(self) -> None:
        """Raise `Cancelled` in every wait of the block."""
        self.is_cancelled = True

    def __enter__(self) -> Self:
        task = self._task = self._world._current
        assert task is not None
        task._scopes.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._task is not None
        outermost = self._task._cancelled_by
        self._task._scopes.remove(self)
        self.cancelled_caught = isinstance(error, Cancelled) and outermost is self
        return self.cancelled_caught


class Lockstep:
    """A scheduler with a virtual clock and a network in memory.

    As a context manager it cancels running coroutines at the end of the block.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._tasks: list[Task[Any]] = []
        self._current: Task[Any] | None = None
        self._ports: dict[int, LockstepServer] = {}
        self.backend: LockstepBackend = LockstepBackend(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            self._turn()

    # Time and turns

    def now(self) -> float:
        """Seconds on the virtual clock, which starts at 0."""
        return self._now

    def spawn(self, coroutine: Coroutine[Any, None, T], name: str = "") -> Task[T]:
        """Run a coroutine beside the others; `run` raises its exceptions."""
        task = Task(coroutine, name or getattr(coroutine, "__qualname__", "task"))
        self._tasks.append(task)
        return task

    def run(self, coroutine: Coroutine[Any, None, T]) -> T:
        """Run a coroutine to its end, and the spawned ones meanwhile; return its result."""
        return self.run_all(coroutine)[0]

    def run_all(self, *coroutines: Coroutine[Any, None, T]) -> list[T]:
        """Run coroutines beside each other to their ends; return their results, in order."""
        tasks = [self.spawn(coroutine) for coroutine in coroutines]
        while not all(task.done for task in tasks):
            self._turn()
        return [task.result for task in tasks]

    async def wait_for(
        self, ready: Callable[[], bool], deadline: float | None = None, what: str = ""
    ) -> None:
        """Wait until `ready()`; raises TimeoutError when the deadline comes first."""
        await _Wait(what or "a condition", ready, deadline)
        if not ready():
            raise TimeoutError

    async def sleep(self, seconds: float) -> None:
        """Wait on the virtual clock."""
        await _Wait("time to pass", lambda: False, self._now + seconds)

    async def checkpoint(self) -> None:
        """Give the others a turn."""
        await _Wait("its turn", lambda: True, None)

    def scope(self, *, shield: bool = False) -> Scope:
        """Return a block of the running coroutine that can be cancelled; with `shield`, not from outside."""
        return Scope(self, shield=shield)

    def shield(self) -> Scope:
        """A block of the running coroutine in which `Task.cancel` takes no effect."""
        return self.scope(shield=True)

    @asynccontextmanager
    async def open_group(self) -> AsyncIterator[Group]:
        """A block that ends when the coroutines that it has begun have ended."""
        group = Group(self)
        try:
            yield group
        finally:
            await self.wait_for(group.has_ended, None, "coroutines to end")

    def event(self) -> Event:
        """Return an event that coroutines can wait for."""
        return Event(self)

    def _turn(self) -> None:
        """Run one step of every coroutine that can go on, or advance the clock."""
        ready = [task for task in self._tasks if self._can_go_on(task)]
        if not ready:
            deadlines = [task._wait.deadline for task in self._tasks if task._wait.deadline is not None]
            if not deadlines:
                raise Deadlock(f"all wait for ever: {self._tasks}")
            self._now = min(deadlines)
        for task in ready:
            if self._can_go_on(task):  # an earlier step of this turn may have changed that
                self._step(task)

    def _can_go_on(self, task: Task[Any]) -> bool:
        wait = task._wait
        if task._cancelled_by is not None:
            return True
        return wait.ready() or (wait.deadline is not None and wait.deadline <= self._now)

    def _step(self, task: Task[Any]) -> None:
        self._current = task
        try:
            if task._cancelled_by is not None:
                task._wait = task._coroutine.throw(Cancelled())
            else:
                task._wait = task._coroutine.send(None)
        except StopIteration as stop:
            task._outcome.append(stop.value)
            self._end(task)
        except Cancelled:
            self._end(task)
        except BaseException:
            self._end(task)
            raise
        finally:
            self._current = None

    def _end(self, task: Task[Any]) -> None:
        task.done = True
        self._tasks.remove(task)

    # The network

    def pair(
        self,
        to_left: Faults = Faults(),  # noqa: B008 - a Record is immutable
        to_right: Faults = Faults(),  # noqa: B008
        capacity: int = CAPACITY,
        addresses: tuple[Address, Address] = (("127.0.0.1", 50000), ("127.0.0.1", 11112)),
    ) -> tuple[SocketStream, SocketStream]:
        """Return the two ends, left and right, of a connection in memory."""
        left, right = connected(to_left, to_right, capacity, *addresses)
        return self._stream(left), self._stream(right)

    def _stream(self, sock: MemorySocket, owner: Connections | None = None) -> SocketStream:
        return SocketStream(sock, _LockstepWaiter(self, sock), owner=owner)

    def listen(
        self, core: ConnectionServer, port: int = 0, *, maximum_pending: int = MAXIMUM_PENDING
    ) -> LockstepServer:
        """Return a server on a port of this network; 0 chooses one. It serves at once."""
        port = port or next(free for free in range(11112, 65536) if free not in self._ports)
        if port in self._ports:
            raise OSError(errno.EADDRINUSE, f"port {port} is taken")
        server = self._ports[port] = LockstepServer(self, core, port, maximum_pending)
        return server


class Group:
    """Coroutines that have begun within a block; see `Lockstep.open_group`."""

    def __init__(self, world: Lockstep) -> None:
        self._world = world
        self._tasks: list[Task[Any]] = []

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, object]], /, *args: object) -> None:
        """Begin a coroutine."""
        self._tasks.append(self._world.spawn(function(*args)))

    def has_ended(self) -> bool:
        """Tell whether all have ended."""
        return all(task.done for task in self._tasks)


class Event:
    """A flag that coroutines can wait for; see `Lockstep.event`."""

    def __init__(self, world: Lockstep) -> None:
        self._world = world
        self._is_set = False

    def set(self) -> None:
        """Let those go on that wait."""
        self._is_set = True

    async def wait(self) -> None:
        """Wait until it is set."""
        await self._world.wait_for(lambda: self._is_set, None, "an event")


class LockstepBackend:
    """The `Backend` of a `Lockstep`: connects to the servers that listen in it."""

    flavour = Flavour.LOCKSTEP

    def __init__(self, world: Lockstep) -> None:
        self._world = world
        self._connections = 0
        self.to_server: Faults = Faults()
        """The faults of later connections, in the direction of the server."""
        self.to_client: Faults = Faults()
        """The same for the other direction."""
        self.capacity = CAPACITY

    def now(self) -> float:
        """Seconds on the virtual clock."""
        return self._world.now()

    async def connect(
        self,
        host: str,
        port: int,
        *,
        bind_address: tuple[str, int] | None = None,
        deadline: float | None = None,
    ) -> Stream:
        """Connect to the server that listens on the port; `host` may be any name."""
        await self._world.checkpoint()
        server = self._world._ports.get(port)
        if server is None:
            raise ConnectionLost(f"cannot connect to {host} port {port} ({host}: nobody listens there)")
        self._connections += 1
        here = bind_address or ("127.0.0.1", 50000 + self._connections)
        near, far = connected(self.to_client, self.to_server, self.capacity, here, (host, port))
        server._take(far)
        return self._world._stream(near)

    async def checkpoint(self) -> None:
        """Give the others a turn."""
        await self._world.checkpoint()

    def current_task(self) -> object:
        """Return the `Task` that runs."""
        return self._world._current

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block in which a cancellation takes no effect; `seconds` is ignored."""
        return self._world.shield()

    def watched(self, watch: Callable[[], Awaitable[object]]) -> WatchedOperation:
        """Return an operation that `watch` may cancel from beside it; see `watched`."""
        return WatchedOperation(self._world, watch)

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Call the function here: there are no threads."""
        return function()


class LockstepServer(Serving):
    """A server within a `Lockstep`, made by `Lockstep.listen`."""

    def __init__(self, world: Lockstep, core: ConnectionServer, port: int, maximum_pending: int) -> None:
        super().__init__(core, [("127.0.0.1", port)])
        self._connections = Connections(maximum_pending, world.backend.current_task)
        self._associations = core
        self._world = world
        self._tasks: list[Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.shutdown()

    async def shutdown(self, grace: float = 0.0, *, refuse: bool = False) -> None:
        """Accept no more associations, give the running ones `grace` seconds, abort the rest.

        New connections are refused. With `refuse` new associations are rejected as temporary congestion
        (2, 3, 1), until the last association has ended or the grace is over.
        """
        check_shutdown(grace, refuse)
        self._associations.begin_shutdown()
        if not refuse:
            self._world._ports.pop(self.port, None)
        self._connections.spare_current_user()
        caller = self._world._current
        try:
            await self._world.wait_for(
                lambda: self._connections.is_idle, self._world.now() + grace, "associations to end"
            )
        except TimeoutError:
            pass
        self._world._ports.pop(self.port, None)
        for task in self._tasks:
            task.cancel()
        with self._world.shield():
            await self._world.wait_for(
                lambda: all(task.done or task is caller for task in self._tasks),
                None,
                "cancelled associations to end",
            )
        await self._world.checkpoint()  # cancels a handler that called this

    def _take(self, sock: MemorySocket) -> None:
        stream = self._world._stream(sock, self._connections)
        self._tasks = [task for task in self._tasks if not task.done]
        self._connections.add(stream)
        associated = partial(self._connections.associate, stream)
        serving = self._associations.serve_connection(stream, self._world.backend, associated)
        self._tasks.append(self._world.spawn(serving, f"association with {stream.peer_address}"))


class AE(AsyncAE):
    """An application entity in a `Lockstep`, as in the other flavours."""

    _world: Lockstep

    def __init__(
        self,
        world: Lockstep,
        ae_title: str | bytes = "DICOMPROTO",
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        connect: Connect | None = None,
    ) -> None:
        super().__init__(ae_title, limits=limits, timeouts=timeouts, connect=connect)
        vars(self).update(_world=world)
        self.backend: Backend = world.backend

    def start_server(
        self,
        address: tuple[str, int] = ("127.0.0.1", 0),
        *,
        evt_handlers: Iterable[evt.Binding] | None = None,
        ae_title: str | bytes | None = None,
        contexts: Iterable[Context | SupportedContext] | None = None,
        proxy_protocol_from: Network | Iterable[Network] = (),
        ssl_context: TLSContext | None = None,
        maximum_pending: int = MAXIMUM_PENDING,
    ) -> LockstepServer:
        """Return a server that listens on the port, 0 for any, until the end of its `async with`."""
        core = ServerCore(self, evt_handlers, ae_title, contexts, ssl_context, proxy_protocol_from)
        return self._world.listen(core, address[1], maximum_pending=maximum_pending)


class _LockstepWaiter:
    """Waits for one `MemorySocket`."""

    flavour = Flavour.LOCKSTEP
    is_wait_cheap = False

    def __init__(self, world: Lockstep, sock: MemorySocket) -> None:
        self._world = world
        self._sock = sock
        self._is_interrupted = False
        self.now = world.now
        self.checkpoint = world.checkpoint

    async def readable(self, deadline: float | None) -> None:
        await self._until(self._sock.is_readable, deadline, "input")

    async def watch(self) -> None:
        await self.readable(None)

    async def writable(self, deadline: float | None) -> None:
        await self._until(self._sock.is_writable, deadline, "room for output")

    async def either(self, deadline: float | None) -> None:
        sock = self._sock
        await self._until(
            lambda: sock.is_readable() or sock.is_writable(), deadline, "input or room for output"
        )

    async def _until(self, ready: Callable[[], bool], deadline: float | None, what: str) -> None:
        await self._world.wait_for(lambda: self._is_interrupted or ready(), deadline, what)
        if self._is_interrupted:
            raise TimeoutError

    def open(self) -> None:
        """A wait can be interrupted without preparation."""

    def interrupt(self) -> None:
        self._is_interrupted = True

    def close(self) -> None:
        """Nothing is held."""

    def shield(self) -> AbstractContextManager[object]:
        self._is_interrupted = False
        return self._world.shield()
