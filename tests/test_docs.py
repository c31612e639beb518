"""What the documentation shows runs, and what it says of the code is so."""

from __future__ import annotations

import logging
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import dicomproto
from dicomproto.upper_layer import Terminal
from dicomproto_transports.apps import APPLICATIONS
from dicomproto_transports.association.endings import explain

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLES = sorted(path for path in (DOCS / "examples").glob("*.py") if path.with_suffix(".txt").exists())
LOOPS = [path for path in EXAMPLES if re.search(r"while .*next_event\(\)", path.read_text(encoding="utf-8"))]
README = DOCS.parent / "README.md"
NOT_FROM_OUTPUT = {"demo.py"}  # `make demo` prints rates

sys.path.insert(0, str(DOCS))
try:
    import faults
    import layers
    import provoking
    import quirks
    import rooms_diagram
    import state_diagram
finally:
    sys.path.remove(str(DOCS))

ADAPTER_ROWS = [row for section in (faults.HANDLERS, faults.SERVERS) for row in section.rows]
QUIRKS = [row for _, rows in quirks.SECTIONS for row in rows]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_the_page_shows(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [README, *LOOPS], ids=lambda path: path.stem)
def test_a_loop_that_is_shown_passes_over_busy(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A peer may let an engine answer BUSY wherever it answers NEED_DATA, and each loop is copied."""
    program, output = path, path.with_suffix(".txt")
    if path == README:
        python, text = re.findall(
            r"```(?:python|text)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
        )[:2]
        program, output = tmp_path / "program.py", tmp_path / "program.txt"
        program.write_text(python, encoding="utf-8")
        output.write_text(text, encoding="utf-8")
    next_event, busy = dicomproto.Connection.next_event, set[int]()

    def next_event_after_busy(connection: dicomproto.Connection) -> object:
        event = next_event(connection)
        if event is dicomproto.NEED_DATA and id(connection) not in busy:
            busy.add(id(connection))
            return dicomproto.BUSY
        busy.discard(id(connection))
        return event

    monkeypatch.setattr(dicomproto.Connection, "next_event", next_event_after_busy)
    runpy.run_path(str(program))
    assert capsys.readouterr().out == output.read_text(encoding="utf-8")


def test_every_example_has_its_output_and_a_page() -> None:
    sources = [*DOCS.glob("*.rst"), *DOCS.glob("*.md")]
    pages = "".join(path.read_text(encoding="utf-8") for path in sources)
    for path in (DOCS / "examples").glob("*.py"):
        if path.name not in NOT_FROM_OUTPUT:
            assert path.with_suffix(".txt").exists(), f"{path.name} has no output to compare with"
            assert f"examples/{path.name}" in pages, f"no page shows {path.name}"


SIDE_BY_SIDE = ("archive", "jobs", "many", "middle", "session")


def plain(name: str, world: str) -> list[str]:
    """Return the lines of a program, without what its world demands."""
    lines = (DOCS / "examples" / f"{name}_{world}.py").read_text(encoding="utf-8").splitlines()[2:]
    text = "\n".join(line for line in lines if "block=False" not in line)
    text = text.replace("async ", "").replace("await ", "").replace(f"{world} import", "X import")
    return [line for line in text.splitlines() if line not in (f"import {world}", "")]


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_programs_side_by_side_differ_in_nothing_but_await(name: str) -> None:
    """On the pages they lie next to each other, so they must be one program."""
    blocking, trio = plain(name, "blocking"), plain(name, "trio")
    assert blocking[-1] == "main()"
    assert trio[-1] == "trio.run(main)"
    assert blocking[:-1] == trio[:-1]


def test_the_session_of_anyio_runs_on_both_of_its_backends() -> None:
    anyio = plain("session", "anyio")
    assert anyio[-2:] == ["anyio.run(main)", 'anyio.run(main, backend="trio")']
    assert anyio[:-2] == plain("session", "trio")[:-1]


@pytest.mark.parametrize("row", ADAPTER_ROWS, ids=lambda row: row.fault)
def test_a_request_is_answered_as_the_fault_table_says(
    row: provoking.Handling | provoking.Crowding | provoking.Guarding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    assert row.provoke() == row.expected


@pytest.mark.parametrize(("event", "error"), faults.RAISED, ids=lambda value: repr(value)[:40])
def test_a_terminal_event_is_raised_as_the_page_says(event: Terminal, error: type[Exception]) -> None:
    assert type(explain(event, "PEER")) is error


def test_the_page_says_what_is_raised_for_each_terminal_event() -> None:
    assert {type(event) for event, _ in faults.RAISED} == set(get_args(Terminal))


@pytest.mark.parametrize("row", QUIRKS, ids=lambda row: row.quirk)
def test_a_quirk_is_tolerated_as_the_page_says(row: quirks.Quirk) -> None:
    assert row.provoke() == (row.events, row.warnings)


def test_the_diagram_shows_each_state_and_each_transition_of_a_normal_life() -> None:
    drawn = state_diagram.draw()
    for state in dicomproto.State:
        assert f">{state.value}<" in drawn
    for ends, labels in state_diagram.arrows().items():
        assert set(ends) <= set(state_diagram.PLACES)
        for label in labels:
            assert f">{label}<" in drawn
    assert drawn.count("<path") == len(state_diagram.arrows()) + 1  # and the arrow head


def test_the_diagram_hides_nothing_behind_a_state() -> None:
    """Labels of arrows keep clear of the boxes and of each other."""
    boxes = [(x, y, 75.0, 23.0) for x, y in state_diagram.PLACES.values()]
    labels = [(x, y, 38.0, 6.0) for x, y in state_diagram.label_places()]
    for number, (x, y, half_width, half_height) in enumerate(labels):
        for other_x, other_y, other_width, other_height in boxes + labels[:number]:
            apart = (
                abs(x - other_x) >= half_width + other_width or abs(y - other_y) >= half_height + other_height
            )
            assert apart, f"a label at {x:.0f}, {y:.0f} is covered"


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found, left = set[str](), [start]
    while left:
        new = graph[left.pop()] - found
        found |= new
        left += new
    return found


def test_the_diagram_of_the_rooms_shows_each_room_and_which_it_imports_from() -> None:
    modules = rooms_diagram.source()
    drawn = rooms_diagram.draw()
    for name in {room for room in map(layers.room_of, modules) if "." in room}:
        assert re.search(rf"[> ]{re.escape(name.partition('.')[2].replace('.', '/'))}[ <]", drawn), name
    every = rooms_diagram.box_arrows(modules)
    shown = rooms_diagram.needed(every)
    for box in every:
        assert reached(shown, box) == reached(every, box)
    assert drawn.count("<path") == sum(map(len, shown.values())) + 1  # and the arrow head
    assert drawn.count("<rect") == len(every)


def test_the_diagram_of_the_rooms_hides_no_room() -> None:
    boxes = [
        tuple(float(number) for number in re.findall(r' (?:x|y|width|height)="([\d.-]+)"', rect))
        for rect in re.findall(r"<rect[^>]*>", rooms_diagram.draw())
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:number]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height


CONTRIBUTORS = ("architecture", "contributing", "security")
PATH = re.compile(r"(?:[\w.]+/)+[\w.]*\b")
WRITTEN = (".venv/", ".build/", ".venv-test/")


@pytest.mark.parametrize("page", CONTRIBUTORS)
def test_the_files_that_a_page_for_contributors_names_are_there(page: str) -> None:
    """Modules of the adapters are named without their package, and without `.py`."""
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    roots = DOCS.parent, DOCS.parent / "dicomproto", DOCS.parent / "transports" / "dicomproto_transports"
    named = {path for path in PATH.findall(text) if not path.startswith(WRITTEN)}
    missing = [
        path
        for path in sorted(named)
        if not any((root / path).exists() or (root / f"{path}.py").exists() for root in roots)
    ]
    assert missing == []


def test_the_commands_that_contributors_are_shown_are_those_of_the_makefile() -> None:
    makefile = (DOCS.parent / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    pages = "".join((DOCS / f"{page}.rst").read_text(encoding="utf-8") for page in CONTRIBUTORS)
    shown = set(re.findall(r"\$ make (\w+)", pages))
    assert shown
    assert shown <= set(targets.split())


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_page_of_the_command_line_finds_the_options(name: str) -> None:
    __import__(f"dicomproto_transports.apps.{name}")
    parser = sys.modules[f"dicomproto_transports.apps.{name}"].parser()
    assert parser.prog.endswith(name)
    assert any("-v" in action.option_strings for action in parser._actions)
