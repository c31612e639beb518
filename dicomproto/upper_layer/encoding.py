"""The encoder of PDUs (PS3.8 9.3, PS3.7 Annex D)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ..errors import LocalProtocolError
from .layout import (
    ABORT,
    ABSTRACT_SYNTAX,
    APPLICATION_CONTEXT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    ASSOCIATE_RQ,
    CONTEXT_AC,
    CONTEXT_RQ,
    HEADER,
    ITEM_HEADER,
    P_DATA_AND_PDV,
    P_DATA_TF,
    PDV_HEADER,
    RELEASE_RP,
    RELEASE_RQ,
    TRANSFER_SYNTAX,
    U16,
    U32,
    USER_INFORMATION,
    title_texts,
)
from .pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    ReleaseRP,
    ReleaseRQ,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UnknownItem,
)


def encode_pdu(pdu: PDU) -> bytes:
    """Return the bytes of `pdu`. Raises LocalProtocolError for a value that has no encoding.

    An encoded PDU need not be conformant; see `conformance`.
    """
    try:
        return _ENCODERS[type(pdu)](pdu)
    except (struct.error, ValueError, TypeError, AttributeError) as error:  # the latter two: an unfilled item
        raise LocalProtocolError(f"{type(pdu).__name__} cannot be encoded: {error}") from error


def p_data_header(context_id: int, control: int, length: int, more: int = 0) -> bytes:
    """Return the 12 bytes before the `length` bytes of the first fragment of a P-DATA-TF.

    `more` bytes follow them in the same PDU: other PDVs, with their headers.
    """
    return P_DATA_AND_PDV.pack(P_DATA_TF, length + 6 + more, length + 2, context_id, control)


def _item(item_type: int, *parts: Buffer, second: int = 0) -> bytes:
    value = b"".join(parts)
    return ITEM_HEADER.pack(item_type, second, len(value)) + value


def _text_item(item_type: int, value: str) -> bytes:
    text = value.encode("latin-1")
    return ITEM_HEADER.pack(item_type, 0, len(text)) + text


def _counted(value: bytes) -> bytes:
    return U16.pack(len(value)) + value


def _text(value: str) -> bytes:
    return value.encode("latin-1")


def _title(value: str) -> bytes:
    field = _text(value).ljust(16)
    if len(field) != 16:
        raise LocalProtocolError(f"an AE title has at most 16 bytes, this one has {len(field)}: {value!r}")
    return field


def _titles(pdu: AssociateRQ | AssociateAC) -> bytes:
    texts, raw = (pdu.called_ae_title, pdu.calling_ae_title), pdu.raw_ae_titles
    if len(raw) == 32 and title_texts(raw) == texts:
        return raw
    return b"".join(map(_title, texts))


def _reserved(value: bytes) -> bytes:
    if len(value) != 32:
        raise LocalProtocolError(f"the reserved field has 32 bytes, not {len(value)}")
    return value


def _unknown(items: tuple[UnknownItem, ...]) -> bytes:
    return b"".join([_item(item.item_type, item.data) for item in items]) if items else b""


def _context_rq(context: PresentationContextRQ) -> bytes:
    parts = [bytes((context.context_id, 0, 0, 0))]
    if context.abstract_syntax:
        parts.append(_text_item(ABSTRACT_SYNTAX, context.abstract_syntax))
    parts += [_text_item(TRANSFER_SYNTAX, uid) for uid in context.transfer_syntaxes]
    return _item(CONTEXT_RQ, *parts, _unknown(context.unknown_items))


def _context_ac(context: PresentationContextAC) -> bytes:
    parts = [bytes((context.context_id, 0, context.result, 0))]
    if context.transfer_syntax:
        parts.append(_text_item(TRANSFER_SYNTAX, context.transfer_syntax))
    return _item(CONTEXT_AC, *parts, _unknown(context.unknown_items))


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
        parts.append(_item(0x51, U32.pack(pdu.maximum_length)))
    if pdu.implementation_class_uid is not None:
        parts.append(_text_item(0x52, pdu.implementation_class_uid))
    if (window := pdu.asynchronous_operations_window) is not None:
        parts.append(_item(0x53, U16.pack(window.maximum_invoked), U16.pack(window.maximum_performed)))
    for role in pdu.role_selections:
        roles = bytes((role.scu_role, role.scp_role))
        parts.append(_item(0x54, _counted(_text(role.sop_class_uid)), roles))
    if pdu.implementation_version_name is not None:
        parts.append(_text_item(0x55, pdu.implementation_version_name))
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
    return _item(USER_INFORMATION, value) if value else b""


def _encode_associate(pdu_type: int, pdu: AssociateRQ | AssociateAC, contexts: list[bytes]) -> bytes:
    parts = [
        U16.pack(pdu.protocol_version),
        bytes(2),
        _titles(pdu),
        _reserved(pdu.reserved),
    ]
    if pdu.application_context_name:
        parts.append(_text_item(APPLICATION_CONTEXT, pdu.application_context_name))
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
