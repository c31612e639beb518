"""Requests, responses and failing handlers have the same outcome with pynetdicom and with the drop-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"
VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
COUNTS = ("Remaining", "Completed", "Failed", "Warning")


LEAKY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""pynetdicom leaves sockets open."""


@pytest.fixture(params=[OURS, pytest.param(THEIRS, marks=LEAKY)])
def package(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


class Pair:
    """A server with handlers, and an association with it."""

    def __init__(self, package: Any) -> None:
        self.package = package
        self.ae = package.AE()
        self.ae.acse_timeout = self.ae.dimse_timeout = 20
        for uid in (VERIFICATION, CTImageStorage, FIND, MOVE, GET):
            roles = (True, True) if uid == CTImageStorage else (None, None)
            self.ae.add_supported_context(uid, None, *roles)
            self.ae.add_requested_context(uid)

    def served(self, **handlers: Callable[..., Any]) -> Any:
        bindings = [(getattr(self.package.evt, name), handler) for name, handler in handlers.items()]
        return self.ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bindings)

    def association(self, server: Any, **handlers: Callable[..., Any]) -> Any:
        bindings = [(getattr(self.package.evt, name), handler) for name, handler in handlers.items()]
        roles = [self.package.build_role(CTImageStorage, scu_role=True, scp_role=True)]
        return self.ae.associate(*server.server_address[:2], ext_neg=roles, evt_handlers=bindings)


@pytest.fixture
def pair(package: Any) -> Iterator[Pair]:
    pair = Pair(package)
    yield pair
    pair.ae.shutdown()


def an_object(number: int = 1) -> Dataset:
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"1.2.3.{number}"
    made.PatientName = "Doe^Jane"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return made


def a_query() -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.PatientID = "*"
    return query


def counts(status: Dataset) -> list[int | None]:
    return [status.get(f"NumberOf{count}Suboperations") for count in COUNTS]


def test_an_echo_and_a_store(pair: Pair) -> None:
    seen: list[Any] = []

    def handle_store(event: Any) -> int:
        syntax = event.context.transfer_syntax
        meta = event.file_meta
        seen.append((str(event.dataset.PatientName), syntax.name, syntax.is_little_endian, event.message_id))
        seen.append((event.request.AffectedSOPInstanceUID, meta.MediaStorageSOPClassUID.name))
        seen.append((event.assoc.remote["ae_title"], event.assoc.is_acceptor, str(event.event)))
        seen.append((event.encoded_dataset()[128:132], len(event.encoded_dataset(include_meta=False))))
        return 0x0000

    assoc = pair.association(pair.served(EVT_C_STORE=handle_store))
    assert assoc.is_established
    assert assoc.is_alive()
    assert assoc.send_c_echo().Status == 0x0000
    status = assoc.send_c_store(an_object())
    assert [element.keyword for element in status] == ["Status"]
    assert status.Status == 0x0000
    assert seen == [
        ("Doe^Jane", "Implicit VR Little Endian", True, 1),
        ("1.2.3.1", "CT Image Storage"),
        ("PYNETDICOM", True, "EVT_C_STORE"),
        (b"DICM", 66),
    ]
    assoc.release()
    assert assoc.is_released
    assert not assoc.is_established


def raising(event: Any) -> int:
    raise ValueError("no")


def bad_data_set(event: Any) -> Dataset:
    return Dataset()


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (raising, 0xC211),
        (bad_data_set, 0xC001),
        (lambda event: None, 0xC002),
        (lambda event: "0000", 0xC002),
        (lambda event: 0xA700, 0xA700),
        (lambda event: 0xFFF0, 0xFFF0),
        (None, 0xC211),
    ],
)
def test_statuses_of_failing_store_handlers(pair: Pair, handler: Any, status: int) -> None:
    assoc = pair.association(pair.served(**({"EVT_C_STORE": handler} if handler else {})))
    assert assoc.send_c_store(an_object()).Status == status
    assert assoc.is_established
    assoc.release()


@pytest.mark.parametrize("handler", [raising, bad_data_set, lambda event: None, lambda event: "0000"])
def test_a_failing_echo_handler_is_a_success(pair: Pair, handler: Any) -> None:
    assoc = pair.association(pair.served(EVT_C_ECHO=handler))
    assert assoc.send_c_echo().Status == 0x0000
    assoc.release()


def matches(*results: Any) -> Callable[[Any], Iterator[Any]]:
    def handle(event: Any) -> Iterator[Any]:
        for result in results:
            if isinstance(result, Exception):
                raise result
            yield result

    return handle


@pytest.mark.parametrize(
    ("handler", "statuses"),
    [
        (matches((0xFF00, a_query()), (0xFF00, a_query())), [0xFF00, 0xFF00, 0x0000]),
        (matches((0xFF00, a_query()), ValueError("no")), [0xFF00, 0xC311]),
        (matches((0xFF00, None)), [0xC312]),
        (matches((0xFF00, Dataset())), [0xC312]),
        (matches((0xFE00, None)), [0xFE00]),
        (matches((0xA700, None)), [0xA700]),
        (matches((None, None)), [0xC002]),
        (matches((0x0000, None)), [0x0000]),
        (matches((0x3333, None)), [0x3333]),
        (matches(), [0x0000]),
        (raising, [0xC311]),
        (lambda event: None, [0x0000]),
        (None, [0xC311]),
    ],
)
def test_statuses_of_find_handlers(pair: Pair, handler: Any, statuses: list[int]) -> None:
    assoc = pair.association(pair.served(**({"EVT_C_FIND": handler} if handler else {})))
    found = list(assoc.send_c_find(a_query(), FIND))
    assert [status.Status for status, _ in found] == statuses
    assert [identifier is not None for _, identifier in found] == [code == 0xFF00 for code in statuses]
    assert assoc.is_established
    assoc.release()


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (matches(1, (0xFF00, an_object())), [(0xFF00, [0, 1, 0, 0]), (0x0000, [0, 1, 0, 0])]),
        (matches(3, (0xFF00, an_object())), [(0xFF00, [2, 1, 0, 0]), (0x0000, [2, 1, 0, 0])]),
        (matches(0), [(0x0000, [None, 0, 0, 0])]),
        (matches("no number"), [(0xC413, [None] * 4)]),
        (matches(), [(0xC413, [None] * 4)]),
        (matches(70000), [(0xC416, [None] * 4)]),
        (matches(2, ValueError("no")), [(0xC411, [None, 0, 2, 0])]),
        (matches(2, (0xFE00, None)), [(0xFE00, [2, 0, 0, 0])]),
        (matches(2, (0xA701, None)), [(0xA701, [None, 0, 2, 0])]),
        (matches(2, (0x0000, None)), [(0x0000, [None, 0, 0, 0])]),
        (matches(1, (0xFF00, "no data set")), [(0xFF00, [1, 0, 1, 0]), (0xA702, [1, 0, 1, 0])]),
        (raising, [(0xC411, [None] * 4)]),
        (None, [(0xC411, [None] * 4)]),
    ],
)
def test_statuses_and_counts_of_get_handlers(pair: Pair, handler: Any, outcome: list[Any]) -> None:
    server = pair.served(**({"EVT_C_GET": handler} if handler else {}))
    assoc = pair.association(server, EVT_C_STORE=lambda event: 0x0000)
    found = list(assoc.send_c_get(a_query(), GET))
    assert [(status.Status, counts(status)) for status, _ in found] == outcome
    assert assoc.is_established
    assoc.release()


def test_a_failed_sub_operation_is_in_the_list_of_failed_instances(pair: Pair) -> None:
    handler = matches(2, (0xFF00, an_object(1)), (0xFF00, an_object(2)))
    stored = iter((0x0000, 0xA700))
    assoc = pair.association(pair.served(EVT_C_GET=handler), EVT_C_STORE=lambda event: next(stored))
    found = list(assoc.send_c_get(a_query(), GET))
    assert [(status.Status, counts(status)) for status, _ in found] == [
        (0xFF00, [1, 1, 0, 0]),
        (0xFF00, [0, 1, 1, 0]),
        (0xB000, [0, 1, 1, 0]),
    ]
    assert found[-1][1].FailedSOPInstanceUIDList == "1.2.3.2"
    assoc.release()


HERE = object()
"""Stands for the address of the server."""


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ((HERE, 1, (0xFF00, an_object())), [(0xFF00, [0, 1, 0, 0]), (0x0000, [0, 1, 0, 0])]),
        ((HERE, 2, (0xFF00, an_object())), [(0xFF00, [1, 1, 0, 0]), (0x0000, [1, 1, 0, 0])]),
        ((HERE, 0), [(0x0000, [None, 0, 0, 0])]),
        ((HERE, "x"), [(0xC513, [None] * 4)]),
        ((HERE,), [(0xC513, [None] * 4)]),
        ((HERE, 70000), [(0xC516, [None] * 4)]),
        ((HERE, 1, ValueError("no")), [(0xC511, [None, 0, 1, 0])]),
        (((None, None),), [(0xA801, [None] * 4)]),
        ((("127.0.0.1", 1), 1), [(0xA801, [None] * 4)]),
        ((7,), [(0xC515, [None] * 4)]),
        ((("127.0.0.1", "x"), 1), [(0xC515, [None] * 4)]),
        ((), [(0xC514, [None] * 4)]),
    ],
)
def test_statuses_and_counts_of_move_handlers(pair: Pair, results: Any, outcome: list[Any]) -> None:
    def handle(event: Any) -> Iterator[Any]:
        given = [server.server_address[:2] if result is HERE else result for result in results]
        yield from matches(*given)(event)

    seen: list[Any] = []

    def handle_store(event: Any) -> int:
        request = event.request
        seen.append(request.MoveOriginatorApplicationEntityTitle)
        return 0x0000

    server = pair.served(EVT_C_MOVE=handle, EVT_C_STORE=handle_store)
    assoc = pair.association(server)
    found = list(assoc.send_c_move(a_query(), "SOMEONE", MOVE))
    assert [(status.Status, counts(status)) for status, _ in found] == outcome
    assert seen == ["PYNETDICOM"] * (0xFF00 in [code for code, _ in outcome])
    assoc.release()


KINDS = [
    *("A_ABORT_RQ", "A_ASSOCIATE_AC", "A_ASSOCIATE_RJ", "A_ASSOCIATE_RQ", "A_RELEASE_RP", "A_RELEASE_RQ"),
    *("P_DATA_TF", "C_ECHO_RQ", "C_ECHO_RSP", "C_STORE_RQ", "N_GET_RSP"),
]


def test_pdus_and_messages_are_seen_as_their_classes(pair: Pair) -> None:
    seen: list[str] = []

    def note(event: Any) -> None:
        name = "pdu" if "PDU" in event.event.name else "message"
        found = getattr(event, name)
        module = import_module(f"{pair.package.__name__}.{'pdu' if name == 'pdu' else 'dimse_messages'}")
        kinds = [kind for kind in KINDS if isinstance(found, getattr(module, kind, ()))]
        seen.append(f"{event.event.name}: {', '.join(kinds)}")

    server = pair.served()
    watched = ("EVT_PDU_SENT", "EVT_PDU_RECV", "EVT_DIMSE_SENT", "EVT_DIMSE_RECV")
    assoc = pair.association(server, **dict.fromkeys(watched, note))
    assoc.send_c_echo()
    assoc.release()
    wanted = {
        "EVT_DIMSE_RECV: C_ECHO_RSP",
        "EVT_DIMSE_SENT: C_ECHO_RQ",
        "EVT_PDU_RECV: A_ASSOCIATE_AC",
        "EVT_PDU_RECV: A_RELEASE_RP",
        "EVT_PDU_RECV: P_DATA_TF",
        "EVT_PDU_SENT: A_ASSOCIATE_RQ",
        "EVT_PDU_SENT: A_RELEASE_RQ",
        "EVT_PDU_SENT: P_DATA_TF",
    }
    assert set(seen) == wanted


def test_a_handler_sees_that_its_peer_cancels(pair: Pair) -> None:
    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        while not event.is_cancelled:
            yield 0xFF00, a_query()
        yield 0xFE00, None

    assoc = pair.association(pair.served(EVT_C_FIND=find))
    responses = assoc.send_c_find(a_query(), FIND, msg_id=7)
    assert next(responses)[0].Status == 0xFF00
    assoc.send_c_cancel(7, query_model=FIND)
    *_, (status, identifier) = responses
    assert (status.Status, identifier) == (0xFE00, None)
    assoc.release()


@pytest.mark.parametrize("package", [OURS], indirect=True)
def test_a_warning_ends_a_find(pair: Pair) -> None:
    """pynetdicom sends a second final response, which no request waits for."""
    assoc = pair.association(pair.served(EVT_C_FIND=matches((0xB000, None), (0xFF00, a_query()))))
    assert [status.Status for status, _ in assoc.send_c_find(a_query(), FIND)] == [0xB000]
    assert assoc.send_c_echo().Status == 0x0000
    assoc.release()
    assert assoc.is_released
