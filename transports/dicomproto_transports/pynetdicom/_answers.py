"""A handler's result as a response: its status, with the elements beside it."""

from __future__ import annotations

import logging
from typing import Any

from pydicom.dataset import Dataset

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.commands import Request, Response
from dicomproto.errors import DataSetError

from ..scp.results import fields_of
from .dimse_primitives import primitive_class
from .status import StatusDictType

LOGGER = logging.getLogger("pynetdicom.service_class")

NO_STATUS_IN_DATA_SET = 0xC001
NO_STATUS = 0xC002

_OF_THE_OBJECT = ("AffectedSOPClassUID", "AffectedSOPInstanceUID")
"""The elements that a response repeats from its request, unless the status Dataset has its own."""


def status_of(result: Any, statuses: StatusDictType) -> tuple[int, dict[str, Any]]:
    """Return the code of a status, an int or a Dataset, and the elements beside it.

    It is C001H for a Dataset without Status, C002H for anything else.
    """
    fields: dict[str, Any] = {}
    if isinstance(result, Dataset):
        if "Status" in result:
            code = int(result.Status)
            fields = fields_of(result) | {
                name: str(result[name].value) for name in _OF_THE_OBJECT if result.get(name)
            }
        else:
            LOGGER.error("A handler returned a status Dataset without a Status element")
            code = NO_STATUS_IN_DATA_SET
    elif isinstance(result, int):
        code = int(result)
    else:
        LOGGER.error("A handler returned %s, which is no status", type(result).__name__)
        code = NO_STATUS
    if not 0 <= code <= 0xFFFF:
        LOGGER.error("A handler returned a status that has more than 16 bits")
        code = NO_STATUS
    if code not in statuses:
        LOGGER.warning("A handler returned the unknown status 0x%04X", code)
    return code, fields


def response_of(request: Request, code: int, fields: dict[str, Any] | None = None) -> Response:
    """Return the response with a status and the elements beside it, of those that the service has."""
    known = {}
    for name, value in (fields or {}).items():
        if hasattr(primitive_class(type(request)), name):
            known[name] = value
        else:
            LOGGER.warning("A handler returned a status with %s, which %s has not", name, request.name)
    return request.response(code, **known)


def reason_of(error: BaseException) -> str:
    """Return why a data set cannot be used, for logs and error texts: none of its values is in it."""
    return str(error) if isinstance(error, DataSetError) else type(error).__name__


def log_failure(event_name: str, error: BaseException) -> None:
    """Log the exception of a handler."""
    LOGGER.error("Exception in the handler bound to 'evt.%s'", event_name)
    LOGGER.error("%s", error_comment(type(error).__name__), exc_info=error)
