"""The documents of pynetdicom whose examples are run: from its source distributions on PyPI, pinned.

`make test` fetches them when it makes .venv-test. In another environment:
`python tests/pynetdicom/blocks/sources.py`.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "share" / "pynetdicom-documents"

PINNED = {
    "3.0.4": "567ef761d73b34a380a4350e0d10ae549d749c66da4f1bdf8793cab9a6a326e4",
    "1.5.7": "37d2a3cbbcc1dcced5f0e64b2e40f099d0de4fea993d5fb91c2cb37d7d337162",
}
"""The SHA-256 of the source distribution of each version."""


class MissingDocumentsError(Exception):
    """The documents were not fetched, or are not those that are pinned."""


def document(version: str, path: str) -> str:
    """Return the text of a file of a source distribution.

    Raises:
        MissingDocumentsError: they were not fetched, or are not those that are pinned.
    """
    archive = FOLDER / f"pynetdicom-{version}.tar.gz"
    if not archive.exists():
        raise MissingDocumentsError(
            f"{archive} is missing; run {sys.executable} {__file__} with PyPI in reach"
        )
    _check(archive, version)
    with tarfile.open(archive) as files:
        member = files.extractfile(f"pynetdicom-{version}/{path}")
        assert member is not None
        return member.read().decode()


def documents(version: str, folder: str) -> list[str]:
    """Return the names of the `.rst` files of a folder. Raises MissingDocumentsError."""
    document(version, "README.rst")
    with tarfile.open(FOLDER / f"pynetdicom-{version}.tar.gz") as files:
        names = [name.partition("/")[2] for name in files.getnames()]
    return sorted(name for name in names if name.startswith(folder + "/") and name.endswith(".rst"))


def _check(archive: Path, version: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != PINNED[version]:
        raise MissingDocumentsError(f"{archive} has SHA-256 {found}, not {PINNED[version]}")


def fetch() -> None:
    """Fetch what is not there yet. Raises MissingDocumentsError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for version in PINNED:
        archive = FOLDER / f"pynetdicom-{version}.tar.gz"
        if archive.exists():
            _check(archive, version)
            continue
        with tempfile.TemporaryDirectory() as folder:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "download",
                "--quiet",
                "--no-deps",
            ]
            wanted = ["--no-binary", "pynetdicom", "--dest", folder, f"pynetdicom=={version}"]
            if subprocess.run([*pip, *wanted], check=False).returncode:
                raise MissingDocumentsError(
                    f"pip could not fetch pynetdicom {version} from PyPI: is it in reach?"
                )
            came = Path(folder) / archive.name
            _check(came, version)
            archive.write_bytes(came.read_bytes())


if __name__ == "__main__":
    try:
        fetch()
    except MissingDocumentsError as error:
        sys.exit(str(error))
