"""The service provider with pynetdicom's manners: the statuses of handlers, and those of their failures.

| cause                               | C-ECHO | C-STORE | C-FIND | C-GET | C-MOVE | N-services |
|-------------------------------------|--------|---------|--------|-------|--------|------------|
| the handler raised                  | 0000H  | C211H   | C311H  | C411H | C511H  | 0110H      |
| no handler is bound                 | 0000H  | C211H   | C311H  | C411H | C511H  | 0110H      |
| a status Dataset without a Status   | 0000H  | C001H   | C001H  | C001H | C001H  | C001H      |
| no status                           | 0000H  | C002H   | C002H  | C002H | C002H  | C002H      |
| a match that cannot be encoded      |        |         | C312H  |       |        |            |
| no destination at all               |        |         |        |       | C514H  |            |
| a destination that is none          |        |         |        |       | C515H  |            |
| a number of objects that is none    |        |         |        | C413H | C513H  |            |
| more than 65535 objects             |        |         |        | C416H | C516H  |            |

What is broken is refused before a handler runs, as in the library: a data set that is not whole (C000H,
0110H) or above a limit (A700H, 0213H).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NCreateRQ,
    NDeleteRQ,
    Request,
)
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import (
    CANNOT_UNDERSTAND,
    MISSING_ATTRIBUTE,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
)
from dicomproto.encoded import IDENTIFIER_BOUNDS, NORMALIZED_BOUNDS, Bounds
from dicomproto.errors import DataSetError, DataSetTooLarge
from dicomproto.services import allowed_requests, sop_class_uids

from ..files.sources import Encoding, MemorySource, piece_size
from ..scp.answering import refuse
from ..scp.cancelling import PeerLeaves
from ..scp.data_sets import IncomingDataSet
from ..scp.results import comment_on
from . import _config
from . import events as evt
from ._answers import log_failure, reason_of, response_of, status_of
from ._globals import STATUS_SUCCESS, STATUS_WARNING
from ._logs import log_identifier
from ._queries import serve_find
from ._requests import KINDS, RequestEvent
from ._retrievals import serve_get, serve_move
from .dsutils import encode_file_meta
from .service_class import ServiceClass, StorageServiceClass
from .sop_class import uid_to_service_class
from .status import StatusDictType

if TYPE_CHECKING:
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.service_class")

MAXIMUM_DEPTH = 8
"""Most requests of one association that are served at once, each inside the one before."""

_IDENTIFIED = (CFindRQ, CGetRQ, CMoveRQ)
_QUERIES: dict[type[Request], Callable[[Session, RequestEvent, Any], Awaitable[None]]] = {
    CFindRQ: serve_find,
    CGetRQ: serve_get,
    CMoveRQ: serve_move,
}


def _bounds_of(kind: type[Request]) -> Bounds | None:
    if kind is CStoreRQ:
        return None
    return IDENTIFIER_BOUNDS if kind in _IDENTIFIED else NORMALIZED_BOUNDS


async def serve(session: Session, received: RequestReceived) -> None:
    """Serve one request of the peer to its end, data set included."""
    request = received.command
    kind = type(request)
    if session.depth > MAXIMUM_DEPTH:
        await refuse(session, received, RESOURCE_LIMITATION, "too many operations within each other")
        return
    if request.data_set_required and not received.has_data_set:
        is_composite = kind is CStoreRQ or kind in _IDENTIFIED
        await refuse(
            session, received, CANNOT_UNDERSTAND if is_composite else MISSING_ATTRIBUTE, "no data set"
        )
        return
    service = _service_of(session, received)
    if kind not in _requests_of(service):
        text = "%s is no request of the service class of '%s'"
        if service is ServiceClass:
            text = "%s: no service class is known for the SOP class '%s': see register_uid"
        LOGGER.error(text, request.name, request.sop_class_uid)
        await session.end()
        return
    data_set = IncomingDataSet(session, received, _bounds_of(kind))
    session.data_sets.append(data_set)
    if kind is CStoreRQ and _config.STORE_RECV_CHUNKED_DATASET:
        await _store_in_file(session, received, data_set)
        return
    if not request.data_set_allowed:
        await data_set.drain()
    elif (refusal := await _refusal(session, data_set)) is not None:
        status, comment = refusal
        session.respond(request.response(status, ErrorComment=comment))
        await data_set.drain()
        return
    event_kind, parameter = KINDS[request.name]
    event = RequestEvent(session.association, event_kind, data_set, parameter)
    try:
        if kind in _QUERIES:
            if _config.LOG_REQUEST_IDENTIFIERS and LOGGER.isEnabledFor(logging.DEBUG):
                log_identifier(LOGGER, "Request Identifier", data_set.dataset, wanted=True)
            await _QUERIES[kind](session, event, service)
        elif kind is CEchoRQ:
            _echo(session, event, request)
        elif kind is CStoreRQ or kind is NDeleteRQ:
            _answer_status(session, event, request, service)
        else:
            await _answer_normalized(session, event, request, service)
    except PeerLeaves:
        LOGGER.debug("The peer does not wait for the response to its %s", request.name)


async def _store_in_file(session: Session, received: RequestReceived, data_set: IncomingDataSet) -> None:
    """Write the data set of a C-STORE to a temporary file as it comes, run the handler, remove the file."""
    event = RequestEvent(session.association, evt.EVT_C_STORE, data_set, "DataSet")
    with NamedTemporaryFile(delete=False) as file:
        try:
            file.write(bytes(128) + b"DICM" + encode_file_meta(event.file_meta))
            while (chunk := await data_set.next_chunk()) is not None:
                file.write(chunk)
            file.flush()
            event.stored_at = Path(file.name)
            _answer_status(session, event, received.command, _service_of(session, received))
        finally:
            with suppress(OSError):  # a handler may hold it, or have moved it
                os.unlink(file.name)


async def _refusal(session: Session, data_set: IncomingDataSet) -> tuple[int, str] | None:
    """Gather a data set; return the status and the comment to refuse it if it cannot be used."""
    kind = type(data_set.received.command)
    is_composite = kind is CStoreRQ or kind in _IDENTIFIED
    too_large = OUT_OF_RESOURCES if is_composite else RESOURCE_LIMITATION
    try:
        if await data_set.collect():
            return None
        return too_large, data_set.excess
    except DataSetError as error:
        data_set.let_go()
        LOGGER.warning("The data set of %s cannot be used: %s", data_set.received.command.name, error)
        not_whole = CANNOT_UNDERSTAND if is_composite else PROCESSING_FAILURE
        return too_large if isinstance(error, DataSetTooLarge) else not_whole, comment_on(error)


def _service_of(session: Session, received: RequestReceived) -> type[ServiceClass]:
    """Return the service class of a request: of its SOP class, or of the one negotiated for that.

    It is `ServiceClass` if nothing is known of the SOP class.
    """
    if _config.UNRESTRICTED_STORAGE_SERVICE and isinstance(received.command, CStoreRQ):
        return StorageServiceClass
    uid = received.command.sop_class_uid
    found = uid_to_service_class(uid)
    if found is ServiceClass:
        context = session.connection.accepted_contexts[received.context_id]
        found = uid_to_service_class(context.service_class_uid or context.abstract_syntax)
    return found


_requests: dict[type[ServiceClass], frozenset[type[Request]]] = {}


def _requests_of(service: type[ServiceClass]) -> frozenset[type[Request]]:
    """Return the requests of a service class: those of any of its SOP classes."""
    known = _requests.get(service)
    if known is None:
        uids = () if service.service is None else sop_class_uids(service.service)
        known = frozenset(request for uid in uids for request in allowed_requests(uid) or ())
        _requests[service] = known
    return known


def run_handler(session: Session, event: RequestEvent) -> Any:
    """Run the handler of a request in this thread, and return its result.

    SystemExit and KeyboardInterrupt fail the request, but for C-ECHO, and where the program itself waits.
    """
    bound = event.assoc.bindings.one[event.event]
    try:
        with session.runner.running():
            return evt.call(bound, event)
    except (SystemExit, KeyboardInterrupt) as error:
        thread: object = threading.current_thread()
        if event.event is evt.EVT_C_ECHO or thread is not session.association:
            raise
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


def _echo(session: Session, event: RequestEvent, request: Request) -> None:
    code = 0x0000
    fields: dict[str, Any] = {}
    try:
        result = run_handler(session, event)
        if not session.is_established:
            return
        if not isinstance(result, int | Dataset) or (isinstance(result, Dataset) and "Status" not in result):
            raise TypeError("the handler of EVT_C_ECHO returned no status")
        code, fields = status_of(result, ServiceClass.statuses)
    except Exception as error:
        if not session.is_established:
            return
        log_failure("EVT_C_ECHO", error)
    session.respond(response_of(request, code, fields))


def _answer_status(
    session: Session, event: RequestEvent, request: Request, service: type[ServiceClass]
) -> None:
    """Run a handler that returns a status, and respond."""
    failed = 0xC211 if isinstance(request, CStoreRQ) else PROCESSING_FAILURE
    fields: dict[str, Any] = {}
    try:
        result = run_handler(session, event)
    except Exception as error:
        if not session.is_established:
            return
        log_failure(event.event.name, error)
        code = failed
    else:
        if not session.is_established:  # the handler has ended the association
            return
        code, fields = status_of(result, service.statuses)
    session.respond(response_of(request, code, fields))


async def _answer_normalized(
    session: Session, event: RequestEvent, request: Request, service: type[ServiceClass]
) -> None:
    """Run a handler that returns a status and a data set or None, and respond."""
    try:
        status, dataset = run_handler(session, event)
    except Exception as error:
        if not session.is_established:
            return
        log_failure(event.event.name, error)
        session.respond(response_of(request, PROCESSING_FAILURE))
        return
    if not session.is_established:
        return
    code, fields = status_of(status, service.statuses)
    response = response_of(request, code, fields)
    category = _category(code, service.statuses)
    if isinstance(request, NCreateRQ) and category == STATUS_SUCCESS and not request.AffectedSOPInstanceUID:
        if not isinstance(dataset, Dataset) or "AffectedSOPInstanceUID" not in dataset:
            LOGGER.error(
                "Neither the N-CREATE request nor the handler's data set has an Affected SOP Instance UID"
            )
            session.respond(response_of(request, PROCESSING_FAILURE))
            return
        response = response.replace(AffectedSOPInstanceUID=str(dataset.AffectedSOPInstanceUID))
        del dataset.AffectedSOPInstanceUID
    source = None
    if category in (STATUS_SUCCESS, STATUS_WARNING) and dataset:
        try:
            data = Encoding(session).encode(dataset, event.context.transfer_syntax)
        except Exception as error:
            LOGGER.error("The handler's data set cannot be encoded: %s", reason_of(error))
            response = response_of(request, PROCESSING_FAILURE)
        else:
            source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
            response = response.replace(CommandDataSetType=DATA_SET_PRESENT)
    await session.answer(response, source)


def _category(code: int, statuses: StatusDictType) -> str:
    return statuses[code][0] if code in statuses else ""
