"""PDUs to bytes and back (PS3.8 9.3, PS3.7 Annex D).

Decoding never reads outside its parent: each level walks its items with `_items`, which checks
every declared length against what is left of the parent before anything is touched. What the
standard lets a receiver ignore (reserved bytes, unknown items, disorder) is ignored; what real
peers get wrong without harm becomes a warning; what cannot be understood is an `InvalidPDU` that
names the item and the byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from ..config import Limits
from ..errors import InvalidPDU, LocalProtocolError
from .conformance import oddities
from .pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    Buffer,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)

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
_P_DATA_AND_PDV = struct.Struct(">BxIIBB")
_ITEM = struct.Struct(">BBH")
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")

_APPLICATION_CONTEXT, _CONTEXT_RQ, _CONTEXT_AC = 0x10, 0x20, 0x21
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX, _USER_INFORMATION = 0x30, 0x40, 0x50
_ASSOCIATE_PDUS: dict[int, Callable[..., AssociateRQ | AssociateAC]] = {
    ASSOCIATE_RQ: AssociateRQ,
    ASSOCIATE_AC: AssociateAC,
}
_STANDARD_ITEMS = {_APPLICATION_CONTEXT, _CONTEXT_RQ, _CONTEXT_AC, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX,
                   _USER_INFORMATION, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59}  # fmt: skip


# --- encoding ---------------------------------------------------------------------------------


def encode_pdu(pdu: PDU) -> bytes:
    """Return the bytes of `pdu`; raises LocalProtocolError for a value that has no encoding.

    What can be encoded need not be conformant; `check_conformance` tells.
    """
    try:
        return _ENCODERS[type(pdu)](pdu)
    except (struct.error, ValueError) as error:
        raise LocalProtocolError(f"{type(pdu).__name__} cannot be encoded: {error}") from error


def p_data_header(context_id: int, control: int, length: int, more: int = 0) -> bytes:
    """Return the 12 bytes before the `length` bytes of the first fragment of a P-DATA-TF.

    `more` bytes follow them in the same PDU: other PDVs, with their headers.
    """
    return _P_DATA_AND_PDV.pack(P_DATA_TF, length + 6 + more, length + 2, context_id, control)


def _item(item_type: int, *parts: Buffer, second: int = 0) -> bytes:
    value = b"".join(parts)
    return _ITEM.pack(item_type, second, len(value)) + value


def _counted(value: bytes) -> bytes:
    return _U16.pack(len(value)) + value


def _text(value: str) -> bytes:
    return value.encode("latin-1")


def _title(value: str) -> bytes:
    field = _text(value).ljust(16)
    if len(field) != 16:
        raise LocalProtocolError(f"an AE title has at most 16 bytes, this one has {len(field)}: {value!r}")
    return field


def _titles(pdu: AssociateRQ | AssociateAC) -> bytes:
    texts, raw = (pdu.called_ae_title, pdu.calling_ae_title), pdu.raw_ae_titles
    if len(raw) == 32 and _title_texts(raw) == texts:
        return raw
    return b"".join(map(_title, texts))


def _title_texts(raw: bytes) -> tuple[str, str]:
    """Return both AE titles without the spaces and NULs that pad them (PS3.5 6.2, Q2)."""
    called, calling = (raw[at : at + 16].rstrip(b" \0").decode("latin-1") for at in (0, 16))
    return called, calling


def _reserved(value: bytes) -> bytes:
    if len(value) != 32:
        raise LocalProtocolError(f"the reserved field has 32 bytes, not {len(value)}")
    return value


def _unknown(items: tuple[UnknownItem, ...]) -> bytes:
    return b"".join([_item(item.item_type, item.data) for item in items])


def _context_rq(context: PresentationContextRQ) -> bytes:
    parts = [bytes((context.context_id, 0, 0, 0))]
    if context.abstract_syntax:
        parts.append(_item(_ABSTRACT_SYNTAX, _text(context.abstract_syntax)))
    parts += [_item(_TRANSFER_SYNTAX, _text(uid)) for uid in context.transfer_syntaxes]
    return _item(_CONTEXT_RQ, *parts, _unknown(context.unknown_items))


def _context_ac(context: PresentationContextAC) -> bytes:
    parts = [bytes((context.context_id, 0, context.result, 0))]
    if context.transfer_syntax:
        parts.append(_item(_TRANSFER_SYNTAX, _text(context.transfer_syntax)))
    return _item(_CONTEXT_AC, *parts, _unknown(context.unknown_items))


def _extended(item: SOPClassExtendedNegotiation) -> bytes:
    return _item(0x56, _counted(_text(item.sop_class_uid)), item.application_information)


def _common_extended(item: SOPClassCommonExtendedNegotiation) -> bytes:
    related = b"".join([_counted(_text(uid)) for uid in item.related_general_sop_class_uids])
    return _item(
        0x57,
        _counted(_text(item.sop_class_uid)),
        _counted(_text(item.service_class_uid)),
        _counted(related),
        second=item.version,
    )


def _user_information(pdu: AssociateRQ | AssociateAC) -> bytes:
    parts: list[bytes] = []
    if pdu.maximum_length is not None:
        parts.append(_item(0x51, _U32.pack(pdu.maximum_length)))
    if pdu.implementation_class_uid is not None:
        parts.append(_item(0x52, _text(pdu.implementation_class_uid)))
    if (window := pdu.asynchronous_operations_window) is not None:
        parts.append(_item(0x53, _U16.pack(window.maximum_invoked), _U16.pack(window.maximum_performed)))
    for role in pdu.role_selections:
        roles = bytes((role.scu_role, role.scp_role))
        parts.append(_item(0x54, _counted(_text(role.sop_class_uid)), roles))
    if pdu.implementation_version_name is not None:
        parts.append(_item(0x55, _text(pdu.implementation_version_name)))
    parts += [_extended(extended) for extended in pdu.sop_class_extended]
    parts += [_common_extended(common) for common in pdu.sop_class_common_extended]
    if (identity := pdu.user_identity) is not None:
        head = bytes((identity.identity_type, identity.positive_response_requested))
        fields = _counted(identity.primary_field), _counted(identity.secondary_field)
        parts.append(_item(0x58, head, *fields))
    if pdu.user_identity_response is not None:
        parts.append(_item(0x59, _counted(pdu.user_identity_response.server_response)))
    parts.append(_unknown(pdu.unknown_user_information))
    value = b"".join(parts)
    return _item(_USER_INFORMATION, value) if value else b""


def _encode_associate(pdu_type: int, pdu: AssociateRQ | AssociateAC, contexts: list[bytes]) -> bytes:
    parts = [
        _U16.pack(pdu.protocol_version),
        bytes(2),
        _titles(pdu),
        _reserved(pdu.reserved),
    ]
    if pdu.application_context_name:
        parts.append(_item(_APPLICATION_CONTEXT, _text(pdu.application_context_name)))
    parts += [*contexts, _user_information(pdu), _unknown(pdu.unknown_items)]
    body = b"".join(parts)
    return HEADER.pack(pdu_type, len(body)) + body


def _short(pdu_type: int, *values: int) -> bytes:
    return HEADER.pack(pdu_type, 4) + bytes(values)


def _encode_p_data(pdu: PDataTF) -> bytes:
    parts: list[Buffer] = []
    for value in pdu.values:
        control = value.is_command | value.is_last << 1
        length = memoryview(value.data).nbytes  # len() of a view counts items
        parts += [PDV_HEADER.pack(length + 2, value.context_id, control), value.data]
    body = b"".join(parts)
    return HEADER.pack(P_DATA_TF, len(body)) + body


def _encode_rq(pdu: AssociateRQ) -> bytes:
    return _encode_associate(ASSOCIATE_RQ, pdu, [_context_rq(c) for c in pdu.presentation_contexts])


def _encode_ac(pdu: AssociateAC) -> bytes:
    return _encode_associate(ASSOCIATE_AC, pdu, [_context_ac(c) for c in pdu.presentation_contexts])


_ENCODERS: dict[type, Callable[..., bytes]] = {
    AssociateRQ: _encode_rq,
    AssociateAC: _encode_ac,
    AssociateRJ: lambda pdu: _short(ASSOCIATE_RJ, 0, pdu.result, pdu.source, pdu.reason),
    PDataTF: _encode_p_data,
    ReleaseRQ: lambda pdu: _short(RELEASE_RQ, 0, 0, 0, 0),
    ReleaseRP: lambda pdu: _short(RELEASE_RP, 0, 0, 0, 0),
    Abort: lambda pdu: _short(ABORT, 0, 0, pdu.source, pdu.reason),
}


# --- decoding ---------------------------------------------------------------------------------


def decode_pdu(data: Buffer, limits: Limits | None = None) -> PDU:
    """Return the one PDU that `data` holds; raises InvalidPDU for anything else, trailing bytes included."""
    if len(data) < 6:
        raise InvalidPDU(f"{len(data)} bytes are no PDU header", offset=0, item_path="PDU", reason=1)
    pdu_type, length = HEADER.unpack_from(data)
    if pdu_type not in PDU_NAMES:
        text = f"unknown PDU type {pdu_type:02X}H"
        raise InvalidPDU(text, offset=0, item_path="PDU", reason=UNRECOGNIZED_PDU)
    if length != len(data) - 6:
        text = f"declares {length} bytes after its header, has {len(data) - 6}"
        raise InvalidPDU(text, offset=2, item_path=PDU_NAMES[pdu_type], reason=INVALID_PARAMETER)
    if pdu_type == P_DATA_TF:
        return PDataTF(values=tuple(_p_data_values(bytes(data[6:]))))
    return decode_body(pdu_type, bytes(data[6:]), limits or Limits())


def decode_body(pdu_type: int, body: bytes, limits: Limits) -> PDU:
    """Return the PDU of `pdu_type`, not P-DATA-TF, from the bytes after its header."""
    if pdu_type in (ASSOCIATE_RQ, ASSOCIATE_AC):
        return _AssociateDecoder(pdu_type, body, limits).decode()
    if len(body) != 4:
        raise _invalid(PDU_NAMES[pdu_type], -4, f"has {len(body)} bytes after its header, not 4")
    if pdu_type == ASSOCIATE_RJ:
        return AssociateRJ(result=body[1], source=body[2], reason=body[3])
    if pdu_type == ABORT:
        return Abort(source=body[2], reason=body[3])
    return ReleaseRQ() if pdu_type == RELEASE_RQ else ReleaseRP()


def _invalid(path: str, position: int, text: str, reason: int = INVALID_PARAMETER) -> InvalidPDU:
    """Return the error for byte `position` of a PDU body; the header's 6 bytes come before it."""
    return InvalidPDU(text, offset=position + 6, item_path=path, reason=reason)


def check_pdv(length: int, rest: int, offset: int) -> None:
    """Raise InvalidPDU unless a PDV of declared `length` fits in the `rest` of its P-DATA-TF."""
    if length < 2:
        text = f"declares {length} bytes, 2 are needed"
    elif length + 4 > rest:
        text = f"declares {length} bytes, {rest - 4} are left of the P-DATA-TF"
    else:
        return
    raise InvalidPDU(text, offset=offset, item_path="P-DATA-TF / PDV", reason=INVALID_PARAMETER)


def _p_data_values(body: bytes) -> Iterator[PresentationDataValue]:
    position, end = 0, len(body)
    if end < 6:
        raise _invalid("P-DATA-TF", -4, f"declares {end} bytes, too few for a PDV")
    while position < end:
        if end - position < 6:
            raise _invalid("P-DATA-TF", position, f"its last {end - position} bytes are no PDV")
        length, context_id, control = PDV_HEADER.unpack_from(body, position)
        check_pdv(length, end - position, position + 6)
        data = body[position + 6 : position + 4 + length]
        yield PresentationDataValue(
            context_id=context_id, is_command=bool(control & 1), is_last=bool(control & 2), data=data
        )
        position += 4 + length


class _AssociateDecoder:
    """Decodes one A-ASSOCIATE-RQ or -AC; gathers fields, counts and warnings on the way."""

    def __init__(self, pdu_type: int, body: bytes, limits: Limits) -> None:
        self.pdu_type = pdu_type
        self.name = PDU_NAMES[pdu_type]
        self.body = body
        self.limits = limits
        self.fields: dict[str, object] = {}
        self.lists: dict[str, list[object]] = {}
        self.contexts: list[PresentationContextRQ | PresentationContextAC] = []
        self.warnings: dict[str, str] = {}  # the first of each kind: items may be many
        self.items_left = limits.items

    def decode(self) -> AssociateRQ | AssociateAC:
        body = self.body
        if len(body) < 68:
            raise _invalid(self.name, -4, f"has {len(body)} bytes after its header, at least 68 are needed")
        raw = body[4:36]
        called, calling = _title_texts(raw)
        if called.encode("latin-1").ljust(16) + calling.encode("latin-1").ljust(16) != raw:
            self.fields["raw_ae_titles"] = raw
        for item_type, start, end in self.items(68, len(body), self.name):
            self.top_level_item(item_type, start, end)
        if "application_context_name" not in self.fields:
            self.warn("missing-item: application context")
            self.fields["application_context_name"] = ""
        elif not self.fields["application_context_name"]:
            self.warn("empty-item: application context")
        pdu = _ASSOCIATE_PDUS[self.pdu_type](
            called_ae_title=called,
            calling_ae_title=calling,
            protocol_version=_U16.unpack_from(body)[0],
            presentation_contexts=tuple(self.contexts),
            reserved=body[36:68],
            **self.fields,
            **{name: tuple(values) for name, values in self.lists.items()},
        )
        warnings = [*self.warnings.values(), *oddities(pdu)]
        return pdu.replace(warnings=tuple(warnings)) if warnings else pdu

    def items(self, position: int, end: int, path: str) -> Iterator[tuple[int, int, int]]:
        """Walk items; yield type and bounds of each value, which lies within [position, end)."""
        while position < end:
            if end - position < 4:
                raise _invalid(path, position, f"{end - position} bytes are no item header")
            item_type, _, length = _ITEM.unpack_from(self.body, position)
            start = position + 4
            position = start + length
            if position > end:
                text = f"item {item_type:02X}H declares {length} bytes, {end - start} are left of its parent"
                raise _invalid(path, start - 2, text)
            yield item_type, start, position

    def count_item(self, path: str, position: int) -> None:
        self.items_left -= 1
        if self.items_left < 0:
            raise _invalid(path, position, f"more than {self.limits.items} items (Limits.items)")

    def top_level_item(self, item_type: int, start: int, end: int) -> None:
        if item_type == (_CONTEXT_RQ if self.pdu_type == ASSOCIATE_RQ else _CONTEXT_AC):
            if len(self.contexts) == self.limits.presentation_contexts:
                limit = self.limits.presentation_contexts
                text = f"more than {limit} presentation contexts (Limits.presentation_contexts)"
                raise _invalid(self.name, start - 4, text)
            self.contexts.append(self.context(start, end))
            return
        self.count_item(self.name, start - 4)
        if item_type == _APPLICATION_CONTEXT:
            self.set_once("application_context_name", self.text(start, end))
        elif item_type == _USER_INFORMATION:
            path = f"{self.name} / user information"
            for sub_type, sub_start, sub_end in self.items(start, end, path):
                self.user_information_item(sub_type, sub_start, sub_end, path)
        elif item_type in _STANDARD_ITEMS:
            raise _invalid(self.name, start - 4, f"item {item_type:02X}H out of place", UNEXPECTED_PARAMETER)
        else:
            self.add("unknown_items", UnknownItem(item_type=item_type, data=self.body[start:end]))

    def warn(self, text: str, kind: str = "") -> None:
        self.warnings.setdefault(kind or text, text)

    def set_once(self, field: str, value: object) -> None:
        if field in self.fields:
            self.warn(f"duplicate-item: {field}, the first one counts")
        else:
            self.fields[field] = value

    def add(self, field: str, value: object) -> None:
        self.lists.setdefault(field, []).append(value)

    def text(self, start: int, end: int) -> str:
        return self.body[start:end].decode("latin-1")

    def counted(self, start: int, end: int, path: str) -> tuple[int, int]:
        """Return the bounds of a value that follows its own 16-bit length within [start, end)."""
        if end - start < 2:
            raise _invalid(path, start, "a 16-bit length is missing")
        (length,) = _U16.unpack_from(self.body, start)
        if start + 2 + length > end:
            text = f"declares a field of {length} bytes, {end - start - 2} are left"
            raise _invalid(path, start, text)
        return start + 2, start + 2 + length

    def fixed(self, start: int, end: int, length: int, path: str) -> None:
        if end - start != length:
            raise _invalid(path, start - 2, f"has {end - start} bytes, not {length}")

    def surplus(self, position: int, end: int, path: str) -> None:
        if position != end:
            self.warn(f"surplus-bytes: {end - position} at the end of {path}", kind=f"surplus-bytes: {path}")

    # presentation contexts (PS3.8 Table 9-13, 9-18)

    def context(self, start: int, end: int) -> PresentationContextRQ | PresentationContextAC:
        path = f"{self.name} / presentation context {len(self.contexts) + 1}"
        if end - start < 4:
            raise _invalid(path, start, f"has {end - start} bytes, at least 4 are needed")
        abstract_syntax = ""
        transfer_syntaxes: list[str] = []
        unknown: list[UnknownItem] = []
        for item_type, sub_start, sub_end in self.items(start + 4, end, path):
            if item_type == _TRANSFER_SYNTAX:
                if transfer_syntaxes and self.pdu_type == ASSOCIATE_AC:
                    self.warn("duplicate-item: transfer syntax of an answer, the first one counts")
                if len(transfer_syntaxes) == self.limits.transfer_syntaxes:
                    limit = self.limits.transfer_syntaxes
                    text = f"more than {limit} transfer syntaxes (Limits.transfer_syntaxes)"
                    raise _invalid(path, sub_start - 4, text)
                transfer_syntaxes.append(self.text(sub_start, sub_end))
                continue
            self.count_item(path, sub_start - 4)
            if item_type == _ABSTRACT_SYNTAX:
                if abstract_syntax:
                    self.warn("duplicate-item: abstract syntax, the first one counts")
                abstract_syntax = abstract_syntax or self.text(sub_start, sub_end)
            elif item_type in _STANDARD_ITEMS:
                text = f"item {item_type:02X}H out of place"
                raise _invalid(path, sub_start - 4, text, UNEXPECTED_PARAMETER)
            else:
                unknown.append(UnknownItem(item_type=item_type, data=self.body[sub_start:sub_end]))
        context_id, result = self.body[start], self.body[start + 2]
        if self.pdu_type == ASSOCIATE_RQ:
            return PresentationContextRQ(
                context_id=context_id,
                abstract_syntax=abstract_syntax,
                transfer_syntaxes=tuple(transfer_syntaxes),
                unknown_items=tuple(unknown),
            )
        return PresentationContextAC(
            context_id=context_id,
            result=result,
            transfer_syntax=transfer_syntaxes[0] if transfer_syntaxes else "",
            unknown_items=tuple(unknown),
        )

    # user information sub-items (PS3.8 Annex D.1, PS3.7 Annex D.3.3)

    def user_information_item(self, item_type: int, start: int, end: int, parent: str) -> None:
        self.count_item(parent, start - 4)
        decode = _USER_INFORMATION_ITEMS.get(item_type)
        if decode is not None:
            name, method = decode
            method(self, start, end, f"{parent} / {name}")
        elif item_type in _STANDARD_ITEMS:
            raise _invalid(parent, start - 4, f"item {item_type:02X}H out of place", UNEXPECTED_PARAMETER)
        else:
            unknown = UnknownItem(item_type=item_type, data=self.body[start:end])
            self.add("unknown_user_information", unknown)

    def maximum_length(self, start: int, end: int, path: str) -> None:
        self.fixed(start, end, 4, path)
        self.set_once("maximum_length", _U32.unpack_from(self.body, start)[0])

    def implementation_class_uid(self, start: int, end: int, path: str) -> None:
        self.set_once("implementation_class_uid", self.text(start, end))

    def implementation_version_name(self, start: int, end: int, path: str) -> None:
        self.set_once("implementation_version_name", self.text(start, end))

    def asynchronous_operations_window(self, start: int, end: int, path: str) -> None:
        self.fixed(start, end, 4, path)
        invoked, performed = struct.unpack_from(">HH", self.body, start)
        window = AsynchronousOperationsWindow(maximum_invoked=invoked, maximum_performed=performed)
        self.set_once("asynchronous_operations_window", window)

    def role_selection(self, start: int, end: int, path: str) -> None:
        uid_start, uid_end = self.counted(start, end, path)
        if end - uid_end < 2:
            raise _invalid(path, uid_end, "the two role bytes are missing")
        self.surplus(uid_end + 2, end, path)
        role = RoleSelection(
            sop_class_uid=self.text(uid_start, uid_end),
            scu_role=self.body[uid_end] == 1,
            scp_role=self.body[uid_end + 1] == 1,
        )
        self.add("role_selections", role)

    def extended(self, start: int, end: int, path: str) -> None:
        uid_start, uid_end = self.counted(start, end, path)
        item = SOPClassExtendedNegotiation(
            sop_class_uid=self.text(uid_start, uid_end), application_information=self.body[uid_end:end]
        )
        self.add("sop_class_extended", item)

    def common_extended(self, start: int, end: int, path: str) -> None:
        sop_start, sop_end = self.counted(start, end, path)
        service_start, service_end = self.counted(sop_end, end, path)
        related: list[str] = []
        position, related_end = service_end, service_end
        if service_end != end:  # the related list and the reserved bytes after it may be absent
            position, related_end = self.counted(service_end, end, path)
        while position < related_end:
            self.count_item(path, position)
            uid_start, position = self.counted(position, related_end, path)
            related.append(self.text(uid_start, position))
        item = SOPClassCommonExtendedNegotiation(
            sop_class_uid=self.text(sop_start, sop_end),
            service_class_uid=self.text(service_start, service_end),
            related_general_sop_class_uids=tuple(related),
            version=self.body[start - 3],
        )
        self.add("sop_class_common_extended", item)

    def user_identity(self, start: int, end: int, path: str) -> None:
        if end - start < 2:
            raise _invalid(path, start, "its type is missing")
        primary_start, primary_end = self.counted(start + 2, end, path)
        secondary_start, secondary_end = primary_end, primary_end
        if primary_end != end:  # some peers leave the empty secondary field out
            secondary_start, secondary_end = self.counted(primary_end, end, path)
        self.surplus(secondary_end, end, path)
        identity = UserIdentityRQ(
            identity_type=self.body[start],
            primary_field=self.body[primary_start:primary_end],
            secondary_field=self.body[secondary_start:secondary_end],
            positive_response_requested=self.body[start + 1] == 1,
        )
        self.set_once("user_identity", identity)

    def user_identity_response(self, start: int, end: int, path: str) -> None:
        response_start, response_end = self.counted(start, end, path)
        self.surplus(response_end, end, path)
        response = UserIdentityAC(server_response=self.body[response_start:response_end])
        self.set_once("user_identity_response", response)


_USER_INFORMATION_ITEMS: dict[int, tuple[str, Callable[[_AssociateDecoder, int, int, str], None]]] = {
    0x51: ("maximum length", _AssociateDecoder.maximum_length),
    0x52: ("implementation class UID", _AssociateDecoder.implementation_class_uid),
    0x53: ("asynchronous operations window", _AssociateDecoder.asynchronous_operations_window),
    0x54: ("role selection", _AssociateDecoder.role_selection),
    0x55: ("implementation version name", _AssociateDecoder.implementation_version_name),
    0x56: ("SOP class extended negotiation", _AssociateDecoder.extended),
    0x57: ("SOP class common extended negotiation", _AssociateDecoder.common_extended),
    0x58: ("user identity", _AssociateDecoder.user_identity),
    0x59: ("user identity response", _AssociateDecoder.user_identity_response),
}
