"""The options that `findscu`, `getscu` and `movescu` share."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError

from dicomproto.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

from ..cli.options import add_requested_syntax, only_syntax
from ..cli.tls import add_security
from ..cli.user_identity import add_identity
from ..cli.values import charset, positive
from .extended_negotiation import add_extensions
from .identifier import identifier_of
from .models import WORKLIST, sop_class_uid


def add_manner(parser: ArgumentParser, service: str, counted: str) -> None:
    """Add the options that the three services share; `counted` names the results."""
    group = parser.add_argument_group("other options")
    group.add_argument(
        "--cancel", type=positive, metavar="N",
        help=f"send C-CANCEL after N {counted}, which is not a failure",
    )  # fmt: skip
    group.add_argument(
        "--assume-charset", type=charset, metavar="NAME",
        help="the character set of the peer's text if it names none, or if the text is not in the one it"
        " names: a value of SpecificCharacterSet, such as 'ISO_IR 100'",
    )  # fmt: skip
    group.add_argument(
        "--show-comments", action="store_true",
        help="show the Error Comments of the peer, which may hold patient data",
    )  # fmt: skip
    add_extensions(parser, service)
    add_identity(parser)
    add_security(parser, is_requestor=True)
    add_requested_syntax(parser)


def settle_query(options: argparse.Namespace) -> None:
    """Set the model and the identifier of the query; raises ArgumentTypeError."""
    options.model = sop_class_uid(options.model or options.default_model)
    options.identifier = identifier_of(options)
    if options.model == WORKLIST and getattr(options, "enhanced_conversion", False):
        raise ArgumentTypeError("--enhanced-conversion means nothing for the Modality Worklist")


def syntaxes_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the transfer syntaxes to propose for identifiers."""
    only = only_syntax(options)
    return (only,) if only else (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
