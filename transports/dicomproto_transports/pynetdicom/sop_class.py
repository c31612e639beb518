"""SOP classes by keyword, their service classes, and the registration of others.

As in pynetdicom's `sop_class`, every SOP class and well-known SOP instance of the standard is a name of this
module; the names of pynetdicom 1.x (`CTImageStorageSOPClass`) are too. The tables by service class are
keyword -> UID.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import Self, cast

from pydicom.uid import UID

from dicomproto.services import SOPClassRegistry, uid_of
from dicomproto.services import _sop_class_table as tables

from . import service_class as classes
from . import service_class_n as classes_n
from ._sop_class_groups import GROUPS
from .service_class import ServiceClass

_APPLICATION_EVENT_CLASSES = GROUPS["APPLICATION_EVENT"]
_BASIC_WORKLIST_CLASSES = GROUPS["BASIC_WORKLIST"]
_COLOR_PALETTE_CLASSES = GROUPS["COLOR_PALETTE"]
_DEFINED_PROCEDURE_CLASSES = GROUPS["DEFINED_PROCEDURE"]
_DISPLAY_SYSTEM_CLASSES = GROUPS["DISPLAY_SYSTEM"]
_HANGING_PROTOCOL_CLASSES = GROUPS["HANGING_PROTOCOL"]
_IMPLANT_TEMPLATE_CLASSES = GROUPS["IMPLANT_TEMPLATE"]
_INSTANCE_AVAILABILITY_CLASSES = GROUPS["INSTANCE_AVAILABILITY"]
_INVENTORY_CLASSES = GROUPS["INVENTORY"]
_MEDIA_CREATION_CLASSES = GROUPS["MEDIA_CREATION"]
_MEDIA_STORAGE_CLASSES = GROUPS["MEDIA_STORAGE"]
_NON_PATIENT_OBJECT_CLASSES = GROUPS["NON_PATIENT_OBJECT"]
_PRINT_MANAGEMENT_CLASSES = GROUPS["PRINT_MANAGEMENT"]
_PROCEDURE_STEP_CLASSES = GROUPS["PROCEDURE_STEP"]
_PROTOCOL_APPROVAL_CLASSES = GROUPS["PROTOCOL_APPROVAL"]
_QR_CLASSES = GROUPS["QR"]
_RELEVANT_PATIENT_QUERY_CLASSES = GROUPS["RELEVANT_PATIENT_QUERY"]
_RT_MACHINE_VERIFICATION_CLASSES = GROUPS["RT_MACHINE_VERIFICATION"]
_STORAGE_CLASSES = GROUPS["STORAGE"]
_STORAGE_COMMITMENT_CLASSES = GROUPS["STORAGE_COMMITMENT"]
_STORAGE_MANAGEMENT_CLASSES = GROUPS["STORAGE_MANAGEMENT"]
_SUBSTANCE_ADMINISTRATION_CLASSES = GROUPS["SUBSTANCE_ADMINISTRATION"]
_UNIFIED_PROCEDURE_STEP_CLASSES = GROUPS["UNIFIED_PROCEDURE_STEP"]
_VERIFICATION_CLASSES = GROUPS["VERIFICATION"]

_SERVICE_CLASSES: dict[str, type[ServiceClass]] = {
    "1.2.840.10008.4.2": classes.StorageServiceClass,
    "1.2.840.10008.5.1.4.34.6": classes_n.UnifiedProcedureStepServiceClass,
}
"""The service classes that have a UID of their own."""

_SERVICE_TO_UID_GROUP: dict[type[ServiceClass], dict[str, str]] = {
    classes.VerificationServiceClass: _VERIFICATION_CLASSES,
    classes.QueryRetrieveServiceClass: _QR_CLASSES,
    classes.StorageServiceClass: _STORAGE_CLASSES,
    classes_n.ApplicationEventLoggingServiceClass: _APPLICATION_EVENT_CLASSES,
    classes.BasicWorklistManagementServiceClass: _BASIC_WORKLIST_CLASSES,
    classes.ColorPaletteQueryRetrieveServiceClass: _COLOR_PALETTE_CLASSES,
    classes.DefinedProcedureProtocolQueryRetrieveServiceClass: _DEFINED_PROCEDURE_CLASSES,
    classes_n.DisplaySystemManagementServiceClass: _DISPLAY_SYSTEM_CLASSES,
    classes.HangingProtocolQueryRetrieveServiceClass: _HANGING_PROTOCOL_CLASSES,
    classes.ImplantTemplateQueryRetrieveServiceClass: _IMPLANT_TEMPLATE_CLASSES,
    classes_n.InstanceAvailabilityNotificationServiceClass: _INSTANCE_AVAILABILITY_CLASSES,
    classes.InventoryQueryRetrieveServiceClass: _INVENTORY_CLASSES,
    classes_n.MediaCreationManagementServiceClass: _MEDIA_CREATION_CLASSES,
    classes.NonPatientObjectStorageServiceClass: _NON_PATIENT_OBJECT_CLASSES,
    classes_n.PrintManagementServiceClass: _PRINT_MANAGEMENT_CLASSES,
    classes_n.ProcedureStepServiceClass: _PROCEDURE_STEP_CLASSES,
    classes.ProtocolApprovalQueryRetrieveServiceClass: _PROTOCOL_APPROVAL_CLASSES,
    classes.RelevantPatientInformationQueryServiceClass: _RELEVANT_PATIENT_QUERY_CLASSES,
    classes_n.RTMachineVerificationServiceClass: _RT_MACHINE_VERIFICATION_CLASSES,
    classes_n.StorageCommitmentServiceClass: _STORAGE_COMMITMENT_CLASSES,
    classes_n.StorageManagementServiceClass: _STORAGE_MANAGEMENT_CLASSES,
    classes.SubstanceAdministrationQueryServiceClass: _SUBSTANCE_ADMINISTRATION_CLASSES,
    classes_n.UnifiedProcedureStepServiceClass: _UNIFIED_PROCEDURE_STEP_CLASSES,
}


_known: dict[str, tuple[type[ServiceClass], dict[str, str], str]] = {}
"""Where a SOP class was found: its service class, the group, and its keyword there."""


def uid_to_service_class(uid: str) -> type[ServiceClass]:
    """Return the service class of a SOP class, or `ServiceClass` if it is not known."""
    known = _known.get(uid)
    if known is not None and known[1].get(known[2]) == uid:  # programs change the groups
        return known[0]
    for service, group in _SERVICE_TO_UID_GROUP.items():
        for keyword, member in group.items():
            if member == uid:
                _known[uid] = service, group, keyword
                return service
    return _SERVICE_CLASSES.get(uid, ServiceClass)


class SOPClass(UID):
    """A UID of a SOP class, with its service class."""

    _service_class: type[ServiceClass] = ServiceClass

    def __new__(cls, val: str) -> Self:
        """Return the SOP class; one that is given is returned as it is."""
        if isinstance(val, cls):
            return val
        return cast(Self, super().__new__(cls, val))

    @property
    def service_class(self) -> type[ServiceClass]:
        """The service class."""
        return self._service_class


def _sop_class(uid: str, service: type[ServiceClass]) -> SOPClass:
    made = SOPClass(uid)
    made._service_class = service
    return made


_registry = SOPClassRegistry()


def registry() -> SOPClassRegistry:
    """Return what the library has to know of the registered SOP classes."""
    return _registry


def uid_to_sop_class(uid: str) -> SOPClass:
    """Return a SOP class by its UID; one that is not known has `ServiceClass` as its service class."""
    for group in (*_SERVICE_TO_UID_GROUP.values(), _MEDIA_STORAGE_CLASSES):
        for keyword, known in group.items():
            if known == uid:
                found: SOPClass = globals()[keyword]
                return found
    return _sop_class(uid, ServiceClass)


def register_uid(uid: str, keyword: str, service_class: type[ServiceClass], dimse_msg_type: str = "") -> None:
    """Make a SOP class known to all application entities of the drop-in, and a name of this module.

    `dimse_msg_type` is the operation of a SOP class of Query/Retrieve: "C-FIND", "C-GET" or "C-MOVE". Raises
    ValueError or TypeError.
    """
    global _registry
    if not keyword.isidentifier() or iskeyword(keyword):
        raise ValueError(f"The keyword '{keyword}' is not a valid Python identifier or is a Python keyword")
    given: object = service_class
    if not isinstance(given, type):
        raise TypeError("'service_class' must be a class object not a class instance")
    if not issubclass(service_class, ServiceClass):
        raise TypeError(
            "'service_class' must be a ServiceClass subclass object such as 'StorageServiceClass'"
        )
    operation = ""
    if issubclass(service_class, classes.QueryRetrieveServiceClass):
        operation = "C-FIND"
        if service_class is classes.QueryRetrieveServiceClass:
            operation = dimse_msg_type
            if operation not in ("C-FIND", "C-GET", "C-MOVE"):
                raise ValueError(
                    "'dimse_msg_type' must be 'C-FIND', 'C-GET' or 'C-MOVE' "
                    "when registering a UID with QueryRetrieveServiceClass"
                )
    group = _SERVICE_TO_UID_GROUP[service_class]
    if service_class.service is not None:
        _registry = _registry.with_sop_class(uid, keyword, service_class.service, operation)
    group[keyword] = uid
    _known.clear()
    globals()[keyword] = _sop_class(uid, uid_to_service_class(uid))


def _names() -> dict[str, UID]:
    """Return the SOP classes and instances of the standard by keyword."""
    names: dict[str, UID] = {keyword: UID(uid) for uid, keyword in tables.INSTANCES.items()}
    for service, group in _SERVICE_TO_UID_GROUP.items():
        names.update({keyword: _sop_class(uid, service) for keyword, uid in group.items()})
    for keyword, uid in _MEDIA_STORAGE_CLASSES.items():
        names[keyword] = _sop_class(uid, ServiceClass)
    return names


globals().update(_names())


def __getattr__(name: str) -> SOPClass:
    """Return a SOP class by a keyword of PS3.6 or of pynetdicom 1.x."""
    uid = None if name.startswith("_") else uid_of(name)
    if uid is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return uid_to_sop_class(uid)
