"""The places of a server: how many associations it serves at once, and which of them gives way to a newcomer.

A place costs a peer nothing to hold: an association stands as long as a byte comes now and then. So when all
are taken, a newcomer gets that of the association which has been idle longest, at the address that holds
most places, as long as its own address holds fewer. Those who share an address (behind a proxy, or in
containers) are not kept apart by that, so there is no limit per address by default.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from dicomproto.upper_layer.pdu import normalize_ae_title

from ._facts import host_and_port

if TYPE_CHECKING:
    from ._association import AssociationCore
    from ._settings import Settings
    from ._socket import SocketStream

log = logging.getLogger("dicomproto.server")

_IN_ALL = "maximum_associations"
_LIMITS = ("maximum_associations_per_ae_title", "maximum_associations_per_address", _IN_ALL)
"""The settings that bound how many associations there are; in all is looked at last."""

_SILENCE = 60.0
"""Seconds between two lines that say that a limit is reached."""


class Place:
    """The place of one association, from its request to its end."""

    __slots__ = ("association", "arrived", "host", "idle_since", "is_given_up", "_alike")

    def __init__(self, association: AssociationCore, arrived: SocketStream, calling_ae_title: str) -> None:
        self.association = association
        self.arrived = arrived
        self.host, _ = host_and_port(association.stream.peer_address)
        # A Unix socket has no host: no two are alike then.
        self._alike = (normalize_ae_title(calling_ae_title), self.host or association, None)
        self.idle_since: float | None = None
        """When the last operation ended; None while there is one, and before the association stands."""
        self.is_given_up = False
        """Whether it counts no longer, because a newcomer has it."""

    def counts_as(self, other: Place, limit: int) -> bool:
        """Whether it counts for a limit, beside another one."""
        is_live = self.association.terminal is None and not self.is_given_up
        return is_live and self._alike[limit] == other._alike[limit]

    def give_up(self) -> bool:
        """Give it up, unless an operation begins just now; called by the thread of the newcomer.

        Both sides say first what they do and look at the other then, as `begin_operation` does, so that
        nothing is ended in the middle of an operation.
        """
        self.is_given_up = True
        if self.idle_since is None:
            self.is_given_up = False
            return False
        self.arrived.displace()
        return True

    def begin_operation(self) -> bool:
        """Note that an operation begins; tell whether that may be."""
        self.idle_since = None
        return not self.is_given_up

    def seconds_idle(self, now: float) -> float:
        """Return for how long there has been no operation."""
        since = self.idle_since  # which its own thread may change meanwhile
        return 0.0 if since is None else now - since


class Places:
    """The places of one server; any thread may take one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: dict[AssociationCore, Place] = {}
        self._told: dict[str, float] = {}  # when a limit was last said to be reached
        self._untold: Counter[str] = Counter()

    def associations(self) -> list[AssociationCore]:
        """Return the associations that have a place."""
        with self._lock:
            return list(self._taken)

    def take(self, place: Place, settings: Settings, is_welcome: Callable[[], bool]) -> bool:
        """Take a place; False, with a line in the log, if there is none.

        `is_welcome` tells whether the newcomer would be accepted, before another one gives way to it.
        """
        with self._lock:
            for index, name in enumerate(_LIMITS):
                limit = getattr(settings, name)
                if limit is None:
                    continue
                count = sum(other.counts_as(place, index) for other in self._taken.values())
                if count < limit:
                    continue
                leaver = self._leaver(place, settings) if count == limit and name == _IN_ALL else None
                if leaver is None or not is_welcome() or not leaver.give_up():
                    self._tell(name, limit, place, "was rejected")
                    return False
                self._tell(name, limit, place, f"takes the place of {leaver.association.peer_name}")
            self._taken[place.association] = place
        return True

    def leave(self, association: AssociationCore) -> None:
        """Give a place back, if the association has one."""
        with self._lock:
            self._taken.pop(association, None)

    def _leaver(self, newcomer: Place, settings: Settings) -> Place | None:
        """Return who gives way: idle longest, at the address that holds most places; None if nobody does."""
        if not settings.give_way_after:
            return None
        now = newcomer.association.stream.now()
        live = [place for place in self._taken.values() if place.counts_as(newcomer, _LIMITS.index(_IN_ALL))]
        held = Counter(place.host for place in live)
        most = max(held.values(), default=0)
        if held[newcomer.host] >= most:
            return None
        idle = [
            place
            for place in live
            if held[place.host] == most and place.seconds_idle(now) >= settings.give_way_after
        ]
        return max(idle, key=lambda place: place.seconds_idle(now), default=None)

    def _tell(self, name: str, limit: int, newcomer: Place, what: str) -> None:
        """Log that a limit is reached, once a minute."""
        now = newcomer.association.stream.now()
        if now - self._told.get(name, -_SILENCE) < _SILENCE:
            self._untold[name] += 1
            return
        others = self._untold.pop(name, 0)
        self._told[name] = now
        since = f"; {others} others found it so since the last such line" if others else ""
        log.warning("%s is reached (%d): %s %s%s", name, limit, newcomer.association.peer_name, what, since)
