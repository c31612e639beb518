"""Two peers that know no more than they must, so that the program at the other end is what is measured.

The messages are ready before the clock starts, and of what comes only the lengths are read.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile

from dicomproto import (
    AcceptorPolicy,
    AssociateAC,
    AssociateRQ,
    CFindRQ,
    Connection,
    CStoreRQ,
    CStoreRSP,
    PDataTF,
    PresentationDataValue,
    ReleaseRQ,
    Role,
    accept_anything,
    build_associate_rq,
    encode_command,
    encode_pdu,
    negotiate,
)

from .objects import CT, EXPLICIT, element

PATIENCE = 120.0
"""Seconds."""


def messages(objects: Sequence[tuple[str, bytes]], most: int = 1_000_000_000) -> list[bytes]:
    """Return a C-STORE request of each object, as it goes out on context 1, with `most` bytes in a PDU."""
    return [_message(number, uid, content, most) for number, (uid, content) in enumerate(objects, 1)]


def _message(number: int, uid: str, content: bytes, most: int) -> bytes:
    request = CStoreRQ(MessageID=number, AffectedSOPClassUID=CT, AffectedSOPInstanceUID=uid, Priority=0)
    message = _pdu(encode_command(request), is_command=True)
    for start in range(0, len(content), most):
        end = start + most
        message += _pdu(content[start:end], is_command=False, is_last=end >= len(content))
    return message


def _pdu(data: bytes, *, is_command: bool, is_last: bool = True) -> bytes:
    value = PresentationDataValue(context_id=1, is_command=is_command, is_last=is_last, data=data)
    return b"".join(map(bytes, [encode_pdu(PDataTF(values=(value,)))]))


def send_all(port: int, warm_up: Sequence[bytes], ready: Sequence[bytes]) -> float:
    """Send C-STORE requests to a receiver; return the seconds that those of `ready` take."""
    with _requesting(port, CT) as (peer, responses):
        started = 0.0
        for batch in (warm_up, ready):
            started = time.perf_counter()
            for message in batch:
                peer.sendall(message)
                if _SUCCESS not in next(responses):
                    raise RuntimeError("the receiver refused an object")
        return time.perf_counter() - started


def find_all(port: int, sop_class: str, count: int) -> float:
    """Send a query again and again; return the seconds that it takes until the last response is here."""
    query = _query(sop_class)
    with _requesting(port, sop_class) as (peer, responses):
        started = time.perf_counter()
        for _ in range(count):
            peer.sendall(query)
            while _SUCCESS not in next(responses):
                pass
        return time.perf_counter() - started


def responses_to_a_query(port: int, sop_class: str) -> bytes:
    """Return all that a provider answers to the query."""
    with _requesting(port, sop_class) as (peer, responses):
        peer.sendall(_query(sop_class))
        answer = [next(responses)]
        while _SUCCESS not in answer[-1]:
            answer.append(next(responses))
        return b"".join(answer)


def _query(sop_class: str) -> bytes:
    request = CFindRQ(MessageID=1, AffectedSOPClassUID=sop_class, Priority=0)
    keys = element(0x0008_0052, "CS", b"STUDY") + element(0x0010_0020, "LO", b"")
    identifier = keys + element(0x0020_000D, "UI", b"")
    return _pdu(encode_command(request), is_command=True) + _pdu(identifier, is_command=False)


@contextmanager
def _requesting(port: int, abstract_syntax: str) -> Iterator[tuple[socket.socket, Iterator[bytes]]]:
    """Yield the connection of an association, and the PDUs that come on it; release it in the end."""
    engine = Connection(Role.REQUESTOR)
    engine.send(build_associate_rq("BENCH", "ANY-SCP", [(abstract_syntax, (EXPLICIT,))]))
    with _tuned(socket.create_connection(("127.0.0.1", port), PATIENCE)) as peer:
        engine.transport_connected()
        if not isinstance(_exchange(engine, peer), AssociateAC):
            raise RuntimeError("the acceptor does not accept the association")
        yield peer, _pdus(peer)
        engine.send(ReleaseRQ())
        _exchange(engine, peer)


def receive_all(listener: socket.socket) -> int:
    """Take one association of a sender, answer each C-STORE request with success; return how many came."""
    count = number = context = 0
    with _accepting(listener) as (peer, pdus):
        for pdu in pdus:
            control = pdu[11]
            if control & 1:
                context, number = pdu[10], _message_id(pdu)
            elif control & 2:
                peer.sendall(_response(context, number))
                count += 1
    return count


def answer_finds(listener: socket.socket, answer: bytes) -> None:
    """Take one association of a requestor, and answer each C-FIND request as `answer` does Message ID 1."""
    with _accepting(listener) as (peer, pdus):
        number = 0
        for pdu in pdus:
            control = pdu[11]
            if control & 1:
                number = _message_id(pdu)
            elif control & 2:
                peer.sendall(answer.replace(_RESPONDED + b"\1\0", _RESPONDED + number.to_bytes(2, "little")))


@contextmanager
def _accepting(listener: socket.socket) -> Iterator[tuple[socket.socket, Iterator[bytes]]]:
    """Yield the connection of an association that somebody requests, and the P-DATA-TF PDUs on it."""
    connection, _ = listener.accept()
    engine = Connection(Role.ACCEPTOR)
    with _tuned(connection) as peer:
        engine.transport_connected()
        request = _exchange(engine, peer)
        if not isinstance(request, AssociateRQ):
            raise RuntimeError(f"in place of an association request: {request!r}")
        engine.send(negotiate(request, AcceptorPolicy(unknown_context=accept_anything)))
        peer.sendall(b"".join(engine.data_to_send()))
        yield peer, takewhile(lambda pdu: pdu[0] == 4, _pdus(peer))
        peer.sendall(b"\x06\0\0\0\0\x04\0\0\0\0")  # A-RELEASE-RP


_SUCCESS = struct.pack("<HHIH", 0, 0x0900, 2, 0)
_MESSAGE_ID = struct.pack("<HHI", 0, 0x0110, 2)
_RESPONDED = struct.pack("<HHI", 0, 0x0120, 2)


def _message_id(pdu: bytes) -> int:
    place = pdu.index(_MESSAGE_ID) + len(_MESSAGE_ID)
    return int.from_bytes(pdu[place : place + 2], "little")


def _response(context: int, number: int) -> bytes:
    command = encode_command(CStoreRSP(MessageIDBeingRespondedTo=number, AffectedSOPClassUID=CT, Status=0))
    return struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, context, 3) + command


def _tuned(peer: socket.socket) -> socket.socket:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def _exchange(engine: Connection, peer: socket.socket) -> object:
    """Send what the engine has ready and return the next event."""
    peer.sendall(b"".join(engine.data_to_send()))
    for pdu in _pdus(peer):
        engine.receive_data(pdu)
        return engine.next_event()
    return None


def _pdus(peer: socket.socket) -> Iterator[bytes]:
    """Yield each PDU. It reads ahead: a second generator only when the peer has nothing more to say."""
    with peer.makefile("rb", 1 << 18) as stream:
        while header := stream.read(6):
            yield header + stream.read(int.from_bytes(header[2:], "big"))
