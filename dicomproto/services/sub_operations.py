"""Counting the sub-operations of a C-GET or C-MOVE, and what its responses say of them (PS3.4 C.4.2, C.4.3).

The counters of a response have 16 bits; a retrieval may have any number of instances, so a count
that does not fit is sent as 65535.
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

    Every one of them is completed, failed or one with a warning in the end; those that were never
    tried count as failed, because nothing may be reported as done that was not.
    """

    def __init__(self, total: int) -> None:
        self.remaining: int = total
        self.completed: int = 0
        self.failed: int = 0
        self.warning: int = 0
        self.not_accepted: int = 0
        """Of the failed ones, those whose SOP class or transfer syntax the receiver had not accepted."""
        self.failed_instances: list[str] = []
        """The SOP Instance UIDs of those that failed, as far as they are known."""

    def done(self, status: int, instance_uid: str) -> None:
        """Count one that was answered with `status`."""
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
        """Count one that failed or could not be tried."""
        self.failed += 1
        self.not_accepted += not accepted
        self.remaining = max(self.remaining - 1, 0)
        if instance_uid:
            self.failed_instances.append(instance_uid)

    def give_up(self) -> None:
        """Count all that remain as failed."""
        self.failed += self.remaining
        self.remaining = 0

    @property
    def status(self) -> int:
        """The status that the outcome so far stands for (PS3.4 Tables C.4-2 and C.4-3)."""
        if not self.failed and not self.warning:
            return SUCCESS
        if self.completed or self.warning:
            return SUB_OPERATIONS_WITH_FAILURES
        return UNABLE_TO_PERFORM_SUB_OPERATIONS

    def pending(self, request: CGetRQ | CMoveRQ) -> CGetRSP | CMoveRSP:
        """Return the response that tells how far it is."""
        return request.response(PENDING, **self._counts(remaining=True))

    def final(self, request: CGetRQ | CMoveRQ, status: int, **fields: object) -> CGetRSP | CMoveRSP:
        """Return the last response; only one after a cancel still has a count of those remaining."""
        return request.response(status, **self._counts(remaining=status == CANCEL), **fields)

    def _counts(self, *, remaining: bool) -> dict[str, object]:
        return {
            "NumberOfRemainingSuboperations": min(self.remaining, _MOST) if remaining else None,
            "NumberOfCompletedSuboperations": min(self.completed, _MOST),
            "NumberOfFailedSuboperations": min(self.failed, _MOST),
            "NumberOfWarningSuboperations": min(self.warning, _MOST),
        }
