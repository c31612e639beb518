"""A proxy that passes bytes on as they are and remembers them, and what they say as DICOM messages.

The recorded bytes are taken apart here with nothing but the headers of PS3.8 9.3: the engine that
is under test has no part in finding out what the data PDVs were.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dicomproto.dimse.codec import decode_command
from dicomproto.dimse.commands import Command
from dicomproto.upper_layer import AssociateAC, decode_pdu

from .programs import LOOPBACK, TIMEOUT

ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA_TF = 1, 2, 4
QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_READ = 256 * 1024


@dataclass
class Message:
    """A DIMSE message as it was on the wire; `data_set` is None when it has none."""

    context_id: int
    command: Command
    transfer_syntax: str
    data_set: bytes | None = None


@dataclass
class Recording:
    """The bytes of one connection, by direction."""

    from_requestor: bytearray = field(default_factory=bytearray)
    from_acceptor: bytearray = field(default_factory=bytearray)

    @property
    def answer(self) -> AssociateAC:
        """The A-ASSOCIATE-AC."""
        kind, body = next(pdus(self.from_acceptor))
        assert kind == ASSOCIATE_AC
        answer = decode_pdu(struct.pack(">BxL", kind, len(body)) + body)
        assert isinstance(answer, AssociateAC)
        return answer

    def longest_p_data(self) -> int:
        """Return the length, after its header, of the longest P-DATA-TF that the requestor sent."""
        lengths = [len(body) for kind, body in pdus(self.from_requestor) if kind == P_DATA_TF]
        return max(lengths, default=0)

    def messages(self) -> Iterator[Message]:
        """Yield what the requestor sent, in order; what was cut short at the end is left out."""
        syntaxes = {one.context_id: one.transfer_syntax for one in self.answer.presentation_contexts}
        command, data, message = b"", b"", None
        for context_id, control, fragment in pdvs(self.from_requestor):
            if control & 1:
                command += fragment
                if control & 2:
                    decoded = decode_command(command)
                    message = Message(context_id, decoded, syntaxes[context_id])
                    command = b""
                    if not decoded.has_data_set:
                        yield message
                continue
            assert message is not None
            assert message.context_id == context_id
            data += fragment
            if control & 2:
                message.data_set, data = data, b""
                yield message
                message = None

    def is_answered(self) -> bool:
        """Tell whether every request that was sent whole got a response; ours are one PDU each."""
        responses = sum(kind == P_DATA_TF for kind, _ in pdus(self.from_acceptor))
        return responses == sum(1 for _ in self.messages())


def pdus(stream: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each whole PDU (PS3.8 9.3.1)."""
    offset = 0
    while offset + 6 <= len(stream):
        kind, length = struct.unpack_from(">BxL", stream, offset)
        offset += 6
        if offset + length > len(stream):
            return
        yield kind, bytes(stream[offset : offset + length])
        offset += length


def pdvs(stream: bytes | bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Yield presentation context id, message control header and fragment of each PDV (PS3.8 9.3.5.1)."""
    for kind, body in pdus(stream):
        offset = 0
        while kind == P_DATA_TF and offset < len(body):
            length, context_id, control = struct.unpack_from(">LBB", body, offset)
            yield context_id, control, body[offset + 6 : offset + 4 + length]
            offset += 4 + length


class Proxy:
    """Listens on `port` of the loopback interface and connects each client with the server on `target`.

    With `hold_after` the proxy passes about that many bytes of a client on, and then sets `held` and
    waits for `resume`.
    """

    def __init__(self, target: int, *, hold_after: int | None = None) -> None:
        self.recordings: list[Recording] = []
        self.held = threading.Event()
        self.resume = threading.Event()
        self._target = target
        self._hold_after = hold_after
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume.set()
        # A shutdown, not a close, is what ends an accept() or recv() of another thread.
        for one in [self._listener, *self._sockets]:
            _quietly(one.shutdown, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((LOOPBACK, self._target), TIMEOUT)
            recording = Recording()
            self.recordings.append(recording)
            for one in (client, server):
                one.settimeout(TIMEOUT)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(one)
            for source, sink, record, hold in (
                (client, server, recording.from_requestor, self._hold_after),
                (server, client, recording.from_acceptor, None),
            ):
                thread = threading.Thread(target=self._pump, args=(source, sink, record, hold))
                self._threads.append(thread)
                thread.start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, record: bytearray, hold_after: int | None
    ) -> None:
        try:
            while data := _receive(source):
                record += data
                sink.sendall(data)
                if hold_after is not None and len(record) >= hold_after and not self.held.is_set():
                    self.held.set()
                    self.resume.wait(TIMEOUT)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one side is gone; let the other one know
            for one in (source, sink):
                _quietly(one.shutdown, socket.SHUT_RDWR)


def _receive(source: socket.socket) -> bytes:
    """Read; on Linux acknowledge at once, for peers that leave Nagle's algorithm on (40 ms a message)."""
    if QUICKACK is not None:
        source.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
    return source.recv(_READ)


def _quietly(function: Callable[[int], None], argument: int) -> None:
    try:
        function(argument)
    except OSError:
        pass
