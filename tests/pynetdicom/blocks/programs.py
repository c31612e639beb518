"""The runnable examples of pynetdicom's documents, as programs without fixed ports or files of a user.

A block is runnable if Python parses it, and it imports something of pynetdicom and does something. The ports,
file names, waits and functions "outside the scope of the example" are put in by fixed replacements.
"""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import sources

from dicomproto_transports.pynetdicom.migrate import migrated

FOLDERS = ("docs/tutorials", "docs/examples", "docs/user")

CONTINUED = {"docs/examples/mpps.rst": {2: 1}, "docs/user/presentation_private.rst": {4: 3}}
"""Blocks that go on from another one of the same file, by number."""

REPLACED = [
    ("ae.associate(addr, port)", "ae.associate('127.0.0.1', PORT)"),
    (r"\b(11112)\b", "PORT"),
    (r"\b(11113|11120)\b", "OTHER_PORT"),
    (r"(path/to/file\.dcm|path/to/dataset|file-in\.dcm)", "CT.dcm"),
    (r"/path/to/directory", "instances"),
    (r"time\.sleep\((20|60)\)", "time.sleep(0.6)"),
]
"""Patterns, and what stands for them in all blocks. PORT and OTHER_PORT are names in the program."""

STUBS = {
    "from my_code import create_attribute_list": (
        "def create_attribute_list(attr):\n    from pydicom.dataset import Dataset\n    ds = Dataset()\n"
        "    ds.Manufacturer = 'Maker'\n    return ds"
    ),
    "from my_code import some_user_function": "def some_user_function(event):\n    return True, b'reply'",
}
"""Functions that the documents leave to the reader."""

BEFORE = {
    "get_known_aet": "def get_known_aet():\n    return {'STORE_SCP': ('127.0.0.1', OTHER_PORT)}\n",
    "time.sleep": "import time\n",
    "create_template": "def create_template(instance, ds):\n    return ds\n",
}


class Program(NamedTuple):
    """A runnable block."""

    name: str
    """The version, file and line of the block."""
    kind: str
    """scu, server or plain."""
    text: str
    moved: str
    """The same for the drop-in."""


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each block of Python code in a document."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if found := re.match(r"( *)\.\. (code-block:: *python|doctest::)", lines[at]):
            end = at + 1
            while end < len(lines) and (
                not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > len(found[1])
            ):
                end += 1
            body = [line for line in lines[at + 1 : end] if not re.match(r"\s+:[\w-]+:", line)]
            yield at + 1, textwrap.dedent("\n".join(body)).strip("\n") + "\n"
            at = end
        else:
            at += 1


def plain(text: str) -> str:
    """Return a block as a program; one that shows a dialogue prints its values as the interpreter would."""
    if ">>>" not in text:
        return text if not text.startswith(" ") else textwrap.dedent(text)
    parts = []
    for example in doctest.DocTestParser().get_examples(text):
        source = example.source
        try:
            ast.parse(source.strip(), mode="eval")
        except SyntaxError:
            parts.append(source)
        else:
            parts.append(f"__import__('sys').displayhook(\n{source.strip()}\n)\n")
    return "".join(parts)


def is_runnable(text: str) -> bool:
    """Say whether a block imports something of pynetdicom and uses it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    kinds = (ast.Import, ast.ImportFrom)
    return re.search(r"^(from|import) pynetdicom", text, re.MULTILINE) is not None and not all(
        isinstance(node, kinds) for node in tree.body
    )


def programs() -> list[Program]:
    """Return every runnable block. Raises MissingDocumentsError."""
    files = [("1.5.7", "README.rst"), ("3.0.4", "README.rst")]
    files += [("3.0.4", name) for folder in FOLDERS for name in sources.documents("3.0.4", folder)]
    found: list[Program] = []
    for version, name in files:
        texts: list[str] = []
        for line, block in blocks(sources.document(version, name)):
            text = plain(block)
            texts.append(text)
            if earlier := CONTINUED.get(name, {}).get(len(texts)):
                text = texts[earlier - 1] + "\n" + text
            if is_runnable(text):
                text = complete(text)
                found.append(Program(f"{version}/{name}:{line}", kind(text), text, moved(text)))
    return found


def own(folder: Path) -> list[Program]:
    """Return our own programs, moved by the command `migrate`."""
    found = []
    for path in sorted(folder.glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Program(f"{path.parent.name}/{path.name}", path.parent.name, text, migrated(text)[0]))
    return found


def kind(text: str) -> str:
    """Return whether a block asks a peer, waits for peers, or does neither."""
    if "ae.associate(" in text and "'localhost', PORT" not in text:
        return "scu"
    ends = "server.shutdown()" in text or "ssl_context=" in text or "'localhost', PORT" in text
    return "server" if "ae.start_server(" in text and not ends else "plain"


def complete(text: str) -> str:
    """Put in what the reader is to put in."""
    for stub, code in STUBS.items():
        text = text.replace(stub, code)
    for pattern, replacement in REPLACED:
        text = (
            text.replace(pattern, replacement) if "(addr" in pattern else re.sub(pattern, replacement, text)
        )
    return "".join(code for name, code in BEFORE.items() if f"{name}(" in text) + text


def moved(text: str) -> str:
    """Change the import lines to the drop-in."""
    text = re.sub(r"^(\s*from )pynetdicom\b", r"\1dicomproto_transports.pynetdicom", text, flags=re.MULTILINE)
    return re.sub(
        r"^(\s*import )pynetdicom$",
        r"\1dicomproto_transports.pynetdicom as pynetdicom",
        text,
        flags=re.MULTILINE,
    )


if __name__ == "__main__":
    for program in programs():
        print(program.kind, program.name)
