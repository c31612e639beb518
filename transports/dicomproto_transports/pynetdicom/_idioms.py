"""Idioms of pynetdicom that the library does not have: what becomes of them, and what needs a hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

from pydicom.dataset import Dataset

from dicomproto.dimse.commands import Response

from ._changes import OURS, THEIRS, Edit, Finding, Source
from ._library_names import (
    BYTES_OF_REQUESTS,
    WAYS_OF_ASSOCIATIONS,
    WAYS_OF_ATTRIBUTES,
    WAYS_OF_OUTCOMES,
    WAYS_OF_PRIMITIVES,
    WAYS_OF_SIDES,
)

_CONTEXTS = frozenset({"requested_contexts", "supported_contexts", "accepted_contexts", "rejected_contexts"})
_OUTCOMES = frozenset({"accepted_contexts", "rejected_contexts"})
_SHOWING = frozenset({"print", "str", "debug", "info", "warning", "error", "critical", "log"})

_FAILS = "associate() raises AssociationError if nothing is established"
_GUARD = "only an `if assoc.is_established:` right behind it, with no use of a failed one, becomes a `try`"

_NOT_A_DATASET = "a status is a response, not a Dataset: use attributes, get() or keys()"

_CONSUMING = frozenset({"len", "list", "tuple", "set", "sorted", "iter", "dict", "enumerate", "reversed"})

_OF_A_DATA_SET = {name for name in dir(Dataset) if not name.startswith("_")} - {*dir(Response), "get", "keys"}
"""The members of a status of pynetdicom that a response does not have."""

_ERRORS = {
    "RuntimeError": "AssociationError of an association that has ended, and LocalProtocolError",
    "ValueError": "NoAcceptedContext without a context, and DataSetError for a data set",
}
"""The errors of the library in place of those of a `send_*` call."""


def uses(source: Source) -> bool:
    """Return whether a program imports pynetdicom, the drop-in or the library."""
    names: list[str] = []
    for node in source.nodes:
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return any(name.partition(".")[0] in (THEIRS, OURS.partition(".")[0]) for name in names)


def idioms(source: Source, guarded: Set[int] = frozenset()) -> tuple[list[Edit], list[Finding]]:
    """Return the edits of expressions, and the idioms that the library does not have.

    `guarded` has the ids of the statements that are rewritten for the failure of `associate`.
    """
    edits: list[Edit] = []
    findings: list[Finding] = []
    certain = _names_of(source.tree, {"accepted_contexts"})
    contexts = _names_of(source.tree, _CONTEXTS)
    supported = _names_of(source.tree, {"supported_contexts"})
    outcomes = _names_of(source.tree, _OUTCOMES)
    statuses = _status_names(source.tree)
    tried = _tried(source.tree) | guarded
    associations = _association_names(source.tree)
    rewritten = _bytes_of_requests(source, edits)
    for node in source.nodes:
        if id(node) in rewritten:
            continue
        if isinstance(node, ast.Subscript) and _is_first(node):
            where, value = source.place(node), source.place(node.value)
            if where is not None and value is not None and _is_accepted(node.value, certain):
                edits.append(Edit(value[1], where[1], ""))
            else:
                text = "transfer_syntax[0]: an accepted context has one transfer syntax, a text without [0]"
                findings.append(Finding(node.lineno, text))
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            if id(node) not in guarded:
                findings += _branches(node, statuses)
        elif isinstance(node, ast.Subscript) and _named(node.value, statuses):
            findings.append(Finding(node.lineno, _NOT_A_DATASET))
        elif isinstance(node, ast.Assign) and id(node) not in tried and _is_call(node.value, "associate"):
            findings.append(Finding(node.lineno, f"{_FAILS}; {_GUARD}"))
        elif isinstance(node, ast.For | ast.comprehension) and _named(node.iter, statuses):
            findings.append(Finding(node.iter.lineno, _NOT_A_DATASET))
        elif isinstance(node, ast.Try):
            findings += _caught(node)
        elif isinstance(node, ast.Call):
            findings += _calls(source, node, edits)
            findings += _shown(node, contexts)
            if getattr(node.func, "id", "") in _CONSUMING and node.args and _named(node.args[0], statuses):
                findings.append(Finding(node.lineno, _NOT_A_DATASET))
        elif isinstance(node, ast.FormattedValue):
            findings += _shown(node, contexts)
        elif isinstance(node, ast.Attribute):
            findings += _attributes(node, supported)
            findings += _without_counterpart(node, associations, outcomes, statuses)
    return edits, findings


def _is_call(node: ast.expr, method: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method


def _tried(tree: ast.Module) -> set[int]:
    """Return the ids of what is inside a `try` with a handler."""
    return {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and node.handlers
        for statement in node.body
        for part in ast.walk(statement)
    }


def _calls(source: Source, call: ast.Call, edits: list[Edit]) -> Iterator[Finding]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "getLogger" and call.args and isinstance(call.args[0], ast.Constant):
        if str(call.args[0].value).partition(".")[0] == THEIRS:
            yield Finding(call.lineno, "the library logs below the logger 'dicomproto'")
    elif name in ("send_reject", "send_abort") and isinstance(function, ast.Attribute):
        path = ast.unparse(function.value)
        owner = function.value.value if isinstance(function.value, ast.Attribute) else None
        if name == "send_reject" and path.endswith(".assoc.acse") and isinstance(owner, ast.Attribute):
            edits.append(Edit(source.span(owner.value)[1], source.span(function)[1], ".reject"))
        else:
            yield Finding(
                call.lineno, f"{name}(): use event.reject(result, source, reason), or assoc.abort()"
            )


def _shown(node: ast.Call | ast.FormattedValue, contexts: Set[str]) -> Iterator[Finding]:
    """Yield that the text of a context is another, if a call or an f-string shows one."""
    if isinstance(node, ast.FormattedValue):
        given = [] if node.conversion == ord("r") else [node.value]
    else:
        name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
        given = node.args if name in _SHOWING else []
    if any(_is_context(value, contexts) for value in given):
        text = "the text of a context is that of a value, with its UIDs: print what you need, such as"
        yield Finding(node.lineno, f"{text} cx.abstract_syntax")


def _is_context(value: ast.expr, contexts: Set[str], lists: Set[str] = _CONTEXTS) -> bool:
    if isinstance(value, ast.Subscript):
        return _is_list(value.value, lists) and not isinstance(value.slice, ast.Slice)
    return _named(value, contexts) or (
        isinstance(value, ast.Call) and getattr(value.func, "id", "") == "build_context"
    )


def _attributes(node: ast.Attribute, supported: Set[str]) -> Iterator[Finding]:
    if node.attr == "service_class":
        yield Finding(node.lineno, "UIDs have no service_class: use service_class_of of dicomproto.services")
    elif node.attr in ("scu_role", "scp_role") and isinstance(node.ctx, ast.Store):
        if not _named(node.value, supported):
            text = f"{node.attr} can be set on the contexts of ae.supported_contexts only;"
            yield Finding(node.lineno, f"{text} a requestor gives build_role() in ext_neg of associate()")
    elif node.attr == "CLIENT_AUTH":
        yield Finding(node.lineno, "a context for CLIENT_AUTH is one for servers; tls_args takes SERVER_AUTH")


def _without_counterpart(
    node: ast.Attribute, associations: Set[str], outcomes: Set[str], statuses: Set[str]
) -> Iterator[Finding]:
    """Yield what to use in place of an attribute that no object of the library has, or not this one."""
    name, owner = node.attr, node.value
    of = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    ways = WAYS_OF_ATTRIBUTES
    if of in ("requestor", "acceptor"):
        ways = ways | WAYS_OF_SIDES
    elif of == "primitive":
        ways = ways | WAYS_OF_PRIMITIVES
    elif of in associations or "assoc" in of:
        ways = ways | WAYS_OF_ASSOCIATIONS
    elif isinstance(node.ctx, ast.Load) and _is_context(owner, outcomes, _OUTCOMES):
        ways = ways | WAYS_OF_OUTCOMES
    if name in ways:
        yield Finding(node.lineno, f".{name} has no counterpart in the library; use {ways[name]}")
    elif name in _OF_A_DATA_SET and _named(owner, statuses):
        yield Finding(node.lineno, _NOT_A_DATASET)


def _association_names(tree: ast.Module) -> set[str]:
    """Return the names and attributes that are bound to what `associate` returns."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    targets = [node.targets[0] for node in assigned if _is_call(node.value, "associate")]
    return {getattr(target, "id", "") or getattr(target, "attr", "") for target in targets} - {""}


def _bytes_of_requests(source: Source, edits: list[Edit]) -> set[int]:
    """Rewrite `event.request.DataSet.getvalue()`; return the ids of the nodes that are rewritten."""
    rewritten: set[int] = set()
    for call in source.nodes:
        if not (isinstance(call, ast.Call) and _is_call(call, "getvalue") and not call.args):
            continue
        stream = call.func.value if isinstance(call.func, ast.Attribute) else call
        request = stream.value if isinstance(stream, ast.Attribute) else stream
        if not (isinstance(stream, ast.Attribute) and stream.attr in BYTES_OF_REQUESTS):
            continue
        if isinstance(request, ast.Attribute) and request.attr == "request":
            where, event = source.place(call), source.place(request.value)
            if where is not None and event is not None:
                edits.append(Edit(event[1], where[1], f".{BYTES_OF_REQUESTS[stream.attr]}"))
                rewritten |= {id(call), id(call.func), id(stream), id(request)}
    return rewritten


def _caught(node: ast.Try) -> Iterator[Finding]:
    """Yield the errors of pynetdicom's `send_*` that are caught, and are others in the library."""
    calls = [part for statement in node.body for part in ast.walk(statement) if isinstance(part, ast.Call)]
    methods = [getattr(call.func, "attr", "") for call in calls]
    if not any(method.startswith(("send_c_", "send_n_")) for method in methods):
        return
    for handler in node.handlers:
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for error in caught:
            name = getattr(error, "id", "")
            if name in _ERRORS:
                yield Finding(handler.lineno, f"{name} of a send_*: the library raises {_ERRORS[name]}")


def _is_first(node: ast.Subscript) -> bool:
    value = node.value
    named = isinstance(value, ast.Attribute) and value.attr == "transfer_syntax"
    return named and isinstance(node.slice, ast.Constant) and node.slice.value == 0


def _is_list(node: ast.expr, lists: Set[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in lists


def _names_of(tree: ast.Module, lists: Set[str]) -> set[str]:
    """Return the names that only loops over those lists of contexts bind."""
    loops = [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.comprehension))]
    targets = [node.target for node in loops if _is_list(node.iter, lists)]
    certain = {id(target) for target in targets}
    others = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in certain
    } | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {target.id for target in targets if isinstance(target, ast.Name)} - others


def _is_accepted(value: ast.expr, certain: Set[str]) -> bool:
    if not isinstance(value, ast.Attribute):
        return False
    owner = value.value
    if isinstance(owner, ast.Subscript):
        return _is_list(owner.value, {"accepted_contexts"}) and not isinstance(owner.slice, ast.Slice)
    return _named(owner, certain)


def _named(node: ast.expr, names: Set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _status_names(tree: ast.Module) -> set[str]:
    """Return the names that hold what a request returned."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.For):
            target, value = node.target, node.iter
        else:
            continue
        if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
            continue
        if value.func.attr.startswith(("send_c_", "send_n_")):
            first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
            if isinstance(first, ast.Name):
                names.add(first.id)
    return names


def _branches(node: ast.If | ast.While | ast.IfExp, statuses: set[str]) -> Iterator[Finding]:
    negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
    if not (negated or node.orelse):
        return
    for part in ast.walk(node.test):
        if isinstance(part, ast.Attribute) and part.attr in ("is_established", "is_rejected", "is_aborted"):
            yield Finding(part.lineno, f"a branch on {part.attr}: {_FAILS}")
        elif isinstance(part, ast.Name) and part.id in statuses and _is_truth(node.test, part):
            yield Finding(
                part.lineno, "a branch on an empty status: the call raises AssociationError instead"
            )


def _is_truth(test: ast.expr, name: ast.Name) -> bool:
    if isinstance(test, ast.UnaryOp):
        return test.operand is name
    return test is name
