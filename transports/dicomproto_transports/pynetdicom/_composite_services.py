"""The requests of the composite services (PS3.7 clause 9) that an association sends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomproto.dimse.commands import CEchoRQ, CFindRQ, CGetRQ, CMoveRQ, Request, Response
from dicomproto.errors import AssociationError, DataSetError, LocalProtocolError

from ..files.sources import piece_size
from ..scu.requests import decoded
from ..scu.responses import Responses
from ..scu.store import make_request
from ..streams.blocking_waits import run
from . import _config
from ._globals import STATUS_CANCEL, STATUS_FAILURE, STATUS_PENDING, STATUS_WARNING
from ._link import Link, check_numbers, encoded
from ._logs import log_identifier
from ._objects import object_to_send
from ._statuses import status_data_set
from .sop_class import Verification
from .status import code_to_category

if TYPE_CHECKING:
    from ..association.operations import Reply
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.association")

_IDENTIFIED = (STATUS_PENDING,)
_WITH_FAILED_LIST = (STATUS_CANCEL, STATUS_WARNING, STATUS_FAILURE)
"""The categories of responses with an identifier, to a C-FIND and to a C-GET or C-MOVE."""


class CompositeServices(Link):
    """The association as user of C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE."""

    def send_c_echo(self, msg_id: int = 1) -> Dataset:
        """Send a C-ECHO; returns the status, empty if there is no response.

        Raises RuntimeError unless the association is established, and ValueError without an accepted context.
        """
        session = self.established("a C-ECHO")
        context = self.contexts.find(Verification)
        check_numbers(msg_id)
        LOGGER.info("Sending Echo Request: MsgID %s", msg_id)
        request = CEchoRQ(MessageID=msg_id, AffectedSOPClassUID=Verification)
        reply = self.in_turn(session, "send_c_echo", session.call(request, context.context_id or 0))
        return Dataset() if reply is None else status_data_set(reply.response)

    def send_c_store(
        self,
        dataset: str | Path | Dataset,
        msg_id: int = 1,
        priority: int = 2,
        originator_aet: str | None = None,
        originator_id: int | None = None,
    ) -> Dataset:
        """Send an object, or the file of one, with C-STORE; returns the status, empty without a response.

        A file is streamed unchanged if its transfer syntax was accepted. Raises AttributeError for a data set
        that lacks something, and as `send_c_echo`.
        """
        session = self.established("a C-STORE")
        return self._store(session, "send_c_store", dataset, msg_id, priority, originator_aet, originator_id)

    def store(self, dataset: Dataset, msg_id: int) -> Dataset:
        """Send an object as a sub-operation of a C-GET, in the turn of the association's thread."""
        return self._store(self.established("a C-STORE"), "", dataset, msg_id, 2, None, None)

    def _store(
        self,
        session: Session,
        what: str,
        dataset: str | Path | Dataset,
        msg_id: int,
        priority: int,
        originator_aet: str | None,
        originator_id: int | None,
    ) -> Dataset:
        check_numbers(msg_id, priority)
        item, converts = object_to_send(dataset)
        try:
            context = self.contexts.find(item.sop_class_uid, item.transfer_syntax_uid, converts=converts)
            syntax = context.transfer_syntax[0]
            size = piece_size(session.connection.peer_maximum_length)
            try:
                if syntax == item.transfer_syntax_uid:
                    source = item.source(size, session.piece_buffers, session)
                else:
                    source = item.converted(syntax, size, session)
            except DataSetError as error:
                text = f"Failed to encode the supplied dataset: {error}"
                LOGGER.error(text)
                raise ValueError(text) from error
            request = make_request(
                MessageID=msg_id,
                AffectedSOPClassUID=item.sop_class_uid,
                AffectedSOPInstanceUID=item.sop_instance_uid,
                Priority=priority,
                MoveOriginatorApplicationEntityTitle=originator_aet and title_in_message(originator_aet),
                MoveOriginatorMessageID=originator_id,
            )
            call = session.call(request, context.context_id or 0, source)
            if what:
                reply = self.in_turn(session, what, call)
            else:
                reply = run(call)
        finally:
            item.close()
        return Dataset() if reply is None else status_data_set(reply.response)

    def send_c_cancel(
        self, msg_id: int, context_id: int | None = None, query_model: str | UID | None = None
    ) -> None:
        """Send a C-CANCEL for the operation with a Message ID.

        Raises ValueError without `context_id` and `query_model`, and as `send_c_echo`.
        """
        session = self.established("a C-CANCEL")
        if isinstance(query_model, str):
            self.contexts.find(query_model)
        elif not isinstance(context_id, int):
            raise ValueError(
                "'send_c_cancel' requires either the 'query_model' used for the service request or the "
                "corresponding 'context_id'"
            )
        LOGGER.info("Sending C-CANCEL request")
        with self.turns:
            try:
                run(session.cancel(msg_id))
            except LocalProtocolError as error:
                LOGGER.warning("No C-CANCEL was sent: %s", error)

    def send_c_find(
        self, dataset: Dataset, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-FIND; returns an iterator over (status, identifier or None).

        The status is empty if there is no response. Raises ValueError if the data set cannot be encoded, and
        as `send_c_echo`.
        """
        return self._query(CFindRQ, dataset, query_model, msg_id, priority)

    def send_c_get(
        self, dataset: Dataset, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-GET; returns an iterator as `send_c_find`. EVT_C_STORE handles the objects."""
        return self._query(CGetRQ, dataset, query_model, msg_id, priority)

    def send_c_move(
        self, dataset: Dataset, move_aet: str, query_model: str | UID, msg_id: int = 1, priority: int = 2
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a C-MOVE to the AE `move_aet`; returns an iterator as `send_c_find`."""
        destination = title_in_message(move_aet)
        return self._query(CMoveRQ, dataset, query_model, msg_id, priority, MoveDestination=destination)

    def _query(
        self,
        kind: type[CFindRQ] | type[CGetRQ] | type[CMoveRQ],
        dataset: Dataset,
        query_model: str | UID,
        msg_id: int,
        priority: int,
        **values: Any,
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Send a request with an identifier; returns an iterator over its responses."""
        session = self.established(f"a {kind.name.removesuffix('-RQ')}")
        context = self.contexts.find(query_model)
        data = encoded(session, dataset, context, "Dataset" if kind is CFindRQ else "Identifier dataset")
        check_numbers(msg_id, priority)
        request = kind(MessageID=msg_id, AffectedSOPClassUID=str(query_model), Priority=priority, **values)
        log_identifier(LOGGER, "Request Identifier", dataset, wanted=_config.LOG_REQUEST_IDENTIFIERS)
        LOGGER.info("Sending %s: MsgID %s", request.name, msg_id)
        accepted = session.connection.accepted_contexts[context.context_id or 0]
        responses: Responses[Any] = Responses(session, request, accepted, data)
        with self.turns:
            try:
                run(responses.begin())
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
        return self._iterate(session, responses, request)

    def _iterate(
        self, session: Session, responses: Responses[Any], request: Request
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        reply: Reply[Any] | None
        while True:
            try:
                with self.turns:
                    reply = run(responses.next_reply())
            except AssociationError as error:
                LOGGER.error("No response: %s", error)
                yield Dataset(), None
                return
            if reply is None:
                return
            response: Response = reply.response
            status, identifier = status_data_set(response), None
            category = code_to_category(response.Status)
            if category in (_IDENTIFIED if isinstance(request, CFindRQ) else _WITH_FAILED_LIST):
                try:
                    identifier = decoded(session, reply) or Dataset()
                except DataSetError as error:
                    LOGGER.error("Failed to decode the received Identifier dataset: %s", error)
            wanted = _config.LOG_RESPONSE_IDENTIFIERS
            log_identifier(LOGGER, "Response Identifier", identifier, wanted=wanted)
            yield status, identifier
            if reply.is_final:
                return


def title_in_message(title: str) -> str:
    """Return an AE title as `_config.USE_SHORT_DIMSE_AET` wants it in a message."""
    return title if _config.USE_SHORT_DIMSE_AET else title.ljust(16)
