"""`storescu --parallel`: files go out on several associations, each once, and none is forgotten."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Lock
from threading import Event as Flag

import pytest

from dicomproto_transports.blocking import AE, Server, evt
from tests.applications import APPLICATION, CT, EXPLICIT, PATIENCE, Done, write_object

Run = Callable[..., Done]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Nine objects, 1.1 to 1.9."""
    paths = [tmp_path / f"{number}.dcm" for number in range(1, 10)]
    for number, path in enumerate(paths, 1):
        write_object(path, f"1.{number}")
    return paths


@contextmanager
def storing(store: Callable[[evt.Event], int], most: int | None = None) -> Iterator[Server]:
    """Serve C-STORE with a handler, to at most so many associations at once."""
    ae = AE()
    ae.maximum_associations = most
    ae.add_supported_context(CT, (EXPLICIT,))
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]) as server:
        yield server


def states(done: Done) -> Counter[str]:
    """Return how many files are in each state; each file has one."""
    events = done.named("file")
    assert len({str(event["path"]) for event in events}) == len(events) == 9
    return Counter(str(event["state"]) for event in events)


def test_files_go_out_at_once_and_each_of_them_once(run: Run, files: list[Path]) -> None:
    together, received = Barrier(3), list[str]()

    def store(event: evt.Event) -> int:
        received.append(event.request.sop_instance_uid)
        together.wait(PATIENCE)  # nine are three times three
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "--parallel", 3, "127.0.0.1", server.port, *files)
    assert done.status == 0
    assert sorted(received) == [f"1.{number}" for number in range(1, 10)]
    assert states(done) == {"sent": 9}
    assert (done.events[-1]["associations"], done.events[-1]["ok"]) == (3, True)


def test_there_are_no_more_associations_than_files(run: Run, files: list[Path]) -> None:
    with storing(lambda event: 0) as server:
        done = run("storescu", "--json", "--parallel", 5, "127.0.0.1", server.port, files[0])
    assert (done.status, done.events[-1]["associations"]) == (0, 1)


def test_a_peer_may_take_fewer_associations(run: Run, files: list[Path]) -> None:
    rejected, are_rejected, lock = list[object](), Flag(), Lock()

    def store(event: evt.Event) -> int:
        assert are_rejected.wait(PATIENCE)
        return 0

    def note(event: evt.Event) -> None:
        with lock:
            rejected.append(event)
            if len(rejected) == 2:
                are_rejected.set()

    with storing(store, most=1) as server:
        server.bind(evt.EVT_REJECTED, note)
        done = run("storescu", "--json", "--parallel", 3, "127.0.0.1", server.port, *files)
    assert done.status == 0
    assert states(done) == {"sent": 9}
    summary = done.events[-1]
    assert (summary["associations"], summary["given_up"], summary["ok"]) == (1, "", True)
    assert done.err.count("W: the peer takes no further association: ") == 2


def test_a_peer_that_cannot_be_reached_is_reported_once(run: Run, files: list[Path]) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        done = run("storescu", "--json", "--parallel", 4, "127.0.0.1", bound.getsockname()[1], *files)
    assert done.status == 1
    assert states(done) == {"untried": 9}
    assert len(done.named("error")) == 1
    assert done.events[-1]["given_up"] == done.named("error")[0]["text"]


@pytest.mark.parametrize("parallel", [2, 9])
def test_an_abort_loses_the_object_that_causes_it_and_no_other(
    run: Run, files: list[Path], parallel: int
) -> None:
    received: list[str] = []

    def store(event: evt.Event) -> int:
        received.append(event.request.sop_instance_uid)
        if event.request.sop_instance_uid == "1.2":
            event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "--parallel", parallel, "127.0.0.1", server.port, *files)
    assert done.status == 1
    assert states(done) == {"sent": 8, "lost": 1}
    assert [event["path"] for event in done.named("file") if event["state"] == "lost"] == [str(files[1])]
    assert received.count("1.2") == 2
    assert len(received) == 10


def test_a_peer_that_aborts_always_is_given_up(run: Run, files: list[Path]) -> None:
    def store(event: evt.Event) -> int:
        event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "--parallel", 2, "127.0.0.1", server.port, *files)
    assert done.status == 1
    assert set(states(done)) <= {"untried", "lost"}
    assert "given up after 3 attempts" in str(done.events[-1]["given_up"])


def test_ctrl_c_ends_all_associations_and_names_what_was_under_way(files: list[Path]) -> None:
    arrived, under_way, go_on = Flag(), list[str](), Flag()

    def store(event: evt.Event) -> int:
        under_way.append(event.request.sop_instance_uid)
        if len(under_way) == 3:
            arrived.set()
        go_on.wait()
        return 0

    with storing(store) as server:
        command = [*APPLICATION, "storescu", "--json", "--parallel", "3", "127.0.0.1", str(server.port)]
        command += map(str, files)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert arrived.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        go_on.set()
    done = Done(process.returncode, out, err)
    assert done.status == 1
    assert states(done) == {"lost": 3, "untried": 6}
    assert {event["reason"] for event in done.named("file")} == {"interrupted"}
    assert err == "E: interrupted\n"
