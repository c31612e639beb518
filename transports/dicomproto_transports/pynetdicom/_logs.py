"""The logger of the drop-in, `pynetdicom` with those below it."""

from __future__ import annotations

import logging

logging.getLogger("pynetdicom").addHandler(logging.NullHandler())


def debug_logger() -> None:
    """Show everything that `pynetdicom` logs on standard error."""
    logger = logging.getLogger("pynetdicom")
    logger.handlers = []
    logger.setLevel(logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname).1s: %(message)s"))
    logger.addHandler(handler)
