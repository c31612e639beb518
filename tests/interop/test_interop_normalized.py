"""The normalized services with pynetdicom, in both directions, and the failures of all services."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.services import uid_of
from tests.interop.archives import (
    CT_IMAGE,
    PATIENT_ROOT,
    keys,
)
from tests.interop.sides import (
    OURS,
    THEIRS,
    Side,
    again_if_an_answer_is_lost,
    both_syntaxes,
    both_ways,
    facts,
    images,
    status,
)

SUCCESS, PENDING = 0x0000, 0xFF00
VERIFICATION = uid_of("Verification")
MACHINE = uid_of("RTConventionalMachineVerification")
"""Of the SOP classes that allow all six normalized services."""
COMMITMENT = uid_of("StorageCommitmentPushModel")
STEP, PULL = uid_of("UnifiedProcedureStepPush"), uid_of("UnifiedProcedureStepPull")
META, FILM_SESSION, PRINTER = (
    uid_of("BasicGrayscalePrintManagementMeta"),
    uid_of("BasicFilmSession"),
    uid_of("Printer"),
)
INSTANCE = "1.2.826.0.1.3680043.8.498.7.1"

INFORMATION = keys(PatientID="1", ContentSequence=[keys(CodeValue="V")])
REPLY = keys(PatientName="Re^Ply", ReferencedSOPSequence=[keys(ReferencedSOPClassUID=CT_IMAGE)])

Call = Callable[[Any], Any]

NORMALIZED: dict[str, tuple[Call, dict[str, object]]] = {
    "N_EVENT_REPORT": (
        lambda a: a.send_n_event_report(INFORMATION, 2, MACHINE, INSTANCE, msg_id=11),
        {"event_type": 2, "event_information": INFORMATION},
    ),
    "N_GET": (
        lambda a: a.send_n_get([0x00100010, 0x00081199], MACHINE, INSTANCE, msg_id=11),
        {"attribute_identifiers": [0x00100010, 0x00081199]},
    ),
    "N_SET": (
        lambda a: a.send_n_set(INFORMATION, MACHINE, INSTANCE, msg_id=11),
        {"modification_list": INFORMATION},
    ),
    "N_ACTION": (
        lambda a: a.send_n_action(INFORMATION, 3, MACHINE, INSTANCE, msg_id=11),
        {"action_type": 3, "action_information": INFORMATION},
    ),
    "N_CREATE": (
        lambda a: a.send_n_create(INFORMATION, MACHINE, INSTANCE, msg_id=11),
        {"attribute_list": INFORMATION},
    ),
    "N_DELETE": (lambda a: a.send_n_delete(MACHINE, INSTANCE, msg_id=11), {}),
}


def machine(requestor: Side, service: str) -> list[Any]:
    """Return the role selection for a normalized service: N-EVENT-REPORT is the SCP's."""
    return [requestor.role(MACHINE, scp=True)] if service == "N_EVENT_REPORT" else []


@both_ways
@both_syntaxes
@pytest.mark.parametrize("service", NORMALIZED)
@pytest.mark.parametrize("has_reply", [True, False], ids=["reply", "no-reply"])
@again_if_an_answer_is_lost
def test_normalized_services(
    requestor: Side, acceptor: Side, syntax: str, service: str, has_reply: bool
) -> None:
    call, expected = NORMALIZED[service]
    asked: list[dict[str, object]] = []

    def handle(event: Any) -> object:
        asked.append({name: getattr(event, name) for name in expected})
        request = event.request
        named = "Affected" if service in ("N_EVENT_REPORT", "N_CREATE") else "Requested"
        assert getattr(request, f"{named}SOPClassUID") == MACHINE
        assert getattr(request, f"{named}SOPInstanceUID") == INSTANCE
        assert event.message_id == 11
        if service == "N_DELETE":
            return SUCCESS
        return SUCCESS, REPLY if has_reply else None

    with (
        acceptor.serving({service: handle}, (MACHINE, [syntax])) as port,
        requestor.associated(port, (MACHINE, [syntax]), ext_neg=machine(requestor, service)) as association,
    ):
        answer = call(association)
    if service != "N_DELETE":
        answer, reply = answer
        assert (reply or None) == (REPLY if has_reply else None)
    assert facts(answer) == {"Status": SUCCESS}
    assert asked == [expected]


RELATED = {
    "ErrorComment": "what went wrong",
    "ErrorID": 4711,
    "OffendingElement": [0x00100010, 0x00100020],
    "AttributeIdentifierList": [0x00080005, 0x00080018],
}
SERVICES: dict[str, tuple[str, Call, list[str]]] = {
    "C_ECHO": (VERIFICATION, lambda a: a.send_c_echo(), ["ErrorComment"]),
    "C_STORE": (CT_IMAGE, lambda a: a.send_c_store(images()[0]), ["ErrorComment", "OffendingElement"]),
    "C_FIND": (
        PATIENT_ROOT.find,
        lambda a: next(iter(a.send_c_find(keys("PATIENT", PatientID=""), PATIENT_ROOT.find))),
        ["ErrorComment", "OffendingElement"],
    ),
    "C_GET": (
        PATIENT_ROOT.get,
        lambda a: next(iter(a.send_c_get(keys("PATIENT", PatientID=""), PATIENT_ROOT.get))),
        ["ErrorComment", "OffendingElement"],
    ),
    "C_MOVE": (
        PATIENT_ROOT.move,
        lambda a: next(iter(a.send_c_move(keys("PATIENT", PatientID=""), "THERE", PATIENT_ROOT.move))),
        ["ErrorComment", "OffendingElement"],
    ),
    "N_EVENT_REPORT": (MACHINE, NORMALIZED["N_EVENT_REPORT"][0], ["ErrorComment", "ErrorID"]),
    "N_GET": (MACHINE, NORMALIZED["N_GET"][0], ["ErrorComment", "ErrorID", "AttributeIdentifierList"]),
    "N_SET": (MACHINE, NORMALIZED["N_SET"][0], ["ErrorComment", "ErrorID", "AttributeIdentifierList"]),
    "N_ACTION": (MACHINE, NORMALIZED["N_ACTION"][0], ["ErrorComment", "ErrorID"]),
    "N_CREATE": (MACHINE, NORMALIZED["N_CREATE"][0], ["ErrorComment", "ErrorID"]),
    "N_DELETE": (MACHINE, NORMALIZED["N_DELETE"][0], ["ErrorComment", "ErrorID"]),
}


@both_ways
@pytest.mark.parametrize("service", SERVICES)
@again_if_an_answer_is_lost
def test_a_failure_with_what_belongs_to_it(requestor: Side, acceptor: Side, service: str) -> None:
    uid, call, related = SERVICES[service]
    told = status(0x0110, **{keyword: RELATED[keyword] for keyword in related})

    def handle(event: Any) -> object:
        if service in ("C_ECHO", "C_STORE", "N_DELETE"):
            return told
        return iter_of(told) if service in ("C_FIND", "C_GET", "C_MOVE") else (told, None)

    def iter_of(*first: Dataset) -> Iterator[object]:
        if service == "C_MOVE" and acceptor is THEIRS:
            yield acceptor.destination(there, CT_IMAGE)
        if service != "C_FIND" and acceptor is THEIRS:
            yield 1
        for one in first:
            yield one, None

    with (
        OURS.serving({}, VERIFICATION, CT_IMAGE) as there,
        acceptor.serving({service: handle}, uid) as port,
        requestor.associated(port, uid, ext_neg=machine(requestor, service)) as association,
    ):
        answer = call(association)
    answer = answer[0] if isinstance(answer, tuple) else answer
    assert facts(answer) == {"Status": 0x0110, **{keyword: RELATED[keyword] for keyword in related}}


@both_ways
@again_if_an_answer_is_lost
def test_the_acceptor_chooses_the_uid_of_what_it_creates(requestor: Side, acceptor: Side) -> None:
    def create(event: Any) -> object:
        assert event.request.AffectedSOPInstanceUID is None
        reply = Dataset()
        reply.update(REPLY)
        reply.add_new(0x00001000, "UI", INSTANCE)  # AffectedSOPInstanceUID
        return SUCCESS, reply

    came: list[Dataset] = []
    # pynetdicom does not return the UID; what came is seen in its log events.
    handlers = (
        {"DIMSE_RECV": lambda event: came.append(event.message.command_set)} if requestor is THEIRS else {}
    )
    with (
        acceptor.serving({"N_CREATE": create}, MACHINE) as port,
        requestor.associated(port, MACHINE, handlers=handlers) as association,
    ):
        answer, reply = association.send_n_create(INFORMATION, MACHINE)
    chosen = answer if requestor is OURS else came[-1]
    assert chosen.AffectedSOPInstanceUID == INSTANCE
    assert (answer.Status, reply) == (SUCCESS, REPLY)


@both_ways
@again_if_an_answer_is_lost
def test_film_is_printed_through_the_meta_sop_class(requestor: Side, acceptor: Side) -> None:
    asked: list[tuple[str, str, str]] = []

    def handler(service: str) -> Callable[[Any], object]:
        def handle(event: Any) -> object:
            request = event.request
            uid = getattr(request, "RequestedSOPClassUID", None) or request.AffectedSOPClassUID
            asked.append((service, str(uid), str(event.context.abstract_syntax)))
            return SUCCESS if service == "N_DELETE" else (SUCCESS, REPLY)

        return handle

    services = ["N_CREATE", "N_SET", "N_ACTION", "N_GET", "N_DELETE"]
    with (
        acceptor.serving({service: handler(service) for service in services}, META) as port,
        requestor.associated(port, META) as association,
    ):
        answers = [
            association.send_n_create(INFORMATION, FILM_SESSION, INSTANCE, meta_uid=META),
            association.send_n_set(INFORMATION, FILM_SESSION, INSTANCE, meta_uid=META),
            association.send_n_action(None, 1, FILM_SESSION, INSTANCE, meta_uid=META),
            association.send_n_get([0x21100010], PRINTER, "1.2.840.10008.5.1.1.17", meta_uid=META),
        ]
        deleted = association.send_n_delete(FILM_SESSION, INSTANCE, meta_uid=META)
    assert [(answer.Status, reply) for answer, reply in answers] == [(SUCCESS, REPLY)] * 4
    assert deleted.Status == SUCCESS
    named = [FILM_SESSION, FILM_SESSION, FILM_SESSION, PRINTER, FILM_SESSION]
    assert asked == [(service, uid, META) for service, uid in zip(services, named, strict=True)]


@both_ways
@again_if_an_answer_is_lost
def test_a_procedure_step_is_pushed_and_pulled(requestor: Side, acceptor: Side) -> None:
    """It belongs to the Push class, whichever context it is dealt with on."""
    asked: list[tuple[str, str]] = []

    def handler(service: str) -> Callable[[Any], object]:
        def handle(event: Any) -> object:
            asked.append((service, str(event.context.abstract_syntax)))
            return (
                iter([(PENDING, keys(SOPInstanceUID=INSTANCE))]) if service == "C_FIND" else (SUCCESS, None)
            )

        return handle

    services = ["N_CREATE", "C_FIND", "N_ACTION", "N_SET", "N_GET"]
    handlers = {service: handler(service) for service in services}
    with acceptor.serving(handlers, STEP, PULL) as port:
        with requestor.associated(port, STEP) as pushing:
            assert pushing.send_n_create(INFORMATION, STEP, INSTANCE)[0].Status == SUCCESS
        with requestor.associated(port, PULL) as pulling:
            (_, found), (final, _) = pulling.send_c_find(keys(SOPInstanceUID=""), PULL)
            assert (found.SOPInstanceUID, final.Status) == (INSTANCE, SUCCESS)
            assert pulling.send_n_action(INFORMATION, 1, STEP, INSTANCE)[0].Status == SUCCESS
            assert pulling.send_n_set(INFORMATION, STEP, INSTANCE)[0].Status == SUCCESS
            assert pulling.send_n_get([0x00741000], STEP, INSTANCE)[0].Status == SUCCESS
    assert asked == [("N_CREATE", STEP), *[(service, PULL) for service in services[1:]]]


@both_ways
@again_if_an_answer_is_lost
def test_commitment_is_reported_on_the_same_association(requestor: Side, acceptor: Side) -> None:
    """The acceptor reports on its own, once the response to the N-ACTION has left."""
    reported: list[Any] = []
    answers: list[Any] = []
    done = threading.Event()

    def report(association: Any) -> None:
        try:
            answers.append(association.send_n_event_report(REPLY, 1, COMMITMENT, INSTANCE))
        finally:
            done.set()

    def act(event: Any) -> object:
        if acceptor is OURS:
            event.after_response(report)
        else:  # waits there until the handler has returned
            threads.append(threading.Thread(target=report, args=(event.assoc,)))
            threads[-1].start()
        return SUCCESS, None

    def take(event: Any) -> object:
        reported.append((event.event_type, event.event_information))
        return SUCCESS, INFORMATION

    threads: list[threading.Thread] = []
    with (
        acceptor.serving({"N_ACTION": act}, COMMITMENT) as port,
        requestor.associated(port, COMMITMENT, handlers={"N_EVENT_REPORT": take}) as association,
    ):
        assert association.send_n_action(INFORMATION, 1, COMMITMENT, INSTANCE)[0].Status == SUCCESS
        if requestor is OURS:
            association.serve(timeout=60, until=lambda: reported)
        assert done.wait(60)
        for thread in threads:
            thread.join()
    assert reported == [(1, REPLY)]
    assert [(answer.Status, reply) for answer, reply in answers] == [(SUCCESS, INFORMATION)]
