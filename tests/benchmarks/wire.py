"""Two peers that know no more than they must, so that the program at the other end is what is measured.

The messages are ready before the clock starts, and of what comes only the lengths are read.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence

from dicomproto import (
    AcceptorPolicy,
    AssociateAC,
    AssociateRQ,
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

from .objects import CT, EXPLICIT

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
    engine = Connection(Role.REQUESTOR)
    engine.send(build_associate_rq("BENCH", "ANY-SCP", [(CT, (EXPLICIT,))]))
    with _tuned(socket.create_connection(("127.0.0.1", port), PATIENCE)) as peer:
        engine.transport_connected()
        if not isinstance(_exchange(engine, peer), AssociateAC):
            raise RuntimeError("the receiver does not accept the association")
        responses = _pdus(peer)
        started = 0.0
        for batch in (warm_up, ready):
            started = time.perf_counter()
            for message in batch:
                peer.sendall(message)
                if not _is_success(next(responses)):
                    raise RuntimeError("the receiver refused an object")
        taken = time.perf_counter() - started
        engine.send(ReleaseRQ())
        _exchange(engine, peer)
    return taken


def receive_all(listener: socket.socket) -> int:
    """Take one association of a sender, answer each C-STORE request with success; return how many came."""
    connection, _ = listener.accept()
    engine = Connection(Role.ACCEPTOR)
    count = 0
    with _tuned(connection) as peer:
        engine.transport_connected()
        request = _exchange(engine, peer)
        if not isinstance(request, AssociateRQ):
            raise RuntimeError(f"in place of an association request: {request!r}")
        engine.send(negotiate(request, AcceptorPolicy(unknown_context=accept_anything)))
        peer.sendall(b"".join(engine.data_to_send()))
        number = context = 0
        for pdu in _pdus(peer):
            if pdu[0] != 4:  # A-RELEASE-RQ
                peer.sendall(b"\x06\0\0\0\0\x04\0\0\0\0")
                break
            control = pdu[11]
            if control & 1:
                context, number = pdu[10], _message_id(pdu)
            elif control & 2:
                peer.sendall(_response(context, number))
                count += 1
    return count


_SUCCESS = struct.pack("<HHIH", 0, 0x0900, 2, 0)
_MESSAGE_ID = struct.pack("<HHI", 0, 0x0110, 2)


def _is_success(pdu: bytes) -> bool:
    return _SUCCESS in pdu


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
