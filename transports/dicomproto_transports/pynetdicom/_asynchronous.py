"""From calls that wait to `await`, for trio and anyio.

What waits makes its function asynchronous, and so each function that calls that one. What the module itself
does becomes a function, `main`, that the library runs.
"""

from __future__ import annotations

import ast
import re

from ._changes import Edit, Finding, Source

_REQUESTS = {
    "associate", "send_c_echo", "send_c_store", "send_c_cancel", "send_n_action", "send_n_create",
    "send_n_delete", "send_n_event_report", "send_n_get", "send_n_set",
}  # fmt: skip
_ENDINGS = {"release", "abort"}
_QUERIES = {"send_c_find", "send_c_get", "send_c_move"}
_EVENT = re.compile(r"(^|\.)EVT_\w+$")
_BINDS_TIGHTER = (ast.Attribute, ast.Subscript)
_PLAIN = {"staticmethod", "classmethod"}
_UNIT = "    "

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Lambda | ast.Module


def asynchronous(source: Source, flavour: str) -> tuple[list[Edit], list[Finding]]:
    """Return the edits that make a program asynchronous, and what of it needs a hand."""
    return _Program(source, flavour).changes()


class _Program:
    """The scopes of a program, and what waits in them."""

    def __init__(self, source: Source, flavour: str) -> None:
        self.source, self.flavour = source, flavour
        self.edits: list[Edit] = []
        self.findings: list[Finding] = []
        self.serving: list[ast.Expr] = []
        self.last: list[Edit] = []  # behind all others
        self.parents = {id(child): node for node in source.nodes for child in ast.iter_child_nodes(node)}
        self.functions: dict[str, Function] = {}
        several: set[str] = set()
        for node in source.nodes:
            if isinstance(node, Function):
                several |= {node.name} & self.functions.keys()
                self.functions[node.name] = node
        for name in several:
            del self.functions[name]
        self.associations = {
            target.id
            for node in source.nodes
            if isinstance(node, ast.Assign) and _method(node.value) == "associate"
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.queries = {
            target.id
            for node in source.nodes
            if isinstance(node, ast.Assign) and _method(node.value) in _QUERIES
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.waiting = self._waiting()

    # -- what waits -------------------------------------------------------------------------------

    def _scope(self, node: ast.AST) -> Scope:
        """Return the function, lambda or module that runs a node."""
        child, parent = node, self.parents[id(node)]
        while not isinstance(parent, ast.Module):
            if isinstance(parent, ast.Lambda) and parent.body is child:
                return parent
            if isinstance(parent, Function) and any(one is child for one in parent.body):
                return parent
            child, parent = parent, self.parents[id(parent)]
        return parent

    def _called(self, call: ast.Call) -> str:
        """Return the name of the program's own function that is called, "" for others."""
        function = call.func
        name = ""
        if isinstance(function, ast.Name):
            name = function.id
        elif isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in ("self", "cls"):
            name = function.attr
        return name if name in self.functions else ""

    def _is_request(self, call: ast.Call) -> bool:
        name = _method(call)
        if name in _ENDINGS and isinstance(call.func, ast.Attribute):
            owner = ast.unparse(call.func.value).rpartition(".")[2]
            return owner in self.associations or "assoc" in owner
        return name in _REQUESTS

    def _is_serving(self, node: ast.AST) -> bool:
        """Tell whether a statement starts a server that blocks."""
        if not (isinstance(node, ast.Expr) and _method(node.value) == "start_server"):
            return False
        call = node.value
        block = {word.arg: word.value for word in getattr(call, "keywords", ())}.get("block")
        is_constant = block is None or (isinstance(block, ast.Constant) and block.value is True)
        return is_constant and len(getattr(call, "args", ())) == 1 and self.source.indent(node) is not None

    def _is_stream(self, node: ast.AST) -> bool:
        """Tell whether a loop is over the responses of a query."""
        if not isinstance(node, ast.For):
            return False
        is_named = isinstance(node.iter, ast.Name) and node.iter.id in self.queries
        return is_named or _method(node.iter) in _QUERIES or self._is_own_stream(node.iter)

    def _is_own_stream(self, node: ast.expr) -> bool:
        called = self.functions.get(self._called(node)) if isinstance(node, ast.Call) else None
        waits = called is not None and id(called) in getattr(self, "waiting", ())
        return waits and called is not None and _is_generator(called)

    def _waits(self, node: ast.AST) -> bool:
        if isinstance(self.parents.get(id(node)), ast.Await | ast.withitem):
            return False
        return (
            (isinstance(node, ast.Call) and self._is_request(node))
            or self._is_stream(node)
            or self._is_serving(node)
        )

    def _waiting(self) -> set[int]:
        """Return the ids of the functions that wait, and of those that call one."""
        waiting = {
            id(scope)
            for node in self.source.nodes
            if self._waits(node) and _can_wait(scope := self._scope(node))
        }
        calls = [node for node in self.source.nodes if isinstance(node, ast.Call)]
        size = -1
        while size != len(waiting):
            size = len(waiting)
            for call in calls:
                called, scope = self.functions.get(self._called(call)), self._scope(call)
                if called is not None and id(called) in waiting and _can_wait(scope):
                    waiting.add(id(scope))
        return waiting

    # -- the edits --------------------------------------------------------------------------------

    def changes(self) -> tuple[list[Edit], list[Finding]]:
        """Return the edits and what needs a hand."""
        at_top: list[ast.AST] = []
        for node in self.source.nodes:
            if isinstance(node, ast.Call | ast.For | ast.Expr) and self._is_wanted(node):
                scope = self._scope(node)
                if isinstance(scope, ast.Module):
                    at_top.append(node)
                elif not _can_wait(scope):
                    self._note(node, f"it waits, and cannot in {getattr(scope, 'name', 'a lambda')}()")
                    continue
                self._edit(node)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._value(node)
            elif isinstance(node, ast.FunctionDef) and id(node) in self.waiting:
                start = self.source.span(node)[0]
                self.edits.append(Edit(start, start, "async "))
            elif isinstance(node, ast.Call):
                self._other(node)
        is_indented = bool(at_top) and self._run(at_top)
        for statement in self.serving:
            in_module = isinstance(self._scope(statement), ast.Module)
            self._serve(statement, _UNIT if is_indented and in_module else "")
        self.edits += self.last
        if self.edits:
            line, head = f"import {self.flavour}{self.source.line_end}", self.source.head()
            self.edits.insert(0, Edit(head, head, line))
        return self.edits, self.findings

    def _is_wanted(self, node: ast.AST) -> bool:
        if self._waits(node):
            return True
        called = self.functions.get(self._called(node)) if isinstance(node, ast.Call) else None
        if called is None or id(called) not in self.waiting or _is_generator(called):
            return False
        return not isinstance(self.parents.get(id(node)), ast.Await)

    def _note(self, node: ast.AST, text: str) -> None:
        self.findings.append(Finding(getattr(node, "lineno", 1), f"{text} in {self.flavour}"))

    def _edit(self, node: ast.AST) -> None:
        if isinstance(node, ast.For):
            start = self.source.span(node)[0]
            self.edits.append(Edit(start, start, "async "))
        elif isinstance(node, ast.Expr):
            self.serving.append(node)
        elif isinstance(node, ast.Call):
            self._await(node)

    def _await(self, call: ast.Call) -> None:
        place = self.source.place(call)
        if place is None:
            self._note(call, f"{ast.unparse(call.func)}() is asynchronous")
            return
        parent = self.parents[id(call)]
        is_part = isinstance(parent, _BINDS_TIGHTER) or (isinstance(parent, ast.Call) and parent.func is call)
        start, end = place
        self.edits.append(Edit(start, start, "(await " if is_part else "await "))
        if is_part:
            self.edits.append(Edit(end, end, ")"))

    def _serve(self, statement: ast.Expr, more: str) -> None:
        """Enter a server that blocks, and wait; `more` is what its lines are indented by besides."""
        call = statement.value
        assert isinstance(call, ast.Call)
        start, end = self.source.span(statement)
        indent = more + (self.source.indent(statement) or "")
        for word in call.keywords:
            if word.arg == "block":
                before = [*call.args, *(other.value for other in call.keywords)]
                ends = [self.source.span(value)[1] for value in before]
                stop = self.source.span(word.value)[1]
                self.edits.append(Edit(max(one for one in ends if one < stop), stop, ""))
        self.edits.append(Edit(start, start, "async with "))
        wait = f":{self.source.line_end}{indent}{_UNIT}await {self.flavour}.sleep_forever()"
        self.edits.append(Edit(end, end, wait))

    def _other(self, call: ast.Call) -> None:
        """Note or change what else is different in an asynchronous function."""
        name, scope, parent = _method(call), self._scope(call), self.parents[id(call)]
        if name in _QUERIES and not (self._is_stream(parent) or isinstance(parent, ast.Assign)):
            self._note(call, f"{name}() is iterated with `async for`")
        elif name == "start_server" and not self._is_serving(parent):
            self._note(call, "start_server(): enter it with `async with`, and without `block`")
        elif ast.unparse(call.func) == "time.sleep" and id(scope) in self.waiting:
            start, end = self.source.span(call.func)
            self.edits.append(Edit(start, end, f"await {self.flavour}.sleep"))

    def _value(self, name: ast.Name) -> None:
        """Note a function that waits and is given away, unless it is a handler."""
        found, parent = self.functions.get(name.id), self.parents[id(name)]
        if (
            found is None
            or id(found) not in self.waiting
            or (isinstance(parent, ast.Call) and parent.func is name)
        ):
            return
        if isinstance(parent, ast.Tuple) and _EVENT.search(ast.unparse(parent.elts[0])):
            return  # it is a handler
        if not (isinstance(parent, ast.Call) and ast.unparse(parent.func) == f"{self.flavour}.run"):
            self._note(name, f"{name.id} becomes asynchronous: who calls it has to await it")

    # -- the module -------------------------------------------------------------------------------

    def _run(self, nodes: list[ast.AST]) -> bool:
        """Run what the module does: a call of one function, or all from the first that waits.

        Returns whether the lines of the module are indented.
        """
        source, first = self.source, min(self._statement(node).lineno for node in nodes)
        if len(nodes) == 1 and self._run_call(nodes[0]):
            return False
        body = [node for node in source.tree.body if (node.end_lineno or 0) >= first]
        if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in body):
            self._note(body[0], "what the module does waits: put it into a function")
            return False
        name = next(one for one in ("main", "program", "run_program", "run_it") if one not in self._names())
        guard = body[0]
        line, ending = source.offset(guard.lineno, 0), source.line_end
        shared = "".join(f"{_UNIT}global {one}{ending}" for one in sorted(self._shared(body)))
        if len(body) == 1 and isinstance(guard, ast.If) and "__name__" in ast.unparse(guard.test):
            stop = source.offset(guard.body[0].lineno, 0)
            test = source.text[line : source.span(guard.test)[1]]
            self.edits.append(Edit(line, stop, f"async def {name}():{ending}{shared}"))
            end = source.line_stop(source.span(guard)[1])
            self.last.append(Edit(end, end, f"{ending * 3}{test}:{ending}{_UNIT}{self.flavour}.run({name})"))
            return False
        added = [Edit(line, line, f"async def {name}():{ending}{shared}")]
        inside = self._text_lines()
        for number in range(guard.lineno, (body[-1].end_lineno or 0) + 1):
            start = source.offset(number, 0)
            if number not in inside and source.text[start : start + 1] not in ("", "\n", "\r"):
                added.append(Edit(start, start, _UNIT))
        self.edits[:0] = added
        end = source.line_stop(source.span(body[-1])[1])
        self.last.append(Edit(end, end, f"{ending * 3}{self.flavour}.run({name})"))
        return True

    def _run_call(self, call: ast.AST) -> bool:
        """Let the library run the one function that the module calls; False if it cannot."""
        if not (isinstance(call, ast.Call) and self._called(call)) or call.keywords:
            return False
        if not isinstance(call.func, ast.Name) or any(isinstance(one, ast.Starred) for one in call.args):
            return False
        start, end = self.source.span(call.func)
        self.edits.remove(Edit(start, start, "await "))
        opening = self.source.text.index("(", end) + 1
        inner = ", " if call.args else ""
        self.edits.append(Edit(start, opening, f"{self.flavour}.run({call.func.id}{inner}"))
        return True

    def _statement(self, node: ast.AST) -> ast.stmt:
        """Return the statement of the module that a node is in."""
        while not isinstance(self.parents[id(node)], ast.Module):
            node = self.parents[id(node)]
        assert isinstance(node, ast.stmt)
        return node

    def _names(self) -> set[str]:
        tree = self.source.nodes
        return {getattr(node, "id", "") or getattr(node, "name", "") or "" for node in tree}

    def _shared(self, body: list[ast.stmt]) -> set[str]:
        """Return the names that statements of the module bind and functions read."""
        bound = {
            node.id
            for statement in body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name)
            and not isinstance(node.ctx, ast.Load)
            and isinstance(self._scope(node), ast.Module)
        }
        outside = [node for node in self.source.tree.body if node not in body]
        read = {
            node.id
            for statement in outside
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and not isinstance(self._scope(node), ast.Module)
        }
        return bound & read

    def _text_lines(self) -> set[int]:
        """Return the numbers of the lines that begin inside a text."""
        return {
            number
            for node in self.source.nodes
            if isinstance(node, ast.JoinedStr)
            or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
            for number in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
        }


def _method(node: ast.AST) -> str:
    """Return the name of the method that an expression calls, "" for others."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr
    return ""


def _is_generator(function: Function) -> bool:
    """Tell whether a function yields, not one inside it."""
    left: list[ast.AST] = [*function.body]
    while left:
        node = left.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Function | ast.Lambda):
            left += ast.iter_child_nodes(node)
    return False


def _can_wait(scope: Scope) -> bool:
    """Tell whether a scope is a function that may wait: none that Python itself calls, or a decorator has."""
    if not isinstance(scope, Function):
        return False
    decorated = any(getattr(one, "id", "") not in _PLAIN for one in scope.decorator_list)
    return not (decorated or (scope.name.startswith("__") and scope.name.endswith("__")))
