"""Turns: however much a peer sends at once, others run between a bounded number of its events.

Most of what is counted here is counted at the door of the engine, while another task runs as often as it may.
trio runs those that may run in any order, so two turns may come between two of that task.
"""

from __future__ import annotations

import socket
import threading
from time import perf_counter
from typing import Any

import pytest

from dicomproto import Connection
from dicomproto.upper_layer import Abort, encode_pdu
from dicomproto.upper_layer.framer import Framer
from dicomproto_transports import evt
from dicomproto_transports._turns import MOST_EVENTS
from tests.associations import make_ae, make_server
from tests.backends import Async, Gate
from tests.pourers import ADDRESS, BLOCKS, CONTEXTS, PROPOSAL

MOST_ITEMS = 4000
"""PDU headers, PDUs and fragments in two turns: work of some milliseconds for a fast machine."""


class Counter:
    """Counts the calls of a method, of all objects together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> None:
        self.count = 0
        original = getattr(kind, name)

        def counting(instance: Any) -> object:
            self.count += 1
            return original(instance)

        monkeypatch.setattr(kind, name, counting)


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
    items = Counter(monkeypatch, Framer, "next")
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
    items = Counter(monkeypatch, Framer, "next")
    listening = (evt.EVT_DIMSE_RECV, lambda event: told.append(event.message.command.name))
    block = BLOCKS[kind]
    (most_items,) = most_in_one_turn(async_backend, block, [items], [STORED, listening])
    assert most_items <= MOST_ITEMS
    assert len(told) == {"C-ECHOs": 700}.get(kind, 8)


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
