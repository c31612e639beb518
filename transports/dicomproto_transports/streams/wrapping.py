"""Streams of any kind that programs have, as `Stream`s."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from .anyio_library import OfAnyio
    from .interface import Stream
    from .trio_library import OfTrio


def wrap_stream(stream: socket.socket | OfTrio | OfAnyio) -> Stream:
    """Return a `Stream` over a connected socket (for the blocking flavour), a trio stream or one of anyio.

    It owns what it wraps from now on. TypeError for anything else.
    """
    if isinstance(stream, socket.socket):
        from .blocking_waits import wrap_stream as wrap_socket

        return wrap_socket(stream)
    if _is_of_trio(stream):
        from .trio_library import wrap_stream as wrap_trio

        return wrap_trio(stream)
    from .anyio_library import wrap_stream as wrap_anyio

    return wrap_anyio(stream)


def _is_of_trio(stream: object) -> TypeIs[OfTrio]:
    return hasattr(stream, "receive_some")
