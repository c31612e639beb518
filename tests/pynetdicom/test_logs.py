"""The drop-in logs to `pynetdicom`, and nothing of a patient unless level and switch ask for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto_transports.pynetdicom import AE, _config, debug_logger, evt

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    logger = logging.getLogger("pynetdicom")
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:], logger.level = handlers, level


def query() -> None:
    def handle_find(event: Any) -> Iterator[Any]:
        match = Dataset()
        match.PatientName = "Match^Jane"
        yield 0xFF00, match

    ae = AE()
    ae.add_supported_context(FIND)
    ae.add_requested_context(FIND)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, handle_find)])
    assert server is not None
    assoc = ae.associate("127.0.0.1", server.server_address[1])
    identifier = Dataset()
    identifier.PatientName = "Query^Jane"
    assert [status.Status for status, _ in assoc.send_c_find(identifier, FIND)] == [0xFF00, 0x0000]
    assoc.release()
    ae.shutdown()


@pytest.mark.parametrize(
    ("level", "switch", "dumps", "names"),
    [
        (logging.INFO, True, False, False),
        (logging.DEBUG, False, True, False),
        (logging.DEBUG, True, True, True),
    ],
)
def test_identifiers_need_level_and_switch(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    level: int,
    switch: bool,
    dumps: bool,
    names: bool,
) -> None:
    monkeypatch.setattr(_config, "LOG_REQUEST_IDENTIFIERS", switch)
    monkeypatch.setattr(_config, "LOG_RESPONSE_IDENTIFIERS", switch)
    with caplog.at_level(level, logger="pynetdicom"):
        query()
    text = caplog.text
    assert "Requesting Association" in text
    assert ("A-ASSOCIATE-RQ" in text) is dumps
    assert ("Query^Jane" in text) is ("Match^Jane" in text) is names


def test_dumps_can_be_turned_off(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "LOG_HANDLER_LEVEL", "none")
    with caplog.at_level(logging.DEBUG, logger="pynetdicom"):
        query()
    assert "A-ASSOCIATE-RQ" not in caplog.text


def test_debug_logger_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    debug_logger()
    debug_logger()
    logging.getLogger("pynetdicom.association").warning("once")
    assert capsys.readouterr().err == "W: once\n"
