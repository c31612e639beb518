"""The status of a response as a data set, with the elements that were sent."""

from __future__ import annotations

from copy import deepcopy
from typing import SupportsIndex

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomproto.dimse.commands import Response
from dicomproto.record import slots_of

from .dimse_primitives import DIMSEPrimitive, primitive_class

_STATUS = BaseTag(0x0000_0900)

_kept: dict[type[Response], list[tuple[str, str]]] = {}
"""The keywords of the elements that may come with a status, each with the attribute of its value."""


class Unfilled(Dataset):
    """A status of which only the code was asked for; it becomes a Dataset when anything else is.

    Most programs read nothing else, and to make a data set takes as long as to encode a message.
    """

    @property
    def Status(self) -> int:
        """The code."""
        response: Response = vars(self)["made_of"]
        return int(response.Status)

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        found: object = getattr(_filled(self), name)
        return found

    def __dir__(self) -> list[str]:
        return dir(_filled(self))

    def __deepcopy__(self, memo: dict[int, object] | None) -> Dataset:
        return deepcopy(_filled(self), memo)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        return _filled(self).__reduce_ex__(protocol)


def _filled(status: Unfilled) -> Dataset:
    """Make a status a Dataset, in place, with the elements that were sent."""
    response: Response = vars(status).pop("made_of")
    object.__setattr__(status, "__class__", Dataset)
    data_set: Dataset = status
    Dataset.__init__(data_set)
    data_set.add_new(_STATUS, "US", int(response.Status))
    for keyword, slot in _names_of(type(response)):
        value = getattr(response, slot)
        if value is not None:
            setattr(data_set, keyword, list(value) if isinstance(value, tuple) else value)
    return data_set


def _names_of(kind: type[Response]) -> list[tuple[str, str]]:
    names = _kept.get(kind)
    if names is None:
        primitive, slots = primitive_class(kind), slots_of(kind)
        keywords = primitive.STATUS_OPTIONAL_KEYWORDS if issubclass(primitive, DIMSEPrimitive) else ()
        names = _kept[kind] = [(name, slots[name]) for name in keywords if name in slots]
    return names


def status_data_set(response: Response) -> Dataset:
    """Return the status of a response."""
    status = Unfilled.__new__(Unfilled)
    vars(status)["made_of"] = response
    return status
