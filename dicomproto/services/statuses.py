"""The meaning of a status code in one service class, for one operation (PS3.4).

The same code may mean different things: C302H refuses to change a unified procedure step, or says that a
query cannot be processed. So the SOP class and the operation of its response explain a status. If they do
not, the general meaning of PS3.7 Annex C does.
"""

from __future__ import annotations

from functools import cache
from typing import Self

from ..dimse.commands import Request
from ..dimse.status import Status
from ..record import Record
from .sop_classes import ServiceClass, SOPClass


class StatusRange(Record):
    """The codes from `first` to `last`, and their meaning."""

    first: int
    last: int
    meaning: str


class ServiceStatus(Status):
    """A status of a known service class and operation, which give the code its meaning."""

    _sop_class: SOPClass
    _operation: type[Request]

    def __new__(cls, code: int, sop_class: SOPClass, operation: type[Request]) -> Self:
        """Return the status of a response to an `operation` on a SOP class."""
        status = super().__new__(cls, code)
        status._sop_class = sop_class
        status._operation = operation
        return status

    @property
    def service_class(self) -> ServiceClass | None:
        """The service class that gives the code its meaning."""
        return self._sop_class.service_class

    @property
    def operation(self) -> type[Request]:
        """The class of the request that the response answers."""
        return self._operation

    @property
    def meaning(self) -> str:
        """The meaning of the code in its service class, or its general meaning."""
        return status_meaning(self, self._sop_class, self._operation)

    def __getnewargs_ex__(self) -> tuple[tuple[int, SOPClass, type[Request]], dict[str, object]]:
        return (int(self), self._sop_class, self._operation), {}


def status_of(code: int, sop_class: SOPClass | None, operation: type[Request]) -> Status:
    """Return the status of a response to an `operation` on a SOP class, which is None if it is unknown."""
    return Status(code) if sop_class is None else ServiceStatus(code, sop_class, operation)


def status_meaning(
    code: int,
    service_class: ServiceClass | SOPClass | None = None,
    operation: type[Request] | None = None,
) -> str:
    """Return the meaning of a code in a service class, or its general meaning (PS3.7 Annex C).

    A SOP class is more exact than its service class. Without `operation` the first operation with the code
    counts.
    """
    if service_class is not None:
        for row in _special(service_class, operation):
            if row.first <= code <= row.last:
                return row.meaning
    return Status(code).meaning


def status_table(service_class: ServiceClass | SOPClass, operation: type[Request]) -> tuple[StatusRange, ...]:
    """Return the statuses that a response may have, those of PS3.7 included, in order of their codes."""
    from ._status_table import GENERAL

    special = _special(service_class, operation)
    listed = {row.first for row in special}
    codes = [int(code, 16) for code in GENERAL[_name(operation)].split()]
    general = [_one(code, Status(code).meaning) for code in codes if code not in listed]
    return tuple(sorted([*general, *special], key=lambda row: row.first))


def _special(
    service_class: ServiceClass | SOPClass, operation: type[Request] | None
) -> tuple[StatusRange, ...]:
    """Return the ranges of PS3.4, those of the SOP class before those of the service class."""
    if isinstance(service_class, ServiceClass):
        return _rows("", service_class, operation and _name(operation))
    if service_class.service_class is None:  # registered by its requests alone
        return ()
    return _rows(service_class.keyword, service_class.service_class, operation and _name(operation))


@cache
def _rows(keyword: str, service: ServiceClass, operation: str | None) -> tuple[StatusRange, ...]:
    from ._status_table import STATUSES  # on first use: a part of the import time

    family = "QUERY_RETRIEVE" if service.name.endswith("_QUERY_RETRIEVE") else service.name
    tables: list[list[str]] = [[], []]
    for key, text in STATUSES.items():
        names, operations = key.split(": ")
        if operation is None or operation in operations.split():
            for place, name in enumerate((keyword, family)):
                if name in names.split():
                    tables[place] += text.splitlines()
    rows: dict[tuple[int, ...], StatusRange] = {}
    for line in (*tables[0], *tables[1]):
        code, _, meaning = line.strip().partition(" ")
        if code:
            first, last = (int(code.replace("x", digit), 16) for digit in "0F")
            rows.setdefault((first, last), StatusRange(first=first, last=last, meaning=meaning))
    # A single code comes before the range that includes it.
    return tuple(sorted(rows.values(), key=lambda row: row.last - row.first))


def _one(code: int, meaning: str) -> StatusRange:
    return StatusRange(first=code, last=code, meaning=meaning)


def _name(operation: type[Request]) -> str:
    return operation.name.removesuffix("-RQ")
