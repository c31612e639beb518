"""Keeps pydicom from telling what it reads: its warnings and its logger quote values.

Nothing is said while a block `with Quiet()` runs, in the thread or task that runs it; everything else that
uses pydicom hears it as before, and so does everybody what other modules say in such a block.
`warnings.catch_warnings` would silence all threads, and is not safe among them; so one filter stands in front
of the others, and asks who it is that warns.
"""

from __future__ import annotations

import logging
import warnings
from contextvars import ContextVar, Token
from typing import Any

_warnings: Any = warnings
"""The module, whose `filters` are a list; type checkers take them for a sequence that cannot be changed."""

_is_quiet: ContextVar[bool] = ContextVar("dicomproto.quiet", default=False)


class _PydicomInQuiet:
    """Stands for the pattern of a module in a filter of `warnings`: pydicom's, in a quiet block."""

    def match(self, module: str) -> bool:
        return _is_quiet.get() and module.partition(".")[0] == "pydicom"


_FILTER: Any = ("ignore", None, Warning, _PydicomInQuiet(), 0)
"""It leaves no entry in a `__warningregistry__` either."""

_IN_FRONT = [_FILTER]


class Quiet:
    """A block in which pydicom says nothing on stderr or in a log."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        filters: list[object] = _warnings.filters
        # Other threads may change the list at any time: each step here is one that they cannot interrupt.
        if filters[:1] != _IN_FRONT:  # at first, and after somebody has set another one
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
