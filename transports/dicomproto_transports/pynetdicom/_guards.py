"""From an `associate` that tells of its failure by a state to one that raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ._changes import Edit, Source

_ELSE = re.compile(r"^[ \t]*else[ \t]*:", re.MULTILINE)
_UNIT = "    "
_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_ERROR = "except AssociationError:"
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


class _Guard(NamedTuple):
    """An association that is requested, and the branch on its state behind it."""

    request: ast.Assign
    branch: ast.If
    name: str
    indent: str


def guards(source: Source) -> tuple[list[Edit], set[int]]:
    """Return the edits that make `try` statements of branches on `is_established`, and what they rewrite.

    The second are the ids of the nodes. A branch is left if the association is used where there is none.
    """
    edits: list[Edit] = []
    rewritten: set[int] = set()
    for scope in source.nodes:
        if isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            for guard in _found(source, scope):
                changes = list(_edits(source, guard, scope))
                if changes:
                    edits += changes
                    rewritten |= {id(guard.request), id(guard.branch)}
    if edits:
        line = f"from dicomproto.errors import AssociationError{source.line_end}"
        edits.insert(0, Edit(source.head(), source.head(), line))
    return edits, rewritten


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of the functions and classes in it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, _SCOPES):
            yield from _own(node)


def _found(source: Source, scope: ast.AST) -> Iterator[_Guard]:
    inner = [node for node in _own(scope) if not isinstance(node, _SCOPES)]
    for node in [scope, *inner]:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if not isinstance(statements, list):
                continue
            for request, branch in pairwise(statements):
                if not (isinstance(request, ast.Assign) and isinstance(branch, ast.If)):
                    continue
                target, call, indent = request.targets[0], request.value, source.indent(request)
                if not (isinstance(target, ast.Name) and isinstance(call, ast.Call)) or indent is None:
                    continue
                if isinstance(call.func, ast.Attribute) and call.func.attr == "associate":
                    yield _Guard(request, branch, target.id, indent)


def _edits(source: Source, guard: _Guard, scope: ast.AST) -> Iterator[Edit]:
    branch, indent, end = guard.branch, guard.indent, source.line_end
    is_negative = isinstance(branch.test, ast.UnaryOp) and isinstance(branch.test.op, ast.Not)
    test = branch.test.operand if isinstance(branch.test, ast.UnaryOp) else branch.test
    if ast.unparse(test) != f"{guard.name}.is_established" or branch.body[0].lineno == branch.test.lineno:
        return
    if branch.orelse and source.text[source.offset(branch.orelse[0].lineno, 0) :].lstrip().startswith("elif"):
        return
    without = branch.body if is_negative else branch.orelse
    last = branch.body[-1] if is_negative else None
    ends = last is not None and (isinstance(last, _ENDS) or "exit(" in ast.unparse(last))
    if _uses(guard, without) or _uses_behind(source, guard, scope, but_not=ends):
        return
    start, test_end = source.span(branch)[0], source.span(branch.test)[1]
    colon = source.text.index(":", test_end) + 1
    begin = source.span(guard.request)[0]
    yield Edit(begin, begin, f"try:{end}{indent}{_UNIT}")
    if is_negative:
        yield Edit(start, colon, _ERROR)
    elif not branch.orelse:
        yield Edit(start, colon, f"{_ERROR}{end}{indent}{_UNIT}pass{end}{indent}else:")
    else:
        body_end, stop = source.span(branch.body[-1])[1], source.line_stop(source.span(branch)[1])
        *_, other = _ELSE.finditer(source.text, body_end, source.span(branch.orelse[0])[0])
        yield Edit(start, colon, f"{_ERROR}{source.text[other.end() : stop]}{end}{indent}else:")
        yield Edit(other.start() - len(end), stop, "")


def _uses(guard: _Guard, statements: list[ast.stmt]) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == guard.name
        for statement in statements
        for node in ast.walk(statement)
    )


def _uses_behind(source: Source, guard: _Guard, scope: ast.AST, *, but_not: bool) -> bool:
    """Tell whether the association is used behind its branch; `but_not`: nothing gets there without one."""
    if but_not and not guard.branch.orelse:
        return False
    stop = source.span(guard.branch)[1]
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and node.id == guard.name and isinstance(node.ctx, ast.Load):
            place = source.place(node)
            if place is None or place[0] >= stop:
                return True
    return False
