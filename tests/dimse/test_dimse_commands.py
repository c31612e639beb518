"""Commands as values: what they are made of, and how a request makes its response."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydicom.tag import Tag

from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRSP,
    CGetRSP,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    Request,
    Response,
)
from dicomproto.dimse.status import Category, Status

STORE = CStoreRQ(AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34 ", MessageID=9)


def test_a_request_is_an_immutable_value() -> None:
    assert CStoreRQ(AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34 ", MessageID=9) == STORE
    assert STORE.replace(warnings=("a: b",)) == STORE
    assert STORE.replace(Priority=1) != STORE
    assert pickle.loads(pickle.dumps(STORE)) == STORE
    with pytest.raises(AttributeError, match="immutable"):
        STORE.Priority = 1  # type: ignore[misc]
    with pytest.raises(TypeError, match="AffectedSOPInstanceUID"):
        CStoreRQ(AffectedSOPClassUID="1.2.3")  # type: ignore[call-arg]


def test_what_the_caller_need_not_say() -> None:
    echo = CEchoRQ(AffectedSOPClassUID="1.2.840.10008.1.1")
    assert (echo.MessageID, echo.CommandDataSetType, echo.has_data_set) == (0, 0x0101, False)
    assert (STORE.Priority, STORE.CommandDataSetType, STORE.has_data_set) == (0, 0x0001, True)
    assert CFindRSP(MessageIDBeingRespondedTo=1).Status == 0


def test_values_of_data_are_not_shown() -> None:
    assert repr(STORE.replace(unknown_elements=((0x4321, b"DOE^JOHN"),))) == (
        "CStoreRQ(CommandDataSetType=1, unknown_elements=('(0000,4321) <8 bytes>',), MessageID=9, "
        "AffectedSOPClassUID='1.2.3', AffectedSOPInstanceUID='1.2.34 ', Priority=0)"
    )
    assert repr(CFindRSP(MessageIDBeingRespondedTo=1, Status=0xA700, ErrorComment="DOE^JOHN")) == (
        "CFindRSP(CommandDataSetType=257, MessageIDBeingRespondedTo=1, Status=42752, "
        "ErrorComment=<8 characters>)"
    )


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (
            STORE,
            CStoreRSP(
                MessageIDBeingRespondedTo=9, AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34 "
            ),
        ),
        (
            CEchoRQ(AffectedSOPClassUID="1.2.3", MessageID=1),
            CEchoRSP(MessageIDBeingRespondedTo=1, AffectedSOPClassUID="1.2.3"),
        ),
        (
            NEventReportRQ(
                AffectedSOPClassUID="1.2", AffectedSOPInstanceUID="1.3", EventTypeID=2, MessageID=3
            ),
            NEventReportRSP(
                MessageIDBeingRespondedTo=3,
                AffectedSOPClassUID="1.2",
                AffectedSOPInstanceUID="1.3",
                EventTypeID=2,
            ),
        ),
        (
            NGetRQ(RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", MessageID=4),
            NGetRSP(MessageIDBeingRespondedTo=4, AffectedSOPClassUID="1.2", AffectedSOPInstanceUID="1.3"),
        ),
        (
            NSetRQ(RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", MessageID=4),
            NSetRSP(MessageIDBeingRespondedTo=4, AffectedSOPClassUID="1.2", AffectedSOPInstanceUID="1.3"),
        ),
        (
            NActionRQ(RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", ActionTypeID=1, MessageID=5),
            NActionRSP(
                MessageIDBeingRespondedTo=5,
                AffectedSOPClassUID="1.2",
                AffectedSOPInstanceUID="1.3",
                ActionTypeID=1,
            ),
        ),
        (
            NCreateRQ(AffectedSOPClassUID="1.2", MessageID=6),
            NCreateRSP(MessageIDBeingRespondedTo=6, AffectedSOPClassUID="1.2"),
        ),
        (
            NDeleteRQ(RequestedSOPClassUID="1.2", RequestedSOPInstanceUID="1.3", MessageID=4),
            NDeleteRSP(MessageIDBeingRespondedTo=4, AffectedSOPClassUID="1.2", AffectedSOPInstanceUID="1.3"),
        ),
    ],
    ids=lambda command: command.name,
)
def test_a_response_echoes_its_request(request_: Request, response: Response) -> None:
    assert request_.response() == response


def test_a_response_takes_more_fields_and_another_status() -> None:
    response = STORE.response(0xA700, ErrorComment="the disk is full")
    assert response.Status == 0xA700
    assert response.ErrorComment == "the disk is full"
    created = NCreateRQ(AffectedSOPClassUID="1.2", MessageID=6).response(AffectedSOPInstanceUID="1.2.9")
    assert isinstance(created, NCreateRSP)
    assert created.AffectedSOPInstanceUID == "1.2.9"
    with pytest.raises(TypeError):
        STORE.response(EventTypeID=1)


def test_a_missing_uid_is_not_echoed_as_an_empty_one() -> None:
    assert "AffectedSOPInstanceUID" not in STORE.replace(AffectedSOPInstanceUID="").response()


def test_uids_without_their_padding() -> None:
    assert STORE.sop_class_uid == "1.2.3"
    assert STORE.sop_instance_uid == "1.2.34"
    deleted = NDeleteRQ(RequestedSOPClassUID="1.2\0", RequestedSOPInstanceUID="1.3")
    assert (deleted.sop_class_uid, deleted.sop_instance_uid) == ("1.2", "1.3")
    cancel = CCancelRQ(MessageIDBeingRespondedTo=1)
    assert (cancel.sop_class_uid, cancel.sop_instance_uid) == ("", "")
    assert CEchoRSP(MessageIDBeingRespondedTo=1).sop_class_uid == ""


def test_a_response_tells_its_status() -> None:
    pending = CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00, NumberOfRemainingSuboperations=3)
    assert pending.category is Category.PENDING
    assert pending.status == Status(0xFF00) == pending.Status
    assert pending.status.meaning == "Pending"


def test_an_element_that_was_not_sent_is_no_attribute() -> None:
    response = CStoreRSP(MessageIDBeingRespondedTo=1, Status=0xA700, ErrorComment="no room")
    assert response.ErrorComment == "no room"
    assert not hasattr(response, "ErrorID")
    with pytest.raises(AttributeError, match=r"this CStoreRSP has no ErrorID; get\(\) returns None for it"):
        response.ErrorID  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'ErrorKind'"):
        response.ErrorKind  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="immutable"):
        response.ErrorComment = "room"  # type: ignore[misc]
    assert response != response.replace(ErrorComment=None)
    assert not hasattr(response.replace(ErrorComment=None), "ErrorComment")
    copied = pickle.loads(pickle.dumps(response))
    assert (copied, hasattr(copied, "ErrorID")) == (response, False)


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("Status", 0xA700),
        ("ErrorComment", "no room"),
        (0x00000902, "no room"),
        ((0x0000, 0x0902), "no room"),
        (Tag("ErrorComment"), "no room"),
        (Tag(0x0000, 0x0900), 0xA700),
        ("ErrorID", None),
        (0x00000903, None),
        ("EventTypeID", None),  # of other responses
        ("warnings", None),  # a field, and no element
        ("PatientName", None),
        (0x00100010, None),
        ((0x0010, 0x0902), None),
        ((0x0000, 0x0902, 0), None),
        (1.5, None),
        ([], None),
    ],
)
def test_elements_are_asked_for_by_keyword_or_tag(element: Any, value: object) -> None:
    response = CStoreRSP(MessageIDBeingRespondedTo=1, Status=0xA700, ErrorComment="no room")
    assert response.get(element) == value
    assert response.get(element, "none") == ("none" if value is None else value)
    assert (element in response) is (value is not None)


def test_the_elements_that_were_sent() -> None:
    assert CEchoRSP(MessageIDBeingRespondedTo=1).keys() == [
        "MessageIDBeingRespondedTo",
        "CommandDataSetType",
        "Status",
    ]
    received = decode_command(encode_command(STORE.response(0xA700, ErrorComment="no room", ErrorID=7)))
    assert isinstance(received, Response)
    assert received.keys() == [
        "AffectedSOPClassUID",
        "MessageIDBeingRespondedTo",
        "CommandDataSetType",
        "Status",
        "ErrorComment",
        "ErrorID",
        "AffectedSOPInstanceUID",
    ]
    assert bool(received)
