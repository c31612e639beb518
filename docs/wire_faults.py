"""The faults that `UpperLayer` and `Connection` answer by themselves, whatever their user does."""

from __future__ import annotations

from provoking import (
    ANSWER,
    CT,
    ECHO,
    FIND,
    IDENTIFIER,
    IMPLEMENTATION,
    PROPOSAL,
    RELEASE_RP,
    RELEASE_RQ,
    STORE,
    STORE_COMMAND,
    Outcome,
    Section,
    Wire,
    aborted,
    answer_with,
    associate,
    awaiting_answer,
    awaiting_request,
    calling,
    counted,
    element,
    item,
    message,
    p_data,
    releasing,
    serving,
    storing,
    waiting_for_echo,
)

from dicomproto import (
    Abort,
    CEchoRSP,
    CFindRQ,
    CStoreRSP,
    Limits,
    encode_pdu,
)
from dicomproto.dimse.codec import encode_command


def violation(reason: int) -> Outcome:
    """The engine's own abort: source 2, the service-provider."""
    return Outcome(Abort(source=2, reason=reason), "ProtocolViolation")


# Before the association the standard has AA-1: source 0, which has no reasons.
EARLY_VIOLATION = Outcome(Abort(source=0, reason=0), "ProtocolViolation")
NOT_DICOM = Outcome(Abort(source=0, reason=0), "NotDicom")
UNRECOGNIZED, UNEXPECTED = violation(1), violation(2)
OUT_OF_PLACE, INVALID = violation(5), violation(6)
MESSAGE_FAULT = violation(0)


def refused(status: int) -> Outcome:
    """A request that the engine answers by itself."""
    return Outcome(status, "RequestRefused")


FRAMING = Section(
    "Other protocols and PDU headers",
    "The engine checks the type before the length, and the length before it buffers anything.",
    (
        Wire("TLS on the plain port", awaiting_request, b"\x16\x03\x01\x02\x00\x01\x00", NOT_DICOM),
        Wire("HTTP", awaiting_request, b"GET / HTTP/1.1\r\n", NOT_DICOM),
        Wire("the PROXY protocol", awaiting_request, b"PROXY TCP4 ", NOT_DICOM),
        Wire("SSH", awaiting_request, b"SSH-2.0-x\r\n", NOT_DICOM),
        Wire("any other first bytes", awaiting_request, b"\x99" * 6, NOT_DICOM),
        Wire(
            "HTTP as the answer",
            awaiting_answer,
            b"HTTP/1.1 400",
            Outcome(Abort(source=2, reason=1), "NotDicom"),
        ),
        Wire("unknown PDU type later on", serving, b"\x08\0\0\0\0\x04", UNRECOGNIZED, "PS3.8 9.2.3, AA-8"),
        Wire(
            "A-ASSOCIATE-RQ that declares more than `Limits.associate_length`",
            awaiting_request,
            b"\x01\0\x40\0\0\0",
            EARLY_VIOLATION,
            "PS3.8 9.2.3, AA-1",
        ),
        Wire(
            "A-ASSOCIATE-AC that declares more than `Limits.associate_length`",
            awaiting_answer,
            b"\x02\0\x40\0\0\0",
            INVALID,
        ),
        Wire(
            "A-ASSOCIATE-RJ, release or A-ABORT that does not declare 4 bytes",
            serving,
            b"\x05\0\0\0\0\x05",
            INVALID,
        ),
        Wire(
            "P-DATA-TF that declares more than `Limits.p_data_length` and four times the announced maximum",
            serving,
            b"\x04\0\xff\xff\xff\xff",
            INVALID,
        ),
    ),
)

ASSOCIATE = Section(
    "Items of A-ASSOCIATE PDUs",
    "The engine checks every declared length against the rest of its parent. In an A-ASSOCIATE-RQ the same "
    "faults are answered with source 0, reason 0 (PS3.8 9.2.3, AA-1).",
    (
        Wire(
            "shorter than its fixed fields",
            awaiting_answer,
            b"\x02\0\0\0\0\x04\0\1\0\0",
            INVALID,
            "PS3.8 9.3.3",
        ),
        Wire(
            "item longer than the rest", awaiting_answer, associate(2, item(0x10, b"1.2", length=4)), INVALID
        ),
        Wire(
            "sub-item longer than the rest",
            awaiting_answer,
            answer_with(item(0x52, b"1.2", length=9)),
            INVALID,
        ),
        Wire(
            "unknown item longer than the rest",
            awaiting_answer,
            answer_with(item(0x77, b"", length=0xFFFF)),
            INVALID,
        ),
        Wire("half an item header at the end", awaiting_answer, associate(2, b"\x50\0"), INVALID),
        Wire(
            "presentation context without its 4 bytes",
            awaiting_answer,
            associate(2, item(0x21, b"\1\0")),
            INVALID,
        ),
        Wire(
            "standard item out of place",
            awaiting_answer,
            associate(2, item(0x51, b"\0\0\x40\0")),
            OUT_OF_PLACE,
            "PS3.8 Table 9-26",
        ),
        Wire(
            "maximum length item of other than 4 bytes",
            awaiting_answer,
            answer_with(item(0x51, bytes(3))),
            INVALID,
        ),
        Wire(
            "maximum length from 1 to 127",
            awaiting_answer,
            answer_with(item(0x51, b"\0\0\0\x7f"), IMPLEMENTATION),
            INVALID,
        ),
        Wire(
            "operations window of other than 4 bytes",
            awaiting_answer,
            answer_with(item(0x53, bytes(5))),
            INVALID,
        ),
        Wire(
            "role selection with a wrong UID length",
            awaiting_answer,
            answer_with(item(0x54, counted(b"1.2", 65535), b"\1\1")),
            INVALID,
        ),
        Wire(
            "role selection without roles", awaiting_answer, answer_with(item(0x54, counted(b"1.2"))), INVALID
        ),
        Wire(
            "extended negotiation with a wrong UID length",
            awaiting_answer,
            answer_with(item(0x56, counted(b"1.2", 4))),
            INVALID,
        ),
        Wire(
            "common extended negotiation with a wrong inner length",
            awaiting_answer,
            answer_with(item(0x57, counted(b"1.2"), counted(b"1.3"), counted(counted(b"1.4", 9)))),
            INVALID,
        ),
        Wire(
            "user identity with a wrong field length",
            awaiting_answer,
            answer_with(item(0x58, b"\1\0", counted(b"me", 3))),
            INVALID,
        ),
        Wire(
            "user identity response with a wrong length",
            awaiting_answer,
            answer_with(item(0x59, counted(b"", 1))),
            INVALID,
        ),
        Wire(
            "more than `Limits.presentation_contexts`",
            awaiting_answer,
            associate(2, item(0x21, b"\1\0\0\0") * 3),
            INVALID,
            limits=Limits(presentation_contexts=2),
        ),
        Wire(
            "more than `Limits.transfer_syntaxes` in a context",
            awaiting_answer,
            associate(2, item(0x21, b"\1\0\0\0", item(0x40, b"1.2") * 3)),
            INVALID,
            limits=Limits(transfer_syntaxes=2),
        ),
        Wire(
            "more than `Limits.items`",
            awaiting_answer,
            answer_with(item(0x77) * 12),
            INVALID,
            limits=Limits(items=12),
        ),
    ),
)

P_DATA = Section(
    "P-DATA-TF",
    "Data from before the fault stays delivered. The engine reports the message as `MessageIncomplete`.",
    (
        Wire("no PDV", serving, b"\x04\0\0\0\0\0", INVALID, "PS3.8 9.3.5"),
        Wire("PDV length 0 or 1", serving, b"\x04\0\0\0\0\x06\0\0\0\1\1\3", INVALID),
        Wire("PDV longer than the rest", serving, b"\x04\0\0\0\0\x08\xff\xff\xff\xfc\1\3\0\0", INVALID),
        Wire(
            "bytes after the last PDV",
            serving,
            b"\x04\0\0\0\0\x0a\0\0\0\x04\1\1\0\0\0\0",
            INVALID,
        ),
        Wire("presentation context that was not accepted", serving, message(ECHO, 99), INVALID),
        Wire(
            "more than `Limits.empty_fragments` in one message",
            serving,
            p_data((1, 1, b"")) * 3,
            MESSAGE_FAULT,
            limits=Limits(empty_fragments=2),
        ),
        Wire(
            "more than `Limits.tiny_fragments` in one message, of less than 64 bytes on average",
            serving,
            p_data(STORE_COMMAND) + p_data(*[(3, 0, b"ab")] * 8),
            MESSAGE_FAULT,
            limits=Limits(tiny_fragments=5),
        ),
        Wire(
            "command set of more than `Limits.command_length`",
            serving,
            p_data((1, 1, bytes(200))) * 2,
            MESSAGE_FAULT,
            limits=Limits(command_length=256),
        ),
        Wire(
            "data set fragment in place of a command",
            serving,
            p_data((1, 0, bytes(4))),
            MESSAGE_FAULT,
            "PS3.8 E.1",
        ),
        Wire(
            "command fragment within a data set",
            serving,
            p_data(STORE_COMMAND, (3, 3, encode_command(ECHO))),
            MESSAGE_FAULT,
        ),
        Wire(
            "fragment on another context within a message",
            serving,
            p_data(STORE_COMMAND, (1, 2, bytes(4))),
            MESSAGE_FAULT,
        ),
    ),
)

MESSAGES = Section(
    "Messages",
    "A request that cannot be understood cannot be answered. Understood deviations are tolerated "
    "(:doc:`quirks`).",
    (
        Wire(
            "no Command Field",
            serving,
            p_data((1, 3, element(0x110, b"\1\0"))),
            MESSAGE_FAULT,
            "PS3.7 6.3",
        ),
        Wire("unknown Command Field", serving, p_data((1, 3, element(0x100, b"\x77\x77"))), MESSAGE_FAULT),
        Wire("no Message ID", serving, p_data((1, 3, element(0x100, b"\x30\0"))), MESSAGE_FAULT),
        Wire(
            "no Status in a response",
            waiting_for_echo,
            p_data((1, 3, element(0x100, b"\x30\x80") + element(0x120, b"\1\0"))),
            MESSAGE_FAULT,
        ),
        Wire(
            "element longer than the command set",
            serving,
            p_data((1, 3, b"\0\0\0\1\xff\xff\xff\xff\x30\0")),
            MESSAGE_FAULT,
        ),
        Wire(
            "response to a request that is not outstanding",
            waiting_for_echo,
            message(CEchoRSP(MessageIDBeingRespondedTo=9), 1),
            MESSAGE_FAULT,
        ),
        Wire(
            "response of another kind than the request",
            waiting_for_echo,
            message(CStoreRSP(MessageIDBeingRespondedTo=1), 1),
            MESSAGE_FAULT,
        ),
        Wire(
            "pending response to an operation that has none",
            waiting_for_echo,
            message(CEchoRSP(MessageIDBeingRespondedTo=1, Status=0xFF00), 1),
            MESSAGE_FAULT,
        ),
        Wire(
            "success before the data set was complete",
            storing,
            message(CStoreRSP(MessageIDBeingRespondedTo=1), 3),
            MESSAGE_FAULT,
            "PS3.7 9.3.1",
        ),
        Wire(
            "more unanswered requests than `Limits.outstanding_requests`",
            serving,
            message(ECHO, 1) + message(ECHO.replace(MessageID=2), 1),
            MESSAGE_FAULT,
            limits=Limits(outstanding_requests=1),
        ),
    ),
)

SEQUENCE = Section(
    "PDUs out of sequence",
    "Table 9-10 of PS3.8 determines the answer (:doc:`states`). Peers do reach these cells of the table.",
    (
        Wire(
            "P-DATA-TF before the A-ASSOCIATE-RQ", awaiting_request, message(ECHO, 1), EARLY_VIOLATION, "AA-1"
        ),
        Wire("A-RELEASE-RQ before the A-ASSOCIATE-RQ", awaiting_request, RELEASE_RQ, EARLY_VIOLATION, "AA-1"),
        Wire("P-DATA-TF before the A-ASSOCIATE-AC", awaiting_answer, message(ECHO, 1), UNEXPECTED, "AA-8"),
        Wire(
            "A-ASSOCIATE-RQ as the answer to ours", awaiting_answer, encode_pdu(PROPOSAL), UNEXPECTED, "AA-8"
        ),
        Wire("a second A-ASSOCIATE-RQ", serving, encode_pdu(PROPOSAL), UNEXPECTED, "AA-8"),
        Wire("A-ASSOCIATE-AC to an acceptor", serving, encode_pdu(ANSWER), UNEXPECTED, "AA-8"),
        Wire("A-RELEASE-RP without a request", serving, RELEASE_RP, UNEXPECTED, "AA-8"),
        Wire(
            "A-RELEASE-RQ in the middle of a message",
            serving,
            p_data(STORE_COMMAND) + RELEASE_RQ,
            Outcome(None, "ReleaseRQ"),
        ),
        Wire(
            "A-ABORT in the middle of a message",
            serving,
            p_data(STORE_COMMAND) + encode_pdu(Abort()),
            Outcome(None, "Abort"),
            "AA-3",
        ),
        Wire(
            "a request after our A-RELEASE-RQ",
            releasing,
            message(STORE, 3),
            Outcome(None, "RequestRefused"),
            "AR-6",
        ),
        Wire(
            "anything after our A-ABORT", aborted, b"\x99" * 100, Outcome(None, "LocallyEnded"), "AA-6, AA-7"
        ),
    ),
)

REFUSALS = Section(
    "Requests that the engine refuses",
    "`Connection` answers these requests itself and reports them as `RequestRefused`. Their data sets are "
    "dropped, and the association stays.",
    (
        Wire(
            "Message ID of a request that is not answered yet",
            serving,
            message(ECHO, 1) + message(ECHO, 1),
            refused(0x0210),
            "PS3.7 C.5.6",
        ),
        Wire(
            "in a role that was not negotiated", calling, message(ECHO, 1), refused(0x0122), "PS3.7 D.3.3.4"
        ),
        Wire(
            "an operation that the context's SOP class does not have",
            serving,
            message(CFindRQ(MessageID=1, AffectedSOPClassUID=CT), 3, IDENTIFIER),
            refused(0x0211),
            "PS3.7 C.5.25",
        ),
        Wire(
            "C-STORE of a SOP class that is not a storage SOP class",
            serving,
            message(STORE.replace(AffectedSOPClassUID=FIND), 3, IDENTIFIER),
            refused(0x0122),
            "PS3.7 C.5.23",
        ),
    ),
)
