"""What the page of the drop-in says of differences: pynetdicom does otherwise, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto_transports.pynetdicom import AE, dsutils, evt
from dicomproto_transports.pynetdicom.sop_class import (
    ModalityPerformedProcedureStep,
    StudyRootQueryRetrieveInformationModelFind,
)

FIND, STEP = StudyRootQueryRetrieveInformationModelFind, ModalityPerformedProcedureStep


@pytest.fixture
def set_handlers() -> list[Any]:
    """What a handler returns, one a call."""
    return []


@pytest.fixture
def assoc(set_handlers: list[Any]) -> Iterator[Any]:
    ae = AE()
    for uid in (FIND, STEP):
        ae.add_supported_context(uid)
        ae.add_requested_context(uid)
    handlers: list[Any] = [
        (event, lambda _: set_handlers.pop(0)) for event in (evt.EVT_N_SET, evt.EVT_C_FIND)
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    found = ae.associate("127.0.0.1", server.server_address[1])
    assert found.is_established
    yield found
    found.release()
    ae.shutdown()


def test_a_cancel_without_an_operation_is_not_sent(assoc: Any, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []
    assoc.bind(evt.EVT_DIMSE_SENT, sent.append)
    assoc.send_c_cancel(7, query_model=FIND)
    assert sent == []
    assert "No C-CANCEL was sent" in caplog.text


@pytest.mark.parametrize("result", [None, 0x0000, (0x0000,), (0x0000, None, None)])
def test_an_answer_that_is_no_pair_is_a_failure(assoc: Any, set_handlers: list[Any], result: object) -> None:
    set_handlers += [result, (0x0000, None)]
    changed = Dataset()
    changed.PerformedProcedureStepStatus = "COMPLETED"
    assert assoc.send_n_set(changed, STEP, "1.2.3")[0].Status == 0x0110
    assert assoc.send_n_set(changed, STEP, "1.2.3")[0].Status == 0x0000


def test_text_outside_its_character_set_is_not_sent(assoc: Any, caplog: pytest.LogCaptureFixture) -> None:
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientName = "STUDY", "Ärzte^漢"
    assert dsutils.encode(query, True, True) is None
    reason = r"\(0010,0010\): .*Character Set"
    with pytest.raises(ValueError, match=f"Failed to encode the supplied Dataset: .*{reason}"):
        assoc.send_c_find(query, FIND)
    with pytest.raises(ValueError, match=f"Failed to encode the supplied .*: .*{reason}"):
        assoc.send_n_set(query, STEP, "1.2.3")
    assert assoc.is_established
    assert re.search(f"ERROR .*{reason}", caplog.text)
    assert "Ärzte" not in caplog.text


def test_a_match_with_text_outside_its_character_set_ends_the_query_and_names_the_element(
    assoc: Any, set_handlers: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    match = Dataset()
    match.QueryRetrieveLevel, match.PatientName = "STUDY", "Ärzte^漢"
    set_handlers.append([(0xFF00, match)])
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    assert [status.Status for status, _ in assoc.send_c_find(query, FIND)] == [0xC312]
    assert re.search(r"The match cannot be encoded: .*\(0010,0010\): .*Character Set", caplog.text)
    assert "Ärzte" not in caplog.text


def test_a_server_keeps_its_ssl_context(assoc: Any) -> None:
    (server,) = assoc.ae.servers
    assert server.ssl_context is None
    with pytest.raises(AttributeError, match="start_server"):
        server.ssl_context = object()
