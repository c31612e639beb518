"""The information models of Query/Retrieve and of the worklists (PS3.4 C.6, K.6, CC)."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError

from ..cli.console import Console

_ROOT = "1.2.840.10008.5.1.4.1.2"
_SERVICES = {"find": 1, "move": 2, "get": 3}
WORKLIST = "1.2.840.10008.5.1.4.31"
_UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
_MODELS = {
    "-P --patient": ("1", "the Patient Root model (default)"),
    "-S --study": ("2", "the Study Root model"),
    "-O --psonly": ("3", "the Patient/Study Only model, which is retired"),
}
_FIND_MODELS = {
    "-W --worklist": (WORKLIST, "the Modality Worklist model"),
    "-U --ups": (_UPS_PULL, "the Unified Procedure Step model (Pull)"),
}
_WITH_LEVEL = tuple(f"{_ROOT}.{number}." for number in "123")
_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


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


def check_level(options: argparse.Namespace, console: Console) -> None:
    """Warn if the query has no level, which the Query/Retrieve models need (PS3.4 C.4.1.1.3.1)."""
    if options.model.startswith(_WITH_LEVEL) and "QueryRetrieveLevel" not in options.identifier:
        console.warn(f"the query has no level: -k QueryRetrieveLevel=, one of {', '.join(_LEVELS)}")


def sop_class_uid(text: str) -> str:
    """Return the UID of a SOP class from its UID or keyword; raises ArgumentTypeError."""
    if text.replace(".", "").isdecimal() and len(text) <= 64:
        return text
    from dicomproto.services import uid_of

    uid = uid_of(text)
    if uid is None:
        raise ArgumentTypeError(f"there is no SOP class {text!r}")
    return uid
