"""Hostile messages: fragments on wrong contexts, command sets that are none, flags that lie, floods."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dicomproto import CCancelRQ, CEchoRSP, CFindRQ, CGetRSP, Limits, encode_pdu
from dicomproto.dimse.codec import encode_command
from tests.suites.hostile_pdus import ABORT, RELEASE_RQ, RJ, aborted, told
from tests.suites.rows import ANSWER, NOTHING, REQUEST, Wire, faults, in_each, pdu, provoking

awaiting_answer, awaiting_request = provoking.awaiting_answer, provoking.awaiting_request
calling, serving = provoking.calling, provoking.serving
waiting_for_echo, waiting_for_get = provoking.waiting_for_echo, provoking.waiting_for_get
CT, ECHO, IDENTIFIER, STORE = provoking.CT, provoking.ECHO, provoking.IDENTIFIER, provoking.STORE
element, message, p_data = provoking.element, provoking.message, provoking.p_data

FAULT, INVALID = faults.MESSAGE_FAULT, faults.INVALID
UID = provoking.VERIFICATION.encode() + b"\0"
COMMAND = encode_command(ECHO)
STORE_SET = encode_command(STORE)


# --- contexts -------------------------------------------------------------------------------------------

NOT_ACCEPTED = (0, 2, 4, 13, 99, 128, 254, 255)
OTHERS = (1, 5, 7)
"""Accepted contexts that are not that of CT images, 3."""


def wrong_contexts() -> Iterator[Wire]:
    """Commands and data sets on contexts that were not accepted, and the two on different ones."""
    for number in NOT_ACCEPTED:
        yield from in_each((serving, calling), f"a command on {number}", message(ECHO, number), INVALID)
        text = f"a data set on {number}"
        yield Wire(text, serving, p_data(provoking.STORE_COMMAND) + p_data((number, 2, IDENTIFIER)), INVALID)
        yield from in_each((serving, calling), text + ", unasked", p_data((number, 2, IDENTIFIER)), INVALID)
    for number in OTHERS:
        data = p_data(provoking.STORE_COMMAND, (number, 2, IDENTIFIER))
        yield Wire(f"the data set on {number}", serving, data, FAULT)
        data = p_data((3, 1, STORE_SET[:30])) + p_data((number, 3, STORE_SET[30:]))
        yield Wire(f"the rest of the command on {number}", serving, data, FAULT)
    for number in (1, 3, 5):
        for flags in (0, 2):
            data = p_data((number, flags, IDENTIFIER))
            yield from in_each((serving, calling), f"a data set on {number}, unasked", data, FAULT)
    data = p_data(provoking.STORE_COMMAND, (3, 3, COMMAND))
    yield Wire("a command within a data set", serving, data, FAULT)
    data = p_data((3, 1, STORE_SET[:30])) + p_data((3, 2, IDENTIFIER))
    yield Wire("a data set within a command", serving, data, FAULT)


# --- command sets ---------------------------------------------------------------------------------------


def command_set(**values: bytes) -> bytes:
    """Return the command set of a C-ECHO-RQ, with elements replaced; an empty replacement leaves one out."""
    elements = {"_0002": UID, "_0100": b"\x30\0", "_0110": b"\1\0", "_0800": b"\1\1", **values}
    return b"".join(element(int(number[1:], 16), value) for number, value in elements.items() if value)


def raw(group: int, number: int, length: int, value: bytes) -> bytes:
    """Return an element with any length."""
    return struct.pack("<HHI", group, number, length) + value


NO_COMMANDS = {
    "nothing": b"",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "no Command Field": command_set(_0100=b""),
    "an empty Command Field": command_set(_0100=b"") + element(0x100, b""),
    "no Message ID": command_set(_0110=b""),
    "group 0008 first": raw(8, 0x52, 6, b"STUDY ") + command_set(),
    "group FFFF first": raw(0xFFFF, 0xFFFF, 0, b"") + command_set(),
    "Explicit VR": struct.pack("<HH2sHH", 0, 0x100, b"US", 2, 0x30),
    "big endian": struct.pack(">HHIH", 0, 0x100, 2, 0x30),
    "a sequence of undefined length": raw(0, 0x100, 0xFFFFFFFF, b"\xfe\xff\0\xe0\0\0\0\0"),
    **{
        f"a Command Field of {length:X}H bytes": command_set(_0100=b"") + raw(0, 0x100, length, b"\x30\0")
        for length in (3, 4, 0x7FFFFFFF, 0x80000000, 2164260863, 0xFFFFFFFE)
    },
    **{
        f"Command Field {field:04X}H": command_set(_0100=struct.pack("<H", field))
        for field in (0, 2, 0x0022, 0x00FF, 0x0101, 0x0FFE, 0x7777, 0x8000, 0x8FFF, 0xFFFF)
    },
}


def command_garbage() -> Iterator[Wire]:
    """Command sets that no message can be made of."""
    for what, data in NO_COMMANDS.items():
        yield from in_each((serving, calling), what, p_data((1, 3, data)), FAULT)
    for cut in range(1, len(COMMAND)):
        if cut not in BOUNDARIES:
            yield Wire(f"the first {cut} bytes", serving, p_data((1, 3, COMMAND[:cut])), FAULT)
    response = {"_0100": b"\x30\x80", "_0110": b"", "_0120": b"\1\0"}
    for what, values in {
        "no Status": {},
        "an empty Status": {"_0900": b""},
        "no Message ID Being Responded To": {"_0120": b"", "_0900": b"\0\0"},
    }.items():
        data = p_data((1, 3, command_set(**{**response, **values})))
        yield Wire(what, waiting_for_echo, data, FAULT)
    for what, data in {
        "a response to nothing": message(CEchoRSP(MessageIDBeingRespondedTo=9), 1),
        "a response of another kind": message(CGetRSP(MessageIDBeingRespondedTo=1), 7),
    }.items():
        yield from in_each((waiting_for_echo, calling), what, data, FAULT)
    doubled = command_set() + command_set(_0110=b"\2\0")
    yield Wire("every element twice", serving, p_data((1, 3, doubled)), told("RequestReceived"))
    for what, number in (("one byte", b"\1"), ("four bytes", b"\1\0\2\0")):
        data = p_data((1, 3, command_set(_0110=number)))
        yield Wire(f"a Message ID of {what}", serving, data, told("RequestReceived"))


def _boundaries() -> set[int]:
    """Return where the elements of `COMMAND` end."""
    ends, at = set[int](), 0
    while at < len(COMMAND):
        at += 8 + int.from_bytes(COMMAND[at + 4 : at + 8], "little")
        ends.add(at)
    return ends


BOUNDARIES = _boundaries()


def lying_flags() -> Iterator[Wire]:
    """Data sets that are announced and do not come, and data sets that come without having been announced."""
    announced = p_data(provoking.STORE_COMMAND)
    nothing_said = p_data((3, 3, STORE_SET.replace(b"\x08\2\0\0\0\1\0", b"\x08\2\0\0\0\1\1")))
    assert announced != nothing_said
    next_one = message(ECHO.replace(MessageID=2), 1)
    yield Wire("a request that only says so", serving, announced + next_one, FAULT)
    yield Wire("a request that does not say so", serving, nothing_said + p_data((3, 2, IDENTIFIER)), FAULT)
    yield Wire("a release in its place", serving, announced + RELEASE_RQ, told("ReleaseRQ"))
    get = CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00)
    final = message(CGetRSP(MessageIDBeingRespondedTo=1), 7)
    said = p_data((7, 3, encode_command(get.replace(CommandDataSetType=1))))
    yield Wire("a response that only says so", waiting_for_get, said + final, told("ResponseReceived"))
    unsaid = message(get, 7) + p_data((7, 2, IDENTIFIER))
    yield Wire("a response that does not say so", waiting_for_get, unsaid, told("UnexpectedDataSet"))
    yield Wire("and two of them", waiting_for_get, unsaid + p_data((7, 2, IDENTIFIER)), FAULT)
    echo = command_set(_0800=b"\0\0")
    data = p_data((1, 3, echo)) + p_data((1, 2, IDENTIFIER))
    yield Wire("a C-ECHO with a data set", serving, data, told("UnexpectedDataSet"))
    yield Wire("a C-ECHO that says so", serving, p_data((1, 3, echo)) + next_one, told("RequestReceived"))


# --- text and numbers -----------------------------------------------------------------------------------


def text_of_any_bytes() -> Iterator[Wire]:
    """All byte values in titles, UIDs and the version name of a proposal, and of an answer."""
    item, counted = provoking.item, provoking.counted
    for start in range(0, 256, 16):
        text = bytes(range(start, start + 16))
        context = item(
            0x20, b"\1\0\0\0", item(0x30, text), item(0x40, text), item(0x40, b"1.2.840.10008.1.2")
        )
        user = item(
            0x50,
            item(0x51, b"\0\0\x40\0"),
            item(0x52, text),
            item(0x54, counted(text), b"\1\1"),
            item(0x55, text),
            item(0x56, counted(text), text),
        )
        answered = item(0x21, b"\1\0\0\0", item(0x40, text))
        body = b"\0\1\0\0" + text * 2 + bytes(32)
        name = item(0x10, b"1.2.840.10008.3.1.1.1")
        rq, ac = pdu(1, body, name, context, user), pdu(2, body, name, answered, user)
        yield Wire(f"bytes from {start:02X}H", awaiting_request, rq, REQUEST)
        yield Wire(f"bytes from {start:02X}H", awaiting_answer, ac, ANSWER)
        named = command_set(_0002=text * 4)
        yield Wire(f"a SOP class from {start:02X}H", serving, p_data((1, 3, named)), told("RequestReceived"))


def reserved_values() -> Iterator[Wire]:
    """Values in result, source, reason and the reserved bytes of rejections and aborts."""
    for value in (*range(12), 127, 128, 254, 255):
        for at in (7, 8, 9):
            rejection = RJ[:at] + bytes((value,)) + RJ[at + 1 :]
            yield Wire(f"byte {at} is {value}", awaiting_answer, rejection, told("AssociateRJ"))
        for at in (6, 7, 8, 9):
            abort = ABORT[:at] + bytes((value,)) + ABORT[at + 1 :]
            situations = (awaiting_request, awaiting_answer, serving, calling)
            yield from in_each(situations[at % 2 :: 2], f"byte {at} is {value}", abort, told("Abort"))


# --- floods -----------------------------------------------------------------------------------------------


def after_the_end() -> Iterator[Wire]:
    """What comes behind an abort of either side, and behind what we abort for."""
    for what, data in {
        "zeros": bytes(70_000),
        "aborts": ABORT * 5000,
        "messages": message(ECHO, 1) * 500,
        "half a header": b"\x04\0\0",
    }.items():
        yield Wire(f"{what} behind our abort", aborted, data, told("LocallyEnded"))
        yield Wire(f"{what} behind its abort", serving, ABORT + data, told("Abort"))
        yield from in_each((serving, calling), f"{what} behind a fault", pdu(8) + data, faults.UNRECOGNIZED)


def pipelines() -> Iterator[Wire]:
    """Requests that nobody has answered yet, although one at a time was agreed on, and cancels of nothing."""
    most = Limits().outstanding_requests
    requests = [message(ECHO.replace(MessageID=number), 1) for number in range(1, most + 2)]
    yield Wire("one request too many", serving, b"".join(requests), FAULT)
    yield Wire("as many as allowed", serving, b"".join(requests[:-1]), told("RequestReceived"))
    cancel = message(CCancelRQ(MessageIDBeingRespondedTo=1), 5)
    yield from in_each((serving, calling), "a thousand cancels", cancel * 1000, NOTHING)
    find = message(
        CFindRQ(MessageID=1, AffectedSOPClassUID=provoking.FIND, CommandDataSetType=1), 5, IDENTIFIER
    )
    yield Wire("cancels of one operation", serving, find + cancel * 1000, told("CancelReceived"))
    late = message(CEchoRSP(MessageIDBeingRespondedTo=1), 1)
    yield Wire("a response twice", waiting_for_echo, late * 2, FAULT)


def a_conversation() -> Iterator[Wire]:
    """A whole association in one piece, which is also given byte by byte."""
    talk = message(ECHO, 1) + message(STORE.replace(MessageID=2), 3, IDENTIFIER * 40)
    yield Wire("an association but for its request", serving, talk + RELEASE_RQ, told("ReleaseRQ"))
    rq, ac = encode_pdu(provoking.PROPOSAL), encode_pdu(provoking.ANSWER)
    yield Wire("a proposal", awaiting_request, rq, REQUEST)
    yield Wire("an answer", awaiting_answer, ac, ANSWER)
    response = message(CEchoRSP(MessageIDBeingRespondedTo=1), 1)
    yield Wire("a response and a release", waiting_for_echo, response + RELEASE_RQ, told("ReleaseRQ"))
