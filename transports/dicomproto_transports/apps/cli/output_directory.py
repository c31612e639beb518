"""The output directory of an application, and the temporary files in it."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress

from .console import Console


def can_write_to(directory: str, console: Console, *, fsync: bool = False) -> bool:
    """Make a directory if it is missing; return whether files can be written to it, and report if not.

    With `fsync` the names of new directories are on the disk afterwards. Temporary files of receivers that
    were killed are removed.
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
    """Make a directory and its missing parents."""
    missing = []
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for made in reversed(missing):
        os.makedirs(made, exist_ok=True)  # another program may do so meanwhile
        if fsync:
            sync_directory(os.path.dirname(made))


def sync_directory(path: str) -> None:
    """Write the names in a directory to the disk, so that they survive a power failure."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


# --- temporary files ----------------------------------------------------------------------------

_TEMPORARY = re.compile(r"\.dicomproto-[0-9a-f]{16}\.part")


def open_temporary(directory: str) -> tuple[int, str]:
    """Make a temporary file, to be renamed when it is complete; return its descriptor and its path.

    The file is locked while the descriptor is open. The lock shows other programs that it is in use.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(directory, f".dicomproto-{os.urandom(8).hex()}.part")
        file = os.open(path, flags, 0o666)
        if not _is_locked_elsewhere(file) and os.fstat(file).st_nlink:
            return file, path
        os.close(file)  # another program took it for abandoned and removes it


def _is_locked_elsewhere(file: int) -> bool:
    """Lock a file; return whether another process holds the lock. Without locks nobody does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _remove_abandoned(directory: str) -> int:
    """Remove the temporary files that no process holds; return their number."""
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
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError if it is locked, or cannot be
        os.unlink(path)
        return True
    finally:
        os.close(file)
