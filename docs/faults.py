"""The fault table: the faults of a peer, and the answer to each.

The documentation prints these rows. A test provokes each fault and compares the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provoking import (
    CT,
    ECHO,
    FIND,
    IDENTIFIER,
    PROPOSAL,
    STORE,
    STORE_COMMAND,
    Crowding,
    Guarding,
    Handling,
    Negotiation,
    Outcome,
    Section,
    Wait,
    aborted,
    awaiting_answer,
    awaiting_request,
    cancelling,
    message,
    p_data,
    releasing,
    serving,
    waiting_for_action,
    waiting_for_echo,
    waiting_for_get,
)
from wire_faults import ASSOCIATE, FRAMING, MESSAGES, P_DATA, REFUSALS, SEQUENCE

from dicomproto import (
    DATA_SET_PRESENT,
    Abort,
    AcceptorPolicy,
    AssociateRJ,
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    CFindRQ,
    CGetRSP,
    ConnectionClosed,
    ConnectionLost,
    Limits,
    LocallyEnded,
    NotDicom,
    NotDicomError,
    PresentationContextRQ,
    ProtocolViolation,
    ReleaseRP,
    RemoteProtocolError,
    SupportedContext,
    TimedOut,
    TimerExpired,
)
from dicomproto.negotiation import IdentityVerdict, index_supported
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import RoleSelection, UserIdentityRQ

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[..., object]


def rejected(result: int, source: int, reason: int, event: str = "AssociateRQ") -> Outcome:
    """A rejected proposal."""
    return Outcome(AssociateRJ(result=result, source=source, reason=reason), event)


EVERYTHING = index_supported(
    [
        SupportedContext(abstract_syntax=uid, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))
        for uid in (CT, VERIFICATION)
    ]
)
LONG_UID = "1." + "2" * 65300
LONG_ROLE = RoleSelection(sop_class_uid=LONG_UID, scu_role=True, scp_role=True)
IDENTITY = UserIdentityRQ(identity_type=2, primary_field=b"me", secondary_field=b"?")

PROPOSALS = Section(
    "Proposals",
    "The answer is an A-ASSOCIATE-RJ of PS3.8 Table 9-21. The engine checks the version. `negotiate()` "
    "checks everything else, with the policy of the caller.",
    (
        Negotiation(
            "protocol version 1 not among the proposed ones",
            PROPOSAL.replace(protocol_version=2),
            AcceptorPolicy(),
            rejected(1, 2, 2, "LocallyEnded"),
            "PS3.8 9.3.2",
        ),
        Negotiation(
            "another application context",
            PROPOSAL.replace(application_context_name="1.2.3"),
            AcceptorPolicy(),
            rejected(1, 1, 2),
        ),
        Negotiation(
            "called AE title not in `called_ae_titles`",
            PROPOSAL,
            AcceptorPolicy(called_ae_titles={"ARCHIVE"}),
            rejected(1, 1, 7),
        ),
        Negotiation(
            "calling AE title not in `calling_ae_titles`",
            PROPOSAL,
            AcceptorPolicy(calling_ae_titles={"MODALITY"}),
            rejected(1, 1, 3),
        ),
        Negotiation(
            "user identity that `user_identity` does not accept",
            PROPOSAL.replace(user_identity=IDENTITY),
            AcceptorPolicy(user_identity=lambda identity: IdentityVerdict(accepted=False)),
            rejected(1, 2, 1),
            "PS3.7 D.3.3.7",
        ),
        Negotiation(
            "roles and extended negotiation whose answers would not fit in an A-ASSOCIATE-AC",
            PROPOSAL.replace(
                presentation_contexts=(
                    PresentationContextRQ(context_id=1, abstract_syntax=LONG_UID, transfer_syntaxes=("1.2",)),
                ),
                role_selections=(LONG_ROLE,),
            ),
            AcceptorPolicy(),
            rejected(1, 3, 2),
        ),
        Negotiation(
            "anything that the policy's `request` rejects",
            PROPOSAL,
            AcceptorPolicy(request=lambda request: AssociateRJ(result=2, source=3, reason=1)),
            rejected(2, 3, 1),
        ),
    ),
)


def proposing(abstract_syntax: str, *transfer_syntaxes: str, **fields: object) -> object:
    """Return a proposal of one context."""
    context = PresentationContextRQ(
        context_id=1, abstract_syntax=abstract_syntax, transfer_syntaxes=transfer_syntaxes
    )
    return PROPOSAL.replace(presentation_contexts=(context,), **fields)


def result(value: int) -> Outcome:
    """The result of a presentation context in an A-ASSOCIATE-AC."""
    return Outcome(value, "AssociateRQ")


NO_ROLES = index_supported(
    [
        SupportedContext(
            abstract_syntax=CT, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,), scu_role=False, scp_role=False
        )
    ]
)

CONTEXTS = Section(
    "Presentation contexts",
    "The answer is the result of one context in the A-ASSOCIATE-AC (PS3.8 Table 9-18). The association is "
    "accepted even if every context is rejected (PS3.8 7.1.1).",
    (
        Negotiation(
            "none of its roles is granted",
            proposing(
                CT,
                IMPLICIT_VR_LITTLE_ENDIAN,
                role_selections=(RoleSelection(sop_class_uid=CT, scu_role=True, scp_role=True),),
            ),
            AcceptorPolicy(supported=NO_ROLES),
            result(1),
            "PS3.7 D.3.3.4",
        ),
        Negotiation(
            "abstract syntax not supported",
            proposing(FIND, IMPLICIT_VR_LITTLE_ENDIAN),
            AcceptorPolicy(supported=EVERYTHING),
            result(3),
        ),
        Negotiation(
            "no abstract syntax",
            proposing("", IMPLICIT_VR_LITTLE_ENDIAN),
            AcceptorPolicy(supported=EVERYTHING),
            result(3),
        ),
        Negotiation(
            "none of its transfer syntaxes supported",
            proposing(CT, EXPLICIT_VR_LITTLE_ENDIAN),
            AcceptorPolicy(supported=EVERYTHING),
            result(4),
        ),
        Negotiation("no transfer syntax", proposing(CT), AcceptorPolicy(supported=EVERYTHING), result(4)),
    ),
)


def bound_to(kind: str, handler: Handler) -> Callable[[], list[tuple[object, Handler]]]:
    """Bind a handler by the name of its event, when the adapters are imported."""

    def bind() -> list[tuple[object, Handler]]:
        from dicomproto_transports import evt

        return [(getattr(evt, kind), handler)]

    return bind


def fails(event: object) -> object:
    """A handler with a defect."""
    raise RuntimeError("the disk is on fire")


HANDLERS = Section(
    "Requests that reach the adapters",
    "The association stays in each case. The Error Comment of the response has the reason.",
    (
        Handling("C-STORE, and no handler is bound", list, STORE, Outcome(0x0122, "")),
        Handling("the C-STORE handler raised", bound_to("EVT_C_STORE", fails), STORE, Outcome(0xC211, "")),
        Handling(
            "the C-STORE handler returned no status",
            bound_to("EVT_C_STORE", lambda event: None),
            STORE,
            Outcome(0xC002, ""),
        ),
        Handling(
            "a data set of more than `Limits.collect`, with EVT_C_STORE",
            bound_to("EVT_C_STORE", lambda event: 0),
            STORE,
            Outcome(0xA700, ""),
            "PS3.4 B.2.3",
            Limits(collect=4),
        ),
        Handling(
            "the EVT_C_STORE_STREAM handler called `event.refuse(0xA900)`",
            bound_to("EVT_C_STORE_STREAM", lambda event: event.refuse(0xA900)),
            STORE,
            Outcome(0xA900, ""),
            "PS3.7 9.3.1",
        ),
        Handling(
            "the EVT_C_STORE handler reads a truncated data set",
            bound_to("EVT_C_STORE", lambda event: event.dataset),
            STORE,
            Outcome(0xC000, ""),
            "PS3.4 B.2.3",
            data=IDENTIFIER[:-2],
        ),
        Handling(
            "the identifier of a C-FIND ends within an element",
            bound_to("EVT_C_FIND", lambda event: iter(())),
            CFindRQ(AffectedSOPClassUID=FIND, CommandDataSetType=DATA_SET_PRESENT),
            Outcome(0xC000, ""),
            "PS3.4 C.4.1.1.4",
            data=IDENTIFIER[:-2],
        ),
        Handling(
            "an identifier of more than `Limits.identifier`",
            bound_to("EVT_C_FIND", lambda event: iter(())),
            CFindRQ(AffectedSOPClassUID=FIND, CommandDataSetType=DATA_SET_PRESENT),
            Outcome(0xA700, ""),
            "PS3.4 C.4.1.1.4",
            Limits(identifier=4),
        ),
        Handling("the C-ECHO handler raised", bound_to("EVT_C_ECHO", fails), ECHO, Outcome(0x0110, "")),
        Handling(
            "a service without a handler",
            list,
            CFindRQ(AffectedSOPClassUID=FIND),
            Outcome(0x0211, ""),
            "PS3.7 C.5.25",
        ),
    ),
)

SERVERS = Section(
    "Servers",
    "Connections without an accepted association have their own limit. The oldest connection of the address"
    " with most of them is dropped first.",
    (
        *(
            Crowding(
                f"more associations than `{limit}`",
                limit,
                Outcome(AssociateRJ(result=2, source=3, reason=2), ""),
                "PS3.8 Table 9-21",
            )
            for limit in (
                "maximum_associations",
                "maximum_associations_per_address",
                "maximum_associations_per_ae_title",
            )
        ),
        Guarding(
            "the EVT_REQUESTED handler raised",
            bound_to("EVT_REQUESTED", fails),
            Outcome(AssociateRJ(result=2, source=3, reason=1), ""),
            "PS3.8 Table 9-21",
        ),
    ),
)

ABORTED = Outcome(Abort(source=0, reason=0), "TimerExpired")

WAITS = Section(
    "Waits",
    "A field of `Timeouts` ends each wait. The abort is that of the local user, so it has no reason.",
    (
        Wait(
            "no A-ASSOCIATE-RQ",
            awaiting_request,
            b"",
            Outcome(None, "TimerExpired"),
            "PS3.8 9.2.3, AA-2",
            "artim",
        ),
        Wait("no answer to the A-ASSOCIATE-RQ", awaiting_answer, b"", ABORTED, "", "association"),
        Wait("no answer to the A-RELEASE-RQ", releasing, b"", ABORTED, "", "association"),
        Wait("no further byte of a PDU", serving, b"\x05\0\0\0", ABORTED, "", "pdu"),
        Wait("no further byte of a message", serving, p_data(STORE_COMMAND), ABORTED, "", "pdu"),
        Wait(
            "a message of less than 1 KiB a second, on average over 300 s or more",
            serving,
            p_data(STORE_COMMAND),
            ABORTED,
            "",
            "minimum_rate",
            p_data((3, 0, bytes(1000))),
        ),
        Wait("no response", waiting_for_echo, b"", ABORTED, "", "response"),
        Wait("no response to an N-ACTION", waiting_for_action, b"", ABORTED, "", "action"),
        Wait(
            "no further response to a C-GET or C-MOVE",
            waiting_for_get,
            message(CGetRSP(MessageIDBeingRespondedTo=1, Status=0xFF00), 7),
            ABORTED,
            "",
            "retrieve",
        ),
        Wait("no final response after a C-CANCEL", cancelling, b"", ABORTED, "", "cancel"),
        Wait("no bytes to an acceptor", serving, b"", ABORTED, "", "idle"),
        Wait(
            "the connection not closed after our last PDU", aborted, b"", Outcome(None, ""), "AA-2", "close"
        ),
    ),
)

RAISED = (
    (AssociateRJ(result=1, source=1, reason=1), AssociationRejected),
    (Abort(), AssociationAborted),
    (LocallyEnded(pdu=Abort()), AssociationAborted),
    (ReleaseRP(), AssociationReleased),
    (LocallyEnded(pdu=ReleaseRP()), AssociationReleased),
    (ConnectionClosed(state="Sta6", mid_pdu=False, quiet=False), ConnectionLost),
    (TimerExpired(timer="response", state="Sta6"), TimedOut),
    (
        ProtocolViolation(text="", offset=0, item_path="", state="Sta6", abort=Abort(source=2, reason=6)),
        RemoteProtocolError,
    ),
    (NotDicom(kind="http", abort=Abort()), NotDicomError),
)
"""The exception that the adapters raise for each terminal event."""

SECTIONS = (
    FRAMING,
    ASSOCIATE,
    P_DATA,
    MESSAGES,
    SEQUENCE,
    PROPOSALS,
    CONTEXTS,
    REFUSALS,
    HANDLERS,
    SERVERS,
    WAITS,
)
