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

    def is_valid_status(self, status: int) -> bool:
        """Tell whether the service class has a status code."""
        return status in self.statuses


class VerificationServiceClass(ServiceClass):
    """Verification (PS3.4 Annex A)."""

    service = Service.VERIFICATION
    statuses = status.VERIFICATION_SERVICE_CLASS_STATUS


class StorageServiceClass(ServiceClass):
    """Storage (PS3.4 Annex B)."""

    service = Service.STORAGE
    statuses = status.STORAGE_SERVICE_CLASS_STATUS


class QueryRetrieveServiceClass(ServiceClass):
    """Query/Retrieve (PS3.4 Annex C); C-GET and C-MOVE have more statuses than C-FIND."""

    service = Service.QUERY_RETRIEVE
    statuses = status.QR_FIND_SERVICE_CLASS_STATUS


class BasicWorklistManagementServiceClass(QueryRetrieveServiceClass):
    """Basic Worklist Management (PS3.4 Annex K)."""

    service = Service.BASIC_WORKLIST_MANAGEMENT


class ColorPaletteQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Color Palette Query/Retrieve (PS3.4 Annex X)."""

    service = Service.COLOR_PALETTE_QUERY_RETRIEVE


class DefinedProcedureProtocolQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Defined Procedure Protocol Query/Retrieve (PS3.4 Annex HH)."""

    service = Service.DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE


class HangingProtocolQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Hanging Protocol Query/Retrieve (PS3.4 Annex U)."""

    service = Service.HANGING_PROTOCOL_QUERY_RETRIEVE


class ImplantTemplateQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Implant Template Query/Retrieve (PS3.4 Annex BB)."""

    service = Service.IMPLANT_TEMPLATE_QUERY_RETRIEVE


class InventoryQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Inventory Query/Retrieve (PS3.4 Annex JJ)."""

    service = Service.INVENTORY_QUERY_RETRIEVE


class NonPatientObjectStorageServiceClass(StorageServiceClass):
    """Non-Patient Object Storage (PS3.4 Annex GG)."""

    service = Service.NON_PATIENT_OBJECT_STORAGE
    statuses = status.NON_PATIENT_SERVICE_CLASS_STATUS


class ProtocolApprovalQueryRetrieveServiceClass(QueryRetrieveServiceClass):
    """Protocol Approval Query/Retrieve (PS3.4 Annex II)."""

    service = Service.PROTOCOL_APPROVAL_QUERY_RETRIEVE


class RelevantPatientInformationQueryServiceClass(ServiceClass):
    """Relevant Patient Information Query (PS3.4 Annex Q)."""

    service = Service.RELEVANT_PATIENT_INFORMATION_QUERY
    statuses = status.RELEVANT_PATIENT_SERVICE_CLASS_STATUS


class SubstanceAdministrationQueryServiceClass(QueryRetrieveServiceClass):
    """Substance Administration Query (PS3.4 Annex V)."""

    service = Service.SUBSTANCE_ADMINISTRATION_QUERY
    statuses = status.SUBSTANCE_ADMINISTRATION_SERVICE_CLASS_STATUS
