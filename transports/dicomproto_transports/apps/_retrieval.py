"""Following a C-GET or C-MOVE: its sub-operations, their progress, and what became of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeVar

from dicomproto.errors import DataSetError

from ._console import Console
from ._progress import RetrievalProgress
from ._query import Ending

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.dimse.commands import CGetRSP, CMoveRSP

    from ..blocking import Responses
    from ._receiver import Receiver
    from ._store import Receipt

R = TypeVar("R", "CGetRSP", "CMoveRSP")

COUNTERS = ("remaining", "completed", "warning", "failed")
_UNABLE = 0xA702  # to perform sub-operations (PS3.4 C.4.3.1.4)
_KEPT = ("stored", "identical", "variant", "replaced", "discarded")


class Retrieval:
    """One retrieval: how far it came, and how it ended."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self.ending = Ending(options, console)
        self.counters: dict[str, int | None] = dict.fromkeys(COUNTERS)
        """Of the sub-operations, as the peer counts them; None for what it has not told."""
        self.failed_uids: tuple[str, ...] = ()
        self.failed = False
        self.is_short = False
        """Whether the peer counts what it did not do, whatever its status says."""
        self._receiver: Receiver | None = None
        self._progress: RetrievalProgress | None = None

    def watch(self, receiver: Receiver) -> None:
        """Let what is received here count, too."""
        self._receiver = receiver
        receiver.on_receipt = self._count

    def _count(self, receipt: Receipt) -> None:
        if self._progress is not None:
            self._progress.received(receipt.size)

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
                if self._has_enough() and not self.ending.was_cancelled:
                    self._console.info("cancelling")
                    self.ending.was_cancelled = True
                    responses.cancel()

    def _take(self, response: CGetRSP | CMoveRSP) -> None:
        told = {name: getattr(response, f"NumberOf{name.capitalize()}Suboperations") for name in COUNTERS}
        if any(count is not None for count in told.values()):
            self.counters = told
        self.is_short = self.is_short or bool(told["failed"])
        if self._progress is not None:
            self._progress.update(self._done(), self.counters["remaining"])
        self.ending.comment(response)

    def _end(self, response: CGetRSP | CMoveRSP, identifier: Dataset | None) -> None:
        self.ending.take(response)
        self._take_failed(identifier)
        # The final response has no number of what remains unless it was cancelled (PS3.4 C.4.2.1.6).
        left = bool(response.NumberOfRemainingSuboperations or self.failed_uids)
        self.is_short = self.is_short or left or response.Status == _UNABLE
        if self.is_short and response.Status == 0:
            self._console.error(f"the peer answered {response.status}, but counts {self._words()}")

    def _take_failed(self, identifier: Dataset | None) -> None:
        if identifier is None:
            return
        try:
            uids = identifier.get("FailedSOPInstanceUIDList") or ()
        except Exception as error:  # whatever an odd value makes pydicom raise
            self._console.warn(f"the list of what failed cannot be read ({type(error).__name__})")
            return
        self.failed_uids = (uids,) if isinstance(uids, str) else tuple(map(str, uids))

    def _done(self) -> int:
        return sum(self.counters[name] or 0 for name in ("completed", "warning", "failed"))

    def _has_enough(self) -> bool:
        wanted: int | None = self._options.cancel
        return wanted is not None and self._done() >= wanted

    def _words(self) -> str:
        told = [f"{count} {name}" for name, count in self.counters.items() if count is not None]
        return ", ".join(told) or "the peer does not count them"

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for was done, and what came is kept."""
        if self.failed or not self.ending.is_as_asked:
            return False
        if self.is_short and not self.ending.was_cancelled:
            return False
        if self._receiver is None:
            return True
        counts, completed = self._receiver.counts, self.counters["completed"] or 0
        lost = counts["refused"] + counts["failed"] + counts["lost"]
        return not lost and sum(counts[outcome] for outcome in _KEPT) >= completed

    def summarize(self) -> bool:
        """Print the result, and return whether all that was asked for was done."""
        console, ok = self._console, self.is_complete
        response = self.ending.response
        status = "no final response" if response is None else str(response.status)
        console.result(f"sub-operations: {self._words()}: {status}")
        received: dict[str, object] = {}
        if self._receiver is not None:
            received = dict(self._receiver.counts)
            console.result(f"received {self._receiver.summary()}")
        if self.failed_uids:
            console.result("Not retrieved, says the peer:")
        for uid in self.failed_uids:
            console.result(f"  {uid}")
        facts = {f"suboperations_{name}": count for name, count in self.counters.items()}
        console.event(
            "summary", **facts, failed_uids=self.failed_uids, **received, **self.ending.facts, ok=ok
        )
        return ok
