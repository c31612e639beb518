"""A file that is opened to be sent behaves as an ordinary unbuffered one."""

from __future__ import annotations

import errno
import os
import random
from io import FileIO
from pathlib import Path

import pytest

from dicomproto_transports.files.opened import (
    FIRST_BYTES,
    OpenedFile,
    ReadSource,
    first_stamp_of,
    open_object,
)
from dicomproto_transports.files.sources import SourceChanged, stamp_of


@pytest.mark.parametrize("size", [1, 100, FIRST_BYTES - 1, FIRST_BYTES, FIRST_BYTES + 1, 3 * FIRST_BYTES])
@pytest.mark.parametrize("first", [0, 7, FIRST_BYTES])
def test_reads_and_seeks_give_the_same(tmp_path: Path, size: int, first: int) -> None:
    path, chance = tmp_path / "file", random.Random(size + first)
    path.write_bytes(chance.randbytes(size))
    ours = open_object(path, first)
    assert isinstance(ours, OpenedFile)
    with FileIO(str(path)) as theirs:
        for _ in range(200):
            position, count = chance.randrange(size + 10), chance.randrange(-1, size + 10)
            way = chance.randrange(5)
            if way == 0:
                assert ours.seek(position) == theirs.seek(position)
            elif way == 1:
                assert ours.seek(-min(position, size), os.SEEK_END) == theirs.seek(
                    -min(position, size), os.SEEK_END
                )
            elif way == 2:
                assert ours.seek(1, os.SEEK_CUR) == theirs.seek(1, os.SEEK_CUR)
            elif way == 3:
                assert ours.read(count) == theirs.read(count)
            else:
                buffers = bytearray(max(count, 0)), bytearray(max(count, 0))
                assert ours.readinto(memoryview(buffers[0])) == theirs.readinto(buffers[1])
                assert buffers[0] == buffers[1]
            assert ours.tell() == theirs.tell()
        assert first_stamp_of(ours) == stamp_of(theirs)
    ours.close()
    ours.close()


@pytest.mark.parametrize("size", [100, 16_000, 1_000_000])
def test_a_data_set_that_is_all_here_comes_in_pieces(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(500) + bytes(range(1, 251)) * 100)
    file = open_object(path)
    assert isinstance(file, OpenedFile)
    assert file.is_all_here
    source, pieces, is_last = ReadSource(file, 500, size), list[bytes](), False
    while not is_last:
        piece, is_last = source.next_piece()
        pieces.append(bytes(piece))
    assert b"".join(pieces) == bytes(range(1, 251)) * 100
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    source = ReadSource(file, 500, 20_000)
    assert source.next_piece()[1] is False
    os.truncate(path, 10_000)
    with pytest.raises(SourceChanged, match="was written to while it was sent"):
        source.next_piece()
    file.close()


def test_a_file_that_was_cut_gives_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * FIRST_BYTES))
    file = open_object(path)
    os.truncate(path, 2 * FIRST_BYTES)
    assert len(file.read()) == 2 * FIRST_BYTES
    assert file.read(10) == b""
    assert file.readinto(memoryview(bytearray(10))) == 0
    assert first_stamp_of(file) != stamp_of(file)
    file.close()
    assert stamp_of(file) is None


@pytest.mark.parametrize(("name", "number"), [("missing", errno.ENOENT), (".", errno.EISDIR)])
def test_what_cannot_be_opened_is_named(tmp_path: Path, name: str, number: int) -> None:
    before = len(os.listdir("/dev/fd"))
    path = str(tmp_path / name)
    with pytest.raises(OSError, match=name) as caught:
        open_object(path)
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert len(os.listdir("/dev/fd")) == before


def test_what_is_no_regular_file_is_read_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keeper = os.open(pipe, os.O_RDWR)
    try:
        os.write(keeper, b"bytes")
        file = open_object(pipe)
        assert file.read(5) == b"bytes"
        file.close()
    finally:
        os.close(keeper)
    empty = tmp_path / "empty"
    empty.touch()
    file = open_object(empty)
    assert not isinstance(file, OpenedFile)
    assert file.read() == b""
    file.close()
