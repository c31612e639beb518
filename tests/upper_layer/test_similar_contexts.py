"""Proposals that are like one before are decoded in one step, and nobody can tell by the result."""

from __future__ import annotations

from itertools import product

import pytest

from dicomproto.config import Limits
from dicomproto.errors import InvalidPDU
from dicomproto.uids import are_valid_uids, is_valid_uid
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.associate import AssociateDecoder
from dicomproto.upper_layer.contexts import PresentationContextAC, PresentationContextRQ
from dicomproto.upper_layer.layout import ASSOCIATE_AC, ASSOCIATE_RQ
from tests.conversations import RQ


class OneByOne(AssociateDecoder):
    """Takes each item by itself."""

    def similar_contexts(self, position: int) -> int:
        return position


class Counting(AssociateDecoder):
    """Counts the contexts that it takes one by one."""

    count = 0

    def context(self, start: int, end: int) -> PresentationContextRQ | PresentationContextAC:
        self.count += 1
        return super().context(start, end)


def item(item_type: int, value: bytes = b"", length: int | None = None) -> bytes:
    declared = len(value) if length is None else length
    return bytes((item_type, 0)) + declared.to_bytes(2, "big") + value


def proposal(*items: bytes, context_id: int = 1, length: int | None = None) -> bytes:
    return item(0x20, bytes((context_id, 0xFF, 0xFF, 0xFF)) + b"".join(items), length)


CT, MR = item(0x30, b"1.2.840.10008.5.1.4.1.1.2"), item(0x30, b"1.2.3\xe9")
IMPLICIT, EXPLICIT = item(0x40, b"1.2.840.10008.1.2"), item(0x40, b"1.2.840.10008.1.2.1")
ITEMS = {
    "plain": proposal(CT, IMPLICIT, EXPLICIT),
    "another abstract syntax": proposal(MR, IMPLICIT, EXPLICIT, context_id=2),
    "another list": proposal(CT, EXPLICIT, context_id=3),
    "no transfer syntax": proposal(CT),
    "no abstract syntax": proposal(IMPLICIT, EXPLICIT),
    "an empty abstract syntax": proposal(item(0x30), IMPLICIT, EXPLICIT),
    "an empty one, then one": proposal(item(0x30), CT, IMPLICIT),
    "two abstract syntaxes": proposal(MR, CT, IMPLICIT),
    "the abstract syntax last": proposal(IMPLICIT, EXPLICIT, CT),
    "an unknown item": proposal(CT, IMPLICIT, item(0xEE)),
    "an item out of place": proposal(CT, item(0x50)),
    "too short": item(0x20, b"\1\0"),
    "a sub-item over the end": proposal(item(0x30, b"1.2", 40)),
    "over the end of the PDU": proposal(CT, IMPLICIT, EXPLICIT, length=2000),
    "an answer": item(0x21, b"\1\0\0\0" + IMPLICIT),
    "no context": item(0xEE, b"\1\0\0\0" + CT),
}
LIMITS = {
    "all": Limits(),
    "presentation contexts": Limits(presentation_contexts=2),
    "items": Limits(items=3),
    "transfer syntaxes": Limits(transfer_syntaxes=1),
}


def decoded(decoder: type[AssociateDecoder], pdu_type: int, body: bytes, limits: Limits) -> object:
    try:
        return decoder(pdu_type, body, limits).decode()
    except InvalidPDU as error:
        return str(error), error.offset, error.item_path, error.reason


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("pdu_type", [ASSOCIATE_RQ, ASSOCIATE_AC])
def test_the_step_changes_no_result(pdu_type: int, limit: str) -> None:
    head = bytes(encode_pdu(RQ))[6:74]
    for names in product(ITEMS, repeat=3):
        body = head + item(0x10, b"1.2") + b"".join(ITEMS[name] for name in names)
        expected = decoded(OneByOne, pdu_type, body, LIMITS[limit])
        assert decoded(AssociateDecoder, pdu_type, body, LIMITS[limit]) == expected, names


def test_a_long_proposal_is_one_context_and_many_like_it() -> None:
    contexts = tuple(
        PresentationContextRQ(context_id=number, abstract_syntax=f"1.2.{number}", transfer_syntaxes=("1.2",))
        for number in range(1, 256, 2)
    )
    request = RQ.replace(presentation_contexts=contexts)
    decoder = Counting(ASSOCIATE_RQ, bytes(encode_pdu(request))[6:], Limits())
    assert decoder.decode() == request
    assert decoder.count == 1


@pytest.mark.parametrize(
    "uids",
    [[], ["1.2"], ["1.2", "0.1"], [""], ["1.2", ""], ["1.02"], ["1.2\n1.3"], ["1\n", "2"], ["1." * 40 + "1"]],
)
def test_uids_are_valid_together_when_each_is(uids: list[str]) -> None:
    assert are_valid_uids(uids) == all(map(is_valid_uid, uids))
