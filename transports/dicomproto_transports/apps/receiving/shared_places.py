"""Facts that the processes of one program share: the places that are taken, and what was received.

They all map one file without a name, and locks of the file guard it. A process that is killed leaves no lock
behind; its counts stay, and `forget` frees its places.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING

from ...server.places import Place, Places

if TYPE_CHECKING:
    from ...association.session import Session

_NUMBER = struct.Struct("=Q")

_SLOT = struct.Struct("=B16s16s")
"""The process, from 1, that has the place, 0 for none; the calling AE title and the address, as digests."""

_MOST_SLOTS = 65536
_NOBODY = bytes(16)


class FileLock:
    """A lock between all threads of all processes that have a file; the end of a process frees it."""

    def __init__(self, file: int, offset: int) -> None:
        self._file = file
        self._offset = offset
        self._threads = Lock()  # a lock of a file excludes no thread of the same process

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, self._offset)

    def __exit__(self, *error: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._offset)
        self._threads.release()


class SharedTable:
    """The file: a number for each process and each of `names`, and a slot for each place.

    It is made by its first process, of zeros.
    """

    def __init__(self, file: int, processes: int, names: Sequence[str], most_places: int) -> None:
        self._names = tuple(names)
        self._processes = processes
        self._slots = min(2 * most_places + 64, _MOST_SLOTS)  # a place may be promised while it is taken
        self._top = processes * len(names) * _NUMBER.size  # where it stands how many slots were ever used
        self._begin = self._top + _NUMBER.size
        size = self._begin + self._slots * _SLOT.size
        if os.fstat(file).st_size < size:
            os.truncate(file, size)
        self._map = mmap.mmap(file, size)
        self._telling = Lock()
        self.places: FileLock = FileLock(file, 0)
        """Guards the slots."""
        self.output: FileLock = FileLock(file, 1)
        """Guards the output, so that each line leaves whole."""

    # -- counts, each written by its own process alone ----------------------------------------

    def tell(self, process: int, count: Callable[[], Mapping[str, int]]) -> None:
        """Set the counts of a process, from 0, to what `count` returns; any thread of it may call this.

        They are counted and written in one step, so that none is written over a later one.
        """
        place = process * len(self._names) * _NUMBER.size
        with self._telling:
            counts = count()
            for number, name in enumerate(self._names):
                _NUMBER.pack_into(self._map, place + number * _NUMBER.size, counts[name])

    def totals(self) -> dict[str, int]:
        """Return the counts of all processes together."""
        totals = dict.fromkeys(self._names, 0)
        for process in range(self._processes):
            for number, name in enumerate(self._names):
                place = (process * len(self._names) + number) * _NUMBER.size
                totals[name] += _NUMBER.unpack_from(self._map, place)[0]
        return totals

    # -- places, under their lock ------------------------------------------------------------

    def take(self, process: int, title: bytes, host: bytes) -> int | None:
        """Return the slot of a new place; None if all are taken."""
        holders = [holder for holder, _, _ in self._used()]
        slot = holders.index(0) if 0 in holders else len(holders)
        if slot == self._slots:
            return None
        if slot == len(holders):
            _NUMBER.pack_into(self._map, self._top, slot + 1)
        _SLOT.pack_into(self._map, self._begin + slot * _SLOT.size, process + 1, title, host)
        return slot

    def free(self, slot: int) -> None:
        """Give a place back."""
        _SLOT.pack_into(self._map, self._begin + slot * _SLOT.size, 0, _NOBODY, _NOBODY)

    def elsewhere(self, process: int, alike: tuple[bytes | None, bytes | None]) -> int:
        """Return the places of other processes: all, or those with that title or that host."""
        title, host = alike
        return sum(
            holder not in (0, process + 1) and title in (None, its_title) and host in (None, its_host)
            for holder, its_title, its_host in self._used()
        )

    def forget(self, process: int) -> None:
        """Free the places of a process that has ended."""
        with self.places:
            for slot, (holder, _, _) in enumerate(self._used()):
                if holder == process + 1:
                    self.free(slot)

    def _used(self) -> list[tuple[int, bytes, bytes]]:
        (count,) = _NUMBER.unpack_from(self._map, self._top)
        return list(_SLOT.iter_unpack(self._map[self._begin : self._begin + count * _SLOT.size]))


class SharedPlaces(Places):
    """The places of one of several processes: the limits hold for all of them together.

    An association gives way only to a newcomer at its own process.
    """

    def __init__(self, table: SharedTable, process: int) -> None:
        super().__init__(table.places)
        self._table = table
        self._process = process
        self._slots: dict[Session, int] = {}

    def seat(self, place: Place) -> bool:
        """Tell the other processes of a place that is taken; False if the table is full."""
        slot = self._table.take(self._process, *map(_digest, place.alike))
        if slot is None:
            return False
        self._slots[place.session] = slot
        return True

    def unseat(self, session: Session) -> None:
        """Tell the other processes that a place is free again."""
        self._table.free(self._slots.pop(session))

    def elsewhere(self, place: Place, index: int | None = None) -> int:
        """Return the number of places at the other processes: all, or those alike."""
        if index is None:
            return self._table.elsewhere(self._process, (None, None))
        digest = _digest(place.alike[index])
        if digest == _NOBODY:
            return 0
        return self._table.elsewhere(self._process, (None, digest) if index else (digest, None))


def _digest(name: object) -> bytes:
    """Return the digest of a title or an address; `_NOBODY` for the session that stands for no address."""
    return blake2b(name.encode(), digest_size=16).digest() if isinstance(name, str) else _NOBODY
