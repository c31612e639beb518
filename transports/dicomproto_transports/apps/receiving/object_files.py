"""Received objects become files: complete under their own name, or not at all.

An object is written, as it arrives, to a temporary file in the output directory
(`.dicomproto-<random>.part`). When it is complete, `link` gives it its name, and fails if the name exists.
This one atomic step needs no lock, even if several associations or processes receive the same SOP Instance
UID at the same time. An existing object is compared; an identical data set is kept once. A different one, a
variant, gets a suffix, the hash of its transfer syntax and data set, so that one look tells whether it is
there already. The temporary file is removed whatever goes wrong.

Nothing is flushed to the disk before the response unless `fsync` is set: an object that was answered with
success survives the end of the process, but perhaps not a power failure.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from dicomproto.dimse.status import DUPLICATE_SOP_INSTANCE, INVALID_SOP_INSTANCE, OUT_OF_RESOURCES, SUCCESS
from dicomproto.record import Record
from dicomproto.upper_layer.pdu import Buffer

from ...files import part10 as _part10
from ..cli.output_directory import open_temporary, sync_directory
from .file_names import ALL_PREFIXES, file_name, stem

POLICIES = ("keep", "replace", "refuse")
"""What to do with a SOP Instance UID that is there already."""

MAXIMUM_VARIANTS = 1000
"""The limit of objects kept beside the first one with the same SOP class and SOP Instance UID."""

_BATCH_BYTES = 256 * 1024
_BATCH_BUFFERS = 64
_COMPARED_AT_ONCE = 1024 * 1024


class Receipt(Record):
    """The result for one object: the status of the response, and the path of the file."""

    status: int
    outcome: str
    """"stored", "identical" (was there, kept once), "variant" (something else was there, both kept),
    "replaced", "refused" or "failed"; the application adds "discarded" and "foreign"."""
    path: str | None = None
    size: int = 0
    """Bytes of the data set."""
    text: str = ""
    """The reason, for a person."""
    warnings: tuple[str, ...] = ()
    """Faults of the object that were tolerated."""


class ObjectStore:
    """Writes objects to `directory`; one instance serves all associations of a server."""

    def __init__(self, directory: str, *, on_duplicate: str = "keep", fsync: bool = False) -> None:
        if on_duplicate not in POLICIES:
            raise ValueError(f"on_duplicate is one of {', '.join(POLICIES)}")
        self.directory = directory
        self.on_duplicate = on_duplicate
        self.fsync = fsync
        self._variants: Counter[str] | None = None  # by the name of the first object; counted when needed
        self._lock = threading.Lock()

    def refusal(self, sop_instance_uid: str) -> Receipt | None:
        """Return the receipt of an object that is refused before its data set comes, or None."""
        if not sop_instance_uid:
            return Receipt(status=INVALID_SOP_INSTANCE, outcome="refused", text="it has no SOP Instance UID")
        if self.on_duplicate == "refuse":
            there = self._there(stem(sop_instance_uid))
            if there is not None:
                return _refused(there)
        return None

    def receive(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, chunks: Iterable[Buffer]
    ) -> Receipt:
        """Write the data set in `chunks`, and return the receipt.

        An error of the file system ends in a receipt; `chunks` is then not read to its end. An error raised
        by `chunks` (the association is lost) passes through, and no file is left.
        """
        refused = self.refusal(sop_instance_uid)
        if refused is not None:
            return refused
        meta = _part10.file_meta_bytes(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )
        try:
            part = _Part(self.directory, meta)
        except OSError as error:
            return _failed(error)
        try:
            for chunk in chunks:
                try:
                    part.write(chunk)
                except OSError as error:
                    return _failed(error)
            try:
                part.finish(fsync=self.fsync)
                return self._publish(part, sop_class_uid, sop_instance_uid, transfer_syntax_uid)
            except OSError as error:
                return _failed(error)
        finally:
            part.discard()

    def _publish(
        self, part: _Part, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> Receipt:
        name = file_name(sop_class_uid, sop_instance_uid)
        path = os.path.join(self.directory, name)
        if _claim(part.path, path):
            self._settle()
        elif self.on_duplicate == "replace":
            os.replace(part.path, path)
            self._settle()
            text = "the old object is gone"
            return Receipt(status=SUCCESS, outcome="replaced", path=path, size=part.size, text=text)
        elif self.on_duplicate == "refuse":
            return _refused(path)
        else:
            return self._keep_beside(name, part, transfer_syntax_uid)
        if self._there(stem(sop_instance_uid), besides=name) is not None:
            return _variant(path, part, "an object of another SOP class with the same SOP Instance UID")
        return Receipt(status=SUCCESS, outcome="stored", path=path, size=part.size)

    def _keep_beside(self, name: str, part: _Part, transfer_syntax_uid: str) -> Receipt:
        """Keep an object whose name is taken, unless an identical one is there."""
        path = os.path.join(self.directory, name)
        if _holds(path, part, transfer_syntax_uid):
            return self._identical(path, part)
        path = f"{path}_{part.digest(transfer_syntax_uid)}"
        with self._lock:
            if self._variants is None:
                self._variants = _count_variants(self.directory)
            has_room = self._variants[name] < MAXIMUM_VARIANTS
            is_kept = has_room and _claim(part.path, path)
            self._variants[name] += is_kept
        if is_kept:
            self._settle()
            return _variant(path, part, "another object with the same SOP Instance UID")
        if _holds(path, part, transfer_syntax_uid):
            return self._identical(path, part)
        if has_room:
            text = f"{os.path.basename(path)} is not the object that its name says; remove it"
        else:
            text = f"{MAXIMUM_VARIANTS} other objects with its SOP Instance UID are kept beside {name}"
        return Receipt(status=DUPLICATE_SOP_INSTANCE, outcome="refused", path=path, text=text)

    def _identical(self, path: str, part: _Part) -> Receipt:
        if self.fsync:  # the program that wrote it may not have done so
            _sync_file(path)
        self._settle()
        return Receipt(status=SUCCESS, outcome="identical", path=path, size=part.size)

    def _there(self, uid: str, besides: str = "") -> str | None:
        """Return the path of an object with this SOP Instance UID and any SOP class, other than `besides`."""
        for prefix in ALL_PREFIXES:
            name = f"{prefix}.{uid}"
            if name != besides and os.access(path := f"{self.directory}/{name}", os.F_OK):
                return path
        return None

    def _settle(self) -> None:
        """Write the new name to the disk, as the contents are."""
        if self.fsync:
            sync_directory(self.directory)


class _Part:
    """The temporary file of an object in transfer."""

    def __init__(self, directory: str, meta: bytes) -> None:
        self._file, self.path = open_temporary(directory)
        self.meta = meta
        self.size = 0
        self._waiting: list[Buffer] = [meta]
        self._waiting_bytes = len(meta)

    def write(self, chunk: Buffer) -> None:
        """Add a chunk. A few are collected, so that small fragments do not cost a system call each."""
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        self.size += len(chunk)
        if self._waiting_bytes >= _BATCH_BYTES or len(self._waiting) >= _BATCH_BUFFERS:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        while waiting:
            written = os.writev(self._file, waiting)
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = memoryview(waiting[0])[written:]

    def finish(self, *, fsync: bool) -> None:
        """Write the collected chunks. The file stays open, and thus locked, until it has its name."""
        self._flush()
        if fsync:
            os.fsync(self._file)
        os.close(os.dup(self._file))  # some file systems report a full disk only then

    def digest(self, transfer_syntax_uid: str) -> str:
        """Return a hash of the transfer syntax and the data set."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(len(self.meta))
            start = f"{transfer_syntax_uid}\0".encode("utf-8", "surrogatepass")
            return hashlib.file_digest(file, lambda: hashlib.sha256(start)).hexdigest()[:40]

    def discard(self) -> None:
        """Remove the temporary name if it is still there, and close the file; never raises."""
        with suppress(OSError):
            os.unlink(self.path)
        with suppress(OSError):
            os.close(self._file)


def _claim(temporary: str, path: str) -> bool:
    """Give the file its name and return True; return False if the name is taken."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    return _rename(temporary, path)


_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_naming = threading.Lock()


def _rename(temporary: str, path: str) -> bool:
    """Do the same as `_claim` on a file system without links; a lock keeps other receivers out."""
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        with _naming:
            with suppress(OSError):  # without locks, only this process is safe
                fcntl.flock(directory, fcntl.LOCK_EX)
            if os.path.lexists(path):
                return False
            os.rename(temporary, path)
            return True
    finally:
        os.close(directory)


def _count_variants(directory: str) -> Counter[str]:
    """Return the number of variants beside each name."""
    with os.scandir(directory) as entries:
        return Counter(match[1] for entry in entries if (match := _VARIANT.fullmatch(entry.name)))


_VARIANT = re.compile(r"([A-Z]+\.[0-9a-z.-]+)_[0-9a-f]{40}")


def _sync_file(path: str) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _holds(path: str, part: _Part, transfer_syntax_uid: str) -> bool:
    """Tell whether a file has the same transfer syntax and data set as `part`."""
    try:
        with open(path, "rb") as there, open(part.path, "rb") as new:
            if there.read(len(part.meta)) != part.meta:
                # Perhaps only the File Meta Information differs: another program or version wrote it.
                there.seek(0)
                head = _part10.read_head(there)
                if head.transfer_syntax_uid != transfer_syntax_uid or head.data_set_length != part.size:
                    return False
                there.seek(head.data_set_offset)
            new.seek(len(part.meta))
            while block := new.read(_COMPARED_AT_ONCE):
                if there.read(_COMPARED_AT_ONCE) != block:
                    return False
            return not there.read(1)
    except (OSError, ValueError):
        return False


def _variant(path: str, part: _Part, other: str) -> Receipt:
    text = f"{other} is there; both are kept"
    return Receipt(status=SUCCESS, outcome="variant", path=path, size=part.size, text=text)


def _refused(path: str) -> Receipt:
    text = "its SOP Instance UID is there already"
    return Receipt(status=DUPLICATE_SOP_INSTANCE, outcome="refused", path=path, text=text)


def _failed(error: OSError) -> Receipt:
    return Receipt(status=OUT_OF_RESOURCES, outcome="failed", text=error.strerror or type(error).__name__)
