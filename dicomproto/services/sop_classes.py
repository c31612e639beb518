"""SOP classes by UID and by keyword, the service class of each, and the requests it allows (PS3.4).

The tables hold Verification and the storage classes. A SOP class that they do not name, such as
a private one, has no service class here and nothing is said against any request for it.

`from dicomproto.services.sop_classes import CTImageStorage` gives a UID by its keyword.
"""

from __future__ import annotations

from enum import Enum
from functools import cache

from ..dimse.commands import CEchoRQ, CStoreRQ, Request
from ..uids import VERIFICATION, normalize_uid
from ._sop_class_table import NON_PATIENT_OBJECT_STORAGE, OTHER_STORAGE, RETIRED_STORAGE, STORAGE


class ServiceClass(Enum):
    """A service class of PS3.4; the value is its name there."""

    VERIFICATION = "Verification"
    STORAGE = "Storage"
    NON_PATIENT_OBJECT_STORAGE = "Non-Patient Object Storage"


_SERVICE_CLASSES = {
    VERIFICATION: ServiceClass.VERIFICATION,
    "1.2.840.10008.4.2": ServiceClass.STORAGE,  # the service class itself, in item 57H (PS3.7 D.3.3.6)
    **dict.fromkeys(STORAGE, ServiceClass.STORAGE),
    **dict.fromkeys(RETIRED_STORAGE, ServiceClass.STORAGE),
    **dict.fromkeys(OTHER_STORAGE, ServiceClass.STORAGE),
    **dict.fromkeys(NON_PATIENT_OBJECT_STORAGE, ServiceClass.NON_PATIENT_OBJECT_STORAGE),
}

_ALLOWED: dict[ServiceClass, tuple[type[Request], ...]] = {
    ServiceClass.VERIFICATION: (CEchoRQ,),  # PS3.4 A.4
    ServiceClass.STORAGE: (CStoreRQ,),  # PS3.4 B.2
    ServiceClass.NON_PATIENT_OBJECT_STORAGE: (CStoreRQ,),  # PS3.4 GG.2
}

_STORAGE_SERVICES = (ServiceClass.STORAGE, ServiceClass.NON_PATIENT_OBJECT_STORAGE)

# Names that are in use elsewhere for what PS3.6 calls differently.
_ALIASES = {
    "OphthlamicOpticalCoherenceTomographyBscanVolumeAnalysisStorage": "1.2.840.10008.5.1.4.1.1.77.1.5.8",
    "PseudoColorSoftcopyPresentationStageStorage": "1.2.840.10008.5.1.4.1.1.11.3",
    "RTBrachyApplicationSetupDeliveryInstructionsStorage": "1.2.840.10008.5.1.4.34.10",
    "RoboticArmRadiationRecordStorage": "1.2.840.10008.5.1.4.1.1.481.20",
    "VariableModalityLUTSoftcopyPresentationStageStorage": "1.2.840.10008.5.1.4.1.1.11.12",
}


def service_class_of(uid: str) -> ServiceClass | None:
    """Return the service class of a SOP class, or None if the tables do not name it."""
    return _SERVICE_CLASSES.get(uid) or _SERVICE_CLASSES.get(normalize_uid(uid))


def allowed_requests(uid: str) -> tuple[type[Request], ...] | None:
    """Return the requests that a SOP class allows, or None if the tables do not name it."""
    service_class = service_class_of(uid)
    return None if service_class is None else _ALLOWED[service_class]


def is_storage(uid: str) -> bool:
    """Tell whether objects of a SOP class are transferred with C-STORE, as far as the tables say."""
    return service_class_of(uid) in _STORAGE_SERVICES


def storage_sop_classes() -> tuple[str, ...]:
    """Return the UIDs of all SOP classes that are transferred with C-STORE, retired ones included."""
    return (*STORAGE, *NON_PATIENT_OBJECT_STORAGE, *OTHER_STORAGE, *RETIRED_STORAGE)


def keyword_of(uid: str) -> str | None:
    """Return the keyword of a SOP class (PS3.6), or None if the tables do not name it."""
    uid = normalize_uid(uid)
    if uid == VERIFICATION:
        return "Verification"
    for table in (STORAGE, NON_PATIENT_OBJECT_STORAGE, RETIRED_STORAGE, OTHER_STORAGE):
        if uid in table:
            return table[uid]
    return None


@cache
def _uids() -> dict[str, str]:
    tables = (RETIRED_STORAGE, OTHER_STORAGE, NON_PATIENT_OBJECT_STORAGE, STORAGE)
    known = {keyword: uid for table in tables for uid, keyword in table.items()}
    return {"Verification": VERIFICATION, **_ALIASES, **known}


def uid_of(keyword: str) -> str | None:
    """Return the UID of a SOP class by its keyword, with or without "SOPClass" at its end."""
    return _uids().get(keyword.removesuffix("SOPClass"))


def __getattr__(name: str) -> str:
    uid = uid_of(name)
    if uid is None:
        raise AttributeError(f"module {__name__!r} has no SOP class {name!r}")
    return uid
