"""Providing C-GET and C-MOVE: what handlers may yield, and what becomes of every sub-operation."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from dicomproto.config import Timeouts
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomproto.upper_layer.pdu import Abort, ReleaseRP, ReleaseRQ, RoleSelection
from dicomproto_transports import evt
from dicomproto_transports.blocking import KnownFile
from dicomproto_transports.entity.ae import AECore
from tests.associations import (
    CT_IMAGE,
    HOST,
    IMMEDIATE,
    MR_IMAGE,
    Peer,
    Script,
    Stored,
    associated,
    data_set,
    in_flavour,
    make_ae,
    make_server,
    part10,
)
from tests.backends import AnyBackend, Gate

GET = "1.2.840.10008.5.1.4.1.2.2.3"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
LIGHT_GET = "1.2.840.10008.5.1.4.1.2.5.3"
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
PENDING = 0xFF00


def dataset(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


QUERY = dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2")


def image(number: int, sop_class: str = CT_IMAGE) -> Dataset:
    return dataset(SOPClassUID=sop_class, SOPInstanceUID=f"1.2.{number}", PatientID=str(number))


def file_of(folder: Path, number: int, sop_class: str = CT_IMAGE) -> Path:
    path = folder / f"{number}.dcm"
    path.write_bytes(part10(data_set(2000 + number * 2, sop_class, f"1.2.{number}"), sop_class))
    return path


def an_ae(backend: AnyBackend, title: str) -> AECore:
    ae = make_ae(backend, title)
    for uid in (GET, MOVE, LIGHT_GET):
        ae.add_requested_context(uid)
        ae.add_supported_context(uid)
    ae.add_supported_context(MR_IMAGE)
    return ae


@asynccontextmanager
async def retrieving(backend: AnyBackend, handler: Any, store: Any = None) -> AsyncIterator[Any]:
    """An association whose peer provides C-GET and C-MOVE with `handler`; what it gets goes to `store`."""
    bindings = [(evt.EVT_C_GET, handler), (evt.EVT_C_MOVE, handler)]
    core = make_server(backend, bindings, an_ae(backend, "SCP"))
    roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True)]
    handlers = [(evt.EVT_C_STORE, store or Stored())]
    async with associated(
        backend, core, an_ae(backend, "SCU"), ext_neg=roles, evt_handlers=handlers
    ) as assoc:
        yield assoc


async def final_of(responses: Any) -> tuple[Any, list[str]]:
    """Return the final response and the failed instances that it lists."""
    pairs = [pair async for pair in responses]
    assert all(status.Status == PENDING for status, _ in pairs[:-1])
    status, identifier = pairs[-1]
    uids = [] if identifier is None else identifier.FailedSOPInstanceUIDList
    return status, [uids] if isinstance(uids, str) else list(uids)


def counts(status: Any) -> tuple[int | None, ...]:
    return (
        status.get("NumberOfRemainingSuboperations"),
        status.get("NumberOfCompletedSuboperations"),
        status.get("NumberOfFailedSuboperations"),
        status.get("NumberOfWarningSuboperations"),
    )


# --- what a handler may yield ---------------------------------------------------------------------


def test_every_kind_of_object(backend: AnyBackend, tmp_path: Path) -> None:
    """A data set, a path, a string, an open file, a file whose head is known."""
    stored = Stored()

    def handle(event: evt.Event) -> Any:
        yield 5
        yield PENDING, image(1)
        yield PENDING, file_of(tmp_path, 2)
        yield PENDING, str(file_of(tmp_path, 3))
        with file_of(tmp_path, 4).open("rb") as file:
            yield PENDING, file
        yield PENDING, KnownFile.read(file_of(tmp_path, 5))

    async def main() -> None:
        async with retrieving(backend, handle, stored) as assoc:
            pairs = [pair async for pair in assoc.send_c_get(QUERY, GET)]
            assert [counts(status)[:2] for status, _ in pairs] == [
                *((5 - done, done) for done in range(1, 5)),
                (None, 5),
            ]
            assert pairs[-1][0].Status == 0

    backend.run(main)
    assert [len(data) for data in stored.objects[1:]] == [2004, 2006, 2008, 2010]


@pytest.mark.parametrize("model", [GET, LIGHT_GET])
def test_a_file_that_is_cut_short_is_a_failed_sub_operation(
    backend: AnyBackend, tmp_path: Path, model: str
) -> None:
    stored = Stored()
    cut = file_of(tmp_path, 2)
    cut.write_bytes(cut.read_bytes()[:-2])

    def handle(event: evt.Event) -> Any:
        yield 4
        yield PENDING, file_of(tmp_path, 1)
        yield PENDING, cut
        yield PENDING, BytesIO(cut.read_bytes())
        yield PENDING, KnownFile.read(cut)

    async def main() -> None:
        async with retrieving(backend, handle, stored) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, model))
            assert (final.Status, *counts(final)) == (0xB000, None, 1, 3, 0)

    backend.run(main)
    assert len(stored.objects) == 1


RESULTS: dict[str, tuple[list[object], int, tuple[int | None, ...]]] = {
    "nothing to send": ([0], 0x0000, (None, 0, 0, 0)),
    "a negative count": ([-1], 0xC411, (None, 0, 0, 0)),
    "a failure before the count": ([(0xA900, None)], 0xA900, (None, 0, 0, 0)),
    "a failure with a comment": (
        [(dataset(Status=0xA701, ErrorComment="why"), None)],
        0xA701,
        (None, 0, 0, 0),
    ),
    "no count": ([(PENDING, image(1))], 0xC411, (None, 0, 0, 0)),
    "a count that is none": (["3"], 0xC411, (None, 0, 0, 0)),
    "a count that is a truth": ([True], 0xC411, (None, 0, 0, 0)),
    "nothing at all": ([], 0xC411, (None, 0, 0, 0)),
    "a failure in between": ([3, (PENDING, image(1)), (0xA702, None)], 0xA702, (None, 1, 2, 0)),
    "a warning in between": ([3, (PENDING, image(1)), (0xB000, None)], 0xB000, (None, 1, 2, 0)),
    "a success too early": ([3, (PENDING, image(1)), (0x0000, None)], 0xB000, (None, 1, 2, 0)),
    "an end too early": ([3, (PENDING, image(1))], 0xB000, (None, 1, 2, 0)),
    "a cancel nobody asked for": ([3, (PENDING, image(1)), (0xFE00, None)], 0xFE00, (2, 1, 0, 0)),
    "more than announced": ([1, (PENDING, image(1)), (PENDING, image(2))], 0x0000, (None, 2, 0, 0)),
    "something that is no object": ([2, (PENDING, 5), (PENDING, image(2))], 0xB000, (None, 1, 1, 0)),
    "an object without UIDs": ([1, (PENDING, dataset(PatientID="1"))], 0xA702, (None, 0, 1, 0)),
    "no object": ([1, (PENDING, None)], 0xA702, (None, 0, 1, 0)),
    "a path to nothing": ([1, (PENDING, "/no/such/file")], 0xA702, (None, 0, 1, 0)),
    "a triple": ([1, (PENDING, image(1), 3)], 0xC411, (None, 0, 1, 0)),
    "no status": ([1, ("FF00", image(1))], 0xC411, (None, 0, 1, 0)),
    "another SOP class": ([2, (PENDING, image(1, MR_IMAGE)), (PENDING, image(2))], 0xB000, (None, 1, 1, 0)),
}


MISSING = {"an end too early": 2, "a success too early": 2}


@pytest.mark.parametrize("results", RESULTS)
def test_results_of_the_handler(backend: AnyBackend, results: str, caplog: pytest.LogCaptureFixture) -> None:
    yielded, status, counted = RESULTS[results]

    def handle(event: evt.Event) -> object:
        return iter(yielded)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, counts(final)) == (status, counted)
            if results == "another SOP class":
                assert final.ErrorComment == "1 without an accepted presentation context"
                assert failed == ["1.2.1"]
            elif results == "a failure with a comment":
                assert final.ErrorComment == "why"
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)
    told = [record for record in caplog.records if "more than it yielded" in record.message]
    assert len(told) == (results in MISSING)
    if told:
        assert told[0].levelname == "WARNING"
        what = f"the handler of EVT_C_GET announced {MISSING[results]} objects more than it yielded"
        assert told[0].message.endswith(f"{what}, which failed: B000H")


@pytest.mark.parametrize(
    ("sent", "status"), [(1, 0xB000), (0, 0xA702)], ids=["some were sent", "none was sent"]
)
def test_a_move_handler_that_yields_less_than_it_announced(
    backend: AnyBackend, sent: int, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    stored = Stored()

    async def main() -> None:
        async with backend.serving(make_server(backend, [(evt.EVT_C_STORE, stored)])) as there:

            def handle(event: evt.Event) -> Any:
                return iter([(HOST, there.port), 2, *[(PENDING, image(1))] * sent])

            async with retrieving(backend, handle) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (status, (None, sent, 2 - sent, 0))

    backend.run(main)
    assert len(stored.objects) == sent
    text = f"the handler of EVT_C_MOVE announced {2 - sent} objects more than it yielded"
    assert f"{text}, which failed: {status:04X}H" in caplog.text


def test_statuses_of_the_receiver_are_counted(backend: AnyBackend) -> None:
    answers = {"1.2.1": 0x0000, "1.2.2": 0xB000, "1.2.3": 0xA700, "1.2.4": 0x0122}

    def store(event: evt.Event) -> int:
        return answers[event.request.sop_instance_uid]

    def handle(event: evt.Event) -> Any:
        yield len(answers)
        for number in range(1, 5):
            yield PENDING, image(number)

    async def main() -> None:
        async with retrieving(backend, handle, store) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, counts(final)) == (0xB000, (None, 1, 2, 1))
            assert failed == ["1.2.3", "1.2.4"]  # not the one with a warning

    backend.run(main)


def test_a_handler_that_raises(backend: AnyBackend) -> None:
    afterwards = []

    def handle(event: evt.Event) -> Any:
        event.after_response(afterwards.append)
        yield 3
        yield PENDING, image(1)
        raise RuntimeError("patient DOE")

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, counts(final)) == (0xC411, (None, 1, 2, 0))
            assert final.ErrorComment == "RuntimeError in the handler"

    backend.run(main)
    assert not afterwards  # what was to follow a response of the handler's own


def test_async_handlers(backend: AnyBackend) -> None:
    async def handle(event: evt.Event) -> Any:
        yield 1
        assert (await event.assoc.send_c_echo()).Status == 0
        yield PENDING, image(1)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            roles = assoc._session.connection.accepted_contexts
            assert roles
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            # To echo, the acceptor would need a role that was not negotiated.
            assert final.Status == 0xC411

    if backend.name != "blocking":
        backend.run(main)


def test_a_thread_sees_a_cancel_before_it_yields(real_backend: AnyBackend) -> None:
    searching, seen = threading.Event(), []

    def handle(event: evt.Event) -> Any:
        yield 2
        searching.set()
        while not event.is_cancelled:
            pass  # a search that goes on without a result
        seen.append(True)
        yield 0xFE00, None

    async def main() -> None:
        async with retrieving(real_backend, evt.in_thread(handle)) as assoc:
            responses = assoc.send_c_get(QUERY, GET)
            await responses
            while not searching.is_set():
                await real_backend.backend.checkpoint()
            await responses.cancel()
            assert [status.Status async for status, _ in responses] == [0xFE00]

    real_backend.run(main)
    assert seen == [True]


def test_a_thread_of_the_handlers_own_may_look_for_a_cancel(real_backend: AnyBackend) -> None:
    seen: list[bool] = []

    def handle(event: evt.Event) -> Any:
        looking = threading.Thread(target=lambda: seen.append(event.is_cancelled))
        looking.start()
        looking.join()
        yield 0

    async def main() -> None:
        async with retrieving(real_backend, evt.in_thread(handle)) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert final.Status == 0

    real_backend.run(main)
    assert seen == [False]


def test_in_thread_handlers(backend: AnyBackend) -> None:
    ended = []

    def handle(event: evt.Event) -> Any:
        try:
            yield 2
            while not event.is_cancelled:
                yield PENDING, image(1)
        finally:
            ended.append(True)

    async def main() -> None:
        async with retrieving(backend, evt.in_thread(handle)) as assoc:
            responses = assoc.send_c_get(QUERY, GET)
            statuses = []
            async for status, _ in responses:
                statuses.append(status.Status)
                await responses.cancel()
            assert statuses[-1] in (0xFE00, 0x0000)  # the cancel may come too late

    backend.run(main)
    assert ended == [True]


def test_cancelled_in_mid_retrieve(backend: AnyBackend) -> None:
    closed = []

    def handle(event: evt.Event) -> Any:
        try:
            yield 70_000
            for number in range(70_000):
                yield PENDING, image(number)
        finally:
            closed.append(event.is_cancelled)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            responses = assoc.send_c_get(QUERY, GET)
            async for status, _ in responses:
                if status.Status == PENDING:
                    assert status.NumberOfRemainingSuboperations == 65_535  # all that 16 bits can say
                    await responses.cancel()
            assert status.Status == 0xFE00
            done = status.NumberOfCompletedSuboperations
            assert 0 < done < 70_000
            assert status.NumberOfFailedSuboperations == 0

    backend.run(main)
    assert closed == [True]


def test_without_bulk_data(backend: AnyBackend, tmp_path: Path) -> None:
    stored = Stored()
    whole = image(1)
    whole.PixelData = bytes(10)
    whole.BitsAllocated = 16
    whole.add_new(0x60003000, "OW", bytes(2))
    whole.add_new(0x60020010, "US", 1)
    whole.WaveformSequence = [dataset(NumberOfWaveformChannels=1, WaveformBitsAllocated=16)]
    whole.WaveformSequence[0].add_new(0x54001010, "OW", bytes(4))

    def handle(event: evt.Event) -> Any:
        yield 2
        yield PENDING, whole
        yield PENDING, file_of(tmp_path, 2)

    async def main() -> None:
        async with retrieving(backend, handle, seen) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, LIGHT_GET))
            assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 2)

    datasets = []

    def seen(event: evt.Event) -> int:
        datasets.append(event.dataset)
        return stored(event)  # type: ignore[return-value]

    backend.run(main)
    light, from_file = datasets
    assert "PixelData" not in light
    assert 0x60003000 not in light
    assert light[0x60020010].value == 1
    assert light.WaveformSequence[0].NumberOfWaveformChannels == 1
    assert "WaveformData" not in light.WaveformSequence[0]
    assert "PixelData" in whole
    assert "PixelData" not in from_file
    assert from_file.SOPInstanceUID == "1.2.2"


@pytest.mark.parametrize("how", ["path", "read file", "open file", "icon"])
@pytest.mark.parametrize("is_taken", [False, True])
def test_without_bulk_data_that_was_compressed(
    backend: AnyBackend, tmp_path: Path, how: str, is_taken: bool
) -> None:
    """Without its pixels it is in a native transfer syntax as good, unless an icon is compressed as well."""
    whole = image(1)
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    whole.PixelData = encapsulate([bytes(3 * 1024 * 1024)])
    if how == "icon":
        whole.IconImageSequence = [dataset(BitsAllocated=8, PixelData=encapsulate([bytes(10)]))]
    path = tmp_path / "whole.dcm"
    whole.save_as(path, enforce_file_format=True)
    took: list[str] = []

    def handle(event: evt.Event) -> Any:
        yield 1
        if how == "open file":
            with path.open("rb") as file:
                yield PENDING, file
        else:
            yield PENDING, dcmread(path) if how == "read file" else path

    def store(event: evt.Event) -> int:
        took.append(event.context.transfer_syntax)
        assert "PixelData" not in event.dataset
        assert event.dataset.PatientID == "1"
        return 0

    async def main() -> None:
        scp, scu = an_ae(backend, "SCP"), an_ae(backend, "SCU")
        scp.add_supported_context(CT_IMAGE, JPEGBaseline8Bit)
        if is_taken:
            scu.requested_contexts = [LIGHT_GET, (CT_IMAGE, [JPEGBaseline8Bit])]
        roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=True, scp_role=True)]
        core = make_server(backend, [(evt.EVT_C_GET, handle)], scp)
        options = {"ext_neg": roles, "evt_handlers": [(evt.EVT_C_STORE, store)]}
        async with associated(backend, core, scu, **options) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, LIGHT_GET))
            done = how != "icon" or is_taken
            assert counts(final) == (None, int(done), int(not done), 0)

    backend.run(main)
    assert all((syntax == JPEGBaseline8Bit) == is_taken for syntax in took)


def test_a_failure_before_the_count_without_a_pair(backend: AnyBackend) -> None:
    def handle(event: evt.Event) -> Any:
        yield dataset(Status=0xA900, ErrorComment="no such level")

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            for responses in (assoc.send_c_get(QUERY, GET), assoc.send_c_move(QUERY, "THERE", MOVE)):
                final, _ = await final_of(responses)
                assert (final.Status, final.ErrorComment) == (0xA900, "no such level")

    backend.run(main)


def test_more_sub_operations_than_a_counter_can_say(backend: AnyBackend) -> None:
    """Counters are of 16 bits (PS3.7 E.1); the counting goes on above."""
    seen: list[tuple[int | None, ...]] = []

    def handle(event: evt.Event) -> Any:
        yield 70_000
        yield PENDING, image(1)
        yield PENDING, image(2)
        yield 0xA702, None

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            async for status, _ in assoc.send_c_get(QUERY, GET):
                seen.append(counts(status))

    backend.run(main)
    assert seen == [(65535, 1, 0, 0), (65535, 2, 0, 0), (None, 2, 65535, 0)]


# --- C-MOVE ---------------------------------------------------------------------------------------


class There:
    """A destination that counts its associations."""

    def __init__(self, backend: AnyBackend, *sop_classes: str) -> None:
        self.proposed: list[list[str]] = []
        self.callers: list[tuple[str, str]] = []
        self.stored = Stored()
        ae = make_ae(backend, "THERE")
        for uid in sop_classes:
            ae.add_supported_context(uid)
        bindings = [(evt.EVT_ESTABLISHED, self.established), (evt.EVT_C_STORE, self.stored)]
        self.core = make_server(backend, bindings, ae)

    def established(self, event: evt.Event) -> None:
        requestor = event.assoc.requestor
        self.proposed.append([context.abstract_syntax for context in requestor.requested_contexts])
        self.callers.append((requestor.ae_title, event.assoc.acceptor.ae_title))


def test_one_association_for_all_files(backend: AnyBackend, tmp_path: Path) -> None:
    """What is to be sent is known before the destination is called, so one association will do."""
    there = There(backend, MR_IMAGE)
    classes = [CT_IMAGE, MR_IMAGE, CT_IMAGE, US_IMAGE, MR_IMAGE]
    files = [file_of(tmp_path, number, uid) for number, uid in enumerate(classes)]

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield len(files)
                for path in files:
                    yield PENDING, path

            async with retrieving(backend, handle) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0xB000, (None, 4, 1, 0))
                assert failed == ["1.2.3"]
                assert final.ErrorComment == "1 without an accepted presentation context"

    backend.run(main)
    (proposed,) = there.proposed
    assert {*proposed} == {CT_IMAGE, MR_IMAGE, US_IMAGE}
    assert there.callers == [("SCP", "THERE")]
    assert len(there.stored.objects) == 4


@pytest.mark.parametrize("becomes", ["another", "nothing"])
def test_a_file_that_is_another_when_the_handler_goes_on(
    backend: AnyBackend, becomes: str, tmp_path: Path
) -> None:
    """Files are opened ahead of their turn; what takes the place of one is not sent for it."""
    there = There(backend, MR_IMAGE)

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 40
                for number in range(40):
                    kind = MR_IMAGE if number > 35 else CT_IMAGE
                    path = file_of(tmp_path, number, kind).replace(tmp_path / "current.dcm")
                    yield PENDING, path
                    if becomes == "nothing":
                        path.unlink()

            async with retrieving(backend, handle) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0x0000, (None, 40, 0, 0))

    backend.run(main)
    assert [len(data) for data in there.stored.objects] == [2000 + number * 2 for number in range(40)]
    assert len(there.proposed) == 2


def test_data_sets_get_a_new_association_when_they_need_one(backend: AnyBackend) -> None:
    """It is for what came before as well, so that kinds that come in turn do not need one each."""
    kinds = [CT_IMAGE, MR_IMAGE, CT_IMAGE, MR_IMAGE, US_IMAGE, US_IMAGE, CT_IMAGE]
    there = There(backend, MR_IMAGE)

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port, None
                yield len(kinds)
                for number, uid in enumerate(kinds):
                    yield PENDING, image(number, uid)

            async with retrieving(backend, handle) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0xB000, (None, 5, 2, 0))
                assert failed == ["1.2.4", "1.2.5"]

    backend.run(main)
    assert [{*proposed} for proposed in there.proposed] == [{*kinds[:n]} for n in (1, 2, 5)]


def test_options_of_the_destination(backend: AnyBackend) -> None:
    """Contexts that the handler gives are proposed as they are, once."""
    there = There(backend)

    async def main() -> None:
        async with backend.serving(there.core) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port, {"contexts": [CT_IMAGE, MR_IMAGE], "ae_title": "OTHER"}
                yield 3
                for number, uid in enumerate([CT_IMAGE, US_IMAGE, CT_IMAGE]):
                    yield PENDING, image(number, uid)

            async with retrieving(backend, handle) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, failed) == (0xB000, ["1.2.1"])

    backend.run(main)
    assert there.proposed == [[CT_IMAGE, MR_IMAGE]]
    assert there.callers == [("SCP", "OTHER")]


def test_destinations_by_name(backend: AnyBackend) -> None:
    there = There(backend)

    def handle(event: evt.Event) -> Any:
        yield event.move_destination
        yield 1
        yield PENDING, image(1)

    async def main() -> None:
        async with backend.serving(there.core) as server:
            ae = an_ae(backend, "SCP")
            ae.move_destinations = {"THERE": (HOST, server.port), "ELSEWHERE": (HOST, server.port, {})}
            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], ae)
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                for name, status in (("THERE", 0), ("ELSEWHERE", 0), ("NOWHERE", 0xA801)):
                    final, _ = await final_of(assoc.send_c_move(QUERY, name, MOVE))
                    assert final.Status == status

    backend.run(main)
    assert [called for _, called in there.callers] == ["THERE", "ELSEWHERE"]


DESTINATIONS: dict[str, tuple[list[object], int]] = {
    "unknown": ([(None, None)], 0xA801),
    "a failure in its place": ([(0xA900, None)], 0xA900),
    "a number": ([5], 0xC511),
    "a port that is a word": ([(HOST, "104")], 0xC511),
    "a port that is a truth": ([(HOST, True)], 0xC511),
    "one value": ([(HOST,)], 0xC511),
    "no count": ([(HOST, 104)], 0xC511),
    "nothing": ([], 0xC511),
    "a failure in place of the count": ([(HOST, 104), (0xA701, None)], 0xA701),
    "nothing to send": ([(HOST, 104), 0], 0x0000),
    "a port out of range": ([(HOST, 0), 1, (PENDING, image(1))], 0xA702),
    "a pending status too early": ([(PENDING, None)], 0xC511),
}


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_destinations_that_are_none(backend: AnyBackend, destination: str) -> None:
    yielded, status = DESTINATIONS[destination]

    async def main() -> None:
        async with retrieving(backend, lambda event: iter(yielded)) as assoc:
            final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
            assert final.Status == status
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


def test_a_destination_that_cannot_be_reached(backend: AnyBackend, tmp_path: Path) -> None:
    """One try, all failed, and those that are known are named."""
    closed = []

    def handle(event: evt.Event) -> Any:
        try:
            yield HOST, 1
            yield 5
            for number in range(3):
                yield PENDING, file_of(tmp_path, number)
            yield PENDING, image(3)
            yield PENDING, image(4)
        finally:
            closed.append(True)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
            assert (final.Status, counts(final)) == (0xA702, (None, 0, 5, 0))
            assert failed == ["1.2.0", "1.2.1", "1.2.2"]
            assert "the destination cannot be reached: ConnectionLost" in final.ErrorComment

    backend.run(main)
    assert closed == [True]


def test_a_destination_that_aborts_gets_another_association(backend: AnyBackend) -> None:
    tries = []

    async def there(peer: Peer) -> None:
        tries.append(1)
        await peer.accept()
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        if len(tries) == 1:
            peer.connection.send(Abort())
            await peer.flush()
            return
        peer.connection.send_response(received.command.response())
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        peer.connection.send_response(received.command.response())
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 3
                for number in range(3):
                    yield PENDING, image(number)

            async with retrieving(backend, handle) as assoc:
                final, failed = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert (final.Status, counts(final)) == (0xB000, (None, 2, 1, 0))
                assert failed == ["1.2.0"]

    backend.run(main)
    assert len(tries) == 2


def test_a_long_list_of_failures_is_cut_where_its_value_ends(backend: AnyBackend) -> None:
    """A UI value with an explicit VR has 65534 bytes; in Implicit VR there is room for all."""
    uids = [f"1.2.840.99999.9{number:049d}" for number in range(1200)]

    def handle(event: evt.Event) -> Any:
        yield len(uids)
        for uid in uids:
            yield PENDING, dataset(SOPClassUID=MR_IMAGE, SOPInstanceUID=uid)

    async def main(syntax: str) -> int:
        core = make_server(backend, [(evt.EVT_C_GET, handle)], an_ae(backend, "SCP"))
        async with associated(backend, core, contexts=[(GET, [syntax])]) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, GET))
            assert final.NumberOfFailedSuboperations == len(uids)
            assert failed == uids[: len(failed)]
            return len(failed)

    assert backend.run(main, IMPLICIT_VR_LITTLE_ENDIAN) == len(uids)
    assert backend.run(main, EXPLICIT_VR_LITTLE_ENDIAN) == 65_535 // 65


def test_streamed_to_a_handler(backend: AnyBackend, tmp_path: Path) -> None:
    """A C-GET of a large file, taken in chunks: neither side holds it whole."""
    path = tmp_path / "large.dcm"
    path.write_bytes(part10(data_set(8 * 1024 * 1024)))
    sizes = []

    def handle(event: evt.Event) -> Any:
        yield 1
        yield PENDING, path

    async def take(event: evt.Event) -> int:
        if backend.name == "blocking":
            sizes.extend(len(chunk) for chunk in event.chunks)
        else:
            sizes.extend([len(chunk) async for chunk in event.chunks])
        return 0

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_GET, handle)], an_ae(backend, "SCP"))
        roles = [RoleSelection(sop_class_uid=CT_IMAGE, scu_role=False, scp_role=True)]
        handlers = [(evt.EVT_C_STORE_STREAM, in_flavour(backend, take))]
        ae = an_ae(backend, "SCU")
        async with associated(backend, core, ae, ext_neg=roles, evt_handlers=handlers) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert final.Status == 0

    backend.run(main)
    assert sum(sizes) == 8 * 1024 * 1024
    assert max(sizes) <= 1024 * 1024


def test_an_open_file_is_not_closed(backend: AnyBackend) -> None:
    file = BytesIO(part10(data_set()))

    def handle(event: evt.Event) -> Any:
        yield 1
        yield PENDING, file

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert final.Status == 0

    backend.run(main)
    assert not file.closed


def test_a_destination_that_does_not_let_itself_be_released(backend: AnyBackend) -> None:
    """The mover is not held up for long, and its user has had the final response before."""
    aborted = Gate(backend)

    async def there(peer: Peer) -> None:
        await peer.accept()
        received = await peer.until(RequestReceived)
        while not (await peer.until(DataSetChunk)).last:
            pass
        peer.connection.send_response(received.command.response())
        await peer.until(ReleaseRQ)
        await peer.until_closed()
        aborted.open()

    async def main() -> None:
        async with backend.serving(Script(there)) as server:

            def handle(event: evt.Event) -> Any:
                yield HOST, server.port
                yield 1
                yield PENDING, image(1)

            ae = an_ae(backend, "SCP")
            ae.timeouts = Timeouts(close=IMMEDIATE)
            core = make_server(backend, [(evt.EVT_C_MOVE, handle)], ae)
            async with associated(backend, core, an_ae(backend, "SCU")) as assoc:
                final, _ = await final_of(assoc.send_c_move(QUERY, "THERE", MOVE))
                assert final.Status == 0
                assert (await assoc.send_c_echo()).Status == 0
            await aborted.passed()

    backend.run(main)
