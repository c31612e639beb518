"""The transfer syntaxes of stored objects (PS3.6 Table A-1), the most widely readable first."""

from __future__ import annotations

from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

_ROOT = "1.2.840.10008.1.2."

_ENCAPSULATED = (
    "1.98",  # uncompressed
    "8.1",  # deflated frames
    "5",  # RLE
    *(f"4.{number}" for number in (70, 57, 50, 51, *range(52, 57), *range(58, 67))),  # JPEG
    *(f"4.{number}" for number in (80, 81)),  # JPEG-LS
    *(f"4.{number}" for number in (90, 91, 92, 93, 94, 95)),  # JPEG 2000, JPIP
    *(f"4.{number}" for number in (201, 202, 203, 204, 205)),  # HTJ2K
    *(f"4.{number}" for number in (110, 111, 112)),  # JPEG XL
    *(f"4.{number}{part}" for number in range(100, 107) for part in ("", ".1")),  # MPEG-2, MPEG-4
    *(f"4.{number}" for number in (107, 108)),  # HEVC
    *(f"7.{number}" for number in (1, 2, 3)),  # SMPTE ST 2110
)

TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    *(_ROOT + rest for rest in _ENCAPSULATED),
)
"""All transfer syntaxes that encode a data set: a receiver that decodes nothing accepts each."""
