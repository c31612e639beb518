"""Edits of a program's source by positions: the imports of pynetdicom, and what names they become."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import NamedTuple

from dicomproto.services import sop_classes

from .. import contexts, evt

THEIRS = "pynetdicom"
OURS = "dicomproto_transports.pynetdicom"
FLAVOURS = ("blocking", "trio", "anyio")

_OF_THE_FLAVOUR = {"AE", "Association", "evt"}
_RENAMED = {
    "PYNETDICOM_IMPLEMENTATION_UID": ("dicomproto.uids", "IMPLEMENTATION_CLASS_UID"),
    "PYNETDICOM_IMPLEMENTATION_VERSION": ("dicomproto.uids", "IMPLEMENTATION_VERSION_NAME"),
    "ae.ApplicationEntity": ("", "AE"),
    "association.Association": ("", "Association"),
    "status.code_to_category": ("dicomproto.dimse.status", "category_of"),
    "status.Status": ("dicomproto.dimse.status", "Status"),
    "sop_class": ("dicomproto.services", "sop_classes"),
}
_PACKAGE = ("dicomproto_transports", {*contexts.__all__, "debug_logger"} - {"PresentationContext"})
_EVENTS = (evt.__name__, {"Event", *(name for name in dir(evt) if name.startswith("EVT_"))})
_PLACES: dict[str, tuple[str, set[str]]] = {
    "": _PACKAGE,
    "presentation": _PACKAGE,
    "_globals": _PACKAGE,
    "events": _EVENTS,
    "evt": _EVENTS,
}
WAYS = {
    "register_uid": "AE.register_uid",
    "_config": "the settings of the AE",
    "presentation.PresentationContext": "build_context",
    "pdu_primitives.SCP_SCU_RoleSelectionNegotiation": "build_role",
    "pdu_primitives.UserIdentityNegotiation": "dicomproto.UserIdentityRQ",
    "pdu_primitives.AsynchronousOperationsWindowNegotiation": "dicomproto.AsynchronousOperationsWindow",
    "pdu_primitives.SOPClassExtendedNegotiation": "that of dicomproto, made with keywords",
    "pdu_primitives.SOPClassCommonExtendedNegotiation": "that of dicomproto, made with keywords",
    "pdu_primitives": "the PDUs and items of dicomproto",
    "pdu": "the PDUs of dicomproto",
    "dimse_primitives": "the messages of dicomproto",
    "dimse_messages": "the messages of dicomproto",
    "sop_class.uid_to_service_class": "service_class_of of dicomproto.services",
    "sop_class.uid_to_sop_class": "keyword_of of dicomproto.services, or the UID",
    "service_class": "ServiceClass of dicomproto.services",
    "service_class_n": "ServiceClass of dicomproto.services",
    "status.code_to_status": "the number",
    "status": "status_meaning of dicomproto.services",
    "transport": "AE.start_server",
    "dsutils.decode": "decode_data_set of dicomproto.datasets",
    "dsutils.encode": "encode_data_set of dicomproto.datasets",
    "apps.common": "the commands of dicomproto",
}
"""What to use in place of names that the library does not have."""

LINE_END = re.compile(r"\r\n|\r|\n")


class Finding(NamedTuple):
    """The places that need a hand: the line, from 1, and the words."""

    line: int
    text: str


class Edit(NamedTuple):
    """The characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass
class Source:
    """The text of a program and its tree; SyntaxError or ValueError if it does not parse."""

    text: str

    def __post_init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the program's own compilation has to say
            self.tree = ast.parse(self.text)
        self.nodes = list(ast.walk(self.tree))
        self._starts = [0, *(found.end() for found in LINE_END.finditer(self.text))]
        self._formatted = {
            id(part): text
            for text in self.nodes
            if isinstance(text, ast.JoinedStr)
            for part in ast.walk(text)
            if part is not text
        }
        ending = LINE_END.search(self.text)
        self.line_end = ending.group() if ending else "\n"

    def offset(self, line: int, column: int) -> int:
        """Return the index of a character by its line, from 1, and its column in UTF-8 bytes."""
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode())

    def span(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        """Return the indices of the first character of a node and of the one behind it."""
        end = self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return self.offset(node.lineno, node.col_offset), end

    def place(self, node: ast.expr) -> tuple[int, int] | None:
        """Return the indices of an expression as `span`, None if they are not known.

        Before Python 3.12 what is in an f-string has no position: it is looked for by its text.
        """
        text = self._formatted.get(id(node))
        if text is None:
            return self.span(node)
        while id(text) in self._formatted:
            text = self._formatted[id(text)]
        start, end = self.span(text)
        wanted = ast.unparse(node)
        if self.text.count(wanted, start, end) != 1:
            return None
        start = self.text.index(wanted, start, end)
        return start, start + len(wanted)

    def indent(self, node: ast.stmt) -> str | None:
        """Return the white space before a statement; None if something else is before it on its line."""
        before = self.text[self.offset(node.lineno, 0) : self.span(node)[0]]
        return None if before.strip() else before

    def line_stop(self, place: int) -> int:
        """Return the index of the end of a line, or of the text."""
        found = LINE_END.search(self.text, place)
        return found.start() if found else len(self.text)

    def head(self) -> int:
        """Return the index of the first statement that is no docstring and no future import."""
        for node in self.tree.body:
            is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not (is_future or is_text):
                first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
                return self.offset(first, 0)
        return len(self.text)

    def edited(self, edits: list[Edit]) -> str:
        """Return the text with the edits, which do not overlap; those at one place keep their order."""
        parts, place = [], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            parts += [self.text[place : edit.start], edit.text]
            place = edit.end
        return "".join([*parts, self.text[place:]])


def inside(module: str | None) -> str | None:
    """Return what follows `pynetdicom` in the name of a module: "" for the package, None for others."""
    for root in (OURS, THEIRS):
        if module == root:
            return ""
        if module is not None and module.startswith(root + "."):
            return module[len(root) + 1 :]
    return None


def _is_theirs(module: str | None) -> bool:
    return module is not None and (module + ".").startswith(THEIRS + ".")


def to_drop_in(source: Source) -> list[Edit]:
    """Return the edits that turn imports of pynetdicom into those of the drop-in."""
    edits = []
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_theirs(node.module):
            start, end = source.span(node)
            found = re.compile(THEIRS).search(source.text, start + len("from"), end)
            assert found is not None  # the statement names the module first
            edits.append(Edit(found.start(), found.end(), OURS))
        elif isinstance(node, ast.Import):
            bound = any(name.name == THEIRS and name.asname is None for name in node.names)
            for name in [name for name in node.names if _is_theirs(name.name)]:
                edits.append(Edit(*source.span(name), _plain_import(name, bound=bound)))
                bound = bound or name.asname is None
    return edits


def _plain_import(name: ast.alias, *, bound: bool) -> str:
    """Return what imports the same; `bound`: the statement binds the name `pynetdicom` already."""
    module = OURS + name.name[len(THEIRS) :]
    if name.asname is not None:
        return f"{module} as {name.asname}"
    package = f"{OURS} as {THEIRS}"
    if module == OURS:
        return package
    return module if bound else f"{package}, {module}"


def to_library(source: Source, flavour: str) -> tuple[list[Edit], list[Finding]]:
    """Return the edits from the names of pynetdicom to the library's, and the imports that stay."""
    edits: list[Edit] = []
    findings: list[Finding] = []
    for node in source.nodes:
        if isinstance(node, ast.Import):
            findings += [
                Finding(node.lineno, f"import {name.name}: import the names that are used")
                for name in node.names
                if inside(name.name) is not None
            ]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            part = inside(node.module)
            if part is not None:
                _split(source, node, part, flavour, edits, findings)
    return edits, findings


def _split(
    source: Source, node: ast.ImportFrom, part: str, flavour: str, edits: list[Edit], findings: list[Finding]
) -> None:
    start, end = source.span(node)
    groups: dict[str, list[str]] = {}
    for name in node.names:
        place = _place(part, name.name, flavour)
        if place is None:
            path = f"{part}.{name.name}" if part else name.name
            way = WAYS.get(path) or WAYS.get(part)
            text = f"{path} has no counterpart of that name in the library"
            findings.append(Finding(name.lineno, f"{text}; use {way}" if way else text))
            place = (f"{OURS}.{part}" if part else OURS, name.name)
        module, ours = place
        bound = name.asname or name.name
        groups.setdefault(module, []).append(ours if ours == bound else f"{ours} as {bound}")
    if list(groups) == [node.module]:
        return
    if "#" in source.text[start:end]:
        if len(groups) > 1 or any(" as " in name for name in groups[min(groups)]):
            findings.append(Finding(node.lineno, "an import with comments inside: split it by hand"))
        else:
            named = source.text.index(node.module or "", start)
            edits.append(Edit(named, named + len(node.module or ""), min(groups)))
        return
    line = source.offset(node.lineno, 0)
    before = source.text[line:start]
    rest = LINE_END.split(source.text[end:], maxsplit=1)[0].strip()
    alone = not before.strip() and (not rest or rest.startswith("#"))
    joint = source.line_end + before if alone else "; "
    lines = [f"from {module} import {', '.join(names)}" for module, names in groups.items()]
    edits.append(Edit(start, end, joint.join(lines)))


def _place(part: str, name: str, flavour: str) -> tuple[str, str] | None:
    """Return the module and the name of the library's counterpart, None if there is none."""
    renamed = _RENAMED.get(f"{part}.{name}" if part else name)
    if renamed is not None:
        return renamed[0] or f"dicomproto_transports.{flavour}", renamed[1]
    if not part and name in _OF_THE_FLAVOUR:
        return f"dicomproto_transports.{flavour}", name
    if part == "sop_class":
        is_uid = isinstance(getattr(sop_classes, name, None), str) and name[0] != "_"
        return (sop_classes.__name__, name) if is_uid else None
    module, names = _PLACES.get(part, ("", set()))
    return (module, name) if name in names else None
