"""Text on its way out: what its character set does not have ends in an error before a byte is sent."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from dicomproto.datasets import decode_data_set
from dicomproto.errors import DataSetError
from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN
from dicomproto_transports import evt
from dicomproto_transports.blocking import AE, Association
from tests.identifiers import dataset

WORKLIST, STEP = "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3"
LATIN_1 = b"\x10\0\x10\0PN\6\0M\xfcller"
SENT = {"SOPClassUID": CTImageStorage, "SOPInstanceUID": "1.2.3"}


def unnamed() -> Dataset:
    return decode_data_set(LATIN_1, EXPLICIT_VR_LITTLE_ENDIAN, file_meta=False)


class Provider:
    """Answers queries with what it is told to, and keeps what it is sent."""

    def __init__(self) -> None:
        self.matches: list[Dataset] = []
        self.received: list[bytes] = []

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        for match in self.matches:
            yield 0xFF00, match

    def take(self, event: evt.Event) -> Any:
        self.received.append(event.request.name)
        return (0, None) if event.event is evt.EVT_N_CREATE else 0


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def association(provider: Provider) -> Iterator[Association]:
    ae = AE()
    handlers = [
        (evt.EVT_C_FIND, provider.find),
        (evt.EVT_C_STORE, provider.take),
        (evt.EVT_N_CREATE, provider.take),
    ]
    for uid in (WORKLIST, STEP, CTImageStorage):
        ae.add_supported_context(uid)
        ae.add_requested_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    with server, ae.associate("127.0.0.1", server.port) as made:
        yield made


SENDING: dict[str, Callable[[Association, Dataset], object]] = {
    "C-STORE": lambda association, made: association.send_c_store(made),
    "C-FIND": lambda association, made: list(association.send_c_find(made, WORKLIST)),
    "N-CREATE": lambda association, made: association.send_n_create(made, STEP, "1.2.3"),
}


@pytest.mark.parametrize("service", SENDING)
def test_text_that_cannot_be_encoded_is_not_sent(
    association: Association, provider: Provider, service: str
) -> None:
    for made in (dataset(PatientName="Иванов", **SENT), dataset(PatientName="Müller", **SENT)):
        with pytest.raises(DataSetError, match=r"\(0010,0010\): the data set names no .*ISO_IR 192"):
            SENDING[service](association, made)
    assert not provider.received
    assert association.is_established
    SENDING[service](association, dataset(PatientName="Иванов", SpecificCharacterSet="ISO_IR 192", **SENT))


def test_what_was_read_from_a_file_that_was_cut_is_not_sent(
    association: Association, provider: Provider
) -> None:
    pixels = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", 100)
    file = BytesIO()
    dataset(PatientName="A", **SENT).save_as(file, implicit_vr=False, little_endian=True)
    for there in (0, 50, 99):
        made = dcmread(BytesIO(file.getvalue() + pixels + bytes(there)), force=True)
        with pytest.raises(
            DataSetError, match=r"\(7FE0,0010\) .* it declared 100 bytes, and fewer were there"
        ):
            association.send_c_store(made)
    assert not provider.received
    whole = dcmread(BytesIO(file.getvalue() + pixels + bytes(100)), force=True)
    assert association.send_c_store(whole).Status == 0


def test_a_match_that_cannot_be_encoded_ends_the_query(
    association: Association, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    good = dataset(PatientName="A")
    provider.matches = [good, dataset(PatientName="Иванов"), good]
    answers = [(response.Status, match) for response, match in association.send_c_find(good, WORKLIST)]
    assert [status for status, _ in answers] == [0xFF00, 0xC312]
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "(0010,0010)" in line
    assert "set SpecificCharacterSet = 'ISO_IR 192' (UTF-8)" in line
    assert "Иванов" not in caplog.text


def test_text_that_names_no_character_set_is_told_once(
    association: Association, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.matches = [unnamed(), unnamed()]
    found = [match for _, match in association.send_c_find(dataset(PatientName="A"), WORKLIST) if match]
    assert [match.get_item(0x00100010).value for match in found] == [b"M\xfcller"] * 2
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    (sent,) = [line for line in lines if "element (0010,0010) has text that is not ASCII" in line]
    assert "leaves as it was read" in sent
    assert re.match(r"'\w+' at 127\.0\.0\.1:\d+: element", sent)
    (received,) = [line for line in lines if "assume_charset" in line]
    assert "element (0010,0010) PatientName has text that is not in a character set" in received
    assert "assume_charset" in received


def named(name: bytes) -> Dataset:
    return decode_data_set(
        b"\x08\0\x05\0CS\x0a\0" + name + LATIN_1, EXPLICIT_VR_LITTLE_ENDIAN, file_meta=False
    )


@pytest.mark.parametrize("by", ["the entity", "the call"])
def test_the_character_set_of_a_peer_may_be_known(
    provider: Provider, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    ae, server_ae, seen = AE(), AE(), []

    def store(event: evt.Event) -> int:
        seen.append((event.dataset.PatientName, event.dataset.get("SpecificCharacterSet")))
        return 0

    for uid in (WORKLIST, CTImageStorage):
        server_ae.add_supported_context(uid)
        ae.add_requested_context(uid)
    server_ae.assume_charset = "ISO_IR 100"
    options = {"assume_charset": "ISO_IR 100"} if by == "the call" else {}
    if not options:
        ae.assume_charset = "ISO_IR 100"
    handlers = [(evt.EVT_C_FIND, provider.find), (evt.EVT_C_STORE, store)]
    provider.matches = [unnamed(), named(b"ISO_IR 192"), named(b"ISO_IR 100"), dataset(PatientName="A")]
    server = server_ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    with server, ae.associate("127.0.0.1", server.port, **options) as association:
        found = [match for _, match in association.send_c_find(dataset(PatientName="A"), WORKLIST) if match]
        for made in provider.matches:
            made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, "1.2.3"
            association.send_c_store(made)
    shown = [(match.PatientName, match.get("SpecificCharacterSet")) for match in found]
    assert shown == [("Müller", "ISO_IR 100")] * 3 + [("A", None)]
    assert seen == shown
    assert "PatientName has text" not in caplog.text


@pytest.mark.parametrize(
    ("assumed", "match", "name"),
    [
        ("ISO_IR 192", LATIN_1, "(0010,0010) PatientName"),
        (
            "ISO_IR 100",
            b"\x08\0\x05\0CS\x0a\0ISO_IR 192\x09\0\1\x10LO\2\0\xfc \x10\0\x10\0PN\2\0\xd0\x98",
            "(0009,1001)",
        ),
    ],
)
def test_text_that_is_not_as_assumed_is_told_and_left(
    provider: Provider,
    caplog: pytest.LogCaptureFixture,
    assumed: str,
    match: bytes,
    name: str,
) -> None:
    provider.matches = [decode_data_set(match, EXPLICIT_VR_LITTLE_ENDIAN, file_meta=False)] * 2
    ae = AE()
    ae.add_requested_context(WORKLIST)
    ae.add_supported_context(WORKLIST)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, provider.find)])
    with server, ae.associate("127.0.0.1", server.port, assume_charset=assumed) as assuming:
        found = [match for _, match in assuming.send_c_find(dataset(PatientName="A"), WORKLIST) if match]
    assert [made.get("SpecificCharacterSet") for made in found] == [
        made.get("SpecificCharacterSet") for made in provider.matches
    ]
    (line,) = [record.getMessage() for record in caplog.records if "assume_charset" in record.getMessage()]
    assert f"element {name} has text that is left as it came: it is not in the character set" in line


@pytest.mark.parametrize(("value", "error"), [("ISO_IR 999", ValueError), (100, TypeError)])
def test_a_character_set_that_there_is_not(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="SpecificCharacterSet|Specific Character Set"):
        AE().assume_charset = value
    with pytest.raises(error, match="Specific Character Set"):
        AE().associate("127.0.0.1", 1, assume_charset=value)
