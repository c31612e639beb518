"""Rejections, aborts in mid-object, peers that vanish or fall silent: what our tools make of them."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomproto_transports.blocking import AE, evt
from tests.benchmarks.objects import write_objects
from tests.interop.catalogue import DATA
from tests.interop.programs import (
    LOOPBACK,
    OURS,
    Done,
    Program,
    dcmtk,
    dcmtk_storescp,
    our_server,
    our_storescp,
    peer_server,
    run,
)
from tests.interop.proxy import Proxy
from tests.interop.requestors import pynetdicom_requestor

VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
SMALL = [DATA / "test_files" / "CT_small.dcm", DATA / "test_files" / "MR_small.dcm"]
PYNETDICOM_PEER = [sys.executable, str(Path(__file__).with_name("pynetdicom_peer.py"))]

BY_USER = {"result": 1, "source": 1, "reason": 1}
CALLED_TITLE = {"result": 1, "source": 1, "reason": 7}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT image of 32 MB: more than all buffers between two programs hold."""
    folder = tmp_path_factory.mktemp("large")
    write_objects(folder, 32_000_000, 1)
    return next(folder.iterdir())


def faulty_pynetdicom(fault: str, folder: Path) -> contextlib.AbstractContextManager[Program]:
    """Run a pynetdicom server in which the fault occurs."""
    return peer_server(lambda port: [*PYNETDICOM_PEER, "serve", fault, str(port)], folder)


def our_echoscu(port: int, *options: str) -> Done:
    return run([*OURS, "echoscu", "--json", *options, LOOPBACK, str(port)])


def our_storescu(port: int, *arguments: str | Path) -> Done:
    return run([*OURS, "storescu", "--json", LOOPBACK, str(port), *arguments])


def states(done: Done) -> list[object]:
    """Return what became of each file, in the order of the reports."""
    return [event["state"] for event in done.events if event["event"] == "file"]


def reasons(done: Done) -> set[object]:
    return {event["reason"] for event in done.events if event["event"] == "file"}


# --- our requestors --------------------------------------------------------------------------------


@contextlib.contextmanager
def refusing_server(peer: str, folder: Path) -> Iterator[Program]:
    server = dcmtk_storescp(folder, "--refuse") if peer == "DCMTK" else faulty_pynetdicom("title", folder)
    with server as program:
        yield program


@pytest.mark.parametrize(
    ("peer", "facts", "words"),
    [
        pytest.param("DCMTK", BY_USER, "no reason given", marks=pytest.mark.dcmtk),
        ("pynetdicom", CALLED_TITLE, "called AE title not recognized"),
    ],
)
def test_a_rejection_is_told_and_not_tried_again(
    peer: str, facts: dict[str, int], words: str, tmp_path: Path
) -> None:
    with refusing_server(peer, tmp_path) as server:
        text = f"'WRONG' at 127.0.0.1:{server.port}: rejected permanently by the service-user: {words}"

        echo = our_echoscu(server.port, "-aec", "WRONG")
        assert echo.status == 1
        assert echo.event("error") == {
            "event": "error", "error": "AssociationRejected", "text": text, **facts
        }  # fmt: skip
        assert echo.event("summary")["ok"] is False
        assert echo.errors == f"E: {text}\n"

        store = our_storescu(server.port, "-aec", "WRONG", *SMALL)
        assert store.status == 1
        assert states(store) == ["untried", "untried"]
        assert reasons(store) == {text}
        assert store.errors == f"W: {text}\n"

    if peer == "DCMTK":
        assert server.errors.count("Refusing Association") == 2  # each tool asked once


@pytest.mark.dcmtk
def test_dcmtk_finds_our_implementation_class_uid(tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, "--reject") as server:  # those that send none
        assert our_echoscu(server.port).status == 0
        assert our_storescu(server.port, *SMALL).status == 0


@pytest.mark.dcmtk
@pytest.mark.parametrize("when", ["--abort-during", "--abort-after"])
def test_dcmtk_aborts_a_store(when: str, tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, when) as server:
        done = our_storescu(server.port, *SMALL)
        text = f"'ANY-SCP' at 127.0.0.1:{server.port} ended the association: aborted by the service-user"
        assert our_echoscu(server.port).status == 0  # the peer is there, it just takes no objects

    assert done.status == 1
    # The first comes back once, on the third association; after that nothing more is tried.
    assert states(done) == ["lost", "untried"]
    first, second = (event["reason"] for event in done.events if event["event"] == "file")
    assert first == text
    assert str(second).startswith("given up after 3 attempts")
    assert done.event("summary")["associations"] == 3
    assert done.errors == f"W: {text}\n" * 3


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("abort", "AssociationAborted", "ended the association: aborted by the service-user"),
        ("vanish", "ConnectionLost", "closed the connection on the established association"),
    ],
)
def test_pynetdicom_aborts_or_vanishes_before_the_answer_to_an_echo(
    fault: str, error: str, words: str, tmp_path: Path
) -> None:
    with faulty_pynetdicom(fault, tmp_path) as server:
        done = our_echoscu(server.port)
    text = f"'ANY-SCP' at 127.0.0.1:{server.port} {words}"
    assert done.status == 1
    assert (done.event("error")["error"], done.event("error")["text"]) == (error, text)
    assert done.errors == f"E: {text}\n"


@pytest.mark.parametrize("fault", ["abort", "vanish"])
def test_pynetdicom_aborts_or_vanishes_in_mid_object(fault: str, large: Path, tmp_path: Path) -> None:
    with faulty_pynetdicom(fault, tmp_path) as server:
        done = our_storescu(server.port, large, *SMALL)
    assert done.status == 1
    assert (
        sorted(map(str, states(done))) == ["untried"] * 3
    )  # it would come back at the end, but nobody is there
    assert done.event("summary")["associations"] == 1
    lost, *refused = done.errors.splitlines()
    how = (
        "ended the association: aborted by the service-user"
        if fault == "abort"
        else "established association"
    )
    assert lost.startswith(f"W: 'ANY-SCP' at 127.0.0.1:{server.port} ")
    assert lost.endswith(how)
    text = f"W: cannot connect to 127.0.0.1 port {server.port} (127.0.0.1: Connection refused)"
    assert refused == [text] * 2


@pytest.mark.dcmtk
def test_dcmtk_storescp_is_killed_in_mid_object(large: Path, tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path / "theirs", "--sleep-during", "60") as server:
        command = [*OURS, "storescu", "--json", LOOPBACK, str(server.port), str(large), *SMALL]
        with Program(command, tmp_path / "ours") as sender:
            server.until(lambda: "Received Store Request" in server.errors, "the object is under way")
            server.kill()
            done = sender.wait()
    assert done.status == 1
    assert states(done) == ["untried"] * 3
    assert all("Connection refused" in str(reason) for reason in reasons(done))
    assert "on the established association" in done.errors


@pytest.mark.dcmtk
def test_dcmtk_storescp_falls_silent_in_mid_object(tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, "--fork", "--sleep-during", "60") as server:
        done = our_storescu(server.port, "-td", "0.5", SMALL[0])
    assert done.status == 1
    assert states(done) == ["lost"]
    (reason,) = reasons(done)
    assert str(reason).endswith("within 0.5 s (response timeout)")


@pytest.mark.dcmtk
def test_dcmtk_storescp_falls_silent_after_its_answer(tmp_path: Path) -> None:
    with dcmtk_storescp(tmp_path, "--sleep-after", "60") as server:
        done = our_storescu(server.port, "-ta", "1.5", SMALL[0])  # for the acceptance, too
    assert done.status == 0  # it has the object; only the release got no answer
    assert states(done) == ["sent"]
    assert done.errors.endswith("within 1.5 s (association timeout)\n")


# --- our acceptors ---------------------------------------------------------------------------------

TOOLS = [
    pytest.param("DCMTK", "echoscu", marks=pytest.mark.dcmtk),
    pytest.param("DCMTK", "storescu", marks=pytest.mark.dcmtk),
    ("pynetdicom", "echoscu"),
    ("pynetdicom", "storescu"),
]
WRONG_TITLE = {
    "DCMTK": ["Rejected Permanent", "Service User", "Called AE Title Not Recognized"],
    "pynetdicom": ["Rejected (Permanent)", "DUL service-user", "Called AE title not recognised"],
}
BUSY = {
    "DCMTK": ["Rejected Transient", "Service Provider (Presentation Related)", "Local Limit Exceeded"],
    "pynetdicom": [
        "Rejected (Transient)",
        "DUL service-provider (presentation related)",
        "Local limit exceeded",
    ],
}


def requestor(peer: str, tool: str, port: int, *options: str) -> Done:
    """Run a tool of a peer."""
    files = [SMALL[0]] if tool == "storescu" else []
    arguments = [*options, LOOPBACK, str(port), *files]
    return run([*dcmtk(tool), *arguments]) if peer == "DCMTK" else pynetdicom_requestor(tool, *arguments)


def rejected(peer: str, tool: str, port: int, *options: str) -> list[str]:
    """Run a tool of a peer that is rejected; return result, source and reason in its words.

    Of pynetdicom the log of the PDU is read: its applications say "Aborting Association" and no more when a
    rejection comes before they have looked whether they are connected.
    """
    level = "-d" if peer == "pynetdicom" else "-v"
    done = requestor(peer, tool, port, level, *options)
    assert done.status == 1, done.everything
    words = re.findall(r"(?:Result|Source|Reason): +(\w.*?)(?=, Source|$)", done.errors, re.MULTILINE)
    return words[:3]


@pytest.mark.parametrize(("peer", "tool"), TOOLS)
def test_peers_understand_why_we_reject_a_title(peer: str, tool: str) -> None:
    entity = AE(ae_title="OURS")
    entity.require_called_aet = True
    entity.add_supported_context(VERIFICATION)
    entity.add_supported_context(CT_IMAGE_STORAGE)
    store = [(evt.EVT_C_STORE, lambda event: 0)]
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=store)
    try:
        assert rejected(peer, tool, server.port, "-aec", "WRONG") == WRONG_TITLE[peer]
        with Proxy(server.port) as proxy:
            assert requestor(peer, tool, proxy.port, "-aec", "OURS").status == 0
        assert all(recording.is_answered() for recording in proxy.recordings)
    finally:
        server.shutdown()


@pytest.mark.parametrize(("peer", "tool"), TOOLS)
def test_peers_understand_that_we_are_busy(peer: str, tool: str, tmp_path: Path) -> None:
    entity = AE()
    entity.add_requested_context(VERIFICATION)
    with (
        our_storescp(tmp_path, "--max-associations", "1") as server,
        entity.associate(LOOPBACK, server.port) as association,
    ):
        assert rejected(peer, tool, server.port) == BUSY[peer]
        assert association.send_c_echo().Status == 0  # the one that was there is served on


@pytest.mark.dcmtk
def test_dcmtk_aborts_instead_of_releasing(tmp_path: Path) -> None:
    with our_storescp(tmp_path) as server:
        echo = requestor("DCMTK", "echoscu", server.port, "-v", "--abort")
        store = requestor("DCMTK", "storescu", server.port, "-v", "--abort")
        done = server.stop()
    assert "Received Echo Response (Success)" in echo.errors
    assert "Received Store Response (Success)" in store.errors
    assert (done.status, done.errors) == (0, "")
    assert done.event("object")["outcome"] == "stored"
    assert len(list((tmp_path / "stored").iterdir())) == 1


@pytest.mark.parametrize("fault", ["abort", "vanish"])
@pytest.mark.parametrize("tool", ["echoscp", "storescp"])
def test_pynetdicom_aborts_or_vanishes_while_it_waits_for_an_echo(
    fault: str, tool: str, tmp_path: Path
) -> None:
    with our_server(tool, folder=tmp_path) as server:
        run([*PYNETDICOM_PEER, "send", fault, str(server.port)])
        done = still_serving(server)
    assert done.errors == ""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("abort", "ended the association: aborted by the service-user"),
        ("vanish", "closed the connection on the established association"),
    ],
)
def test_pynetdicom_storescu_aborts_or_vanishes_in_mid_object(fault: str, words: str, tmp_path: Path) -> None:
    with our_storescp(tmp_path, "-pdu", "4096") as server:
        run([*PYNETDICOM_PEER, "send", fault, str(server.port), SMALL[0]])
        done = lost_one(server, tmp_path)
    assert words in str(done.event("object")["reason"])


@pytest.mark.dcmtk
def test_dcmtk_storescu_is_killed_in_mid_object(large: Path, tmp_path: Path) -> None:
    with our_storescp(tmp_path) as server, Proxy(server.port, hold_after=1_000_000) as proxy:
        command = [*dcmtk("storescu"), "-R", LOOPBACK, str(proxy.port), large]
        with Program(command, tmp_path / "theirs") as sender:
            sender.until(proxy.held.is_set, "the object is under way")
            sender.kill()
        proxy.resume.set()
        done = lost_one(server, tmp_path)
    assert "on the established association" in str(done.event("object")["reason"])


def lost_one(server: Program, folder: Path) -> Done:
    """Assert that our storescp lost an object, kept nothing of it, and serves on; return what it said."""
    server.until(lambda: '"object"' in server.output, "it tells of the object")
    assert list((folder / "stored").iterdir()) == []
    done = still_serving(server)
    assert done.event("object")["outcome"] == "lost"
    assert done.event("summary")["lost"] == 1
    assert done.errors.startswith("W: lost: ")
    assert done.errors.count("\n") == 1
    return done


def still_serving(server: Program) -> Done:
    """Assert that the server answers others, and ends as it should."""
    assert our_echoscu(server.port).status == 0
    done = server.stop()
    assert done.status == 0, done.everything
    return done
