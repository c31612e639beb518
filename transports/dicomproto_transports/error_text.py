"""The words of messages and errors, and foreign text in printable form."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

from dicomproto.errors import TimedOut

T = TypeVar("T")


def printable(text: str) -> str:
    """Return `text` on one line, with control, format and surrogate characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def uid_named(uid: str) -> str:
    """Return a UID, with its keyword if that is known."""
    from dicomproto.services import keyword_of  # a large table, seldom needed
    from dicomproto.services._sop_class_table import TRANSFER_SYNTAXES

    plain = uid.rstrip("\0 ")
    keyword = keyword_of(plain) or TRANSFER_SYNTAXES.get(plain)
    return f"{printable(uid)} ({keyword})" if keyword else printable(uid) or "(none)"


def named(given: object) -> str:
    """Return the kind of an object without its content, such as "a list" or "the class Dataset"."""
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    name = type(given).__name__
    if name == "bytes":
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def known_as(name: str) -> Callable[[type[T]], type[T]]:
    """Name the methods of a class in Python's own errors by the class that users know."""

    def decorate(kind: type[T]) -> type[T]:
        for method in vars(kind).values():
            if isinstance(method, FunctionType):
                method.__qualname__ = f"{name}.{method.__name__}"
        return kind

    return decorate


def shown(given: object) -> str:
    """Return an argument as an error text shows it; of an object only its type, as it may hold patients."""
    return repr(given)[:80] if _is_plain(given) else named(given)


def _is_plain(given: object) -> bool:
    if isinstance(given, list | tuple | set | frozenset):
        return all(map(_is_plain, given))
    return given is None or isinstance(given, str | bytes | int | float)


# --- states and timeouts ---------------------------------------------------------------------------

_DURING = {
    "Sta2": "before it requested an association",
    "Sta3": "before its association request was answered",
    "Sta4": "before the transport connection stood",
    "Sta5": "before it answered the association request",
    "Sta6": "on the established association",
    "Sta7": "before it answered the release request",
    "Sta8": "before its release request was answered",
    "Sta13": "while the connection was being closed",
}

_WAITS = {
    "association": "its answer to the release request",  # see `timed_out` for the other one
    "artim": "its association request",
    "pdu": "the rest of a PDU",
    "minimum_rate": "the rest of a message that comes too slowly",
    "response": "its response",
    "action": "its response to an N-ACTION",
    "retrieve": "its next response to a C-GET or C-MOVE",
    "cancel": "its final response after a C-CANCEL",
    "idle": "its next message",
    "close": "the connection to be closed",
    "write": "it to take what was sent",
    "connect": "the connection",
    "tls": "its part of the TLS handshake",
    "proxy": "its PROXY header",
}

PROTOCOLS = {
    "tls": "TLS, where plain DICOM was expected",
    "http": "HTTP",
    "proxy": "the PROXY protocol",
    "ssh": "SSH",
}


def during(state: str) -> str:
    """Describe a state of PS3.8 Table 9-10."""
    return _DURING.get(state, "during a release")


def timed_out(peer: str, phase: str, seconds: float | None, state: str = "") -> TimedOut:
    """Return the error of a wait that passed the field `phase` of `Timeouts`."""
    awaited = _WAITS.get(phase, phase)
    if phase == "association" and state == "Sta5":
        awaited = "its answer to the association request"
    if phase == "minimum_rate":
        bound = "" if seconds is None else f", on average less than {seconds:g} bytes a second"
    else:
        bound = "" if seconds is None else f" within {seconds:g} s"
    return TimedOut(f"{peer}: waited for {awaited}{bound} ({phase} timeout)", phase=phase)
