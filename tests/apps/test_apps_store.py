"""Received objects become files: complete under their own name, or not at all."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pydicom
import pytest

from dicomproto_transports.apps.cli.console import Console
from dicomproto_transports.apps.cli.output_directory import can_write_to
from dicomproto_transports.apps.receiving import object_files
from dicomproto_transports.apps.receiving.object_files import ObjectStore, Receipt
from dicomproto_transports.files.part10 import file_meta_bytes, read_head

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, BIG, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50"
DATA = b"\x08\x00\x16\x00UI\x04\x001.2\0" + bytes(range(256)) * 40


def receive(
    store: ObjectStore,
    data: bytes = DATA,
    uid: str = "1.2.3",
    sop_class: str = CT,
    syntax: str = EXPLICIT,
    step: int = 1000,
) -> Receipt:
    chunks = (memoryview(data)[start : start + step] for start in range(0, len(data), step))
    return store.receive(
        sop_class_uid=sop_class, sop_instance_uid=uid, transfer_syntax_uid=syntax, chunks=chunks
    )


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def data_of(path: str | Path) -> bytes:
    head = read_head(path)
    return Path(path).read_bytes()[head.data_set_offset :]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path))


@pytest.mark.parametrize("step", [1, 7, 1000, 10**9])
def test_an_object_becomes_a_part_10_file(store: ObjectStore, tmp_path: Path, step: int) -> None:
    data = DATA[:2000] if step == 1 else DATA
    receipt = receive(store, data, step=step)
    assert receipt == Receipt(status=0, outcome="stored", path=str(tmp_path / "CT.1.2.3"), size=len(data))
    assert names(tmp_path) == ["CT.1.2.3"]
    content = (tmp_path / "CT.1.2.3").read_bytes()
    assert content[:132] == bytes(128) + b"DICM"
    assert content.endswith(data)
    meta = pydicom.dcmread(tmp_path / "CT.1.2.3", specific_tags=[]).file_meta
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == EXPLICIT
    assert data_of(tmp_path / "CT.1.2.3") == data


def test_an_empty_data_set_is_stored_too(store: ObjectStore, tmp_path: Path) -> None:
    assert receive(store, b"").outcome == "stored"
    assert names(tmp_path) == ["CT.1.2.3"]


def test_the_file_has_the_permissions_that_the_user_wants(store: ObjectStore, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        receive(store)
    finally:
        os.umask(before)
    assert (tmp_path / "CT.1.2.3").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("uid", ["../../escape", "/etc/passwd", "..", "a\0b", "1.2\n", "x" * 300, "\u0661"])
def test_a_hostile_uid_stays_in_the_directory(tmp_path: Path, uid: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    store = ObjectStore(str(inner))
    assert receive(store, uid=uid).outcome == "stored"
    assert receive(store, uid=uid).outcome == "identical"
    assert names(tmp_path) == ["inner"]
    (name,) = names(inner)
    assert name.startswith("CT.sha256-")


def test_an_object_without_a_uid_is_refused_before_it_is_read(store: ObjectStore, tmp_path: Path) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("was read")
        yield b""

    receipt = store.receive(
        sop_class_uid=CT, sop_instance_uid="", transfer_syntax_uid=EXPLICIT, chunks=never()
    )
    assert (receipt.status, receipt.outcome) == (0x0117, "refused")
    assert names(tmp_path) == []


# --- duplicates ------------------------------------------------------------------------------


def test_the_same_object_again_is_kept_once(store: ObjectStore, tmp_path: Path) -> None:
    receive(store)
    before = (tmp_path / "CT.1.2.3").stat()
    receipt = receive(store)
    assert (receipt.status, receipt.outcome) == (0, "identical")
    assert receipt.path == str(tmp_path / "CT.1.2.3")
    assert names(tmp_path) == ["CT.1.2.3"]
    assert (tmp_path / "CT.1.2.3").stat().st_ino == before.st_ino


def test_who_wrote_the_file_makes_no_difference(store: ObjectStore, tmp_path: Path) -> None:
    meta = file_meta_bytes(
        sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT, source_ae_title="OTHER"
    )
    (tmp_path / "CT.1.2.3").write_bytes(meta + DATA)
    assert receive(store).outcome == "identical"


def test_different_objects_are_all_kept(store: ObjectStore, tmp_path: Path) -> None:
    others = [DATA[:-1] + b"x", DATA + b"\0\0", DATA[:-2], b"y" + DATA[1:]]
    receive(store)
    for other in others:
        receipt = receive(store, other)
        assert (receipt.status, receipt.outcome) == (0, "variant")
        assert re.fullmatch(r".*/CT\.1\.2\.3_[0-9a-f]{40}", str(receipt.path))
        assert "both are kept" in receipt.text
        again = receive(store, other)
        assert (again.outcome, again.path) == ("identical", receipt.path)
    assert data_of(tmp_path / "CT.1.2.3") == DATA
    assert {data_of(tmp_path / name) for name in names(tmp_path)} == {DATA, *others}


@pytest.mark.serial
def test_the_cost_of_an_object_does_not_grow_with_those_of_the_same_uid(tmp_path: Path) -> None:
    def cost(count: int) -> float:
        """Return the processor time that it takes to keep so many different objects with one UID."""
        directory = tmp_path / str(len(names(tmp_path)))
        directory.mkdir()
        store = ObjectStore(str(directory))
        began = process_time()
        for number in range(count):
            receive(store, number.to_bytes(2) * 100)
        took = process_time() - began
        assert len(names(directory)) == count
        return took

    cost(50)
    ratios = [cost(400) / cost(200) for _ in range(3)]
    assert min(ratios) <= 2.3, ratios


def test_the_number_of_variants_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert object_files.MAXIMUM_VARIANTS == 1000
    bound = 20
    monkeypatch.setattr(object_files, "MAXIMUM_VARIANTS", bound)
    receipts = [receive(ObjectStore(str(tmp_path)), DATA)]
    for start in (0, bound // 2):  # the second one after a restart
        store = ObjectStore(str(tmp_path))
        numbers = range(start, start + bound // 2)
        receipts += [receive(store, number.to_bytes(2)) for number in numbers]
    assert {receipt.status for receipt in receipts} == {0}
    receipt = receive(store, b"one more")
    assert (receipt.status, receipt.outcome) == (0x0111, "refused")
    assert f"{bound} other objects with its SOP Instance UID" in receipt.text
    assert receive(store, DATA).outcome == "identical"
    assert receive(store, (7).to_bytes(2)).outcome == "identical"
    assert receive(store, b"one more", uid="1.2.4").outcome == "stored"
    assert len(names(tmp_path)) == bound + 2


def test_a_variant_that_was_changed_is_not_taken_for_the_object(store: ObjectStore, tmp_path: Path) -> None:
    receive(store)
    path = Path(str(receive(store, b"other").path))
    path.write_bytes(path.read_bytes()[:-1])
    receipt = receive(store, b"other")
    assert (receipt.status, receipt.outcome) == (0x0111, "refused")
    assert path.name in receipt.text
    path.unlink()
    assert receive(store, b"other").outcome == "variant"


def test_another_transfer_syntax_is_another_object(store: ObjectStore, tmp_path: Path) -> None:
    receive(store)
    for syntax in (JPEG, BIG):
        receipt = receive(store, syntax=syntax)
        assert receipt.outcome == "variant"
        assert read_head(str(receipt.path)).transfer_syntax_uid == syntax
    assert len(names(tmp_path)) == 3


def test_another_sop_class_is_another_object(store: ObjectStore, tmp_path: Path) -> None:
    receive(store)
    receipt = receive(store, sop_class=MR)
    assert (receipt.outcome, receipt.path) == ("variant", str(tmp_path / "MR.1.2.3"))
    assert "another SOP class" in receipt.text
    assert receive(store, sop_class=MR).outcome == "identical"
    assert names(tmp_path) == ["CT.1.2.3", "MR.1.2.3"]
    assert receive(ObjectStore(str(tmp_path), on_duplicate="replace"), sop_class="1.2").outcome == "variant"


@pytest.mark.parametrize("there", [b"", b"no DICOM", "directory", "dangling link"])
def test_what_cannot_be_compared_is_left_alone(
    store: ObjectStore, tmp_path: Path, there: bytes | str
) -> None:
    path = tmp_path / "CT.1.2.3"
    if isinstance(there, bytes):
        path.write_bytes(there)
    elif there == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    receipt = receive(store)
    assert receipt.outcome == "variant"
    assert data_of(str(receipt.path)) == DATA
    assert names(tmp_path) == ["CT.1.2.3", os.path.basename(str(receipt.path))]
    if isinstance(there, bytes):
        assert path.read_bytes() == there


def test_the_last_one_may_replace_the_first(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), on_duplicate="replace")
    assert receive(store).outcome == "stored"
    assert receive(store, b"other").outcome == "replaced"
    assert names(tmp_path) == ["CT.1.2.3"]
    assert data_of_any(tmp_path / "CT.1.2.3") == b"other"


def data_of_any(path: Path) -> bytes:
    return path.read_bytes()[132 + 12 + int.from_bytes(path.read_bytes()[140:144], "little") :]


def test_a_duplicate_may_be_refused_before_it_is_read(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), on_duplicate="refuse")
    assert receive(store).outcome == "stored"
    for sop_class in (CT, MR):
        receipt = store.receive(
            sop_class_uid=sop_class,
            sop_instance_uid="1.2.3",
            transfer_syntax_uid=EXPLICIT,
            chunks=iter(lambda: pytest.fail("was read"), None),
        )
        assert (receipt.status, receipt.outcome) == (0x0111, "refused")
    assert receive(store, uid="1.2.4").outcome == "stored"
    assert names(tmp_path) == ["CT.1.2.3", "CT.1.2.4"]


def test_of_two_that_arrive_together_one_is_refused(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), on_duplicate="refuse")

    def chunks() -> Iterator[bytes]:
        yield DATA[:100]
        assert receive(store).outcome == "stored"
        yield DATA[100:]

    receipt = store.receive(
        sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT, chunks=chunks()
    )
    assert (receipt.status, receipt.outcome) == (0x0111, "refused")
    assert names(tmp_path) == ["CT.1.2.3"]


def test_an_unknown_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep, replace, refuse"):
        ObjectStore(str(tmp_path), on_duplicate="overwrite")


def test_threads_that_write_the_same_uid_lose_nothing(tmp_path: Path) -> None:
    variants = [DATA + bytes([n]) * 2 for n in range(4)]
    barrier = threading.Barrier(8)
    receipts: list[Receipt] = []

    def work(number: int) -> None:
        store = ObjectStore(str(tmp_path))
        for round_number in range(10):
            barrier.wait(30)
            receipts.append(receive(store, variants[number % 4], uid=f"1.{round_number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 80
    assert all(receipt.status == 0 for receipt in receipts)
    for round_number in range(10):
        kept = [data_of(path) for path in tmp_path.glob(f"CT.1.{round_number}*")]
        assert sorted(kept) == sorted(variants)
    assert len(names(tmp_path)) == 40


def test_of_threads_that_write_the_same_uid_one_is_the_first(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    receipts: list[Receipt] = []

    def work(number: int) -> None:
        store = ObjectStore(str(tmp_path), on_duplicate="replace")
        for round_number in range(20):
            barrier.wait(30)
            receipts.append(receive(store, DATA + bytes([number]) * 2, uid=f"1.{round_number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(receipt.outcome for receipt in receipts) == {"stored": 20, "replaced": 140}
    assert len(names(tmp_path)) == 20


# Links are refused, as by the file systems that have none. It can be killed where it names an object.
WITHOUT_LINKS = """
import os, signal, sys
from dicomproto_transports.apps.receiving.object_files import ObjectStore
def hook(event, arguments):
    if event == "os.link":
        raise PermissionError(1, "Operation not permitted")
    if event == "os.rename" and sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
store = ObjectStore(sys.argv[1])
uids = {"sop_class_uid": "1.2", "sop_instance_uid": "1.2.3", "transfer_syntax_uid": "1.2.840.10008.1.2.1"}
for data in (b"one", b"one", b"another"):
    print(store.receive(**uids, chunks=[data]).outcome)
"""


def without_links(directory: Path, how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_LINKS, str(directory), how]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def test_without_links_names_are_given_once_too(tmp_path: Path) -> None:
    done = without_links(tmp_path, "")
    assert (done.stdout.split(), done.stderr) == (["stored", "identical", "variant"], "")
    assert {path.read_bytes()[-3:] for path in tmp_path.iterdir()} == {b"one", b"her"}


def test_without_links_no_kill_leaves_an_empty_file_under_the_name(tmp_path: Path) -> None:
    assert without_links(tmp_path, "killed").returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert left.endswith(".part")


# --- what goes wrong -------------------------------------------------------------------------


def test_a_lost_association_leaves_no_file(store: ObjectStore, tmp_path: Path) -> None:
    class Lost(Exception):
        pass

    def chunks() -> Iterator[bytes]:
        yield DATA
        assert len(names(tmp_path)) == 1
        raise Lost

    with pytest.raises(Lost):
        store.receive(
            sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT, chunks=chunks()
        )
    assert names(tmp_path) == []


def test_an_error_of_the_network_is_none_of_the_disk(store: ObjectStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield DATA
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.receive(
            sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT, chunks=chunks()
        )


def test_a_directory_that_is_gone_is_out_of_resources(tmp_path: Path) -> None:
    receipt = receive(ObjectStore(str(tmp_path / "gone")))
    assert (receipt.status, receipt.outcome) == (0xA700, "failed")
    assert receipt.text == os.strerror(errno.ENOENT)


FULL = """
import resource, sys
from dicomproto_transports.apps.receiving.object_files import ObjectStore
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
taken = 0
def chunks():
    global taken
    for _ in range(64):
        taken += 1
        yield bytes(65536)
receipt = ObjectStore(sys.argv[1], fsync=True).receive(
    sop_class_uid="1.2", sop_instance_uid="1.2.3", transfer_syntax_uid="1.2.840.10008.1.2.1", chunks=chunks())
print(f"{receipt.status:04X} {receipt.outcome} {receipt.text}; {taken}")
"""


def test_out_of_space_is_said_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    # The limit of a file's size makes writes fail half-way, as a full disk does.
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), "1000000"], stdout=subprocess.PIPE, check=True, text=True
    )
    words, taken = done.stdout.strip().split("; ")
    assert words == f"A700 failed {os.strerror(errno.EFBIG)}"
    assert 1_000_000 / 65536 < int(taken) < 32
    assert names(tmp_path) == []


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what is flushed to the disk."""
    paths: list[str] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    return paths


def test_with_fsync_success_means_that_file_and_name_are_on_the_disk(
    tmp_path: Path, synced: list[str]
) -> None:
    for data in (DATA, b"other"):
        receive(ObjectStore(str(tmp_path)), data)
    assert synced == []
    store = ObjectStore(str(tmp_path), fsync=True)
    for data in (DATA, b"other"):
        receipt = receive(store, data)
        assert receipt.outcome == "identical"
        assert synced[-2:] == [receipt.path, str(tmp_path)]
    for data, uid, outcome in ((b"third", "1.2.3", "variant"), (DATA, "1.2.4", "stored")):
        receipt = receive(store, data, uid)
        assert receipt.outcome == outcome
        assert synced[-2].endswith(".part")
        assert synced[-1] == str(tmp_path)


def test_with_fsync_the_directories_that_are_made_are_on_the_disk(tmp_path: Path, synced: list[str]) -> None:
    assert can_write_to(str(tmp_path / "a"), Console())
    assert synced == []
    assert can_write_to(str(tmp_path / "a" / "b" / "c"), Console(), fsync=True)
    assert synced == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_with_fsync_an_object_is_stored_all_the_same(tmp_path: Path) -> None:
    for policy in object_files.POLICIES:
        directory = tmp_path / policy
        directory.mkdir()
        assert receive(ObjectStore(str(directory), on_duplicate=policy, fsync=True)).outcome == "stored"
        assert names(directory) == ["CT.1.2.3"]


def test_descriptors_are_given_back(store: ObjectStore) -> None:
    def lowest_free() -> int:
        descriptor = os.open(os.devnull, os.O_RDONLY)
        os.close(descriptor)
        return descriptor

    before = lowest_free()
    for number in range(50):
        receive(store, uid=f"1.{number % 5}")
    assert lowest_free() == before
