"""Action and event types: which SOP class defines each, and on which context it goes (`ps34_types.csv`)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dicomproto.dimse.commands import CEchoRQ, NActionRQ, NEventReportRQ, Request
from dicomproto.negotiation import AcceptedContext
from dicomproto.services import (
    ServiceClass,
    SOPClassRegistry,
    Verdict,
    check_request,
    find_request_context,
    sop_class,
    sop_class_uids,
    uid_of,
)

KINDS: dict[str, type[Request]] = {"N-ACTION": NActionRQ, "N-EVENT-REPORT": NEventReportRQ}
STEP = "UnifiedProcedureStep"
STEPS = [STEP + name for name in ("Push", "Pull", "Watch", "Event", "Query")]

with (Path(__file__).parent / "ps34_types.csv").open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table))
TYPES = {(row["keyword"], KINDS[row["service"]]): {int(n) for n in row["types"].split()} for row in ROWS}
UNJUDGED = {
    ("RTConventionalMachineVerification", NEventReportRQ),
    ("RTIonMachineVerification", NEventReportRQ),
}
"""Where the table is silent, any type passes."""
ANYWAY = "with allow_unknown=True it is sent all the same"


def uid(keyword: str) -> str:
    return uid_of(keyword) or keyword


def command(kind: type[Request], named: str, type_id: int) -> Request:
    if kind is NActionRQ:
        return NActionRQ(RequestedSOPClassUID=uid(named), RequestedSOPInstanceUID="1.2", ActionTypeID=type_id)
    return NEventReportRQ(AffectedSOPClassUID=uid(named), AffectedSOPInstanceUID="1.2", EventTypeID=type_id)


def accepted(*names: str) -> dict[int, AcceptedContext]:
    return {
        2 * i + 1: AcceptedContext(
            context_id=2 * i + 1, abstract_syntax=uid(name), transfer_syntax="1.2.840.10008.1.2"
        )
        for i, name in enumerate(names)
    }


def test_every_sop_class_with_actions_or_events_is_in_the_listing() -> None:
    listed = set(TYPES) | UNJUDGED
    for service in ServiceClass:
        for found in sop_class_uids(service):
            known = sop_class(found)
            assert known is not None
            for kind in KINDS.values():
                is_listed = (known.keyword, kind) in listed
                assert is_listed == (kind in known.requests and not known.members), known.keyword


@pytest.mark.parametrize(("keyword", "kind"), TYPES, ids=lambda value: getattr(value, "name", value))
def test_a_context_carries_the_types_that_its_clause_defines(keyword: str, kind: type[Request]) -> None:
    status = 0x0123 if kind is NActionRQ else 0x0113
    for type_id in (*range(20), 65535):
        judged = check_request(command(kind, keyword, type_id), uid(keyword), strict=True)
        lenient = check_request(command(kind, keyword, type_id), uid(keyword))
        if type_id in TYPES[keyword, kind]:
            assert judged == lenient == Verdict()
            continue
        assert judged.status == status
        assert str(type_id) in judged.text
        assert len(judged.text) <= 64
        assert judged.text.isascii()
        assert lenient.status is None
        assert lenient.warning == f"sop-class-mismatch: {judged.text}"


@pytest.mark.parametrize("type_id", range(1, 6))
@pytest.mark.parametrize("names", [STEPS, STEPS[::-1], STEPS[1:], ["Verification", *STEPS[:3]]], ids=str)
def test_both_sides_say_the_same_of_every_action_on_procedure_steps(names: list[str], type_id: int) -> None:
    """What the requestor chooses passes strict; what passes strict is among what it chooses from."""
    contexts = accepted(*names)
    fitting = {name for name in names if type_id in TYPES.get((name, NActionRQ), ())}
    match = find_request_context(contexts, NActionRQ, uid(STEPS[0]), by_requestor=True, type_id=type_id)
    assert match.context is not None
    chosen = {context.abstract_syntax for context in (match.context, *match.alternatives)}
    assert chosen == {uid(name) for name in fitting}
    if STEPS[0] in fitting:
        assert match.context.abstract_syntax == uid(STEPS[0])
    for name in names:
        if name in STEPS:
            verdict = check_request(command(NActionRQ, STEPS[0], type_id), uid(name), strict=True)
            assert (verdict.status is None) == (name in fitting)


def test_the_context_of_a_meta_sop_class_carries_the_types_of_its_members() -> None:
    meta = uid("BasicGrayscalePrintManagementMeta")
    for member, kind in (("BasicFilmBox", NActionRQ), ("Printer", NEventReportRQ)):
        status = 0x0123 if kind is NActionRQ else 0x0113
        for type_id in range(8):
            verdict = check_request(command(kind, member, type_id), meta, strict=True)
            assert verdict.status == (None if type_id in TYPES[member, kind] else status)


def test_a_type_that_nothing_defines_may_be_tried_on_any_context_that_has_the_request() -> None:
    for type_id in (0, 6, 99):
        match = find_request_context(
            accepted(*STEPS), NActionRQ, uid(STEPS[0]), by_requestor=True, type_id=type_id
        )
        assert match.context is not None
        assert match.context.abstract_syntax == uid(STEPS[0])
    match = find_request_context(
        accepted("StorageCommitmentPushModel"),
        NActionRQ,
        uid("StorageCommitmentPushModel"),
        by_requestor=True,
        type_id=7,
    )
    assert match.context is not None


def test_types_of_sop_classes_that_are_not_in_the_tables_are_not_judged() -> None:
    registry = SOPClassRegistry().with_sop_class("1.2.3", "Ours", ServiceClass.UNIFIED_PROCEDURE_STEP)
    for settings in ({"registry": registry}, {}):
        verdict = check_request(command(NActionRQ, "1.2.3", 77), "1.2.3", strict=True, **settings)  # type: ignore[arg-type]
        assert verdict == Verdict()
    assert CEchoRQ(AffectedSOPClassUID="1.2").type_id is None
    for kind in KINDS.values():
        assert command(kind, "1.2.3", 5).type_id == 5


@pytest.mark.parametrize(
    ("names", "named", "type_id", "reasons"),
    [
        (
            [STEPS[0]],
            STEPS[0],
            3,
            (
                f"context 1 ({STEPS[0]}): does not carry N-ACTION-RQ of type 3",
                f"needed: a context of {STEPS[2]}",
                ANYWAY,
            ),
        ),
        (
            STEPS[2:],
            STEPS[0],
            1,
            (
                *(
                    f"context {2 * i + 1} ({name}): does not carry N-ACTION-RQ{' of type 1' * (i == 0)}"
                    for i, name in enumerate(STEPS[2:])
                ),
                f"needed: a context of {STEPS[1]}",
            ),
        ),
        (
            [STEPS[3], STEPS[4]],
            STEPS[0],
            2,
            (
                f"context 1 ({STEPS[3]}): does not carry N-ACTION-RQ",
                f"context 3 ({STEPS[4]}): does not carry N-ACTION-RQ",
                f"needed: a context of {STEPS[0]} or {STEPS[2]}",
            ),
        ),
        (["Verification"], STEPS[0], 4, (f"no context was proposed for SOP class {STEPS[2]}",)),
        # Named by the SOP class of the context, which every step belongs to as little as any other.
        (
            [STEPS[2]],
            STEPS[2],
            1,
            (
                f"context 1 ({STEPS[2]}): does not carry N-ACTION-RQ of type 1",
                f"needed: a context of {STEPS[1]}",
                ANYWAY,
            ),
        ),
    ],
)
def test_why_no_context_carries_an_action(
    names: list[str], named: str, type_id: int, reasons: tuple[str, ...]
) -> None:
    match = find_request_context(accepted(*names), NActionRQ, uid(named), by_requestor=True, type_id=type_id)
    assert match.context is None
    assert match.reasons == reasons
