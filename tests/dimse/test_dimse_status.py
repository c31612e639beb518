"""Every status code has a category; a code's general meaning (PS3.7 Annex C)."""

from __future__ import annotations

import pytest

from dicomproto.dimse import status
from dicomproto.dimse.status import Category, Status, category_of


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
        "SOP_CLASS_NOT_SUPPORTED": "0122",
        "NOT_AUTHORIZED": "0124",
        "DUPLICATE_INVOCATION": "0210",
        "UNRECOGNIZED_OPERATION": "0211",
        "MISTYPED_ARGUMENT": "0212",
        "RESOURCE_LIMITATION": "0213",
        "OUT_OF_RESOURCES": "A700",
        "CANNOT_UNDERSTAND": "C000",
        "CANCEL": "FE00",
        "PENDING": "FF00",
    }
