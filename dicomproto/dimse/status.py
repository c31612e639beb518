"""Status codes: the category of any code, and its meaning (PS3.7 Annex C).

The range of a code gives its category, so codes that no table lists have one too. The meaning of a code in
one service class is in `dicomproto.services`: a response has a `ServiceStatus` if its service class is known.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import ClassVar


class Category(StrEnum):
    """The outcome of an operation. Only after PENDING more responses follow.

    A category is equal to its name as text.
    """

    SUCCESS = "Success"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"
    PENDING = "Pending"


_CATEGORIES = {
    0x0000: Category.SUCCESS,
    0x0001: Category.WARNING,
    0x0107: Category.WARNING,
    0x0116: Category.WARNING,
    0xFE00: Category.CANCEL,
    0xFF00: Category.PENDING,
    0xFF01: Category.PENDING,
}


def category_of(code: int) -> Category:
    """Return the category of any status code.

    Codes outside the ranges of PS3.7 Annex C are not valid. They count as failures, which end the operation
    and promise nothing.
    """
    category = _CATEGORIES.get(code)
    if category is not None:
        return category
    return Category.WARNING if code & 0xF000 == 0xB000 else Category.FAILURE


_MEANINGS = {
    0x0000: "Success",
    0x0001: "Requested optional attributes are not supported",
    0x0105: "No such attribute",
    0x0106: "Invalid attribute value",
    0x0107: "Attribute list error",
    0x0110: "Processing failure",
    0x0111: "Duplicate SOP instance",
    0x0112: "No such SOP instance",
    0x0113: "No such event type",
    0x0114: "No such argument",
    0x0115: "Invalid argument value",
    0x0116: "Attribute value out of range",
    0x0117: "Invalid SOP instance",
    0x0118: "No such SOP class",
    0x0119: "Class-instance conflict",
    0x0120: "Missing attribute",
    0x0121: "Missing attribute value",
    0x0122: "Refused: SOP class not supported",
    0x0123: "No such action type",
    0x0124: "Refused: not authorized",
    0x0210: "Duplicate invocation",
    0x0211: "Unrecognized operation",
    0x0212: "Mistyped argument",
    0x0213: "Resource limitation",
    0xA801: "Refused: move destination unknown",
    0xFE00: "Cancel",
    0xFF00: "Pending",
    0xFF01: "Pending, with a warning about optional keys",
}

# Status types that PS3.7 C.5 leaves to the service classes; all of them use these ranges.
_RANGES = {
    0xA700: "Refused: out of resources",
    0xA900: "Data set does not match SOP class",
}


class Status(int):
    """A status code with its category and general meaning; equal to the plain number.

    The codes with a name are its members, such as `Status.SUCCESS`, and constants of this module.
    """

    __slots__ = ()

    SUCCESS: ClassVar[Status]
    PROCESSING_FAILURE: ClassVar[Status]
    DUPLICATE_SOP_INSTANCE: ClassVar[Status]
    NO_SUCH_EVENT_TYPE: ClassVar[Status]
    INVALID_SOP_INSTANCE: ClassVar[Status]
    MISSING_ATTRIBUTE: ClassVar[Status]
    SOP_CLASS_NOT_SUPPORTED: ClassVar[Status]
    NO_SUCH_ACTION_TYPE: ClassVar[Status]
    NOT_AUTHORIZED: ClassVar[Status]
    DUPLICATE_INVOCATION: ClassVar[Status]
    UNRECOGNIZED_OPERATION: ClassVar[Status]
    MISTYPED_ARGUMENT: ClassVar[Status]
    RESOURCE_LIMITATION: ClassVar[Status]
    OUT_OF_RESOURCES: ClassVar[Status]
    UNABLE_TO_PERFORM_SUB_OPERATIONS: ClassVar[Status]
    MOVE_DESTINATION_UNKNOWN: ClassVar[Status]
    SUB_OPERATIONS_WITH_FAILURES: ClassVar[Status]
    CANNOT_UNDERSTAND: ClassVar[Status]
    CANCEL: ClassVar[Status]
    PENDING: ClassVar[Status]
    PENDING_WITHOUT_OPTIONAL_KEYS: ClassVar[Status]

    @property
    def service_class(self) -> Enum | None:
        """The service class (`dicomproto.services.ServiceClass`) of the response, if known."""
        return None

    @property
    def operation(self) -> type | None:
        """The class of the request that the response answers, if known."""
        return None

    @property
    def category(self) -> Category:
        """The category of this code."""
        return category_of(self)

    @property
    def meaning(self) -> str:
        """The meaning of the code in any service class, as far as the standard says."""
        meaning = _MEANINGS.get(self) or _RANGES.get(self & 0xFF00)
        if meaning:
            return meaning
        if self & 0xF000 == 0xC000:
            return "Cannot understand, or unable to process"
        return f"{self.category.value} of the service class"

    def __repr__(self) -> str:
        return f"Status({self:#06x})"

    def __str__(self) -> str:
        return f"{self:04X}H ({self.meaning})"


SUCCESS = Status.SUCCESS = Status(0x0000)
PROCESSING_FAILURE = Status.PROCESSING_FAILURE = Status(0x0110)
DUPLICATE_SOP_INSTANCE = Status.DUPLICATE_SOP_INSTANCE = Status(0x0111)
NO_SUCH_EVENT_TYPE = Status.NO_SUCH_EVENT_TYPE = Status(0x0113)
INVALID_SOP_INSTANCE = Status.INVALID_SOP_INSTANCE = Status(0x0117)
MISSING_ATTRIBUTE = Status.MISSING_ATTRIBUTE = Status(0x0120)
SOP_CLASS_NOT_SUPPORTED = Status.SOP_CLASS_NOT_SUPPORTED = Status(0x0122)
NO_SUCH_ACTION_TYPE = Status.NO_SUCH_ACTION_TYPE = Status(0x0123)
NOT_AUTHORIZED = Status.NOT_AUTHORIZED = Status(0x0124)
DUPLICATE_INVOCATION = Status.DUPLICATE_INVOCATION = Status(0x0210)
UNRECOGNIZED_OPERATION = Status.UNRECOGNIZED_OPERATION = Status(0x0211)
MISTYPED_ARGUMENT = Status.MISTYPED_ARGUMENT = Status(0x0212)
RESOURCE_LIMITATION = Status.RESOURCE_LIMITATION = Status(0x0213)
OUT_OF_RESOURCES = Status.OUT_OF_RESOURCES = Status(0xA700)
UNABLE_TO_PERFORM_SUB_OPERATIONS = Status.UNABLE_TO_PERFORM_SUB_OPERATIONS = Status(0xA702)
MOVE_DESTINATION_UNKNOWN = Status.MOVE_DESTINATION_UNKNOWN = Status(0xA801)
SUB_OPERATIONS_WITH_FAILURES = Status.SUB_OPERATIONS_WITH_FAILURES = Status(0xB000)
CANNOT_UNDERSTAND = Status.CANNOT_UNDERSTAND = Status(0xC000)
CANCEL = Status.CANCEL = Status(0xFE00)
PENDING = Status.PENDING = Status(0xFF00)
PENDING_WITHOUT_OPTIONAL_KEYS = Status.PENDING_WITHOUT_OPTIONAL_KEYS = Status(0xFF01)
