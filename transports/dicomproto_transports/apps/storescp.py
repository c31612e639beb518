"""`dicomproto storescp`: receive DICOM objects and write them to files."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Sequence

from .cli.address import parse_acceptor
from .cli.listening import add_listener
from .cli.options import (
    EXIT_NOT_DONE,
    add_preferred_syntax,
    console_of,
    exit_status,
    new_parser,
)
from .cli.tls import add_security
from .cli.values import at_once, window
from .receiving.options import add_acceptance, add_output, is_writable

_DESCRIPTION = """Listen for associations; write the DICOM objects that come with C-STORE requests to files.

An object is written as it arrives, to a temporary file (.dicomproto-*.part) in the output directory. When
it is complete it gets its name, PREFIX.SOP-INSTANCE-UID. PREFIX stands for the modality (CT, CTE, MR, MRE,
PT, PTE, RI, RD, RP, RS, CR, US, USE, XA, XAE, NM, SC; UN for all others). A SOP Instance UID that is not
valid is replaced by its hash. Objects are written byte for byte, in the transfer syntax of the request. A
data set that ends within an element, an item or a sequence is refused with status C000; other odd data
sets are kept with a warning. Temporary files of programs that were killed are removed at the start."""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "listening", "address": "", "port": 11112}
  {"event": "object", "outcome": "stored", "status": 0, "path": ..., "bytes": 39016, "reason": "",
   "warnings": [], "sop_class_uid": ..., "transfer_syntax_uid": ..., "calling_ae_title": "STORESCU"}
  {"event": "summary", "stored": 1, "identical": 0, "variant": 0, "replaced": 0, "discarded": 0,
   "refused": 0, "failed": 0, "lost": 0, "bytes": 39016, "ok": true}
"listening" is always the first line; it has the port that was chosen for port 0. With systemd there is
one for each socket, with null for a Unix socket. The outcomes are: stored; identical (the same data set
was there and is kept once); variant (another object with the same SOP Instance UID, perhaps of another
SOP class, was there; both are kept); replaced; discarded (--ignore); refused (with this status, for this
reason); failed (the file could not be written: the exit status is 1); lost (the association ended within
the object, and nothing is kept; the status is null, for there was no response). "warnings" say what was
odd about the object.

After Ctrl-C or SIGTERM new associations are rejected. The established ones may send their objects, and the
program ends when they have ended or were idle for a second. An object that is not complete after --grace,
or at a second signal, is lost, and the exit status is 1."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("storescp", "PORT", _DESCRIPTION, _EVENTS)
    add_listener(result, "STORESCP")
    add_security(result, is_requestor=False)
    add_preferred_syntax(result)
    add_acceptance(result.add_argument_group("acceptance options"))
    add_output(result)
    other = result.add_argument_group("other options")
    other.add_argument(
        "--window", type=window, default=1, metavar="N",
        help="accept up to N outstanding requests from a requestor that proposes a window (default: 1)",
    )  # fmt: skip
    other.add_argument(
        "--processes", type=at_once, default=1, metavar="N",
        help="receive in N processes (default: 1); limits, counts and exit status hold for all together, but"
        " an association gives way only to a requestor at the same process",
    )  # fmt: skip
    other.add_argument("--no-echo", action="store_true", help="do not answer C-ECHO")
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse(arguments)
    console = console_of(options)
    if not is_writable(options, console):
        return EXIT_NOT_DONE
    if options.processes > 1:
        from .receiving.processes import serve_with_processes

        return exit_status(serve_with_processes(options, console, parse), console)
    from .receiving.receiver import serve

    return exit_status(serve(options, console), console)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; `words` are the arguments themselves."""
    options = parse_acceptor(parser(), arguments, _settle)
    options.words = list(arguments)
    return options


def _settle(options: argparse.Namespace) -> None:
    if options.any_transfer_syntax and options.syntax == "xi":
        raise ArgumentTypeError("-xi accepts one transfer syntax only, --any-transfer-syntax all: choose one")
