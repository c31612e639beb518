"""What the documentation names is found in public modules."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import dicomproto
from dicomproto import encoded, errors
from dicomproto_transports import evt

DOCS = Path(__file__).resolve().parent.parent / "docs"

PUBLIC = {
    "dicomproto_transports",
    *(
        f"dicomproto_transports.{name}"
        for name in (
            "anyio", "blocking", "contexts", "evt", "logs", "peers", "pynetdicom", "pynetdicom.sop_class",
            "streams", "testing", "tls", "trio",
        )
    ),
}  # fmt: skip
"""The modules of the adapters that users import."""

DIRECTIVE = re.compile(r"^ *\.\. (?:py:)?(auto\w+|currentmodule|data|parameters):: (\S+)$", re.MULTILINE)
OPTION = re.compile(r"^ +:module: (\S+)$", re.MULTILINE)
IMPORT = re.compile(r"^ *from (dicomproto_transports\S*) import (\(.*?\)|[^\n]*)$", re.MULTILINE | re.DOTALL)


def described() -> list[str]:
    """Return the dotted names that the pages of the reference describe."""
    found = []
    for page in sorted(DOCS.glob("*.rst")):
        module = ""
        for kind, name in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind == "currentmodule":
                module = name
            elif not name.startswith("dicomproto"):
                name = f"{module}.{name}"
            found.append(name)
        found += OPTION.findall(page.read_text(encoding="utf-8"))
    return [name for name in found if name.split(".")[0] == "dicomproto_transports"]


def imported() -> set[tuple[str, str]]:
    """Return the modules and names that pages and examples import."""
    pages = [*DOCS.glob("*.rst"), *DOCS.glob("*.md"), *DOCS.glob("examples/*.py"), DOCS.parent / "README.md"]
    return {
        (module, name.split(" as ")[0].strip())
        for page in pages
        for module, names in IMPORT.findall(page.read_text(encoding="utf-8"))
        for name in names.partition("#")[0].strip(" ()").split(",")
        if name.strip()
    }


@pytest.mark.parametrize("name", described())
def test_what_the_reference_describes_is_public(name: str) -> None:
    module = max((known for known in PUBLIC if f"{name}.".startswith(f"{known}.")), key=len)
    found: object = import_module(module)
    for part in name.removeprefix(module).strip(".").split("."):
        if part:
            found = getattr(found, part)


@pytest.mark.parametrize(("module", "name"), sorted(imported()))
def test_what_pages_and_examples_import_is_public(module: str, name: str) -> None:
    assert module in PUBLIC
    assert f"{module}.{name}" in PUBLIC or hasattr(import_module(module), name)


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_modules_have_what_they_list(module: str) -> None:
    public = import_module(module)
    for name in getattr(public, "__all__", ()):
        assert hasattr(public, name)


def test_what_is_not_there_is_no_attribute_of_streams() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Steam'"):
        import_module("dicomproto_transports.streams").Steam  # noqa: B018


def test_the_errors_of_a_walk_are_found_beside_it() -> None:
    assert {"DataSetError", "DataSetTooLarge", "Walk"} <= set(encoded.__all__)
    assert issubclass(encoded.DataSetTooLarge, encoded.DataSetError)
    assert encoded.DataSetError is errors.DataSetError


def test_no_event_of_the_adapters_has_the_name_of_an_event_of_the_engine() -> None:
    engine = set(dicomproto.__all__) - {"Event"}  # `dicomproto.Event` is a former name
    assert engine & {name for name in evt.__all__ if name.endswith("Event")} == set()
