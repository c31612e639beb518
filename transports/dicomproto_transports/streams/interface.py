"""`Stream` and `Backend`: the interface between the association logic and everything that waits.

The association logic is written once, as `async def` over a `Stream`. Each flavour (blocking, trio,
anyio, the lockstep scheduler of the tests) has its own streams. In the blocking flavour their methods wait
inside and never suspend.

Three rules hold for every stream:

- *Time* is the stream's: `now()` and every deadline are seconds on one monotonic clock, which may
  be virtual. A deadline of None means no bound. A wait that passes its deadline raises `TimeoutError`;
  no other failure raises that class (the kernel's ETIMEDOUT comes as ConnectionAbortedError).
- *A wait may be interrupted*: trio and anyio raise their cancellation, the blocking flavour
  `ServerShutdown`. Both are BaseExceptions. Only `close` is shielded from them.
- *A send that failed is final*: after `send` raised, nothing more is written, because the peer
  would take it for the rest of a PDU. `close` then resets the connection and sends no last words.
  Bytes that the peer sent before can still be read.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

    from .addresses import Address
    from .watched import WatchedOperation


T = TypeVar("T")


class ServerShutdown(BaseException):
    """The server of this association shuts down: the waits of the blocking flavour raise it.

    It corresponds to the cancellation of trio and anyio: abort, `close` the stream, and raise it again.
    """


class TLSBroken(ConnectionAbortedError):
    """TLS ended the connection; `kind` is the kind of `TLSFailed`."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(errno.ECONNABORTED, text)
        self.kind = kind


class Stream(Protocol):
    """A connected byte stream with deadlines, used by one task or thread at a time.

    A stream may also have the methods of the functions below. With `glimpse()`, requests of a peer that is
    gone are not served, although they can still be read. With `interrupt()` and `try_send()`, an abort from
    outside ends a wait, and the A-ABORT leaves while a handler runs. With `wait_for_input()`, and a backend
    that has `watched()`, an async handler is cancelled while it waits.
    """

    @property
    def local_address(self) -> Address:
        """The address of this end, also after `close`."""
        ...

    @property
    def peer_address(self) -> Address:
        """The address of the other end, also after `close`."""
        ...

    def now(self) -> float:
        """Seconds on the clock of this stream's deadlines."""
        ...

    async def receive(self, deadline: float | None) -> bytes:
        """Return the bytes that have arrived, at least one, or b"" at the end of the stream.

        Each call returns a new object that does not change. Raises TimeoutError at the deadline and
        OSError (ConnectionResetError...) when the connection broke.
        """
        ...

    def try_receive(self) -> bytes | None:
        """Return the bytes that have arrived without waiting: None if there are none, b"" at the end.

        Raises OSError when the connection broke.
        """
        ...

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send the buffers in order and return the unsent rest, [] when all was sent.

        Returns early, with the rest, when output is blocked and input can be read (otherwise two peers
        that both send would stall each other), when the deadline passed and the peer took a part,
        and when the buffers hold more than one call sends. Read, then call again with the rest and
        a new deadline. Raises TimeoutError when the peer took nothing until the deadline, OSError
        when the connection broke.
        """
        ...

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Flush the last words, shut down writing, discard input until EOF, close. Never raises.

        Shielded from cancellation and bounded by the deadline. With no last words and a deadline
        in the past the connection ends at once. A connection from a fixed source port waits up to 0.1 s
        for the peer to close first, and is reset then. Idempotent.
        """


def glimpse(stream: Stream) -> str:
    """Return the end of a stream's input, behind the unread bytes: "broken", "ended", or "" if it goes on.

    A stream tells it in a method of this name, which reads nothing. Without that method the answer is "".
    """
    look = getattr(stream, "glimpse", None)
    return "" if look is None else str(look())


def interrupt(stream: Stream) -> None:
    """End the wait of a stream, and those that follow, as at their deadlines; `close` waits as ever.

    `receive` raises TimeoutError where it would wait, and `send` returns what is left. A stream has a method
    of this name for it; any thread may call that of the blocking flavour. Without it, nothing happens.
    """
    end_waits = getattr(stream, "interrupt", None)
    if end_waits is not None:
        end_waits()


def try_send(stream: Stream, buffers: Sequence[Buffer]) -> list[Buffer]:
    """Send what the network takes at once, and return the unsent rest; raises OSError as `Stream.send`.

    A stream has a method of this name for it. Without it, nothing is sent.
    """
    send_some = getattr(stream, "try_send", None)
    rest: list[Buffer] = list(buffers) if send_some is None else send_some(buffers)
    return rest


def sends_at_once(stream: Stream) -> bool:
    """Tell whether `try_send` can send something; a stream over another one says so in a property."""
    return bool(getattr(stream, "sends_at_once", hasattr(stream, "try_send")))


async def wait_for_input(stream: Stream) -> None:
    """Wait until `try_receive` has news, beside another use of the stream.

    A stream has a method of this name for it. Raises TimeoutError after `interrupt`, and OSError if there is
    nothing to wait with.
    """
    wait: Callable[[], Awaitable[None]] = getattr(stream, "wait_for_input")  # noqa: B009
    await wait()


def watched(
    backend: Backend, stream: Stream, watch: Callable[[], Awaitable[object]]
) -> WatchedOperation | None:
    """Return what runs an operation, and `watch` beside it, which may cancel the operation.

    A backend has a method of this name for it, and the stream `wait_for_input`. None without both.
    """
    make: Callable[..., WatchedOperation] | None = getattr(backend, "watched", None)
    return None if make is None or not hasattr(stream, "wait_for_input") else make(watch)


class Connect(Protocol):
    """A function that connects for a program, as `AE.connect`; it may be async."""

    def __call__(
        self, host: str, port: int, *, bind_address: tuple[str, int] | None, deadline: float | None
    ) -> Stream | Awaitable[Stream]:
        """Return the stream of a new connection, within the deadline; arguments as of `Backend.connect`."""
        ...


class Backend(Protocol):
    """The clock, connections and threads of a flavour."""

    def now(self) -> float:
        """Seconds on the clock of this flavour's streams."""
        ...

    async def connect(
        self,
        host: str,
        port: int,
        *,
        bind_address: tuple[str, int] | None = None,
        deadline: float | None = None,
    ) -> Stream:
        """Connect to the address of the host that answers first, IPv6 or IPv4.

        Attempts begin 250 ms apart (RFC 8305). From a fixed source port one attempt follows the other.
        The deadline bounds all attempts together. Raises `ConnectionLost`, whose text gives the
        reason for each address, and `TimedOut` with phase "connect".
        """
        ...

    async def checkpoint(self) -> None:
        """Let others run; raise `ServerShutdown` if the server shuts down."""

    def current_task(self) -> object:
        """Return an identity of the running task or thread, equal only to itself."""
        ...

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that only its time limit ends, and no cancellation."""
        ...

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Run the function in a worker thread, where it may wait, and return its result.

        The blocking flavour runs it in the caller's thread. A cancellation waits some seconds for a function
        that has begun; its result is lost then, and `cancelled` is called at once.
        """
        ...
