"""The page's table of failing handlers is what pynetdicom, the drop-in and the library answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pydicom.data
import pynetdicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    CTImageStorage,
    ModalityPerformedProcedureStep,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

LOOPBACK = "127.0.0.1"
DROP_IN, LIBRARY = "dicomproto_transports.pynetdicom", "dicomproto_transports.blocking"
PAGE = Path(__file__).parents[2] / "docs" / "from-pynetdicom.md"

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)
"""pynetdicom leaves sockets open, and an exception ends its thread."""

UIDS = {
    "C-ECHO": Verification,
    "C-STORE": CTImageStorage,
    "C-FIND": StudyRootQueryRetrieveInformationModelFind,
    "C-GET": StudyRootQueryRetrieveInformationModelGet,
    "C-MOVE": StudyRootQueryRetrieveInformationModelMove,
    "N-services": ModalityPerformedProcedureStep,
}
EVENTS = {name: f"EVT_{name.replace('-', '_')}" for name in UIDS} | {"N-services": "EVT_N_SET"}
CT = dcmread(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
STORE_SCP: list[Any] = []
"""The address of a Storage SCP while there is one."""

HERE = object()
"""Stands for that address."""


def query() -> Dataset:
    found = Dataset()
    found.QueryRetrieveLevel, found.StudyInstanceUID = "STUDY", ""
    return found


def without_status() -> Dataset:
    found = Dataset()
    found.ErrorComment = "no status"
    return found


def returns(value: Any) -> Any:
    return lambda event: value


def raises(event: Any) -> Any:
    raise ValueError("no")


def yields(*values: Any) -> Any:
    """Return a generator function that yields values, and raises those that are errors."""

    def handle(event: Any) -> Iterator[Any]:
        for value in values:
            if isinstance(value, Exception):
                raise value
            yield STORE_SCP[0] if value is HERE else value

    return handle


ERROR = ValueError("no")
OBJECT = (0xFF00, CT)
MATCH = (0xFF00, query())

HANDLERS: dict[str, list[Any]] = {
    "C-ECHO: raises, or returns None, a text or a `Dataset` without `Status`": [
        raises, returns(None), returns("0"), returns(without_status()),
    ],
    "C-STORE: raises": [raises],
    "C-STORE: returns None or a text": [returns(None), returns("0")],
    "C-STORE: returns a `Dataset` without `Status`": [returns(without_status())],
    "C-FIND: raises, at once or after matches": [raises, yields(ERROR), yields(MATCH, ERROR)],
    "C-FIND: returns None": [returns(None)],
    "C-FIND: yields a text in place of a status": [yields(("0", None))],
    "C-FIND: yields a `Dataset` without `Status`": [yields((without_status(), None))],
    "C-FIND: yields FF00H without an identifier": [yields((0xFF00, None))],
    "C-GET: is a function and raises": [raises],
    "C-GET: is a generator and raises before the number, or yields no number": [yields(ERROR), yields("x")],
    "C-GET: raises after an object": [yields(2, OBJECT, ERROR)],
    "C-GET: yields fewer objects than it announced": [yields(3, OBJECT)],
    "C-GET: announces objects and yields none": [yields(3)],
    "C-GET: yields more objects than it announced": [yields(1, OBJECT, OBJECT)],
    "C-MOVE: is a function and raises": [raises],
    "C-MOVE: is a generator and raises before the destination, or yields none": [yields(ERROR), yields()],
    "C-MOVE: yields something else than a destination": [yields(5)],
    "C-MOVE: yields no number": [yields(HERE, "x")],
    "C-MOVE: yields `(None, None)` as the destination": [yields((None, None))],
    "C-MOVE: yields fewer objects than it announced": [yields(HERE, 3, OBJECT)],
    "N-services: raise": [raises],
    "N-services: return a text in place of a status": [returns(("0", None))],
    "N-services: return a `Dataset` without `Status`": [returns((without_status(), None))],
    "N-services: return a status alone": [returns(0x0000)],
}  # fmt: skip


class Peer:
    """A server of one package, whose handlers do what `handler` does."""

    def __init__(self, package: str) -> None:
        self.handler: Any = None
        module = import_module(package)
        self.ae = module.AE()
        for uid in UIDS.values():
            self.ae.add_supported_context(str(uid), scu_role=True, scp_role=True)
        self.ae.add_requested_context(str(CTImageStorage))  # for the destination of a C-MOVE
        handlers = [(getattr(module.evt, event), self.handle) for event in EVENTS.values()]
        server = self.ae.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
        socket = getattr(server, "socket", None)
        self.port = server.server_address[1] if socket is None else socket.getsockname()[1]

    def handle(self, event: Any) -> Any:
        return self.handler(event)


@pytest.fixture(scope="module")
def peers() -> Iterator[list[Peer]]:
    store = pynetdicom.AE()
    store.add_supported_context(CTImageStorage)
    handlers: list[Any] = [(pynetdicom.evt.EVT_C_STORE, returns(0x0000))]
    server = store.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    assert server is not None
    STORE_SCP.append(server.socket.getsockname()[:2])
    found = [Peer(package) for package in ("pynetdicom", DROP_IN, LIBRARY)]
    yield found
    STORE_SCP.clear()
    for entity in [*(peer.ae for peer in found), store]:
        entity.shutdown()


def ask(peer: Peer, service: str) -> tuple[str, int | None]:
    """Return the last status of a request, and how many objects were sent."""
    ae = pynetdicom.AE()
    for uid in UIDS.values():
        ae.add_requested_context(uid)
    roles: Any = [pynetdicom.build_role(CTImageStorage, scu_role=True, scp_role=True)]
    handlers: list[Any] = [(pynetdicom.evt.EVT_C_STORE, returns(0x0000))]
    assoc = ae.associate(LOOPBACK, peer.port, ext_neg=roles, evt_handlers=handlers)
    assert assoc.is_established
    uid = UIDS[service]
    if service == "C-ECHO":
        status = assoc.send_c_echo()
    elif service == "C-STORE":
        status = assoc.send_c_store(CT)
    elif service == "N-services":
        status = assoc.send_n_set(query(), uid, "1.2.3")[0]
    else:
        calls = {"C-FIND": assoc.send_c_find, "C-GET": assoc.send_c_get}
        call = (
            calls[service](query(), uid)
            if service in calls
            else assoc.send_c_move(query(), "DESTINATION", uid)
        )
        status = [found for found, _ in call][-1]
    if assoc.is_established:
        assoc.release()
    return f"{status.Status:04X}H" if status else "no response", status.get("NumberOfCompletedSuboperations")


ROWS = [
    line.strip("| ").split(" | ")
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [CN]-[A-Z]*(services)?: ", line)
]


def test_the_table_has_each_handler() -> None:
    assert [row[0] for row in ROWS] == list(HANDLERS)


@pytest.mark.parametrize(("name", "theirs", "ours"), ROWS, ids=[row[0] for row in ROWS])
def test_a_failing_handler_is_answered_as_the_page_says(
    name: str, theirs: str, ours: str, peers: list[Peer]
) -> None:
    for handler in HANDLERS[name]:
        answers = []
        for peer in peers:
            peer.handler = handler
            answers.append(ask(peer, name.partition(":")[0]))
        first, sent = answers[0]
        if "status alone" in name:
            assert (first, answers[1][0], theirs) == (
                "no response",
                "0110H",
                "no response; 0110H in the drop-in",
            )
            assert (answers[2][0], ours) == ("0000H", "that status")
        elif "more objects" in name:
            assert answers == [("0000H", 1), ("0000H", 1), ("0000H", 2)]
            assert [theirs, ours] == ["0000H, without the last ones", "0000H, with all"]
        else:
            assert [found for found, _ in answers] == [theirs, theirs, ours]
            assert answers[1][1] == sent
