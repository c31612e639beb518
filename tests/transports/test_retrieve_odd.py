"""C-GET and C-MOVE handlers that yield odd things, and how they are closed: a response comes in any case."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.config import Timeouts
from dicomproto.dimse.commands import CFindRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.upper_layer.pdu import ReleaseRP, ReleaseRQ
from dicomproto_transports import evt
from dicomproto_transports.contexts import build_context
from tests.associations import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMMEDIATE,
    MR_IMAGE,
    Peer,
    Script,
    associate,
    connect,
    data_set,
    make_ae,
    make_server,
    part10,
)
from tests.backends import AnyBackend, Async, Lockstep
from tests.transports.test_retrieve import (
    GET,
    LIGHT_GET,
    PENDING,
    QUERY,
    counts,
    dataset,
    final_of,
    image,
    retrieving,
)
from tests.transports.test_retrieve_destination import ask, until_set


class Odd:
    """A status with elements that pydicom would not let pass."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


class Failing:
    @property
    def Status(self) -> int:
        raise RuntimeError


ODD: dict[str, object] = {
    "an Error ID of more than 16 bits": Odd(Status=0xA701, ErrorID=70_000),
    "a negative Error ID": Odd(Status=0xA701, ErrorID=-1),
    "an Error ID that is a word": Odd(Status=0xA701, ErrorID="x"),
    "a tag of more than 32 bits": Odd(Status=0xA701, OffendingElement=2**33),
    "a word in place of a tag": Odd(Status=0xA701, OffendingElement="no keyword"),
    "no status": Odd(Status=None),
    "a status of more than 16 bits": 70_000,
    "a status that raises": Failing(),
}


@pytest.mark.parametrize("place", ["the count", "an object"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_elements_beside_a_status(odd: str, place: str) -> None:
    def handle(event: evt.Event) -> Any:
        if place == "an object":
            yield 1
        yield ODD[odd], None

    backend = Lockstep()

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert final.Status == 0xC411
            assert final.ErrorComment.endswith("in the handler")
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


# What a handler yields -> the final status, and the objects that were sent.
ANNOUNCED: dict[str, tuple[list[object], int, int]] = {
    "nothing": ([0], 0x0000, 0),
    "nothing, and success": ([0, (0x0000, None)], 0x0000, 0),
    "nothing, and a failure": ([0, (0xA701, None)], 0xA701, 0),
    "nothing, and an object": ([0, (PENDING, image(1))], 0x0000, 1),
}


@pytest.mark.parametrize("announced", ANNOUNCED)
def test_what_follows_a_count_of_nothing_is_not_dropped(announced: str) -> None:
    yielded, status, sent = ANNOUNCED[announced]
    backend = Lockstep()

    async def main() -> None:
        async with retrieving(backend, lambda event: iter(yielded)) as assoc:
            final, _ = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, final.NumberOfCompletedSuboperations) == (status, sent)

    backend.run(main)


MINE = dataset(FailedSOPInstanceUIDList=["1.2.77", "1.2.78"])

IDENTIFIERS: dict[str, tuple[list[object], int, list[str]]] = {
    "with a warning": ([3, (PENDING, image(1)), (0xB000, MINE)], 0xB000, ["1.2.77", "1.2.78"]),
    "with a failure": ([3, (0xA702, MINE)], 0xA702, ["1.2.77", "1.2.78"]),
    "with a cancel": ([3, (0xFE00, MINE)], 0xFE00, ["1.2.77", "1.2.78"]),
    "in place of the count": ([(0xA900, MINE)], 0xA900, ["1.2.77", "1.2.78"]),
    "empty in place of the count": ([(0xA900, Dataset())], 0xA900, []),
    "empty": ([2, (PENDING, image(5, MR_IMAGE)), (0xB000, Dataset())], 0xB000, ["1.2.5"]),
    "with a success that is none": ([2, (PENDING, image(1)), (0x0000, MINE)], 0xB000, ["1.2.77", "1.2.78"]),
    "with a success": ([1, (PENDING, image(1)), (0x0000, MINE)], 0x0000, []),
    "that is none": ([2, (PENDING, image(1)), (0xB000, "1.2.77")], 0xC411, []),
    "that cannot be encoded": ([2, (0xB000, dataset(Rows=1))], 0xC411, []),
}
IDENTIFIERS["that cannot be encoded"][0][1][1]["Rows"].__dict__["_value"] = "x"  # type: ignore[index]


@pytest.mark.parametrize("given", IDENTIFIERS)
def test_an_identifier_of_the_handler(backend: AnyBackend, given: str) -> None:
    """It says what failed in place of our own list."""
    yielded, status, listed = IDENTIFIERS[given]

    async def main() -> None:
        async with retrieving(backend, lambda event: iter(yielded)) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, failed) == (status, listed)
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


BAD_FILES: dict[str, bytes | None] = {
    "no DICOM": b"no DICOM" * 100,
    "empty": b"",
    "cut in its head": part10(data_set())[:140],
    "missing": None,
}


@pytest.mark.parametrize("model", [GET, LIGHT_GET])
@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_among_good_objects(bad: str, model: str, backend: AnyBackend, tmp_path: Path) -> None:
    content = BAD_FILES[bad]
    path = tmp_path / "bad"
    if content is not None:
        path.write_bytes(content)

    def handle(event: evt.Event) -> Any:
        yield 3
        yield PENDING, image(1)
        yield PENDING, path
        yield PENDING, image(2)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, model))
            assert (final.Status, counts(final), failed) == (0xB000, (None, 2, 1, 0), [])

    backend.run(main)


class Broken:
    """An object that fails whatever it is asked."""

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)


@pytest.mark.parametrize("item", ["that raises", "without a UID"])
def test_a_broken_object_is_a_failed_sub_operation(item: str, backend: AnyBackend) -> None:
    broken = Broken() if item == "that raises" else Odd(SOPInstanceUID="no UID \\ü", to_json_dict=None)

    def handle(event: evt.Event) -> Any:
        yield 2
        yield PENDING, broken
        yield PENDING, image(2)

    async def main() -> None:
        async with retrieving(backend, handle) as assoc:
            final, failed = await final_of(assoc.send_c_get(QUERY, GET))
            assert (final.Status, counts(final), failed) == (0xB000, (None, 1, 1, 0), [])

    backend.run(main)


# --- closing handlers -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["its server", "its peer"])
def test_a_handler_in_a_thread_is_closed(async_backend: Async, end: str) -> None:
    """Also when the task that served it is cancelled: by then the thread must not be refused."""
    backend = async_backend
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    is_sending = threading.Event()
    closed: list[bool] = []

    def handle(event: evt.Event) -> Any:
        try:
            while True:
                yield PENDING, dataset(EncapsulatedDocument=bytes(500_000))
                is_sending.set()
        finally:
            closed.append(threading.current_thread() is not threading.main_thread())

    async def main() -> None:
        ae = make_ae(backend, "SCP", timeouts=Timeouts(close=IMMEDIATE))
        ae.add_supported_context(find)
        async with backend.serving(
            make_server(backend, [(evt.EVT_C_FIND, evt.in_thread(handle))], ae)
        ) as server:
            peer = await connect(backend, server.port)
            await peer.request(find)
            await ask(peer, CFindRQ(AffectedSOPClassUID=find))
            await peer.until(ResponseReceived)
            await until_set(backend, is_sending)
            if end == "its peer":
                await peer.stream.close([], 0)
        await peer.stream.close([], 0)

    backend.run(main)
    assert closed == [True]


FOREIGN = (
    bytes.fromhex("0800 0000 04000000 48000000 0800 5800 40000000")
    + b"1.2.826.0.1.3680043.8.498.10143294752736484263417364523764817356"
)
"""What Orthanc sends behind a sound group 0000 (length 106), when a sub-operation failed."""


def final_get_response(message_id: int) -> bytes:
    """Return that response, in one P-DATA-TF."""
    shorts = [
        (0x0100, 0x8010),
        (0x0120, message_id),
        (0x0800, 0x0101),
        (0x0900, 0xC000),
        (0x1021, 0),
        (0x1022, 1),
        (0x1023, 0),
    ]
    group = struct.pack("<HHI", 0, 2, 28) + GET.encode() + b"\0" * (28 - len(GET))
    group += b"".join(struct.pack("<HHIH", 0, number, 2, value) for number, value in shorts)
    assert len(group) == 106
    data = struct.pack("<HHII", 0, 0, 4, 106) + group + FOREIGN
    context_id = 2 * CONTEXTS.index(GET) + 1
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context_id, 3) + data


CONTEXTS = ["1.2.840.10008.1.1", GET]


def test_a_response_with_elements_behind_group_0000(backend: AnyBackend) -> None:
    """Orthanc's: status and counters are kept, and so is the association."""

    async def answer(peer: Peer) -> None:
        await peer.accept()
        request = await peer.until(RequestReceived)
        await peer.until(DataSetChunk)
        rest: Any = [final_get_response(request.command.MessageID)]
        while rest:
            rest = await peer.stream.send(rest, None)
        echo = await peer.until(RequestReceived)
        peer.connection.send_response(echo.command.response())
        await peer.until(ReleaseRQ)
        peer.connection.send(ReleaseRP())
        await peer.until_closed()

    async def main() -> None:
        ae = make_ae(backend, "SCU")
        ae.requested_contexts = [build_context(uid, EXPLICIT_VR_LITTLE_ENDIAN) for uid in CONTEXTS]
        async with backend.serving(Script(answer)) as server:
            async with await associate(backend, server.port, ae) as assoc:
                final, failed = await final_of(assoc.send_c_get(QUERY, GET))
                assert (final.Status, counts(final), failed) == (0xC000, (None, 0, 1, 0), [])
                assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)
