"""Providing C-GET and C-MOVE: the handler names the objects, each of them is one sub-operation.

The handler yields, for C-MOVE, first the destination; then how many objects there will be; then
`(0xFF00, object)` for each, where an object is whatever `send_c_store` takes, a file is streamed
undecoded. In place of any of these it may yield a final `(status, None)`.

A C-GET sends its objects over the same association, a C-MOVE over one to the destination. One that
cannot be sent is a failed sub-operation and ends nothing. The final status follows from the counts:
0000H if all went well, A702H if all failed, B000H otherwise (PS3.4 Tables C.4-2 and C.4-3).
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, cast

from dicomproto.dimse.commands import DATA_SET_PRESENT, CGetRQ, CMoveRQ, Response
from dicomproto.dimse.events import RequestReceived
from dicomproto.dimse.status import Category, category_of
from dicomproto.errors import AssociationError, DicomProtoError, NoAcceptedContext
from dicomproto.services.sub_operations import SubOperations
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer.pdu import normalize_ae_title

from . import evt
from ._destination import Destination, Unreachable, destination_of
from ._find import CANCEL, give_way, last_word
from ._outgoing import MemorySource, Source, SourceChanged, piece_size
from ._results import comment_of, fields_of, pair_of, status_of
from ._sending import KnownFile, prepare, store
from ._steps import END, Steps

if TYPE_CHECKING:
    from ._operating import Operating
    from ._sending import ObjectToSend

log = logging.getLogger("dicomproto.handlers")

DESTINATION_UNKNOWN = 0xA801
WITHOUT_BULK_DATA = "1.2.840.10008.5.1.4.1.2.5.3"

_READ_AHEAD = 128
"""Files that are looked at before they are sent, to negotiate for all of them at once."""

_LONGEST_LIST = 0xFFFE
"""Bytes of a value with an explicit VR of the short form, as UI is (PS3.5 7.1.2)."""

# What an object can do wrong; the association stays.
_UNSENDABLE = (OSError, ValueError, TypeError, AttributeError, DicomProtoError)


async def serve_retrieve(
    association: Operating, received: RequestReceived, bound: evt.Bound, event: evt.Event, *, failed: int
) -> None:
    """Answer one C-GET or C-MOVE request, to its final response."""
    steps = Steps(association, bound, event)
    retrieval = Retrieval(association, received, event, steps, failed)
    try:
        try:
            response = await retrieval.run()
        finally:
            await steps.close()
        association.cancelled.discard(retrieval.request.MessageID)
        await association.answer(*retrieval.with_failed_list(response))
        await association.send_queued()
    finally:
        await retrieval.close()


class _Final(Exception):
    """The handler has yielded a final status."""

    def __init__(self, status: object) -> None:
        self.status = status


class Retrieval:
    """One C-GET or C-MOVE under way."""

    def __init__(
        self, association: Operating, received: RequestReceived, event: evt.Event, steps: Steps, failed: int
    ) -> None:
        self.request = cast("CGetRQ | CMoveRQ", received.command)
        self._association = association
        self._event = event
        self._steps = steps
        self._failed = failed
        self._counts = SubOperations(0)
        self._destination: Destination | None = None
        self._ahead: deque[object] = deque()

    # -- from the first result to the last ------------------------------------------------------

    async def run(self) -> Response:
        """Perform the sub-operations and return the final response."""
        try:
            if isinstance(self.request, CMoveRQ):
                found = destination_of(await self._first(), self._association.ae)
                if found is None:
                    return self._final(DESTINATION_UNKNOWN)
                self._destination = Destination(self._association, self.request, found)
            self._counts = SubOperations(_count(await self._first()))
            if not self._counts.remaining:
                return self._final(self._counts.status)
            return await self._transfer_all()
        except _Final as final:
            return self._ended_by_handler(final.status)
        except Unreachable as error:
            self._list_ahead()
            self._counts.give_up()  # what was sent before it went away stays sent
            return self._final(self._counts.status, ErrorComment=comment_of(str(error)))
        except Exception as error:
            if self._association.terminal is not None:
                raise
            log.error("the handler of %s failed: %s", self._event.event.name, error, exc_info=error)
            self._list_ahead()
            comment = comment_of(f"{type(error).__name__} in the handler")
            return self._final(self._failed, ErrorComment=comment)

    async def _first(self) -> object:
        """Return one of the results that come before the objects."""
        result = await self._steps.next()
        if result is END:
            raise TypeError("the handler yielded too little")
        if isinstance(result, tuple) and len(result) == 2 and result[1] is None and result[0] is not None:
            if category_of(status_of(result[0])) is Category.PENDING:
                raise TypeError("a pending status in place of the number of sub-operations")
            raise _Final(result[0])
        return result

    async def _transfer_all(self) -> Response:
        counts, association = self._counts, self._association
        while True:
            result = await self._next()
            await give_way(association)
            if result is END and counts.remaining and self._is_cancelled:
                return self._final(CANCEL)
            if result is END:
                counts.give_up()
                return self._final(counts.status)
            status, item = pair_of(result)
            if category_of(status_of(status)) is not Category.PENDING:
                raise _Final(status)
            if self._is_cancelled:
                raise _Final(await last_word(self._steps))
            await self._transfer(item)
            if counts.remaining:
                await association.answer(counts.pending(self.request))
                await association.send_queued()

    @property
    def _is_cancelled(self) -> bool:
        return self.request.MessageID in self._association.cancelled

    def _ended_by_handler(self, status: object) -> Response:
        code = status_of(status)
        if category_of(code) is Category.SUCCESS:
            self._counts.give_up()
            code = self._counts.status
        return self._final(code, **fields_of(status))

    def _final(self, status: int, **fields: object) -> Response:
        counts = self._counts
        if status != CANCEL:
            counts.give_up()
        if counts.not_accepted and "ErrorComment" not in fields:
            fields["ErrorComment"] = f"{counts.not_accepted} without an accepted presentation context"
        return counts.final(self.request, status, **fields)

    def with_failed_list(self, response: Response) -> tuple[Response, Source | None]:
        """Return the final response and the Failed SOP Instance UID List (PS3.4 C.4.2.1.4.2)."""
        uids = self._counts.failed_instances
        if not uids or response.category is Category.SUCCESS:
            return response, None
        from pydicom.dataset import Dataset

        from dicomproto.datasets import encode_data_set

        context = self._event.context
        if context.transfer_syntax != IMPLICIT_VR_LITTLE_ENDIAN:
            uids = _fitting(uids)
        identifier = Dataset()
        identifier.FailedSOPInstanceUIDList = uids
        data = encode_data_set(identifier, context.transfer_syntax)
        size = piece_size(self._association.connection.peer_maximum_length)
        return response.replace(CommandDataSetType=DATA_SET_PRESENT), MemorySource(data, size)

    async def close(self) -> None:
        """Release the association to the destination, if there is one."""
        if self._destination is not None:
            await self._destination.close()

    # -- one object ---------------------------------------------------------------------------

    async def _transfer(self, item: object) -> None:
        """Perform one sub-operation and count it."""
        counts, instance = self._counts, _instance_of(item)
        try:
            prepared = self._prepared(item)
            try:
                if instance and instance != prepared.sop_instance_uid:
                    raise SourceChanged("the file held another object when the handler named it")
                instance = prepared.sop_instance_uid
                counts.done(await self._store(prepared), instance)
            finally:
                prepared.close()
        except Unreachable:
            counts.fail(instance)
            raise
        except NoAcceptedContext as error:
            log.warning("%s: %s", self.request.name, error)
            counts.fail(instance, accepted=False)
        except _UNSENDABLE as error:
            if isinstance(error, AssociationError) and self._association.terminal is not None:
                raise
            log.error("%s: an object could not be sent: %s", self.request.name, error)
            counts.fail(instance)

    def _prepared(self, item: object) -> ObjectToSend:
        if self.request.sop_class_uid == WITHOUT_BULK_DATA:
            from ._bulk_data import without_bulk_data

            item = without_bulk_data(item)
        return prepare(item)  # type: ignore[arg-type]

    async def _store(self, item: ObjectToSend) -> int:
        if self._destination is None:
            return (await store(self._association, item, priority=self.request.Priority)).Status
        upcoming = [(item.sop_class_uid, item.transfer_syntax_uid), *self._upcoming()]
        sender = await self._destination.association_for(upcoming)
        requestor = self._association.connection.request
        assert requestor is not None
        response = await store(
            sender,
            item,
            priority=self.request.Priority,
            originator_aet=normalize_ae_title(requestor.calling_ae_title),
            originator_id=self.request.MessageID,
        )
        return response.Status

    # -- looking ahead ------------------------------------------------------------------------

    async def _next(self) -> object:
        """Return the handler's next result; of a C-MOVE, files are looked at before their turn."""
        while self._destination is not None and self._destination.plans and len(self._ahead) < _READ_AHEAD:
            if self._ahead and not _is_file(self._ahead[-1]):
                break
            self._ahead.append(_with_head(await self._steps.next()))
        return self._ahead.popleft() if self._ahead else await self._steps.next()

    def _upcoming(self) -> list[tuple[str, str]]:
        """Return the SOP class and transfer syntax of the files that come next."""
        heads = [result[1].head for result in self._ahead if _is_file(result)]  # type: ignore[index]
        return [(head.sop_class_uid, head.transfer_syntax_uid) for head in heads]

    def _list_ahead(self) -> None:
        """Count the files that were looked at and will not be sent, by name."""
        while self._ahead:
            result = self._ahead.popleft()
            if _is_file(result):
                self._counts.fail(result[1].head.sop_instance_uid)  # type: ignore[index]


def _count(result: object) -> int:
    """Return how many sub-operations the handler announced."""
    if isinstance(result, bool) or not isinstance(result, int):
        raise TypeError(f"{type(result).__name__} in place of the number of sub-operations")
    return max(result, 0)


def _is_file(result: object) -> bool:
    return isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], KnownFile)


def _instance_of(item: object) -> str:
    """Return the SOP Instance UID of an object as far as it is known before it is opened."""
    return (
        item.head.sop_instance_uid
        if isinstance(item, KnownFile)
        else str(getattr(item, "SOPInstanceUID", ""))
    )


def _with_head(result: object) -> object:
    """Return a result with the head of its file read; as it is, if it has no path or that cannot be read."""
    if isinstance(result, tuple) and len(result) == 2:
        status, item = result
        if isinstance(item, str) or hasattr(item, "__fspath__"):
            try:
                return status, KnownFile.read(item)
            except (OSError, ValueError, DicomProtoError):
                return result  # it fails again, and is counted, when it is to be sent
    return result


def _fitting(uids: list[str]) -> list[str]:
    """Return as many of the UIDs as one value can hold."""
    size, fitting = -1, []
    for uid in uids:
        size += len(uid) + 1
        if size > _LONGEST_LIST:
            break
        fitting.append(uid)
    return fitting
