"""Events, their handlers, and the argument of handlers, as in pynetdicom's `events`.

A *notification* event has any number of handlers, whose results are ignored. An *intervention* event has one
handler, which makes a decision; without a bound one, a default handler makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from time import time
from typing import Any, NamedTuple, TypeAlias

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from .dsutils import create_file_meta, decode, encode_file_meta

LOGGER = logging.getLogger("pynetdicom.events")


class NotificationEvent(NamedTuple):
    """An event that only tells what happened."""

    name: str
    description: str
    is_intervention: bool = False
    is_notification: bool = True

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class InterventionEvent(NamedTuple):
    """An event whose handler makes a decision."""

    name: str
    description: str
    is_intervention: bool = True
    is_notification: bool = False

    def __str__(self) -> str:
        """Return the name."""
        return self.name


EventType: TypeAlias = NotificationEvent | InterventionEvent
EventHandlerType: TypeAlias = (
    tuple[EventType, Callable[..., Any]] | tuple[EventType, Callable[..., Any], list[Any] | None]
)
HandlerBase: TypeAlias = tuple[Callable[..., Any], list[Any] | None]
HandlerArgType: TypeAlias = list[HandlerBase] | HandlerBase

EVT_ABORTED = NotificationEvent("EVT_ABORTED", "Association aborted")
EVT_ACCEPTED = NotificationEvent("EVT_ACCEPTED", "Association request accepted")
EVT_ACSE_RECV = NotificationEvent("EVT_ACSE_RECV", "ACSE primitive received from DUL")
EVT_ACSE_SENT = NotificationEvent("EVT_ACSE_SENT", "ACSE primitive sent to DUL")
EVT_CONN_CLOSE = NotificationEvent("EVT_CONN_CLOSE", "Connection closed")
EVT_CONN_OPEN = NotificationEvent("EVT_CONN_OPEN", "Connection opened")
EVT_DATA_RECV = NotificationEvent("EVT_DATA_RECV", "PDU data received from remote")
EVT_DATA_SENT = NotificationEvent("EVT_DATA_SENT", "PDU data sent to remote")
EVT_DIMSE_RECV = NotificationEvent("EVT_DIMSE_RECV", "Complete DIMSE message received and decoded")
EVT_DIMSE_SENT = NotificationEvent(
    "EVT_DIMSE_SENT", "DIMSE message encoded and P-DATA primitives sent to DUL"
)
EVT_ESTABLISHED = NotificationEvent("EVT_ESTABLISHED", "Association established")
EVT_FSM_TRANSITION = NotificationEvent("EVT_FSM_TRANSITION", "State machine about to transition")
EVT_PDU_RECV = NotificationEvent("EVT_PDU_RECV", "PDU received and decoded")
EVT_PDU_SENT = NotificationEvent("EVT_PDU_SENT", "PDU encoded and sent")
EVT_REJECTED = NotificationEvent("EVT_REJECTED", "Association request rejected")
EVT_RELEASED = NotificationEvent("EVT_RELEASED", "Association released")
EVT_REQUESTED = NotificationEvent("EVT_REQUESTED", "Association requested")

EVT_ASYNC_OPS = InterventionEvent("EVT_ASYNC_OPS", "Asynchronous operations negotiation requested")
EVT_SOP_COMMON = InterventionEvent("EVT_SOP_COMMON", "SOP class common extended negotiation requested")
EVT_SOP_EXTENDED = InterventionEvent("EVT_SOP_EXTENDED", "SOP class extended negotiation requested")
EVT_USER_ID = InterventionEvent("EVT_USER_ID", "User identity negotiation requested")
EVT_C_ECHO = InterventionEvent("EVT_C_ECHO", "C-ECHO request received")
EVT_C_FIND = InterventionEvent("EVT_C_FIND", "C-FIND request received")
EVT_C_GET = InterventionEvent("EVT_C_GET", "C-GET request received")
EVT_C_MOVE = InterventionEvent("EVT_C_MOVE", "C-MOVE request received")
EVT_C_STORE = InterventionEvent("EVT_C_STORE", "C-STORE request received")
EVT_N_ACTION = InterventionEvent("EVT_N_ACTION", "N-ACTION request received")
EVT_N_CREATE = InterventionEvent("EVT_N_CREATE", "N-CREATE request received")
EVT_N_DELETE = InterventionEvent("EVT_N_DELETE", "N-DELETE request received")
EVT_N_EVENT_REPORT = InterventionEvent("EVT_N_EVENT_REPORT", "N-EVENT-REPORT request received")
EVT_N_GET = InterventionEvent("EVT_N_GET", "N-GET request received")
EVT_N_SET = InterventionEvent("EVT_N_SET", "N-SET request received")

_INTERVENTION_EVENTS: list[InterventionEvent] = [
    value for value in list(globals().values()) if isinstance(value, InterventionEvent)
]
_NOTIFICATION_EVENTS: list[NotificationEvent] = [
    value for value in list(globals().values()) if isinstance(value, NotificationEvent)
]

_DATA_SETS: dict[str, tuple[str, str]] = {
    "action_information": ("ActionInformation", "an N-ACTION request and has no 'Action Information'"),
    "event_information": ("EventInformation", "an N-EVENT-REPORT request and has no 'Event Information'"),
    "identifier": ("Identifier", "a C-FIND, C-GET or C-MOVE request and has no 'Identifier'"),
    "modification_list": ("ModificationList", "an N-SET request and has no 'Modification List'"),
    "dataset": ("DataSet", "a C-STORE request and has no 'Data Set'"),
}
"""The parameter behind each data set of an event, and what its request must be."""


class Event:
    """The argument of a handler: the association, the kind of event, its time, and what belongs to it.

    `attrs` become attributes. A member of another kind of event raises AttributeError.
    """

    assoc: Any
    request: Any
    context: Any
    stored_at: Path | None = None
    """The file with the data set of a C-STORE, as `dataset_path` tells."""

    def __init__(self, assoc: Any, event: EventType, attrs: dict[str, Any] | None = None) -> None:
        """Make an event; AttributeError if it has an attribute of `attrs` already."""
        self.assoc = assoc
        self._event = event
        self._seconds = time()
        self._decoded: dict[str, tuple[int, Dataset]] = {}
        if attrs:
            self._add(attrs)

    @cached_property
    def timestamp(self) -> datetime:
        """The local time at which the event was made, without a zone."""
        return datetime.fromtimestamp(self._seconds)

    def _add(self, attrs: dict[str, Any]) -> None:
        for name, value in attrs.items():
            if hasattr(self, name):
                raise AttributeError(f"'Event' object already has an attribute '{name}'")
            setattr(self, name, value)

    @property
    def event(self) -> EventType:
        """The kind of event."""
        return self._event

    def _parameter(self, name: str, text: str) -> Any:
        """Return a parameter of the request; `text` says what the event is not."""
        try:
            return getattr(self.request, name)
        except AttributeError:
            pass
        raise AttributeError(f"The corresponding event is not {text} parameter")

    def _data_set(self, member: str) -> Dataset:
        """Return a data set of the request, empty if it has none."""
        name, text = _DATA_SETS[member]
        return self._decode(name, text)

    def _decode(self, name: str, text: str) -> Dataset:
        stream = self._parameter(name, text)
        known = self._decoded.get(name)
        if known is not None and known[0] == hash(stream):
            return known[1]
        dataset = Dataset()
        if stream is not None and stream.getvalue():
            syntax = UID(self.context.transfer_syntax)
            dataset = decode(stream, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
            dataset.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
        self._decoded[name] = hash(stream), dataset
        return dataset

    @property
    def action_information(self) -> Dataset:
        """The Action Information of an N-ACTION, decoded at first use."""
        return self._data_set("action_information")

    @property
    def action_type(self) -> int | None:
        """The Action Type ID of an N-ACTION."""
        number: int | None = self._parameter(
            "ActionTypeID", "an N-ACTION request and has no 'Action Type ID'"
        )
        return number

    @property
    def attribute_identifiers(self) -> list[BaseTag]:
        """The tags that an N-GET asks for; empty for all."""
        text = "an N-GET request and has no 'Attribute Identifier List'"
        tags = self._parameter("AttributeIdentifierList", text)
        if tags is None:
            return []
        return tags if isinstance(tags, list) else [tags]

    @property
    def attribute_list(self) -> Dataset:
        """The Attribute List of an N-CREATE, decoded at first use."""
        return self._decode("AttributeList", "an N-CREATE request and has no 'Attribute List'")

    @property
    def dataset(self) -> Dataset:
        """The data set of a C-STORE, decoded at first use."""
        return self._data_set("dataset") if self.stored_at is None else dcmread(self.stored_at)

    @property
    def dataset_path(self) -> Path:
        """The file with the data set of a C-STORE, with `_config.STORE_RECV_CHUNKED_DATASET`."""
        if self.stored_at is None:
            raise AttributeError(
                "The corresponding event is either not a C-STORE request or "
                "'STORE_RECV_CHUNKED_DATASET' is not True."
            )
        return self.stored_at

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """Return the data set of a C-STORE as received, by default as the content of a Part 10 file."""
        stream = self._parameter("DataSet", _DATA_SETS["dataset"][1])
        data = bytes(stream.getvalue())
        if not include_meta:
            return data
        return b"".join((bytes(128), b"DICM", encode_file_meta(self.file_meta), data))

    @property
    def event_information(self) -> Dataset:
        """The Event Information of an N-EVENT-REPORT, decoded at first use."""
        return self._data_set("event_information")

    @property
    def event_type(self) -> int | None:
        """The Event Type ID of an N-EVENT-REPORT."""
        text = "an N-EVENT-REPORT request and has no 'Event Type ID'"
        number: int | None = self._parameter("EventTypeID", text)
        return number

    @property
    def file_meta(self) -> FileMetaDataset:
        """File Meta Information for the data set of a C-STORE."""
        request = self.request
        if not hasattr(request, "DataSet"):
            raise AttributeError("The corresponding event is not a C-STORE request")
        return create_file_meta(
            sop_class_uid=request.AffectedSOPClassUID,
            sop_instance_uid=request.AffectedSOPInstanceUID,
            transfer_syntax=self.context.transfer_syntax,
        )

    @property
    def identifier(self) -> Dataset:
        """The Identifier of a C-FIND, C-GET or C-MOVE, decoded at first use."""
        return self._data_set("identifier")

    @property
    def is_cancelled(self) -> bool:
        """True if the peer has cancelled the operation, or no longer waits for its results."""
        return False

    @property
    def message_id(self) -> int:
        """The Message ID of the request."""
        text = "a DIMSE service request and has no 'Message ID'"
        number: int = self._parameter("MessageID", text)
        return number

    @property
    def modification_list(self) -> Dataset:
        """The Modification List of an N-SET, decoded at first use."""
        return self._data_set("modification_list")

    @property
    def move_destination(self) -> str | None:
        """The AE title that a C-MOVE names."""
        text = "a C-MOVE request and has no 'Move Destination'"
        title: str | None = self._parameter("MoveDestination", text)
        return title


# --- default handlers ----------------------------------------------------------------------------------


def _succeed(_: Event) -> int:
    return 0x0000


def _accept_nothing(_: Event) -> dict[UID, Any]:
    return {}


class Unbound(NotImplementedError):
    """No handler is bound to an event that needs one."""


def _unbound(event: InterventionEvent) -> Callable[[Event], Any]:
    def handler(_: Event) -> Any:
        raise Unbound(f"No handler has been bound to 'evt.{event.name}'")

    return handler


_DEFAULTS: dict[InterventionEvent, Callable[[Event], Any]] = {
    event: _unbound(event) for event in _INTERVENTION_EVENTS
} | {EVT_C_ECHO: _succeed, EVT_SOP_COMMON: _accept_nothing, EVT_SOP_EXTENDED: _accept_nothing}


def get_default_handler(event: InterventionEvent) -> Callable[[Event], Any]:
    """Return the handler of an intervention event without a bound one."""
    return _DEFAULTS[event]


# --- the handlers of an association or server ----------------------------------------------------------


def parts_of(binding: EventHandlerType) -> tuple[EventType, Callable[..., Any], list[Any] | None]:
    """Return the event, the handler and its arguments or None."""
    event, handler, *args = binding
    return event, handler, args[0] if args else None


class Bindings:
    """The handlers of one association or server: one of each intervention event, a list for others."""

    def __init__(self, defaults: Iterable[EventHandlerType] = ()) -> None:
        """Bind the default handlers, and others."""
        self.one: dict[InterventionEvent, HandlerBase] = {
            event: (handler, None) for event, handler in _DEFAULTS.items()
        }
        self.several: dict[NotificationEvent, list[HandlerBase]] = {}
        for binding in defaults:
            self.bind(*parts_of(binding))

    def copy(self) -> Bindings:
        """Return an independent copy."""
        copied = Bindings.__new__(Bindings)
        copied.one = self.one.copy()
        copied.several = {event: bound.copy() for event, bound in self.several.items()}
        return copied

    def bind(self, event: EventType, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        """Bind a handler; what is no event is ignored."""
        bound = handler, args
        if isinstance(event, InterventionEvent):
            self.one[event] = bound
        elif isinstance(event, NotificationEvent):
            known = self.several.get(event, [])
            if bound not in known:
                self.several[event] = [*known, bound]

    def unbind(self, event: EventType, handler: Callable[..., Any]) -> None:
        """Unbind a handler; an intervention event gets its default handler again."""
        if isinstance(event, InterventionEvent):
            if event in self.one and self.one[event][0] == handler:
                self.one[event] = get_default_handler(event), None
        elif event in self.several:
            left = [bound for bound in self.several[event] if bound[0] != handler]
            if left:
                self.several[event] = left
            else:
                del self.several[event]

    def events(self) -> list[EventType]:
        """Return the events that have a handler, sorted by name."""
        return sorted([*self.one, *self.several], key=lambda event: event.name)

    def handlers(self, event: EventType) -> HandlerArgType:
        """Return the handler of an intervention event, or the list of handlers of another event."""
        if isinstance(event, InterventionEvent):
            return self.one.get(event, [])
        return self.several.get(event, [])


def call(bound: HandlerBase, event: Event) -> Any:
    """Call a handler with its extra arguments."""
    handler, args = bound
    return handler(event, *args) if args else handler(event)


def trigger(assoc: Any, event: EventType, attrs: dict[str, Any] | None = None) -> Any:
    """Run the handlers of an event of an association, and return the result of an intervention.

    An exception of an intervention's handler is raised. One of another handler is logged, and ends the rest.
    """
    found: HandlerArgType = assoc.get_handlers(event)
    if isinstance(found, tuple):
        return call(found, Event(assoc, event, attrs))
    if found:
        tell(found, Event(assoc, event, attrs))
    return None


def tell(handlers: list[HandlerBase], event: Event) -> None:
    """Run handlers of a notification event; an exception is logged, and ends the rest."""
    handler: Callable[..., Any] | None = None
    try:
        for bound in handlers:
            handler = bound[0]
            call(bound, event)
    except Exception as error:
        name = getattr(handler, "__name__", repr(handler))
        LOGGER.error("Exception raised in user's 'evt.%s' event handler '%s'", event.event.name, name)
        LOGGER.exception(error)
