"""C-GET and C-MOVE as a provider: the results of a handler as sub-operations, and their counts.

The counts and final statuses are pynetdicom's: a handler that yields less than it promised still ends in
0000H if nothing failed, and a Pending follows the last sub-operation too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import DATA_SET_PRESENT, CMoveRQ, Response

from ..files.bulk_data import without_bulk_data
from ..files.sources import Encoding, MemorySource, piece_size
from ..scp.cancelling import PeerLeaves, poll_peer
from ._answers import log_failure, reason_of, response_of, status_of
from ._globals import STATUS_CANCEL, STATUS_FAILURE, STATUS_PENDING, STATUS_SUCCESS, STATUS_WARNING
from ._queries import Ended, Results
from ._requests import RequestEvent
from .service_class import ServiceClass
from .status import (
    QR_GET_SERVICE_CLASS_STATUS,
    QR_MOVE_SERVICE_CLASS_STATUS,
    STORAGE_SERVICE_CLASS_STATUS,
    StatusDictType,
)

if TYPE_CHECKING:
    from ..association.session import Session

LOGGER = logging.getLogger("pynetdicom.service_class")

MOVE_DESTINATION_UNKNOWN = 0xA801
UNABLE_TO_PERFORM = 0xA702
COMPLETE_WITH_FAILURES = 0xB000
MOST_SUB_OPERATIONS = 65535

_WITHOUT_BULK_DATA = "1.2.840.10008.5.1.4.1.2.5.3"


async def serve_get(session: Session, event: RequestEvent, _: type[ServiceClass]) -> None:
    """Answer one C-GET request, to its final response."""
    await _Get(session, event).serve()


async def serve_move(session: Session, event: RequestEvent, _: type[ServiceClass]) -> None:
    """Answer one C-MOVE request, to its final response."""
    await _Move(session, event).serve()


class _Final(Exception):
    """The operation ends now, with a status and perhaps the counts and an identifier."""

    def __init__(
        self, code: int, *, counts: dict[str, int] | None = None, identifier: Dataset | None = None
    ) -> None:
        self.code = code
        self.counts: dict[str, int] = counts or {}
        self.identifier = identifier
        self.fields: dict[str, Any] = {}


class _Retrieval:
    """One C-GET or C-MOVE under way."""

    handler_failed: int
    bad_number: int
    too_many: int
    statuses: StatusDictType

    def __init__(self, session: Session, event: RequestEvent) -> None:
        self.session = session
        self.event = event
        self.results = Results(session, event)
        self.remaining = self.failed = self.warned = self.completed = 0
        self.failed_instances: list[str] = []
        self._last_remaining: int | None = None

    # -- from the first result to the last --------------------------------------------------------

    async def serve(self) -> None:
        """Perform the operation, and send the final response."""
        try:
            try:
                await self._perform()
            finally:
                self.close()
                self.results.close()
        except _Final as final:
            await self._end(final)
        except Ended:
            pass

    async def _perform(self) -> None:
        try:
            self.results.begin()
        except Ended:
            raise
        except Exception as error:
            self.results.check()
            log_failure(self.event.event.name, error)
            raise _Final(self.handler_failed) from None
        self.begin()
        number = self._number()
        if number < 1:
            raise _Final(0x0000, counts=self._counts())
        if number > MOST_SUB_OPERATIONS:
            LOGGER.error("The handler yielded more than %d matches", MOST_SUB_OPERATIONS)
            raise _Final(self.too_many)
        self.open()
        self.remaining = number
        await self._transfer_all(number)

    def begin(self) -> None:
        """Take what comes before the number of sub-operations."""

    def open(self) -> None:
        """Prepare the first sub-operation."""

    def close(self) -> None:
        """End the use of what `open` prepared."""

    def _number(self) -> int:
        try:
            number = int(self.results.next())
        except (Exception, StopAsyncIteration) as error:
            log_failure(self.event.event.name, error)
            raise _Final(self.bad_number) from None
        self.results.check()
        return number

    async def _transfer_all(self, number: int) -> None:
        index = 0
        while True:
            given: Any = None
            dataset: Any = None
            try:
                given, dataset = self.results.next()
            except StopAsyncIteration:
                break
            except Exception as error:
                log_failure(self.event.event.name, error)
                given = self.handler_failed
            self.results.check()
            await poll_peer(self.session)
            if self.remaining <= 0:
                LOGGER.warning("The handler yields more than it promised; the rest is ignored")
                break
            await self._take(given, dataset, index)
            index += 1
        self.close()
        self.results.check()
        if not self.failed and not self.warned:
            raise _Final(0x0000, counts=self._counts())
        code = UNABLE_TO_PERFORM if number == self.failed else COMPLETE_WITH_FAILURES
        raise _Final(code, counts=self._counts(), identifier=self._failed_list())

    async def _take(self, given: Any, dataset: Any, index: int) -> None:
        """Act on one result: a sub-operation, or a final status."""
        code, fields = status_of(given, self.statuses)
        category = self.statuses[code][0] if code in self.statuses else ""
        if category == STATUS_PENDING:
            if dataset:
                await self._sub_operation(code, fields, dataset, index)
            return
        final = self._ended_by_handler(code, category, dataset)
        final.fields = fields
        raise final

    def _ended_by_handler(self, code: int, category: str, identifier: Any) -> _Final:
        """Return the end for a final status of the handler."""
        if category == STATUS_SUCCESS:
            if self.failed or self.warned:
                return _Final(COMPLETE_WITH_FAILURES, counts=self._counts(), identifier=self._failed_list())
            return _Final(code, counts=self._counts())
        if category not in (STATUS_CANCEL, STATUS_FAILURE, STATUS_WARNING):
            return _Final(code)
        if not isinstance(identifier, Dataset) or "FailedSOPInstanceUIDList" not in identifier:
            identifier = self._failed_list()
        counts = self._counts()
        if category == STATUS_CANCEL:
            self._last_remaining = self.remaining
        else:
            counts["NumberOfFailedSuboperations"] += self.remaining
        return _Final(code, counts=counts, identifier=identifier)

    async def _sub_operation(self, code: int, fields: dict[str, Any], dataset: Any, index: int) -> None:
        if isinstance(dataset, Dataset):
            message_id = self.event.command.MessageID + index + 1
            if message_id > 0xFFFF:
                message_id -= 0xFFFF
            category = STATUS_FAILURE
            try:
                answered = self.store(dataset, message_id).Status
                category = STORAGE_SERVICE_CLASS_STATUS[answered][0]
            except PeerLeaves:
                raise
            except Exception as error:
                LOGGER.warning("A C-STORE sub-operation failed: %s", reason_of(error))
            self.failed += category == STATUS_FAILURE
            self.warned += category == STATUS_WARNING
            self.completed += category == STATUS_SUCCESS
            self.remaining -= 1
            if category == STATUS_FAILURE and hasattr(dataset, "SOPInstanceUID"):
                self.failed_instances.append(str(dataset.SOPInstanceUID))
        else:
            LOGGER.error("The handler yielded %s in place of a data set", type(dataset).__name__)
            self.failed += 1
            self.failed_instances.append("")
        self.results.check()
        self._last_remaining = self.remaining
        self.session.respond(response_of(self.event.command, code, self._counts() | self._rest() | fields))
        await self.session.send_queued()

    def store(self, dataset: Dataset, message_id: int) -> Dataset:
        """Send one object, and return the status of the response."""
        raise NotImplementedError

    # -- responses --------------------------------------------------------------------------------

    def _counts(self) -> dict[str, int]:
        return {
            "NumberOfFailedSuboperations": self.failed,
            "NumberOfWarningSuboperations": self.warned,
            "NumberOfCompletedSuboperations": self.completed,
        }

    def _rest(self) -> dict[str, int]:
        """Return the number of remaining sub-operations, as it was last sent."""
        left = self._last_remaining
        return {} if left is None else {"NumberOfRemainingSuboperations": left}

    def _failed_list(self) -> Dataset:
        identifier = Dataset()
        identifier.FailedSOPInstanceUIDList = self.failed_instances
        return identifier

    async def _end(self, final: _Final) -> None:
        """Send the final response."""
        session = self.session
        response: Response = response_of(
            self.event.command, final.code, final.counts | self._rest() | final.fields
        )
        source = None
        if final.identifier is not None:
            try:
                data = Encoding(session).encode(final.identifier, self.event.context.transfer_syntax)
            except Exception as error:
                LOGGER.error("The list of failed instances cannot be encoded: %s", reason_of(error))
            else:
                if data:
                    source = MemorySource(data, piece_size(session.connection.peer_maximum_length))
                    response = response.replace(CommandDataSetType=DATA_SET_PRESENT)
        await session.answer(response, source)
        await session.send_queued()


class _Get(_Retrieval):
    """A C-GET: the objects go to the requestor, over its association."""

    handler_failed = 0xC411
    bad_number = 0xC413
    too_many = 0xC416
    statuses = QR_GET_SERVICE_CLASS_STATUS

    def store(self, dataset: Dataset, message_id: int) -> Dataset:
        if self.event.context.abstract_syntax == _WITHOUT_BULK_DATA:
            contexts = self.session.connection.accepted_contexts.values()
            dataset = without_bulk_data(dataset, {(c.abstract_syntax, c.transfer_syntax) for c in contexts})
        status: Dataset = self.event.assoc.store(dataset, message_id)
        return status


class _Move(_Retrieval):
    """A C-MOVE: the objects go to the destination that the handler names, over a new association."""

    handler_failed = 0xC511
    bad_number = 0xC513
    too_many = 0xC516
    statuses = QR_MOVE_SERVICE_CLASS_STATUS

    def __init__(self, session: Session, event: RequestEvent) -> None:
        super().__init__(session, event)
        self._destination: Any = None
        self._association: Any = None

    @property
    def _title(self) -> str:
        command = self.event.command
        assert isinstance(command, CMoveRQ)
        return command.MoveDestination.strip(" \0")

    def begin(self) -> None:
        try:
            self._destination = self.results.next()
        except (Exception, StopAsyncIteration) as error:
            log_failure("EVT_C_MOVE", error)
            raise _Final(0xC514) from None
        self.results.check()
        try:
            is_unknown = None in self._destination[:2]
        except Exception as error:
            log_failure("EVT_C_MOVE", error)
            raise _Final(0xC515) from None
        if is_unknown:
            LOGGER.error("Unknown Move Destination: %s", self._title)
            raise _Final(MOVE_DESTINATION_UNKNOWN)

    def open(self) -> None:
        destination = self._destination
        options = {"ae_title": self._title}
        try:
            if len(destination) >= 3 and destination[2]:
                options.update(destination[2])
            self._association = self.event.assoc.ae.associate(destination[0], destination[1], **options)
        except Exception as error:
            log_failure("EVT_C_MOVE", error)
            raise _Final(0xC515) from None
        if not self._association.is_established:
            LOGGER.error("Unable to associate with the Move Destination")
            raise _Final(MOVE_DESTINATION_UNKNOWN)

    def close(self) -> None:
        association, self._association = self._association, None
        if association is not None:
            association.release()

    def store(self, dataset: Dataset, message_id: int) -> Dataset:
        status: Dataset = self._association.send_c_store(
            dataset,
            msg_id=message_id,
            originator_aet=self.event.assoc.ae.ae_title,
            originator_id=self.event.command.MessageID,
        )
        return status
