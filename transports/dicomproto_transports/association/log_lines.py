"""Log lines about an association, of the logger `dicomproto.association`: see `logs.py`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dicomproto.dimse.commands import CStoreRQ
from dicomproto.dimse.events import MessageIncomplete, RequestRefused, UnexpectedDataSet
from dicomproto.dimse.status import Category

from ..error_text import printable

if TYPE_CHECKING:
    from dicomproto.connection import Connection, ConnectionEvent
    from dicomproto.dimse.commands import Response

    from .endings import Ending

log: logging.Logger = logging.getLogger("dicomproto.association")

_MOST_ODDITIES = 10  # logged for one event, a line each


def log_connection(what: str, ending: Ending) -> None:
    """Log a new connection; `what` has a %s for the peer."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug(what, ending.peer_name)


def log_acceptance(ending: Ending, connection: Connection) -> None:
    """Log that the association is established."""
    if log.isEnabledFor(logging.INFO):
        request, accepted = connection.request, connection.accepted_contexts
        proposed = len(request.presentation_contexts) if request else 0
        what = "%s: the association was accepted, with %d of %d presentation contexts"
        log.info(what, ending.peer_name, len(accepted), proposed)


def log_response(peer_name: str, whose: str, response: Response) -> None:
    """Log a response: at INFO if it is final, at DEBUG if it is pending."""
    level = logging.DEBUG if response.category is Category.PENDING else logging.INFO
    operation, number = response.name.removesuffix("-RSP"), response.MessageIDBeingRespondedTo
    what = "%s: %s %s %d was answered %s"
    log.log(level, what, peer_name, whose, operation, number, response.status)


def log_refusal(peer_name: str, event: RequestRefused) -> None:
    """Log a request that the engine has refused: at WARNING if an object is lost, else at INFO."""
    level = logging.WARNING if isinstance(event.command, CStoreRQ) else logging.INFO
    operation, number = event.command.name.removesuffix("-RQ"), event.command.MessageID
    what = "%s: its %s %d was refused: %s"
    log.log(level, what, peer_name, operation, number, printable(event.text))


def log_oddities(peer_name: str, event: ConnectionEvent) -> None:
    """Log the tolerated faults of an event."""
    warnings = getattr(event, "warnings", ())
    for warning in warnings[:_MOST_ODDITIES]:
        log.debug("%s: tolerated: %s", peer_name, printable(warning))
    if len(warnings) > _MOST_ODDITIES:
        log.debug("%s: tolerated: %d more", peer_name, len(warnings) - _MOST_ODDITIES)
    if isinstance(event, UnexpectedDataSet):
        log.debug("%s: dropped a data set of %d bytes that was not due", peer_name, event.length)
    elif isinstance(event, MessageIncomplete):
        name = "message" if event.command is None else event.command.name
        log.debug("%s: its %s was cut short", peer_name, name)
