"""Sending files so that one that fails, or an association that ends, never stops the rest.

A group of files goes out on one association, as many at once as its window allows. When it ends before
its time the rest goes on a new one, and the files that were under way come back at the very end: one of
them may be what the peer cannot stand. Each of them is then the first of an association of its own, so
that no other file can be the reason when that ends as well: the file is lost. None is sent more than
twice. A file that changes while it is sent has failed, and none of the others is to blame. The whole is
bounded: after `FRUITLESS` attempts in a row without an answer, or if the peer cannot be reached or will
not have us at all, what is left is given up.
"""

from __future__ import annotations

import io
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from dicomproto.dimse.status import Category
from dicomproto.errors import (
    AssociationRejected,
    DicomProtoError,
    NoAcceptedContext,
)
from dicomproto.record import Record, maker_of
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN

from ...files.part10 import TruncatedFile, file_meta_bytes, read_head
from ...files.pieces import SourceChanged, read_failure
from ..cli.console import Console
from ..cli.progress import Progress
from ..requestor import facts
from .input_files import Source
from .plan import Group, Proposal, is_compressed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from dicomproto.dimse.commands import CStoreRSP

    from ...blocking import Association
    from ...files.objects import KnownFile
    from ...scu.store_many import StoreOutcome

    Item = str | KnownFile | io.BytesIO | io.FileIO
    """What `store_many` is given."""

FRUITLESS = 3
_ATTEMPTS = 2
_PERMANENT = 1
"""The result of a rejection after which it makes no sense to ask again (PS3.8 Table 9-21)."""

_PAUSE = 0.5
"""Seconds before a peer that has just ended an association is asked for another, after the first time."""


INTERRUPTED = "interrupted"
"""The reason of what Ctrl-C kept from being sent."""


class Outcome(Record):
    """What became of a file.

    `state` is "sent", "warning" (stored, with a status that says more), "refused" (by a status),
    "failed" (it could not be sent), "lost" (the association ended), "untried", "unreadable" or "skipped".
    """

    path: str
    state: str
    reason: str = ""
    status: int | None = None
    size: int = 0
    warnings: tuple[str, ...] = ()
    """What was odd about the file or the answer; not about the result."""

    @property
    def is_stored(self) -> bool:
        """Whether the peer has the object."""
        return self.state in ("sent", "warning")


_make_outcome = maker_of(Outcome)


class Transfer:
    """Sends groups of files, one association after the other, and records what became of each file."""

    def __init__(
        self,
        associate: Callable[[Iterable[Proposal]], Association],
        record: Callable[[Outcome], None],
        console: Console,
        progress: Progress,
        *,
        never_convert: bool,
        decompress: bool = False,
        send_truncated: bool = False,
        show_comments: bool = False,
    ) -> None:
        self.associations = 0
        self._associate = associate
        self._record = record
        self._console = console
        self._progress = progress
        self._never_convert = never_convert
        self._decompress = decompress
        self._send_truncated = send_truncated
        self._show_comments = show_comments
        self._under_way: dict[int, tuple[Source, Item]] = {}  # by the identity of what was given away
        self._to_decompress: deque[Source] = deque()
        self._setbacks: Counter[Source] = Counter()
        self._answered = 0
        self._answered_before = 0  # when the association began
        self._fruitless = 0
        self.given_up = ""
        """Why the rest was not tried, if that is so."""

    def send(self, group: Group) -> None:
        """Send the files of a group; those that were given up are recorded, too.

        On KeyboardInterrupt the files that were under way are recorded as lost, and no others.
        """
        waiting = deque(group.sources)
        self._setbacks.clear()
        try:
            while (waiting or self._to_decompress) and not self.given_up:
                self._use_one_association(group.contexts, waiting)
        except KeyboardInterrupt:
            for source in self._forget_under_way():
                self._finish(source, "lost", INTERRUPTED)
            raise
        for source in (*self._to_decompress, *waiting):
            self._finish(source, "untried", self.given_up)
        self._to_decompress.clear()

    def _use_one_association(self, contexts: Iterable[Proposal], waiting: deque[Source]) -> None:
        associations, self._answered_before = self.associations, self._answered
        try:
            self._use_association(contexts, waiting)
        except NoAcceptedContext as error:  # of all that were proposed
            while waiting:
                self._finish(waiting.popleft(), "failed", str(error))
        except DicomProtoError as error:
            cause = read_failure(error)
            if cause is not None and self._under_way:
                self._fail_last(cause, waiting)
            else:
                self._retreat(error, waiting)
            self._console.warn(str(error))
            self._console.event("error", **facts(error))
            if cause is None:
                self._judge(error, established=self.associations > associations)

    def _use_association(self, contexts: Iterable[Proposal], waiting: deque[Source]) -> None:
        with self._associate(contexts) as association:
            self.associations += 1
            while association.is_established and self._may_go_on(waiting):
                items = self._items(association, waiting)
                with association.store_many(
                    items, never_convert=self._never_convert, send_truncated=self._send_truncated
                ) as outcomes:
                    for outcome in outcomes:
                        self._take(outcome)

    def _may_go_on(self, waiting: deque[Source]) -> bool:
        """Tell whether this association may carry the next file: a suspect has to be its first."""
        queue = self._to_decompress or waiting
        is_fresh = self._answered == self._answered_before
        return bool(queue) and (is_fresh or not self._is_suspect(queue[0]))

    def _is_suspect(self, source: Source) -> bool:
        return bool(self._setbacks) and self._setbacks[source] > 0

    # -- one file -----------------------------------------------------------------------------

    def _items(self, association: Association, waiting: deque[Source]) -> Iterator[Item]:
        """Yield what is to be sent next, as long as it may go beside what is under way."""
        while association.is_established and self._may_go_on(waiting):
            queue = self._to_decompress or waiting
            is_suspect = self._is_suspect(queue[0])
            if is_suspect and self._under_way:
                return
            source = queue.popleft()
            item = self._item(source, decompressed=queue is self._to_decompress)
            if item is None:
                continue
            self._under_way[id(item)] = source, item
            yield item
            if is_suspect:
                return

    def _item(self, source: Source, *, decompressed: bool) -> Item | None:
        """Return what `store_many` is given for a file; None if there is nothing, which is recorded."""
        try:
            if decompressed:
                self._console.info(f"decompressing {source.path}")
                return _decompressed(source.path)
            self._console.info(f"sending {source.path}")
            if self._progress.wants_bytes:
                return _CountingFile(source.path, self._progress.bytes_of_file)
            return source.known or source.path
        except Exception as error:
            self._fail(source, error)
            return None

    def _take(self, outcome: StoreOutcome) -> None:
        """Record what became of a file."""
        source, item = self._under_way.pop(id(outcome.item))
        _close(item)
        if outcome.response is not None:
            self._take_response(source, outcome.response)
        elif (
            isinstance(outcome.error, NoAcceptedContext)
            and self._decompress
            and is_compressed(source.transfer_syntax_uid)
            and not isinstance(item, io.BytesIO)
        ):
            self._to_decompress.append(source)
        else:
            assert outcome.error is not None
            self._fail(source, outcome.error)

    def _take_response(self, source: Source, response: CStoreRSP) -> None:
        self._answered += 1
        status = response.status
        self._console.info(f"response to {source.path}: {status}")
        if self._show_comments and response.ErrorComment:
            self._console.warn(f"{source.path}: the peer says: {response.ErrorComment}")
        state = {Category.SUCCESS: "sent", Category.WARNING: "warning"}.get(status.category, "refused")
        for warning in response.warnings:
            self._console.warn(f"{source.path}: {warning}")
        reason = "" if status == 0 else str(status)
        self._finish(source, state, reason, int(status), response.warnings)

    def _fail(self, source: Source, error: Exception) -> None:
        """Record that a file could not be sent; raises what is no matter of the file."""
        if isinstance(error, TruncatedFile):
            reason = f"{error.reason}; --send-truncated sends it all the same"
        elif isinstance(error, SourceChanged):
            reason = f"it {error.reason}"
        elif isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
        elif isinstance(error, MemoryError):  # a big file that has to be converted
            reason = "not enough memory"
        elif isinstance(error, (DicomProtoError, ValueError)):
            reason = str(error)
        else:
            raise error
        self._finish(source, "failed", reason)

    def _forget_under_way(self) -> list[Source]:
        """Return the files that are under way no more, in the order in which they were begun."""
        under_way, self._under_way = list(self._under_way.values()), {}
        for _, item in under_way:
            _close(item)
        return [source for source, _ in under_way]

    # -- associations that end ----------------------------------------------------------------

    def _fail_last(self, error: OSError, waiting: deque[Source]) -> None:
        """Record that the last file that was begun could not be read to its end, so that we have aborted.

        The others that were under way are sent again.
        """
        *others, source = self._forget_under_way()
        waiting.extend(others)
        self._fail(source, error)

    def _retreat(self, error: DicomProtoError, waiting: deque[Source]) -> None:
        """Put the files that were under way at the end of the queue, or record that they are lost.

        The first time they need not be to blame: there are peers that take one object per association.
        """
        for source in self._forget_under_way():
            self._setbacks[source] += 1
            if self._setbacks[source] < _ATTEMPTS:
                waiting.append(source)
            else:
                self._finish(source, "lost", str(error))

    def _judge(self, error: DicomProtoError, *, established: bool) -> None:
        """Decide whether another association is worth a try."""
        is_fruitful = self._answered > self._answered_before
        self._fruitless = 0 if is_fruitful else self._fruitless + 1
        for_good = isinstance(error, AssociationRejected) and error.result == _PERMANENT
        unreachable = not established and self.associations == 0
        if for_good or unreachable:
            self.given_up = str(error)
        elif self._fruitless >= FRUITLESS:
            self.given_up = (
                f"given up after {FRUITLESS} attempts without an answer to any file, the last: {error}"
            )
        elif self._fruitless:
            time.sleep(_PAUSE * self._fruitless)

    def _finish(
        self,
        source: Source,
        state: str,
        reason: str = "",
        status: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._progress.file_done(source.size)
        self._record(
            _make_outcome(
                path=source.path,
                state=state,
                reason=reason,
                status=status,
                size=source.size,
                warnings=warnings,
            )
        )


def _close(item: Item) -> None:
    if isinstance(item, _CountingFile):
        item.close()


def _decompressed(path: str) -> io.BytesIO:
    """Return a file in memory with the object of the file at `path`, in Explicit VR Little Endian."""
    from dicomproto.datasets import decompress

    with open(path, "rb") as file:
        head = read_head(file)
        file.seek(head.data_set_offset)
        data = file.read(head.data_set_length)
    native = decompress(data, head.transfer_syntax_uid)
    meta = file_meta_bytes(
        sop_class_uid=head.sop_class_uid,
        sop_instance_uid=head.sop_instance_uid,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
    )
    return io.BytesIO(meta + native)


class _CountingFile(io.FileIO):
    """A file that tells how much of it has been read."""

    def __init__(self, path: str, tell: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._tell = tell
        self._count = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        count = super().readinto(buffer)
        self._count += count or 0
        self._tell(self._count)
        return count
