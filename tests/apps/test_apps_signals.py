"""What ends a requestor by force: it says so, aborts its association, and leaves nothing half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from dicomproto_transports.blocking import AE, Server, evt
from tests.applications import APPLICATION, CT, EXPLICIT, PATIENCE, Done, RawPeer, data_set, write_object

STUDY_GET, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
KEYS = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

pytestmark = pytest.mark.parametrize("number", SIGNALS)


class Endless:
    """A peer whose C-GET has no end, and whose C-STORE waits until it is let go."""

    def __init__(self, path: Path) -> None:
        self.begun = Event()
        self.let_go = Event()
        self.aborted = Event()
        self._path = path

    def serve(self) -> Server:
        """Listen."""
        ae = AE("PACS")
        ae.add_supported_context(STUDY_GET)
        ae.add_supported_context(CT, EXPLICIT, scu_role=True, scp_role=True)
        handlers: list[evt.Binding] = [
            (evt.EVT_C_GET, self._get),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_ABORTED, lambda event: self.aborted.set()),
        ]
        return ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)

    def _get(self, event: evt.Event) -> Iterator[object]:
        yield 1
        while True:
            yield 0xFF00, str(self._path)

    def _store(self, event: evt.Event) -> int:
        self.begun.set()
        self.let_go.wait(PATIENCE)
        return 0


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*APPLICATION, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str], number: int) -> Done:
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out, err)


def test_getscu_leaves_no_half_file(tmp_path: Path, number: int) -> None:
    write_object(tmp_path / "a.dcm", "1.2.3", pixels=4_000_000)
    out = tmp_path / "out"
    server = Endless(tmp_path / "a.dcm").serve()
    try:
        process = start("getscu", "--json", f"127.0.0.1:{server.port}", *KEYS, "-od", out)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "object"
        done = end(process, number)
    finally:
        server.shutdown()
    assert (done.status, done.err.splitlines()[-1]) == (1, "E: interrupted")
    assert (done.events[-1]["event"], done.events[-1]["ok"]) == ("summary", False)
    assert os.listdir(out) == ["CT.1.2.3"]


def test_movescu_leaves_no_half_file(tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    begun = Event()

    def move(event: evt.Event) -> Iterator[object]:
        begun.wait(PATIENCE)
        yield "127.0.0.1", 1
        yield 0

    ae = AE("PACS")
    ae.add_supported_context(STUDY_MOVE)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_MOVE, move)])
    try:
        words = ["--store", "--store-port", "0", "-ba", "127.0.0.1", "-od", out]
        process = start("movescu", "--json", f"127.0.0.1:{server.port}", *KEYS, *words)
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with RawPeer(port, (CT, (EXPLICIT,)), called="STORESCP") as peer:
            peer.begin_store("1.2.3", data_set("1.2.3", pixels=300_000)[:200_000])
            while not out.exists() or not os.listdir(out):
                os.sched_yield()
            done = end(process, number)
    finally:
        begun.set()
        server.shutdown()
    assert (done.status, done.events[-1]["lost"], done.events[-1]["ok"]) == (1, 1, False)
    assert os.listdir(out) == []


def test_storescu_says_what_became_of_its_files(tmp_path: Path, number: int) -> None:
    write_object(tmp_path / "a.dcm", "1.2.3")
    write_object(tmp_path / "b.dcm", "1.2.4")
    peer = Endless(tmp_path / "a.dcm")
    server = peer.serve()
    try:
        address = f"127.0.0.1:{server.port}"
        process = start("storescu", "--json", address, tmp_path / "a.dcm", tmp_path / "b.dcm")
        assert peer.begun.wait(PATIENCE)
        done = end(process, number)
        peer.let_go.set()
        assert peer.aborted.wait(PATIENCE)
    finally:
        peer.let_go.set()
        server.shutdown()
    assert (done.status, done.err) == (1, "E: interrupted\n")
    assert [event["state"] for event in done.named("file")] == ["lost", "untried"]
    assert (done.events[-1]["event"], done.events[-1]["ok"]) == ("summary", False)


EARLY = """
import os, signal, sys
from dicomproto_transports import apps
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "argparse":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Finder())
sys.modules.pop("argparse", None)
sys.exit(apps.main(["getscu", "host:104", "-k", "PatientID"]))
"""


def test_it_may_come_before_anything_is_done(number: int) -> None:
    process = subprocess.run(
        [sys.executable, "-c", EARLY, str(int(number))], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "E: interrupted\n")
