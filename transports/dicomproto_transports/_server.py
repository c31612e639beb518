"""What the servers of all flavours share: listening, accepting, the limit of pending connections.

Nothing that a peer does may stop the accept loop: it takes connections and hands them on, never
reads, and survives running out of file descriptors. Connections on which no association was
accepted yet are cheap for a peer to make, so they have a limit of their own, and the oldest
gives way to the newest: a thousand silent connections cost a bounded number of places, and a real
one is still served.
"""

from __future__ import annotations

import errno
import socket
from threading import Lock

from ._socket import MakeWaiter, SocketStream, plain_address
from ._stream import Address, ConnectionServer, Stream

BACKLOG = 1024
"""Connections that the kernel holds for us; it may have a lower limit of its own."""

MAXIMUM_PENDING = 256
"""Connections without an accepted association that a server keeps, by default."""

PAUSE = 0.1
"""Seconds until the next try when the system has no file descriptor or memory for a connection."""

_GONE = (
    errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH,
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ETIMEDOUT,
)  # fmt: skip
"""What accept(2) reports about the connection that was to be accepted, not about the listener."""

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(address: tuple[str, int], backlog: int = BACKLOG) -> list[socket.socket]:
    """Return listening sockets for (host, port), all on one port; 0 lets the system choose it.

    "" and "::" mean every address of the machine, IPv6 and IPv4. A name is bound on all of its
    addresses. Raises OSError.
    """
    host, port = address
    if host in ("", "::") and socket.has_dualstack_ipv6():
        return [_listen_at(socket.AF_INET6, ("::", port), backlog, both=True)]
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    for last_try in (False, False, False, True):
        try:
            for family, _, _, _, where in dict.fromkeys(found):
                chosen = listeners[0].getsockname()[1] if listeners else port
                try:
                    listeners.append(_listen_at(family, (where[0], chosen, *where[2:]), backlog))
                except OSError as error:
                    if error.errno not in _NOT_HERE:
                        raise
                    missing = error  # a name may have an IPv6 address on a machine without IPv6
        except OSError:
            for listener in listeners:
                listener.close()
            # The port that the system chose for one address may be taken on the next.
            if last_try or port or not listeners:
                raise
            listeners = []
        else:
            break
    if missing is not None and not listeners:
        raise missing
    return listeners


def _listen_at(family: int, address: tuple[object, ...], backlog: int, both: bool = False) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def accept(listener: socket.socket, make_waiter: MakeWaiter) -> SocketStream | None:
    """Accept one connection, None when none waits; raises OSError when the system refuses."""
    while True:
        try:
            sock = listener.accept()[0]
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _GONE:
                raise
            continue
        try:
            return SocketStream(sock, make_waiter(sock))
        except OSError:  # gone again already
            sock.close()


class Pending:
    """The connections on which no association was accepted yet, oldest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._streams: dict[Stream, SocketStream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: SocketStream) -> None:
        """Count a new connection; drops the oldest when there are too many."""
        stream.before_close = lambda: self.settle(stream)
        with self._lock:
            self._streams[stream] = stream
        while len(self._streams) > self._limit:
            self.drop_oldest()

    def settle(self, stream: Stream) -> None:
        """Count a connection no longer: it has its association, or is about to be closed."""
        with self._lock:
            self._streams.pop(stream, None)

    def drop_oldest(self) -> None:
        """End the oldest, if there is one, to make room."""
        with self._lock:  # held while dropping, so that its owner cannot close it meanwhile
            oldest = next(iter(self._streams), None)
            if oldest is not None:
                self._streams.pop(oldest).drop()


class Serving:
    """What every server tells about itself."""

    def __init__(self, core: ConnectionServer, addresses: list[Address]) -> None:
        self._core = core
        self._addresses = addresses

    @property
    def active_associations(self) -> list[object]:
        """The associations that are being served now."""
        return self._core.active_associations

    @property
    def addresses(self) -> list[Address]:
        """Where the server listens."""
        return self._addresses

    @property
    def address(self) -> Address:
        """The first of `addresses`."""
        return self._addresses[0]

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        assert self.address is not None
        return self.address[1]


class Listening(Serving):
    """A server with sockets; it listens from the moment it is made."""

    def __init__(self, core: ConnectionServer, address: tuple[str, int], maximum_pending: int) -> None:
        self._pending = Pending(maximum_pending)
        core.stream_established = self._pending.settle
        self._listeners = listen(address)
        super().__init__(core, [plain_address(listener.getsockname()) for listener in self._listeners])


def report(stream: Stream) -> None:
    """Log the exception that is being handled; a connection's failure stays its own."""
    import logging

    logging.getLogger("dicomproto.server").exception("serving %s failed", stream.peer_address)
