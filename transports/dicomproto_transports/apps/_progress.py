"""The progress bar of `storescu`: files, bytes and rate, for a person at a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from ._console import Console

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class Progress:
    """A bar on stderr, if that is a terminal and rich is installed; nothing otherwise.

    Diagnostics of the console appear above the bar while it stands.
    """

    def __init__(self, console: Console, files: int, size: int) -> None:
        self._console = console
        self._files = files
        self._done_files = 0
        self._done_bytes = 0
        self._bar: RichProgress | None = None
        if _is_terminal(sys.stderr) and not console.quiet and not (console.json and _is_terminal(sys.stdout)):
            self._bar = _bar()
        if self._bar is not None:
            self._task = self._bar.add_task("sending", total=size, files=f"0/{files}")

    def __enter__(self) -> Self:
        if self._bar is not None:
            try:
                self._bar.start()
                self._console.above = self._print
            except OSError:  # the terminal is gone
                self._bar = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.above = None
        if self._bar is not None:
            try:
                self._bar.stop()
            except OSError:
                pass

    @property
    def wants_bytes(self) -> bool:
        """Whether there is anybody to tell of the bytes of a file under way."""
        return self._bar is not None

    def bytes_of_file(self, count: int) -> None:
        """Show that `count` bytes of the file under way are gone."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done_bytes + count)

    def file_done(self, size: int) -> None:
        """Show that a file of `size` bytes has been dealt with."""
        self._done_files += 1
        self._done_bytes += size
        if self._bar is not None:
            self._bar.update(
                self._task, completed=self._done_bytes, files=f"{self._done_files}/{self._files}"
            )

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _bar() -> RichProgress | None:
    try:
        from rich import progress
        from rich.console import Console as RichConsole
    except ImportError:  # the extra "apps" is not installed
        return None
    return progress.Progress(
        progress.TextColumn("{task.fields[files]} files"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
