"""Where received objects go: the options that `storescp`, `getscu` and `movescu --store` share."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser

from ..cli.console import Console
from ..cli.output_directory import can_write_to


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
