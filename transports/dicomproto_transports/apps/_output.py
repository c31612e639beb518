"""Where received objects go: the options that `storescp`, `getscu` and `movescu --store` share."""

from __future__ import annotations

import argparse
import fcntl
import os
import re
from argparse import ArgumentParser
from contextlib import suppress

from ._console import Console


def add_output(parser: ArgumentParser) -> None:
    """Add the options of an application that writes what it receives."""
    output = parser.add_argument_group("output options")
    output.add_argument(
        "-od", "--output-directory", default=".", metavar="DIR",
        help="where to write (default: the current directory); made if it is not there",
    )  # fmt: skip
    output.add_argument("--ignore", action="store_true", help="receive objects, but keep nothing")
    output.add_argument(
        "--on-duplicate", choices=("keep", "replace", "refuse"), default="keep",
        help="for a SOP Instance UID that is there already: keep an identical object once and a different"
        " one beside it, its name followed by a hash, up to 1000 of them; replace the object; or refuse with"
        " status 0111 (default: keep)",
    )  # fmt: skip
    output.add_argument(
        "--accept-truncated", action="store_true",
        help="receive objects whose data set is empty, or ends within an element, an item or a sequence, too,"
        " with a warning; otherwise they are refused with status C000",
    )  # fmt: skip
    output.add_argument(
        "--fsync", action="store_true",
        help="answer only when the object is on the disk, so that it survives a power failure",
    )  # fmt: skip


def add_acceptance(group: argparse._ArgumentGroup) -> None:
    """Add the options of a server that takes more than the storage of the standard."""
    group.add_argument(
        "--any-sop-class", action="store_true",
        help="take objects of private SOP classes, and of others that are not known, too",
    )  # fmt: skip
    group.add_argument(
        "--any-transfer-syntax", action="store_true",
        help="take objects in private transfer syntaxes, and in others that are not known, too: in the first"
        " that is proposed, if there is none that is known",
    )  # fmt: skip


def is_writable(options: argparse.Namespace, console: Console) -> bool:
    """Make the directory, if objects are kept; say now rather than with the first one if that fails."""
    return options.ignore or can_write_to(options.output_directory, console, fsync=options.fsync)


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
