"""Which accepted context carries a request, and why none does."""

from __future__ import annotations

import pytest

from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from dicomproto.negotiation import AcceptedContext, RejectedContext
from dicomproto.services import (
    STANDARD,
    ServiceClass,
    SOPClassRegistry,
    find_request_context,
    request_contexts,
    uid_of,
)

PUSH, PULL, WATCH, EVENT, QUERY = (
    f"UnifiedProcedureStep{kind}" for kind in ("Push", "Pull", "Watch", "Event", "Query")
)
GRAY, COLOR = "BasicGrayscalePrintManagementMeta", "BasicColorPrintManagementMeta"
FIND = "StudyRootQueryRetrieveInformationModelFind"
MPPS = "ModalityPerformedProcedureStep"
ANYWAY = "with allow_unknown=True it is sent all the same"


def uid(name: str) -> str:
    return uid_of(name) or name


def accepted(*names: str, **changes: object) -> dict[int, AcceptedContext]:
    """Return contexts 1, 3, 5, ... of these SOP classes."""
    return {
        2 * i + 1: AcceptedContext(
            context_id=2 * i + 1, abstract_syntax=uid(name), transfer_syntax="1.2.840.10008.1.2"
        ).replace(**changes)
        for i, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("names", "request_type", "named", "meta", "ids"),
    [
        (["Verification"], CEchoRQ, "Verification", None, [1]),
        (["CTImageStorage"], CEchoRQ, "Verification", None, []),
        ([FIND, "CTImageStorage", FIND], CFindRQ, FIND, None, [1, 5]),
        ([FIND], CGetRQ, FIND, None, []),
        (["1.2.3.4"], NCreateRQ, "1.2.3.4", None, [1]),
        (["1.2.3.4"], NCreateRQ, "1.2.3.4.5", None, []),
        # a padded UID is the same UID
        ([FIND], CFindRQ, uid(FIND) + "\0", None, [1]),
        # unified procedure steps
        ([PULL, PUSH], NGetRQ, PUSH, None, [3, 1]),
        ([EVENT, PULL, WATCH, QUERY], NGetRQ, PUSH, None, [3, 5]),
        ([PULL, PUSH], NCreateRQ, PUSH, None, [3]),
        ([PUSH, PULL], NSetRQ, PUSH, None, [3]),
        ([PUSH, PULL, QUERY], CFindRQ, PUSH, None, [3, 5]),
        ([PUSH, PULL, QUERY], CFindRQ, QUERY, None, [5]),
        ([PUSH], NSetRQ, PUSH, None, []),
        ([PUSH, PULL], NGetRQ, WATCH, None, []),
        ([PUSH, WATCH], NActionRQ, PUSH, None, [1, 3]),
        # performed procedure steps
        ([MPPS, MPPS + "Retrieve"], NGetRQ, MPPS, None, [3]),
        ([MPPS, MPPS + "Retrieve"], NGetRQ, MPPS + "Retrieve", None, [3]),
        # print
        ([GRAY], NCreateRQ, "BasicFilmBox", None, [1]),
        ([GRAY], NCreateRQ, "BasicFilmBox", GRAY, [1]),
        ([GRAY, COLOR], NCreateRQ, "BasicFilmBox", COLOR, [3]),
        ([GRAY, "BasicFilmBox"], NCreateRQ, "BasicFilmBox", None, [3, 1]),
        ([GRAY, "BasicFilmBox"], NCreateRQ, "BasicFilmBox", GRAY, [1]),
        ([GRAY], NSetRQ, "BasicColorImageBox", None, []),
        ([GRAY], NSetRQ, "BasicColorImageBox", GRAY, []),
        ([GRAY], NDeleteRQ, "Printer", GRAY, []),
        ([GRAY, "PresentationLUT"], NCreateRQ, "PresentationLUT", None, [3]),
        (["1.2.3.4"], NCreateRQ, "1.2.3.4.5", "1.2.3.4", [1]),
    ],
)
def test_the_contexts_for_a_request(
    names: list[str], request_type: type[Request], named: str, meta: str | None, ids: list[int]
) -> None:
    contexts = accepted(*names)
    found = request_contexts(
        contexts, request_type, uid(named), by_requestor=True, meta_uid=meta and uid(meta)
    )
    assert [context.context_id for context in found] == ids
    match = find_request_context(
        contexts, request_type, uid(named), by_requestor=True, meta_uid=meta and uid(meta)
    )
    best = [match.context] if match.context else []
    assert [*best, *match.alternatives] == found
    assert bool(match.reasons) == (not found)


@pytest.mark.parametrize(
    ("names", "request_type", "named", "meta", "ids"),
    [
        ([FIND], CGetRQ, FIND, None, [1]),
        (["CTImageStorage"], NActionRQ, "CTImageStorage", None, [1]),
        (["Verification"], NSetRQ, "Verification", None, [1]),
        # those of the tables come first
        ([PUSH, PULL], NSetRQ, PUSH, None, [3, 1]),
        # related SOP classes carry only what the tables say
        ([EVENT, GRAY], NSetRQ, PUSH, None, []),
        ([GRAY], NCreateRQ, "1.2.3.4", None, []),
        # a private member of a meta SOP class
        ([GRAY, COLOR], NCreateRQ, "1.2.3.4", COLOR, [3]),
        ([GRAY], NSetRQ, "BasicColorImageBox", GRAY, [1]),
        # the role still counts
        (["CTImageStorage"], NEventReportRQ, "CTImageStorage", None, [1]),
    ],
)
def test_the_contexts_for_a_request_that_the_tables_do_not_know(
    names: list[str], request_type: type[Request], named: str, meta: str | None, ids: list[int]
) -> None:
    contexts = accepted(*names)
    asked = {"by_requestor": True, "meta_uid": meta and uid(meta)}
    found = request_contexts(contexts, request_type, uid(named), allow_unknown=True, **asked)  # type: ignore[arg-type]
    assert [context.context_id for context in found] == ids
    match = find_request_context(contexts, request_type, uid(named), **asked)  # type: ignore[arg-type]
    assert (ANYWAY in match.reasons) is (match.context is None and bool(found))
    if request_type is NEventReportRQ:
        strict = accepted(*names, requestor_is_scp=False, roles_answered=True)
        assert not request_contexts(strict, request_type, uid(named), allow_unknown=True, **asked)  # type: ignore[arg-type]
        match = find_request_context(strict, request_type, uid(named), **asked)  # type: ignore[arg-type]
        assert ANYWAY not in match.reasons


def test_a_context_with_the_role_to_the_letter_is_better() -> None:
    contexts = accepted(PUSH, EVENT) | {
        5: AcceptedContext(
            context_id=5,
            abstract_syntax=uid(EVENT),
            transfer_syntax="1.2",
            requestor_is_scp=True,
            roles_answered=True,
        )
    }
    ids = [c.context_id for c in request_contexts(contexts, NEventReportRQ, uid(PUSH), by_requestor=True)]
    assert ids == [5, 3]
    strict = request_contexts(contexts, NEventReportRQ, uid(PUSH), by_requestor=True, strict_roles=True)
    assert [c.context_id for c in strict] == [5]


@pytest.mark.parametrize(
    ("contexts", "request_type", "named", "by_requestor", "reason"),
    [
        (
            accepted("CTImageStorage"),
            CStoreRQ,
            "CTImageStorage",
            False,
            "context 1 (CTImageStorage): the acceptor was not granted the SCU role",
        ),
        (
            accepted(MPPS + "Notification", requestor_is_scp=False, roles_answered=True),
            NEventReportRQ,
            MPPS + "Notification",
            True,
            (
                "context 1 (ModalityPerformedProcedureStepNotification): "
                "the requestor was not granted the SCP role"
            ),
        ),
        (
            accepted(PUSH),
            NSetRQ,
            PUSH,
            True,
            (
                "context 1 (UnifiedProcedureStepPush): does not carry N-SET-RQ; "
                "needed: a context of UnifiedProcedureStepPull; "
                f"{ANYWAY}"
            ),
        ),
        (accepted(FIND), CFindRQ, "1.2.3", True, "no context was proposed for SOP class 1.2.3"),
    ],
)
def test_why_no_context_carries_a_request(
    contexts: dict[int, AcceptedContext],
    request_type: type[Request],
    named: str,
    by_requestor: bool,
    reason: str,
) -> None:
    match = find_request_context(contexts, request_type, uid(named), by_requestor=by_requestor)
    assert match.context is None
    assert match.reasons == tuple(reason.split("; "))


def test_reasons_name_sop_classes_of_ones_own() -> None:
    registry = STANDARD.with_sop_class("1.2.3", "OurFind", [CFindRQ])
    match = find_request_context({}, CFindRQ, "1.2.3", by_requestor=True, registry=registry)
    assert match.reasons == ("no context was proposed for SOP class OurFind",)
    contexts = accepted("1.2.3")
    match = find_request_context(contexts, CGetRQ, "1.2.3", by_requestor=True, registry=registry)
    assert match.reasons == ("context 1 (OurFind): does not carry C-GET-RQ", ANYWAY)
    registry = SOPClassRegistry(unknown=ServiceClass.STORAGE)
    match = find_request_context({}, CStoreRQ, "1.2.3", by_requestor=True, registry=registry)
    assert match.reasons == ("no context was proposed for SOP class 1.2.3",)


def test_a_rejected_context_is_a_reason() -> None:
    rejected = {
        1: RejectedContext(
            context_id=1,
            abstract_syntax=uid(PULL),
            transfer_syntaxes=("1.2",),
            result=3,
            reason="abstract syntax not supported",
        ),
        3: RejectedContext(
            context_id=3, abstract_syntax=uid(FIND), transfer_syntaxes=("1.2",), result=3, reason="no"
        ),
    }
    match = find_request_context({}, NSetRQ, uid(PUSH), by_requestor=True, rejected=rejected)
    assert match.reasons == ("context 1 (UnifiedProcedureStepPull): abstract syntax not supported",)
