"""Parse a command line, and resolve its peer: an address or a name in the peer table."""

from __future__ import annotations

import argparse
import os
import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .options import MAX_PDU
from .tls import client_tls, server_tls
from .user_identity import identity_of
from .values import ae_title, peer_port

if TYPE_CHECKING:
    from ...peers import Peer

_NAME = "[A-Za-z0-9_-]+"
"""The form of a name in the peer table. It is compiled on use, which shortens the start-up."""


Settling = Callable[[argparse.Namespace], None]
"""Checks and completes parsed options; raises ArgumentTypeError."""


def parse_requestor(parser: ArgumentParser, arguments: Sequence[str], *more: Settling) -> argparse.Namespace:
    """Parse the command line of a requestor, and resolve its peer.

    The result has `addr`, `port`, `called_aet`, `ae_title` and `max_pdu`. Each comes from the options, else
    from the address, else from the peer table, else from the defaults. `peer` is the entry of the peer table,
    `identity` the User Identity item, `tls` the TLS arguments; each may be None.
    """
    return _settled(parser, parser.parse_intermixed_args(arguments), _settle, *more)


def parse_acceptor(parser: ArgumentParser, arguments: Sequence[str], *more: Settling) -> argparse.Namespace:
    """Parse the command line of an acceptor.

    `tls` of the result is the TLS context, or None for plain TCP; `users` are the users to serve, or None for
    no check.
    """

    def settle(options: argparse.Namespace) -> None:
        from .users import settle_users

        options.tls = server_tls(options)
        settle_users(options)

    return _settled(parser, parser.parse_args(arguments), settle, *more)


def _settled(parser: ArgumentParser, options: argparse.Namespace, *steps: Settling) -> argparse.Namespace:
    try:
        for step in steps:
            step(options)
    except ArgumentTypeError as error:
        parser.error(str(error))
    return options


def _settle(options: argparse.Namespace) -> None:
    peer = options.peer = find_peer(options, options.address)
    title, host, port = split_address(options.address)
    if peer is not None:
        title, host, port = peer.ae_title, peer.host, str(peer.port)
    options.addr, options.port = host, peer_port(_port(options, port))
    options.called_aet = options.called_aet or title or "ANY-SCP"
    options.ae_title = options.ae_title or (peer and peer.calling_ae_title) or options.own_title
    if options.max_pdu is None:
        options.max_pdu = MAX_PDU if peer is None or peer.max_pdu is None else peer.max_pdu
    options.identity = identity_of(options)
    options.tls = client_tls(options)


def _port(options: argparse.Namespace, port: str | None) -> str:
    """Return the port: that of the address, else the next word of the command line."""
    files: list[str] | None = getattr(options, "path", None)
    following = options.port if files is None else files[0]
    if port is not None:
        if following is not None and (files is None or _is_stray_port(following)):
            raise ArgumentTypeError(f"{options.address!r} has a port already; {following!r} is too much")
        return port
    if following is None or not following.isdecimal():
        found = f", not {following!r}" if following else ""
        table = f" in {_table(options)}" if _table(options) else ", and there is no peer table"
        raise ArgumentTypeError(
            f"{options.address!r} is not a peer{table}, so HOST:PORT is needed,"
            f" or a port after the host{found}"
        )
    if files is not None:
        del files[0]
        if not files:
            raise ArgumentTypeError("the following arguments are required: path")
    return following


def _is_stray_port(word: str) -> bool:
    """Tell whether the first path is not a file but a port, as after an address without one."""
    return word.isdecimal() and not os.path.lexists(word)


def split_address(text: str) -> tuple[str | None, str, str | None]:
    """Return the AE title, the host and the port of `[AET@]HOST[:PORT]`; raises ArgumentTypeError.

    An IPv6 address stands in brackets if a port follows.
    """
    title, at, rest = text.rpartition("@")
    port: str | None
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ArgumentTypeError(f"{text!r}: an address in brackets ends with ']' or ']:PORT'")
        port = port[1:] or None
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    else:
        host, port = rest, None
    if not host:
        raise ArgumentTypeError(f"{text!r}: the host is missing")
    if port is not None:
        peer_port(port)
    return (ae_title(title) if at else None), host, port


def find_peer(options: argparse.Namespace, name: str) -> Peer | None:
    """Return the peer with this name in the peer table, or None; raises ArgumentTypeError for a bad table.

    A table named with `--peers` is read even if the address cannot be a name, so that its faults show.
    """
    is_name = re.fullmatch(_NAME, name) is not None
    path = _table(options) if is_name else options.peers
    if path is None:
        return None
    from ...peers import InvalidPeers, load_peers

    try:
        peers = load_peers(path)
    except InvalidPeers as error:
        raise ArgumentTypeError(str(error)) from None
    return peers.get(name) if is_name else None


def _table(options: argparse.Namespace) -> str | None:
    path: str | None = options.peers
    if path is None:
        from ...peers import default_peers_path

        path = default_peers_path()
    return path
