"""SOP Class Extended Negotiation of Query/Retrieve (PS3.4 C.5) and the Modality Worklist (PS3.4 K.5)."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from ..cli.console import Console
from .models import WORKLIST

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import SOPClassExtendedNegotiation

    from ...blocking import Association


def add_extensions(parser: ArgumentParser, service: str) -> None:
    """Add the options for the extended negotiation of a service: "find", "get" or "move"."""
    group = parser.add_argument_group("extended negotiation options")
    for option, text in _EXTENSIONS[service].items():
        group.add_argument(option, action="store_true", help=f"ask for {text}")


_FIND_EXTENSIONS = {
    "--relational-query": "relational queries",
    "--dt-matching": "combined matching of date and time",
    "--fuzzy-names": "fuzzy matching of person names",
    "--timezone-adj": "adjustment of times to the time zone of the query",
    "--enhanced-conversion": "enhanced multi-frame image conversion",
}
_RETRIEVE_EXTENSIONS = {
    "--relational-retrieval": "relational retrieval",
    "--enhanced-conversion": "enhanced multi-frame image conversion",
}
_EXTENSIONS = {"find": _FIND_EXTENSIONS, "get": _RETRIEVE_EXTENSIONS, "move": _RETRIEVE_EXTENSIONS}
"""By service: the option of each byte of the application information, in order (PS3.4 C.5.1.1, C.5.2.1)."""


def extension_of(options: argparse.Namespace, service: str) -> list[SOPClassExtendedNegotiation]:
    """Return the item for the options, or an empty list."""
    asked = _asked(options, service)
    if not any(asked.values()):
        return []
    from dicomproto.upper_layer.pdu import SOPClassExtendedNegotiation

    bits = bytes(asked.values())
    if options.model == WORKLIST:
        bits = b"\1\1" + bits[2:4]  # PS3.4 K.5.1.1: the first two bytes are always 1
    return [SOPClassExtendedNegotiation(sop_class_uid=options.model, application_information=bits)]


def check_extension(
    association: Association, options: argparse.Namespace, service: str, console: Console
) -> None:
    """Warn of requested features that the peer does not support: the matches may be misleading."""
    answer = association.acceptor.sop_class_extended.get(options.model, b"")
    for position, (option, is_asked) in enumerate(_asked(options, service).items()):
        if is_asked and answer[position : position + 1] != b"\1":
            console.warn(f"the peer does not support {_EXTENSIONS[service][option]} ({option})")


def _asked(options: argparse.Namespace, service: str) -> dict[str, bool]:
    return {option: getattr(options, option[2:].replace("-", "_")) for option in _EXTENSIONS[service]}
