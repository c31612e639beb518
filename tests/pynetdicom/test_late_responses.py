"""A peer that goes on after the end of a query does not answer the next one: pynetdicom does, after B001H."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto_transports import blocking
from dicomproto_transports import pynetdicom as drop_in
from tests.waits import becomes

REPOSITORY_QUERY = "1.2.840.10008.5.1.4.1.1.201.6"
VERIFICATION = "1.2.840.10008.1.1"
LIMIT_REACHED = 0xB001

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
    """Yield the patient asked for, once; say that there are more; wait for a C-CANCEL after "MANY"."""
    yield 0xFF00, event.identifier
    if event.identifier.PatientID == "MANY":
        assert becomes(lambda: event.is_cancelled)
        yield 0xFE00, None
    yield LIMIT_REACHED, None


seen: list[int] = []
"""The Message IDs of the C-ECHO requests."""


def echo(event: Any) -> int:
    seen.append(event.request.MessageID)
    return 0x0000


@pytest.fixture(scope="module", params=["pynetdicom", "dicomproto_transports.pynetdicom"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    package: Any = import_module(request.param)
    ae = package.AE()
    ae.add_supported_context(REPOSITORY_QUERY)
    ae.add_supported_context(VERIFICATION)
    handlers = [(package.evt.EVT_C_FIND, find), (package.evt.EVT_C_ECHO, echo)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield server.socket.getsockname()[1]
    ae.shutdown()


def query(patient: str) -> Dataset:
    identifier = Dataset()
    identifier.PatientID = patient
    return identifier


@pytest.fixture(params=[blocking, drop_in], ids=["library", "drop-in"])
def assoc(request: pytest.FixtureRequest, port: int) -> Iterator[Any]:
    ae: Any = request.param.AE()
    ae.add_requested_context(REPOSITORY_QUERY)
    ae.add_requested_context(VERIFICATION)
    assoc = ae.associate("127.0.0.1", port)
    yield assoc
    assoc.release()


def outcome(responses: Iterator[tuple[Any, Any]]) -> list[tuple[int, str]]:
    return [(status.Status, "" if data is None else data.PatientID) for status, data in responses]


def test_each_query_has_its_own_responses_whatever_its_message_id(assoc: Any) -> None:
    for patient in ("A", "B", "C", "D"):
        found = outcome(assoc.send_c_find(query(patient), REPOSITORY_QUERY, msg_id=1))
        assert found == [(0xFF00, patient), (LIMIT_REACHED, "")]
    assert assoc.is_established


def test_a_query_is_cancelled_by_the_message_id_that_the_program_gave(assoc: Any) -> None:
    for _ in range(3):
        responses = iter(assoc.send_c_find(query("MANY"), REPOSITORY_QUERY, msg_id=7))
        assert next(responses)[0].Status == 0xFF00
        assoc.send_c_cancel(7, query_model=REPOSITORY_QUERY)
        assert outcome(responses) == [(0xFE00, "")]
    assert outcome(assoc.send_c_find(query("E"), REPOSITORY_QUERY)) == [(0xFF00, "E"), (LIMIT_REACHED, "")]


def test_message_ids_of_other_requests(assoc: Any) -> None:
    """The library does not use one again at once; the drop-in sends those that it is given."""
    seen.clear()
    for _ in range(4):
        assert assoc.send_c_echo(msg_id=1).Status == 0x0000
    assert seen == ([1, 2, 1, 3] if isinstance(assoc, blocking.Association) else [1, 1, 1, 1])
