"""Messages from PDV chunks: command sets whole, data sets as they come (PS3.8 Annex E, PS3.7 6.3.1).

A message is its command fragments, then its data set fragments, all on one context. No fragment of another
message comes in between. Only the command set is collected, up to `Limits.command_length`.
"""

from __future__ import annotations

from typing import NoReturn

from ..config import Limits
from ..errors import InvalidCommand
from ..record import Record, maker_of
from ..upper_layer.events import PDVChunk
from ..upper_layer.framer import PlainPDV
from ..upper_layer.pdu import Buffer
from .codec import decode_command
from .commands import NO_DATA_SET, Command, Response
from .events import DataSetChunk, UnexpectedDataSet


class CommandReceived(Record):
    """A complete command set; `warnings` are those of its fragments and of its elements."""

    context_id: int
    command: Command
    has_data_set: bool
    warnings: tuple[str, ...] = ()


_make_received, _make_chunk = maker_of(CommandReceived), maker_of(DataSetChunk)

SMALL = 1024
"""Bytes; to copy a smaller piece of a data set costs less than an event of its own."""

TINY = 64
"""Fragments below this mean length, in bytes, are tiny: each costs as much work as one of 16 KiB."""


class Assembler:
    """Puts messages together; raises InvalidCommand for fragments that make no message."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_tiny = limits.tiny_fragments
        self._gathered = bytearray()
        self._warnings: dict[str, str] = {}  # the first of each kind, since there may be many fragments
        self._fragments = self._empty_fragments = 0
        self._length = 0  # of all fragments of the message, and of those of its command set
        self._command_length = 0
        self._begun = 0
        self.message_number: int | None = None
        """Number of the message, or of the stray data set, that is under way."""
        self.tiny = TINY
        """Mean length below which fragments are tiny."""
        self.context_id: int | None = None
        """Context of the message that is under way."""
        self.command: Command | None = None
        """Command of that message, once its command set is complete and its data set is due."""
        self._stray: int | None = None  # context of a message that cannot have, or announced no, data set

    @property
    def lacks_data_set(self) -> bool:
        """Whether a response announced a data set, and nothing of it has come."""
        return isinstance(self.command, Response) and self._length == self._command_length

    @property
    def stays_tiny(self) -> bool:
        """Whether the message has too many tiny fragments, so that another one ends it."""
        return self._fragments > self._most_tiny and self._length < self._fragments * self.tiny

    def reset(self) -> None:
        """Forget the message that is under way."""
        self._gathered, self._warnings, self._empty_fragments = bytearray(), {}, 0
        self.context_id = self.command = self.message_number = self._stray = None

    def feed_plain(self, pdv: PlainPDV) -> CommandReceived | DataSetChunk | None:
        """Take a PDV, or a part of one, if it fits in without a second look: the short way of `feed`.

        It is then a whole command set where a message was due, or a part of the data set that is due, which
        is not to be joined with others. Otherwise nothing changes, and the return value is None.
        """
        context_id, control, data, end_of_pdv, _ = pdv
        size, is_last = len(data), end_of_pdv and control & 2 != 0
        if control & 1:
            if not is_last or self.context_id is not None or size > self._limits.command_length:
                return None
            self._begin(context_id)
            self._length, self._fragments = size, 1
            return self._completed(context_id, data)
        if self.command is None or context_id != self.context_id or (size < SMALL and not is_last):
            return None
        if self._fragments > self._most_tiny and self.stays_tiny:
            return None
        self._length += size
        self._fragments += end_of_pdv
        if is_last:
            self.reset()
        return _make_chunk(context_id, data, is_last)

    def feed(self, chunk: PDVChunk) -> CommandReceived | DataSetChunk | UnexpectedDataSet | None:
        """Take the next chunk; return the command that it completes or the data that it carries, if any."""
        context_id = chunk.context_id
        if self.context_id is None:
            if chunk.is_command:
                self._begin(context_id)
                if not chunk.starts_pdu:  # PS3.8 Annex E.1 forbids this, and some peers do it
                    self._warn("several-messages: in one P-DATA-TF")
            elif self._stray != context_id:
                raise InvalidCommand("data set fragment, a command was due")
        elif context_id != self.context_id:
            raise InvalidCommand(f"fragment on context {context_id} within a message on {self.context_id}")
        elif chunk.is_command is not (self.command is None):
            due, came = ("command", "data set") if self.command is None else ("data set", "command")
            raise InvalidCommand(f"{came} fragment while the {due} is incomplete")
        if self._fragments > self._most_tiny and self.stays_tiny:
            self._refuse_tiny()
        size = len(chunk.data)
        self._length += size
        if chunk.end_of_pdv:
            self._fragments += 1
        if not size:
            self._count_empty()
        if self.context_id is None:
            return self._unexpected(chunk)
        return self._command(chunk) if self.command is None else self._data_set(chunk)

    def _begin(self, context_id: int) -> None:
        self.context_id = context_id
        self._stray = None
        self._begun += 1
        self.message_number = self._begun
        self._length = self._fragments = self._empty_fragments = 0

    def _warn(self, *warnings: str) -> None:
        for warning in warnings:
            self._warnings.setdefault(warning.partition(":")[0], warning)

    def _refuse_tiny(self) -> NoReturn:
        limit, tiny = self._most_tiny, self.tiny
        raise InvalidCommand(
            f"more than {limit} fragments of less than {tiny} bytes on average (Limits.tiny_fragments)"
        )

    def _count_empty(self) -> None:
        self._empty_fragments += 1
        if self._empty_fragments > self._limits.empty_fragments:
            limit = self._limits.empty_fragments
            raise InvalidCommand(f"more than {limit} empty fragments (Limits.empty_fragments)")

    def _command(self, chunk: PDVChunk) -> CommandReceived | None:
        if chunk.warnings:
            self._warn(*chunk.warnings)
        if len(self._gathered) + len(chunk.data) > self._limits.command_length:
            limit = self._limits.command_length
            raise InvalidCommand(f"command set of more than {limit} bytes (Limits.command_length)")
        is_complete = chunk.is_last and chunk.end_of_pdv
        if self._gathered or not is_complete:
            self._gathered += chunk.data
            if not is_complete:
                return None
        return self._completed(chunk.context_id, self._gathered or chunk.data)

    def _completed(self, context_id: int, data: Buffer) -> CommandReceived:
        """Return the command of a complete command set. Raises InvalidCommand within the message."""
        command = decode_command(data)
        # A C-ECHO or C-CANCEL never has a data set, but peers write all sorts of values there.
        has_data_set = command.data_set_allowed and command.CommandDataSetType != NO_DATA_SET
        warnings = (*self._warnings.values(), *command.warnings)
        received = _make_received(context_id, command, has_data_set, warnings)
        self._command_length = self._length
        if has_data_set:
            self._gathered, self._warnings, self._empty_fragments = bytearray(), {}, 0
            self.command = command
        else:
            self.reset()
            if isinstance(command, Response) or not command.data_set_allowed:
                self._stray = context_id
        return received

    def _data_set(self, chunk: PDVChunk) -> DataSetChunk | None:
        last = chunk.is_last and chunk.end_of_pdv
        warnings = chunk.warnings and self._news(chunk.warnings)
        if last:
            self.reset()
        elif not chunk.data:
            return None
        return _make_chunk(chunk.context_id, chunk.data, last, warnings)

    def _news(self, warnings: tuple[str, ...]) -> tuple[str, ...]:
        """Return the `warnings` of kinds that are new for this data set."""
        told = len(self._warnings)
        self._warn(*warnings)
        return tuple(self._warnings.values())[told:]

    def _unexpected(self, chunk: PDVChunk) -> UnexpectedDataSet | None:
        """Drop a data set that its message cannot have, or did not announce; some peers send one."""
        self.message_number = self._begun
        if not (chunk.is_last and chunk.end_of_pdv):
            return None
        length = self._length - self._command_length
        dropped = UnexpectedDataSet(context_id=chunk.context_id, length=length)
        self._stray = self.message_number = None
        return dropped
