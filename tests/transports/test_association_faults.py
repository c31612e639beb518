"""A conversation that is cut anywhere, in any way: it always ends, in bounded time, with a typed error."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from dicomproto.errors import AssociationError
from dicomproto_transports import evt
from dicomproto_transports.testing import Faults
from tests.associations import Stored, associate, data_set, make_ae, make_server, part10
from tests.backends import Lockstep

OBJECT = data_set(3000)
BOUND = 400
"""Seconds on the virtual clock: more than all the timeouts that one conversation can meet."""


def converse(to_server: Faults, to_client: Faults, streamed: bool) -> tuple[Any, list[bytes], list[str]]:
    """Associate, echo, store, echo, release; return the error, what was stored, how the acceptor ended."""
    backend = Lockstep()
    stored = Stored()
    ends: list[str] = []
    outcome: list[Any] = []

    async def keep(event: evt.Event) -> int:
        parts = [bytes(chunk) async for chunk in event.chunks]
        stored.objects.append(b"".join(parts))
        return 0x0000

    handlers: list[evt.Binding] = [
        (evt.EVT_C_STORE_STREAM, keep) if streamed else (evt.EVT_C_STORE, stored),
        (evt.EVT_CONN_CLOSE, lambda event: ends.append(type(event.assoc.ending).__name__)),  # type: ignore[attr-defined]
    ]

    async def main() -> None:
        network = backend.world.backend
        core = make_server(backend, handlers, make_ae(backend, "SCP"))
        async with backend.serving(core) as server:
            network.to_server, network.to_client = to_server, to_client
            try:
                async with await associate(backend, server.port) as assoc:
                    await assoc.send_c_echo()
                    await assoc.send_c_store(io.BytesIO(part10(OBJECT)))
                    await assoc.send_c_echo()
            except AssociationError as error:
                outcome.append(error)
            network.to_server = network.to_client = Faults()
            async with await associate(backend, server.port) as assoc:  # the server lives on
                assert (await assoc.send_c_echo()).Status == 0x0000

    backend.run(main)
    assert backend.world.now() < BOUND
    return outcome[0] if outcome else None, stored.objects, ends


def positions(total: int) -> list[int]:
    """Return where to cut: every byte of the beginning, then every few."""
    return [*range(120), *range(120, total, 37)]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("how", ["eof", "reset", "stall"])
def test_cut_on_the_way_to_the_acceptor(how: Any, streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    succeeded = []
    for position in positions(4200):
        error, stored, ends = converse(Faults(cut_after=position, how=how), Faults(), streamed)
        assert stored in ([], [OBJECT])  # whole or not at all
        assert len(ends) == 2
        if error is None:
            succeeded.append(position)
            assert stored == [OBJECT]
    assert not caplog.records  # whatever a peer does is no reason for a warning
    assert succeeded == [position for position in positions(4200) if position >= min(succeeded)]


@pytest.mark.parametrize("how", ["eof", "reset", "stall"])
def test_cut_on_the_way_to_the_requestor(how: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    succeeded = []
    for position in positions(800):
        error, stored, _ = converse(Faults(), Faults(cut_after=position, how=how), streamed=False)
        assert stored in ([], [OBJECT])
        if error is None:
            succeeded.append(position)
    assert not caplog.records
    assert succeeded == [position for position in positions(800) if position >= min(succeeded)]


@pytest.mark.parametrize("how", ["eof", "reset", "stall"])
def test_cut_within_a_large_object(how: Any) -> None:
    """While it is still being sent: the end is noticed at the next look, or by a send that fails."""
    content = part10(data_set(6 * 1024 * 1024))
    for position in (70_000, 1_500_000, 4_000_000):
        backend = Lockstep()
        stored = Stored()

        async def main(
            backend: Lockstep = backend, stored: Stored = stored, position: int = position
        ) -> None:
            async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, stored)])) as server:
                backend.world.backend.to_server = Faults(cut_after=position, how=how)
                assoc = await associate(backend, server.port)
                with pytest.raises(AssociationError):
                    await assoc.send_c_store(io.BytesIO(content))
                assert assoc.is_aborted

        backend.run(main)
        assert backend.world.now() < BOUND
        assert not stored.objects
