"""The options that the applications share, with the spellings of pynetdicom's and DCMTK's tools."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable

from dicomproto.config import Timeouts
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

from .console import LEVELS, WARN, Console
from .values import ae_title, max_pdu, seconds

EXIT_DONE, EXIT_NOT_DONE = 0, 1
"""Exit statuses. That of argparse for a wrong command line is 2."""


def exit_status(ok: bool, console: Console) -> int:
    """Return the exit status of a program that succeeded or failed."""
    return EXIT_DONE if ok and not console.lost_results else EXIT_NOT_DONE


class _Version(argparse.Action):
    """`--version`: works without the positional arguments, and imports the version only when used."""

    def __call__(
        self, parser: ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> None:
        import dicomproto

        print(f"dicomproto {dicomproto.__version__}")
        parser.exit(0)


def add_version(parser: ArgumentParser) -> None:
    """Add `--version`."""
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats `--help` for the width of the terminal, or for COLUMNS.

    argparse itself would load `shutil` and three compressions to ask for the width, for each program.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # stdout is no terminal, or closed
        return 80


def new_parser(name: str, operands: str, description: str, events: str) -> ArgumentParser:
    """Return the parser of the application `name`; `events` documents the output of `--json`."""
    parser = ArgumentParser(
        prog=f"dicomproto {name}",
        usage=f"dicomproto {name} [options] {operands}",
        description=description,
        epilog=f"Results go to stdout, diagnostics to stderr.\n\n{events}\n\n{_STATUS}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    general = parser.add_argument_group("general options")
    add_version(parser)
    level = general.add_mutually_exclusive_group()
    level.add_argument("-q", "--quiet", action="store_true", help="print neither results nor diagnostics")
    level.add_argument("-v", "--verbose", action="store_true", help="show the course of the work")
    level.add_argument("-d", "--debug", action="store_true", help="show all details")
    level.add_argument(
        "-ll", "--log-level", choices=LEVELS, metavar="LEVEL",
        help=f"one of {', '.join(LEVELS)} (default: warn)",
    )  # fmt: skip
    general.add_argument("--json", action="store_true", help="print results as JSON, one object a line")
    return parser


_STATUS = """exit status: 0 if everything succeeded, 1 if something failed or the results could not be
written, 2 if the command line is wrong."""


MAX_PDU = 131_072
"""Bytes of a P-DATA-TF that the applications announce."""

PHASES = {
    "connect": "for the TCP connection",
    "proxy": "for the header of the PROXY protocol",
    "tls": "for the TLS handshake",
    "association": "for the answer to A-ASSOCIATE and A-RELEASE",
    "artim": "for the A-ASSOCIATE request after the TCP connection",
    "pdu": "for the rest of a PDU, and for the next byte of a message",
    "write": "for the peer to accept a byte",
    "response": "for the response to a request",
    "retrieve": "for the next response of a retrieval",
    "cancel": "for the final response after a C-CANCEL",
    "idle": "for the next message of an association",
    "close": "for the peer to close the connection after our last PDU",
}
"""The waits with an option of their own, `--timeout-PHASE`; each is a field of `Timeouts`."""

_PHASES = ("connect", "tls", "association", "pdu", "write", "response", "close")


def add_network(
    parser: ArgumentParser, own_title: str, *, long: str, is_requestor: bool
) -> argparse._ArgumentGroup:
    """Add `-aet`, `-pdu` and the timeouts of both roles; `long` is the long form of `-aet`."""
    group = parser.add_argument_group("network options")
    group.add_argument(
        "-aet", long, dest="ae_title", type=ae_title, metavar="TITLE",
        default=None if is_requestor else own_title, help=f"own AE title (default: {own_title})",
    )  # fmt: skip
    group.add_argument(
        "-pdu", "--max-pdu", type=max_pdu, default=None if is_requestor else MAX_PDU, metavar="BYTES",
        help=f"largest P-DATA-TF to announce, 0: unlimited (default: {MAX_PDU})",
    )  # fmt: skip
    standard = Timeouts()
    for option, name, help_text, default in (
        ("-ta", "--acse-timeout", "for the answer to A-ASSOCIATE and A-RELEASE", f"{standard.association:g}"),
        ("-td", "--dimse-timeout", "for the response to a request", f"{standard.response:g}"),
        (
            "-tn", "--network-timeout", "without a byte received or sent, also between messages",
            f"{standard.pdu:g} within a message",
        ),
    ):  # fmt: skip
        group.add_argument(
            option, name, type=seconds, metavar="S",
            help=f"seconds {help_text}, 0: no limit (default: {default})",
        )  # fmt: skip
    return group


def add_phases(parser: ArgumentParser, phases: Iterable[str]) -> None:
    """Add the timeouts of single phases, which override those of several phases."""
    group = parser.add_argument_group("timeouts of single phases, in seconds (0: no limit)")
    standard = Timeouts()
    for phase in phases:
        group.add_argument(
            f"--timeout-{phase}", type=seconds, metavar="S",
            help=f"{PHASES[phase]} (default: {getattr(standard, phase):g})",
        )  # fmt: skip


def add_peer(parser: ArgumentParser, own_title: str, *phases: str) -> argparse._ArgumentGroup:
    """Add the options that reach a peer; `phases` are additional phases with a timeout option."""
    parser.set_defaults(own_title=own_title)
    parser.add_argument(
        "address",
        help="the peer: AET@HOST:PORT, HOST:PORT, HOST followed by PORT, or its name in the peer table;"
        " an IPv6 address before a colon stands in brackets",
    )  # fmt: skip
    group = add_network(parser, own_title, long="--calling-aet", is_requestor=True)
    group.add_argument(
        "-aec", "--called-aet", type=ae_title, metavar="TITLE",
        help="AE title of the peer (default: that of the address or the peer table, else ANY-SCP)",
    )  # fmt: skip
    group.add_argument(
        "-tc", "--connection-timeout", type=seconds, metavar="S",
        help=f"seconds for the TCP connection, 0: no limit (default: {Timeouts().connect:g})",
    )  # fmt: skip
    group.add_argument(
        "--peers", metavar="FILE",
        help="the peer table, in TOML (default: $DICOMPROTO_PEERS, else dicomproto/peers.toml in"
        " $XDG_CONFIG_HOME or ~/.config)",
    )  # fmt: skip
    add_phases(parser, (*_PHASES, *phases))
    return group


def add_port(parser: ArgumentParser) -> None:
    """Add the port after the address."""
    parser.add_argument("port", nargs="?", help="TCP port of the peer, if the address has none")


def add_requested_syntax(parser: ArgumentParser) -> None:
    """Add `-xe`, `-xb`, `-xi` of a requestor."""
    _add_syntaxes(parser, {
        "-xe --request-little": "request Explicit VR Little Endian only",
        "-xb --request-big": "request Explicit VR Big Endian only",
        "-xi --request-implicit": "request Implicit VR Little Endian only",
    })  # fmt: skip


def add_preferred_syntax(parser: ArgumentParser) -> None:
    """Add `-x=`, `-xe`, `-xb`, `-xi` of an acceptor."""
    _add_syntaxes(parser, {
        "-x= --prefer-uncompr": "prefer Explicit VR in the byte order of this machine",
        "-xe --prefer-little": "prefer Explicit VR Little Endian",
        "-xb --prefer-big": "prefer Explicit VR Big Endian",
        "-xi --implicit": "accept Implicit VR Little Endian only",
    })  # fmt: skip


def _add_syntaxes(parser: ArgumentParser, options: dict[str, str]) -> None:
    group = parser.add_argument_group("transfer syntax options").add_mutually_exclusive_group()
    for spelling, help_text in options.items():
        short, long = spelling.split()
        group.add_argument(short, long, dest="syntax", action="store_const", const=short[1:], help=help_text)


def only_syntax(options: argparse.Namespace) -> str | None:
    """Return the only transfer syntax to propose: that of `-xe`, `-xb` or `-xi`; None for no such option."""
    return _SYNTAXES.get(options.syntax)


_SYNTAXES = {
    "xe": EXPLICIT_VR_LITTLE_ENDIAN,
    "xb": EXPLICIT_VR_BIG_ENDIAN,
    "xi": IMPLICIT_VR_LITTLE_ENDIAN,
}


def preferred_syntaxes(options: argparse.Namespace, supported: Iterable[str]) -> tuple[str, ...]:
    """Return `supported` in the order of the options; with `-xi` Implicit VR Little Endian alone."""
    order = list(supported)
    if options.syntax == "xi":
        return (IMPLICIT_VR_LITTLE_ENDIAN,)
    if options.syntax == "x=":
        first = EXPLICIT_VR_LITTLE_ENDIAN if sys.byteorder == "little" else EXPLICIT_VR_BIG_ENDIAN
    else:
        first = _SYNTAXES.get(options.syntax, "")
    order.sort(key=lambda uid: uid != first)
    return tuple(order)


def console_of(options: argparse.Namespace) -> Console:
    """Return the console for the general options."""
    if options.quiet:
        level = 100
    elif options.log_level:
        level = LEVELS[options.log_level]
    else:
        level = LEVELS["debug"] if options.debug else LEVELS["info"] if options.verbose else WARN
    return Console(level, json=options.json, quiet=options.quiet)


def timeouts_of(options: argparse.Namespace, standard: Timeouts | None = None) -> Timeouts:
    """Return `standard`, by default the timeouts of the library, with the changes of the options."""
    changes: dict[str, float | None] = {}
    for option, fields in _TIMEOUTS.items():
        value = getattr(options, option, None)
        if value is not None:
            changes |= dict.fromkeys(fields, value or None)
    changed: Timeouts = (standard or Timeouts()).replace(**changes)
    return changed


_TIMEOUTS = {
    "connection_timeout": ("connect",),
    "acse_timeout": ("association", "artim"),
    "dimse_timeout": ("response", "action", "retrieve"),
    "network_timeout": ("pdu", "write", "idle"),  # as in pynetdicom's tools; later lines override
    "idle_timeout": ("idle",),
    **{f"timeout_{phase}": (phase,) for phase in PHASES},
}
