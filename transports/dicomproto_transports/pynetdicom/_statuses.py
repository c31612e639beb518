"""The status of a response as a data set, with the elements that were sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomproto.dimse.commands import Response
from dicomproto.record import slots_of

from .dimse_primitives import DIMSEPrimitive, primitive_class

_STATUS = BaseTag(0x0000_0900)


class StatusDataset(Dataset):
    """The status of one response; its code, which is read after each message, needs no look at a table."""

    @property
    def Status(self) -> int:
        """The code."""
        try:
            code: int = self[_STATUS].value
        except KeyError:
            raise AttributeError("'Dataset' object has no attribute 'Status'") from None
        return code


class _Unchecked(StatusDataset):
    """A status while it is made: to call its class takes ten microseconds, to check what that sets itself."""

    if not TYPE_CHECKING:  # it has other names for its parameters
        __setattr__ = object.__setattr__


_unchecked: Callable[[dict[BaseTag, DataElement | RawDataElement]], StatusDataset] = _Unchecked

_kept: dict[type[Response], list[tuple[str, str]]] = {}
"""The keywords of the elements that may come with a status, each with the attribute of its value."""


def _names_of(kind: type[Response]) -> list[tuple[str, str]]:
    primitive, slots = primitive_class(kind), slots_of(kind)
    keywords = primitive.STATUS_OPTIONAL_KEYWORDS if issubclass(primitive, DIMSEPrimitive) else ()
    return [(name, slots[name]) for name in keywords if name in slots]


def status_data_set(response: Response) -> Dataset:
    """Return the Status of a response and the elements beside it."""
    kind = type(response)
    names = _kept.get(kind)
    if names is None:
        names = _kept[kind] = _names_of(kind)
    code = DataElement(_STATUS, "US", int(response.Status), already_converted=True)
    status = _unchecked({_STATUS: code})
    status.__class__ = StatusDataset
    for name, slot in names:
        value = getattr(response, slot)
        if value is not None:
            setattr(status, name, list(value) if isinstance(value, tuple) else value)
    return status
