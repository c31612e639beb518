"""The character sets of PS3.3 C.12.1.1.2: text is encoded and decoded (PS3.5 6.1).

pydicom writes a question mark for a missing character, takes the default repertoire for Latin-1, and needs
quadratic time for text in several sets. So this module encodes and decodes text, with pydicom's table of the
sets and Python's codecs.
"""

from __future__ import annotations

import re
from codecs import charmap_decode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from pydicom import config
from pydicom.charset import (
    CODES_TO_ENCODINGS,
    ENCODINGS_TO_CODES,
    STAND_ALONE_ENCODINGS,
    convert_encodings,
    python_encoding,
)

UTF_8 = "ISO_IR 192"

EXTENDED_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""The VRs whose text is in the Specific Character Set (PS3.5 6.1.2.3)."""

DEFAULT_REPERTOIRE = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})

MAXIMUM_CHARACTER_SETS = 16
"""Values of Specific Character Set that are read; no more sets can be combined."""

MAXIMUM_ESCAPES = 20_000
"""Most escape sequences in the text of a data set that is searched, and in the keys of a query."""

_DEFAULT = "iso8859"
"""pydicom's name for the default repertoire. It decodes all of Latin-1, for software that names no set."""

_STATEFUL = frozenset({"iso2022_jp", "iso2022_jp_2"})
"""Sets of two bytes in G0, whose codecs write escape sequences of their own."""

_MOST_PIECES = 1000  # decoded pieces before they are joined: each takes more memory than its characters
_WITH_GAPS = frozenset({"iso_ir_126", "iso_ir_127", "iso_ir_138", "iso_ir_166"})
"""Sets of one byte with gaps: Python takes long for each byte in a gap."""

_PYTHON_NAMES = frozenset({"ascii", "latin1", "utf_8", *map(str.lower, python_encoding.values())})
_MISSPELLED = re.compile("ISO[^_]IR|ISO.2022.IR.")
"""Spellings that pydicom accepts for a Defined Term."""

_TO_ASCII = b"\x1b(B"
_ESCAPE = re.compile(b"(%s)" % b"|".join(map(re.escape, CODES_TO_ENCODINGS)))
_TO_ROMAJI = b"\x1b(J"
_LOST = "\N{REPLACEMENT CHARACTER}"
_LEFT_ESCAPE = re.compile(r"\x1b[$)-]")
"""Escape sequences to sets beyond ASCII."""

_DELIMITER = re.compile(rb"[\t\n\f\r\\]")
_NAME_DELIMITER = re.compile(rb"[\t\n\f\r\\=^]")
"""The characters that end the effect of an escape sequence (PS3.5 6.1.2.5.3)."""


def decode_text(data: bytes, encodings: str | Sequence[str], *, is_name: bool = False) -> str:
    """Return `data` as text: in the first of `encodings`, and after escape sequences in the others.

    `encodings` are pydicom's names. Bytes that cannot be decoded become U+FFFD.
    """
    if b"\x1b" not in data:
        return _decoded(data, (encodings if isinstance(encodings, str) else encodings[0]) or _DEFAULT)
    known = [encodings] if isinstance(encodings, str) else list(dict.fromkeys(encodings))
    texts: list[str] = []
    pieces: list[str] = []
    escape, position = b"", 0
    for match in _ESCAPE.finditer(data):
        _decode_piece(pieces, escape, data[position : match.start()], known, is_name=is_name)
        escape, position = match[0], match.end()
        if len(pieces) >= _MOST_PIECES:
            texts.append("".join(pieces))
            pieces.clear()
    _decode_piece(pieces, escape, data[position:], known, is_name=is_name)
    return "".join((*texts, *pieces))


def _decode_piece(
    pieces: list[str], escape: bytes, part: bytes, known: Sequence[str], *, is_name: bool
) -> None:
    """Add the text after an escape sequence, up to the next one."""
    first = known[0] or _DEFAULT
    encoding = CODES_TO_ENCODINGS[escape] if escape else first
    if escape == _TO_ROMAJI and encoding not in known:  # much software uses it to go back to ASCII
        encoding = _DEFAULT
    if not escape or (encoding not in known and encoding != _DEFAULT):
        pieces.append(_decoded(escape + part, first))
    elif encoding in _STATEFUL:  # its codec needs the escape sequence, and stops at the next one
        pieces.append((escape + part).decode(encoding, "replace"))
    else:
        end = (_NAME_DELIMITER if is_name else _DELIMITER).search(part)
        until = end.start() if end else len(part)
        pieces += [_decoded(part[:until], encoding), _decoded(part[until:], first)]


def _decoded(data: bytes, encoding: str) -> str:
    if encoding in _WITH_GAPS:
        return charmap_decode(data, "strict", _table(encoding))[0]
    return data.decode(encoding, "replace")


@lru_cache
def _table(encoding: str) -> Any:  # a text: not all stubs of `charmap_decode` take one
    """Return the characters of the 256 bytes in a set of one byte."""
    return bytes(range(256)).decode(encoding, "replace")


def encodings_of(names: Sequence[str]) -> list[str]:
    """Return pydicom's names of the encodings of character sets; the default for names that do not exist.

    pydicom would ask Python for an unknown name. Python remembers each such name for ever, and has codecs
    that are not character sets.
    """
    unknown = "none" if config.settings.reading_validation_mode == config.RAISE else ""
    asked = [name if _may_be_asked_for(name) else unknown for name in names[:MAXIMUM_CHARACTER_SETS]]
    return convert_encodings(asked)


def _may_be_asked_for(name: str) -> bool:
    if name in python_encoding or _MISSPELLED.match(name):
        return True
    return len(name) <= 16 and name.lower().replace("-", "_") in _PYTHON_NAMES


def is_lost(text: str) -> bool:
    """Tell whether decoded text was not all in its named character sets.

    Bytes that these do not have became U+FFFD, and escape sequences to other sets are still there.
    """
    return _LOST in text or ("\x1b" in text and _LEFT_ESCAPE.search(text) is not None)


def without_left_escapes(text: str, encodings: str | Sequence[str]) -> str:
    """Return text that pydicom decoded, without the escape sequences that pydicom leaves in."""
    if "\x1b" not in text:
        return text
    text = text.replace("\x1b(J", "")
    return text.replace("\x1b$)A", "") if "iso_ir_58" in encodings else text


def encode_text(text: str, names: Sequence[str], *, is_name: bool = False) -> bytes:
    """Return `text` encoded in the character sets of `names`, the values of Specific Character Set.

    Raises UnicodeEncodeError for a character that they do not have.
    """
    if text.isascii():
        return text.encode("ascii")
    codecs = _codecs(names)
    if len(codecs) > 1:
        return _encode_with_extensions(text, codecs, "\t\n\f\r\\=^" if is_name else "\t\n\f\r\\")
    if codecs and codecs[0] != "shift_jis":
        return text.encode(codecs[0])
    return b"".join([_encoded(text, character, codecs) for character in text])


def holds(names: Sequence[str], characters: Iterable[str]) -> bool:
    """Tell whether the character sets have each of `characters`."""
    codecs = _codecs(names)
    try:
        if len(codecs) == 1 and codecs[0] != "shift_jis":
            "".join(characters).encode(codecs[0])
        else:
            for character in characters:
                _encoded(character, character, codecs)
    except UnicodeEncodeError:
        return False
    return True


def choose_character_set(texts: Iterable[str], *proposals: list[str]) -> list[str]:
    """Return the first proposed value of Specific Character Set that has all `texts`, or else UTF-8.

    For text that is all ASCII, this is the first proposal.
    """
    characters = {character for text in texts if not text.isascii() for character in text}
    if not characters:
        return proposals[0]
    return next((names for names in proposals if names and holds(names, characters)), [UTF_8])


def is_plain(data: bytes) -> bool:
    """Tell whether text is the same in all character sets: ASCII without escape sequences to other sets."""
    return data.isascii() and (b"\x1b" not in data or _ESCAPE.search(data) is None)


def are_known(names: Sequence[str]) -> bool:
    """Tell whether these are Defined Terms of Specific Character Set that can be combined."""
    return bool(_codecs(names)) and python_encoding.keys() >= set(names)


def _codecs(names: Sequence[str]) -> list[str]:
    """Return the codecs of character sets, without names that do not exist."""
    if len(names) > 1 and not set(names).isdisjoint(STAND_ALONE_ENCODINGS):
        return []
    codecs = ["ascii" if name in DEFAULT_REPERTOIRE else python_encoding.get(name, "") for name in names]
    return list(dict.fromkeys(codec for codec in codecs if codec))


def _encode_with_extensions(text: str, codecs: list[str], delimiters: str) -> bytes:
    """Encode with escape sequences (PS3.5 6.1.2.5); the first set is active at the start and at the end."""
    initial = codecs[0] if codecs[0] not in ("ascii", *_STATEFUL) else ""
    to_ascii = _TO_ROMAJI if initial == "shift_jis" else _TO_ASCII
    low, high = "", initial  # the sets in G0, "" for ASCII, and in G1
    encoded = bytearray()
    for character in (*text, "\\"):  # the end of a value is a delimiter
        own = "" if character.isascii() else next(_having(character, [low, high, *codecs]), "")
        if low and own != low:
            encoded += to_ascii
            low, high = "", ""  # readers take it for the end of the set in G1 too
        if own in _STATEFUL and own != low:
            encoded += ENCODINGS_TO_CODES[own]
            low = own
        elif own not in _STATEFUL and own and own != high:
            encoded += ENCODINGS_TO_CODES[own]
            high = own
        elif character in delimiters and high != initial:
            encoded += ENCODINGS_TO_CODES[initial] if initial else b""
            high = initial
        encoded += _encoded(text, character, [own or "ascii"])
    return bytes(encoded[:-1])


def _having(character: str, codecs: Iterable[str]) -> Iterator[str]:
    return (codec for codec in codecs if codec and _bytes_of(character, codec))


def _encoded(text: str, character: str, codecs: Iterable[str]) -> bytes:
    """Return a character of `text` in the first of `codecs` that has it. Raises UnicodeEncodeError."""
    for codec in codecs:
        if encoded := _bytes_of(character, codec):
            return encoded
    raise UnicodeEncodeError("dicom", text, 0, len(text), "no character set has all of it")


def _bytes_of(character: str, codec: str) -> bytes:
    """Return the bytes of a character in a set, without escape sequences; none if the set lacks it."""
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return b""
    if codec in _STATEFUL:
        escape = ENCODINGS_TO_CODES[codec]
        return encoded[len(escape) : len(escape) + 2] if encoded.startswith(escape) else b""
    if codec == "shift_jis" and not character.isascii():  # ISO_IR 13 is its part of one byte
        return encoded if len(encoded) == 1 and encoded >= b"\x80" else b""
    return encoded
