"""C-STORE as a provider: the object whole, or in chunks as it arrives (PS3.7 9.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, SOP_CLASS_NOT_SUPPORTED, Category

from .. import evt
from ..events.handlers import is_coroutine_function
from .answering import ask_handler, event_of, refuse, run_deferred
from .cancelling import settle
from .data_sets import IncomingStore
from .watching import watch_request, watch_stream

if TYPE_CHECKING:
    from ..association.session import Session

STORE_HANDLER_FAILED = 0xC211
STORE_STATUS_UNKNOWN = 0xC002


async def serve_store(session: Session, received: RequestReceived) -> None:
    """Answer one C-STORE request, its data set included."""
    handlers = session.runner.handlers
    bound = handlers.one(evt.EVT_C_STORE_STREAM)
    kind = evt.EVT_C_STORE_STREAM if bound else evt.EVT_C_STORE
    bound = bound or handlers.one(kind)
    if bound is None:
        await refuse(session, received, SOP_CLASS_NOT_SUPPORTED, "no storage service here")
        return
    if not received.has_data_set:
        await refuse(session, received, CANNOT_UNDERSTAND, "no data set")
        return
    store = IncomingStore(session, received, is_streamed=kind is evt.EVT_C_STORE_STREAM)
    session.data_sets.append(store)
    if not store.is_streamed and not await store.collect():
        store.refuse(OUT_OF_RESOURCES, store.excess)
        await store.drain()
        return
    event = event_of(kind, session, received, store)
    request = received.command
    watch = None
    if store.is_streamed and is_coroutine_function(bound.handler):
        watch = watch_stream(session, event, store, is_cancellable=bound.is_cancellable)
    elif bound.is_cancellable:
        watch = watch_request(session, event)
    try:
        response, _ = await ask_handler(
            session, bound, event, request, STORE_HANDLER_FAILED, STORE_STATUS_UNKNOWN, watch
        )
        if store.is_refused:
            await store.drain()
        elif response.category is Category.FAILURE:
            session.respond(response)
            await store.drain()
        else:
            # Success or a warning means that the whole data set was received (PS3.7 9.3.1).
            await store.drain()
            session.respond(response)
    finally:
        settle(session, event, is_over=True)
    if event.deferred:
        await run_deferred(session, event)
