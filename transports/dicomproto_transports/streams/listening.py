"""Listening sockets, bound here or given by the caller or by systemd, and the connections from them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from ..arguments import is_local_address
from ..checks import checked, truth, wrong
from .addresses import Address, plain_address
from .tcp import INHERITS_OPTIONS, MakeWaiter, SocketStream, StreamOwner, set_options

BACKLOG = 1024
"""Connections that the kernel may keep for us; it may have a lower limit."""

ListenOn = tuple[str, int] | socket.socket | Sequence[socket.socket]
"""The address of a server: (host, port), or sockets that it owns from then on."""

_GONE = (
    errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH,
    errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ETIMEDOUT,
)  # fmt: skip
"""Errors of accept(2) about the new connection, not about the listener."""

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START


class _BoundHere(socket.socket):
    """A listener whose options were set before it could have a connection."""


def listeners(where: ListenOn, *, reuse_port: bool = False) -> list[socket.socket]:
    """Return the sockets for `where`, listening and non-blocking.

    Raises OSError, and TypeError or ValueError for an argument that cannot listen; given sockets then stay
    the caller's.
    """
    checked("reuse_port", truth, reuse_port)
    if isinstance(where, socket.socket):
        return [_adopt(where)]
    if is_local_address(where):
        return listen(where, reuse_port=reuse_port)
    return [_adopt(sock) for sock in _sockets(where)]


def _sockets(given: object) -> Sequence[socket.socket]:
    if not isinstance(given, Sequence) or not all(isinstance(one, socket.socket) for one in given):
        wanted = "(host, port), a stream socket or a list of them"
        raise TypeError(f"where a server listens {wrong(wanted, given)}")
    if not given:
        raise ValueError("a server needs an address or a socket to listen on")
    return given


def _adopt(sock: socket.socket) -> socket.socket:
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"a server listens on stream sockets, not on {sock!r}")
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def listen(
    address: tuple[str, int], backlog: int = BACKLOG, *, reuse_port: bool = False
) -> list[socket.socket]:
    """Return listening sockets for (host, port), all on one port; 0 lets the system choose it.

    "" and "::" mean every address of the machine, IPv6 and IPv4. A name is bound on all of its
    addresses. With `reuse_port` other processes may listen there as well. Raises OSError.
    """
    host, port = address
    if host in ("", "::") and socket.has_dualstack_ipv6():
        return [_listen_at(socket.AF_INET6, ("::", port), backlog, reuse_port, both=True)]
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for last_try in (False, False, False, True):
        try:
            for family, _, _, _, where in dict.fromkeys(found):
                chosen = sockets[0].getsockname()[1] if sockets else port
                try:
                    sockets.append(_listen_at(family, (where[0], chosen, *where[2:]), backlog, reuse_port))
                except OSError as error:
                    if error.errno not in _NOT_HERE:
                        raise
                    missing = error  # a name may have an IPv6 address on a machine without IPv6
        except OSError:
            for sock in sockets:
                sock.close()
            # The port that the system chose for one address may be taken on the next.
            if last_try or port or not sockets:
                raise
            sockets = []
        else:
            break
    if missing is not None and not sockets:
        raise missing
    return sockets


def _listen_at(
    family: int, address: tuple[object, ...], backlog: int, reuse_port: bool, both: bool = False
) -> socket.socket:
    listener = _BoundHere(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        if INHERITS_OPTIONS:
            set_options(listener)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def addresses_of(listening: Sequence[socket.socket]) -> list[Address]:
    """Return the addresses of sockets; None for a Unix socket."""
    return [plain_address(listener.getsockname()) for listener in listening]


def systemd_sockets() -> list[socket.socket]:
    """Return the listening sockets that systemd gave this process, in the order of its socket unit.

    Empty if it gave none (sd_listen_fds(3)). LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES are removed from
    the environment, so that nobody else takes the sockets. Raises ValueError or OSError if they are wrong.
    """
    told = {name: os.environ.pop(name, None) for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    count, process = told["LISTEN_FDS"], told["LISTEN_PID"]
    if count is None or process is None or int(process) != os.getpid():
        return []
    sockets = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        sockets.append(socket.socket(fileno=descriptor))
    return sockets


def accept(
    listener: socket.socket, make_waiter: MakeWaiter, owner: StreamOwner | None = None
) -> SocketStream | None:
    """Accept one connection, None if none waits; raises OSError if the system refuses."""
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
            inherits = INHERITS_OPTIONS and isinstance(listener, _BoundHere)
            return SocketStream(sock, make_waiter(sock), owner=owner, has_options=inherits)
        except OSError:  # gone again already
            sock.close()
