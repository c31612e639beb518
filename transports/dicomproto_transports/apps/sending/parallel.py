"""Several transfers at once: each has an association, and takes the next file that nobody has.

The first transfer runs in the calling thread. The others begin when it has an association, so that a peer
that cannot be reached is reported once. A peer may take fewer associations than we ask for: a transfer that
gets none leaves the files to the others.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .input_files import InputFile
from .plan import AssociationPlan
from .transfer import Transfer

_PATIENCE = 5.0
"""Seconds that interrupted transfers have to end; one that has no association yet may take longer."""


class ParallelTransfers:
    """Sends the files of plans with up to `count` transfers at once."""

    def __init__(self, make: Callable[[], Transfer], count: int) -> None:
        self._transfers = [make() for _ in range(count)]
        self._is_left = False  # files that nobody tried

    @property
    def associations(self) -> int:
        """The number of associations that there were."""
        return sum(transfer.associations for transfer in self._transfers)

    @property
    def given_up(self) -> str:
        """Why files were not tried; empty if all were."""
        reasons = [transfer.given_up for transfer in self._transfers if not transfer.is_superfluous]
        return next(filter(None, reasons), "") if self._is_left or all(reasons) else ""

    def send(self, plan: AssociationPlan) -> None:
        """Send the files of a plan; record every file, also those that are not tried.

        On KeyboardInterrupt only the outstanding files are recorded, as lost.
        """
        waiting = deque(plan.sources)
        first, *others = self._transfers
        workers = [_Worker(transfer, plan, waiting) for transfer in others[: len(waiting) - 1]]
        try:
            first.send(plan.contexts, waiting, lambda: _start(workers))
            for worker in workers:
                worker.finish()
        except BaseException:
            for worker in workers:
                worker.interrupt()
            for worker in workers:
                worker.leave()
            raise
        self._is_left = self._is_left or bool(waiting)
        first.leave_untried(waiting, self.given_up)


def _start(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.ident is None:
            worker.start()


class _Worker(threading.Thread):
    """The thread of a transfer beside the first one."""

    def __init__(self, transfer: Transfer, plan: AssociationPlan, waiting: deque[InputFile]) -> None:
        super().__init__(name="dicomproto storescu", daemon=True)
        self._transfer = transfer
        self._plan = plan
        self._waiting = waiting
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._transfer.send(self._plan.contexts, self._waiting, is_extra=True)
        except BaseException as error:  # the calling thread raises it
            self._error = error

    def finish(self) -> None:
        """Wait for the end, if the thread was started; raises what the transfer raised."""
        if self.ident is not None:
            self.join()
        if self._error is not None:
            raise self._error

    def interrupt(self) -> None:
        """Have the transfer end, if the thread was started."""
        if self.ident is not None:
            self._transfer.interrupt()

    def leave(self) -> None:
        """Wait for an interrupted transfer."""
        if self.ident is not None:
            self.join(_PATIENCE)
