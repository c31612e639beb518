"""Which of pynetdicom's own tests use its public interface alone.

`python tests/pynetdicom/theirs/selection.py` prints how many are selected, and why the others are not.
A test is left out if it, a helper of its class or what it uses of its module names `dul`, `fsm`, `acse` or a
`_private` name, builds a primitive or a PDU by hand, or looks at the text of a log.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

INTERNAL = {"dul", "fsm", "acse"}
"""Modules, and attributes of an association, that no program is meant to touch."""

PUBLIC = {"_config", "_globals", "_"}
"""Names with a leading underscore that are documented, or are no name at all."""

PRIMITIVE = re.compile(r"[APCNT]_[A-Z][A-Z_]+")
BUILT = {"pdu", "pdu_items", "dimse_messages"}
"""Modules with nothing in them but what goes into a PDU or a message."""

Definition = ast.FunctionDef | ast.ClassDef


def package() -> Path:
    """Return the folder of the installed pynetdicom."""
    spec = importlib.util.find_spec("pynetdicom")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def names(node: ast.AST) -> Iterator[str]:
    """Yield each name in a piece of code."""
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")


def calls(node: ast.AST) -> Iterator[str]:
    """Yield the name of each function and class that a piece of code calls."""
    for part in ast.walk(node):
        match part:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name


def reads_errors(node: ast.AST) -> bool:
    """Whether a piece of code looks for a text in what a program wrote to `err`, which is its log."""
    return any(
        isinstance(part, ast.Compare)
        and any(isinstance(operator, ast.In | ast.NotIn) for operator in part.ops)
        and any("err" in names(text) for text in part.comparators)
        for part in ast.walk(node)
    )


class Module:
    """One file of pynetdicom's tests."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.tops = {node.name: node for node in tree.body if isinstance(node, Definition)}
        self.from_internal: set[str] = set()
        self.built: set[str] = set()
        self.is_internal = False
        """Whether all that a module keeps for itself is imported by a star."""
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            last = node.module.rpartition(".")[2]
            imported = {alias.asname or alias.name for alias in node.names}
            if last in INTERNAL:
                self.from_internal |= imported
                self.is_internal |= "*" in imported
            if last in BUILT:
                self.built |= imported

    def tests(self) -> Iterator[tuple[str, set[str]]]:
        """Yield the name of each test, as pytest writes it, and the reasons to leave it out."""
        for name, top in self.tops.items():
            if isinstance(top, ast.FunctionDef):
                if name.startswith("test"):
                    yield name, self.reasons([top])
            elif name.startswith("Test"):
                methods = self.methods(top)
                for method in methods:
                    if method.startswith("test"):
                        yield f"{name}::{method}", self.reasons(self.with_helpers(methods, method))

    def methods(self, top: ast.ClassDef) -> dict[str, ast.FunctionDef]:
        """Return the methods of a class, with those that it inherits from another class of the file."""
        found: dict[str, ast.FunctionDef] = {}
        for base in top.bases:
            if isinstance(base, ast.Name) and isinstance(inherited := self.tops.get(base.id), ast.ClassDef):
                found |= self.methods(inherited)
        return found | {node.name: node for node in top.body if isinstance(node, ast.FunctionDef)}

    def with_helpers(self, methods: dict[str, ast.FunctionDef], test: str) -> list[Definition]:
        """Return a test with the methods that run around it and those that it names, directly or not."""
        wanted = [test, *(name for name in methods if name.startswith(("setup", "teardown")))]
        for name in wanted:  # which grows
            used = set(names(methods[name]))
            wanted += [
                helper
                for helper in methods
                if helper in used and helper not in wanted and not helper.startswith("test")
            ]
        return [methods[name] for name in wanted]

    def reasons(self, nodes: list[Definition]) -> set[str]:
        """Return why the test in `nodes` is left out; what it uses of its file is looked at as well."""
        found = {"names dul, fsm or acse"} if self.is_internal else set()
        todo = list(nodes)
        seen: set[str] = set()
        for node in todo:  # which grows
            used, called = set(names(node)), set(calls(node))
            if used & (INTERNAL | self.from_internal):
                found.add("names dul, fsm or acse")
            if any(re.match(r"_(?!_)", name) for name in used - PUBLIC):
                found.add("names a private name")
            if "caplog" in used or reads_errors(node):
                found.add("looks at the text of a log")
            if called & self.built or any(PRIMITIVE.fullmatch(name) for name in called):
                found.add("builds a primitive or a PDU by hand")
            helpers = {name for name in used & self.tops.keys() if not name.lower().startswith("test")}
            todo += [self.tops[name] for name in sorted(helpers - seen)]
            seen |= helpers
        return found


def all_tests() -> Iterator[tuple[str, set[str]]]:
    """Yield each test of the installed pynetdicom, with the reasons to leave it out."""
    root = package()
    for folder in (root / "tests", root / "apps" / "tests"):
        for path in sorted(folder.glob("test_*.py")):
            for name, reasons in Module(path).tests():
                yield f"{path.relative_to(root).as_posix()}::{name}", reasons


@cache
def selected() -> tuple[str, ...]:
    """Return the names of the tests that count, without parameters."""
    return tuple(name for name, reasons in all_tests() if not reasons)


if __name__ == "__main__":
    everything = list(all_tests())
    print(f"{len(everything)} tests, of which {sum(not reasons for _, reasons in everything)} count")
    for reason, count in Counter(reason for _, why in everything for reason in why).most_common():
        print(f"{count:5} {reason}")
