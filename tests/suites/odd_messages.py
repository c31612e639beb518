"""Odd messages: fragments, command sets and data sets as real peers send them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dicomproto import CEchoRSP, CGetRSP, CStoreRSP, NActionRQ, NEventReportRQ
from dicomproto.dimse.codec import encode_command
from tests.suites.hostile_messages import UID, command_set, raw
from tests.suites.hostile_pdus import RELEASE_RQ
from tests.suites.rows import Input, Quirk, Wire, faults, provoking

serving, calling, storing = provoking.serving, provoking.calling, provoking.storing
waiting_for_echo, waiting_for_get = provoking.waiting_for_echo, provoking.waiting_for_get
CT, ECHO, IDENTIFIER, STORE = provoking.CT, provoking.ECHO, provoking.IDENTIFIER, provoking.STORE
element, message, p_data = provoking.element, provoking.message, provoking.p_data

RECEIVED, ANSWERED, CHUNK = "RequestReceived", "ResponseReceived", "DataSetChunk"
STORED = p_data(provoking.STORE_COMMAND)
ECHO_2 = encode_command(ECHO.replace(MessageID=2))


def grouped(body: bytes) -> bytes:
    """Return a command set with its group length."""
    return raw(0, 0, 4, struct.pack("<I", len(body))) + body


def in_one_pdu() -> Iterator[Input]:
    """Commands and data sets in one PDU, several messages in one, and PDUs in one piece."""
    command, data = provoking.STORE_COMMAND, (3, 2, IDENTIFIER)
    yield Quirk("command and data set", serving, p_data(command, data), (RECEIVED, CHUNK))
    several = ("several-messages",)
    yield Quirk(
        "and the next command",
        serving,
        p_data(command, data, (1, 3, ECHO_2)),
        (RECEIVED, CHUNK, RECEIVED),
        several,
    )
    echoes = [(1, 3, encode_command(ECHO.replace(MessageID=number))) for number in range(1, 6)]
    yield Quirk("five commands", serving, p_data(*echoes), (RECEIVED,) * 5, several * 4)
    yield Quirk("five PDUs at once", serving, b"".join(p_data(one) for one in echoes), (RECEIVED,) * 5)
    half = provoking.STORE_COMMAND[2]
    pieces = ((3, 1, half[:40]), (3, 3, half[40:]), (3, 0, IDENTIFIER[:4]), (3, 2, IDENTIFIER[4:]))
    yield Quirk("four fragments", serving, p_data(*pieces), (RECEIVED, CHUNK))


def data_set_types() -> Iterator[Input]:
    """Values of Command Data Set Type other than 0101H and 0001H, and flags that do not fit."""
    for value in (0x0000, 0x0001, 0x0100, 0x0102, 0xFEFE, 0xFFFF):
        kind = struct.pack("<H", value)
        store = provoking.STORE_COMMAND[2].replace(b"\x08\2\0\0\0\1\0", b"\x08\2\0\0\0" + kind)
        data = p_data((3, 3, store), (3, 2, IDENTIFIER))
        yield Quirk(f"{value:04X}H", serving, data, (RECEIVED, CHUNK))
    pending = CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00)
    final = message(CGetRSP(MessageIDBeingRespondedTo=1), 7)
    claims = p_data((7, 3, encode_command(pending.replace(CommandDataSetType=1))))
    yield Quirk(
        "a pending response that only says so",
        waiting_for_get,
        claims + final,
        (ANSWERED, CHUNK, ANSWERED),
        ("missing-data-set",),
    )
    yield Quirk(
        "a pending response that does not say so",
        waiting_for_get,
        message(pending, 7) + p_data((7, 2, IDENTIFIER)) + final,
        (ANSWERED, "UnexpectedDataSet", ANSWERED),
    )
    yield Quirk(
        "a pending response with an identifier",
        waiting_for_get,
        claims + p_data((7, 2, IDENTIFIER)) + final,
        (ANSWERED, CHUNK, ANSWERED),
    )


def responses_with_gaps() -> Iterator[Input]:
    """Responses without what is not vital, with empty values, and with counters of two values."""
    echo = {"_0100": b"\x30\x80", "_0110": b"", "_0120": b"\1\0", "_0900": b"\0\0"}
    for what, values, warnings in (
        ("no SOP class", {"_0002": b""}, ()),
        ("no Command Data Set Type", {"_0800": b""}, ("missing-element",)),
        ("neither", {"_0002": b"", "_0800": b""}, ("missing-element",)),
        ("a status of four bytes", {"_0900": b"\0\0\1\0"}, ("wrong-length",)),
    ):
        data = p_data((1, 3, grouped(command_set(**{**echo, **values}))))
        yield Quirk(what, waiting_for_echo, data, (ANSWERED,), warnings)
    empty = grouped(element(2, b"") + command_set(**{**echo, "_0002": b""}))
    yield Quirk("an empty SOP class", waiting_for_echo, p_data((1, 3, empty)), (ANSWERED,))
    counters = b"".join(element(number, b"\1\0\1\0") for number in range(0x1020, 0x1024))
    get = element(2, provoking.GET.encode() + b"\0") + element(0x100, b"\x10\x80") + element(0x120, b"\1\0")
    get += element(0x800, b"\1\1") + element(0x900, b"\0\0") + counters
    data = p_data((7, 3, grouped(get)))
    yield Quirk("counters of two values", waiting_for_get, data, (ANSWERED,), ("wrong-length",) * 4)
    request = p_data((1, 3, grouped(command_set(_0002=b""))))
    yield Quirk("a request without SOP class", serving, request, (RECEIVED,), ("missing-element",))


def odd_command_sets() -> Iterator[Input]:
    """Group lengths that are wrong, missing or doubled, elements that nobody knows, and any order."""
    body, wrong = command_set(), ("wrong-group-length",)
    backwards = (
        element(0x800, b"\1\1") + element(0x110, b"\1\0") + element(0x100, b"\x30\0") + element(2, UID)
    )
    for what, data, warnings in (
        ("no group length", body, ("missing-group-length",)),
        ("a group length of 0", raw(0, 0, 4, bytes(4)) + body, wrong),
        ("a group length of 4 GiB", raw(0, 0, 4, b"\xff" * 4) + body, wrong),
        ("a group length that is odd", raw(0, 0, 4, struct.pack("<I", len(body) + 1)) + body, wrong),
        ("unknown elements", grouped(body + raw(0, 0x7777, 2, b"??")), ("unknown-element",)),
        ("retired elements", grouped(raw(0, 1, 4, b"ABCD") + body), ()),
        ("another group behind", grouped(body) + raw(8, 0x58, 10, b"1.2.826.0\0"), ("foreign-elements",)),
        ("the other way round", grouped(backwards), ()),
    ):
        yield Quirk(what, serving, p_data((1, 3, data)), (RECEIVED,), warnings)


def odd_originators() -> Iterator[Input]:
    """Move originators that are no titles, and Message IDs that cannot be."""
    for what, title in {
        "padded to 16": b"ARCHIVE".ljust(16),
        "of the length of its text": b"ARCHIVE1",
        "of 20 characters": b"A" * 20,
        "blank": b"  ",
        "with control characters": b"AR\n\x1b\xff\0",
    }.items():
        elements = [
            element(2, CT.encode() + b"\0"),
            element(0x100, b"\1\0"),
            element(0x110, b"\1\0"),
            element(0x700, b"\0\0"),
            element(0x800, b"\1\0"),
            element(0x1000, b"1.2.3\0"),
            element(0x1030, title),
            element(0x1031, b"\xff\xff"),
        ]
        data = p_data((3, 3, grouped(b"".join(elements))), (3, 2, IDENTIFIER))
        yield Quirk(what, serving, data, (RECEIVED, CHUNK))
    for number in (0, 0x8000, 0xFFFF):
        store = message(STORE.replace(MessageID=number), 3, IDENTIFIER)
        yield Quirk(f"Message ID {number}", serving, store, (RECEIVED, CHUNK))


def padded_instances() -> Iterator[Input]:
    """SOP Instance UIDs with spaces or NULs, and of odd length."""
    body = provoking.STORE_COMMAND[2][12:]
    for uid, warnings in (
        (b"1.2.3 ", ("invalid-uid",)),
        (b"1.2.3\0", ()),
        (b"1.2.30", ()),
        (b" 1.2.3\0\0", ("invalid-uid",)),
        (b"1.02.3", ("invalid-uid",)),
    ):
        store = grouped(body.replace(raw(0, 0x1000, 6, b"1.2.3\0"), raw(0, 0x1000, len(uid), uid)))
        data = p_data((3, 3, store), (3, 2, IDENTIFIER))
        yield Quirk(f"{uid!r}", serving, data, (RECEIVED, CHUNK), warnings)


def long_pdus() -> Iterator[Input]:
    """P-DATA-TFs above the maximum length that we announced."""
    for size, warnings in ((16378, ()), (16380, ("p-data-too-long",)), (1 << 19, ("p-data-too-long",))):
        data = STORED + p_data((3, 2, bytes(size)))
        yield Quirk(f"{size} bytes", serving, data, (RECEIVED, CHUNK), warnings)
    tiny = (p_data((3, 2 * (at == 98), b"ab")) for at in range(0, 100, 2))
    yield Quirk("2 bytes at a time", serving, STORED + b"".join(tiny), (RECEIVED, CHUNK))


def odd_fragments() -> Iterator[Input]:
    """Fragments of odd length, in the middle and at the end, of data sets and of commands."""
    odd = ("odd-fragment",)
    command = provoking.STORE_COMMAND[2]
    yield Quirk(
        "in the middle", serving, STORED + p_data((3, 0, b"odd"), (3, 2, b"!")), (RECEIVED, CHUNK), odd
    )
    yield Quirk("at the end", serving, STORED + p_data((3, 2, b"odd")), (RECEIVED, CHUNK), odd)
    split = p_data((3, 1, command[:33]), (3, 3, command[33:]))
    yield Quirk("of a command", serving, split + p_data((3, 2, IDENTIFIER)), (RECEIVED, CHUNK), odd)


def empty_fragments() -> Iterator[Input]:
    """PDVs without data at the beginning, within and at the end, and data sets without data."""
    for what, pieces in {
        "at the beginning": (b"", IDENTIFIER),
        "within": (IDENTIFIER[:6], b"", b"", IDENTIFIER[6:]),
        "at the end": (IDENTIFIER, b""),
        "alone": (b"",),
        "sixty alone": (b"",) * 60,
    }.items():
        last = len(pieces) - 1
        data = p_data(*((3, 2 * (number == last), piece) for number, piece in enumerate(pieces)))
        yield Quirk(what, serving, STORED + data, (RECEIVED, CHUNK))
    command = provoking.STORE_COMMAND[2]
    split = p_data((3, 1, b""), (3, 1, command), (3, 3, b"")) + p_data((3, 2, IDENTIFIER))
    yield Quirk("in a command", serving, split, (RECEIVED, CHUNK))


def releases_within_operations() -> Iterator[Input]:
    """A release while an operation of either side is open."""
    get = provoking.CGetRQ(MessageID=1, AffectedSOPClassUID=provoking.GET, CommandDataSetType=1)
    asked = message(get, 7, IDENTIFIER)
    yield Quirk("of its own", serving, asked + RELEASE_RQ, (RECEIVED, CHUNK, "ReleaseRQ"))
    yield Quirk("of ours", waiting_for_get, RELEASE_RQ, ("ReleaseRQ",))
    pending = message(CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00), 7)
    yield Quirk("of ours, begun", waiting_for_get, pending + RELEASE_RQ, (ANSWERED, "ReleaseRQ"))


def event_reports() -> Iterator[Input]:
    """N-EVENT-REPORT from either side, with nothing negotiated, also while another request is open."""
    report = NEventReportRQ(
        AffectedSOPClassUID=provoking.COMMITMENT,
        AffectedSOPInstanceUID="1.2.840.10008.1.20.1.1",
        EventTypeID=1,
        MessageID=5,
    )
    for given in (calling, provoking.waiting_for_action):
        yield Quirk(f"of the provider, {given.__name__}", given, message(report, 9), (RECEIVED,))
    odd = ("role-not-negotiated",)
    yield Quirk("of a requestor without role", serving, message(report, 9), (RECEIVED,), odd)
    with_data = p_data((9, 3, encode_command(report.replace(CommandDataSetType=1))), (9, 2, IDENTIFIER))
    yield Quirk("with a data set", calling, with_data, (RECEIVED, CHUNK))


def roles_not_answered() -> Iterator[Input]:
    """C-STORE of an acceptor where no role was negotiated, as in a C-GET."""
    yield Wire("no role", calling, message(STORE, 3, IDENTIFIER), faults.refused(0x0122))
    stored = message(STORE, 3, IDENTIFIER)
    yield Wire("no role, in a C-GET", waiting_for_get, stored, faults.refused(0x0122))


def other_sop_classes() -> Iterator[Input]:
    """Requests whose SOP class is not that of their context, though one of its family."""
    mismatch = ("sop-class-mismatch",)
    subscribe = NActionRQ(
        RequestedSOPClassUID=provoking.PUSH, RequestedSOPInstanceUID="1.2", ActionTypeID=3, MessageID=1
    )
    yield Quirk("a subscription", serving, message(subscribe, 11), (RECEIVED,), mismatch)
    mr = STORE.replace(AffectedSOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    yield Quirk("an MR on CT", serving, message(mr, 3, IDENTIFIER), (RECEIVED, CHUNK), mismatch)
    yield Quirk("C-ECHO on CT", serving, message(ECHO, 3), (RECEIVED,), mismatch)
    other = message(CEchoRSP(MessageIDBeingRespondedTo=1), 3)
    yield Quirk("a response elsewhere", waiting_for_echo, other, (ANSWERED,), ("other-context",))


def opaque_data_sets() -> Iterator[Input]:
    """Data sets that nobody could decode: they pass as they are."""
    for what, data in {
        "group 0002": raw(2, 0x10, 18, b"1.2.840.10008.1.2\0") + IDENTIFIER,
        "an odd length": raw(8, 0x52, 5, b"STUDY") + b"\0",
        "disorder": IDENTIFIER + raw(8, 5, 0, b""),
        "another byte order": struct.pack(">HHI", 8, 0x52, 6) + b"STUDY ",
        "no data set": b"PK\3\4" * 4,
        "deflated": b"\x4b\x4c\x4a\x06\x00\x00",
        "a group length": raw(8, 0, 4, b"\x0e\0\0\0") + IDENTIFIER,
    }.items():
        yield Quirk(what, serving, STORED + p_data((3, 2, data)), (RECEIVED, CHUNK))


def early_failures() -> Iterator[Input]:
    """A response before the last fragment: a failure is taken, a success is not."""
    early = CStoreRSP(MessageIDBeingRespondedTo=1)
    yield Quirk("a failure", storing, message(early.replace(Status=0xA700), 3), (ANSWERED,))
    yield Wire("a success", storing, message(early, 3), faults.MESSAGE_FAULT)
