"""The requestors against peers that answer what no decent library would let them: engines on sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomproto.connection import CLOSED, NEED_DATA, Connection, ReleaseRP, ReleaseRQ
from dicomproto.datasets import encode_data_set
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.negotiation import AcceptorPolicy, accept_anything, negotiate
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import AssociateRQ
from tests.applications import EXPLICIT, Done

Run = Callable[..., Done]
KEYS = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]


@contextmanager
def answering(*answers: dict[str, Any], identifier: Dataset | None = None) -> Iterator[int]:
    """A peer on the port that is yielded: to each request these answers, the last with the identifier."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                _serve(peer, answers, identifier)

    thread = Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(peer: socket.socket, answers: tuple[dict[str, Any], ...], identifier: Dataset | None) -> None:
    engine = Connection(Role.ACCEPTOR)
    engine.transport_connected()
    request: Any = None
    while (event := engine.next_event()) is not CLOSED:
        if event is NEED_DATA:
            for buffer in engine.data_to_send():
                peer.sendall(buffer)
            if data := peer.recv(65536):
                engine.receive_data(data)
            else:
                engine.receive_eof()
        elif isinstance(event, AssociateRQ):
            engine.send(negotiate(event, AcceptorPolicy(unknown_context=accept_anything)))
        elif isinstance(event, RequestReceived):
            request = event
        elif isinstance(event, DataSetChunk) and event.last:
            for answer in answers:
                response = request.command.response(**answer)
                if identifier is not None and answer is answers[-1]:
                    response = response.replace(CommandDataSetType=1)
                    engine.send_response(response)
                    engine.send_data(encode_data_set(identifier, EXPLICIT), last=True)
                else:
                    engine.send_response(response)
        elif isinstance(event, ReleaseRQ):
            engine.send(ReleaseRP())
    for buffer in engine.data_to_send():
        peer.sendall(buffer)


def suboperations(**counts: int) -> dict[str, int]:
    return {f"NumberOf{name.capitalize()}Suboperations": count for name, count in counts.items()}


# --- a final status that contradicts the numbers --------------------------------------------------

PENDING = {"Status": 0xFF00}
SUCCESS = {"Status": 0}

SHORT = [
    [SUCCESS | suboperations(completed=0, failed=2)],
    [SUCCESS | suboperations(completed=0, remaining=2)],
    [PENDING | suboperations(remaining=1, completed=0, failed=1), SUCCESS],
]


@pytest.mark.parametrize("answers", SHORT)
@pytest.mark.parametrize("words", [["getscu"], ["movescu", "-aem", "THERE"]])
def test_success_that_counts_failures_is_none(
    run: Run, tmp_path: object, words: list[str], answers: list[dict[str, Any]]
) -> None:
    where = ["-od", str(tmp_path)] if words == ["getscu"] else []
    with answering(*answers) as port:
        done = run(*words, "--json", f"127.0.0.1:{port}", *KEYS, *where)
    assert (done.status, done.events[-1]["status"], done.events[-1]["ok"]) == (1, 0, False)
    assert "E: the peer answered 0000H (Success), but counts " in done.err


@pytest.mark.parametrize("answer", [SUCCESS | suboperations(failed=2), {"Status": 0xA702}])
def test_getscu_says_how_more_may_come(run: Run, tmp_path: object, answer: dict[str, Any]) -> None:
    with answering(answer) as port:
        done = run("getscu", f"127.0.0.1:{port}", *KEYS, "-od", tmp_path)
    assert done.status == 1
    assert "W: objects are missing; --sop-class " in done.err


@pytest.mark.parametrize("words", [["getscu"], ["movescu", "-aem", "THERE"]])
def test_success_that_names_what_failed_is_none(run: Run, tmp_path: object, words: list[str]) -> None:
    failed = Dataset()
    failed.FailedSOPInstanceUIDList = ["1.2.9"]
    where = ["-od", str(tmp_path)] if words == ["getscu"] else []
    with answering(SUCCESS, identifier=failed) as port:
        done = run(*words, "--json", f"127.0.0.1:{port}", *KEYS, *where)
    assert (done.status, done.events[-1]["failed_uids"], done.events[-1]["ok"]) == (1, ["1.2.9"], False)


def test_what_remained_before_the_end_does_not_count(run: Run) -> None:
    answers = [PENDING | suboperations(remaining=1, completed=1, failed=0, warning=0), SUCCESS]
    with answering(*answers) as port:
        done = run("movescu", "-aem", "THERE", "--json", f"127.0.0.1:{port}", *KEYS)
    assert (done.status, done.err, done.events[-1]["ok"]) == (0, "", True)


# --- what a C-CANCEL of ours excuses ----------------------------------------------------------------

CANCEL = {"Status": 0xFE00}


@pytest.mark.parametrize("words", [["getscu"], ["movescu", "-aem", "THERE"]])
def test_what_failed_is_not_what_was_asked_for(run: Run, tmp_path: object, words: list[str]) -> None:
    where = ["-od", str(tmp_path)] if words == ["getscu"] else []
    answers = [
        PENDING | suboperations(remaining=2, completed=0, failed=1, warning=0),
        CANCEL | suboperations(remaining=1, completed=0, failed=2, warning=0),
    ]
    with answering(*answers) as port:
        done = run(*words, "--cancel", 1, "--json", f"127.0.0.1:{port}", *KEYS, *where)
    summary = done.events[-1]
    assert (done.status, summary["cancelled"], summary["ok"]) == (1, False, False)


def test_a_cancel_excuses_what_is_left(run: Run) -> None:
    counts = suboperations(remaining=2, completed=0, failed=0, warning=1)
    with answering(PENDING | counts, CANCEL | counts) as port:
        done = run("movescu", "-aem", "THERE", "--cancel", 1, "--json", f"127.0.0.1:{port}", *KEYS)
    summary = done.events[-1]
    assert (done.status, done.err, summary["cancelled"], summary["ok"]) == (0, "", True, True)


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_cancel_excuses_no_failure(run: Run, is_counted: bool) -> None:
    counts = suboperations(remaining=1, completed=1, failed=int(is_counted), warning=0)
    named = Dataset()
    named.FailedSOPInstanceUIDList = [] if is_counted else ["1.2.9"]
    with answering(PENDING | counts, CANCEL | counts, identifier=named) as port:
        done = run("movescu", "-aem", "THERE", "--cancel", 1, "--json", f"127.0.0.1:{port}", *KEYS)
    summary = done.events[-1]
    assert (done.status, summary["cancelled"], summary["ok"]) == (1, True, False)
    assert "E: the peer answered FE00H" in done.err
    assert ", but counts 1 remaining, 1 completed, " in done.err


# --- a final status of warning ------------------------------------------------------------------------

WARNED = {"Status": 0xB000}


@pytest.mark.parametrize(
    ("counts", "failed", "expected"),
    [
        ({"completed": 3, "failed": 0, "warning": 2}, None, 0),
        ({"completed": 3, "failed": 0, "warning": 2, "remaining": 0}, [], 0),
        ({"completed": 3, "failed": 0, "warning": 2}, ["1.2.9"], 1),
        ({"completed": 3, "failed": 0, "warning": 2, "remaining": 1}, None, 1),
        ({"completed": 3, "failed": 1, "warning": 2}, None, 1),
        ({"completed": 3, "failed": 0, "warning": 0}, None, 1),
        ({"completed": 3, "warning": 2}, None, 1),
        ({}, None, 1),
    ],
)
def test_warnings_alone_are_no_failure(
    run: Run, counts: dict[str, int], failed: list[str] | None, expected: int
) -> None:
    identifier = None
    if failed is not None:
        identifier = Dataset()
        identifier.FailedSOPInstanceUIDList = failed
    with answering(WARNED | suboperations(**counts), identifier=identifier) as port:
        done = run("movescu", "-aem", "THERE", "--json", f"127.0.0.1:{port}", *KEYS)
    assert (done.status, done.events[-1]["ok"]) == (expected, not expected)
    assert f"{'E' if expected else 'W'}: the peer answered B000H" in done.err


def test_a_peer_that_counts_more_than_is_here_is_told_so(run: Run, tmp_path: object) -> None:
    for answer, told in (
        (SUCCESS | suboperations(completed=1), "1 completed"),
        (WARNED | suboperations(completed=1, failed=0, warning=2), "1 completed and 2 warning"),
    ):
        with answering(answer) as port:
            done = run("getscu", f"127.0.0.1:{port}", *KEYS, "-od", tmp_path)
        assert done.status == 1
        assert f"E: the peer counts {told}, 0 were kept here\n" in done.err
        assert "--sop-class" not in done.err
