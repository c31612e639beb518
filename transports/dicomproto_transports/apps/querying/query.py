"""What `findscu`, `getscu` and `movescu` have in common: the models, their extended negotiation, the end."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

from ..cli.console import Console
from ..cli.options import add_requested_syntax, only_syntax
from ..cli.tls import add_security
from ..cli.user_identity import add_identity
from ..cli.values import charset, positive
from .identifier import identifier_of

if TYPE_CHECKING:
    from dicomproto.dimse.commands import CFindRSP, CGetRSP, CMoveRSP
    from dicomproto.upper_layer.pdu import SOPClassExtendedNegotiation

    from ...blocking import Association

    Reply = CFindRSP | CGetRSP | CMoveRSP

_ROOT = "1.2.840.10008.5.1.4.1.2"
_SERVICES = {"find": 1, "move": 2, "get": 3}
_WORKLIST = "1.2.840.10008.5.1.4.31"
_UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
_MODELS = {
    "-P --patient": ("1", "the Patient Root model (default)"),
    "-S --study": ("2", "the Study Root model"),
    "-O --psonly": ("3", "the Patient/Study Only model, which is retired"),
}
_FIND_MODELS = {
    "-W --worklist": (_WORKLIST, "the Modality Worklist model"),
    "-U --ups": (_UPS_PULL, "the Unified Procedure Step model (Pull)"),
}
_WITH_LEVEL = tuple(f"{_ROOT}.{number}." for number in "123")
_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")

CANCELLED = 0xFE00


def add_models(parser: ArgumentParser, service: str) -> None:
    """Add the choice of the information model for `service`: "find", "get" or "move"."""
    group = parser.add_argument_group("information model options").add_mutually_exclusive_group()
    for spelling, (number, text) in _MODELS.items():
        uid = f"{_ROOT}.{number}.{_SERVICES[service]}"
        group.add_argument(
            *spelling.split(), dest="model", action="store_const", const=uid, help=f"use {text}"
        )
    for spelling, (uid, text) in _FIND_MODELS.items() if service == "find" else ():
        group.add_argument(
            *spelling.split(), dest="model", action="store_const", const=uid, help=f"use {text}"
        )
    group.add_argument(
        "--model", metavar="CLASS",
        help="use another model: UID or keyword of its SOP class, such as HangingProtocolInformationModel"
        + service.capitalize(),
    )  # fmt: skip
    parser.set_defaults(default_model=f"{_ROOT}.1.{_SERVICES[service]}")


def _add_extensions(parser: ArgumentParser, service: str) -> None:
    """Add the extended negotiation that the service knows (PS3.4 C.5, K.5)."""
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


def add_manner(parser: ArgumentParser, service: str, counted: str) -> None:
    """Add how the peer is asked, which is the same for all three; what it answers with are `counted`."""
    group = parser.add_argument_group("other options")
    group.add_argument(
        "--cancel", type=positive, metavar="N",
        help=f"send C-CANCEL after N {counted}; that is no failure, then",
    )  # fmt: skip
    group.add_argument(
        "--assume-charset", type=charset, metavar="NAME",
        help="the character set of the peer's text where it names none, or one that the text is not in:"
        " a value of SpecificCharacterSet, as 'ISO_IR 100'",
    )  # fmt: skip
    group.add_argument(
        "--show-comments", action="store_true",
        help="show the Error Comments of the peer, which may hold patient data",
    )  # fmt: skip
    _add_extensions(parser, service)
    add_identity(parser)
    add_security(parser, is_requestor=True)
    add_requested_syntax(parser)


def settle_query(options: argparse.Namespace) -> None:
    """Settle what is to be asked, and by which model; raises ArgumentTypeError."""
    options.model = sop_class_uid(options.model or options.default_model)
    options.identifier = identifier_of(options)
    if options.model == _WORKLIST and getattr(options, "enhanced_conversion", False):
        raise ArgumentTypeError("--enhanced-conversion means nothing for the Modality Worklist")


def check_level(options: argparse.Namespace, console: Console) -> None:
    """Warn if the level is missing that the query/retrieve models need (PS3.4 C.4.1.1.3.1)."""
    if options.model.startswith(_WITH_LEVEL) and "QueryRetrieveLevel" not in options.identifier:
        console.warn(f"the query has no level: -k QueryRetrieveLevel=, one of {', '.join(_LEVELS)}")


def sop_class_uid(text: str) -> str:
    """Return the UID of a SOP class that is named by its UID or keyword; raises ArgumentTypeError."""
    if text.replace(".", "").isdecimal() and len(text) <= 64:
        return text
    from dicomproto.services import uid_of

    uid = uid_of(text)
    if uid is None:
        raise ArgumentTypeError(f"there is no SOP class {text!r}")
    return uid


def syntaxes_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the transfer syntaxes to propose for identifiers."""
    only = only_syntax(options)
    return (only,) if only else (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@contextmanager
def without_warnings() -> Iterator[None]:
    """A block in which pydicom does not say on stderr what is odd about a value, and quote it."""
    from dicomproto.quiet import Quiet

    with Quiet():
        yield


# --- extended negotiation -----------------------------------------------------------------------


def extension_of(options: argparse.Namespace, service: str) -> list[SOPClassExtendedNegotiation]:
    """Return the item that the options ask for, or none."""
    asked = _asked(options, service)
    if not any(asked.values()):
        return []
    from dicomproto.upper_layer.pdu import SOPClassExtendedNegotiation

    bits = bytes(asked.values())
    if options.model == _WORKLIST:
        bits = b"\1\1" + bits[2:4]  # PS3.4 K.5.1.1: the first two are always there
    return [SOPClassExtendedNegotiation(sop_class_uid=options.model, application_information=bits)]


def check_extension(
    association: Association, options: argparse.Namespace, service: str, console: Console
) -> None:
    """Warn of what was asked for and is not supported by the peer: the answer may not be what it seems."""
    answer = association.acceptor.sop_class_extended.get(options.model, b"")
    for position, (option, is_asked) in enumerate(_asked(options, service).items()):
        if is_asked and answer[position : position + 1] != b"\1":
            console.warn(f"the peer does not support {_EXTENSIONS[service][option]} ({option})")


def _asked(options: argparse.Namespace, service: str) -> dict[str, bool]:
    return {option: getattr(options, option[2:].replace("-", "_")) for option in _EXTENSIONS[service]}


# --- the end ------------------------------------------------------------------------------------


class Ending:
    """How an operation ended, as far as it did."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._console = console
        self._shows_comments: bool = options.show_comments
        self.response: Reply | None = None
        self.was_cancelled = False
        """Whether we sent a C-CANCEL."""
        self._has_all = False

    @property
    def is_as_asked(self) -> bool:
        """Whether the final status says success, if with warnings, or that we had cancelled it."""
        if self.response is None:
            return False
        if self.response.Status == 0 or self._has_all:
            return True
        return self.was_cancelled and self.response.Status == CANCELLED

    def take(self, response: Reply, *, has_all: bool = False) -> None:
        """Take the final response; `has_all` if its status is a warning, and yet nothing is missing."""
        self.response, self._has_all = response, has_all
        if not self.is_as_asked:
            self._console.error(f"the peer answered {response.status}")
        elif has_all:
            self._console.warn(f"the peer answered {response.status}, and counts warnings, but no failure")
        self.comment(response)

    def comment(self, response: Reply) -> None:
        """Show what the peer says about a status, if that was asked for."""
        if self._shows_comments and response.ErrorComment:
            self._console.warn(f"the peer says: {response.ErrorComment}")

    @property
    def facts(self) -> dict[str, object]:
        """The final status for a program; None if there was none."""
        if self.response is None:
            return {"status": None, "meaning": None, "cancelled": self.was_cancelled}
        status = self.response.status
        return {"status": int(status), "meaning": status.meaning, "cancelled": self.was_cancelled}
