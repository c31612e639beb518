"""Has `pynetdicom` mean another package, in a session of its tests and in the programs that they start."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import selection

ROOT = "pynetdicom"


class Substitute(MetaPathFinder, Loader):
    """Has `import pynetdicom` and its modules give those of `package`; only its tests and programs stay."""

    def __init__(self, package: str, real: Path) -> None:
        self.package = package
        self.real = real

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parts = fullname.split(".")
        if parts[0] != ROOT:
            return None
        is_program = parts[1:2] == ["apps"] and len(parts) > 2 and parts[2] != "common"
        if parts[1:2] in (["tests"], ["__main__"]) or is_program:
            return PathFinder.find_spec(fullname, [str(self.real.joinpath(*parts[1:-1]))])
        return ModuleSpec(fullname, self, is_package=fullname == ROOT)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = self.package + module.__name__[len(ROOT) :]
        try:
            sys.modules[module.__name__] = importlib.import_module(name)
        except ImportError:
            if module.__name__.rpartition(".")[2] in selection.INTERNAL | selection.BUILT | {
                "dimse",
                "timer",
            }:
                return  # an empty module: what tests that do not count import from it fails when used
            raise

    def supply_names(self, files: Iterable[Path]) -> None:
        """Have files of tests import names that the package lacks; a test that uses one fails.

        What is imported at the top of a file would otherwise stop all of its tests.
        """
        for path in files:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == ROOT:
                    module = importlib.import_module(node.module)
                    for alias in node.names:
                        if (
                            alias.name != "*"
                            and not hasattr(module, alias.name)
                            and not is_module(node.module, alias.name)
                        ):
                            setattr(module, alias.name, lacking(f"{node.module}.{alias.name}"))


def is_module(package: str, name: str) -> bool:
    try:
        importlib.import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True


def lacking(name: str) -> type[object]:
    """Return a class to stand for a name that is not there."""

    class Lacking:
        def __init__(self, *_: object, **__: object) -> None:
            raise NotImplementedError(f"{name} is not in the drop-in")

    return Lacking


def install(package: str) -> Substitute | None:
    """Have `pynetdicom` mean that package from now on; nothing is to do for pynetdicom itself."""
    if package == ROOT:
        return None
    substitute = Substitute(package, selection.package())
    sys.meta_path.insert(0, substitute)
    return substitute
