"""`dicomproto storescp`: receive DICOM objects and write them to files."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from dicomproto.uids import UNCOMPRESSED_TRANSFER_SYNTAXES, VERIFICATION

from ._console import Console, size
from ._options import (
    EXIT_DONE,
    EXIT_NOT_DONE,
    add_listener,
    add_preferred_syntax,
    console_of,
    new_parser,
    preferred_syntaxes,
)

if TYPE_CHECKING:
    from ..evt import Event
    from ._listener import Listener
    from ._store import Receipt

_DESCRIPTION = """Listen for associations; write the DICOM objects that come with C-STORE requests to files.

An object is written as it arrives, to a temporary file (.dicomproto-*.part) in the output
directory; only when it is complete does it get its name, PREFIX.SOP-INSTANCE-UID, where PREFIX
tells the modality (CT, CTE, MR, MRE, PT, PTE, RI, RD, RP, RS, CR, US, USE, XA, XAE, NM, SC; UN for all
others). A SOP Instance UID that is no UID is replaced by its hash. Objects are written in the
transfer syntax they come in, byte for byte."""

_EVENTS = """With --json stdout has one JSON object a line:
  {"event": "listening", "address": "", "port": 11112}
  {"event": "object", "outcome": "stored", "status": 0, "path": ..., "bytes": 39016, "reason": "",
   "sop_class_uid": ..., "transfer_syntax_uid": ..., "calling_ae_title": "STORESCU"}
  {"event": "summary", "stored": 1, "identical": 0, "variant": 0, "replaced": 0, "discarded": 0,
   "refused": 0, "failed": 0, "lost": 0, "bytes": 39016, "ok": true}
"listening" is always the first line and tells the port that was found for port 0. The outcomes are:
stored; identical (the same data set was there, it is kept once); variant (another one with the
same SOP Instance UID was there, both are kept); replaced; discarded (--ignore); refused; failed (the
file could not be written); lost (the association ended in the middle, nothing is kept).

Ctrl-C and SIGTERM end the program when the objects under way are complete."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = new_parser("storescp", _DESCRIPTION, _EVENTS)
    add_listener(result, "STORESCP")
    add_preferred_syntax(result)
    output = result.add_argument_group("output options")
    output.add_argument(
        "-od", "--output-directory", default=".", metavar="DIR",
        help="where to write (default: the current directory); made if it is not there",
    )  # fmt: skip
    output.add_argument("--ignore", action="store_true", help="receive objects, but keep nothing")
    output.add_argument(
        "--on-duplicate", choices=("keep", "replace", "refuse"), default="keep",
        help="for a SOP Instance UID that is there already: keep an identical object once and a different"
        " one beside it, with a suffix (_2, _3...); replace the object; or refuse with status 0111"
        " (default: keep)",
    )  # fmt: skip
    output.add_argument(
        "--fsync", action="store_true",
        help="answer only when the object is on the disk, so that it survives a power failure",
    )  # fmt: skip
    other = result.add_argument_group("other options")
    other.add_argument("--no-echo", action="store_true", help="do not answer C-ECHO")
    return result


OUTCOMES = ("stored", "identical", "variant", "replaced", "discarded", "refused", "failed", "lost")


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit status."""
    options = parser().parse_args(arguments)
    console = console_of(options)
    if not options.ignore:
        try:
            os.makedirs(options.output_directory, exist_ok=True)
            _check_writable(options.output_directory)
        except OSError as error:
            console.error(f"cannot write to {options.output_directory}: {error.strerror}")
            console.event("error", error=type(error).__name__, text=str(error))
            return EXIT_NOT_DONE
    from .. import evt
    from ._listener import Listener

    listener = Listener(options, console)
    receiver = Receiver(options, console, listener)
    handlers: list[evt.Binding] = [(evt.EVT_C_STORE_STREAM, receiver.store)]
    _support(options, listener)
    ok = listener.run(handlers)
    receiver.summarize(ok)
    return EXIT_DONE if ok else EXIT_NOT_DONE


def _check_writable(directory: str) -> None:
    """Raise OSError now rather than with the first object."""
    path = os.path.join(directory, f".dicomproto-{os.urandom(8).hex()}.part")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)


def _support(options: argparse.Namespace, listener: Listener) -> None:
    """Offer storage in every transfer syntax, since nothing is decoded, and verification."""
    syntaxes = preferred_syntaxes(options, ALL_TRANSFER_SYNTAXES)
    for uid in STORAGE_CLASSES:
        listener.ae.add_supported_context(uid, syntaxes)
    if not options.no_echo:
        listener.ae.add_supported_context(
            VERIFICATION, preferred_syntaxes(options, UNCOMPRESSED_TRANSFER_SYNTAXES)
        )


class Receiver:
    """Receives objects for all associations of the server, and keeps the counts."""

    def __init__(self, options: argparse.Namespace, console: Console, listener: Listener) -> None:
        from ._store import ObjectStore

        self._console = console
        self._listener = listener
        self._store = None
        if not options.ignore:
            self._store = ObjectStore(
                options.output_directory, on_duplicate=options.on_duplicate, fsync=options.fsync
            )
        self._lock = Lock()
        self._outcomes: Counter[str] = Counter()
        self._bytes = 0

    def store(self, event: Event) -> int:
        """Handle EVT_C_STORE_STREAM."""
        from ._store import Receipt

        with self._listener.work():
            try:
                receipt = self._receive(event)
            except BaseException as error:
                self._record(event, Receipt(status=0, outcome="lost", text=str(error)))
                raise
            self._record(event, receipt)
        return receipt.status

    def _receive(self, event: Event) -> Receipt:
        from ._store import OUT_OF_RESOURCES, SUCCESS, Receipt

        request, context = event.request, event.context
        if self._listener.is_stopping:
            receipt = Receipt(status=OUT_OF_RESOURCES, outcome="refused", text="the program is being stopped")
        elif self._store is None:
            received = sum(len(chunk) for chunk in event.chunks)
            receipt = Receipt(status=SUCCESS, outcome="discarded", size=received)
        else:
            receipt = self._store.receive(
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
                transfer_syntax_uid=context.transfer_syntax,
                chunks=event.chunks,
            )
        if receipt.outcome in ("refused", "failed"):
            event.refuse(receipt.status, receipt.text)
        return receipt

    def _record(self, event: Event, receipt: Receipt) -> None:
        with self._lock:
            self._outcomes[receipt.outcome] += 1
            self._bytes += receipt.size
        name = receipt.path or event.request.sop_class_uid
        line = f"{receipt.outcome}: {name}, {size(receipt.size)}, from {event.assoc.requestor.ae_title}"
        if receipt.text:
            line += f" ({receipt.text})"
        tell = {"refused": self._console.warn, "variant": self._console.warn, "lost": self._console.warn,
                "failed": self._console.error}  # fmt: skip
        tell.get(receipt.outcome, self._console.info)(line)
        self._console.event(
            "object",
            outcome=receipt.outcome,
            status=receipt.status,
            path=receipt.path,
            bytes=receipt.size,
            reason=receipt.text,
            sop_class_uid=event.request.sop_class_uid,
            transfer_syntax_uid=event.context.transfer_syntax,
            calling_ae_title=event.assoc.requestor.ae_title,
        )

    def summarize(self, ok: bool) -> None:
        """Print the counts."""
        counts = {outcome: self._outcomes[outcome] for outcome in OUTCOMES}
        words = [f"{count} {outcome}" for outcome, count in counts.items() if count]
        self._console.result(f"objects: {', '.join(words) or 'none'}; {size(self._bytes)}")
        self._console.event("summary", **counts, bytes=self._bytes, ok=ok)
