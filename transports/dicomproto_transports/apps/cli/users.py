"""The users that an acceptor serves (PS3.7 D.3.3.7): all without a check, or those of a file.

A line of the file is a name, or a name and a passcode with a colon between them. A name without a passcode
admits everybody who presents it, with any passcode or none. Names and passcodes are never shown.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from codecs import BOM_UTF8
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from .user_identity import USER, USER_AND_PASSCODE, read_secret

if TYPE_CHECKING:
    from ...evt import Binding, RequestedEvent, UserIdentityEvent

_REJECTION = 1, 2, 1
"""The rejection of a wrong identity: permanent, by the ACSE, no reason given (PS3.7 D.3.3.7)."""
_OF_NOTHING = bytes(32)
"""The digest of no passcode."""


class Users:
    """The users of a file."""

    def __init__(self, path: str) -> None:
        self._passcodes: dict[bytes, bytes | None] = {}  # SHA-256 digests
        for number, line in enumerate(read_secret(path).removeprefix(BOM_UTF8).split(b"\n"), 1):
            line = line.removesuffix(b"\r")
            if not line:
                continue
            name, colon, passcode = line.partition(b":")
            problem = _problem(name, bool(colon), passcode)
            if name in self._passcodes:
                problem = "this user is listed twice"
            if problem:
                raise ArgumentTypeError(f"argument --users: {path}, line {number}: {problem}")
            self._passcodes[name] = sha256(passcode).digest() if colon else None
        if not self._passcodes:
            raise ArgumentTypeError(f"argument --users: {path} names no user")

    @property
    def have_passcodes(self) -> bool:
        """Whether any user has a passcode; passcodes are sent in clear."""
        return any(self._passcodes.values())

    def know(self, kind: int, name: bytes, passcode: bytes) -> bool:
        """Tell whether an identity is that of a user, in a time that does not depend on the passcode."""
        if kind not in (USER, USER_AND_PASSCODE):
            return False
        expected = self._passcodes.get(name, _OF_NOTHING)
        if expected is None:
            return True
        return compare_digest(expected, sha256(passcode).digest()) and kind == USER_AND_PASSCODE


def _problem(name: bytes, has_passcode: bool, passcode: bytes) -> str:
    """Return why a line is not valid, or "". A line with another meaning must admit nobody."""
    if name.startswith(b"#"):
        return "there are no comments"
    if not name.strip():
        return "a name is missing"
    if name != name.strip():
        return "a name neither begins nor ends with white space"
    return "a passcode after the colon is missing" if has_passcode and not passcode else ""


def settle_users(options: argparse.Namespace) -> None:
    """Replace the path in `options.users` with its users; raises ArgumentTypeError."""
    options.users = None if options.users is None else Users(options.users)


def bindings_of(options: argparse.Namespace) -> list[Binding]:
    """Return the handlers that check user identities."""
    from ...evt import EVT_REQUESTED, EVT_USER_ID

    users: Users | None = options.users
    if users is None:
        return [(EVT_USER_ID, _accept)] if options.accept_identity else []

    def judge(event: UserIdentityEvent) -> bool:
        return users.know(event.user_id_type, event.primary_field, event.secondary_field)

    return [(EVT_USER_ID, judge), (EVT_REQUESTED, _demand)]


def _accept(event: UserIdentityEvent) -> bool:
    return True


def _demand(event: RequestedEvent) -> None:
    if event.associate_request.user_identity is None:
        event.reject(*_REJECTION)
