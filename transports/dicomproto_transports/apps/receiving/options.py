"""The options for received objects, which `storescp`, `getscu` and `movescu --store` share."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser

from ..cli.console import Console
from ..cli.output_directory import can_write_to


def add_output(parser: ArgumentParser) -> None:
    """Add the options for writing received objects."""
    output = parser.add_argument_group("output options")
    output.add_argument(
        "-od", "--output-directory", default=".", metavar="DIR",
        help="directory to write to (default: the current directory); created if missing",
    )  # fmt: skip
    output.add_argument("--ignore", action="store_true", help="receive objects, but do not keep them")
    output.add_argument(
        "--on-duplicate", choices=("keep", "replace", "refuse"), default="keep",
        help="for an object whose SOP Instance UID is there already: keep an identical one once, and a"
        " different one beside it, its name followed by a hash, up to 1000 of them; replace the old one; or"
        " refuse the new one with status 0111 (default: keep)",
    )  # fmt: skip
    output.add_argument(
        "--accept-truncated", action="store_true",
        help="accept objects whose data set is empty, or ends within an element, an item or a sequence, with"
        " a warning (default: refuse them with status C000)",
    )  # fmt: skip
    output.add_argument(
        "--fsync", action="store_true",
        help="respond only when the object is on the disk, so that it survives a power failure",
    )  # fmt: skip


def add_acceptance(group: argparse._ArgumentGroup) -> None:
    """Add the options for SOP classes and transfer syntaxes beyond the standard."""
    group.add_argument(
        "--any-sop-class", action="store_true",
        help="accept private and other unknown SOP classes, too",
    )  # fmt: skip
    group.add_argument(
        "--any-transfer-syntax", action="store_true",
        help="accept private and other unknown transfer syntaxes, too: the first one proposed, if none is"
        " known",
    )  # fmt: skip


def is_writable(options: argparse.Namespace, console: Console) -> bool:
    """Prepare the output directory before the first object comes; return whether that worked."""
    return options.ignore or can_write_to(options.output_directory, console, fsync=options.fsync)
