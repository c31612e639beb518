"""The requests and responses of the DIMSE services (PS3.7); their attributes are judged when they are set.

Handlers read a request as `event.request`. Its data set, by whatever name the service has for it, is a
`BytesIO` with the encoded bytes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, ClassVar, TypeAlias

from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from dicomproto.dimse import commands
from dicomproto.record import slots_of

from ._judged import Judged, NumberField, Primitive, UIDField, fill
from .utils import decode_bytes, received_uid, set_ae, set_uid

LOGGER = logging.getLogger("pynetdicom.dimse_primitives")

DataSetField: TypeAlias = Judged[BytesIO | None, BytesIO | None]
Tags: TypeAlias = BaseTag | list[BaseTag] | None

_COUNTERS = (
    "NumberOfRemainingSuboperations",
    "NumberOfCompletedSuboperations",
    "NumberOfFailedSuboperations",
    "NumberOfWarningSuboperations",
)


# --- the judges ----------------------------------------------------------------------------------


def _uid(name: str) -> UIDField:
    return Judged(lambda value: set_uid(value, name) or None, None)


def _whole(value: Any, name: str, limit: int | None, expected: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int")
    if value < 0 or (limit is not None and value > limit):
        raise ValueError(f"{name} must be {expected}")
    return value


def _message_id(name: str) -> NumberField:
    return Judged(lambda value: _whole(value, name, 0xFFFF, "between 0 and 65535, inclusive"), None)


def _counter(kind: str) -> NumberField:
    name = f"Number of {kind} Suboperations"
    return Judged(lambda value: _whole(value, name, None, "greater than or equal to 0"), None)


def _number(text: str) -> NumberField:
    def judge(value: Any) -> int | None:
        if value is not None and not isinstance(value, int):
            raise TypeError(text)
        return value

    return Judged(judge, None)


def _data_set(name: str) -> DataSetField:
    def judge(value: Any) -> BytesIO | None:
        if value is not None and not isinstance(value, BytesIO):
            raise TypeError(f"'{name}' parameter must be a BytesIO object")
        return value

    return Judged(judge, None, "dataset")


def _priority() -> Judged[int, int]:
    def judge(value: int) -> int:
        if value not in (0, 1, 2):
            LOGGER.warning("Attempted to set Priority parameter to an invalid value")
            raise ValueError("Priority must be 0, 1, or 2")
        return value

    return Judged(judge, commands.LOW)


def _text(value: str | bytes | None, name: str) -> str | None:
    """Return an AE title that was perhaps given as bytes."""
    if not isinstance(value, bytes):
        return value
    text = f"The use of bytes with '{name}' is deprecated, use an ASCII str instead"
    warnings.warn(text, DeprecationWarning, stacklevel=4)
    return decode_bytes(value).strip()


def _destination(value: str | bytes | None) -> str | None:
    return set_ae(_text(value, "Move Destination"), "Move Destination", allow_empty=False)


def _originator(value: str | bytes | None) -> str | None:
    name = "Move Originator AE Title"
    title = _text(value, name)
    try:
        return set_ae(title, name)
    except ValueError:
        LOGGER.error("Invalid 'Move Originator AE Title' in C-STORE request")
        return None


def _tags(value: Any) -> Tags:
    if value is None:
        return None
    try:
        if not isinstance(value, Sequence):
            return Tag(value)
        tags = [Tag(tag) for tag in value]
    except (TypeError, ValueError):
        text = "Attribute Identifier List must be convertible to a pydicom BaseTag or list of BaseTag"
        raise ValueError(text) from None
    return tags[0] if len(tags) == 1 else tags


def _tag_list() -> Judged[Any, Tags]:
    return Judged(_tags, None)


# --- the primitives -------------------------------------------------------------------------------


class DIMSEPrimitive(Primitive):
    """The attributes of all requests and responses; one object may be either.

    `STATUS_OPTIONAL_KEYWORDS` may come with a status, `REQUEST_KEYWORDS` and `RESPONSE_KEYWORDS` are what a
    request and a response have to have.
    """

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ()
    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = ()
    RESPONSE_KEYWORDS: ClassVar[tuple[str, ...]] = ("MessageIDBeingRespondedTo", "Status")

    MessageID: NumberField = _message_id("Message ID")
    MessageIDBeingRespondedTo: NumberField = _message_id("Message ID Being Responded To")
    AffectedSOPClassUID: UIDField = _uid("Affected SOP Class UID")
    Status: NumberField = _number("DIMSE primitive's 'Status' must be an int")
    ErrorComment: str | None = None

    @property
    def is_valid_request(self) -> bool:
        """True if it has all that a request needs."""
        return None not in [getattr(self, keyword) for keyword in self.REQUEST_KEYWORDS]

    @property
    def is_valid_response(self) -> bool:
        """True if it has all that a response needs."""
        return None not in [getattr(self, keyword) for keyword in self.RESPONSE_KEYWORDS]

    @property
    def msg_type(self) -> str:
        """The name of the service, such as "C-STORE"."""
        return type(self).__name__.replace("_", "-")


class _Composite(DIMSEPrimitive):
    """The common attributes of C-STORE, C-FIND, C-GET and C-MOVE."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ("OffendingElement", "ErrorComment")

    Priority: Judged[int, int] = _priority()
    OffendingElement: Any = None


class C_STORE(_Composite):
    """C-STORE (PS3.7 9.1.1)."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "AffectedSOPClassUID",
        "AffectedSOPInstanceUID",
        "Priority",
        "DataSet",
    )

    AffectedSOPInstanceUID: UIDField = _uid("Affected SOP Instance UID")
    MoveOriginatorApplicationEntityTitle: Judged[str | bytes | None, str | None] = Judged(_originator, None)
    MoveOriginatorMessageID: NumberField = _message_id("Move Originator Message ID To")
    DataSet: DataSetField = _data_set("DataSet")


class C_FIND(_Composite):
    """C-FIND (PS3.7 9.1.2)."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "AffectedSOPClassUID",
        "Priority",
        "Identifier",
    )

    Identifier: DataSetField = _data_set("Identifier")


class _Retrieve(_Composite):
    """The common attributes of C-GET and C-MOVE."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ("ErrorComment", "OffendingElement", *_COUNTERS)

    Identifier: DataSetField = _data_set("Identifier")
    NumberOfRemainingSuboperations: NumberField = _counter("Remaining")
    NumberOfCompletedSuboperations: NumberField = _counter("Completed")
    NumberOfFailedSuboperations: NumberField = _counter("Failed")
    NumberOfWarningSuboperations: NumberField = _counter("Warning")


class C_GET(_Retrieve):
    """C-GET (PS3.7 9.1.3)."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "AffectedSOPClassUID",
        "Priority",
        "Identifier",
    )


class C_MOVE(_Retrieve):
    """C-MOVE (PS3.7 9.1.4)."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "AffectedSOPClassUID",
        "Priority",
        "Identifier",
        "MoveDestination",
    )

    MoveDestination: Judged[str | bytes | None, str | None] = Judged(_destination, None)


class C_ECHO(DIMSEPrimitive):
    """C-ECHO (PS3.7 9.1.5)."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ("ErrorComment",)
    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = ("MessageID", "AffectedSOPClassUID")


class C_CANCEL(Primitive):
    """C-CANCEL (PS3.7 9.3.2.3), which has no response."""

    MessageIDBeingRespondedTo: NumberField = _message_id("Message ID Being Responded To")


class _Normalized(DIMSEPrimitive):
    """The common attributes of all N-services."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = ("ErrorComment", "ErrorID")

    AffectedSOPInstanceUID: UIDField = _uid("Affected SOP Instance UID")
    ErrorID: int | None = None


class _OfInstance(_Normalized):
    """The common attributes of the N-services of an instance."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "RequestedSOPClassUID",
        "RequestedSOPInstanceUID",
    )

    RequestedSOPClassUID: UIDField = _uid("Requested SOP Class UID")
    RequestedSOPInstanceUID: UIDField = _uid("Requested SOP Instance UID")


class N_EVENT_REPORT(_Normalized):
    """N-EVENT-REPORT (PS3.7 10.1.1)."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "AffectedSOPClassUID",
        "AffectedSOPInstanceUID",
        "EventTypeID",
        "ErrorComment",
        "ErrorID",
    )
    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "AffectedSOPClassUID",
        "EventTypeID",
        "AffectedSOPInstanceUID",
    )

    EventTypeID: NumberField = _number("'N_EVENT_REPORT.EventTypeID' must be an int.")
    EventInformation: DataSetField = _data_set("EventInformation")
    EventReply: DataSetField = _data_set("EventReply")


class N_GET(_OfInstance):
    """N-GET (PS3.7 10.1.2)."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "AttributeIdentifierList",
        "ErrorComment",
        "ErrorID",
    )

    AttributeIdentifierList: Judged[Any, Tags] = _tag_list()
    AttributeList: DataSetField = _data_set("AttributeList")


class N_SET(_OfInstance):
    """N-SET (PS3.7 10.1.3)."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "ErrorComment",
        "ErrorID",
        "AttributeIdentifierList",
    )
    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "RequestedSOPClassUID",
        "RequestedSOPInstanceUID",
        "ModificationList",
    )

    ModificationList: DataSetField = _data_set("ModificationList")
    AttributeList: DataSetField = _data_set("AttributeList")
    AttributeIdentifierList: Any = None


class N_ACTION(_OfInstance):
    """N-ACTION (PS3.7 10.1.4)."""

    STATUS_OPTIONAL_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "ErrorComment",
        "ErrorID",
        "AttributeIdentifierList",
    )
    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = (
        "MessageID",
        "RequestedSOPClassUID",
        "RequestedSOPInstanceUID",
        "ActionTypeID",
    )

    ActionTypeID: NumberField = _number("'N_ACTION.ActionTypeID' must be an int.")
    ActionInformation: DataSetField = _data_set("ActionInformation")
    ActionReply: DataSetField = _data_set("ActionReply")


class N_CREATE(_Normalized):
    """N-CREATE (PS3.7 10.1.5)."""

    REQUEST_KEYWORDS: ClassVar[tuple[str, ...]] = ("MessageID", "AffectedSOPClassUID")

    AttributeList: DataSetField = _data_set("AttributeList")


class N_DELETE(_OfInstance):
    """N-DELETE (PS3.7 10.1.6)."""


DimseServiceType: TypeAlias = (
    C_ECHO
    | C_FIND
    | C_GET
    | C_MOVE
    | C_STORE
    | N_ACTION
    | N_CREATE
    | N_DELETE
    | N_EVENT_REPORT
    | N_GET
    | N_SET
)
DimsePrimitiveType: TypeAlias = C_CANCEL | DimseServiceType


# --- from the commands of the engine ----------------------------------------------------------------

_PRIMITIVES: dict[str, type[DimsePrimitiveType]] = {
    primitive.__name__.replace("_", "-"): primitive
    for primitive in (
        C_CANCEL,
        C_ECHO,
        C_FIND,
        C_GET,
        C_MOVE,
        C_STORE,
        N_ACTION,
        N_CREATE,
        N_DELETE,
        N_EVENT_REPORT,
        N_GET,
        N_SET,
    )
}


def primitive_class(command: type[commands.Command]) -> type[DimsePrimitiveType]:
    """Return the class of primitives of a request or response."""
    return _PRIMITIVES[command.name.rpartition("-")[0]]


def _kept_uid(value: str) -> UID | None:
    return received_uid(value) if value else None


def _converter(name: str) -> Callable[[Any], object] | None:
    """Return what makes the value of a command that of a primitive; None keeps it."""
    if name.endswith("UID"):
        return _kept_uid
    if name in ("MoveDestination", "MoveOriginatorApplicationEntityTitle"):
        return lambda value: value.strip(" \0") if value else None
    if name == "AttributeIdentifierList":
        return _tags
    return int if name == "Status" else None


_steps: dict[type[commands.Command], list[tuple[str, str, Callable[[Any], object] | None]]] = {}
"""Of each command: the attribute with a value, that of the primitive, and what makes one of the other."""


def _steps_of(
    command: type[commands.Command], primitive: DimsePrimitiveType
) -> list[tuple[str, str, Callable[[Any], object] | None]]:
    slots = slots_of(command)
    keys = {name: f"_{name}" for name in primitive.fields}
    keys |= {name: name for name in ("ErrorComment", "ErrorID", "OffendingElement")}
    return [(slots[name], key, _converter(name)) for name, key in keys.items() if name in slots]


def primitive_of(
    command: commands.Command, data_set: bytes | BytesIO | None = None, context_id: int | None = None
) -> DimsePrimitiveType:
    """Return the primitive of a command and its encoded data set. Nothing is judged."""
    kind = type(command)
    primitive = primitive_class(kind)()
    steps = _steps.get(kind)
    if steps is None:
        steps = _steps[kind] = _steps_of(kind, primitive)
    values = primitive.__dict__
    for slot, key, convert in steps:
        value = getattr(command, slot)
        if value is not None:
            values[key] = value if convert is None else convert(value)
    if data_set is not None:
        fill(primitive, dataset=data_set if isinstance(data_set, BytesIO) else BytesIO(data_set))
    return fill(primitive, context_id=context_id)
