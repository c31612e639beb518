"""The encoder of pydicom data sets: read elements leave as they came, new text in its character set.

Elements that were read and not looked at are bytes, and stay so: they get a header, and an odd value is
padded. `plain.py` encodes them and other plain elements by table. pydicom writes further Python values. This
module encodes the text of VRs that have a Specific Character Set.
Text that a program set must be in the named character sets (PS3.3 C.12.1.1.2, PS3.5 6.1.2). pydicom marks
text that was read: elements keep their position in the file, and person names their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr_element, writers
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

from ..errors import DataSetError
from ..uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from .characters import (
    EXTENDED_VRS,
    UTF_8,
    are_known,
    decode_text,
    encode_text,
    is_lost,
    is_plain,
    without_left_escapes,
)
from .decoding import build_sequence
from .headers import ITEM, ITEM_END, LONG_VRS, PIXEL_DATA, SEQUENCE_END, UNDEFINED
from .plain import ASCII_VRS, PADDED_BY_SPACES, PLAIN_ELEMENTS
from .scope import LOST, Scope, shown_names
from .stored import stored, vr_of_raw
from .walk import Walk

_WRITERS = cast("dict[str, tuple[Callable[..., None], str | None]]", writers)
"""pydicom's writers of values by VR, each with the format of its numbers if it writes numbers."""

_BY_TAG = itemgetter(0)
_UNITS = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
          "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}  # fmt: skip
"""Bytes of one number, which are reversed in the other byte order (PS3.5 7.3)."""

_NUMBERS = {
    "FD": "a value of VR FD is a number that 64 bits hold",
    "FL": "a value of VR FL is a number that 32 bits hold",
    **{
        f"{sign}{size}": f"a value of VR {sign}{size} is a whole number from {low} to {high}"
        for size, bits in (("S", 16), ("L", 32), ("V", 64))
        for sign, low, high in (("U", 0, 2**bits - 1), ("S", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    },
}
"""The valid numbers of each VR, for errors (PS3.5 6.2)."""

_DELIMITERS = b"\xfe\xff\xe0\xdd"
"""The bytes of items and delimiters that are not ASCII."""

_ODD = frozenset({"odd length"})
_NOT_CONVERTED = _ODD | {"delimiter"}
"""Kinds of warnings of a walk about sequences that cannot leave as they came, or that `convert` refuses."""

_SYNTAXES = {
    (True, True): IMPLICIT_VR_LITTLE_ENDIAN,
    (False, True): EXPLICIT_VR_LITTLE_ENDIAN,
    (False, False): EXPLICIT_VR_BIG_ENDIAN,
}
"""Transfer syntaxes by the flags of a RawDataElement: Implicit VR, Little Endian."""

_TWO_BYTES = re.compile(r"\x1b\$\(?[BD]")
"""Escape sequences to the sets of two bytes in G0; only another escape sequence ends these."""

_REMEDY = "say what it is in by dicomproto.text.assume_character_set"
_BITS_ALLOCATED, _PIXEL_REPRESENTATION, _WAVEFORM_BITS = 0x0028_0100, 0x0028_0103, 0x5400_1004


class Encoder:
    """Encodes data sets in Explicit or Implicit VR, in one byte order.

    `unnamed` collects the tags of read text that is not ASCII and leaves as it came, though no character set
    is named for it. `assumed` collects the tags of text that was read without a character set and was encoded
    again, as if it had been Latin-1. `syntax` is the transfer syntax for errors. `is_converted` tells that
    `convert` will convert the result to it.
    """

    def __init__(
        self, syntax: str, *, is_explicit: bool, is_little_endian: bool, is_converted: bool = False
    ) -> None:
        self.is_explicit = is_explicit
        self.is_little_endian = is_little_endian
        self.unnamed: dict[BaseTag, None] = {}
        self.assumed: dict[BaseTag, None] = {}
        self._syntax = syntax
        self._odd = _NOT_CONVERTED if is_converted else _ODD
        self._plain = PLAIN_ELEMENTS[is_explicit, is_little_endian]
        self._header = self._plain.header

    def data_set(self, dataset: Dataset, outer: Scope | None = None) -> bytes:
        """Return a data set, or an item of `outer`, encoded without group lengths (PS3.5 7.2).

        Groups 0000 and 0002 of a data set are omitted. Raises DataSetError.
        """
        scope = Scope(dataset, outer)
        parts: list[bytes] = []
        add_plain = self._plain.add
        elements = zip(map(int, dataset.keys()), dataset.values(), strict=True)  # a BaseTag compares slowly
        for number, element in sorted(elements, key=_BY_TAG):
            if (not number & 0xFFFF and number > 0x6_FFFF) or (outer is None and number >> 16 in (0, 2)):
                continue
            if add_plain(number, element, parts):
                continue
            tag = BaseTag(number)
            try:
                self._element(tag, scope, parts)
            except (DataSetError, MemoryError):
                raise
            except Exception as error:  # a value of the wrong type may make pydicom raise anything
                raise self._error(tag, type(error).__name__) from None
        return b"".join(parts)

    def _element(self, tag: BaseTag, scope: Scope, parts: list[bytes]) -> None:
        element = stored(scope.dataset, tag)
        if isinstance(element, RawDataElement):
            length, value = element.length, element.value or b""
            is_undefined = length == UNDEFINED
            if len(value) < length and not is_undefined:
                raise self._error(tag, f"it declared {length} bytes, and fewer were there to be read")
            vr = vr_of_raw(element, scope.dataset)
            if len(vr) > 2:
                vr = _resolved(vr, tag, scope)
            if vr != "SQ":
                self._put(parts, tag, vr, self._raw(element, vr, value, scope), is_undefined)
                return
            read = self._raw_sequence(element, scope)
            if isinstance(read, bytes):
                parts.append(read)
                return
            element = read
        if element.VR == "SQ":
            self._sequence(element, scope, parts)
            return
        if len(element.VR) > 2:
            correct_ambiguous_vr_element(element, scope.dataset, self.is_little_endian, scope.ancestors())
        vr = str(element.VR)
        if len(vr) > 2 and self.is_explicit:
            raise self._error(tag, f"which of {vr} it is must be said")
        value = b"" if element.is_empty else self._value(element, vr, scope)
        is_undefined = bool(element.is_undefined_length)
        if is_undefined and tag == PIXEL_DATA and not value.startswith(b"\xfe\xff\x00\xe0"):
            raise self._error(tag, "it is of undefined length, and not encapsulated")
        self._put(parts, tag, vr, value, is_undefined)

    def _put(self, parts: list[bytes], tag: BaseTag, vr: str, value: bytes, is_undefined: bool) -> None:
        """Add an element; pad an odd value, and make a value too long for its VR UN (PS3.5 6.2.2)."""
        length = len(value)
        padding = b""
        if length & 1:
            padding = b" " if vr in PADDED_BY_SPACES else b"\0"
            length += 1
        parts += [self._header_of(tag, vr, UNDEFINED if is_undefined else length), value, padding]
        if is_undefined:
            parts.append(self._header(SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0))

    def _header_of(self, tag: BaseTag, vr: str, length: int) -> bytes:
        if not self.is_explicit:
            return self._header(tag >> 16, tag & 0xFFFF, length)
        if vr in LONG_VRS:
            return self._plain.long_header(tag >> 16, tag & 0xFFFF, vr.encode(), length)
        if length > 0xFFFF:
            return self._plain.long_header(tag >> 16, tag & 0xFFFF, b"UN", length)
        return self._plain.short_header(tag >> 16, tag & 0xFFFF, vr.encode(), length)

    def _error(self, tag: BaseTag, text: str) -> DataSetError:
        return DataSetError(f"element {tag} cannot be encoded in {self._syntax}: {text}")

    # --- what was read --------------------------------------------------------------------------

    def _raw(self, element: RawDataElement, vr: str, value: bytes, scope: Scope) -> bytes:
        """Return the bytes of a value as they came, unless the character set has changed."""
        if vr in EXTENDED_VRS and not is_plain(value):
            return self._read_text(element.tag, value, scope, is_name=vr == "PN")
        if element.is_little_endian is not self.is_little_endian and vr in _UNITS:
            unit = _UNITS[vr]
            return b"".join([value[at : at + unit][::-1] for at in range(0, len(value), unit)])
        return value

    def _read_text(self, tag: BaseTag, value: bytes, scope: Scope, *, is_name: bool) -> bytes:
        """Return the bytes of text as they came, unless the character set has changed."""
        if scope.is_unchanged:
            if not scope.is_named:
                self.unnamed[tag] = None
            return value
        if scope.is_repaired_for(value):
            return value
        text = decode_text(value, scope.encodings, is_name=is_name)
        if is_lost(text):
            raise _lost(tag)
        is_assumed = scope.was_unnamed(value)
        encoded = self._set_text(tag, text, scope, is_name=is_name, is_assumed=is_assumed)
        if is_assumed and encoded != value:
            self.assumed[tag] = None
        return encoded

    def _raw_sequence(self, element: RawDataElement, scope: Scope) -> bytes | DataElement:
        """Return a sequence that was not looked at: its bytes if it may leave as it came, else its items."""
        value = element.value or b""
        is_implicit, is_little = bool(element.is_implicit_VR), bool(element.is_little_endian)
        syntax = _SYNTAXES.get((is_implicit, is_little))
        if syntax is None:  # Big Endian without VR, against the standard
            return scope.dataset[element.tag]
        is_same = (self.is_explicit, self.is_little_endian) == (not is_implicit, is_little)
        is_plain = value.translate(None, _DELIMITERS).isascii()
        if is_same and scope.is_unchanged and (is_plain or scope.is_named):
            encoded = self._header_of(element.tag, "SQ", len(value)) + value
            walk = Walk(syntax)
            walk.feed(encoded)
            walk.finish()
            if self._odd.isdisjoint(walk.kinds):
                return encoded
        return build_sequence(element, scope.encodings)

    # --- what is a value of Python's ------------------------------------------------------------

    def _sequence(self, element: DataElement, scope: Scope, parts: list[bytes]) -> None:
        content: list[bytes] = []
        for item in element.value or ():
            encoded = self.data_set(item, scope)
            is_undefined = getattr(item, "is_undefined_length_sequence_item", False)
            length = UNDEFINED if is_undefined else len(encoded)
            content += [self._header(ITEM >> 16, ITEM & 0xFFFF, length), encoded]
            if is_undefined:
                content.append(self._header(ITEM_END >> 16, ITEM_END & 0xFFFF, 0))
        self._put(parts, element.tag, "SQ", b"".join(content), bool(element.is_undefined_length))

    def _value(self, element: DataElement, vr: str, scope: Scope) -> bytes:
        value = element.value
        if vr in EXTENDED_VRS:
            return self._text(element, vr, scope)
        if vr in ASCII_VRS and type(value) is str:
            encoded = value.encode("latin-1")
        else:
            write, number_format = _WRITERS[vr]
            buffer = DicomBytesIO()
            buffer.is_little_endian = self.is_little_endian
            buffer.is_implicit_VR = not self.is_explicit
            try:
                write(buffer, element, *([] if number_format is None else [number_format]))
            except OSError as error:  # pydicom raises it for invalid numbers
                raise self._error(element.tag, _NUMBERS.get(vr) or type(error).__name__) from None
            encoded = buffer.getvalue()
        if vr in ASCII_VRS and not encoded.isascii():
            if not _was_read(element, element.value, scope):
                raise DataSetError(f"element {element.tag}: a value of VR {vr} is made of ASCII characters")
            self.unnamed[element.tag] = None
        return encoded

    def _text(self, element: DataElement, vr: str, scope: Scope) -> bytes:
        value = element.value
        values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
        return b"\\".join([self._one_text(one, element, vr, scope) for one in values])

    def _one_text(self, value: Any, element: DataElement, vr: str, scope: Scope) -> bytes:
        """Return one value: the bytes that it was read from, or its text encoded in the character sets."""
        if value is None:
            return b""
        if isinstance(value, bytes):
            if element.file_tell is None and not scope.has(value):
                raise DataSetError(f"element {element.tag}: {_unfit(scope.names)}")
            return value
        if not isinstance(value, (str, PersonName)):
            raise TypeError
        text = str(value)
        if text.isascii() and "\x1b" not in text:
            return text.encode("ascii")
        if element.file_tell is not None:
            if not (text.isascii() and scope.is_unchanged):
                text = without_left_escapes(text, scope.encodings)
            if _is_lost(text):
                raise _lost(element.tag)
        if text.isascii():
            return text.encode("ascii")
        if _was_read(element, value, scope):
            return self._seen_text(element.tag, text, scope, is_name=vr == "PN")
        return self._set_text(element.tag, text, scope, is_name=vr == "PN")

    def _seen_text(self, tag: BaseTag, text: str, scope: Scope, *, is_name: bool) -> bytes:
        """Return text that was read and looked at, or that a program set in place of such text."""
        is_unchanged = scope.is_unchanged
        has_escapes = not is_unchanged and is_lost(text)  # escape sequences to sets that were not named
        if scope.is_named and not has_escapes and (scope.encodings[0] != "iso8859" or is_unchanged):
            try:
                return encode_text(text, scope.names, is_name=is_name)
            except UnicodeEncodeError:
                pass  # it was not read in these sets, or a program set it
        try:
            value = text.encode(scope.encodings[0])
        except UnicodeEncodeError:
            return self._set_text(tag, text, scope, is_name=is_name)
        if is_unchanged:
            self.unnamed[tag] = None
            return value
        if scope.is_repaired_for(value):
            return value
        if has_escapes:
            raise _lost(tag)
        return self._set_text(tag, text, scope, is_name=is_name)

    def _set_text(
        self, tag: BaseTag, text: str, scope: Scope, *, is_name: bool, is_assumed: bool = False
    ) -> bytes:
        """Return text encoded in the character sets. Raises DataSetError."""
        try:
            return encode_text(text, scope.names, is_name=is_name)
        except UnicodeEncodeError:
            hint = f"; if it is not in Latin-1, {_REMEDY}" if is_assumed else ""
            raise DataSetError(f"element {tag}: {_unfit(scope.names)}{hint}") from None


def _was_read(element: DataElement, value: Any, scope: Scope) -> bool:
    """Tell whether a value may have been read; names that a program made are without their bytes."""
    is_made = isinstance(value, PersonName) and not isinstance(value.original_string, bytes)
    return not is_made and element.file_tell is not None and scope.dataset.original_encoding[0] is not None


def _is_lost(text: str) -> bool:
    """Tell whether text shows that bytes were lost when pydicom read it.

    pydicom removes the escape sequence to ASCII, even if it leaves in the one to a set of two bytes.
    """
    return LOST in text or ("\x1b" in text and _TWO_BYTES.search(text) is not None)


def _lost(tag: BaseTag) -> DataSetError:
    return DataSetError(
        f"element {tag} has text whose bytes were lost when it was read, for they are not in its character"
        f" set; set the text anew, or, before it is looked at, {_REMEDY}"
    )


def _unfit(names: list[str]) -> str:
    """Return the error text for character sets that do not have some text, or that do not exist."""
    if not any(names):
        remedy = f"set SpecificCharacterSet = {UTF_8!r} (UTF-8)"
        return f"the data set names no Specific Character Set, so that its text is ASCII; {remedy}"
    shown = shown_names(names)
    hint = "" if names == [UTF_8] else f"; it may be {UTF_8}, which is UTF-8 and has all"
    if are_known(names):
        return f"not all text can be encoded in the SpecificCharacterSet {shown!r}{hint}"
    return f"there is no character set {shown!r} (SpecificCharacterSet){hint}"


def _resolved(vr: str, tag: BaseTag, scope: Scope) -> str:
    """Return the VR of an element out of those of the dictionary (PS3.5 Annex A.1, A.2)."""
    if vr == "US or SS":
        return "SS" if scope.number(_PIXEL_REPRESENTATION, 0) == 1 else "US"
    if vr == "OB or OW" and tag == PIXEL_DATA:
        return "OW" if scope.number(_BITS_ALLOCATED, 16) > 8 else "OB"
    if vr == "OB or OW" and tag.group == 0x5400:
        return "OW" if scope.number(_WAVEFORM_BITS, 16) > 8 else "OB"
    return "OW"  # all other ambiguous VRs are of words
