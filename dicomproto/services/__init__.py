"""PS3.4: SOP classes, which DIMSE services each allows, its statuses."""

from __future__ import annotations

from .._record import Record
from ..dimse.commands import Request


class Verdict(Record):
    """Whether a request may reach its handler: refused with `status`, or allowed, perhaps with a warning."""

    status: int | None = None
    warning: str | None = None
    text: str = ""


def check_request(command: Request, abstract_syntax: str, *, strict: bool) -> Verdict:
    """Return what PS3.4 says of `command` on a context of `abstract_syntax`."""
    return Verdict()
