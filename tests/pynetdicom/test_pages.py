"""The page of the drop-in names each public name of pynetdicom, and what it says of one is so.

A heading of the page names a module or a class; the rows of the tables below it name its names. The text
begins with "the same" for a name that both packages have, and "none" for one that only pynetdicom has.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import socketserver
import threading
from collections.abc import Iterator
from enum import IntEnum
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pynetdicom
import pytest
from pydicom.uid import UID

import dicomproto_transports
from dicomproto_transports import blocking
from dicomproto_transports.pynetdicom.migrate import main

OURS, THEIRS = "dicomproto_transports.pynetdicom", "pynetdicom"
PAGE = Path(__file__).parents[2] / "docs" / "pynetdicom-drop-in.md"

CLASSES = {
    "AE": "ae.ApplicationEntity",
    "Association": "association.Association",
    "ServiceUser": "association.ServiceUser",
    "Event": "events.Event",
    "PresentationContext": "presentation.PresentationContext",
    "A_ASSOCIATE": "pdu_primitives.A_ASSOCIATE",
    "SOPClass": "sop_class.SOPClass",
    "Status": "status.Status",
    "AssociationServer": "transport.AssociationServer",
}
"""The classes whose members have tables of their own, by the heading."""

MODULES = (
    "_config", "_globals", "_handlers", "_validators", "_version", "ae", "association", "dimse_messages",
    "dimse_primitives", "dsutils", "events", "pdu", "pdu_primitives", "presentation", "service_class",
    "service_class_n", "sop_class", "status", "transport", "utils", "apps.common",
)  # fmt: skip

BASES = (threading.Thread, socketserver.TCPServer, UID, IntEnum)
"""Classes of Python and pydicom, whose members are not pynetdicom's."""

SET_BY_INIT = {
    "Association": ["acceptor", "acse", "connection_timeout", "dimse", "dul", "is_aborted", "is_established",
                    "is_rejected", "is_released", "network_timeout_response", "requestor"],
    "ServiceUser": ["address_info", "assoc", "primitive"],
    "Event": ["assoc", "timestamp"],
    "PresentationContext": ["result"],
    "AssociationServer": ["server_address", "socket"],
}  # fmt: skip
"""Attributes that objects have and their classes do not."""


class Row(NamedTuple):
    """A row of a table: the names of its first cell, `*` standing for any characters, and what it says."""

    names: list[str]
    text: str


def tables() -> dict[str, list[Row]]:
    """Return the rows of the page by the name in the heading above them."""
    found: dict[str, list[Row]] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            names = re.findall(r"`([\w.]+)`", line) or ["none"]
            heading = names[-1].removeprefix(THEIRS).removeprefix(".")
        elif line.startswith("| `"):
            first, text = line.strip("| ").split(" | ", 1)
            found.setdefault(heading, []).append(Row(re.findall(r"`([^`]+)`", first), text))
    return found


TABLES = tables()


def defined(module: ModuleType) -> list[str]:
    """Return the public names that the source of a module defines, not those that it imports."""
    assert module.__file__ is not None

    def names(body: list[ast.stmt]) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Assign):
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id
            elif isinstance(node, ast.If | ast.Try):
                yield from names([*node.body, *node.orelse])

    found = names(ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body)
    return [name for name in dict.fromkeys(found) if hasattr(module, name) and name[0] != "_"]


def members(place: str) -> list[str]:
    """Return the public members of a class of pynetdicom that are its own."""
    kind = place_of(place, THEIRS)
    inherited = {name for base in BASES if issubclass(kind, base) for name in dir(base)}
    own = {name for name in dir(kind) if name[0] != "_"} - inherited
    return sorted(own.union(SET_BY_INIT.get(place, ())))


def place_of(place: str, package: str) -> Any:
    """Return the module or class that a heading names."""
    module, _, name = CLASSES.get(place, f"{place}.").rpartition(".")
    if place in CLASSES:
        return getattr(import_module(f"{package}.{module}"), name)
    return import_module(f"{package}.{place}" if place else package)


def theirs(place: str) -> list[str]:
    """Return the names that the page is to tell of."""
    if place in CLASSES:
        return members(place)
    if place == "":
        return [name for name in pynetdicom.__all__ if name[0] != "_"]
    return [name for name in defined(place_of(place, THEIRS)) if name != "LOGGER"]


PLACES = ["", *MODULES, *CLASSES]


def named(place: str) -> list[str]:
    return [name for row in TABLES.get(place, ()) for name in row.names]


@pytest.mark.parametrize("place", PLACES)
def test_the_page_names_everything(place: str) -> None:
    patterns = named(place)
    missing = [name for name in theirs(place) if not any(fnmatchcase(name, one) for one in patterns)]
    assert missing == []


@pytest.mark.parametrize("place", PLACES)
def test_the_page_names_nothing_that_pynetdicom_does_not_have(place: str) -> None:
    theirs_now = {*theirs(place), *SET_BY_INIT.get(place, ()), *dir(place_of(place, THEIRS))}
    strange = [one for one in named(place) if not any(fnmatchcase(name, one) for name in theirs_now)]
    assert strange == []


def test_the_page_names_each_module() -> None:
    modules = {found.name for found in pkgutil.iter_modules(pynetdicom.__path__)}
    text = PAGE.read_text(encoding="utf-8")
    internal = {name for name in modules if name not in MODULES} - {"__main__", "apps", "tests", "benchmarks"}
    assert [name for name in sorted(internal) if f"`{name}`" not in text] == []
    assert [place for place in PLACES if place not in TABLES] == []
    for found in pkgutil.iter_modules(import_module("pynetdicom.apps").__path__):
        assert f"`{found.name}`" in text or found.name in ("common", "tests"), found.name


def signature(function: Any) -> list[tuple[str, object, str]]:
    """Return the parameters: their names, their kinds, and their defaults as they are shown."""
    return [
        (one.name, one.kind, repr(one.default)) for one in inspect.signature(function).parameters.values()
    ]


def plain(value: Any) -> Any:
    """Return a value that compares across the packages."""
    return [repr(item) for item in value] if isinstance(value, list) else value


def differences(ours: Any, theirs: Any) -> Iterator[str]:
    """Yield in what two things of one name differ: what they are, their parameters, members or value."""
    if inspect.isclass(theirs):
        if theirs.__name__ in {path.rpartition(".")[2] for path in CLASSES.values()}:
            return  # its members have a table
        yield from (f"has no {name}" for name in dir(theirs) if name[0] != "_" and not hasattr(ours, name))
    elif inspect.isfunction(theirs):
        if signature(ours) != signature(theirs):
            yield f"takes {signature(ours)}, not {signature(theirs)}"
    elif isinstance(theirs, property):
        if isinstance(ours, property) and (ours.fset is None) != (theirs.fset is None):
            yield "is read and written otherwise"
    elif isinstance(theirs, str | int | float | list | None) and plain(ours) != plain(theirs):
        yield f"is {ours!r}, not {theirs!r}"


@pytest.mark.parametrize("place", PLACES)
def test_what_the_page_calls_the_same_is_the_same(place: str) -> None:
    ours, at_home = place_of(place, OURS), place_of(place, THEIRS)
    found = []
    for row in TABLES.get(place, ()):
        for name in [name for name in theirs(place) if any(fnmatchcase(name, one) for one in row.names)]:
            if name in SET_BY_INIT.get(place, ()):
                continue  # test_objects_have_the_attributes_that_the_page_names
            if row.text.startswith("none"):
                found += [f"{name} is there"] if hasattr(ours, name) else []
            elif not hasattr(ours, name):
                found.append(f"{name} is missing")
            elif row.text.startswith("the same"):
                found += [
                    f"{name} {text}" for text in differences(getattr(ours, name), getattr(at_home, name))
                ]
    assert found == []


def test_defaults_are_those_that_the_page_of_the_library_names() -> None:
    text = " ".join((PAGE.parent / "from-pynetdicom.md").read_text(encoding="utf-8").split())
    ours, theirs = blocking.AE(), pynetdicom.AE()
    assert f"a response has {ours.dimse_timeout:g} s ({theirs.dimse_timeout} in pynetdicom)" in text
    assert f"an idle association {ours.network_timeout:g} s ({theirs.network_timeout})" in text
    assert f"a connection {ours.connection_timeout:g} s (no limit)" in text
    assert theirs.connection_timeout is None
    assert f"The default AE title is {ours.ae_title}." in text
    assert ours.maximum_associations == theirs.maximum_associations
    syntaxes = dicomproto_transports.DEFAULT_TRANSFER_SYNTAXES
    second, first, *others = pynetdicom.DEFAULT_TRANSFER_SYNTAXES
    assert list(syntaxes) == [first, second, *others]
    assert "but Explicit VR Little Endian comes before Implicit VR Little Endian" in text


@pytest.mark.parametrize("page", ["pynetdicom-drop-in.md", "from-pynetdicom.md"])
def test_the_commands_of_a_page_are_taken(page: str, tmp_path: Path) -> None:
    text = (PAGE.parent / page).read_text(encoding="utf-8")
    shown = re.findall(
        r"^\$ python -m dicomproto_transports.pynetdicom (migrate src/.*)$", text, re.MULTILINE
    )
    assert len(shown) == 2
    for command in shown:
        assert main(command.replace("src/", str(tmp_path)).split()) == 0
