"""`storescu`: everything that can be sent is sent, and what was not is named with its reason."""

from __future__ import annotations

import os
import pty
import re
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import pydicom
import pytest

from dicomproto_transports.apps import main
from dicomproto_transports.apps.sending import input_files
from dicomproto_transports.blocking import AE, Server, evt
from dicomproto_transports.files import objects as _sending
from dicomproto_transports.files.opened import OpenedFile, head_of
from dicomproto_transports.files.part10 import FileHead, read_head
from dicomproto_transports.files.sources import ObjectFile
from tests import applications
from tests.applications import APPLICATION, CT, EXPLICIT, Done, write_object
from tests.cuts import cuts
from tests.data_sets import TRUNCATED, data_set_files, data_set_of

Run = Callable[..., Done]
Serve = Callable[..., applications.Server]
Store = Callable[[evt.Event], object]

IMPLICIT, BIG, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50"
MR = "1.2.840.10008.5.1.4.1.1.4"


@contextmanager
def storing(
    store: Store = lambda event: 0,
    *,
    classes: tuple[str, ...] = (CT,),
    syntaxes: tuple[str, ...] = (EXPLICIT,),
    window: int = 1,
) -> Iterator[Server]:
    """Serve C-STORE with a handler of the test's own."""
    ae = AE()
    ae.maximum_operations = window
    for uid in classes:
        ae.add_supported_context(uid, syntaxes)
    handlers = [(evt.EVT_C_STORE, store)]
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five objects, 1.1 to 1.5."""
    paths = [tmp_path / f"{number}.dcm" for number in range(1, 6)]
    for number, path in enumerate(paths, 1):
        write_object(path, f"1.{number}")
    return paths


def states(done: Done) -> dict[str, str]:
    return {os.path.basename(str(event["path"])): str(event["state"]) for event in done.named("file")}


# --- what is sent ------------------------------------------------------------------------------


def test_files_arrive_as_they_are(run: Run, serve: Serve, tmp_path: Path, files: list[Path]) -> None:
    server = serve("storescp", "-od", tmp_path / "out")
    done = run("storescu", "127.0.0.1", server.port, *files)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("5 of 5 files sent, 5.2")
    assert len(done.out.splitlines()) == 1
    server.stop()
    for number, path in enumerate(files, 1):
        copy = tmp_path / "out" / f"CT.1.{number}"
        assert (
            copy.read_bytes()[read_head(copy).data_set_offset :]
            == (path.read_bytes()[read_head(path).data_set_offset :])
        )


def test_the_head_of_a_file_is_read_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spy(file: ObjectFile) -> FileHead:
        assert isinstance(file, OpenedFile)
        read.append(file.name)
        return head_of(file)

    monkeypatch.setattr(_sending, "head_of", spy)
    with storing() as server:
        assert main(["storescu", "-q", "127.0.0.1", str(server.port), *map(str, files)]) == 0
    assert read == [str(path) for path in files]


def test_json_tells_of_each_file(run: Run, files: list[Path]) -> None:
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 0
    assert [event["path"] for event in done.named("file")] == [str(path) for path in files]
    size = read_head(files[0]).data_set_length
    assert done.named("file")[0] == {
        "event": "file", "path": str(files[0]), "state": "sent", "status": 0, "reason": "", "bytes": size,
        "warnings": [],
    }  # fmt: skip
    summary = done.events[-1]
    assert (summary["files"], summary["sent"], summary["bytes"]) == (5, 5, 5 * size)
    assert (summary["associations"], summary["ok"]) == (1, True)


def test_directories_are_searched_with_recurse_those_below_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "top" / "below").mkdir(parents=True)
    write_object(tmp_path / "top" / "b.dcm", "1.1")
    write_object(tmp_path / "top" / "a", "1.2")
    write_object(tmp_path / "top" / "below" / "c", "1.3")
    (tmp_path / "top" / "readme.txt").write_text("hello")
    (tmp_path / "top" / "again").symlink_to(tmp_path / "top", target_is_directory=True)
    os.mkfifo(tmp_path / "top" / "fifo")
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "top")
        assert states(done) == {"a": "sent", "b.dcm": "sent", "fifo": "skipped", "readme.txt": "skipped"}
        assert done.status == 0
        hint = "the subdirectories are left out; -r (--recurse) sends them, too"
        assert done.err == f"W: {tmp_path / 'top'}: {hint}\n"
        done = run("storescu", "--json", "-r", "127.0.0.1", server.port, tmp_path / "top")
        assert Counter(states(done).values()) == {"sent": 3, "skipped": 2}
        assert (done.status, done.err) == (0, "")
        text = run("storescu", "-r", "127.0.0.1", server.port, tmp_path / "top").out.splitlines()
    assert text[0].startswith("3 of 3 files sent")
    assert text[1:] == [
        "Skipped, since they are not DICOM objects:",
        f"  {tmp_path / 'top' / 'fifo'}: not a regular file",
        f"  {tmp_path / 'top' / 'readme.txt'}: not a DICOM file",
    ]


def test_what_cannot_be_read_is_named_and_stops_nothing(run: Run, tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "cut").write_bytes(files[0].read_bytes()[:200])
    words = [files[0], tmp_path / "gone", tmp_path / "text", tmp_path / "cut", files[1]]
    with storing() as server:
        done = run("storescu", "127.0.0.1", server.port, *words)
    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("2 of 5 files sent")
    assert lines[1] == "Not sent:"
    assert lines[2] == f"  {tmp_path / 'gone'}: No such file or directory"
    assert lines[3] == f"  {tmp_path / 'text'}: not a DICOM file"
    assert lines[4].startswith(f"  {tmp_path / 'cut'}: ")


def test_a_link_that_leads_nowhere_stops_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    write_object(tmp_path / "whole", "1.1")
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path)
    assert done.status == 1
    assert states(done) == {"loop": "unreadable", "whole": "sent"}
    assert "symbolic links" in str(done.named("file")[0]["reason"])


# --- what is not whole -------------------------------------------------------------------------


def test_what_is_cut_short_is_not_sent(run: Run, tmp_path: Path) -> None:
    expected = {}
    (tmp_path / "in").mkdir()
    for number, (path, cut, is_whole) in enumerate(cuts(6)):
        data, _ = data_set_of(path)
        left = path.read_bytes()
        left = left[: len(left) - len(data) + cut]
        (tmp_path / "in" / f"{number:03}.dcm").write_bytes(left)
        expected[f"{number:03}.dcm"] = ("sent",) if is_whole else ("failed", "unreadable")
    received: list[str] = []
    ae = AE()
    ae.unrestricted_storage = True

    def store(event: evt.Event) -> int:
        received.append(event.request.sop_instance_uid)
        return 0

    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "in")
        few = len(received)
        asked = run("storescu", "--json", "--send-truncated", "127.0.0.1", server.port, tmp_path / "in")
    assert done.status == 1
    wrong = {name: state for name, state in states(done).items() if state not in expected[name]}
    assert wrong == {}
    assert few == done.events[-1]["sent"] == sum(state == ("sent",) for state in expected.values()) == 2
    for event in done.named("file"):
        if event["state"] == "failed":
            assert re.search(
                r"its data set is not whole: .* \(at byte \d+\); --send-trunc", str(event["reason"])
            )
    # What has a head goes if that is asked for.
    assert {name for name, state in states(asked).items() if state != "sent"} == {
        name for name, state in states(done).items() if state == "unreadable"
    }
    truncated = [event for event in asked.named("file") if "truncated: " in str(event["warnings"])]
    assert len(truncated) == sum(state == "failed" for state in states(done).values()) > 20


@pytest.mark.parametrize("length", [1, 2, 4, 7])
def test_a_file_that_is_cut_in_its_first_element_has_failed(run: Run, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut"
    data = write_object(path, "1.2")
    path.write_bytes(path.read_bytes()[: length - len(data)])
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, path)
    assert (done.status, states(done)) == (1, {"cut": "failed"})
    assert "its data set is not whole: " in str(done.named("file")[0]["reason"])


@pytest.mark.parametrize("length", [2, 8, 64])
def test_a_file_without_elements_has_failed(run: Run, tmp_path: Path, length: int) -> None:
    path = tmp_path / "empty"
    data = write_object(path, "1.2")
    path.write_bytes(path.read_bytes()[: -len(data)] + bytes(length))
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, path)
        asked = run("storescu", "--json", "--send-truncated", "127.0.0.1", server.port, path)
    assert (done.status, states(done)) == (1, {"empty": "failed"})
    assert "its data set is not whole: it is empty" in str(done.named("file")[0]["reason"])
    assert (asked.status, states(asked)) == (0, {"empty": "sent"})


def test_what_is_whole_is_sent_byte_for_byte(run: Run, serve: Serve, tmp_path: Path) -> None:
    """All whole files of pydicom that are objects, with all that is odd about them."""
    (tmp_path / "in").mkdir()
    sent: Counter[tuple[str, bytes]] = Counter()
    for number, path in enumerate(data_set_files()):
        data, syntax = data_set_of(path)
        if path.name not in TRUNCATED:
            (tmp_path / "in" / f"{number:03}-{path.name}").write_bytes(path.read_bytes())
    server = serve("storescp", "-od", tmp_path / "out", "--any-sop-class", "--any-transfer-syntax")
    done = run("storescu", "--json", "-cx", "127.0.0.1", server.port, tmp_path / "in")
    received = server.stop()
    by_state: dict[str, list[str]] = {}
    for event in done.named("file"):
        by_state.setdefault(str(event["state"]), []).append(os.path.basename(str(event["path"])))
    assert set(by_state) <= {"sent", "skipped", "unreadable"}, by_state
    for name in by_state["sent"]:
        data, syntax = data_set_of(tmp_path / "in" / name)
        sent[syntax, data + b"\0" * (len(data) % 2)] += 1
    assert len(by_state["sent"]) > 120
    kept = {(read_head(path).transfer_syntax_uid, data_of(path)) for path in (tmp_path / "out").iterdir()}
    assert kept == set(sent)
    assert received.events[-1]["refused"] == received.events[-1]["failed"] == 0


def data_of(path: Path) -> bytes:
    return path.read_bytes()[read_head(path).data_set_offset :]


def test_a_file_that_shrinks_while_it_is_sent_has_failed(tmp_path: Path, files: list[Path]) -> None:
    """The peer takes the first piece, then the file is cut exactly between two elements."""
    big = tmp_path / "3.dcm"
    write_object(big, "1.3", pixels=8_000_000)
    stump = big.read_bytes().index(b"\xe0\x7f\x10\0")
    arrived, go_on = Flag(), Flag()
    kept: list[str] = []

    def store(event: evt.Event) -> int:
        for _chunk in event.chunks:
            if event.request.sop_instance_uid == "1.3":
                arrived.set()
                go_on.wait()
        kept.append(event.request.sop_instance_uid)
        return 0

    ae = AE()
    ae.add_supported_context(CT)
    handlers: list[evt.Binding] = [(evt.EVT_C_STORE_STREAM, store)]
    with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
        command = [*APPLICATION, "storescu", "--json", "127.0.0.1", str(server.port), *map(str, files)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert arrived.wait(applications.PATIENCE)
            os.truncate(big, stump)
            go_on.set()
            out, err = process.communicate()
    done = Done(process.returncode, out, err)
    assert done.status == 1
    assert states(done)["3.dcm"] == "failed"
    (reason,) = [event["reason"] for event in done.named("file") if event["state"] == "failed"]
    assert reason == "it became shorter while it was sent"
    assert Counter(states(done).values()) == {"sent": 4, "failed": 1}
    assert sorted(kept) == ["1.1", "1.2", "1.4", "1.5"]


def test_nothing_to_send_is_a_failure(run: Run, tmp_path: Path) -> None:
    done = run("storescu", "--json", "127.0.0.1", 9, tmp_path)
    assert done.status == 1
    assert "there is no file to send" in done.err
    assert done.events[-1]["ok"] is False


def test_more_than_128_contexts_take_several_associations(run: Run, tmp_path: Path) -> None:
    classes = tuple(f"1.2.{number}" for number in range(300))
    for number, uid in enumerate(classes):
        write_object(tmp_path / f"{number:03}", f"1.{number}", sop_class=uid, pixels=10)
    with storing(classes=classes) as server:
        done = run("storescu", "--json", "-cx", "127.0.0.1", server.port, tmp_path)
    assert done.status == 0
    assert (done.events[-1]["sent"], done.events[-1]["associations"]) == (300, 3)


def test_no_patient_data_is_shown(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3", patient="SECRET^NAME")
    with storing(lambda event: 0xC000) as server:
        done = run("storescu", "-d", "127.0.0.1", server.port, tmp_path / "a")
    assert done.status == 1
    assert "SECRET" not in done.out + done.err


@pytest.mark.parametrize("asked", [False, True])
def test_comments_of_the_peer_are_shown_on_request_only(run: Run, files: list[Path], asked: bool) -> None:
    def store(event: evt.Event) -> object:
        return event.request.response(Status=0xC000, ErrorComment="no room for SECRET^NAME")

    words = ["--show-comments"] if asked else []
    with storing(store) as server:
        done = run("storescu", "-d", *words, "127.0.0.1", server.port, files[0])
    assert done.status == 1
    assert ("the peer says: no room for SECRET^NAME" in done.err) == ("SECRET" in done.err) == asked


# --- statuses --------------------------------------------------------------------------------


def test_each_status_is_reported_and_none_stops_the_rest(run: Run, files: list[Path]) -> None:
    answers = {"1.1": 0x0000, "1.2": 0xA700, "1.3": 0xB000, "1.4": 0xC123, "1.5": 0x0000}
    with storing(lambda event: answers[event.request.sop_instance_uid]) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
        text = run("storescu", "127.0.0.1", server.port, *files)
    assert done.status == text.status == 1
    assert list(states(done).values()) == ["sent", "refused", "warning", "refused", "sent"]
    assert [event["status"] for event in done.named("file")] == list(answers.values())
    assert text.out.splitlines()[1:] == [
        "Stored, with a warning:",
        f"  {files[2]}: B000H (Coercion of data elements)",
        "Not sent:",
        f"  {files[1]}: A700H (Refused: out of resources)",
        f"  {files[3]}: C123H (Error: cannot understand)",
    ]


def test_a_warning_alone_is_no_failure(run: Run, files: list[Path]) -> None:
    with storing(lambda event: 0xB007) as server:
        done = run("storescu", "127.0.0.1", server.port, files[0])
    assert done.status == 0


# --- transfer syntaxes -------------------------------------------------------------------------


def test_a_native_file_is_converted_if_its_own_syntax_was_refused(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3", patient="A^B")
    received: list[tuple[str, str]] = []

    def store(event: evt.Event) -> int:
        received.append((event.context.transfer_syntax, str(event.dataset.PatientName)))
        return 0

    with storing(store, syntaxes=(IMPLICIT,)) as server:
        assert run("storescu", "127.0.0.1", server.port, tmp_path / "a").status == 0
        done = run("storescu", "--never-convert", "127.0.0.1", server.port, tmp_path / "a")
    assert received == [(IMPLICIT, "A^B")]
    assert done.status == 1
    assert "none of the transfer syntaxes supported" in done.out


def test_a_file_that_cannot_be_converted_stops_no_other(run: Run, tmp_path: Path) -> None:
    whole = write_object(tmp_path / "a", "1.2.3", patient="A^B", pixels=5000)
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[:-100])  # cut within the pixel data
    write_object(tmp_path / "b", "1.2.4")
    with storing(syntaxes=(IMPLICIT,)) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path)
        asked = run("storescu", "--json", "--send-truncated", "127.0.0.1", server.port, tmp_path / "a")
    with storing() as server:  # as it is, it can be sent
        assert run("storescu", "--send-truncated", "127.0.0.1", server.port, tmp_path / "a").status == 0
    assert len(whole) > 5000
    assert states(asked) == {"a": "failed"}
    assert "declares 5000 bytes, 4900 are left" in str(asked.named("file")[0]["reason"])
    assert done.status == 1
    assert states(done) == {"a": "failed", "b": "sent"}


def test_a_file_too_big_to_be_converted_stops_no_other(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3", pixels=0)
    size, length = (tmp_path / "a").stat().st_size, 2**32 - 16
    with (tmp_path / "a").open("r+b") as file:
        file.seek(size - 4)
        file.write(length.to_bytes(4, "little"))
        file.truncate(size + length)
    write_object(tmp_path / "b", "1.2.4")
    with storing(syntaxes=(IMPLICIT,)) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path, preexec_fn=limit_memory)
    assert done.status == 1
    assert states(done) == {"a": "failed", "b": "sent"}
    assert done.named("file")[0]["reason"] == "not enough memory"
    assert done.events[-1]["associations"] == 1


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))


def test_what_is_odd_about_a_file_is_a_warning(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3")
    with (tmp_path / "a").open("ab") as file:
        file.write(b"\0")
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "a")
    assert done.status == 0
    padding, odd = done.named("file")[0]["warnings"]  # type: ignore[misc]
    assert padding.startswith("padding: NULs stand behind the last element (at byte ")
    assert odd.startswith("odd-length")
    assert done.err.splitlines() == [f"W: {tmp_path / 'a'}: {warning}" for warning in (padding, odd)]


def test_sending_a_file_as_it_is_imports_nothing_heavy(tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3")
    with storing() as server:
        code = (
            "import sys\n"
            "from dicomproto_transports.apps import main\n"
            f"status = main(['storescu', '-q', '127.0.0.1', '{server.port}', {str(tmp_path)!r}])\n"
            "heavy = {'pydicom', 'rich', 'trio', 'anyio', 'asyncio', 'numpy', 'json', 'ssl'}\n"
            "print(status, sorted(heavy & {m.split('.')[0] for m in sys.modules}))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    assert done.stdout == "0 []\n"


def test_a_compressed_file_is_sent_as_it_is_or_fails_by_name(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3", transfer_syntax=JPEG)
    write_object(tmp_path / "b", "1.2.4")
    with storing(syntaxes=(EXPLICIT, JPEG)) as server:
        assert run("storescu", "127.0.0.1", server.port, tmp_path).status == 0
    with storing(syntaxes=(EXPLICIT,)) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path)
    assert done.status == 1
    assert states(done) == {"a": "failed", "b": "sent"}
    assert JPEG in str(done.named("file")[0]["reason"])


PIXELS = {"MR_small_RLE.dcm": IMPLICIT, "SC_rgb_jpeg_dcmtk.dcm": EXPLICIT, "JPEG2000.dcm": EXPLICIT}


@pytest.mark.parametrize("name", PIXELS)
def test_a_compressed_file_is_decompressed_on_request(run: Run, name: str) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    there = pydicom.dcmread(path)
    own, native = str(there.file_meta.TransferSyntaxUID), PIXELS[name]
    used: list[str] = []

    def store(event: evt.Event) -> int:
        used.append(event.context.transfer_syntax)
        if used[-1] == native:
            assert (event.dataset.pixel_array == there.pixel_array).all()
        return 0

    with storing(store, classes=(there.SOPClassUID,), syntaxes=(native,)) as server:
        refused = run("storescu", "127.0.0.1", server.port, path)
        done = run("storescu", "--decompress", "127.0.0.1", server.port, path)
        alone = run("storescu", "--decompress", "-xe", "127.0.0.1", server.port, path)
    with storing(store, classes=(there.SOPClassUID,), syntaxes=(native, own)) as server:
        assert run("storescu", "--decompress", "127.0.0.1", server.port, path).status == 0
    assert (refused.status, done.status) == (1, 0)
    oddities = [line for line in done.err.splitlines() if "trailing padding" not in line]
    assert (oddities, alone.status) == ([], int(native != EXPLICIT))
    assert used == [native] * (2 if native == EXPLICIT else 1) + [own]


def test_what_cannot_be_decompressed_fails_by_name(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "a", "1.2.3", transfer_syntax=JPEG, patient="SECRET^NAME")
    write_object(tmp_path / "b", "1.2.4")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: content.index(b"\xe0\x7f\x10\0")] + ENCAPSULATED)
    with storing() as server:
        done = run("storescu", "--json", "-d", "--decompress", "127.0.0.1", server.port, tmp_path)
    assert states(done) == {"a": "failed", "b": "sent"}
    assert "cannot be decompressed" in str(done.named("file")[0]["reason"])
    assert "SECRET" not in done.out + done.err


ENCAPSULATED = (
    b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0"
    b"\xfe\xff\0\xe0\x04\0\0\0oops\xfe\xff\xdd\xe0\0\0\0\0"
)
"""Pixel data of one fragment that is no image."""


@pytest.mark.parametrize(("word", "syntax"), [("-xe", EXPLICIT), ("-xi", IMPLICIT), ("-xb", BIG)])
def test_one_syntax_may_be_insisted_on(run: Run, tmp_path: Path, word: str, syntax: str) -> None:
    write_object(tmp_path / "a", "1.2.3")
    used: list[str] = []

    def store(event: evt.Event) -> int:
        used.append(event.context.transfer_syntax)
        return 0

    with storing(store, syntaxes=(EXPLICIT, IMPLICIT, BIG)) as server:
        assert run("storescu", word, "127.0.0.1", server.port, tmp_path / "a").status == 0
    assert used == [syntax]


def test_a_sop_class_that_nobody_wants_fails_by_name(run: Run, tmp_path: Path, files: list[Path]) -> None:
    write_object(tmp_path / "odd", "1.2.3", sop_class="1.2.3.4")
    with storing() as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "odd", files[0])
        alone = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "odd")
    assert done.status == alone.status == 1
    assert states(done) == {"odd": "failed", "1.dcm": "sent"}
    assert states(alone) == {"odd": "failed"}
    assert "1.2.3.4" in str(alone.named("file")[0]["reason"])


def test_sop_classes_and_transfer_syntaxes_have_their_names(run: Run, tmp_path: Path) -> None:
    write_object(tmp_path / "mr", "1.2.3", sop_class=MR)
    write_object(tmp_path / "jpeg", "1.2.4", transfer_syntax=JPEG)
    write_object(tmp_path / "ct", "1.2.5")
    with storing() as server:
        done = run("storescu", "127.0.0.1", server.port, tmp_path)
        alone = run("storescu", "127.0.0.1", server.port, tmp_path / "mr")
    assert f"SOP class {CT} (CTImageStorage) cannot be sent in transfer syntax {JPEG} (JPEGBas" in done.out
    assert f"SOP class {MR} (MRImageStorage) cannot be sent" in done.out
    assert f"accepted no presentation context ({MR} (MRImageStorage): " in alone.out


# --- associations that end -----------------------------------------------------------------------


def aborting(poison: str, times: int = 10**9, seen: list[str] | None = None) -> Store:
    """Return a handler that aborts on one object, `times` times; `seen` gets what was sent."""
    left = [times]
    seen = [] if seen is None else seen

    def store(event: evt.Event) -> int:
        seen.append(event.request.sop_instance_uid)
        if event.request.sop_instance_uid == poison and left[0]:
            left[0] -= 1
            event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    return store


def test_an_abort_loses_the_object_that_causes_it_and_no_other(run: Run, files: list[Path]) -> None:
    sent: list[str] = []
    with storing(aborting("1.2", seen=sent)) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 1
    assert Counter(states(done).values()) == {"sent": 4, "lost": 1}
    assert states(done)["2.dcm"] == "lost"
    assert "abort" in str(done.named("file")[-1]["reason"])
    assert sent.count("1.2") == 2
    assert done.events[-1]["associations"] == 3  # the last one for this file alone


def test_an_accident_loses_nothing(run: Run, files: list[Path]) -> None:
    with storing(aborting("1.2", times=1)) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 0
    assert done.events[-1]["sent"] == 5
    assert done.events[-1]["associations"] == 3


@pytest.mark.parametrize("window", [1, 3])
def test_no_file_is_sent_more_than_twice(run: Run, files: list[Path], window: int) -> None:
    sent: list[str] = []
    with storing(aborting("1.3", seen=sent), window=window) as server:
        words = ["--window", window, "127.0.0.1", server.port]
        done = run("storescu", "--json", *words, *files)
        alone = run("storescu", "--json", *words, files[2])
    assert Counter(states(done).values()) == {"sent": 4, "lost": 1}
    assert states(done)["3.dcm"] == "lost"
    assert states(alone) == {"3.dcm": "lost"}
    assert sent.count("1.3") == 4  # twice in each run
    assert alone.events[-1]["associations"] == 2


def test_a_peer_that_takes_one_object_per_association_gets_all(run: Run, files: list[Path]) -> None:
    served: set[object] = set()

    def store(event: evt.Event) -> int:
        if event.assoc in served:
            event.assoc.abort()  # type: ignore[attr-defined]
        served.add(event.assoc)
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 0
    assert done.events[-1]["sent"] == done.events[-1]["associations"] == 5


def test_a_peer_that_aborts_always_is_given_up(run: Run, files: list[Path]) -> None:
    def store(event: evt.Event) -> int:
        event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 1
    assert done.events[-1]["associations"] == 3
    assert len(states(done)) == 5
    assert set(states(done).values()) == {"untried"}
    assert "given up after 3 attempts" in str(done.named("file")[0]["reason"])
    assert done.events[-1]["given_up"] == done.named("file")[0]["reason"]
    assert [event["error"] for event in done.named("error")] == ["AssociationAborted"] * 3


def test_a_rejection_is_an_event_and_its_reason_in_the_summary(run: Run, files: list[Path]) -> None:
    ae = AE(ae_title="SOMEBODY")
    ae.add_supported_context(CT)
    ae.require_called_aet = True
    with ae.start_server(("127.0.0.1", 0), block=False) as server:
        done = run("storescu", "--json", "-aec", "NOBODY", "127.0.0.1", server.port, *files)
        text = run("storescu", "-aec", "NOBODY", "127.0.0.1", server.port, *files)
    (error,) = done.named("error")
    assert (error["error"], error["result"], error["source"], error["reason"]) == (
        "AssociationRejected", 1, 1, 7,
    )  # fmt: skip
    assert (done.events[-1]["given_up"], done.events[-1]["untried"]) == (error["text"], 5)
    assert text.out.splitlines()[1] == f"The rest was not tried: {error['text']}"


def test_nobody_there(run: Run, files: list[Path]) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        done = run("storescu", "--json", "127.0.0.1", bound.getsockname()[1], *files)
    assert done.status == 1
    assert set(states(done).values()) == {"untried"}
    assert done.events[-1]["associations"] == 0


def test_a_peer_that_never_answers(run: Run, files: list[Path]) -> None:
    never = Flag()

    def store(event: evt.Event) -> int:
        if event.request.sop_instance_uid == "1.1":
            never.wait()
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "-td", "1", "127.0.0.1", server.port, *files)
        never.set()
    assert done.status == 1
    assert states(done)["1.dcm"] == "lost"
    assert "timeout" in str(done.named("file")[-1]["reason"])
    assert Counter(states(done).values()) == {"sent": 4, "lost": 1}


def test_ctrl_c_names_what_was_not_sent(files: list[Path]) -> None:
    arrived, go_on = Flag(), Flag()

    def store(event: evt.Event) -> int:
        if event.request.sop_instance_uid == "1.3":
            arrived.set()
            go_on.wait()
        return 0

    program = (
        "import sys; from dicomproto_transports.apps import main;"
        " from dicomproto_transports.apps.sending import transfer;"
        " transfer._PAUSE = 100; sys.exit(main())"
    )
    with storing(store) as server:
        command = [sys.executable, "-c", program]
        command += ["storescu", "--json", "127.0.0.1", str(server.port), *map(str, files)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert arrived.wait(applications.PATIENCE)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        go_on.set()
    done = Done(process.returncode, out, err)
    assert done.status == 1
    assert list(states(done).values()) == ["sent", "sent", "lost", "untried", "untried"]
    assert {event["reason"] for event in done.named("file")[2:]} == {"interrupted"}
    assert "Traceback" not in err


def test_ctrl_c_names_a_file_as_often_as_it_was_named(files: list[Path]) -> None:
    arrived, go_on = Flag(), Flag()
    received: list[str] = []

    def store(event: evt.Event) -> int:
        received.append(event.request.sop_instance_uid)
        if len(received) == 2:
            arrived.set()
            go_on.wait()
        return 0

    with storing(store) as server:
        paths = [str(files[0])] * 4
        command = [*APPLICATION, "storescu", "--json", "127.0.0.1", str(server.port), *paths]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert arrived.wait(applications.PATIENCE)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        go_on.set()
    done = Done(process.returncode, out, err)
    assert done.status == 1
    assert [event["state"] for event in done.named("file")] == ["sent", "lost", "untried", "untried"]


def test_ctrl_c_while_nothing_is_under_way_names_it_too(files: list[Path]) -> None:
    def store(event: evt.Event) -> int:
        event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    program = (
        "import sys; from dicomproto_transports.apps import main;"
        " from dicomproto_transports.apps.sending import transfer;"
        " transfer._PAUSE = 100; sys.exit(main())"
    )
    with storing(store) as server:
        command = [sys.executable, "-c", program]
        command += ["storescu", "--json", "127.0.0.1", str(server.port), *map(str, files)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("W: ")  # there is a pause now
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
    done = Done(process.returncode, out, err)
    assert done.status == 1
    assert list(states(done).values()) == ["untried"] * 5
    assert (done.events[-1]["event"], done.events[-1]["untried"]) == ("summary", 5)
    assert err == "E: interrupted\n"


def test_ctrl_c_while_files_are_looked_at_names_those_found(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look_at = input_files.look_at

    def look(path: str, *, named: bool) -> input_files.InputFile | input_files.Unsendable:
        if path == str(files[2]):
            signal.raise_signal(signal.SIGINT)
        return look_at(path, named=named)

    monkeypatch.setattr(input_files, "look_at", look)
    status = main(["storescu", "--json", "127.0.0.1", "104", *map(str, files)])
    output = capsys.readouterr()
    done = Done(status, output.out, output.err)
    assert done.status == 1
    assert states(done) == {"1.dcm": "untried", "2.dcm": "untried"}
    assert (done.events[-1]["event"], done.events[-1]["ok"]) == ("summary", False)


def test_a_file_that_changes_under_way_stops_no_other(run: Run, tmp_path: Path, files: list[Path]) -> None:
    # The second file is cut while the first is being sent.
    write_object(tmp_path / "2.dcm", "1.2", pixels=70_000)

    def store(event: evt.Event) -> int:
        if event.request.sop_instance_uid == "1.1":
            (tmp_path / "2.dcm").write_bytes((tmp_path / "2.dcm").read_bytes()[:150])
        return 0

    with storing(store) as server:
        done = run("storescu", "--json", "127.0.0.1", server.port, *files)
    assert done.status == 1
    assert states(done)["2.dcm"] == "failed"
    assert Counter(states(done).values()) == {"sent": 4, "failed": 1}


# --- the progress bar ----------------------------------------------------------------------------


def test_on_a_terminal_there_is_a_progress_bar(files: list[Path]) -> None:
    with storing() as server:
        command = [*APPLICATION, "storescu", "-v", "127.0.0.1", str(server.port), *map(str, files)]
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
        ) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the other end was closed
                    break
            assert process.stdout is not None
            out = process.stdout.read()
        os.close(ours)
    assert process.returncode == 0
    assert b"5/5 files" in shown
    assert b"I: sending" in shown
    assert out.startswith(b"5 of 5 files sent")


def test_elsewhere_there_is_none(run: Run, files: list[Path]) -> None:
    with storing() as server:
        done = run("storescu", "127.0.0.1", server.port, *files)
    assert done.err == ""
