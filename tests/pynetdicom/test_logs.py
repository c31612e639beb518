"""The drop-in logs to `pynetdicom`, and nothing of a patient unless level and switch ask for it."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto_transports.pynetdicom import AE, _config, debug_logger, evt

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


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


# --- what a program sets for `pynetdicom` holds for all records --------------------------------------

VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture(
    params=[
        "dicomproto_transports.pynetdicom",
        pytest.param(
            "pynetdicom",
            marks=pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
        ),
    ]
)
def package(request: pytest.FixtureRequest) -> Any:
    """The drop-in, and pynetdicom, which leaves sockets open."""
    return import_module(request.param)


class Shown(logging.Handler):
    """Keeps the records of both packages."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in ("pynetdicom", "dicomproto"):
            self.records.append(record)


@pytest.fixture
def root() -> Iterator[Shown]:
    """A handler of the root logger, whose level is INFO."""
    logger, shown = logging.getLogger(), Shown()
    level = logger.level
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)
    yield shown
    logger.setLevel(level)
    logger.removeHandler(shown)


def echo(package: Any, title: str = "OTHER") -> None:
    """A user and a server of Verification that takes the user OTHER."""
    ae = package.AE()
    ae.add_supported_context(VERIFICATION)
    ae.add_requested_context(VERIFICATION)
    ae.require_calling_aet = ["OTHER"]
    server = ae.start_server(("127.0.0.1", 0), block=False)
    ae.ae_title = title
    assoc = ae.associate("127.0.0.1", server.server_address[1])
    if assoc.is_established:
        assert assoc.send_c_echo().Status == 0x0000
    assoc.release()
    ae.shutdown()


def set_level(package: Any) -> None:
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)


def do_not_propagate(package: Any) -> None:
    logging.getLogger("pynetdicom").propagate = False


def debug_alone(package: Any) -> None:
    package.debug_logger()
    do_not_propagate(package)


def set_up_an_application(package: Any) -> None:
    logging.getLogger("pynetdicom").handlers = []
    options = Namespace(log_type=None, log_level=None)
    import_module(f"{package.__name__}.apps.common").setup_logging(options, "pynetdicom.someapp")


@pytest.mark.parametrize("setting", [set_level, do_not_propagate, debug_alone, set_up_an_application])
def test_a_setting_holds_for_all_records(package: Any, root: Shown, setting: Callable[[Any], None]) -> None:
    setting(package)
    echo(package)
    assert root.records == []


def test_records_go_to_the_handlers_of_the_logger(package: Any, root: Shown) -> None:
    shown = Shown()
    logging.getLogger("pynetdicom").addHandler(shown)
    echo(package)
    assert set(shown.records) == set(root.records) != set()


def test_debug_logger_shows_the_records_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    debug_logger()
    logging.getLogger("dicomproto.association").debug("a connection")
    assert capsys.readouterr().err == "D: a connection\n"


def test_a_failure_is_logged_once(root: Shown) -> None:
    echo(import_module("dicomproto_transports.pynetdicom"), title="STRANGER")
    texts = [one.getMessage() for one in root.records if "from this side" not in one.getMessage()]
    (text,) = [text for text in texts if "rejected" in text.lower()]
    assert text.startswith("Association Rejected: ")
    assert "calling AE title not recognized" in text
