"""The service classes of the N-services by pynetdicom's names, as in `service_class`."""

from __future__ import annotations

from dicomproto.services import ServiceClass as Service

from . import status
from .service_class import ServiceClass


class ApplicationEventLoggingServiceClass(ServiceClass):
    """Application Event Logging (PS3.4 Annex P)."""

    service = Service.APPLICATION_EVENT_LOGGING
    statuses = status.APPLICATION_EVENT_LOGGING_SERVICE_CLASS_STATUS


class DisplaySystemManagementServiceClass(ServiceClass):
    """Display System Management (PS3.4 Annex EE)."""

    service = Service.DISPLAY_SYSTEM_MANAGEMENT


class InstanceAvailabilityNotificationServiceClass(ServiceClass):
    """Instance Availability Notification (PS3.4 Annex R)."""

    service = Service.INSTANCE_AVAILABILITY_NOTIFICATION


class MediaCreationManagementServiceClass(ServiceClass):
    """Media Creation Management (PS3.4 Annex S)."""

    service = Service.MEDIA_CREATION_MANAGEMENT
    statuses = status.MEDIA_CREATION_MANAGEMENT_SERVICE_CLASS_STATUS


class PrintManagementServiceClass(ServiceClass):
    """Print Management (PS3.4 Annex H)."""

    service = Service.PRINT_MANAGEMENT
    statuses = status.PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS


class ProcedureStepServiceClass(ServiceClass):
    """Procedure Step (PS3.4 Annex F)."""

    service = Service.PROCEDURE_STEP
    statuses = status.PROCEDURE_STEP_STATUS


class RTMachineVerificationServiceClass(ServiceClass):
    """RT Machine Verification (PS3.4 Annex DD)."""

    service = Service.RT_MACHINE_VERIFICATION
    statuses = status.RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS


class StorageCommitmentServiceClass(ServiceClass):
    """Storage Commitment (PS3.4 Annex J)."""

    service = Service.STORAGE_COMMITMENT
    statuses = status.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS


class StorageManagementServiceClass(ServiceClass):
    """Storage Management (PS3.4 Annex KK)."""

    service = Service.STORAGE_MANAGEMENT
    statuses = status.STORAGE_MANAGEMENT_SERVICE_CLASS_STATUS


class UnifiedProcedureStepServiceClass(ServiceClass):
    """Unified Procedure Step (PS3.4 Annex CC)."""

    service = Service.UNIFIED_PROCEDURE_STEP
    statuses = status.UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS
