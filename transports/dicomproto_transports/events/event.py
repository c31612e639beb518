"""The `Event` that a handler receives, and what it needs of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from dicomproto.upper_layer.conformance import check_associate_rj
from dicomproto.upper_layer.pdu import AssociateRJ

from .kinds import (
    EVT_C_FIND,
    EVT_C_GET,
    EVT_C_MOVE,
    EVT_C_STORE,
    EVT_C_STORE_STREAM,
    EVT_N_ACTION,
    EVT_N_CREATE,
    EVT_N_EVENT_REPORT,
    EVT_N_SET,
    EVT_REQUESTED,
    EventKind,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

    from dicomproto.dimse.commands import Request
    from dicomproto.negotiation import AcceptedContext
    from dicomproto.upper_layer.pdu import PDU, AssociateRQ, Buffer

    from .message import Message

_STORES = (EVT_C_STORE, EVT_C_STORE_STREAM)


class RequestData(Protocol):
    """The data set of a request."""

    @property
    def dataset(self) -> Dataset:
        """The data set, decoded by pydicom when first asked for."""


class Chunks(Protocol):
    """A data set as it comes, an iterator of read-only views; `async for` in trio and anyio."""

    def __iter__(self) -> Iterator[Buffer]: ...
    def __next__(self) -> Buffer: ...
    def __aiter__(self) -> AsyncIterator[Buffer]: ...
    async def __anext__(self) -> Buffer: ...


class StoreData(RequestData, Protocol):
    """The data set of a C-STORE request."""

    @property
    def data(self) -> Buffer:
        """The data set as it came."""

    @property
    def file_meta(self) -> FileMetaDataset:
        """A File Meta Information for it."""

    @property
    def head(self) -> bytes:
        """What stands before it in a Part 10 file."""

    def encoded(self, include_meta: bool, /) -> bytes:
        """Return it as it came, with its head if `include_meta`."""

    def streamed(self, what: str, /) -> StreamedData:
        """Return it as a stream; AttributeError where it is whole and has no `what`."""


class StreamedData(Chunks, Protocol):
    """The data set of a C-STORE request that is taken in chunks."""

    def refuse(self, status: int, comment: str | None = None, /) -> None:
        """Answer a failure before the data set is complete."""


class Handling(Protocol):
    """The part of what runs handlers that an event asks."""

    def is_cut(self, message_id: int, /) -> bool:
        """Tell whether nobody waits for the result of an operation any more."""


class Event:
    """What a handler receives.

    `assoc` is the `Association` of the flavour, `event` the kind, `timestamp` when it came. The other
    attributes exist for the kinds that their docstrings name and raise AttributeError for the rest.
    """

    __slots__ = ("assoc", "event", "_came", "deferred", "verdict", "_facts", "_incoming")

    def __init__(
        self,
        kind: EventKind,
        assoc: object,
        facts: dict[str, object],
        incoming: RequestData | None = None,
    ) -> None:
        self.event = kind
        # Any, for handlers of all flavours receive this one class and know best whose association it is.
        self.assoc: Any = assoc
        self.deferred: tuple[tuple[Callable[..., object], tuple[object, ...]], ...] = ()
        """What `after_response` was given and has not run."""
        self.verdict: bool | None = None
        """What `is_cancelled` says for good; None as long as that may change."""
        self._came = time()
        self._facts = facts
        self._incoming = incoming

    def __repr__(self) -> str:
        return f"<Event {self.event.name}>"

    @property
    def timestamp(self) -> datetime:
        """When the event came, as an aware local time."""
        return datetime.fromtimestamp(self._came).astimezone()

    def _fact(self, name: str) -> object:
        try:
            return self._facts[name]
        except KeyError:
            raise AttributeError(f"an {self.event.name} event has no {name!r}") from None

    def _stored(self, name: str) -> StoreData:
        if self.event not in _STORES or self._incoming is None:
            raise AttributeError(f"an {self.event.name} event has no {name!r}")
        return cast(StoreData, self._incoming)

    def _data_set(self, name: str, *kinds: EventKind) -> Dataset:
        if self.event not in kinds or self._incoming is None:
            raise AttributeError(f"an {self.event.name} event has no {name!r}")
        return self._incoming.dataset

    def _element(self, name: str, keyword: str) -> object:
        try:
            return getattr(self.request, keyword)
        except AttributeError:
            raise AttributeError(f"an {self.event.name} event has no {name!r}") from None

    # -- requests ---------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The request, with its command elements as attributes (all DIMSE services).

        `sop_class_uid` and `sop_instance_uid` are there whatever the service calls them, Affected or
        Requested. For a type checker `isinstance(event.request, CMoveRQ)` tells which elements there are.
        """
        return self._fact("request")  # type: ignore[return-value]

    @property
    def context(self) -> AcceptedContext:
        """The accepted presentation context that the request came on (all DIMSE services)."""
        return self._fact("context")  # type: ignore[return-value]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the request and was tolerated, as "code: detail" (all DIMSE services)."""
        return self._fact("warnings")  # type: ignore[return-value]

    @property
    def message_id(self) -> int:
        """The Message ID of the request (all DIMSE services)."""
        return self.request.MessageID

    def after_response(self, function: Callable[..., object], *args: object) -> None:
        """Run `function(assoc, *args)` once the response to this request has left (all DIMSE services).

        It may use the association, to report an event on it for one (PS3.4 J.3.3), and may be async in trio
        and anyio. What it raises is logged. It runs whatever status the handler returned, but not if the
        handler raised, or what it returned could not be sent: the peer was told of a failure then. What
        `function` gives to `after_response` in its turn runs after it.
        """
        self._element("after_response", "MessageID")
        self.deferred += ((function, args),)

    @property
    def identifier(self) -> Dataset:
        """The identifier, decoded by pydicom when first asked for (EVT_C_FIND, EVT_C_GET, EVT_C_MOVE)."""
        return self._data_set("identifier", EVT_C_FIND, EVT_C_GET, EVT_C_MOVE)

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the result any more (all DIMSE services).

        The peer has cancelled the operation (EVT_C_FIND, EVT_C_GET, EVT_C_MOVE), it has asked for a release
        or ended its output, the connection broke, or the association was aborted by either side, timed out,
        or ends with its server. It stays so.

        Looks at what has arrived, without waiting, and may be asked in any thread, also after the handler. A
        handler that sees it yields `(0xFE00, None)`, or returns; one that goes on is closed at its next
        result, and a cancel is answered all the same.
        """
        if self.verdict is None:
            self._element("is_cancelled", "MessageID")
            handling = cast(Handling, self._fact("handling"))
            if not handling.is_cut(self.message_id):
                return False
            self.verdict = True
        return self.verdict

    @property
    def move_destination(self) -> str:
        """The AE title to send to, without padding (EVT_C_MOVE)."""
        return str(self._element("move_destination", "MoveDestination")).strip()

    @property
    def action_type(self) -> int:
        """The Action Type ID (EVT_N_ACTION)."""
        return self._element("action_type", "ActionTypeID")  # type: ignore[return-value]

    @property
    def action_information(self) -> Dataset:
        """The Action Information, empty if none was sent (EVT_N_ACTION)."""
        return self._data_set("action_information", EVT_N_ACTION)

    @property
    def attribute_list(self) -> Dataset:
        """The Attribute List, empty if none was sent (EVT_N_CREATE)."""
        return self._data_set("attribute_list", EVT_N_CREATE)

    @property
    def attribute_identifiers(self) -> list[int]:
        """The tags that were asked for; empty for all there are (EVT_N_GET)."""
        tags = self._element("attribute_identifiers", "AttributeIdentifierList")
        return [] if tags is None else list(tags)  # type: ignore[call-overload]

    @property
    def event_type(self) -> int:
        """The Event Type ID (EVT_N_EVENT_REPORT)."""
        return self._element("event_type", "EventTypeID")  # type: ignore[return-value]

    @property
    def event_information(self) -> Dataset:
        """The Event Information, empty if none was sent (EVT_N_EVENT_REPORT)."""
        return self._data_set("event_information", EVT_N_EVENT_REPORT)

    @property
    def modification_list(self) -> Dataset:
        """The Modification List (EVT_N_SET)."""
        return self._data_set("modification_list", EVT_N_SET)

    @property
    def data(self) -> Buffer:
        """The data set as it came, in the context's transfer syntax (EVT_C_STORE).

        The bytes of one PDU (EVT_DATA_RECV, EVT_DATA_SENT).
        """
        if "data" in self._facts:
            return self._facts["data"]  # type: ignore[return-value]
        return self._stored("data").data

    @property
    def dataset(self) -> Dataset:
        """The data set, decoded by pydicom when first asked for (EVT_C_STORE)."""
        return self._stored("dataset").dataset

    @property
    def file_meta(self) -> FileMetaDataset:
        """A File Meta Information for the data set, made from the request (C-STORE)."""
        return self._stored("file_meta").file_meta

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """Return the data set as it came, as the content of a Part 10 file by default (EVT_C_STORE)."""
        return self._stored("encoded_dataset").encoded(include_meta)

    @property
    def encoded_file_meta(self) -> bytes:
        """What stands before the data set in a Part 10 file: preamble, prefix, File Meta (C-STORE)."""
        return self._stored("encoded_file_meta").head

    @property
    def chunks(self) -> Chunks:
        """The data set as it comes, an iterator of read-only views (EVT_C_STORE_STREAM).

        `for` in the blocking flavour, `async for` in trio and anyio. A view is valid for as long as it is
        referenced. Raises an AssociationError where the object is cut short.
        """
        return self._stored("chunks").streamed("chunks")

    def refuse(self, status: int, comment: str | None = None) -> None:
        """Answer a failure now; what still comes of the data set is discarded (EVT_C_STORE_STREAM).

        PS3.7 9.3.1. The handler should return soon; what it returns is not used. LocalProtocolError if
        `status` is no failure.
        """
        self._stored("refuse").streamed("refuse").refuse(status, comment)

    # -- negotiation ------------------------------------------------------------------------

    @property
    def associate_request(self) -> AssociateRQ:
        """The A-ASSOCIATE-RQ (EVT_REQUESTED and the negotiation events)."""
        return self._fact("associate_request")  # type: ignore[return-value]

    def reject(self, result: int = 1, source: int = 1, reason: int = 1) -> None:
        """Reject the association, with values of PS3.8 Table 9-21 (EVT_REQUESTED).

        Raises LocalProtocolError for values that do not stand there.
        """
        self._fact("associate_request")
        if self.event is not EVT_REQUESTED:
            raise AttributeError(f"an {self.event.name} event has no 'reject'")
        check_associate_rj(AssociateRJ(result=result, source=source, reason=reason))
        self._facts["rejection"] = (result, source, reason)

    @property
    def rejection(self) -> tuple[int, int, int] | None:
        """What `reject` was called with."""
        return self._facts.get("rejection")  # type: ignore[return-value]

    @property
    def nr_invoked(self) -> int:
        """Operations that the requestor would like to have outstanding, 0 for any number (EVT_ASYNC_OPS)."""
        return self._fact("nr_invoked")  # type: ignore[return-value]

    @property
    def nr_performed(self) -> int:
        """Operations that the requestor could perform at once, 0 for any number (EVT_ASYNC_OPS)."""
        return self._fact("nr_performed")  # type: ignore[return-value]

    @property
    def items(self) -> dict[str, object]:
        """The proposed items by SOP class UID (EVT_SOP_COMMON)."""
        return self._fact("items")  # type: ignore[return-value]

    @property
    def app_info(self) -> dict[str, bytes]:
        """The application information by SOP class UID (EVT_SOP_EXTENDED)."""
        return self._fact("app_info")  # type: ignore[return-value]

    @property
    def user_id_type(self) -> int:
        """1 user name, 2 with passcode, 3 Kerberos, 4 SAML, 5 JWT (EVT_USER_ID)."""
        return self._fact("user_id_type")  # type: ignore[return-value]

    @property
    def primary_field(self) -> bytes:
        """The user name, ticket, assertion or token (EVT_USER_ID)."""
        return self._fact("primary_field")  # type: ignore[return-value]

    @property
    def secondary_field(self) -> bytes:
        """The passcode, empty for all types but 2 (EVT_USER_ID)."""
        return self._fact("secondary_field")  # type: ignore[return-value]

    # -- what passes over the wire ----------------------------------------------------------

    @property
    def primitive(self) -> PDU:
        """The A-ASSOCIATE, A-RELEASE or A-ABORT PDU (EVT_ACSE_RECV, EVT_ACSE_SENT)."""
        return self._fact("primitive")  # type: ignore[return-value]

    @property
    def message(self) -> Message:
        """The message: its command, and its data set if it has one (EVT_DIMSE_RECV, EVT_DIMSE_SENT)."""
        return self._fact("message")  # type: ignore[return-value]

    @property
    def pdu(self) -> PDU:
        """The PDU; a P-DATA-TF with all its fragments (EVT_PDU_RECV, EVT_PDU_SENT)."""
        return self._fact("pdu")  # type: ignore[return-value]

    @property
    def fsm_event(self) -> str:
        """What caused the transition, such as "Evt10" (EVT_FSM_TRANSITION)."""
        return self._fact("fsm_event")  # type: ignore[return-value]

    @property
    def action(self) -> str:
        """The action that was taken, such as "DT-2" (EVT_FSM_TRANSITION)."""
        return self._fact("action")  # type: ignore[return-value]

    @property
    def current_state(self) -> str:
        """The state before the transition, such as "Sta6" (EVT_FSM_TRANSITION)."""
        return self._fact("current_state")  # type: ignore[return-value]

    @property
    def next_state(self) -> str:
        """The state after the transition, such as "Sta6" (EVT_FSM_TRANSITION)."""
        return self._fact("next_state")  # type: ignore[return-value]

    # -- transport --------------------------------------------------------------------------

    @property
    def address(self) -> object:
        """The peer's address (EVT_CONN_OPEN, EVT_CONN_CLOSE)."""
        return self._fact("address")
