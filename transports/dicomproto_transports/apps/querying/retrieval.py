"""The result of a C-GET or C-MOVE: the sub-operations, their progress, and their outcome."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Protocol, TypeVar

from dicomproto.dimse.status import SUB_OPERATIONS_WITH_FAILURES, UNABLE_TO_PERFORM_SUB_OPERATIONS
from dicomproto.errors import DataSetError

from ..cli.console import Console
from ..cli.progress import RetrievalProgress
from .final_response import FinalResponse

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.dimse.commands import CGetRSP, CMoveRSP

    from ...blocking import Responses

R = TypeVar("R", "CGetRSP", "CMoveRSP")

COUNTERS = ("remaining", "completed", "warning", "failed")
_SENT = ("completed", "warning")
_MOST_SHOWN = 10
"""The limit of failed UIDs to show; a study may have thousands."""

_LOST = ("refused", "failed", "lost")
_KEPT = ("stored", "identical", "variant", "replaced", "discarded")


class Receiving(Protocol):
    """The receiver of a retrieval whose objects come here."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of objects for each outcome."""
        ...

    def summary(self) -> str:
        """Return the counts for a person."""
        ...


class RetrievalResult:
    """The progress and the result of one retrieval."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self.final: FinalResponse = FinalResponse(options, console)
        self.counters: dict[str, int | None] = dict.fromkeys(COUNTERS)
        """The peer's numbers of sub-operations; None for those that it does not send."""
        self.failed_uids: tuple[str, ...] = ()
        self.failed: bool = False
        self._has_failures = False  # according to the peer, whatever its status
        self._is_left = False  # sub-operations remain
        self._receiver: Receiving | None = None
        self._progress: RetrievalProgress | None = None

    def watch(self, receiver: Receiving) -> None:
        """Take the counts of a receiver into the result."""
        self._receiver = receiver

    def received(self, size: int) -> None:
        """Show that an object of `size` bytes was received here."""
        if self._progress is not None:
            self._progress.received(size)

    def follow(self, responses: Responses[R]) -> None:
        """Take all responses."""
        with responses, RetrievalProgress(self._console) as self._progress:
            while True:
                try:
                    response, identifier = next(responses)
                except StopIteration:
                    return
                except DataSetError as error:
                    self._console.error(f"a response cannot be read: {error}")
                    self.failed = True
                    continue
                self._take(response)
                if responses.is_over:
                    self._end(response, identifier)
                    continue
                self._console.info(f"sub-operations: {self._words()}")
                self._console.event("progress", **self.counters)
                if self._has_enough() and not self.final.was_cancelled:
                    self._console.info("cancelling")
                    self.final.was_cancelled = True
                    responses.cancel()

    def _take(self, response: CGetRSP | CMoveRSP) -> None:
        told = {name: response.get(f"NumberOf{name.capitalize()}Suboperations") for name in COUNTERS}
        if any(count is not None for count in told.values()):
            self.counters = told
        self._has_failures = self._has_failures or bool(told["failed"])
        if self._progress is not None:
            self._progress.update(self._done(), self.counters["remaining"])
        self.final.comment(response)

    def _end(self, response: CGetRSP | CMoveRSP, identifier: Dataset | None) -> None:
        is_readable = self._take_failed(identifier)
        # A final response has a number of remaining sub-operations only after a cancel (PS3.4 C.4.2.1.6).
        self._is_left = bool(response.get("NumberOfRemainingSuboperations"))
        self._has_failures = (
            self._has_failures
            or bool(self.failed_uids)
            or response.Status == UNABLE_TO_PERFORM_SUB_OPERATIONS
        )
        self.final.take(response, has_all=is_readable and self._has_only_warnings(response))
        if self.is_short and self.final.is_as_asked:
            self._console.error(f"the peer answered {response.status}, but counts {self._words()}")

    def _has_only_warnings(self, response: CGetRSP | CMoveRSP) -> bool:
        """Tell whether a status B000 means only that some objects were answered with a warning."""
        warned = bool(response.get("NumberOfWarningSuboperations"))
        is_told = response.get("NumberOfFailedSuboperations") == 0 and warned
        return (
            response.Status == SUB_OPERATIONS_WITH_FAILURES
            and is_told
            and not (self._has_failures or self._is_left)
        )

    def _take_failed(self, identifier: Dataset | None) -> bool:
        """Take the list of failed UIDs; return whether it can be read."""
        if identifier is None:
            return True
        try:
            uids = identifier.get("FailedSOPInstanceUIDList") or ()
        except Exception as error:  # pydicom raises many kinds for an odd value
            self._console.warn(f"the list of failed objects cannot be read ({type(error).__name__})")
            return False
        self.failed_uids = (uids,) if isinstance(uids, str) else tuple(map(str, uids))
        return True

    def _done(self) -> int:
        return sum(self.counters[name] or 0 for name in ("completed", "warning", "failed"))

    def _sent(self) -> int:
        """Return how many objects have arrived, according to the peer."""
        return sum(self.counters[name] or 0 for name in _SENT)

    def _has_enough(self) -> bool:
        wanted: int | None = self._options.cancel
        return wanted is not None and self._sent() >= wanted

    def _words(self) -> str:
        told = [f"{count} {name}" for name, count in self.counters.items() if count is not None]
        return ", ".join(told) or "the peer does not count them"

    @property
    def lacks_contexts(self) -> bool:
        """Whether objects are missing although every object that came was kept here."""
        return self.is_short and not self._lost()

    @property
    def is_short(self) -> bool:
        """Whether sub-operations failed or remain. Our C-CANCEL excuses those that remain."""
        return self._has_failures or (self._is_left and not self.final.was_cancelled)

    @property
    def is_complete(self) -> bool:
        """Whether every sub-operation succeeded, and every object that came is kept."""
        if self.failed or not self.final.is_as_asked or self.is_short:
            return False
        return not self._lost() and (self._receiver is None or self._kept() >= self._sent())

    def _lost(self) -> int:
        """Return how many objects came and were not kept."""
        counts = {} if self._receiver is None else self._receiver.counts
        return sum(counts.get(outcome, 0) for outcome in _LOST)

    def _kept(self) -> int:
        counts = {} if self._receiver is None else self._receiver.counts
        return sum(counts.get(outcome, 0) for outcome in _KEPT)

    def summarize(self) -> bool:
        """Print the result; return whether everything succeeded."""
        console, ok = self._console, self.is_complete
        if self._receiver is not None and self._kept() < self._sent():
            told = " and ".join(f"{self.counters[name]} {name}" for name in _SENT if self.counters[name])
            console.error(f"the peer counts {told}, {self._kept()} were kept here")
        response = self.final.response
        status = "no final response" if response is None else str(response.status)
        console.result(f"sub-operations: {self._words()}: {status}")
        received: dict[str, object] = {}
        if self._receiver is not None:
            received = dict(self._receiver.counts)
            console.result(f"received {self._receiver.summary()}")
        if self.failed_uids:
            console.result("Not retrieved, says the peer:")
        for uid in self.failed_uids[:_MOST_SHOWN]:
            console.result(f"  {uid}")
        if len(self.failed_uids) > _MOST_SHOWN:
            console.result(f"  and {len(self.failed_uids) - _MOST_SHOWN} more; --json shows all")
        facts = {f"suboperations_{name}": count for name, count in self.counters.items()}
        console.event("summary", **facts, failed_uids=self.failed_uids, **received, **self.final.facts, ok=ok)
        return ok
