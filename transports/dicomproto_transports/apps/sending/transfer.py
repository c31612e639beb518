"""Sends files. One file that fails, or one association that ends, never stops the rest.

The files of a plan go out on one association, with as many outstanding requests as its window allows. If the
association ends early, the rest goes on a new one. The files that were outstanding go last, because one of
them may have made the peer end the association. Each of these suspects is the first file of an association
of its own. If that one ends as well, no other file can be the reason, and the file is lost. No file is sent
more than twice. A file that changes while it is sent has failed; the others are not suspects.

Several transfers may share the files that wait; each keeps its own suspects.

The attempts are bounded. Nothing more is tried after `FRUITLESS` attempts in a row without a response, if
the peer cannot be reached, or if it rejects us permanently.
"""

from __future__ import annotations

import io
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
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
from ...files.sources import SourceChanged, read_failure
from ..cli.console import Console
from ..cli.progress import Progress
from ..requestor import facts
from .input_files import InputFile
from .plan import Proposal, is_compressed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from dicomproto.dimse.commands import CStoreRSP

    from ...blocking import Association
    from ...files.objects import KnownFile
    from ...scu.store_many import StoreOutcome

    Item = str | KnownFile | io.BytesIO | io.FileIO
    """What `store_many` takes."""

FRUITLESS = 3
_ATTEMPTS = 2
_PERMANENT = 1
"""The result of a permanent rejection: a new attempt is useless (PS3.8 Table 9-21)."""

_PAUSE = 0.5
"""Seconds to wait before the next attempt, for each attempt without a response."""


INTERRUPTED = "interrupted"
"""The reason given for files that were not sent because of Ctrl-C."""


class Outcome(Record):
    """The result for one file.

    `state` is "sent", "warning" (stored, with a warning status), "refused" (by a status), "failed" (it could
    not be sent), "lost" (the association ended), "untried", "unreadable" or "skipped".
    """

    path: str
    state: str
    reason: str = ""
    status: int | None = None
    size: int = 0
    warnings: tuple[str, ...] = ()
    """What was odd about the file or the response."""

    @property
    def is_stored(self) -> bool:
        """Whether the peer has the object."""
        return self.state in ("sent", "warning")


_make_outcome = maker_of(Outcome)


class Transfer:
    """Sends files, one association after the other, and records the result for each file."""

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
        self.associations: int = 0
        self._associate = associate
        self._record = record
        self._console = console
        self._progress = progress
        self._never_convert = never_convert
        self._decompress = decompress
        self._send_truncated = send_truncated
        self._show_comments = show_comments
        self._under_way: dict[int, tuple[InputFile, Item]] = {}  # by the identity of the item
        self._to_decompress: deque[InputFile] = deque()
        self._setbacks: Counter[InputFile] = Counter()
        self._answered = 0
        self._answered_before = 0  # at the start of the association
        self._fruitless = 0
        self.given_up: str = ""
        """Why the rest was not tried; empty if all was."""
        self.is_superfluous: bool = False
        """True for one of several transfers of which the peer took no association."""
        self._fresh: deque[InputFile] = deque()  # shared with other transfers
        self._again: deque[InputFile] = deque()  # ours alone: suspects, and others that were under way
        self._association: Association | None = None
        self._is_interrupted = False

    def send(
        self,
        contexts: Iterable[Proposal],
        fresh: deque[InputFile],
        established: Callable[[], object] = lambda: None,
        *,
        is_extra: bool = False,
    ) -> None:
        """Send the files of `fresh`, from which other transfers may take some; record each that is taken.

        `established` is called when an association stands. An extra transfer ends when it gets none. On
        KeyboardInterrupt, and in an interrupted transfer, only the outstanding files are recorded, as lost.
        """
        self._fresh = fresh
        self.is_superfluous = is_extra  # until it has an association
        self._setbacks.clear()
        try:
            while self._has_more() and not (self.given_up or self._is_interrupted):
                self._use_one_association(contexts, established)
                if self.is_superfluous:
                    break
        except KeyboardInterrupt:
            self._lose_under_way()
            raise
        if not self._is_interrupted:
            self.leave_untried((*self._to_decompress, *self._again), self.given_up)
        self._to_decompress.clear()
        self._again.clear()

    def leave_untried(self, sources: Iterable[InputFile], reason: str) -> None:
        """Record files that are not tried."""
        for source in sources:
            self._finish(source, "untried", reason)

    def interrupt(self) -> None:
        """End the transfer, whose thread is another one; it aborts its association."""
        self._is_interrupted = True
        if self._association is not None:
            self._association.abort()

    def _lose_under_way(self) -> None:
        for source in self._forget_under_way():
            self._finish(source, "lost", INTERRUPTED)

    def _use_one_association(self, contexts: Iterable[Proposal], established: Callable[[], object]) -> None:
        associations, self._answered_before = self.associations, self._answered
        try:
            self._use_association(contexts, established)
        except DicomProtoError as error:
            if self.is_superfluous:
                self._console.warn(f"the peer takes no further association: {error}")
                return
            if self._is_interrupted:
                self._lose_under_way()
                return
            if isinstance(error, NoAcceptedContext):  # none of the proposed contexts was accepted
                while self._take_fresh():
                    self._finish(self._again.popleft(), "failed", str(error))
                return
            cause = read_failure(error)
            if cause is not None and self._under_way:
                self._fail_last(cause)
            else:
                self._retreat(error)
            self._console.warn(str(error))
            self._console.event("error", **facts(error))
            if cause is None:
                self._judge(error, established=self.associations > associations)
        finally:
            self._association = None

    def _use_association(self, contexts: Iterable[Proposal], established: Callable[[], object]) -> None:
        with self._associate(contexts) as association:
            self.associations += 1
            self._association, self.is_superfluous = association, False
            established()
            while association.is_established and self._may_go_on():
                items = self._items(association)
                with association.store_many(
                    items, never_convert=self._never_convert, send_truncated=self._send_truncated
                ) as outcomes:
                    for outcome in outcomes:
                        self._take(outcome)

    def _has_more(self) -> bool:
        """Tell whether a file waits that is not another transfer's."""
        return bool(self._to_decompress or self._again or self._fresh)

    def _take_fresh(self) -> bool:
        """Put a fresh file before the suspects, if there is one; tell whether a file of ours waits."""
        if not self._again or self._is_suspect(self._again[0]):
            with suppress(IndexError):  # the other transfers were faster
                self._again.appendleft(self._fresh.popleft())
        return bool(self._again)

    def _may_go_on(self) -> bool:
        """Tell whether the next file may go on this association: a suspect must be its first file."""
        if self._is_interrupted or not (self._to_decompress or self._take_fresh()):
            return False
        is_fresh = self._answered == self._answered_before
        return is_fresh or not self._is_suspect((self._to_decompress or self._again)[0])

    def _is_suspect(self, source: InputFile) -> bool:
        return bool(self._setbacks) and self._setbacks[source] > 0

    # -- one file -----------------------------------------------------------------------------

    def _items(self, association: Association) -> Iterator[Item]:
        """Yield the next files, as long as they may go beside the outstanding ones."""
        while association.is_established and self._may_go_on():
            queue = self._to_decompress or self._again
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

    def _item(self, source: InputFile, *, decompressed: bool) -> Item | None:
        """Return a file as `store_many` takes it; None if it cannot be opened, which is recorded."""
        try:
            if decompressed:
                self._console.info(f"decompressing {source.path}")
                return _decompressed(source.path)
            self._console.info(f"sending {source.path}")
            if self._progress.wants_bytes:
                return _CountingFile(source.path, partial(self._progress.bytes_of_file, source))
            return source.known or source.path
        except Exception as error:
            self._fail(source, error)
            return None

    def _take(self, outcome: StoreOutcome) -> None:
        """Record the result for a file."""
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

    def _take_response(self, source: InputFile, response: CStoreRSP) -> None:
        self._answered += 1
        status = response.status
        self._console.info(f"response to {source.path}: {status}")
        if self._show_comments and "ErrorComment" in response:
            self._console.warn(f"{source.path}: the peer says: {response.ErrorComment}")
        state = {Category.SUCCESS: "sent", Category.WARNING: "warning"}.get(status.category, "refused")
        for warning in response.warnings:
            self._console.warn(f"{source.path}: {warning}")
        reason = "" if status == 0 else str(status)
        self._finish(source, state, reason, int(status), response.warnings)

    def _fail(self, source: InputFile, error: Exception) -> None:
        """Record that a file could not be sent; raise an error that is not about the file."""
        if isinstance(error, TruncatedFile):
            reason = f"{error.reason}; --send-truncated sends it"
        elif isinstance(error, SourceChanged):
            reason = f"it {error.reason}"
        elif isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
        elif isinstance(error, MemoryError):  # a big file that must be converted
            reason = "not enough memory"
        elif isinstance(error, (DicomProtoError, ValueError)):
            reason = str(error)
        else:
            raise error
        self._finish(source, "failed", reason)

    def _forget_under_way(self) -> list[InputFile]:
        """Empty the table of outstanding files, and return them in the order of their requests."""
        under_way, self._under_way = list(self._under_way.values()), {}
        for _, item in under_way:
            _close(item)
        return [source for source, _ in under_way]

    # -- associations that end ----------------------------------------------------------------

    def _fail_last(self, error: OSError) -> None:
        """Record that the last file could not be read to its end, for which we aborted.

        The other outstanding files are sent again.
        """
        *others, source = self._forget_under_way()
        self._again.extend(others)
        self._fail(source, error)

    def _retreat(self, error: DicomProtoError) -> None:
        """Put the outstanding files at the end of the queue, or record that they are lost.

        The first time they may be innocent: some peers take one object per association.
        """
        for source in self._forget_under_way():
            self._setbacks[source] += 1
            if self._setbacks[source] < _ATTEMPTS:
                self._again.append(source)
            else:
                self._finish(source, "lost", str(error))

    def _judge(self, error: DicomProtoError, *, established: bool) -> None:
        """Decide whether to try another association."""
        is_fruitful = self._answered > self._answered_before
        self._fruitless = 0 if is_fruitful else self._fruitless + 1
        for_good = isinstance(error, AssociationRejected) and error.result == _PERMANENT
        unreachable = not established and self.associations == 0
        if for_good or unreachable:
            self.given_up = str(error)
        elif self._fruitless >= FRUITLESS:
            self.given_up = f"given up after {FRUITLESS} attempts without a response, the last: {error}"
        elif self._fruitless:
            time.sleep(_PAUSE * self._fruitless)

    def _finish(
        self,
        source: InputFile,
        state: str,
        reason: str = "",
        status: int | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._progress.file_done(source, source.size)
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
    """Return the object of a file, decompressed to Explicit VR Little Endian, as a file in memory."""
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
    """A file that reports how much of it was read."""

    def __init__(self, path: str, tell: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._tell = tell
        self._count = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        count = super().readinto(buffer)
        self._count += count or 0
        self._tell(self._count)
        return count
