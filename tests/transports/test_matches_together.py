"""Matches that are at hand leave together; none waits while its handler does."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.upper_layer.pdu import Buffer
from dicomproto_transports import evt
from dicomproto_transports.streams.memory import MemorySocket
from tests.associations import associated, make_ae, make_server
from tests.backends import LONGEST_WAIT, AnyBackend, Blocking, Gate, Lockstep
from tests.identifiers import dataset

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
QUERY = dataset(PatientID="")


def match(number: int, size: int = 10) -> tuple[int, Dataset]:
    return 0xFF00, dataset(PatientID=f"P{number}", PatientComments="x" * size)


async def ask(
    backend: AnyBackend, find: Any, taken: Callable[[int, Any], Awaitable[object]] | None = None
) -> list[int]:
    """Query; return the statuses of the responses."""
    statuses: list[int] = []
    ae = make_ae(backend)
    ae.add_supported_context(FIND)
    ae.add_requested_context(FIND)
    async with associated(backend, make_server(backend, [(evt.EVT_C_FIND, find)], ae), ae) as assoc:
        responses = assoc.send_c_find(QUERY, FIND)
        async for response, _ in responses:
            statuses.append(response.Status)
            if taken is not None:
                await taken(len(statuses), responses)
    return statuses


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each send of both sides, in a network in memory."""
    counted: list[int] = []
    send = MemorySocket.sendmsg

    def counting(self: MemorySocket, buffers: Sequence[Buffer]) -> int:
        counted.append(send(self, buffers))
        return counted[-1]

    monkeypatch.setattr(MemorySocket, "sendmsg", counting)
    return counted


def test_matches_at_hand_leave_together(sent: list[int]) -> None:
    backend = Lockstep()
    statuses = backend.run(ask, backend, lambda event: map(match, range(200)))
    assert statuses == [0xFF00] * 200 + [0]
    assert len(sent) == 7  # of which 4 establish and release, 1 asks, and 1 has the first match


def test_they_do_not_grow_without_bound(sent: list[int]) -> None:
    backend = Lockstep()
    statuses = backend.run(ask, backend, lambda event: (match(number, 1000) for number in range(300)))
    assert statuses == [0xFF00] * 300 + [0]
    assert sum(sent) > 300_000
    assert max(sent) < 85_000  # 64 KB of data sets, and their commands


def test_none_waits_for_a_handler_that_takes_time(sent: list[int]) -> None:
    backend = Lockstep()

    async def find(event: Any) -> AsyncIterator[tuple[int, Dataset]]:
        for number in range(5):
            await backend.world.sleep(0.001)
            yield match(number)

    assert backend.run(ask, backend, find) == [0xFF00] * 5 + [0]
    assert len(sent) == 11


def test_none_waits_for_a_handler_that_waits_for_something_else(backend: AnyBackend) -> None:
    if isinstance(backend, Blocking):
        backend = Lockstep()
    seen = Gate(backend)

    async def find(event: Any) -> AsyncIterator[tuple[int, Dataset]]:
        for number in range(3):
            yield match(number)
        await seen.passed()
        yield match(3)

    async def taken(count: int, _: object) -> None:
        if count == 3:
            seen.open()

    assert backend.run(ask, backend, find, taken) == [0xFF00] * 4 + [0]


def test_none_waits_for_a_step_in_another_thread(async_backend: AnyBackend) -> None:
    seen = threading.Event()

    def find(event: Any) -> Iterator[tuple[int, Dataset]]:
        for number in range(3):
            yield match(number)
        assert seen.wait(LONGEST_WAIT)
        yield match(3)

    async def taken(count: int, _: object) -> None:
        if count == 3:
            seen.set()

    statuses = async_backend.run(ask, async_backend, evt.in_thread(find), taken)
    assert statuses == [0xFF00] * 4 + [0]


def test_none_waits_for_a_handler_that_waits_for_a_cancel(real_backend: AnyBackend) -> None:
    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(3):
            yield match(number)
        end = time.monotonic() + LONGEST_WAIT
        while not event.is_cancelled:
            assert time.monotonic() < end
        yield 0xFE00, None

    async def taken(count: int, responses: Any) -> None:
        if count == 3:
            await responses.cancel()

    handler = find if isinstance(real_backend, Blocking) else evt.in_thread(find)
    assert real_backend.run(ask, real_backend, handler, taken) == [0xFF00] * 3 + [0xFE00]
