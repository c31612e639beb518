"""Addresses of the two ends of a connection, and the names of peers in messages."""

from __future__ import annotations

Address = tuple[str, int] | tuple[str, int, int, int] | None
"""The address of one end, as `getsockname()` returns it; None if the transport has no addresses."""


def plain_address(address: Address | str) -> Address:
    """Show an IPv4 peer of a dual stack listener by its IPv4 address; None for a Unix socket."""
    if not isinstance(address, tuple):
        return None
    if address[0].startswith("::ffff:") and "." in address[0]:
        return (address[0][7:], address[1])
    return address


def host_and_port(address: Address) -> tuple[str | None, int | None]:
    """Return both parts of an address, or Nones where the transport has none."""
    return (None, None) if address is None else (address[0], address[1])


def place_of(address: Address) -> str:
    """Return an address as text, such as `[::1]:104`; "nowhere" for None."""
    if address is None:
        return "nowhere"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def name_of(title: str, address: Address) -> str:
    """Return the name of a peer for an error text, such as `'STORESCP' at [::1]:104`."""
    where = "" if address is None else f" at {place_of(address)}"
    return f"{title!r}{where}" if title else f"the peer{where}"
