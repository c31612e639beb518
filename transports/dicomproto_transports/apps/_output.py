"""Where received objects go: the options that `storescp`, `getscu` and `movescu --store` share."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser

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
        " one beside it, with a suffix (_2, _3...); replace the object; or refuse with status 0111"
        " (default: keep)",
    )  # fmt: skip
    output.add_argument(
        "--fsync", action="store_true",
        help="answer only when the object is on the disk, so that it survives a power failure",
    )  # fmt: skip


def is_writable(options: argparse.Namespace, console: Console) -> bool:
    """Make the directory, if objects are kept; say now rather than with the first one if that fails."""
    return options.ignore or can_write_to(options.output_directory, console)


def can_write_to(directory: str, console: Console) -> bool:
    """Make a directory if it is not there, and return whether files can be made in it; say if not."""
    try:
        os.makedirs(directory, exist_ok=True)
        path = temporary_in(directory)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(path)
    except OSError as error:
        console.error(f"cannot write to {directory}: {error.strerror}")
        console.event("error", error=type(error).__name__, text=str(error))
        return False
    return True


def temporary_in(directory: str) -> str:
    """Return the path of a file that is to have its name only when it is complete."""
    return os.path.join(directory, f".dicomproto-{os.urandom(8).hex()}.part")
