"""The rooms of both packages, layer by layer, and the imports of the source.

A room is a folder, or a module beside the folders. `tests/test_layers.py` checks the imports against this
table, and `rooms_diagram.py` draws both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

Modules = dict[str, Path]
"""The modules of the source by dotted name; a package's `__init__` has the name of the package."""

ENGINE = [
    {
        "record": "the base of the value classes",
        "judging": "the checks of values that programs give to them",
        "errors": "the exceptions",
        "config": "`Limits` and `Timeouts`",
        "uids": "the UIDs that the protocol needs",
    },
    {"upper_layer": "PS3.8: PDUs, their codec, the framer, the state table, `UpperLayer`"},
    {"negotiation": "PS3.8 and PS3.7 Annex D: the answer to a proposal under a policy"},
    {"dimse": "PS3.7: the 23 commands, their codec, the assembly of messages, status codes"},
    {"services": "PS3.4: SOP classes, their requests and statuses; operations as invoker and performer"},
    {"connection": "`Connection`: messages on top of `UpperLayer`"},
    {"": "the public names of the engine"},
    {"encoding": "PS3.5: encoded data sets, walked, decoded, encoded and converted; character sets"},
    {
        "encoded": "the public names of the walk over encoded data sets",
        "quiet": "the warnings and the logger of pydicom",
        "text": "text whose character set is in doubt",
        "datasets": "the public names of the bridge to pydicom",
        "matching": "PS3.4 C.2.2.2: which entities an identifier matches",
        "strategies": "Hypothesis strategies",
    },
]
"""`dicomproto` from the bottom up: a module imports from its own layer and from those below it."""


ADAPTERS = [
    {
        "tls": "TLS contexts from the files of administrators",
        "error_text": "the words of errors: peers, waits and endings",
        "checks": "the checks of settings",
        "attributes": "the attributes that users may set on entities, servers and associations",
        "arguments": "the checks of arguments",
        "extras": "missing packages, with the command that installs them",
        "contexts": "ready-made presentation contexts",
        "uid_types": "what has UIDs of pydicom, for type checkers",
        "uid_values": "UIDs as pydicom's `UID`, for programs that ask for them",
        "files": "heads of Part 10 files, pieces of data sets, objects to send",
    },
    {
        "events": "the arguments of handlers: kinds of events, `Event`, messages, dumps",
        "peers": "the peer table",
    },
    {"streams": "sockets, TLS, the PROXY header, connections in memory, and the waits of each flavour"},
    {
        "association": "`Driver`, the bytes of an association, and `Session`, its requests and handlers",
        "server": "connections accepted and served, in threads or tasks",
        "logs": "the loggers",
        "evt": "the public names of events and handlers",
    },
    {"scu": "the services as user: storing, responses"},
    {"scp": "the services as provider, a module each"},
    {"entity": "`AE` and `Association`: associate, accept, admit; this room assembles the parts"},
    {
        "": "the public names of the adapters",
        "blocking": "the blocking flavour",
        "asynchronous": "the common part of trio and anyio",
    },
    {
        "trio": "the trio flavour",
        "anyio": "the anyio flavour",
        "testing": "networks in memory, with a clock that jumps",
    },
    {"pynetdicom": "the drop-in for pynetdicom: its names and manners, on the blocking flavour"},
    {"apps.cli": "options, values, addresses, the console, for all commands"},
    {
        "apps.requestor": "the association of the requesting commands",
        "apps.acceptor": "the server of the answering commands",
    },
    {
        "apps.sending": "files found, contexts planned, objects sent",
        "apps.receiving": "objects received and written to files",
        "apps.querying": "identifiers, matches, retrievals",
    },
    {"apps": "the commands, a module each"},
    {"pynetdicom.apps": "the helpers of pynetdicom's applications"},
]
"""`dicomproto_transports` from the bottom up."""


def _in_full(package: str, layers: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {f"{package}.{name}".removesuffix("."): meaning for name, meaning in layer.items()}
        for layer in layers
    ]


LAYERS = [
    *_in_full("dicomproto", ENGINE),
    *_in_full("dicomproto_transports", ADAPTERS),
    {"dicomproto.__main__": "`python -m dicomproto`"},
]
"""All rooms, from the bottom up; a folder within a folder may have a layer of its own."""

PACKAGES = ("dicomproto", "dicomproto_transports")


def room_of(module: str) -> str:
    """Return the room that a module lies in; "" for one that has none."""
    rooms = {room for layer in LAYERS for room in layer}
    name = module
    while name not in rooms:
        name = name.rpartition(".")[0]
        if name in PACKAGES or not name:  # the room of a package's own names is no room for all that is in it
            return ""
    return name


def layer_of(room: str) -> int:
    """Return the number of a room's layer; the lowest is 0."""
    return next(number for number, layer in enumerate(LAYERS) if room in layer)


def modules_in(package: str, folder: Path) -> Modules:
    """Return the modules of a package that lies in `folder`."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _imports(source: bytes) -> list[tuple[int, str, str]]:
    """Return the level, module and name of each import; a name of "" means the module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module or "", alias.name) for alias in node.names]
    return found


def imports_of(module: str, path: Path) -> Iterator[str]:
    """Yield the absolute dotted name of everything that a module imports.

    The imports within functions and those for type checkers alone are among them. `from a import b` gives
    `a.b`, whether that names a module or a value.
    """
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    for level, stem, name in _imports(path.read_bytes()):
        base = package[: len(package) - level + 1] if level else []
        yield ".".join([*base, *filter(None, (stem, name))])


def arrows(modules: Modules) -> dict[str, set[str]]:
    """Return the modules that each module imports from, of those given."""
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        found[module] = set()
        for name in imports_of(module, path):
            while name and name not in modules:  # a value lies in the module before it
                name = name.rpartition(".")[0]
            if name and name != module:
                found[module].add(name)
    return found
