"""`dicomproto storescu`: send DICOM files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import partial
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from .cli.address import parse_requestor
from .cli.console import Console, size
from .cli.options import (
    add_peer,
    add_requested_syntax,
    console_of,
    exit_status,
    new_parser,
    only_syntax,
)
from .cli.tls import add_security
from .cli.user_identity import add_identity
from .cli.values import at_once, window

if TYPE_CHECKING:
    from .sending.input_files import InputFile
    from .sending.transfer import Outcome

_DESCRIPTION = """Send DICOM files, and the DICOM files of directories, to a peer with C-STORE requests.

The files decide which presentation contexts are proposed; if they need more than 128, there are several
associations. Files are sent as they are. If the peer refuses the transfer syntax of a file of native pixel
data, the file is sent in another one that it accepted; compressed files are not converted unless
--decompress is given. A file whose data set is cut short is not sent unless --send-truncated is given. A
file that cannot be sent never stops the others."""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "file", "path": ..., "state": "sent", "status": 0, "reason": "", "bytes": 39016,
   "warnings": []}
  {"event": "error", "error": "AssociationRejected", "text": ..., "result": 1, "source": 1, "reason": 7}
  {"event": "summary", "files": 3, "sent": 2, "warning": 0, "refused": 1, "failed": 0, "lost": 0,
   "untried": 0, "unreadable": 0, "skipped": 0, "bytes": 78032, "seconds": 0.02, "associations": 1,
   "given_up": "", "ok": false}
An error ended an association, or prevented it; "given_up" says why files were not tried. The states are:
sent; warning (stored, with a warning status); refused (by the status); failed (no fitting presentation
context, or the file is cut short, changed while it was sent, or could not be read to its end, converted or
decompressed); lost (two associations ended during the file, the second of which had it as its first file;
or Ctrl-C came); untried (given up); unreadable (not a DICOM object); skipped (in a directory, and not a
DICOM object). The summary is always the last line."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("storescu", "ADDRESS [PORT] PATH...", _DESCRIPTION, _EVENTS)
    network = add_peer(result, "STORESCU")
    network.add_argument(
        "--window", type=window, metavar="N",
        help="propose up to N outstanding requests (default: the window of the peer table, else 1)",
    )  # fmt: skip
    network.add_argument(
        "--parallel", type=at_once, default=1, metavar="N",
        help="send on up to N associations at once (default: 1); a peer may take fewer",
    )  # fmt: skip
    result.add_argument(
        "path", nargs="+",
        help="DICOM file, or directory of DICOM files; before the first one, the TCP port of the peer, if the"
        " address has none",
    )  # fmt: skip
    add_identity(result)
    add_security(result, is_requestor=True)
    files = result.add_argument_group("input options")
    files.add_argument("-r", "--recurse", action="store_true", help="send the subdirectories, too")
    files.add_argument(
        "--send-truncated", action="store_true",
        help="send files, too, whose data set ends within an element, an item or a sequence",
    )  # fmt: skip
    add_requested_syntax(result)
    other = result.add_argument_group("other options")
    syntax = other.add_mutually_exclusive_group()
    syntax.add_argument(
        "-cx", "--required-contexts", "--never-convert", dest="never_convert", action="store_true",
        help="propose only the transfer syntaxes of the files, and convert nothing",
    )  # fmt: skip
    syntax.add_argument(
        "--decompress", action="store_true",
        help="decompress files whose transfer syntax the peer does not accept; needs the extra 'decompress'",
    )  # fmt: skip
    other.add_argument(
        "--show-comments", action="store_true",
        help="show the Error Comments of the peer, which may hold patient data",
    )  # fmt: skip
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_requestor(parser(), arguments)
    console = console_of(options)
    run = _Run(options, console)
    try:
        run.look()
        run.send()
    except KeyboardInterrupt:
        run.interrupted()
    run.summarize()
    return exit_status(run.ok, console)


class _Run:
    """One run of the program, and the result for each file."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options = options
        self.console = console
        self.sources: list[InputFile] = []
        self.recorded: Counter[str] = Counter()  # by path
        self.states: Counter[str] = Counter()
        self.remarkable: list[Outcome] = []
        self.bytes = 0
        self.seconds = 0.0
        self.associations = 0
        self.given_up = ""
        self.lock = Lock()
        self.is_whole = True  # nothing interrupted it

    @property
    def ok(self) -> bool:
        """Whether there was a file to send, and the peer has every one."""
        stored = self.states["sent"] + self.states["warning"]
        return self.is_whole and 0 < stored == self.states.total() - self.states["skipped"]

    def look(self) -> None:
        """Collect the files to send, and record those that cannot be sent."""
        from .sending.input_files import Unsendable, find_input_files
        from .sending.transfer import Outcome

        def pass_over(path: str) -> None:
            self.console.warn(f"{path}: the subdirectories are left out; -r (--recurse) sends them, too")

        for found in find_input_files(self.options.path, recurse=self.options.recurse, pass_over=pass_over):
            if isinstance(found, Unsendable):
                state = "skipped" if found.skipped else "unreadable"
                self.record(Outcome(path=found.path, state=state, reason=found.reason))
            else:
                self.sources.append(found)

    def send(self) -> None:
        """Send the collected files."""
        sources = self.sources
        if not sources:
            self.console.error("there is no file to send")
            return
        from .cli.progress import Progress
        from .requestor import Requestor
        from .sending.parallel import ParallelTransfers
        from .sending.plan import plan_associations
        from .sending.transfer import Transfer

        never_convert, decompress = self.options.never_convert, self.options.decompress
        plans = plan_associations(
            sources, only=only_syntax(self.options), convert=not never_convert, decompress=decompress
        )
        if len(plans) > 1:
            self.console.info(f"the files need {len(plans)} associations")
        requestor = Requestor(self.options, self.console)
        began = perf_counter()
        with Progress(self.console, len(sources), sum(source.size for source in sources)) as progress:
            make = partial(
                Transfer,
                requestor.associate,
                self.record,
                self.console,
                progress,
                never_convert=never_convert,
                decompress=decompress,
                send_truncated=self.options.send_truncated,
                show_comments=self.options.show_comments,
            )
            transfers = ParallelTransfers(make, self.options.parallel)
            try:
                for plan in plans:
                    transfers.send(plan)
            finally:
                self.seconds = perf_counter() - began
                self.associations, self.given_up = transfers.associations, transfers.given_up

    def interrupted(self) -> None:
        """Record the collected files that were not tried because of Ctrl-C."""
        from .sending.transfer import INTERRUPTED, Outcome

        self.is_whole, self.given_up = False, INTERRUPTED
        self.console.error(INTERRUPTED)
        recorded = self.recorded.copy()  # the command line may name a path more than once
        for source in self.sources:
            if recorded[source.path]:
                recorded[source.path] -= 1
            else:
                self.record(Outcome(path=source.path, state="untried", reason=INTERRUPTED, size=source.size))

    def record(self, outcome: Outcome) -> None:
        """Count the result for a file, and keep it for the summary unless it was simply sent.

        Several threads may call it.
        """
        with self.lock:
            self.states[outcome.state] += 1
            self.recorded[outcome.path] += 1
            self.bytes += outcome.size if outcome.is_stored else 0
            if outcome.state != "sent":
                self.remarkable.append(outcome)
        self.console.event(
            "file",
            path=outcome.path,
            state=outcome.state,
            status=outcome.status,
            reason=outcome.reason,
            bytes=outcome.size,
            warnings=outcome.warnings,
        )

    def summarize(self) -> None:
        """Print the numbers, then every file that was not simply sent, with the reason."""
        states = self.states
        stored = states["sent"] + states["warning"]
        asked = states.total() - states["skipped"]
        rate = ""
        if stored and self.seconds:
            rate = f": {stored / self.seconds:.0f} files/s, {size(self.bytes / self.seconds)}/s"
        self.console.result(
            f"{stored} of {asked} files sent, {size(self.bytes)} in {self.seconds:.2f} s{rate}"
        )
        if self.given_up:
            self.console.result(f"The rest was not tried: {self.given_up}")
        for heading, chosen in _HEADINGS.items():
            outcomes = [outcome for outcome in self.remarkable if outcome.state in chosen]
            if outcomes:
                self.console.result(f"{heading}:")
            for outcome in outcomes:
                self.console.result(f"  {outcome.path}: {outcome.reason}")
        self.console.event(
            "summary",
            files=states.total(),
            **{state: states[state] for state in STATES},
            bytes=self.bytes,
            seconds=round(self.seconds, 6),
            associations=self.associations,
            given_up=self.given_up,
            ok=self.ok,
        )


STATES = ("sent", "warning", "refused", "failed", "lost", "untried", "unreadable", "skipped")

_HEADINGS = {
    "Stored, with a warning": ("warning",),
    "Skipped, since they are not DICOM objects": ("skipped",),
    "Not sent": ("refused", "failed", "lost", "untried", "unreadable"),
}
