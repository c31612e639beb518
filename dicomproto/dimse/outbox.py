"""Messages of ours on their way to the P-DATA level (PS3.7 6.3.1, PS3.8 Annex E).

A message is its command set, then its data set in chunks. One message at a time is under way: fragments of
two never interleave. A response without a data set that becomes due meanwhile waits until it has ended.
"""

from __future__ import annotations

from ..errors import LocalProtocolError
from ..upper_layer.machine import UpperLayer
from ..upper_layer.pdu import Buffer
from .codec import encode_command
from .commands import NO_DATA_SET, Command, Response
from .status import Category

_COMMAND, _LAST = 0b01, 0b10  # bits of the message control header (PS3.8 Annex E.2)


class Outbox:
    """Our current message, and the responses that wait for its end; `pack_pdvs` as for `Connection`."""

    def __init__(self, upper: UpperLayer, *, pack_pdvs: bool) -> None:
        self._upper = upper
        self._pack_pdvs = pack_pdvs
        self.command: Command | None = None
        """The command whose data set is under way, or None."""
        self.is_early: bool = False
        """Whether the peer answered with a failure before that data set was complete (PS3.7 9.3.1)."""
        self._context_id = 0
        self._held_command = b""  # a command set that travels with the first fragment of its data set
        self._odd_byte = b""
        self.waiting: list[tuple[int, int, bytes, bool]] = []
        """Responses that wait for its end: Message ID of the request, context, command set, whether final."""

    def has_response_to(self, message_id: int) -> bool:
        """Tell whether a response to a request with that Message ID waits."""
        return any(answered == message_id for answered, *_ in self.waiting)

    def count_final(self) -> int:
        """Return how many of the waiting responses are final: their requests are still to be answered."""
        return sum(is_final for *_, is_final in self.waiting)

    def check_free(self, what: str) -> None:
        """Raise LocalProtocolError if a data set is under way; `what` names the message to send."""
        if self.command is not None:
            raise LocalProtocolError(f"{what} within the data set of a {self.command.name}; end it first")

    def send(self, command: Command, context_id: int) -> None:
        """Queue a command set; its data set, if it has one, is then under way."""
        encoded, has_data_set = encode_command(command), command.CommandDataSetType != NO_DATA_SET
        if self._pack_pdvs and has_data_set:
            self._upper.check_p_data(context_id, len(encoded))
            self._held_command = encoded
        elif not self._upper.send_plain_pdv(context_id, encoded, _COMMAND | _LAST):
            self._upper.send_p_data(context_id, (encoded,), is_command=True, is_last=True)
        if has_data_set:
            self.command, self._context_id = command, context_id

    def send_in_turn(self, response: Response, context_id: int) -> None:
        """Queue a response without a data set after the current data set, if there is one."""
        if self.command is None:
            self.send(response, context_id)
        else:
            encoded = encode_command(response)  # an error has to be raised now
            self._upper.check_p_data(context_id, len(encoded))
            is_final = response.category is not Category.PENDING
            self.waiting.append((response.MessageIDBeingRespondedTo, context_id, encoded, is_final))

    def send_data(self, data: Buffer, *, last: bool, pad: bool) -> None:
        """Queue the next chunk of the current data set; see `Connection.send_data`."""
        if self.command is None:
            raise LocalProtocolError("send_data() without a request or response that has a data set")
        if isinstance(data, memoryview):
            data = data.cast("B")  # a view of wider items counts items
        is_whole = not self._odd_byte and not self._held_command
        if is_whole and self._upper.send_plain_pdv(self._context_id, data, _LAST if last else 0):
            if last:
                self._end()
            return
        parts: list[Buffer] = [self._odd_byte, data] if self._odd_byte else [data]
        odd_byte = b""
        if last and self.is_early and not any(map(len, parts)):
            # Some peers do not accept a fragment without data, and nobody looks at these bytes.
            parts = [b"\0\0"]
        if (len(self._odd_byte) + len(data)) & 1:
            if not last:
                # Fragments are even (PS3.8 Annex E.1): the odd byte waits for the next chunk.
                view = memoryview(data)
                parts[-1], odd_byte = view[:-1], bytes(view[-1:])
                if not len(data):
                    parts, odd_byte = [], self._odd_byte
            elif pad or self.is_early:
                parts.append(b"\0")
            else:
                raise LocalProtocolError("the data set has an odd length; pad=True adds a NUL")
        if last or any(map(len, parts)):
            self._upper.send_p_data(
                self._context_id, parts, is_command=False, is_last=last, command=self._held_command
            )
            self._held_command = b""
        self._odd_byte = odd_byte
        if last:
            self._end()

    def _end(self) -> None:
        """End the current message, and send the responses that wait for it."""
        self.command, self.is_early = None, False
        waiting, self.waiting = self.waiting, []
        for _, context_id, encoded, _ in waiting:
            self._upper.send_p_data(context_id, (encoded,), is_command=True, is_last=True)

    def discard(self) -> None:
        """Forget the current message and what waits for its end, since the association has ended."""
        self.command, self.is_early = None, False
        self._held_command = self._odd_byte = b""
        self.waiting.clear()
