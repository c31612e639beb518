"""Normalized services as a provider: the response of a handler with its data set (PS3.7 10.1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dicomproto.dimse.commands import DATA_SET_PRESENT, NCreateRQ, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import PROCESSING_FAILURE, Category
from dicomproto.uids import is_valid_uid

from .. import evt
from ..error_text import printable
from ..files.sources import Encoding, MemorySource, piece_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..association.session import Session

log: logging.Logger = logging.getLogger("dicomproto.handlers")


async def answer(
    session: Session,
    event: evt.RequestEvent,
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
            data = Encoding(session).encode(dataset, event.accepted_context.transfer_syntax)
            source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
            response = response.replace(CommandDataSetType=DATA_SET_PRESENT)
    except Exception as error:
        what = "%s: what the handler of %s returned cannot be sent: %s"
        log.error(what, session.peer_name, event.event.name, printable(str(error)))
        event.drop_deferred()
        comment = "the handler's data set cannot be sent"
        response, source = request.response(PROCESSING_FAILURE, ErrorComment=comment), None
    if source is None:
        session.respond(response)
    else:
        await session.answer(response, source)


def _created(
    request: NCreateRQ, response: Response, dataset: Dataset | None
) -> tuple[Response, Dataset | None]:
    """Move the UID that the handler chose from its data set to the response (PS3.7 10.1.5.1.4)."""
    from dicomproto.quiet import Quiet

    from ..files.bulk_data import copied

    with Quiet():
        uid = None if dataset is None else dataset.get("AffectedSOPInstanceUID")
    if dataset is not None and "AffectedSOPInstanceUID" in dataset:
        dataset = copied(dataset)  # the handler's data set is not changed
        del dataset.AffectedSOPInstanceUID
    if request.sop_instance_uid:
        return response, dataset
    if not uid:
        raise ValueError("the request has no SOP Instance UID, so AffectedSOPInstanceUID is needed")
    if not is_valid_uid(str(uid)):
        raise ValueError("its AffectedSOPInstanceUID is no UID")
    return response.replace(AffectedSOPInstanceUID=str(uid)), dataset
