"""The status of a response as a data set, with the elements that were sent."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import Response
from dicomproto.record import slots_of

_OPTIONAL = (
    "OffendingElement",
    "ErrorComment",
    "ErrorID",
    "AttributeIdentifierList",
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)

_kept: dict[type[Response], list[tuple[str, str]]] = {}


def status_data_set(response: Response) -> Dataset:
    """Return the Status of a response and the elements beside it."""
    kind = type(response)
    names = _kept.get(kind)
    if names is None:
        slots = slots_of(kind)
        names = _kept[kind] = [(name, slots[name]) for name in _OPTIONAL if name in slots]
    status = Dataset()
    status.Status = int(response.Status)
    for name, slot in names:
        value = getattr(response, slot)
        if value is not None:
            setattr(status, name, list(value) if isinstance(value, tuple) else value)
    return status
