"""Sending many objects: the window is kept full, and one that cannot be sent holds up no other."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CEchoRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.errors import AssociationAborted, AssociationReleased, LocalProtocolError, NoAcceptedContext
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import (
    Abort,
    AsynchronousOperationsWindow,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
)
from dicomproto_transports import blocking, evt
from dicomproto_transports.files.part10 import NotPart10
from dicomproto_transports.scu.store_many import StoreOutcome
from tests.associations import (
    CT_IMAGE,
    HOST,
    MR_IMAGE,
    Peer,
    Script,
    Stored,
    associate,
    associated,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    part10,
)
from tests.backends import AnyBackend, Async


def file_of(folder: Path, number: int, sop_class: str = CT_IMAGE, size: int = 2000) -> Path:
    path = folder / f"{number}.dcm"
    path.write_bytes(part10(data_set(size + number * 2, sop_class, f"1.2.{number}"), sop_class))
    return path


def image(number: int) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT_IMAGE, f"1.2.{number}"
    return made


async def answer_one(peer: Peer) -> None:
    """Take one object whole and answer success."""
    received = await peer.until(RequestReceived)
    while not (await peer.until(DataSetChunk)).last:
        pass
    peer.connection.send_response(received.command.response())
    await peer.flush()


def open_in(folder: Path) -> int:
    """Return how many files of a folder this process has open."""
    return sum(str(folder) in file.path for file in psutil.Process().open_files())


def window(size: int) -> AsynchronousOperationsWindow:
    return AsynchronousOperationsWindow(maximum_invoked=size, maximum_performed=1)


def test_one_after_the_other(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()
    files = [file_of(tmp_path, number) for number in range(20)]

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, stored)])) as assoc:
            outcomes = [outcome async for outcome in assoc.store_many(files)]
            assert [outcome.item for outcome in outcomes] == files
            assert {outcome.response.Status for outcome in outcomes} == {0}
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)
    assert len(stored.objects) == 20


def test_what_cannot_be_sent_is_an_outcome(backend: AnyBackend, tmp_path: Path) -> None:
    no_dicom = tmp_path / "no.dcm"
    no_dicom.write_bytes(b"no DICOM")
    empty = Dataset()
    empty.PatientName = "DOE"
    items: list[Any] = [
        file_of(tmp_path, 1),
        tmp_path / "missing.dcm",
        no_dicom,
        empty,
        5,
        file_of(tmp_path, 2, MR_IMAGE),
        BytesIO(part10(data_set())),
    ]

    async def main() -> list[StoreOutcome]:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, Stored())])) as assoc:
            return [outcome async for outcome in assoc.store_many(items, priority=1)]

    outcomes = backend.run(main)
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds[0] is kinds[6] is type(None)
    assert kinds[1] is FileNotFoundError
    assert issubclass(kinds[2], Exception)
    assert kinds[3:6] == [ValueError, TypeError, NoAcceptedContext]
    assert [outcome.item for outcome in outcomes] == items
    assert all(outcome.response is None for outcome in outcomes[1:6])
    assert "DOE" not in repr(outcomes)
    assert "item=Dataset" in repr(outcomes)


@pytest.mark.parametrize("size", [1, 4, 0])
def test_the_window_is_kept_full(backend: AnyBackend, tmp_path: Path, size: int) -> None:
    """The peer answers only when as many requests have come as may be outstanding, and in reverse order."""
    files = [file_of(tmp_path, number) for number in range(12)]
    batch = size or len(files)

    async def script(peer: Peer) -> None:
        await peer.accept(operations_window=window(0))
        for _ in range(len(files) // batch):
            received = []
            for _ in range(batch):
                received.append(await peer.until(RequestReceived))
                while not (await peer.until(DataSetChunk)).last:
                    pass
            for request in reversed(received):
                peer.connection.send_response(request.command.response())
            await peer.flush()
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with (
            backend.serving(Script(script)) as server,
            await associate(backend, server.port, ext_neg=[window(size)]) as assoc,
        ):
            sent = [outcome.item async for outcome in assoc.store_many(files)]
            assert sorted(sent) == sorted(files)
            assert (sent == files) is (size == 1)

    backend.run(main)


def test_one_open_file_several_times(backend: AnyBackend, tmp_path: Path) -> None:
    """It is read from where it stands, and not before it has left: it is at its end by then."""
    stored = Stored()
    path = tmp_path / "large.dcm"
    path.write_bytes(part10(data_set(4 * 1024 * 1024)))

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, stored), (evt.EVT_ASYNC_OPS, lambda event: (3, 1))])
        with path.open("rb") as file:
            async with associated(backend, core, operations_window=window(3)) as assoc:
                outcomes = [outcome async for outcome in assoc.store_many([file] * 3)]
                assert (await assoc.send_c_echo()).Status == 0
        assert [outcome.response.Status for outcome in outcomes if outcome.response] == [0]
        assert [type(outcome.error) for outcome in outcomes if outcome.error] == [NotPart10, NotPart10]

    backend.run(main)


def test_left_early(backend: AnyBackend, tmp_path: Path) -> None:
    """No more objects are asked for; what is under way is waited for."""
    asked = []
    stored = Stored()

    def files() -> Any:
        for number in range(100):
            asked.append(number)
            yield file_of(tmp_path, number)

    async def main() -> None:
        ae = make_ae(backend, "SCP")
        bindings = [(evt.EVT_C_STORE, stored), (evt.EVT_ASYNC_OPS, lambda event: (3, 1))]
        core = make_server(backend, bindings, ae)
        async with associated(backend, core, ext_neg=[window(3)]) as assoc:
            async with assoc.store_many(files()) as outcomes:
                async for _ in outcomes:
                    break
            assert not assoc._session.connection.outstanding
            async for _ in assoc.store_many(files()):
                break
            assert (await assoc.send_c_echo()).Status == 0
            outcomes = assoc.store_many(files())
            await outcomes.close()
            assert [outcome async for outcome in outcomes] == []

    backend.run(main)
    assert len(asked) == len(stored.objects)
    assert len(asked) <= 8


@pytest.mark.parametrize("size", [1, 4])
def test_another_call_in_between_loses_nothing(backend: AnyBackend, size: int) -> None:
    """It waits for what is under way; those outcomes are still given, and the other objects sent."""
    items = [image(number) for number in range(10)]
    stored: list[str] = []

    def store(event: evt.Event) -> int:
        stored.append(event.request.sop_instance_uid)
        return 0xA700 if len(stored) == 3 else 0

    async def main() -> None:
        bindings = [(evt.EVT_C_STORE, store), (evt.EVT_ASYNC_OPS, lambda event: (size, 1))]
        async with associated(backend, make_server(backend, bindings), ext_neg=[window(size)]) as assoc:
            seen = []
            async for outcome in assoc.store_many(items):
                assert outcome.response is not None
                seen.append((outcome.item, outcome.response.Status))
                if len(seen) in (1, 2, 6):
                    assert (await assoc.send_c_echo()).Status == 0
                    assert not assoc._session.connection.outstanding
            assert seen == [(item, 0xA700 if number == 2 else 0) for number, item in enumerate(items)]

    backend.run(main)
    assert stored == [item.SOPInstanceUID for item in items]


def test_two_of_them_in_turn(backend: AnyBackend) -> None:
    async def main() -> None:
        bindings = [(evt.EVT_C_STORE, Stored()), (evt.EVT_ASYNC_OPS, lambda event: (3, 1))]
        async with associated(backend, make_server(backend, bindings), ext_neg=[window(3)]) as assoc:
            items = [[image(10 * turn + number) for number in range(5)] for turn in range(2)]
            one, other = (assoc.store_many(some) for some in items)
            pairs = [(await anext(one), await anext(other)) for _ in range(5)]
            assert [[outcome.item for outcome in some] for some in zip(*pairs, strict=True)] == items
            for ended in (one, other):
                with pytest.raises(StopAsyncIteration):
                    await anext(ended)

    backend.run(main)


def test_no_more_than_one_file_is_open(backend: AnyBackend, tmp_path: Path) -> None:
    files = [file_of(tmp_path, number) for number in range(12)]

    async def main() -> None:
        bindings = [(evt.EVT_C_STORE, Stored()), (evt.EVT_ASYNC_OPS, lambda event: (0, 1))]
        async with associated(backend, make_server(backend, bindings), ext_neg=[window(0)]) as assoc:
            async for _ in assoc.store_many(files):
                assert open_in(tmp_path) <= 1
            assert open_in(tmp_path) == 0

    backend.run(main)


@pytest.mark.parametrize("how", ["abort", "release", "peer"])
def test_left_after_the_end(backend: AnyBackend, tmp_path: Path, how: str) -> None:
    """Once the association has ended there is nothing to wait for, and no file is left open."""
    files = [file_of(tmp_path, number) for number in range(6)]

    async def script(peer: Peer) -> None:
        await peer.accept(operations_window=window(0))
        await answer_one(peer)
        if how == "peer":
            peer.connection.send(Abort())
        elif how == "release":
            for _ in range(3):
                await answer_one(peer)
            await peer.until(ReleaseRQ)
            peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, ext_neg=[window(4)])
            async with assoc.store_many(files) as outcomes:
                assert (await anext(outcomes)).response
                if how == "peer":
                    with pytest.raises(AssociationAborted):
                        await assoc.send_c_echo()
                elif how == "abort":
                    await assoc.abort()
                else:
                    await assoc.release()
                    assert [(await anext(outcomes)).item for _ in range(3)] == files[1:4]
                    with pytest.raises(AssociationReleased):
                        await anext(outcomes)
            await outcomes.close()
            assert [outcome async for outcome in outcomes] == []
            assert open_in(tmp_path) == 0

    backend.run(main)


@pytest.mark.parametrize("where", ["waiting", "body"])
def test_cancelled(tmp_path: Path, where: str) -> None:
    files = [file_of(tmp_path, number) for number in range(6)]
    backend = Async("trio")

    async def script(peer: Peer) -> None:
        await peer.accept(operations_window=window(0))
        if where == "body":
            await answer_one(peer)
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port, ext_neg=[window(4)])
            with trio.CancelScope() as scope:
                async with assoc.store_many(files) as outcomes:
                    if where == "waiting":
                        scope.deadline = trio.current_time() + 0.05
                    async for _ in outcomes:
                        scope.cancel()
                        await trio.lowlevel.checkpoint()
            assert scope.cancelled_caught
            assert open_in(tmp_path) == 0
            assert assoc.is_established is (where == "body")
            await assoc.abort()
            await outcomes.close()
            assert open_in(tmp_path) == 0

    backend.run(main)


def test_used_in_a_handler_that_it_waits_for(backend: AnyBackend) -> None:
    """Its next outcome cannot be had, nor waited for, within the wait for its next outcome."""
    refused: list[str] = []
    box: list[Any] = []

    async def report(event: evt.Event) -> object:
        for call in (box[0].__anext__, box[0].close):
            with pytest.raises(LocalProtocolError, match="store_many: its next outcome is being waited for"):
                await call()
            refused.append(call.__name__)
        return 0

    async def script(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        peer.connection.send_request(CEchoRQ(AffectedSOPClassUID=VERIFICATION), 1)
        await peer.until(ResponseReceived)
        peer.connection.send_response(received.command.response())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            handlers = [(evt.EVT_C_ECHO, in_flavour(backend, report))]
            roles = [RoleSelection(sop_class_uid=VERIFICATION, scu_role=True, scp_role=True)]
            assoc = await associate(backend, server.port, ext_neg=roles, evt_handlers=handlers)
            box.append(assoc.store_many([image(1), image(2)]))
            assert (await anext(box[0])).response
            await assoc.abort()

    backend.run(main)
    assert refused == ["__anext__", "close"]


def test_the_association_ends(backend: AnyBackend, tmp_path: Path) -> None:
    files = [file_of(tmp_path, number) for number in range(3)]

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.until(RequestReceived)
        peer.connection.send(Abort())
        await peer.flush()

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            assoc = await associate(backend, server.port)
            with pytest.raises(AssociationAborted):
                async with assoc.store_many(files) as outcomes:
                    await anext(outcomes)
            with pytest.raises(AssociationAborted):
                await anext(assoc.store_many(files))

    backend.run(main)


def test_an_iterable_that_raises(backend: AnyBackend, tmp_path: Path) -> None:
    def files() -> Any:
        yield file_of(tmp_path, 1)
        raise KeyError("mine")

    async def main() -> None:
        async with associated(backend, make_server(backend, [(evt.EVT_C_STORE, Stored())])) as assoc:
            outcomes = assoc.store_many(files())
            assert (await anext(outcomes)).response
            with pytest.raises(KeyError, match="mine"):
                await anext(outcomes)
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


def test_blocking_form(tmp_path: Path) -> None:
    stored = Stored()
    ae = blocking.AE()
    ae.add_requested_context(CT_IMAGE)
    ae.add_supported_context(CT_IMAGE)
    server = ae.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
    try:
        with ae.associate(HOST, server.port) as assoc:
            files = [file_of(tmp_path, number, size=500_000) for number in range(4)]
            assert [outcome.response.Status for outcome in assoc.store_many(files) if outcome.response] == [
                0
            ] * 4
            with assoc.store_many(files) as outcomes:
                assert next(outcomes).item == files[0]
                with pytest.raises(LocalProtocolError, match="in use"):
                    assoc.store_many(iter_calling(assoc, files)).__next__()
    finally:
        server.shutdown()
    assert len(stored.objects) == 5


def iter_calling(assoc: Any, files: list[Path]) -> Any:
    """An iterable that uses the association that asks it for more."""
    assoc.send_c_echo()
    yield from files
