"""Receives objects on all associations, reports the result for each, and counts them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from threading import Lock
from time import monotonic

from dicomproto.dimse.commands import CStoreRQ, Request
from dicomproto.dimse.status import CANNOT_UNDERSTAND, NOT_AUTHORIZED, SUCCESS
from dicomproto.encoded import Walk
from dicomproto.errors import DataSetError
from dicomproto.negotiation import AcceptedContext, SupportedContext
from dicomproto.services import ServiceClass, storage_sop_classes
from dicomproto.uids import UNCOMPRESSED_TRANSFER_SYNTAXES, VERIFICATION
from dicomproto.upper_layer.pdu import Buffer, PresentationContextRQ

from ... import evt
from ...blocking import AE
from ...error_text import uid_named
from ..acceptor import Acceptor, association_of
from ..cli.console import ERROR, INFO, WARN, Console, size
from ..cli.options import preferred_syntaxes
from .object_files import ObjectStore, Receipt
from .transfer_syntaxes import TRANSFER_SYNTAXES

OUTCOMES = ("stored", "identical", "variant", "replaced", "discarded", "refused", "failed", "lost")

COUNTED = (*OUTCOMES, "bytes")
"""The names of the counts."""

FOREIGN = "foreign"
"""The outcome of an object that was not requested here; it does not count."""

_WITHOUT_CLASS = "missing-uid: the command has no Affected SOP Class UID; that of the context counts"

_ODD = ("variant", "refused", "lost", FOREIGN)
"""Outcomes with a warning."""


def serve(options: argparse.Namespace, console: Console) -> bool:
    """Receive objects until a signal comes; return whether every object could be written."""
    with Acceptor(options, console) as acceptor:
        receiver = Receiver(options, console, acceptor)
        ok = receive(options, acceptor, receiver)
        summarize(console, receiver.counts, ok=ok)
    return ok


def receive(options: argparse.Namespace, acceptor: Acceptor, receiver: Receiver) -> bool:
    """Receive objects until a signal comes; return whether every object could be written."""
    _support(options, acceptor)
    return acceptor.run([(evt.EVT_C_STORE_STREAM, receiver.store)]) and not receiver.counts["failed"]


def summarize(console: Console, counts: Mapping[str, int], **facts: object) -> None:
    """Print the counts."""
    console.result(counts_summary(counts))
    console.event("summary", **counts, **facts)


def counts_summary(counts: Mapping[str, int]) -> str:
    """Return the counts for a person."""
    words = [f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]]
    return f"objects: {', '.join(words) or 'none'}; {size(counts['bytes'])}"


def _support(options: argparse.Namespace, acceptor: Acceptor) -> None:
    acceptor.ae.maximum_operations = options.window
    support_storage(acceptor.ae, options, preferred_syntaxes(options, TRANSFER_SYNTAXES))
    if not options.no_echo:
        acceptor.ae.add_supported_context(
            VERIFICATION, preferred_syntaxes(options, UNCOMPRESSED_TRANSFER_SYNTAXES)
        )


def support_storage(
    ae: AE, options: argparse.Namespace, transfer_syntaxes: tuple[str, ...] = TRANSFER_SYNTAXES
) -> None:
    """Support storage, by default in every transfer syntax, since nothing is decoded."""
    if options.any_sop_class:
        ae.sop_classes = ae.sop_classes.replace(unknown=ServiceClass.STORAGE)
    if options.any_sop_class or options.any_transfer_syntax:
        any_syntax = options.any_transfer_syntax
        ae.unknown_context = partial(_any_storage, ae.sop_classes.is_storage, transfer_syntaxes, any_syntax)
    else:
        for uid in storage_sop_classes():
            ae.add_supported_context(uid, transfer_syntaxes)


def _any_storage(
    is_storage: Callable[[str], bool],
    known_syntaxes: tuple[str, ...],
    any_syntax: bool,
    proposal: PresentationContextRQ,
) -> SupportedContext | None:
    """Support a SOP class for storage; with `any_syntax` in unknown transfer syntaxes, too."""
    uid = proposal.abstract_syntax
    more = proposal.transfer_syntaxes if any_syntax else ()
    context = SupportedContext(abstract_syntax=uid, transfer_syntaxes=known_syntaxes + more)
    return context if is_storage(uid) else None


class Receiver:
    """Receives objects on all associations of a server, or on one of our own, and counts them."""

    def __init__(
        self,
        options: argparse.Namespace,
        console: Console,
        acceptor: Acceptor | None = None,
        *,
        on_receipt: Callable[[int], None] | None = None,
        why_foreign: Callable[[CStoreRQ, str], str] | None = None,
    ) -> None:
        """Prepare to receive.

        `on_receipt` is called with the size of every object, by a thread for each association.
        `why_foreign` returns why an object of this sender is refused as foreign, or "".
        """
        self._console = console
        self._acceptor = acceptor
        self._accept_truncated = options.accept_truncated
        self._store = None
        if not options.ignore:
            self._store = ObjectStore(
                options.output_directory, on_duplicate=options.on_duplicate, fsync=options.fsync
            )
        self._on_receipt = on_receipt
        self._why_foreign = why_foreign
        self.last_chunk: float = 0.0
        """The time of the last chunk of any object, in seconds of the monotonic clock."""
        self._lock = Lock()
        self._outcomes: Counter[str] = Counter()
        self._bytes = 0

    def store(self, event: evt.StoreStreamEvent) -> int:
        """Handle EVT_C_STORE_STREAM."""
        with nullcontext() if self._acceptor is None else self._acceptor.work():
            try:
                receipt = self._receive(event)
            except BaseException as error:
                self._record(event, Receipt(status=SUCCESS, outcome="lost", text=str(error)))
                raise
            self._record(event, receipt)
        return receipt.status

    def _receive(self, event: evt.StoreStreamEvent) -> Receipt:
        request, context = event.command, event.accepted_context
        assert isinstance(request, CStoreRQ)
        reason = ""
        if self._why_foreign is not None:
            reason = self._why_foreign(request, association_of(event).requestor.ae_title)
        if reason:
            receipt = Receipt(status=NOT_AUTHORIZED, outcome=FOREIGN, text=reason)
        else:
            receipt = self._keep(request, context, event.chunks)
        if receipt.outcome in ("refused", "failed", FOREIGN):
            event.refuse(receipt.status, receipt.text)
        return receipt

    def _keep(self, request: CStoreRQ, context: AcceptedContext, chunks: Iterable[Buffer]) -> Receipt:
        """Write an object; refuse it if its data set is cut short."""
        walk = Walk(context.transfer_syntax)
        warnings = [] if request.sop_class_uid else [_WITHOUT_CLASS]
        chunks = self._checked(chunks, walk, warnings)
        try:
            if self._store is None:
                receipt = Receipt(status=SUCCESS, outcome="discarded", size=sum(map(len, chunks)))
            else:
                receipt = self._store.receive(
                    sop_class_uid=_sop_class_uid(request, context),
                    sop_instance_uid=request.sop_instance_uid,
                    transfer_syntax_uid=context.transfer_syntax,
                    chunks=chunks,
                )
        except DataSetError as error:
            text = f"{error}; --accept-truncated accepts it"
            return Receipt(status=CANNOT_UNDERSTAND, outcome="refused", text=text)
        warnings += walk.warnings
        return receipt.replace(warnings=tuple(warnings)) if warnings else receipt

    def _checked(self, chunks: Iterable[Buffer], walk: Walk, warnings: list[str]) -> Iterator[Buffer]:
        """Yield the chunks of a data set.

        Raises DataSetError for a data set that is cut short; with `--accept-truncated` warns of it instead.
        """
        is_empty, is_whole = True, True
        for chunk in chunks:
            self.last_chunk = monotonic()
            if is_whole:
                try:
                    walk.feed(chunk)
                except DataSetError as error:
                    self._tolerate(error, warnings)
                    is_whole = False
            is_empty = is_empty and not chunk
            yield chunk
        if is_whole:
            try:
                walk.finish()
                if is_empty or (walk.is_checked and not walk.elements):
                    raise DataSetError("the data set is empty")
            except DataSetError as error:
                self._tolerate(error, warnings)

    def _tolerate(self, error: DataSetError, warnings: list[str]) -> None:
        if not self._accept_truncated:
            raise error
        warnings.append(f"truncated: {error}")

    def _record(self, event: evt.StoreStreamEvent, receipt: Receipt) -> None:
        with self._lock:
            self._outcomes[receipt.outcome] += 1
            self._bytes += receipt.size
        if self._on_receipt is not None:
            self._on_receipt(receipt.size)
        sop_class_uid = _sop_class_uid(event.command, event.accepted_context)
        association = association_of(event)
        role, sender = "calling", association.requestor.ae_title
        if association.is_requestor:
            role, sender = "called", association.acceptor.ae_title
        outcome, console = receipt.outcome, self._console
        level = ERROR if outcome == "failed" else WARN if outcome in _ODD or receipt.warnings else INFO
        if console.shows(level):
            request = event.command
            name = receipt.path or f"{uid_named(sop_class_uid)} {request.sop_instance_uid}"
            line = f"{outcome}: {name}, {size(receipt.size)}, from {sender}"
            words = "; ".join(filter(None, [receipt.text, *receipt.warnings]))
            console.log(level, f"{line} ({words})" if words else line)
        if not console.json:
            return
        console.event(
            "object",
            outcome=outcome,
            status=None if outcome == "lost" else receipt.status,  # then there was no response
            path=receipt.path,
            bytes=receipt.size,
            reason=receipt.text,
            warnings=receipt.warnings,
            sop_class_uid=sop_class_uid,
            transfer_syntax_uid=event.accepted_context.transfer_syntax,
            **{f"{role}_ae_title": sender},
        )

    @property
    def counts(self) -> dict[str, int]:
        """The number of objects for each of the `OUTCOMES`, and their bytes."""
        with self._lock:
            return {outcome: self._outcomes[outcome] for outcome in OUTCOMES} | {"bytes": self._bytes}

    @property
    def foreign(self) -> int:
        """The number of objects that were refused because they were not requested here."""
        with self._lock:
            return self._outcomes[FOREIGN]

    def summary(self) -> str:
        """Return the counts for a person."""
        return counts_summary(self.counts)


def _sop_class_uid(request: Request, context: AcceptedContext) -> str:
    """Return the SOP class of an object: that of the request, else that of the context."""
    return request.sop_class_uid or context.abstract_syntax
