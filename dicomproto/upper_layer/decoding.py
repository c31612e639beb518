"""The decoder of PDUs (PS3.8 9.3); `associate` decodes the long ones, A-ASSOCIATE-RQ and -AC."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Limits
from ..errors import InvalidPDU
from .associate import AssociateDecoder
from .layout import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    ASSOCIATE_RQ,
    HEADER,
    INVALID_PARAMETER,
    P_DATA_TF,
    PDU_NAMES,
    PDV_HEADER,
    RELEASE_RQ,
    UNRECOGNIZED_PDU,
    invalid,
)
from .pdu import PDU, Abort, AssociateRJ, Buffer, PDataTF, PresentationDataValue, ReleaseRP, ReleaseRQ


def decode_pdu(data: Buffer, limits: Limits | None = None) -> PDU:
    """Return the one PDU in `data`. Raises InvalidPDU for anything else, trailing bytes included."""
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
        return AssociateDecoder(pdu_type, body, limits).decode()
    if len(body) != 4:
        raise invalid(PDU_NAMES[pdu_type], -4, f"has {len(body)} bytes after its header, not 4")
    if pdu_type == ASSOCIATE_RJ:
        return AssociateRJ(result=body[1], source=body[2], reason=body[3])
    if pdu_type == ABORT:
        return Abort(source=body[2], reason=body[3])
    return ReleaseRQ() if pdu_type == RELEASE_RQ else ReleaseRP()


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
        raise invalid("P-DATA-TF", -4, f"declares {end} bytes, too few for a PDV")
    while position < end:
        if end - position < 6:
            raise invalid("P-DATA-TF", position, f"its last {end - position} bytes are no PDV")
        length, context_id, control = PDV_HEADER.unpack_from(body, position)
        check_pdv(length, end - position, position + 6)
        data = body[position + 6 : position + 4 + length]
        yield PresentationDataValue(
            context_id=context_id, is_command=bool(control & 1), is_last=bool(control & 2), data=data
        )
        position += 4 + length
