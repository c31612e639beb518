"""`dicomproto echoscu`: verify that a peer answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter

from dicomproto.errors import DicomProtoError
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

from . import importing
from .cli.address import parse_requestor
from .cli.console import Console
from .cli.options import (
    add_peer,
    add_port,
    add_requested_syntax,
    console_of,
    exit_status,
    new_parser,
    only_syntax,
)
from .cli.tls import add_security
from .cli.user_identity import add_identity
from .cli.values import positive

_USUAL = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "echo", "message_id": 1, "status": 0, "meaning": "Success", "seconds": 0.0004}
  {"event": "error", "error": "AssociationRejected", "text": ..., "result": 1, "source": 1, "reason": 7}
  {"event": "summary", "asked": 1, "succeeded": 1, "ok": true}
The summary is always the last line."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser(
        "echoscu", "ADDRESS [PORT]", "Send C-ECHO requests to a peer and wait for the responses.", _EVENTS
    )
    add_peer(result, "ECHOSCU")
    add_port(result)
    add_identity(result)
    add_security(result, is_requestor=True)
    add_requested_syntax(result)
    other = result.add_argument_group("other options")
    other.add_argument("--repeat", type=positive, default=1, metavar="N", help="send N requests (default: 1)")
    other.add_argument("--abort", action="store_true", help="abort the association instead of releasing it")
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_requestor(parser(), arguments)
    console = console_of(options)
    run = _Run(options, console)
    try:
        run.echo()
    except DicomProtoError as error:
        from .requestor import report

        report(console, error)
        run.failed = True
    except KeyboardInterrupt:
        console.error("interrupted")
        run.failed = True
    ok = run.succeeded == options.repeat and not run.failed
    if options.repeat > 1:
        console.result(f"{run.succeeded} of {options.repeat} requests succeeded")
    console.event("summary", asked=options.repeat, succeeded=run.succeeded, ok=ok)
    return exit_status(ok, console)


class _Run:
    """One run of the program."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options = options
        self.console = console
        self.succeeded = 0
        self.failed = False

    def echo(self) -> None:
        """Associate, send the requests, release."""
        with importing():
            from .requestor import Requestor

        options = self.options
        only = only_syntax(options)
        proposal = (VERIFICATION, (only,) if only else _USUAL)
        requestor = Requestor(options, self.console)
        with requestor.associate([proposal]) as association:
            for _ in range(options.repeat):
                began = perf_counter()
                response = association.send_c_echo()
                seconds = perf_counter() - began
                status = response.status
                self.succeeded += status == 0
                self.console.result(f"{requestor.name}: {status} in {seconds * 1000:.1f} ms")
                self.console.event(
                    "echo",
                    message_id=response.MessageIDBeingRespondedTo,
                    status=int(status),
                    meaning=status.meaning,
                    seconds=round(seconds, 6),
                )
            if options.abort:
                association.abort()
