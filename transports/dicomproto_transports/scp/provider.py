"""What the peer's requests get: an answer for each, whatever the handler does.

A request is served where it arrives, within whatever call of the association waits; its handler
may use the association. What goes wrong here becomes a status, and the association stays:

| what happened                                         | C-STORE | FIND, GET, MOVE     | C-ECHO, N-services |
|-------------------------------------------------------|---------|---------------------|--------------------|
| the handler gave a status (int, Status, Dataset)      | that    | that                | that               |
| the handler raised (logged: `dicomproto.handlers`)    | C211H   | C311H, C411H, C511H | 0110H              |
| the handler gave something that is no status          | C002H   | C311H, C411H, C511H | 0110H              |
| no handler is bound (C-ECHO: 0000H)                   | 0122H   | 0211H               | 0211H              |
| the data set is larger than `Limits.collect`          | A700H   | A700H               | 0213H              |
| all that is held is above `maximum_collected`         | A700H   | A700H               | 0213H              |
| an identifier is larger than `Limits.identifier`      |         | A700H               |                    |
| it has too many elements, items or nested sequences   |         | A700H               | 0213H              |
| it is cut, or cannot be read as a data set            | C000H   | C000H               | 0110H              |
| the data set that the service needs is missing        | C000H   | C000H               | 0120H              |
| handlers have called back eight deep                  | 0213H   | 0213H               | 0213H              |

A status beside which stands what cannot be sent, such as an OffendingElement that is no tag, is none.
A C-FIND handler may return it as well as yield it, alone or in a pair with None; of C-GET and C-MOVE
a number alone may be the number of sub-operations, so there it comes in a pair.

An Error Comment says what happened in at most 64 characters, without a word of the data set.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
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
    Response,
)
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import Category
from dicomproto.encoded import IDENTIFIER_BOUNDS, NORMALIZED_BOUNDS, Bounds
from dicomproto.errors import AssociationError, DataSetError, DataSetTooLarge
from dicomproto.uids import is_valid_uid

from .. import evt
from ..association.incoming import Incoming
from ..events.handlers import Bound
from ..files.pieces import Encoding, MemorySource, piece_size
from ..words import printable
from .cancelling import PeerLeaves, report_failure, settle
from .data_sets import IncomingDataSet, IncomingStore
from .destination import Destinations
from .find import serve_find
from .results import CANNOT_UNDERSTAND, comment_on, copied, dataset_of, pair_of, response_for
from .retrieve import serve_retrieve

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.services import SOPClassRegistry

    from ..association.session import Session

log = logging.getLogger("dicomproto.handlers")

MAXIMUM_DEPTH = 8
"""Handlers that may be under way at once in one association, each called while another one waits."""

PROCESSING_FAILURE = 0x0110
MISSING_ATTRIBUTE = 0x0120
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
STORE_HANDLER_FAILED = 0xC211
STORE_STATUS_UNKNOWN = 0xC002


class Service(NamedTuple):
    """How one DIMSE service is provided: its event, and the statuses for what goes wrong."""

    event: evt.EventKind
    failed: int
    too_large: int = RESOURCE_LIMITATION
    no_data_set: int = MISSING_ATTRIBUTE
    not_whole: int = PROCESSING_FAILURE
    bounds: Bounds = NORMALIZED_BOUNDS


_OF_IDENTIFIERS = (OUT_OF_RESOURCES, CANNOT_UNDERSTAND, CANNOT_UNDERSTAND, IDENTIFIER_BOUNDS)

SERVICES: dict[type[Request], Service] = {
    CEchoRQ: Service(evt.EVT_C_ECHO, PROCESSING_FAILURE),
    CFindRQ: Service(evt.EVT_C_FIND, 0xC311, *_OF_IDENTIFIERS),
    CGetRQ: Service(evt.EVT_C_GET, 0xC411, *_OF_IDENTIFIERS),
    CMoveRQ: Service(evt.EVT_C_MOVE, 0xC511, *_OF_IDENTIFIERS),
    NEventReportRQ: Service(evt.EVT_N_EVENT_REPORT, PROCESSING_FAILURE),
    NGetRQ: Service(evt.EVT_N_GET, PROCESSING_FAILURE),
    NSetRQ: Service(evt.EVT_N_SET, PROCESSING_FAILURE),
    NActionRQ: Service(evt.EVT_N_ACTION, PROCESSING_FAILURE),
    NCreateRQ: Service(evt.EVT_N_CREATE, PROCESSING_FAILURE),
    NDeleteRQ: Service(evt.EVT_N_DELETE, PROCESSING_FAILURE),
}

_ASKING = frozenset((CEchoRQ, CFindRQ, CGetRQ, CMoveRQ, NGetRQ))
"""What changes nothing here: not begun for a peer that is gone, where all else is taken that came whole."""


class Provider:
    """Answers the requests of the peer of one association.

    `sop_classes` are those that are known, `destinations` those that a C-MOVE may send to.
    """

    __slots__ = ("_sop_classes", "_destinations")

    def __init__(self, sop_classes: SOPClassRegistry, destinations: Destinations) -> None:
        self._sop_classes = sop_classes
        self._destinations = destinations

    async def serve(self, session: Session, received: RequestReceived) -> None:
        """Serve one request to its end, data set included."""
        request = received.command
        kind = type(request)
        if await session.driver.is_too_late() and kind in _ASKING:
            log.debug("%s: nobody waits for the answer to its %s", session.peer_name, request.name)
            session.respond(request.response(PROCESSING_FAILURE))
            return
        if session.depth > MAXIMUM_DEPTH:
            await _refuse(session, received, RESOURCE_LIMITATION, "too many operations within each other")
            return
        try:
            if kind is CStoreRQ:
                await _serve_store(session, received)
            else:
                await self._serve(session, received, SERVICES[kind])
        except PeerLeaves:
            log.debug("%s: its %s has no answer", session.peer_name, request.name)

    async def _serve(self, session: Session, received: RequestReceived, service: Service) -> None:
        request, bound = received.command, session.handling.handlers.one(service.event)
        if bound is None:
            if service.event is evt.EVT_C_ECHO:
                session.respond(request.response())
            else:
                text = f"{request.name} is not provided here"
                await _refuse(session, received, UNRECOGNIZED_OPERATION, text)
            return
        if request.data_set_required and not received.has_data_set:
            await _refuse(session, received, service.no_data_set, "no data set")
            return
        data_set = IncomingDataSet(session, received, service.bounds)
        session.data_sets.append(data_set)
        if not request.data_set_allowed:
            await data_set.drain()
        elif (refusal := await _judge(session, data_set, service)) is not None:
            status, comment = refusal
            session.respond(request.response(status, ErrorComment=comment))
            await data_set.drain()
            return
        event = evt.Event(service.event, session.association, _facts(session, received), data_set)
        try:
            if isinstance(request, CFindRQ):
                await serve_find(
                    session, received, bound, event, failed=service.failed, sop_classes=self._sop_classes
                )
            elif isinstance(request, (CGetRQ, CMoveRQ)):
                await serve_retrieve(
                    session, received, bound, event, failed=service.failed, destinations=self._destinations
                )
            else:
                response, dataset = await _ask(session, bound, event, request, service.failed, service.failed)
                await _answer(session, event, received, response, dataset)
        finally:
            settle(session, event, is_over=True)
        await _after(session, event)


async def _refuse(session: Session, received: RequestReceived, status: int, comment: str) -> None:
    """Answer a failure at once, then discard the data set (PS3.7 9.3.1)."""
    session.respond(received.command.response(status, ErrorComment=comment))
    if received.has_data_set:
        await Incoming(session, session.holding, session.maximum_collected).drain()


def _facts(session: Session, received: RequestReceived) -> dict[str, object]:
    return {
        "request": received.command,
        "context": session.connection.accepted_contexts[received.context_id],
        "handling": session.handling,
        "warnings": received.warnings,
    }


# --- all but C-STORE ----------------------------------------------------------------------------


async def _judge(session: Session, data_set: IncomingDataSet, service: Service) -> tuple[int, str] | None:
    """Gather a data set; return the status and the comment that refuse it if it is too large or not whole."""
    try:
        if await data_set.collect():
            is_missing = service.bounds is IDENTIFIER_BOUNDS and not data_set.has_elements
            return (service.no_data_set, "an identifier without elements") if is_missing else None
        return service.too_large, data_set.excess
    except DataSetError as error:
        data_set.let_go()
        name, peer = data_set.received.command.name, session.peer_name
        log.warning("%s: the data set of %s cannot be used: %s", peer, name, error)
        too_large = isinstance(error, DataSetTooLarge)
        return service.too_large if too_large else service.not_whole, comment_on(error)


async def _answer(
    session: Session,
    event: evt.Event,
    received: RequestReceived,
    response: Response,
    dataset: Dataset | None,
) -> None:
    """Send the response of a handler of a normalized service, with its data set."""
    request, source = received.command, None
    try:
        if isinstance(request, NCreateRQ) and response.category in (Category.SUCCESS, Category.WARNING):
            response, dataset = _created(request, response, dataset)
        if dataset and not response.data_set_allowed:
            what = "%s: %s has no data set, so the handler's is not sent"
            log.warning(what, session.peer_name, response.name)
        elif dataset:
            data = Encoding(session).encode(dataset, event.context.transfer_syntax)
            source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
            response = response.replace(CommandDataSetType=DATA_SET_PRESENT)
    except Exception as error:
        what = "%s: what the handler of %s returned cannot be sent: %s"
        log.error(what, session.peer_name, event.event.name, printable(str(error)))
        event.deferred = ()
        comment = "the handler's data set cannot be sent"
        response, source = request.response(PROCESSING_FAILURE, ErrorComment=comment), None
    await session.answer(response, source)


def _created(
    request: NCreateRQ, response: Response, dataset: Dataset | None
) -> tuple[Response, Dataset | None]:
    """Move the UID that the handler chose from its data set to the response (PS3.7 10.1.5.1.4)."""
    from dicomproto.quiet import Quiet

    with Quiet():
        uid = None if dataset is None else dataset.get("AffectedSOPInstanceUID")
    if dataset is not None and "AffectedSOPInstanceUID" in dataset:
        dataset = copied(dataset)  # the handler's own stays as it is
        del dataset.AffectedSOPInstanceUID
    if request.sop_instance_uid:
        return response, dataset
    if not uid:
        raise ValueError("the request has no SOP Instance UID, so AffectedSOPInstanceUID is needed")
    if not is_valid_uid(str(uid)):
        raise ValueError("its AffectedSOPInstanceUID is no UID")
    return response.replace(AffectedSOPInstanceUID=str(uid)), dataset


async def _after(session: Session, event: evt.Event) -> None:
    """Run what the handler asked for with `event.after_response`, and what that asks for."""
    if event.deferred:
        await session.send_all()
    while event.deferred:
        (function, args), event.deferred = event.deferred[0], event.deferred[1:]
        try:
            await session.handling.run(Bound(handler=function, args=args), session.association)
        except Exception as error:
            if session.ending.terminal is not None and isinstance(error, AssociationError):
                raise
            peer, name = session.peer_name, event.event.name
            if session.handling.explains(error):
                what = "%s: what was to happen after the response to %s ended with the association (%s)"
                log.info(what, peer, name, type(error).__name__)
            else:
                log.exception("%s: what was to happen after the response to %s failed", peer, name)


# --- C-STORE ------------------------------------------------------------------------------------


async def _serve_store(session: Session, received: RequestReceived) -> None:
    handlers = session.handling.handlers
    bound = handlers.one(evt.EVT_C_STORE_STREAM)
    kind = evt.EVT_C_STORE_STREAM if bound else evt.EVT_C_STORE
    bound = bound or handlers.one(kind)
    if bound is None:
        await _refuse(session, received, SOP_CLASS_NOT_SUPPORTED, "no storage service here")
        return
    if not received.has_data_set:
        await _refuse(session, received, CANNOT_UNDERSTAND, "no data set")
        return
    store = IncomingStore(session, received, is_streamed=kind is evt.EVT_C_STORE_STREAM)
    session.data_sets.append(store)
    if not store.is_streamed and not await store.collect():
        store.refuse(OUT_OF_RESOURCES, store.excess)
        await store.drain()
        return
    event = evt.Event(kind, session.association, _facts(session, received), store)
    request = received.command
    try:
        response, _ = await _ask(session, bound, event, request, STORE_HANDLER_FAILED, STORE_STATUS_UNKNOWN)
        if store.is_refused:
            await store.drain()
        elif response.category is Category.FAILURE:
            session.respond(response)
            await store.drain()
        else:
            # Success or a warning means that all of it was received (PS3.7 9.3.1).
            await store.drain()
            session.respond(response)
    finally:
        settle(session, event, is_over=True)
    await _after(session, event)


# --- the handler and its answer -----------------------------------------------------------------


async def _ask(
    session: Session,
    bound: Bound,
    event: evt.Event,
    request: Request,
    failed: int,
    nonsense: int,
) -> tuple[Response, Dataset | None]:
    """Run the handler; return the response that its result stands for, and the data set beside it."""
    try:
        result = await session.handling.run(bound, event)
    except Exception as error:
        code, comment = report_failure(session, event, error, failed)
        return request.response(code, ErrorComment=comment), None
    try:
        status, dataset = pair_of(result)
        return response_for(request, status), dataset_of(dataset)
    except Exception as error:  # also of a property that is read here
        what = "%s: the handler of %s returned %s"
        log.error(what, session.peer_name, event.event.name, printable(str(error)))
        event.deferred = ()
        return request.response(nonsense, ErrorComment="the handler returned no status"), None
