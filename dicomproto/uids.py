"""The UIDs that the protocol needs (PS3.6 Annex A), and our own identification."""

from __future__ import annotations

import re
from collections.abc import Collection

APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
"""The only DICOM application context (PS3.7 Annex A)."""

VERIFICATION = "1.2.840.10008.1.1"

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

UNCOMPRESSED_TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
"""The transfer syntaxes of native pixel data, best first: Explicit VR keeps the VRs of private elements."""

DEFAULT_TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
"""The transfer syntaxes of a presentation context for which none are given, best first."""

IMPLEMENTATION_CLASS_UID = "2.25.309536743520180466219374226474853067201"
"""Sent in item 52H; derived from a UUID (PS3.5 B.2), so that it needs no registered root."""

IMPLEMENTATION_VERSION_NAME = "DICOMPROTO_010"
"""Sent in item 55H, at most 16 characters (PS3.7 D.3.3.2)."""

_UID = r"(?:0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+))*+"
_VALID_UID = re.compile(_UID)
_VALID_UIDS = re.compile(rf"{_UID}(?:\n{_UID})*+")


def normalize_uid(uid: str) -> str:
    """Return `uid` without trailing NULs and spaces, with which some peers pad it."""
    try:
        bare = uid.rstrip("\0 ")
        return uid if bare == uid else bare  # of a subclass of str, the same object
    except (AttributeError, TypeError):  # a test before the call would cost time for every valid UID
        raise TypeError(f"a UID is text, not {type(uid).__name__}") from None


def are_valid_uids(uids: Collection[str]) -> bool:
    """Tell whether all are conformant, as `is_valid_uid` does of each."""
    if not uids:
        return True
    joined = "\n".join(uids)  # one call for all; a UID with such a character in it is none
    is_plain = joined.count("\n") == len(uids) - 1 and max(map(len, uids)) <= 64
    return is_plain and _VALID_UIDS.fullmatch(joined) is not None


def is_valid_uid(uid: str) -> bool:
    """Tell whether `uid` is conformant: dotted numbers without leading zeros, up to 64 bytes (PS3.5 9.1)."""
    return len(uid) <= 64 and _VALID_UID.fullmatch(uid) is not None
