"""The anyio flavour, on asyncio or trio: plain `await`, one task per association in a server.

Deadlines and cancellation are the library's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import evt
from .asynchronous import LibraryAE
from .entity.association import Association
from .files.objects import KnownFile
from .files.part10 import InvalidFile, NotPart10, TruncatedFile
from .logs import debug_logger
from .scu.responses import Responses
from .scu.store_many import StoreOutcome, StoreOutcomes
from .server.tasks import Server
from .streams.anyio_library import BACKEND, LIBRARY, wrap_stream
from .streams.listening import systemd_sockets

if TYPE_CHECKING:
    from .streams.event_loop import Library
    from .streams.interface import Backend

__all__ = [
    "AE", "Association", "BACKEND", "InvalidFile", "KnownFile", "NotPart10", "Responses", "Server",
    "StoreOutcome", "StoreOutcomes", "TruncatedFile", "debug_logger", "evt",
    "systemd_sockets", "wrap_stream",
]  # fmt: skip


class AE(LibraryAE):
    __doc__ = LibraryAE.__doc__

    backend: Backend = BACKEND
    library: Library = LIBRARY
