"""Providing C-FIND: what the handler yields, one pending response each (PS3.7 9.1.2, PS3.4 C.4.1).

The peer is listened to between two matches. A C-CANCEL is answered with FE00H: by the handler, which
sees `event.is_cancelled` when it is asked for more, or for it, when it yields another match instead.
A release or the end of the association closes the handler where it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from dicomproto.dimse.commands import DATA_SET_PRESENT, Request, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import Category, category_of
from dicomproto.errors import AssociationError
from dicomproto.services import ServiceClass

from . import evt
from ._outgoing import MemorySource, piece_size
from ._results import comment_of, dataset_of, fields_of, pair_of, response_for, status_of
from ._steps import END, Steps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ._operating import Operating

log = logging.getLogger("dicomproto.handlers")

CANCEL = 0xFE00
CANNOT_ENCODE = 0xC312
MORE_THAN_ONE_MATCH = 0xC100

FINAL = frozenset((Category.SUCCESS, Category.WARNING, Category.FAILURE, Category.CANCEL))


async def serve_find(
    association: Operating, received: RequestReceived, bound: evt.Bound, event: evt.Event, *, failed: int
) -> None:
    """Answer one C-FIND request, to its final response."""
    steps = Steps(association, bound, event, takes_status=True)
    try:
        response = await _send_matches(association, received, steps, event, failed)
    finally:
        await steps.close()
    association.respond(response)


async def _send_matches(
    association: Operating, received: RequestReceived, steps: Steps, event: evt.Event, failed: int
) -> Response:
    """Send the pending responses and return the final one."""
    request = received.command
    has_one_at_most = _has_one_at_most(association, received)
    only: tuple[Response, MemorySource] | None = None  # of these, until it is known that no other comes
    while True:
        try:
            result = await steps.next()
            await give_way(association)
            if result is END:
                # What was cancelled may have ended early, so that it is no success.
                result = CANCEL if request.MessageID in association.cancelled else 0
            status, dataset = pair_of(result)
            is_pending = category_of(status_of(status)) is Category.PENDING
            if is_pending and request.MessageID in association.cancelled:
                status, _ = await last_word(steps)
            final = None
            if category_of(status_of(status)) is not Category.PENDING:
                final = response_for(request, status, FINAL)
            dataset = dataset_of(dataset)
        except Exception as error:
            return failure(association, request, event, error, failed)
        if final is not None:
            if only is not None and final.category in (Category.SUCCESS, Category.WARNING):
                await association.answer(*only)
            return final
        if only is not None:
            event.deferred = ()
            return request.response(MORE_THAN_ONE_MATCH, ErrorComment="more than one match found")
        try:
            match = _match(association, event, request, status, dataset)
        except Exception as error:
            log.error("a match of %s cannot be sent: %s", event.event.name, error)
            event.deferred = ()
            return request.response(CANNOT_ENCODE, ErrorComment="a match cannot be encoded")
        if has_one_at_most:
            only = match
            continue
        await association.answer(*match)
        await association.send_queued()


def _has_one_at_most(association: Operating, received: RequestReceived) -> bool:
    """Tell whether a query has one match or none: several are a failure (PS3.4 Q.4)."""
    context = association.connection.accepted_contexts[received.context_id]
    known = association.settings.sop_classes.find(context.abstract_syntax, context.service_class_uid)
    return known is not None and known.service_class is ServiceClass.RELEVANT_PATIENT_INFORMATION_QUERY


def _match(
    association: Operating, event: evt.Event, request: Request, status: object, dataset: Dataset | None
) -> tuple[Response, MemorySource]:
    from dicomproto.datasets import encode_data_set

    if not dataset:
        raise ValueError("a pending status needs an identifier that is not empty")
    data = encode_data_set(dataset, event.context.transfer_syntax)
    response = request.response(status_of(status), CommandDataSetType=DATA_SET_PRESENT, **fields_of(status))
    return response, MemorySource(data, piece_size(association.connection.peer_maximum_length))


# --- what C-GET and C-MOVE share with it ----------------------------------------------------------


def cancel_watch(association: Operating, request: Request, bound: evt.Bound) -> Callable[[], bool]:
    """Return what tells whether the request was cancelled, for `event.is_cancelled`."""

    def is_cancelled() -> bool:
        association.look_ahead()
        return request.MessageID in association.cancelled

    if not bound.in_thread:
        return is_cancelled

    def is_cancelled_elsewhere() -> bool:
        # Another thread does not touch the connection; the task of the association waits for it meanwhile.
        try:
            return association.backend.from_thread(is_cancelled)
        except RuntimeError:  # a thread of the handler's own, or the loop is over
            return request.MessageID in association.cancelled

    return is_cancelled_elsewhere


async def last_word(steps: Steps) -> tuple[object, object]:
    """Let a handler that was cancelled see that; return the final status, and what comes with it.

    It is what the handler yields now; if it goes on, or ends without a word, FE00H and None.
    """
    result = await steps.next()
    status, beside = (CANCEL, None) if result is END else pair_of(result)
    return (CANCEL, None) if category_of(status_of(status)) is Category.PENDING else (status, beside)


async def give_way(association: Operating) -> None:
    """Hear what the peer has to say; a release or the end of the association is acted on, and raises."""
    if not association.look_ahead():
        while True:
            await association.dispatch(await association.next_event())
    await association.take_turn()


def failure(
    association: Operating, request: Request, event: evt.Event, error: Exception, status: int
) -> Response:
    """Return the response for a handler that raised, or yielded nonsense."""
    if association.terminal is not None and isinstance(error, AssociationError):
        raise error
    log.error("the handler of %s failed: %s", event.event.name, error, exc_info=error)
    event.deferred = ()
    comment = comment_of(f"{type(error).__name__} in the handler")
    return request.response(status, ErrorComment=comment)
