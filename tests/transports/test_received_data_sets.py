"""Data sets that peers send: what is cut, cannot be followed or is too much is never taken for whole."""

from __future__ import annotations

import logging
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto import text
from dicomproto.config import Limits
from dicomproto.dimse.commands import (
    DATA_SET_PRESENT,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NEventReportRQ,
    NSetRQ,
    Request,
)
from dicomproto.encoded import Walk
from dicomproto.errors import DataSetError
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomproto_transports import evt
from dicomproto_transports.files.sources import MemorySource
from tests.associations import CT_IMAGE, associated, make_ae, make_server
from tests.backends import AnyBackend, Lockstep
from tests.data_sets import UNDEFINED, explicit, implicit, item

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
MPPS, MPPS_NOTIFICATION = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.5"
COMMITMENT, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
NAME = explicit(0x00100010, b"PN", b"DOE^JANE")
ITEMS = 0x00400100

REQUESTS: dict[str, tuple[evt.EventKind, Request, str]] = {
    "C-FIND": (evt.EVT_C_FIND, CFindRQ(AffectedSOPClassUID=FIND), "identifier"),
    "C-GET": (evt.EVT_C_GET, CGetRQ(AffectedSOPClassUID=GET), "identifier"),
    "C-MOVE": (evt.EVT_C_MOVE, CMoveRQ(AffectedSOPClassUID=MOVE, MoveDestination="THERE"), "identifier"),
    "N-SET": (
        evt.EVT_N_SET,
        NSetRQ(RequestedSOPClassUID=MPPS, RequestedSOPInstanceUID="1.2.3"),
        "modification_list",
    ),
    "N-CREATE": (
        evt.EVT_N_CREATE,
        NCreateRQ(AffectedSOPClassUID=MPPS, AffectedSOPInstanceUID="1.2.3"),
        "attribute_list",
    ),
    "N-ACTION": (
        evt.EVT_N_ACTION,
        NActionRQ(RequestedSOPClassUID=COMMITMENT, RequestedSOPInstanceUID=INSTANCE, ActionTypeID=1),
        "action_information",
    ),
    "N-EVENT-REPORT": (
        evt.EVT_N_EVENT_REPORT,
        NEventReportRQ(AffectedSOPClassUID=MPPS_NOTIFICATION, AffectedSOPInstanceUID="1.2.3", EventTypeID=1),
        "event_information",
    ),
}


class Reading:
    """A handler that reads the data set, whatever the service calls it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read: list[Dataset] = []

    def __call__(self, event: evt.Event) -> Any:
        self.read.append(getattr(event, self.name))
        results = {evt.EVT_C_GET: iter([0]), evt.EVT_C_MOVE: iter([None]), evt.EVT_C_FIND: iter([])}
        return results.get(event.event, (0, None))


@asynccontextmanager
async def provided(
    backend: AnyBackend, *bindings: evt.Binding, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, **settings: Any
) -> AsyncIterator[Any]:
    provider, user = make_ae(backend, "SCP", **settings), make_ae(backend, "SCU")
    for uid in (FIND, MOVE, GET, MPPS, MPPS_NOTIFICATION, COMMITMENT):
        user.add_requested_context(uid, syntax)
        provider.add_supported_context(uid, [syntax], scu_role=True, scp_role=True)
    async with associated(backend, make_server(backend, bindings, provider), user) as assoc:
        yield assoc


async def told(assoc: Any, request: Request, data: bytes) -> Any:
    """Send a request with these bytes as its data set, and return the response."""
    uid = request.sop_class_uid
    context = next(one for one in assoc.accepted_contexts if one.abstract_syntax == uid)
    request = request.replace(CommandDataSetType=DATA_SET_PRESENT)
    return (await assoc._session.call(request, context.context_id, MemorySource(data, 16_000))).response


CUT = {
    "a value": (NAME[:-2], "byte 0: (0010,0010) declares 8 bytes, 6 are left"),
    "a header": (NAME + NAME[:6], "byte 16: (0010,0010) ends within its header"),
    "no delimiter": (explicit(ITEMS, b"SQ", item(NAME), UNDEFINED), "byte 0: (0040,0100) has no delimiter"),
    "an item": (
        explicit(ITEMS, b"SQ", item(NAME, 99), UNDEFINED),
        "byte 12: (0040,0100) has an item of 99 bytes, 16 are left",
    ),
    "a value in an item": (
        explicit(ITEMS, b"SQ", item(NAME[:-2])),
        "byte 20: (0040,0100) item 1, (0010,0010) declares 8",
    ),
    "noise": (b"\xff" * 32, "byte 0: (FFFF,FFFF) has something else among its items"),
}
TOO_MUCH = {
    "items": (explicit(ITEMS, b"SQ", item() * 1_001), 1, "an item too many, 1000 are allowed"),
    "elements": (explicit(0x00100010, b"PN") * 2_001, 1, "more than 2000 elements"),
    "depth": (explicit(ITEMS, b"SQ", item(b"", UNDEFINED), UNDEFINED) * 65, 1, "nested deeper than 64"),
    "bytes": (explicit(0x00100010, b"UT", bytes(2**20)), 1, "a data set of more than 1048576 bytes"),
    "many items": (explicit(ITEMS, b"SQ", item() * 100_001), 100, "an item too many, 100000 are allowed"),
}  # fmt: skip


@pytest.mark.parametrize("service", REQUESTS)
def test_a_data_set_that_is_not_whole_reaches_no_handler(
    backend: AnyBackend, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind, request, name = REQUESTS[service]
    handler = Reading(name)
    expected = 0xC000 if service.startswith("C") else 0x0110

    async def main() -> None:
        async with provided(backend, (kind, handler)) as assoc:
            for data, comment in CUT.values():
                caplog.clear()
                response = await told(assoc, request, data)
                assert response.Status == expected
                assert response.ErrorComment.startswith(comment[:64])
                (record,) = [one for one in caplog.records if one.name == "dicomproto.handlers"]
                assert record.levelno == logging.WARNING
                assert f"the data set of {request.name} cannot be used: element" in record.getMessage()
                assert "DOE" not in caplog.text
            assert not handler.read
            if service != "C-MOVE":
                assert (await told(assoc, request, NAME)).Status == 0
                assert handler.read[-1].PatientName == "DOE^JANE"
            assert (await assoc.send_c_echo()).Status == 0

    backend.run(main)


@pytest.mark.parametrize("service", ["C-FIND", "C-MOVE", "N-SET"])
def test_a_data_set_that_is_too_much_reaches_no_handler(
    backend: AnyBackend, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind, request, name = REQUESTS[service]
    handler = Reading(name)
    is_identifier = service.startswith("C")

    async def main() -> None:
        async with provided(backend, (kind, handler)) as assoc:
            for what, (data, times, text) in TOO_MUCH.items():
                response = await told(assoc, request, data)
                if is_identifier and times == 1:
                    assert (response.Status, what) == (0xA700, what)
                    assert text in response.ErrorComment or text in caplog.text
                elif what in ("depth", "many items"):
                    assert response.Status == (0xA700 if is_identifier else 0x0213)
                else:
                    assert (response.Status, what) == (0, what)
            assert len(handler.read) == (0 if is_identifier else 3)

    backend.run(main)


def test_a_list_of_uids_of_a_mebibyte_is_an_identifier(backend: AnyBackend) -> None:
    uids = b"\\".join(b"1.2.826.0.1.3680043.8.498.%d" % number for number in range(10_000, 42_700)) + b"\0"
    data = implicit(0x0020000D, uids)
    handler = Reading("identifier")

    async def main() -> None:
        options = {"syntax": IMPLICIT_VR_LITTLE_ENDIAN}
        async with provided(backend, (evt.EVT_C_FIND, handler), **options) as assoc:  # type: ignore[arg-type]
            assert (await told(assoc, REQUESTS["C-FIND"][1], data)).Status == 0
        (identifier,) = handler.read
        assert len(identifier.StudyInstanceUID) == 32_700

    backend.run(main)


def test_the_size_of_identifiers_is_a_limit(backend: AnyBackend) -> None:
    handler = Reading("identifier")

    async def main() -> None:
        for limits in (Limits(identifier=16), Limits(identifier=100, collect=16)):
            async with provided(backend, (evt.EVT_C_FIND, handler), limits=limits) as assoc:
                request = REQUESTS["C-FIND"][1]
                assert (await told(assoc, request, NAME)).Status == 0
                response = await told(assoc, request, NAME + NAME)
                assert (response.Status, response.ErrorComment) == (
                    0xA700,
                    "a data set of more than 16 bytes",
                )
        assert len(handler.read) == 2

    backend.run(main)


def test_an_identifier_without_elements_is_none(backend: AnyBackend) -> None:
    handler = Reading("identifier")

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handler)) as assoc:
            for data in (b"", bytes(2), bytes(16)):
                response = await told(assoc, REQUESTS["C-FIND"][1], data)
                assert (response.Status, handler.read) == (0xC000, [])

    backend.run(main)


def test_an_identifier_is_walked_once_and_not_searched_for_text() -> None:
    """Where everything runs in one thread, and can be counted."""
    backend, handler, calls = Lockstep(), Reading("identifier"), Counter[str]()
    counted = {Walk.finish.__code__: "walk", text.text_in_doubt.__code__: "search"}

    def count(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code in counted:
            calls[counted[frame.f_code]] += 1

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handler)) as assoc:
            sys.setprofile(count)
            await told(assoc, REQUESTS["C-FIND"][1], NAME + explicit(ITEMS, b"SQ", item(NAME)))

    try:
        backend.run(main)
    finally:
        sys.setprofile(None)
    assert handler.read[0].PatientName == "DOE^JANE"
    assert calls == {"walk": 1}


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    encoded = compressor.compress(data) + compressor.flush()
    return encoded + b"\0" * (len(encoded) % 2)


def test_deflated_identifiers_are_judged_as_well(backend: AnyBackend) -> None:
    handler = Reading("identifier")
    cases = {
        deflated(NAME): 0,
        deflated(NAME[:-1]): 0xC000,
        deflated(NAME)[:-4]: 0xC000,
        deflated(explicit(ITEMS, b"SQ", item() * 1_001)): 0xA700,
        deflated(explicit(0x00100010, b"UT", bytes(2**20))): 0xA700,
    }

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handler), syntax=DEFLATED) as assoc:
            for data, status in cases.items():
                assert (await told(assoc, REQUESTS["C-FIND"][1], data)).Status == status
        assert [identifier.PatientName for identifier in handler.read] == ["DOE^JANE"]

    backend.run(main)


@pytest.mark.parametrize("is_caught", [False, True])
def test_an_object_that_is_cut_is_told_when_it_is_read(
    backend: AnyBackend, caplog: pytest.LogCaptureFixture, *, is_caught: bool
) -> None:
    def handle(event: evt.Event) -> int:
        try:
            return len(event.dataset) and 0xB000
        except DataSetError:
            assert event.encoded_dataset(include_meta=False) == NAME[:-2]
            if not is_caught:
                raise
            return 0xA900

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_STORE, handle)) as assoc:
            request = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2.3")
            response = await told(assoc, request, NAME[:-2])
            assert response.Status == (0xA900 if is_caught else 0xC000)
            if not is_caught:
                assert response.ErrorComment == "byte 0: (0010,0010) declares 8 bytes, 6 are left"
                assert "the data set of C-STORE-RQ cannot be used: element (0010,0010)" in caplog.text
            assert (await told(assoc, request, NAME)).Status == 0xB000
        assert "DOE" not in caplog.text

    backend.run(main)


@pytest.mark.parametrize("service", ["C-FIND", "C-GET", "N-SET"])
def test_a_handler_is_blamed_for_its_own_data_sets_only(backend: AnyBackend, service: str) -> None:
    kind, request, _ = REQUESTS[service]

    def handle(event: evt.Event) -> Any:
        raise DataSetError("of something else")

    async def main() -> None:
        async with provided(backend, (kind, handle)) as assoc:
            status = (await told(assoc, request, NAME)).Status
            assert status == {"C-FIND": 0xC311, "C-GET": 0xC411, "N-SET": 0x0110}[service]

    backend.run(main)


def test_values_that_only_a_handler_reads_may_still_be_broken(backend: AnyBackend) -> None:
    """Values are decoded when they are used; what pydicom raises then is the handler's to catch."""
    duration = explicit(0x00189073, b"FD", b"\1\2\3\4\5\6")

    def handle(event: evt.Event) -> Any:
        event.identifier.AcquisitionDuration  # noqa: B018
        yield 0xFF00, event.identifier

    async def main() -> None:
        async with provided(backend, (evt.EVT_C_FIND, handle)) as assoc:
            assert (await told(assoc, REQUESTS["C-FIND"][1], duration)).Status == 0xC311

    backend.run(main)


# --- responses ----------------------------------------------------------------------------------


class Answering:
    """Makes the data sets of a provider leave cut by one byte."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        from dicomproto_transports.files import sources as _outgoing

        class Cut(_outgoing.MemorySource):
            def __init__(self, data: bytes, size: int) -> None:
                super().__init__(data[:-2], size)

        for module in ("find", "normalized"):
            patch.setattr(f"dicomproto_transports.scp.{module}.MemorySource", Cut)


def test_what_comes_back_cut_is_an_error(backend: AnyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    Answering(monkeypatch)
    match = Dataset()
    match.PatientID = "1234"
    text = r"\(0010,0020\) declares 4 bytes, 2 are left"

    async def main() -> None:
        handlers = [
            (evt.EVT_C_FIND, lambda event: iter([(0xFF00, match)])),
            (evt.EVT_N_SET, lambda event: (0, match)),
        ]
        async with provided(backend, *handlers) as assoc:
            responses = assoc.send_c_find(match, FIND)
            with pytest.raises(DataSetError, match=text) as caught:
                await anext(responses)
            assert caught.value.response.Status == 0xFF00
            assert [status.Status async for status, _ in responses] == [0]
            with pytest.raises(DataSetError, match=text) as caught:
                await assoc.send_n_set(match, MPPS, "1.2.3")
            assert caught.value.response.Status == 0

    backend.run(main)
