"""What passes over the wire, told to those who ask: the events of `evt.OBSERVED`.

An `Observer` listens beside the engine. It frames the bytes of both directions once more, with the
framer, the codec and the assembler of the engine, and keeps what it finds until the association
has it told. It exists only while a handler of these events is bound; without one, all that is
left of it is a look at an attribute that is None. It may begin in the middle of an association:
each direction then with the next PDU, and messages with the next command.

The order is that of the bytes; of one PDU, first its bytes are told (EVT_DATA_*), then the PDU,
then what it completes: a message, or a step of the association. What is received is told before
the engine acts on it, what is sent when the stream has taken it.

Memory: a PDU or data set of more than `Limits.collect` bytes is not kept. Data sets are gathered
only for handlers that read them: one with an attribute `reads_data` that is false does without.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from dicomproto.dimse.assembly import Assembler, CommandReceived
from dicomproto.dimse.collector import DataSetCollector
from dicomproto.dimse.events import DataSetChunk
from dicomproto.errors import InvalidCommand, InvalidPDU
from dicomproto.upper_layer import decode_pdu
from dicomproto.upper_layer.events import PDVChunk
from dicomproto.upper_layer.framer import Framer, Item
from dicomproto.upper_layer.states import State

from .. import evt
from ..events.handlers import Bound
from ..events.message import Message

if TYPE_CHECKING:
    from dicomproto.config import Limits
    from dicomproto.connection import Connection
    from dicomproto.upper_layer.pdu import Buffer


MOST_ITEMS = 16
"""PDU headers, PDUs and fragments that are taken in at once of what was received."""


class Observer:
    """Listens to one association, in both directions, from the next event or piece of data on.

    `handlers_of` returns the handlers of a kind of event, as they are then; `emit` runs those of one event.
    `count_unsent` tells how many bytes the stream has not taken yet.
    """

    def __init__(
        self,
        connection: Connection,
        association: evt.AnyAssociation,
        handlers_of: Callable[[evt.EventKind], tuple[Bound, ...]],
        emit: Callable[[evt.Event], Awaitable[object]],
        count_unsent: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._association = association
        self._handlers_of = handlers_of
        self._emit = emit
        self._count_unsent = count_unsent
        self._found: deque[evt.Event] = deque()
        self._incoming: _Direction | None = None
        self._outgoing: _Direction | None = None

    def start(self) -> tuple[_Direction, _Direction]:
        """Begin to listen, where both directions are now; by the association's own task."""
        if self._incoming is None or self._outgoing is None:
            connection = self._connection
            limits = connection.limits
            # What we send has no limit but those that it was made with.
            unlimited = limits.replace(
                associate_length=1 << 32,
                presentation_contexts=256,
                transfer_syntaxes=1 << 16,
                items=1 << 16,
                empty_fragments=1 << 32,
                tiny_fragments=1 << 32,
                command_length=1 << 32,
            )
            rest, waiting = connection.unread()
            self._incoming = _Direction(self, _RECEIVED, limits, rest)
            self._outgoing = _Direction(self, _SENT, unlimited, self._count_unsent())
            connection.on_transition = self._transition
            if connection.state is State.STA4:  # the association is made after its request
                self._transition("Evt1", State.STA1, "AE-1", State.STA4)
            self._incoming.tiny_below(connection.tiny_below)
            for data in waiting:
                self._incoming.feed(data)
        return self._incoming, self._outgoing

    def stop(self) -> None:
        """Listen no longer."""
        self._connection.on_transition = None

    def received(self, data: Buffer) -> int:
        """Take what has come, before the engine does; return how many bytes of it were taken.

        They are no more than what is told at a time; the rest comes again, when that was told.
        """
        incoming, _ = self.start()
        incoming.tiny_below(self._connection.tiny_below)  # known from the answer on
        return incoming.feed(data, MOST_ITEMS)

    def sent(self, buffers: Iterable[Buffer], rest: Iterable[Buffer]) -> None:
        """Take what was sent of `buffers`, all but the `rest`."""
        outgoing = self.start()[1]
        left = sum(map(len, buffers)) - sum(map(len, rest))
        for buffer in buffers:
            if left <= 0:
                break
            outgoing.feed(memoryview(buffer)[:left])
            left -= len(buffer)

    async def tell(self) -> None:
        """Have everything told that was found so far."""
        self.start()
        while self._found:
            await self._emit(self._found.popleft())

    def has_handlers(self, kind: evt.EventKind) -> bool:
        """Whether anybody wants to hear of a kind of event."""
        return bool(self._handlers_of(kind))

    def reads_data(self, kind: evt.EventKind) -> bool:
        """Whether any handler of a kind of event reads the data sets."""
        handlers = self._handlers_of(kind)
        return any(getattr(bound.handler, "reads_data", True) for bound in handlers)

    def found(self, kind: evt.EventKind, **facts: object) -> None:
        """Keep an event until it is told, if anybody wants to hear of it."""
        if self.has_handlers(kind):
            self._found.append(kind.event_class(kind, self._association, **facts))

    def transfer_syntax(self, context_id: int) -> str:
        """Return the transfer syntax of a context, "" if there is none."""
        context = self._connection.accepted_contexts.get(context_id)
        return "" if context is None else context.transfer_syntax

    def _transition(self, event: str, met: State, action: str, following: State) -> None:
        self.found(
            evt.EVT_FSM_TRANSITION,
            fsm_event=event,
            current_state=met.value,
            action=action,
            next_state=following.value,
        )


class _Kinds(NamedTuple):
    """The events of one direction."""

    data: evt.EventKind
    pdu: evt.EventKind
    acse: evt.EventKind
    dimse: evt.EventKind


_RECEIVED = _Kinds(evt.EVT_DATA_RECV, evt.EVT_PDU_RECV, evt.EVT_ACSE_RECV, evt.EVT_DIMSE_RECV)
_SENT = _Kinds(evt.EVT_DATA_SENT, evt.EVT_PDU_SENT, evt.EVT_ACSE_SENT, evt.EVT_DIMSE_SENT)


class _Direction:
    """One direction of a byte stream, after the first `passed` bytes: the rest of a PDU that has begun."""

    def __init__(self, observer: Observer, kinds: _Kinds, limits: Limits, passed: int) -> None:
        self._observer = observer
        self._kinds = kinds
        self._limit = limits.collect
        self._passed = passed
        self._framer = Framer(limits)
        self._is_lost = False
        self._raw = bytearray()  # the PDU under way, from its first byte on
        self._raw_at = -1  # where in the stream that is; -1 if nobody wants it
        self._assembler = Assembler(limits)
        self._command: CommandReceived | None = None
        self._collector: DataSetCollector | None = None
        self._data_length = 0
        self._messages: list[Message] = []  # complete with the PDU under way

    def tiny_below(self, length: int) -> None:
        """Take fragments for tiny whose mean is less than `length`, as the engine does."""
        self._assembler.tiny = length

    def feed(self, data: Buffer, most: int | None = None) -> int:
        """Take the next bytes, up to the end of so many items; return how many were taken."""
        view = memoryview(data)[self._passed :]
        self._passed -= len(data) - len(view)
        if self._is_lost or not len(view):
            return len(data)
        framer = self._framer
        base = framer.consumed
        framer.receive(view)
        items = 0
        try:
            while items != most and (item := framer.next()) is not None:
                items += 1
                if isinstance(item, PDVChunk):
                    self._fragment(item)
                if not framer.is_mid_pdu:
                    self._pdu(item, view, base)
        except InvalidPDU:  # for which the engine ends the association
            self._is_lost = True
            return len(data)
        rest = len(view) - (framer.consumed - base)
        if rest:
            framer.forget_rest()
        self._keep(view[: len(view) - rest], base)
        return len(data) - rest

    # PDUs and their bytes

    def _pdu(self, item: Item, view: memoryview, base: int) -> None:
        """Tell of the PDU that ends with `item`."""
        observer, kinds = self._observer, self._kinds
        raw = self._whole(view, base) if self._wants_bytes() else None
        if raw is not None:
            observer.found(kinds.data, data=raw)
        if not isinstance(item, PDVChunk):
            observer.found(kinds.pdu, pdu=item)
            observer.found(kinds.acse, primitive=item)
            return
        if raw is not None and observer.has_handlers(kinds.pdu):
            observer.found(kinds.pdu, pdu=decode_pdu(raw))
        for message in self._messages:
            observer.found(kinds.dimse, message=message)
        self._messages.clear()

    def _wants_bytes(self) -> bool:
        has_handlers, kinds = self._observer.has_handlers, self._kinds
        return has_handlers(kinds.data) or has_handlers(kinds.pdu)

    def _whole(self, view: memoryview, base: int) -> bytes | None:
        """Return the bytes of the PDU that has just ended; None if they were not kept from its first on."""
        begun, end = self._framer.pdu_offset, self._framer.consumed
        if end - begun > self._limit:
            return None
        if begun >= base:
            return bytes(view[begun - base : end - base])
        return b"".join((self._raw, view[: end - base])) if self._raw_at == begun else None

    def _keep(self, view: memoryview, base: int) -> None:
        """Keep what came of the PDU under way, if it is wanted whole."""
        framer = self._framer
        begun = framer.begun_at if framer.is_mid_pdu else framer.consumed
        if begun >= base:
            self._raw, self._raw_at = bytearray(view[begun - base :]), begun
        elif self._raw_at == begun:
            self._raw += view
        if not self._wants_bytes() or len(self._raw) > self._limit:
            self._raw, self._raw_at = bytearray(), -1

    # messages

    def _fragment(self, chunk: PDVChunk) -> None:
        assembler, kind = self._assembler, self._kinds.dimse
        if not self._observer.has_handlers(kind):
            assembler.reset()
            return
        if chunk.is_command and assembler.lacks_data_set:
            self._complete()  # a response announced a data set of which nothing came
            assembler.reset()
        try:
            item = assembler.feed(chunk)
        except InvalidCommand:  # of a message that had begun before; or else the engine ends the association
            assembler.reset()
            return
        if isinstance(item, CommandReceived):
            self._command = item
            self._data_length = 0
            self._collector = DataSetCollector(self._limit) if self._observer.reads_data(kind) else None
            if not item.has_data_set:
                self._complete()
        elif isinstance(item, DataSetChunk):
            self._data_length += len(item.data)
            if self._collector is not None:
                # The first bytes are held as they are given, all others copied.
                self._collector.add(item.data if len(self._collector) else bytes(item.data))
            if item.last:
                self._complete()

    def _complete(self) -> None:
        received, collector = self._command, self._collector
        assert received is not None
        data = None
        if received.has_data_set and collector is not None and self._data_length <= self._limit:
            data = collector.collected()
        self._messages.append(
            Message(
                received.command,
                received.context_id,
                self._observer.transfer_syntax(received.context_id),
                data,
                self._data_length,
                self._limit,
            )
        )
        self._command = self._collector = None
