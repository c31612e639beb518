"""The service classes of the N-services by pynetdicom's names, as in `service_class`."""

from __future__ import annotations

from dicomproto.services import ServiceClass as Service

from . import status
from .service_class import ServiceClass


class ApplicationEventLoggingServiceClass(
    ServiceClass,
    service=Service.APPLICATION_EVENT_LOGGING,
    statuses=status.APPLICATION_EVENT_LOGGING_SERVICE_CLASS_STATUS,
):
    """Application Event Logging (PS3.4 Annex P)."""


class DisplaySystemManagementServiceClass(ServiceClass, service=Service.DISPLAY_SYSTEM_MANAGEMENT):
    """Display System Management (PS3.4 Annex EE)."""


class InstanceAvailabilityNotificationServiceClass(
    ServiceClass, service=Service.INSTANCE_AVAILABILITY_NOTIFICATION
):
    """Instance Availability Notification (PS3.4 Annex R)."""


class MediaCreationManagementServiceClass(
    ServiceClass,
    service=Service.MEDIA_CREATION_MANAGEMENT,
    statuses=status.MEDIA_CREATION_MANAGEMENT_SERVICE_CLASS_STATUS,
):
    """Media Creation Management (PS3.4 Annex S)."""


class PrintManagementServiceClass(
    ServiceClass, service=Service.PRINT_MANAGEMENT, statuses=status.PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS
):
    """Print Management (PS3.4 Annex H)."""


class ProcedureStepServiceClass(
    ServiceClass, service=Service.PROCEDURE_STEP, statuses=status.PROCEDURE_STEP_STATUS
):
    """Procedure Step (PS3.4 Annex F)."""


class RTMachineVerificationServiceClass(
    ServiceClass,
    service=Service.RT_MACHINE_VERIFICATION,
    statuses=status.RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS,
):
    """RT Machine Verification (PS3.4 Annex DD)."""


class StorageCommitmentServiceClass(
    ServiceClass, service=Service.STORAGE_COMMITMENT, statuses=status.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS
):
    """Storage Commitment (PS3.4 Annex J)."""


class StorageManagementServiceClass(
    ServiceClass, service=Service.STORAGE_MANAGEMENT, statuses=status.STORAGE_MANAGEMENT_SERVICE_CLASS_STATUS
):
    """Storage Management (PS3.4 Annex KK)."""


class UnifiedProcedureStepServiceClass(
    ServiceClass,
    service=Service.UNIFIED_PROCEDURE_STEP,
    statuses=status.UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS,
):
    """Unified Procedure Step (PS3.4 Annex CC)."""
