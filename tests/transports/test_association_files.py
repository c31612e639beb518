"""What `send_c_store` takes: files good and bad, data sets, and what becomes of the association."""

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset

from dicomproto.errors import AssociationAborted, DataSetError, NoAcceptedContext
from dicomproto.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomproto_transports import evt
from dicomproto_transports.entity.association import Association
from dicomproto_transports.files.objects import KnownFile
from dicomproto_transports.files.sources import FileSource, MemorySource, PieceBuffers, piece_size, stamp_of
from dicomproto_transports.trio import InvalidFile, NotPart10, TruncatedFile
from tests.associations import (
    CT_IMAGE,
    INSTANCE,
    Stored,
    associated,
    data_set,
    make_ae,
    make_server,
    part10,
    write_file,
)
from tests.backends import Lockstep

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
MIB = 1024 * 1024


def converse(
    talk: Callable[[Association], Awaitable[object]],
    handler: evt.Handler,
    contexts: list[tuple[str, list[str]]] | None = None,
) -> None:
    """Run `talk` over an association with a storage SCP."""
    backend = Lockstep()
    ae = make_ae(backend)
    for uid in {context[0] for context in contexts or ()}:
        ae.add_supported_context(uid, [syntax for context in contexts or () for syntax in context[1]])

    async def main() -> None:
        core = make_server(backend, [(evt.EVT_C_STORE, handler)], ae)
        async with associated(backend, core, contexts=contexts) as assoc:
            await talk(assoc)

    backend.run(main)


# --- files --------------------------------------------------------------------------------------


def test_file_like_objects(tmp_path: Path) -> None:
    """From where they stand; they are left open."""
    stored = Stored()
    path = write_file(tmp_path, data_set())

    async def talk(assoc: Association) -> None:
        in_memory = io.BytesIO(b"in front of it" + path.read_bytes())
        in_memory.seek(14)
        with path.open("rb") as buffered, path.open("rb", buffering=0) as raw:
            for file in (in_memory, buffered, raw):
                assert (await assoc.send_c_store(file)).Status == 0x0000
                assert not file.closed
        assert (await assoc.send_c_store(str(path))).Status == 0x0000

    converse(talk, stored)
    assert stored.objects == [data_set()] * 4


def test_what_cannot_be_sent_leaves_the_association(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"This is no DICOM file. " * 100)
    empty = tmp_path / "empty"
    empty.touch()

    async def talk(assoc: Association) -> None:
        with pytest.raises(FileNotFoundError):
            await assoc.send_c_store(tmp_path / "missing")
        with pytest.raises(IsADirectoryError):
            await assoc.send_c_store(tmp_path)
        with pytest.raises(NotPart10):
            await assoc.send_c_store(nonsense)
        with pytest.raises(InvalidFile):
            await assoc.send_c_store(empty)
        with pytest.raises(TypeError, match="not bytes"):
            await assoc.send_c_store(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="has no SOPClassUID"):
            await assoc.send_c_store(Dataset())
        assert (await assoc.send_c_echo()).Status == 0x0000

    converse(talk, Stored())


def test_what_is_cut_short_is_not_sent_unless_that_is_asked_for(tmp_path: Path) -> None:
    stored = Stored()
    cut = data_set()[:-2]
    path = write_file(tmp_path, cut)
    where = r"element \(7FE0,0010\) declares \d+ bytes, \d+ are left \(at byte \d+\)"

    async def talk(assoc: Association) -> None:
        objects = (str(path), path, KnownFile.read(path), io.BytesIO(path.read_bytes()))
        for one in objects:
            with pytest.raises(TruncatedFile, match=f"its data set is not whole: {where}"):
                await assoc.send_c_store(one)
        with pytest.raises(ValueError, match=rf"^{path}: its data set"):
            await assoc.send_c_store(path)
        outcomes = [outcome async for outcome in assoc.store_many(objects[:3])]
        assert [type(outcome.error).__name__ for outcome in outcomes] == ["TruncatedFile"] * 3
        assert stored.objects == []
        response = await assoc.send_c_store(path, send_truncated=True)
        assert (response.Status, stored.objects) == (0x0000, [cut])
        assert any(warning.startswith("truncated: element (7FE0,0010) ") for warning in response.warnings)
        (outcome,) = [outcome async for outcome in assoc.store_many([path], send_truncated=True)]
        assert outcome.response is not None
        assert stored.objects == [cut, cut]

    converse(talk, stored)


def test_what_is_odd_is_sent_as_it_is_with_a_warning(tmp_path: Path) -> None:
    stored = Stored()
    odd = data_set() + bytes(10)
    path = write_file(tmp_path, odd)

    async def talk(assoc: Association) -> None:
        response = await assoc.send_c_store(path)
        assert response.Status == 0x0000
        assert [warning.partition(":")[0] for warning in response.warnings] == ["padding"]

    converse(talk, stored)
    assert stored.objects == [odd]


class Failing(io.BytesIO):
    """A file that cannot be read beyond a point."""

    def __init__(self, content: bytes, limit: int, error: type[OSError] = OSError) -> None:
        super().__init__(content)
        self.limit = limit
        self.name = "failing.dcm"

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if self.tell() >= self.limit:
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


def test_a_file_that_fails_at_once_leaves_the_association() -> None:
    async def talk(assoc: Association) -> None:
        with pytest.raises(OSError, match="Input/output error"):
            await assoc.send_c_store(Failing(part10(data_set()), 100))
        assert (await assoc.send_c_echo()).Status == 0x0000

    converse(talk, Stored())


def test_a_file_that_fails_midway_ends_in_an_abort() -> None:
    stored = Stored()

    async def talk(assoc: Association) -> None:
        with pytest.raises(AssociationAborted, match="Input/output error") as caught:
            await assoc.send_c_store(Failing(part10(data_set(5 * MIB)), 3 * MIB))
        assert not caught.value.by_peer
        assert assoc.is_aborted

    converse(talk, stored)
    assert not stored.objects


class Meddled(io.FileIO):
    """A file that something is done to while it is read."""

    def __init__(self, path: Path, meddle: Callable[[Path], object]) -> None:
        super().__init__(path)
        self.path = path
        self.meddle = meddle
        self.reads = 0

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]
        self.reads += 1
        if self.reads == 3:
            self.meddle(self.path)
        return super().readinto(buffer)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 2 * MIB)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4 * MIB)
        file.write(b"other")
    os.utime(path, (0, 0))


@pytest.mark.parametrize(
    ("meddle", "text"),
    [(grow, "was written to"), (shrink, "became shorter"), (rewrite, "was written to")],
)
def test_a_file_that_changes_is_never_taken_for_whole(
    tmp_path: Path, meddle: Callable[[Path], object], text: str
) -> None:
    stored = Stored()
    path = write_file(tmp_path, data_set(5 * MIB))

    async def talk(assoc: Association) -> None:
        with (
            Meddled(path, meddle) as file,
            pytest.raises(AssociationAborted, match=rf"object\.dcm {text} while it was sent"),
        ):
            await assoc.send_c_store(file)

    converse(talk, stored)
    assert not stored.objects


def test_a_file_that_grows_behind_its_head_is_never_taken_for_whole(tmp_path: Path) -> None:
    class Growing(io.FileIO):
        def read(self, size: int = -1, /) -> bytes | None:
            data = super().read(size)
            grow(path)
            return data

    path = write_file(tmp_path, data_set())
    stored = Stored()

    async def talk(assoc: Association) -> None:
        with Growing(path) as file, pytest.raises(OSError, match="was written to while it was"):
            await assoc.send_c_store(file)
        assert assoc.is_established

    converse(talk, stored)
    converse(talk, stored, [(CT_IMAGE, [IMPLICIT_VR_LITTLE_ENDIAN])])
    assert not stored.objects


def test_a_known_head_is_read_again_only_if_the_file_has_changed(tmp_path: Path) -> None:
    """What tells is a head that the file never had."""
    path = write_file(tmp_path, data_set())
    stored: list[tuple[str, bytes]] = []

    def store(event: evt.Event) -> int:
        stored.append((event.request.sop_instance_uid, event.encoded_dataset(include_meta=False)))
        return 0x0000

    known = KnownFile.read(path)
    known = known.replace(head=known.head.replace(sop_instance_uid="1.2.3"))

    async def talk(assoc: Association) -> None:
        await assoc.send_c_store(known)
        path.write_bytes(part10(data_set(2000)))
        await assoc.send_c_store(known)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            await assoc.send_c_store(known)

    converse(talk, store)
    assert stored == [("1.2.3", data_set()), (INSTANCE, data_set(2000))]


def test_a_stream_that_grows_is_never_taken_for_whole() -> None:
    """Where there is no file below, what comes after the end tells."""

    class Growing(io.BytesIO):
        grown = False

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            if not self.grown:
                position = self.tell()
                self.grown = True
                self.seek(0, 2)
                self.write(b"more")
                self.seek(position)
            return super().readinto(buffer)

    stored = Stored()

    async def talk(assoc: Association) -> None:
        with pytest.raises(OSError, match="became longer"):
            await assoc.send_c_store(Growing(part10(data_set())))
        assert (await assoc.send_c_echo()).Status == 0x0000

    converse(talk, stored)
    assert not stored.objects


# --- transfer syntaxes --------------------------------------------------------------------------


def test_compressed_files_need_their_own_transfer_syntax(tmp_path: Path) -> None:
    path = write_file(tmp_path, data_set(), transfer_syntax=JPEG_BASELINE)
    stored = Stored()

    async def refused(assoc: Association) -> None:
        with pytest.raises(NoAcceptedContext) as caught:
            await assoc.send_c_store(path)
        assert str(caught.value) == (
            f"SOP class {CT_IMAGE} (CTImageStorage) cannot be sent in transfer syntax {JPEG_BASELINE} "
            f"(JPEGBaseline8Bit): context 1: accepted with transfer syntax {EXPLICIT_VR_LITTLE_ENDIAN}"
        )

    async def accepted(assoc: Association) -> None:
        assert (await assoc.send_c_store(path)).Status == 0x0000

    converse(refused, stored, [(CT_IMAGE, [EXPLICIT_VR_LITTLE_ENDIAN])])
    assert not stored.objects
    converse(accepted, stored, [(CT_IMAGE, [EXPLICIT_VR_LITTLE_ENDIAN]), (CT_IMAGE, [JPEG_BASELINE])])
    assert stored.objects == [data_set()]


@pytest.mark.parametrize(
    "transfer_syntax",
    [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN],
)
def test_a_dataset_is_encoded_as_accepted(transfer_syntax: str) -> None:
    seen = []

    def handle(event: evt.Event) -> int:
        seen.append((event.context.transfer_syntax, event.dataset.PatientName, event.dataset.Rows))
        return 0x0000

    dataset = dcmread(get_testdata_file("CT_small.dcm"))

    async def talk(assoc: Association) -> None:
        assert (await assoc.send_c_store(dataset)).Status == 0x0000

    converse(talk, handle, [(CT_IMAGE, [transfer_syntax])])
    assert seen == [(transfer_syntax, dataset.PatientName, dataset.Rows)]


def test_a_dataset_made_in_memory() -> None:
    """It needs no File Meta: whatever was accepted will do."""
    seen = []

    def handle(event: evt.Event) -> int:
        seen.append(event.dataset.PatientID)
        return 0x0000

    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = CT_IMAGE, INSTANCE, "42"

    async def talk(assoc: Association) -> None:
        assert (await assoc.send_c_store(dataset)).Status == 0x0000
        dataset.file_meta = FileMetaDataset()
        assert (await assoc.send_c_store(dataset)).Status == 0x0000
        dataset.file_meta.TransferSyntaxUID = EXPLICIT_VR_BIG_ENDIAN
        assert (await assoc.send_c_store(dataset)).Status == 0x0000

    for syntax in (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN):
        converse(talk, handle, [(CT_IMAGE, [syntax])])
    assert seen == ["42"] * 6


def test_a_dataset_that_cannot_be_encoded_leaves_the_association() -> None:
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    dataset["PatientAge"]._value = object()

    async def talk(assoc: Association) -> None:
        with pytest.raises(DataSetError):
            await assoc.send_c_store(dataset)
        assert (await assoc.send_c_echo()).Status == 0x0000

    converse(talk, Stored())


def test_where_it_comes_from_travels_along() -> None:
    seen = []

    def handle(event: evt.Event) -> int:
        request = event.request
        seen.append((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        seen.append((request.Priority, request.MessageID))
        return 0x0000

    async def talk(assoc: Association) -> None:
        file = io.BytesIO(part10(data_set()))
        await assoc.send_c_store(file, 99, 1, originator_aet="MOVER", originator_id=7)

    converse(talk, handle)
    assert seen == [("MOVER", 7), (1, 99)]


# --- pieces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer_maximum", [128, 4096, 16384, 131072, MIB])
def test_a_piece_is_a_whole_number_of_fragments(peer_maximum: int) -> None:
    size = piece_size(peer_maximum)
    assert size % (peer_maximum - 6) == 0
    assert MIB // 2 < size <= MIB


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2000])
def test_memory_comes_in_pieces(length: int) -> None:
    data = bytes(range(256)) * 8
    source = MemorySource(data[:length], 1000)
    pieces = []
    last = False
    while not last:
        piece, last = source.next_piece()
        pieces.append(bytes(piece))
    assert b"".join(pieces) == data[:length]
    assert len(pieces) == max(1, -(-length // 1000))


def test_a_file_is_read_into_two_buffers_in_turn(tmp_path: Path) -> None:
    """A piece stays as it is until the one after the next is asked for."""
    path = tmp_path / "data"
    path.write_bytes(bytes(1000) + b"\1" * 1000 + b"\2" * 1000)
    with path.open("rb", buffering=0) as file:
        source = FileSource(file, 3000, 1000, PieceBuffers(), "data", stamp_of(file))
        first, _ = source.next_piece()
        second, _ = source.next_piece()
        assert bytes(first) == bytes(1000)
        third, last = source.next_piece()
        assert bytes(second) == b"\1" * 1000
        assert bytes(third) == b"\2" * 1000
        assert last
