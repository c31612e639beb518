"""A data set of 8 MiB out and in, piece by piece: neither side ever holds more than one piece."""

from __future__ import annotations

import hashlib

from dicomproto import (
    CLOSED,
    NEED_DATA,
    AssociateAC,
    AssociateRQ,
    Connection,
    CStoreRQ,
    DataSetChunk,
    RequestReceived,
    ResponseReceived,
    Role,
    build_associate_rq,
    negotiate,
)
from dicomproto.negotiation import AcceptorPolicy, accept_anything
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
PIECE = 256 * 1024


class Receiver:
    """A storage SCP that keeps only a digest of each object."""

    def __init__(self) -> None:
        self.connection = Connection(Role.ACCEPTOR)
        self.connection.transport_connected()
        self.digest = hashlib.sha256()
        self.largest = 0

    def receive(self, data: bytes) -> None:
        """Take the received bytes and answer."""
        self.connection.receive_data(data)
        while (event := self.connection.next_event()) is not NEED_DATA and event is not CLOSED:
            if isinstance(event, AssociateRQ):
                policy = AcceptorPolicy(unknown_context=accept_anything, maximum_length=64 * 1024)
                self.connection.send(negotiate(event, policy))
            elif isinstance(event, RequestReceived):
                print("request", event.command.AffectedSOPInstanceUID)
                self.request = event.command
            elif isinstance(event, DataSetChunk):
                self.digest.update(event.data)
                self.largest = max(self.largest, len(event.data))
                if event.last:
                    self.connection.send_response(self.request.response(Status=0x0000))


scp = Receiver()
scu = Connection(Role.REQUESTOR)


def flush() -> None:
    """Carry the output of the SCU to the SCP, and the answer back."""
    for buffer in scu.data_to_send():
        scp.receive(bytes(buffer))
    for buffer in scp.connection.data_to_send():
        scu.receive_data(bytes(buffer))


scu.send(build_associate_rq("SCU", "SCP", [(CT_IMAGE_STORAGE, [EXPLICIT_VR_LITTLE_ENDIAN])]))
scu.transport_connected()
flush()
answer = scu.next_event()
assert isinstance(answer, AssociateAC)
print("P-DATA-TF of at most", scu.peer_maximum_length, "bytes")

scu.send_request(CStoreRQ(AffectedSOPClassUID=CT_IMAGE_STORAGE, AffectedSOPInstanceUID="1.2.3"), 1)
sent = hashlib.sha256()
for number in range(32):
    piece = bytes([number]) * PIECE  # a program would read a file here
    sent.update(piece)
    scu.send_data(piece, last=number == 31)
    flush()  # now `piece` may be used again
response = scu.next_event()
assert isinstance(response, ResponseReceived)
print(f"status {response.command.Status:04X}, outstanding: {len(scu.outstanding)}")
print("same bytes:", scp.digest.digest() == sent.digest(), "- largest chunk:", scp.largest)
