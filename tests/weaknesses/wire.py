"""A peer on a bare socket: it sends whatever bytes it likes and reads PDUs, all within a deadline.

Only the codec is shared with the engine, so that a peer can do what no engine would. What a probe
finds wrong is a `Weak`; what a peer waits for in vain becomes one by itself.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self, TypeVar

from dicomproto.dimse.codec import decode_command
from dicomproto.dimse.commands import Command
from dicomproto.upper_layer import decode_pdu, encode_pdu
from dicomproto.upper_layer.pdu import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRQ,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    PresentationDataValue,
    ReleaseRP,
    ReleaseRQ,
)

LOCALHOST = "127.0.0.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
GET = "1.2.840.10008.5.1.4.1.2.1.3"
RELEVANT_PATIENT = "1.2.840.10008.5.1.4.37.1"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
INSTANCE = "1.2.826.0.1.3680043.8.498.1"

KIB, MIB = 1024, 1024 * 1024
PENDING, NO_DATA_SET, DATA_SET = 0xFF00, 0x0101, 0x0001
_CHUNK = 64 * KIB

T = TypeVar("T")


class Weak(Exception):
    """The target has the weakness; the text says how it showed."""


class CannotBePut(Exception):
    """The target has nothing that the weakness could show in; the text says why."""


def check(holds: object, otherwise: str) -> None:
    """Raise `Weak` unless something holds; an `assert` that `python -O` keeps."""
    if not holds:
        raise Weak(otherwise)


def bounded(function: Callable[[], T], seconds: float, what: str) -> T:
    """Return what a function of the target returns; `Weak` if it takes longer than `seconds`."""
    results: list[T] = []
    failures: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised again below
            failures.append(error)

    thread = threading.Thread(target=call, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    check(not thread.is_alive(), f"{what} has not returned after {seconds:g} s")
    if failures:
        raise failures[0]
    return results[0]


def until(fact: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait for a fact that nothing tells of; `Weak` if it has not come true in time."""
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while not fact():
        check(time.monotonic() < deadline, otherwise)
        never.wait(0.005)


# --- bytes --------------------------------------------------------------------------------------


def element(group: int, number: int, vr: str, value: bytes) -> bytes:
    """Encode an element of a data set in Explicit VR Little Endian."""
    value += b"\0" * (len(value) & 1)
    if vr in ("OB", "OW", "UN"):
        return struct.pack("<HH2sxxI", group, number, vr.encode(), len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def image(size: int = 64, sop_class: str = CT_IMAGE, instance: str = INSTANCE) -> bytes:
    """Return an object whose pixel data has `size` bytes, in Explicit VR Little Endian."""
    head = element(8, 0x16, "UI", sop_class.encode()) + element(8, 0x18, "UI", instance.encode())
    return head + element(0x7FE0, 0x10, "OW", bytes(size))


def identifier(patient: str = "") -> bytes:
    """Return the identifier of a query, or of a match, in Explicit VR Little Endian."""
    return element(8, 0x52, "CS", b"PATIENT ") + element(0x10, 0x20, "LO", patient.encode())


def command_set(command_field: int, **values: int | str | bytes) -> bytes:
    """Return a command set of `_0110=1` and the like, by element number; nothing is added or checked."""
    body = b""
    for number, value in sorted({"_0100": command_field, **values}.items()):
        raw = struct.pack("<H", value) if isinstance(value, int) else value
        raw = raw.encode() if isinstance(raw, str) else raw
        raw += b"\0" * (len(raw) & 1)
        body += struct.pack("<HHI", 0, int(number[1:], 16), len(raw)) + raw
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def echo_rq(message_id: int = 1) -> bytes:
    """Return the command set of a C-ECHO-RQ."""
    return command_set(0x0030, _0002=VERIFICATION, _0110=message_id, _0800=NO_DATA_SET)


def store_rq(message_id: int = 1, sop_class: str = CT_IMAGE, instance: str = INSTANCE) -> bytes:
    """Return the command set of a C-STORE-RQ."""
    return command_set(1, _0002=sop_class, _0110=message_id, _0700=2, _0800=DATA_SET, _1000=instance)


def find_rq(message_id: int = 1, sop_class: str = FIND, command_field: int = 0x0020) -> bytes:
    """Return the command set of a C-FIND-RQ, or of a C-GET-RQ (0010H)."""
    return command_set(command_field, _0002=sop_class, _0110=message_id, _0700=2, _0800=DATA_SET)


def move_rq(message_id: int = 1) -> bytes:
    """Return the command set of a C-MOVE-RQ."""
    return command_set(0x0021, _0002=MOVE, _0110=message_id, _0600="DEST", _0700=2, _0800=DATA_SET)


def response(request: Command, status: int = 0, *, has_data_set: bool = False, **values: int | str) -> bytes:
    """Return the command set of a response; `values` replaces elements."""
    elements: dict[str, int | str | bytes] = {
        "_0002": request.sop_class_uid,
        "_0120": getattr(request, "MessageID", 1),
        "_0800": DATA_SET if has_data_set else NO_DATA_SET,
        "_0900": status,
        **values,
    }
    return command_set(request.command_field | 0x8000, **elements)


def pdv(data: bytes, context_id: int = 1, *, is_command: bool = True, is_last: bool = True) -> bytes:
    """Return a P-DATA-TF of one PDV."""
    value = PresentationDataValue(context_id=context_id, is_command=is_command, is_last=is_last, data=data)
    return encode_pdu(PDataTF(values=(value,)))


def message(command: bytes, data: bytes | None = None, context_id: int = 1) -> bytes:
    """Return a message as P-DATA-TFs."""
    sent = pdv(command, context_id)
    for start in range(0, len(data or b""), 16 * KIB):
        assert data is not None
        piece = data[start : start + 16 * KIB]
        sent += pdv(piece, context_id, is_command=False, is_last=start + len(piece) == len(data))
    return sent


def deflated_bomb(size: int) -> bytes:
    """Return a deflated identifier of a few kilobytes that inflates to `size` bytes."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflate.compress(identifier() + element(0x21, 0x1010, "UN", bytes(size))) + deflate.flush()
    return bomb + b"\0" * (len(bomb) & 1)


def proposal(
    contexts: Iterable[tuple[str, tuple[str, ...]]] = ((VERIFICATION, (EXPLICIT,)),),
    **fields: object,
) -> AssociateRQ:
    """Return a proposal of contexts with ids 1, 3, 5..."""
    rq = AssociateRQ(
        called_ae_title="TARGET",
        calling_ae_title="PEER",
        presentation_contexts=tuple(
            PresentationContextRQ(context_id=2 * i + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes)
            for i, (uid, syntaxes) in enumerate(contexts)
        ),
        maximum_length=16384,
        implementation_class_uid="1.2.3",
    )
    return rq.replace(**fields)


# --- the peer -----------------------------------------------------------------------------------


class Message(NamedTuple):
    """What was received: a command, its data set if it has one, and the size of each fragment."""

    command: Command
    data: bytes | None
    context_id: int
    fragments: tuple[int, ...]


class Wire:
    """One connection with the target; whatever waits, waits `patience` seconds at most."""

    def __init__(self, sock: socket.socket, patience: float) -> None:
        self.socket = sock
        self.patience = patience
        sock.settimeout(patience)
        self.was_reset = False
        self.due = "anything"
        """What is to come next, for the text of what is wrong."""
        self._values: list[PresentationDataValue] = []
        self._ahead = b""

    @classmethod
    def connect(cls, port: int, patience: float) -> Self:
        """Connect to the target."""
        return cls(socket.create_connection((LOCALHOST, port), patience), patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes | PDU) -> None:
        """Send bytes and PDUs; a connection that is gone is noticed when something is read."""
        data = b"".join(part if isinstance(part, bytes) else encode_pdu(part) for part in parts)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Weak(f"read nothing for {self.patience:g} s") from None
        except OSError:
            self.was_reset = True

    def pour(self, block: bytes, limit: int) -> int:
        """Send `block` again and again until the target ends the connection; return the bytes sent.

        At `limit` bytes, or when nothing is taken for a second, it stops.
        """
        sent = 0
        view = memoryview(block)
        while sent < limit:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 1.0)
            if readable or not writable:
                break
            try:
                sent += self.socket.send(view[sent % len(block) :])
            except OSError:
                break
        return sent

    def has_input(self) -> bool:
        """Tell whether the target has said something, or ended the connection."""
        return bool(select.select([self.socket], [], [], self.patience)[0])

    def receive(self, count: int) -> bytes:
        """Return exactly so many bytes; fewer at the end of the connection."""
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        try:
            while len(data) < count and (piece := self.socket.recv(min(count - len(data), _CHUNK))):
                data += piece
        except TimeoutError:
            raise Weak(f"{self.due} was due, and nothing came for {self.patience:g} s") from None
        except OSError:
            self.was_reset = True
        return data

    def read_ahead(self, count: int) -> None:
        """Receive so many bytes, to be read later."""
        ahead, self._ahead = self._ahead, b""
        self._ahead = ahead + self.receive(count)

    def pdu(self) -> PDU | None:
        """Return the next PDU; None when the connection has ended."""
        header = self.receive(6)
        if len(header) < 6:
            return None
        length = int.from_bytes(header[2:], "big")
        body = self.receive(length)
        return decode_pdu(header + body) if len(body) == length else None

    def expect(self, *kinds: type[PDU]) -> PDU:
        """Return the next PDU, which is of one of the kinds."""
        pdu = self.pdu()
        if pdu is None:
            raise Weak(f"{self.due} was due, and the connection was ended without a word")
        if not isinstance(pdu, kinds):
            raise Weak(f"{self.due} was due, and {type(pdu).__name__} came")
        return pdu

    def push(self, pdu: PDataTF) -> None:
        """Give back a PDU that is a part of the next message."""
        self._values += pdu.values

    def message(self) -> Message:
        """Return the next message."""
        parts: dict[bool, list[bytes]] = {True: [], False: []}
        fragments: list[int] = []
        command: Command | None = None
        while True:
            if not self._values:
                pdu = self.expect(PDataTF)
                assert isinstance(pdu, PDataTF)
                self._values = list(pdu.values)
            value = self._values.pop(0)
            check(value.is_command is (command is None), "the fragments of two messages interleave")
            parts[value.is_command].append(bytes(value.data))
            fragments.append(len(value.data))
            if not value.is_last:
                continue
            command = command or decode_command(b"".join(parts[True]))
            if not value.is_command or not command.has_data_set:
                data = None if value.is_command else b"".join(parts[False])
                return Message(command, data, value.context_id, tuple(fragments))

    def status(self) -> int:
        """Return the status of the next message, a response."""
        status: int = getattr(self.message().command, "Status", -1)
        return status

    # -- associations -------------------------------------------------------------------------

    def associate(
        self,
        contexts: Iterable[tuple[str, tuple[str, ...]]] = ((VERIFICATION, (EXPLICIT,)),),
        **fields: object,
    ) -> AssociateAC:
        """Request an association, which is accepted, and return the answer."""
        self.due = "A-ASSOCIATE-AC"
        self.send(proposal(contexts, **fields))
        answer = self.expect(AssociateAC)
        assert isinstance(answer, AssociateAC)
        self.due = "an answer"
        return answer

    def accept(self, **fields: object) -> AssociateRQ:
        """Accept whatever association is requested, each context in its first transfer syntax."""
        self.due = "A-ASSOCIATE-RQ"
        rq = self.expect(AssociateRQ)
        assert isinstance(rq, AssociateRQ)
        contexts = [
            PresentationContextAC(
                context_id=one.context_id, result=0, transfer_syntax=one.transfer_syntaxes[0]
            )
            for one in rq.presentation_contexts
        ]
        answer = AssociateAC(
            called_ae_title=rq.called_ae_title,
            calling_ae_title=rq.calling_ae_title,
            presentation_contexts=tuple(contexts),
            maximum_length=16384,
            implementation_class_uid="1.2.3",
            role_selections=rq.role_selections,
        )
        self.send(answer.replace(**fields))
        self.due = "a request"
        return rq

    def release(self) -> None:
        """Release the association and close."""
        self.due = "A-RELEASE-RP"
        self.send(ReleaseRQ())
        self.expect(ReleaseRP)

    def serve_release(self) -> None:
        """Wait for the request to release the association, or its end, and answer it."""
        self.due = "A-RELEASE-RQ"
        pdu = self.pdu()
        if isinstance(pdu, ReleaseRQ):
            self.send(ReleaseRP())
            self.pdu()
        elif pdu is not None and not isinstance(pdu, Abort):
            raise Weak(f"sent {type(pdu).__name__} where nothing was due but a release")

    def serve_stores(self) -> None:
        """Answer C-STORE requests with success, until the release or the end."""
        while (pdu := self.pdu()) is not None:
            if isinstance(pdu, ReleaseRQ):
                self.send(ReleaseRP())
            elif isinstance(pdu, PDataTF):
                self.push(pdu)
                received = self.message()
                stored = response(received.command, _1000=received.command.sop_instance_uid)
                self.send(message(stored, None, received.context_id))


@contextmanager
def peer(script: Callable[[Wire], object], patience: float) -> Iterator[int]:
    """A server that runs `script` on its first connection, in a thread; yields its port.

    What the script finds is raised at the end of the block, which waits for it.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            sock = listener.accept()[0]
            with Wire(sock, patience) as wire:
                script(wire)
        except BaseException as error:  # raised again below
            failures.append(error)

    with socket.socket() as listener:
        # Before listen(2), so that the window is small from the first: a target that sends does not
        # get all of an object into the system's buffers.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        listener.bind((LOCALHOST, 0))
        listener.listen()
        listener.settimeout(patience)
        thread = threading.Thread(target=run, name="the peer", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        except Exception as error:
            # What the script found comes first: the target may have failed for it.
            thread.join(1.0 if isinstance(error, Weak) else patience)
            if failures and isinstance(failures[0], Weak):
                raise failures[0] from None
            raise
        thread.join(2 * patience)
    if failures:
        raise failures[0]
    check(not thread.is_alive(), "the peer still waits")
