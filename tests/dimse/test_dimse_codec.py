"""Command sets: golden bytes, what encoding refuses, what decoding tolerates and what it does not."""

from __future__ import annotations

import struct

import pytest

from dicomproto.dimse.codec import decode_command, encode_command
from dicomproto.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
)
from dicomproto.errors import InvalidCommand, LocalProtocolError

# One element a line: tag, length, value, as PS3.7 6.3.1 and PS3.5 A.1 write it. "1.2.3" is the SOP class,
# "1.2.34" the instance. A US takes 10 bytes, these UIDs 14; the group length counts what follows it.
GOLDEN: list[tuple[Command, str]] = [
    (
        CStoreRQ(
            MessageID=7,
            AffectedSOPClassUID="1.2.3",
            AffectedSOPInstanceUID="1.2.34",
            Priority=2,
            MoveOriginatorApplicationEntityTitle="MOVER",
            MoveOriginatorMessageID=0x1234,
        ),
        """
        0000 0000 04000000 5c000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 0100
        0000 1001 02000000 0700
        0000 0007 02000000 0200
        0000 0008 02000000 0100
        0000 0010 06000000 312e322e3334
        0000 3010 06000000 4d4f56455220
        0000 3110 02000000 3412
        """,
    ),
    (
        CStoreRSP(
            MessageIDBeingRespondedTo=7,
            AffectedSOPClassUID="1.2.3",
            AffectedSOPInstanceUID="1.2.34",
            Status=0xA900,
            OffendingElement=(0x00100010, 0x7FE00010),
            ErrorComment="why",
        ),
        """
        0000 0000 04000000 60000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 0180
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 00a9
        0000 0109 08000000 10001000 e07f1000
        0000 0209 04000000 77687920
        0000 0010 06000000 312e322e3334
        """,
    ),
    (
        CFindRQ(MessageID=7, AffectedSOPClassUID="1.2.3", Priority=1),
        """
        0000 0000 04000000 36000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 2000
        0000 1001 02000000 0700
        0000 0007 02000000 0100
        0000 0008 02000000 0100
        """,
    ),
    (
        CFindRSP(
            MessageIDBeingRespondedTo=7, AffectedSOPClassUID="1.2.3", Status=0xFF00, CommandDataSetType=1
        ),
        """
        0000 0000 04000000 36000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 2080
        0000 2001 02000000 0700
        0000 0008 02000000 0100
        0000 0009 02000000 00ff
        """,
    ),
    (
        CGetRQ(MessageID=7, AffectedSOPClassUID="1.2.3"),
        """
        0000 0000 04000000 36000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 1000
        0000 1001 02000000 0700
        0000 0007 02000000 0000
        0000 0008 02000000 0100
        """,
    ),
    (
        CGetRSP(
            MessageIDBeingRespondedTo=7,
            AffectedSOPClassUID="1.2.3",
            Status=0xFF00,
            NumberOfRemainingSuboperations=256,
            NumberOfCompletedSuboperations=0,
            NumberOfFailedSuboperations=1,
            NumberOfWarningSuboperations=2,
        ),
        """
        0000 0000 04000000 5e000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 1080
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 00ff
        0000 2010 02000000 0001
        0000 2110 02000000 0000
        0000 2210 02000000 0100
        0000 2310 02000000 0200
        """,
    ),
    (
        CMoveRQ(MessageID=7, AffectedSOPClassUID="1.2.3", MoveDestination="STORE"),
        """
        0000 0000 04000000 44000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 2100
        0000 1001 02000000 0700
        0000 0006 06000000 53544f524520
        0000 0007 02000000 0000
        0000 0008 02000000 0100
        """,
    ),
    (
        CMoveRSP(MessageIDBeingRespondedTo=7, Status=0xA801),
        """
        0000 0000 04000000 28000000
        0000 0001 02000000 2180
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 01a8
        """,
    ),
    (
        CEchoRQ(MessageID=1, AffectedSOPClassUID="1.2.840.10008.1.1"),
        """
        0000 0000 04000000 38000000
        0000 0200 12000000 312e322e3834302e31303030382e312e3100
        0000 0001 02000000 3000
        0000 1001 02000000 0100
        0000 0008 02000000 0101
        """,
    ),
    (
        CEchoRSP(MessageIDBeingRespondedTo=1, AffectedSOPClassUID="1.2.840.10008.1.1"),
        """
        0000 0000 04000000 42000000
        0000 0200 12000000 312e322e3834302e31303030382e312e3100
        0000 0001 02000000 3080
        0000 2001 02000000 0100
        0000 0008 02000000 0101
        0000 0009 02000000 0000
        """,
    ),
    (
        CCancelRQ(MessageIDBeingRespondedTo=0xFFFF),
        """
        0000 0000 04000000 1e000000
        0000 0001 02000000 ff0f
        0000 2001 02000000 ffff
        0000 0008 02000000 0101
        """,
    ),
    (
        NEventReportRQ(
            MessageID=7,
            AffectedSOPClassUID="1.2.3",
            AffectedSOPInstanceUID="1.2.34",
            EventTypeID=2,
            CommandDataSetType=1,
        ),
        """
        0000 0000 04000000 44000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 0001
        0000 1001 02000000 0700
        0000 0008 02000000 0100
        0000 0010 06000000 312e322e3334
        0000 0210 02000000 0200
        """,
    ),
    (
        NEventReportRSP(MessageIDBeingRespondedTo=7, Status=0x0113, EventTypeID=2),
        """
        0000 0000 04000000 32000000
        0000 0001 02000000 0081
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 1301
        0000 0210 02000000 0200
        """,
    ),
    (
        NGetRQ(
            MessageID=7,
            RequestedSOPClassUID="1.2.3",
            RequestedSOPInstanceUID="1.2.34",
            AttributeIdentifierList=(0x00080018,),
        ),
        """
        0000 0000 04000000 46000000
        0000 0300 06000000 312e322e3300
        0000 0001 02000000 1001
        0000 1001 02000000 0700
        0000 0008 02000000 0101
        0000 0110 06000000 312e322e3334
        0000 0510 04000000 08001800
        """,
    ),
    (
        NGetRSP(
            MessageIDBeingRespondedTo=7,
            AffectedSOPClassUID="1.2.3",
            AffectedSOPInstanceUID="1.2.34",
            Status=0x0107,
            AttributeIdentifierList=(0x00080018,),
            CommandDataSetType=1,
        ),
        """
        0000 0000 04000000 50000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 1081
        0000 2001 02000000 0700
        0000 0008 02000000 0100
        0000 0009 02000000 0701
        0000 0010 06000000 312e322e3334
        0000 0510 04000000 08001800
        """,
    ),
    (
        NSetRQ(MessageID=7, RequestedSOPClassUID="1.2.3", RequestedSOPInstanceUID="1.2.34"),
        """
        0000 0000 04000000 3a000000
        0000 0300 06000000 312e322e3300
        0000 0001 02000000 2001
        0000 1001 02000000 0700
        0000 0008 02000000 0100
        0000 0110 06000000 312e322e3334
        """,
    ),
    (
        NSetRSP(MessageIDBeingRespondedTo=7, Status=0x0110, ErrorID=0xA710),
        """
        0000 0000 04000000 32000000
        0000 0001 02000000 2081
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 1001
        0000 0309 02000000 10a7
        """,
    ),
    (
        NActionRQ(
            MessageID=7, RequestedSOPClassUID="1.2.3", RequestedSOPInstanceUID="1.2.34", ActionTypeID=1
        ),
        """
        0000 0000 04000000 44000000
        0000 0300 06000000 312e322e3300
        0000 0001 02000000 3001
        0000 1001 02000000 0700
        0000 0008 02000000 0101
        0000 0110 06000000 312e322e3334
        0000 0810 02000000 0100
        """,
    ),
    (
        NActionRSP(MessageIDBeingRespondedTo=7, ActionTypeID=1),
        """
        0000 0000 04000000 32000000
        0000 0001 02000000 3081
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 0000
        0000 0810 02000000 0100
        """,
    ),
    (
        NCreateRQ(MessageID=7, AffectedSOPClassUID="1.2.3", CommandDataSetType=1),
        """
        0000 0000 04000000 2c000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 4001
        0000 1001 02000000 0700
        0000 0008 02000000 0100
        """,
    ),
    (
        NCreateRSP(MessageIDBeingRespondedTo=7, AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34"),
        """
        0000 0000 04000000 44000000
        0000 0200 06000000 312e322e3300
        0000 0001 02000000 4081
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 0000
        0000 0010 06000000 312e322e3334
        """,
    ),
    (
        NDeleteRQ(MessageID=7, RequestedSOPClassUID="1.2.3", RequestedSOPInstanceUID="1.2.34"),
        """
        0000 0000 04000000 3a000000
        0000 0300 06000000 312e322e3300
        0000 0001 02000000 5001
        0000 1001 02000000 0700
        0000 0008 02000000 0101
        0000 0110 06000000 312e322e3334
        """,
    ),
    (
        NDeleteRSP(MessageIDBeingRespondedTo=7),
        """
        0000 0000 04000000 28000000
        0000 0001 02000000 5081
        0000 2001 02000000 0700
        0000 0008 02000000 0101
        0000 0009 02000000 0000
        """,
    ),
]
IDS = [command.name for command, _ in GOLDEN]


@pytest.mark.parametrize(("command", "lines"), GOLDEN, ids=IDS)
def test_golden_bytes(command: Command, lines: str) -> None:
    golden = bytes.fromhex(lines)
    assert encode_command(command) == golden
    decoded = decode_command(golden)
    assert decoded == command
    assert decoded.warnings == ()


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_any_buffer_is_read(kind: type[bytearray]) -> None:
    command, lines = GOLDEN[0]
    assert decode_command(kind(bytes.fromhex(lines))) == command


@pytest.mark.parametrize(("command", "lines"), GOLDEN, ids=IDS)
def test_every_cut_is_a_command_with_warnings_or_refused(command: Command, lines: str) -> None:
    golden = bytes.fromhex(lines)
    for end in range(len(golden)):
        try:
            decoded = decode_command(golden[:end])
        except InvalidCommand:
            continue
        assert type(decoded) is type(command)
        assert "wrong-group-length" in decoded.warnings


# --- encoding -----------------------------------------------------------------------------

STORE = CStoreRQ(MessageID=7, AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34")
ECHO = CEchoRQ(MessageID=7, AffectedSOPClassUID="1.2.3")
FOUND = CFindRSP(MessageIDBeingRespondedTo=7)
MOVE = CMoveRQ(MessageID=7, AffectedSOPClassUID="1.2.3", MoveDestination="STORE")
GET = NGetRQ(MessageID=7, RequestedSOPClassUID="1.2.3", RequestedSOPInstanceUID="1.2.34")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (STORE.replace(MessageID=65536), "C-STORE-RQ: MessageID must be a number from 0 to 65535"),
        (STORE.replace(MessageID=-1), "MessageID must be a number from 0 to 65535"),
        (STORE.replace(Priority=None), "Priority must be a number from 0 to 65535"),
        (STORE.replace(MoveOriginatorMessageID="7"), "MoveOriginatorMessageID must be a number"),
        (
            STORE.replace(AffectedSOPInstanceUID="1" * 65),
            "AffectedSOPInstanceUID must have 1 to 64 characters, not 65",
        ),
        (
            STORE.replace(AffectedSOPInstanceUID=""),
            "AffectedSOPInstanceUID must have 1 to 64 characters, not 0",
        ),
        (STORE.replace(AffectedSOPInstanceUID=None), "AffectedSOPInstanceUID must be a string"),
        (STORE.replace(AffectedSOPInstanceUID="1.2\0"), "must have printable ASCII characters only"),
        (STORE.replace(AffectedSOPInstanceUID="1.2\u00e4"), "must have printable ASCII characters only"),
        (STORE.replace(AffectedSOPInstanceUID="1.2\\1.3"), "and no backslash"),
        (MOVE.replace(MoveDestination="A" * 17), "MoveDestination must have 1 to 16 characters, not 17"),
        (MOVE.replace(MoveDestination=""), "MoveDestination must have 1 to 16 characters, not 0"),
        (
            STORE.replace(MoveOriginatorApplicationEntityTitle="A" * 17),
            "MoveOriginatorApplicationEntityTitle must have 1 to 16 characters, not 17",
        ),
        (
            GET.replace(AttributeIdentifierList=[0x00080018]),
            "AttributeIdentifierList must be a tuple of tags",
        ),
        (
            GET.replace(AttributeIdentifierList=(1 << 32,)),
            "must be a tuple of tags, each a number of 32 bits",
        ),
        (GET.replace(AttributeIdentifierList=("00080018",)), "must be a tuple of tags"),
        (FOUND.replace(AffectedSOPClassUID=b"1.2.3"), "AffectedSOPClassUID must be a string"),
        (FOUND.replace(AffectedSOPClassUID="1.2.3\u0416"), "AffectedSOPClassUID has characters outside"),
        (FOUND.replace(ErrorComment=7), "ErrorComment must be a string"),
        (
            CGetRSP(MessageIDBeingRespondedTo=7, NumberOfFailedSuboperations=-1),
            "NumberOfFailedSuboperations must be a number from 0 to 65535",
        ),
        (STORE.replace(CommandDataSetType=0x0101), "C-STORE-RQ has a data set"),
        (ECHO.replace(CommandDataSetType=1), "C-ECHO-RQ has no data set"),
    ],
    ids=lambda value: value.name if isinstance(value, Command) else "",
)
def test_what_the_standard_does_not_allow_is_not_sent(command: Command, text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode_command(command)
    assert text in str(caught.value)


def test_only_the_23_classes_are_sent() -> None:
    class Mine(CEchoRQ):
        pass

    with pytest.raises(LocalProtocolError, match="Mine is none of the DIMSE commands"):
        encode_command(Mine(AffectedSOPClassUID="1.2.3"))
    with pytest.raises(LocalProtocolError, match="Command is none of the DIMSE commands"):
        encode_command(Command())


def test_the_longest_values_that_are_sent() -> None:
    store = STORE.replace(
        AffectedSOPInstanceUID="1" * 64, MoveOriginatorApplicationEntityTitle="A" * 16, MessageID=65535
    )
    assert decode_command(encode_command(store)) == store


def test_sub_operation_counters_are_clamped() -> None:
    response = CMoveRSP(
        MessageIDBeingRespondedTo=7,
        NumberOfRemainingSuboperations=65536,
        NumberOfCompletedSuboperations=1 << 40,
        NumberOfFailedSuboperations=65535,
        NumberOfWarningSuboperations=0,
    )
    decoded = decode_command(encode_command(response))
    assert isinstance(decoded, CMoveRSP)
    assert decoded.NumberOfRemainingSuboperations == 65535
    assert decoded.NumberOfCompletedSuboperations == 65535
    assert decoded.NumberOfFailedSuboperations == 65535
    assert decoded.NumberOfWarningSuboperations == 0


@pytest.mark.parametrize(
    ("comment", "sent"),
    [
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64),
        ("x" * 5000, "x" * 64),
        ("C:\\new\ndisk \u00fcber", "C:?new?disk ?ber"),
        ("", None),
    ],
)
def test_an_error_comment_is_made_to_fit(comment: str, sent: str | None) -> None:
    decoded = decode_command(encode_command(FOUND.replace(ErrorComment=comment)))
    assert isinstance(decoded, CFindRSP)
    assert decoded.get("ErrorComment") == sent


def test_empty_values_are_not_sent() -> None:
    response = FOUND.replace(AffectedSOPClassUID="", OffendingElement=(), ErrorComment="")
    assert encode_command(response) == encode_command(FOUND)


# --- tolerance ----------------------------------------------------------------------------


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def us(number: int, value: int) -> bytes:
    return element(number, struct.pack("<H", value))


def command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


CLASS = element(0x0002, b"1.2.3\0")
FIELD, IDENTIFIER, PRIORITY, TYPE = us(0x0100, 1), us(0x0110, 7), us(0x0700, 0), us(0x0800, 1)
INSTANCE = element(0x1000, b"1.2.34")
RSP_FIELD, ANSWERED, NONE, STATUS = us(0x0100, 0x8021), us(0x0120, 7), us(0x0800, 0x0101), us(0x0900, 0xFF00)
MOVED = CMoveRSP(MessageIDBeingRespondedTo=7, Status=0xFF00, AffectedSOPClassUID="1.2.3")


@pytest.mark.parametrize("spelling", [b"1.2.34 ", b"1.2.34\0", b"1.2.3\0\0\0", b" 1.2", b"\xff!", b"1" * 128])
def test_a_uid_goes_back_as_it_came(spelling: bytes) -> None:
    """Peers compare the UIDs of a response byte by byte; an odd length gets the NUL it lacks."""
    spelling += b"\0" * (len(spelling) % 2)
    request = decode_command(command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, TYPE, element(0x1000, spelling)))
    assert isinstance(request, CStoreRQ)
    assert element(0x1000, spelling) in encode_command(request.response())


def test_a_uid_as_long_as_a_command_set_goes_back() -> None:
    request = STORE.replace(AffectedSOPInstanceUID="1" * 65000)
    assert element(0x1000, b"1" * 65000) in encode_command(request.response())


TOLERATED = [
    ("as it should be", command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, TYPE, INSTANCE), STORE, ()),
    (
        "no group length",
        command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, TYPE, INSTANCE)[12:],
        STORE,
        ("missing-group-length",),
    ),
    (
        "wrong group length",
        element(0, b"\1\0\0\0") + CLASS + FIELD + IDENTIFIER + PRIORITY + TYPE + INSTANCE,
        STORE,
        ("wrong-group-length",),
    ),
    (
        "group length of two bytes",
        us(0, 2) + CLASS + FIELD + IDENTIFIER + PRIORITY + TYPE + INSTANCE,
        STORE,
        ("missing-group-length",),
    ),
    ("disorder", command_set(INSTANCE, TYPE, PRIORITY, IDENTIFIER, FIELD, CLASS), STORE, ()),
    (
        "group length last",
        INSTANCE + TYPE + PRIORITY + IDENTIFIER + FIELD + CLASS + element(0, bytes(4)),
        STORE,
        ("missing-group-length",),
    ),
    (
        "no priority",
        command_set(CLASS, FIELD, IDENTIFIER, TYPE, INSTANCE),
        STORE,
        ("missing-element: Priority",),
    ),
    (
        "empty priority",
        command_set(CLASS, FIELD, IDENTIFIER, element(0x0700, b""), TYPE, INSTANCE),
        STORE,
        ("missing-element: Priority",),
    ),
    (
        "no UIDs",
        command_set(FIELD, IDENTIFIER, PRIORITY, TYPE, element(0x1000, b"")),
        STORE.replace(AffectedSOPClassUID="", AffectedSOPInstanceUID=""),
        ("missing-element: AffectedSOPClassUID", "missing-element: AffectedSOPInstanceUID"),
    ),
    (
        "no data set type",
        command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, INSTANCE),
        STORE.replace(CommandDataSetType=0x0101),
        ("missing-element: CommandDataSetType", "missing-data-set"),
    ),
    (
        "another value for a data set",
        command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, us(0x0800, 0xFEFE), INSTANCE),
        STORE.replace(CommandDataSetType=0xFEFE),
        (),
    ),
    (
        "a response of the vital elements",
        command_set(RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID=None),
        (),
    ),
    (
        "an event without a type",
        command_set(CLASS, us(0x0100, 0x0100), IDENTIFIER, NONE, INSTANCE),
        NEventReportRQ(
            AffectedSOPClassUID="1.2.3", AffectedSOPInstanceUID="1.2.34", MessageID=7, EventTypeID=0
        ),
        ("missing-element: EventTypeID",),
    ),
    (
        "a data set where there is none",
        command_set(CLASS, us(0x0100, 0x0030), IDENTIFIER, us(0x0800, 0)),
        ECHO.replace(CommandDataSetType=0),
        ("unexpected-data-set",),
    ),
    (
        "doubled counters",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x1020, b"\5\0\6\0")),
        MOVED.replace(NumberOfRemainingSuboperations=5),
        ("wrong-length: NumberOfRemainingSuboperations has 4 bytes, not 2",),
    ),
    (
        "short counter",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x1020, b"\5")),
        MOVED.replace(NumberOfRemainingSuboperations=5),
        ("wrong-length: NumberOfRemainingSuboperations has 1 bytes, not 2",),
    ),
    (
        "status of four bytes",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, element(0x0900, b"\0\xff\0\0")),
        MOVED,
        ("wrong-length: Status has 4 bytes, not 2",),
    ),
    (
        "an element twice",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, us(0x0900, 0), us(0x0900, 1)),
        MOVED,
        ("repeated-element: (0000,0900) and 1 more",),
    ),
    (
        "an empty element before the full one",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, element(0x0900, b""), STATUS),
        MOVED,
        (),
    ),
    (
        "unknown elements",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x4321, b"ab"), us(0x4322, 1)),
        MOVED.replace(unknown_elements=((0x4321, b"ab"), (0x4322, b"\1\0"))),
        ("unknown-element: (0000,4321) and 1 more",),
    ),
    (
        "retired elements",
        command_set(element(0x0001, bytes(4)), CLASS, RSP_FIELD, ANSWERED, NONE, us(0x0850, 1), STATUS),
        MOVED.replace(unknown_elements=((0x0001, bytes(4)), (0x0850, b"\1\0"))),
        (),
    ),
    (
        "elements of other messages",
        command_set(CLASS, RSP_FIELD, ANSWERED, PRIORITY, NONE, STATUS, element(0x1001, b"")),
        MOVED.replace(unknown_elements=((0x0700, b"\0\0"), (0x1001, b""))),
        ("unexpected-element: (0000,0700) and 1 more",),
    ),
    (
        "oddities and a second group length",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, us(0x4321, 1), element(0, bytes(4))),
        MOVED.replace(unknown_elements=((0x4321, b"\1\0"),)),
        ("unknown-element: (0000,4321)",),
    ),
    (
        "two UIDs",
        command_set(element(0x0002, b"1.2.3\\1.2.4 "), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="1.2.3\\1.2.4 "),
        ("several-values: AffectedSOPClassUID",),
    ),
    (
        "two UIDs, the first empty",
        command_set(element(0x0002, b"\\1.2.4"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="\\1.2.4"),
        ("several-values: AffectedSOPClassUID",),
    ),
    (
        "a UID with a part that starts with 0",
        command_set(element(0x0002, b"1.02.3"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="1.02.3"),
        ("invalid-uid: AffectedSOPClassUID",),
    ),
    (
        "a UID with an empty part",
        command_set(element(0x0002, b"1..3"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="1..3"),
        ("invalid-uid: AffectedSOPClassUID",),
    ),
    (
        "a UID of 66 characters",
        command_set(element(0x0002, b"1" * 66), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="1" * 66),
        ("invalid-uid: AffectedSOPClassUID",),
    ),
    (
        "a UID of other characters",
        command_set(element(0x0002, b"1.2.\xe4\xff"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="1.2.\u00e4\u00ff"),
        ("invalid-uid: AffectedSOPClassUID",),
    ),
    (
        "valid UIDs with zeros",
        command_set(element(0x0002, b"0.1.0.0.10.0"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED.replace(AffectedSOPClassUID="0.1.0.0.10.0"),
        (),
    ),
    (
        "a UID of odd length",
        command_set(element(0x0002, b"1.2.3"), RSP_FIELD, ANSWERED, NONE, STATUS),
        MOVED,
        (),
    ),
    (
        "AE titles as they came",
        command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, TYPE, INSTANCE, element(0x1030, b" A\\\xe4 \0 ")),
        STORE.replace(MoveOriginatorApplicationEntityTitle=" A\\\u00e4"),
        (),
    ),
    (
        "a blank AE title",
        command_set(CLASS, FIELD, IDENTIFIER, PRIORITY, TYPE, INSTANCE, element(0x1030, b" " * 16)),
        STORE,
        (),
    ),
    (
        "a long comment with a backslash",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x0902, b"\\" * 70)),
        MOVED.replace(ErrorComment="\\" * 70),
        (),
    ),
    (
        "tags and a half",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x0901, b"\x10\0\x20\0\x10\0")),
        MOVED.replace(OffendingElement=(0x00100020,)),
        ("wrong-length: OffendingElement has 6 bytes, no multiple of 4",),
    ),
    (
        "no tags",
        command_set(CLASS, RSP_FIELD, ANSWERED, NONE, STATUS, element(0x0901, b"")),
        MOVED,
        (),
    ),
]


@pytest.mark.parametrize(
    ("data", "command", "warnings"), [t[1:] for t in TOLERATED], ids=[t[0] for t in TOLERATED]
)
def test_what_is_tolerated(data: bytes, command: Command, warnings: tuple[str, ...]) -> None:
    decoded = decode_command(data)
    assert decoded == command
    assert decoded.warnings == warnings


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the Command Field is missing"),
        (command_set(), "the Command Field is missing"),
        (command_set(CLASS, IDENTIFIER, NONE), "the Command Field is missing"),
        (command_set(element(0x0100, b""), IDENTIFIER, NONE), "the Command Field is missing"),
        (command_set(CLASS, us(0x0100, 0x0031), IDENTIFIER), "unknown Command Field 0031H"),
        (command_set(CLASS, us(0x0100, 0x8FFF), IDENTIFIER), "unknown Command Field 8FFFH"),
        (command_set(CLASS, FIELD, PRIORITY, TYPE, INSTANCE), "C-STORE-RQ without MessageID"),
        (command_set(CLASS, FIELD, ANSWERED, PRIORITY, TYPE), "C-STORE-RQ without MessageID"),
        (command_set(RSP_FIELD, NONE, STATUS), "C-MOVE-RSP without MessageIDBeingRespondedTo"),
        (command_set(RSP_FIELD, ANSWERED, NONE), "C-MOVE-RSP without Status"),
        (command_set(RSP_FIELD, ANSWERED, element(0x0900, b"")), "C-MOVE-RSP without Status"),
        (command_set(us(0x0100, 0x0FFF), NONE), "C-CANCEL-RQ without MessageIDBeingRespondedTo"),
        (b"\0" * 7, "7 bytes at byte 0 are no element"),
        (command_set(FIELD, b"\0\0\x10"), "3 bytes at byte 22 are no element"),
        (command_set(FIELD)[:-1], "(0000,0100) at byte 12 has 2 bytes, of which 1 are there"),
        (
            command_set(FIELD, struct.pack("<HHI", 0, 0x1000, 2164260863)),
            "(0000,1000) at byte 22 has 2164260863 bytes, of which 0 are there",
        ),
        (
            command_set(struct.pack("<HHI", 0, 0x1000, 0xFFFFFFFF) + b"\xfe\xff\0\xe0" + bytes(4)),
            "(0000,1000) at byte 12 has an undefined length",
        ),
        (command_set(FIELD, struct.pack("<HHI", 0x0008, 0x0018, 0)), "C-STORE-RQ without MessageID"),
        (command_set(struct.pack("<HHI", 0x0008, 0x0018, 0)), "the Command Field is missing"),
        (
            struct.pack("<HHI", 0x0008, 0, 0) + command_set(FIELD),
            "(0008,0000) at byte 0 is outside group 0000",
        ),
        (command_set(FIELD, b"\x08"), "1 bytes at byte 22 are no element"),
        (b"\x08\0\x58", "3 bytes at byte 0 are no element"),
        (b"\0\0\0\0UL\x04\0\x38\0\0\0", "(0000,0000) at byte 0 has 281685 bytes, of which 4 are there"),
        (b"GET / HTTP/1.1\r\n\r\n", "(4547,2054) at byte 0 is outside group 0000"),
    ],
)
def test_what_is_no_command_set(data: bytes, text: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        decode_command(data)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "uid",
    [b"1.2.34", b"1.2.3\0", b"1.2.3 ", b" 1.2.3", b"1.2.3\\4 ", b"1.2.3\\4\0", b"\\1.2.34\\",
     b"1.2.34\0\\4\0", b"1.2.34\0\0", b"\0\0", b"  ", b"1.2/\xe4\r"],
)  # fmt: skip
def test_uids_go_back_as_they_came(uid: bytes) -> None:
    data = command_set(element(0x0002, uid), FIELD, IDENTIFIER, PRIORITY, TYPE, element(0x1000, uid))
    request = decode_command(data)
    assert isinstance(request, CStoreRQ)
    answer = encode_command(request.response(0x0117))
    assert answer.count(element(0x0002, uid)) == answer.count(element(0x1000, uid)) == 1


def test_many_unknown_elements_make_one_warning() -> None:
    unknown = [element(0x6000 + n, b"") for n in range(8000)]
    decoded = decode_command(command_set(RSP_FIELD, ANSWERED, NONE, STATUS, *unknown))
    assert len(decoded.unknown_elements) == 8000
    assert decoded.warnings == ("unknown-element: (0000,6000) and 7999 more",)


@pytest.mark.parametrize("number", [0x0901, 0x1005])
def test_one_element_that_comes_often_makes_one_warning(number: int) -> None:
    """Each of these holds no tag, so that the next may still count."""
    odd = [element(number, bytes(1 + n % 3)) for n in range(5000)]
    tag = element(number, b"\x10\0\x20\0")
    command = decode_command(command_set(RSP_FIELD, ANSWERED, NONE, STATUS, *odd, tag, *odd))
    codes = [warning.partition(":")[0] for warning in command.warnings]
    assert codes.count("wrong-length") == 1
    assert len(codes) == len(set(codes))


# --- behind group 0000 ------------------------------------------------------------------------------

RECEIVED_ANSWER = (RSP_FIELD, ANSWERED, NONE, STATUS)
FOREIGN = {
    "an element": struct.pack("<HHI", 0x0008, 0x0058, 4) + b"1.2\0",
    "one that is longer than what is there": struct.pack("<HHI", 0x0008, 0x0058, 400) + b"1.2\0",
    "one of undefined length": struct.pack("<HHI", 0x0008, 0x1111, 0xFFFFFFFF) + b"anything",
    "group 0000 again": struct.pack("<HHI", 0x0008, 0x0058, 0) + element(0x0900, b"\0\0"),
    "half a header": b"\x08\0\x58",
    "two bytes": b"\x02\0",
    "noise": b"\xff" * 100,
}


@pytest.mark.parametrize("surplus", [0, 1, -10, 2**31])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_what_is_behind_group_0000_is_kept_raw(foreign: str, surplus: int) -> None:
    """Whatever the group length says."""
    plain = decode_command(command_set(*RECEIVED_ANSWER))
    data = FOREIGN[foreign]
    body = b"".join(RECEIVED_ANSWER)
    length = element(0, struct.pack("<I", len(body) + surplus))
    decoded = decode_command(length + body + data)
    assert decoded == plain.replace(foreign_elements=data)
    group = data[1] << 8 | data[0]
    told = f"foreign-elements: {len(data)} bytes, from group {group:04X} on"
    assert decoded.warnings == (*(("wrong-group-length",) if surplus else ()), told)
    assert f"foreign_elements=<{len(data)} bytes>" in repr(decoded)
    assert encode_command(decoded) == encode_command(plain)


def test_what_is_odd_in_group_0000_is_told_beside_it() -> None:
    body = b"".join([*RECEIVED_ANSWER, element(0x4321, b"ab"), FOREIGN["an element"]])
    decoded = decode_command(body)
    assert decoded.unknown_elements == ((0x4321, b"ab"),)
    assert decoded.foreign_elements == FOREIGN["an element"]
    codes = [warning.partition(":")[0] for warning in decoded.warnings]
    assert codes == ["missing-group-length", "unknown-element", "foreign-elements"]
