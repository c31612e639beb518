"""Silences pydicom, whose warnings and log records quote values.

A block `with Quiet()` silences pydicom in its own thread or task. Other users of pydicom, and other modules
in such a block, are not affected. `warnings.catch_warnings` would silence all threads, and is not
thread-safe; so one filter is in front of the others, and checks which module warns.
"""

from __future__ import annotations

import logging
import warnings
from contextvars import ContextVar, Token
from typing import Any

_warnings: Any = warnings
"""The module `warnings`. Its `filters` are a list, which type checkers take for an immutable sequence."""

_is_quiet: ContextVar[bool] = ContextVar("dicomproto.quiet", default=False)


class _PydicomInQuiet:
    """The module pattern of our filter of `warnings`: it matches pydicom in a quiet block."""

    def match(self, module: str) -> bool:
        return _is_quiet.get() and module.partition(".")[0] == "pydicom"


_FILTER: Any = ("ignore", None, Warning, _PydicomInQuiet(), 0)
"""The filter; it leaves no entry in a `__warningregistry__`."""

_IN_FRONT = [_FILTER]


class Quiet:
    """A block in which pydicom writes nothing to stderr or to a log."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        filters: list[object] = _warnings.filters
        # Other threads may change the list at any time, so each step here is atomic.
        if filters[:1] != _IN_FRONT:  # at the first call, and after somebody has set another filter
            try:
                filters.remove(_FILTER)
            except ValueError:
                pass
            filters.insert(0, _FILTER)
        self._token: Token[bool] = _is_quiet.set(True)

    def __exit__(self, *_: object) -> None:
        _is_quiet.reset(self._token)


def _may_be_logged(record: logging.LogRecord) -> bool:
    return not _is_quiet.get()


logging.getLogger("pydicom").addFilter(_may_be_logged)
