"""The PDU codec alone, against pynetdicom's in the same process."""

from __future__ import annotations

from collections.abc import Callable

from pynetdicom.pdu import A_ASSOCIATE_RQ

from dicomproto import build_associate_rq, decode_pdu, encode_pdu

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = [(f"1.2.840.10008.5.1.4.1.1.{number}", (IMPLICIT, EXPLICIT)) for number in range(1, 129)]
REQUEST = build_associate_rq("BENCH", "ANY-SCP", CONTEXTS)

Contenders = tuple[Callable[[], object], Callable[[], object]]


def decoding() -> Contenders:
    """Return our decoding of an A-ASSOCIATE-RQ of 128 contexts, and pynetdicom's."""
    encoded = encode_pdu(REQUEST)
    return lambda: decode_pdu(encoded), lambda: A_ASSOCIATE_RQ().decode(encoded)


def encoding() -> Contenders:
    """Return our encoding of it, and pynetdicom's."""
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encode_pdu(REQUEST))
    return lambda: encode_pdu(REQUEST), theirs.encode
