"""C-FIND as a provider: one pending response for each match of the handler (PS3.7 9.1.2, PS3.4 C.4.1).

The matches of a quick handler leave together. Input is read between two sends. A C-CANCEL is answered with
FE00H: the handler may yield that when it sees `event.is_cancelled`; if it yields another match, the library
sends FE00H instead. A release or the end of the association closes the handler, and nothing more is sent.
"""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING

from dicomproto.dimse.commands import DATA_SET_PRESENT, Request, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import CANCEL, Category, category_of
from dicomproto.services import ServiceClass

from .. import evt
from ..error_text import printable
from ..files.sources import Encoding, MemorySource, piece_size
from ..streams.interface import sends_at_once
from .cancelling import PeerLeaves, final_result, poll_peer, report_failure, result_of_cut, settle
from .result_iterator import ResultIterator
from .results import END, encode_identifier, fields_of, identifier_of, pair_of, response_for, status_of
from .watching import HandlerCut

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.negotiation import AcceptedContext
    from dicomproto.services import SOPClassRegistry

    from ..association.session import Session
    from ..events.handlers import Bound

log: logging.Logger = logging.getLogger("dicomproto.handlers")

CANNOT_ENCODE = 0xC312
MORE_THAN_ONE_MATCH = 0xC100

FINAL = frozenset((Category.SUCCESS, Category.WARNING, Category.FAILURE, Category.CANCEL))


_MOST_WAITING = 64 * 1024
"""Most bytes of matches that wait for each other."""

_LONGEST_WAIT = 0.001
"""Seconds for which they wait."""

_QUICK = 0.0005
"""Seconds that a handler takes for a match, at most, for which the matches before it wait."""


async def serve_find(
    session: Session,
    received: RequestReceived,
    bound: Bound,
    event: evt.RequestEvent,
    *,
    failed: int,
    sop_classes: SOPClassRegistry,
) -> None:
    """Answer one C-FIND request, to its final response."""
    results = ResultIterator(session, bound, event, takes_status=True)
    has_one_at_most = _has_one_at_most(sop_classes, event.accepted_context)
    request = received.command
    try:
        response = await results.run(
            lambda: _send_matches(session, request, results, event, failed, has_one_at_most)
        )
    except HandlerCut as cut:
        status, _ = result_of_cut(session, event, cut)
        response = response_for(request, status, FINAL)
    settle(session, event)
    session.respond(response)


async def _send_matches(
    session: Session,
    request: Request,
    results: ResultIterator,
    event: evt.RequestEvent,
    failed: int,
    has_one_at_most: bool,
) -> Response:
    """Send the pending responses and return the final one."""
    only: tuple[Response, bytes] | None = None  # the one match, held back until no other follows
    encoding, matches = Encoding(session), _Matches(session)
    while True:
        try:
            result = await results.next()
            if not matches.are_waiting:
                await poll_peer(session)
            if result is END:
                # A cancelled handler may have ended early: that is no success.
                result = CANCEL if request.MessageID in session.driver.cancelled else 0
            status, identifier = pair_of(result)
            is_pending = category_of(status_of(status)) is Category.PENDING
            if is_pending and request.MessageID in session.driver.cancelled:
                status, _ = await final_result(results)
                identifier = None  # a match after a cancel
            final = None
            if category_of(status_of(status)) is not Category.PENDING:
                final = response_for(request, status, FINAL)
            identifier = identifier_of(identifier)
        except PeerLeaves:
            raise
        except Exception as error:
            code, comment = report_failure(session, event, error, failed)
            return request.response(code, ErrorComment=comment)
        if final is not None:
            if identifier:
                _tell_unsent(session, event, final)
            if only is not None and final.category in (Category.SUCCESS, Category.WARNING):
                await matches.send(*only)
            return final
        if only is not None:
            event.drop_deferred()
            return request.response(MORE_THAN_ONE_MATCH, ErrorComment="more than one match found")
        try:
            match = _match(event, request, status, identifier, encoding)
        except Exception as error:
            return _unsendable(session, event, request, error)
        if has_one_at_most:
            only = match
            continue
        await matches.send(*match)


class _Matches:
    """The matches of one query: those that its handler gives in quick succession are sent together."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._size = piece_size(session.connection.peer_maximum_length)
        self._waiting = 0  # bytes
        self._since = self._asked = -inf
        self._may_wait = sends_at_once(session.stream)  # when the handler waits, they leave without a wait

    @property
    def are_waiting(self) -> bool:
        """Whether there are matches that will be sent with the next ones."""
        return self._waiting > 0

    async def send(self, response: Response, data: bytes) -> None:
        """Send a match, now or with the next ones."""
        session = self._session
        await session.answer(response, MemorySource(data, self._size))
        now = session.stream.now()
        if not self._waiting:
            self._since = now
        self._waiting += len(data)
        is_quick = self._may_wait and now - self._asked < _QUICK
        if not is_quick or self._waiting >= _MOST_WAITING or now - self._since >= _LONGEST_WAIT:
            await session.send_queued()
            self._waiting = 0
            now = session.stream.now()
        self._asked = now


def _unsendable(session: Session, event: evt.RequestEvent, request: Request, error: Exception) -> Response:
    """Log that a match cannot be encoded, and return the final response."""
    what = "%s: a match of %s cannot be sent: %s"
    log.error(what, session.peer_name, event.event.name, printable(str(error)))
    event.drop_deferred()
    return request.response(CANNOT_ENCODE, ErrorComment="a match cannot be encoded")


def _tell_unsent(session: Session, event: evt.Event, final: Response) -> None:
    """Log that a data set beside a final status is not sent."""
    what = "%s: what %s gave beside the final status %s is not sent; a match comes beside FF00H"
    log.warning(what, session.peer_name, event.event.name, f"{final.Status:04X}H")


def _has_one_at_most(sop_classes: SOPClassRegistry, context: AcceptedContext) -> bool:
    """Tell whether a query has one match or none: several are a failure (PS3.4 Q.4)."""
    known = sop_classes.find(context.abstract_syntax, context.service_class_uid)
    return known is not None and known.service_class is ServiceClass.RELEVANT_PATIENT_INFORMATION_QUERY


def _match(
    event: evt.RequestEvent,
    request: Request,
    status: object,
    identifier: Dataset | bytes | None,
    encoding: Encoding,
) -> tuple[Response, bytes]:
    if not identifier:
        raise ValueError("a pending status needs an identifier that is not empty")
    data = encode_identifier(identifier, encoding, event.accepted_context.transfer_syntax)
    response = request.response(status_of(status), CommandDataSetType=DATA_SET_PRESENT, **fields_of(status))
    return response, data
