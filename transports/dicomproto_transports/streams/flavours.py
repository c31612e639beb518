"""The flavours of streams and backends: a stream waits in its own flavour only."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interface import Backend, Stream


class Flavour(Enum):
    """What a stream or a backend waits in; those of the library have it as `flavour`."""

    BLOCKING = "blocking"
    TRIO = "trio"
    ANYIO = "anyio"
    LOCKSTEP = "lockstep"


_EVENT_LOOPS = {Flavour.TRIO, Flavour.ANYIO}


def check_flavour(stream: Stream, backend: Backend, where: str) -> None:
    """Raise TypeError for a stream that cannot wait where the backend waits.

    Classes of programs have no flavour and pass. anyio on trio waits in the loop of trio: there the streams
    of both fit.
    """
    theirs, ours = flavour_of(stream), flavour_of(backend)
    if theirs is None or ours is None or theirs is ours:
        return
    if {theirs, ours} == _EVENT_LOOPS and _is_in_its_loop(stream):
        return
    raise TypeError(
        f"{where}: the stream is of the {theirs.value} flavour, the application entity of the {ours.value}"
        f" flavour; use {_NAMES[theirs]} for both"
    )


def flavour_of(thing: object) -> Flavour | None:
    """Return the flavour of an object of the library, None for an object of a program."""
    flavour = getattr(thing, "flavour", None)
    return flavour if isinstance(flavour, Flavour) else None


def _is_in_its_loop(stream: Stream) -> bool:
    try:
        stream.now()  # the clock of a library is known in its loop only
    except RuntimeError:
        return False
    return True


_NAMES = {
    flavour: f"dicomproto_transports.{'testing' if flavour is Flavour.LOCKSTEP else flavour.value}"
    for flavour in Flavour
}
