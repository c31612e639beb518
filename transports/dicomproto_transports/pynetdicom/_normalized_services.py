"""The requests of the normalized services (PS3.7 clause 10) that an association sends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
)
from dicomproto.errors import DataSetError

from ..files.sources import MemorySource, piece_size
from ..scu.requests import decoded
from ._globals import STATUS_SUCCESS, STATUS_WARNING
from ._link import Link, check_numbers, encoded
from ._statuses import status_data_set
from .status import code_to_category

if TYPE_CHECKING:
    from ..association.operations import Reply
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.association")


class NormalizedServices(Link):
    """The association as user of N-ACTION, N-CREATE, N-DELETE, N-EVENT-REPORT, N-GET and N-SET."""

    def _ask(
        self,
        session: Session,
        request: Any,
        uid: str | UID,
        dataset: Dataset | None = None,
        name: str = "",
        role: str | None = "scu",
    ) -> tuple[Dataset, Dataset | None]:
        """Send a request on the context of `uid`, with a data set called `name`."""
        check_numbers(request.MessageID)
        context, source = self.contexts.find(uid, role=role), None
        if dataset is not None:
            data = encoded(session, dataset, context, f"'{name}' dataset")
            if data or type(request).data_set_required:
                source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
                request = request.replace(CommandDataSetType=DATA_SET_PRESENT)
        call = session.call(request, context.context_id or 0, source)
        reply: Reply[Any] | None = self.in_turn(session, request.name, call)
        if reply is None:
            return Dataset(), None
        status = status_data_set(reply.response)
        if code_to_category(reply.response.Status) not in (STATUS_SUCCESS, STATUS_WARNING):
            return status, None
        try:
            return status, decoded(session, reply) or Dataset()
        except DataSetError as error:
            LOGGER.error("Unable to decode the received dataset: %s", error)
            status.Status = 0x0110
            return status, None

    def send_n_action(
        self,
        dataset: Dataset | None,
        action_type: int,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-ACTION; returns the status, empty without a response, and the Action Reply or None.

        The reply is empty if none was sent with success or a warning. `meta_uid` is the SOP class of the
        context, `class_uid` otherwise. Raises as `send_c_find`.
        """
        session = self.established("an N-ACTION")
        request = NActionRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
            ActionTypeID=action_type,
        )
        return self._ask(session, request, meta_uid or class_uid, dataset, "Action Information")

    def send_n_create(
        self,
        dataset: Dataset | None,
        class_uid: str | UID,
        instance_uid: str | UID | None = None,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-CREATE; returns the status and the Attribute List as `send_n_action`."""
        session = self.established("an N-CREATE")
        request = NCreateRQ(
            MessageID=msg_id,
            AffectedSOPClassUID=str(class_uid),
            AffectedSOPInstanceUID=str(instance_uid) if instance_uid else None,
        )
        return self._ask(session, request, meta_uid or class_uid, dataset, "Attribute List")

    def send_n_delete(
        self,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> Dataset:
        """Send an N-DELETE; returns the status, empty without a response. Raises as `send_c_echo`."""
        session = self.established("an N-DELETE")
        request = NDeleteRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
        )
        return self._ask(session, request, meta_uid or class_uid)[0]

    def send_n_event_report(
        self,
        dataset: Dataset | None,
        event_type: int,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-EVENT-REPORT; returns the status and the Event Reply as `send_n_action`."""
        session = self.established("an N-EVENT-REPORT")
        request = NEventReportRQ(
            MessageID=msg_id,
            AffectedSOPClassUID=str(class_uid),
            AffectedSOPInstanceUID=str(instance_uid),
            EventTypeID=event_type,
        )
        uid = meta_uid or class_uid
        return self._ask(session, request, uid, dataset, "Event Information", None)

    def send_n_get(
        self,
        identifier_list: list[Any] | None,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-GET for the tags of a list; returns the status and the Attribute List."""
        session = self.established("an N-GET")
        request = NGetRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
            AttributeIdentifierList=tags_of(identifier_list),
        )
        return self._ask(session, request, meta_uid or class_uid)

    def send_n_set(
        self,
        dataset: Dataset,
        class_uid: str | UID,
        instance_uid: str | UID,
        msg_id: int = 1,
        meta_uid: str | UID | None = None,
    ) -> tuple[Dataset, Dataset | None]:
        """Send an N-SET; returns the status and the Attribute List as `send_n_action`."""
        session = self.established("an N-SET")
        request = NSetRQ(
            MessageID=msg_id,
            RequestedSOPClassUID=str(class_uid),
            RequestedSOPInstanceUID=str(instance_uid),
        )
        return self._ask(session, request, meta_uid or class_uid, dataset, "Modification List")


def tags_of(given: list[Any] | None) -> tuple[int, ...] | None:
    """Return the tags of a list in any form that pydicom takes; None for none."""
    from pydicom.tag import Tag

    if not given:
        return None
    return tuple(int(Tag(tag)) for tag in given)
