"""The directives whose content comes from the code: state machine, fault table, fields, command line."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterable, Sequence

import faults
import layers
import quirks
import rooms_diagram
import row_tables
import state_diagram
from docutils import nodes
from provoking import Negotiation, Wait, Wire
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import dicomproto
from dicomproto import Abort, AssociateRJ, LocallyEnded, Status, services
from dicomproto.dimse import status
from dicomproto.services import ServiceClass, SOPClass, keyword_of, sop_class, sop_class_uids
from dicomproto.services._status_table import STATUSES
from dicomproto.upper_layer.states import EVENTS, TRANSITIONS, State
from dicomproto_transports import blocking, contexts, evt
from dicomproto_transports.apps import APPLICATIONS
from dicomproto_transports.checks import SETTINGS
from dicomproto_transports.events import kinds as _kinds
from dicomproto_transports.scp import provider as _provider
from dicomproto_transports.scp import store as _store

log = logging.getLogger(__name__)

STORAGE_SERVICES = (ServiceClass.STORAGE, ServiceClass.NON_PATIENT_OBJECT_STORAGE)


def list_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], css: str, widths: str = "auto"
) -> list[str]:
    """Return the lines of a list-table; cells are reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :class: {css}", f"   :widths: {widths}", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            first, *rest = (cell or "").splitlines() or [""]
            lines.append(f"   {'* -' if number == 0 else '  -'} {first}".rstrip())
            lines += [f"       {line}" for line in rest]
    return [*lines, ""]


class Generated(SphinxDirective):
    """A directive that writes reStructuredText."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


class StateDiagram(SphinxDirective):
    """The diagram, inline."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", state_diagram.draw(), format="html")]


class RoomsDiagram(SphinxDirective):
    """The rooms and their arrows, inline."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", rooms_diagram.draw(), format="html")]


class RoomsTable(Generated):
    """A row for each room, the bottom layer first, with the number of its layer."""

    def lines(self) -> list[str]:
        rows = [
            (str(number), f"`{room}`", meaning)
            for number, layer in enumerate(layers.LAYERS, 1)
            for room, meaning in layer.items()
        ]
        return list_table(["Layer", "Room", "Content"], rows, "fields")


class StateTable(Generated):
    """Table 9-10: a row for each event, a column for each state."""

    def lines(self) -> list[str]:
        rows = []
        for event, meaning in EVENTS.items():
            cells = [f"**{event}** {meaning}"]
            for state in State:
                action, following = TRANSITIONS.get((event, state), ("", ()))
                names = " or ".join(after.value for after in following)
                cells.append(f"{action} → {names}" if action else "")
            rows.append(cells)
        table = list_table(["Event", *(state.value for state in State)], rows, "states")
        return [".. container:: wide", "", *("   " + line for line in table)]


class StateList(Generated):
    """What each state waits for."""

    def lines(self) -> list[str]:
        return list_table(["State", "Meaning"], [(s.value, s.meaning) for s in State], "fields")


def answer_text(row: Wire | Wait | Negotiation) -> str:
    """Describe the answer to a fault."""
    answer = row.expected.answer
    if isinstance(answer, Abort):
        meaning = answer.meaning.removeprefix("aborted by the service-provider: ").removeprefix("aborted ")
        return f"A-ABORT {answer.source}, {answer.reason}: {meaning}"
    if isinstance(answer, AssociateRJ):
        return f"A-ASSOCIATE-RJ {answer.result}, {answer.source}, {answer.reason}: {answer.meaning}"
    if answer is None:
        return "nothing"
    if isinstance(row, Negotiation):
        return f"result {answer}"
    return f"status {answer:04X}H"


def situation(row: Wire | Wait | Negotiation) -> str:
    """Describe the situation before the fault."""
    return row.given.__doc__.rstrip(".") if isinstance(row, (Wire, Wait)) else ""


def event_text(row: Wire | Wait | Negotiation) -> str:
    """Name the event that the user of the engine gets."""
    return f"`{row.expected.event}`" if row.expected.event else ""


class FaultTable(Generated):
    """All sections of the fault table."""

    def lines(self) -> list[str]:
        lines: list[str] = []
        for section in faults.SECTIONS:
            lines += [section.title, "-" * len(section.title), "", section.text, ""]
            # A column that says nothing in this section is left out.
            columns = [("Fault", [row.fault for row in section.rows])]
            columns.append(("Situation", [situation(row) for row in section.rows]))
            columns.append(("Answer", [answer_text(row) for row in section.rows]))
            columns.append(("Event", [event_text(row) for row in section.rows]))
            columns.append(("Source", [row.clause for row in section.rows]))
            if section is faults.WAITS:
                columns.insert(1, ("Field of Timeouts", [f"`{row.timer}`" for row in section.rows]))
            columns = [(head, cells) for head, cells in columns if any(cells)]
            rows = list(zip(*(cells for _, cells in columns), strict=True))
            lines += list_table([head for head, _ in columns], rows, "faults")
        return lines


class RaisedTable(Generated):
    """Terminal events, and the exceptions that the adapters raise for them."""

    def lines(self) -> list[str]:
        rows = []
        for event, error in faults.RAISED:
            ours = f" of our `{type(event.pdu).__name__}`" if isinstance(event, LocallyEnded) else ""
            rows.append((f"`{type(event).__name__}`{ours}", f"`{error.__name__}`"))
        return list_table(["Event", "Exception"], rows, "fields")


class QuirkTable(Generated):
    """The tolerated deviations."""

    def lines(self) -> list[str]:
        lines: list[str] = []
        for title, rows in quirks.SECTIONS:
            lines += [title, "-" * len(title), ""]
            cells = [
                (row.quirk, ", ".join(f"`{code}`" for code in dict.fromkeys(row.warnings))) for row in rows
            ]
            lines += list_table(["Deviation", "Warning"], cells, "quirks")
        return lines


class RowTable(Generated):
    """The rows of a table of the tests: input, answer and proof."""

    required_arguments = 1

    def lines(self) -> list[str]:
        rows = map(row_tables.cells, row_tables.TABLES[self.arguments[0]])
        return list_table(row_tables.HEADER, rows, "quirks", "25 30 45")


class RecordFields(Generated):
    """The fields of a Record class with their defaults and docstrings."""

    required_arguments = 1

    def lines(self) -> list[str]:
        module_name, _, class_name = self.arguments[0].rpartition(".")
        kind = getattr(importlib.import_module(module_name), class_name)
        docs = ModuleAnalyzer.for_module(module_name).find_attr_docs()
        rows = []
        for field, parameter in inspect.signature(kind).parameters.items():
            default = parameter.default
            text = " ".join(docs.get((class_name, field), ()))
            if not text.strip():
                log.warning("%s.%s has no docstring", class_name, field)
            rows.append((f"`{field}`", f"{default:,}" if isinstance(default, int) else str(default), text))
        return list_table(["Field", "Default", "Meaning"], rows, "fields")


NOT_GIVEN = {
    "contexts": "`requested_contexts` of the application entity; for a server, its `supported_contexts`",
    "ae_title": "`ae_title` of the application entity",
    "calling_ae_title": "`ae_title` of the application entity",
    "max_pdu": "`maximum_pdu_size` of the application entity",
    "timeouts": "`timeouts` of the application entity",
    "strict_roles": "`strict_roles` of the application entity",
    "allow_unknown": "`allow_unknown` of the application entity",
    "assume_charset": "`assume_charset` of the application entity",
    "ext_neg": "no items",
    "operations_window": "no window is proposed: one operation at a time",
    "bind_address": "the system chooses",
    "tls_args": "no TLS",
    "ssl_context": "no TLS",
    "evt_handlers": "none",
    "proxy_protocol_from": "none",
}
"""The meaning of None or an empty value, by parameter."""


class Parameters(Generated):
    """The parameters of a method that have defaults, with the defaults."""

    required_arguments = 1

    def lines(self) -> list[str]:
        module_name, class_name, name = self.arguments[0].rsplit(".", 2)
        method = getattr(getattr(importlib.import_module(module_name), class_name), name)
        rows = []
        for parameter, details in inspect.signature(method).parameters.items():
            default = details.default
            if default is inspect.Parameter.empty:
                continue
            text = NOT_GIVEN.get(parameter, "") if default in (None, ()) else f"``{default!r}``"
            if not text:
                log.warning("%s: what is %s if it is not given?", name, parameter)
            rows.append((f"`{parameter}`", text))
        return list_table(["Parameter", "Default"], rows, "fields")


class CommandLine(Generated):
    """The options of each application, from its argument parser."""

    def lines(self) -> list[str]:
        lines: list[str] = []
        for name in APPLICATIONS:
            parser = importlib.import_module(f"dicomproto_transports.apps.{name}").parser()
            title = f"dicomproto {name}"
            lines += [title, "-" * len(title), "", f"``{parser.usage}``", "", *_description(parser), ""]
            for group in parser._action_groups:
                options = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
                if options:
                    lines += [f"**{group.title}**", ""]
                    rows = [(_option(action), _help(parser, action)) for action in options]
                    lines += list_table(["Option", "Meaning"], rows, "fields")
        return lines


def _description(parser: argparse.ArgumentParser) -> list[str]:
    """Return the description; indented lines become a code block."""
    lines: list[str] = []
    for line in (parser.description or "").splitlines():
        if line.startswith("  ") and lines and not lines[-1].startswith("  "):
            lines[-1:] = [lines[-1], "", ".. code-block:: console", ""]
        lines.append(f"  {line}" if line.startswith("  ") else escaped(line))
    return lines


def _option(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    if isinstance(metavar, tuple):
        metavar = " ".join(metavar)
    value = "" if action.nargs == 0 else f" {metavar}"
    if not action.option_strings:
        return f"``{metavar}``"
    return ", ".join(f"``{option}``" for option in action.option_strings) + (
        f" `{value.strip()}`" if value else ""
    )


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return escaped(parser._get_formatter()._expand_help(action)) if action.help else ""


def escaped(text: str) -> str:
    """Return plain text as reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


class ContextLists(Generated):
    """The lists of presentation contexts and their sizes."""

    def lines(self) -> list[str]:
        rows = [(f"`{name}`", str(len(getattr(contexts, name)))) for name in contexts.CONTEXT_LISTS]
        return list_table(["List", "Contexts"], rows, "fields")


class SOPClassTable(Generated):
    """The SOP classes other than storage, with their services."""

    def lines(self) -> list[str]:
        rows = []
        for service in ServiceClass:
            for known in map(sop_class, sop_class_uids(service)):
                if known is not None and known.service_class not in STORAGE_SERVICES:
                    members = ", ".join(f"`{keyword_of(uid)}`" for uid in known.members)
                    usage = _with_types(known) or (f"those of {members}" if members else "none")
                    rows.append([service.value, f"`{known.keyword}`", usage, known.uid])
        return list_table(["Service class", "SOP class", "Services", "UID"], rows, "fields")


def _with_types(known: SOPClass) -> str:
    """Return the usage of its requests, each with its types."""
    usage = known.usage
    for name, types in (("N-ACTION", known.action_types), ("N-EVENT-REPORT", known.event_types)):
        if types:
            usage = usage.replace(name, f"{name} ({', '.join(map(str, types))})")
    return usage


class ServiceStatusTable(Generated):
    """The statuses in the tables of PS3.4."""

    def lines(self) -> list[str]:
        rows = []
        for names, text in STATUSES.items():
            of, operations = names.split(": ")
            for line in filter(None, map(str.strip, text.splitlines())):
                code, meaning = line.split(" ", 1)
                category = Status(int(code.replace("x", "0"), 16)).category.value
                owners = ", ".join(ServiceClass[n].value if n.isupper() else f"`{n}`" for n in of.split())
                rows.append([owners, ", ".join(operations.split()), f"{code}H", category, escaped(meaning)])
        header = ["Service or SOP class", "Operation", "Status", "Category", "Meaning"]
        return list_table(header, rows, "fields")


class EventKinds(Generated):
    """The kinds of events, with their docstrings."""

    def lines(self) -> list[str]:
        docs = ModuleAnalyzer.for_module(_kinds.__name__).find_attr_docs()
        lines: list[str] = []
        for name in evt.__all__:
            if ("", name) in docs:
                kind = getattr(evt, name)
                of = f"EventKind[{kind.event_class.__name__}]" if isinstance(kind, evt.EventKind) else ""
                lines += [f".. py:data:: {name}", f"   :module: {evt.__name__}"]
                lines += [f"   :type: {of}", ""] if of else [""]
                lines += [*(f"   {line}" for line in with_plurals(docs["", name])), ""]
        return lines


class EventClasses(Generated):
    """The classes of events, each with its members beside those of its base."""

    def lines(self) -> list[str]:
        classes = [kind for kind in map(vars(evt).get, evt.__all__) if isinstance(kind, type)]
        lines: list[str] = []
        for kind in sorted(classes, key=lambda kind: (len(kind.__mro__), kind.__module__)):
            if issubclass(kind, evt.Event):
                base = next((base for base in kind.__mro__[1:] if base in classes), None)
                also = f"It also has the members of `{base.__name__}`." if base else ""
                lines += [f".. autoclass:: {evt.__name__}.{kind.__name__}()", "", f"   {also}", ""]
        return lines


class HandlerStatusTable(Generated):
    """The statuses if a handler fails or cannot be called."""

    def lines(self) -> list[str]:
        rows = [
            [
                "`EVT_C_STORE`",
                _store.STORE_HANDLER_FAILED,
                _store.STORE_STATUS_UNKNOWN,
                status.SOP_CLASS_NOT_SUPPORTED,
                status.OUT_OF_RESOURCES,
                status.CANNOT_UNDERSTAND,
                status.CANNOT_UNDERSTAND,
            ]
        ]
        for request, service in _provider.SERVICES.items():
            unbound = 0 if request is dicomproto.CEchoRQ else status.UNRECOGNIZED_OPERATION
            too_large = service.too_large if request.data_set_allowed else ""
            missing = service.no_data_set if request.data_set_required else ""
            name = f"`{service.event.name}`"
            cut = service.not_whole if request.data_set_allowed else ""
            rows.append([name, service.failed, service.failed, unbound, too_large, missing, cut])
        header = ["Event", "The handler raised", "It gave no status", "No handler is bound"]
        header += ["The data set is too large", "The data set is missing", "The data set is truncated"]
        cells = [[f"{cell:04X}H" if isinstance(cell, int) else cell for cell in row] for row in rows]
        return list_table(header, cells, "fields")


def with_plurals(lines: Iterable[str]) -> list[str]:
    """Return the lines of a docstring with each `X`s as reStructuredText needs it."""
    text = "\n".join(lines)
    return re.sub(r"(`[^`]+`)(\w?)", lambda m: f"{m[1]}\\ {m[2]}" if m[2] else m[1], text).split("\n")


def check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about each public name that the reference leaves out."""
    described = {name.rpartition(".")[2] for name in env.domaindata["py"]["objects"]}
    public = [(dicomproto, name) for name in dicomproto.__all__ if not name.startswith("__")]
    public += [(services, name) for name in services.__all__]
    public += [(contexts, name) for name in contexts.__all__ if name not in contexts.CONTEXT_LISTS]
    for module, name in public:
        if name not in described:
            log.warning("%s.%s is not in the reference", module.__name__, name)


def mend_plurals(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make `X`s in a docstring valid reStructuredText."""
    lines[:] = with_plurals(lines)


def tell_default(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Add the default of a setting of an application entity to its docstring."""
    owner, _, setting = name.rpartition(".")
    if owner == "dicomproto_transports.blocking.AE" and setting in SETTINGS:
        default = getattr(blocking.AE(), setting)
        shown = {"limits": "Limits()", "timeouts": "Timeouts()", "sop_classes": "those of the standard"}
        text = shown.get(setting) or (f"{default:,}" if type(default) is int else repr(default))
        lines[-1:] = ["", f"Default: {text}." if setting == "sop_classes" else f"Default: ``{text}``.", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("state-diagram", StateDiagram)
    app.add_directive("rooms-diagram", RoomsDiagram)
    app.add_directive("rooms-table", RoomsTable)
    app.add_directive("state-table", StateTable)
    app.add_directive("state-list", StateList)
    app.add_directive("fault-table", FaultTable)
    app.add_directive("raised-table", RaisedTable)
    app.add_directive("quirk-table", QuirkTable)
    app.add_directive("row-table", RowTable)
    app.add_directive("record-fields", RecordFields)
    app.add_directive("parameters", Parameters)
    app.add_directive("command-line", CommandLine)
    app.add_directive("event-kinds", EventKinds)
    app.add_directive("event-classes", EventClasses)
    app.add_directive("handler-status-table", HandlerStatusTable)
    app.add_directive("context-lists", ContextLists)
    app.add_directive("sop-class-table", SOPClassTable)
    app.add_directive("service-status-table", ServiceStatusTable)
    app.connect("autodoc-process-docstring", mend_plurals)
    app.connect("autodoc-process-docstring", tell_default)
    app.connect("env-check-consistency", check_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
