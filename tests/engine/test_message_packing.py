"""A command set and the beginning of its data set in one P-DATA-TF, for the peers that ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from dicomproto.connection import Connection
from dicomproto.dimse.commands import CEchoRQ, CFindRQ, CStoreRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.errors import LocalProtocolError
from dicomproto.negotiation import (
    AcceptorPolicy,
    SupportedContext,
    build_associate_rq,
    index_supported,
    negotiate,
)
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicomproto.upper_layer.events import NEED_DATA, Role
from dicomproto.upper_layer.pdu import Abort

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STORE = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2.3")


def pair(maximum_length: int) -> tuple[Connection, Connection]:
    """Return a requestor that packs, and an acceptor that takes PDUs of `maximum_length`."""
    uids = (VERIFICATION, CT_IMAGE)
    requestor, acceptor = Connection(Role.REQUESTOR, pack_pdvs=True), Connection(Role.ACCEPTOR)
    rq = build_associate_rq("SCU", "SCP", [(uid, [EXPLICIT_VR_LITTLE_ENDIAN]) for uid in uids])
    requestor.send(rq)
    requestor.transport_connected()
    acceptor.transport_connected()
    move(requestor, acceptor)
    supported = index_supported(
        [
            SupportedContext(abstract_syntax=uid, transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,))
            for uid in uids
        ]
    )
    acceptor.next_event()
    acceptor.send(negotiate(rq, AcceptorPolicy(supported=supported, maximum_length=maximum_length)))
    move(acceptor, requestor)
    requestor.next_event()
    return requestor, acceptor


def move(sender: Connection, receiver: Connection) -> list[tuple[int, int]]:
    """Carry what was sent; return the type and the length of each PDU."""
    data = b"".join(sender.data_to_send())
    if data:
        receiver.receive_data(data)
    pdus, position = [], 0
    while position < len(data):
        length = int.from_bytes(data[position + 2 : position + 6], "big")
        pdus.append((data[position], length))
        position += 6 + length
    assert position == len(data)
    return pdus


def received(connection: Connection) -> tuple[list[Any], bytes]:
    """Return the commands and the data that came, joined."""
    commands, data = [], b""
    while (event := connection.next_event()) is not NEED_DATA:
        if isinstance(event, RequestReceived):
            commands.append(event.command)
            assert not event.warnings
        elif isinstance(event, DataSetChunk):
            data += bytes(event.data)
            assert not event.warnings
    return commands, data


@pytest.mark.parametrize("size", [0, 2, 100, 4000, 40_000])
@pytest.mark.parametrize("maximum_length", [128, 150, 4096, 131_072])
def test_what_arrives_is_the_same(maximum_length: int, size: int) -> None:
    requestor, acceptor = pair(maximum_length)
    data = bytes(index % 251 for index in range(size))
    requestor.send_request(STORE, 3)
    assert requestor.data_to_send() == []  # the command waits for its data set
    requestor.send_data(data, last=True)
    pdus = move(requestor, acceptor)
    assert {kind for kind, _ in pdus} == {4}
    assert max(length for _, length in pdus) <= maximum_length
    commands, arrived = received(acceptor)
    assert commands == [STORE.replace(MessageID=1)]
    assert arrived == data
    if maximum_length == 131_072 and size:
        assert len(pdus) == 1
    elif maximum_length == 4096 and size == 40_000:
        assert all(length == 4096 for _, length in pdus[:-1])  # none is sent half full


def test_a_command_that_leaves_no_room() -> None:
    """It travels alone, as without packing."""
    requestor, acceptor = pair(128)
    long = STORE.replace(AffectedSOPInstanceUID="1." + "2" * 62)
    for data in (b"", b"abcd"):
        requestor.send_request(long, 3)
        requestor.send_data(data, last=True)
        assert max(length for _, length in move(requestor, acceptor)) <= 128
        commands, arrived = received(acceptor)
        assert (len(commands), arrived) == (1, data)
        acceptor.send_response(commands[0].response())
        move(acceptor, requestor)
        requestor.next_event()


def test_in_pieces_that_begin_with_an_odd_byte() -> None:
    requestor, acceptor = pair(16_384)
    requestor.send_request(STORE, 3)
    requestor.send_data(b"a", last=False)
    assert requestor.data_to_send() == []
    requestor.send_data(b"bcd", last=False)
    requestor.send_data(b"ef", last=True)
    assert len(move(requestor, acceptor)) == 2
    assert received(acceptor)[1] == b"abcdef"


def test_messages_without_a_data_set_do_not_wait() -> None:
    requestor, acceptor = pair(16_384)
    requestor.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
    assert len(move(requestor, acceptor)) == 1
    assert len(received(acceptor)[0]) == 1


def test_a_mistake_costs_nothing() -> None:
    requestor, acceptor = pair(16_384)
    with pytest.raises(LocalProtocolError):
        requestor.send_request(CFindRQ(AffectedSOPClassUID="1.2"), 9)
    requestor.send_request(STORE, 3)
    with pytest.raises(LocalProtocolError, match="odd length"):
        requestor.send_data(b"abc", last=True)
    requestor.send_data(b"abcd", last=True)
    assert len(move(requestor, acceptor)) == 1
    assert received(acceptor) == ([STORE.replace(MessageID=1)], b"abcd")


def test_an_abort_leaves_the_command_behind() -> None:
    requestor, acceptor = pair(16_384)
    requestor.send_request(STORE, 3)
    requestor.send(Abort())
    assert move(requestor, acceptor) == [(7, 4)]
