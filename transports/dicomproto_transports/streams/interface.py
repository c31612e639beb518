"""`Stream` and `Backend`: all that the high level knows of the world that waits.

The association logic is written once, as `async def` over a `Stream`; a flavour (blocking, trio,
anyio, the lockstep scheduler of the tests) supplies the streams. In the blocking flavour the same
methods wait inside and never suspend.

Three rules hold for every stream:

- *Time* is the stream's: `now()` and every deadline are seconds on one monotonic clock, which may
  be virtual. A deadline of None means no bound. What passes its deadline raises `TimeoutError`,
  and no other failure raises that class (the kernel's ETIMEDOUT comes as ConnectionAbortedError).
- *A wait may be ended from outside*: trio and anyio raise their cancellation, the blocking flavour
  `ServerShutdown`. Both are BaseExceptions. `close` alone is shielded from it.
- *A send that was cut is final*: after `send` raised, nothing more is written, because the peer
  would take it for the rest of a PDU. `close` then resets the connection whatever its last words.
  What the peer sent before that can still be read.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

    from .addresses import Address


T = TypeVar("T")


class ServerShutdown(BaseException):
    """The server of this association shuts down: raised by the waits of the blocking flavour.

    What cancellation is to trio and anyio. Abort, `close` the stream, and let it pass on.
    """


class Displaced(BaseException):
    """The place of this association is needed for another one: raised by its next wait for input.

    It is raised while no operation is under way. Abort, `close` the stream, and let it pass no further.
    """


class TLSBroken(ConnectionAbortedError):
    """TLS ended the connection; `kind` is that of `TLSFailed`."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(errno.ECONNABORTED, text)
        self.kind = kind


class Stream(Protocol):
    """A connected byte stream with deadlines, used by one task or thread at a time.

    It may have `glimpse()` besides, see below: what a peer that is gone has asked for is then not served
    while the end is still to be read.
    """

    @property
    def local_address(self) -> Address:
        """Where this end is bound; stays known after `close`."""
        ...

    @property
    def peer_address(self) -> Address:
        """Where the other end is bound; stays known after `close`."""
        ...

    def now(self) -> float:
        """Seconds on the clock that this stream's deadlines refer to."""
        ...

    async def receive(self, deadline: float | None) -> bytes:
        """Return what has arrived, at least one byte, or b"" at the end of the stream.

        Never returns the same object twice: what was returned stays as it is. Raises TimeoutError
        at the deadline and OSError (ConnectionResetError...) when the connection broke.
        """
        ...

    def try_receive(self) -> bytes | None:
        """Return what has arrived without waiting: None if nothing did, b"" at the end.

        Raises OSError when the connection broke.
        """
        ...

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send the buffers in order and return what was not sent, [] when all is gone.

        Returns early, with the rest, when output is blocked and input can be read (two peers that
        both send would stall each other otherwise), when the deadline passed but something was
        taken, and when it was more than is sent at a time. Read, then call again with the rest and
        a new deadline. Raises TimeoutError when the peer took nothing until the deadline, OSError
        when the connection broke.
        """
        ...

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Flush the last words, shut down writing, discard input until EOF, close. Never raises.

        Shielded from cancellation and bounded by the deadline. With no last words and a deadline
        that has passed the connection ends at once; one from a fixed source port is left to the peer
        for 0.1 s, who is to close first, and then reset. Idempotent.
        """


def glimpse(stream: Stream) -> str:
    """Return how the input of a stream ends, behind what is unread: "broken", "ended", or "" if it goes on.

    A stream tells that in a method of this name, which reads nothing; of one that has none it is not known.
    """
    look = getattr(stream, "glimpse", None)
    return "" if look is None else str(look())


class Connect(Protocol):
    """How a program connects in its own way, as `AE.connect`: a function, which may be async."""

    def __call__(
        self, host: str, port: int, *, bind_address: tuple[str, int] | None, deadline: float | None
    ) -> Stream | Awaitable[Stream]:
        """Return the stream of a new connection, within the deadline; arguments as of `Backend.connect`."""
        ...


class Backend(Protocol):
    """What a flavour supplies to the requestor's side."""

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

        Attempts begin 250 ms apart (RFC 8305); from a fixed source port one address is tried after the
        other. The deadline bounds all of them together. Raises `ConnectionLost`, whose text gives the
        reason for each address, and `TimedOut` with phase "connect".
        """
        ...

    async def checkpoint(self) -> None:
        """Let others run, and notice that the server shuts down."""

    def current_task(self) -> object:
        """Return what stands for the running task, or thread: equal only to itself."""
        ...

    def shield(self, seconds: float) -> AbstractContextManager[object]:
        """A block that a cancellation does not end, only the time."""
        ...

    async def in_thread(self, function: Callable[[], T], cancelled: Callable[[], object] | None = None) -> T:
        """Return what the function returns, run where it may wait: in a worker thread.

        In the blocking flavour that is the caller's own. A cancellation waits for the function, but only some
        seconds for one that has begun; what it returns then is lost, and `cancelled` is called at once.
        """
        ...
