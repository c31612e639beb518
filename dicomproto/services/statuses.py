"""What a status code means within one service class (PS3.4)."""

from __future__ import annotations

from ..dimse.status import Status
from .sop_classes import ServiceClass

# First code, last code, meaning.
_Row = tuple[int, int, str]

_STATUSES: dict[ServiceClass, tuple[_Row, ...]] = {
    # PS3.4 A.4: those of PS3.7 alone
    ServiceClass.VERIFICATION: (),
    # PS3.4 Table B.2-1
    ServiceClass.STORAGE: (
        (0xA700, 0xA7FF, "Refused: out of resources"),
        (0xA900, 0xA9FF, "Error: data set does not match SOP class"),
        (0xB000, 0xB000, "Coercion of data elements"),
        (0xB006, 0xB006, "Elements discarded"),
        (0xB007, 0xB007, "Data set does not match SOP class"),
        (0xC000, 0xCFFF, "Error: cannot understand"),
    ),
    # PS3.4 Table GG.4-1
    ServiceClass.NON_PATIENT_OBJECT_STORAGE: (
        (0xA700, 0xA700, "Refused: out of resources"),
        (0xA900, 0xA900, "Error: data set does not match SOP class"),
        (0xC000, 0xC000, "Error: cannot understand"),
    ),
}


def status_meaning(code: int, service_class: ServiceClass | None = None) -> str:
    """Return what a code means in `service_class`, or else its general meaning (PS3.7 Annex C)."""
    if service_class is not None:
        for first, last, meaning in _STATUSES.get(service_class, ()):
            if first <= code <= last:
                return meaning
    return Status(code).meaning
