"""The differences that a program meets: parts without counterpart, and idioms of the library."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import ModuleType

from .. import pynetdicom
from . import (
    _config,
    _globals,
    _handlers,
    _validators,
    _version,
    ae,
    association,
    dimse_messages,
    dimse_primitives,
    dsutils,
    events,
    pdu,
    pdu_primitives,
    presentation,
    service_class,
    service_class_n,
    sop_class,
    status,
    transport,
    utils,
)  # fmt: skip
from ._changes import THEIRS, Finding, Source, inside
from ._internals import INTERNAL_MODULES, PRIVATE_PARTS, PRIVATE_SETTINGS

_MODULES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        _config, _globals, _handlers, _validators, _version, ae, association, dimse_messages,
        dimse_primitives, dsutils, events, pdu, pdu_primitives, presentation, service_class,
        service_class_n, sop_class, status,
        transport, utils,
    )
} | {"evt": events}  # fmt: skip
_APPLICATIONS = ["echoscu", "echoscp", "storescu", "storescp", "findscu", "getscu", "movescu"]
_OF_AN_ASSOCIATION = PRIVATE_PARTS | {
    "_accepted_cx": "accepted_contexts",
    "_rejected_cx": "rejected_contexts",
    "_kill": "`kill()` and `is_alive()`",
    "_sent_release": "`is_released`",
    "_sent_abort": "`is_aborted`",
}
_AMBIGUOUS = {"lock", "_kill"}
"""Names that are those of an association only behind `assoc`."""

_IN_A_NEGOTIATION = {"send_reject", "send_abort"}
"""The methods of `acse` that handlers of EVT_REQUESTED may call."""

_NAME_IN_TEXT = re.compile(r"pynetdicom(\.\w+)*", re.ASCII)
_LOADERS = {
    "import_module", "__import__", "patch", "find_spec", "importorskip", "setattr", "object", "reload",
    "run_module", "dict",
}  # fmt: skip
_DISTRIBUTIONS = {"version", "distribution", "get_distribution", "requires"}


def differences(source: Source) -> list[Finding]:
    """Return what the drop-in does not have, and the names in texts that are loaded or patched."""
    findings: list[Finding] = []
    registered = _registered(source.tree)
    used = False
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            part = inside(node.module)
            if part is not None:
                used = True
                for name in node.names:
                    path = [*part.split("."), name.name] if part else [name.name]
                    findings += _missing(name.lineno, path, registered)
        elif isinstance(node, ast.Import):
            for name in node.names:
                part = inside(name.name)
                if part is not None:
                    used = True
                    findings += _missing(name.lineno, part.split(".") if part else [], registered)
        else:
            findings += _texts(node)
    if used:
        findings += _private_attributes(source.tree)
    findings += _chains(source.tree, registered)
    return findings


def _registered(tree: ast.Module) -> set[str]:
    """Return the keywords that a program gives to `register_uid`: they are names of `sop_class` then."""
    keywords: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "register_uid" in (
            getattr(node.func, "id", ""),
            getattr(node.func, "attr", ""),
        ):
            for value in [*node.args[1:2], *(keyword.value for keyword in node.keywords)]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    keywords.add(value.value)
    return keywords


def _missing(line: int, path: list[str], registered: set[str]) -> Iterator[Finding]:
    """Yield why a dotted name below the drop-in cannot be had, if so."""
    shown = ".".join([THEIRS, *path])
    if path and path[0] in INTERNAL_MODULES:
        text = f"{shown} is an internal part of pynetdicom and has no counterpart"
        yield Finding(line, f"{text}; use {INTERNAL_MODULES[path[0]]}")
    elif path[:1] == ["apps"]:
        if path[1:2] not in ([], ["common"]):
            tool = f"dicomproto {path[1]}" if path[1] in _APPLICATIONS else "the commands of dicomproto"
            yield Finding(line, f"{shown} has no counterpart; use {tool}")
    elif path and not _exists(path) and not (path[0] == "sop_class" and path[1] in registered):
        yield Finding(line, f"{shown} has no counterpart")


def _exists(path: list[str]) -> bool:
    module = _MODULES.get(path[0])
    if module is None:
        return path[0] == "*" or hasattr(pynetdicom, path[0])
    return path[1:2] in ([], ["*"]) or hasattr(module, path[1])


def _texts(node: ast.AST) -> Iterator[Finding]:
    """Yield the names of modules in texts that import, patch or run them."""
    values: list[ast.expr | None] = []
    text = "names a part of pynetdicom; texts are not rewritten"
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        values += [key for value in values if isinstance(value, ast.Dict) for key in value.keys]
        if name in _DISTRIBUTIONS:
            text = "names the distribution, which need not be installed"
        elif name not in _LOADERS:
            return
    elif isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "modules":
        values = [node.slice]
    elif isinstance(node, ast.List | ast.Tuple):
        options = [getattr(value, "value", None) for value in node.elts]
        values = [value for option, value in zip(options, node.elts[1:], strict=False) if option == "-m"]
        text = "runs pynetdicom; the commands are those of `python -m dicomproto`"
    for value in values:
        found = value.value if isinstance(value, ast.Constant) else None
        if isinstance(found, str) and _NAME_IN_TEXT.fullmatch(found):
            yield Finding(getattr(value, "lineno", 1), f'"{found}" {text}')


def _private_attributes(tree: ast.Module) -> Iterator[Finding]:
    allowed = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in _IN_A_NEGOTIATION
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        of = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        if node.attr in _OF_AN_ASSOCIATION:
            is_other = node.attr in _AMBIGUOUS and "assoc" not in of
            if is_other or (node.attr == "acse" and id(node) in allowed):
                continue
            text = f".{node.attr} is an internal part of pynetdicom and has no counterpart"
            yield Finding(node.lineno, f"{text}; use {_OF_AN_ASSOCIATION[node.attr]}")
        elif node.attr in PRIVATE_SETTINGS and of != "self":
            text = f".{node.attr} is a private name of pynetdicom; use {PRIVATE_SETTINGS[node.attr]}"
            yield Finding(node.lineno, text)


def _bound(tree: ast.Module) -> dict[str, list[str]]:
    """Return the names that are bound to modules of pynetdicom only, with the path below it."""
    bound: dict[str, list[str]] = {}
    others: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                part = inside(name.name)
                if part is None:
                    others.add(name.asname or name.name.partition(".")[0])
                elif name.asname is not None:
                    bound[name.asname] = part.split(".") if part else []
                elif name.name.startswith(THEIRS):
                    bound[THEIRS] = []
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                part = inside(node.module) if node.level == 0 else None
                if part == "" and name.name in (
                    "evt",
                    "_config",
                    "sop_class",
                    "status",
                    "utils",
                    "presentation",
                ):
                    bound[name.asname or name.name] = [name.name]
                else:
                    others.add(name.asname or name.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            others.add(node.id)
        elif isinstance(node, ast.arg):
            others.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            others.add(node.name)
    return {name: path for name, path in bound.items() if name not in others}


def _chains(tree: ast.Module, registered: set[str]) -> Iterator[Finding]:
    """Yield attributes of pynetdicom's modules, as in `pynetdicom.fsm`, that the drop-in does not have."""
    bound = _bound(tree)
    inner: set[int] = set()
    for node in ast.walk(tree):  # an outer attribute comes before its value
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        path: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            inner.add(id(value))
            path.insert(0, value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in bound:
            yield from _missing(node.lineno, [*bound[value.id], *path][:2], registered)
