"""Text in the character sets of PS3.3 C.12.1.1.2, with the examples of PS3.5 Annexes H to K."""

from __future__ import annotations

import random

import pytest
from pydicom.charset import convert_encodings, decode_bytes

from dicomproto.encoding.characters import are_known, choose_character_set, decode_text, encode_text, holds

NAME_DELIMITERS = set(b"\t\n\f\r\\=^")


@pytest.mark.parametrize(
    ("names", "text", "encoded"),
    [
        (
            ["", "ISO 2022 IR 87"],
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        ),
        (
            ["", "ISO 2022 IR 149"],
            "Hong^Gildong=洪^吉洞=홍^길동",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        ),
        (
            ["", "ISO 2022 IR 58"],
            "Zhang^XiaoDong=张^小东",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        ),
        (["ISO_IR 192"], "Wang^XiaoDong=王", b"Wang^XiaoDong=\xe7\x8e\x8b"),
        (["GB18030"], "王^小东", b"\xcd\xf5^\xd0\xa1\xb6\xab"),
        (["ISO_IR 13"], "ﾔﾏﾀﾞ^ﾀﾛｳ", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3"),
        (["ISO_IR 100"], "Buc^Jérôme", b"Buc^J\xe9r\xf4me"),
        (["ISO_IR 144"], "Июль", "Июль".encode("iso8859_5")),
        (["", "ISO 2022 IR 100"], "ü", b"\x1b-A\xfc"),
    ],
)  # fmt: skip
def test_examples_of_the_standard(names: list[str], text: str, encoded: bytes) -> None:
    assert encode_text(text, names, is_name=True) == encoded
    assert decode_text(encoded, convert_encodings(list(names)), is_name=True) == text
    assert choose_character_set([text], names) == names


def test_japanese_names_in_half_and_full_width() -> None:
    names, text = ["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎a"  # PS3.5 H.3.2
    encoded = encode_text(text, names, is_name=True)
    assert encoded.startswith(b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J")
    assert decode_text(encoded, ["shift_jis", "iso2022_jp"], is_name=True) == text


def test_the_way_back_to_ascii_may_be_that_of_another_set() -> None:
    encoded = b"Yamada=\x1b$B;3ED\x1b(J^\x1b$BB@\x1b(JA"
    assert decode_text(encoded, ["iso8859", "iso2022_jp"], is_name=True) == "Yamada=山田^太A"


@pytest.mark.parametrize("first", ["", "ISO 2022 IR 13", "ISO 2022 IR 100", "ISO 2022 IR 144"])
@pytest.mark.parametrize("is_name", [True, False])
def test_code_extensions_come_back(first: str, is_name: bool) -> None:
    """pydicom reads them as well; it does not know the escape sequence of simplified Chinese."""
    others = ["100", "101", "144", "149", "159", "87"]
    names = [first, *(name for name in (f"ISO 2022 IR {other}" for other in others) if name != first)]
    encodings = convert_encodings(list(names))
    choice = random.Random(5)
    delimiters = NAME_DELIMITERS if is_name else set(b"\t\n\f\r\\")
    for _ in range(300):
        text = "".join(choice.choices("aü山Иb^\n\t=丂洪홍 ł\\" + "ﾔ" * (first == "ISO 2022 IR 13"), k=9))
        encoded = encode_text(text, names, is_name=is_name)
        assert decode_text(encoded, encodings, is_name=is_name) == text
        assert decode_bytes(encoded, encodings, delimiters) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "ü"),
        ([""], "ü"),
        (["ISO_IR 6"], "ü"),
        (["ISO 2022 IR 6", "ISO 2022 IR 87"], "ü"),
        (["ISO_IR 100"], "Иванов"),
        (["ISO_IR 13"], "¥"),  # of which Shift JIS makes a backslash
        (["ISO_IR 13"], "ü"),
        (["ISO_IR 13"], "山"),
        (["", "ISO 2022 IR 87"], "ł"),
        (["", "ISO 2022 IR 159"], "张"),  # which its codec has in another set
        (["ISO_IR 999"], "ü"),
        (["ISO_IR 100", "ISO_IR 192"], "ü"),  # which stands alone
    ],
)
def test_what_a_set_does_not_have(names: list[str], text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_text("A" + text, names)
    assert not holds(names, text) or not names
    assert encode_text("A", names) == b"A"


def test_sets_that_can_stand_together() -> None:
    assert are_known(["ISO_IR 100"])
    assert are_known(["", "ISO 2022 IR 87"])
    assert not are_known(["ISO_IR 999"])
    assert not are_known(["ISO_IR 100", "ISO_IR 999"])
    assert not are_known(["ISO_IR 192", "ISO 2022 IR 87"])


@pytest.mark.parametrize(
    ("data", "encodings", "text"),
    [
        (b"\xfc", "", "ü"),
        (b"\xfc", "UTF8", "\ufffd"),
        (b"A\x1b-L\xb8", ["iso8859", "latin_1"], "A\x1b-L\xb8"),  # a set that was not announced
        (b"A\x1bXB", ["iso8859"], "A\x1bXB"),
        (b"\x1b-L\xb8\\\xfc", ["iso8859", "iso_ir_144"], "И\\ü"),
        (b"\x1b-L\xb8^\xfc", ["iso8859", "iso_ir_144"], "И^ќ"),
        (b"\x1b(B\xfc", ["UTF8"], "ü"),
    ],
)
def test_odd_text_is_decoded(data: bytes, encodings: str | list[str], text: str) -> None:
    assert decode_text(data, encodings) == text
