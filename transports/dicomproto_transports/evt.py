"""The events that handlers are bound to, and the `Event` that a handler receives.

A handler is bound as `(event, handler)` or `(event, handler, [args])`, in `associate` or
`start_server`. *Intervention* events ask the handler for a decision and have one handler each;
*notification* events tell, and have any number. The handler receives one `Event`, then the args.

What a handler of a notification event raises is logged and changes nothing, with one exception: an
acceptor whose handler of EVT_REQUESTED fails rejects the association (2, 3, 1).

In trio and anyio a handler may be `async`; a sync one runs inline and must not wait, unless it
is bound as `in_thread(handler)`. The blocking flavour has sync handlers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from threading import Lock
from time import time
from types import CodeType, CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, cast

from dicomproto._record import Record
from dicomproto.upper_layer.conformance import check_associate_rj
from dicomproto.upper_layer.pdu import AssociateRJ

from ._words import named, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset

    from dicomproto.dimse.commands import Request
    from dicomproto.negotiation import AcceptedContext
    from dicomproto.upper_layer.pdu import PDU, AssociateRQ, Buffer

    from ._data_sets import IncomingDataSet, IncomingStore
    from ._observer import Message

Handler = Callable[..., object]

_IS_ASYNC = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR, of functions made by `async def`


class EventKind:
    """One of the `EVT_*` constants below; compared by identity."""

    __slots__ = ("name", "is_intervention")

    def __init__(self, name: str, *, is_intervention: bool = False) -> None:
        self.name = name
        self.is_intervention = is_intervention
        """Whether the event asks for a decision; others only tell."""

    @property
    def is_notification(self) -> bool:
        """Whether the event only tells."""
        return not self.is_intervention

    def __repr__(self) -> str:
        return f"<{self.name}>"


Binding = tuple[EventKind, Handler] | tuple[EventKind, Handler, Sequence[object]]

EVT_CONN_OPEN = EventKind("EVT_CONN_OPEN")
"""The transport connection stands."""
EVT_CONN_CLOSE = EventKind("EVT_CONN_CLOSE")
"""The transport connection is closed."""
EVT_REQUESTED = EventKind("EVT_REQUESTED")
"""An association is requested of us."""
EVT_ACCEPTED = EventKind("EVT_ACCEPTED")
"""The association is accepted."""
EVT_REJECTED = EventKind("EVT_REJECTED")
"""The association is rejected."""
EVT_ESTABLISHED = EventKind("EVT_ESTABLISHED")
"""The association is established."""
EVT_RELEASED = EventKind("EVT_RELEASED")
"""The association is released."""
EVT_ABORTED = EventKind("EVT_ABORTED")
"""The association ended in any other way."""

EVT_ACSE_RECV = EventKind("EVT_ACSE_RECV")
"""A PDU that makes or ends the association came."""
EVT_ACSE_SENT = EventKind("EVT_ACSE_SENT")
"""A PDU that makes or ends the association was sent."""
EVT_DIMSE_RECV = EventKind("EVT_DIMSE_RECV")
"""A message came, its data set included."""
EVT_DIMSE_SENT = EventKind("EVT_DIMSE_SENT")
"""A message was sent, its data set included."""
EVT_PDU_RECV = EventKind("EVT_PDU_RECV")
"""A PDU came."""
EVT_PDU_SENT = EventKind("EVT_PDU_SENT")
"""A PDU was sent."""
EVT_DATA_RECV = EventKind("EVT_DATA_RECV")
"""The bytes of a PDU came."""
EVT_DATA_SENT = EventKind("EVT_DATA_SENT")
"""The bytes of a PDU were sent."""
EVT_FSM_TRANSITION = EventKind("EVT_FSM_TRANSITION")
"""The state machine of PS3.8 Table 9-10 has made a transition."""

OBSERVED = frozenset(
    {
        EVT_ACSE_RECV,
        EVT_ACSE_SENT,
        EVT_DIMSE_RECV,
        EVT_DIMSE_SENT,
        EVT_PDU_RECV,
        EVT_PDU_SENT,
        EVT_DATA_RECV,
        EVT_DATA_SENT,
        EVT_FSM_TRANSITION,
    }
)
"""The events about what passes over the wire. Their handlers may abort the association, no more."""

EVT_ASYNC_OPS = EventKind("EVT_ASYNC_OPS", is_intervention=True)
"""An asynchronous operations window is proposed (PS3.7 D.3.3.3).

`event.nr_invoked` and `event.nr_performed` say what. The handler returns (invoked, performed): how many
operations the requestor may have outstanding, and how many we, 0 for any number. The smaller of what was
proposed and returned holds. Without a handler, and if it fails, `AE.maximum_operations` is what is returned.
"""
EVT_SOP_COMMON = EventKind("EVT_SOP_COMMON", is_intervention=True)
"""SOP class common extended negotiation is proposed (PS3.7 D.3.3.6).

`event.items` holds the proposed `SOPClassCommonExtendedNegotiation`s by SOP class UID. The handler returns
those of them, in the same form, that the server is to act on: their SOP classes are accepted like the general
ones they name and have the services of the service class they name. Without a handler, and if it fails, none.
There is no answer to the requestor.
"""
EVT_SOP_EXTENDED = EventKind("EVT_SOP_EXTENDED", is_intervention=True)
"""SOP class extended negotiation is proposed (PS3.7 D.3.3.5).

`event.app_info` holds the Service Class Application Information, bytes, by SOP class UID. The handler returns
the answers in the same form, of proposed SOP classes; one that is not in it is not answered. Without a
handler, and if it fails, none is.
"""
EVT_USER_ID = EventKind("EVT_USER_ID", is_intervention=True)
"""A user identity is presented (PS3.7 D.3.3.7).

`event.user_id_type`, `event.primary_field` and `event.secondary_field` hold it. The handler returns (bool,
bytes or None): whether the user is accepted, and the server response, which is sent for Kerberos, SAML and
JWT where the requestor asked for a positive response; or the bool alone. A user who is not accepted is
rejected (1, 2, 1), and so is one whose handler fails. Without a handler identities are ignored and not
answered.
"""

EVT_C_ECHO = EventKind("EVT_C_ECHO", is_intervention=True)
"""A C-ECHO request came."""
EVT_C_STORE = EventKind("EVT_C_STORE", is_intervention=True)
"""A C-STORE request and its whole data set came."""
EVT_C_STORE_STREAM = EventKind("EVT_C_STORE_STREAM", is_intervention=True)
"""A C-STORE request came, its data set follows in chunks."""
EVT_C_FIND = EventKind("EVT_C_FIND", is_intervention=True)
"""A C-FIND request came."""
EVT_C_GET = EventKind("EVT_C_GET", is_intervention=True)
"""A C-GET request came."""
EVT_C_MOVE = EventKind("EVT_C_MOVE", is_intervention=True)
"""A C-MOVE request came."""
EVT_N_EVENT_REPORT = EventKind("EVT_N_EVENT_REPORT", is_intervention=True)
"""An N-EVENT-REPORT request came."""
EVT_N_GET = EventKind("EVT_N_GET", is_intervention=True)
"""An N-GET request came."""
EVT_N_SET = EventKind("EVT_N_SET", is_intervention=True)
"""An N-SET request came."""
EVT_N_ACTION = EventKind("EVT_N_ACTION", is_intervention=True)
"""An N-ACTION request came."""
EVT_N_CREATE = EventKind("EVT_N_CREATE", is_intervention=True)
"""An N-CREATE request came."""
EVT_N_DELETE = EventKind("EVT_N_DELETE", is_intervention=True)
"""An N-DELETE request came."""


_STORES = (EVT_C_STORE, EVT_C_STORE_STREAM)


class InThread:
    """A sync handler that is to run in a worker thread; made by `in_thread`."""

    __slots__ = ("handler",)

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, *args: object) -> object:
        return self.handler(*args)


def in_thread(handler: Handler) -> InThread:
    """Mark a sync handler that waits (for a disk, a database), so that it runs in a worker thread.

    In the blocking flavour each association has a thread of its own already, and the mark means
    nothing. The handler must not use the association; it may look at `event.is_cancelled`. Each step of a
    generator may run in another thread: what belongs to one, as an sqlite3 connection does by default, must
    not outlive a `yield`.
    """
    if is_coroutine_function(handler):
        raise TypeError(f"in_thread: {_name(handler)} is async; bind it as it is")
    return InThread(handler)


def is_coroutine_function(handler: object) -> bool:
    """Tell whether `handler` is an `async def`, also through `partial`, methods and `__call__`.

    By hand, since `inspect` takes longer to import than all of this package.
    """
    while isinstance(handler, partial):
        handler = handler.func
    if not hasattr(handler, "__code__") and not hasattr(handler, "__func__"):
        handler = getattr(type(handler), "__call__", None)  # noqa: B004 - its code, not whether there is any
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _IS_ASYNC)


def _unmarked(handler: Handler) -> Handler:
    return handler.handler if isinstance(handler, InThread) else handler


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)


class _Handling(Protocol):
    """The part of what runs handlers that an event asks."""

    def is_cut(self, message_id: int) -> bool:
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
        incoming: IncomingDataSet | None = None,
    ) -> None:
        self.event = kind
        # Any, for handlers of all flavours receive this one class and know best whose association it is.
        self.assoc: Any = assoc
        self.deferred: tuple[Bound, ...] = ()
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

    def _stored(self, name: str) -> IncomingStore:
        if self.event not in _STORES or self._incoming is None:
            raise AttributeError(f"an {self.event.name} event has no {name!r}")
        return cast("IncomingStore", self._incoming)

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
        self.deferred += (Bound(handler=function, args=args),)

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
            handling = cast("_Handling", self._fact("handling"))
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
    def chunks(self) -> IncomingStore:
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


class Bound(Record):
    """One handler with its extra arguments; `in_thread` says where it runs."""

    handler: Handler
    args: tuple[object, ...] = ()
    in_thread: bool = False


class Handlers:
    """The handlers of one association or server, by event kind. Empty for most kinds, so cheap to ask.

    Any thread may bind and unbind.
    """

    __slots__ = ("_bound", "_allow_async", "_lock")

    def __init__(self, bindings: Iterable[Binding] | None = None, *, allow_async: bool) -> None:
        self._bound: dict[EventKind, tuple[Bound, ...]] = {}
        self._allow_async = allow_async
        self._lock = Lock()
        for binding in _listed(bindings):
            self.bind(*binding)

    def bind(self, kind: EventKind, handler: Handler, args: Sequence[object] = ()) -> None:
        """Bind `handler`; in place of the one before where the kind is an intervention."""
        _check_kind(kind)
        if not callable(handler):
            raise TypeError(f"{kind.name}: {shown(handler)} is not callable")
        if isinstance(args, (str, bytes)) or not isinstance(args, Sequence):
            raise TypeError(f"{kind.name}: the arguments of a handler are a list or tuple, not {shown(args)}")
        if is_coroutine_function(handler) and not self._allow_async:
            raise TypeError(
                f"{kind.name}: {_name(handler)} is a coroutine function; the blocking flavour has nothing to "
                "run it, use dicomproto_transports.trio or .anyio"
            )
        threaded = isinstance(handler, InThread)
        if threaded and kind is EVT_C_STORE_STREAM:
            raise TypeError(
                "EVT_C_STORE_STREAM: chunks are read by the association's own task, not in_thread"
            )
        other = {EVT_C_STORE: EVT_C_STORE_STREAM, EVT_C_STORE_STREAM: EVT_C_STORE}.get(kind)
        bound = Bound(handler=_unmarked(handler), args=tuple(args), in_thread=threaded and self._allow_async)
        with self._lock:
            if other in self._bound:
                raise ValueError("EVT_C_STORE and EVT_C_STORE_STREAM exclude each other; bind one of them")
            before = () if kind.is_intervention else self._bound.get(kind, ())
            self._bound[kind] = (*before, bound)

    def unbind(self, kind: EventKind, handler: Handler) -> None:
        """Bind `handler` no longer; nothing happens if it is not bound."""
        _check_kind(kind)
        gone = _unmarked(handler)
        with self._lock:
            left = tuple([bound for bound in self._bound.get(kind, ()) if bound.handler != gone])
            if left:
                self._bound[kind] = left
            else:
                self._bound.pop(kind, None)

    def copy(self) -> Handlers:
        """Return the same handlers, to be changed apart from these."""
        copied = Handlers(allow_async=self._allow_async)
        copied._bound = self._bound.copy()
        return copied

    @property
    def are_observing(self) -> bool:
        """Whether any handler wants to hear of what passes over the wire."""
        return not OBSERVED.isdisjoint(self._bound)

    def one(self, kind: EventKind) -> Bound | None:
        """Return the handler of an intervention event."""
        bound = self._bound.get(kind)
        return bound[0] if bound else None

    def all(self, kind: EventKind) -> tuple[Bound, ...]:
        """Return the handlers of a notification event, in the order they were bound."""
        return self._bound.get(kind, ())

    def get_events(self) -> list[EventKind]:
        """Return the kinds that have a handler."""
        return list(self._bound)

    def get_handlers(self, kind: EventKind) -> list[tuple[Handler, tuple[object, ...]]]:
        """Return the handlers of a kind, each with its extra arguments, in the order they were bound."""
        _check_kind(kind)
        return [(bound.handler, bound.args) for bound in self._bound.get(kind, ())]


def _listed(bindings: object) -> list[Binding]:
    """Return bindings, each of the right length; TypeError says what was given in place of a list of them."""
    if bindings is None:
        return []
    wanted = "a list of (event, handler) or (event, handler, [args])"
    if isinstance(bindings, str | bytes | Mapping) or not isinstance(bindings, Iterable):
        raise TypeError(f"evt_handlers is {wanted}, not {named(bindings)}")
    listed = list(bindings)
    if listed and isinstance(listed[0], EventKind):
        raise TypeError(f"evt_handlers is {wanted}, this is one binding: put it in a list")
    for binding in listed:
        if not isinstance(binding, tuple | list) or len(binding) not in (2, 3):
            raise TypeError(f"evt_handlers is {wanted}; {named(binding)} is none of those")
    return listed


def _check_kind(kind: object) -> None:
    if not isinstance(kind, EventKind):
        raise TypeError(f"{_name(kind)} is no event; the events are the EVT_* names of `evt`")


async def call(bound: Bound, event: object, *, is_blocking: bool) -> object:
    """Run one handler and return its result, whatever kind of callable it is."""
    result = bound.handler(event, *bound.args)
    if isinstance(result, CoroutineType):
        if is_blocking:
            result.close()
            raise TypeError(f"{_name(bound.handler)} returned a coroutine; the blocking flavour runs none")
        result = await result
    return result
