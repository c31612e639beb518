"""Small manners that programs meet: on pynetdicom and on the drop-in alike."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.waits import becomes

DROP_IN = "dicomproto_transports.pynetdicom"

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
REPOSITORY_QUERY = "1.2.840.10008.5.1.4.1.1.201.6"
STEP_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"


LEAKY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom leaves sockets open."""


@pytest.fixture(params=[DROP_IN, pytest.param("pynetdicom", marks=LEAKY)])
def package(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


def serve(package: Any, uid: str, handlers: list[Any]) -> tuple[Any, Any]:
    """Return a server, and an association with it."""
    ae = package.AE()
    ae.add_supported_context(uid)
    ae.add_requested_context(uid, ExplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assoc = ae.associate("127.0.0.1", server.socket.getsockname()[1])
    assert assoc.is_established
    return server, assoc


def test_server_that_nobody_holds_listens_no_more(package: Any) -> None:
    ae = package.AE()
    ae.add_supported_context(CT)
    server = ae.make_server(("127.0.0.1", 0))
    address = server.socket.getsockname()
    del server
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(address)


def test_started_server_serves_whoever_holds_it(package: Any) -> None:
    server, assoc = serve(package, CT, [])
    port = server.socket.getsockname()[1]
    ae = assoc.ae
    assoc.release()
    del server
    assoc = ae.associate("127.0.0.1", port)
    assert assoc.is_established
    assoc.release()
    ae.shutdown()


@pytest.mark.parametrize("end", ["unused", "released first", "released last", "aborted"])
def test_server_that_is_shut_down_leaves_no_descriptor(end: str) -> None:
    descriptors = psutil.Process().num_fds
    ae = import_module(DROP_IN).AE()
    ae.add_supported_context(CT)
    ae.add_requested_context(CT)
    before = descriptors()
    server = ae.start_server(("127.0.0.1", 0), block=False)
    if end != "unused":
        assoc = ae.associate(*server.server_address)
        if end == "released first":
            assoc.release()
            assert becomes(lambda: not ae.active_associations)
        server.shutdown()
        assoc.abort() if end == "aborted" else assoc.release()
    server.shutdown()
    assert becomes(lambda: descriptors() <= before)


def test_server_that_was_only_made_is_closed_at_the_end_of_its_block(package: Any) -> None:
    ae = package.AE()
    ae.add_supported_context(CT)
    with ae.make_server(("127.0.0.1", 0)) as server:
        address = server.server_address
    ae.start_server(address, block=False).shutdown()


def test_settings_of_a_copied_entity_change_apart(package: Any) -> None:
    ae = package.AE("ONE")
    ae.add_requested_context(CT)
    ae.note = "kept"
    copied = copy(ae)
    copied.ae_title, copied.dimse_timeout = "TWO", 5
    assert (ae.ae_title, ae.dimse_timeout, copied.ae_title, copied.dimse_timeout) == ("ONE", 30, "TWO", 5)
    assert (len(copied.requested_contexts), copied.note) == (1, "kept")


def test_one_context_may_be_proposed_twice(package: Any) -> None:
    server, assoc = serve(package, CT, [])
    assoc.release()
    (context,) = assoc.ae.requested_contexts
    assoc = assoc.ae.associate(*server.socket.getsockname(), contexts=[context, context])
    assert assoc.is_established
    assoc.release()
    server.shutdown()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_handler_that_ends_the_program_fails_its_request(package: Any, error: type[BaseException]) -> None:
    def handle(_: Any) -> int:
        raise error

    server, assoc = serve(package, CT, [(package.evt.EVT_C_STORE, handle)])
    sent = Dataset()
    sent.SOPClassUID, sent.SOPInstanceUID = CT, "1.2.3"
    sent.file_meta = FileMetaDataset()
    sent.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert assoc.send_c_store(sent).Status == 0xC211
    assert assoc.is_established
    assoc.release()
    server.shutdown()


def test_one_warning_for_a_list_of_bytes(package: Any) -> None:
    ae = package.AE()
    with pytest.warns(
        DeprecationWarning, match="The use of a list of bytes with 'require_calling_aet'"
    ) as told:
        ae.require_calling_aet = [b"ONE", "TWO", b"THREE"]
    assert ae.require_calling_aet == ["ONE", "TWO", "THREE"]
    assert len(told) == 1


def test_status_replaces_what_the_response_repeats(package: Any) -> None:
    def handle(_: Any) -> tuple[Dataset, None]:
        status = Dataset()
        status.Status, status.AffectedSOPClassUID, status.AffectedSOPInstanceUID = 0x0110, "1.2.3", "1.2.3.4"
        return status, None

    server, assoc = serve(package, STEP_NOTIFICATION, [(package.evt.EVT_N_EVENT_REPORT, handle)])
    status, _ = assoc.send_n_event_report(None, 1, STEP_NOTIFICATION, "1.2")
    assert (status.Status, status.AffectedSOPClassUID) == (0x0110, "1.2.3")
    assert status.AffectedSOPInstanceUID == "1.2.3.4"
    assoc.release()
    server.shutdown()


def test_error_of_event_information_that_cannot_be_encoded(package: Any) -> None:
    server, assoc = serve(package, STEP_NOTIFICATION, [])
    dataset = Dataset()
    dataset.PerimeterValue = b"\x00\x01"
    with pytest.raises(ValueError, match="Unable to encode the supplied 'Event Information' dataset"):
        assoc.send_n_event_report(dataset, 1, STEP_NOTIFICATION, "1.2")
    assoc.release()
    server.shutdown()


def test_file_sent_in_chunks_says_what_it_holds(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module(f"{package.__name__}._config"), "STORE_SEND_CHUNKED_DATASET", True)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    path = tmp_path / "object.dcm"
    dcmwrite(path, dataset, enforce_file_format=False)
    path.write_bytes(bytes(128) + b"DICM" + path.read_bytes().removeprefix(bytes(128) + b"DICM"))
    server, assoc = serve(package, CT, [])
    with pytest.raises(AttributeError, match=r"elements are missing: MediaStorageSOPClassUID$"):
        assoc.send_c_store(path)
    assoc.release()
    server.shutdown()


def test_request_handler_is_refused_with_the_public_way() -> None:
    package = import_module(DROP_IN)
    handler = type("Mine", (import_module(f"{DROP_IN}.transport").RequestHandler,), {})
    ae = package.AE()
    ae.add_supported_context(CT)
    with pytest.raises(NotImplementedError, match="EVT_CONN_OPEN"):
        ae.make_server(("127.0.0.1", 0), request_handler=handler)


def test_each_request_after_the_end_is_refused_by_its_name(package: Any) -> None:
    server, assoc = serve(package, CT, [])
    assoc.release()
    server.shutdown()
    query, uid = Dataset(), "1.2.3"
    sends = {
        "a C-ECHO": assoc.send_c_echo,
        "a C-STORE": lambda: assoc.send_c_store(query),
        "a C-FIND": lambda: next(assoc.send_c_find(query, CT)),
        "a C-GET": lambda: next(assoc.send_c_get(query, CT)),
        "a C-MOVE": lambda: next(assoc.send_c_move(query, "DEST", CT)),
        "a C-CANCEL": lambda: assoc.send_c_cancel(1, query_model=CT),
        "an N-ACTION": lambda: assoc.send_n_action(query, 1, uid, uid),
        "an N-CREATE": lambda: assoc.send_n_create(query, uid, uid),
        "an N-DELETE": lambda: assoc.send_n_delete(uid, uid),
        "an N-EVENT-REPORT": lambda: assoc.send_n_event_report(query, 1, uid, uid),
        "an N-GET": lambda: assoc.send_n_get([0x00100010], uid, uid),
        "an N-SET": lambda: assoc.send_n_set(query, uid, uid),
    }
    for what, send in sends.items():
        with pytest.raises(RuntimeError, match=f"must be established .* sending {what} request"):
            send()


def test_cancellation_is_told_once(package: Any) -> None:
    told: list[bool] = []

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        told.append(event.is_cancelled)
        yield 0xFF00, event.identifier
        told.append(becomes(lambda: event.is_cancelled))
        told.append(event.is_cancelled)
        yield 0xFE00, None

    server, assoc = serve(package, FIND, [(package.evt.EVT_C_FIND, find)])
    query = Dataset()
    query.PatientID = "1"
    responses = assoc.send_c_find(query, FIND, msg_id=3)
    assert next(responses)[0].Status == 0xFF00
    assoc.send_c_cancel(3, query_model=FIND)
    assert [status.Status for status, _ in responses] == [0xFE00]
    assoc.release()
    server.shutdown()
    assert told == [False, True, False]


def test_handler_goes_on_after_a_warning(package: Any) -> None:
    """pynetdicom sends the warning at once and 0000H at the end; the drop-in sends one final response."""
    ended = threading.Event()

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, event.identifier
        yield 0xB001, None
        yield 0xFF00, event.identifier
        ended.set()

    server, assoc = serve(package, REPOSITORY_QUERY, [(package.evt.EVT_C_FIND, find)])
    query = Dataset()
    query.PatientID = "1"
    found = [(status.Status, data) for status, data in assoc.send_c_find(query, REPOSITORY_QUERY)]
    assoc.release()
    server.shutdown()
    assert [data for code, data in found if code == 0xFF00] == [query, query]
    assert [code for code, _ in found].count(0xB001) == 1
    assert ended.is_set()


def test_request_of_an_object_in_a_file_has_all_but_its_data_set(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module(f"{package.__name__}._config"), "STORE_RECV_CHUNKED_DATASET", True)
    seen: list[Any] = []

    def handle_store(event: Any) -> int:
        request = event.request
        seen.extend([request.AffectedSOPInstanceUID, request.DataSet.getvalue(), event.message_id])
        seen.extend([event.dataset.PatientID, event.dataset_path])
        if package.__name__ == DROP_IN:  # pynetdicom returns a head without a data set
            with pytest.raises(AttributeError, match="dataset_path"):
                event.encoded_dataset()
        return 0x0000

    server, assoc = serve(package, CT, [(package.evt.EVT_C_STORE, handle_store)])
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = CT, "1.2.3", "4"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert assoc.send_c_store(dataset, msg_id=9).Status == 0
    assert seen[:4] == ["1.2.3", b"", 9, "4"]
    assert not seen[4].exists()
    assoc.release()
    server.shutdown()
