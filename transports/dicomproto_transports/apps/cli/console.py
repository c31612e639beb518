"""Where the applications write: results on stdout, diagnostics on stderr, JSON lines on request.

Text that a peer or a file system supplied may hold control characters; nothing reaches a
terminal unescaped. Data set values never come here at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Lock
from typing import TextIO

from ...words import printable

CRITICAL, ERROR, WARN, INFO, DEBUG = 50, 40, 30, 20, 10

LEVELS = {"critical": CRITICAL, "error": ERROR, "warn": WARN, "info": INFO, "debug": DEBUG}
"""The names that `--log-level` takes, most severe first."""

_LETTERS = {CRITICAL: "F", ERROR: "E", WARN: "W", INFO: "I", DEBUG: "D"}


class Console:
    """The two output streams of an application; safe to use from several threads.

    `level` is the least severe level that is shown on stderr. With `json` stdout carries one
    JSON object a line and no text; with `quiet` it carries no text either.
    """

    def __init__(self, level: int = WARN, *, json: bool = False, quiet: bool = False) -> None:
        self.level = level
        self.json = json
        self.quiet = quiet
        self.above: Callable[[str], None] | None = None
        """Takes the diagnostics in place of stderr, while a progress bar stands there."""
        self.lost_results = False
        """Whether a line of the result could not be written: the exit status must tell, then."""
        self._lock = Lock()

    def result(self, text: str) -> None:
        """Show a line of the result to a human."""
        if not self.json and not self.quiet:
            self._write_result(printable(text))

    def event(self, event: str, **facts: object) -> None:
        """Show a machine one event of the run: an object with the member "event" and `facts`."""
        if self.json:
            from json import dumps

            self._write_result(dumps({"event": event, **facts}))

    def document(self, line: str) -> None:
        """Write a line of the document that was asked for in place of results and events."""
        self._write_result(line)

    def error(self, text: str) -> None:
        """Say that something asked for was not done."""
        self.log(ERROR, text)

    def warn(self, text: str) -> None:
        """Say that something was done, but is odd."""
        self.log(WARN, text)

    def info(self, text: str) -> None:
        """Say what is going on (shown with -v)."""
        self.log(INFO, text)

    def debug(self, text: str) -> None:
        """Say in detail what is going on (shown with -d)."""
        self.log(DEBUG, text)

    def take_logging(self) -> None:
        """Show what the library logs, too. Called late: `logging` is not imported for `--help`."""
        import logging

        from ...logs import dump_from_now_on, record_lines

        console = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                for line in record_lines(record):
                    console.log(record.levelno, line)
                if record.exc_info:
                    for line in logging.Formatter().formatException(record.exc_info).splitlines():
                        console.log(DEBUG, line)

        logger = logging.getLogger("dicomproto")
        logger.handlers[:] = [Handler()]
        logger.propagate = False
        logger.setLevel(self.level)
        if self.shows(DEBUG):
            dump_from_now_on()

    def shows(self, level: int) -> bool:
        """Whether anybody sees a diagnostic of this level: a text that is dear need not be made otherwise."""
        return level >= self.level

    def log(self, level: int, text: str) -> None:
        """Show a diagnostic of any level."""
        if not self.shows(level):
            return
        line = f"{_LETTERS.get(level, 'D')}: {printable(text)}"
        if self.above is None:
            self._write(sys.stderr, line)
            return
        try:
            self.above(line)
        except OSError:  # the terminal is gone
            pass

    def _write_result(self, line: str) -> None:
        failure = self._write(sys.stdout, line)
        if failure is None:
            return
        was_known, self.lost_results = self.lost_results, True
        if not was_known and not isinstance(failure, BrokenPipeError):  # who reads may leave
            reason = getattr(failure, "strerror", None) or str(failure)
            self.error(f"the results cannot be written: {reason}")

    def _write(self, stream: TextIO | None, line: str) -> Exception | None:
        """Write a line, and return what went wrong, or None.

        The work goes on where it did not: a receiver must not lose objects because who read the output
        has left, or because the disk that takes it is full.
        """
        if stream is None:  # the descriptor was closed when the program began
            return ValueError("there is no standard output")
        encoding = stream.encoding or "utf-8"
        data = line.encode(encoding, "backslashreplace").decode(encoding, "replace")
        with self._lock:
            try:
                stream.write(data + "\n")
                stream.flush()
            except (OSError, ValueError) as error:
                self._discard(stream)
                return error
        return None

    @staticmethod
    def _discard(stream: TextIO) -> None:
        """Replace the descriptor, so that what the stream still holds has somewhere to go at the end."""
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)
        except (OSError, ValueError):
            pass


def size(count: float) -> str:
    """Return a number of bytes for a human: "39.1 kB", "1.07 GB" (powers of 1000)."""
    units = iter(("B", "kB", "MB", "GB"))
    for unit in units:
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
