"""The sub-operations of a C-GET or C-MOVE, counted for its responses (PS3.4 C.4.2, C.4.3).

A retrieval may have any number of instances, but the counters of a response have 16 bits: a larger count is
sent as 65535.
"""

from __future__ import annotations

from ..dimse.commands import CGetRQ, CGetRSP, CMoveRQ, CMoveRSP
from ..dimse.status import (
    CANCEL,
    PENDING,
    SUB_OPERATIONS_WITH_FAILURES,
    SUCCESS,
    UNABLE_TO_PERFORM_SUB_OPERATIONS,
    Category,
    category_of,
)

_MOST = 0xFFFF


class SubOperations:
    """The C-STORE sub-operations of one retrieval, of which `total` were announced.

    In the end each of them is completed, failed, or completed with a warning. Those that were never tried
    count as failed.
    """

    def __init__(self, total: int) -> None:
        self.remaining: int = total
        self.completed: int = 0
        self.failed: int = 0
        self.warning: int = 0
        self.not_accepted: int = 0
        """Those of `failed` whose SOP class or transfer syntax the receiver had not accepted."""
        self.failed_instances: list[str] = []
        """The SOP Instance UIDs of the failed ones, as far as they are known."""

    def done(self, status: int, instance_uid: str) -> None:
        """Count a sub-operation that was answered with `status`."""
        category = category_of(status)
        if category is Category.SUCCESS:
            self.completed += 1
        elif category is Category.WARNING:
            self.warning += 1
        else:
            self.fail(instance_uid)
            return
        self.remaining = max(self.remaining - 1, 0)

    def fail(self, instance_uid: str = "", *, accepted: bool = True) -> None:
        """Count a sub-operation that failed or could not be tried."""
        self.failed += 1
        self.not_accepted += not accepted
        self.remaining = max(self.remaining - 1, 0)
        if instance_uid:
            self.failed_instances.append(instance_uid)

    def give_up(self) -> None:
        """Count the remaining ones as failed."""
        self.failed += self.remaining
        self.remaining = 0

    @property
    def status(self) -> int:
        """The status for the outcome so far (PS3.4 Tables C.4-2 and C.4-3)."""
        if not self.failed and not self.warning:
            return SUCCESS
        if self.completed or self.warning:
            return SUB_OPERATIONS_WITH_FAILURES
        return UNABLE_TO_PERFORM_SUB_OPERATIONS

    def pending(self, request: CGetRQ | CMoveRQ) -> CGetRSP | CMoveRSP:
        """Return a pending response with the counts so far."""
        return request.response(PENDING, **self._counts(remaining=True))

    def final(self, request: CGetRQ | CMoveRQ, status: int, **fields: object) -> CGetRSP | CMoveRSP:
        """Return the final response; only after a cancel it has the count of the remaining ones."""
        return request.response(status, **self._counts(remaining=status == CANCEL), **fields)

    def _counts(self, *, remaining: bool) -> dict[str, object]:
        return {
            "NumberOfRemainingSuboperations": min(self.remaining, _MOST) if remaining else None,
            "NumberOfCompletedSuboperations": min(self.completed, _MOST),
            "NumberOfFailedSuboperations": min(self.failed, _MOST),
            "NumberOfWarningSuboperations": min(self.warning, _MOST),
        }
