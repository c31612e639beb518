"""The command `migrate`: rewrite the imports of programs written for pynetdicom."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import shutil
import sys
import tempfile
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ._asynchronous import asynchronous
from ._changes import FLAVOURS, LINE_END, THEIRS, Finding, Source, to_drop_in, to_library
from ._differences import differences
from ._guards import guards
from ._idioms import idioms, uses

PAGES = {False: "docs/pynetdicom-drop-in.md", True: "docs/from-pynetdicom.md"}
NOTEBOOK = ".ipynb"

_SUFFIXES = {".py", ".pyi", ".pyw", NOTEBOOK}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if nothing differs, 1 if something needs a hand, 2 if a path cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m dicomproto_transports.pynetdicom")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "migrate", help="rewrite the imports of programs written for pynetdicom",
        description="Show what changes in programs written for pynetdicom, and list what needs a hand.",
        epilog="Exit codes: 0 nothing differs, 1 something needs a hand, 2 usage, or a file that cannot be "
        "read or written. Such a file stays as it is. Notebooks are not read.",
    )  # fmt: skip
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory of *.py, *.pyi and *.pyw"
    )
    command.add_argument("--write", action="store_true", help="change the files")
    command.add_argument(
        "--to", choices=("library", *FLAVOURS), help="go on to the library itself; library means blocking"
    )
    options = parser.parse_args(arguments)
    flavour = "blocking" if options.to == "library" else options.to
    code = 0
    for path in options.paths:
        if not path.is_dir():
            code = max(code, _migrate(path, flavour, write=options.write))
            continue
        unread: list[OSError] = []
        for file in _files(path, unread):
            code = max(code, _migrate(file, flavour, write=options.write))
        for error in unread:
            code = max(code, _refuse(Path(error.filename), error.strerror or str(error)))
    return code


def _files(path: Path, unread: list[OSError]) -> Iterator[Path]:
    """Yield the programs and notebooks below a directory; links to directories are not followed."""
    for folder, folders, names in os.walk(path, onerror=unread.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if file.suffix in _SUFFIXES and file.is_file():
                yield file


def _migrate(file: Path, flavour: str | None, *, write: bool) -> int:
    try:
        if file.exists() and not file.is_file():
            return _refuse(file, "is no regular file")
        data = file.read_bytes()
        if file.suffix == NOTEBOOK:
            return _tell_of_notebook(file, data)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        if text.encode(encoding) != data:
            return _refuse(file, f"is left as it is, since {encoding} does not give the same bytes again")
        changed, findings = migrated(text, flavour)
        encoded = changed.encode(encoding)
        if write and encoded != data:
            _replace(file.resolve(), encoded)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        return _refuse(file, f"is left as it is, since it does not parse: {error.msg}{where}")
    except (ValueError, LookupError, RecursionError, MemoryError) as error:
        return _refuse(file, f"is left as it is: {error}")
    except OSError as error:
        return _refuse(file, error.strerror or str(error))
    _show(file, text, changed)
    for finding in findings:
        _say(f"{file}:{finding.line}: {finding.text}")
    if findings:
        _say(f"{file}: {len(findings)} to look at; see {PAGES[flavour is not None]}")
    return 1 if findings else 0


def _refuse(file: Path, text: str) -> int:
    sys.stderr.write(f"{file}: {text}" + "\n")
    return 2


def _tell_of_notebook(file: Path, data: bytes) -> int:
    if THEIRS.encode() not in data:
        return 0
    _say(f"{file}:1: names pynetdicom; notebooks are not read: export it as a program")
    return 1


def migrated(text: str, flavour: str | None = None) -> tuple[str, list[Finding]]:
    """Return the text of a program with its imports rewritten, and what needs a hand.

    With a flavour (`blocking`, `trio`, `anyio`) the names become the library's. Raises SyntaxError or
    ValueError for a text that does not parse.
    """
    source = Source(text)
    found = differences(source)
    if flavour is not None and uses(source):
        source, habits = _to_library(source, flavour)
        found += habits
    changed = source.edited(to_drop_in(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(changed, "<migrated>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ValueError(
            f"what it would become does not compile: {error.msg} (line {error.lineno})"
        ) from None
    return changed, sorted(set(found))


def _to_library(source: Source, flavour: str) -> tuple[Source, list[Finding]]:
    """Return a program for the library, and what of it needs a hand, by the lines that it had."""
    guarding, guarded = guards(source)
    findings = to_library(source, flavour)[1] + idioms(source, guarded)[1]
    if flavour != "blocking":
        findings += asynchronous(source, flavour)[1]
    source = Source(source.edited(guarding))
    source = Source(source.edited(to_library(source, flavour)[0] + idioms(source)[0]))
    if flavour != "blocking":
        source = Source(source.edited(asynchronous(source, flavour)[0]))
    return source, findings


def _replace(file: Path, data: bytes) -> None:
    """Write a file as a whole, with the permissions and the owner that it had. Raises OSError."""
    before = file.stat()
    if not before.st_mode & 0o222:
        raise PermissionError(errno.EACCES, "is left as it is, since it is read-only")
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        with suppress(PermissionError):  # only root may give a file away
            os.chown(name, before.st_uid, before.st_gid)
        shutil.copymode(file, name)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


def _show(file: Path, before: str, after: str) -> None:
    old, new = (LINE_END.sub("\n", text).removesuffix("\n").split("\n") for text in (before, after))
    for line in difflib.unified_diff(old, new, str(file), f"{file} (migrated)", lineterm=""):
        _say(line)


def _say(line: str) -> None:
    """Print a line; what standard output cannot show is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
