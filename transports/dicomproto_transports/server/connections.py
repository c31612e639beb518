"""What the servers of all flavours share: their connections, with a limit for those without an association.

Nothing that a peer does may stop the accept loop: it takes connections and hands them on, never
reads, and survives running out of file descriptors. A connection without an association is cheap for
a peer to make and to keep, whether it has none yet (it is silent, or in a TLS handshake) or none any
more (its peer does not close). So these have a limit of their own, and when it is passed the oldest of
the address that has most of them gives way: a thousand silent connections cost a bounded number of
places, and a real one is still served.
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
"""Connections without an association that a server keeps, by default."""

PAUSE = 0.1
"""Seconds until the next try when the system has no file descriptor or memory for a connection."""


class Connections:
    """The connections of a server: those with an association, and the pending ones, oldest first.

    At most `maximum_pending` are kept. `current_user` tells the running task or thread. `on_idle` is called,
    by any thread, when there are no associations any more but those of the tasks and threads in `spared`.
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
        self._pending: dict[Stream, tuple[SocketStream, str | None]] = {}  # with what its address counts as
        self._by_host: dict[str | None, int] = {}  # how many of those each has
        self._associated: dict[Stream, object] = {}

    @property
    def pending(self) -> int:
        """How many have no association, not yet or not any more."""
        return len(self._pending)

    @property
    def is_idle(self) -> bool:
        """Whether no association is left but spared ones.

        Looks at a copy, made in one step, and holds no lock: a signal handler may interrupt the thread that
        asks, and wait for associations to end, which they cannot while somebody else holds it.
        """
        return self.spared.issuperset(list(self._associated.values()))

    def spare_current_user(self) -> None:
        """Count the association that the running task or thread serves no longer: it waits for the others."""
        self.spared.add(self._current_user())

    def add(self, stream: SocketStream) -> None:
        """Count a connection as pending; drops one when there are too many."""
        host = stream.peer_address[0] if stream.peer_address else None
        with self._lock:
            self._pending[stream] = stream, host
            self._by_host[host] = self._by_host.get(host, 0) + 1
        while self._limit is not None and len(self._pending) > self._limit:
            self.drop_oldest()

    def associate(self, stream: Stream) -> None:
        """Count a connection as pending no longer: it has its association."""
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

    def displace(self, stream: SocketStream) -> None:
        """Have the user of a stream with an association see that its place is needed."""
        with self._lock:  # so that it is not closed meanwhile
            if stream in self._associated:
                stream.stop_reading()

    def _tell_if_idle(self) -> None:
        if len(self._associated) <= len(self.spared) and self.is_idle:
            self._on_idle()

    def drop_oldest(self) -> None:
        """End the oldest pending one of the address that has most of them, if there is one, to make room.

        So a peer that floods us throws out its own connections and not those of others.
        """
        with self._lock:  # held while dropping, so that its owner cannot close it meanwhile
            most = max(self._by_host.values(), default=0)
            pending = self._pending.values()
            oldest = next((stream for stream, host in pending if self._by_host[host] == most), None)
            if oldest is not None:
                self._take(oldest)
                oldest.drop()

    def _take(self, stream: Stream) -> bool:
        """Count a connection as pending no longer, and tell whether it was; the caller holds the lock."""
        taken = self._pending.pop(stream, None)
        if taken is None:
            return False
        _, host = taken
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
        return True
