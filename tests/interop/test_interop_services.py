"""C-ECHO, C-STORE, C-FIND, C-GET, C-MOVE and C-CANCEL with pynetdicom, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.errors import AssociationAborted
from dicomproto.services import uid_of
from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    MR_IMAGE,
    PATIENT_ROOT,
    STUDY_ROOT,
    Held,
    differences,
    keys,
    patient,
    wait_until,
)
from tests.interop.catalogue import objects, read_dataset
from tests.interop.programs import LOOPBACK, closed_port
from tests.interop.sides import (
    OURS,
    THEIRS,
    Receiving,
    Side,
    again_if_an_answer_is_lost,
    both_syntaxes,
    both_ways,
    facts,
    images,
    status,
)

SUCCESS, CANCEL, PENDING = 0x0000, 0xFE00, 0xFF00
VERIFICATION = uid_of("Verification")


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


def test_pynetdicom_aborts_in_mid_query() -> None:
    """First as the acceptor, in its handler, then as the requestor, after the first match."""
    closed: list[Any] = []

    def find(event: Any, *, aborts: bool = False) -> Iterator[object]:
        try:
            for number in count():
                yield PENDING, keys("STUDY", StudyInstanceUID=f"1.2.{number}")
                if aborts:
                    event.assoc.abort()
        finally:
            closed.append(event)

    identifier = keys("STUDY", StudyInstanceUID="")
    with (
        THEIRS.serving({"C_FIND": partial(find, aborts=True)}, STUDY_ROOT.find) as port,
        OURS.associated(port, STUDY_ROOT.find) as association,
    ):
        with pytest.raises(AssociationAborted, match="ended the association: aborted by"):
            list(association.send_c_find(identifier, STUDY_ROOT.find))
    closed.clear()
    with OURS.serving({"C_FIND": find}, STUDY_ROOT.find) as port:
        with THEIRS.associated(port, STUDY_ROOT.find) as association:
            next(iter(association.send_c_find(identifier, STUDY_ROOT.find)))
            association.abort()
        wait_until(lambda: closed, "the handler is closed")
        wait_until(lambda: closed[0].assoc.ending, "the association has ended")
        assert isinstance(closed[0].assoc.ending, AssociationAborted)


# --- C-GET and C-MOVE -----------------------------------------------------------------------------------


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
        assert event.identifier == patient()
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
        responses = association.send_c_get(patient(), PATIENT_ROOT.get)
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
        identifier = patient()
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
        identifier = patient()
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
        identifier = patient()
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
