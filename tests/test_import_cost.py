"""`import dicomproto` loads nothing that waits, and not pydicom either (150 ms)."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "pydicom",
    "socket",
    "asyncio",
    "trio",
    "anyio",
    "ssl",
    "threading",
    "logging",
    "selectors",
    "select",
    "rich",
    "hypothesis",
    "dataclasses",
    "inspect",
    "shutil",
    "datetime",
}


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a new interpreter; return which of `HEAVY` it had loaded afterwards."""
    shown = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split()) & HEAVY


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What a bare interpreter has loaded: a `.pth` file in site-packages may load some."""
    return loaded_by("pass")


def test_importing_the_engine_loads_nothing_that_waits(bare: set[str]) -> None:
    assert loaded_by("import dicomproto") == bare


def test_using_every_public_name_loads_nothing_that_waits(bare: set[str]) -> None:
    # Names may be loaded on first use; that must not bring in more than the import did.
    every_name = "import dicomproto\nfor name in dir(dicomproto): getattr(dicomproto, name)"
    assert loaded_by(every_name) == bare


def test_the_command_line_imports_pydicom_and_the_frameworks_only_where_used(bare: set[str]) -> None:
    called = "import sys\nfrom dicomproto_transports.apps import main\n"
    called += "try: main(['echoscu', '--help'])\nexcept SystemExit: pass"
    heavy = {"pydicom", "rich", "trio", "anyio", "asyncio", "hypothesis", "shutil", "datetime"}
    assert not (loaded_by(called) - bare) & heavy


def test_the_blocking_flavour_loads_no_more_than_it_needs(bare: set[str]) -> None:
    loaded = loaded_by("import dicomproto_transports.blocking, dicomproto_transports.testing") - bare
    assert loaded == {"socket", "threading", "logging", "selectors", "select"} - bare


def test_the_two_engines_load_few_modules() -> None:
    # A module costs 0.1 ms at least. The package has 49, and Python 3.11 has 28; other versions differ.
    made = "from dicomproto import Connection, Role, UpperLayer\n"
    made += "Connection(Role.REQUESTOR), UpperLayer(Role.REQUESTOR)\n"
    before, after = (modules_after(statement) for statement in ("", made))
    own = {name for name in after if name.startswith("dicomproto")}
    assert len(own) <= 50
    assert len(after - before - own) <= 36


def modules_after(statement: str) -> set[str]:
    """Run a statement in a new interpreter without the user's settings; return all modules loaded then."""
    command = [sys.executable, "-I", "-c", f"{statement}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_program_that_calls_the_command_line_keeps_its_collector() -> None:
    called = "import gc, sys\nfrom dicomproto_transports.apps import main\n"
    called += "try: main(['echoscu', '--version'])\nexcept SystemExit: pass\n"
    called += "print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-I", "-c", called], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True 0"
