"""The user identity of a requestor (PS3.7 D.3.3.7), from options.

Secrets come from files or the environment. No option holds one: every user of the machine can read a command
line, and shells keep it in their history.
"""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomproto.upper_layer.pdu import UserIdentityRQ

USER, USER_AND_PASSCODE, _KERBEROS, _SAML, _JWT = 1, 2, 3, 4, 5
"""Kinds of identity (PS3.7 Table D.3-14). All but the user name hold a secret."""

_FROM_FILE = {"kerberos_file": _KERBEROS, "saml_file": _SAML, "jwt_file": _JWT}
_LONGEST = 0xFFFF  # the lengths in the item have 16 bits (PS3.7 Table D.3-14)


def add_identity(parser: ArgumentParser) -> None:
    """Add the options for the identity of the user."""
    group = parser.add_argument_group("user identity options")
    kind = group.add_mutually_exclusive_group()
    kind.add_argument("-usr", "--user", metavar="NAME", help="name of the user")
    kind.add_argument(
        "-kt", "--kerberos-file", metavar="FILE", help="file with a Kerberos service ticket",
    )  # fmt: skip
    kind.add_argument("--saml-file", metavar="FILE", help="file with a SAML assertion")
    kind.add_argument("--jwt-file", metavar="FILE", help="file with a JSON web token")
    passcode = group.add_mutually_exclusive_group()
    passcode.add_argument(
        "--password-file", metavar="FILE", help="file whose first line is the passcode of the user"
    )
    passcode.add_argument(
        "--password-env", metavar="NAME", help="environment variable that holds the passcode of the user"
    )
    group.add_argument(
        "-rsp", "--identity-response", action="store_true",
        help="ask for a positive response, and abort the association without one",
    )  # fmt: skip


def identity_of(options: argparse.Namespace) -> UserIdentityRQ | None:
    """Return the User Identity item for the options, None without any; raises ArgumentTypeError."""
    kinds = [name for name in _FROM_FILE if getattr(options, name)]
    if (options.password_file or options.password_env) and options.user is None:
        raise ArgumentTypeError("a passcode needs --user")
    if options.identity_response and options.user is None and not kinds:
        raise ArgumentTypeError("--identity-response needs an identity, such as --user")
    second = b""
    if options.user is not None:
        try:
            kind, first = USER, options.user.encode("utf-8")
        except UnicodeEncodeError:  # bytes of the command line that are not UTF-8
            raise ArgumentTypeError("argument -usr: the name of the user is not in UTF-8") from None
        passcode = secret_of(options, "password")
        if passcode is not None:
            kind, second = USER_AND_PASSCODE, passcode
    elif kinds:
        (name,) = kinds
        kind, path = _FROM_FILE[name], getattr(options, name)
        first = read_secret(path)
        if kind != _KERBEROS:  # a ticket is binary; a text may end with a line feed
            first = first.strip()
    else:
        return None
    for value, what in ((first, "identity"), (second, "passcode")):
        if not value and (what == "identity" or kind == USER_AND_PASSCODE):
            raise ArgumentTypeError(f"the {what} of the user is empty")
        if len(value) > _LONGEST:
            raise ArgumentTypeError(f"the {what} of the user has more than {_LONGEST} bytes")
    from dicomproto.upper_layer.pdu import UserIdentityRQ

    return UserIdentityRQ(
        identity_type=kind,
        primary_field=first,
        secondary_field=second,
        positive_response_requested=options.identity_response,
    )


def secret_of(options: argparse.Namespace, name: str) -> bytes | None:
    """Return the first line of the file of `--NAME-file`, or the variable of `--NAME-env`."""
    path: str | None = getattr(options, f"{name}_file")
    variable: str | None = getattr(options, f"{name}_env")
    if path is not None:
        return read_secret(path).partition(b"\n")[0].removesuffix(b"\r")
    if variable is None:
        return None
    value = os.environ.get(variable)
    if value is None:
        raise ArgumentTypeError(f"the environment has no variable {variable}")
    return value.encode("utf-8", "surrogateescape")


def read_secret(path: str) -> bytes:
    """Return the content of a file; raises ArgumentTypeError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ArgumentTypeError(f"{path}: {error.strerror}") from None
