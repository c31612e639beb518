"""The directory that an application writes to, and the temporary files in it."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress

from .console import Console


def can_write_to(directory: str, console: Console, *, fsync: bool = False) -> bool:
    """Make a directory if it is not there, and return whether files can be made in it; say if not.

    With `fsync` the names of the directories that were made are on the disk afterwards. What receivers that
    were killed have left half-written is removed.
    """
    try:
        _make_directory(directory, fsync=fsync)
        file, path = open_temporary(directory)
        os.close(file)
        os.unlink(path)
    except OSError as error:
        console.error(f"cannot write to {directory}: {error.strerror}")
        console.event("error", error=type(error).__name__, text=str(error))
        return False
    removed = _remove_abandoned(directory)
    if removed:
        console.info(f"removed {removed} unfinished files, left by a program that was killed")
    return True


def _make_directory(path: str, *, fsync: bool) -> None:
    """Make a directory and those above it, as far as they are not there."""
    missing = []
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for made in reversed(missing):
        os.makedirs(made, exist_ok=True)  # perhaps by another program meanwhile
        if fsync:
            sync_directory(os.path.dirname(made))


def sync_directory(path: str) -> None:
    """Have the names in a directory on the disk, so that they survive a power failure."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


# --- temporary files ----------------------------------------------------------------------------

_TEMPORARY = re.compile(r"\.dicomproto-[0-9a-f]{16}\.part")


def open_temporary(directory: str) -> tuple[int, str]:
    """Make a file that is to have its name only when it is complete; return its descriptor and its path.

    As long as the descriptor is open the file is locked, by which others see that it is in use.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(directory, f".dicomproto-{os.urandom(8).hex()}.part")
        file = os.open(path, flags, 0o666)
        if not _is_locked_elsewhere(file) and os.fstat(file).st_nlink:
            return file, path
        os.close(file)  # a program that has just started took it for abandoned, and removes it


def _is_locked_elsewhere(file: int) -> bool:
    """Lock a file; return whether another process has done so. Where there are no locks nobody has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _remove_abandoned(directory: str) -> int:
    """Remove the temporary files that no living process holds, and return how many there were."""
    removed = 0
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    removed += _remove_unlocked(entry.path)
    return removed


def _remove_unlocked(path: str) -> bool:
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError where it is locked, or cannot be
        os.unlink(path)
        return True
    finally:
        os.close(file)
