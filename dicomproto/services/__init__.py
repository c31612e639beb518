"""PS3.4: the SOP classes, the requests that each allows, and its statuses."""

from __future__ import annotations

from .dispatch import Verdict, check_request
from .sop_classes import (
    ServiceClass,
    allowed_requests,
    is_storage,
    keyword_of,
    service_class_of,
    storage_sop_classes,
    uid_of,
)
from .statuses import status_meaning

__all__ = [
    "ServiceClass",
    "Verdict",
    "allowed_requests",
    "check_request",
    "is_storage",
    "keyword_of",
    "service_class_of",
    "status_meaning",
    "storage_sop_classes",
    "uid_of",
]
