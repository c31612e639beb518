"""The 23 DIMSE messages of PS3.7 9.3 and 10.3 as values, with the DICOM keywords as fields.

A command has no data set; that travels apart. Received text stays as it came, one character a byte, without
the padding to an even length: a UID with a trailing space is echoed with it. `sop_class_uid` and
`sop_instance_uid` are without padding.

An absent element and an empty one mean the same. In a received request, a missing mandatory UID or AE title
is "", and a missing number is 0; `warnings` tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ..record import Record, maker_of, values_of
from ..uids import normalize_uid
from .elements import ELEMENTS
from .status import Category, category_of
from .status import Status as StatusCode

NO_DATA_SET = 0x0101
"""Command Data Set Type of a message without a data set; any other value means there is one."""

DATA_SET_PRESENT = 0x0001
"""Command Data Set Type of our messages with a data set."""

LOW, MEDIUM, HIGH = 2, 0, 1
"""The values of Priority."""

ResponseT = TypeVar("ResponseT", bound="Response")


class Command(Record):
    """The base of all messages.

    `unknown_elements` are the elements of a received command set that do not belong to this message, as
    (element number, value). `foreign_elements` are its bytes from the first element outside group 0000 on.
    `warnings` lists the tolerated faults, as "code: detail".
    """

    command_field: ClassVar[int]
    name: ClassVar[str]
    data_set_allowed: ClassVar[bool] = False
    data_set_required: ClassVar[bool] = False

    CommandDataSetType: int = NO_DATA_SET
    unknown_elements: tuple[tuple[int, bytes], ...] = ()
    foreign_elements: bytes = b""
    warnings: tuple[str, ...] = ()

    @property
    def has_data_set(self) -> bool:
        """Whether the command says that a data set follows (PS3.7 E.1: anything but 0101H)."""
        return self.CommandDataSetType != NO_DATA_SET

    @property
    def sop_class_uid(self) -> str:
        """The Affected or Requested SOP Class UID without padding, or ""."""
        uid = getattr(self, "AffectedSOPClassUID", None) or getattr(self, "RequestedSOPClassUID", None)
        return normalize_uid(uid or "")

    @property
    def sop_instance_uid(self) -> str:
        """The Affected or Requested SOP Instance UID without padding, or ""."""
        uid = getattr(self, "AffectedSOPInstanceUID", None) or getattr(self, "RequestedSOPInstanceUID", None)
        return normalize_uid(uid or "")

    def __repr__(self) -> str:
        shown = []
        for field, value in values_of(self).items():
            if value is not None and value != () and value != b"":
                shown.append(f"{field}={_shown(field, value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _shown(field: str, value: Any) -> str:
    """Return the value of a field for `repr`, without anything that may name a patient."""
    if field == "unknown_elements":
        return repr(tuple(f"(0000,{number:04X}) <{len(raw)} bytes>" for number, raw in value))
    if field == "foreign_elements":
        return f"<{len(value)} bytes>"
    if field == "ErrorComment":
        return f"<{len(value)} characters>"
    # A ServiceStatus has the same text as a Status.
    return repr(int(value) if field == "Status" else value)


class Request(Command):
    """A message that is answered by a `Response`. `MessageID` 0 lets the connection allot one."""

    response_class: ClassVar[type[Response]]
    _echoed: ClassVar[tuple[tuple[str, str], ...]] = (("AffectedSOPClassUID", "AffectedSOPClassUID"),)

    MessageID: int = 0

    @property
    def type_id(self) -> int | None:
        """The Action Type ID or Event Type ID, or None."""
        return None

    def response(self, Status: int = 0, **fields: object) -> Response:
        """Return the response to this request, of the class that belongs to it.

        The response echoes Message ID, SOP Class and Instance UID, event and action type as they came, since
        some peers compare them byte for byte. `fields` adds or replaces fields.
        """
        values: dict[str, object] = {"MessageIDBeingRespondedTo": self.MessageID, "Status": Status}
        for source, target in self._echoed:
            # A missing UID is "" in a request and must be absent in the response.
            value = getattr(self, source)
            values[target] = None if value == "" else value
        values.update(fields)
        return maker_of(self.response_class)(**values)


class AnsweredBy(Request, Generic[ResponseT]):
    """Tells type checkers the class of the response."""

    if TYPE_CHECKING:

        def response(self, Status: int = 0, **fields: object) -> ResponseT: ...


_KEYWORDS = {element.keyword: None for element in ELEMENTS.values()}


def _keyword_of(element: object) -> str | None:
    """Return the keyword of a command element that is named by keyword, tag, or (group, number)."""
    if isinstance(element, str):
        return element if element in _KEYWORDS else None
    if isinstance(element, tuple) and len(element) == 2 and element[0] == 0:
        element = element[1]
    found = ELEMENTS.get(element) if isinstance(element, int) else None
    return None if found is None else found.keyword


def _status(value: object) -> object:
    return StatusCode(value) if type(value) is int else value


class Response(Command):
    """A message that answers a request; the fields about an error are those of PS3.7 Annex C.

    A number for `Status` becomes a `Status` with category and meaning. In a received response these are the
    ones of its service class.

    An element that was not sent is no attribute: `hasattr(response, "ErrorComment")` tells whether it was,
    and so does `"ErrorComment" in response`. `get` returns a default in place of an AttributeError.
    """

    _none_is_absent = True
    _converters = {"Status": _status}  # noqa: RUF012 - annotated in Record; pyright refuses it twice

    MessageIDBeingRespondedTo: int
    Status: StatusCode = StatusCode(0)
    AffectedSOPClassUID: str | None = None
    OffendingElement: tuple[int, ...] | None = None
    ErrorComment: str | None = None
    ErrorID: int | None = None
    AttributeIdentifierList: tuple[int, ...] | None = None

    def get(self, element: str | int | tuple[int, int], default: Any = None) -> Any:
        """Return the value of an element, named by keyword or tag; `default` if it was not sent."""
        keyword = _keyword_of(element)
        return default if keyword is None else getattr(self, keyword, default)

    def __contains__(self, element: object) -> bool:
        keyword = _keyword_of(element)
        return keyword is not None and hasattr(self, keyword)

    def keys(self) -> list[str]:
        """Return the keywords of the elements that were sent, in the order of their tags."""
        return [keyword for keyword in _KEYWORDS if hasattr(self, keyword)]

    @property
    def status(self) -> StatusCode:
        """The same as `Status`."""
        return self.Status

    @property
    def category(self) -> Category:
        """The category of `Status`."""
        return category_of(self.Status)


class CStoreRSP(Response):
    """C-STORE-RSP (PS3.7 Table 9.3-2)."""

    command_field = 0x8001
    name = "C-STORE-RSP"

    AffectedSOPInstanceUID: str | None = None


class CStoreRQ(AnsweredBy[CStoreRSP]):
    """C-STORE-RQ (PS3.7 Table 9.3-1); the data set is the object to store."""

    command_field = 0x0001
    name = "C-STORE-RQ"
    response_class: ClassVar[type[Response]] = CStoreRSP
    data_set_allowed = data_set_required = True
    _echoed = (*Request._echoed, ("AffectedSOPInstanceUID", "AffectedSOPInstanceUID"))

    AffectedSOPClassUID: str
    AffectedSOPInstanceUID: str
    Priority: int = MEDIUM
    MoveOriginatorApplicationEntityTitle: str | None = None
    MoveOriginatorMessageID: int | None = None
    CommandDataSetType: int = DATA_SET_PRESENT


class CFindRSP(Response):
    """C-FIND-RSP (PS3.7 Table 9.3-4); a pending response has an identifier that matched."""

    command_field = 0x8020
    name = "C-FIND-RSP"
    data_set_allowed = True


class CFindRQ(AnsweredBy[CFindRSP]):
    """C-FIND-RQ (PS3.7 Table 9.3-3); the data set is the identifier to match."""

    command_field = 0x0020
    name = "C-FIND-RQ"
    response_class: ClassVar[type[Response]] = CFindRSP
    data_set_allowed = data_set_required = True

    AffectedSOPClassUID: str
    Priority: int = MEDIUM
    CommandDataSetType: int = DATA_SET_PRESENT


class _RetrieveResponse(Response):
    """The sub-operation counters of C-GET and C-MOVE."""

    data_set_allowed = True

    NumberOfRemainingSuboperations: int | None = None
    NumberOfCompletedSuboperations: int | None = None
    NumberOfFailedSuboperations: int | None = None
    NumberOfWarningSuboperations: int | None = None


class CGetRSP(_RetrieveResponse):
    """C-GET-RSP (PS3.7 Table 9.3-7)."""

    command_field = 0x8010
    name = "C-GET-RSP"


class CGetRQ(AnsweredBy[CGetRSP]):
    """C-GET-RQ (PS3.7 Table 9.3-6); the data set is the identifier to match."""

    command_field = 0x0010
    name = "C-GET-RQ"
    response_class: ClassVar[type[Response]] = CGetRSP
    data_set_allowed = data_set_required = True

    AffectedSOPClassUID: str
    Priority: int = MEDIUM
    CommandDataSetType: int = DATA_SET_PRESENT


class CMoveRSP(_RetrieveResponse):
    """C-MOVE-RSP (PS3.7 Table 9.3-10)."""

    command_field = 0x8021
    name = "C-MOVE-RSP"


class CMoveRQ(AnsweredBy[CMoveRSP]):
    """C-MOVE-RQ (PS3.7 Table 9.3-9); the data set is the identifier to match."""

    command_field = 0x0021
    name = "C-MOVE-RQ"
    response_class: ClassVar[type[Response]] = CMoveRSP
    data_set_allowed = data_set_required = True

    AffectedSOPClassUID: str
    MoveDestination: str
    Priority: int = MEDIUM
    CommandDataSetType: int = DATA_SET_PRESENT


CANCELLABLE = (CFindRQ, CGetRQ, CMoveRQ)
"""The requests that a C-CANCEL may end, and that may have pending responses."""


class CEchoRSP(Response):
    """C-ECHO-RSP (PS3.7 Table 9.3-13)."""

    command_field = 0x8030
    name = "C-ECHO-RSP"


class CEchoRQ(AnsweredBy[CEchoRSP]):
    """C-ECHO-RQ (PS3.7 Table 9.3-12)."""

    command_field = 0x0030
    name = "C-ECHO-RQ"
    response_class: ClassVar[type[Response]] = CEchoRSP

    AffectedSOPClassUID: str


class CCancelRQ(Command):
    """C-CANCEL-RQ (PS3.7 Tables 9.3-5, -8, -11); it has no Message ID of its own and no response."""

    command_field = 0x0FFF
    name = "C-CANCEL-RQ"

    MessageIDBeingRespondedTo: int


class _NormalizedResponse(Response):
    """The base of the responses of the normalized services."""

    data_set_allowed = True

    AffectedSOPInstanceUID: str | None = None


class _RequestOfInstance(AnsweredBy[ResponseT]):
    """The base of N-GET-RQ, N-SET-RQ, N-ACTION-RQ and N-DELETE-RQ."""

    _echoed: ClassVar[tuple[tuple[str, str], ...]] = (
        ("RequestedSOPClassUID", "AffectedSOPClassUID"),
        ("RequestedSOPInstanceUID", "AffectedSOPInstanceUID"),
    )

    RequestedSOPClassUID: str
    RequestedSOPInstanceUID: str


class NEventReportRSP(_NormalizedResponse):
    """N-EVENT-REPORT-RSP (PS3.7 Table 10.3-2); the data set is the event reply."""

    command_field = 0x8100
    name = "N-EVENT-REPORT-RSP"

    EventTypeID: int | None = None


class NEventReportRQ(AnsweredBy[NEventReportRSP]):
    """N-EVENT-REPORT-RQ (PS3.7 Table 10.3-1); the data set is the event information."""

    command_field = 0x0100
    name = "N-EVENT-REPORT-RQ"
    response_class: ClassVar[type[Response]] = NEventReportRSP
    data_set_allowed = True
    _echoed = (
        *Request._echoed,
        ("AffectedSOPInstanceUID", "AffectedSOPInstanceUID"),
        ("EventTypeID", "EventTypeID"),
    )

    AffectedSOPClassUID: str
    AffectedSOPInstanceUID: str
    EventTypeID: int

    @property
    def type_id(self) -> int:
        """The Event Type ID."""
        return self.EventTypeID


class NGetRSP(_NormalizedResponse):
    """N-GET-RSP (PS3.7 Table 10.3-4); the data set is the attribute list."""

    command_field = 0x8110
    name = "N-GET-RSP"


class NGetRQ(_RequestOfInstance[NGetRSP]):
    """N-GET-RQ (PS3.7 Table 10.3-3); without an attribute identifier list it asks for all attributes."""

    command_field = 0x0110
    name = "N-GET-RQ"
    response_class: ClassVar[type[Response]] = NGetRSP

    AttributeIdentifierList: tuple[int, ...] | None = None


class NSetRSP(_NormalizedResponse):
    """N-SET-RSP (PS3.7 Table 10.3-6); the data set is the attribute list."""

    command_field = 0x8120
    name = "N-SET-RSP"


class NSetRQ(_RequestOfInstance[NSetRSP]):
    """N-SET-RQ (PS3.7 Table 10.3-5); the data set is the modification list."""

    command_field = 0x0120
    name = "N-SET-RQ"
    response_class: ClassVar[type[Response]] = NSetRSP
    data_set_allowed = data_set_required = True

    CommandDataSetType: int = DATA_SET_PRESENT


class NActionRSP(_NormalizedResponse):
    """N-ACTION-RSP (PS3.7 Table 10.3-8); the data set is the action reply."""

    command_field = 0x8130
    name = "N-ACTION-RSP"

    ActionTypeID: int | None = None


class NActionRQ(_RequestOfInstance[NActionRSP]):
    """N-ACTION-RQ (PS3.7 Table 10.3-7); the data set is the action information."""

    command_field = 0x0130
    name = "N-ACTION-RQ"
    response_class: ClassVar[type[Response]] = NActionRSP
    data_set_allowed = True
    _echoed = (*_RequestOfInstance._echoed, ("ActionTypeID", "ActionTypeID"))

    ActionTypeID: int

    @property
    def type_id(self) -> int:
        """The Action Type ID."""
        return self.ActionTypeID


class NCreateRSP(_NormalizedResponse):
    """N-CREATE-RSP (PS3.7 Table 10.3-10); the data set is the attribute list."""

    command_field = 0x8140
    name = "N-CREATE-RSP"


class NCreateRQ(AnsweredBy[NCreateRSP]):
    """N-CREATE-RQ (PS3.7 Table 10.3-9); without an instance UID the SCP allots one."""

    command_field = 0x0140
    name = "N-CREATE-RQ"
    response_class: ClassVar[type[Response]] = NCreateRSP
    data_set_allowed = True
    _echoed = (*Request._echoed, ("AffectedSOPInstanceUID", "AffectedSOPInstanceUID"))

    AffectedSOPClassUID: str
    AffectedSOPInstanceUID: str | None = None


class NDeleteRSP(_NormalizedResponse):
    """N-DELETE-RSP (PS3.7 Table 10.3-12)."""

    command_field = 0x8150
    name = "N-DELETE-RSP"
    data_set_allowed = False


class NDeleteRQ(_RequestOfInstance[NDeleteRSP]):
    """N-DELETE-RQ (PS3.7 Table 10.3-11)."""

    command_field = 0x0150
    name = "N-DELETE-RQ"
    response_class: ClassVar[type[Response]] = NDeleteRSP


COMMANDS: dict[int, type[Command]] = {
    command.command_field: command
    for command in (
        *(CStoreRQ, CStoreRSP, CFindRQ, CFindRSP, CGetRQ, CGetRSP, CMoveRQ, CMoveRSP),
        *(CEchoRQ, CEchoRSP, CCancelRQ),
        *(NEventReportRQ, NEventReportRSP, NGetRQ, NGetRSP, NSetRQ, NSetRSP),
        *(NActionRQ, NActionRSP, NCreateRQ, NCreateRSP, NDeleteRQ, NDeleteRSP),
    )
}
"""Command Field -> class, all 23 of them."""
