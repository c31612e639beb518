"""DICOM networking over real connections: the adapters of `dicomproto`.

`blocking`, `trio` and `anyio` have the same names: `AE`, `Association`, `Server` and the events in `evt`.
Import them from the flavour that you use. `testing` has a network in memory with a virtual clock. The names
of `contexts`, such as `VerificationPresentationContexts`, and `debug_logger` are found here as well. Nothing
is imported here before its first use, so that a program loads one flavour only.

Seven words have one meaning each:

association   the agreement of two application entities to exchange messages; an `Association` stands for it
session       the work on one association: requests of both sides, handlers; owned by an `Association`
connection    the transport connection that carries an association; `Connection` is the engine that reads it
context       a presentation context: an abstract syntax with a transfer syntax, under a number
operation     a request and all of its responses, with one Message ID
message       a request or a response: a command set, and a data set if the command says so
data set      the data elements behind a command set, encoded in the transfer syntax of the message's context
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contexts import *  # noqa: F403
    from .logs import debug_logger as debug_logger


def _check_platform(platform: str) -> None:
    if platform == "win32":
        raise ImportError(
            "dicomproto_transports does not run on Windows: it needs poll(), sendmsg() and POSIX signals. "
            "Run it in WSL (the Windows Subsystem for Linux); the engine, dicomproto, runs anywhere.",
            name=__name__,
        )


_check_platform(sys.platform)


def __getattr__(name: str) -> object:
    if name == "debug_logger":
        from .logs import debug_logger

        return debug_logger
    if name.startswith("_") or not (name.endswith("Contexts") or name in _FROM_CONTEXTS):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import contexts

    return getattr(contexts, name)


_FROM_CONTEXTS = ("ALL_TRANSFER_SYNTAXES", "DEFAULT_TRANSFER_SYNTAXES", "build_context", "build_role")
