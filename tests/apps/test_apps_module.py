"""`python -m dicomproto` is the command, and what is not installed is named with what installs it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from dicomproto_transports.apps import APPLICATIONS, main
from dicomproto_transports.apps.cli.console import INFO, Console
from dicomproto_transports.apps.cli.progress import Progress
from tests.applications import Done


def python(*words: str) -> Done:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def test_the_package_runs_as_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--version"], ["echoscu", "--help"], ["echoscu", "127.0.0.1"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        known = capsys.readouterr()
        done = python("-m", "dicomproto", *words)
        assert (done.status, done.out, done.err) == (caught.value.code, known.out, known.err)
    alone = python("-m", "dicomproto")
    assert (alone.status, alone.err) == (2, "")
    assert all(name in alone.out for name in APPLICATIONS)
    assert python("-c", "import dicomproto.__main__") == Done(0, "", "")


@pytest.mark.parametrize(
    ("library", "module", "extra"),
    [
        ("trio", "dicomproto_transports.trio", "trio"),
        ("anyio", "dicomproto_transports.anyio", "anyio"),
        ("hypothesis", "dicomproto.strategies", "testing"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(library: str, module: str, extra: str) -> None:
    done = python("-c", f"import sys; sys.modules[{library!r}] = None; import {module}")
    assert done.status == 1
    wanted = f"{module} needs {library}, which is not installed: pip install 'dicomproto[{extra}]'"
    assert done.err.splitlines()[-1] == f"ModuleNotFoundError: {wanted}"


def test_a_library_that_is_broken_itself_tells_so() -> None:
    code = "import sys; sys.modules['outcome'] = None; import dicomproto_transports.trio"
    last = python("-c", code).err.splitlines()[-1]
    assert "outcome" in last
    assert "pip install" not in last


def test_without_rich_there_is_no_progress_bar_and_who_asks_is_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress(Console(INFO), 1, 100) as progress:
            progress.file_done("a file", 100)
        shown = os.read(ours, 1000)
        monkeypatch.undo()
    os.close(ours)
    assert shown == b"I: there is no progress bar without rich: pip install 'dicomproto[apps]'\r\n"


@pytest.mark.parametrize(
    "statement",
    [
        "import dicomproto_transports",
        "from dicomproto_transports.blocking import AE",
        "import dicomproto_transports.trio",
        "from dicomproto_transports import evt",
        "from dicomproto_transports.apps import main",
        "import dicomproto.__main__",
    ],
)
def test_windows_is_told_where_it_does_run(statement: str) -> None:
    done = python("-c", f"import sys; sys.platform = 'win32'; {statement}")
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("ImportError: dicomproto_transports does not run on Windows")
    assert "WSL" in last


def test_the_engine_runs_on_windows() -> None:
    every_name = "for name in dicomproto.__all__: getattr(dicomproto, name)"
    code = f"import sys; sys.platform = 'win32'; import dicomproto\n{every_name}"
    assert python("-c", code) == Done(0, "", "")
