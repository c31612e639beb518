"""The service classes by pynetdicom's names, for `register_uid` and `uid_to_service_class`.

They name a service and its statuses. What serves a request is the package's own.
"""

from __future__ import annotations

from typing import ClassVar

from dicomproto.services import ServiceClass as Service

from . import status


class ServiceClass:
    """A service class without a name: the one of SOP classes that are not known."""

    service: ClassVar[Service | None] = None
    """The service class as the library knows it."""

    statuses: ClassVar[status.StatusDictType] = status.GENERAL_STATUS
    """Its statuses: code -> category and meaning."""

    def __init_subclass__(
        cls, service: Service | None = None, statuses: status.StatusDictType | None = None
    ) -> None:
        """Take what the class names; its statuses are otherwise those of its base."""
        super().__init_subclass__()
        cls.service = service
        cls.statuses = cls.statuses if statuses is None else statuses

    def is_valid_status(self, status: int) -> bool:
        """Tell whether the service class has a status code."""
        return status in self.statuses


class VerificationServiceClass(
    ServiceClass, service=Service.VERIFICATION, statuses=status.VERIFICATION_SERVICE_CLASS_STATUS
):
    """Verification (PS3.4 Annex A)."""


class StorageServiceClass(
    ServiceClass, service=Service.STORAGE, statuses=status.STORAGE_SERVICE_CLASS_STATUS
):
    """Storage (PS3.4 Annex B)."""


class QueryRetrieveServiceClass(
    ServiceClass, service=Service.QUERY_RETRIEVE, statuses=status.QR_FIND_SERVICE_CLASS_STATUS
):
    """Query/Retrieve (PS3.4 Annex C); C-GET and C-MOVE have more statuses than C-FIND."""


class BasicWorklistManagementServiceClass(
    QueryRetrieveServiceClass, service=Service.BASIC_WORKLIST_MANAGEMENT
):
    """Basic Worklist Management (PS3.4 Annex K)."""


class ColorPaletteQueryRetrieveServiceClass(
    QueryRetrieveServiceClass, service=Service.COLOR_PALETTE_QUERY_RETRIEVE
):
    """Color Palette Query/Retrieve (PS3.4 Annex X)."""


class DefinedProcedureProtocolQueryRetrieveServiceClass(
    QueryRetrieveServiceClass, service=Service.DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE
):
    """Defined Procedure Protocol Query/Retrieve (PS3.4 Annex HH)."""


class HangingProtocolQueryRetrieveServiceClass(
    QueryRetrieveServiceClass, service=Service.HANGING_PROTOCOL_QUERY_RETRIEVE
):
    """Hanging Protocol Query/Retrieve (PS3.4 Annex U)."""


class ImplantTemplateQueryRetrieveServiceClass(
    QueryRetrieveServiceClass, service=Service.IMPLANT_TEMPLATE_QUERY_RETRIEVE
):
    """Implant Template Query/Retrieve (PS3.4 Annex BB)."""


class InventoryQueryRetrieveServiceClass(QueryRetrieveServiceClass, service=Service.INVENTORY_QUERY_RETRIEVE):
    """Inventory Query/Retrieve (PS3.4 Annex JJ)."""


class NonPatientObjectStorageServiceClass(
    StorageServiceClass,
    service=Service.NON_PATIENT_OBJECT_STORAGE,
    statuses=status.NON_PATIENT_SERVICE_CLASS_STATUS,
):
    """Non-Patient Object Storage (PS3.4 Annex GG)."""


class ProtocolApprovalQueryRetrieveServiceClass(
    QueryRetrieveServiceClass, service=Service.PROTOCOL_APPROVAL_QUERY_RETRIEVE
):
    """Protocol Approval Query/Retrieve (PS3.4 Annex II)."""


class RelevantPatientInformationQueryServiceClass(
    ServiceClass,
    service=Service.RELEVANT_PATIENT_INFORMATION_QUERY,
    statuses=status.RELEVANT_PATIENT_SERVICE_CLASS_STATUS,
):
    """Relevant Patient Information Query (PS3.4 Annex Q)."""


class SubstanceAdministrationQueryServiceClass(
    QueryRetrieveServiceClass,
    service=Service.SUBSTANCE_ADMINISTRATION_QUERY,
    statuses=status.SUBSTANCE_ADMINISTRATION_SERVICE_CLASS_STATUS,
):
    """Substance Administration Query (PS3.4 Annex V)."""
