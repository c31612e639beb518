"""The files that `storescu` sends. Only their heads are read here."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from dicomproto.record import Record

from ...files import part10 as _part10
from ...files.objects import KnownFile

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, an index of files, which is never sent (PS3.4 I.4)."""


class InputFile(Record):
    """A file that can be sent."""

    path: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int
    """Bytes of the data set."""
    known: KnownFile | None = None
    """What was read of the file, so that it is not read again."""


class Unsendable(Record):
    """A file that cannot be sent, and the reason.

    `skipped` marks a file that is not a DICOM object and that lies in a directory: the user did not name it.
    """

    path: str
    reason: str
    skipped: bool = False


def find_input_files(
    paths: Iterable[str], *, recurse: bool, pass_over: Callable[[str], None] = lambda path: None
) -> Iterator[InputFile | Unsendable]:
    """Yield each file in `paths`, and each file of the directories in `paths`.

    The files of a directory come in the order of their names. With `recurse` its subdirectories are read,
    too; without, `pass_over` is called for a directory that has some. Links to directories are followed only
    if they stand in `paths`.
    """
    for path in paths:
        if os.path.isdir(path):
            yield from _directory(path, recurse, pass_over)
        else:
            yield look_at(path, named=True)


def _directory(
    path: str, recurse: bool, pass_over: Callable[[str], None]
) -> Iterator[InputFile | Unsendable]:
    try:
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Unsendable(path=path, reason=_words(error))
        return
    if not recurse and any(_is_directory(entry) and not entry.is_symlink() for entry in entries):
        pass_over(path)
    for entry in entries:
        if _is_directory(entry):
            if recurse and not entry.is_symlink():
                yield from _directory(entry.path, recurse, pass_over)
        else:
            yield look_at(entry.path, named=False)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links, or no permission: `look_at` reports it
        return False


def look_at(path: str, *, named: bool) -> InputFile | Unsendable:
    """Read the head of a file; `named` says whether the user named this file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Unsendable(path=path, reason="not a regular file", skipped=not named)
        known = KnownFile.read(path)
    except OSError as error:
        return Unsendable(path=path, reason=_words(error))
    except _part10.InvalidFile as error:
        is_other = isinstance(error, _part10.NotPart10)
        return Unsendable(path=path, reason=error.reason, skipped=is_other and not named)
    head = known.head
    if head.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Unsendable(path=path, reason="a DICOMDIR is not sent", skipped=not named)
    return InputFile(
        path=path,
        sop_class_uid=head.sop_class_uid,
        transfer_syntax_uid=head.transfer_syntax_uid,
        size=head.data_set_length,
        known=known,
    )


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
