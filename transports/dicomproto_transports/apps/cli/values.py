"""Parsers of option values. Each raises ArgumentTypeError for a text that is not valid."""

from __future__ import annotations

from argparse import ArgumentTypeError

from dicomproto.upper_layer.conformance import is_valid_ae_title

SYSTEMD = "systemd"
"""The word in place of a port that stands for the sockets from systemd."""


def ae_title(text: str) -> str:
    """Return an AE title without its padding (PS3.5 6.2: 16 characters, no backslash or control)."""
    title = text.strip(" ")
    if not is_valid_ae_title(title):
        raise ArgumentTypeError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return title


def port(text: str) -> int:
    """Return a TCP port; 0 is valid and stands for a free one."""
    return _number(text, 0, 65535, "a port")


def peer_port(text: str) -> int:
    """Return the TCP port of a peer; 0 is not valid."""
    return _number(text, 1, 65535, "a port")


def listening_port(text: str) -> int | str:
    """Return a TCP port to listen on, or `SYSTEMD`."""
    if text == SYSTEMD:
        return text
    return port(text)


def network(text: str) -> str:
    """Return an IP network or address."""
    from ipaddress import ip_network

    try:
        ip_network(text)
    except ValueError as error:
        raise ArgumentTypeError(f"a network, such as 10.0.0.0/8, is needed: {error}") from None
    return text


def positive(text: str) -> int:
    """Return a whole number above 0."""
    return _number(text, 1, 2**31, "the value")


def window(text: str) -> int:
    """Return a number of outstanding requests."""
    return _number(text, 1, 0xFFFF, "a window")


def at_once(text: str) -> int:
    """Return a number of associations or processes that work at once."""
    return _number(text, 1, 64, "the value")


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more and finite."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise ArgumentTypeError("a number of seconds, 0 or more, is needed")
    return value


def max_pdu(text: str) -> int:
    """Return a maximum length to announce; 0 stands for unlimited."""
    value = _number(text, 0, 2**32 - 1, "a maximum length")
    if 0 < value < 128:
        raise ArgumentTypeError("a maximum length is 0 (unlimited) or 128 and more")
    return value


def charset(text: str) -> str:
    """Return the name of a character set, or several names with backslashes between them."""
    from dicomproto.encoding.characters import are_known

    if not are_known(text.split("\\")):
        raise ArgumentTypeError(f"there is no character set {text!r}; give one such as 'ISO_IR 100'")
    return text


def _number(text: str, low: int, high: int, what: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ArgumentTypeError(f"{what} is a whole number from {low} to {high}")
    return value
