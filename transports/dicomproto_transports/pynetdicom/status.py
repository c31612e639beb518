"""Status codes: their categories, and their meanings by service class, as in pynetdicom's `status`.

Each table is code -> category and meaning. The meanings are those of `dicomproto.services`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import (
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from dicomproto.dimse.status import Status as _Code
from dicomproto.dimse.status import category_of
from dicomproto.services import ServiceClass, StatusRange, sop_class, status_table, uid_of

from ._globals import (
    STATUS_CANCEL,
    STATUS_FAILURE,
    STATUS_PENDING,
    STATUS_SUCCESS,
    STATUS_UNKNOWN,
    STATUS_WARNING,
)

StatusDictType: TypeAlias = dict[int, tuple[str, str]]

_GENERAL = (*range(0x0105, 0x0108), *range(0x0110, 0x011A), *range(0x0120, 0x0125), *range(0x0210, 0x0214))
"""The codes of PS3.7 Annex C that any service class may use, besides Success and Cancel."""


def _general() -> StatusDictType:
    table = {0x0000: (STATUS_SUCCESS, ""), 0xFE00: (STATUS_CANCEL, "")}
    return table | {code: (category_of(code).value, _Code(code).meaning) for code in _GENERAL}


GENERAL_STATUS: StatusDictType = _general()


def _table(*services: ServiceClass | str, operations: tuple[type[Request], ...] = ()) -> StatusDictType:
    """Return the statuses of service classes and, by keyword, SOP classes, with the general ones."""
    rows: list[StatusRange] = []
    for name in services:
        service = name if isinstance(name, ServiceClass) else sop_class(uid_of(name) or "")
        if service is not None:
            rows += [row for operation in operations for row in status_table(service, operation)]
    rows.sort(key=lambda row: row.first - row.last)  # a single code has precedence over its range
    found: StatusDictType = {}
    for row in rows:
        status = category_of(row.first).value, row.meaning
        found.update(dict.fromkeys(range(row.first, row.last + 1), status))
    return found | GENERAL_STATUS


VERIFICATION_SERVICE_CLASS_STATUS = GENERAL_STATUS
STORAGE_SERVICE_CLASS_STATUS = _table(ServiceClass.STORAGE, operations=(CStoreRQ,))
QR_FIND_SERVICE_CLASS_STATUS = _table(ServiceClass.QUERY_RETRIEVE, "RepositoryQuery", operations=(CFindRQ,))
QR_MOVE_SERVICE_CLASS_STATUS = _table(
    ServiceClass.QUERY_RETRIEVE, "CompositeInstanceRootRetrieveMove", operations=(CMoveRQ,)
)
QR_GET_SERVICE_CLASS_STATUS = _table(
    ServiceClass.QUERY_RETRIEVE, "CompositeInstanceRootRetrieveGet", operations=(CGetRQ,)
)
MODALITY_WORKLIST_SERVICE_CLASS_STATUS = _table(ServiceClass.BASIC_WORKLIST_MANAGEMENT, operations=(CFindRQ,))
RELEVANT_PATIENT_SERVICE_CLASS_STATUS = _table(
    ServiceClass.RELEVANT_PATIENT_INFORMATION_QUERY, operations=(CFindRQ,)
)
SUBSTANCE_ADMINISTRATION_SERVICE_CLASS_STATUS = _table(
    ServiceClass.SUBSTANCE_ADMINISTRATION_QUERY, operations=(CFindRQ,)
)
NON_PATIENT_SERVICE_CLASS_STATUS = _table(ServiceClass.NON_PATIENT_OBJECT_STORAGE, operations=(CStoreRQ,))
PROCEDURE_STEP_STATUS = _table(ServiceClass.PROCEDURE_STEP, operations=(NGetRQ,))
PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS = _table(
    "BasicFilmSession",
    "BasicFilmBox",
    "BasicGrayscaleImageBox",
    "PresentationLUT",
    operations=(NCreateRQ, NSetRQ, NActionRQ),
)
STORAGE_COMMITMENT_SERVICE_CLASS_STATUS = GENERAL_STATUS
STORAGE_MANAGEMENT_SERVICE_CLASS_STATUS = _table(ServiceClass.STORAGE_MANAGEMENT, operations=(NActionRQ,))
APPLICATION_EVENT_LOGGING_SERVICE_CLASS_STATUS = _table(
    "ProceduralEventLogging", "SubstanceAdministrationLogging", operations=(NActionRQ,)
)
MEDIA_CREATION_MANAGEMENT_SERVICE_CLASS_STATUS = _table(
    ServiceClass.MEDIA_CREATION_MANAGEMENT, operations=(NActionRQ, NGetRQ)
)
UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS = _table(
    ServiceClass.UNIFIED_PROCEDURE_STEP, operations=(NActionRQ, NCreateRQ, NSetRQ, NGetRQ, CFindRQ)
)
RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS = _table(
    ServiceClass.RT_MACHINE_VERIFICATION, operations=(NCreateRQ, NSetRQ, NGetRQ, NActionRQ)
)


def code_to_status(code: int) -> Dataset:
    """Return a data set with a Status. Raises ValueError if `code` is no whole number from 0."""
    given: object = code
    if not isinstance(given, int) or given < 0:
        raise ValueError("'code' must be a positive integer.")
    status = Dataset()
    status.Status = code
    return status


def code_to_category(code: int) -> str:
    """Return the category of a code, or "Unknown". Raises ValueError if it is no whole number from 0."""
    given: object = code
    if not isinstance(given, int) or given < 0:
        raise ValueError("'code' must be a positive integer.")
    if code in GENERAL_STATUS or code in (0x0001, 0xFF00, 0xFF01) or 0xA000 <= code <= 0xCFFF:
        return category_of(code).value
    return STATUS_UNKNOWN


class Status(IntEnum):
    """Names of common status codes; `Status.add` adds more."""

    SUCCESS = 0x0000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    MOVE_DESTINATION_UNKNOWN = 0xA801

    @classmethod
    def add(cls, name: str, code: int) -> None:
        """Add a name for a code; it is a plain number."""
        setattr(cls, name, code)


__all__ = [
    "APPLICATION_EVENT_LOGGING_SERVICE_CLASS_STATUS",
    "GENERAL_STATUS",
    "MEDIA_CREATION_MANAGEMENT_SERVICE_CLASS_STATUS",
    "MODALITY_WORKLIST_SERVICE_CLASS_STATUS",
    "NON_PATIENT_SERVICE_CLASS_STATUS",
    "PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS",
    "PROCEDURE_STEP_STATUS",
    "QR_FIND_SERVICE_CLASS_STATUS",
    "QR_GET_SERVICE_CLASS_STATUS",
    "QR_MOVE_SERVICE_CLASS_STATUS",
    "RELEVANT_PATIENT_SERVICE_CLASS_STATUS",
    "RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS",
    "STATUS_CANCEL",
    "STATUS_FAILURE",
    "STATUS_PENDING",
    "STATUS_SUCCESS",
    "STATUS_UNKNOWN",
    "STATUS_WARNING",
    "STORAGE_COMMITMENT_SERVICE_CLASS_STATUS",
    "STORAGE_MANAGEMENT_SERVICE_CLASS_STATUS",
    "STORAGE_SERVICE_CLASS_STATUS",
    "SUBSTANCE_ADMINISTRATION_SERVICE_CLASS_STATUS",
    "Status",
    "StatusDictType",
    "UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS",
    "VERIFICATION_SERVICE_CLASS_STATUS",
    "code_to_category",
    "code_to_status",
]
