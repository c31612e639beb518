"""PS3.4: the SOP classes, the requests that each allows, and its statuses."""

from __future__ import annotations

from .dispatch import Verdict, check_request
from .requesting import find_request_context, request_contexts
from .sop_classes import (
    STANDARD,
    ServiceClass,
    SOPClass,
    SOPClassRegistry,
    allowed_requests,
    is_storage,
    keyword_of,
    service_class_of,
    sop_class,
    sop_class_uids,
    storage_sop_classes,
    uid_of,
)
from .statuses import ServiceStatus, StatusRange, status_meaning, status_of, status_table

__all__ = [
    "STANDARD",
    "SOPClass",
    "SOPClassRegistry",
    "ServiceClass",
    "ServiceStatus",
    "StatusRange",
    "Verdict",
    "allowed_requests",
    "check_request",
    "find_request_context",
    "is_storage",
    "keyword_of",
    "request_contexts",
    "service_class_of",
    "sop_class",
    "sop_class_uids",
    "status_meaning",
    "status_of",
    "status_table",
    "storage_sop_classes",
    "uid_of",
]
