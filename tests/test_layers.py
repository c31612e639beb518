"""The layers stand on one another in one order only, and the engine imports nothing that waits.

The imports are read with `ast` from the installed packages, so what a function imports while it runs, or
what only a type checker sees, counts as well.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS = ["base", "upper_layer", "negotiation", "dimse", "services", "connection", "bridges", "program"]
"""From the bottom up; a module may import from its own layer and from those below."""

MODULES = {
    "_record": "base",
    "errors": "base",
    "config": "base",
    "uids": "base",
    "headers": "base",
    "upper_layer": "upper_layer",
    "negotiation": "negotiation",
    "dimse": "dimse",
    "services": "services",
    "connection": "connection",
    "dictionary": "bridges",
    "encoded": "bridges",
    "decoding": "bridges",
    "deflated": "bridges",
    "conversion": "bridges",
    "characters": "bridges",
    "encoder": "bridges",
    "quiet": "bridges",
    "text": "bridges",
    "datasets": "bridges",
    "matching": "bridges",
    "strategies": "bridges",
    "__main__": "program",
}
"""The parts of `dicomproto` by layer; `dicomproto/__init__.py` stands on all of them but the last two."""

PURE = {
    "__future__",
    "bisect",
    "collections",
    "enum",
    "functools",
    "importlib",
    "itertools",
    "operator",
    "re",
    "struct",
    "types",
    "typing",
    "zlib",
}
"""What the engine may use of the standard library: none of it waits, tells the time, logs or opens."""

BRIDGES = {
    "dictionary": {"pydicom"},
    "decoding": {"pydicom"},
    "conversion": {"pydicom"},
    "characters": {"pydicom"},
    "encoder": {"pydicom"},
    "text": {"pydicom"},
    "quiet": {"contextvars", "logging", "warnings"},
    "datasets": {"pydicom", "io", "warnings"},
    "matching": {"pydicom", "calendar", "datetime", "decimal", "unicodedata"},
    "strategies": {"hypothesis"},
    "__main__": {"sys", "dicomproto_transports"},
}
"""What the bridges may import besides, and the program, which is the command line of the adapters."""

FRAMEWORKS = {"trio": "trio", "anyio": "anyio"}
"""The one module of the adapters that may import each framework."""


def package_path(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def modules_of(package: str) -> list[tuple[str, Path]]:
    """Return the dotted names and paths of a package's modules."""
    root = package_path(package)
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = [package, *path.relative_to(root).with_suffix("").parts]
        found.append((".".join(parts), path))
    return found


def imports_of(module: str, path: Path) -> Iterator[str]:
    """Yield the absolute dotted name of everything that a module imports, at any depth."""
    package = module.split(".")[:-1]  # "a.b.__init__" lies in a.b as "a.b.c" does
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module or "").split(".")] if node.module else base
            # `from . import x` may name a module or a value; both are judged as a module's name.
            yield from (".".join([*stem, alias.name]) for alias in node.names)


ENGINE = modules_of("dicomproto")
ADAPTERS = modules_of("dicomproto_transports")


def part_of(dotted: str) -> str:
    """Return which part of `dicomproto` a dotted name lies in; "" for the package itself."""
    part = dotted.split(".")[1] if "." in dotted else ""
    return "" if part == "__init__" else part


def named(modules: list[tuple[str, Path]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("module", "path"), modules, ids=[module for module, _ in modules])


@named(ENGINE)
def test_no_arrow_of_the_engine_runs_upwards(module: str, path: Path) -> None:
    part = part_of(module)
    here = LAYERS.index(MODULES[part]) if part else LAYERS.index("connection")
    for imported in imports_of(module, path):
        if imported.split(".")[0] == "dicomproto":
            assert part_of(imported) in MODULES, f"{module} imports from the top of the package: {imported}"
            assert LAYERS.index(MODULES[part_of(imported)]) <= here, f"{module} imports {imported}"


@named(ENGINE)
def test_the_engine_imports_nothing_that_waits(module: str, path: Path) -> None:
    allowed = {"dicomproto"} | PURE | BRIDGES.get(part_of(module), set())
    assert {imported.split(".")[0] for imported in imports_of(module, path)} <= allowed


@named(ENGINE)
def test_the_engine_neither_opens_nor_prints(module: str, path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "breakpoint"}


@named(ADAPTERS)
def test_each_framework_is_imported_by_its_own_flavour_alone(module: str, path: Path) -> None:
    name = module.removeprefix("dicomproto_transports.")
    imported = {name.split(".")[0] for name in imports_of(module, path)}
    for framework, flavour in FRAMEWORKS.items():
        assert framework not in imported or name == flavour
    assert "asyncio" not in imported  # anyio's business
    assert "rich" not in imported or name.startswith("apps.")


@named(ADAPTERS)
def test_the_adapters_import_only_what_is_declared(module: str, path: Path) -> None:
    declared = {"dicomproto", "dicomproto_transports", "pydicom", "rich", *FRAMEWORKS}
    declared.add("_typeshed")  # for type checkers alone; at run time it would be an error
    imported = {name.split(".")[0] for name in imports_of(module, path)}
    assert imported <= declared | sys.stdlib_module_names


def test_the_rules_would_catch_a_breach(tmp_path: Path) -> None:
    source = "from __future__ import annotations\nfrom ..connection import Connection\nimport socket\n"
    source += "def f():\n    from . import codec\n    import time as t\n"
    path = tmp_path / "states.py"
    path.write_text(source)
    assert list(imports_of("dicomproto.upper_layer.states", path)) == [
        "__future__.annotations",
        "dicomproto.connection.Connection",
        "socket",
        "dicomproto.upper_layer.codec",
        "time",
    ]
