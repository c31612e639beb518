"""The connections of a server, with a limit for those without an association.

No peer may stop the accept loop: the loop takes connections and passes them on, never reads, and continues
when file descriptors run out. A connection without an association costs a peer nothing, be it before the
association (silent, or in a TLS handshake) or after it (the peer does not close). So these connections have a
limit of their own. Above it the oldest one of the address with most of them is dropped: a thousand silent
connections hold a bounded number of descriptors, and a real peer is still served.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from ..checks import checked, whole

if TYPE_CHECKING:
    from ..streams.interface import Stream
    from ..streams.tcp import SocketStream

MAXIMUM_PENDING = 256
"""Connections without an association in one server."""

PAUSE = 0.1
"""Seconds until the next attempt when the system has no file descriptor or memory for a connection."""


class Connections:
    """The connections of a server: those with an association, and the pending ones, oldest first.

    At most `maximum_pending` are kept. `current_user` returns the running task or thread. Any thread calls
    `on_idle` when the last association has ended, but for those of the tasks and threads in `spared`.
    Each stream has this object as its `owner`.
    """

    def __init__(
        self,
        maximum_pending: int | None,
        current_user: Callable[[], object],
        on_idle: Callable[[], object] = lambda: None,
    ) -> None:
        checked("maximum_pending", whole(or_none=True), maximum_pending)
        self.spared: set[object] = set()
        self._limit = maximum_pending
        self._current_user = current_user
        self._on_idle = on_idle
        self._lock = Lock()
        self._pending: dict[Stream, tuple[SocketStream, str | None]] = {}  # with its host
        self._by_host: dict[str | None, int] = {}  # the pending connections of each
        self._associated: dict[Stream, object] = {}

    @property
    def pending(self) -> int:
        """The number of connections without an association."""
        return len(self._pending)

    @property
    def is_idle(self) -> bool:
        """Whether only spared associations are left.

        It reads an atomic copy, and takes no lock: a signal handler may interrupt this thread and wait for
        associations to end, and their threads need the lock.
        """
        return self.spared.issuperset(list(self._associated.values()))

    def spare_current_user(self) -> None:
        """Ignore the association of the running task or thread, which waits for the others."""
        self.spared.add(self._current_user())

    def add(self, stream: SocketStream) -> None:
        """Count a connection as pending; drop the oldest if there are too many."""
        host = stream.peer_address[0] if stream.peer_address else None
        with self._lock:
            self._pending[stream] = stream, host
            self._by_host[host] = self._by_host.get(host, 0) + 1
        while self._limit is not None and len(self._pending) > self._limit:
            self.drop_oldest()

    def associate(self, stream: Stream) -> None:
        """Count a connection as associated."""
        with self._lock:
            if self._take(stream):
                self._associated[stream] = self._current_user()

    def dissociate(self, stream: SocketStream) -> None:
        """Count a connection as pending again, from the end of its association until its peer closes it."""
        with self._lock:
            was_associated = self._associated.pop(stream, None) is not None
        if was_associated:
            self.add(stream)
            self._tell_if_idle()

    def remove(self, stream: SocketStream) -> None:
        """Forget a connection that is about to be closed."""
        with self._lock:
            self._take(stream)
            was_associated = self._associated.pop(stream, None) is not None
        if was_associated:
            self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        if len(self._associated) <= len(self.spared) and self.is_idle:
            self._on_idle()

    def drop_oldest(self) -> None:
        """Drop the oldest pending connection of the address with most of them, if there is one.

        So a peer that floods a server loses its own connections and not those of others.
        """
        with self._lock:  # its owner must not close it meanwhile
            most = max(self._by_host.values(), default=0)
            pending = self._pending.values()
            oldest = next((stream for stream, host in pending if self._by_host[host] == most), None)
            if oldest is not None:
                self._take(oldest)
                oldest.drop()

    def _take(self, stream: Stream) -> bool:
        """Remove a pending connection; False if it was not pending. The caller holds the lock."""
        taken = self._pending.pop(stream, None)
        if taken is None:
            return False
        _, host = taken
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
        return True
