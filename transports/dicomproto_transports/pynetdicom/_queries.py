"""C-FIND as a provider: the results of a handler as responses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import DATA_SET_PRESENT, Response

from ..files.sources import Encoding, MemorySource, piece_size
from ..scp.cancelling import poll_peer
from . import _config
from . import events as evt
from ._answers import log_failure, reason_of, response_of, status_of
from ._globals import STATUS_PENDING, STATUS_WARNING
from ._logs import log_identifier
from ._requests import RequestEvent
from .service_class import RelevantPatientInformationQueryServiceClass, ServiceClass
from .status import StatusDictType

if TYPE_CHECKING:
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.service_class")

HANDLER_FAILED = 0xC311
CANNOT_ENCODE = 0xC312


class Ended(Exception):
    """The handler has ended the association, or it has ended meanwhile."""


class Results:
    """The results of the handler of one request, taken one by one, each with the handler running."""

    def __init__(self, session: Session, event: RequestEvent) -> None:
        self._session = session
        self._event = event
        self._iterator: Iterator[Any] | None = None

    def begin(self) -> bool:
        """Call the handler; False if it returned None."""
        bound = self._event.assoc.bindings.one[self._event.event]
        with self._session.runner.running():
            result = evt.call(bound, self._event)
            if result is not None:
                self._iterator = iter(result)
        self.check()
        return result is not None

    def next(self) -> Any:
        """Return the next result; StopAsyncIteration after the last."""
        iterator = self._iterator
        if iterator is None:
            raise StopAsyncIteration
        with self._session.runner.running():
            try:
                return next(iterator)
            except StopIteration:
                raise StopAsyncIteration from None

    def check(self) -> None:
        """Raise `Ended` if the association is over."""
        if not self._session.is_established:
            raise Ended

    def close(self) -> None:
        """Close the handler, if it is a generator that has not ended."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            try:
                with self._session.runner.running():
                    close()
            except Exception as error:
                log_failure(self._event.event.name, error)


async def serve_find(session: Session, event: RequestEvent, service: type[ServiceClass]) -> None:
    """Answer one C-FIND request, to its final response."""
    request, results = event.command, Results(session, event)
    has_one_at_most = issubclass(service, RelevantPatientInformationQueryServiceClass)
    try:
        final = await _send_matches(session, event, results, service.statuses, only_one=has_one_at_most)
    except Ended:
        return
    finally:
        results.close()
    session.respond(final if isinstance(final, Response) else request.response(final))


async def _send_matches(
    session: Session,
    event: RequestEvent,
    results: Results,
    statuses: StatusDictType,
    *,
    only_one: bool,
) -> Response | int:
    """Send the pending responses, and return the final one or its status.

    A warning does not end the handler, but an operation has one final response: it comes after the matches.
    """
    request, encoding = event.command, Encoding(session)
    final: Response | int = 0x0000
    try:
        if not results.begin():
            return final
    except Ended:
        raise
    except Exception as error:
        results.check()
        log_failure("EVT_C_FIND", error)
        return HANDLER_FAILED
    while isinstance(result := await _next_result(session, results), tuple):
        given, dataset = result
        code, fields = status_of(given, statuses)
        category = statuses[code][0] if code in statuses else ""
        response = response_of(request, code, fields)
        if category == STATUS_WARNING and not only_one:
            final = response
            continue
        if category != STATUS_PENDING:
            return response
        match = _match(session, event, response, dataset, encoding)
        if match is None:
            return CANNOT_ENCODE
        await session.answer(*match)
        await session.send_queued()
        if only_one:
            return 0x0000
    return result or final


async def _next_result(session: Session, results: Results) -> tuple[Any, Any] | int:
    """Return the status and the data set that a handler yields next; the final status after the last."""
    failure = None
    found: tuple[Any, Any] | int = 0x0000
    try:
        given, dataset = results.next()
        found = given, dataset
    except StopAsyncIteration:
        pass
    except Exception as error:
        failure, found = error, HANDLER_FAILED
    results.check()
    await poll_peer(session)
    if failure is not None:
        log_failure("EVT_C_FIND", failure)
    return found


def _match(
    session: Session, event: RequestEvent, response: Response, dataset: Any, encoding: Encoding
) -> tuple[Response, MemorySource] | None:
    """Return a pending response with its identifier; None if that is empty or cannot be encoded."""
    data = b""
    if isinstance(dataset, Dataset):
        try:
            data = encoding.encode(dataset, event.context.transfer_syntax)
        except Exception as error:
            LOGGER.error("The match cannot be encoded: %s", reason_of(error))
            return None
        else:
            log_identifier(LOGGER, "Response Identifier", dataset, wanted=_config.LOG_RESPONSE_IDENTIFIERS)
    if not data:
        LOGGER.error("The handler yields a match without elements, or none")
        return None
    size = piece_size(session.connection.peer_maximum_length)
    return response.replace(CommandDataSetType=DATA_SET_PRESENT), MemorySource(data, size)
