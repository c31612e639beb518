"""Rows of single parts: the start of a program, TLS, and the codec of PDUs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

from .codec import decoding, encoding
from .row import Row, Take, once, program, repeatedly
from .sides import Side
from .tls import KINDS, tls_tasks


def start_up(side: Side) -> Iterator[Row]:
    """`echoscu` as a whole process, and the import of what it takes to use the engine."""

    def take(*words: str) -> Take:
        return lambda count: sum(program([sys.executable, *words], side.environment) for _ in range(count))

    python = take("-c", "pass")
    script = "import sys; from dicomproto_transports.apps import main; sys.exit(main())"  # as pip installs it
    echoscu = take("-c", script, "echoscu", "-q", "127.0.0.1", str(side.port))
    yield Row("echoscu", "echoscu, whole process / a bare interpreter", 3.2, echoscu, python, 2, 4, True)
    made = (
        "from dicomproto import Connection, Role, UpperLayer; "
        "Connection(Role.REQUESTOR); UpperLayer(Role.REQUESTOR)"
    )
    title = "import of Connection and UpperLayer, one of each / a bare interpreter"
    yield Row("import", title, 2.0, take("-c", made), python, 2, 4, True)


def tls(stack: ExitStack) -> Iterator[Row]:
    """Bytes through TLS, beside an ssl socket and beside our stream without TLS."""
    tasks = stack.enter_context(tls_tasks())
    ours, theirs, plain = (once(tasks[kind]) for kind in KINDS)
    yield Row("tls", "200 MiB through TLS / an ssl socket", 0.85, ours, theirs, 1, 1)
    yield Row("tls-plain", "200 MiB through TLS / the same without TLS", None, ours, plain, 1, 1)


def codec() -> Iterator[Row]:
    """An A-ASSOCIATE-RQ of 128 contexts, beside pynetdicom."""
    for name, goal, contenders in (("decoded", 18, decoding()), ("encoded", None, encoding())):
        ours, theirs = (repeatedly(task) for task in contenders)
        title = f"A-ASSOCIATE-RQ of 128 contexts, {name} / pynetdicom"
        yield Row(f"codec-{name}", title, goal, ours, theirs)
