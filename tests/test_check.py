"""What `make check` runs: the tests nearest to a change, and only as long as there is time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.check import ROOT, nearest_tests

TREE = {
    "dicomproto/__init__.py": "from .low.pdu import PDU\nfrom .machine import Machine\n",
    "dicomproto/low/__init__.py": "",
    "dicomproto/low/pdu.py": "",
    "dicomproto/machine.py": "def run():\n    from .low import pdu\n",
    "transports/dicomproto_transports/__init__.py": "",
    "transports/dicomproto_transports/blocking.py": "from dicomproto import Machine\n",
    "transports/dicomproto_transports/apps/store_files.py": "",
    "docs/faults.py": "from dicomproto import machine\n",
    "docs/index.rst": "",
    "pyproject.toml": "",
    "tests/conftest.py": "",
    "tests/helper.py": "from dicomproto.low import pdu\n",
    "tests/apps/conftest.py": "",
    "tests/apps/test_store_files_twice.py": "",
    "tests/low/test_pdu.py": "from dicomproto.low.pdu import PDU\n",
    "tests/test_blocking.py": "from dicomproto_transports import blocking\n",
    "tests/test_docs.py": "import faults\nDOCS = ROOT / 'docs'\n",
    "tests/test_helped.py": "from tests.helper import anything\n",
    "tests/test_machine.py": "import dicomproto.machine\n",
    "tests/test_packaging.py": "PROJECT = ROOT / 'pyproject.toml'\n",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("dicomproto/machine.py", ["test_machine", "test_docs", "test_blocking"]),
        (
            "dicomproto/low/pdu.py",
            ["low/test_pdu", "test_helped", "test_machine", "test_blocking", "test_docs"],
        ),
        ("transports/dicomproto_transports/blocking.py", ["test_blocking"]),
        ("transports/dicomproto_transports/apps/store_files.py", ["apps/test_store_files_twice"]),
        ("docs/faults.py", ["test_docs"]),
        ("docs/index.rst", ["test_docs"]),
        ("pyproject.toml", ["test_packaging"]),
        ("tests/helper.py", ["test_helped"]),
        ("tests/test_helped.py", ["test_helped"]),
        ("tests/apps/conftest.py", ["apps/test_store_files_twice"]),
        ("LICENSE", []),
    ],
)
def test_the_tests_nearest_to_a_change_are_run(tree: Path, changed: str, expected: list[str]) -> None:
    assert nearest_tests([changed], tree) == [f"tests/{name}.py" for name in expected]


def test_all_tests_share_the_first_conftest(tree: Path) -> None:
    assert len(nearest_tests(["tests/conftest.py"], tree)) == sum("/test_" in name for name in TREE)


def test_what_changed_itself_comes_first(tree: Path) -> None:
    changed = ["dicomproto/low/pdu.py", "tests/test_blocking.py"]
    assert nearest_tests(changed, tree)[:2] == ["tests/test_blocking.py", "tests/low/test_pdu.py"]


@pytest.mark.parametrize(
    ("changed", "nearest"),
    [
        ("dicomproto/upper_layer/framer.py", "tests/upper_layer/test_golden_bytes.py"),
        ("README.md", "tests/test_readme.py"),
    ],
)
def test_this_tree_is_read(changed: str, nearest: str) -> None:
    assert nearest in nearest_tests([changed], ROOT)[:5]


@pytest.mark.parametrize(
    ("workers", "seconds", "passed", "stopped"), [("1", "0.001", 1, True), ("0", "3600", 2, False)]
)
def test_no_test_begins_when_the_time_is_over(
    workers: str, seconds: str, passed: int, stopped: bool, tmp_path: Path
) -> None:
    counts = tmp_path / "counts.json"
    tests = [
        f"tests/test_check.py::{test.__name__}"
        for test in (test_all_tests_share_the_first_conftest, test_what_changed_itself_comes_first)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", "--counts", counts,
         "--basetemp", tmp_path / "tmp", "--stop-after", seconds, *tests],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(counts.read_text()) == {
        "counts": {"passed": passed, "failed": 0, "skipped": 0}, "tables": {}, "stopped": stopped,
    }  # fmt: skip
    assert (f"{float(seconds):.0f} seconds are over" in done.stdout) == stopped
