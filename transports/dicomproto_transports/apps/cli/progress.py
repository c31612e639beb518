"""Progress bars for a person at a terminal: objects, bytes and rate."""

from __future__ import annotations

import sys
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from .console import Console, size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class _Shown:
    """A bar on stderr if that is a terminal and rich is installed; otherwise nothing.

    The diagnostics of the console appear above the bar.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichProgress | None = None
        if _is_terminal(sys.stderr) and not console.quiet and not (console.json and _is_terminal(sys.stdout)):
            self._bar = self._make()

    def _make(self) -> RichProgress | None:
        raise NotImplementedError

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

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Progress(_Shown):
    """The bar of `storescu`: files, bytes and rate. Several threads may use one."""

    def __init__(self, console: Console, files: int, total: int) -> None:
        super().__init__(console)
        self._files = files
        self._done_files = 0
        self._done_bytes = 0
        self._under_way: dict[object, int] = {}
        self._lock = Lock()
        if self._bar is not None:
            self._task = self._bar.add_task("sending", total=total, files=f"0/{files}")

    def _make(self) -> RichProgress | None:
        return _bar(self._console, "{task.fields[files]} files", is_of_bytes=True)

    @property
    def wants_bytes(self) -> bool:
        """Whether the bytes of a file in progress are shown."""
        return self._bar is not None

    def bytes_of_file(self, file: object, count: int) -> None:
        """Show that `count` bytes of a file in progress were sent."""
        with self._lock:
            self._under_way[file] = count
            self._show()

    def file_done(self, file: object, count: int) -> None:
        """Show that a file of `count` bytes is done."""
        with self._lock:
            self._under_way.pop(file, None)
            self._done_files += 1
            self._done_bytes += count
            self._show()

    def _show(self) -> None:
        if self._bar is not None:
            completed = self._done_bytes + sum(self._under_way.values())
            self._bar.update(self._task, completed=completed, files=f"{self._done_files}/{self._files}")


class RetrievalProgress(_Shown):
    """The bar of `getscu` and `movescu`: sub-operations, and the bytes received here.

    The numbers of objects come from the peer. If it does not send them, the bar only moves. Several threads
    may use one.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._lock = Lock()
        self._bytes = 0
        if self._bar is not None:
            self._task = self._bar.add_task("retrieving", total=None, objects="0", received="")

    def _make(self) -> RichProgress | None:
        return _bar(self._console, "{task.fields[objects]} objects{task.fields[received]}", is_of_bytes=False)

    def update(self, done: int, remaining: int | None) -> None:
        """Show the numbers of sub-operations that are done and that remain."""
        if self._bar is not None:
            total = None if remaining is None else done + remaining
            objects = str(done) if total is None else f"{done}/{total}"
            self._bar.update(self._task, completed=done, total=total, objects=objects)

    def received(self, count: int) -> None:
        """Show that an object of `count` bytes was received."""
        if self._bar is not None:
            with self._lock:
                self._bytes += count
                self._bar.update(self._task, received=f", {size(self._bytes)}")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _bar(console: Console, text: str, *, is_of_bytes: bool) -> RichProgress | None:
    try:
        from rich import progress
        from rich.console import Console as RichConsole
    except ImportError:
        console.info("there is no progress bar without rich: pip install 'dicomproto[apps]'")
        return None
    rate = (progress.DownloadColumn(), progress.TransferSpeedColumn()) if is_of_bytes else ()
    return progress.Progress(
        progress.TextColumn(text),
        progress.BarColumn(),
        *rate,
        progress.TimeRemainingColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
