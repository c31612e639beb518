"""Values of a peer's data set do not leave through pydicom: on stderr, in logs, warnings or tracebacks."""

from __future__ import annotations

import logging
import struct
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicomproto.datasets import (
    convert,
    decode_data_set,
    decompress,
    encode_data_set,
    name_character_set,
    use_utf_8,
)
from dicomproto.encoding.headers import LONG_VRS, SHORT_VRS
from dicomproto.errors import DataSetError
from dicomproto.matching import Query, make_identifier, matches, response_identifier, worklist_query
from dicomproto.quiet import Quiet
from dicomproto.text import assume_character_set, text_in_doubt
from dicomproto.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomproto_transports import evt
from dicomproto_transports.apps.querying.match_files import write_match
from dicomproto_transports.apps.querying.rendering import json_of, lines_of
from dicomproto_transports.blocking import AE
from dicomproto_transports.files.bulk_data import without_bulk_data
from tests.identifiers import dataset

IMPLICIT, EXPLICIT, BIG = IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN
JPEG, CT, WORKLIST = "1.2.840.10008.1.2.4.50", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.31"
STEP = "1.2.840.10008.3.1.2.3.3"
SECRET = b"SECRET-77"
VALUES = (SECRET, b"\xfc" + SECRET, SECRET + b"\\\x1b(Z", b"\x1b$B" + SECRET, SECRET * 20)
TAGS = {
    **dict.fromkeys(("DA", "TM", "DT"), 0x00080021), "UI": 0x00080018, "CS": 0x00080060, "PN": 0x00100010,
    "IS": 0x00200013, "DS": 0x00101030, "AS": 0x00101010, "US": 0x00280010, "AT": 0x00280009,
    "UN": 0x00091001,
    "LO": 0x00100020, "LT": 0x00104000, "OW": 0x7FE00010, "FD": 0x00189087, "UL": 0x00280011,
}  # fmt: skip


def explicit(tag: int, vr: str, value: bytes) -> bytes:
    if vr in LONG_VRS:
        return struct.pack("<HH2sxxI", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def data_sets() -> Iterator[tuple[bytes, str]]:
    """Yield encoded data sets with a marked value in every VR, in odd places and in odd ways."""
    names = b"", b"ISO_IR 192", b"\\ISO 2022 IR 87 ", b"ISO_IR 999", SECRET + b" "
    for position, vr in enumerate([*sorted(SHORT_VRS | LONG_VRS - {"SQ"}), "XX", "us"]):
        value = VALUES[position % len(VALUES)]
        element = explicit(TAGS.get(vr, 0x00720099), vr, value)
        head = explicit(0x00080005, "CS", names[position % len(names)])
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(element)) + element
        yield head + element, EXPLICIT
        yield head + explicit(0x00400100, "SQ", item), EXPLICIT
    for tag in (
        *TAGS.values(),
        0x00090010,
        0x000F1234,
        0x0008FFFE,
        0x00283006,
        0x00280106,
        0x00080201,
        0x00080005,
    ):
        for value in VALUES:
            yield struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value, IMPLICIT


def received() -> Iterator[Dataset]:
    """Yield the data sets as we read them, and as pydicom does."""
    for data, syntax in data_sets():
        for read in (
            lambda: decode_data_set(data, syntax, file_meta=False),  # noqa: B023
            lambda: read_dataset(BytesIO(data), syntax == IMPLICIT, True),  # noqa: B023
        ):
            try:
                with Quiet():
                    made = read()
            except Exception:
                continue
            yield made


def bytes_of(made: Dataset) -> bytes:
    return encode_data_set(made, EXPLICIT, on_warning=lambda text: None)


ENTITY = dataset(PatientName="A", PatientID="1", SeriesNumber="7")
FUNCTIONS: dict[str, Callable[[Dataset], object]] = {
    "encode_data_set, explicit": bytes_of,
    "encode_data_set, implicit": lambda made: encode_data_set(made, IMPLICIT, on_warning=print_tag),
    "encode_data_set, big": lambda made: encode_data_set(made, BIG, on_warning=print_tag),
    "convert": lambda made: convert(bytes_of(made), EXPLICIT, BIG),
    "decode_data_set": lambda made: decode_data_set(bytes_of(made), EXPLICIT),
    "decompress": lambda made: decompress(bytes_of(made), JPEG),
    "use_utf_8": use_utf_8,
    "name_character_set": name_character_set,
    "Query": lambda made: Query(made, combined_datetime=True, multiple_values=True),
    "matches": lambda made: matches(ENTITY, made),
    "matches itself": lambda made: matches(made, made),
    "response_identifier": lambda made: bytes_of(response_identifier(made, made)),
    "make_identifier": lambda made: make_identifier(ReferencedStudySequence=[made]),
    "worklist_query": lambda made: worklist_query(ReferencedStudySequence=[made]),
    "text_in_doubt": text_in_doubt,
    "assume_character_set": lambda made: assume_character_set(made, "ISO_IR 100"),
    "json_of": json_of,
    "lines_of": lambda made: list(lines_of(made)),
    "without_bulk_data": lambda made: without_bulk_data(made, ()),
}


def print_tag(text: str) -> None:
    print(text)


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Return all that is said on stdout and stderr, in logs and by warnings, and what of it is kept."""
    for module in [*sys.modules.values()]:
        if "__warningregistry__" in vars(module):
            del module.__warningregistry__
    caplog.set_level(logging.INFO)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")

        def all_said() -> str:
            shown = capfd.readouterr()
            kept = [vars(module).get("__warningregistry__") for module in [*sys.modules.values()]]
            told = [str(warning.message) for warning in caught]
            return "\n".join([shown.out, shown.err, caplog.text, *told, str([one for one in kept if one])])

        yield all_said


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_value_is_said(name: str, said: Callable[[], str]) -> None:
    errors = []
    number = 0
    for made in received():
        number += 1
        try:
            FUNCTIONS[name](made)
        except DataSetError as error:
            errors += traceback.format_exception(error)
    assert number > 200
    assert "SECRET" not in said()
    assert "SECRET" not in "".join(errors)


def test_a_match_is_written_in_silence(said: Callable[[], str], tmp_path: Path) -> None:
    for made in received():
        try:
            write_match(str(tmp_path / "match"), made, WORKLIST)
        except DataSetError:
            continue
    assert "SECRET" not in said()


@pytest.mark.parametrize("where", [evt.in_thread, lambda handler: handler], ids=["in a thread", "inline"])
def test_nothing_is_said_of_what_is_sent_and_received(
    said: Callable[[], str], where: Callable[[Any], Any]
) -> None:
    """Data sets go to a server and come back from it; its handlers put them to queries."""
    given: list[Dataset] = []

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        query = Query(event.identifier)
        for entity in given:
            if query.matches(entity):
                yield 0xFF00, query.response(entity)

    def take(event: evt.Event) -> int:
        with suppress(Exception):
            str(event.dataset)  # pydicom decodes all of it
        return 0

    def create(event: evt.Event) -> tuple[int, Dataset]:
        step = event.attribute_list
        use_utf_8(step)
        return 0, step

    server_ae, ae = AE(), AE()
    for uid in (CT, WORKLIST, STEP):
        server_ae.add_supported_context(uid)
        ae.add_requested_context(uid)
    handlers = [(evt.EVT_C_FIND, find), (evt.EVT_C_STORE, where(take)), (evt.EVT_N_CREATE, create)]
    operations: list[Callable[[Any, Dataset], object]] = [
        lambda association, made: association.send_c_store(made),
        lambda association, made: list(association.send_c_find(made, WORKLIST)),
        lambda association, made: association.send_n_create(made, STEP, "1.2.3"),
    ]
    server = server_ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    with server, ae.associate("127.0.0.1", server.port) as association:
        for made in islice(received(), 0, None, 2 if where is evt.in_thread else 3):
            given[:] = [made]
            with Quiet():  # for pydicom decodes what is overwritten
                made.SOPClassUID, made.SOPInstanceUID = CT, "1.2.3"
            for operation in operations:
                try:
                    operation(association, made)
                except DataSetError:
                    continue
    assert "SECRET" not in said()
