"""Turns: however much a peer sends at once, others run between a bounded number of its events.

Most of what is counted here is counted at the door of the engine, while another task runs as often as it may.
trio runs those that may run in any order, so two turns may come between two of that task.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Callable
from time import perf_counter
from typing import Any

import pytest

from dicomproto import Connection
from dicomproto.dimse.assembly import Assembler
from dicomproto.dimse.commands import CCancelRQ, CEchoRQ, CFindRQ, CStoreRQ
from dicomproto.dimse.events import RequestReceived
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer import Abort, ReleaseRP, ReleaseRQ, Role, encode_pdu
from dicomproto.upper_layer.framer import Framer
from dicomproto_transports import evt
from tests.associations import Peer, Script, Stored, associate, connect, make_ae, make_server
from tests.backends import Async, Gate, Lockstep
from tests.data_sets import explicit
from tests.pourers import ADDRESS, BLOCKS, CONTEXTS, CT, FIND, PROPOSAL, fragments, message

MOST_EVENTS = 256
"""In a turn, however fast the machine is."""

STORE = CStoreRQ(MessageID=2, AffectedSOPClassUID=CT, AffectedSOPInstanceUID="1.2")
MOST_ITEMS = 4000
"""PDU headers, PDUs and fragments in two turns: work of some milliseconds for a fast machine."""


class Counter:
    """Counts the calls of some methods, of all objects together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type, *names: str) -> None:
        self.count = 0
        for name in names:
            monkeypatch.setattr(kind, name, self._counted(getattr(kind, name)))

    def _counted(self, original: Callable[..., object]) -> Callable[..., object]:
        def counting(instance: Any, *args: object) -> object:
            self.count += 1
            return original(instance, *args)

        return counting


def most_in_one_turn(
    backend: Async, data: bytes, counters: list[Counter], handlers: list[evt.Binding]
) -> list[int]:
    """Let a peer send `data`, and then abort; return the most that was counted while another task waited."""
    ended = Gate(backend)
    core = make_server(
        backend, [(evt.EVT_ABORTED, lambda event: ended.open()), *handlers], ae := make_ae(backend, "SCP")
    )
    for uid in CONTEXTS:
        ae.add_supported_context(uid)
    most = [0] * len(counters)

    async def main() -> None:
        async with backend.serving(core) as server:
            with socket.create_connection((ADDRESS, server.port)) as peer:
                stream = PROPOSAL + data + encode_pdu(Abort())
                sender = threading.Thread(target=peer.sendall, args=(stream,))
                reader = threading.Thread(target=read_all, args=(peer,))
                sender.start()
                reader.start()
                while not ended.is_open:
                    before = [counter.count for counter in counters]
                    await backend.backend.checkpoint()
                    taken = [counter.count - n for counter, n in zip(counters, before, strict=True)]
                    most[:] = map(max, most, taken)
                sender.join()
                peer.shutdown(socket.SHUT_WR)
                while reader.is_alive():
                    await backend.backend.checkpoint()

    backend.run(main)
    return most


def read_all(peer: socket.socket) -> None:
    """Take what the server answers, so that it is never held up."""
    while peer.recv(1 << 20):
        pass


STORED = (evt.EVT_C_STORE, lambda event: 0)
POURED = (
    "refused requests",
    "C-CANCELs",
    "fragments of one byte",
    "fragments of 64 bytes",
    "dropped data sets",
    "a large dropped data set",
    "command sets in fragments of one byte",
    "stray data sets",
    "empty fragments",
    "C-ECHOs",
)


@pytest.mark.parametrize("kind", POURED)
def test_a_turn_takes_a_bounded_number_of_events(
    kind: str, async_backend: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Counter(monkeypatch, Connection, "next_event")
    items = Counter(monkeypatch, Framer, "next", "plain_pdv")
    data = BLOCKS[kind] * (20 if kind == "C-CANCELs" else 5)
    most_events, most_items = most_in_one_turn(async_backend, data, [events, items], [STORED])
    assert 0 < most_events <= 2 * MOST_EVENTS
    assert most_items <= MOST_ITEMS


@pytest.mark.parametrize("kind", ["dropped data sets", "fragments of one byte", "C-ECHOs"])
def test_one_that_is_observed_takes_turns_too(
    kind: str, async_backend: Async, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The observer frames the bytes once more; it does so in pieces, and tells all."""
    told: list[str] = []
    items = Counter(monkeypatch, Framer, "next", "plain_pdv")
    listening = (evt.EVT_DIMSE_RECV, lambda event: told.append(event.message.command.name))
    block = BLOCKS[kind]
    (most_items,) = most_in_one_turn(async_backend, block, [items], [STORED, listening])
    assert most_items <= MOST_ITEMS
    assert len(told) == {"C-ECHOs": 700}.get(kind, 8)


# --- where the clock stands still, and only what was taken can end a turn -------------------------


async def most_at_a_time(backend: Lockstep, counter: Counter, is_over: Callable[[], bool]) -> int:
    """Return the most that was counted while this task let others run, once.

    The clock of a `Lockstep` stands still as long as one of its tasks can go on, as this one can.
    """
    most = 0
    while not is_over():
        before = counter.count
        await backend.backend.checkpoint()
        most = max(most, counter.count - before)
    return most


def test_a_turn_ends_by_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """1200 pieces of an object come at once, too large to be folded or before such; nothing is sent."""
    backend, stored = Lockstep(), Stored()
    backend.world.backend.capacity = 1 << 20
    whole = message(STORE, 3) + fragments(3, 0, *[bytes(2), bytes(1026)] * 600)
    events = Counter(monkeypatch, Connection, "next_event")

    async def main() -> int:
        async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, stored)])) as server:
            peer = await connect(backend, server.port)
            await peer.request()
            await peer.stream.send([whole], None)
            most = await most_at_a_time(backend, events, lambda: bool(stored.objects))
            await peer.stream.close([], 0)
            return most

    assert 0 < backend.run(main) <= MOST_EVENTS + 8
    assert list(map(len, stored.objects)) == [600 * 1028]


def test_a_release_that_has_much_to_look_at_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 fragments that are no event came with the last answer; the release takes them in first."""
    backend = Lockstep()
    released = Gate(backend)
    taken = Counter(monkeypatch, Assembler, "feed_plain")
    cancels = message(CCancelRQ(MessageIDBeingRespondedTo=9), 1) * 1000

    async def answer(peer: Peer) -> None:
        await peer.accept()
        request = (await peer.until(RequestReceived)).command
        peer.connection.send_response(request.response(Status=0x0000))
        await peer.stream.send([*peer.connection.data_to_send(), cancels], None)
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def use() -> None:
        async with backend.serving(Script(answer)) as server:
            assoc = await associate(backend, server.port)
            await assoc.send_c_echo()
            assert taken.count < 1000
            await assoc.release()
            assert assoc.is_released
            released.open()

    async def watch() -> int:
        return await most_at_a_time(backend, taken, lambda: released.is_open)

    async def main() -> int:
        _, most = await backend.together(use, watch)
        return most

    assert 0 < backend.run(main) < 2 * 256
    assert taken.count > 1000


@pytest.mark.parametrize(
    ("poured", "most"),
    [
        (message(CEchoRQ(MessageID=2, AffectedSOPClassUID=VERIFICATION), 1) * 20_000, 256 * 1024),
        (message(STORE, 3, bytes(8 << 20)), (1 << 20) + 2 * 256 * 1024),
    ],
    ids=["C-ECHOs", "an object"],
)
def test_who_looks_for_a_cancel_takes_in_a_bounded_number_of_bytes(
    poured: bytes, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler asks again and again, and has not come to its first match."""
    backend, looked, taken = Lockstep(), False, 0
    backend.world.backend.capacity = 1 << 20
    receive = Connection.receive_data

    def counting(connection: Connection, data: bytes) -> None:
        nonlocal taken
        if connection.role is Role.ACCEPTOR and not looked:
            taken += len(data)
        receive(connection, data)

    async def look(event: evt.Event) -> AsyncGenerator[tuple[int, None], None]:
        nonlocal looked
        for _ in range(200):
            assert not event.is_cancelled
            await backend.backend.checkpoint()
        looked = True
        yield 0x0000, None

    core = make_server(backend, [(evt.EVT_C_FIND, look)], ae := make_ae(backend, "SCP"))
    ae.add_supported_context(FIND)
    ae.maximum_pdu_size = 0

    async def main() -> None:
        async with backend.serving(core) as server:
            peer = await connect(backend, server.port)
            await peer.request(VERIFICATION, CT, FIND)
            key = explicit(0x00080052, b"CS")
            query = message(CFindRQ(MessageID=1, AffectedSOPClassUID=FIND), 5, key)
            rest: list[Any] = [query + poured]
            while rest and not looked:
                rest = await peer.stream.send(rest, backend.world.now() + 1)
            await peer.stream.close([], 0)

    monkeypatch.setattr(Connection, "receive_data", counting)
    backend.run(main)
    assert looked
    assert 0 < taken <= most


def test_a_turn_ends_by_the_clock(async_backend: Async) -> None:
    """Each C-ECHO takes two milliseconds here, and more on a busy machine."""
    served = 0
    counters = [type("Served", (), {"count": property(lambda self: served)})()]

    def handle(event: evt.Event) -> int:
        nonlocal served
        served += 1
        until = perf_counter() + 0.002
        while perf_counter() < until:
            pass
        return 0

    echoes = BLOCKS["C-ECHOs"][: len(BLOCKS["C-ECHOs"]) // 14]
    (most,) = most_in_one_turn(async_backend, echoes, counters, [(evt.EVT_C_ECHO, handle)])
    assert served == 50
    assert most <= 2 * 3
