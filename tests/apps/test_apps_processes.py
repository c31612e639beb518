"""`storescp --processes`: several processes are one program to everybody outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import psutil
import pytest

from dicomproto import AssociateAC, AssociateRJ
from dicomproto.dimse.events import ResponseReceived
from dicomproto_transports.apps.receiving.shared_places import SharedTable
from tests import applications
from tests.applications import APPLICATION, CT, EXPLICIT, PATIENCE, Done, RawPeer, data_set, write_object

Run = Callable[..., Done]
Serve = Callable[..., applications.Server]
CONTEXT = (CT, (EXPLICIT,))


def processes_of(server: applications.Server, count: int = 2) -> list[psutil.Process]:
    """Return the processes that accept, once all are there."""
    while True:
        children = psutil.Process(server.process.pid).children()
        found = [child for child in children if any("spawn_main" in word for word in child.cmdline())]
        if len(found) == count:
            return found


def holder_of(server: applications.Server, peer: RawPeer) -> psutil.Process:
    """Return the process that serves a peer."""
    port = peer.socket.getsockname()[1]
    (holder,) = [
        process
        for process in processes_of(server)
        for connection in process.net_connections()
        if connection.raddr and connection.raddr.port == port
    ]
    return holder


def test_objects_arrive_and_are_counted_together(run: Run, serve: Serve, tmp_path: Path) -> None:
    files, stored = [tmp_path / f"{number}.dcm" for number in range(12)], tmp_path / "stored"
    stored.mkdir()
    contents = {f"1.{number}": write_object(path, f"1.{number}") for number, path in enumerate(files)}
    server = serve("storescp", "--json", "--processes", 2, "-od", stored)
    assert processes_of(server)
    sent = run("storescu", "--parallel", 4, "127.0.0.1", server.port, *files)
    again = run("storescu", "127.0.0.1", server.port, files[0])
    assert (sent.status, again.status) == (0, 0)
    done = server.stop(signal.SIGINT)
    assert (done.status, done.err) == (0, "")
    assert {event["outcome"] for event in done.named("object")} == {"stored", "identical"}
    summary = done.events[-1]
    assert (summary["event"], summary["stored"], summary["identical"], summary["ok"]) == (
        "summary",
        12,
        1,
        True,
    )
    size = sum(map(len, contents.values())) + len(contents["1.0"])
    assert summary["bytes"] == size
    for uid, content in contents.items():
        assert (stored / f"CT.{uid}").read_bytes().endswith(content)
    assert len(list(stored.iterdir())) == 12


@pytest.mark.parametrize(
    "limit", ["--max-associations", "--max-associations-per-aet", "--max-associations-per-address"]
)
def test_a_limit_holds_for_all_processes_together(serve: Serve, tmp_path: Path, limit: str) -> None:
    server = serve("storescp", "--json", "--processes", 3, limit, 1, "-od", tmp_path)
    with RawPeer(server.port, CONTEXT) as first:
        assert isinstance(first.answer, AssociateAC)
        for _ in range(12):
            with RawPeer(server.port, CONTEXT) as another:
                assert isinstance(another.answer, AssociateRJ)
                rejection = another.answer.result, another.answer.source, another.answer.reason
                assert rejection == (2, 3, 2)
    assert wait_for_a_place(server)
    assert server.stop().status == 0


def wait_for_a_place(server: applications.Server) -> bool:
    """Tell whether a requestor gets a place before long."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        with suppress(OSError), RawPeer(server.port, CONTEXT) as peer:  # of a process that is just killed
            if isinstance(peer.answer, AssociateAC):
                return True
    return False


@pytest.mark.parametrize(
    ("policy", "outcome", "status", "files"),
    [("keep", "variant", 0, 2), ("replace", "replaced", 0, 1), ("refuse", "refused", 0x0111, 1)],
)
def test_two_processes_receive_the_same_uid_at_once(
    serve: Serve, tmp_path: Path, policy: str, outcome: str, status: int, files: int
) -> None:
    server = serve(
        "storescp", "--json", "--processes", 2, "--max-associations", 1000, "--on-duplicate", policy,
        "-od", tmp_path,
    )  # fmt: skip
    contents = [data_set("1.1", pixels=100_000) for _ in range(2)]
    with ExitStack() as stack:
        peers: dict[int, RawPeer] = {}
        while len(peers) < 2:
            peer = stack.enter_context(RawPeer(server.port, CONTEXT))
            peers[holder_of(server, peer).pid] = peer
        for peer, content in zip(peers.values(), contents, strict=True):
            peer.begin_store("1.1", content[:50_000])
        for peer, content in zip(peers.values(), contents, strict=True):
            peer.go_on(content[50_000:], last=True)
        assert sorted(peer.status() for peer in peers.values()) == [0, status]
    done = server.stop()
    assert done.status == 0
    assert sorted(str(event["outcome"]) for event in done.named("object")) == sorted(["stored", outcome])
    assert (done.events[-1]["stored"], done.events[-1][outcome]) == (1, 1)
    stored = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(stored) == files
    assert all(any(there.endswith(content) for content in contents) for there in stored)


def test_a_process_that_is_killed_is_reported_and_the_others_go_on(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "object.dcm"
    write_object(path, "1.1")
    server = serve("storescp", "--json", "--processes", 2, "--max-associations", 1, "-od", tmp_path)
    assert run("storescu", "127.0.0.1", server.port, path).status == 0
    with RawPeer(server.port, CONTEXT) as peer:
        holder_of(server, peer).kill()
        assert wait_for_a_place(server)  # that of the dead is free again
        write_object(path, "1.2")
    assert run("storescu", "127.0.0.1", server.port, path).status == 0
    done = server.stop()
    assert done.status == 1
    assert "was killed by SIGKILL; 1 go on\n" in done.err
    assert done.named("error")[0]["error"] == "ProcessEnded"
    summary = done.events[-1]
    assert (summary["stored"], summary["ok"]) == (2, False)  # what the dead one stored counts


def test_a_program_without_processes_ends(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--json", "--processes", 2, "-od", tmp_path)
    for process in processes_of(server):
        process.kill()
    done = server.wait()
    assert done.status == 1
    assert done.err.count("was killed by SIGKILL") == 2
    assert done.events[-1]["ok"] is False


def test_a_signal_to_all_of_them_lets_an_object_in_transfer_be_complete(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--json", "--processes", 2, "-od", tmp_path)
    content = data_set("1.1", pixels=100_000)
    with RawPeer(server.port, CONTEXT) as peer:
        peer.begin_store("1.1", content[:50_000])
        for process in (*processes_of(server), psutil.Process(server.process.pid)):
            process.send_signal(signal.SIGTERM)
        peer.go_on(content[50_000:], last=True)
        response = peer.next_event()
        assert isinstance(response, ResponseReceived)
        assert response.command.Status == 0
    done = server.wait()
    assert (done.status, done.events[-1]["stored"], done.events[-1]["lost"]) == (0, 1, 0)
    assert (tmp_path / "CT.1.1").read_bytes().endswith(content)


def test_a_signal_while_they_start_ends_them_all_well(serve: Serve, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("joe:a passcode\n")
    server = serve("storescp", "--json", "--processes", 4, "--users", users, "-od", tmp_path)
    for process in (*processes_of(server, 4), psutil.Process(server.process.pid)):
        process.send_signal(signal.SIGTERM)
    done = server.wait()
    assert (done.status, done.events[-1]["ok"]) == (0, True)
    assert done.err == "W: the passcodes of the users come in clear: the connections have no TLS\n"


def test_processes_end_with_a_program_that_is_killed(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--json", "--processes", 2, "-od", tmp_path)
    processes = psutil.Process(server.process.pid).children()
    server.process.kill()
    assert psutil.wait_procs(processes, PATIENCE)[1] == []
    server.wait()


def test_processes_that_cannot_be_started_are_an_error(tmp_path: Path) -> None:
    command = [*APPLICATION, "storescp", "--json", "--processes", "40", "0", "-od", str(tmp_path)]
    limited = ["sh", "-c", 'ulimit -n 30 && exec "$@"', "sh", *command]  # descriptors
    ran = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=PATIENCE)
    done = Done(ran.returncode, ran.stdout, ran.stderr)
    assert done.status == 1
    assert re.fullmatch(r"E: process \d+ cannot be started: Too many open files\n", done.err)
    assert [event["event"] for event in done.events] == ["error", "summary"]
    assert done.events[-1]["ok"] is False


def test_a_port_that_is_taken_is_an_error(run: Run, serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--json", "-od", tmp_path)
    done = run("storescp", "--processes", 2, "-od", tmp_path, server.port)
    assert done.status == 1
    assert f"cannot listen on any address, port {server.port}: Address already in use" in done.err


def test_a_table_tells_each_process_of_the_others() -> None:
    with tempfile.TemporaryFile() as file:
        ours, theirs = (SharedTable(number, 2, ("stored", "bytes"), 1) for number in two_of(file.fileno()))
        title, other, host = bytes(15) + b"1", bytes(15) + b"2", bytes(15) + b"3"
        slot = ours.take(0, title, host)
        assert slot is not None
        assert theirs.elsewhere(1, (None, None)) == 1
        assert theirs.elsewhere(1, (title, None)) == 1
        assert theirs.elsewhere(1, (other, None)) == 0
        assert theirs.elsewhere(1, (None, host)) == 1
        assert ours.elsewhere(0, (None, None)) == 0
        ours.free(slot)
        assert theirs.elsewhere(1, (None, None)) == 0
        taken = [theirs.take(1, title, host) for _ in range(67)]
        assert taken == [*range(66), None]  # twice the limit, and 64
        ours.forget(1)
        assert ours.elsewhere(0, (None, None)) == 0
        ours.tell(0, lambda: {"stored": 3, "bytes": 2**40})
        theirs.tell(1, lambda: {"stored": 1, "bytes": 1})
        assert theirs.totals() == {"stored": 4, "bytes": 2**40 + 1}


def test_a_count_is_not_written_over_a_later_one() -> None:
    with tempfile.TemporaryFile() as file:
        table = SharedTable(file.fileno(), 1, ("stored",), 1)
        is_counted = Event()

        def later() -> dict[str, int]:
            is_counted.set()
            return {"stored": 2}

        other = Thread(target=table.tell, args=(0, later))

        def earlier() -> dict[str, int]:
            other.start()
            is_counted.wait(0.1)  # in vain: the other thread has to wait
            return {"stored": 1}

        table.tell(0, earlier)
        other.join()
        assert table.totals() == {"stored": 2}


def two_of(descriptor: int) -> tuple[int, int]:
    return descriptor, os.dup(descriptor)
