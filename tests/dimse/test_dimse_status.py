"""Every status code has a category; a code's general meaning (PS3.7 Annex C)."""

from __future__ import annotations

import pytest

from dicomproto.dimse import status
from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import CFindRQ, CFindRSP, CStoreRQ, CStoreRSP
from dicomproto.dimse.status import Category, Status, category_of
from dicomproto.errors import LocalProtocolError
from dicomproto.services import ServiceStatus, sop_class


def expected(code: int) -> Category:
    """The rules of PS3.7 Annex C, written the other way round."""
    text = f"{code:04X}"
    if text == "0000":
        return Category.SUCCESS
    if text in {"0001", "0107", "0116"} or text[0] == "B":
        return Category.WARNING
    if text == "FE00":
        return Category.CANCEL
    if text in {"FF00", "FF01"}:
        return Category.PENDING
    return Category.FAILURE


def test_the_category_of_every_code() -> None:
    assert [category_of(code) for code in range(0x10000)] == [expected(code) for code in range(0x10000)]


@pytest.mark.parametrize(
    ("code", "category", "meaning"),
    [
        (0x0000, Category.SUCCESS, "Success"),
        (0xA700, Category.FAILURE, "Refused: out of resources"),
        (0xA7FF, Category.FAILURE, "Refused: out of resources"),
        (0xA801, Category.FAILURE, "Refused: move destination unknown"),
        (0xA900, Category.FAILURE, "Data set does not match SOP class"),
        (0xB000, Category.WARNING, "Warning of the service class"),
        (0xC123, Category.FAILURE, "Cannot understand, or unable to process"),
        (0xD000, Category.FAILURE, "Failure of the service class"),
        (0xFF01, Category.PENDING, "Pending, with a warning about optional keys"),
    ],
)
def test_a_status_tells_its_category_and_meaning(code: int, category: Category, meaning: str) -> None:
    assert Status(code).category is category
    assert Status(code).meaning == meaning


def test_a_status_is_its_number() -> None:
    assert Status(0xA700) == 0xA700
    assert hash(Status(0xA700)) == hash(0xA700)
    assert repr(Status(0xA700)) == "Status(0xa700)"
    assert str(Status(0x0122)) == "0122H (Refused: SOP class not supported)"
    assert f"{Status(0x0122):04X}" == "0122"
    assert not hasattr(Status(0), "__dict__")


def test_the_named_codes() -> None:
    named = {name: value for name, value in vars(status).items() if isinstance(value, Status)}
    assert {name: f"{value:04X}" for name, value in named.items()} == {
        "SUCCESS": "0000",
        "PROCESSING_FAILURE": "0110",
        "DUPLICATE_SOP_INSTANCE": "0111",
        "NO_SUCH_EVENT_TYPE": "0113",
        "INVALID_SOP_INSTANCE": "0117",
        "MISSING_ATTRIBUTE": "0120",
        "SOP_CLASS_NOT_SUPPORTED": "0122",
        "NO_SUCH_ACTION_TYPE": "0123",
        "NOT_AUTHORIZED": "0124",
        "DUPLICATE_INVOCATION": "0210",
        "UNRECOGNIZED_OPERATION": "0211",
        "MISTYPED_ARGUMENT": "0212",
        "RESOURCE_LIMITATION": "0213",
        "OUT_OF_RESOURCES": "A700",
        "UNABLE_TO_PERFORM_SUB_OPERATIONS": "A702",
        "MOVE_DESTINATION_UNKNOWN": "A801",
        "SUB_OPERATIONS_WITH_FAILURES": "B000",
        "CANNOT_UNDERSTAND": "C000",
        "CANCEL": "FE00",
        "PENDING": "FF00",
        "PENDING_WITHOUT_OPTIONAL_KEYS": "FF01",
    }


def test_a_response_has_a_status_whatever_number_was_given() -> None:
    request = CFindRQ(MessageID=1, AffectedSOPClassUID="1.2")
    for response in (request.response(0xFF00), request.response().replace(Status=0xFF00)):
        assert type(response.Status) is Status
        assert response.Status == response.status == 0xFF00
        assert response.Status.category is response.category is Category.PENDING
        assert decode_command(encode_command(response)).Status.meaning == "Pending"
    assert CFindRSP(MessageIDBeingRespondedTo=1).Status.category is Category.SUCCESS


def test_a_status_that_knows_more_is_kept() -> None:
    storage = sop_class("1.2.840.10008.5.1.4.1.1.2")
    assert storage is not None
    known = ServiceStatus(0xA700, storage, CStoreRQ)
    response = CStoreRSP(MessageIDBeingRespondedTo=1, Status=known)
    assert response.Status is known


def test_what_is_no_number_is_no_status() -> None:
    response = CStoreRSP(MessageIDBeingRespondedTo=1, Status="0000")
    assert response.Status == "0000"
    with pytest.raises(LocalProtocolError, match="Status must be a number from 0 to 65535"):
        encode_command(response)


def test_codes_with_a_name_are_members() -> None:
    names = [name for name, value in vars(status).items() if type(value) is Status]
    assert {"SUCCESS", "PENDING", "CANCEL", "MOVE_DESTINATION_UNKNOWN"} <= set(names)
    for name in names:
        assert getattr(Status, name) is getattr(status, name)
    assert {name for name, value in vars(Status).items() if type(value) is Status} == set(names)
    assert (Status.SUCCESS, Status.PENDING, Status.CANCEL) == (0x0000, 0xFF00, 0xFE00)
    assert Status.SUCCESS.category is Category.SUCCESS
    assert ServiceStatus.OUT_OF_RESOURCES == 0xA700
