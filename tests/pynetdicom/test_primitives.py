"""Primitives and negotiation items judge what is set as pynetdicom's do."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

import pytest
from pydicom.uid import UID

from dicomproto.dimse.commands import CMoveRQ, CMoveRSP, CStoreRQ, NEventReportRSP, NGetRQ
from dicomproto.upper_layer import pdu

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"

VALUES: list[object] = [
    *(None, True, False, -1, 0, 1, 2, 3, 5, 6, 7, 65535, 65536, 2**40, 1.5),
    *("", " ", "1.2.3", "1.2.03", "AE TITLE", "A\\B", "A" * 17, "1." * 40, "ä"),
    *(b"", b"1.2.3", b"AE", b"\xff", [], ["1.2.3"], [b"1.2"], [1], ["1." * 40], [b"\xff"]),
    *(BytesIO(b"data"), "affirmative", UID("1.2.840.10008.1.1"), {}, [0x00100010], [0x00100010, "PatientID"]),
    *([[1, b"\x03"]], [[1, "x"]], [[b"", 1]]),
]

PDU_CLASSES = [
    "A_ABORT",
    "A_ASSOCIATE",
    "A_P_ABORT",
    "A_RELEASE",
    "AsynchronousOperationsWindowNegotiation",
    "ImplementationClassUIDNotification",
    "ImplementationVersionNameNotification",
    "MaximumLengthNotification",
    "P_DATA",
    "SCP_SCU_RoleSelectionNegotiation",
    "SOPClassCommonExtendedNegotiation",
    "SOPClassExtendedNegotiation",
    "UserIdentityNegotiation",
]
DIMSE_CLASSES = [
    "C_CANCEL",
    "C_ECHO",
    "C_FIND",
    "C_GET",
    "C_MOVE",
    "C_STORE",
    "N_ACTION",
    "N_CREATE",
    "N_DELETE",
    "N_EVENT_REPORT",
    "N_GET",
    "N_SET",
]
CLASSES = [("pdu_primitives", name) for name in PDU_CLASSES]
CLASSES += [("dimse_primitives", name) for name in DIMSE_CLASSES]

both = pytest.mark.parametrize("package", [OURS, THEIRS])


def class_of(package: str, place: str, name: str) -> Any:
    return getattr(import_module(f"{package}.{place}"), name)


def attributes(kind: type) -> list[str]:
    """Return the public attributes of one of pynetdicom's classes, those set by `__init__` too."""
    names = {name for name, value in vars(kind).items() if isinstance(value, property)}
    for base in kind.__mro__:
        names |= {name for name, value in vars(base).items() if isinstance(value, property)}
    return sorted(name for name in {*names, *vars(kind())} if not name.startswith("_"))


def outcome(kind: Any, name: str, value: object) -> object:
    """Return the kind of error of setting an attribute, or what is read afterwards."""
    found = kind()
    try:
        setattr(found, name, value)
        kept = getattr(found, name)
    except Exception as error:
        return type(error).__name__
    return (type(kept).__name__, kept)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("place", "name"), CLASSES)
def test_attributes_start_the_same_and_judge_the_same(place: str, name: str) -> None:
    ours, theirs = class_of(OURS, place, name), class_of(THEIRS, place, name)
    names = attributes(theirs)
    assert names
    for attribute in names:
        for value in VALUES:
            wanted = outcome(theirs, attribute, value)
            assert outcome(ours, attribute, value) == wanted, (attribute, value)


@pytest.mark.parametrize("name", DIMSE_CLASSES[1:])
def test_keywords_of_requests_and_responses_are_the_same(name: str) -> None:
    ours, theirs = (class_of(package, "dimse_primitives", name) for package in (OURS, THEIRS))
    for keywords in ("REQUEST_KEYWORDS", "RESPONSE_KEYWORDS", "STATUS_OPTIONAL_KEYWORDS"):
        assert getattr(ours, keywords) == getattr(theirs, keywords)
    assert ours().msg_type == theirs().msg_type
    assert not ours().is_valid_request
    response = ours()
    response.MessageIDBeingRespondedTo, response.Status = 1, 0
    assert response.is_valid_response


@both
def test_items_with_the_same_values_are_equal(package: str) -> None:
    kind = class_of(package, "pdu_primitives", "SCP_SCU_RoleSelectionNegotiation")
    one, other = kind(), kind()
    assert one == other
    one.sop_class_uid = "1.2.3"
    assert one != other
    other.sop_class_uid = b"1.2.3"
    assert one == other


@both
def test_lists_belong_to_one_object(package: str) -> None:
    kind = class_of(package, "pdu_primitives", "SOPClassCommonExtendedNegotiation")
    one, other = kind(), kind()
    one.related_general_sop_class_identification.append(UID("1.2.3"))
    assert other.related_general_sop_class_identification == []


@both
def test_fields_of_the_user_information_are_found_and_added(package: str) -> None:
    primitive = class_of(package, "pdu_primitives", "A_ASSOCIATE")()
    with pytest.raises(ValueError, match="has not been set"):
        _ = primitive.implementation_class_uid
    assert primitive.maximum_length_received is None
    primitive.implementation_class_uid = "1.2.3"
    primitive.maximum_length_received = 16382
    primitive.maximum_length_received = 4096
    assert [type(item).__name__ for item in primitive.user_information] == [
        "ImplementationClassUIDNotification",
        "MaximumLengthNotification",
    ]
    assert (primitive.implementation_class_uid, primitive.maximum_length_received) == ("1.2.3", 4096)


@both
@pytest.mark.parametrize(
    ("result", "source", "reason", "words"),
    [
        (0, None, None, ("Accepted", "(no value available)", "(no value available)")),
        (1, 1, 7, ("Rejected Permanent", "Service User", "Called AE title not recognised")),
        (2, 3, 2, ("Rejected Transient", "Service Provider (Presentation)", "Local limit exceeded")),
        (1, 3, 3, ("Rejected Permanent", "Service Provider (Presentation)", "Reserved")),
    ],
)
def test_a_rejection_is_told_in_words(
    package: str, result: int, source: int | None, reason: int | None, words: tuple[str, str, str]
) -> None:
    primitive = class_of(package, "pdu_primitives", "A_ASSOCIATE")()
    primitive.result, primitive.result_source, primitive.diagnostic = result, source, reason
    assert (primitive.result_str, primitive.source_str, primitive.reason_str) == words


# --- to and from the records of the engine ----------------------------------------------------------

RECORDS = [
    pdu.AsynchronousOperationsWindow(maximum_invoked=3, maximum_performed=0),
    pdu.RoleSelection(sop_class_uid="1.2.3", scu_role=False, scp_role=True),
    pdu.SOPClassExtendedNegotiation(sop_class_uid="1.2.3", application_information=b"\x01\x00"),
    pdu.SOPClassCommonExtendedNegotiation(
        sop_class_uid="1.2.3", service_class_uid="1.2", related_general_sop_class_uids=("1.2.4", "1.2.5")
    ),
    pdu.UserIdentityRQ(identity_type=1, primary_field=b"user", positive_response_requested=True),
    pdu.UserIdentityRQ(identity_type=2, primary_field=b"user", secondary_field=b"word"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_an_item_and_its_record_are_the_same(record: Any) -> None:
    items = import_module(f"{OURS}._negotiation_items")
    assert items.to_record(items.from_record(record)) == record


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SCP_SCU_RoleSelectionNegotiation", {"scu_role": True}),
        ("SCP_SCU_RoleSelectionNegotiation", {"sop_class_uid": "1.2.3", "scu_role": False}),
        ("SOPClassExtendedNegotiation", {"sop_class_uid": "1.2.3"}),
        ("SOPClassCommonExtendedNegotiation", {"sop_class_uid": "1.2.3"}),
        ("UserIdentityNegotiation", {"user_identity_type": 1}),
        ("UserIdentityNegotiation", {"user_identity_type": 2, "primary_field": b"user"}),
    ],
)
def test_an_item_that_lacks_something_has_no_record(name: str, values: dict[str, object]) -> None:
    theirs, ours = class_of(THEIRS, "pdu_primitives", name)(), class_of(OURS, "pdu_primitives", name)()
    for key, value in values.items():
        setattr(theirs, key, value)
        setattr(ours, key, value)
    with pytest.raises(ValueError) as wanted:
        theirs.from_primitive()
    with pytest.raises(ValueError) as found:
        import_module(f"{OURS}._negotiation_items").to_record(ours)
    assert str(found.value) == str(wanted.value)


def test_no_item_shows_a_passcode() -> None:
    item = class_of(OURS, "pdu_primitives", "UserIdentityNegotiation")()
    item.user_identity_type, item.primary_field, item.secondary_field = 2, b"user", b"secret"
    assert "secret" not in str(item)
    assert "<6 bytes>" in str(item)


def test_the_primitives_of_an_association_are_those_of_its_pdus() -> None:
    make = class_of(OURS, "pdu_primitives", "associate_primitive")
    request = pdu.AssociateRQ(
        called_ae_title="CALLED",
        calling_ae_title="CALLING",
        maximum_length=16382,
        implementation_class_uid="1.2.3",
        implementation_version_name="NAME",
        role_selections=(pdu.RoleSelection(sop_class_uid="1.2", scu_role=True, scp_role=True),),
        presentation_contexts=(
            pdu.PresentationContextRQ(
                context_id=1, abstract_syntax="1.2", transfer_syntaxes=("1.2.840.10008.1.2",)
            ),
        ),
    )
    asked = make(request)
    assert (asked.calling_ae_title, asked.called_ae_title) == ("CALLING", "CALLED")
    assert asked.application_context_name == "1.2.840.10008.3.1.1.1"
    assert (asked.result, asked.maximum_length_received, asked.implementation_class_uid) == (
        None,
        16382,
        "1.2.3",
    )
    assert len(asked.user_information) == 4
    assert [cx.context_id for cx in asked.presentation_context_definition_list] == [1]
    answer = pdu.AssociateAC(
        called_ae_title="CALLED",
        calling_ae_title="CALLING",
        presentation_contexts=(pdu.PresentationContextAC(context_id=1, result=3),),
    )
    accepted = make(answer, request)
    assert accepted.result_str == "Accepted"
    (context,) = accepted.presentation_context_definition_results_list
    assert (context.abstract_syntax, context.status) == ("1.2", "Abstract Syntax Not Supported")
    rejected = make(pdu.AssociateRJ(result=1, source=1, reason=7), request)
    assert rejected.reason_str == "Called AE title not recognised"
    assert rejected.called_ae_title == "CALLED"


def test_nothing_that_a_peer_sends_warns() -> None:
    bad = "1.02." + "9" * 70
    associate = class_of(OURS, "pdu_primitives", "associate_primitive")(
        pdu.AssociateRQ(
            called_ae_title="",
            calling_ae_title="ä" * 16,
            application_context_name=bad,
            implementation_class_uid=bad,
            implementation_version_name="x" * 20,
            role_selections=(pdu.RoleSelection(sop_class_uid=bad, scu_role=False, scp_role=False),),
            presentation_contexts=(
                pdu.PresentationContextRQ(
                    context_id=2, abstract_syntax=f"{bad} ", transfer_syntaxes=(bad, "")
                ),
            ),
        )
    )
    (context,) = associate.presentation_context_definition_list
    assert (context.context_id, context.abstract_syntax) == (2, bad)
    request = CStoreRQ(MessageID=1, AffectedSOPClassUID=bad, AffectedSOPInstanceUID=bad)
    assert class_of(OURS, "dimse_primitives", "primitive_of")(request).AffectedSOPClassUID == bad


def test_the_primitive_of_an_abort_tells_who_aborted() -> None:
    make = class_of(OURS, "pdu_primitives", "abort_primitive")
    assert make(pdu.Abort(source=0)).abort_source == 0
    assert make(pdu.Abort(source=2, reason=6)).provider_reason == 6


def test_the_primitive_of_a_request_has_its_values() -> None:
    make = class_of(OURS, "dimse_primitives", "primitive_of")
    store = make(
        CStoreRQ(
            MessageID=7,
            AffectedSOPClassUID="1.2.3 ",
            AffectedSOPInstanceUID="",
            MoveOriginatorApplicationEntityTitle="MOVER ",
        ),
        b"data",
        5,
    )
    assert (store.MessageID, store.AffectedSOPClassUID, store.Priority) == (7, "1.2.3", 0)
    assert isinstance(store.AffectedSOPClassUID, UID)
    assert store.AffectedSOPInstanceUID is None
    assert not store.is_valid_request
    assert store.MoveOriginatorApplicationEntityTitle == "MOVER"
    assert store.DataSet.getvalue() == b"data"
    assert make(CMoveRQ(AffectedSOPClassUID="1.2", MoveDestination=" DEST ")).MoveDestination == "DEST"
    get = NGetRQ(
        RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", AttributeIdentifierList=(0x00100010,)
    )
    assert make(get).AttributeIdentifierList == 0x00100010


@pytest.mark.parametrize("name", ["acse", "dimse", "dul", "fsm", "pdu_items", "timer"])
def test_internal_parts_name_the_public_way(name: str) -> None:
    with pytest.raises(ImportError, match=f"pynetdicom.{name} is an internal part .* use "):
        import_module(f"{OURS}.{name}")


def test_a_status_has_the_elements_that_were_sent_and_no_others() -> None:
    make = import_module(f"{OURS}._statuses").status_data_set
    bare = CMoveRSP(MessageIDBeingRespondedTo=1, Status=0)
    assert [element.keyword for element in make(bare)] == ["Status"]
    full = CMoveRSP(
        MessageIDBeingRespondedTo=1,
        Status=0xB000,
        ErrorComment="some failed",
        OffendingElement=(0x00100010,),
        NumberOfFailedSuboperations=0,
    )
    status = make(full)
    assert (status.ErrorComment, status.NumberOfFailedSuboperations) == ("some failed", 0)
    assert "NumberOfWarningSuboperations" not in status
    primitive = class_of(OURS, "dimse_primitives", "primitive_of")
    assert primitive(bare).ErrorComment is None
    assert primitive(full).ErrorComment == "some failed"


def test_a_status_has_the_elements_of_its_service() -> None:
    make = import_module(f"{OURS}._statuses").status_data_set
    report = NEventReportRSP(
        MessageIDBeingRespondedTo=1,
        Status=0x0110,
        AffectedSOPClassUID="1.2",
        AffectedSOPInstanceUID="1.3",
        EventTypeID=1,
        ErrorID=2,
        OffendingElement=(0x00100010,),
    )
    wanted = {"Status", *class_of(THEIRS, "dimse_primitives", "N_EVENT_REPORT").STATUS_OPTIONAL_KEYWORDS}
    assert {element.keyword for element in make(report)} == wanted - {"ErrorComment"}


def test_an_answer_has_the_elements_of_its_service(caplog: pytest.LogCaptureFixture) -> None:
    answer = import_module(f"{OURS}._answers").response_of
    request = NGetRQ(MessageID=1, RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3")
    fields = {"ErrorComment": "bad", "ErrorID": 2, "OffendingElement": (0x00100010,)}
    response = answer(request, 0x0110, fields)
    assert (response.ErrorComment, response.ErrorID) == ("bad", 2)
    assert not hasattr(response, "OffendingElement")
    assert "OffendingElement" in caplog.text
    assert answer(CMoveRQ(AffectedSOPClassUID="1.2", MoveDestination="X"), 0, fields).OffendingElement
