"""Peers that pour out what costs much more to take than to send.

`BLOCKS` are what they send again and again on an association with the contexts of `PROPOSAL`. As a program,
`python -m tests.pourers PORT KIND`, it pours until it is killed, at nice 10, and associates again as
often as its association is ended.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys

from dicomproto import build_associate_rq
from dicomproto.dimse.codec import encode_command
from dicomproto.dimse.commands import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    Command,
    CStoreRQ,
    NGetRQ,
)
from dicomproto.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer import Abort, encode_pdu

ADDRESS = "127.0.0.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = (VERIFICATION, CT, FIND)  # ids 1, 3 and 5
_SYNTAX = (IMPLICIT_VR_LITTLE_ENDIAN,)
PROPOSAL = encode_pdu(build_associate_rq("POURER", "ANY-SCP", [(uid, _SYNTAX) for uid in CONTEXTS]))
_WIDE = [f"1.2.3.{number}" for number in range(120)]
_LARGE_PROPOSAL = encode_pdu(
    build_associate_rq("POURER", "ANY-SCP", [(uid, [f"1.9.{n}" for n in range(250)]) for uid in _WIDE])
)


def fragments(context_id: int, control: int, *parts: bytes, last: bool = True) -> bytes:
    """Return one P-DATA-TF with a PDV for each part; `control` is 1 for a command set, 0 for a data set."""
    body = b"".join(
        struct.pack(">IBB", len(part) + 2, context_id, control | 2 * (last and number == len(parts))) + part
        for number, part in enumerate(parts, 1)
    )
    return struct.pack(">BxI", 4, len(body)) + body


def message(command: Command, context_id: int, *parts: bytes) -> bytes:
    """Return a message, its data set in so many fragments."""
    head = fragments(context_id, 1, encode_command(command))
    return head + fragments(context_id, 0, *parts) if parts else head


_ECHO = CEchoRQ(MessageID=1, AffectedSOPClassUID=VERIFICATION)
_STORE = CStoreRQ(MessageID=1, AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2.3")
_FIND = CFindRQ(MessageID=1, AffectedSOPClassUID=FIND)
_NO_SUCH = NGetRQ(MessageID=1, RequestedSOPClassUID=CT, RequestedSOPInstanceUID="1.2.3")
_ECHO_BYTES = encode_command(_ECHO)
_MANY_ELEMENTS = struct.pack("<HHI", 0, 0x7000, 0) * 8000
_IDENTIFIER = struct.pack("<HHI6s", 8, 0x52, 6, b"STUDY ")

BLOCKS: dict[str, bytes] = {
    "refused requests": message(_NO_SUCH, 1) * 500,
    "C-CANCELs": message(CCancelRQ(MessageIDBeingRespondedTo=1), 5) * 700,
    "fragments of one byte": message(_STORE, 3, *[b"a"] * 1000) * 8,
    "fragments of 64 bytes": message(_STORE, 3, *[b"a" * 64] * 9000),
    "dropped data sets": message(_STORE, 1, *[b"a"] * 1000) * 8,
    "a large dropped data set": message(_STORE, 1, *[b"a" * 64] * 9000),
    "command sets in fragments of one byte": b"".join(
        fragments(1, 1, *[_ECHO_BYTES[n : n + 1] for n in range(len(_ECHO_BYTES))]) for _ in range(100)
    ),
    "empty fragments": fragments(1, 1, *[b""] * 63, _ECHO_BYTES) * 200,
    "stray data sets": message(_ECHO, 1, b"ab") * 500,
    "stray responses": message(CEchoRSP(MessageIDBeingRespondedTo=1), 1),
    "C-ECHOs": message(_ECHO, 1) * 700,
    "C-FINDs": message(_FIND, 5, _IDENTIFIER) * 400,
    "command sets of 8000 elements": fragments(1, 1, _ECHO_BYTES + _MANY_ELEMENTS) * 3,
    "large proposals": b"",
    "associations": encode_pdu(Abort()),
    "no DICOM": b"GET / HTTP/1.1\r\n\r\n",
}
"""By name: what is sent over and over; large proposals are sent in place of an association."""


def pour(port: int, kind: str) -> None:
    """Associate and send, for ever, and throw away what comes."""
    block = BLOCKS[kind]
    proposal = {"large proposals": _LARGE_PROPOSAL, "no DICOM": b""}.get(kind, PROPOSAL)
    while True:
        with socket.create_connection((ADDRESS, port)) as peer:
            try:
                peer.sendall(proposal)
                if proposal:
                    peer.recv(65536)
                if kind in ("large proposals", "associations"):
                    peer.sendall(encode_pdu(Abort()))
                else:
                    _pour_until_closed(peer, block)
            except OSError:
                pass


def _pour_until_closed(peer: socket.socket, block: bytes) -> None:
    peer.setblocking(False)
    rest = memoryview(block)
    with selectors.DefaultSelector() as selector:
        selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            for _, events in selector.select():
                if events & selectors.EVENT_READ and not peer.recv(1 << 20):
                    return
                if events & selectors.EVENT_WRITE:
                    rest = rest[peer.send(rest) :] or memoryview(block)


if __name__ == "__main__":
    os.nice(10)
    pour(int(sys.argv[1]), sys.argv[2])
