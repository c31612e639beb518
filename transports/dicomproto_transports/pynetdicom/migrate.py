"""The command `migrate`: rewrite the imports of programs written for pynetdicom."""

from __future__ import annotations

import argparse
import difflib
import io
import os
import shutil
import sys
import tempfile
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from ._changes import FLAVOURS, Finding, Source, to_drop_in, to_library
from ._differences import differences, idioms, uses

PAGES = {False: "docs/pynetdicom-drop-in.md", True: "docs/from-pynetdicom.md"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if nothing differs, 1 if something needs a hand, 2 if a path cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m dicomproto_transports.pynetdicom")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "migrate", help="rewrite the imports of programs written for pynetdicom",
        description="Show what changes in programs written for pynetdicom, and list what needs a hand.",
        epilog="Exit codes: 0 nothing differs, 1 something needs a hand, 2 usage, or an unreadable file.",
    )  # fmt: skip
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a directory of *.py")
    command.add_argument("--write", action="store_true", help="change the files")
    command.add_argument(
        "--to", choices=("library", *FLAVOURS), help="go on to the library itself; library means blocking"
    )
    options = parser.parse_args(arguments)
    flavour = "blocking" if options.to == "library" else options.to
    code = 0
    for path in options.paths:
        for file in _files(path):
            code = max(code, _migrate(file, flavour, write=options.write))
    return code


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _migrate(file: Path, flavour: str | None, *, write: bool) -> int:
    try:
        data = file.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        changed, findings = migrated(text, flavour)
        encoded = changed.encode(encoding)
        if write and encoded != data:
            _replace(file.resolve(), encoded)
    except (SyntaxError, ValueError, RecursionError) as error:
        sys.stderr.write(f"{file}: is left as it is, since it does not parse: {error}" + "\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{file}: {error.strerror or error}" + "\n")
        return 2
    _show(file, text, changed)
    for finding in findings:
        _say(f"{file}:{finding.line}: {finding.text}")
    if findings:
        _say(f"{file}: {len(findings)} to look at; see {PAGES[flavour is not None]}")
    return 1 if findings else 0


def migrated(text: str, flavour: str | None = None) -> tuple[str, list[Finding]]:
    """Return the text of a program with its imports rewritten, and what needs a hand.

    With a flavour (`blocking`, `trio`, `anyio`) the names become the library's. Raises SyntaxError or
    ValueError for a text that does not parse.
    """
    source = Source(text)
    found = differences(source)
    if flavour is None:
        changed = source.edited(to_drop_in(source))
    else:
        edits, imports = to_library(source, flavour)
        more, habits = idioms(source, flavour) if uses(source) else ([], [])
        library = Source(source.edited([*edits, *more]))
        changed = library.edited(to_drop_in(library))
        found += [*imports, *habits]
    Source(changed)  # what was written parses
    return changed, sorted(set(found))


def _replace(file: Path, data: bytes) -> None:
    """Write a file as a whole, with the permissions that it had."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        shutil.copymode(file, name)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


def _show(file: Path, before: str, after: str) -> None:
    old, new = before.splitlines(), after.splitlines()
    for line in difflib.unified_diff(old, new, str(file), f"{file} (migrated)", lineterm=""):
        _say(line)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
