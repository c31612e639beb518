"""The walk over an encoded data set, which checks that it ends where its lengths and delimiters say.

`Walk` takes an encoded data set in chunks, cut anywhere, and reads the headers of its elements and items. It
skips values and decodes nothing; it holds only a part of a header and the sequences that it is in. The result
does not depend on how the data set was cut.

A walk raises DataSetError for a part that *certainly* ends early: a value, item or sequence that is shorter
than its length or without its delimiter, or a cut header (PS3.5 7.1.1, 7.5, A.4). Everything else passes.
These pass with a warning: NULs behind the last element, trailing padding, group lengths, odd lengths,
elements out of order, delimiters out of place, invalid VRs. A walk has to guess whether a data set is in
another VR or byte order than its transfer syntax. If a guess turns out wrong, or a part cannot be followed,
then the rest of the innermost item or sequence with a sure length passes unchecked, and `is_checked` is
False.
"""

from __future__ import annotations

from ..errors import DataSetError, DataSetTooLarge
from ..uids import normalize_uid
from ..upper_layer.pdu import Buffer
from .bounds import NEVER, NO_BOUNDS, Bounds
from .dictionary import familiarity, has_group, is_known_sequence
from .findings import Findings, told
from .frames import ELEMENTS, FRAGMENTS, PADDING, SEQUENCE, Frame, Sink
from .headers import (
    BIG,
    ITEM,
    ITEM_END,
    LITTLE,
    LONG_VRS,
    NATIVE,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Order,
    Run,
    Runs,
    encoding_of,
    looks_implicit,
)

MAXIMUM_PADDING = 4096
"""Most NULs behind the last element."""

_DEEPEST = 512  # most sequences within each other, without `Bounds`
_MORE = -1  # a header is not complete yet
_LONG_RUN = Runs.LENGTHS.start  # fewest elements, of 8 bytes at least, of a run that is remembered
_LOOK = 24  # more than the longest header and the bytes that are examined behind it


class Walk:
    """A walk over one data set in `transfer_syntax`: `feed` it, then `finish`.

    Values need not be fed: `skippable` is the number of next bytes that `skip` may pass over. `warnings` have
    the form "kind: what and where", one for each kind. `elements` and `items` are counts. `is_checked` is
    False if the transfer syntax is deflated or unknown, or if a part could not be followed. Raises
    DataSetError, and DataSetTooLarge beyond `bounds`. A `sink` takes the elements and items of a data set of
    `size` bytes that is fed whole.
    """

    def __init__(
        self,
        transfer_syntax: str,
        *,
        bounds: Bounds = NO_BOUNDS,
        sink: Sink | None = None,
        size: int = NEVER,
    ) -> None:
        encoding = encoding_of(transfer_syntax)
        explicit, little_endian = encoding or (True, True)
        self.is_checked: bool = True
        self.elements: int = 0
        self.items: int = 0
        self.skippable: int = 0
        """Bytes of a value that may be skipped now; a huge number if the rest is not checked."""
        self._bounds = bounds
        self._sink = sink
        is_native = transfer_syntax in NATIVE or normalize_uid(transfer_syntax) in NATIVE
        self._findings = Findings(is_native=is_native)
        # Pixel data of defined length gets a warning in an encapsulated transfer syntax.
        self._highest_plain = 0x7FE0 if is_native else 0x7FDF
        order = LITTLE if little_endian else BIG
        self._frame = self._top = Frame(ELEMENTS, order, explicit=explicit, end=size)
        self._outer: list[Frame] = []
        self._base = 0  # offset of the current chunk
        self._offset = 0  # offset of its end
        self._rest = b""  # a part of a header
        self._value = (0, 0, 0)  # its tag, the offset of its header, its length
        self._padding = 0
        self._is_recognized = False  # whether the first header was examined
        if encoding is None:
            self._pass()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings, of the form "kind: what and where", one for each kind."""
        return self._findings.warnings

    @property
    def kinds(self) -> set[str]:
        """The kinds of the warnings."""
        return self._findings.kinds

    @property
    def is_explicit(self) -> bool:
        """Whether the data set seems to be in Explicit VR; its transfer syntax may say otherwise."""
        return self._top.explicit

    def skip(self, count: int) -> None:
        """Pass over `count` bytes of a value, at most `skippable`."""
        self._offset += count
        if self.skippable < NEVER:
            self.skippable -= count

    def feed(self, chunk: Buffer) -> None:
        """Walk over the next `chunk`."""
        data = chunk if type(chunk) is bytes else memoryview(chunk).cast("B")
        size, position = len(data), self.skippable
        if position >= size:
            self.skip(size)
            return
        base = self._offset
        self._offset += size
        if self._rest:
            rest = self._rest
            head = rest + bytes(data[:_LOOK])
            position = self._walk(head, 0, base - len(rest))
            if size <= _LOOK:
                self._keep(head, position)
                return
            position -= len(rest)
        self._keep(data, self._walk(data, position, base))

    def finish(self) -> None:
        """Say that the data set ends here. Raises DataSetError if that is certainly too early."""
        if self.skippable >= NEVER or not (self.skippable or self._rest or self._outer):
            return
        self._base = self._offset
        self._close_ended(0)
        frame, at = self._frame, self._offset - len(self._rest)
        if self.skippable >= NEVER:
            return
        if self.skippable:
            tag, at, length = self._value
            self._early(tag, at, f"declares {length} bytes, {length - self.skippable} are left")
        elif self._rest and frame is self._top and not any(self._rest):
            self._warn("padding", "NULs stand behind the last element", None, at)
        elif self._rest:
            self._cut_header(self._rest, at)
        elif self._outer:
            self._unended()

    def _keep(self, data: bytes | memoryview, position: int) -> None:
        size = len(data)
        self._rest = bytes(data[position:]) if position < size else b""
        self.skippable = min(position - size, NEVER) if position > size else 0

    def _walk(self, data: bytes | memoryview, position: int, base: int) -> int:
        """Return the position of the first incomplete header, or of the end of a value beyond `data`."""
        size = len(data)
        self._base = base
        if not self._is_recognized and size >= 8:
            self._is_recognized = True
            self._recognize(data)
        while True:
            if self._outer and self._frame.end == base + position and position <= size:
                position = self._close_ended(position)
            if position >= size:
                return position
            frame = self._frame
            if frame.kind == ELEMENTS:
                moved = (self._explicit if frame.explicit else self._implicit)(data, position, frame)
                if moved == position:
                    moved = self._element(data, position, frame)
            elif frame.kind == PADDING:
                moved = self._pad(data, position)
            else:
                moved = self._item(data, position, frame)
            if moved == _MORE:
                return position
            position = moved

    # --- elements -------------------------------------------------------------------------------

    def _explicit(self, data: bytes | memoryview, position: int, frame: Frame) -> int:
        """Walk over complete headers of known VRs without oddities; return the position after them."""
        order, sink, previous, base = frame.order, self._sink, frame.previous, self._base
        unpack, unpack_long, highest = order.explicit, order.long, self._highest_plain
        short_vrs, long_vrs = order.short_vrs, order.plain_long_vrs
        end = min(len(data), frame.end - base)
        known, passed = None, 0
        if sink is None and end - position >= 8 * _LONG_RUN:
            known = order.runs.find(data, position, end, previous)
        if known is not None:
            previous, passed, frame.has_vr = known.last, known.count, True
            position += known.size
        begin = position
        plain: tuple[int, int, int] | None = None  # the run before the first odd element
        walked = 0
        for walked in range(self._bounds.elements - self.elements - passed + 1):
            start = position + 8
            if start > end:
                break
            group, number, vr, length = unpack(data, position)
            if vr not in short_vrs:
                plain = plain or (walked, position - begin, previous)
                start += 4
                if vr not in long_vrs or length or start > end:
                    break
                (length,) = unpack_long(data, start - 4)
            stop = start + length
            tag = group << 16 | number
            if stop > end or length == UNDEFINED:
                if length == UNDEFINED or base + stop > frame.end:
                    break
                plain = plain or (walked, position - begin, previous)
                self._value = (tag, base + position, length)
            if tag <= previous or length & 1 or not number or not 2 < group <= highest:
                if group == 0xFFFE:
                    break
                plain = plain or (walked, position - begin, previous)
                self._note(tag, previous, length, base + position)
            if sink is not None:
                sink.element(tag, order.vrs[vr], start, length)
            previous = tag
            position = stop
        else:
            walked += 1
        frame.previous = previous
        frame.has_vr = frame.has_vr or walked > 0
        self._count(passed + walked)
        if sink is None and known is None and walked >= _LONG_RUN:
            order.runs.add(data, begin, Run(*(plain or (walked, position - begin, previous))))
        return position

    def _implicit(self, data: bytes | memoryview, position: int, frame: Frame) -> int:
        """Do as `_explicit` in Implicit VR, but stop at a value that begins as an item, maybe a sequence."""
        order, sink, previous, base = frame.order, self._sink, frame.previous, self._base
        unpack, unpack_long, highest = order.implicit, order.long, self._highest_plain
        (item,) = unpack_long(order.item)
        size, frame_end = len(data), frame.end - base
        end = min(size, frame_end)
        walked = 0
        for walked in range(self._bounds.elements - self.elements + 1):  # noqa: B007
            start = position + 8
            if start > end:
                break
            group, number, length = unpack(data, position)
            stop = start + length
            if stop > frame_end or length == UNDEFINED or group < 3 or group == 0xFFFE:
                break
            if length >= 8 and (start + 4 > size or unpack_long(data, start)[0] == item):
                break
            tag = group << 16 | number
            if stop > size:
                self._value = (tag, base + position, length)
            if tag <= previous or length & 1 or not number or not 2 < group <= highest:
                self._note(tag, previous, length, base + position)
            if sink is not None:
                sink.element(tag, None, start, length)
            previous = tag
            position = stop
        else:
            walked += 1
        frame.previous = previous
        self._count(walked)
        return position

    def _element(self, data: bytes | memoryview, position: int, frame: Frame) -> int:
        """Walk over one element that is not plain, or the delimiter of the item."""
        at = self._base + position
        have, left = len(data) - position, frame.end - at
        if have < 8 or left < 8:
            return self._stump(data, position, left)
        group, number, code, short = frame.order.explicit(data, position)
        tag = group << 16 | number
        if group == 0xFFFE:
            return self._delimiter(tag, position, frame)
        if not (tag or code or short) and frame is self._top:
            frame.kind = PADDING
            self._value = (0, at, 0)
            return position
        header = self._header(data, position, frame, tag)
        if header is None:
            return _MORE if left >= 12 else self._cut_header(bytes(data[position : position + 8]), at)
        vr, start, length = header
        if length == UNDEFINED and (vr is None or start - position == 12):
            is_sequence = vr in ("SQ", "UN", None) and tag != PIXEL_DATA
            kind = SEQUENCE if is_sequence else FRAGMENTS
            return self._open(kind, frame, tag, vr, at, start)
        if self._base + start + length > frame.end:
            left = frame.end - self._base - start
            return self._early(tag, at, f"declares {length} bytes, {left} are left")
        is_sequence = self._is_sequence(data, tag, vr, start, length, frame)
        if is_sequence is None:
            return _MORE
        if is_sequence:
            return self._open(SEQUENCE, frame, tag, vr, at, start, length)
        self._note(tag, frame.previous, length, at)
        self._count(1)
        frame.previous = tag
        if self._sink is not None:
            self._sink.element(tag, vr, start, length)
        self._value = (tag, at, length)
        return start + length

    def _header(
        self, data: bytes | memoryview, position: int, frame: Frame, tag: int
    ) -> tuple[str | None, int, int] | None:
        """Return the VR (None in Implicit VR), start and length of a value; None if bytes are missing."""
        order, at = frame.order, self._base + position
        _, _, code, short = order.explicit(data, position)
        vr = order.vrs.get(code)
        is_long = vr in LONG_VRS
        if not frame.explicit and (vr is None or tag >> 16 != 2):
            return None, position + 8, order.long(data, position + 4)[0]
        if vr is None:
            letters = bytes(data[position + 4 : position + 6])
            is_vr = letters.isalpha() and letters.isupper()
            # Whether no element before it had a VR.
            has_none = not frame.has_vr and (frame.previous >= 0 or not frame.is_sure)
            is_length = (looks_implicit(letters, short) or (has_none and not short)) and not is_vr
            if is_length and (any(letters) or not frame.is_sure):
                if not frame.is_sure:
                    frame.explicit = False  # UN of undefined length has items in Implicit VR (PS3.5 6.2.2)
                else:
                    self._guess(frame, "implicit VR", "has no VR", tag, at)
                    frame.explicit = frame.has_vr
                return None, position + 8, order.long(data, position + 4)[0]
            self._warn("VR", "has an invalid VR", tag, at)
            # PS3.5 Table 7.1-1: a future VR has a length of 32 bits behind two NULs.
            vr, is_long = "UN", is_vr and not short
            frame.is_guess = frame.is_guess or not is_long
            frame.has_vr = frame.has_vr or not is_length
        elif (is_long and short) or not frame.explicit:
            self._guess(frame, "VR", "has an odd header", tag, at)
        else:
            frame.has_vr = True
        if not is_long:
            return vr, position + 8, short
        if len(data) - position < 12 or frame.end - at < 12:
            return None
        return vr, position + 12, order.long(data, position + 8)[0]

    def _is_sequence(
        self, data: bytes | memoryview, tag: int, vr: str | None, start: int, length: int, frame: Frame
    ) -> bool | None:
        """Tell whether an element of defined length is a sequence; return None if bytes are missing."""
        if vr == "SQ":
            return True
        if vr not in (None, "UN") or length < 8:
            return False
        if len(data) - start < 4:
            return None
        if bytes(data[start : start + 4]) not in (frame.order.item, LITTLE.item):
            return False
        if tag >> 16 & 1:
            return self._sink is not None and self._sink.is_private_sequence(tag)
        return is_known_sequence(tag)

    def _stump(self, data: bytes | memoryview, position: int, left: int) -> int:
        """Wait for the rest of a header, unless the item or data set ends before it."""
        if left >= 8 or left > len(data) - position:
            return _MORE
        stump = bytes(data[position : position + left])
        # Padding makes a length even; a NUL that makes it odd may be the start of a cut header.
        is_cut = self._sink is not None and left == 1 and len(data) & 1
        if any(stump) or is_cut:
            return self._cut_header(stump, self._base + position)
        self._warn("padding", "NULs stand behind the last element", None, self._base + position)
        return position + left

    def _delimiter(self, tag: int, position: int, frame: Frame) -> int:
        """Walk over the delimiter of an item; one that is out of place has no effect."""
        at = self._base + position
        self._count(1)
        if tag == ITEM_END and frame.is_undefined:
            self._close(position)
        elif tag in (ITEM_END, SEQUENCE_END):
            self._warn("delimiter", "stands where nothing ends", tag, at)
        else:
            return self._unfollowed(tag, at, "is out of place")
        return position + 8

    def _pad(self, data: bytes | memoryview, position: int) -> int:
        """Walk over NULs behind the last element."""
        _, at, _ = self._value
        nuls = bytes(data[position : position + MAXIMUM_PADDING + 1 - self._padding])
        self._warn("padding", "NULs stand behind the last element", None, at)
        if any(nuls):
            return self._unfollowed(None, at, "NULs stand between elements")
        self._padding += len(nuls)
        if self._padding > MAXIMUM_PADDING:
            return self._early(None, at, f"more than {MAXIMUM_PADDING} NULs stand behind the last element")
        return position + len(nuls)

    # --- sequences ------------------------------------------------------------------------------

    def _open(
        self, kind: int, frame: Frame, tag: int, vr: str | None, at: int, start: int, length: int = UNDEFINED
    ) -> int:
        """Enter a sequence, or fragments, whose value begins at `start`."""
        self._count(1)
        self._note(tag, frame.previous, 0, at)
        frame.previous = tag
        depth = (len(self._outer) + 2) // 2
        if depth > self._bounds.depth:
            text = f"is nested deeper than {self._bounds.depth} sequences"
            raise DataSetTooLarge(self._told(tag, at, text))
        if depth > _DEEPEST:
            return self._unfollowed(tag, at, f"is nested deeper than {_DEEPEST} sequences")
        inner = self._enter(kind, frame, length, start)
        inner.tag, inner.vr, inner.at = tag, vr, at
        inner.is_sure = vr == "SQ" or (vr is None and not tag >> 16 & 1)
        inner.is_guess = inner.is_guess or (vr == "UN" and not inner.is_undefined)
        if self._sink is not None and kind == SEQUENCE:
            self._sink.begin_sequence(tag, vr, start, length)
        return start

    def _enter(self, kind: int, frame: Frame, length: int, start: int) -> Frame:
        is_undefined = length == UNDEFINED
        end = frame.end if is_undefined else self._base + start + length
        inner = Frame(kind, frame.order, explicit=frame.explicit, end=end)
        inner.start = self._base + start
        inner.is_undefined = is_undefined
        inner.is_guess = frame.is_guess
        self._outer.append(frame)
        self._frame = inner
        return inner

    def _item(self, data: bytes | memoryview, position: int, frame: Frame) -> int:
        """Walk over the header of an item or a fragment, or the delimiter of the sequence."""
        at = self._base + position
        left = frame.end - at
        if left < 8 or len(data) - position < 8:
            return self._stump(data, position, left)
        if not frame.items and bytes(data[position : position + 4]) in LITTLE.items:
            frame.order = LITTLE  # the byte order of items in UN (PS3.5 6.2.2)
        group, number, length = frame.order.implicit(data, position)
        tag = group << 16 | number
        self._count(1)
        if tag == ITEM:
            return self._begin_item(frame, position, length)
        if tag == SEQUENCE_END and frame.is_undefined:
            self._close(position)
        elif tag in (ITEM_END, SEQUENCE_END):
            self._warn("delimiter", "stands where nothing ends", tag, at)
        elif frame.is_sure and frame.is_undefined and frame.kind == SEQUENCE:
            return self._early(frame.tag, frame.at, "has no delimiter, or something else among its items")
        else:
            return self._unfollowed(frame.tag, frame.at, "has something else among its items")
        return position + 8

    def _begin_item(self, frame: Frame, position: int, length: int) -> int:
        at, start = self._base + position, position + 8
        frame.items += 1
        self.items += 1
        if self.items > self._bounds.items:
            text = f"has an item too many, {self._bounds.items} are allowed in all"
            raise DataSetTooLarge(self._told(frame.tag, at, text))
        if length != UNDEFINED and self._base + start + length > frame.end:
            left = frame.end - self._base - start
            return self._early(frame.tag, at, f"has an item of {length} bytes, {left} are left")
        if frame.kind == FRAGMENTS:
            if length == UNDEFINED:
                return self._unfollowed(frame.tag, at, "has a fragment of undefined length")
            self._value = (frame.tag, at, length)
            return start + length
        item = self._enter(ELEMENTS, frame, length, start)
        item.tag, item.at, item.items, item.is_sure = frame.tag, at, frame.items, frame.vr != "UN"
        item.explicit = frame.explicit or not item.is_sure
        if self._sink is not None:
            little = frame.order.is_little_endian
            self._sink.begin_item(is_undefined=item.is_undefined, is_little_endian=little)
        return start

    def _close_ended(self, position: int) -> int:
        """Leave the items and sequences that end at `position`."""
        while self._outer and self._frame.end == self._base + position:
            if self._frame.is_undefined:
                position = self._unended()
            else:
                self._close(position)
        return position

    def _close(self, position: int) -> None:
        """Leave an item, a sequence or fragments that end at `position`, before any delimiter."""
        frame, sink = self._frame, self._sink
        self._frame = self._outer.pop()
        if frame.is_undefined and frame.is_guess:
            self._frame.is_guess = True
        if sink is None:
            return
        if frame.kind == ELEMENTS:
            sink.end_item(is_explicit=frame.explicit)
        elif frame.kind == SEQUENCE:
            sink.end_sequence()
        else:
            sink.fragments(frame.tag, frame.vr, frame.start, position)

    # --- warnings and errors --------------------------------------------------------------------

    def _recognize(self, data: bytes | memoryview) -> None:
        """Examine the first header for another byte order or VR than that of the transfer syntax."""
        top = self._top
        group, number, code, short = top.order.explicit(data, 0)
        if group in (2, 8) and (code in top.order.vrs) == top.explicit:
            return
        if _is_swapped(data, top.order):
            self._guess(top, "byte order", "is in the other byte order", group << 16 | number, 0)
            top.order = BIG if top.order is LITTLE else LITTLE
            if self._sink is not None:
                self._sink.is_little_endian = top.order.is_little_endian
            group, number, code, short = top.order.explicit(data, 0)
        vr = top.order.vrs.get(code)
        letters = bytes(data[4:6])
        if top.explicit and group != 0xFFFE:
            if any(letters) and looks_implicit(letters, short):
                self._guess(top, "implicit VR", "has no VR", group << 16 | number, 0)
                top.explicit = False
        elif vr is not None and group not in (2, 0xFFFE):
            self._guess(top, "explicit VR", "has a VR", group << 16 | number, 0)
            top.explicit = True

    def _count(self, elements: int) -> None:
        self.elements += elements
        if self.elements > self._bounds.elements:
            raise DataSetTooLarge(f"the data set has more than {self._bounds.elements} elements")

    def _note(self, tag: int, previous: int, length: int, at: int) -> None:
        self._findings.note(tag, previous, length, at, [*self._outer, self._frame])

    def _guess(self, frame: Frame, kind: str, text: str, tag: int, at: int) -> None:
        frame.is_guess = True
        self._warn(kind, text, tag, at)

    def _warn(self, kind: str, text: str, tag: int | None, at: int) -> None:
        self._findings.warn(kind, text, [*self._outer, self._frame], tag, at)

    def _told(self, tag: int | None, at: int, text: str) -> str:
        return told([*self._outer, self._frame], tag, at, text)

    def _cut_header(self, stump: bytes, at: int) -> int:
        """Report that the data ends within a header, or between a header and its value."""
        frame = self._frame
        if frame.kind != ELEMENTS:
            return self._early(frame.tag, at, "ends within the header of an item")
        if len(stump) < 4:
            return self._early(None, at, "an element ends within its header")
        group, number = frame.order.implicit(stump + bytes(8))[:2]
        tag = group << 16 | number
        base, self._base = self._base, at
        header = self._header(stump, 0, frame, tag) if len(stump) >= 8 else None
        self._base = base
        if header is None:
            return self._early(tag, at, "ends within its header")
        _, start, length = header
        return self._early(tag, at, f"declares {length} bytes, {len(stump) - start} are left")

    def _unended(self) -> int:
        """Report that the data ends before an item, a sequence or fragments do."""
        frame = self._frame
        missing = "has no delimiter" if frame.is_undefined else "is shorter than its length"
        if frame.kind == ELEMENTS:
            return self._early(None, frame.at, missing)
        return self._early(frame.tag, frame.at, missing)

    def _early(self, tag: int | None, at: int, text: str) -> int:
        """Refuse a part that ends early; if that depends on a guess, stop checking."""
        if self._frame.is_guess:
            return self._unfollowed(tag, at, text)
        raise DataSetError(self._told(tag, at, text))

    def _unfollowed(self, tag: int | None, at: int, text: str) -> int:
        """Skip a part that cannot be followed, to the end of the innermost part with a sure length."""
        if self._sink is not None:
            raise DataSetError(self._told(tag, at, text))
        self.is_checked = False
        self._warn("not checked", text, tag, at)
        while self._outer:
            frame, parent = self._frame, self._outer[-1]
            if not frame.is_undefined and not parent.is_guess:
                self._value = (frame.tag, frame.at, frame.end - frame.start)
                return frame.end - self._base
            self._frame = self._outer.pop()
        return self._pass()

    def _pass(self) -> int:
        self.is_checked = False
        self.skippable = NEVER
        return NEVER << 1


def _is_swapped(data: bytes | memoryview, order: Order) -> bool:
    """Tell whether the first header is more plausible in the other byte order: known tag, small length."""
    other = BIG if order is LITTLE else LITTLE
    group, number, code, short = order.explicit(data, 0)
    swapped_group, swapped_number, _, swapped_short = other.explicit(data, 0)
    known = familiarity(group << 16 | number)
    swapped_known = familiarity(swapped_group << 16 | swapped_number)
    if known != swapped_known:
        return swapped_known > known
    length, swapped_length = short, swapped_short
    if code not in order.vrs:
        (length,), (swapped_length,) = order.long(data, 4), other.long(data, 4)
    if swapped_length < length:
        return known > 0 or swapped_group < group
    return not known and swapped_group < 0x100 <= group and not has_group(group)
