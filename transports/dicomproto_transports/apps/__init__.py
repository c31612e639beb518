"""The command line: `dicomproto APPLICATION`, or `python -m dicomproto APPLICATION`.

Start-up is part of the cost of a C-ECHO in a monitoring script. Nothing is imported here that the
chosen application does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

APPLICATIONS = {
    "echoscu": "verify that a peer answers (C-ECHO)",
    "echoscp": "answer C-ECHO",
    "storescu": "send DICOM files (C-STORE)",
    "findscu": "query a peer (C-FIND)",
    "getscu": "retrieve objects over the same association (C-GET)",
    "movescu": "have objects sent to an application entity (C-MOVE)",
    "storescp": "receive DICOM objects and write them to files (C-STORE)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application that `arguments` (default: the command line) name; return its exit status.

    0: everything succeeded; 1: something failed, or a signal came; 2: the command line is not valid.
    """
    import atexit
    import gc
    import sys

    if arguments is None:  # the process is ours: at its end nobody has to look for cycles
        atexit.register(gc.freeze)
    try:
        with _signals_interrupt():
            return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # the application itself had nothing to clean up
        if sys.stderr is not None:
            print("E: interrupted", file=sys.stderr)
        return 1


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """A block in which SIGTERM and SIGHUP act as Ctrl-C, so that no half-written file is left.

    Only the first signal counts: another one would interrupt the clean-up.
    """
    import signal
    import threading

    taken: list[signal.Signals] = []

    def interrupt(number: int, frame: object) -> None:
        for other in taken:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        taken = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def importing() -> Iterator[None]:
    """A block of imports, in which the cyclic garbage collector rests.

    Imports make many objects and drop none of them: the collector would look through all of them in vain.
    """
    import gc

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _run(arguments: Sequence[str]) -> int:
    words = list(arguments)
    if words and words[0] in APPLICATIONS:
        from importlib import import_module

        with importing():
            application = import_module(f".{words[0]}", __name__)
        status: int = application.main(words[1:])
        return status
    return _without_application(words)


def _without_application(words: list[str]) -> int:
    import argparse

    from .cli.options import HelpFormatter, add_version

    listing = "\n".join(f"  {name:10}{purpose}" for name, purpose in APPLICATIONS.items())
    parser = argparse.ArgumentParser(
        prog="dicomproto",
        usage="dicomproto [-h] [--version] application ...",
        description="DICOM network applications.",
        epilog=f"applications:\n{listing}\n\n'dicomproto APPLICATION --help' describes each.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    parser.add_argument("application", help="one of those below")
    if not words:
        parser.print_help()
        parser.exit(2)
    options, _ = parser.parse_known_args(words)
    parser.error(f"there is no application {options.application!r}; there are {', '.join(APPLICATIONS)}")
