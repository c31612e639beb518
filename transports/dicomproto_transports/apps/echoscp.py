"""`dicomproto echoscp`: answer C-ECHO."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from dicomproto.uids import UNCOMPRESSED_TRANSFER_SYNTAXES, VERIFICATION

from .cli.address import parse_acceptor
from .cli.listening import add_listener
from .cli.options import (
    add_preferred_syntax,
    console_of,
    exit_status,
    new_parser,
    preferred_syntaxes,
)
from .cli.tls import add_security

if TYPE_CHECKING:
    from ..evt import Event

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "listening", "address": "", "port": 11112}
  {"event": "echo", "calling_ae_title": "ECHOSCU", "status": 0}
  {"event": "summary", "echoes": 1, "ok": true}
"listening" is always the first line; it has the port that was chosen for port 0. With systemd there is
one for each socket, with null for a Unix socket.

Ctrl-C and SIGTERM end the program."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("echoscp", "PORT", "Listen for associations and answer C-ECHO requests.", _EVENTS)
    add_listener(result, "ECHOSCP")
    add_security(result, is_requestor=False)
    add_preferred_syntax(result)
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_acceptor(parser(), arguments)
    console = console_of(options)
    from .. import evt
    from .acceptor import Acceptor, calling_ae_title

    with Acceptor(options, console) as acceptor:
        acceptor.ae.add_supported_context(
            VERIFICATION, preferred_syntaxes(options, UNCOMPRESSED_TRANSFER_SYNTAXES)
        )
        counting, echoes = Lock(), 0  # each association has a thread

        def echo(event: Event) -> int:
            nonlocal echoes
            with acceptor.work():
                with counting:
                    echoes += 1
                console.event("echo", calling_ae_title=calling_ae_title(event), status=0)
            return 0

        ok = acceptor.run([(evt.EVT_C_ECHO, echo)])
        console.event("summary", echoes=echoes, ok=ok)
    return exit_status(ok, console)
