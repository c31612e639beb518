"""The tolerated deviations of real peers from the standard.

The documentation prints these rows. A test lets a peer do each of them and compares.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from provoking import (
    CT,
    ECHO,
    IDENTIFIER,
    IMPLEMENTATION,
    PUSH,
    STORE,
    STORE_COMMAND,
    associate,
    awaiting_answer,
    awaiting_request,
    counted,
    element,
    item,
    message,
    p_data,
    serving,
    take_events,
    waiting_for_echo,
    waiting_for_get,
)

from dicomproto import CEchoRSP, CFindRQ, CGetRSP, Connection, Limits, NActionRQ
from dicomproto.dimse.codec import encode_command
from dicomproto.uids import APPLICATION_CONTEXT_NAME, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION


class Quirk(NamedTuple):
    """A tolerated deviation: the resulting events, and the codes of their warnings."""

    quirk: str
    given: Callable[[Limits], Connection]
    sends: bytes
    events: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def provoke(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Let a peer do it; return the names of the events and the codes of the warnings."""
        connection = self.given(Limits())
        connection.data_to_send()
        connection.receive_data(self.sends)
        events = take_events(connection)
        codes = [text.partition(":")[0] for event in events for text in getattr(event, "warnings", ())]
        return tuple(type(event).__name__ for event in events), tuple(codes)


def context(number: int, uid: str, *syntaxes: bytes) -> bytes:
    """Return a proposed presentation context item."""
    parts = [item(0x40, syntax) for syntax in syntaxes]
    return item(0x20, bytes((number, 0, 0, 0)), item(0x30, uid.encode()), *parts)


NAME = item(0x10, APPLICATION_CONTEXT_NAME.encode())
IMPLICIT = IMPLICIT_VR_LITTLE_ENDIAN.encode()
ECHO_CONTEXT = context(1, VERIFICATION, IMPLICIT)


def user(*items: bytes) -> bytes:
    """Return a user information item with what is mandatory, and more."""
    return item(0x50, item(0x51, b"\0\0\x40\0"), IMPLEMENTATION, *items)


USER = user()


def proposal(*items: bytes) -> bytes:
    """Return an A-ASSOCIATE-RQ of which `items` is all."""
    return associate(1, *items)


def blank_calling_title() -> bytes:
    """Return an A-ASSOCIATE-RQ from nobody."""
    data = bytearray(proposal(NAME, ECHO_CONTEXT, USER))
    data[26:42] = b" " * 16
    return bytes(data)


def padded_titles() -> bytes:
    """Return an A-ASSOCIATE-RQ whose titles have NULs behind them."""
    data = bytearray(proposal(NAME, ECHO_CONTEXT, USER))
    data[10:42] = b"SCP".ljust(16, b"\0") + b"SCU".ljust(16, b"\0")
    return bytes(data)


def command_set(*elements: bytes, length: int | None = None) -> bytes:
    """Return elements after their group length, or after a false one."""
    data = b"".join(elements)
    return element(0, struct.pack("<I", len(data) if length is None else length)) + data


SHUFFLED = command_set(
    element(0x0800, b"\x01\x01"),
    element(0x0110, b"\x07\0"),
    element(0x0100, b"\x30\0"),
    element(0x0002, VERIFICATION.encode() + b"\0"),
    length=255,
)
BARE = command_set(element(0x100, b"\x30\0"), element(0x110, b"\1\0"))
LONG = command_set(
    element(0x0002, VERIFICATION.encode() + b"\0"),
    element(0x100, b"\x30\x80"),
    element(0x120, b"\1\0\2\0"),
    element(0x800, b"\1\1"),
    element(0x900, b"\0\0"),
)
CLAIMING_ECHO = command_set(
    element(0x0002, VERIFICATION.encode() + b"\0"),
    element(0x100, b"\x30\0"),
    element(0x110, b"\1\0"),
    element(0x800, b"\0\0"),
)
CLAIMS_DATA = CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00, CommandDataSetType=1)
FINAL = CGetRSP(MessageIDBeingRespondedTo=1)
FOREIGN = b"\x08\0\0\0\4\0\0\0\x12\0\0\0\x08\0\x58\0\x0a\0\0\0001.2.826.0\0"
FIND_STEPS = CFindRQ(AffectedSOPClassUID=PUSH, MessageID=1)  # an operation of Pull, Watch and Query
SUBSCRIBE = NActionRQ(  # an operation of Watch
    RequestedSOPClassUID=PUSH, RequestedSOPInstanceUID="1.2", ActionTypeID=3, MessageID=1
)


REQUEST = ("AssociateRQ",)
MISSING = ("missing-item",)
ANSWER = ("AssociateAC",)

ASSOCIATION = (
    Quirk(
        "a blank calling AE title (the caller may reject it)",
        awaiting_request,
        blank_calling_title(),
        REQUEST,
        ("blank-ae-title",),
    ),
    Quirk(
        "UIDs padded with NULs or spaces; they stay unchanged and are compared without padding",
        awaiting_request,
        proposal(NAME, context(1, VERIFICATION + "\0", IMPLICIT + b" "), USER),
        REQUEST,
        ("invalid-uid",),
    ),
    Quirk(
        "no application context item",
        awaiting_request,
        proposal(ECHO_CONTEXT, USER),
        REQUEST,
        ("missing-item",),
    ),
    Quirk(
        "AE titles padded with NULs; they are read without padding, and go back unchanged",
        awaiting_request,
        padded_titles(),
        REQUEST,
        ("padded-ae-title",),
    ),
    Quirk(
        "an empty application context item",
        awaiting_request,
        proposal(item(0x10), ECHO_CONTEXT, USER),
        REQUEST,
        ("empty-item",),
    ),
    Quirk("no user information item", awaiting_request, proposal(NAME, ECHO_CONTEXT), REQUEST, MISSING * 2),
    Quirk(
        "no implementation class UID",
        awaiting_request,
        proposal(NAME, ECHO_CONTEXT, item(0x50, item(0x51, b"\0\0\x40\0"))),
        REQUEST,
        MISSING,
    ),
    Quirk(
        "the same item twice; the first one counts",
        awaiting_request,
        proposal(NAME, ECHO_CONTEXT, user(item(0x52, b"1.3"))),
        REQUEST,
        ("duplicate-item",),
    ),
    Quirk(
        "items of unknown types, kept raw",
        awaiting_request,
        proposal(NAME, item(0x7F, b"?"), ECHO_CONTEXT, user(item(0x7E, b"?"))),
        REQUEST,
    ),
    Quirk(
        "bytes after the fields of an item",
        awaiting_request,
        proposal(NAME, ECHO_CONTEXT, user(item(0x54, counted(CT.encode()), b"\1\0\0\0"))),
        REQUEST,
        ("surplus-bytes",),
    ),
    Quirk(
        "a user identity without its secondary field",
        awaiting_request,
        proposal(NAME, ECHO_CONTEXT, user(item(0x58, b"\1\0", counted(b"me")))),
        REQUEST,
    ),
    Quirk(
        "context ids that are even, in disorder or used twice; the first use of an id counts",
        awaiting_request,
        proposal(NAME, context(8, CT, IMPLICIT), ECHO_CONTEXT, ECHO_CONTEXT, USER),
        REQUEST,
        ("even-context-id", "repeated-context-id"),
    ),
    Quirk(
        "a rejected context without transfer syntax item",
        awaiting_answer,
        associate(2, NAME, item(0x21, b"\1\0\3\0"), USER),
        ANSWER,
    ),
    Quirk(
        "answers to contexts that were not proposed",
        awaiting_answer,
        associate(2, NAME, item(0x21, b"\x63\0\0\0", item(0x40, IMPLICIT)), USER),
        ANSWER,
    ),
)

MESSAGES = (
    Quirk(
        "a P-DATA-TF above the announced maximum, up to the greater of four times that maximum"
        " and `Limits.p_data_length`",
        serving,
        p_data(STORE_COMMAND) + p_data((3, 2, bytes(20_000))),
        ("RequestReceived", "DataSetChunk"),
        ("p-data-too-long",),
    ),
    Quirk(
        "several messages in one P-DATA-TF",
        serving,
        p_data(STORE_COMMAND, (3, 2, IDENTIFIER), (1, 3, encode_command(ECHO.replace(MessageID=2)))),
        ("RequestReceived", "DataSetChunk", "RequestReceived"),
        ("several-messages",),
    ),
    Quirk(
        "fragments of odd length",
        serving,
        p_data(STORE_COMMAND) + p_data((3, 0, b"odd"), (3, 2, b"!")),
        ("RequestReceived", "DataSetChunk"),
        ("odd-fragment",),
    ),
    Quirk(
        "fragments without data, up to `Limits.empty_fragments`",
        serving,
        p_data(STORE_COMMAND) + p_data((3, 0, b""), (3, 0, IDENTIFIER), (3, 2, b"")),
        ("RequestReceived", "DataSetChunk", "DataSetChunk"),
    ),
    Quirk(
        "a wrong or missing group length, elements in disorder",
        serving,
        p_data((1, 3, SHUFFLED)),
        ("RequestReceived",),
        ("wrong-group-length",),
    ),
    Quirk(
        "elements of other groups behind those of group 0000; they are kept raw, in `foreign_elements`",
        waiting_for_get,
        p_data((7, 3, encode_command(FINAL) + FOREIGN)),
        ("ResponseReceived",),
        ("foreign-elements",),
    ),
    Quirk(
        "missing elements, except Command Field, Message ID and Status",
        serving,
        p_data((1, 3, BARE)),
        ("RequestReceived",),
        ("missing-element", "missing-element"),
    ),
    Quirk(
        "a number of the wrong length; its first two bytes count",
        waiting_for_echo,
        p_data((1, 3, LONG)),
        ("ResponseReceived",),
        ("wrong-length",),
    ),
    Quirk(
        "a C-ECHO that announces a data set, and a C-ECHO with one",
        serving,
        p_data((1, 3, CLAIMING_ECHO)) + p_data((1, 2, IDENTIFIER)),
        ("RequestReceived", "UnexpectedDataSet"),
        ("unexpected-data-set",),
    ),
    Quirk(
        "C-ECHO on any context (refused with `strict_dispatch`)",
        serving,
        message(ECHO, 3),
        ("RequestReceived",),
        ("sop-class-mismatch",),
    ),
    Quirk(
        "C-STORE of another storage SOP class than the context's (refused with `strict_dispatch`)",
        serving,
        message(STORE.replace(AffectedSOPClassUID="1.2.840.10008.5.1.4.1.1.4"), 3, IDENTIFIER),
        ("RequestReceived", "DataSetChunk"),
        ("sop-class-mismatch",),
    ),
    Quirk(
        "a request for unified procedure steps on the context of another one of their SOP classes"
        " (refused with `strict_dispatch`)",
        serving,
        message(FIND_STEPS, 11, IDENTIFIER),
        ("RequestReceived", "DataSetChunk"),
        ("sop-class-mismatch",),
    ),
    Quirk(
        "an action on a unified procedure step that belongs on the context of another one of their SOP"
        " classes, and any action or event that its SOP class does not define"
        " (refused with `strict_dispatch`)",
        serving,
        message(SUBSCRIBE, 11),
        ("RequestReceived",),
        ("sop-class-mismatch",),
    ),
    Quirk(
        "a response on another context than its request",
        waiting_for_echo,
        message(CEchoRSP(MessageIDBeingRespondedTo=1), 3),
        ("ResponseReceived",),
        ("other-context",),
    ),
    Quirk(
        "a response that announces a data set and has none",
        waiting_for_get,
        p_data((7, 3, encode_command(CLAIMS_DATA))) + message(FINAL, 7),
        ("ResponseReceived", "DataSetChunk", "ResponseReceived"),
        ("missing-data-set",),
    ),
    Quirk(
        "a response that announces no data set and has one",
        waiting_for_get,
        message(CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00), 7) + p_data((7, 2, IDENTIFIER)),
        ("ResponseReceived", "UnexpectedDataSet"),
    ),
)

SECTIONS = (("Association", ASSOCIATION), ("Messages", MESSAGES))
