"""The observer of an association: events for bytes, PDUs and messages of both directions (`evt.OBSERVED`).

An `Observer` frames the bytes of both directions a second time, with the framer, the codec and the assembler
of the engine, and keeps its events until the association runs their handlers. It exists only while a handler
of these events is bound; otherwise the cost is a check for None. In the middle of an association it begins
with the next PDU of each direction, and with the next command.

Events have the order of the bytes. For one PDU: its bytes (EVT_DATA_*), the PDU, then the message or the step
of the association that it completes. Events of received bytes come before the engine acts on them, events of
sent bytes after the stream has taken them.

Memory: a PDU or data set of more than `Limits.collect` bytes is not kept. Data sets are gathered only for
handlers that read them: a handler with a false attribute `reads_data` does not.
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
"""Most PDU headers, PDUs and fragments of received bytes between two runs of handlers."""


class Observer:
    """Observes one association in both directions.

    `handlers_of` returns the present handlers of a kind of event; `emit` runs the handlers of one event.
    `count_unsent` returns the number of bytes that the stream has not taken yet.
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
        """Begin at the present place of both directions; called by the association's own task."""
        if self._incoming is None or self._outgoing is None:
            connection = self._connection
            limits = connection.limits
            # Our own PDUs need no limit: the engine has made them.
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
            if connection.state is State.STA4:  # the observer starts after the association was requested
                self._transition("Evt1", State.STA1, "AE-1", State.STA4)
            self._incoming.tiny_below(connection.tiny_below)
            for data in waiting:
                self._incoming.feed(data)
        return self._incoming, self._outgoing

    def stop(self) -> None:
        """End the observation."""
        self._connection.on_transition = None

    def received(self, data: Buffer) -> int:
        """Take received bytes before the engine does; return the number of bytes taken.

        The rest is given again after the handlers of the events so far have run.
        """
        incoming, _ = self.start()
        incoming.tiny_below(self._connection.tiny_below)  # known after the negotiation
        return incoming.feed(data, MOST_ITEMS)

    def sent(self, buffers: Iterable[Buffer], rest: Iterable[Buffer]) -> None:
        """Take the sent bytes: `buffers` without the `rest`."""
        outgoing = self.start()[1]
        left = sum(map(len, buffers)) - sum(map(len, rest))
        for buffer in buffers:
            if left <= 0:
                break
            outgoing.feed(memoryview(buffer)[:left])
            left -= len(buffer)

    async def tell(self) -> None:
        """Run the handlers of all events found so far."""
        self.start()
        while self._found:
            await self._emit(self._found.popleft())

    def has_handlers(self, kind: evt.EventKind) -> bool:
        """Tell whether a kind of event has handlers."""
        return bool(self._handlers_of(kind))

    def reads_data(self, kind: evt.EventKind) -> bool:
        """Tell whether a handler of a kind of event reads the data sets."""
        handlers = self._handlers_of(kind)
        return any(getattr(bound.handler, "reads_data", True) for bound in handlers)

    def found(self, kind: evt.EventKind, **facts: object) -> None:
        """Keep an event until its handlers run; without handlers there is none."""
        if self.has_handlers(kind):
            self._found.append(kind.event_class(kind, self._association, **facts))

    def transfer_syntax(self, context_id: int) -> str:
        """Return the transfer syntax of a context; "" for an unknown context."""
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
    """The kinds of events of one direction."""

    data: evt.EventKind
    pdu: evt.EventKind
    acse: evt.EventKind
    dimse: evt.EventKind


_RECEIVED = _Kinds(evt.EVT_DATA_RECV, evt.EVT_PDU_RECV, evt.EVT_ACSE_RECV, evt.EVT_DIMSE_RECV)
_SENT = _Kinds(evt.EVT_DATA_SENT, evt.EVT_PDU_SENT, evt.EVT_ACSE_SENT, evt.EVT_DIMSE_SENT)


class _Direction:
    """One direction of a byte stream; the first `passed` bytes, the rest of a PDU, are not observed."""

    def __init__(self, observer: Observer, kinds: _Kinds, limits: Limits, passed: int) -> None:
        self._observer = observer
        self._kinds = kinds
        self._limit = limits.collect
        self._passed = passed
        self._framer = Framer(limits)
        self._is_lost = False
        self._raw = bytearray()  # the PDU under way, from its first byte on
        self._raw_at = -1  # the offset of that byte in the stream; -1 without handlers of the bytes
        self._assembler = Assembler(limits)
        self._command: CommandReceived | None = None
        self._collector: DataSetCollector | None = None
        self._data_length = 0
        self._messages: list[Message] = []  # complete with the PDU under way

    def tiny_below(self, length: int) -> None:
        """Set the mean length below which fragments count as tiny, as in the engine."""
        self._assembler.tiny = length

    def feed(self, data: Buffer, most: int | None = None) -> int:
        """Take the next bytes, up to the end of `most` items; return the number of bytes taken."""
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
        except InvalidPDU:  # the engine ends the association for it
            self._is_lost = True
            return len(data)
        rest = len(view) - (framer.consumed - base)
        if rest:
            framer.forget_rest()
        self._keep(view[: len(view) - rest], base)
        return len(data) - rest

    # PDUs and their bytes

    def _pdu(self, item: Item, view: memoryview, base: int) -> None:
        """Add the events of the PDU that ends with `item`."""
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
        """Return the bytes of the PDU that has just ended; None if its first bytes were not kept."""
        begun, end = self._framer.pdu_offset, self._framer.consumed
        if end - begun > self._limit:
            return None
        if begun >= base:
            return bytes(view[begun - base : end - base])
        return b"".join((self._raw, view[: end - base])) if self._raw_at == begun else None

    def _keep(self, view: memoryview, base: int) -> None:
        """Keep the bytes of the PDU under way, if a handler wants them."""
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
            self._complete()  # a response announced a data set and sent none of it
            assembler.reset()
        try:
            item = assembler.feed(chunk)
        except InvalidCommand:  # its message began before the observation, or the engine ends the association
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
                # The collector holds the first bytes as they are and copies all others.
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
