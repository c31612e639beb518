"""`dicomproto findscu`: query a peer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicomproto.dimse.status import PENDING_WITHOUT_OPTIONAL_KEYS
from dicomproto.errors import DataSetError, DicomProtoError

from .cli.address import parse_requestor
from .cli.console import Console
from .cli.options import add_peer, add_port, console_of, exit_status, new_parser
from .cli.output_directory import can_write_to
from .querying.extended_negotiation import check_extension, extension_of
from .querying.final_response import FinalResponse
from .querying.identifier import add_identifier
from .querying.models import add_models, check_level
from .querying.options import add_manner, settle_query, syntaxes_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

    from dicomproto.dimse.commands import CFindRSP

    from ..blocking import Association

_DESCRIPTION = """Send a C-FIND request to a peer, and show the matches.

The keys of the query come from -k and from the file of -f, e.g.
  dicomproto findscu pacs -S -k QueryRetrieveLevel=STUDY -k PatientName='CITIZEN*' -k StudyDate"""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "match", "number": 1, "status": 65280, "dataset": {"00080005": ...}, "path": null,
   "text_in_doubt": null}
  {"event": "error", "error": "AssociationRejected", "text": ..., "result": 1, "source": 1, "reason": 7}
  {"event": "summary", "matches": 1, "unreadable": 0, "status": 0, "meaning": "Success",
   "cancelled": false, "ok": true}
The data set is in the DICOM JSON model (PS3.18 F). "path" is the file of the match, with -w.
"text_in_doubt" is the tag of the first text that is in none of the character sets named for it.
"unreadable" counts matches that cannot be decoded or written. The summary is always the last line. With
--dicom-json stdout has one JSON array of all matches instead, and nothing else."""

_MOST_DOUBTFUL = 10
"""The limit of warnings about matches with text in doubt."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("findscu", "ADDRESS [PORT] -k KEY...", _DESCRIPTION, _EVENTS)
    add_peer(result, "FINDSCU", "cancel")
    add_port(result)
    add_models(result, "find")
    add_identifier(result)
    output = result.add_argument_group("output options")
    output.add_argument(
        "--dicom-json", action="store_true",
        help="print the matches as one JSON array in the DICOM JSON model, and nothing else",
    )  # fmt: skip
    output.add_argument(
        "-w", "--write", action="store_true",
        help="write the matches to the files rsp000001.dcm, rsp000002.dcm..., and replace existing ones",
    )  # fmt: skip
    output.add_argument(
        "-od", "--output-directory", default=".", metavar="DIR",
        help="directory to write to (default: the current directory); created if missing",
    )  # fmt: skip
    add_manner(result, "find", "matches")
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_requestor(parser(), arguments, settle_query, _check_output)
    console = console_of(options)
    from dicomproto.quiet import Quiet

    run = _Run(options, console)
    try:
        with Quiet():
            run.start()
    except DicomProtoError as error:
        from .requestor import report

        report(console, error)
        run.failed = True
    except KeyboardInterrupt:
        console.error("interrupted")
        run.failed = True
    return exit_status(run.summarize(), console)


def _check_output(options: argparse.Namespace) -> None:
    if options.json and options.dicom_json:
        raise argparse.ArgumentTypeError("--json and --dicom-json are two forms of output: choose one")


class _Run:
    """One run of the program, and its result."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options = options
        self.console = console
        self.final = FinalResponse(options, console)
        self.matches = 0
        self.unreadable = 0
        self._came = 0  # matches, unreadable ones included
        self.failed = False
        self._warned_of_keys = False
        self._cut_match = 0
        self._doubtful = 0  # matches with text in doubt

    def start(self) -> None:
        """Send the request, unless the files cannot be written."""
        if self.options.write and not can_write_to(self.options.output_directory, self.console):
            self.failed = True
        else:
            self._find()

    def _find(self) -> None:
        """Associate, send the request, show the matches, release."""
        from .requestor import Requestor

        options = self.options
        check_level(options, self.console)
        requestor = Requestor(options, self.console)
        contexts = [(options.model, syntaxes_of(options))]
        with requestor.associate(contexts, extension_of(options, "find")) as association:
            check_extension(association, options, "find", self.console)
            self._take_responses(association)

    def _take_responses(self, association: Association) -> None:
        options = self.options
        with association.send_c_find(options.identifier, options.model) as responses:
            while True:
                try:
                    response, match = next(responses)
                except StopIteration:
                    return
                except DataSetError as error:
                    self._came += 1
                    self._lose(f"match {self._came} cannot be read: {error}")
                    continue
                if responses.is_over:
                    self.final.take(response)
                    continue
                self._take(response, match)
                if self._has_enough() and not self.final.was_cancelled:
                    self.console.info("cancelling")
                    self.final.was_cancelled = True
                    responses.cancel()

    def _has_enough(self) -> bool:
        """Tell whether no more matches are wanted, or nobody reads them any more."""
        return self.options.cancel == self.matches or self.console.lost_results

    def _take(self, response: CFindRSP, match: Dataset | None) -> None:
        """Show a match, unless it comes after our C-CANCEL."""
        if self.final.was_cancelled:
            return
        if response.Status == PENDING_WITHOUT_OPTIONAL_KEYS and not self._warned_of_keys:
            self._warned_of_keys = True
            self.console.warn("the peer does not support all of the optional keys, for matching at least")
        self.final.comment(response)
        self._came += 1
        if match is None:
            self._lose(f"match {self._came} has no identifier")
            return
        self.matches += 1
        doubtful = self._doubt(match)
        path = self._write(match) if self.options.write else None
        self._show(response, match, path, doubtful)

    def _doubt(self, match: Dataset) -> BaseTag | None:
        """Return the tag of the first text in doubt, and warn of it, before values are decoded."""
        from pydicom.datadict import keyword_for_tag

        from dicomproto.text import text_in_doubt

        tag = text_in_doubt(match)
        if tag is not None:
            self._doubtful += 1
            if self._doubtful <= _MOST_DOUBTFUL:
                name = f"{tag} {keyword_for_tag(tag)}".rstrip()
                self.console.warn(f"match {self.matches}: the text of element {name} is in doubt")
        return tag

    def _show(self, response: CFindRSP, match: Dataset, path: str | None, doubtful: BaseTag | None) -> None:
        from .querying.rendering import json_of, lines_of

        console = self.console
        if self.options.dicom_json:
            from json import dumps

            document = dumps(json_of(match, on_cut=self._cut))
            console.document(("[" if self.matches == 1 else ",") + document)
        elif console.json:
            console.event(
                "match",
                number=self.matches,
                status=response.Status,
                dataset=json_of(match, on_cut=self._cut),
                path=path,
                text_in_doubt=None if doubtful is None else f"{doubtful:08X}",
            )
        elif not console.quiet:
            console.result(f"match {self.matches}" + (f", written to {path}" if path else ""))
            for line in lines_of(match, 1, on_cut=self._cut):
                console.result(line)

    def _cut(self) -> None:
        """Warn that items are not shown, once for each match."""
        from .querying.rendering import DEEPEST

        if self._cut_match != self.matches:
            self._cut_match = self.matches
            self.console.warn(
                f"match {self.matches}: items nested deeper than {DEEPEST} sequences are left out"
            )

    def _write(self, match: Dataset) -> str | None:
        import os

        from .querying.match_files import write_match

        path = os.path.join(self.options.output_directory, f"rsp{self.matches:06}.dcm")
        try:
            write_match(path, match, self.options.model)
        except (OSError, DataSetError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._lose(f"{path} cannot be written: {reason}")
            return None
        return path

    def _lose(self, text: str) -> None:
        self.unreadable += 1
        self.console.error(text)

    def summarize(self) -> bool:
        """Print the result; return whether everything succeeded."""
        ok = self.final.is_as_asked and not self.failed and not self.unreadable
        console, matches = self.console, self.matches
        if (more := self._doubtful - _MOST_DOUBTFUL) > 0:
            console.warn(f"the text of {more} more match{'es' * (more > 1)} is in doubt")
        if self.options.dicom_json:
            console.document("]" if matches else "[]")
            return ok
        response = self.final.response
        status = "no final response" if response is None else str(response.status)
        console.result(f"{matches} match{'es' * (matches != 1)}: {status}")
        console.event("summary", matches=matches, unreadable=self.unreadable, **self.final.facts, ok=ok)
        return ok
