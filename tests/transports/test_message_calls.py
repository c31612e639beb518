"""What a message, and an association, cost in the blocking flavour: Python calls, system calls, memory."""

from __future__ import annotations

import gc
import os
import socket
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path
from statistics import median, mode, quantiles
from types import CodeType, FrameType
from typing import Any, TypeVar

import pytest
from pydicom.data import get_testdata_file

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, UNCOMPRESSED_TRANSFER_SYNTAXES, VERIFICATION
from dicomproto_transports import evt
from dicomproto_transports.blocking import AE, Association
from dicomproto_transports.streams import Stream
from dicomproto_transports.streams.blocking_waits import PollWaiter
from dicomproto_transports.streams.tcp import SocketStream
from tests.associations import CT_IMAGE
from tests.benchmarks.objects import data_sets, write_file

T = TypeVar("T")

WARM_UP, MESSAGES = 20, 50
CT_SMALL = str(get_testdata_file("CT_small.dcm", download=False))


class Calls:
    """Counts the Python calls of each thread that begins, message by message."""

    def __init__(self) -> None:
        self.counts: list[Counter[CodeType]] = []

    def begin(self) -> None:
        """Count for the next message of this thread from now on."""
        of_this_message: Counter[CodeType] = Counter()
        self.counts.append(of_this_message)

        def count(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename != __file__:
                of_this_message[frame.f_code] += 1

        sys.setprofile(count)

    def end(self) -> None:
        """Count no longer."""
        sys.setprofile(None)

    def of_a_message(self) -> tuple[float, dict[str, int]]:
        """Return the calls of a message whose peer is at hand, and those of the last one by function.

        A tenth of the messages takes as many or fewer: where others keep the machine busy, most of them wait.
        """
        steady = self.counts[WARM_UP : WARM_UP + MESSAGES]
        assert len(steady) == MESSAGES
        by_function = {code.co_qualname: count for code, count in steady[-1].items()}
        return quantiles([sum(count.values()) for count in steady], n=10)[0], by_function


def send(assoc: Association, event: evt.EventKind) -> int:
    if event is evt.EVT_C_ECHO:
        return assoc.send_c_echo().Status
    return assoc.send_c_store(CT_SMALL).Status


@pytest.mark.parametrize(
    ("event", "most_of_user", "most_of_provider"),
    [(evt.EVT_C_STORE, 190, 107), (evt.EVT_C_ECHO, 80, 78)],
    ids=["C-STORE", "C-ECHO"],
)
def test_a_message_takes_few_calls(event: evt.EventKind, most_of_user: int, most_of_provider: int) -> None:
    """On either side: from call to return, and from one call of the handler to the next."""
    user, provider = Calls(), Calls()

    def handle(_: evt.Event) -> int:
        provider.end()
        provider.begin()
        return 0x0000

    ae = AE()
    for uid in (CT_IMAGE, VERIFICATION):
        ae.add_requested_context(uid)
        ae.add_supported_context(uid)
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(event, handle)]) as server,
        ae.associate("127.0.0.1", server.address[1]) as assoc,
    ):
        for _ in range(WARM_UP + MESSAGES + 1):
            user.begin()
            try:
                status = send(assoc, event)
            finally:
                user.end()
            assert status == 0x0000
    for calls, most in ((user, most_of_user), (provider, most_of_provider)):
        count, by_function = calls.of_a_message()
        assert count <= most, by_function


class Counting(socket.socket):
    """A real socket that notes each system call."""

    calls: list[str]

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.calls.append("recv")
        return super().recv(size, flags)

    def sendmsg(self, buffers: Sequence[bytes]) -> int:  # type: ignore[override]
        self.calls.append("sendmsg")
        return super().sendmsg(buffers)

    def setsockopt(self, *arguments: Any) -> None:
        self.calls.append("setsockopt")
        super().setsockopt(*arguments)


class CountingWaiter(PollWaiter):
    """Notes each wait for input, which is one `poll`."""

    calls: list[str]

    async def readable(self, deadline: float | None) -> None:
        self.calls.append("poll")
        await super().readable(deadline)


@pytest.mark.parametrize("event", [evt.EVT_C_STORE, evt.EVT_C_ECHO], ids=["C-STORE", "C-ECHO"])
def test_a_message_takes_three_system_calls(event: evt.EventKind) -> None:
    """One to send it, one to wait, one to receive the response; beside those for the file."""
    calls: list[str] = []

    def connect(host: str, port: int, **_: object) -> Stream:
        sock = Counting(socket.AF_INET, socket.SOCK_STREAM)
        sock.calls = calls
        sock.connect((host, port))
        waiter = CountingWaiter(sock)
        waiter.calls = calls
        return SocketStream(sock, waiter)

    server_ae, ae = AE(), AE(connect=connect)
    for uid in (CT_IMAGE, VERIFICATION):
        ae.add_requested_context(uid)
        server_ae.add_supported_context(uid)
    of_messages = []
    with (
        server_ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(event, lambda _: 0x0000)]
        ) as server,
        ae.associate("127.0.0.1", server.address[1]) as assoc,
    ):
        for _ in range(MESSAGES):
            calls.clear()
            assert send(assoc, event) == 0x0000
            of_messages.append(tuple(calls))
    assert mode(of_messages) == ("sendmsg", "poll", "recv")


class CountingFile(FileIO):
    """A real file that notes each call that asks the system for something, and the bytes that it gives."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.calls = Counter[str]()
        self.bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data: bytes = super().read(size)
        return self._noted("read", len(data), data)

    def readinto(self, buffer: Any) -> int:
        count: int = super().readinto(buffer)
        return self._noted("readinto", count, count)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._noted("seek", 0, super().seek(position, whence))

    def tell(self) -> int:
        return self._noted("tell", 0, super().tell())

    def _noted(self, call: str, size: int, result: T) -> T:
        self.calls[call] += 1
        self.bytes += size
        return result


@pytest.fixture
def file_calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The system calls on files, which take place as ever."""
    calls = Counter[str]()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            calls[name] += 1
            return call(*arguments)

        return count

    for name in ("open", "fstat", "read", "pread", "preadv", "lseek", "close"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    return calls


@pytest.mark.parametrize(("size", "more"), [(40_000, {}), (65_000, {}), (525_000, {"preadv": 1})])
def test_a_file_takes_few_system_calls(
    size: int, more: dict[str, int], tmp_path: Path, file_calls: Counter[str]
) -> None:
    """Its first 64 KiB are read once, for the head, the walk over its elements, and the first piece."""
    path = tmp_path / "image.dcm"
    (content,) = data_sets(["1.2.3"], size, 250)
    write_file(path, "1.2.3", content)
    with storing() as association:
        file_calls.clear()
        assert association.send_c_store(path).Status == 0x0000
        assert file_calls == {"open": 1, "fstat": 2, "read": 1, "close": 1} | more


@pytest.mark.parametrize(
    ("size", "most"), [(0, 80_000), (40_000, 120_000), (525_000, 350_000), (8_000_000, 420_000)]
)
def test_a_message_allocates_little_at_once(size: int, most: int, tmp_path: Path) -> None:
    """Both sides together, beside the buffers that they keep; 0 is a C-ECHO."""
    path = tmp_path / "image.dcm"
    if size:
        (content,) = data_sets(["1.2.3"], size, 25)
        write_file(path, "1.2.3", content)
    with storing() as association:
        send = partial(association.send_c_store, path) if size else association.send_c_echo
        peaks = []
        tracemalloc.start()
        try:
            for _ in range(20):
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                assert send().Status == 0x0000
                peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
    assert median(peaks) <= most


@contextmanager
def storing() -> Iterator[Association]:
    """Yield an association with a provider that keeps nothing."""
    server_ae, ae = AE(), AE()
    for uid in (CT_IMAGE, VERIFICATION):
        server_ae.add_supported_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
    handlers: Any = [(evt.EVT_C_STORE, lambda _: 0x0000)]
    with (
        server_ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server,
        ae.associate("127.0.0.1", server.address[1]) as association,
    ):
        yield association


@pytest.mark.parametrize(("size", "most_reads"), [(40_000, 3), (525_000, 11)])
def test_a_file_is_read_once_and_its_head_twice(size: int, most_reads: int, tmp_path: Path) -> None:
    """Three reads for the head, the headers of the elements, and the first piece; then one for each piece."""
    path = tmp_path / "image.dcm"
    (content,) = data_sets(["1.2.3"], size, 250)
    write_file(path, "1.2.3", content)
    with storing() as association, CountingFile(str(path)) as file:
        assert association.send_c_store(file).Status == 0x0000
    assert file.calls["read"] + file.calls["readinto"] <= most_reads, file.calls
    assert file.calls["seek"] + file.calls["tell"] <= 5, file.calls
    assert file.bytes <= path.stat().st_size + 16 * 1024


def test_an_association_takes_few_calls() -> None:
    """The requestor from `associate` to the end of `release`, the acceptor from first to last event."""
    user, provider = Calls(), Calls()
    handlers: list[evt.Binding] = [
        (evt.EVT_CONN_OPEN, lambda _: provider.begin()),
        (evt.EVT_CONN_CLOSE, lambda _: provider.end()),
    ]
    ae = AE()
    for uid in (CT_IMAGE, VERIFICATION):
        ae.add_requested_context(uid, UNCOMPRESSED_TRANSFER_SYNTAXES)
        ae.add_supported_context(uid, UNCOMPRESSED_TRANSFER_SYNTAXES)
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        for _ in range(WARM_UP + MESSAGES):
            user.begin()
            try:
                ae.associate("127.0.0.1", server.address[1]).release()
            finally:
                user.end()
    for calls, most in ((user, 340), (provider, 285)):
        count, by_function = calls.of_a_message()
        assert count <= most, (count, by_function)


def garbage_after(associations: int, *, aborted: bool = False) -> int:
    """Return the number of objects that only the garbage collector frees, on both sides and of the server."""
    ae = AE()
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    gc.collect()
    gc.disable()
    try:
        with ae.start_server(("127.0.0.1", 0), block=False) as server:
            for _ in range(associations):
                assoc = ae.associate("127.0.0.1", server.address[1])
                assoc.send_c_echo()
                if aborted:
                    for theirs in server.active_associations:
                        theirs.abort()  # from this thread, while its own thread waits
                    assoc.abort()
                    del theirs
                else:
                    assoc.release()
                    assert assoc.is_released
        return gc.collect()
    finally:
        gc.enable()


def test_an_association_leaves_nothing_to_the_garbage_collector() -> None:
    """A cycle would be collected later, with all that hangs from it, and cost a tenth of an association."""
    for aborted in (False, True):
        garbage_after(1, aborted=aborted)
        assert garbage_after(11, aborted=aborted) == garbage_after(1, aborted=aborted)


def test_an_association_that_ended_is_still_the_same_for_handlers() -> None:
    """The session lets go of it at its end. Later events have that of the user, or one made anew."""
    seen: list[object] = []

    def abort(event: evt.Event) -> None:
        event.assoc.abort()

    def see(event: evt.Event) -> None:
        seen.append(event.assoc)

    ae = AE()
    ae.add_requested_context(VERIFICATION)
    ae.add_supported_context(VERIFICATION)
    seeing: list[evt.Binding] = [(evt.EVT_ACCEPTED, see), (evt.EVT_ABORTED, see), (evt.EVT_ESTABLISHED, see)]
    with ae.start_server(("127.0.0.1", 0), block=False) as server:
        for handlers in ([], seeing):
            aborting = [*handlers, (evt.EVT_ACCEPTED, abort)]
            assoc = ae.associate("127.0.0.1", server.address[1], evt_handlers=aborting)
            assert assoc.is_aborted
    assert len(seen) == 3
    assert all(each is assoc for each in seen)
