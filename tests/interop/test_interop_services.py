"""All eleven DIMSE services, C-CANCEL and the negotiation with pynetdicom, in both directions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.errors import AssociationRejected
from dicomproto.services import uid_of
from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    STUDY_ROOT,
    Held,
    differences,
    held_by,
    keys,
    wait_until,
)
from tests.interop.catalogue import objects, read_dataset
from tests.interop.programs import LOOPBACK, closed_port
from tests.interop.sides import (
    OURS,
    THEIRS,
    Handlers,
    again_if_an_answer_is_lost,
    facts,
    status,
)

SUCCESS, CANCEL, PENDING = 0x0000, 0xFE00, 0xFF00
VERIFICATION = uid_of("Verification")
MR_IMAGE = uid_of("MRImageStorage")
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

Side = Any
both_ways = pytest.mark.parametrize(
    ("requestor", "acceptor"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["ours-asks", "pynetdicom-asks"]
)
both_syntaxes = pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])


# --- C-ECHO and C-STORE -----------------------------------------------------------------------------


@both_ways
@again_if_an_answer_is_lost
def test_verification(requestor: Side, acceptor: Side) -> None:
    asked: list[int] = []

    def echo(event: Any) -> int:
        asked.append(event.message_id)
        return SUCCESS

    with (
        acceptor.serving({"C_ECHO": echo}, VERIFICATION) as port,
        requestor.associated(port, VERIFICATION) as association,
    ):
        for number in (1, 7, 65535):
            assert association.send_c_echo(number).Status == SUCCESS
    assert asked[-3:] == [1, 7, 65535]


STORED = [
    "test_files/CT_small.dcm",
    "test_files/rtplan.dcm",
    "test_files/ExplVR_BigEnd.dcm",
    "test_files/image_dfl.dcm",
    "test_files/SC_rgb_jpeg_dcmtk.dcm",
    "test_files/examples_jpeg2k.dcm",
    "test_files/test-SR.dcm",
    "test_files/waveform_ecg.dcm",
]


@both_ways
@pytest.mark.parametrize("form", ["path", "dataset"])
@again_if_an_answer_is_lost
def test_storage(requestor: Side, acceptor: Side, form: str) -> None:
    """Of eight SOP classes and six transfer syntaxes, each answered with another warning."""
    some = [Held(one, read_dataset(one.path)) for one in objects() if one.name in STORED]
    assert len(some) == len(STORED)
    came: list[Any] = []

    def store(event: Any) -> Dataset:
        came.append((event.request.AffectedSOPInstanceUID, event.context.transfer_syntax, event.dataset))
        return status(0xB000, OffendingElement=[0x00100010], ErrorComment=f"object {len(came)}")

    contexts = [(held.object.sop_class_uid, [held.object.transfer_syntax_uid]) for held in some]
    with (
        acceptor.serving({"C_STORE": store}, *contexts) as port,
        requestor.associated(port, *contexts) as association,
    ):
        for number, held in enumerate(some, 1):
            answer = association.send_c_store(held.object.path if form == "path" else held.head)
            assert facts(answer) == {
                "Status": 0xB000, "OffendingElement": [0x00100010], "ErrorComment": f"object {number}"
            }  # fmt: skip
    assert [uid for uid, *_ in came] == [held.object.sop_instance_uid for held in some]
    for (_, syntax, dataset), held in zip(came, some, strict=True):
        assert syntax == held.object.transfer_syntax_uid
        assert differences(held, dataset) == []


# --- C-FIND -------------------------------------------------------------------------------------------


@both_ways
@both_syntaxes
@again_if_an_answer_is_lost
def test_query(requestor: Side, acceptor: Side, syntax: str) -> None:
    asked: list[Dataset] = []
    matches = [
        keys(
            "STUDY", SpecificCharacterSet="ISO_IR 192", PatientName=f"Ärzte^{n}", StudyInstanceUID=f"1.2.{n}"
        )
        for n in range(200)
    ]

    def find(event: Any) -> Iterator[object]:
        asked.append(event.identifier)
        for number, match in enumerate(matches):
            yield PENDING + number % 2, match

    identifier = keys("STUDY", PatientName="*", StudyInstanceUID="")
    with (
        acceptor.serving({"C_FIND": find}, (STUDY_ROOT.find, [syntax])) as port,
        requestor.associated(port, (STUDY_ROOT.find, [syntax])) as association,
    ):
        *pending, (final, nothing) = association.send_c_find(identifier, STUDY_ROOT.find)
    assert (final.Status, nothing) == (SUCCESS, None)
    assert [response.Status for response, _ in pending] == [PENDING, PENDING + 1] * 100
    assert [match for _, match in pending] == matches
    assert asked == [identifier]


@both_ways
@again_if_an_answer_is_lost
def test_query_cancelled(requestor: Side, acceptor: Side) -> None:
    """The handler has three matches at once and the next when it is cancelled."""

    def find(event: Any) -> Iterator[object]:
        for number in count():
            if number == 3:
                wait_until(lambda: event.is_cancelled, "it is cancelled")
                yield CANCEL, None
                return
            yield PENDING, keys("STUDY", StudyInstanceUID=f"1.2.{number}")

    with (
        acceptor.serving({"C_FIND": find}, STUDY_ROOT.find) as port,
        requestor.associated(port, STUDY_ROOT.find) as association,
    ):
        for message_id in (5, 6):
            responses = association.send_c_find(
                keys("STUDY", StudyInstanceUID=""), STUDY_ROOT.find, msg_id=message_id
            )
            next(iter(responses))
            association.send_c_cancel(message_id, query_model=STUDY_ROOT.find)
            *pending, (final, _) = responses
            assert final.Status == CANCEL
            assert len(pending) == 2


# --- C-GET and C-MOVE -----------------------------------------------------------------------------------


def images() -> list[Dataset]:
    """Return three CT images and an MR image."""
    some = held_by(PatientID="98890234")
    of_ct = [held.head for held in some if held.object.sop_class_uid == CT_IMAGE]
    of_mr = [held.head for held in some if held.object.sop_class_uid == MR_IMAGE]
    return [*of_ct[:3], of_mr[0]]


class Receiving:
    """A handler of EVT_C_STORE that refuses the object whose turn it is."""

    def __init__(self, refused: int = -1) -> None:
        self.came: list[str] = []
        self.originators: list[object] = []
        self._refused = refused

    def __call__(self, event: Any) -> int:
        self.came.append(str(event.request.AffectedSOPInstanceUID))
        request = event.request
        self.originators.append(
            (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        )
        return 0xA700 if len(self.came) - 1 == self._refused else SUCCESS


def counts(response: Any) -> tuple[int, int, int, int]:
    """Return the status and the sub-operations completed, failed, and with a warning."""
    return (
        int(response.Status),
        response.NumberOfCompletedSuboperations,
        response.NumberOfFailedSuboperations,
        response.NumberOfWarningSuboperations,
    )


def listed(identifier: Dataset | None) -> list[str]:
    """Return the Failed SOP Instance UID List."""
    value = None if identifier is None else identifier.get("FailedSOPInstanceUIDList")
    return [] if not value else [value] if isinstance(value, str) else list(value)


@both_ways
@both_syntaxes
@pytest.mark.parametrize("is_good", [True, False], ids=["all-well", "some-failed"])
@again_if_an_answer_is_lost
def test_retrieval_over_the_association(requestor: Side, acceptor: Side, syntax: str, is_good: bool) -> None:
    """Of four objects the requestor refuses one, and one is of a SOP class that it did not propose."""
    some = images()
    uids = [str(image.SOPInstanceUID) for image in some]
    receiving = Receiving(-1 if is_good else 1)

    def get(event: Any) -> Iterator[object]:
        assert event.identifier == keys("PATIENT", PatientID="98890234")
        yield len(some)
        for image in some:
            yield PENDING, image

    classes = [CT_IMAGE, MR_IMAGE] if is_good else [CT_IMAGE]
    stores = [(uid, [EXPLICIT]) for uid in classes]
    with (
        acceptor.serving({"C_GET": get}, (PATIENT_ROOT.get, [syntax]), *stores) as port,
        requestor.associated(
            port,
            (PATIENT_ROOT.get, [syntax]),
            *stores,
            handlers={"C_STORE": receiving},
            ext_neg=[requestor.role(uid, scp=True) for uid in classes],
        ) as association,
    ):
        responses = association.send_c_get(keys("PATIENT", PatientID="98890234"), PATIENT_ROOT.get)
        *pending, (final, identifier) = responses
    assert {response.Status for response, _ in pending} <= {PENDING}
    if is_good:
        assert counts(final) == (SUCCESS, 4, 0, 0)
        assert listed(identifier) == []
        assert receiving.came == uids
    else:
        assert counts(final) == (0xB000, 2, 2, 0)
        assert listed(identifier) == [uids[1], uids[3]]
        assert receiving.came == uids[:3]


@pytest.mark.parametrize(
    ("requestor", "mover", "destination"),
    [(OURS, THEIRS, OURS), (OURS, THEIRS, THEIRS), (THEIRS, OURS, THEIRS), (THEIRS, OURS, OURS)],
    ids=lambda side: side.name,
)
@both_syntaxes
@again_if_an_answer_is_lost
def test_retrieval_to_a_destination(requestor: Side, mover: Side, destination: Side, syntax: str) -> None:
    some = images()
    uids = [str(image.SOPInstanceUID) for image in some]
    receiving = Receiving(1)

    def move(event: Any) -> Iterator[object]:
        if event.move_destination != "DESTINATION":
            yield None, None
            return
        yield mover.destination(there, CT_IMAGE, MR_IMAGE)
        yield len(some)
        for image in some:
            yield PENDING, image

    with (
        destination.serving({"C_STORE": receiving}, (CT_IMAGE, [EXPLICIT])) as there,
        mover.serving({"C_MOVE": move}, (PATIENT_ROOT.move, [syntax])) as port,
        requestor.associated(port, (PATIENT_ROOT.move, [syntax])) as association,
    ):
        identifier = keys("PATIENT", PatientID="98890234")
        [(unknown, _)] = association.send_c_move(identifier, "ELSEWHERE", PATIENT_ROOT.move)
        *pending, (final, failed) = association.send_c_move(
            identifier, "DESTINATION", PATIENT_ROOT.move, msg_id=77
        )
    assert unknown.Status == 0xA801
    assert {response.Status for response, _ in pending} <= {PENDING}
    assert counts(final) == (0xB000, 2, 2, 0)
    assert listed(failed) == [uids[1], uids[3]]
    assert receiving.came == uids[:3]
    # pynetdicom names itself where PS3.7 9.1.1.1.7 has who asked for the move.
    assert receiving.originators == [("REQUESTOR" if mover is OURS else "ACCEPTOR", 77)] * 3


@again_if_an_answer_is_lost
def test_pynetdicom_has_objects_moved_to_nowhere() -> None:
    def move(event: Any) -> Iterator[object]:
        yield LOOPBACK, closed
        yield 4
        for image in images():
            yield PENDING, image

    with (
        closed_port() as closed,
        OURS.serving({"C_MOVE": move}, PATIENT_ROOT.move) as port,
        THEIRS.associated(port, PATIENT_ROOT.move) as association,
    ):
        identifier = keys("PATIENT", PatientID="98890234")
        *_, (final, _) = association.send_c_move(identifier, "DESTINATION", PATIENT_ROOT.move)
    assert counts(final) == (0xA702, 0, 4, 0)


@both_ways
@pytest.mark.parametrize("service", ["C_GET", "C_MOVE"])
@again_if_an_answer_is_lost
def test_retrieval_cancelled(requestor: Side, acceptor: Side, service: str) -> None:
    """The requestor cancels after the first response; the handler waits for that before the third object."""
    receiving = Receiving()

    def retrieve(event: Any) -> Iterator[object]:
        if service == "C_MOVE":
            yield acceptor.destination(there, CT_IMAGE)
        yield 4
        for number, image in enumerate(images()):
            if number == 2:
                wait_until(lambda: event.is_cancelled, "it is cancelled")
                yield CANCEL, None
                return
            yield PENDING, image

    model = PATIENT_ROOT.get if service == "C_GET" else PATIENT_ROOT.move
    with (
        OURS.serving({"C_STORE": receiving}, CT_IMAGE) as there,
        acceptor.serving({service: retrieve}, model, CT_IMAGE) as port,
        requestor.associated(
            port,
            model,
            (CT_IMAGE, [EXPLICIT]),
            handlers={"C_STORE": receiving},
            ext_neg=[requestor.role(CT_IMAGE, scp=True)],
        ) as association,
    ):
        identifier = keys("PATIENT", PatientID="98890234")
        if service == "C_GET":
            responses = association.send_c_get(identifier, model, msg_id=9)
        else:
            responses = association.send_c_move(identifier, "DESTINATION", model, msg_id=9)
        next(iter(responses))
        association.send_c_cancel(9, query_model=model)
        *_, (final, _) = responses
    assert counts(final) == (CANCEL, 2, 0, 0)
    assert final.NumberOfRemainingSuboperations == 2
    assert len(receiving.came) == 2


# --- the normalized services ----------------------------------------------------------------------------

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


# --- negotiation ----------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("is_asked", [True, False], ids=["answer", "no-answer"])
@again_if_an_answer_is_lost
def test_user_identity(requestor: Side, acceptor: Side, kind: int, is_asked: bool) -> None:
    presented: list[tuple[int, bytes, bytes]] = []

    def know(event: Any) -> tuple[bool, bytes | None]:
        presented.append((event.user_id_type, event.primary_field, event.secondary_field or b""))
        return True, None if kind < 3 else b"welcome"

    secondary = b"secret" if kind == 2 else b""
    item = requestor.identity(kind, b"who it is", secondary, answer=is_asked)
    handlers: Handlers = {"USER_ID": know}
    with acceptor.serving(handlers, VERIFICATION) as port:
        with requestor.associated(port, VERIFICATION, ext_neg=[item]) as association:
            assert association.send_c_echo().Status == SUCCESS
            answer = association.acceptor.user_identity
    assert presented == [(kind, b"who it is", secondary)]
    # PS3.7 D.3.3.7.2: the response to types 1 and 2 is empty. pynetdicom never answers them.
    if not is_asked or (kind < 3 and acceptor is THEIRS):
        assert answer is None
    else:
        assert (answer.server_response or b"") == (b"" if kind < 3 else b"welcome")


@both_ways
def test_a_user_who_is_not_known(requestor: Side, acceptor: Side) -> None:
    handlers: Handlers = {"USER_ID": lambda event: (False, None)}
    item = requestor.identity(2, b"somebody", b"wrong")
    with acceptor.serving(handlers, VERIFICATION) as port:
        with pytest.raises(AssociationRejected if requestor is OURS else AssertionError):
            with requestor.associated(port, VERIFICATION, ext_neg=[item]):
                raise NotImplementedError("associated")


@both_ways
@again_if_an_answer_is_lost
def test_extended_negotiation(requestor: Side, acceptor: Side) -> None:
    """Relational queries are proposed for both models, and granted for one."""
    proposed: list[dict[str, bytes]] = []

    def grant(event: Any) -> dict[str, bytes]:
        proposed.append({str(uid): value for uid, value in event.app_info.items()})
        return {STUDY_ROOT.find: b"\1\0"}

    items = [requestor.extended(model.find, b"\1\1") for model in (PATIENT_ROOT, STUDY_ROOT)]
    with (
        acceptor.serving({"SOP_EXTENDED": grant}, PATIENT_ROOT.find, STUDY_ROOT.find) as port,
        requestor.associated(port, PATIENT_ROOT.find, STUDY_ROOT.find, ext_neg=items) as association,
    ):
        granted = association.acceptor.sop_class_extended
    assert proposed == [{PATIENT_ROOT.find: b"\1\1", STUDY_ROOT.find: b"\1\1"}]
    assert granted == {STUDY_ROOT.find: b"\1\0"}


@both_ways
@again_if_an_answer_is_lost
def test_common_extended_negotiation_names_the_service_class(requestor: Side, acceptor: Side) -> None:
    """Nobody knows the SOP class; the item says that it is one of storage, and so it is stored."""
    private = "1.2.826.0.1.3680043.8.498.8.1"
    proposed: list[tuple[str, list[str]]] = []
    receiving = Receiving()

    def grant(event: Any) -> dict[str, object]:
        proposed.extend((str(uid), item.service_class_uid) for uid, item in event.items.items())
        return dict(event.items)

    image = keys(SOPClassUID=private, SOPInstanceUID=INSTANCE, PatientID="1")
    image.ensure_file_meta()
    image.file_meta.TransferSyntaxUID = EXPLICIT
    item = requestor.common_extended(private, "1.2.840.10008.4.2", [CT_IMAGE])
    with (
        acceptor.serving({"SOP_COMMON": grant, "C_STORE": receiving}, (private, [EXPLICIT])) as port,
        requestor.associated(port, (private, [EXPLICIT]), ext_neg=[item]) as association,
    ):
        assert association.send_c_store(image).Status == SUCCESS
    assert proposed == [(private, "1.2.840.10008.4.2")]
    assert receiving.came == [INSTANCE]


@both_ways
@pytest.mark.parametrize("is_handled", [True, False], ids=["handled", "unhandled"])
@again_if_an_answer_is_lost
def test_asynchronous_operations_window(requestor: Side, acceptor: Side, is_handled: bool) -> None:
    """pynetdicom answers one each way, and nothing without a handler."""
    proposed: list[tuple[int, int]] = []

    def answer(event: Any) -> tuple[int, int]:
        proposed.append((event.nr_invoked, event.nr_performed))
        return 1, 1

    handlers: Handlers = {"ASYNC_OPS": answer} if is_handled else {}
    with (
        acceptor.serving(handlers, VERIFICATION) as port,
        requestor.associated(port, VERIFICATION, ext_neg=[requestor.window(5, 7)]) as association,
    ):
        window = association.acceptor.asynchronous_operations
        assert [association.send_c_echo().Status for _ in range(3)] == [SUCCESS] * 3
    assert proposed == ([(5, 7)] if is_handled else [])
    if requestor is OURS:
        expected = (1, 1) if is_handled else None
        assert (window and (window.maximum_invoked, window.maximum_performed)) == expected
    else:
        assert window == (1, 1)


def test_many_objects_where_one_at_a_time_is_agreed() -> None:
    """`store_many` with pynetdicom, which takes one operation at a time, asked for more."""
    receiving = Receiving(2)
    some = [held.head for held in held_by(PatientID="98890234") if held.object.sop_class_uid == CT_IMAGE]
    with (
        THEIRS.serving({"C_STORE": receiving, "ASYNC_OPS": lambda event: (8, 8)}, CT_IMAGE) as port,
        OURS.associated(port, (CT_IMAGE, [EXPLICIT]), ext_neg=[OURS.window(8, 8)]) as association,
    ):
        outcomes = list(association.store_many(some))
    assert [outcome.response.Status for outcome in outcomes] == [
        0xA700 if number == 2 else SUCCESS for number in range(len(some))
    ]
    assert receiving.came == [image.SOPInstanceUID for image in some]
