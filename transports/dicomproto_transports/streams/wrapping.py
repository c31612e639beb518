"""Streams of any kind that programs have, as `Stream`s."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from .supplied import is_stream

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from .anyio_library import OfAnyio
    from .interface import Stream
    from .trio_library import OfTrio


def wrap_stream(stream: socket.socket | OfTrio | OfAnyio | Stream) -> Stream:
    """Return a `Stream` over a connected socket (for the blocking flavour), a trio stream or one of anyio.

    It owns what it wraps from now on. A `Stream` is returned as it is. Raises TypeError for anything else,
    and ValueError for a socket that is closed, or was never connected.
    """
    if is_stream(stream):
        return stream
    if isinstance(stream, socket.socket):
        from .blocking_waits import wrap_stream as wrap_socket

        return wrap_socket(stream)
    if _is_of_trio(stream):
        from .trio_library import wrap_stream as wrap_trio

        return wrap_trio(stream)
    if not hasattr(stream, "aclose"):
        raise TypeError(
            "wrap_stream(): a connected socket, a trio.abc.Stream or an anyio.abc.ByteStream is wanted,"
            f" not {type(stream).__name__}"
        )
    from .anyio_library import wrap_stream as wrap_anyio

    return wrap_anyio(stream)


def _is_of_trio(stream: object) -> TypeIs[OfTrio]:
    return hasattr(stream, "receive_some")
