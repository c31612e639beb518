"""The command line: `dicomproto APPLICATION`.

Start-up is part of the cost of a C-ECHO in a monitoring script, so nothing is imported here
that the chosen application does not need.
"""

from __future__ import annotations

from collections.abc import Sequence

APPLICATIONS = {
    "echoscu": "ask a peer for a sign of life (C-ECHO)",
    "echoscp": "answer C-ECHO",
    "storescu": "send DICOM files (C-STORE)",
    "findscu": "ask a peer what it has (C-FIND)",
    "getscu": "fetch objects over the association that asks for them (C-GET)",
    "movescu": "have objects sent to an application entity (C-MOVE)",
    "storescp": "receive DICOM objects and write them to files (C-STORE)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application that `arguments` (default: the command line) name; return its exit status.

    0: all that was asked for was done; 1: something was not; 2: the command line is wrong.
    """
    import sys

    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in APPLICATIONS:
        from importlib import import_module

        application = import_module(f".{words[0]}", __name__)
        status: int = application.main(words[1:])
        return status
    return _without_application(words)


def _without_application(words: list[str]) -> int:
    import argparse

    from ._options import add_version

    listing = "\n".join(f"  {name:10}{purpose}" for name, purpose in APPLICATIONS.items())
    parser = argparse.ArgumentParser(
        prog="dicomproto",
        usage="dicomproto [-h] [--version] application ...",
        description="DICOM network applications.",
        epilog=f"applications:\n{listing}\n\n'dicomproto APPLICATION --help' tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    parser.add_argument("application", help="one of those below")
    options, _ = parser.parse_known_args(words)
    parser.error(f"there is no application {options.application!r}; there are {', '.join(APPLICATIONS)}")
