"""The files that `storescu` is to send: found, and looked at no further than their heads."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from dicomproto.record import Record

from ...files import part10 as _part10
from ...files.objects import KnownFile

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, which is an index of files and never sent (PS3.4 I.4)."""


class Source(Record):
    """A file that can be sent."""

    path: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int
    """Bytes of the data set."""
    known: KnownFile | None = None
    """What sending need not read again."""


class Setback(Record):
    """A file that cannot be sent, and why.

    `skipped` means that nobody asked for it by name and that it is no DICOM object at all.
    """

    path: str
    reason: str
    skipped: bool = False


def find_sources(
    paths: Iterable[str], *, recurse: bool, pass_over: Callable[[str], None] = lambda path: None
) -> Iterator[Source | Setback]:
    """Look at each file that `paths` name, and at the files of the directories among them.

    Directories come in the order of their names; with `recurse` those below them, too, otherwise `pass_over`
    is told of each one that has some. Links to directories are followed only where `paths` name them.
    """
    for path in paths:
        if os.path.isdir(path):
            yield from _directory(path, recurse, pass_over)
        else:
            yield look_at(path, named=True)


def _directory(path: str, recurse: bool, pass_over: Callable[[str], None]) -> Iterator[Source | Setback]:
    try:
        with os.scandir(path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Setback(path=path, reason=_words(error))
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
    except OSError:  # a link that leads round in a circle, or where we may not go: `look_at` says so
        return False


def look_at(path: str, *, named: bool) -> Source | Setback:
    """Read the head of a file; `named` tells whether the user asked for this very file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Setback(path=path, reason="not a regular file", skipped=not named)
        known = KnownFile.read(path)
    except OSError as error:
        return Setback(path=path, reason=_words(error))
    except _part10.InvalidFile as error:
        is_other = isinstance(error, _part10.NotPart10)
        return Setback(path=path, reason=error.reason, skipped=is_other and not named)
    head = known.head
    if head.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Setback(path=path, reason="a DICOMDIR is no object to be stored", skipped=not named)
    return Source(
        path=path,
        sop_class_uid=head.sop_class_uid,
        transfer_syntax_uid=head.transfer_syntax_uid,
        size=head.data_set_length,
        known=known,
    )


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
