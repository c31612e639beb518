"""The names and manners of pynetdicom 3, on the blocking flavour."""

from __future__ import annotations

from ._version import __version__

__all__ = ["__version__"]
