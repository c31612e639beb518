"""The places of a server: the limit of its associations, and which of them gives way to a newcomer.

A place costs a peer nothing: a byte now and then keeps an association. So when all places
are taken, a newcomer gets the place of the association that has been idle longest, at the address with most
places, if its own address has fewer. The place is only promised until policy and handlers have accepted the
newcomer: a rejected newcomer ends no association. Peers may share an address (behind a proxy, in containers).
So there is no limit per address by default.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from dicomproto.upper_layer.pdu import normalize_ae_title

from ..streams.addresses import host_and_port

if TYPE_CHECKING:
    from ..association.session import Session

log: logging.Logger = logging.getLogger("dicomproto.server")

_IN_ALL = "maximum_associations"
_FOR_SOME = ("maximum_associations_per_ae_title", "maximum_associations_per_address")
"""The settings that limit the number of associations, in all and with one title or address."""

_LOG_INTERVAL = 60.0
"""Seconds between two log lines on one reached limit."""


class PlaceSettings(Protocol):
    """The settings of an application entity that limit its associations; see `AE`."""

    maximum_associations: int | None
    maximum_associations_per_address: int | None
    maximum_associations_per_ae_title: int | None
    give_way_after: float


class Place:
    """The place of one association, from its request to its end."""

    __slots__ = (
        "session", "settings", "associated", "displace", "host", "alike", "idle", "leaver", "is_given_up"
    )  # fmt: skip

    def __init__(
        self,
        session: Session,
        calling_ae_title: str,
        settings: PlaceSettings,
        associated: Callable[[], object],
        displace: Callable[[], object] | None,
    ) -> None:
        self.session: Session = session
        self.settings: PlaceSettings = settings
        self.associated: Callable[[], object] = associated
        """Tells the server that the connection has its association."""
        self.displace: Callable[[], object] | None = displace
        """Asks the association to end; None if it does not give way."""
        self.host: str | None = host_and_port(session.stream.peer_address)[0]
        # A Unix socket has no host: no two connections are alike then.
        self.alike: tuple[str, str | Session] = (normalize_ae_title(calling_ae_title), self.host or session)
        """The calling AE title and the address, which the limits count."""
        self.idle: list[float] = []
        """The end of the last operation; empty during an operation and before the acceptance."""
        self.leaver: Place | None = None
        """The place that gives way once this association is accepted."""
        self.is_given_up: bool = False
        """Whether a newcomer has taken it."""

    @property
    def is_live(self) -> bool:
        """Whether it counts towards the limits."""
        return self.session.ending.terminal is None and not self.is_given_up

    def begin_operation(self) -> bool:
        """Note that an operation begins; False if the place is given up.

        The thread of the association and that of a newcomer both take the one item of `idle`, in one step.
        The one that gets it goes on. So no association is ended during an operation.
        """
        try:
            self.idle.pop()
        except IndexError:
            return False
        return True

    def give_up(self) -> bool:
        """Give it up; False if an operation is under way. The caller still tells the association."""
        self.is_given_up = self.begin_operation()
        return self.is_given_up

    def seconds_idle(self, now: float) -> float:
        """Return the seconds since the last operation, 0 during one."""
        return now - next(iter(self.idle), now)  # its own thread may change `idle` meanwhile


class Places:
    """The places of one server; any thread may take one.

    No foreign code runs under the lock: no handlers of the log, no policy. Reading the associations takes no
    lock, because a signal handler may do so at any time.

    A subclass may share the places with other servers: it gives the lock, and `seat`, `unseat` and
    `elsewhere` are called under it.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = lock or Lock()
        self._taken: dict[Session, Place] = {}
        self._told: dict[str, float] = {}  # the time of the last log line on each limit
        self._untold: Counter[str] = Counter()

    def sessions(self) -> list[Session]:
        """Return the associations that have a place."""
        return list(self._taken)  # one step

    def take(self, place: Place) -> bool:
        """Take a place, or be promised one; False, with a log line, if there is none."""
        now = place.session.stream.now()
        with self._lock:
            reached, place.leaver = self._look(place, now)
            if reached is None and not self.seat(place):
                reached = _IN_ALL
            if reached is None:
                self._taken[place.session] = place
        if reached is not None:
            self._tell(reached, place, "was rejected")
        return reached is None

    def settle(self, place: Place) -> bool:
        """Let an idle association give way to one that is about to be accepted; False as in `take`.

        None gives way if there is room by now. If `leaver` has begun an operation, another one may give way.
        """
        if place.leaver is None:
            return True
        now = place.session.stream.now()
        with self._lock:
            reached, leaver = self._look(place, now)
            while leaver is not None and not leaver.give_up():
                reached, leaver = self._look(place, now)
            place.leaver = None
        if reached is not None:
            self._tell(reached, place, "was rejected")
        elif leaver is not None:
            assert leaver.displace is not None
            leaver.displace()
            self._tell(_IN_ALL, place, f"takes the place of {leaver.session.peer_name}")
        return reached is None

    def refuse(self, place: Place) -> None:
        """Log that no association gives way to a newcomer that is rejected anyway."""
        self._tell(_IN_ALL, place, "was rejected")

    def leave(self, session: Session) -> None:
        """Give a place back, if the association has one."""
        with self._lock:
            if self._taken.pop(session, None) is not None:
                self.unseat(session)

    def seat(self, place: Place) -> bool:
        """Tell other servers of a place that is taken; False if they leave no room for it."""
        return True

    def unseat(self, session: Session) -> None:
        """Tell other servers that a place is free again."""

    def elsewhere(self, place: Place, index: int | None = None) -> int:
        """Return the number of places at other servers: all, or those alike in `Place.alike[index]`."""
        return 0

    def _look(self, place: Place, now: float) -> tuple[str | None, Place | None]:
        """Return the limit that leaves no place, or the place that has to give way."""
        live = [other for other in self._taken.values() if other.is_live and other is not place]
        for index, name in enumerate(_FOR_SOME):
            limit = getattr(place.settings, name)
            if limit is None:
                continue
            alike = sum(other.alike[index] == place.alike[index] for other in live)
            if alike + self.elsewhere(place, index) >= limit:
                return name, None
        promised = {other.leaver for other in live}
        holders = [other for other in live if other not in promised]
        limit = place.settings.maximum_associations
        if limit is None:
            return None, None
        limit -= self.elsewhere(place)
        if len(holders) < limit:
            return None, None
        if len(holders) > limit:  # the limit was lowered, which ends no association
            return _IN_ALL, None
        leaver = _leaver(holders, place, now)
        return (_IN_ALL if leaver is None else None), leaver

    def _tell(self, name: str, newcomer: Place, what: str) -> None:
        """Log that a limit is reached, once a minute."""
        now, peer = newcomer.session.stream.now(), newcomer.session.peer_name
        with self._lock:
            if now - self._told.get(name, -_LOG_INTERVAL) < _LOG_INTERVAL:
                self._untold[name] += 1
                return
            others = self._untold.pop(name, 0)
            self._told[name] = now
        since = f"; {others} more since the last such line" if others else ""
        log.warning("%s is reached (%d): %s %s%s", name, getattr(newcomer.settings, name), peer, what, since)


def _leaver(holders: list[Place], newcomer: Place, now: float) -> Place | None:
    """Return the place that gives way: idle longest, at the address with most places; None if none does."""
    enough = newcomer.settings.give_way_after
    if not enough:
        return None
    held = Counter(place.host for place in holders)
    most = max(held.values(), default=0)
    if held[newcomer.host] >= most:
        return None
    idle = [
        place
        for place in holders
        if place.displace is not None and held[place.host] == most and place.seconds_idle(now) >= enough
    ]
    return max(idle, key=lambda place: place.seconds_idle(now), default=None)
