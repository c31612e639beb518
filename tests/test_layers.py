"""The layers stand on one another in one order only, and the engine imports nothing that waits.

The imports are read with `ast` from the installed packages, so what a function imports while it runs, or
what only a type checker sees, counts as well.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"

sys.path.insert(0, str(DOCS))
try:
    from layers import LAYERS, PACKAGES, Modules, arrows, imports_of, layer_of, modules_in, room_of
finally:
    sys.path.remove(str(DOCS))

PURE = {
    "__future__",
    "bisect",
    "collections",
    "enum",
    "functools",
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
    "encoding.dictionary": {"pydicom"},
    "encoding.decoding": {"pydicom"},
    "encoding.conversion": {"pydicom"},
    "encoding.characters": {"pydicom", "codecs"},
    "encoding.encoder": {"pydicom"},
    "encoding.plain": {"pydicom"},
    "encoding.scope": {"pydicom"},
    "encoding.stored": {"pydicom"},
    "text": {"pydicom"},
    "quiet": {"contextvars", "logging", "warnings"},
    "datasets": {"pydicom", "io", "warnings"},
    "matching": {"pydicom", "calendar", "datetime", "decimal", "unicodedata"},
    "strategies": {"hypothesis"},
    "__main__": {"sys", "dicomproto_transports"},
}
"""What the bridges may import besides, and the program, which is the command line of the adapters."""

FRAMEWORKS = {"trio": "streams.trio_library", "anyio": "streams.anyio_library"}
"""The one module of the adapters that may import each framework."""


def package_path(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


ENGINE = modules_in("dicomproto", package_path("dicomproto"))
ADAPTERS = modules_in("dicomproto_transports", package_path("dicomproto_transports"))
MODULES = ENGINE | ADAPTERS


def named(modules: Modules) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("module", "path"), modules.items(), ids=list(modules))


def upward_imports(modules: Modules) -> list[str]:
    """Return the imports from a higher layer, or from the public names of the own package."""
    found = []
    for module, imported in arrows(modules).items():
        for name in sorted(imported):
            there, here = room_of(name), room_of(module)
            if not there or not here:
                continue  # said by another test
            above = layer_of(there) > layer_of(here)
            if above or name == module.split(".")[0]:
                found.append(f"{module} imports {name}")
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return what imports one another in a circle, the first one also last; [] if nothing does."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def between_rooms(modules: Modules) -> dict[str, set[str]]:
    """Return the rooms that each room imports from."""
    found: dict[str, set[str]] = {}
    for module, imported in arrows(modules).items():
        room = room_of(module)
        found.setdefault(room, set()).update(room_of(name) for name in imported)
        found[room] -= {room, ""}
    return found


def test_every_module_has_a_room_and_every_room_a_module() -> None:
    rooms = {module: room_of(module) for module in MODULES}
    assert [module for module, room in rooms.items() if not room] == []
    assert set(rooms.values()) == {room for layer in LAYERS for room in layer}


def test_no_arrow_runs_upwards() -> None:
    assert upward_imports(MODULES) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circle(arrows(MODULES)) == []


def test_no_rooms_import_one_another_in_a_circle() -> None:
    assert circle(between_rooms(MODULES)) == []


@named(ENGINE)
def test_the_engine_imports_nothing_that_waits(module: str, path: Path) -> None:
    name = module.removeprefix("dicomproto.")
    allowed = {"dicomproto"} | PURE | BRIDGES.get(name, BRIDGES.get(name.split(".")[0], set()))
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
    declared |= {"_typeshed", "typing_extensions"}  # for type checkers alone
    imported = {name.split(".")[0] for name in imports_of(module, path)}
    assert imported <= declared | sys.stdlib_module_names


STARTERS = re.compile(r"(subprocess|pty|os\.(system|popen|exec|spawn|posix_spawn))")
"""What runs a program or a line of a shell; a process that Python forks runs Python."""


def programs_started(module: str, path: Path) -> set[str]:
    """Return what a module imports or names of `STARTERS`."""
    named = re.findall(r"\bos\.\w+", path.read_text(encoding="utf-8"))
    return {name for name in (*imports_of(module, path), *named) if STARTERS.match(name)}


def test_no_module_starts_a_program() -> None:
    """So nothing that a peer sends gets into a command."""
    assert {module for module, path in MODULES.items() if programs_started(module, path)} == set()


def test_a_program_that_is_started_is_found(tmp_path: Path) -> None:
    path = tmp_path / "breach.py"
    path.write_text("import os\nfrom os import execvp\nimport subprocess\nos.system('true')\n")
    assert programs_started("breach", path) == {"os.system", "os.execvp", "subprocess"}


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


LAZY = {"dicomproto_transports.apps", "dicomproto_transports.streams"}
"""The folders that find their own modules by name when they are used."""


IMPORTERS = {"importlib", "runpy", "pkgutil", "__import__"}
"""What imports a module by a name made at run time, which the arrows do not show."""


def imports_at_run_time(path: Path) -> list[str]:
    """Return the ways to import by a name made at run time that a file uses."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=module, names=aliases):
                names = [f"{module}.{alias.name}" for alias in aliases]
            case ast.Name("__import__") | ast.Attribute(attr="__import__"):
                names = ["__import__"]
            case _:
                continue
        found += [name for name in names if name.split(".")[0] in IMPORTERS]
    return found


@named(MODULES)
def test_no_file_imports_by_a_name_made_at_run_time(module: str, path: Path) -> None:
    assert imports_at_run_time(path) == ["importlib.import_module"] * (module in LAZY)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from importlib import import_module as get\n    get('dicomproto.connection')\n",
        "import importlib\nimportlib.import_module('dicomproto.connection')\n",
        "import importlib.util as found\n",
        "__import__('dicomproto.connection')\n",
        "import builtins\nbuiltins.__import__('dicomproto.connection')\n",
    ],
)
def test_an_import_by_a_name_made_at_run_time_is_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source)
    assert len(imports_at_run_time(path)) == 1


OF_OTHERS = {"_fields", "_replace", "_asdict", "_ArgumentGroup"}
"""Public names that begin with an underscore: of named tuples, of records, and the groups of argparse."""


BY_NAME = {"getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller"}
"""Functions that take the name of an attribute as a string."""


def is_vars(node: ast.AST, of: set[str] | None = None) -> bool:
    """Whether an expression is the dictionary of an object: of any one, or of one with a name in `of`."""
    match node:
        case ast.Call(func=ast.Name("vars"), args=[owner]) | ast.Attribute(value=owner, attr="__dict__"):
            return of is None or (isinstance(owner, ast.Name) and owner.id in of)
    return False


def members_of(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a file gives to the members of its classes: in their bodies, or through `self`."""
    own = {"self", "cls"}
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                for member in node.body:
                    yield from bound_by(member)
            case ast.Attribute(value=ast.Name(owner), attr=name, ctx=ast.Store()) if owner in own:
                yield name
            case ast.Subscript(value=place, slice=ast.Constant(value=str(name)), ctx=ast.Store()):
                yield from [name] * is_vars(place, own)
            case ast.Call(func=ast.Attribute(value=place, attr="update")) if is_vars(place, own):
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def bound_by(member: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a class body binds, those in `__slots__` among them."""
    match member:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.AnnAssign(target=ast.Name(name)):
            yield name
        case ast.Assign(targets=targets, value=value):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            yield from names
            if "__slots__" in names:
                yield from strings_in(value)
        case ast.If():
            for inner in [*member.body, *member.orelse]:
                yield from bound_by(inner)


def strings_in(*nodes: ast.AST) -> Iterator[str]:
    """Yield the strings of expressions, each part of a dotted path by itself; not those put together."""
    for node in nodes:
        match node:
            case ast.Constant(value=str(text)):
                yield from text.split(".")
            case ast.Tuple() | ast.List() | ast.Set() | ast.Dict() | ast.IfExp():
                yield from strings_in(*ast.iter_child_nodes(node))


def attributes_used(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the attributes that a file uses, after a dot or as strings."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=place, attr=name):
                yield name
            case ast.Subscript(value=place, slice=key) if is_vars(place):
                yield from strings_in(key)
            case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)) if name in BY_NAME:
                yield from strings_in(*node.args)
            case ast.Call(func=ast.Attribute(value=place)) if is_vars(place):
                yield from strings_in(*node.args)
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def private_names_of_others(module: str, path: Path) -> list[str]:
    """Return the private names that a file imports, or takes from objects, but gives to no member itself."""
    tree = ast.parse(path.read_bytes())
    own = OF_OTHERS.union(members_of(tree))
    imported = [name for name in imports_of(module, path) if name.split(".")[0] in PACKAGES]
    names = [name.rpartition(".")[2] for name in imported if name not in MODULES]
    names += [name for name in attributes_used(tree) if name not in own]
    return [name for name in names if name.startswith("_") and not name.endswith("__")]


@named(MODULES)
def test_no_private_name_of_one_file_is_used_in_another(module: str, path: Path) -> None:
    assert private_names_of_others(module, path) == []


WITH_NAMES = {"", ".apps", ".pynetdicom", ".streams"}
"""The folders of the adapters whose `__init__` has names, found when they are used."""


def test_the_folders_of_the_adapters_cost_nothing_to_import() -> None:
    with_names = {
        module.removeprefix("dicomproto_transports")
        for module, path in ADAPTERS.items()
        if path.stem == "__init__" and ast.parse(path.read_bytes()).body
    }
    assert with_names <= WITH_NAMES


FORMS = (
    "def function() -> None:\n    import {}\n",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}\n",
)


def planted(module: str, text: str, folder: Path) -> Modules:
    """Return the modules, one of them a copy with more text."""
    copy = folder / MODULES[module].name
    copy.write_text(MODULES[module].read_text(encoding="utf-8") + text, encoding="utf-8")
    return MODULES | {module: copy}


def first_module(modules: Modules, room: str) -> str:
    return next(module for module in modules if room_of(module) == room)


@pytest.mark.parametrize("form", FORMS, ids=["in a function", "for type checkers"])
@pytest.mark.parametrize("room", [room for layer in LAYERS[:-1] for room in layer])
def test_an_upward_import_in_a_room_is_found(room: str, form: str, tmp_path: Path) -> None:
    module = first_module(MODULES, room)
    above = first_module(MODULES, next(iter(LAYERS[layer_of(room) + 1])))
    found = upward_imports(planted(module, form.format(above), tmp_path))
    assert set(found) - set(upward_imports(MODULES)) == {f"{module} imports {above}"}


def arrows_within(modules: Modules) -> dict[str, tuple[str, str]]:
    """Return an import of one module by another one of the same folder, for each folder that has any."""
    return {
        modules[module].parent.name: (module, name)
        for module, imported in arrows(modules).items()
        for name in sorted(imported)
        if modules[module].parent == modules[name].parent
    }


WITHIN = arrows_within(MODULES)


@pytest.mark.parametrize(("module", "imported"), WITHIN.values(), ids=list(WITHIN))
def test_a_circle_within_a_folder_is_found(module: str, imported: str, tmp_path: Path) -> None:
    graph = arrows(planted(imported, FORMS[1].format(module), tmp_path))
    assert {module, imported} <= set(circle(graph))


SIDE_BY_SIDE = [list(layer)[-2:] for layer in LAYERS if len(layer) > 1]


@pytest.mark.parametrize("rooms", SIDE_BY_SIDE, ids="-".join)
def test_a_circle_between_rooms_of_one_layer_is_found(rooms: list[str], tmp_path: Path) -> None:
    here, there = (first_module(MODULES, room) for room in rooms)
    modules = dict(MODULES)
    for module, imported in ((here, there), (there, here)):
        folder = tmp_path / module
        folder.mkdir()
        modules[module] = planted(module, FORMS[0].format(imported), folder)[module]
    assert not set(upward_imports(modules)) - set(upward_imports(MODULES))
    assert set(circle(between_rooms(modules))) & set(rooms)


def test_a_private_name_of_another_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from .other import _value\nclass A:\n    def f(self, b):\n        self._own = self._its\n"
        "        return b._own, b._hers, b._fields\n"
    )
    assert private_names_of_others("dicomproto.module", path) == ["_value", "_its", "_hers"]


@pytest.mark.parametrize(
    "breach",
    [
        'getattr(b, "_hers")',
        'setattr(b, "_hers", 1)',
        'operator.attrgetter("a._hers")(b)',
        'methodcaller("_hers")(b)',
        'vars(b)["_hers"]',
        'b.__dict__["_hers"] = 1',
        'vars(b).setdefault("_hers", 1)',
        "vars(self.b).update(_hers=1)",
        '(X := "_hers", b._hers)',
        "_hers = 1; b._hers",
        "_hers: int = 1; b._hers",
        "for _hers in b: b._hers",
    ],
)
def test_a_private_name_is_found_however_it_is_written(breach: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"class A:\n    def f(self, b):\n        {breach}\n")
    assert set(private_names_of_others("dicomproto.module", path)) == {"_hers"}


def test_a_file_uses_its_own_private_names_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "class A:\n    __slots__ = ('_slot',)\n    _noted: int\n    _value = 1\n"
        "    def _method(self):\n        self._set = 1\n"
        "        vars(self)['_key'] = 1\n        vars(self).update(_given=1)\n"
        "def f(a):\n    return a._slot, a._noted, a._value, a._method, a._set, vars(a)['_key'], a._given\n"
        "f = attrgetter('_set')\n"
    )
    assert private_names_of_others("dicomproto.module", path) == []
