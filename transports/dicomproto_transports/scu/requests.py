"""Common steps of all service users: the context of a request, its data set, the data set of the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from dicomproto.dimse.commands import DATA_SET_PRESENT, AnsweredBy, Request, Response
from dicomproto.encoded import NORMALIZED_BOUNDS
from dicomproto.errors import DataSetError, LocalProtocolError, NoAcceptedContext

from .. import arguments
from ..error_text import uid_named
from ..files.sources import Encoding, MemorySource, piece_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomproto.negotiation import AcceptedContext

    from ..association.operations import Reply
    from ..association.session import Session


R = TypeVar("R", bound=Response)


def context_for(session: Session, request: Request, meta_uid: str | None = None) -> AcceptedContext:
    """Return the context to send a request on; raises NoAcceptedContext."""
    key = type(request), request.sop_class_uid, meta_uid, request.type_id
    context = session.contexts.get(key)
    if context is None:
        match = session.connection.find_request_context(*key)
        if match.context is None:
            reasons = "; ".join(match.reasons)
            raise NoAcceptedContext(f"{request.name} for SOP class {uid_named(key[1])}: {reasons}")
        context = session.contexts[key] = match.context
    return context


def call_of(request: Request) -> str:
    """Return the name of the method that sends a request."""
    return f"send_{request.name.removesuffix('-RQ').lower().replace('-', '_')}"


async def ask(
    session: Session, request: AnsweredBy[R], dataset: Dataset | None, meta_uid: str | None
) -> tuple[R, Dataset | None]:
    """Send a request of the normalized services; return the response and its data set."""
    if dataset is not None:
        dataset = arguments.data_set(dataset, call_of(request))
    if meta_uid is not None:
        meta_uid = arguments.uid("meta_uid", meta_uid)
    session.enter(request.name)
    try:
        context, source = context_for(session, request, meta_uid), None
        if dataset is None and type(request).data_set_required:
            raise LocalProtocolError(f"{request.name} needs a data set; it may be empty")
        if dataset is not None and (dataset or type(request).data_set_required):
            data = Encoding(session).encode(dataset, context.transfer_syntax)
            source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
            request = request.replace(CommandDataSetType=DATA_SET_PRESENT)
        reply = await session.call(request, context.context_id, source)
    finally:
        session.leave()
    return reply.response, decoded(session, reply)


def decoded(session: Session, reply: Reply[Any]) -> Dataset | None:
    """Return the data set of a response; None if there is none, or it is empty. Raises DataSetError."""
    if reply.data is None or not len(reply.data):
        return None
    from dicomproto.datasets import decode_noting_text

    try:
        dataset, extended = decode_noting_text(
            reply.data,
            reply.transfer_syntax,
            inflate_limit=session.connection.limits.collect,
            bounds=NORMALIZED_BOUNDS,
        )
    except DataSetError as error:
        error.response = reply.response
        raise
    session.text.settle(dataset, extended, session.peer_name)
    return dataset if len(dataset) else None
