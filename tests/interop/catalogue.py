"""The objects that are sent to and fro: the files that the installed pydicom carries for its own tests.

What is read here is read without dicomproto, so that a fault in its reader shows.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pydicom
import pydicom.data
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom

DATA = Path(pydicom.data.__file__).parent
FOLDERS = (DATA / "test_files", DATA / "charset_files", DATA / "palettes")
EXCEPTIONS = Path(__file__).with_name("exceptions.json")
"""What a peer cannot send, take or keep as it is: peer -> file -> the peer's message."""


@dataclass(frozen=True)
class Object:
    """An object in a Part 10 file: what C-STORE needs to know, and the bytes after group 0002."""

    name: str
    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes

    def arrived_as(self, data_set: bytes) -> bool:
        """Tell whether `data_set` is this object's: identical, or even by one NUL (PS3.5 7.1.1)."""
        return data_set in (self.data_set, self.data_set + b"\0" * (len(self.data_set) % 2))


@cache
def files() -> tuple[Path, ...]:
    """Return every file of the folders, objects or not."""
    return tuple(path for folder in FOLDERS for path in sorted(folder.rglob("*")) if path.is_file())


@cache
def objects() -> tuple[Object, ...]:
    """Return the sendable objects: Part 10 files that say their transfer syntax, SOP class and instance."""
    return tuple(one for path in files() if (one := read_object(path)) is not None)


def name_of(path: Path | str) -> str:
    """Return the name that the tests and the lists of exceptions use for a file of pydicom's."""
    return Path(path).relative_to(DATA).as_posix()


def read_object(path: Path) -> Object | None:
    """Read a file; None when it is no sendable object."""
    if not is_dicom(path):
        return None
    head = read_dataset(path)
    syntax = head.file_meta.get("TransferSyntaxUID")
    if not (syntax and head.get("SOPClassUID") and head.get("SOPInstanceUID")):
        return None
    return Object(
        name=name_of(path) if path.is_relative_to(DATA) else path.name,
        path=path,
        sop_class_uid=str(head.SOPClassUID),
        sop_instance_uid=str(head.SOPInstanceUID),
        transfer_syntax_uid=str(syntax),
        data_set=data_set_of(path.read_bytes()),
    )


def read_dataset(path: Path) -> Dataset:
    """Read a file with pydicom, whose warnings about it are no business of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def data_set_of(content: bytes) -> bytes:
    """Return what follows group 0002, which is always in Explicit VR Little Endian (PS3.10 7.1)."""
    offset = 132
    while content[offset : offset + 2] == b"\x02\x00":
        if content[offset + 4 : offset + 6] in (b"OB", b"UN"):
            offset += 12 + int.from_bytes(content[offset + 8 : offset + 12], "little")
        else:
            offset += 8 + int.from_bytes(content[offset + 6 : offset + 8], "little")
    return content[offset:]


def by_transfer_syntax(some: Iterable[Object]) -> Mapping[str, list[Object]]:
    """Return `some` by the transfer syntax they are in."""
    result: dict[str, list[Object]] = {}
    for one in some:
        result.setdefault(one.transfer_syntax_uid, []).append(one)
    return result


def exceptions(peer: str) -> dict[str, str]:
    """Return the checked-in list of what `peer` cannot do: the files and its messages."""
    listed: dict[str, dict[str, str]] = json.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    return listed[peer]
