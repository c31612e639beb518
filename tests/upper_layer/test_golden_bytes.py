"""Decoding and encoding against bytes that were written out from the standard by hand."""

from __future__ import annotations

import pytest

from dicomproto.config import Limits
from dicomproto.errors import InvalidPDU
from dicomproto.upper_layer import PDU, decode_pdu, encode_pdu
from dicomproto.upper_layer.framer import Framer
from tests.golden import ITEMS, P_DATA_TF, PDUS, RELEASE_RQ
from tests.streams import framed, joined

CASES = [pytest.param(pdu.value, pdu.data, id=pdu.name) for pdu in PDUS]
CASES += [pytest.param(item.value, item.pdu, id=item.name) for item in ITEMS]
golden = pytest.mark.parametrize(("value", "data"), CASES)


@golden
def test_decoding_whole(value: PDU, data: bytes) -> None:
    decoded = decode_pdu(data)
    assert decoded == value
    assert type(decoded) is type(value)


@golden
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_decoded(value: PDU, data: bytes, kind: type) -> None:
    assert decode_pdu(kind(data)) == value


@golden
def test_encoding(value: PDU, data: bytes) -> None:
    assert encode_pdu(value) == data


@golden
def test_byte_by_byte_and_with_a_pdu_behind_it(value: PDU, data: bytes) -> None:
    stream = data + RELEASE_RQ.data
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    whole, behind = framed([data]), framed([RELEASE_RQ.data])
    assert joined(framed([stream])) == joined(whole + behind)
    assert joined(framed(pieces)) == joined(whole + behind)


@golden
def test_trailing_bytes_are_no_part_of_a_pdu(value: PDU, data: bytes) -> None:
    with pytest.raises(InvalidPDU, match=r"declares .* bytes after its header, has"):
        decode_pdu(data + b"\0")


@golden
def test_every_shorter_prefix_is_invalid_and_not_yet_a_pdu(value: PDU, data: bytes) -> None:
    framer = Framer(Limits())
    for end in range(len(data)):
        with pytest.raises(InvalidPDU):
            decode_pdu(data[:end])
        assert not framer.is_mid_pdu or end
        framer.receive(data[end : end + 1])
        while framer.next() is not None:
            pass
    assert not framer.is_mid_pdu
    assert (framer.pdu_offset, framer.consumed) == (0, len(data))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_reserved_bytes_are_ignored(item) -> None:
    data = bytearray(item.pdu)
    for at in (1, 8, 9, *range(42, 74)):
        data[at] = 0x40
    if item.data[0] != 0x57:  # whose second byte is a version
        data[-len(item.data) + 1] = 0x40
    expected = (
        item.value.replace(reserved=bytes(data[42:74])) if hasattr(item.value, "reserved") else item.value
    )
    assert decode_pdu(data) == expected


def test_each_item_that_is_defined_has_golden_bytes() -> None:
    found = {number for item in ITEMS for number in range(0x10, 0x5A) if f"{number:02X}H" in item.name}
    assert found == {0x10, 0x20, 0x21, 0x30, 0x40, *range(0x51, 0x5A)}


def test_pdvs_come_out_with_their_control_bits() -> None:
    values = [(v.context_id, v.is_command, v.is_last, v.data) for v in P_DATA_TF.value.values]
    items = framed([P_DATA_TF.data])[1:]
    assert [(c.context_id, c.is_command, c.is_last, bytes(c.data)) for c in items] == values
    assert [c.starts_pdu for c in items] == [True, False, False, False]
    assert all(c.end_of_pdv for c in items)
    assert all(memoryview(c.data).readonly for c in items)
