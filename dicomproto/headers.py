"""How the headers of data elements and items are written (PS3.5 7.1, 7.5)."""

from __future__ import annotations

from struct import Struct

from .uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    normalize_uid,
)

ITEM, ITEM_END, SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
PIXEL_DATA = 0x7FE0_0010
UNDEFINED = 0xFFFF_FFFF
"""The length of a value that ends at a delimiter (PS3.5 7.1.1)."""

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs whose headers have lengths of 32 bits in Explicit VR (PS3.5 Table 7.1-1)."""

SHORT_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
     "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
)  # fmt: skip
"""VRs whose headers have lengths of 16 bits in Explicit VR (PS3.5 Table 7.1-2)."""

NATIVE = {
    IMPLICIT_VR_LITTLE_ENDIAN: (False, True),
    EXPLICIT_VR_LITTLE_ENDIAN: (True, True),
    EXPLICIT_VR_BIG_ENDIAN: (True, False),
}
"""Whether the VR is explicit and whether the bytes are Little Endian, where pixel data is native."""

_DEFLATED = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})  # JPIP deflated
_ENCAPSULATED = (
    "1.2.840.10008.1.2.4.",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.",
)


class Order:
    """Headers in one byte order; VRs are numbers here, which are found faster than text."""

    def __init__(self, sign: str) -> None:
        self.explicit = Struct(sign + "HHHH").unpack_from
        self.implicit = Struct(sign + "HHI").unpack_from
        self.long = Struct(sign + "I").unpack_from
        code = Struct(sign + "H").unpack
        self.vrs = {code(vr.encode())[0]: vr for vr in SHORT_VRS | LONG_VRS}
        self.short_vrs = frozenset(number for number, vr in self.vrs.items() if vr in SHORT_VRS)
        self.plain_long_vrs = frozenset(
            number for number, vr in self.vrs.items() if vr in LONG_VRS and vr not in ("SQ", "UN")
        )
        self.item = Struct(sign + "HH").pack(0xFFFE, 0xE000)
        self.is_little_endian = sign == "<"


LITTLE, BIG = Order("<"), Order(">")


def encoding_of(transfer_syntax: str) -> tuple[bool, bool] | None:
    """Return whether the VR is explicit and whether the bytes are Little Endian; None if that is not known.

    Deflated data sets count as not known, for they are no elements before they are inflated.
    """
    uid = normalize_uid(transfer_syntax)
    if uid in NATIVE:
        return NATIVE[uid]
    return (True, True) if uid.startswith(_ENCAPSULATED) and uid not in _DEFLATED else None


def looks_implicit(letters: bytes, short: int) -> bool:
    """Tell whether VR and length of 16 bits are rather one length of 32 bits, as in Implicit VR."""
    if letters == b"\xff\xff":
        return short == 0xFFFF
    return not short and not all(0x20 <= letter < 0x7F for letter in letters)
