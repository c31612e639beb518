"""What a user installs: two typed packages, one command, one version."""

from __future__ import annotations

import importlib.resources
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import dicomproto

ROOT = Path(__file__).parent.parent


def test_the_version_is_the_same_everywhere() -> None:
    version = metadata.version("dicomproto")
    assert dicomproto.__version__ == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)[0] == version


@pytest.mark.parametrize("package", ["dicomproto", "dicomproto_transports"])
def test_both_packages_are_typed(package: str) -> None:
    assert importlib.resources.files(package).joinpath("py.typed").is_file()


def test_the_extras_are_the_documented_ones() -> None:
    extras = metadata.metadata("dicomproto").get_all("Provides-Extra")
    assert sorted(extras or []) == ["anyio", "apps", "decompress", "testing", "trio"]


def test_without_extras_pydicom_is_all_that_is_needed() -> None:
    needed = [line for line in metadata.requires("dicomproto") or [] if "extra ==" not in line]
    assert [re.split(r"[^\w-]", line)[0] for line in needed] == ["pydicom"]


def test_the_project_says_where_it_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = [line.split(" :: ") for line in project["classifiers"]]
    versions = [line[2] for line in classifiers if line[1] == "Python" and line[2] > "3" and len(line) == 3]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert project["requires-python"] == f">={versions[0]}"
    assert [line for line in classifiers if line[0] == "Operating System"] == [["Operating System", "POSIX"]]
    assert ["Typing", "Typed"] in classifiers


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).parent / "dicomproto"
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown == f"dicomproto {dicomproto.__version__}\n"


def test_every_public_name_resolves() -> None:
    assert dicomproto.__all__
    for name in dicomproto.__all__:
        assert getattr(dicomproto, name) is not None
    assert set(dicomproto.__all__) <= set(dir(dicomproto))
