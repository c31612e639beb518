"""Text whose character set is in doubt, and what it is taken for."""

from __future__ import annotations

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicomproto.datasets import convert, decode_data_set, decode_noting_text, encode_data_set
from dicomproto.errors import DataSetError
from dicomproto.text import assume_character_set, text_in_doubt
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.test_encoder import COMMENTS, JAPANESE, LATIN_1, NAME, UNKNOWN, UTF_8, element, item, received

EXPLICIT = EXPLICIT_VR_LITTLE_ENDIAN
NAME_TAG, COMMENTS_TAG, ITEMS_TAG = 0x00100010, 0x00104000, 0x00400100
SYNTAXES = (EXPLICIT, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
PRIVATE = element(0x00090010, "LO", b"ACME") + element(0x00091001, "LO", b"\xfc ")


def within(*elements: bytes) -> bytes:
    return element(0x00400100, "SQ", item(b"".join(elements)))


@pytest.mark.parametrize(
    ("elements", "tag"),
    [
        ((NAME, COMMENTS), NAME_TAG),
        ((COMMENTS,), COMMENTS_TAG),
        ((UTF_8, NAME), NAME_TAG),
        ((UNKNOWN, NAME), NAME_TAG),
        ((PRIVATE,), 0x00091001),
        ((within(NAME),), NAME_TAG),
        ((within(element(0x00080005, "CS", b"a\0b ") + NAME),), NAME_TAG),
        ((UTF_8, within(NAME)), NAME_TAG),
        ((LATIN_1, within(UTF_8, NAME)), NAME_TAG),
        ((LATIN_1, NAME, COMMENTS, within(NAME)), None),
        ((UTF_8, within(LATIN_1, NAME)), None),
        ((JAPANESE, element(NAME_TAG, "PN", b"\x1b$B;3\x1b(B")), None),
        (
            (
                element(NAME_TAG, "PN", b"A "),
                element(0x00091001, "UN", b"\xfc\0"),
                element(0x00080060, "CS", b"\xfc "),
            ),
            None,
        ),
        ((), None),
    ],
)
def test_text_is_in_doubt(elements: tuple[bytes, ...], tag: int | None) -> None:
    made = received(*elements)
    assert text_in_doubt(made) == tag
    assert assume_character_set(made, "ISO_IR 100") == tag
    assert text_in_doubt(made) is None


@pytest.mark.parametrize("first", [b"", LATIN_1, UTF_8, UNKNOWN])
def test_escape_sequences_to_sets_that_are_not_named_are_in_doubt(first: bytes) -> None:
    for name, told, names in ESCAPED:
        made = received(first, element(NAME_TAG, "PN", name))
        assert text_in_doubt(made) == NAME_TAG
        assert assume_character_set(made, "ISO_IR 101") == NAME_TAG
        assert text_in_doubt(made) == NAME_TAG
        assume_character_set(made, *names)
        assert (text_in_doubt(made), made.PatientName) == (None, told)


ESCAPED = [
    (b"\x1b$B;3\x1b(B", "山", ("", "ISO 2022 IR 87")),
    (b"\x1b$)C\xd1\xce", "吉", ("", "ISO 2022 IR 149")),
    (b"\x1b-L\xb6", "Ж", ("", "ISO 2022 IR 144")),
]


@pytest.mark.parametrize("first", [b"", UTF_8, UNKNOWN])
def test_text_is_taken_for_what_it_is(first: bytes) -> None:
    made = received(first, NAME, COMMENTS, within(first, NAME))
    assume_character_set(made, "ISO_IR 100")
    inner: Dataset = made.ScheduledProcedureStepSequence[0]
    assert (made.SpecificCharacterSet, made.PatientName, made.PatientComments) == (
        "ISO_IR 100",
        "Müller",
        "über",
    )
    assert inner.PatientName == "Müller"
    assert ("SpecificCharacterSet" in inner) == bool(first)
    assert inner.get("SpecificCharacterSet", "ISO_IR 100") == "ISO_IR 100"
    back = decode_data_set(encode_data_set(made, EXPLICIT), EXPLICIT)
    assert back == made


def test_code_extensions_can_be_assumed() -> None:
    made = received(element(NAME_TAG, "PN", b"A=\x1b$B;3\x1b(B "))
    assume_character_set(made, "", "ISO 2022 IR 87")
    assert made.PatientName == "A=山"
    assert made.SpecificCharacterSet == ["", "ISO 2022 IR 87"]


def test_a_character_set_that_there_is_not() -> None:
    with pytest.raises(DataSetError, match="there is no character set 'ISO_IR 999'"):
        assume_character_set(received(NAME), "ISO_IR 999")


def test_a_sequence_that_cannot_be_read_is_not_in_doubt() -> None:
    made = received(within(element(0x00080005, "SQ", item(b"")) + NAME))
    assert text_in_doubt(made) is None


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("elements", "extended"),
    [
        ((LATIN_1, element(NAME_TAG, "PN", b"A "), within(element(NAME_TAG, "PN", b"A "))), set()),
        ((LATIN_1, NAME, within(element(0x00080060, "CS", b"\xfc "))), {NAME_TAG}),
        ((LATIN_1, within(NAME), COMMENTS), {ITEMS_TAG, COMMENTS_TAG}),
        ((LATIN_1, within(within(NAME))), {ITEMS_TAG}),
        ((within(element(NAME_TAG, "PN", b"\x1b$B;3\x1b(B")),), {ITEMS_TAG}),
        ((element(NAME_TAG, "PN", b"\xe0\xfe"),), {NAME_TAG}),
        ((element(0x00280010, "US", b"\xff\xff"), element(0x00282000, "OB", b"\xff" * 0x20000)), set()),
    ],
)
def test_decoding_notes_what_needs_a_character_set(
    elements: tuple[bytes, ...], extended: set[int], syntax: str
) -> None:
    assert decode_noting_text(convert(b"".join(elements), EXPLICIT, syntax), syntax).extended == extended


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_sequence_is_read_to_find_text_in_doubt(syntax: str) -> None:
    """pydicom needs ten times as long for one as the walk that has read all headers."""
    for charset, name, tag in ((LATIN_1, NAME, None), (UTF_8, NAME, NAME_TAG)):
        encoded = convert(charset + within(name) + within(name), EXPLICIT, syntax)
        made, extended = decode_noting_text(encoded, syntax)
        assert text_in_doubt(made, among=extended) == text_in_doubt(made) == tag
        assert isinstance(made.get_item(ITEMS_TAG), RawDataElement)


def test_a_sequence_that_cannot_be_read_is_assumed_to_be_nothing() -> None:
    made = received(NAME, within(element(0x00080005, "SQ", item(b"")) + NAME))
    assert assume_character_set(made, "ISO_IR 100") == NAME_TAG
    assert made.PatientName == "Müller"


IVANOV = element(NAME_TAG, "PN", "Иванов".encode())
MIXED = {
    "a private element": (UTF_8, PRIVATE, IVANOV),
    "an element": (UTF_8, IVANOV, COMMENTS),
    "an item": (UTF_8, IVANOV, within(NAME)),
}


@pytest.mark.parametrize("elements", MIXED.values(), ids=MIXED)
def test_text_that_is_right_is_never_taken_for_another(elements: tuple[bytes, ...]) -> None:
    made = received(*elements)
    tag = assume_character_set(made, "ISO_IR 100")
    assert tag is not None
    assert text_in_doubt(made) == tag
    assert (made.SpecificCharacterSet, made.PatientName) == ("ISO_IR 192", "Иванов")
    assert decode_data_set(encode_data_set(received(*elements), EXPLICIT), EXPLICIT).PatientName == "Иванов"


def test_items_with_a_character_set_of_their_own_are_judged_alone() -> None:
    items = item(UTF_8 + IVANOV), item(UTF_8 + NAME), item(NAME), item(UTF_8 + IVANOV + COMMENTS)
    made = received(NAME, element(ITEMS_TAG, "SQ", b"".join(items)))
    assume_character_set(made, "ISO_IR 100")
    shown = [(str(one.PatientName), one.get("SpecificCharacterSet")) for one in made[ITEMS_TAG].value]
    assert (made.PatientName, made.SpecificCharacterSet) == ("Müller", "ISO_IR 100")
    assert shown == [
        ("Иванов", "ISO_IR 192"),
        ("Müller", "ISO_IR 100"),
        ("Müller", None),
        ("Иванов", "ISO_IR 192"),
    ]
    assert text_in_doubt(made) == COMMENTS_TAG


@pytest.mark.parametrize("assumed", ["ISO_IR 192", "ISO_IR 13", "ISO_IR 6"])
@pytest.mark.parametrize("first", [b"", UNKNOWN, UTF_8])
def test_text_is_not_taken_for_what_it_cannot_be(first: bytes, assumed: str) -> None:
    made = received(first, NAME)
    assert assume_character_set(made, assumed) == NAME_TAG
    assert text_in_doubt(made) == NAME_TAG
    assert decode_data_set(first + NAME, EXPLICIT).get("SpecificCharacterSet") == made.get(
        "SpecificCharacterSet"
    )
