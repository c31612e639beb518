"""C-MOVE looks at files before their turn: nobody notices but the destination, which is asked once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from dicomproto.dimse.events import ResponseReceived
from dicomproto.upper_layer import encode_pdu
from dicomproto.upper_layer.pdu import Abort, ReleaseRP, ReleaseRQ
from dicomproto_transports import evt
from dicomproto_transports.blocking import KnownFile
from tests.associations import CT_IMAGE, HOST, MR_IMAGE, Peer, connect, make_server
from tests.backends import AnyBackend, Lockstep
from tests.transports.test_retrieve import (
    MOVE,
    PENDING,
    QUERY,
    There,
    an_ae,
    counts,
    dataset,
    file_of,
    final_of,
    image,
    retrieving,
)
from tests.transports.test_retrieve_destination import ask


def moved(backend: AnyBackend, results: Any, there: There | None = None) -> tuple[Any, list[str], There]:
    """Have a handler yield `results()` after its destination and return what came of it."""
    there = there or There(backend, MR_IMAGE)

    async def main() -> tuple[Any, list[str]]:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield from results()

            async with retrieving(backend, handle) as assoc:
                return await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))

    final, failed = backend.run(main)
    return final, failed, there


def test_what_was_yielded_before_an_exception_is_sent(backend: AnyBackend, tmp_path: Path) -> None:
    def results() -> Any:
        yield 6
        for number in range(5):
            yield PENDING, file_of(tmp_path, number)
        raise RuntimeError("patient DOE")

    final, failed, there = moved(backend, results)
    assert (final.Status, counts(final), failed) == (0xC511, (None, 5, 1, 0), [])
    assert final.ErrorComment == "RuntimeError in the handler"
    assert len(there.stored.objects) == 5


ENDS: dict[str, tuple[list[object], int, tuple[int | None, ...]]] = {
    "the end": ([], 0xB000, (None, 2, 1, 0)),
    "a failure": ([(0xA701, None)], 0xA701, (None, 2, 1, 0)),
    "a failure and a path": ([(0xA701, "/no/such/file")], 0xC511, (None, 2, 1, 0)),
    "a file that is not there": ([(PENDING, "/no/such/file")], 0xB000, (None, 2, 1, 0)),
    "a data set": ([(PENDING, image(3))], 0x0000, (None, 3, 0, 0)),
    "a triple": ([(PENDING, image(3), 3)], 0xC511, (None, 2, 1, 0)),
    "no status": ([("FF00", "/no/such/file")], 0xC511, (None, 2, 1, 0)),
    "a number": ([5], 0x0005, (None, 2, 1, 0)),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_comes_behind_files(end: str, tmp_path: Path) -> None:
    """It is looked at with them, and dealt with after them."""
    last, status, counted = ENDS[end]

    def results() -> Any:
        yield 3
        yield PENDING, file_of(tmp_path, 1)
        yield PENDING, KnownFile.read(file_of(tmp_path, 2))
        yield from last

    final, _, there = moved(Lockstep(), results)
    assert (final.Status, counts(final)) == (status, counted)
    assert len(there.proposed) == 1


def test_what_the_handler_holds_is_not_passed(backend: AnyBackend, tmp_path: Path) -> None:
    """A data set that is changed as it goes on, and an open file that is closed then."""

    def results() -> Any:
        yield 5
        yield PENDING, file_of(tmp_path, 1)
        mine = image(2)
        yield PENDING, mine
        mine.SOPInstanceUID = "1.2.3"
        yield PENDING, mine
        yield PENDING, file_of(tmp_path, 4)
        with file_of(tmp_path, 5, MR_IMAGE).open("rb") as file:
            yield PENDING, file

    final, failed, there = moved(backend, results)
    assert (final.Status, counts(final), failed) == (0x0000, (None, 5, 0, 0), [])
    assert len({*there.stored.objects}) == 5
    assert [{*proposed} for proposed in there.proposed] == [{CT_IMAGE}, {CT_IMAGE, MR_IMAGE}]


def test_a_known_file_that_has_become_another(backend: AnyBackend, tmp_path: Path) -> None:
    def results() -> Any:
        known = KnownFile.read(file_of(tmp_path, 1))
        file_of(tmp_path, 2).replace(known.path)
        yield 1
        yield PENDING, known

    final, failed, _ = moved(Lockstep(), results)
    assert (final.Status, counts(final), failed) == (0xA702, (None, 0, 1, 0), ["1.2.1"])


def test_only_a_few_files_are_open(backend: AnyBackend, tmp_path: Path) -> None:
    """And none that needs no new association."""
    ahead: list[int] = []
    there = There(backend)

    def results() -> Any:
        yield 200
        for number in range(200):
            ahead.append(number - len(there.stored.objects))
            yield PENDING, file_of(tmp_path, number)

    final, _, _ = moved(backend, results, there)
    assert (final.Status, counts(final)) == (0x0000, (None, 200, 0, 0))
    assert max(ahead) <= 32
    assert ahead[40:] == [0] * 160
    assert len(there.proposed) == 1


def test_a_slow_handler_is_not_waited_for(tmp_path: Path) -> None:
    """What it has yielded leaves, and a cancel is heard."""
    backend = Lockstep()
    there = There(backend)
    times: list[float] = []

    async def main() -> Any:
        async with backend.serving(there.core) as server:

            async def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 100
                for number in range(100):
                    await backend.world.sleep(1)
                    times.append(backend.world.now())
                    yield PENDING, file_of(tmp_path, number)
                    if event.is_cancelled:
                        yield 0xFE00, dataset(FailedSOPInstanceUIDList=["1.2.99"])

            async with retrieving(backend, handle) as assoc:
                responses = assoc.send_c_move(QUERY, "THERE", MOVE)
                pairs = []
                async for pair in responses:
                    pairs.append(pair)
                    if len(pairs) == 5:
                        await responses.cancel()
                return pairs[-1]

    final, identifier = backend.run(main)
    assert (final.Status, counts(final)) == (0xFE00, (95, 5, 0, 0))
    assert identifier.FailedSOPInstanceUIDList == "1.2.99"
    assert len(times) <= 7
    assert len(there.stored.objects) == 5


@pytest.mark.parametrize("end", ["cancel", "release", "abort"])
def test_the_peer_is_heard_before_anything_leaves(end: str, tmp_path: Path) -> None:
    """Also if it says so while the files are looked at."""
    backend = Lockstep()
    there = There(backend)
    closed: list[float] = []

    async def main() -> Any:
        async with backend.serving(there.core) as server:
            mover: list[Peer] = []

            async def handle(event: evt.Event) -> Any:
                try:
                    yield HOST, server.port
                    yield 100
                    for number in range(100):
                        if number == 3:
                            if end == "cancel":
                                mover[0].connection.send_cancel(1)
                            elif end == "abort":
                                mover[0].connection.send(Abort())
                            else:  # not waiting for the response, which the engine does not do
                                await mover[0].stream.send([encode_pdu(ReleaseRQ())], None)
                            await mover[0].flush()
                        yield PENDING, file_of(tmp_path, number)
                finally:
                    closed.append(backend.world.now())

            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], an_ae(backend, "SCP"))
            async with backend.serving(core) as provider:
                peer = await connect(backend, provider.port)
                mover.append(peer)
                await peer.request(MOVE)
                await ask(peer)
                if end == "cancel":
                    final = await peer.until(ResponseReceived)
                    assert (final.command.Status, counts(final.command)) == (0xFE00, (100, 0, 0, 0))
                elif end == "release":
                    assert await peer.stream.receive(None) == encode_pdu(ReleaseRP())
                await peer.stream.close([], 0)
                await backend.world.wait_for(lambda: bool(closed))

    backend.run(main)
    assert closed == [0]
    assert there.proposed == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_cancel_leaves_no_file_open(backend: AnyBackend, tmp_path: Path, number: int) -> None:
    """Neither those that were looked at nor the one whose turn it would have been."""
    there = There(backend, MR_IMAGE)

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 20
                for one in range(20):
                    yield PENDING, file_of(tmp_path, one)

            async with retrieving(backend, handle) as assoc:
                responses = assoc.send_c_move(QUERY, "THERE", MOVE)
                for _ in range(number):
                    await anext(responses)
                await responses.cancel()
                async for _ in responses:
                    pass
                assert not [file for file in psutil.Process().open_files() if str(tmp_path) in file.path]

    backend.run(main)
