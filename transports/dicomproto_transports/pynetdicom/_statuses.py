"""The status of a response as a data set, with the elements that were sent."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomproto.dimse.commands import Response
from dicomproto.record import slots_of

from .dimse_primitives import DIMSEPrimitive, primitive_class

_STATUS = BaseTag(0x0000_0900)

_kept: dict[type[Response], list[tuple[str, str]]] = {}
"""The keywords of the elements that may come with a status, each with the attribute of its value."""


class StatusDataset(Dataset):
    """The Status of a response and the elements beside it.

    It is filled when anything but the Status is asked for: most programs read nothing else, and to make a
    data set takes as long as to encode a message.
    """

    @property
    def Status(self) -> int:
        """The code."""
        response: Response | None = vars(self).get("made_of")
        if response is not None:
            return int(response.Status)
        if _STATUS not in self:
            raise AttributeError("'Dataset' object has no attribute 'Status'")
        code: int = self[_STATUS].value
        return code

    def __bool__(self) -> bool:
        return "made_of" in vars(self) or len(self) > 0

    def __getattr__(self, name: str) -> object:
        response = vars(self).pop("made_of", None)
        if response is None:
            return super().__getattr__(name)
        Dataset.__init__(self)
        self.add_new(_STATUS, "US", int(response.Status))
        for keyword, slot in _names_of(type(response)):
            value = getattr(response, slot)
            if value is not None:
                setattr(self, keyword, list(value) if isinstance(value, tuple) else value)
        found: object = getattr(self, name)
        return found

    def __dir__(self) -> list[str]:
        len(self)  # fills it
        return super().__dir__()


def _names_of(kind: type[Response]) -> list[tuple[str, str]]:
    names = _kept.get(kind)
    if names is None:
        primitive, slots = primitive_class(kind), slots_of(kind)
        keywords = primitive.STATUS_OPTIONAL_KEYWORDS if issubclass(primitive, DIMSEPrimitive) else ()
        names = _kept[kind] = [(name, slots[name]) for name in keywords if name in slots]
    return names


def status_data_set(response: Response) -> Dataset:
    """Return the status of a response."""
    status = StatusDataset.__new__(StatusDataset)
    vars(status)["made_of"] = response
    return status
