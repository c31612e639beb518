"""The final response of a C-FIND, C-GET or C-MOVE, and what it means."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dicomproto.dimse.status import CANCEL

from ..cli.console import Console

if TYPE_CHECKING:
    from dicomproto.dimse.commands import CFindRSP, CGetRSP, CMoveRSP

    Reply = CFindRSP | CGetRSP | CMoveRSP


class FinalResponse:
    """The final response of an operation, once it is there."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._console = console
        self._shows_comments: bool = options.show_comments
        self.response: Reply | None = None
        self.was_cancelled = False
        """Whether we sent a C-CANCEL."""
        self._has_all = False

    @property
    def is_as_asked(self) -> bool:
        """Whether the final status is success, a harmless warning, or the cancel that we sent."""
        if self.response is None:
            return False
        if self.response.Status == 0 or self._has_all:
            return True
        return self.was_cancelled and self.response.Status == CANCEL

    def take(self, response: Reply, *, has_all: bool = False) -> None:
        """Take the final response; with `has_all` nothing is missing although its status is a warning."""
        self.response, self._has_all = response, has_all
        if not self.is_as_asked:
            self._console.error(f"the peer answered {response.status}")
        elif has_all:
            self._console.warn(f"the peer answered {response.status}, and counts warnings, but no failure")
        self.comment(response)

    def comment(self, response: Reply) -> None:
        """Show the Error Comment of a response, with `--show-comments`."""
        if self._shows_comments and "ErrorComment" in response:
            self._console.warn(f"the peer says: {response.ErrorComment}")

    @property
    def facts(self) -> dict[str, object]:
        """The final status for a program; None without a final response."""
        if self.response is None:
            return {"status": None, "meaning": None, "cancelled": self.was_cancelled}
        status = self.response.status
        return {"status": int(status), "meaning": status.meaning, "cancelled": self.was_cancelled}
