"""Counting sub-operations: what the responses of a C-GET or C-MOVE say of them."""

from __future__ import annotations

import pytest

from dicomproto.dimse.commands import CGetRQ, CMoveRQ
from dicomproto.services.sub_operations import SubOperations

GET = CGetRQ(MessageID=7, AffectedSOPClassUID="1.2")
MOVE = CMoveRQ(MessageID=8, AffectedSOPClassUID="1.2", MoveDestination="THERE")


def counted(total: int, *statuses: int) -> SubOperations:
    counts = SubOperations(total)
    for number, status in enumerate(statuses):
        counts.done(status, f"1.{number}")
    return counts


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], 0x0000),
        ([0x0000, 0x0000], 0x0000),
        ([0x0000, 0xA700], 0xB000),
        ([0x0000, 0xB000], 0xB000),
        ([0xB007, 0xC000], 0xB000),
        ([0xA700, 0x0122], 0xA702),
    ],
)
def test_the_status_follows_from_the_counts(statuses: list[int], status: int) -> None:
    assert counted(len(statuses), *statuses).status == status


@pytest.mark.parametrize("request_", [GET, MOVE])
def test_pending(request_: CGetRQ | CMoveRQ) -> None:
    response = counted(5, 0x0000, 0xB000, 0xA700).pending(request_)
    assert type(response) is request_.response_class
    assert (response.Status, response.MessageIDBeingRespondedTo) == (0xFF00, request_.MessageID)
    assert response.NumberOfRemainingSuboperations == 2
    assert response.NumberOfCompletedSuboperations == 1
    assert response.NumberOfWarningSuboperations == 1
    assert response.NumberOfFailedSuboperations == 1


def test_only_a_cancel_says_what_remains() -> None:
    counts = counted(3, 0x0000)
    assert counts.final(GET, 0xFE00).NumberOfRemainingSuboperations == 2
    final = counts.final(GET, 0xA702, ErrorComment="why")
    assert (final.get("NumberOfRemainingSuboperations"), final.ErrorComment) == (None, "why")


def test_what_was_never_tried_has_failed() -> None:
    counts = counted(5, 0x0000)
    counts.give_up()
    assert (counts.remaining, counts.completed, counts.failed) == (0, 1, 4)
    assert counts.status == 0xB000


def test_failed_instances_are_listed() -> None:
    counts = counted(4, 0x0000, 0xA700, 0xB000)
    counts.fail("1.9", accepted=False)
    counts.fail()  # one without a UID, and one more than was announced
    assert counts.failed_instances == ["1.1", "1.9"]
    assert (counts.remaining, counts.failed, counts.not_accepted) == (0, 3, 1)


def test_more_than_a_counter_can_say() -> None:
    counts = SubOperations(70_000)
    assert counts.pending(MOVE).NumberOfRemainingSuboperations == 65_535
    counts.completed = 70_000
    assert counts.final(MOVE, 0).NumberOfCompletedSuboperations == 65_535
