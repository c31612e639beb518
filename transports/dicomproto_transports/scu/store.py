"""C-STORE as a user: the presentation context and transfer syntax for one object (PS3.7 9.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dicomproto.dimse.commands import LOW, CStoreRQ, CStoreRSP
from dicomproto.errors import NoAcceptedContext
from dicomproto.negotiation import AcceptedContext, ContextMatch, find_context
from dicomproto.record import maker_of
from dicomproto.upper_layer.events import Role

from ..error_text import uid_named
from ..files.sources import Source, piece_size

if TYPE_CHECKING:
    from dicomproto.connection import Connection

    from ..association.session import Session
    from ..files.objects import ObjectToSend

make_request: Final = maker_of(CStoreRQ)


def choose_context(connection: Connection, item: ObjectToSend, *, never_convert: bool) -> AcceptedContext:
    """Return the context to send an object on; raises NoAcceptedContext, which names similar contexts."""
    by_requestor = connection.role is Role.REQUESTOR
    accepted, sop_class, syntax = connection.accepted_contexts, item.sop_class_uid, item.transfer_syntax_uid
    match = find_context(accepted, sop_class, syntax, by_requestor=by_requestor)
    if match.context is not None:
        return match.context
    if match.alternatives and not never_convert:
        return match.alternatives[0]
    rejected = connection.rejected_contexts
    match = find_context(accepted, sop_class, syntax, by_requestor=by_requestor, rejected=rejected)
    raise NoAcceptedContext(_no_context(item, match, never_convert))


def _no_context(item: ObjectToSend, match: ContextMatch, never_convert: bool) -> str:
    sop_class, syntax = uid_named(item.sop_class_uid), uid_named(item.transfer_syntax_uid)
    text = f"SOP class {sop_class} cannot be sent in transfer syntax {syntax}"
    if match.alternatives and never_convert:
        text += " and may not be converted"
    return f"{text}: {'; '.join(match.reasons)}"


async def store(
    session: Session,
    item: ObjectToSend,
    *,
    msg_id: int = 0,
    priority: int = LOW,
    originator_aet: str | None = None,
    originator_id: int | None = None,
    never_convert: bool = False,
) -> CStoreRSP:
    """Send one object with C-STORE and return the response; see `send_c_store`."""
    context, source = placed(session, item, never_convert=never_convert)
    request = make_request(
        MessageID=msg_id,
        AffectedSOPClassUID=item.sop_class_uid,
        AffectedSOPInstanceUID=item.sop_instance_uid,
        Priority=priority,
        MoveOriginatorApplicationEntityTitle=originator_aet,
        MoveOriginatorMessageID=originator_id,
    )
    response = (await session.call(request, context.context_id, source)).response
    return with_warnings(response, item)


def placed(session: Session, item: ObjectToSend, *, never_convert: bool) -> tuple[AcceptedContext, Source]:
    """Return the context to send an object on, and its data set in the transfer syntax of the context."""
    connection = session.connection
    key = (item.sop_class_uid, item.transfer_syntax_uid, never_convert)
    context = session.contexts.get(key)
    if context is None:
        context = choose_context(connection, item, never_convert=never_convert)
        session.contexts[key] = context
    size = piece_size(connection.peer_maximum_length)
    if context.transfer_syntax == item.transfer_syntax_uid:
        return context, item.source(size, session.piece_buffers, session)
    return context, item.converted(context.transfer_syntax, size, session)


def with_warnings(response: CStoreRSP, item: ObjectToSend) -> CStoreRSP:
    """Return the response with the warnings about the sent object."""
    return response.replace(warnings=item.warnings + response.warnings) if item.warnings else response
