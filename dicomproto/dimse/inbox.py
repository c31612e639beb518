"""The message of the peer that is under way: its fragments are assembled, joined or dropped.

Small fragments of a data set that came together become one chunk, since the cost of an event does not depend
on its size.
"""

from __future__ import annotations

from collections.abc import Callable

from ..upper_layer.events import PDVChunk
from ..upper_layer.framer import PlainPDV, chunk_of
from ..upper_layer.machine import UpperLayer
from .assembly import SMALL, Assembler, CommandReceived
from .commands import Command
from .events import DataSetChunk, MessageEvent, MessageIncomplete, UnexpectedDataSet

_MOST_FOLDED = 64  # small pieces that are joined

_Item = CommandReceived | DataSetChunk | UnexpectedDataSet | None


class Inbox:
    """Takes the PDVs of the peer. `take` returns command sets; events go to `emit`."""

    def __init__(self, upper: UpperLayer, emit: Callable[[MessageEvent], None]) -> None:
        self.assembler: Assembler = Assembler(upper.limits)
        self._upper = upper
        self._emit = emit
        self._drops_data_set = False
        self._cut: Command | None = None  # a request whose data set was cut short

    def is_incomplete(self, command: Command) -> bool:
        """Tell whether the data set of a command is still to come, in part at least, or was cut short."""
        return command is self.assembler.command or command is self._cut

    def drop(self, has_data_set: bool) -> None:
        """Drop the data set of the last command, if it has one."""
        self._drops_data_set = has_data_set

    def take_plain(self, pdv: PlainPDV) -> CommandReceived | None:
        """Take what `UpperLayer.plain_pdv` returns; otherwise as `take`."""
        item = self.assembler.feed_plain(pdv)
        if type(item) is DataSetChunk and not self._drops_data_set:
            self._emit(item)
            return None
        if type(item) is CommandReceived:
            self._drops_data_set = False
            return item
        return self.take(chunk_of(pdv)) if item is None else self._sorted(item)

    def take(self, chunk: PDVChunk) -> CommandReceived | None:
        """Take a PDV or a part of one; return the command that it completes. Raises InvalidCommand."""
        assembler = self.assembler
        if chunk.is_command and assembler.lacks_data_set:
            self._end_missing_data_set()
        item = assembler.feed(chunk)
        if type(item) is DataSetChunk and len(item.data) < SMALL and not self._drops_data_set:
            item = self._folded(item) if chunk.end_of_pdv and not item.last else item
        return self._sorted(item)

    def _sorted(
        self, item: CommandReceived | DataSetChunk | UnexpectedDataSet | None
    ) -> CommandReceived | None:
        """Return a command; emit anything else, but no data set that is dropped."""
        if type(item) is CommandReceived:
            self._drops_data_set = False
            return item
        if type(item) is DataSetChunk and self._drops_data_set:
            self._drops_data_set = not item.last
        elif item is not None:
            assert not isinstance(item, CommandReceived)
            self._emit(item)
        return None

    def _end_missing_data_set(self) -> None:
        assembler = self.assembler
        assert assembler.context_id is not None
        if not self._drops_data_set:
            warnings = ("missing-data-set: the response announced one",)
            self._emit(DataSetChunk(context_id=assembler.context_id, data=b"", last=True, warnings=warnings))
        self._drops_data_set = False
        assembler.reset()

    def _folded(self, chunk: DataSetChunk) -> DataSetChunk:
        """Return a small chunk joined with the small chunks after it that have already come."""
        upper, assembler, context_id = self._upper, self.assembler, chunk.context_id
        pieces, warnings, last = [chunk.data], chunk.warnings, False
        while len(pieces) <= _MOST_FOLDED and not last and not assembler.stays_tiny:
            if not upper.has_fragment(context_id, SMALL):
                break
            fragment = upper.next_event()
            assert isinstance(fragment, PDVChunk)
            item = assembler.feed(fragment)
            assert isinstance(item, DataSetChunk)
            pieces.append(item.data)
            warnings += item.warnings
            last = item.last
        if len(pieces) == 1:
            return chunk
        data = memoryview(b"".join(pieces))
        return DataSetChunk(context_id=context_id, data=data, last=last, warnings=warnings)

    def interrupt(self) -> None:
        """Report the message that a release or the end of the association cuts short, if there is one."""
        assembler = self.assembler
        if assembler.context_id is not None:
            if not self._drops_data_set:
                self._emit(MessageIncomplete(context_id=assembler.context_id, command=assembler.command))
            self._cut = assembler.command
        assembler.reset()  # also of a data set that was not due
