"""Presentation contexts that may be changed, ready-made lists, and their negotiation, as in pynetdicom.

The lists and their contexts are shared by the whole program, as pynetdicom's are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from pydicom.uid import UID

from dicomproto.services._sop_class_table import COMMON_STORAGE

from . import sop_class
from ._globals import ALL_TRANSFER_SYNTAXES, DEFAULT_TRANSFER_SYNTAXES
from ._negotiation_items import SCP_SCU_RoleSelectionNegotiation
from ._sop_class_groups import GROUPS
from .utils import received_uid, set_uid, validate_uid

LOGGER = logging.getLogger("pynetdicom.presentation")

_STATUSES = {
    None: "Pending",
    0: "Accepted",
    1: "User Rejected",
    2: "Provider Rejected",
    3: "Abstract Syntax Not Supported",
    4: "Transfer Syntax(es) Not Supported",
}
"""The results of a presentation context (PS3.8 Table 9-18)."""

_ROLES = {
    (True, False): "SCU only",
    (True, True): "SCU and SCP",
    (False, True): "SCP only",
    (False, False): "(none)",
}


class PresentationContextTuple(NamedTuple):
    """An accepted presentation context, as handlers see it."""

    context_id: int
    abstract_syntax: UID
    transfer_syntax: UID


class PresentationContext:
    """An abstract syntax and its transfer syntaxes, proposed, supported or negotiated.

    `result` is None until an acceptor has answered, then a result of PS3.8 Table 9-18.
    """

    def __init__(self) -> None:
        """Make an empty context."""
        self._context_id: int | None = None
        self._abstract_syntax: UID | None = None
        self._transfer_syntax: list[UID] = []
        self.result: int | None = None
        self._scu_role: bool | None = None
        self._scp_role: bool | None = None
        self._as_scp: bool | None = None
        self._as_scu: bool | None = None

    @property
    def context_id(self) -> int | None:
        """The ID, odd and from 1 to 255, or None."""
        return self._context_id

    @context_id.setter
    def context_id(self, value: int | None) -> None:
        if value is not None and (not 1 <= value <= 255 or value % 2 == 0):
            raise ValueError("'context_id' must be an odd integer between 1 and 255, inclusive")
        self._context_id = value

    @property
    def abstract_syntax(self) -> UID | None:
        """The abstract syntax; text, bytes or a UID may be set."""
        return self._abstract_syntax

    @abstract_syntax.setter
    def abstract_syntax(self, value: str | bytes | UID) -> None:
        self._abstract_syntax = set_uid(value, "abstract_syntax", True, False, True)

    @property
    def transfer_syntax(self) -> list[UID]:
        """The transfer syntaxes, preferred first; a list of text, bytes or UIDs may be set."""
        return self._transfer_syntax

    @transfer_syntax.setter
    def transfer_syntax(self, syntaxes: Iterable[str | bytes | UID]) -> None:
        if not isinstance(syntaxes, list):
            raise TypeError("'transfer_syntax' must be a list")
        self._transfer_syntax = []
        for syntax in syntaxes:
            self.add_transfer_syntax(syntax)

    def add_transfer_syntax(self, syntax: str | bytes | UID | None) -> None:
        """Add a transfer syntax at the end, unless it is there. Raises ValueError for a bad UID."""
        given: object = syntax
        if given is None:
            return
        if not isinstance(given, str | bytes):
            LOGGER.error("Attempted to add an invalid transfer syntax")
            return
        uid = UID(given.decode("ascii") if isinstance(given, bytes) else given)
        if not validate_uid(uid):
            LOGGER.error("'transfer_syntax' contains an invalid UID")
            raise ValueError("'transfer_syntax' contains an invalid UID")
        if uid in self._transfer_syntax:
            return
        if not uid.is_valid:
            LOGGER.warning("The Transfer Syntax Name '%s' is non-conformant", uid)
            LOGGER.warning("A non-conformant UID has been added to 'transfer_syntax'")
        if not uid.is_private and not uid.is_transfer_syntax and uid not in ALL_TRANSFER_SYNTAXES:
            LOGGER.warning(
                "A UID has been added to 'transfer_syntax' that is not a transfer syntax: '%s'", uid
            )
        self._transfer_syntax.append(uid)

    @property
    def scu_role(self) -> bool | None:
        """True if the role of SCU is proposed or allowed; None to use the default roles."""
        return self._scu_role

    @scu_role.setter
    def scu_role(self, val: bool | None) -> None:
        self._scu_role = _role("scu_role", val)

    @property
    def scp_role(self) -> bool | None:
        """True if the role of SCP is proposed or allowed; None to use the default roles."""
        return self._scp_role

    @scp_role.setter
    def scp_role(self, val: bool | None) -> None:
        self._scp_role = _role("scp_role", val)

    @property
    def as_scp(self) -> bool | None:
        """True if our side may act as SCP on the context; None before the negotiation."""
        return self._as_scp

    @property
    def as_scu(self) -> bool | None:
        """True if our side may act as SCU on the context; None before the negotiation."""
        return self._as_scu

    @property
    def as_tuple(self) -> PresentationContextTuple:
        """The context with its first transfer syntax, for one that is accepted."""
        syntax = self._transfer_syntax[0]
        return PresentationContextTuple(cast(int, self._context_id), cast(UID, self._abstract_syntax), syntax)

    @property
    def status(self) -> str:
        """The result in words."""
        return _STATUSES.get(self.result, "Unknown")

    def __eq__(self, other: Any) -> bool:
        """Tell whether everything is the same."""
        return self.__dict__ == other.__dict__ if isinstance(other, self.__class__) else NotImplemented

    def __hash__(self) -> int:
        """Return a number that changes with the context."""
        syntaxes = tuple(self._transfer_syntax)
        return hash((self._abstract_syntax, self._context_id, syntaxes, self._as_scp, self._as_scu))

    def __repr__(self) -> str:
        """Return the name of the abstract syntax."""
        return "(none)" if self._abstract_syntax is None else self._abstract_syntax.name

    def __str__(self) -> str:
        """Return all of it in lines."""
        lines = []
        if self._context_id is not None:
            lines.append(f"ID: {self._context_id}")
        if self._abstract_syntax is not None:
            lines.append(f"Abstract Syntax: {self._abstract_syntax.name}")
        lines.append("Transfer Syntax(es):")
        lines += [f"    ={uid.name}" for uid in self._transfer_syntax] or ["    (none)"]
        if self.result is not None:
            lines.append(f"Result: {self.status}")
        if self._as_scu is not None and self._as_scp is not None:
            lines.append(f"Role: {_ROLES[self._as_scu, self._as_scp]}")
        return "\n".join(lines)


def context_of(
    context_id: int | None,
    abstract_syntax: UID | None,
    transfer_syntaxes: Iterable[UID],
    result: int | None = None,
    *,
    as_scu: bool | None = None,
    as_scp: bool | None = None,
) -> PresentationContext:
    """Return a context with values that are not judged, such as those of a peer."""
    context = PresentationContext()
    context._context_id = context_id
    context._abstract_syntax = abstract_syntax
    context._transfer_syntax = list(transfer_syntaxes)
    context.result = result
    context._as_scu = as_scu
    context._as_scp = as_scp
    return context


def _role(name: str, given: bool | None) -> bool | None:
    if not isinstance(given, bool | None):
        raise TypeError(f"'{name}' must be a bool or None")
    return given


# --- negotiation -------------------------------------------------------------------------------

Roles: TypeAlias = tuple[bool | None, bool | None]
"""SCU and SCP role, proposed or answered; None if nothing is said of them."""

RoleType: TypeAlias = Mapping[UID, Roles] | None
ListCXType: TypeAlias = list[PresentationContext]
CXNegotiationReturn: TypeAlias = tuple[list[PresentationContext], list[SCP_SCU_RoleSelectionNegotiation]]

DEFAULT_ROLE = (True, False, False, True)
BOTH_SCU_SCP_ROLE = (True, True, True, True)
CONTEXT_REJECTED = (False, False, False, False)
INVERTED_ROLE = (False, True, True, False)


def _outcome(proposed: Roles, answered: Roles) -> tuple[bool, bool, bool, bool]:
    """Return the roles, requestor as SCU, as SCP, acceptor as SCU, as SCP (PS3.7 Table D.3-10)."""
    if None in proposed or None in answered:
        return DEFAULT_ROLE
    scu, scp = bool(proposed[0] and answered[0]), bool(proposed[1] and answered[1])
    return scu, scp, scp, scu


_PROPOSALS: list[Roles] = [(None, None), (True, True), (True, False), (False, True), (False, False)]
_ANSWERS: list[Roles] = [(scu, scp) for scu in (None, True, False) for scp in (None, True, False)]

SCP_SCU_ROLES: dict[Roles, dict[Roles, tuple[bool, bool, bool, bool]]] = {
    proposed: {answered: _outcome(proposed, answered) for answered in _ANSWERS} for proposed in _PROPOSALS
}
"""The roles of both sides, by proposed and by answered roles."""


def negotiate_as_acceptor(
    rq_contexts: ListCXType, ac_contexts: ListCXType, roles: RoleType = None
) -> CXNegotiationReturn:
    """Return the answers to proposed contexts, by ID, and the role selection items of the answer.

    `roles` are the proposed ones by SOP class. The order of `ac_contexts` decides on the transfer syntax.
    """
    supported = {context.abstract_syntax: context for context in ac_contexts}
    answers = []
    items: dict[UID, SCP_SCU_RoleSelectionNegotiation] = {}
    for proposal in {(cx.context_id, cx.abstract_syntax): cx for cx in rq_contexts}.values():
        answer = _answer(proposal)
        answers.append(answer)
        ours = supported.get(proposal.abstract_syntax)
        if ours is None:
            answer.result = 3
            if ac_contexts:
                answer._as_scu = answer._as_scp = False
            continue
        answer._as_scu = answer._as_scp = False
        common = [uid for uid in ours.transfer_syntax if uid in proposal.transfer_syntax]
        if not common:
            answer.result = 4
            continue
        answer._transfer_syntax = common[:1]
        proposed = _proposed(proposal, roles)
        allowed = ours.scu_role, ours.scp_role
        _, _, answer._as_scu, answer._as_scp = _outcome(proposed or (None, None), allowed)
        answer.result = 0 if answer._as_scu or answer._as_scp else 1
        if answer.result == 0 and proposed is not None and None not in allowed:
            uid = cast(UID, proposal.abstract_syntax)
            scu = ours.scu_role if proposed[0] is not False else False
            scp = ours.scp_role if proposed[1] is not False else False
            items[uid] = build_role(uid, bool(scu), bool(scp))
    return _by_id(answers), [items[uid] for uid in sorted(items)]


def negotiate_unrestricted(
    rq_contexts: ListCXType, ac_contexts: ListCXType, roles: RoleType = None
) -> CXNegotiationReturn:
    """Return the answers of an acceptor that takes every storage, private and unknown abstract syntax.

    The role selection items are those of the contexts that it takes so.
    """
    storage = set(GROUPS["STORAGE"].values())
    known = _uids_of_the_standard()
    others = []
    answers = []
    items: dict[UID, SCP_SCU_RoleSelectionNegotiation] = {}
    for proposal in rq_contexts:
        uid = cast(UID, proposal.abstract_syntax)
        if not uid.is_private and uid not in storage and uid in known:
            others.append(proposal)
            continue
        answer = _answer(proposal)
        answer.result = 0
        answer._as_scu = answer._as_scp = True
        proposed = _proposed(proposal, roles)
        if proposed is not None:
            _, _, answer._as_scu, answer._as_scp = _outcome(proposed, (True, True))
            items[uid] = build_role(uid, bool(proposed[0]), bool(proposed[1]))
        answers.append(answer)
    rest, _ = negotiate_as_acceptor(others, ac_contexts, roles)
    return _by_id([*rest, *answers]), [items[uid] for uid in sorted(items)]


def negotiate_as_requestor(
    rq_contexts: ListCXType, ac_contexts: ListCXType, roles: RoleType = None
) -> ListCXType:
    """Return proposed contexts with the acceptor's results, by ID; `roles` are the answered ones.

    Raises ValueError without a proposal.
    """
    if not rq_contexts:
        raise ValueError("Requestor contexts are required")
    answers = {context.context_id: context for context in ac_contexts}
    results = []
    for proposal in {context.context_id: context for context in rq_contexts}.values():
        result = _answer(proposal)
        result._as_scu = result._as_scp = False
        answer = answers.get(proposal.context_id)
        results.append(result)
        if answer is None:
            result.result = 2
            continue
        result.result = answer.result
        result._transfer_syntax = answer.transfer_syntax[:1]
        answered = _proposed(result, roles) or (None, None)
        result._as_scu, result._as_scp = True, False
        if answer.result == 0 and None not in answered:
            proposed = proposal.scu_role, proposal.scp_role
            result._as_scu, result._as_scp, _, _ = _outcome(proposed, answered)
    return _by_id(results)


def _answer(proposal: PresentationContext) -> PresentationContext:
    """Return a context with the ID, the abstract syntax and the first transfer syntax of another."""
    return context_of(proposal.context_id, proposal.abstract_syntax, proposal.transfer_syntax[:1])


def _proposed(context: PresentationContext, roles: RoleType) -> Roles | None:
    uid = context.abstract_syntax
    return None if uid is None or not roles else roles.get(uid)


def _by_id(contexts: ListCXType) -> ListCXType:
    return sorted(contexts, key=lambda context: context.context_id or 0)


def _uids_of_the_standard() -> set[str]:
    """Return the UIDs whose keywords are names in `sop_class`; that of the worklist is not."""
    return {uid for name, uid in vars(sop_class).items() if isinstance(uid, UID) and uid.keyword == name}


# --- contexts and items made at once ---------------------------------------------------------------


def build_context(
    abstract_syntax: str | UID, transfer_syntax: str | UID | list[str] | list[UID] | None = None
) -> PresentationContext:
    """Return a presentation context, by default with the `DEFAULT_TRANSFER_SYNTAXES`.

    Raises TypeError or ValueError.
    """
    context = PresentationContext()
    context.abstract_syntax = UID(abstract_syntax)
    if transfer_syntax is None:
        context.transfer_syntax = DEFAULT_TRANSFER_SYNTAXES
    elif isinstance(transfer_syntax, str):
        context.transfer_syntax = [transfer_syntax]
    else:
        context.transfer_syntax = transfer_syntax
    return context


def build_role(
    uid: str | UID, scu_role: bool = False, scp_role: bool = False
) -> SCP_SCU_RoleSelectionNegotiation:
    """Return the negotiation item that proposes roles for the requestor (PS3.7 D.3.3.4)."""
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(uid)
    role.scu_role = scu_role
    role.scp_role = scp_role
    return role


_DEFAULT_UIDS = [UID(uid) for uid in DEFAULT_TRANSFER_SYNTAXES]


def _contexts(uids: Iterable[str]) -> list[PresentationContext]:
    """Return contexts of good UIDs with the default transfer syntaxes."""
    return [context_of(None, received_uid(uid), _DEFAULT_UIDS) for uid in sorted(uids)]


AllStoragePresentationContexts: ListCXType = _contexts(GROUPS["STORAGE"].values())
ApplicationEventLoggingPresentationContexts: ListCXType = _contexts(GROUPS["APPLICATION_EVENT"].values())
BasicWorklistManagementPresentationContexts: ListCXType = _contexts(GROUPS["BASIC_WORKLIST"].values())
ColorPalettePresentationContexts: ListCXType = _contexts(GROUPS["COLOR_PALETTE"].values())
DefinedProcedureProtocolPresentationContexts: ListCXType = _contexts(GROUPS["DEFINED_PROCEDURE"].values())
DisplaySystemPresentationContexts: ListCXType = _contexts(GROUPS["DISPLAY_SYSTEM"].values())
HangingProtocolPresentationContexts: ListCXType = _contexts(GROUPS["HANGING_PROTOCOL"].values())
ImplantTemplatePresentationContexts: ListCXType = _contexts(GROUPS["IMPLANT_TEMPLATE"].values())
InstanceAvailabilityPresentationContexts: ListCXType = _contexts(GROUPS["INSTANCE_AVAILABILITY"].values())
MediaCreationManagementPresentationContexts: ListCXType = _contexts(GROUPS["MEDIA_CREATION"].values())
MediaStoragePresentationContexts: ListCXType = _contexts(GROUPS["MEDIA_STORAGE"].values())
ModalityPerformedPresentationContexts: ListCXType = _contexts(GROUPS["PROCEDURE_STEP"].values())
NonPatientObjectPresentationContexts: ListCXType = _contexts(GROUPS["NON_PATIENT_OBJECT"].values())
PrintManagementPresentationContexts: ListCXType = _contexts(GROUPS["PRINT_MANAGEMENT"].values())
ProcedureStepPresentationContexts: ListCXType = _contexts(GROUPS["PROCEDURE_STEP"].values())
ProtocolApprovalPresentationContexts: ListCXType = _contexts(GROUPS["PROTOCOL_APPROVAL"].values())
QueryRetrievePresentationContexts: ListCXType = _contexts(GROUPS["QR"].values())
RelevantPatientInformationPresentationContexts: ListCXType = _contexts(
    GROUPS["RELEVANT_PATIENT_QUERY"].values()
)
RTMachineVerificationPresentationContexts: ListCXType = _contexts(GROUPS["RT_MACHINE_VERIFICATION"].values())
StoragePresentationContexts: ListCXType = _contexts(COMMON_STORAGE)
StorageCommitmentPresentationContexts: ListCXType = _contexts(GROUPS["STORAGE_COMMITMENT"].values())
SubstanceAdministrationPresentationContexts: ListCXType = _contexts(
    GROUPS["SUBSTANCE_ADMINISTRATION"].values()
)
UnifiedProcedurePresentationContexts: ListCXType = _contexts(GROUPS["UNIFIED_PROCEDURE_STEP"].values())
VerificationPresentationContexts: ListCXType = _contexts(GROUPS["VERIFICATION"].values())
