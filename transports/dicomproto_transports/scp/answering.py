"""Common steps of all service providers: refuse, make the event, run the handler, read its result."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from dicomproto.dimse.commands import Request, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.errors import AssociationError

from .. import evt
from ..association.incoming_data_set import Incoming
from ..error_text import printable
from ..events.handlers import Bound
from .cancelling import PeerLeaves, report_failure, result_of_cut
from .results import dataset_of, pair_of, response_for
from .watching import HandlerCut

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..association.session import Session
    from .data_sets import IncomingDataSet
    from .watching import Watch

log: logging.Logger = logging.getLogger("dicomproto.handlers")

Q = TypeVar("Q", bound="evt.RequestEvent[Any]")


async def refuse(session: Session, received: RequestReceived, status: int, comment: str) -> None:
    """Send a failure at once, then discard the data set (PS3.7 9.3.1)."""
    session.respond(received.command.response(status, ErrorComment=comment))
    if received.has_data_set:
        await discard(session)


async def discard(session: Session) -> None:
    """Read the data set of the request to its end, without use for it."""
    await Incoming(session, session.held_bytes, session.maximum_collected).drain()


def event_of(
    kind: evt.EventKind[Q], session: Session, received: RequestReceived, data_set: IncomingDataSet | None
) -> Q:
    """Return the event of a request, for the handler of its kind."""
    context = session.connection.accepted_contexts[received.context_id]
    return kind.event_class(
        kind, session.association, received.command, context, received.warnings, session.runner, data_set
    )


async def ask_handler(
    session: Session,
    bound: Bound,
    event: evt.RequestEvent,
    request: Request,
    failed: int,
    nonsense: int,
    watch: Watch | None = None,
) -> tuple[Response, Dataset | None]:
    """Run the handler; return the response and the data set that its result stands for.

    Raises PeerLeaves if the `watch` has cancelled it.
    """
    try:
        if watch is None:
            result = await session.runner.run(bound, event)
        else:
            step = watch.step
            result = await watch.run(lambda: session.runner.run(bound, event, step=step))
    except HandlerCut as cut:
        result_of_cut(session, event, cut)
        raise PeerLeaves from None
    except Exception as error:
        code, comment = report_failure(session, event, error, failed)
        return request.response(code, ErrorComment=comment), None
    if type(result) is int and not result:
        return request.response(), None
    try:
        status, dataset = pair_of(result)
        return response_for(request, status), dataset_of(dataset)
    except Exception as error:  # a property of the result may raise as well
        what = "%s: the handler of %s returned %s"
        log.error(what, session.peer_name, event.event.name, printable(str(error)))
        event.drop_deferred()
        return request.response(nonsense, ErrorComment="the handler returned no status"), None


async def run_deferred(session: Session, event: evt.RequestEvent) -> None:
    """Run the functions given to `event.after_response`, and those that they add."""
    await session.send_all()
    while event.deferred:
        function, args = event.take_deferred()
        try:
            await session.runner.run(Bound(handler=function, args=args), session.association)
        except Exception as error:
            if session.ending.terminal is not None and isinstance(error, AssociationError):
                raise
            peer, name = session.peer_name, event.event.name
            if session.runner.explains(error):
                what = "%s: what was to happen after the response to %s ended with the association (%s)"
                log.info(what, peer, name, type(error).__name__)
            else:
                log.exception("%s: what was to happen after the response to %s failed", peer, name)
