"""The options of an acceptor: where it listens, and which requestors it admits."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from dicomproto.config import Timeouts

from .options import add_network, add_phases
from .values import SYSTEMD, ae_title, listening_port, network, positive, seconds

if TYPE_CHECKING:
    from ...entity.ae import AECore
    from ...streams.listening import ListenOn

MAXIMUM_ASSOCIATIONS = 100
"""The default limit of simultaneous associations."""

GIVE_WAY_AFTER = 30.0
"""The default time in seconds after which an idle association may have to give way."""

_PHASES = ("proxy", "tls", "artim", "association", "pdu", "write", "idle", "close")


def add_listener(parser: ArgumentParser, own_title: str) -> argparse._ArgumentGroup:
    """Add the options of an acceptor."""
    parser.add_argument(
        "port", type=listening_port,
        help="TCP port to listen on; 0: a free port, which is printed; systemd: the sockets from systemd",
    )  # fmt: skip
    group = add_network(parser, own_title, long="--ae-title", is_requestor=False)
    group.add_argument(
        "-ba", "--bind-address", default="", metavar="ADDRESS",
        help="address of the interface to listen on (default: all)",
    )  # fmt: skip
    group.add_argument(
        "-ti", "--idle-timeout", type=seconds, metavar="S",
        help="seconds that an association may be idle, 0: no limit"
        f" (default: that of -tn, if given, else {Timeouts().idle:g})",
    )  # fmt: skip
    group.add_argument(
        "--grace", type=seconds, default=30.0, metavar="S",
        help="seconds to finish the work in progress when the program is to end (default: 30)",
    )  # fmt: skip
    add_admission(parser)
    add_users(parser)
    add_phases(parser, _PHASES)
    return group


def add_callers(group: argparse._ArgumentGroup) -> None:
    """Add the options that limit the requestors."""
    group.add_argument(
        "--allow-network", type=network, action="append", default=[], metavar="NETWORK",
        help="serve only requestors from this IP network or address, such as 10.0.0.0/8; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--allow-calling-aet", type=ae_title, action="append", default=[], metavar="TITLE",
        help="serve only requestors with this AE title, which proves nothing; may be repeated",
    )  # fmt: skip


def admit_callers(ae: AECore, options: argparse.Namespace) -> None:
    """Apply the options of `add_callers` to an application entity."""
    ae.allowed_networks = options.allow_network
    ae.require_calling_aet = options.allow_calling_aet


def add_admission(parser: ArgumentParser) -> None:
    """Add the options that limit associations and requestors."""
    group = parser.add_argument_group("admission options")
    group.add_argument(
        "--max-associations", type=positive, default=MAXIMUM_ASSOCIATIONS, metavar="N",
        help=f"reject more than N associations at once (default: {MAXIMUM_ASSOCIATIONS})",
    )  # fmt: skip
    group.add_argument(
        "--max-associations-per-address", type=positive, metavar="N", help="the same for one IP address"
    )
    group.add_argument(
        "--max-associations-per-aet", type=positive, metavar="N", help="the same for one calling AE title"
    )
    group.add_argument(
        "--give-way-after", type=seconds, default=GIVE_WAY_AFTER, metavar="SECONDS",
        help="at N associations, end the one that was idle longest, and at least this long, for a requestor"
        f" whose address has fewer; 0: never (default: {GIVE_WAY_AFTER:g})",
    )  # fmt: skip
    add_callers(group)
    group.add_argument(
        "--allow-called-aet", type=ae_title, action="append", default=[], metavar="TITLE",
        help="serve only requestors that call this AE title; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--require-called-aet", action="store_true",
        help="serve only requestors that call our own AE title, or one of --allow-called-aet",
    )  # fmt: skip
    group.add_argument(
        "--proxy-protocol-from", type=network, action="append", default=[], metavar="NETWORK",
        help="require a PROXY protocol header (version 1 or 2) on each connection from this network or"
        " address, and trust it; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--reuse-port", action="store_true", help="let several processes listen on the port (SO_REUSEPORT)"
    )


def add_users(parser: ArgumentParser) -> None:
    """Add the options of an acceptor for user identities."""
    group = parser.add_argument_group("user identity options").add_mutually_exclusive_group()
    group.add_argument(
        "--accept-identity", action="store_true",
        help="accept every user identity without verification, and send a response if asked to (default:"
        " ignore user identities, and send no response)",
    )  # fmt: skip
    group.add_argument(
        "--users", metavar="FILE",
        help="serve only the users in this file, NAME or NAME:PASSCODE on each line",
    )  # fmt: skip


def admit(ae: AECore, options: argparse.Namespace) -> None:
    """Apply the options of `add_admission` to an application entity."""
    ae.maximum_associations = options.max_associations
    ae.maximum_associations_per_address = options.max_associations_per_address
    ae.maximum_associations_per_ae_title = options.max_associations_per_aet
    ae.give_way_after = options.give_way_after
    admit_callers(ae, options)
    own = [ae.ae_title] if options.require_called_aet else []
    ae.require_called_aet = [*own, *options.allow_called_aet] or False


def listen_on(options: argparse.Namespace) -> ListenOn:
    """Return the address or sockets to listen on; raises OSError or ValueError for bad sockets of systemd."""
    if options.port != SYSTEMD:
        return options.bind_address, options.port
    from ...streams.listening import systemd_sockets

    sockets = systemd_sockets()
    if not sockets:
        raise OSError(0, "there is no socket from systemd (LISTEN_PID, LISTEN_FDS)")
    return sockets
