"""The two output streams: results and diagnostics apart, nothing unescaped, JSON one object a line."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

import pytest

from dicomproto_transports.apps.cli.console import DEBUG, ERROR, INFO, LEVELS, Console, printable, size
from tests.applications import APPLICATION, Server, run_application, write_object


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Müller", "Müller"),
        ("a\nE: forged", "a\\nE: forged"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("tab\t", "tab\\t"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_results_and_diagnostics_have_a_stream_each(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(DEBUG)
    console.result("result")
    console.error("error")
    console.warn("warning")
    console.info("information")
    console.debug("detail")
    console.event("never", text="shown")
    output = capsys.readouterr()
    assert output.out == "result\n"
    assert output.err == "E: error\nW: warning\nI: information\nD: detail\n"


@pytest.mark.parametrize("name", LEVELS)
def test_each_level_shows_what_is_as_severe(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(LEVELS[name])
    for say in (console.error, console.warn, console.info, console.debug):
        say("x")
    letters = [line[0] for line in capsys.readouterr().err.splitlines()]
    assert letters == ["E", "W", "I", "D"][: list(LEVELS).index(name)]


def test_json_takes_the_place_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(ERROR, json=True)
    console.result("text")
    console.event("file", path="\udcff\n\x1b", status=0)
    console.event("summary", ok=True)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"event": "file", "path": "\udcff\n\x1b", "status": 0},
        {"event": "summary", "ok": True},
    ]


def test_quiet_drops_text_but_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    Console(100, quiet=True).result("text")
    Console(100, quiet=True).error("text")
    assert capsys.readouterr() == ("", "")
    Console(100, quiet=True, json=True).event("x")
    assert capsys.readouterr().out == '{"event": "x"}\n'


def test_what_the_library_logs_appears_at_its_level(capsys: pytest.CaptureFixture[str]) -> None:
    Console(INFO).take_logging()
    child = logging.getLogger("dicomproto.something")
    child.warning("odd: %s", "\x07")
    child.info("going on")
    child.debug("not shown")
    assert capsys.readouterr().err == "W: odd: \\x07\nI: going on\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_terminal_encoding_will_do(encoding: str) -> None:
    code = "from dicomproto_transports.apps.cli.console import Console; Console().result('\\u20ac \\udcff')"
    command = [sys.executable, "-X", "utf8=0", "-c", code]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode(encoding) == ("€ \\udcff\n" if encoding == "utf-8" else "\\u20ac \\udcff\n")


def test_a_closed_pipe_ends_nothing() -> None:
    code = (
        "import sys\n"
        "from dicomproto_transports.apps.cli.console import Console\n"
        "sys.stdin.read()\n"
        "for number in range(10): Console().result('x' * 100_000)\n"
        "print('still here', file=sys.stderr)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, diagnostics = process.communicate(b"")
    assert diagnostics == b"still here\n"
    assert process.returncode == 0


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A file on a disk that is full."""
    with open("/dev/full", "w") as file:
        yield file


def run_with(words: Iterable[object], **streams: object) -> subprocess.CompletedProcess[bytes]:
    command = [*APPLICATION, *map(str, words)]
    return subprocess.run(command, check=False, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_results_that_cannot_be_written_do_not_stop_the_work_but_the_status_tells(
    tmp_path: Path, full: TextIO, words: list[str], serve: Callable[..., Server]
) -> None:
    files = tmp_path / "in"
    files.mkdir()
    for number in range(3):
        write_object(files / str(number), f"1.{number}")
    server = serve("storescp", "-od", tmp_path / "out")
    for streams in ({"stdout": full}, {"preexec_fn": partial(os.close, 1)}):
        for application in (["storescu", files], ["echoscu"]):
            command = [application[0], "127.0.0.1", server.port, *application[1:], *words]
            done = run_with(command, stderr=subprocess.PIPE, **streams)
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert line.startswith(b"E: the results cannot be written: ")
    counts = server.stop().events[-1]
    assert (counts["stored"], counts["identical"]) == (3, 3)


def test_diagnostics_that_cannot_be_written_are_lost_and_no_more(
    tmp_path: Path, full: TextIO, serve: Callable[..., Server]
) -> None:
    write_object(tmp_path / "a", "1.2")
    server = serve("storescp", "-v", "-od", tmp_path / "out")
    for streams in ({"stderr": full}, {"preexec_fn": partial(os.close, 2)}):
        command = ["storescu", "-d", "127.0.0.1", server.port, tmp_path / "a"]
        done = run_with(command, stdout=subprocess.PIPE, **streams)
        assert done.returncode == 0
        assert done.stdout.startswith(b"1 of 1 files sent")
    assert server.stop().status == 0


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_receiver_whose_results_cannot_be_written_goes_on(
    tmp_path: Path, full: TextIO, words: list[str]
) -> None:
    write_object(tmp_path / "a", "1.2")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    command = [
        *APPLICATION,
        "storescp",
        "-v",
        "-ba",
        "127.0.0.1",
        "-od",
        str(tmp_path / "out"),
        *words,
        str(port),
    ]
    with subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE) as process:
        while run_application("storescu", "127.0.0.1", port, tmp_path / "a").status:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 1
    assert os.listdir(tmp_path / "out") == ["CT.1.2"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (39_104, "39.1 kB"), (999_400, "999 kB"), (999_600, "1 MB"),
     (1_073_741_824, "1.07 GB"), (5e12, "5 TB"), (5e15, "5e+03 TB")],
)  # fmt: skip
def test_sizes_are_for_people(count: float, shown: str) -> None:
    assert size(count) == shown
