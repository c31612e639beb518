"""Peak memory does not depend on the size of what is sent and received."""

from __future__ import annotations

import tracemalloc

import pytest

from dicomproto import DataSetCollector
from dicomproto.dimse.events import DataSetChunk
from dicomproto.upper_layer import Role
from tests.dialogues import ECHO, STORE, Dialogue, data_pdu, established, events_of, feed, message
from tests.memory import KIB, MIB, peak_of

CHUNK = 256 * KIB


def stream(dialogue: Dialogue, size: int) -> int:
    """Send a data set of `size` bytes chunk by chunk; return how many arrived."""
    dialogue.requestor.send_request(STORE.replace(MessageID=0), 3)
    received = 0
    chunk = bytes(CHUNK)
    for start in range(0, size, CHUNK):
        dialogue.requestor.send_data(chunk, last=start + CHUNK >= size)
        data = b"".join(dialogue.requestor.data_to_send())
        for event in feed(dialogue.acceptor, data):
            if isinstance(event, DataSetChunk):
                received += len(event.data)
    dialogue.acceptor.send_response(STORE.replace(MessageID=1).response())
    dialogue.carry(dialogue.acceptor)
    return received


def test_a_stream_of_64_mib() -> None:
    received = []
    peaks = [peak_of(lambda size=size: received.append(stream(Dialogue(), size))) for size in (MIB, 64 * MIB)]
    assert received == [MIB, 64 * MIB]
    assert peaks[1] < peaks[0] + 64 * KIB
    assert peaks[1] < 4 * CHUNK


def test_many_messages() -> None:
    dialogue = Dialogue()

    def echoes(count: int) -> None:
        for _ in range(count):
            dialogue.requestor.send_request(ECHO.replace(MessageID=0), 1)
            (received,) = dialogue.carry(dialogue.requestor)
            dialogue.acceptor.send_response(received.command.response())
            dialogue.carry(dialogue.acceptor)

    echoes(10)
    assert peak_of(lambda: echoes(1000)) < 64 * KIB


def test_nothing_received_is_held_while_idle() -> None:
    """A buffer that is still referred to could not be resized."""
    connection = established(Role.ACCEPTOR)
    for message_id in (1, 2):
        data = bytearray(message(STORE.replace(MessageID=message_id), b"ab"))
        connection.receive_data(data)
        events_of(connection)
        data.clear()
    half = bytearray(data_pdu(b"x" * 100, 3)[:50])
    connection.receive_data(bytearray(message(STORE.replace(MessageID=3))))
    connection.receive_data(half)
    events_of(connection)
    half.clear()


def test_nothing_sent_is_held_once_it_was_fetched() -> None:
    connection = established(Role.REQUESTOR)
    connection.send_request(STORE, 3)
    buffer = bytearray(100_001)
    connection.send_data(buffer, last=False)
    with pytest.raises(BufferError):
        buffer.clear()
    connection.data_to_send()
    buffer.clear()


@pytest.mark.parametrize("limit", [0, 1, 10, 100])
def test_a_collector_holds_no_more_than_was_agreed(limit: int) -> None:
    collector = DataSetCollector(limit)
    assert collector.collected() == b""
    assert collector.add(b"x" * (limit // 2))
    assert collector.add(memoryview(b"y" * (limit - limit // 2)))
    assert collector.collected() == b"x" * (limit // 2) + b"y" * (limit - limit // 2)
    assert len(collector) == limit
    for _ in range(2):
        assert not collector.add(b"z")
        with pytest.raises(ValueError, match=f"more than {limit} bytes"):
            collector.collected()


def test_a_collector_of_tiny_chunks_holds_their_bytes_alone() -> None:
    received = [bytes(100_000) for _ in range(100)]
    collector = DataSetCollector(1000)
    tracemalloc.start()
    try:
        while received:
            assert collector.add(memoryview(received.pop())[:2])
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
    assert len(collector) == 200


def test_a_collector_copies_to_the_memory_that_it_is_given() -> None:
    """Which has room for the first chunks, and grows for the last."""
    memory = bytearray(b"-" * 5)
    collector = DataSetCollector(1000, memory)
    for chunk in (b"ab", b"cd", b"efgh"):
        assert collector.add(chunk)
    assert collector.collected() == b"abcdefgh" == bytes(memory)
