"""The extended negotiation with pynetdicom, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dicomproto.errors import AssociationRejected
from dicomproto.services import uid_of
from tests.interop.archives import (
    CT_IMAGE,
    EXPLICIT,
    PATIENT_ROOT,
    STUDY_ROOT,
    held_by,
    keys,
)
from tests.interop.sides import (
    OURS,
    THEIRS,
    Handlers,
    Receiving,
    Side,
    again_if_an_answer_is_lost,
    both_ways,
)

SUCCESS = 0x0000
VERIFICATION = uid_of("Verification")
INSTANCE = "1.2.826.0.1.3680043.8.498.7.1"


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
