"""Identifiers as their bytes: of a request, and from the handlers of C-FIND, C-GET and C-MOVE."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from dicomproto.datasets import encode_data_set
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomproto_transports import blocking, evt
from tests.associations import associated, make_ae, make_server, part10
from tests.backends import AnyBackend, Lockstep
from tests.identifiers import dataset

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
EXPLICIT, IMPLICIT = EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
DEFLATED = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
QUERY = dataset(QueryRetrieveLevel="STUDY", PatientID="*")
MATCHES = [dataset(PatientID=f"P{number}", PatientName="DOE^JANE") for number in range(3)]
FAILED = dataset(FailedSOPInstanceUIDList=["1.2.77", "1.2.78"])


def an_ae(backend: AnyBackend, syntax: str) -> Any:
    ae = make_ae(backend)
    for model in (FIND, GET, MOVE):
        ae.add_supported_context(model, syntax)
        ae.add_requested_context(model, syntax)
    return ae


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, EXPLICIT_VR_BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_matches_may_be_bytes(backend: AnyBackend, syntax: str, kind: Any) -> None:
    asked: list[bytes] = []

    def find(event: evt.FindEvent) -> Iterator[tuple[int, object]]:
        asked.append(event.encoded_identifier)
        for number, match in enumerate(MATCHES):  # both kinds may be mixed
            yield 0xFF00, match if number == 1 else kind(encode_data_set(match, syntax))

    async def main() -> None:
        ae = an_ae(backend, syntax)
        async with associated(backend, make_server(backend, [(evt.EVT_C_FIND, find)], ae), ae) as assoc:
            found = [match async for _, match in assoc.send_c_find(QUERY, FIND)]
            assert found == [*MATCHES, None]

    backend.run(main)
    assert asked == [encode_data_set(QUERY, syntax)]
    assert type(asked[0]) is bytes


def test_deflated_bytes_of_an_odd_length_are_padded(backend: AnyBackend) -> None:
    """zlib ends where it ends (PS3.5 A.5)."""
    plain = (encode_data_set(dataset(PatientID="P" * size), EXPLICIT) for size in range(2, 64, 2))
    odd = next(data for one in plain if len(data := zlib.compress(one, wbits=-15)) & 1)

    def find(event: evt.FindEvent) -> Iterator[tuple[int, object]]:
        yield 0xFF00, odd

    async def main() -> None:
        ae = an_ae(backend, DEFLATED)
        async with associated(backend, make_server(backend, [(evt.EVT_C_FIND, find)], ae), ae) as assoc:
            sent = [data async for _, data in assoc.send_c_find(QUERY, FIND).encoded()]
            assert sent == [odd + b"\0", None]

    backend.run(main)


def find_three(event: evt.FindEvent) -> Iterator[tuple[int, object]]:
    yield 0xFF00, MATCHES[0]
    yield 0xFF00, MATCHES[1]
    yield 0xFF01, MATCHES[2]


def test_responses_may_be_taken_as_bytes(backend: AnyBackend) -> None:
    """Also from the middle on."""

    async def main() -> None:
        ae = an_ae(backend, EXPLICIT)
        async with associated(backend, make_server(backend, [(evt.EVT_C_FIND, find_three)], ae), ae) as assoc:
            responses = assoc.send_c_find(QUERY, FIND)
            assert (await anext(responses))[1] == MATCHES[0]
            rest = [(status.Status, data) async for status, data in responses.encoded()]
            assert rest == [
                (0xFF00, encode_data_set(MATCHES[1], EXPLICIT)),
                (0xFF01, encode_data_set(MATCHES[2], EXPLICIT)),
                (0x0000, None),
            ]
            assert responses.is_over
            assert [one async for one in responses.encoded()] == []

    backend.run(main)


def test_responses_may_be_taken_as_bytes_with_for() -> None:
    ae = blocking.AE()
    ae.add_supported_context(FIND, EXPLICIT)
    ae.add_requested_context(FIND, EXPLICIT)
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find_three)]) as server,
        ae.associate("127.0.0.1", server.port) as assoc,
    ):
        for status, data in assoc.send_c_find(QUERY, FIND).encoded():
            assert (status.Status, data) == (0xFF00, encode_data_set(MATCHES[0], EXPLICIT))
            break
        # The query is cancelled before the next one.
        assert len(list(assoc.send_c_find(QUERY, FIND).encoded())) == 4


@pytest.mark.parametrize("model", [GET, MOVE])
def test_the_identifier_of_a_retrieval_may_be_bytes(backend: AnyBackend, model: str) -> None:
    def refuse(event: evt.GetEvent | evt.MoveEvent) -> Iterator[tuple[int, object]]:
        assert event.encoded_identifier == encode_data_set(QUERY, EXPLICIT)
        yield 0xA900, encode_data_set(FAILED, EXPLICIT)

    async def main() -> None:
        ae = an_ae(backend, EXPLICIT)
        handlers = [(evt.EVT_C_GET, refuse), (evt.EVT_C_MOVE, refuse)]
        async with associated(backend, make_server(backend, handlers, ae), ae) as assoc:
            asking = assoc.send_c_get(QUERY, GET) if model == GET else assoc.send_c_move(QUERY, "X", MOVE)
            ((status, identifier),) = [answer async for answer in asking]
            assert (status.Status, identifier) == (0xA900, FAILED)

    backend.run(main)


NAME = encode_data_set(MATCHES[0], EXPLICIT)
BAD = {
    "cut": (EXPLICIT, NAME[:-2]),
    "odd": (EXPLICIT, NAME[:-2] + b"E"),
    "of another VR": (EXPLICIT, encode_data_set(MATCHES[0], IMPLICIT)),
    "of another VR, too": (IMPLICIT, NAME),
    "out of order": (EXPLICIT, NAME + NAME),
    "empty": (EXPLICIT, b""),
    "nothing": (EXPLICIT, bytes(16)),
    "a file": (EXPLICIT, part10(NAME)),
    "with File Meta": (EXPLICIT, part10(NAME)[132:]),
    "with a command": (EXPLICIT, b"\0\0\0\x01US\x02\0\x01\0" + NAME),
    "not deflated": (DEFLATED, NAME),
    "deflated and cut": (DEFLATED, zlib.compress(NAME[:-2], wbits=-15)),
    "nothing, deflated": (DEFLATED, zlib.compress(b"", wbits=-15)),
    "with File Meta, deflated": (DEFLATED, zlib.compress(part10(NAME)[132:], wbits=-15)),
    "text": (EXPLICIT, b"DOE^JANE"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bytes_that_are_no_identifier_are_not_sent(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither do they leave through the log."""
    backend = Lockstep()
    syntax, given = BAD[bad]
    is_closed = False

    def find(event: evt.FindEvent) -> Iterator[tuple[int, object]]:
        nonlocal is_closed
        try:
            yield 0xFF00, encode_data_set(MATCHES[1], syntax)
            yield 0xFF00, given
        finally:
            is_closed = True

    async def main() -> None:
        ae = an_ae(backend, syntax)
        async with associated(backend, make_server(backend, [(evt.EVT_C_FIND, find)], ae), ae) as assoc:
            answers = [answer async for answer in assoc.send_c_find(QUERY, FIND)]
            assert [(status.Status, match) for status, match in answers] == [
                (0xFF00, MATCHES[1]),
                (0xC312, None),
            ]

    with caplog.at_level(logging.INFO, "dicomproto.handlers"):
        backend.run(main)
    assert is_closed
    (line,) = caplog.messages
    assert "a match of EVT_C_FIND cannot be sent" in line
    assert "DOE" not in line
