"""`dicomproto getscu`: retrieve objects over the association of the request."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicomproto.errors import DicomProtoError
from dicomproto.uids import is_valid_uid

from .cli.address import parse_requestor
from .cli.console import Console
from .cli.options import add_peer, add_port, console_of, exit_status, new_parser, only_syntax
from .querying.extended_negotiation import check_extension, extension_of
from .querying.identifier import add_identifier
from .querying.models import add_models, check_level, sop_class_uid
from .querying.options import add_manner, settle_query, syntaxes_of
from .receiving.options import add_output, is_writable

if TYPE_CHECKING:
    from .querying.retrieval import RetrievalResult
    from .receiving.receiver import Receiver

_DESCRIPTION = """Send a C-GET request to a peer, and write the objects that it sends to files, as
storescp does.

The keys come from -k and from the file of -f, e.g.
  dicomproto getscu pacs -S -k QueryRetrieveLevel=STUDY -k StudyInstanceUID=1.2.3 -od study

The storage contexts must be proposed before the objects come, and there is room for 127. By default they
are those of the common SOP classes in uncompressed transfer syntaxes, and of the most common images in
some compressed ones. A choice of SOP classes with --sop-class makes room for more compressed ones."""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "object", "outcome": "stored", "status": 0, "path": ..., "bytes": 39016, "reason": "",
   "warnings": [], "sop_class_uid": ..., "transfer_syntax_uid": ..., "called_ae_title": "PACS"}
  {"event": "progress", "remaining": 2, "completed": 1, "warning": 0, "failed": 0}
  {"event": "error", "error": "AssociationRejected", "text": ..., "result": 1, "source": 1, "reason": 7}
  {"event": "summary", "suboperations_remaining": 0, "suboperations_completed": 3,
   "suboperations_warning": 0, "suboperations_failed": 0, "failed_uids": [], "stored": 3, "identical": 0,
   "variant": 0, "replaced": 0, "discarded": 0, "refused": 0, "failed": 0, "lost": 0, "bytes": 117048,
   "status": 0, "meaning": "Success", "cancelled": false, "ok": true}
The outcomes of objects are those of storescp. The counts of sub-operations come from the peer, null if it
does not send them. "failed_uids" are the SOP Instance UIDs that it could not send. The summary is always
the last line."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("getscu", "ADDRESS [PORT] -k KEY...", _DESCRIPTION, _EVENTS)
    add_peer(result, "GETSCU", "retrieve", "cancel")
    add_port(result)
    add_models(result, "get")
    add_identifier(result)
    objects = result.add_argument_group("object options")
    objects.add_argument(
        "--sop-class", dest="sop_classes", action="append", default=[], metavar="CLASS",
        help="retrieve objects of this SOP class, by UID, keyword or the prefix of its files (CT, MR...); may"
        " be repeated (default: the common ones)",
    )  # fmt: skip
    objects.add_argument(
        "--transfer-syntax", dest="transfer_syntaxes", action="append", default=[], metavar="UID",
        type=_transfer_syntax,
        help="retrieve objects in this transfer syntax, too, such as a private one; may be repeated",
    )  # fmt: skip
    add_output(result)
    add_manner(result, "get", "objects")
    return result


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parse_requestor(parser(), arguments, settle_query, _settle_classes)
    console = console_of(options)
    from dicomproto.quiet import Quiet

    from .querying.retrieval import RetrievalResult
    from .receiving.receiver import Receiver

    retrieval = RetrievalResult(options, console)
    receiver = Receiver(options, console, on_receipt=retrieval.received)
    retrieval.watch(receiver)
    try:
        with Quiet():
            if is_writable(options, console):
                _get(options, console, retrieval, receiver)
            else:
                retrieval.failed = True
    except DicomProtoError as error:
        from .requestor import report

        report(console, error)
        retrieval.failed = True
    except KeyboardInterrupt:
        console.error("interrupted")
        retrieval.failed = True
    if retrieval.lacks_contexts:
        console.warn("objects are missing; --sop-class retrieves other SOP classes than the common ones")
    return exit_status(retrieval.summarize(), console)


def _settle_classes(options: argparse.Namespace) -> None:
    from .querying.get_contexts import plan_get
    from .receiving.file_names import PREFIXES

    by_prefix = {prefix: uid for uid, prefix in PREFIXES.items()}
    chosen = [by_prefix.get(text) or sop_class_uid(text) for text in options.sop_classes]
    try:
        options.plan = plan_get(chosen, only_syntax(options), options.transfer_syntaxes)
    except ValueError as error:
        raise ArgumentTypeError(f"argument --sop-class: {error}") from None


def _transfer_syntax(text: str) -> str:
    if not is_valid_uid(text):
        raise ArgumentTypeError(f"{text!r} is not a UID")
    return text


def _get(
    options: argparse.Namespace, console: Console, retrieval: RetrievalResult, receiver: Receiver
) -> None:
    from .. import evt
    from .requestor import Requestor

    check_level(options, console)
    plan = options.plan
    console.debug(
        f"proposing {len(plan.contexts)} storage contexts; {plan.left_out} SOP classes are left out"
    )
    association = Requestor(options, console).associate(
        [(options.model, syntaxes_of(options)), *plan.contexts],
        [*extension_of(options, "get"), *plan.roles],
        [(evt.EVT_C_STORE_STREAM, receiver.store)],
    )
    with association:
        check_extension(association, options, "get", console)
        retrieval.follow(association.send_c_get(options.identifier, options.model))
