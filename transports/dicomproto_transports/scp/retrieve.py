"""C-GET and C-MOVE as a provider: the handler yields the objects, each of them is one sub-operation.

The handler yields the destination (C-MOVE only), the number of objects, and `(0xFF00, object)` for each. An
object is any argument of `send_c_store`; a file is streamed undecoded. In place of any of these it may yield
a final status, with None or with its own identifier in place of the Failed SOP Instance UID List.

A C-GET sends the objects over the same association, a C-MOVE over one with the destination. An object that
cannot be sent is a failed sub-operation, and the next one follows. The final status follows from the counts:
0000H if all succeeded, A702H if all failed, B000H otherwise (PS3.4 Tables C.4-2 and C.4-3). Objects that were
announced and not yielded have failed.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, cast

from dicomproto.dimse.codec import error_comment
from dicomproto.dimse.commands import DATA_SET_PRESENT, CGetRQ, CMoveRQ, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import CANCEL, MOVE_DESTINATION_UNKNOWN, Category, category_of
from dicomproto.errors import AssociationError, NoAcceptedContext
from dicomproto.services.sub_operations import SubOperations
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN

from .. import evt
from ..arguments import is_data_set
from ..error_text import named, printable
from ..files.objects import FileToSend, KnownFile, prepare
from ..files.sources import Encoding, MemorySource, Source, SourceChanged, piece_size
from ..scu.store import store
from .cancelling import PeerLeaves, final_result, poll_peer, report_failure, result_of_cut, settle
from .destination import CancelledMeanwhile, Destination, Destinations, Unreachable
from .prefetch import PrefetchedResults, came_as_path, close_file_in
from .results import END, encode_identifier, fields_of, identifier_of, is_encoded, pair_of, status_of
from .watching import HandlerCut

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..association.session import Session
    from ..events.handlers import Bound
    from ..files.objects import ObjectToSend

log: logging.Logger = logging.getLogger("dicomproto.handlers")

WITHOUT_BULK_DATA = "1.2.840.10008.5.1.4.1.2.5.3"

_LONGEST_LIST = 0xFFFE
"""Most bytes of a UI value: the length field has 16 bits, and lengths are even (PS3.5 7.1.2)."""

_UID = re.compile(r"[0-9.]{1,64}")


async def serve_retrieve(
    session: Session,
    received: RequestReceived,
    bound: Bound,
    event: evt.RequestEvent,
    *,
    failed: int,
    destinations: Destinations,
) -> None:
    """Answer one C-GET or C-MOVE request, to its final response."""
    results = PrefetchedResults(session, bound, event)
    retrieval = Retrieval(session, received, event, results, failed, destinations)
    try:
        try:
            answer = await results.run(retrieval.run)
        except HandlerCut as cut:
            answer = retrieval.end_cancelled(*result_of_cut(session, event, cut))
        settle(session, event)
        await retrieval.close()  # before the final response: the peer may use the objects then
        await session.answer(*answer)
        await session.send_queued()
    finally:
        await retrieval.close()


Answer = tuple[Response, Source | None]
"""The final response and the data set of its identifier."""


class _Final(Exception):
    """The handler has yielded a final status."""

    def __init__(self, status: object, identifier: object = None) -> None:
        self.status = status
        self.identifier = identifier


class Retrieval:
    """One C-GET or C-MOVE under way."""

    def __init__(
        self,
        session: Session,
        received: RequestReceived,
        event: evt.RequestEvent,
        results: PrefetchedResults,
        failed: int,
        destinations: Destinations,
    ) -> None:
        self.request: CGetRQ | CMoveRQ = cast("CGetRQ | CMoveRQ", received.command)
        self._session = session
        self._event = event
        self._results = results
        self._failed = failed
        self._destinations = destinations
        self._counts = SubOperations(0)
        self._destination: Destination | None = None

    # -- from the first result to the last ------------------------------------------------------

    async def run(self) -> Answer:
        """Perform the sub-operations and return the final response."""
        try:
            try:
                return await self._perform()
            except _Final as final:
                return self._ended_by_handler(final)
        except Unreachable as error:
            for instance in self._results.drop_files():
                self._counts.fail(instance)
            self._counts.give_up()  # sub-operations completed before stay counted
            return self._final(self._counts.status, ErrorComment=error_comment(str(error)))
        except PeerLeaves:
            raise
        except Exception as error:
            status, comment = report_failure(self._session, self._event, error, self._failed)
            return self._final(status, ErrorComment=comment)

    async def _perform(self) -> Answer:
        if isinstance(self.request, CMoveRQ):
            found = self._destinations.find(await self._first())
            if found is None:
                return self._final(MOVE_DESTINATION_UNKNOWN)
            self._destination = Destination(self._session, self.request, found, self._destinations.associate)
        self._counts = SubOperations(_count(await self._first()))
        return await self._transfer_all()

    async def _first(self) -> object:
        """Return a result before the objects: the destination or the count."""
        result = await self._results.next()
        if result is END:
            raise TypeError("the handler yielded too little")
        is_pair = isinstance(result, tuple) and len(result) == 2 and result[0] is not None
        if is_pair or hasattr(result, "Status"):
            status, identifier = pair_of(result)
            if identifier is None or is_data_set(identifier) or is_encoded(identifier):
                if category_of(status_of(status)) is Category.PENDING:
                    raise TypeError("a pending status in place of the number of sub-operations")
                raise _Final(status, identifier)
        return result

    async def _transfer_all(self) -> Answer:
        counts, session = self._counts, self._session
        while True:
            result = await self._results.next()
            try:
                await poll_peer(session)
                if result is END and counts.remaining and self._is_cancelled:
                    return self._final(CANCEL)
                if result is END:
                    return self._final(self._outcome())
                status, item = pair_of(result)
                if category_of(status_of(status)) is not Category.PENDING:
                    raise _Final(status, item)
                if self._is_cancelled:
                    raise await self._final_result()
                await self._transfer(item)
            finally:
                close_file_in(result)
            if counts.remaining:
                await session.answer(counts.pending(self.request))
                await session.send_queued()

    @property
    def _is_cancelled(self) -> bool:
        return self.request.MessageID in self._session.driver.cancelled

    async def _final_result(self) -> _Final:
        """Return the final status of a cancelled operation; see `final_result`."""
        self._results.drop_files()
        return _Final(*await final_result(self._results))

    def _ended_by_handler(self, final: _Final) -> Answer:
        code = status_of(final.status)
        if category_of(code) is Category.SUCCESS:
            code = self._outcome()
        return self._final(code, identifier_of(final.identifier), **fields_of(final.status))

    def _outcome(self) -> int:
        """Return the status that follows from the counts; what was announced and not yielded has failed."""
        counts = self._counts
        missing = counts.remaining
        counts.give_up()
        if missing:
            text = "%s: the handler of %s announced %d objects more than it yielded, which failed: %04XH"
            log.warning(text, self._session.peer_name, self._event.event.name, missing, counts.status)
        return counts.status

    def _final(self, status: int, identifier: Dataset | bytes | None = None, **fields: object) -> Answer:
        counts = self._counts
        if status != CANCEL:
            counts.give_up()
        if counts.not_accepted and "ErrorComment" not in fields:
            fields["ErrorComment"] = f"{counts.not_accepted} without an accepted presentation context"
        response = counts.final(self.request, status, **fields)
        if response.category is Category.SUCCESS:
            return response, None
        identifier = identifier or self._failed_list()
        if not identifier:
            return response, None
        syntax = self._event.accepted_context.transfer_syntax
        data = encode_identifier(identifier, Encoding(self._session), syntax)
        size = piece_size(self._session.connection.peer_maximum_length)
        return response.replace(CommandDataSetType=DATA_SET_PRESENT), MemorySource(data, size)

    def _failed_list(self) -> Dataset:
        """Return the Failed SOP Instance UID List (PS3.4 C.4.2.1.4.2), empty if there is none."""
        from pydicom.dataset import Dataset

        uids = [uid for uid in self._counts.failed_instances if _UID.fullmatch(uid)]
        if self._event.accepted_context.transfer_syntax != IMPLICIT_VR_LITTLE_ENDIAN:
            uids = _fitting(uids)
        identifier = Dataset()
        if uids:
            identifier.FailedSOPInstanceUIDList = uids
        return identifier

    async def close(self) -> None:
        """Release the association to the destination, if there is one."""
        if self._destination is not None:
            await self._destination.close()

    def end_cancelled(self, status: object, identifier: object) -> Answer:
        """Return the final response after the handler was cancelled."""
        return self._ended_by_handler(_Final(status, identifier))

    # -- one object ---------------------------------------------------------------------------

    async def _transfer(self, item: object) -> None:
        """Perform one sub-operation and count it."""
        counts, instance = self._counts, ""
        try:
            instance = _instance_of(item)
            prepared = self._prepared(item)
            try:
                if instance and instance != prepared.sop_instance_uid:
                    raise SourceChanged("the file", "held another object when the handler named it")
                instance = prepared.sop_instance_uid
                counts.done(await self._store(prepared), instance)
            finally:
                prepared.close()
        except (_Final, PeerLeaves):
            raise
        except Unreachable:
            counts.fail(instance)
            raise
        except NoAcceptedContext as error:
            log.info("%s: %s: %s", self._session.peer_name, self.request.name, printable(str(error)))
            counts.fail(instance, accepted=False)
        except Exception as error:  # a fault of one object does not affect the next
            if self._session.ending.terminal is not None and isinstance(error, AssociationError):
                raise
            what = "%s: %s: an object could not be sent: %s"
            log.error(what, self._session.peer_name, self.request.name, printable(str(error)))
            counts.fail(instance)

    def _prepared(self, item: object) -> ObjectToSend:
        if isinstance(item, FileToSend):
            return item
        if self.request.sop_class_uid == WITHOUT_BULK_DATA:
            from ..files.bulk_data import without_bulk_data

            contexts = self._session.connection.accepted_contexts.values()
            item = without_bulk_data(item, {(c.abstract_syntax, c.transfer_syntax) for c in contexts})
        return prepare(item)

    async def _store(self, item: ObjectToSend) -> int:
        destination = self._destination
        if destination is None:
            return (await store(self._session, item, priority=self.request.Priority)).Status
        if destination.plans and came_as_path(item) and not await destination.is_ready_for(item):
            await self._results.prefetch(lambda: self._is_cancelled)
            if self._is_cancelled:
                raise await self._final_result()
        try:
            return await destination.store(item, self._results.upcoming())
        except CancelledMeanwhile:
            raise await self._final_result() from None


def _count(result: object) -> int:
    """Return how many sub-operations the handler announced."""
    if isinstance(result, bool) or not isinstance(result, int):
        raise TypeError(f"{named(result)} in place of the number of sub-operations")
    if result < 0:
        raise ValueError(f"{result} is no number of sub-operations")
    return result


def _instance_of(item: object) -> str:
    """Return the SOP Instance UID of an object without opening it; "" if it is not known."""
    if isinstance(item, KnownFile):
        return item.head.sop_instance_uid
    return str(getattr(item, "SOPInstanceUID", ""))


def _fitting(uids: list[str]) -> list[str]:
    """Return the first UIDs, as many as one value can hold."""
    size, fitting = -1, []
    for uid in uids:
        size += len(uid) + 1
        if size > _LONGEST_LIST:
            break
        fitting.append(uid)
    return fitting
