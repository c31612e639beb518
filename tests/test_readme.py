"""Every code block of the README does what the README says.

The Python blocks of a section are one program, run in a new interpreter with warnings as errors; the
`text` block that follows is what it prints. The commands of a `console` block are run as they stand,
but for the port, which the server chooses.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT = 60.0


def sections() -> dict[str, list[tuple[str, str]]]:
    """Return the code blocks of each section, in order: language and text."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    heading, *rest = re.split(r"^## (.*)$", readme, flags=re.MULTILINE)
    assert not BLOCK.findall(heading)
    return {
        title: BLOCK.findall(text) for title, text in zip(rest[::2], rest[1::2], strict=True) if "```" in text
    }


SECTIONS = sections()
PROGRAMS = [title for title, blocks in SECTIONS.items() if "python" in dict(blocks)]


def joined(title: str, language: str) -> str:
    return "".join(text for kind, text in SECTIONS[title] if kind == language)


def test_the_readme_shows_what_it_should() -> None:
    assert [set(dict(blocks)) for blocks in SECTIONS.values()] == [
        {"sh"},  # the two commands
        {"python", "text"},  # the engine
        {"python", "text"},  # blocking
        {"python", "text"},  # a query
        {"python", "text"},  # trio
        {"python", "text"},  # anyio
        {"console"},  # the command line
    ]


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_program_prints_what_the_readme_says(title: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(joined(title, "python"), encoding="utf-8")
    command = [sys.executable, "-W", "error", program]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert result.stderr == ""
    assert result.stdout == joined(title, "text")
    assert result.returncode == 0


@pytest.mark.parametrize("command", re.findall(r"^make (\w+)", joined("Two commands", "sh"), re.MULTILINE))
def test_a_command_of_the_readme_is_one_of_the_makefile(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@contextmanager
def in_background(command: str, port: str) -> Iterator[str]:
    """Start a server of the README on any free port, which it prints; end it by SIGTERM."""
    words = [re.sub(rf"^{port}$", "0", word) for word in shlex.split(command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=with_our_commands()) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().split()[-1]
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
            assert server.wait(TIMEOUT) == 0
        finally:
            server.kill()


def with_our_commands() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_the_command_line_sends_and_receives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images", "deeper").mkdir(parents=True)
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(get_testdata_file(name), "images/deeper")
    background, *commands = re.findall(r"^\$ (.*)$", joined("The command line", "console"), re.MULTILINE)
    with in_background(background.removesuffix(" &"), "11112") as port:
        for command in commands:
            words = shlex.split(command.replace("11112", port))
            subprocess.run(words, env=with_our_commands(), timeout=TIMEOUT, check=True)
    assert len([path for path in Path("received").rglob("*") if path.is_file()]) == 2
