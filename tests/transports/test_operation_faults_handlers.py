"""Handlers that raise or give nonsense, in every operation: at first, in the middle, and beside a status.

It costs the operation a failure, without a word of what the handler said, and the association nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.dimse.commands import CEchoRQ, CStoreRQ, Response
from dicomproto.dimse.events import DataSetChunk, RequestReceived, ResponseReceived
from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import AsynchronousOperationsWindow, ReleaseRQ, UserIdentityRQ
from dicomproto_transports import evt
from tests.associations import CT_IMAGE, HOST, Peer, Script, associate, connect, make_ae, make_server
from tests.backends import Lockstep
from tests.operations import (
    ALL,
    DATA,
    OPERATIONS,
    PENDING,
    PLAIN,
    REPLYING,
    ROLES,
    YIELDING,
    Heard,
    Operation,
    an_object,
    context_id,
    requested,
    serving_ae,
    some_dataset,
    using_ae,
)


@pytest.fixture(autouse=True)
def _log_lines_name_the_peer(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever is said of a handler, a match or a response begins with the peer's title and address."""
    yield
    lines = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert [line for line in lines if not re.match(r"'(PEER|SCU|ANY-SCP)' at 127\.0\.0\.1:\d+: ", line)] == []


class NoStatus:
    """Something that is no status and has none."""


def raising(event: evt.Event) -> object:
    raise RuntimeError("DOE")


async def raising_async(event: evt.Event) -> object:
    raise RuntimeError("DOE")


def raising_later(event: evt.Event) -> Any:
    if event.event is evt.EVT_C_MOVE:
        yield HOST, 104
    if event.event is not evt.EVT_C_FIND:
        yield 2
    raise RuntimeError("DOE")


HANDLERS: dict[str, Callable[[evt.Event], object]] = {
    "raises": raising,
    "raises when awaited": raising_async,
    "returns nothing": lambda event: None,
    "returns no status": lambda event: NoStatus(),
    "returns a word": lambda event: "0000",
    "returns a truth": lambda event: True,
    "returns too large a number": lambda event: 0x10000,
    "returns a pending status": lambda event: PENDING,
    "returns a list": lambda event: [],
    "returns three": lambda event: (0, None, None),
}


def unencodable(dataset: Dataset) -> Dataset:
    """Put a value into a data set that no transfer syntax can carry."""
    dataset.Rows = 1
    dataset["Rows"].__dict__["_value"] = "DOE"
    return dataset


async def ask(peer: Peer, operation: Operation) -> None:
    """Associate and send a request, whole."""
    await requested(peer, operation)
    if operation.data:
        peer.connection.send_data(operation.data, last=True)
    await peer.flush()


async def final_response(peer: Peer) -> Response:
    """Return the next final response; objects that come before it are taken."""
    connection, store = peer.connection, None
    while True:
        event = await peer.event()
        if isinstance(event, RequestReceived):
            store = event.command
        elif isinstance(event, DataSetChunk) and event.last and store is not None:
            connection.send_response(store.response())
            store = None
        elif isinstance(event, ResponseReceived) and event.is_final:
            while connection.is_receiving:
                await peer.event()
            return event.command
        else:
            assert isinstance(event, ResponseReceived | DataSetChunk), event


async def echoed(peer: Peer) -> int:
    """Ask for a sign of life and return its status."""
    request = CEchoRQ(AffectedSOPClassUID=VERIFICATION)
    peer.connection.send_request(request, context_id(peer.connection, VERIFICATION))
    await peer.flush()
    return (await final_response(peer)).Status


def answered(name: str, make_handler: Callable[[int], Callable[[evt.Event], object]]) -> tuple[Response, str]:
    """Return the response to an operation whose handler is made for the port of a destination, and all words.

    The association goes on after it, and is released.
    """
    backend, operation = Lockstep(), OPERATIONS[name]
    outcome: list[Any] = []

    async def main() -> None:
        there = make_server(backend, [(evt.EVT_C_STORE, lambda event: 0)], make_ae(backend, "THERE"))
        async with backend.serving(there) as destination:
            core = make_server(
                backend, [(operation.kind, make_handler(destination.port))], serving_ae(backend)
            )
            async with backend.serving(core) as server:
                peer = await connect(backend, server.port)
                peer.stream = heard = Heard(peer.stream)
                await ask(peer, operation)
                response = await final_response(peer)
                again = await echoed(peer)
                assert again == (response.Status if name == "C-ECHO" else 0)
                await peer.close()
                outcome.extend((response, heard.words()))

    backend.run(main)
    response, words = outcome
    assert "DOE" not in response.get("ErrorComment", "")
    return response, words


@pytest.mark.parametrize("how", [*HANDLERS, "raises later"])
@pytest.mark.parametrize("name", ALL)
def test_a_handler_that_fails(name: str, how: str) -> None:
    operation = OPERATIONS[name]
    handler = raising_later if how == "raises later" else HANDLERS[how]
    if how == "raises later" and not operation.yields:
        handler = raising
    is_raised = how.startswith("raises")
    status = operation.failed if is_raised else operation.nonsense
    if operation.yields and how == "returns a list":
        # A list is as good as a generator; one without results ends a C-FIND well, the others too early.
        status = 0x0000 if name == "C-FIND" else operation.failed
    response, words = answered(name, lambda port: handler)
    assert response.Status == status
    if is_raised:
        assert response.ErrorComment == "RuntimeError in the handler"
    again = status if name == "C-ECHO" else 0
    assert words == f"{status:04X} {again:04X} released"


# --- beside a status ------------------------------------------------------------------------------

REPLIES: dict[str, Callable[[], object]] = {
    "a word": lambda: "DOE",
    "a number": lambda: 5,
    "bytes": lambda: DATA,
    "a list": lambda: [some_dataset()],
    "a dict": lambda: {"PatientID": "DOE"},
    "a class": lambda: Dataset,
    "what cannot be encoded": lambda: unencodable(some_dataset()),
}


@pytest.mark.parametrize("what", REPLIES)
@pytest.mark.parametrize("name", REPLYING)
def test_a_reply_that_is_no_data_set(name: str, what: str) -> None:
    _, words = answered(name, lambda port: lambda event: (0, REPLIES[what]()))
    assert words == "0110 0000 released"


@pytest.mark.parametrize("name", ["C-ECHO", "N-DELETE"])
def test_a_reply_where_there_is_none(name: str) -> None:
    """The response has no place for a data set, so the status goes alone."""
    response, words = answered(name, lambda port: lambda event: (0, some_dataset()))
    assert words == "0000 0000 released"
    assert not response.has_data_set


# --- in the middle --------------------------------------------------------------------------------


def raise_now() -> object:
    raise RuntimeError("DOE")


# What stands in the place of the second of three results -> the final status of C-FIND, C-GET, C-MOVE.
SECOND: dict[str, tuple[Callable[[], object], tuple[int, int, int]]] = {
    "an exception": (raise_now, (0xC311, 0xC411, 0xC511)),
    "nothing": (lambda: None, (0xC311, 0xC411, 0xC511)),
    "a word": (lambda: "DOE", (0xC311, 0xC411, 0xC511)),
    "a truth": (lambda: True, (0xC311, 0xC411, 0xC511)),
    "no status": (NoStatus, (0xC311, 0xC411, 0xC511)),
    "too large a number": (lambda: (0x10000, some_dataset()), (0xC311, 0xC411, 0xC511)),
    "three": (lambda: (PENDING, some_dataset(), None), (0xC311, 0xC411, 0xC511)),
    "a data set alone": (some_dataset, (0xC311, 0xC411, 0xC511)),
    # One that cannot be sent ends a C-FIND, but of other operations only that sub-operation fails.
    "a pending status alone": (lambda: PENDING, (0xC312, 0xB000, 0xB000)),
    "a pending status with nothing": (lambda: (PENDING, None), (0xC312, 0xB000, 0xB000)),
    "a pending status with a word": (lambda: (PENDING, "DOE"), (0xC311, 0xB000, 0xB000)),
    "an empty data set": (lambda: (PENDING, Dataset()), (0xC312, 0xB000, 0xB000)),
    "what cannot be encoded": (lambda: (PENDING, unencodable(an_object())), (0xC312, 0xB000, 0xB000)),
}


@pytest.mark.parametrize("what", SECOND)
@pytest.mark.parametrize("name", ["C-FIND", "C-GET", "C-MOVE"])
def test_nonsense_in_the_middle(name: str, what: str) -> None:
    """What came before it stays sent, and nothing comes after it but an object that is good."""
    make, statuses = SECOND[what]
    status = dict(zip(("C-FIND", "C-GET", "C-MOVE"), statuses, strict=True))[name]
    closed: list[bool] = []

    def make_handler(port: int) -> Callable[[evt.Event], object]:
        def handler(event: evt.Event) -> Any:
            try:
                if name == "C-MOVE":
                    yield HOST, port
                if name != "C-FIND":
                    yield 3
                yield PENDING, an_object()
                yield make()
                yield PENDING, an_object()
            finally:
                closed.append(True)

        return handler

    response, words = answered(name, make_handler)
    assert words == f"{status:04X} 0000 released"
    assert closed == [True]
    if name != "C-FIND":
        done, failed = (2, 1) if status == 0xB000 else (1, 2)
        counted = response.NumberOfCompletedSuboperations, response.NumberOfFailedSuboperations  # type: ignore[attr-defined]
        assert counted == (done, failed)


# --- the objects of our own C-GET -----------------------------------------------------------------


@pytest.mark.parametrize("how", HANDLERS)
def test_a_handler_of_our_own_c_get_that_fails(how: str) -> None:
    """The peer is told that the object was not stored, and the C-GET goes on to its end."""
    operation, backend = OPERATIONS["C-GET"], Lockstep()
    store = OPERATIONS["C-STORE"]
    status = store.failed if how.startswith("raises") else store.nonsense
    comments: list[object] = []
    told: list[str] = []

    async def script(peer: Peer) -> None:
        peer.stream = heard = Heard(peer.stream)
        connection = peer.connection
        await peer.accept()
        asked = (await peer.until(RequestReceived)).command
        while not (await peer.until(DataSetChunk)).last:
            pass
        for _ in range(2):
            request = CStoreRQ(AffectedSOPClassUID=CT_IMAGE, AffectedSOPInstanceUID="1.2.3")
            connection.send_request(request, context_id(connection, CT_IMAGE))
            connection.send_data(DATA, last=True)
            await peer.flush()
            response = (await peer.until(ResponseReceived)).command
            comments.append(response.get("ErrorComment"))
        connection.send_response(asked.response(0xA702))
        await peer.until(ReleaseRQ)
        told.append(heard.words())

    async def main() -> None:
        async with backend.serving(Script(script)) as server:
            handlers = [(evt.EVT_C_STORE, HANDLERS[how])]
            assoc = await associate(
                backend, server.port, using_ae(backend), ext_neg=ROLES, evt_handlers=handlers
            )
            statuses = await operation.call(assoc, some_dataset())
            assert [response.Status for response in statuses] == [0xA702]
            assert assoc.is_established
            await assoc.release()

    backend.run(main)
    assert told == [f"{status:04X} {status:04X} release"]
    expected = "RuntimeError in the handler" if how.startswith("raises") else "the handler returned no status"
    assert comments == [expected] * 2


def test_the_operations_are_what_their_responses_say() -> None:
    """Which operations have many responses, a reply or neither is not a matter of this table."""
    for name, operation in OPERATIONS.items():
        response = operation.request.response()
        assert (name in REPLYING) == (response.data_set_allowed and not operation.yields), name
        assert (name in PLAIN) == (not response.data_set_allowed), name
    assert sorted((*REPLYING, *PLAIN, *YIELDING)) == sorted(ALL)
    assert len(ALL) == 11


# --- besides --------------------------------------------------------------------------------------


def fail(*_: object) -> None:
    raise RuntimeError("DOE")


def closing_badly(event: evt.Event) -> Any:
    try:
        yield 0xA700, None
        yield PENDING, some_dataset()
    finally:
        fail()


def answering_first(event: evt.Event) -> int:
    event.after_response(fail)
    return 0


@pytest.mark.parametrize(
    ("name", "handler", "words"),
    [
        ("C-FIND", closing_badly, "A700"),
        ("N-DELETE", answering_first, "0000"),
        ("C-STORE", answering_first, "0000"),
    ],
)
def test_what_fails_beside_the_answer(
    name: str, handler: Callable[[evt.Event], object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, heard = answered(name, lambda port: handler)
    assert heard == f"{words} 0000 released"
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_what_fails_before_there_is_an_association(caplog: pytest.LogCaptureFixture) -> None:
    backend = Lockstep()

    async def main() -> None:
        handlers = [(evt.EVT_USER_ID, fail), (evt.EVT_REQUESTED, fail), (evt.EVT_ASYNC_OPS, fail)]
        for kind, handler in handlers:
            async with backend.serving(make_server(backend, [(kind, handler)])) as server:
                window = AsynchronousOperationsWindow(maximum_invoked=2, maximum_performed=1)
                identity = UserIdentityRQ(
                    identity_type=1, positive_response_requested=False, primary_field=b"DOE"
                )
                peer = await connect(backend, server.port)
                await peer.request(user_identity=identity, operations_window=window)
                await peer.stream.close([], 0)

    backend.run(main)
    assert len([record for record in caplog.records if record.exc_info]) == 3
