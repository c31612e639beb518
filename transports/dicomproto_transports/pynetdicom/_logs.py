"""The logs of the drop-in, below the logger `pynetdicom`, which becomes the parent of the library's.

| level | records                                                                              |
|-------|--------------------------------------------------------------------------------------|
| ERROR | failures: of handlers, of connections, of responses                                  |
| INFO  | associations and their ends, requests that are sent                                  |
| DEBUG | the A-ASSOCIATE PDUs and commands of an association that began with this level       |
| DEBUG | identifiers, as `_config.LOG_REQUEST_IDENTIFIERS` and `LOG_RESPONSE_IDENTIFIERS` say |

Identifiers are data of patients: pynetdicom logs them with INFO, the drop-in with DEBUG only. No data set of
an object is logged, nor a user identity. `_config.LOG_HANDLER_LEVEL = "none"` leaves out what is dumped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import evt as library
from ..error_text import printable
from . import _config
from .dsutils import pretty_dataset

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..events.handlers import Handlers

LOGGER = logging.getLogger("pynetdicom")
LOGGER.addHandler(logging.NullHandler())

_LIBRARY = logging.getLogger("dicomproto")
_LIBRARY.parent = LOGGER  # level and handlers that a program sets for pynetdicom hold for all records
_LIBRARY.setLevel(_LIBRARY.level)  # what the loggers know of the levels of their parents is found anew

EVENTS = logging.getLogger("pynetdicom.events")

MOST_LINES = 1000
"""Most lines of one dump, so that a peer cannot fill the log."""


def debug_logger() -> None:
    """Show everything that `pynetdicom` logs on standard error."""
    LOGGER.handlers = []
    LOGGER.setLevel(logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname).1s: %(message)s"))
    LOGGER.addHandler(handler)


def bind_dumps(handlers: Handlers) -> None:
    """Bind the dumps of PDUs and commands for a new association, if they are asked for."""
    if _config.LOG_HANDLER_LEVEL == "standard" and EVENTS.isEnabledFor(logging.DEBUG):
        handlers.bind(library.EVT_ACSE_RECV, _dump_pdu)
        handlers.bind(library.EVT_ACSE_SENT, _dump_pdu)
        handlers.bind(library.EVT_DIMSE_RECV, _DUMP_MESSAGE)
        handlers.bind(library.EVT_DIMSE_SENT, _DUMP_MESSAGE)


def _dump(lines: Iterator[str]) -> None:
    for line in islice(lines, MOST_LINES):
        EVENTS.debug("%s", line)


def _way(event: Any) -> str:
    is_received = event.event in (library.EVT_ACSE_RECV, library.EVT_DIMSE_RECV)
    return "from the peer" if is_received else "to the peer"


def _dump_pdu(event: Any) -> None:
    from ..events.dumps import association_lines

    _dump(association_lines(event.primitive, _way(event), event.assoc.proposal))


class _MessageDump:
    """Logs the commands of messages, without their data sets."""

    reads_data = False
    """No data set is kept for this handler."""

    def __call__(self, event: Any) -> None:
        from ..events.dumps import message_lines

        _dump(message_lines(event.message, _way(event)))


_DUMP_MESSAGE = _MessageDump()


def log_identifier(logger: logging.Logger, title: str, dataset: Dataset | None, *, wanted: bool) -> None:
    """Log an identifier with DEBUG, if the switch for it is on."""
    if wanted and dataset is not None and logger.isEnabledFor(logging.DEBUG):
        logger.debug("# %s", title)
        for line in pretty_dataset(dataset)[:MOST_LINES]:
            logger.debug("%s", printable(line))
