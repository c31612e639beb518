"""The head of a DICOM file, read without a full parse, and the File Meta Information of a new one.

Sending a file needs its transfer syntax, two SOP UIDs and the offset of its data set. They are in group 0002
and up to (0008,0018), within the first few hundred bytes. A full parse costs twenty times as much. For any
bytes, reading ends in a `FileHead` or an `InvalidFile` after at most 1 MiB.

The UIDs of the data set come before those of File Meta, since the peer receives the data set (PS3.10 7.1
requires equal ones). For files without preamble or File Meta, as old software writes them, the first element
tells the transfer syntax.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Protocol

from dicomproto.encoding.headers import BIG, LITTLE
from dicomproto.errors import DataSetError, DicomProtoError
from dicomproto.record import Record, maker_of
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    is_valid_uid,
    normalize_uid,
)

FIRST_READ = 4096
READ_LIMIT = 1024 * 1024
INFLATE_LIMIT = 64 * 1024
MAXIMUM_DEPTH = 64

_SOP_CLASS, _SOP_INSTANCE = 0x0008_0016, 0x0008_0018
_META_SOP_CLASS, _META_SOP_INSTANCE, _META_TRANSFER_SYNTAX = 0x0002_0002, 0x0002_0003, 0x0002_0010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
_UNDEFINED = 0xFFFF_FFFF
_LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_NAMES = {_SOP_CLASS: "SOP Class UID", _SOP_INSTANCE: "SOP Instance UID"}


class FileHead(Record):
    """The data for sending a file; offsets and lengths in bytes, from the start of the file.

    The data set is everything after group 0002, unchanged. UIDs are without padding.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int
    data_set_length: int
    warnings: tuple[str, ...] = ()


_make_head = maker_of(FileHead)


class InvalidFile(DicomProtoError, ValueError):
    """A file that cannot be sent; its text has `name`, `reason` and the byte `offset` where reading ended."""

    def __init__(self, name: str, reason: str, offset: int) -> None:
        super().__init__(f"{name}: {reason} (at byte {offset})")
        self.name = name
        self.reason = reason
        self.offset = offset


class NotPart10(InvalidFile):
    """A file of another format."""


_META_GROUP = b"\x02\x00"


class TruncatedFile(DataSetError, ValueError):
    """A file whose data set certainly ends early; its text has `name` and `reason`, with the place."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class _Short(Exception):
    """The bytes end within an element; `found` holds the wanted values before it."""

    def __init__(self, position: int, found: dict[int, bytes]) -> None:
        self.position = position
        self.found = found


class BinaryFile(Protocol):
    """A binary file that can seek."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int: ...
    def tell(self) -> int: ...


def read_head(source: str | os.PathLike[str] | BinaryFile) -> FileHead:
    """Read the head of a file: a path, or a binary file that can seek, read from its current position.

    The position of a file afterwards is undefined. Raises InvalidFile (a ValueError), or its subclass
    NotPart10 for a file of another kind, and OSError.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        with open(source, "rb", buffering=0) as file:
            return _read_file(file, name)
    return _read_file(source, str(getattr(source, "name", "file")))


def head_within(data: bytes, size: int, name: str) -> FileHead | None:
    """Return the head of a file of `size` bytes that begins with `data`; None if these are too few.

    Raises InvalidFile as `read_head`.
    """
    try:
        return _Head(data, size, name).parse()
    except _Short:
        return None


def find_data_set(data: bytes, name: str = "file") -> tuple[str, int]:
    """Return transfer syntax and offset of the data set of a file that is wholly in memory.

    It need not be an object: UIDs are not required. Raises InvalidFile.
    """
    _, syntax, offset = _Head(data, len(data), name).place()
    return syntax, offset


def _read_file(file: BinaryFile, name: str) -> FileHead:
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    wanted = FIRST_READ
    while True:
        file.seek(start)
        data = _read_exactly(file, min(wanted, size))
        # For a file that shrinks meanwhile, or has no known size (/proc), the bytes read tell the size.
        size = len(data) if len(data) < min(wanted, size) else size
        try:
            head = _Head(data, size, name).parse()
        except _Short:
            wanted *= 16
            continue
        return head if not start else head.replace(data_set_offset=head.data_set_offset + start)


def _read_exactly(file: BinaryFile, count: int) -> bytes:
    """Read `count` bytes, or fewer at the end of the file; a raw file may give them in parts."""
    data = file.read(count)
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data


class _Head:
    """Parses the first bytes of a file of `size` bytes; `parse` raises _Short if more bytes would help."""

    def __init__(self, data: bytes, size: int, name: str) -> None:
        self.data = data
        self.size = size
        self.name = name
        self.is_whole = len(data) == size or len(data) >= READ_LIMIT
        self.warnings: list[str] = []

    def parse(self) -> FileHead:
        meta, syntax, offset = self.place()
        found, problem = self.data_set(offset, syntax)
        if not is_valid_uid(syntax):
            self.note_invalid("Transfer Syntax UID", syntax, offset)
        own, fallback = found.get(_SOP_CLASS, b""), meta.get(_META_SOP_CLASS, b"")
        sop_class_uid = self.uid(_SOP_CLASS, own, fallback, problem, offset)
        own, fallback = found.get(_SOP_INSTANCE, b""), meta.get(_META_SOP_INSTANCE, b"")
        sop_instance_uid = self.uid(_SOP_INSTANCE, own, fallback, problem, offset)
        return _make_head(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=syntax,
            data_set_offset=offset,
            data_set_length=self.size - offset,
            warnings=tuple(self.warnings),
        )

    def place(self) -> tuple[dict[int, bytes], str, int]:
        """Return the wanted values of File Meta, and transfer syntax and offset of the data set."""
        has_preamble = self.data[128:132] == b"DICM"
        if not has_preamble and not _looks_like_a_data_set(self.data):
            raise NotPart10(self.name, "not a DICOM file", 0)
        meta, offset = self.meta(132 if has_preamble else 0)
        syntax = _text(meta.get(_META_TRANSFER_SYNTAX, b""))
        if self.size == offset:
            raise InvalidFile(self.name, "no data set", offset)
        if not syntax:
            syntax = _guess(self.data, offset)
            text = f"File Meta names none, the data set looks like {syntax}"
            self.warnings.append(f"missing-transfer-syntax: {text}")
        return meta, syntax, offset

    def meta(self, start: int) -> tuple[dict[int, bytes], int]:
        """Return the wanted values of group 0002 and where it ends; it may be absent."""
        try:
            wanted = (_META_SOP_CLASS, _META_SOP_INSTANCE, _META_TRANSFER_SYNTAX)
            return _read_elements(self.data, start, 0x0002_0000, 0x0002_FFFF, wanted, "<", explicit=True)
        except _Short as short:
            if not self.is_whole:
                raise
            rest = self.data[short.position : short.position + 2]
            if rest != _META_GROUP[: len(rest)] or not rest:  # the beginning of a data set
                return short.found, short.position
            raise InvalidFile(self.name, "the file ends within its File Meta", short.position) from None

    def data_set(self, offset: int, syntax: str) -> tuple[dict[int, bytes], str]:
        """Return the SOP UIDs of the data set, as far as they are there, and the reason of a read failure."""
        if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            return self.elements(self.data, offset, syntax, is_whole=self.is_whole)
        try:
            data = self.inflated(offset, FIRST_READ // 4)  # usually enough
            try:
                return self.elements(data, 0, syntax, is_whole=False)
            except _Short:
                data = self.inflated(offset, INFLATE_LIMIT)
        except zlib.error:
            return {}, "it cannot be inflated"
        return self.elements(data, 0, syntax, is_whole=self.is_whole or len(data) == INFLATE_LIMIT)

    def inflated(self, offset: int, limit: int) -> bytes:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data[offset:], limit)

    def elements(
        self, data: bytes, position: int, syntax: str, *, is_whole: bool
    ) -> tuple[dict[int, bytes], str]:
        explicit = _is_vr(data[position + 4 : position + 6])
        order = ">" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
        try:
            wanted = (_SOP_CLASS, _SOP_INSTANCE)
            found, _ = _read_elements(data, position, 0, _SOP_INSTANCE, wanted, order, explicit=explicit)
            problem = ""
        except _Short as short:
            if not is_whole:
                raise
            found = short.found
            at = short.position - position
            problem = "" if short.position == len(data) else f"it cannot be read beyond its byte {at}"
        is_private = not syntax.startswith("1.2.840.10008.")  # then the encoding is not known
        if explicit == (syntax == IMPLICIT_VR_LITTLE_ENDIAN) and len(data) > position and not is_private:
            kind = "Explicit" if explicit else "Implicit"
            self.warnings.append(
                f"wrong-transfer-syntax: the data set has {kind} VR, File Meta says {syntax}"
            )
        return found, problem

    def uid(self, tag: int, in_data_set: bytes, in_meta: bytes, problem: str, offset: int) -> str:
        """Choose between the UID of the data set and that of File Meta, and check it."""
        name = _NAMES[tag]
        own = _text(in_data_set)
        meta = own if in_meta == in_data_set else _text(in_meta)
        uid = own or meta
        if not own:
            why = f"the data set has no {name}" + (f", {problem}" if problem else "")
            if not meta:
                raise InvalidFile(self.name, f"{why}, and File Meta has none", offset)
            self.warnings.append(f"missing-uid: {why}; that of File Meta counts")
        elif meta and meta != own:
            text = f"{name} is {_quoted(own)} in the data set, {_quoted(meta)} in File Meta"
            self.warnings.append(f"different-uid: {text}")
        if not is_valid_uid(uid):
            self.note_invalid(name, uid, offset)
        return uid

    def note_invalid(self, name: str, uid: str, offset: int) -> None:
        """Warn of a UID that is not valid; raises InvalidFile if it is nothing like one."""
        if not _is_like_a_uid(uid):
            raise InvalidFile(self.name, f"the {name} is no UID but {_quoted(uid)}", offset)
        self.warnings.append(f"invalid-uid: {name} {uid!r}")


def _is_like_a_uid(text: str) -> bool:
    return len(text) <= 64 and set(text) <= set("0123456789.")


def _quoted(text: str) -> str:
    """Return a UID for an error text; for any other value only its kind, as it may be a patient's name."""
    if _is_like_a_uid(text):
        return repr(text)
    kind = "digits and dots" if set(text) <= set("0123456789.") else "other text"
    return f"{len(text)} characters of {kind}"


def _text(value: bytes) -> str:
    return normalize_uid(value.decode("latin-1")).lstrip(" ")


def _looks_like_a_data_set(data: bytes) -> bool:
    """Tell whether `data` begins as a data set without preamble does: an element of group 0008 or below."""
    if len(data) < 8:
        return False
    little, big = data[0] | data[1] << 8, data[0] << 8 | data[1]
    return 0 < little <= 8 or (0 < big <= 8 and _is_vr(data[4:6]))


def _guess(data: bytes, offset: int) -> str:
    """Return the uncompressed transfer syntax that the first element at `offset` looks like."""
    if not _is_vr(data[offset + 4 : offset + 6]):
        return IMPLICIT_VR_LITTLE_ENDIAN
    # No data set begins with so high a group, but 0004H or 0008H in the wrong byte order looks like one.
    return EXPLICIT_VR_BIG_ENDIAN if data[offset + 1] >= 0x04 else EXPLICIT_VR_LITTLE_ENDIAN


def _is_vr(value: bytes) -> bool:
    return len(value) == 2 and value.isalpha() and value.isupper()


def _read_elements(
    data: bytes, position: int, first: int, last: int, wanted: tuple[int, ...], order: str, *, explicit: bool
) -> tuple[dict[int, bytes], int]:
    """Walk the elements with tags from `first` to `last`; return the wanted values and the end offset.

    Raises _Short if `data` ends before that.
    """
    found: dict[int, bytes] = {}
    size = len(data)
    headers = BIG if order == ">" else LITTLE
    unpack, short_vrs = headers.explicit, headers.short_vrs
    while position + 8 <= size:
        group, element, vr, length = unpack(data, position)
        if explicit and vr in short_vrs and group != 0xFFFE:  # most elements
            tag, start = group << 16 | element, position + 8
        else:
            tag, start, length = _read_header(data, position, order, explicit)
        if not first <= tag <= last:
            return found, position
        if length == _UNDEFINED:
            # PS3.5 6.2.2: the value of UN with undefined length is a sequence in Implicit VR.
            inside = explicit and data[position + 4 : position + 6] != b"UN"
            end = _end_of_sequence(data, start, order, inside)
        else:
            end = start + length
        if end > size:
            break
        if tag in wanted:
            found[tag] = data[start:end]
        position = end
        if tag == last:
            return found, position
    raise _Short(position, found)


def _end_of_sequence(data: bytes, position: int, order: str, explicit: bool) -> int:
    """Return the end offset of a sequence of undefined length, whose first item is at `position`.

    It is beyond the end of `data` if the sequence has no end there, or is nested deeper than MAXIMUM_DEPTH.
    """
    size = len(data)
    open_levels = [explicit]  # of each sequence and item that a delimiter will end: is its VR explicit?
    while position + 8 <= size and len(open_levels) <= MAXIMUM_DEPTH:
        tag, start, length = _read_header(data, position, order, open_levels[-1])
        if tag in (_ITEM_END, _SEQUENCE_END):
            open_levels.pop()
            if not open_levels:
                return start
            position = start
        elif length == _UNDEFINED:
            is_un = tag != _ITEM and data[position + 4 : position + 6] == b"UN"
            open_levels.append(open_levels[-1] and not is_un)
            position = start
        else:
            position = start + length
    return size + 1


_ORDERS = {order: (struct.Struct(order + "HHI"), struct.Struct(order + "I")) for order in "<>"}


def _read_header(data: bytes, position: int, order: str, explicit: bool) -> tuple[int, int, int]:
    """Return tag, start of the value and length of the element whose 8 first bytes are at `position`."""
    short_header, long_length = _ORDERS[order]
    group, element, length = short_header.unpack_from(data, position)
    start = position + 8
    if explicit and group != 0xFFFE:  # items have no VR (PS3.5 7.5)
        vr = data[position + 4 : position + 6]
        if vr in _LONG_VRS:
            length = long_length.unpack_from(data, start)[0] if start + 4 <= len(data) else 0
            start += 4
        elif _is_vr(vr):
            length = length >> 16 if order == "<" else length & 0xFFFF
        # else an element with implicit VR among explicit ones: some software writes them
    return group << 16 | element, start, length


def file_meta_bytes(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID,
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME,
    source_ae_title: str = "",
) -> bytes:
    """Return the start of a DICOM file, up to its data set (PS3.10 7.1).

    The preamble is zero, so that the file cannot be run as a program. `source_ae_title` is the AE title of
    the sender; if it is empty, the element is not written.
    """
    elements = [
        _meta_element(0x0001, b"OB", b"\x00\x01"),
        _meta_element(0x0002, b"UI", _ascii(sop_class_uid)),
        _meta_element(0x0003, b"UI", _ascii(sop_instance_uid)),
        _meta_element(0x0010, b"UI", _ascii(transfer_syntax_uid)),
        _meta_element(0x0012, b"UI", _ascii(implementation_class_uid)),
        _meta_element(0x0013, b"SH", _ascii(implementation_version_name)),
    ]
    title = _ascii(source_ae_title.strip(" \0"))
    if title:
        elements.append(_meta_element(0x0016, b"AE", title))
    group = b"".join(elements)
    length = _meta_element(0x0000, b"UL", struct.pack("<I", len(group)))
    return bytes(128) + b"DICM" + length + group


def _meta_element(element: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    if vr in _LONG_VRS:
        return _LONG_META.pack(2, element, vr, len(value)) + value
    return _SHORT_META.pack(2, element, vr, len(value)) + value


_SHORT_META, _LONG_META = struct.Struct("<HH2sH"), struct.Struct("<HH2sxxI")


def _ascii(text: str) -> bytes:
    """Encode text of a peer as one value of the default repertoire (PS3.5 6.1.2)."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text.encode("ascii")
    return "".join([c if " " <= c <= "~" and c != "\\" else "?" for c in text]).encode("ascii")
