"""The events of the peer's requests: a class for each DIMSE service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from dicomproto.dimse.commands import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)

from ..uid_values import with_uids
from .event import A_co, Event

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset
    from typing_extensions import TypeVar

    from dicomproto.negotiation import AcceptedContext
    from dicomproto.upper_layer.pdu import Buffer

    from ..uid_types import (
        ShownAcceptedContext,
        ShownCEchoRQ,
        ShownCFindRQ,
        ShownCGetRQ,
        ShownCMoveRQ,
        ShownCStoreRQ,
        ShownNActionRQ,
        ShownNCreateRQ,
        ShownNDeleteRQ,
        ShownNEventReportRQ,
        ShownNGetRQ,
        ShownNSetRQ,
    )
    from .event_kind import EventKind, Handler
    from .request_data import HandlerRunner, RequestData, StoreData, StreamedData

    Q_co = TypeVar("Q_co", bound=Request, covariant=True, default=Request)
    D_co = TypeVar("D_co", bound=RequestData | None, covariant=True, default=RequestData | None)
    S_co = TypeVar("S_co", bound=StoreData, covariant=True, default=StoreData)
else:
    from typing import TypeVar

    Q_co = TypeVar("Q_co", covariant=True)
    D_co = TypeVar("D_co", covariant=True)
    S_co = TypeVar("S_co", covariant=True)


class RequestEvent(Event[A_co], Generic[A_co, Q_co, D_co]):
    """A request of the peer, of any DIMSE service."""

    __slots__ = (
        "command", "accepted_context", "warnings", "deferred", "verdict", "_runner", "_data", "_request",
        "_context",
    )  # fmt: skip

    command: Q_co
    """The request as the engine has it: `request` without pydicom's UIDs."""
    accepted_context: AcceptedContext
    """The presentation context as the engine has it: `context` without pydicom's UIDs."""
    warnings: tuple[str, ...]
    """The tolerated faults of the request, as "code: detail"."""
    deferred: tuple[tuple[Handler, tuple[object, ...]], ...]
    """The functions given to `after_response` that have not run yet."""
    verdict: bool | None
    """The final value of `is_cancelled`; None while it may change."""
    _runner: HandlerRunner
    _data: D_co
    _request: Q_co
    _context: ShownAcceptedContext

    def __init__(
        self,
        kind: EventKind[object],
        assoc: A_co,
        request: Q_co,
        context: AcceptedContext,
        warnings: tuple[str, ...],
        runner: HandlerRunner,
        data: D_co,
    ) -> None:
        super().__init__(kind, assoc)
        self.command = request
        self.accepted_context = context
        self.warnings = warnings
        self.deferred = ()
        self.verdict = None
        self._runner = runner
        self._data = data

    @property
    def request(self) -> Q_co:
        """The request, with its command elements as attributes; its UIDs are `pydicom.uid.UID`.

        `sop_class_uid` and `sop_instance_uid` are the Affected or the Requested ones, by service.
        """
        try:
            return self._request
        except AttributeError:
            self._request = with_uids(self.command)
            return self._request

    @property
    def context(self) -> ShownAcceptedContext:
        """The accepted presentation context that the request came on; its UIDs are `pydicom.uid.UID`."""
        try:
            return self._context
        except AttributeError:
            self._context = with_uids(self.accepted_context)
            return self._context

    @property
    def message_id(self) -> int:
        """The Message ID of the request."""
        return self.command.MessageID

    def after_response(self, function: Handler, *args: object) -> None:
        """Run `function(assoc, *args)` after the response to this request is sent.

        It may use the association, such as to report an event (PS3.4 J.3.3), and may be async in trio and
        anyio. Its exceptions are logged. It runs for any status that the handler returns, but not if the
        handler raised or its result could not be sent, since the response is a failure then. It may itself
        call `after_response`.
        """
        self.deferred += ((function, args),)

    def drop_deferred(self) -> None:
        """Drop the functions given to `after_response`, since the response is a failure."""
        self.deferred = ()

    def take_deferred(self) -> tuple[Handler, tuple[object, ...]]:
        """Return the first function given to `after_response`, with its arguments, and drop it."""
        first, *rest = self.deferred
        self.deferred = tuple(rest)
        return first

    @property
    def is_cancelled(self) -> bool:
        """Whether the peer no longer waits for the result.

        True once the peer has cancelled the operation (C-FIND, C-GET, C-MOVE), asked for a release or ended
        its output, the connection broke, or the association was aborted by either side, timed out, or ends
        with its server.

        Reads what has arrived, without waiting, in any thread, also after the handler. When it is true, a
        handler yields `(0xFE00, None)` or returns. A handler that goes on is closed at its next result, and
        the library answers a cancel.
        """
        if self.verdict is None:
            if not self._runner.is_cut(self.command.MessageID):
                return False
            self.verdict = True
        return self.verdict


class EchoEvent(RequestEvent[A_co, CEchoRQ, None]):
    """A C-ECHO request (EVT_C_ECHO)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownCEchoRQ: ...


# --- C-STORE ------------------------------------------------------------------------------------


class AnyStoreEvent(RequestEvent[A_co, CStoreRQ, S_co], Generic[A_co, S_co]):
    """A C-STORE request, with its whole data set or with chunks."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownCStoreRQ: ...

    @property
    def file_meta(self) -> FileMetaDataset:
        """File Meta Information for the data set, made from the request."""
        return self._data.file_meta

    @property
    def encoded_file_meta(self) -> bytes:
        """The bytes before the data set in a Part 10 file: preamble, prefix, File Meta."""
        return self._data.head


class StoreEvent(AnyStoreEvent[A_co, "StoreData"]):
    """A C-STORE request and its whole data set (EVT_C_STORE)."""

    __slots__ = ()

    @property
    def data(self) -> Buffer:
        """The encoded data set as received, in the context's transfer syntax."""
        return self._data.data

    @property
    def dataset(self) -> Dataset:
        """The data set, decoded by pydicom at first use."""
        return self._data.dataset

    def encoded_dataset(self, include_meta: bool = True) -> bytes:
        """Return the data set as received, by default as the content of a Part 10 file."""
        return self._data.encoded(include_meta)

    def _without(self, name: str) -> str:
        where = "; it has the data set whole" if name in ("chunks", "refuse") else ""
        return super()._without(name) + where


class StoreStreamEvent(AnyStoreEvent[A_co, "StreamedData"]):
    """A C-STORE request whose data set follows in chunks (EVT_C_STORE_STREAM)."""

    __slots__ = ()

    @property
    def chunks(self) -> StreamedData:
        """The chunks of the data set as they arrive, an iterator of read-only views.

        Iterate with `for` in the blocking flavour, with `async for` in trio and anyio. A view stays valid
        while it is referenced. The iteration raises an AssociationError if the data set is cut short.
        """
        return self._data

    def refuse(self, status: int, comment: str | None = None) -> None:
        """Send a failure now; the rest of the data set is discarded (PS3.7 9.3.1).

        The handler should return soon; its result is ignored. Raises LocalProtocolError if `status` is not a
        failure.
        """
        self._data.refuse(status, comment)

    def _without(self, name: str) -> str:
        if name in ("data", "dataset", "encoded_dataset"):
            return "the data set is given in chunks; EVT_C_STORE gives it whole"
        return super()._without(name)


# --- query and retrieve -------------------------------------------------------------------------


class IdentifierEvent(RequestEvent[A_co, Q_co, "RequestData"], Generic[A_co, Q_co]):
    """A request with an identifier: C-FIND, C-GET or C-MOVE."""

    __slots__ = ()

    @property
    def identifier(self) -> Dataset:
        """The identifier, decoded by pydicom at first use."""
        return self._data.dataset

    @property
    def encoded_identifier(self) -> bytes:
        """The identifier as received, in the context's transfer syntax."""
        return bytes(self._data.data)


class FindEvent(IdentifierEvent[A_co, CFindRQ]):
    """A C-FIND request (EVT_C_FIND)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownCFindRQ: ...


class GetEvent(IdentifierEvent[A_co, CGetRQ]):
    """A C-GET request (EVT_C_GET)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownCGetRQ: ...


class MoveEvent(IdentifierEvent[A_co, CMoveRQ]):
    """A C-MOVE request (EVT_C_MOVE)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownCMoveRQ: ...

    @property
    def move_destination(self) -> str:
        """The AE title to send to, without padding."""
        return str(self.command.MoveDestination).strip()


# --- normalized services ------------------------------------------------------------------------


class EventReportEvent(RequestEvent[A_co, NEventReportRQ, "RequestData"]):
    """An N-EVENT-REPORT request (EVT_N_EVENT_REPORT)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNEventReportRQ: ...

    @property
    def event_type(self) -> int:
        """The Event Type ID."""
        return self.command.EventTypeID

    @property
    def event_information(self) -> Dataset:
        """The Event Information, empty if none was sent."""
        return self._data.dataset


class NGetEvent(RequestEvent[A_co, NGetRQ, None]):
    """An N-GET request (EVT_N_GET)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNGetRQ: ...

    @property
    def attribute_identifiers(self) -> list[int]:
        """The requested tags; empty for all attributes."""
        return list(self.command.AttributeIdentifierList or ())


class NSetEvent(RequestEvent[A_co, NSetRQ, "RequestData"]):
    """An N-SET request (EVT_N_SET)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNSetRQ: ...

    @property
    def modification_list(self) -> Dataset:
        """The Modification List."""
        return self._data.dataset

    @property
    def attribute_list(self) -> Dataset:
        """The Modification List, under the name of the list of an N-CREATE: a handler may serve both."""
        return self._data.dataset


class NActionEvent(RequestEvent[A_co, NActionRQ, "RequestData"]):
    """An N-ACTION request (EVT_N_ACTION)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNActionRQ: ...

    @property
    def action_type(self) -> int:
        """The Action Type ID."""
        return self.command.ActionTypeID

    @property
    def action_information(self) -> Dataset:
        """The Action Information, empty if none was sent."""
        return self._data.dataset


class NCreateEvent(RequestEvent[A_co, NCreateRQ, "RequestData"]):
    """An N-CREATE request (EVT_N_CREATE)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNCreateRQ: ...

    @property
    def attribute_list(self) -> Dataset:
        """The Attribute List, empty if none was sent."""
        return self._data.dataset


class NDeleteEvent(RequestEvent[A_co, NDeleteRQ, None]):
    """An N-DELETE request (EVT_N_DELETE)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def request(self) -> ShownNDeleteRQ: ...
