"""Hostile PDUs: lengths that lie, items without end, fragments that are none, and PDUs out of place."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dicomproto import Abort, AssociateRJ, Limits, encode_pdu
from dicomproto.dimse.codec import encode_command
from tests.suites.rows import (
    ANSWER,
    ASSOCIATED,
    NOTHING,
    REQUEST,
    Outcome,
    Wire,
    faults,
    in_both,
    in_each,
    pdu,
    provoking,
    taken_in_both,
)

aborted, awaiting_answer, awaiting_request = (
    provoking.aborted,
    provoking.awaiting_answer,
    provoking.awaiting_request,
)
calling, releasing, serving = provoking.calling, provoking.releasing, provoking.serving
CT, ECHO, IDENTIFIER, STORE = provoking.CT, provoking.ECHO, provoking.IDENTIFIER, provoking.STORE
associate, counted, item, p_data = provoking.associate, provoking.counted, provoking.item, provoking.p_data

MIB = 1 << 20
NAME = item(0x10, b"1.2.840.10008.3.1.1.1")
MAXIMUM = item(0x51, b"\0\0\x40\0")
UID = b"1.2.840.10008.1.1"
FOUR_GIB = (MIB + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIDES = ((awaiting_request, 1, faults.EARLY_VIOLATION), (awaiting_answer, 2, faults.INVALID))
"""Where a faulty A-ASSOCIATE PDU comes, its type, and what it is answered."""


def user(*items: bytes) -> bytes:
    """Return a user information item with what is mandatory, and more."""
    return item(0x50, MAXIMUM, provoking.IMPLEMENTATION, *items)


def context(number: int, *items: bytes) -> bytes:
    """Return a presentation context of an A-ASSOCIATE-RQ."""
    return item(0x20, bytes((number, 0, 0, 0)), *items)


SYNTAX = item(0x40, b"1.2.840.10008.1.2")
ECHO_CONTEXT = context(1, item(0x30, UID), SYNTAX)


# --- headers ----------------------------------------------------------------------------------------


def declared_lengths() -> Iterator[Wire]:
    """Headers alone, whose length must not be believed."""
    for length in FOUR_GIB:
        text = f"A-ASSOCIATE of {length:X}H bytes"
        yield Wire(text, awaiting_request, pdu(1, length=length), faults.EARLY_VIOLATION)
        yield Wire(text, awaiting_answer, pdu(2, length=length), faults.INVALID)
        yield from in_each(
            ASSOCIATED, f"P-DATA-TF of {length:X}H bytes", pdu(4, length=length), faults.INVALID
        )
    for pdu_type in (3, 5, 6, 7):
        for length in (0, 3, 5, *FOUR_GIB):
            text = f"type {pdu_type} of {length:X}H bytes"
            data = pdu(pdu_type, length=length)
            yield from in_each((awaiting_answer, *ASSOCIATED, releasing), text, data, faults.INVALID)
            yield Wire(text, awaiting_request, data, faults.EARLY_VIOLATION)
    yield Wire("1 MiB declared, nothing sent", awaiting_request, pdu(1, length=MIB), NOTHING)
    yield Wire("a proposal of 340 KB", awaiting_request, largest_proposal(), REQUEST)


def largest_proposal() -> bytes:
    """Return the longest proposal of conformant UIDs: 128 contexts of 38 transfer syntaxes."""
    uid = b"1." + b"2" * 62
    syntaxes = [item(0x40, uid)] * 38
    contexts = [context(number, item(0x30, uid), *syntaxes) for number in range(1, 257, 2)]
    return associate(1, NAME, *contexts, user())


OTHER_PROTOCOLS = {
    "GET of HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST of HTTP": b"POST /studies HTTP/1.1\r\n\r\n",
    "HEAD of HTTP": b"HEAD / HTTP/1.0\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS of RTSP": b"OPTIONS / RTSP/1.0\r\n\r\n",
    "the PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "the PROXY protocol, version 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a file server's negotiation": bytes.fromhex("00000085ff534d4272000000"),
    "a line of text": b"help\r\n\r\n",
    **{
        f"a TLS record of version 3.{minor}": bytes((0x16, 3, minor)) + b"\2\0\1\0\1\xfc\3\3"
        for minor in range(5)
    },
}


def other_protocols() -> Iterator[Wire]:
    """First bytes of other protocols, and PDU types that there are not."""
    for name, data in OTHER_PROTOCOLS.items():
        yield Wire(name, awaiting_request, data, faults.NOT_DICOM)
        yield Wire(name, awaiting_answer, data, Outcome(Abort(source=2, reason=1), "NotDicom"))
    for pdu_type in (0, *range(8, 256)):
        data = pdu(pdu_type, bytes(4))
        yield Wire(f"type {pdu_type}", awaiting_request, data, faults.NOT_DICOM)
        given = (*ASSOCIATED, releasing)[pdu_type % 3]
        yield Wire(f"type {pdu_type}", given, data, faults.UNRECOGNIZED)


# --- items --------------------------------------------------------------------------------------------


def lengths_of(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the length of each item is, and how many bytes its parent has behind it."""
    at = start
    while at < end:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield at + 2, end - at - 4
        if fields := {0x20: 8, 0x21: 8, 0x50: 4}.get(data[at]):
            yield from lengths_of(data, at + fields, at + 4 + length)
        at += 4 + length


def items_of(pdu_type: int) -> bytes:
    """Return an A-ASSOCIATE PDU with every kind of item."""
    number = 0x1F + pdu_type
    syntax = [item(0x30, UID)] * (pdu_type == 1) + [SYNTAX, item(0x77, b"?")]
    optional = (
        item(0x53, bytes(4)),
        item(0x54, counted(UID), b"\1\1"),
        item(0x55, b"VERSION"),
        item(0x56, counted(UID), b"\1"),
        item(0x57, counted(UID), counted(UID), counted(counted(UID))),
        item(0x57 + pdu_type, *((b"\2\0", counted(b"me")) if pdu_type == 1 else ()), counted(b"secret")),
        item(0x78, b"?"),
    )
    return associate(pdu_type, NAME, item(number, b"\1\0\0\0", *syntax), item(0x79, b"?"), user(*optional))


def items_longer_than_their_parents() -> Iterator[Wire]:
    """Each item and sub-item in turn, one byte longer than the rest of its parent, and 64 KiB long."""
    for given, pdu_type, expected in SIDES:
        whole = items_of(pdu_type)
        yield Wire("every item", given, whole, REQUEST if pdu_type == 1 else ANSWER)
        for at, rest in lengths_of(whole, 74, len(whole)):
            for lie in (rest + 1, 0xFFFF):
                data = whole[:at] + struct.pack(">H", lie) + whole[at + 2 :]
                yield Wire(f"item {whole[at - 2]:02X}H says {lie}, has {rest}", given, data, expected)
    for cut in range(1, 4):
        header = item(0x52, b"1.2")[:cut]
        yield from in_both(f"{cut} bytes of a header", NAME, header)
        yield from in_both(f"{cut} bytes of the header of a sub-item", item(0x50, MAXIMUM, header))
    for given, pdu_type, expected in SIDES:
        for size in range(4):
            data = associate(pdu_type, item(0x1F + pdu_type, bytes(size)))
            yield Wire(f"a context of {size} bytes", given, data, expected)


def uid_lengths(item_type: int, behind: bytes, needed: int) -> Iterator[Wire]:
    """A sub-item whose UID has a count around the true one; `needed` bytes must be behind it."""
    room = len(UID) + len(behind) - needed
    for count in (*range(len(UID) + len(behind) + 3), 0x7FFF, 0xFFFE, 0xFFFF):
        text = f"sub-item {item_type:02X}H, a UID of {count}"
        made = in_both if count > room else taken_in_both
        yield from made(text, NAME, user(item(item_type, counted(UID, count), behind)))


def role_selections() -> Iterator[Wire]:
    """Role selections whose UID takes more or less room than there is, and without their roles."""
    yield from uid_lengths(0x54, b"\1\1", 2)
    for value in (b"", b"\0", b"\0\0", b"\0\0\1", b"\0\1\1", b"\0\1.\1"):
        yield from in_both(f"a role selection of {len(value)} bytes", NAME, user(item(0x54, value)))


def maximum_lengths() -> Iterator[Wire]:
    """Maximum length sub-items of every other length than 4."""
    for size in (0, 1, 2, 3, 5, 6, 7, 8, 255, 65000):
        yield from in_both(f"{size} bytes", NAME, item(0x50, item(0x51, bytes(size))))
    for size in (5, 0x7FFF, 0xFFFF):
        yield from in_both(f"4 bytes that say {size}", NAME, item(0x50, item(0x51, bytes(4), length=size)))


def extended_negotiations() -> Iterator[Wire]:
    """Extended and common extended negotiation whose inner lengths lie; with true ones they do no harm."""
    yield from uid_lengths(0x56, b"\1\0\1", 0)
    size = len(counted(UID))
    value = bytearray(counted(UID) * 2 + counted(counted(UID)))
    for at in (0, size, 2 * size, 2 * size + 2):
        for lie in (len(value) - at - 1, 0xFFFF):
            data = value[:at] + struct.pack(">H", lie) + value[at + 2 :]
            yield from in_both(f"the length at byte {at} of 57H is {lie}", NAME, user(item(0x57, data)))
    for value in (b"", b"\0", counted(UID), counted(UID) + b"\0"):
        yield from in_both(f"57H of {len(value)} bytes", NAME, user(item(0x57, value)))
    for size in (0, 1, 60000):
        yield from taken_in_both(f"information of {size}", NAME, user(item(0x56, counted(UID), bytes(size))))


def user_identities() -> Iterator[Wire]:
    """User identities and their answers: fields that are too long, missing, huge, or of no known type."""
    for count in (3, 4, 5, 0x7FFF, 0xFFFF):  # "me" and the two bytes behind it make 4
        data = user(item(0x58, b"\1\0", counted(b"me", count), counted(b"")))
        yield from (taken_in_both if count == 4 else in_both)(f"primary field of {count}", NAME, data)
    for count in (7, 0x7FFF, 0xFFFF):
        data = user(item(0x58, b"\2\0", counted(b"me"), counted(b"secret", count)))
        yield from in_both(f"secondary field of {count}", NAME, data)
        yield from in_both(f"answer of {count}", NAME, user(item(0x59, counted(b"answer", count))))
    for value in (b"", b"\1", b"\1\0", b"\1\0\0"):
        yield from in_both(f"an identity of {len(value)} bytes", NAME, user(item(0x58, value)))
    for kind in range(256):
        data = user(item(0x58, bytes((kind, kind)), counted(b""), counted(b"")))
        yield Wire(f"type {kind}", awaiting_request, associate(1, NAME, ECHO_CONTEXT, data), REQUEST)
    token = user(item(0x58, b"\3\1", counted(bytes(65000)), counted(b"")))
    yield Wire("64 KB of token", awaiting_request, associate(1, NAME, ECHO_CONTEXT, token), REQUEST)


KNOWN_ITEMS = {0x10, 0x20, 0x21, 0x30, 0x40, 0x50, *range(0x51, 0x5A)}
UNKNOWN_ITEMS = tuple(number for number in range(256) if number not in KNOWN_ITEMS)


def unknown_items() -> Iterator[Wire]:
    """Items of types that there are not, whole and longer than their parent, in each place."""
    places = {
        "at the top": lambda data: (NAME, data),
        "in user information": lambda data: (NAME, user(data)),
    }
    for number in UNKNOWN_ITEMS:
        place = tuple(places)[number % 2]
        yield from taken_in_both(f"item {number:02X}H {place}", *places[place](item(number, b"??")))
    for length in (3, 0x7FFF, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF):
        lie = item(0xEE, b"??", length=length)
        for place, build in places.items():
            yield from in_both(f"{length} bytes {place}", *build(lie))
        data = associate(1, NAME, context(1, item(0x30, UID), lie), user())
        yield Wire(f"{length} bytes in a context", awaiting_request, data, faults.EARLY_VIOLATION)
    data = associate(1, NAME, context(1, item(0x30, UID), item(0xEE, b"??"), SYNTAX), user())
    yield Wire("an item in a context", awaiting_request, data, REQUEST)


def amplification() -> Iterator[Wire]:
    """As many tiny items as fit, which would take a thousand times their size."""
    many = Limits().items + 1
    yield from in_both("a mebibyte of empty items", item(0xEE) * (MIB // 4 - 20))
    yield from in_both("one item more than the limit", item(0xEE) * many)
    yield from in_both("application contexts", NAME * many)
    yield from in_both("64 KB of empty sub-items", item(0x50, item(0xEE) * 16000))
    yield from in_both("64 KB of role selections", user(item(0x54, bytes(4)) * 8000))
    yield from in_both("related SOP classes", user(item(0x57, bytes(4), counted(bytes(2) * 30000))))
    for given, pdu_type, expected in SIDES:
        number = 0x1F + pdu_type
        contexts = item(number, b"\1\0\0\0") * (Limits().presentation_contexts + 1)
        syntaxes = item(number, b"\1\0\0\0", item(0x40) * (Limits().transfer_syntaxes + 1))
        for what, items in (("contexts", contexts), ("transfer syntaxes", syntaxes)):
            yield Wire(what, given, associate(pdu_type, items), expected)
    allowed = context(1, item(0x30, UID), item(0x40, b"1.2") * 256) * 250
    yield Wire("64,000 transfer syntaxes", awaiting_request, associate(1, NAME, allowed, user()), REQUEST)


# --- P-DATA-TF ----------------------------------------------------------------------------------------


def pdv_lengths() -> Iterator[Wire]:
    """PDVs that are shorter than their header, or longer than the PDU, and bytes behind the last one."""
    for length in (0, 1, 5, 0x7FFFFFFF, 0x80000000, *range(0xFFFFFFF8, 0x100000000)):
        data = pdu(4, struct.pack(">I", length), b"\1\0ab")
        yield from in_each(ASSOCIATED, f"a PDV of {length:X}H", data, faults.INVALID)
    good = struct.pack(">IBB", 4, 1, 1) + bytes(2)
    for size in range(1, 6):
        data = pdu(4, good, bytes(size))
        yield from in_each(ASSOCIATED, f"{size} bytes behind the last PDV", data, faults.INVALID)
    for length in (0, 1, 3, 0xFFFFFFFF):
        data = pdu(4, good, struct.pack(">I", length), b"\1\1")
        yield from in_each(ASSOCIATED, f"a second PDV of {length:X}H", data, faults.INVALID)


def no_pdv() -> Iterator[Wire]:
    """P-DATA-TFs of 0 to 5 bytes, which is too little for a PDV."""
    for size in range(6):
        yield from in_each(ASSOCIATED, f"{size} bytes", pdu(4, bytes(size)), faults.INVALID)


def endless_fragments() -> Iterator[Wire]:
    """Command sets and data sets whose last fragment never comes."""
    limits, fault = Limits(), faults.MESSAGE_FAULT
    command = p_data((1, 1, bytes(8192)))
    whole = limits.command_length // 8192
    yield from in_each(ASSOCIATED, "a command set above the limit", command * (whole + 1), fault)
    yield from in_each(ASSOCIATED, "a command set at the limit", command * whole, NOTHING)
    empty = p_data((1, 1, b""))
    yield from in_each(ASSOCIATED, "empty fragments", empty * (limits.empty_fragments + 1), fault)
    yield from in_each(ASSOCIATED, "as many as allowed", empty * limits.empty_fragments, NOTHING)
    begun = p_data(provoking.STORE_COMMAND)
    tiny = p_data((3, 0, b"ab"))
    yield Wire("empty fragments of a data set", serving, begun + p_data((3, 0, b"")) * 65, fault)
    yield Wire("tiny fragments", serving, begun + tiny * (limits.tiny_fragments + 1), fault)
    chunk = p_data((3, 0, bytes(16000)))
    yield Wire("a data set of a mebibyte", serving, begun + chunk * 65, Outcome(None, "DataSetChunk"))


# --- sequence -----------------------------------------------------------------------------------------

ABORT, RELEASE_RQ, RELEASE_RP = encode_pdu(Abort()), provoking.RELEASE_RQ, provoking.RELEASE_RP
RQ, AC = encode_pdu(provoking.PROPOSAL), encode_pdu(provoking.ANSWER)
RJ = encode_pdu(AssociateRJ(result=1, source=1, reason=1))
P_DATA = provoking.message(ECHO, 1)
ENDED = Outcome(None, "LocallyEnded")


def told(event: str) -> Outcome:
    """Return the outcome of what has no answer by itself."""
    return Outcome(None, event)


SEQUENCES = {
    awaiting_request: {
        **dict.fromkeys((AC, RJ, P_DATA, RELEASE_RQ, RELEASE_RP), faults.EARLY_VIOLATION),
        RQ: REQUEST,
        ABORT: told("Abort"),
    },
    awaiting_answer: {
        **dict.fromkeys((RQ, P_DATA, RELEASE_RQ, RELEASE_RP), faults.UNEXPECTED),
        AC: ANSWER,
        RJ: told("AssociateRJ"),
        ABORT: told("Abort"),
    },
    serving: {
        **dict.fromkeys((RQ, AC, RJ, RELEASE_RP), faults.UNEXPECTED),
        P_DATA: told("RequestReceived"),
        RELEASE_RQ: told("ReleaseRQ"),
        ABORT: told("Abort"),
    },
    calling: {
        **dict.fromkeys((RQ, AC, RJ, RELEASE_RP), faults.UNEXPECTED),
        P_DATA: faults.refused(0x0122),
        RELEASE_RQ: told("ReleaseRQ"),
        ABORT: told("Abort"),
    },
    releasing: {
        **dict.fromkeys((RQ, AC, RJ), faults.UNEXPECTED),
        P_DATA: told("RequestRefused"),
        RELEASE_RQ: told("ReleaseRQ"),
        RELEASE_RP: told("ReleaseRP"),
        ABORT: told("Abort"),
    },
    aborted: dict.fromkeys((AC, RJ, P_DATA, RELEASE_RQ, RELEASE_RP, RQ, ABORT), ENDED),
}


def out_of_sequence() -> Iterator[Wire]:
    """Every PDU in every situation (PS3.8 Table 9-10)."""
    for given, answers in SEQUENCES.items():
        for data, expected in answers.items():
            yield Wire(f"PDU of type {data[0]}", given, data, expected)
    yield Wire("two proposals at once", awaiting_request, RQ + RQ, faults.UNEXPECTED)
    yield Wire("an answer and another", awaiting_answer, AC + AC, faults.UNEXPECTED)


def cut_messages() -> Iterator[Wire]:
    """A release or an abort behind each fragment of a C-STORE."""
    command = encode_command(STORE)
    fragments = [
        p_data((3, 1, command[:20])),
        p_data((3, 3, command[20:])),
        p_data((3, 0, IDENTIFIER[:6])),
        p_data((3, 2, IDENTIFIER[6:])),
    ]
    for count in range(len(fragments) + 1):
        before = b"".join(fragments[:count])
        yield Wire(f"a release behind {count} fragments", serving, before + RELEASE_RQ, told("ReleaseRQ"))
        yield Wire(f"an abort behind {count} fragments", serving, before + ABORT, told("Abort"))
