"""The non-blocking TCP socket, the same for all flavours: try, wait, resume.

A flavour only has its own `Waiter`. A call tries the system call first and waits only when the kernel says
EAGAIN, so that a busy association costs one system call per message and no trip through a scheduler. A
receive after one that has emptied the socket waits first, where such a wait costs less than a try in vain.

- Output leaves through `sendmsg`, many buffers at a time. After a partial count the rest is found
  by index; nothing is copied or sliced twice.
- TCP_NODELAY is set. On Linux TCP_QUICKACK is armed, in both roles, before a wait for the rest of
  what has begun to come, that is if nothing was sent since; and from then on before every wait. A peer
  that leaves Nagle's algorithm on (DCMTK's tools) waits for our acknowledgement between the two writes
  of a message, and 40 ms of delayed ACK limit it to 23 round trips a second. What we send acknowledges
  what came before it.
- Keepalive is on: it finds an idle peer whose machine is gone within two minutes, so that this peer does not
  hold its place in a server until the idle timeout.
- TLS lies over it, see `secure.py`.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Protocol

from dicomproto.errors import ConnectionLost, TimedOut

from .addresses import Address, plain_address
from .connecting import AddressInfo, Attempts, is_fixed, reason_of
from .flavours import Flavour, flavour_of

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import Buffer

VECTOR = 512
"""Buffers in one `sendmsg`; the kernel takes IOV_MAX, 1024 on Linux and at least 16 elsewhere."""

SMALL_READ, LARGE_READ = 64 * 1024, 120 * 1024
"""Bytes asked for in one read. The large one only while reads fill the small one. The C library maps a block
of 128 KiB or more afresh, and the kernel clears each of its pages again."""

YIELD_BYTES, YIELD_CALLS = 256 * 1024, 64
"""Bytes and calls after which an association that never waits lets others run."""

_PEER_CLOSE_TIME = 0.1
"""Seconds for a peer to close first, where that keeps our port usable."""

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_RESET = struct.pack("ii", 1, 0)
_ENDED: int = getattr(select, "POLLRDHUP", 0)  # Linux tells of the end of input before it is read
_INET = (socket.AF_INET, socket.AF_INET6)

_interrupting = threading.Lock()
"""Held while any stream is interrupted, or begins to close."""

_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 60),
            ("TCP_KEEPALIVE", 60),  # its name on macOS
            ("TCP_KEEPINTVL", 15),
            ("TCP_KEEPCNT", 4),
        )
        if hasattr(socket, name)
    ),
]
"""Set on every connection: (level, option, value)."""

INHERITS_OPTIONS = sys.platform == "linux"
"""Whether an accepted connection has the options of its listener (tcp(7)); elsewhere it has some of them."""


_MOST_DISCARDED = 64
"""Most reads before a close that waits no longer for the peer."""


def set_options(sock: RawSocket) -> None:
    """Set the options of a connection, or those that a listener hands on to its connections."""
    with suppress(OSError):  # macOS refuses options on a connection that is gone already
        for level, option, value in _OPTIONS:
            sock.setsockopt(level, option, value)


def _keep_freed_memory() -> None:
    """Have the C library keep up to 2 MiB of freed memory: the kernel clears each page of new memory.

    glibc keeps twice the size of the largest mapped block that was freed, unless its environment variables
    say otherwise (mallopt(3), M_MMAP_THRESHOLD). No page of this block is ever touched.
    """
    bytes(1024 * 1024)


_keep_freed_memory()


class RawSocket(Protocol):
    """The socket below a `SocketStream`: a non-blocking `socket.socket`, or a pipe in memory."""

    @property
    def family(self) -> int: ...
    def recv(self, size: int, flags: int = 0, /) -> bytes: ...
    def sendmsg(self, buffers: Sequence[Buffer], /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None: ...
    def getsockname(self) -> Any: ...
    def getpeername(self) -> Any: ...


class Waiter(Protocol):
    """The waits of one flavour for one socket; each raises TimeoutError at its deadline."""

    is_wait_cheap: bool
    """Whether a wait for input that is there already costs little."""

    def now(self) -> float:
        """Seconds on this flavour's clock."""
        ...

    def readable(self, deadline: float | None) -> Awaitable[None]:
        """Wait until a receive would not block."""
        ...

    def writable(self, deadline: float | None) -> Awaitable[None]:
        """Wait until a send would not block."""
        ...

    def either(self, deadline: float | None) -> Awaitable[None]:
        """Wait until a receive or a send would not block."""
        ...

    def watch(self) -> Awaitable[None]:
        """Wait as `readable`, without a deadline, beside another wait of the same socket."""
        ...

    def checkpoint(self) -> Awaitable[None]:
        """Let others run, and notice that the association should end."""
        ...

    def shield(self) -> AbstractContextManager[object]:
        """A block whose waits nothing interrupts."""
        ...

    def open(self) -> None:
        """Prepare for `interrupt`."""

    def interrupt(self) -> None:
        """End the wait, and those that follow, as at their deadlines."""

    def close(self) -> None:
        """Let go of what `open` took; there are no waits any more."""


MakeWaiter = Callable[["socket.socket | int"], Waiter]
Resolve = Callable[[str, int, "float | None"], Awaitable[Sequence[AddressInfo]]]


class StreamOwner(Protocol):
    """The server of a stream; it learns of the end of the stream."""

    def dissociate(self, stream: SocketStream) -> object:
        """The association has ended; from now on the stream waits for its peer to close."""
        ...

    def remove(self, stream: SocketStream) -> object:
        """The socket is about to be closed."""
        ...


class SocketStream:
    """A `Stream` over a connected stream socket; it owns the socket.

    The side that closes a connection first cannot use its two ports again for a minute (TIME_WAIT, RFC 9293
    3.6). With `spares_port` the stream waits for the peer to close, until the deadline and 0.1 s at least,
    and then resets the connection. `has_options` says that `set_options` is not needed.
    """

    def __init__(
        self,
        sock: RawSocket,
        waiter: Waiter,
        *,
        spares_port: bool = False,
        owner: StreamOwner | None = None,
        has_options: bool = False,
    ) -> None:
        self._sock = sock
        self._waiter = waiter
        self.flavour: Flavour | None = flavour_of(waiter)
        self.now: Final = waiter.now
        self.local_address: Address = plain_address(sock.getsockname())
        self.peer_address: Address = plain_address(_peer_name(sock))
        self._read_size = SMALL_READ
        self._bytes_left, self._calls_left = YIELD_BYTES, YIELD_CALLS
        self._is_drained = False  # nothing more was there at the last look
        self._is_unanswered = False  # bytes came after the last send, and are perhaps not acknowledged
        self._comes_in_parts = False  # a wait has begun with unanswered bytes
        self._rest: list[Buffer] = []
        self._cut = self._eof = self._closed = self._is_interrupted = False
        self._spares_port = spares_port
        self._owner = owner
        waiter.open()
        sock.setblocking(False)
        is_inet = sock.family in _INET  # the family is made an enumerated value each time
        self._quickack = _QUICKACK if is_inet else None
        if is_inet and not has_options:
            set_options(sock)

    def __repr__(self) -> str:
        return f"<SocketStream {self.local_address} - {self.peer_address}>"

    # Receiving

    def try_receive(self) -> bytes | None:
        """Return the bytes that have arrived, None if there are none, b"" at the end; see `Stream`."""
        asked = self._read_size
        try:
            data = self._sock.recv(asked)
        except BlockingIOError:
            self._is_drained = True
            return None
        except TimeoutError as error:  # the kernel's ETIMEDOUT is not our deadline
            raise ConnectionAbortedError(error.errno, error.strerror) from error
        size = len(data)
        self._eof = not size
        self._is_unanswered = True
        self._is_drained = size < asked and self._waiter.is_wait_cheap
        self._read_size = LARGE_READ if size >= SMALL_READ else SMALL_READ
        self._bytes_left -= size
        return data

    async def receive(self, deadline: float | None) -> bytes:
        """Return the bytes that have arrived, b"" at the end; see `Stream`."""
        self._calls_left -= 1
        if self._bytes_left <= 0 or self._calls_left <= 0:
            await self._let_others_run()
        while self._is_drained or (data := self.try_receive()) is None:
            if self._is_unanswered or self._comes_in_parts:
                self._acknowledge()
            await self._waiter.readable(deadline)
            self._is_drained = False
            self._bytes_left, self._calls_left = YIELD_BYTES, YIELD_CALLS
        return data

    def _acknowledge(self) -> None:
        """Have the kernel acknowledge at once, now and during the wait, and not in 40 ms."""
        self._is_unanswered, self._comes_in_parts = False, True
        if self._quickack is not None:
            with suppress(OSError):  # the connection broke; the next receive tells
                self._sock.setsockopt(socket.IPPROTO_TCP, self._quickack, 1)

    async def wait_for_input(self) -> None:
        """Wait until something can be read, beside another use of this stream; see `wait_for_input`."""
        await self._waiter.watch()

    async def read(self, size: int, deadline: float | None) -> bytes:
        """Return at most `size` bytes, b"" at the end: for a header before the protocol, see `receive`."""
        self._read_size = size
        return await self.receive(deadline)

    def comes_through_proxy(self, source: Address) -> None:
        """Replace the address of the proxy by that of the peer, as the proxy told it."""
        self.peer_address = source

    async def _let_others_run(self) -> None:
        self._bytes_left, self._calls_left = YIELD_BYTES, YIELD_CALLS
        await self._waiter.checkpoint()

    # Sending

    async def send(self, buffers: Sequence[Buffer], deadline: float | None) -> list[Buffer]:
        """Send the buffers and return the unsent rest; see `Stream`."""
        self._calls_left -= 1
        if self._bytes_left <= 0 or self._calls_left <= 0:
            await self._let_others_run()
        rest = list(buffers)
        self._cut = True  # stays True after an exception
        index = sent = 0
        while index < len(rest):
            index, count = self._write(rest, index)
            sent += count
            if count or index == len(rest):
                continue
            if self._input_waits():
                break
            try:
                await self._room(deadline)
            except TimeoutError:
                if not (sent or self._is_interrupted):
                    raise
                break
        self._bytes_left -= sent
        self._rest = rest[index:]
        self._cut = False
        return self._rest.copy()

    async def _room(self, deadline: float | None) -> None:
        """Wait until a send would not block, or until input that has not ended can be read."""
        if self._is_unanswered or self._comes_in_parts:
            self._acknowledge()
        await (self._waiter.writable if self._eof else self._waiter.either)(deadline)

    def try_send(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Send what the network takes at once, and return the unsent rest; see `try_send`."""
        rest = list(buffers)
        if self._cut:  # a send is under way, or has failed
            return rest
        self._cut = True
        index, _ = self._write(rest, 0)
        self._rest = rest[index:]
        self._cut = False
        return self._rest.copy()

    def _write(self, buffers: list[Buffer], index: int) -> tuple[int, int]:
        """Hand over buffers from `index` on; return the index of the first unsent one and a byte count.

        A buffer that left in part is replaced by the view of its rest.
        """
        vector = buffers if not index and len(buffers) <= VECTOR else buffers[index : index + VECTOR]
        try:
            count = self._sock.sendmsg(vector)
        except BlockingIOError:
            return index, 0
        except TimeoutError as error:
            raise ConnectionAbortedError(error.errno, error.strerror) from error
        self._is_unanswered = False
        ends = list(accumulate(map(len, vector), initial=0))
        whole = bisect_right(ends, count) - 1
        index += whole
        if left := count - ends[whole]:
            buffers[index] = memoryview(buffers[index])[left:]
        return index, count

    def _input_waits(self) -> bool:
        """Tell whether a receive would return something new, an error and the end included."""
        if self._eof:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def glimpse(self) -> str:
        """Return the end of the input, behind the unread bytes: "broken", "ended", or "" if it goes on."""
        sock: Any = self._sock
        if not isinstance(sock, socket.socket):
            return str(sock.glimpse())
        poll = select.poll()
        poll.register(sock, _ENDED)
        flags = sum(flag for _, flag in poll.poll(0))
        if flags & (select.POLLERR | select.POLLHUP):
            return "broken"
        return "ended" if flags else ""

    # Closing

    async def close(self, last_words: Sequence[Buffer], deadline: float) -> None:
        """Flush, shut down writing, discard until EOF or the deadline, close; see `Stream`."""
        if self._closed:
            return
        with _interrupting:
            self._closed = True
        if self._owner is not None:
            self._owner.dissociate(self)
        if self._rest and not (last_words and last_words[0] is self._rest[0]):
            self._cut = True
        if self._spares_port:
            deadline = max(deadline, self.now() + _PEER_CLOSE_TIME)
        try:
            if not self._cut and (last_words or deadline > self.now()):
                with self._waiter.shield():
                    await self._farewell(list(last_words), deadline)
        except Exception:  # an OSError, or of trio and anyio: another task still waits for it
            pass
        finally:
            self.close_now()

    async def _farewell(self, words: list[Buffer], deadline: float) -> None:
        index = 0
        self._cut = bool(words)
        while index < len(words):
            index, count = self._write(words, index)
            if not count and index < len(words):
                await self._room(deadline)
                if not self._eof:
                    self.try_receive()
        self._cut = self._spares_port
        if not self._spares_port:
            self._sock.shutdown(socket.SHUT_WR)
        self._is_drained = False  # by now the peer has often closed, too
        while not self._eof and self.now() < deadline:
            await self.receive(deadline)
        self._discard()
        self._cut = self._cut and not self._eof

    def _discard(self) -> None:
        """Read what has arrived: a close with unread input resets the connection, and may undo our words."""
        for _ in range(_MOST_DISCARDED):
            if self._eof or self.try_receive() is None:
                break

    def close_now(self) -> None:
        """Close at once; a connection whose send failed is reset."""
        with _interrupting:
            self._closed = True
            self._waiter.close()
        self._is_drained = False  # nothing is waited for any more: a receive fails
        if self._owner is not None:
            self._owner.remove(self)
        if self._cut:
            with suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sock.close()

    def interrupt(self) -> None:
        """End the wait, and those that follow, as at their deadlines; see `interrupt`."""
        with _interrupting:  # its user must not close it meanwhile
            if not self._closed:
                self._is_interrupted = True
                self._waiter.interrupt()

    def drop(self) -> None:
        """End the connection, so that its user reads EOF; any thread may call this.

        The caller, as `owner`, keeps the socket from being closed meanwhile.
        """
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


def _peer_name(sock: RawSocket) -> Address:
    try:
        name: Address = sock.getpeername()
    except OSError:  # gone already; the first receive will tell
        return None
    return name


def resolve_numeric(host: str, port: int) -> Sequence[AddressInfo] | None:
    """Return the address of a host given in digits, None for a name; raises UnicodeError for neither."""
    digits = host.encode() if host.isascii() else host  # a str loads the codec of IDNA, which takes 1 ms
    try:
        return socket.getaddrinfo(digits, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        host.encode("idna")
        return None


async def connect(
    host: str,
    port: int,
    *,
    bind_address: tuple[str, int] | None = None,
    deadline: float | None = None,
    resolve: Resolve,
    make_waiter: MakeWaiter,
    now: Callable[[], float],
) -> SocketStream:
    """Connect to whichever address of the host answers first; see `Backend.connect`."""
    whole = f"{host} port {port}"
    try:
        found = resolve_numeric(host, port) or await resolve(host, port, deadline)
    except TimeoutError:
        raise TimedOut(f"connecting to {whole}: the name was not resolved in time", phase="connect") from None
    except OSError as error:  # socket.gaierror is one
        raise ConnectionLost(f"cannot connect to {whole}: {reason_of(error)}") from error
    except UnicodeError as error:  # an empty label, one of more than 63 letters, a lone surrogate
        raise ConnectionLost(f"cannot connect to {whole}: that is no host name") from error
    with Attempts(found, bind_address, deadline, make_waiter=make_waiter, now=now) as attempts:
        sock = await attempts.first()
    if sock is not None:
        return SocketStream(sock, make_waiter(sock), spares_port=is_fixed(bind_address))
    text = "; ".join(attempts.reasons) or "the name has no address"
    if attempts.timed_out:
        raise TimedOut(f"connecting to {whole} took too long ({text})", phase="connect")
    raise ConnectionLost(f"cannot connect to {whole} ({text})")
