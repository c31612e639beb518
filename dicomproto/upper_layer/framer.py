"""The framer: it cuts a byte stream into PDUs and PDV chunks.

A PDU other than P-DATA-TF is collected until it is whole, up to the limit of its type. A P-DATA-TF is never
collected: the bytes of each PDV leave as views of the received buffers. Every decision is taken on a complete
header (6 bytes of a PDU, 6 of a PDV) and on declared lengths, so that it cannot depend on how the bytes were
cut. Nothing is held but received bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import Final

from ..config import Limits
from ..errors import InvalidPDU
from ..record import maker_of
from .associate_cache import AssociateCache
from .decoding import check_pdv, decode_body
from .events import NEED_DATA, NeedData, PDVChunk
from .layout import (
    ASSOCIATE_AC,
    ASSOCIATE_RQ,
    HEADER,
    INVALID_PARAMETER,
    P_DATA_AND_PDV,
    P_DATA_TF,
    PDU_NAMES,
    PDV_HEADER,
    UNRECOGNIZED_PDU,
)
from .pdu import PDU, Buffer


class _PDataHeader:
    """A valid header of a P-DATA-TF: Evt10 happens at it, before the PDVs."""


P_DATA_HEADER: Final = _PDataHeader()
_NOTHING: Final = memoryview(b"")
_make_chunk = maker_of(PDVChunk)

Item = PDU | PDVChunk | _PDataHeader

PlainPDV = tuple[int, int, memoryview, bool, bool]
"""A PDV, or a part of one: context, message control header, data, `end_of_pdv` and `starts_pdu`."""


def chunk_of(pdv: PlainPDV, warnings: tuple[str, ...] = ()) -> PDVChunk:
    """Return a PDV as an event."""
    context_id, control, data, end_of_pdv, starts_pdu = pdv
    is_command, is_last = control & 1 != 0, control & 2 != 0
    return _make_chunk(context_id, is_command, is_last, data, end_of_pdv, starts_pdu, warnings)


class Framer:
    """Cuts a byte stream into PDUs and PDV chunks. Raises InvalidPDU with offsets into the stream."""

    def __init__(self, limits: Limits, cache: AssociateCache | None = None) -> None:
        self._limits = limits
        self._cache = AssociateCache(most=0) if cache is None else cache
        self._waiting: deque[memoryview] | None = None  # behind `_view`; most peers need none
        self._view = _NOTHING
        self._position = 0
        self._partial = bytearray()  # a header, or the body of a PDU that is not P-DATA-TF
        self._body: tuple[int, int] | None = None  # type and length of the PDU that is collected
        self._pdu_rest = 0  # bytes of the P-DATA-TF that are not consumed yet
        self._pdv_rest = 0  # bytes of the PDV that are not returned yet
        self._pdv: tuple[int, int] = (0, 0)  # its context and its message control header
        self._starts_pdu = False
        self._warnings: tuple[str, ...] = ()
        self.maximum_length = 0
        """The maximum length that we announced for P-DATA-TF; 0 means no limit."""
        self.consumed: int = 0
        """Bytes of the stream consumed so far."""
        self.pdv_offset: int = 0
        """Offset of the last PDV in the stream; faults of its content are reported there."""
        self.pdu_offset: int = 0
        """Offset in the stream of the last PDU with a complete header."""

    def receive(self, data: Buffer) -> None:
        """Add received bytes, at least one; they must not change afterwards."""
        view = memoryview(data)
        view = view if type(data) is bytes else view.cast("B").toreadonly()
        if self._waiting:
            self._waiting.append(view)
        elif self._position == len(self._view):
            self._view, self._position = view, 0
        else:
            self._waiting = deque((view,))

    def discard(self) -> None:
        """Forget all bytes, since the rest of the stream does not matter any more."""
        self._waiting = None
        self._view = _NOTHING
        self._position = self._pdu_rest = self._pdv_rest = 0
        self._partial = bytearray()
        self._body = None

    def forget_rest(self) -> None:
        """Forget the received bytes that are not consumed; the caller will pass them again."""
        self._waiting = None
        self._view = _NOTHING
        self._position = 0

    @property
    def is_mid_pdu(self) -> bool:
        """Whether a PDU is under way: begun, and not complete."""
        return bool(self._partial or self._body or self._pdu_rest or self._pdv_rest)

    @property
    def begun_at(self) -> int:
        """Offset in the stream of the PDU under way."""
        if self._body is not None or self._pdu_rest or self._pdv_rest:
            return self.pdu_offset
        return self.consumed - len(self._partial)

    @property
    def progress(self) -> tuple[int, int] | None:
        """Where the PDU under way began, and how far it is if it is a P-DATA-TF; None without one."""
        if self._pdv_rest or self._pdu_rest:
            return self.pdu_offset, self.consumed
        return (self.begun_at, 0) if self._partial or self._body else None

    @property
    def first_bytes(self) -> bytes:
        """The incomplete or refused header, by which another protocol can be recognized."""
        return bytes(self._partial)

    def unread(self) -> tuple[int, list[Buffer]]:
        """Return how many bytes of the current PDU are still due, and the bytes that are not consumed yet.

        A PDU begins with its whole header; a part of a header counts as not consumed.
        """
        received: list[Buffer] = [self._view[self._position :], *(self._waiting or ())]
        begun = self._pdu_rest + self._pdv_rest if self._body is None else self._body[1]
        rest = begun - len(self._partial)
        if rest > 0:
            return rest, received
        return 0, [bytes(self._partial), *received]

    def plain_pdv(self, contexts: Container[int]) -> PlainPDV | NeedData | None:
        """Return the next PDV, or the part of it that is here, if nothing is odd about it: the short way.

        It is then the only PDV of its P-DATA-TF, on one of `contexts`, of even length and not empty. The PDU
        keeps the maximum length that we announced. Both headers and some data are in one buffer. NEED_DATA
        means that no byte is here or held. None leaves everything to `next`.
        """
        view, start = self._view, self._position
        if start == len(view):
            if not self._waiting:
                self._view, self._position = _NOTHING, 0  # release a used buffer
                return None if self._pdu_rest or self._partial or self._body else NEED_DATA
            view, start = self._waiting.popleft(), 0
            self._view, self._position = view, start
        here, rest = len(view) - start, self._pdv_rest
        if starts_pdu := not rest:
            if here < 13 or self._pdu_rest or self._partial or self._body:
                return None
            pdu_type, pdu_length, length, context_id, control = P_DATA_AND_PDV.unpack_from(view, start)
            maximum, rest = self.maximum_length, length - 2
            if pdu_type != P_DATA_TF or pdu_length != length + 4 or (maximum and pdu_length > maximum):
                return None
            if rest <= 0 or rest & 1 or context_id not in contexts:
                return None
            start, here = start + 12, here - 12
            self.pdu_offset = self.consumed
            self.pdv_offset = self.consumed + 6
            self.consumed += 12
            self._pdv = context_id, control
        elif self._starts_pdu or self._warnings or self._pdv[0] not in contexts:
            return None  # nothing of this PDV has been returned
        size = rest if rest < here else here
        self._position = end = start + size
        self._pdv_rest = rest - size
        self.consumed += size
        return (*self._pdv, view[start:end], size == rest, starts_pdu)

    def next(self) -> Item | None:
        """Return the next item, or None if more bytes are needed."""
        if self._pdv_rest:
            return self._chunk()
        if self._body is not None:
            return self._gathered()
        if self._pdu_rest:
            return self._pdv_header()
        return self._pdu_header()

    def has_fragment(self, context_id: int, most: int) -> bool:
        """Tell whether a whole and valid PDV of a data set, of 1 to `most` bytes, follows.

        If so, `next` returns it as one chunk. The answer is no for a PDV that is in several pieces, or that
        stands behind a PDV of more bytes.
        """
        if self.consumed - self.pdv_offset > most + 6:
            return False
        view, position, rest = self._view, self._position, self._pdu_rest
        if self._pdv_rest or self._partial or len(view) - position < (6 if rest else 12):
            return False
        if not rest:
            pdu_type, rest = HEADER.unpack_from(view, position)
            if pdu_type != P_DATA_TF or (self.maximum_length and rest > self.maximum_length):
                return False
            position += 6
        length, its_context_id, control = PDV_HEADER.unpack_from(view, position)
        end = position + 4 + length
        fits = 2 < length <= min(most + 2, rest - 4) and end <= len(view)
        return fits and its_context_id == context_id and not control & 1

    def _available(self) -> int:
        """Return how many bytes the current view still has; move on to the next view if it is used up."""
        rest = len(self._view) - self._position
        if rest == 0:
            self._view = self._waiting.popleft() if self._waiting else _NOTHING  # release a used buffer
            self._position = 0
            rest = len(self._view)
        return rest

    def _gather(self, size: int) -> bool:
        """Move bytes into `_partial` until it has `size` of them; tell whether it has."""
        while (missing := size - len(self._partial)) and (rest := self._available()):
            taken = min(missing, rest)
            self._partial += self._view[self._position : self._position + taken]
            self._position += taken
            self.consumed += taken
        return not missing

    def _header(self) -> Buffer | None:
        """Return 6 bytes of a header, or None; bytes that came in pieces stay in `_partial`."""
        if not self._partial and (len(self._view) - self._position >= 6 or self._available() >= 6):
            start = self._position
            self._position = end = start + 6
            self.consumed += 6
            return self._view[start:end]
        return self._partial if self._gather(6) else None

    def _pdu_header(self) -> Item | None:
        if self._position == len(self._view) and not self._waiting:
            self._view, self._position = _NOTHING, 0  # release a used buffer
            return None
        header = self._header()
        if header is None:
            return None
        pdu_type, length = HEADER.unpack_from(header)
        name = PDU_NAMES.get(pdu_type)
        self.pdu_offset = self.consumed - 6
        if name is None:
            self._partial = bytearray(header)
            text = f"unknown PDU type {pdu_type:02X}H"
            raise InvalidPDU(text, offset=self.pdu_offset, item_path="PDU", reason=UNRECOGNIZED_PDU)
        if self._partial:
            self._partial = bytearray()
        if pdu_type == P_DATA_TF:
            return self._p_data_header(length)
        self._check_length(pdu_type, name, length)
        self._body = pdu_type, length
        return self._gathered()

    def _check_length(self, pdu_type: int, name: str, length: int) -> None:
        if pdu_type in (ASSOCIATE_RQ, ASSOCIATE_AC):
            if length <= self._limits.associate_length:
                return
            limit = f"at most {self._limits.associate_length} are taken (Limits.associate_length)"
        elif length == 4:
            return
        else:
            limit = "it has 4"
        text = f"declares {length} bytes after its header, {limit}"
        raise InvalidPDU(text, offset=self.consumed - 4, item_path=name, reason=INVALID_PARAMETER)

    def _p_data_header(self, length: int) -> Item:
        announced = self.maximum_length
        if announced and length > announced:
            limit = max(4 * announced, self._limits.p_data_length)
            if length > limit:
                text = (
                    f"declares {length} bytes, {announced} were announced, "
                    f"at most {limit} are taken (Limits.p_data_length)"
                )
                raise self._p_data_error(text, 4)
            self._warnings = (f"p-data-too-long: {length} bytes, {announced} were announced",)
        if length < 6:
            raise self._p_data_error(f"declares {length} bytes, too few for a PDV", 4)
        self._pdu_rest = length
        self._starts_pdu = True
        return P_DATA_HEADER

    def _p_data_error(self, text: str, back: int) -> InvalidPDU:
        return InvalidPDU(
            text, offset=self.consumed - back, item_path=PDU_NAMES[P_DATA_TF], reason=INVALID_PARAMETER
        )

    def _pdv_header(self) -> PDVChunk | None:
        if self._pdu_rest < 6:
            raise self._p_data_error(f"its last {self._pdu_rest} bytes are no PDV", 0)
        header = self._header()
        if header is None:
            return None
        length, context_id, control = PDV_HEADER.unpack_from(header)
        self.pdv_offset = self.consumed - 6
        if not 2 <= length <= self._pdu_rest - 4:
            check_pdv(length, self._pdu_rest, self.pdv_offset)
        if self._partial:
            self._partial = bytearray()
        self._pdu_rest -= 4 + length
        self._pdv_rest = length - 2
        self._pdv = context_id, control
        if length & 1:
            self._warnings += (f"odd-fragment: {length - 2} bytes",)
        if not self._pdv_rest:
            return self._give(_NOTHING)
        return self._chunk()

    def _chunk(self) -> PDVChunk | None:
        taken = len(self._view) - self._position or self._available()
        if not taken:
            return None
        if taken > self._pdv_rest:
            taken = self._pdv_rest
        start = self._position
        self._position = end = start + taken
        self.consumed += taken
        self._pdv_rest -= taken
        return self._give(self._view[start:end])

    def _give(self, data: memoryview) -> PDVChunk:
        plain = (*self._pdv, data, not self._pdv_rest, self._starts_pdu)
        warnings, self._warnings = self._warnings, ()
        self._starts_pdu = False
        return chunk_of(plain, warnings)

    def _gathered(self) -> PDU | None:
        assert self._body is not None
        pdu_type, length = self._body
        if not self._gather(length):
            return None
        body = bytes(self._partial)
        self._partial = bytearray()
        self._body = None
        try:
            if pdu_type in (ASSOCIATE_RQ, ASSOCIATE_AC):
                return self._cache.decode(pdu_type, body, self._limits)
            return decode_body(pdu_type, body, self._limits)
        except InvalidPDU as error:
            offset = self.pdu_offset + error.offset
            raise InvalidPDU(
                error.text, offset=offset, item_path=error.item_path, reason=error.reason
            ) from None
