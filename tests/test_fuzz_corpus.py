"""The fuzzer's inputs, replayed without a fuzzer: the seeds and every finding of the past."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
INPUTS = [path for folder in ("seeds", "crashes") for path in sorted((FUZZ / folder).glob("*"))]


def load(name: str) -> ModuleType:
    """Import a module of the fuzz folder, which is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FUZZ / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    return load("harness")


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_must_hold_for_any_input_holds_for_a_known_one(path: Path, harness: ModuleType) -> None:
    harness.check(path.read_bytes())


def test_the_seeds_are_what_the_script_makes(harness: ModuleType) -> None:
    """Those of golden bytes that are newer than the seeds may still be missing."""
    made = load("seeds").seeds()
    there = {path.name: path.read_bytes() for path in (FUZZ / "seeds").iterdir()}
    assert there.items() <= made.items()
    assert there.keys() >= load("seeds").conversations().keys()


def test_the_harness_sees_a_machine_that_depends_on_the_cuts(
    harness: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that cannot fail proves nothing: lose a byte of some pieces, and the harness notices."""
    original = harness.Connection.receive_data

    def receive_data(self: object, data: bytes) -> None:
        original(self, data[:-1] if 64 <= len(data) < 128 else data)

    monkeypatch.setattr(harness.Connection, "receive_data", receive_data)
    with pytest.raises(AssertionError, match="byte by byte"):
        harness.check((FUZZ / "seeds" / "echo").read_bytes())


def test_the_harness_sees_an_exception(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode_command(data: bytes) -> None:
        raise KeyError(len(data))

    monkeypatch.setattr("dicomproto.dimse.assembly.decode_command", decode_command)
    with pytest.raises(KeyError):
        harness.check((FUZZ / "seeds" / "echo").read_bytes())


def test_a_seed_makes_the_machine_say_that_it_is_busy(harness: ModuleType) -> None:
    """Else nothing would show that the harness passes over BUSY."""
    connection = harness.Connection(harness.Role.ACCEPTOR)
    connection.transport_connected()
    connection.receive_data(harness.PRELUDE[harness.Role.ACCEPTOR])
    connection.send(harness.negotiate(connection.next_event(), harness.POLICY))
    connection.receive_data((FUZZ / "seeds" / "busy").read_bytes()[2:])
    assert harness.BUSY in [connection.next_event() for _ in range(4)]
