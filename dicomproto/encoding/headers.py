"""The headers of data elements and items (PS3.5 7.1, 7.5)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from ..uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    normalize_uid,
)

ITEM, ITEM_END, SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
PIXEL_DATA = 0x7FE0_0010
UNDEFINED = 0xFFFF_FFFF
"""The length in the header of a value that ends at a delimiter (PS3.5 7.1.1)."""

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs with lengths of 32 bits in Explicit VR (PS3.5 Table 7.1-1)."""

SHORT_VRS = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
     "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"}
)  # fmt: skip
"""VRs with lengths of 16 bits in Explicit VR (PS3.5 Table 7.1-2)."""

NATIVE = {
    IMPLICIT_VR_LITTLE_ENDIAN: (False, True),
    EXPLICIT_VR_LITTLE_ENDIAN: (True, True),
    EXPLICIT_VR_BIG_ENDIAN: (True, False),
}
"""Transfer syntaxes of native pixel data: whether they have Explicit VR, and are Little Endian."""

_DEFLATED = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})  # JPIP deflated
_ENCAPSULATED = (
    "1.2.840.10008.1.2.4.",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.",
)


Unpack = Callable[[bytes | memoryview, int], tuple[Any, ...]]
"""The type of `Struct.unpack_from`."""


class Run:
    """Neighbouring elements of short VRs without any fault."""

    __slots__ = ("count", "first", "headers", "last", "mask", "misses", "size")

    def __init__(self, count: int, size: int, last: int) -> None:
        self.count: int = count
        self.size: int = size
        self.first: int = 0  # tag
        self.last: int = last
        self.misses: int = 0  # failed searches since it was last found
        self.mask: int = 0  # selects the bits of all headers, if the run is read as one number
        self.headers: int = 0  # that number, masked


class Runs:
    """Known runs: the data sets of a series have equal runs, and to compare takes a tenth of the time.

    A run is known after it has come twice. Only headers are kept, of at most `MOST` runs.
    """

    MOST = 16
    LENGTHS = range(16, 1024)
    """The number of elements in a run."""

    MEAN = 64
    """Most bytes of an element, on average: to compare longer ones takes longer than to walk."""

    PATIENCE = 4
    """Most different runs in succession with the same beginning; after them none is kept."""

    def __init__(self, unpack: Unpack) -> None:
        self._unpack = unpack
        self._known: dict[bytes, Run] = {}  # by the first header

    def find(self, data: bytes | memoryview, position: int, end: int, previous: int) -> Run | None:
        """Return the known run at `position`, if it ends by `end` and its first tag is above `previous`."""
        run = self._known.get(bytes(data[position : position + 8]))
        if run is None or not run.mask or position + run.size > end:
            return None
        if int.from_bytes(data[position : position + run.size], "little") & run.mask != run.headers:
            return None
        run.misses = 0
        return run if previous < run.first else None

    def add(self, data: bytes | memoryview, position: int, run: Run) -> None:
        """Note the run at `position`."""
        if run.count not in self.LENGTHS or run.size > self.MEAN * run.count:
            return
        first = bytes(data[position : position + 8])
        known = self._known.get(first)
        if known is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
        elif known.misses >= self.PATIENCE:
            return
        elif not known.mask and (known.count, known.size) == (run.count, run.size):
            self._learn(data, position, run)
            run.misses = known.misses
        else:
            run.misses = known.misses + 1
        self._known[first] = run

    def _learn(self, data: bytes | memoryview, position: int, run: Run) -> None:
        mask, at = bytearray(run.size), position
        for _ in range(run.count):
            mask[at - position : at - position + 8] = b"\xff" * 8
            at += 8 + self._unpack(data, at)[3]
        group, number, _, _ = self._unpack(data, position)
        run.first = group << 16 | number
        run.mask = int.from_bytes(mask, "little")
        run.headers = int.from_bytes(data[position:at], "little") & run.mask


class Order:
    """Headers in one byte order; VRs are numbers here, since to look up a number is faster."""

    def __init__(self, sign: str) -> None:
        self.explicit: Final = Struct(sign + "HHHH").unpack_from
        self.implicit: Final = Struct(sign + "HHI").unpack_from
        self.long: Final = Struct(sign + "I").unpack_from
        code = Struct(sign + "H").unpack
        self.vrs: dict[Any, str] = {code(vr.encode())[0]: vr for vr in SHORT_VRS | LONG_VRS}
        self.short_vrs: frozenset[Any] = frozenset(
            number for number, vr in self.vrs.items() if vr in SHORT_VRS
        )
        self.plain_long_vrs: frozenset[Any] = frozenset(
            number for number, vr in self.vrs.items() if vr in LONG_VRS and vr not in ("SQ", "UN")
        )
        self.runs: Runs = Runs(self.explicit)
        self.item: bytes = Struct(sign + "HH").pack(0xFFFE, 0xE000)
        self.items: tuple[bytes, bytes] = self.item, Struct(sign + "HH").pack(0xFFFE, 0xE0DD)
        self.is_little_endian: bool = sign == "<"


LITTLE, BIG = Order("<"), Order(">")


def encoding_of(transfer_syntax: str) -> tuple[bool, bool] | None:
    """Return whether a transfer syntax has Explicit VR, and whether it is Little Endian; None if unknown.

    Deflated ones count as unknown, since their data has to be inflated before it is walked.
    """
    uid = transfer_syntax if transfer_syntax in NATIVE else normalize_uid(transfer_syntax)
    if uid in NATIVE:
        return NATIVE[uid]
    return (True, True) if uid.startswith(_ENCAPSULATED) and uid not in _DEFLATED else None


def looks_implicit(letters: bytes, short: int) -> bool:
    """Tell whether the VR and the length of 16 bits are more likely one length of 32 bits (Implicit VR)."""
    if letters == b"\xff\xff":
        return short == 0xFFFF
    return not short and not all(0x20 <= letter < 0x7F for letter in letters)
