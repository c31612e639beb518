"""The service provider: it answers each request of the peer, also if the handler fails.

A request is served by the call of the association that waits when it arrives; its handler may use the
association. A failure here becomes a status, and the association stays:

| cause                                                 | C-STORE | FIND, GET, MOVE     | C-ECHO, N-services |
|-------------------------------------------------------|---------|---------------------|--------------------|
| the handler returned a status (int, Status, Dataset)  | that    | that                | that               |
| the handler raised (logged: `dicomproto.handlers`)    | C211H   | C311H, C411H, C511H | 0110H              |
| the handler's result is not a valid status            | C002H   | C311H, C411H, C511H | 0110H              |
| no handler is bound (C-ECHO: 0000H)                   | 0122H   | 0211H               | 0211H              |
| the data set is larger than `Limits.collect`          | A700H   | A700H               | 0213H              |
| held bytes are above `maximum_collected`              | A700H   | A700H               | 0213H              |
| an identifier is larger than `Limits.identifier`      |         | A700H               |                    |
| too many elements, items or nested sequences          |         | A700H               | 0213H              |
| the data set is cut short or malformed                | C000H   | C000H               | 0110H              |
| a required data set is missing                        | C000H   | C000H               | 0120H              |
| eight requests are being served, one inside the other | 0213H   | 0213H               | 0213H              |

A status with an element that cannot be sent, such as an OffendingElement that is not a tag, is not valid. A
C-FIND handler may return or yield a status, alone or in a pair with None. A handler of C-GET or C-MOVE gives
it in a pair, since a number alone may be the number of sub-operations.

An Error Comment gives the cause in at most 64 characters, without content of the data set.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

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
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import (
    CANNOT_UNDERSTAND,
    MISSING_ATTRIBUTE,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    UNRECOGNIZED_OPERATION,
)
from dicomproto.encoded import IDENTIFIER_BOUNDS, NORMALIZED_BOUNDS, Bounds
from dicomproto.errors import DataSetError, DataSetTooLarge

from .. import evt
from .answering import ask_handler, discard, event_of, refuse, run_deferred
from .cancelling import PeerLeaves, settle
from .data_sets import IncomingDataSet
from .destination import Destinations
from .find import serve_find
from .normalized import answer
from .results import comment_on
from .retrieve import serve_retrieve
from .store import serve_store
from .watching import watch_request

if TYPE_CHECKING:
    from dicomproto.services import SOPClassRegistry

    from ..association.session import Session

log: logging.Logger = logging.getLogger("dicomproto.handlers")

MAXIMUM_DEPTH = 8
"""Most requests of one association that are served at once, each inside the one before."""


class Service(NamedTuple):
    """One DIMSE service: its event, and the statuses of failures."""

    event: evt.EventKind[evt.RequestEvent[Any]]
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
"""Requests that change nothing here. They are not begun for a peer that is gone; others still are."""


class Provider:
    """Answers the requests of the peer of one association.

    `sop_classes` are the known SOP classes, `destinations` those of C-MOVEs by name; `associate` opens the
    associations with them, see `Destinations`.
    """

    __slots__ = ("_sop_classes", "_destinations")

    def __init__(
        self,
        sop_classes: SOPClassRegistry,
        destinations: Mapping[str, tuple[object, ...]],
        associate: Callable[..., Awaitable[Session]],
    ) -> None:
        self._sop_classes = sop_classes
        self._destinations = Destinations(destinations, associate)

    async def serve(self, session: Session, received: RequestReceived) -> None:
        """Serve one request to its end, data set included."""
        request = received.command
        kind = type(request)
        if await session.driver.is_too_late() and kind in _ASKING:
            log.debug("%s: nobody waits for the answer to its %s", session.peer_name, request.name)
            session.respond(request.response(PROCESSING_FAILURE))
            return
        if session.depth > MAXIMUM_DEPTH:
            await refuse(session, received, RESOURCE_LIMITATION, "too many operations within each other")
            return
        try:
            if kind is CStoreRQ:
                await serve_store(session, received)
            else:
                await self._serve(session, received, SERVICES[kind])
        except PeerLeaves:
            log.debug("%s: its %s has no answer", session.peer_name, request.name)

    async def _serve(self, session: Session, received: RequestReceived, service: Service) -> None:
        request, bound = received.command, session.runner.handlers.one(service.event)
        if bound is None:
            if service.event is evt.EVT_C_ECHO:
                session.respond(request.response())
            else:
                text = f"{request.name} is not provided here"
                await refuse(session, received, UNRECOGNIZED_OPERATION, text)
            return
        if request.data_set_required and not received.has_data_set:
            await refuse(session, received, service.no_data_set, "no data set")
            return
        data_set = None
        if request.data_set_allowed:
            data_set = IncomingDataSet(session, received, service.bounds)
            session.data_sets.append(data_set)
            if (refusal := await _judge(session, data_set, service)) is not None:
                status, comment = refusal
                session.respond(request.response(status, ErrorComment=comment))
                await data_set.drain()
                return
        elif received.has_data_set:
            await discard(session)
        event = event_of(service.event, session, received, data_set)
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
                watch = watch_request(session, event) if bound.is_cancellable else None
                response, dataset = await ask_handler(
                    session, bound, event, request, service.failed, service.failed, watch
                )
                await answer(session, event, received, response, dataset)
        finally:
            settle(session, event, is_over=True)
        if event.deferred:
            await run_deferred(session, event)


async def _judge(session: Session, data_set: IncomingDataSet, service: Service) -> tuple[int, str] | None:
    """Gather a data set; return the status and the comment to refuse it if it is too large or cut short."""
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
