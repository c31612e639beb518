"""Presentation contexts: ready-made lists by service class, and functions to build one.

Each access to a name makes a new list, which the program may slice, join and change. A context for which no
transfer syntaxes are given has the `DEFAULT_TRANSFER_SYNTAXES`, here and in an `AE`: Explicit VR Little
Endian, Implicit VR Little Endian, Deflated Explicit VR Little Endian and Explicit VR Big Endian, in this
order. Deflated objects are stored as received, and deflated identifiers are inflated up to `Limits.collect`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dicomproto.services import _sop_class_table as tables
from dicomproto.uids import DEFAULT_TRANSFER_SYNTAXES as _DEFAULT
from dicomproto.uids import is_valid_uid, normalize_uid
from dicomproto.upper_layer.pdu import PresentationContextRQ, RoleSelection

if TYPE_CHECKING:
    from pydicom.uid import UID


_HELD = vars(PresentationContextRQ)
"""The members that hold the UIDs of a context."""


def _by_pydicom(name: str) -> property:
    """Return a property that shows the UIDs of a field as pydicom's, made when a program asks for them."""

    def shown(context: PresentationContext) -> UID | tuple[UID, ...]:
        held = _HELD[name].__get__(context)
        return uid_of(held) if isinstance(held, str) else tuple([uid_of(uid) for uid in held])

    return property(shown, _HELD[name].__set__)


def held_by(context: PresentationContextRQ) -> tuple[str, tuple[str, ...]]:
    """Return the SOP class and the transfer syntaxes of a context as it holds them: plain text, mostly."""
    return _HELD["abstract_syntax"].__get__(context), _HELD["transfer_syntaxes"].__get__(context)


class PresentationContext(PresentationContextRQ):
    """A SOP class with transfer syntaxes, to be proposed or supported.

    `context_id` is 0 unless it is one of the `requested_contexts` of an application entity. The UIDs are
    `pydicom.uid.UID`, though type checkers know text alone.
    """

    context_id: int = 0

    if not TYPE_CHECKING:
        abstract_syntax = _by_pydicom("abstract_syntax")
        transfer_syntaxes = _by_pydicom("transfer_syntaxes")

    @property
    def transfer_syntax(self) -> tuple[str, ...]:
        """The same as `transfer_syntaxes`."""
        return self.transfer_syntaxes

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            if name in ("scu_role", "scp_role"):
                how = "give build_role() in ext_neg of associate(), or roles to add_supported_context()"
                raise AttributeError(f"a PresentationContext has no roles: {how}")
            if name == "transfer_syntax":
                name = "transfer_syntaxes"
            super().__setattr__(name, value)


_SERVICES = {
    "ApplicationEventLogging": "APPLICATION_EVENT_LOGGING",
    "BasicWorklistManagement": "BASIC_WORKLIST_MANAGEMENT",
    "ColorPalette": "COLOR_PALETTE_QUERY_RETRIEVE",
    "DefinedProcedureProtocol": "DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE",
    "DisplaySystem": "DISPLAY_SYSTEM_MANAGEMENT",
    "HangingProtocol": "HANGING_PROTOCOL_QUERY_RETRIEVE",
    "ImplantTemplate": "IMPLANT_TEMPLATE_QUERY_RETRIEVE",
    "InstanceAvailability": "INSTANCE_AVAILABILITY_NOTIFICATION",
    "Inventory": "INVENTORY_QUERY_RETRIEVE",
    "MediaCreationManagement": "MEDIA_CREATION_MANAGEMENT",
    "MediaStorage": "MEDIA_STORAGE",
    "ModalityPerformed": "PROCEDURE_STEP",
    "PrintManagement": "PRINT_MANAGEMENT",
    "ProcedureStep": "PROCEDURE_STEP",
    "ProtocolApproval": "PROTOCOL_APPROVAL_QUERY_RETRIEVE",
    "QueryRetrieve": "QUERY_RETRIEVE",
    "RelevantPatientInformation": "RELEVANT_PATIENT_INFORMATION_QUERY",
    "RTMachineVerification": "RT_MACHINE_VERIFICATION",
    "StorageCommitment": "STORAGE_COMMITMENT",
    "StorageManagement": "STORAGE_MANAGEMENT",
    "SubstanceAdministration": "SUBSTANCE_ADMINISTRATION_QUERY",
    "UnifiedProcedure": "UNIFIED_PROCEDURE_STEP",
    "Verification": "VERIFICATION",
}

_UIDS: dict[str, Iterable[str]] = {
    "AllStorage": tables.STORAGE,
    "NonPatientObject": tables.NON_PATIENT_OBJECT_STORAGE,
    "Storage": tables.COMMON_STORAGE,
    **{name: tables.SERVICES[service] for name, service in _SERVICES.items()},
}

CONTEXT_LISTS = tuple(sorted(f"{name}PresentationContexts" for name in _UIDS))
"""The names of all lists of presentation contexts."""

if TYPE_CHECKING:
    ALL_TRANSFER_SYNTAXES: list[str]
    DEFAULT_TRANSFER_SYNTAXES: list[str]
    AllStoragePresentationContexts: list[PresentationContext]
    ApplicationEventLoggingPresentationContexts: list[PresentationContext]
    BasicWorklistManagementPresentationContexts: list[PresentationContext]
    ColorPalettePresentationContexts: list[PresentationContext]
    DefinedProcedureProtocolPresentationContexts: list[PresentationContext]
    DisplaySystemPresentationContexts: list[PresentationContext]
    HangingProtocolPresentationContexts: list[PresentationContext]
    ImplantTemplatePresentationContexts: list[PresentationContext]
    InstanceAvailabilityPresentationContexts: list[PresentationContext]
    InventoryPresentationContexts: list[PresentationContext]
    MediaCreationManagementPresentationContexts: list[PresentationContext]
    MediaStoragePresentationContexts: list[PresentationContext]
    ModalityPerformedPresentationContexts: list[PresentationContext]
    NonPatientObjectPresentationContexts: list[PresentationContext]
    PrintManagementPresentationContexts: list[PresentationContext]
    ProcedureStepPresentationContexts: list[PresentationContext]
    ProtocolApprovalPresentationContexts: list[PresentationContext]
    QueryRetrievePresentationContexts: list[PresentationContext]
    RelevantPatientInformationPresentationContexts: list[PresentationContext]
    RTMachineVerificationPresentationContexts: list[PresentationContext]
    StorageCommitmentPresentationContexts: list[PresentationContext]
    StorageManagementPresentationContexts: list[PresentationContext]
    StoragePresentationContexts: list[PresentationContext]
    SubstanceAdministrationPresentationContexts: list[PresentationContext]
    UnifiedProcedurePresentationContexts: list[PresentationContext]
    VerificationPresentationContexts: list[PresentationContext]

__all__ = [
    "ALL_TRANSFER_SYNTAXES",
    "AllStoragePresentationContexts",
    "ApplicationEventLoggingPresentationContexts",
    "BasicWorklistManagementPresentationContexts",
    "CONTEXT_LISTS",
    "ColorPalettePresentationContexts",
    "DEFAULT_TRANSFER_SYNTAXES",
    "DefinedProcedureProtocolPresentationContexts",
    "DisplaySystemPresentationContexts",
    "HangingProtocolPresentationContexts",
    "ImplantTemplatePresentationContexts",
    "InstanceAvailabilityPresentationContexts",
    "InventoryPresentationContexts",
    "MediaCreationManagementPresentationContexts",
    "MediaStoragePresentationContexts",
    "ModalityPerformedPresentationContexts",
    "NonPatientObjectPresentationContexts",
    "PresentationContext",
    "PrintManagementPresentationContexts",
    "ProcedureStepPresentationContexts",
    "ProtocolApprovalPresentationContexts",
    "QueryRetrievePresentationContexts",
    "RTMachineVerificationPresentationContexts",
    "RelevantPatientInformationPresentationContexts",
    "StorageCommitmentPresentationContexts",
    "StorageManagementPresentationContexts",
    "StoragePresentationContexts",
    "SubstanceAdministrationPresentationContexts",
    "UnifiedProcedurePresentationContexts",
    "VerificationPresentationContexts",
    "build_context",
    "build_role",
]


def __getattr__(name: str) -> object:
    if name in CONTEXT_LISTS:
        uids = _UIDS[name.removesuffix("PresentationContexts")]
        return [PresentationContext(abstract_syntax=uid, transfer_syntaxes=_DEFAULT) for uid in uids]
    if name == "ALL_TRANSFER_SYNTAXES":
        return list(tables.TRANSFER_SYNTAXES)
    if name == "DEFAULT_TRANSFER_SYNTAXES":
        return list(_DEFAULT)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_context(
    abstract_syntax: str, transfer_syntax: str | Iterable[str] | None = None
) -> PresentationContext:
    """Return a presentation context, by default with the `DEFAULT_TRANSFER_SYNTAXES`.

    Raises TypeError or ValueError for a UID that is not valid, or for no transfer syntax at all.
    """
    syntaxes: tuple[str, ...] = _DEFAULT
    if transfer_syntax is not None:
        several = transfer_syntax
        if isinstance(transfer_syntax, str) or not isinstance(transfer_syntax, Iterable):
            several = [transfer_syntax]
        syntaxes = tuple([plain_uid(TRANSFER_SYNTAX, uid) for uid in several])
        if not syntaxes:
            raise ValueError("a presentation context needs a transfer syntax")
    uid = plain_uid(ABSTRACT_SYNTAX, abstract_syntax)
    return PresentationContext(abstract_syntax=uid, transfer_syntaxes=syntaxes)


def build_role(uid: str, scu_role: bool = False, scp_role: bool = False) -> RoleSelection:
    """Return the item of `ext_neg` that proposes roles for the requestor (PS3.7 D.3.3.4).

    Raises TypeError or ValueError for a UID that is not valid (PS3.5 9.1), and TypeError for a role that is
    not True or False.
    """
    plain = plain_uid(ABSTRACT_SYNTAX, uid)
    if not is_valid_uid(plain):
        raise ValueError(f"{plain!r:.80} is no valid UID, and cannot be proposed (PS3.5 9.1)")
    return RoleSelection(sop_class_uid=plain, scu_role=scu_role, scp_role=scp_role)


# --- UIDs ------------------------------------------------------------------------------------

ABSTRACT_SYNTAX = "an abstract syntax"
TRANSFER_SYNTAX = "a transfer syntax"


def uid_of(text: str) -> UID:
    """Return a UID without padding; pydicom would warn of one that a peer sent and PS3.5 does not allow."""
    from pydicom import config  # not at the top: it takes a tenth of a second to import
    from pydicom.uid import UID

    return UID(normalize_uid(text), config.IGNORE)


def plain_uid(what: str, given: object) -> str:
    """Return a UID without padding; `what` is `ABSTRACT_SYNTAX` or `TRANSFER_SYNTAX`.

    Any text of digits and dots is allowed, as some peers use UIDs that PS3.5 does not allow. Raises
    TypeError, or ValueError for other text, with a suggestion.
    """
    if not isinstance(given, str):
        from .error_text import shown

        raise TypeError(f"{what} must be a UID, as text, not {shown(given)}")
    uid = normalize_uid(str(given))
    if not uid:
        raise ValueError(f"{what} is a UID, not an empty string")
    if uid.strip("0123456789."):
        raise ValueError(f"{what} must be a UID, of digits and dots, not {uid!r:.80}{_meant(what, uid)}")
    return uid


def _meant(what: str, name: str) -> str:
    """Return a suggestion for the end of an error text: a similar name, or an example."""
    from difflib import get_close_matches  # only needed for an error

    if what == TRANSFER_SYNTAX:
        known = {keyword: f"{uid!r} ({keyword})" for uid, keyword in tables.TRANSFER_SYNTAXES.items()}
    else:
        from dicomproto.services import sop_classes

        known = {keyword: f"{sop_classes.__name__}.{keyword}" for keyword in sop_classes.keywords()}
    keywords = {keyword.lower(): keyword for keyword in known}
    found = get_close_matches("".join(filter(str.isalnum, name)).lower(), list(keywords), 1)
    if found:
        return f"; did you mean {known[keywords[found[0]]]}?"
    return f", such as {known['ExplicitVRLittleEndian' if what == TRANSFER_SYNTAX else 'CTImageStorage']}"
