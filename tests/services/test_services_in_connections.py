"""What connections make of SOP classes: contexts for requests, refusals, statuses that explain themselves."""

from __future__ import annotations

import pytest

from dicomproto import Connection, LocalProtocolError, Role
from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NEventReportRQ,
    NSetRQ,
    Request,
)
from dicomproto.dimse.events import RequestReceived, RequestRefused, ResponseReceived
from dicomproto.dimse.status import Status
from dicomproto.services import STANDARD, ServiceClass, ServiceStatus, SOPClassRegistry, uid_of
from dicomproto.upper_layer import (
    PresentationContextAC,
    PresentationContextRQ,
    SOPClassCommonExtendedNegotiation,
)
from tests.dialogues import (
    ACTION,
    COMMITMENT,
    CT,
    ECHO,
    FIND,
    FIND_RQ,
    IMPLICIT,
    MR,
    STORE,
    VERIFICATION,
    Dialogue,
    associate_ac,
    associate_rq,
    established,
    events_of,
    message,
    roles,
)

PUSH, PULL = uid_of("UnifiedProcedureStepPush") or "", uid_of("UnifiedProcedureStepPull") or ""
GRAYSCALE, FILM_BOX = "1.2.840.10008.5.1.1.9", "1.2.840.10008.5.1.1.2"
PRIVATE = "1.2.3.4"
UPS_SERVICE_CLASS = "1.2.840.10008.5.1.4.34.6"


def dialogue(
    *uids: str,
    sop_classes: SOPClassRegistry = STANDARD,
    common_extended: tuple[SOPClassCommonExtendedNegotiation, ...] = (),
) -> Dialogue:
    """Return two connections with one accepted context for each SOP class: 1, 3, 5, ..."""
    proposals = tuple(
        PresentationContextRQ(context_id=2 * i + 1, abstract_syntax=uid, transfer_syntaxes=(IMPLICIT,))
        for i, uid in enumerate(uids)
    )
    answers = tuple(
        PresentationContextAC(context_id=p.context_id, result=0, transfer_syntax=IMPLICIT) for p in proposals
    )
    return Dialogue(
        rq=associate_rq(presentation_contexts=proposals, sop_class_common_extended=common_extended),
        ac=associate_ac(presentation_contexts=answers),
        common_extended=common_extended,
        sop_classes=sop_classes,
    )


# --- statuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uids", "request_sent", "code", "service_class", "meaning"),
    [
        ([VERIFICATION], ECHO, 0x0000, ServiceClass.VERIFICATION, "Success"),
        ([CT], STORE, 0xB006, ServiceClass.STORAGE, "Elements discarded"),
        ([CT], STORE, 0x0122, ServiceClass.STORAGE, "Refused: SOP class not supported"),
        ([FIND], FIND_RQ, 0xC123, ServiceClass.QUERY_RETRIEVE, "Unable to process"),
        (
            [PULL],
            NSetRQ(RequestedSOPClassUID=PUSH, RequestedSOPInstanceUID="1.2", MessageID=1),
            0xC301,
            ServiceClass.UNIFIED_PROCEDURE_STEP,
            "The correct transaction UID was not provided",
        ),
        (
            [GRAYSCALE],
            NCreateRQ(AffectedSOPClassUID=FILM_BOX, MessageID=1),
            0xB605,
            ServiceClass.PRINT_MANAGEMENT,
            "Requested min density or max density outside of printer's operating range",
        ),
        ([PRIVATE], NCreateRQ(AffectedSOPClassUID=PRIVATE, MessageID=1), 0xB300, None, None),
    ],
    ids=str,
)
def test_a_received_status_explains_itself(
    uids: list[str],
    request_sent: Request,
    code: int,
    service_class: ServiceClass | None,
    meaning: str | None,
) -> None:
    pair = dialogue(*uids)
    requestor, acceptor = pair.requestor, pair.acceptor
    requestor.send_request(request_sent, 1)
    if request_sent.has_data_set:
        requestor.send_data(b"12", last=True)
    received = pair.carry(requestor)[0]
    assert isinstance(received, RequestReceived)
    acceptor.send_response(received.command.response(code))
    (event,) = pair.carry(acceptor)
    assert isinstance(event, ResponseReceived)
    response = event.command
    assert response.Status == code
    assert response == received.command.response(code)
    assert repr(response) == repr(received.command.response(code))
    assert response.status is response.Status or service_class is None
    assert response.status.service_class is service_class
    assert response.status.meaning == (meaning or response.status.meaning)
    assert response.status.operation is (None if service_class is None else type(request_sent))
    assert isinstance(response.status, ServiceStatus if service_class else Status)


def test_a_private_sop_class_gives_statuses_the_meanings_of_its_service_class() -> None:
    registry = STANDARD.with_sop_class(PRIVATE, "Private", ServiceClass.UNIFIED_PROCEDURE_STEP)
    pair = dialogue(PRIVATE, sop_classes=registry)
    pair.requestor.send_request(NCreateRQ(AffectedSOPClassUID=PRIVATE), 1)
    (received,) = pair.carry(pair.requestor)
    assert isinstance(received, RequestReceived)
    pair.acceptor.send_response(received.command.response(0xB300))
    (event,) = pair.carry(pair.acceptor)
    assert isinstance(event, ResponseReceived)
    assert str(event.command.status) == "B300H (The UPS was created with modifications)"


# --- what is refused ------------------------------------------------------------------------------


def test_a_private_sop_class_refuses_what_it_was_not_registered_for() -> None:
    registry = STANDARD.with_sop_class(PRIVATE, "Private", [CFindRQ])
    pair = dialogue(PRIVATE, sop_classes=registry)
    with pytest.raises(LocalProtocolError, match=r"\(Private\): N-CREATE-RQ is not an operation of"):
        pair.requestor.send_request(NCreateRQ(AffectedSOPClassUID=PRIVATE), 1)
    pair.acceptor.receive_data(message(NCreateRQ(AffectedSOPClassUID=PRIVATE, MessageID=1), context_id=1))
    (refused,) = events_of(pair.acceptor)
    assert isinstance(refused, RequestRefused)
    assert refused.status == 0x0211


def test_common_extended_negotiation_is_obeyed() -> None:
    item = SOPClassCommonExtendedNegotiation(sop_class_uid=PRIVATE, service_class_uid=UPS_SERVICE_CLASS)
    pair = dialogue(PRIVATE, common_extended=(item,))
    assert pair.acceptor.accepted_contexts[1].service_class_uid == UPS_SERVICE_CLASS
    assert pair.requestor.find_request_context(NCreateRQ, PRIVATE).context is not None
    assert pair.requestor.find_request_context(CStoreRQ, PRIVATE).context is None
    pair.acceptor.receive_data(
        message(CStoreRQ(AffectedSOPClassUID=PRIVATE, AffectedSOPInstanceUID="1", MessageID=1), b"12", 1)
    )
    (refused,) = events_of(pair.acceptor)
    assert isinstance(refused, RequestRefused)
    assert refused.status == 0x0211


# --- contexts for requests ---------------------------------------------------------------------------


def test_a_connection_finds_the_context_of_a_request() -> None:
    requestor = established(Role.REQUESTOR)
    found = requestor.find_request_context(CFindRQ, FIND)
    assert found.context is requestor.accepted_contexts[5]
    assert requestor.find_request_context(CEchoRQ, VERIFICATION).context is requestor.accepted_contexts[1]
    missing = requestor.find_request_context(NActionRQ, MR)
    assert missing.reasons == ("no context was proposed for SOP class MRImageStorage",)
    refused = requestor.find_request_context(NActionRQ, "1.2.3")
    assert refused.reasons == ("context 13 (1.2.3): abstract syntax not supported",)
    assert requestor.rejected_contexts == requestor.rejected_contexts


def test_roles_decide_who_finds_it() -> None:
    rq, ac = associate_rq(**roles(COMMITMENT)), associate_ac(**roles(COMMITMENT))
    pair = Dialogue(rq=rq, ac=ac)
    for connection in (pair.requestor, pair.acceptor):
        for kind in (NActionRQ, NEventReportRQ):
            assert connection.find_request_context(kind, COMMITMENT).context is not None
    acceptor = established(Role.ACCEPTOR)
    assert acceptor.find_request_context(NEventReportRQ, COMMITMENT).context is not None
    assert acceptor.find_request_context(NActionRQ, COMMITMENT).reasons == (
        "context 11 (StorageCommitmentPushModel): the acceptor was not granted the SCU role",
    )
    assert ACTION.sop_class_uid == COMMITMENT


def test_before_the_answer_no_context_is_found() -> None:
    connection = Connection(Role.REQUESTOR)
    connection.send(associate_rq())
    assert connection.find_request_context(CFindRQ, FIND).context is None
    assert connection.rejected_contexts == {}
