"""The output of the applications: results on stdout, diagnostics on stderr, JSON lines on request.

Text from a peer or a file system may hold control characters. Nothing reaches a terminal unescaped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import TextIO

from ...error_text import printable

CRITICAL, ERROR, WARN, INFO, DEBUG = 50, 40, 30, 20, 10

LEVELS = {"critical": CRITICAL, "error": ERROR, "warn": WARN, "info": INFO, "debug": DEBUG}
"""The values of `--log-level`, most severe first."""

_LETTERS = {CRITICAL: "F", ERROR: "E", WARN: "W", INFO: "I", DEBUG: "D"}


class Console:
    """The two output streams of an application; several threads may use one.

    `level` is the least severe level to show on stderr. With `json` stdout carries one JSON object a line
    and no text; with `quiet` it carries no text either.
    """

    def __init__(self, level: int = WARN, *, json: bool = False, quiet: bool = False) -> None:
        self.level = level
        self.json = json
        self.quiet = quiet
        self.above: Callable[[str], None] | None = None
        """Takes the diagnostics in place of stderr while a progress bar is shown."""
        self.lost_results: bool = False
        """Whether a line of the result could not be written; the exit status is then 1."""
        self.between_processes: AbstractContextManager[object] = nullcontext()
        """Held while a line is written, when several processes write to the same output."""
        self._lock = Lock()

    def result(self, text: str) -> None:
        """Show a line of the result to a person."""
        if not self.json and not self.quiet:
            self._write_result(printable(text))

    def event(self, event: str, **facts: object) -> None:
        """Show one event of the run to a program: a JSON object with the member "event" and `facts`."""
        if self.json:
            from json import dumps

            self._write_result(dumps({"event": event, **facts}))

    def document(self, line: str) -> None:
        """Write a line of the document that replaces results and events."""
        self._write_result(line)

    def error(self, text: str) -> None:
        """Report a failure."""
        self.log(ERROR, text)

    def warn(self, text: str) -> None:
        """Report something odd that is not a failure."""
        self.log(WARN, text)

    def info(self, text: str) -> None:
        """Report the course of the work (shown with -v)."""
        self.log(INFO, text)

    def debug(self, text: str) -> None:
        """Report details (shown with -d)."""
        self.log(DEBUG, text)

    def take_logging(self) -> None:
        """Show the messages of the library, too. Called late, so that `--help` does not import `logging`."""
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
        """Tell whether a diagnostic of this level is shown, so that an expensive text is not made in vain."""
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
        if not was_known and not isinstance(failure, BrokenPipeError):  # the reader may leave
            reason = getattr(failure, "strerror", None) or str(failure)
            self.error(f"the results cannot be written: {reason}")

    def _write(self, stream: TextIO | None, line: str) -> Exception | None:
        """Write a line; return the error, or None.

        The work goes on after an error: a receiver must not lose objects because the reader of its output
        has left, or because the disk is full.
        """
        if stream is None:  # the descriptor was closed at the start of the program
            return ValueError("there is no standard output")
        encoding = stream.encoding or "utf-8"
        data = line.encode(encoding, "backslashreplace").decode(encoding, "replace")
        with self._lock, self.between_processes:
            try:
                stream.write(data + "\n")
                stream.flush()
            except (OSError, ValueError) as error:
                self._discard(stream)
                return error
        return None

    @staticmethod
    def _discard(stream: TextIO) -> None:
        """Point the descriptor at the null device, which takes the buffered text at the end."""
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)
        except (OSError, ValueError):
            pass


def size(count: float) -> str:
    """Return a number of bytes for a person: "39.1 kB", "1.07 GB" (powers of 1000)."""
    units = iter(("B", "kB", "MB", "GB"))
    for unit in units:
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
