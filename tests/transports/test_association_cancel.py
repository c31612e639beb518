"""Cancellation from outside, in the flavours that have it: always bounded, never half a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dicomproto.dimse.events import RequestReceived
from dicomproto.errors import AssociationAborted, AssociationError, ConnectionLost, LocalProtocolError
from dicomproto_transports import evt
from tests.associations import (
    Peer,
    Script,
    associate,
    data_set,
    make_ae,
    make_server,
    timeouts,
    write_file,
    write_large_file,
)
from tests.backends import Async


class Gate:
    """Lets one task wait for another."""

    def __init__(self, backend: Async) -> None:
        self._event = backend.library.event()

    def open(self) -> None:
        self._event.set()

    async def passed(self) -> None:
        await self._event.wait()


async def cancelled_when(backend: Async, gate: Gate, function: Callable[[], Awaitable[object]]) -> bool:
    """Run a function, cancel it when the gate opens, and tell whether that ended it."""

    async def canceller(scope: Any) -> None:
        await gate.passed()
        scope.cancel()

    scope = backend.library.scope()
    with scope:
        async with backend.library.open_group() as group:
            group.start_soon(canceller, scope)
            await function()
    return scope.cancelled_caught


def test_cancelled_while_waiting_for_a_response(async_backend: Async) -> None:
    """The association is aborted: its response would come to nobody."""
    backend = async_backend
    ends: list[object] = []

    async def main() -> None:
        gate = Gate(backend)

        async def talk(peer: Peer) -> None:
            await peer.accept()
            await peer.until(RequestReceived)
            gate.open()
            ends.append(await peer.event())

        async with backend.serving(Script(talk)) as server:
            assoc = await associate(backend, server.port)
            assert await cancelled_when(backend, gate, assoc.send_c_echo)
            assert assoc.is_aborted
            with pytest.raises(AssociationAborted, match="from this side"):
                await assoc.send_c_echo()

    backend.run(main)
    assert [type(end).__name__ for end in ends] == ["Abort"]


def test_cancelled_in_mid_object(async_backend: Async, tmp_path: Path) -> None:
    """Nothing is written after the cut, so the peer sees an incomplete object and the end."""
    backend = async_backend
    path = write_large_file(tmp_path, 64 * 1024 * 1024)
    ends: list[AssociationError] = []
    whole: list[object] = []

    async def main() -> None:
        gate, go_on = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> int:
            async for _ in event.chunks:
                gate.open()
                await go_on.passed()
            whole.append(event)
            return 0x0000

        def ended(event: evt.Event) -> None:
            ends.append(event.assoc.ending)

        handlers = [(evt.EVT_C_STORE_STREAM, handle), (evt.EVT_ABORTED, ended)]
        ae = make_ae(backend, timeouts=timeouts(backend, "close"))
        async with backend.serving(make_server(backend, handlers)) as server:
            assoc = await associate(backend, server.port, ae)
            assert await cancelled_when(backend, gate, lambda: assoc.send_c_store(path, send_truncated=True))
            assert assoc.is_aborted
            go_on.open()

    backend.run(main)
    (end,) = ends
    assert isinstance(end, ConnectionLost | AssociationAborted)
    assert not whole


def test_cancelled_inside_with(async_backend: Async) -> None:
    backend = async_backend
    ends: list[AssociationError] = []

    async def main() -> None:
        gate, never = Gate(backend), Gate(backend)

        def ended(event: evt.Event) -> None:
            ends.append(event.assoc.ending)

        async def work() -> None:
            async with await associate(backend, server.port):
                gate.open()
                await never.passed()

        async with backend.serving(make_server(backend, [(evt.EVT_ABORTED, ended)])) as server:
            assert await cancelled_when(backend, gate, work)

    backend.run(main)
    assert isinstance(ends[0], AssociationAborted)


def test_cancelled_between_messages(async_backend: Async) -> None:
    """A cancelled `serve` that had nothing under way leaves the association as it was."""
    backend = async_backend

    async def main() -> None:
        async with (
            backend.serving(make_server(backend)) as server,
            await associate(backend, server.port) as assoc,
        ):
            gate = Gate(backend)
            gate.open()
            assert await cancelled_when(backend, gate, assoc.serve)
            assert assoc.is_established
            assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)


def test_cancelled_while_associating(async_backend: Async) -> None:
    backend = async_backend
    ends: list[object] = []

    async def main() -> None:
        gate = Gate(backend)

        async def talk(peer: Peer) -> None:
            peer.connection.transport_connected()
            await peer.event()
            gate.open()
            ends.append(await peer.event())

        async with backend.serving(Script(talk)) as server:
            assert await cancelled_when(backend, gate, lambda: associate(backend, server.port))

    backend.run(main)
    assert [type(end).__name__ for end in ends] == ["Abort"]


def test_another_task_during_a_handler(async_backend: Async) -> None:
    """While a handler runs, it may use the association, but no other task may."""
    backend = async_backend
    refused = []

    async def main() -> None:
        gate, go_on = Gate(backend), Gate(backend)
        held: list[Any] = []

        async def handle(event: evt.Event) -> int:
            held.append(event.assoc)
            gate.open()
            await go_on.passed()
            return 0x0000

        async def intruder() -> None:
            await gate.passed()
            with pytest.raises(LocalProtocolError, match="in use by another call"):
                await held[0].send_c_echo()
            refused.append(True)
            go_on.open()

        async def user() -> None:
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000

        async with backend.serving(make_server(backend, [(evt.EVT_C_ECHO, handle)])) as server:
            await backend.together(user, intruder)

    backend.run(main)
    assert refused


def test_handler_in_a_thread(async_backend: Async, tmp_path: Path) -> None:
    """It may wait, and other associations are served meanwhile; its own cannot be used from there."""
    import threading

    backend = async_backend
    path = write_file(tmp_path, data_set())
    threads = []
    echoed = threading.Event()

    def handle(event: evt.Event) -> int:
        threads.append(threading.get_ident())
        assert echoed.wait(30)
        return len(event.encoded_dataset()) and 0x0000

    async def main() -> None:
        handlers = [(evt.EVT_C_STORE, evt.in_thread(handle))]

        async def store() -> None:
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_store(path)).Status == 0x0000

        async def echo() -> None:
            async with await associate(backend, server.port) as assoc:
                assert (await assoc.send_c_echo()).Status == 0x0000
            echoed.set()

        async with backend.serving(make_server(backend, handlers)) as server:
            await backend.together(store, echo)

    backend.run(main)
    assert threads != [threading.get_ident()]


def test_generous_streaming_handlers_are_unwound(async_backend: Async, tmp_path: Path) -> None:
    """A server that ends in mid-object cancels the handler, which can clean up."""
    backend = async_backend
    path = write_file(tmp_path, data_set(8 * 1024 * 1024))
    cleaned = []

    async def main() -> None:
        gate, never = Gate(backend), Gate(backend)

        async def handle(event: evt.Event) -> int:
            try:
                async for _ in event.chunks:
                    gate.open()
                    await never.passed()
            finally:
                cleaned.append(True)
            return 0x0000

        async def send() -> None:
            assoc = await associate(backend, port)
            with pytest.raises((AssociationAborted, ConnectionLost)):
                await assoc.send_c_store(path)

        ae = make_ae(backend, timeouts=timeouts(backend, "close"))
        async with backend.library.open_group() as group:
            async with backend.serving(
                make_server(backend, [(evt.EVT_C_STORE_STREAM, handle)], ae)
            ) as server:
                port = server.port
                group.start_soon(send)
                await gate.passed()

    backend.run(main)
    assert cleaned
