"""The layout of PDUs and their items, for both directions (PS3.8 9.3, PS3.7 Annex D)."""

from __future__ import annotations

import struct

from ..errors import InvalidPDU

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

PDU_NAMES = {
    ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    ASSOCIATE_AC: "A-ASSOCIATE-AC",
    ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA_TF: "P-DATA-TF",
    RELEASE_RQ: "A-RELEASE-RQ",
    RELEASE_RP: "A-RELEASE-RP",
    ABORT: "A-ABORT",
}

# A-ABORT reasons (PS3.8 Table 9-26)
UNRECOGNIZED_PDU, UNEXPECTED_PDU, UNEXPECTED_PARAMETER, INVALID_PARAMETER = 1, 2, 5, 6

HEADER = struct.Struct(">BxI")
PDV_HEADER = struct.Struct(">IBB")
P_DATA_AND_PDV = struct.Struct(">BxIIBB")
ITEM_HEADER = struct.Struct(">BBH")
U16 = struct.Struct(">H")
U32 = struct.Struct(">I")

APPLICATION_CONTEXT, CONTEXT_RQ, CONTEXT_AC = 0x10, 0x20, 0x21
ABSTRACT_SYNTAX, TRANSFER_SYNTAX, USER_INFORMATION = 0x30, 0x40, 0x50
STANDARD_ITEMS = {APPLICATION_CONTEXT, CONTEXT_RQ, CONTEXT_AC, ABSTRACT_SYNTAX, TRANSFER_SYNTAX,
                   USER_INFORMATION, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59}  # fmt: skip


def title_texts(raw: bytes) -> tuple[str, str]:
    """Return both AE titles without the spaces and NULs that pad them (PS3.5 6.2)."""
    called, calling = raw[:16].rstrip(b" \0"), raw[16:].rstrip(b" \0")
    return called.decode("latin-1"), calling.decode("latin-1")


def invalid(path: str, position: int, text: str, reason: int = INVALID_PARAMETER) -> InvalidPDU:
    """Return the error for byte `position` of a PDU body, which begins after the 6 bytes of the header."""
    return InvalidPDU(text, offset=position + 6, item_path=path, reason=reason)
