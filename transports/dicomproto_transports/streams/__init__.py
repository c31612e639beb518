"""Streams of your own in place of the sockets that the flavours open and accept: :doc:`transports`.

`AE(connect=...)` requests associations over them, `AE.serve_stream` serves one. Nothing is imported here
before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .addresses import Address as Address
    from .interface import Backend as Backend
    from .interface import Connect as Connect
    from .interface import ServerShutdown as ServerShutdown
    from .interface import Stream as Stream
    from .wrapping import wrap_stream as wrap_stream

__all__ = ["Address", "Backend", "Connect", "ServerShutdown", "Stream", "wrap_stream"]

_HOMES = {"Address": "addresses", "wrap_stream": "wrapping"}
"""The modules of the names that are not in `interface`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'interface')}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
