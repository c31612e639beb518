"""Log records of the adapters, through the standard `logging`, and dumps on request.

The loggers show nothing until the application configures them:

| logger                      | level | records                                                     |
|-----------------------------|-------|-------------------------------------------------------------|
| `dicomproto.association`    | ERROR | exceptions from handlers of notification events             |
|                             | INFO  | associations and their ends, operations and their status    |
|                             | DEBUG | connections, pending responses, tolerated faults            |
| `dicomproto.handlers`       | ERROR | exceptions from handlers of requests, invalid results       |
| `dicomproto.server`         | ERROR | failures of a server outside its associations               |
| `dicomproto.dumps`          | DEBUG | the PDUs of associations, the commands of messages          |
| `dicomproto.dumps.datasets` | DEBUG | the values of data sets, and Error Comments                 |

A dump is made only if its logger's own level, not that of a parent, is DEBUG when the association begins.
Only the last logger gets values of data sets, and Error Comments, which may hold any text. No logger gets a
user identity. Text from a peer is escaped. A dump has at most `MOST_LINES` lines.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TextIO

from . import evt
from .error_text import printable
from .streams.addresses import name_of

if TYPE_CHECKING:
    from .events.handlers import Handlers

__all__ = ["debug_logger", "log_associations", "log_datasets", "log_messages"]

_ROOT = logging.getLogger("dicomproto")
_ROOT.addHandler(logging.NullHandler())  # without configuration nothing is shown
_DUMPS = logging.getLogger("dicomproto.dumps")
_DATASETS = logging.getLogger("dicomproto.dumps.datasets")

_RECEIVED = (evt.EVT_ACSE_RECV, evt.EVT_DIMSE_RECV)

MOST_LINES = 1000
"""Most lines of one dump, so that a peer cannot fill the log."""


def debug_logger(*, datasets: bool = False) -> None:
    """Show all log records on stderr, with dumps of associations and messages.

    `datasets` adds the values of their data sets, which may name patients. There are no dumps of associations
    that exist already. A second call changes `datasets` only.
    """
    for handler in _ROOT.handlers[:]:
        if isinstance(handler, _DebugHandler):
            _ROOT.removeHandler(handler)
    _ROOT.addHandler(_DebugHandler())
    _ROOT.setLevel(logging.DEBUG)
    dump_from_now_on(datasets=datasets)


def dump_from_now_on(*, datasets: bool = False) -> None:
    """Turn on dumps of future associations; the application chooses where they are shown."""
    _DUMPS.setLevel(logging.DEBUG)
    _DATASETS.setLevel(logging.DEBUG if datasets else logging.NOTSET)


def record_lines(record: logging.LogRecord) -> list[str]:
    """Return the lines of a record; only dumps have several, another line end comes from a peer."""
    text = record.getMessage()
    return text.splitlines() if record.name in (_DUMPS.name, _DATASETS.name) else [text]


class _DebugHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr as DCMTK does: the first letter of the level before every line."""

    def format(self, record: logging.LogRecord) -> str:
        lines = record_lines(record)
        if record.exc_info:
            lines += logging.Formatter().formatException(record.exc_info).splitlines()
        return "\n".join([f"{record.levelname[0]}: {printable(line)}" for line in lines])


# --- dumps ------------------------------------------------------------------------------------------


def log_associations(event: evt.ACSEEvent) -> None:
    """Log a PDU that opens or ends an association: a handler for EVT_ACSE_RECV and EVT_ACSE_SENT."""
    if _DUMPS.isEnabledFor(logging.DEBUG):
        from .events.dumps import association_lines

        _log(_DUMPS, association_lines(event.primitive, _way(event), event.assoc.requestor.primitive))


class _MessageLog:
    """Logs the commands of messages, without their data sets: for EVT_DIMSE_RECV and EVT_DIMSE_SENT."""

    reads_data = False
    """No data set is kept for this handler."""

    def __call__(self, event: evt.DIMSEEvent) -> None:
        if _DUMPS.isEnabledFor(logging.DEBUG):
            from .events.dumps import message_lines

            _log(_DUMPS, message_lines(event.message, _way(event)))


log_messages: Callable[[evt.DIMSEEvent], None] = _MessageLog()
"""Logs the commands of messages, without their data sets: for EVT_DIMSE_RECV and EVT_DIMSE_SENT."""


def log_datasets(event: evt.DIMSEEvent) -> None:
    """Log messages and the values of their data sets: for EVT_DIMSE_RECV and EVT_DIMSE_SENT."""
    if _DATASETS.isEnabledFor(logging.DEBUG):
        from .events.dumps import dataset_lines, message_lines

        command = message_lines(event.message, _way(event), with_comment=True)
        _log(_DATASETS, chain(command, dataset_lines(event.message)))


def _log(logger: logging.Logger, lines: Iterator[str]) -> None:
    shown = list(islice(lines, MOST_LINES))
    if next(lines, None) is not None:
        shown.append(f"  ... cut here, after {MOST_LINES} lines")
    logger.debug("%s", "\n".join(shown))


def _way(event: evt.Event) -> str:
    """Return "from" or "to" with the name of the peer."""
    association = event.assoc
    peer = association.acceptor if association.is_requestor else association.requestor
    where = None if peer.address is None else (peer.address, peer.port or 0)
    return f"{'from' if event.event in _RECEIVED else 'to'} {name_of(peer.ae_title, where)}"


def with_dumps(handlers: Handlers) -> Handlers:
    """Return handlers for a new association, with those for the dumps that are turned on."""
    if not _is_asked_for(_DUMPS):
        return handlers
    handlers = handlers.copy()
    log_dimse = log_datasets if _is_asked_for(_DATASETS) else log_messages
    for kind, handler in (
        (evt.EVT_ACSE_RECV, log_associations),
        (evt.EVT_ACSE_SENT, log_associations),
        (evt.EVT_DIMSE_RECV, log_dimse),
        (evt.EVT_DIMSE_SENT, log_dimse),
    ):
        if handler not in [bound.handler for bound in handlers.all(kind)]:
            handlers.bind(kind, handler)
    return handlers


def _is_asked_for(logger: logging.Logger) -> bool:
    return 0 < logger.level <= logging.DEBUG
