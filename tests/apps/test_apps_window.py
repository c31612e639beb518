"""`storescu` with a window: files go out side by side, and none is blamed for the end in vain."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from dicomproto.connection import CLOSED, NEED_DATA, Connection, ReleaseRP, ReleaseRQ
from dicomproto.dimse.events import DataSetChunk, RequestReceived
from dicomproto.negotiation import AcceptorPolicy, accept_anything, negotiate
from dicomproto.upper_layer.events import Role
from dicomproto.upper_layer.pdu import Abort, AssociateRQ, AsynchronousOperationsWindow
from dicomproto_transports.blocking import AE
from tests.applications import Done, Server, write_object

Run = Callable[..., Done]
WINDOW = 3


class Lazy:
    """A receiver that answers only when its window is full, or when nothing more can come.

    `window` is how many objects the sender may have unanswered, `total` how many it has in all. `deadly` is
    the SOP Instance UID that makes it abort at once; how many come then with the others, nobody knows, so it
    also answers when nothing has come for a while.
    """

    def __init__(self, total: int, window: int, deadly: str) -> None:
        self._rest = total
        self._window = window
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.deadly = deadly
        self.most = 0
        """How many requests were unanswered at once."""
        self.associations: list[list[str]] = []
        """The SOP Instance UIDs that came on each."""

    def run(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                self._serve(peer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, peer: socket.socket) -> None:
        engine = Connection(Role.ACCEPTOR)
        engine.transport_connected()
        came: list[str] = []
        self.associations.append(came)
        waiting: list[RequestReceived] = []
        window = AsynchronousOperationsWindow(maximum_invoked=WINDOW, maximum_performed=1)
        policy = AcceptorPolicy(unknown_context=accept_anything, operations_window=window)
        while (event := engine.next_event()) is not CLOSED:
            if event is NEED_DATA:
                for buffer in engine.data_to_send():
                    peer.sendall(buffer)
                peer.settimeout(0.2 if waiting and self.deadly else None)
                try:
                    data = peer.recv(65536)
                except TimeoutError:
                    self._answer(engine, waiting)
                    continue
                if data:
                    engine.receive_data(data)
                else:
                    engine.receive_eof()
            elif isinstance(event, AssociateRQ):
                engine.send(negotiate(event, policy))
            elif isinstance(event, RequestReceived):
                came.append(event.command.AffectedSOPInstanceUID)  # type: ignore[attr-defined]
                waiting.append(event)
            elif isinstance(event, DataSetChunk) and event.last:
                self.most = max(self.most, len(waiting))
                if came[-1] == self.deadly:
                    engine.send(Abort())
                elif len(waiting) == min(self._window, self._rest):
                    self._answer(engine, waiting)
            elif isinstance(event, ReleaseRQ):
                engine.send(ReleaseRP())
        for buffer in engine.data_to_send():
            peer.sendall(buffer)

    def _answer(self, engine: Connection, waiting: list[RequestReceived]) -> None:
        self._rest -= len(waiting)
        while waiting:  # the last one first
            engine.send_response(waiting.pop().command.response(Status=0))  # type: ignore[attr-defined]


@contextmanager
def lazy(total: int, window: int = WINDOW, deadly: str = "") -> Iterator[Lazy]:
    receiver = Lazy(total, window, deadly)
    thread = Thread(target=receiver.run)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.close()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "files").mkdir()
    paths = [tmp_path / "files" / str(number) for number in range(7)]
    for number, path in enumerate(paths):
        write_object(path, f"1.2.{number}")
    return paths


def table(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "peers.toml"
    path.write_text(f'[lazy]\nhost = "127.0.0.1"\nport = {port}\n{more}')
    return path


def test_the_window_is_filled(run: Run, tmp_path: Path, files: list[Path]) -> None:
    with lazy(len(files)) as receiver:
        peers = table(tmp_path, receiver.port, f"window = {WINDOW}\n")
        done = run("storescu", "--json", "--peers", peers, "lazy", *files)
    assert done.status == 0
    assert receiver.most == WINDOW
    assert sorted(str(event["path"]) for event in done.named("file")) == [str(path) for path in files]
    assert {event["state"] for event in done.named("file")} == {"sent"}


def test_an_option_rules_over_the_table(run: Run, tmp_path: Path, files: list[Path]) -> None:
    with lazy(len(files)) as receiver:
        peers = table(tmp_path, receiver.port, "window = 1\n")
        done = run("storescu", "--json", "--peers", peers, "--window", WINDOW, "lazy", *files)
    assert (done.status, receiver.most) == (0, WINDOW)


def test_without_one_each_waits_for_the_one_before(run: Run, tmp_path: Path, files: list[Path]) -> None:
    with lazy(2, window=1) as receiver:
        done = run("storescu", "--json", "--peers", table(tmp_path, receiver.port), "lazy", *files[:2])
    assert (done.status, receiver.most) == (0, 1)


def test_only_the_file_that_ends_associations_is_lost(run: Run, tmp_path: Path, files: list[Path]) -> None:
    with lazy(len(files) - 1, deadly="1.2.1") as receiver:
        peers = table(tmp_path, receiver.port, f"window = {WINDOW}\n")
        done = run("storescu", "--json", "--peers", peers, "lazy", *files)
    states = {Path(str(event["path"])).name: event["state"] for event in done.named("file")}
    assert states == {path.name: "lost" if path.name == "1" else "sent" for path in files}
    assert done.status == 1
    assert sum(came.count("1.2.1") for came in receiver.associations) <= 4


@pytest.mark.parametrize(("words", "agreed"), [([], 1), (["--window", "3"], 3), (["--window", "9"], 5)])
def test_a_receiver_agrees_to_a_window(
    serve: Callable[..., Server], tmp_path: Path, words: list[str], agreed: int
) -> None:
    server = serve("storescp", *words, "-od", tmp_path)
    ae = AE()
    ae.add_requested_context("1.2.840.10008.1.1")
    window = AsynchronousOperationsWindow(maximum_invoked=5, maximum_performed=5)
    with ae.associate("127.0.0.1", server.port, operations_window=window) as association:
        answered = association.acceptor.asynchronous_operations
    assert answered == AsynchronousOperationsWindow(maximum_invoked=agreed, maximum_performed=1)
