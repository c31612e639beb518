"""`storescp`: what arrives is written, whole and safely, or not at all."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pydicom
import pytest

from dicomproto.upper_layer.pdu import Abort, AssociateAC, AssociateRJ
from dicomproto_transports.blocking import AE, evt
from dicomproto_transports.files.part10 import read_head
from tests.applications import CT, EXPLICIT, PATIENCE, Done, RawPeer, Server, data_set, write_object
from tests.cuts import cuts
from tests.data_sets import data_set_of, explicit, implicit, item

Run = Callable[..., Done]
Serve = Callable[..., Server]

MR = "1.2.840.10008.5.1.4.1.1.4"


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def data_of(path: Path) -> bytes:
    return path.read_bytes()[read_head(path).data_set_offset :]


def test_an_object_is_written_byte_for_byte(serve: Serve, tmp_path: Path) -> None:
    content = data_set("1.2.3", pixels=300_000)
    server = serve("storescp", "-od", tmp_path / "new" / "out")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.3", content) == 0
        assert names(tmp_path / "new" / "out") == ["CT.1.2.3"]
        peer.release()
    done = server.stop()
    assert (done.status, done.err) == (0, "")
    path = tmp_path / "new" / "out" / "CT.1.2.3"
    assert data_of(path) == content
    assert path.read_bytes()[:132] == bytes(128) + b"DICM"
    assert done.named("object") == [
        {
            "event": "object",
            "outcome": "stored",
            "status": 0,
            "path": str(path),
            "bytes": len(content),
            "reason": "",
            "warnings": [],
            "sop_class_uid": CT,
            "transfer_syntax_uid": EXPLICIT,
            "calling_ae_title": "RAW",
        }
    ]
    summary = done.events[-1]
    assert (summary["stored"], summary["bytes"], summary["ok"]) == (1, len(content), True)


def test_duplicates_are_kept_once_or_beside_each_other(serve: Serve, tmp_path: Path) -> None:
    one, other = data_set("1.2.3", pixels=100), data_set("1.2.3", pixels=102)
    server = serve("storescp", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert [peer.store("1.2.3", content) for content in (one, one, other, other)] == [0, 0, 0, 0]
    done = server.stop()
    assert [event["outcome"] for event in done.named("object")] == [
        "stored", "identical", "variant", "identical",
    ]  # fmt: skip
    first, second = names(tmp_path)
    assert (first, second[:9]) == ("CT.1.2.3", "CT.1.2.3_")
    assert [data_of(tmp_path / first), data_of(tmp_path / second)] == [one, other]
    assert [event["path"] for event in done.named("object")[2:]] == [str(tmp_path / second)] * 2
    assert done.err.count("W: variant: ") == 1


def test_duplicates_may_be_refused_or_replace(serve: Serve, tmp_path: Path) -> None:
    one, other = data_set("1.2.3", pixels=100), data_set("1.2.3", pixels=102)
    server = serve("storescp", "-od", tmp_path, "--on-duplicate", "refuse")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert [peer.store("1.2.3", content) for content in (one, one, other)] == [0, 0x0111, 0x0111]
    assert server.stop().named("summary")[0]["refused"] == 2
    server = serve("storescp", "-od", tmp_path, "--on-duplicate", "replace")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.3", other) == 0
    server.stop()
    assert names(tmp_path) == ["CT.1.2.3"]
    assert data_of(tmp_path / "CT.1.2.3") == other


def test_objects_may_be_received_and_dropped(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--ignore", "-od", tmp_path / "none")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.3", data_set("1.2.3")) == 0
    assert server.stop().named("summary")[0]["discarded"] == 1
    assert names(tmp_path) == []


HOSTILE = [
    b"../escape", b"/etc/passwd", b"..", b".", b"1/2", b"a" * 2000, b"1.2\r\n3", b"\x7f\x1b[2J", b"\xff\xfe",
    b"1\0/2",
]  # fmt: skip


@pytest.mark.parametrize("uid", HOSTILE)
def test_a_peer_does_not_choose_paths(serve: Serve, tmp_path: Path, uid: bytes) -> None:
    server = serve("storescp", "-od", tmp_path / "inner", "-v")
    with RawPeer(server.port, (CT, (EXPLICIT,)), title="A B") as peer:
        assert peer.store_as(uid, data_set("1.2.3")) == 0
    done = server.stop()
    assert names(tmp_path) == ["inner"]
    (name,) = names(tmp_path / "inner")
    assert name.startswith("CT.sha256-")
    assert done.err.replace("\n", "").isprintable()


SIEMENS, VARIAN, VERIFICATION = "1.3.12.2.1107.5.9.1", "1.2.246.352.70.1.70", "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PROPOSALS = {
    "known": (CT, (EXPLICIT,)),
    "class": (SIEMENS, (EXPLICIT,)),
    "syntax": (CT, (VARIAN,)),
    "both": (SIEMENS, (VARIAN,)),
    "known second": (CT, (VARIAN, EXPLICIT)),
    "echo": (VERIFICATION, (EXPLICIT,)),
    "no storage": (STUDY_ROOT_FIND, (EXPLICIT,)),
}


@pytest.mark.parametrize(
    ("words", "accepted"),
    [
        ((), ["known"]),
        (("--any-sop-class",), ["known", "class"]),
        (("--any-transfer-syntax",), ["known", "syntax"]),
        (("--any-sop-class", "--any-transfer-syntax"), ["known", "class", "syntax", "both"]),
    ],
)
def test_private_sop_classes_and_transfer_syntaxes_are_taken_on_request(
    serve: Serve, tmp_path: Path, words: tuple[str, ...], accepted: list[str]
) -> None:
    server = serve("storescp", "-od", tmp_path, *words)
    with RawPeer(server.port, *PROPOSALS.values()) as peer:
        assert isinstance(peer.answer, AssociateAC)
        results = dict(zip(PROPOSALS, peer.answer.presentation_contexts, strict=True))
        answered = [name for name, context in results.items() if context.result == 0]
        assert answered == [*accepted, "known second", "echo"]
        assert results["known second"].transfer_syntax == EXPLICIT
    chosen = accepted[-1]
    sop_class, (syntax,) = PROPOSALS[chosen]
    content = data_set("1.2.3", sop_class)
    with RawPeer(server.port, PROPOSALS[chosen]) as peer:
        assert peer.store("1.2.3", content, sop_class=sop_class) == 0
        # A C-STORE of another storage class passes on any context of storage.
        assert peer.store("1.2.4", data_set("1.2.4", MR), sop_class=MR) == 0
    server.stop()
    stored = tmp_path / f"{'UN' if sop_class == SIEMENS else 'CT'}.1.2.3"
    assert data_of(stored) == content
    assert read_head(stored).transfer_syntax_uid == syntax


# --- what is not whole -------------------------------------------------------------------------


def test_what_is_cut_short_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path / "out")
    wrong, kept = [], set()
    for path, group in groupby(cuts(6), key=lambda one: one[0]):
        data, syntax = data_set_of(path)
        with RawPeer(server.port, (CT, (syntax,))) as peer:
            for _, cut, is_whole in group:
                status = peer.store(f"1.2.{cut}", data[:cut])
                if status != (0 if is_whole else 0xC000):
                    wrong.append((path.name, cut, status))
                kept |= {data[:cut]} if is_whole else set()
            assert peer.store("1.2", b"") == 0xC000
            peer.release()
    done = server.stop()
    assert wrong == []
    assert {data_of(tmp_path / "out" / name) for name in names(tmp_path / "out")} == kept
    assert (done.events[-1]["stored"], done.events[-1]["refused"]) == (2, 46 + 8)
    lines = [line for line in done.err.splitlines() if line.startswith("W: refused: ")]
    assert len(lines) == 54
    assert lines[0].startswith(f"W: refused: {CT} (CTImageStorage) 1.2.")
    assert all(line.endswith("--accept-truncated accepts it)") for line in lines)
    assert len([line for line in lines if "(at byte " in line]) == 46
    assert len([line for line in lines if "the data set is empty" in line]) == 8


CUT = data_set("1.2.3", pixels=100)[:-2]


@pytest.mark.parametrize("words", [(), ("--ignore",), ("--accept-truncated",)])
def test_what_is_cut_short_is_taken_on_request(serve: Serve, tmp_path: Path, words: tuple[str, ...]) -> None:
    server = serve("storescp", "--json", "-od", tmp_path, *words)
    is_taken = "--accept-truncated" in words
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        for uid, data in (("1.2.3", CUT), ("1.2.4", b""), ("1.2.5", bytes(2))):
            assert peer.store(uid, data) == (0 if is_taken else 0xC000)
    done = server.stop()
    assert names(tmp_path) == (["CT.1.2.3", "CT.1.2.4", "CT.1.2.5"] if is_taken else [])
    assert (done.events[-1]["stored"], done.events[-1]["refused"]) == ((3, 0) if is_taken else (0, 3))
    assert len(done.named("object")) == 3
    for event in done.named("object"):
        assert any("truncated: " in warning for warning in event["warnings"]) == is_taken


def test_what_is_certain_is_answered_before_the_end(serve: Serve, tmp_path: Path) -> None:
    """An item that is longer than its sequence: nobody need wait for the rest."""
    server = serve("storescp", "-od", tmp_path)
    odd = explicit(0x00081140, b"SQ", item(b"", 1000), 8)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", odd + bytes(1000))
        assert peer.status() == 0xC000
        peer.go_on(b"\0\0", last=True)
        assert peer.store("1.2.4", data_set("1.2.4")) == 0
    server.stop()
    assert names(tmp_path) == ["CT.1.2.4"]


def test_what_is_odd_is_taken_byte_for_byte_with_a_warning(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path)
    sent = {}
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        for number, (kind, odd) in enumerate(ODD.items()):
            sent[kind] = data_set(f"1.2.{number}", pixels=10) + odd
            assert peer.store(f"1.2.{number}", sent[kind]) == 0
    done = server.stop()
    for number, (kind, data) in enumerate(sent.items()):
        assert data_of(tmp_path / f"CT.1.2.{number}") == data
        event = done.named("object")[number]
        assert kind in [warning.partition(":")[0] for warning in event["warnings"]]  # type: ignore[attr-defined]
    assert done.err.count("W: stored: ") == len(ODD)


ODD = {
    "padding": bytes(4096),
    "trailing padding": explicit(0xFFFCFFFC, b"OB", bytes(6)),
    "group length": explicit(0x7FE10000, b"UL", bytes(4)),
    "odd length": explicit(0x7FE10010, b"LO", b"one") + explicit(0x7FE11010, b"LO", b"two"),
    "order": explicit(0x00100010, b"PN", b"A^B "),
    "delimiter": implicit(0xFFFEE00D),
    "group 0002": explicit(0x00020010, b"UI", b"1.2\0"),
    "VR": explicit(0x7FE11010, b"ZZ", bytes(2) + bytes(4), 0),
}


def test_without_a_sop_class_that_of_the_context_counts(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "--json", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store_as(b"1.2.3", data_set("1.2.3"), sop_class="") == 0
    done = server.stop()
    assert done.named("object")[0]["sop_class_uid"] == CT
    assert read_head(tmp_path / "CT.1.2.3").warnings == ()
    assert pydicom.dcmread(tmp_path / "CT.1.2.3").file_meta.MediaStorageSOPClassUID == CT
    assert "the command has no Affected SOP Class UID; that of the context counts" in done.err


def test_a_handler_gets_file_meta_with_the_sop_class_of_the_context() -> None:
    seen: list[tuple[str, tuple[str, ...]]] = []

    def store(event: evt.Event) -> int:
        seen.append((event.file_meta.MediaStorageSOPClassUID, event.warnings))
        return 0

    ae = AE()
    ae.add_supported_context(CT)
    handlers: list[evt.Binding] = [(evt.EVT_C_STORE, store)]
    with (
        ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server,
        RawPeer(server.port, (CT, (EXPLICIT,))) as peer,
    ):
        assert peer.store_as(b"1.2.3", data_set("1.2.3"), sop_class="") == 0
    assert seen == [(CT, ("missing-element: AffectedSOPClassUID",))]


def test_one_transfer_syntax_only_is_not_any(run: Run) -> None:
    done = run("storescp", "-xi", "--any-transfer-syntax", 0)
    assert done.status == 2
    assert "-xi accepts one transfer syntax only" in done.err


def test_an_object_without_a_uid_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store_as(b"\0", data_set("1.2.3")) == 0x0117
        assert peer.store_as(b"1.2.3", data_set("1.2.3")) == 0
    server.stop()
    assert names(tmp_path) == ["CT.1.2.3"]


def test_an_object_with_several_uids_is_not_filed_under_the_name_of_another(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve("storescp", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        for uid in (b"1.2.3\\4", b"1.2.3\\", b"\\1.2.3", b"1.2.3\\1.2.3 "):
            assert peer.store_as(uid, data_set("1.2.3")) == 0x0117
        assert peer.store_as(b"1.2.3", data_set("1.2.3")) == 0
    done = server.stop()
    assert names(tmp_path) == ["CT.1.2.3"]
    assert done.err.count(": its C-STORE 1 was refused: C-STORE-RQ with several SOP Instance UIDs") == 4


def test_an_association_that_is_lost_leaves_no_file(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", data_set("1.2.3", pixels=300_000)[:200_000])
        wait_for_part(tmp_path)
    done = server.stop()
    assert done.status == 0
    assert names(tmp_path) == []
    assert [(event["outcome"], event["status"]) for event in done.named("object")] == [("lost", None)]


def wait_for_part(directory: Path) -> None:
    """Return when the receiver has opened its temporary file."""
    while not names(directory):
        os.sched_yield()
    (name,) = names(directory)
    assert name.startswith(".dicomproto-")
    assert name.endswith(".part")


def test_a_kill_leaves_nothing_that_looks_like_an_object(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.3", data_set("1.2.3")) == 0
        peer.begin_store("1.2.4", data_set("1.2.4", pixels=300_000)[:200_000])
        while len(names(tmp_path)) < 2:
            pass
        server.stop(signal.SIGKILL)
    left, stored = names(tmp_path)
    assert stored == "CT.1.2.3"
    assert left.startswith(".dicomproto-")


def test_a_server_removes_what_a_killed_one_has_left_and_nothing_of_a_living_one(
    serve: Serve, tmp_path: Path
) -> None:
    content = data_set("1.2.3", pixels=300_000)
    for name in (".dicomproto-0123456789abcdef.part", ".dicomproto-notes.part", "notes.part"):
        (tmp_path / name).write_bytes(b"")
    living = serve("storescp", "-od", tmp_path)
    assert names(tmp_path) == [".dicomproto-notes.part", "notes.part"]
    with RawPeer(living.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", content[:200_000])
        while len(names(tmp_path)) < 3:
            pass
        serve("storescp", "-od", tmp_path)
        peer.go_on(content[200_000:], last=True)
        assert peer.status() == 0
        peer.begin_store("1.2.4", content[:200_000])
        while len(names(tmp_path)) < 4:
            pass
        living.stop(signal.SIGKILL)
    assert len(names(tmp_path)) == 4
    serve("storescp", "-od", tmp_path)
    assert names(tmp_path) == [".dicomproto-notes.part", "CT.1.2.3", "notes.part"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_under_way_be_finished(serve: Serve, tmp_path: Path, number: int) -> None:
    content = data_set("1.2.3", pixels=300_000)
    server = serve("storescp", "-od", tmp_path, "-v")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", content[:200_000])
        wait_for_part(tmp_path)
        server.process.send_signal(number)
        assert server.process.stderr is not None
        while "stopping" not in server.process.stderr.readline():
            pass
        while accepts_associations(server.port):
            pass
        peer.go_on(content[200_000:], last=True)
        assert peer.status() == 0
    done = server.wait()
    assert done.status == 0
    assert data_of(tmp_path / "CT.1.2.3") == content


def test_an_association_that_brings_objects_is_not_torn(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path, "-v")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.0", data_set("1.2.0")) == 0
        stopping(server)
        for number in range(1, 4):
            assert peer.store(f"1.2.{number}", data_set(f"1.2.{number}")) == 0
        with RawPeer(server.port, (CT, (EXPLICIT,))) as late:
            assert isinstance(late.answer, AssociateRJ)
            assert (late.answer.result, late.answer.source, late.answer.reason) == (2, 3, 1)
        assert peer.store("1.2.4", data_set("1.2.4")) == 0
        peer.release()
        done = server.wait()
    assert (done.status, done.events[-1]["stored"], done.events[-1]["ok"]) == (0, 5, True)


def test_an_association_that_brings_nothing_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path, "--grace", 10 * PATIENCE)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.0", data_set("1.2.0")) == 0
        done = server.stop(signal.SIGINT)
        assert isinstance(peer.next_event(), Abort)
    assert (done.status, done.err, done.events[-1]["ok"]) == (0, "", True)


def test_a_hangup_ends_no_server(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path, "-v")
    server.process.send_signal(signal.SIGHUP)
    assert server.process.stderr is not None
    while "there are no certificates to reload" not in server.process.stderr.readline():
        pass
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.0", data_set("1.2.0")) == 0
        peer.release()
    assert server.stop().status == 0


def stopping(server: Server, number: int = signal.SIGTERM) -> None:
    """Tell a server that runs with -v to end, and return when it has begun to."""
    server.process.send_signal(number)
    assert server.process.stderr is not None
    while "stopping" not in server.process.stderr.readline():
        pass
    while accepts_associations(server.port):
        pass


def accepts_associations(port: int) -> bool:
    try:
        with RawPeer(port, (CT, (EXPLICIT,))) as peer:
            return isinstance(peer.answer, AssociateAC)
    except OSError:
        return False


def test_the_end_is_bounded(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path, "--grace", "0.05")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", data_set("1.2.3", pixels=300_000)[:200_000])
        wait_for_part(tmp_path)
        done = server.stop()
    assert done.status == 1
    assert "ended before everything was finished" in done.err
    assert names(tmp_path) == []
    assert (done.events[-1]["lost"], done.events[-1]["ok"]) == (1, False)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_signal_ends_it_at_once(serve: Serve, tmp_path: Path, processes: int) -> None:
    server = serve("storescp", "-od", tmp_path, "-v", "--processes", processes)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", data_set("1.2.3", pixels=300_000)[:200_000])
        wait_for_part(tmp_path)
        server.process.send_signal(signal.SIGINT)
        assert server.process.stderr is not None
        for _ in range(processes):
            while "stopping" not in server.process.stderr.readline():
                pass
        done = server.stop(signal.SIGTERM)
    assert (done.status, done.events[-1]["lost"], done.events[-1]["ok"]) == (1, 1, False)
    assert names(tmp_path) == []


def test_out_of_space_is_a700_and_leaves_nothing(serve: Serve, tmp_path: Path) -> None:
    # A limit of file size makes writes fail within the object, as a full disk does.
    server = serve(
        "storescp",
        "-od",
        tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )
    big = data_set("1.2.3", pixels=4_000_000)
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        peer.begin_store("1.2.3", big[:2_000_000])
        assert peer.status() == 0xA700  # before all of it was sent
        peer.go_on(b"\0\0", last=True)
        assert names(tmp_path) == []
        assert peer.store("1.2.4", data_set("1.2.4")) == 0
        peer.release()
    done = server.stop()
    assert names(tmp_path) == ["CT.1.2.4"]
    assert (done.status, done.events[-1]["failed"], done.events[-1]["ok"]) == (1, 1, False)
    assert done.named("object")[0]["outcome"] == "failed"
    assert "E: failed: " in done.err


def test_many_that_send_the_same_at_once(run: Run, serve: Serve, tmp_path: Path) -> None:
    contents = [write_object(tmp_path / f"{n}.dcm", "1.2.3", pixels=5000 + 2 * (n % 2)) for n in range(2)]
    server = serve("storescp", "-od", tmp_path / "out")
    peers = [RawPeer(server.port, (CT, (EXPLICIT,))) for _ in range(8)]
    for number, peer in enumerate(peers):
        peer.begin_store("1.2.3", contents[number % 2][:1000])
    for number, peer in enumerate(peers):
        peer.go_on(contents[number % 2][1000:], last=True)
    assert [peer.status() for peer in peers] == [0] * 8
    for peer in peers:
        peer.socket.close()
    done = server.stop()
    assert {data_of(tmp_path / "out" / name) for name in names(tmp_path / "out")} == set(contents)
    assert len(names(tmp_path / "out")) == 2
    assert sorted(str(event["outcome"]) for event in done.named("object")) == [
        *["identical"] * 6, "stored", "variant",
    ]  # fmt: skip


def test_one_association_too_many_is_rejected(run: Run, serve: Serve, tmp_path: Path) -> None:
    write_object(tmp_path / "a.dcm", "1.2.3")
    server = serve("storescp", "-od", tmp_path / "out", "--max-associations", 1)
    with RawPeer(server.port, (CT, (EXPLICIT,))):
        done = run("storescu", "--json", "127.0.0.1", server.port, tmp_path / "a.dcm")
    assert done.status == 1
    assert done.named("file")[0]["state"] == "untried"


def test_scanners_and_silence_do_no_harm(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path)
    for words in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes(100)):
        with socket.create_connection(("127.0.0.1", server.port)) as scanner:
            scanner.sendall(words)
    with (
        socket.create_connection(("127.0.0.1", server.port)),
        RawPeer(server.port, (CT, (EXPLICIT,))) as peer,
    ):
        assert peer.store("1.2.3", data_set("1.2.3")) == 0
    assert server.stop().status == 0


@pytest.mark.parametrize("there", ["file", "file/below"])
def test_a_directory_that_cannot_be_written_to(run: Run, tmp_path: Path, there: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run("storescp", "--json", "-od", tmp_path / there, 0)
    assert done.status == 1
    assert [event["event"] for event in done.events] == ["error"]
    assert "cannot write to" in done.err


def test_no_patient_data_is_shown(serve: Serve, tmp_path: Path) -> None:
    server = serve("storescp", "-od", tmp_path, "-d")
    with RawPeer(server.port, (CT, (EXPLICIT,))) as peer:
        assert peer.store("1.2.3", data_set("1.2.3", patient="SECRET^NAME")) == 0
        peer.begin_store("1.2.4", data_set("1.2.4", patient="SECRET^NAME"))
        wait = peer.socket
    wait.close()
    done = server.stop()
    assert b"SECRET" in (tmp_path / "CT.1.2.3").read_bytes()
    assert "SECRET" not in done.out + done.err
