"""Which request may pass on which context, and what a status means in its service class."""

from __future__ import annotations

import pytest

from dicomproto.dimse.commands import (
    COMMANDS,
    CEchoRQ,
    CFindRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from dicomproto.services import ServiceClass, Verdict, check_request, status_meaning, uid_of

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PALETTE = "1.2.840.10008.5.1.4.39.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
DIRECTORY = "1.2.840.10008.1.3.10"
PRIVATE = "1.2.3.4"
PUSH, WATCH, PULL, EVENT, QUERY = (f"1.2.840.10008.5.1.4.34.6.{n}" for n in range(1, 6))
MPPS, MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"


def echo(uid: str = VERIFICATION) -> CEchoRQ:
    return CEchoRQ(AffectedSOPClassUID=uid)


def store(uid: str) -> CStoreRQ:
    return CStoreRQ(AffectedSOPClassUID=uid, AffectedSOPInstanceUID="1.2.9")


PASS, WARN = "pass", "warn"


@pytest.mark.parametrize(
    ("command", "context", "lenient", "strict"),
    [
        (echo(), VERIFICATION, PASS, PASS),
        (echo(), VERIFICATION + "\0", PASS, PASS),
        (echo(VERIFICATION + "\0"), VERIFICATION, PASS, PASS),
        (echo(""), VERIFICATION, PASS, PASS),
        (echo(CT), VERIFICATION, WARN, 0x0122),
        (echo(), CT, WARN, 0x0122),
        (echo(CT), CT, WARN, 0x0122),
        (echo(), FIND, WARN, 0x0122),
        (echo(), PRIVATE, WARN, 0x0122),
        (store(CT), CT, PASS, PASS),
        (store(CT + " "), CT, PASS, PASS),
        (store(""), CT, PASS, PASS),
        (store(PALETTE), PALETTE, PASS, PASS),
        (store(MR), CT, WARN, 0x0122),
        (store(PALETTE), CT, WARN, 0x0122),
        (store(VERIFICATION), CT, 0x0122, 0x0122),
        (store(PRIVATE), CT, 0x0122, 0x0122),
        (store(PRIVATE), PRIVATE, PASS, PASS),
        (store(CT), PRIVATE, PASS, PASS),
        (store(CT), VERIFICATION, 0x0211, 0x0211),
        (CFindRQ(AffectedSOPClassUID=FIND), FIND, PASS, PASS),
        (CFindRQ(AffectedSOPClassUID=FIND), CT, 0x0211, 0x0211),
        (CFindRQ(AffectedSOPClassUID=FIND), VERIFICATION, 0x0211, 0x0211),
        (CFindRQ(AffectedSOPClassUID=WORKLIST), FIND, 0x0122, 0x0122),
        (CFindRQ(AffectedSOPClassUID=""), FIND, PASS, PASS),
        (CMoveRQ(AffectedSOPClassUID=CT, MoveDestination="A"), CT, 0x0211, 0x0211),
        (store(DIRECTORY), DIRECTORY, 0x0211, 0x0211),
        (echo(), DIRECTORY, WARN, 0x0122),
        (NCreateRQ(AffectedSOPClassUID=PRIVATE), PRIVATE, PASS, PASS),
        (NCreateRQ(AffectedSOPClassUID=CT), CT, 0x0211, 0x0211),
        (NDeleteRQ(RequestedSOPClassUID=CT, RequestedSOPInstanceUID="1.2"), CT, 0x0211, 0x0211),
        (
            NActionRQ(RequestedSOPClassUID=CT, RequestedSOPInstanceUID="1.2", ActionTypeID=1),
            VERIFICATION,
            0x0211,
            0x0211,
        ),
        (
            NEventReportRQ(AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2", EventTypeID=1),
            CT,
            0x0211,
            0x0211,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Request) else str(value),
)
def test_legality(command: Request, context: str, lenient: str | int, strict: str | int) -> None:
    for wanted, verdict in (
        (lenient, check_request(command, context)),
        (strict, check_request(command, context, strict=True)),
    ):
        if wanted == PASS:
            assert verdict == Verdict()
        elif wanted == WARN:
            assert verdict.status is None
            assert verdict.warning is not None
            assert verdict.warning.startswith("sop-class-mismatch: ")
        else:
            assert verdict.status == wanted
            assert verdict.warning is None
            assert 0 < len(verdict.text) <= 64
            assert verdict.text.isascii()


@pytest.mark.parametrize("uid", ["1.2.3\\4", "\\1.2.3", "1.2.3\\", "1.2\\1.2 "])
def test_nothing_is_made_under_several_names(uid: str) -> None:
    for context in (CT, PRIVATE):
        command = CStoreRQ(AffectedSOPClassUID=context, AffectedSOPInstanceUID=uid)
        assert check_request(command, context) == Verdict(
            status=0x0117, text="C-STORE-RQ with several SOP Instance UIDs"
        )
    create = NCreateRQ(AffectedSOPClassUID=MPPS, AffectedSOPInstanceUID=uid)
    assert check_request(create, MPPS).status == 0x0117
    assert check_request(NCreateRQ(AffectedSOPClassUID=MPPS), MPPS).status is None
    get = NGetRQ(RequestedSOPClassUID=MPPS_RETRIEVE, RequestedSOPInstanceUID=uid)
    assert check_request(get, MPPS_RETRIEVE) == Verdict()


def find(uid: str) -> CFindRQ:
    return CFindRQ(AffectedSOPClassUID=uid)


def create(uid: str) -> NCreateRQ:
    return NCreateRQ(AffectedSOPClassUID=uid)


def get(uid: str) -> NGetRQ:
    return NGetRQ(RequestedSOPClassUID=uid, RequestedSOPInstanceUID="1.2")


def change(uid: str) -> NSetRQ:
    return NSetRQ(RequestedSOPClassUID=uid, RequestedSOPInstanceUID="1.2")


def report(uid: str) -> NEventReportRQ:
    return NEventReportRQ(AffectedSOPClassUID=uid, AffectedSOPInstanceUID="1.2", EventTypeID=1)


@pytest.mark.parametrize(
    ("command", "context", "supported", "lenient", "strict"),
    [
        # What the context's SOP class allows, with the Push UID in the message or its own.
        (create(PUSH), PUSH, None, PASS, PASS),
        (get(PUSH), PULL, None, PASS, PASS),
        (get(PULL), PULL, None, PASS, PASS),
        (change(PUSH), PULL, None, PASS, PASS),
        (find(PULL), PULL, None, PASS, PASS),
        (find(PUSH), QUERY, None, PASS, PASS),
        (report(PUSH), EVENT, None, PASS, PASS),
        # What another one of them allows.
        (get(WATCH), PULL, None, WARN, 0x0122),
        (change(PUSH), PUSH, None, WARN, 0x0211),
        (change(PUSH), PUSH, [PUSH, PULL], WARN, 0x0211),
        (change(PUSH), PUSH, [PUSH, WATCH], 0x0211, 0x0211),
        (create(""), PULL, None, WARN, 0x0211),
        (create(PUSH), QUERY, [QUERY], 0x0211, 0x0211),
        # What none of them allows, and what is none of them.
        (store(PUSH), PUSH, None, 0x0211, 0x0211),
        (get(PRIVATE), PULL, None, 0x0122, 0x0122),
        (create(CT), PULL, None, 0x0211, 0x0211),
        # Steps are looked at through another SOP class than the one that they are made with.
        (get(MPPS), MPPS_RETRIEVE, None, PASS, PASS),
        (get(MPPS_RETRIEVE), MPPS_RETRIEVE, None, PASS, PASS),
        (get(MPPS), MPPS, None, 0x0211, 0x0211),
        (create(MPPS), MPPS_RETRIEVE, None, 0x0211, 0x0211),
    ],
    ids=lambda value: value.name if isinstance(value, Request) else str(value)[-8:],
)
def test_requests_for_procedure_steps(
    command: Request,
    context: str,
    supported: list[str] | None,
    lenient: str | int,
    strict: str | int,
) -> None:
    for wanted, verdict in (
        (lenient, check_request(command, context, supported=supported)),
        (strict, check_request(command, context, supported=supported, strict=True)),
    ):
        if wanted == WARN:
            assert verdict.status is None
            assert verdict.warning is not None
        else:
            assert verdict.status == (None if wanted == PASS else wanted)
            assert verdict.warning is None


def test_a_refusal_fits_an_error_comment_for_every_request() -> None:
    for kind in COMMANDS.values():
        if issubclass(kind, Request):
            fields = {name: "1.2" for name in kind._fields if "UID" in name or name.startswith("MoveD")}
            fields |= {name: 1 for name in kind._fields if name.endswith("TypeID")}  # type: ignore[misc]
            verdict = check_request(kind(**fields), CT, strict=True)  # type: ignore[arg-type]
            assert verdict.status is not None
            assert len(verdict.text) <= 64


@pytest.mark.parametrize(
    ("code", "service_class", "meaning"),
    [
        (0x0000, None, "Success"),
        (0x0000, ServiceClass.VERIFICATION, "Success"),
        (0x0000, ServiceClass.STORAGE, "Success"),
        (0xA700, ServiceClass.STORAGE, "Refused: out of resources"),
        (0xA7FF, ServiceClass.STORAGE, "Refused: out of resources"),
        (0xA900, ServiceClass.STORAGE, "Error: data set does not match SOP class"),
        (0xB000, ServiceClass.STORAGE, "Coercion of data elements"),
        (0xB006, ServiceClass.STORAGE, "Elements discarded"),
        (0xB007, ServiceClass.STORAGE, "Data set does not match SOP class"),
        (0xB001, ServiceClass.STORAGE, "Warning of the service class"),
        (0xC123, ServiceClass.STORAGE, "Error: cannot understand"),
        (0xC123, ServiceClass.NON_PATIENT_OBJECT_STORAGE, "Cannot understand, or unable to process"),
        (0xC000, ServiceClass.NON_PATIENT_OBJECT_STORAGE, "Error: cannot understand"),
        (0x0122, ServiceClass.STORAGE, "Refused: SOP class not supported"),
        (0xB000, None, "Warning of the service class"),
    ],
)
def test_what_a_status_means(code: int, service_class: ServiceClass | None, meaning: str) -> None:
    assert status_meaning(code, service_class) == meaning


def test_the_contexts_of_these_tests_are_what_they_say() -> None:
    assert uid_of("MRImageStorage") == MR
    assert uid_of("ColorPaletteStorage") == PALETTE
    assert uid_of("ModalityWorklistInformationModelFind") == WORKLIST
    assert uid_of("UnifiedProcedureStepPush") == PUSH
    assert uid_of("UnifiedProcedureStepWatch") == WATCH
    assert uid_of("UnifiedProcedureStepPull") == PULL
    assert uid_of("UnifiedProcedureStepEvent") == EVENT
    assert uid_of("UnifiedProcedureStepQuery") == QUERY


def test_only_storage_is_stored_on_the_context_of_another() -> None:
    """Whatever else this side supports; a private SOP class that it supports may be storage."""
    supported = {CT, MR, VERIFICATION, FIND, PRIVATE}
    for named, status in (
        (MR, None),
        (PRIVATE, None),
        (VERIFICATION, 0x0122),
        (FIND, 0x0122),
        (PALETTE, 0x0122),
    ):
        assert check_request(store(named), CT, supported=supported).status == status, named
