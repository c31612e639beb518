"""Addresses of peers, as primitives hold them."""

from __future__ import annotations

import socket


class AddressInformation:
    """An IPv4 or IPv6 address with a port; a name is resolved when it is set, IPv4 first."""

    def __init__(self, addr: str, port: int, flowinfo: int = 0, scope_id: int = 0) -> None:
        """Resolve a name, or take an address. Raises `socket.gaierror`."""
        self._addr = _resolved(addr)
        self.port = port
        self.scope_id = scope_id
        self.flowinfo = flowinfo

    @property
    def address(self) -> str:
        """The address; a name may be set."""
        return self._addr

    @address.setter
    def address(self, value: str) -> None:
        self._addr = _resolved(value)

    @property
    def address_family(self) -> socket.AddressFamily:
        """The family of the address for a socket."""
        return socket.AF_INET if self.is_ipv4 else socket.AF_INET6

    @property
    def as_tuple(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The address for a socket."""
        if self.is_ipv4:
            return self._addr, self.port
        return self._addr, self.port, self.flowinfo, self.scope_id

    @classmethod
    def from_addr_port(cls, addr: str | tuple[str, int, int], port: int) -> AddressInformation:
        """Return the address of a host, or of a host with flow info and scope ID."""
        return cls(addr, port) if isinstance(addr, str) else cls(addr[0], port, addr[1], addr[2])

    @classmethod
    def from_tuple(cls, address_info: tuple[str, int] | tuple[str, int, int, int]) -> AddressInformation:
        """Return the address that a socket gives."""
        if len(address_info) == 2:
            return cls(address_info[0], address_info[1])
        return cls(address_info[0], address_info[1], address_info[2], address_info[3])

    @property
    def is_ipv4(self) -> bool:
        """True for an IPv4 address."""
        return "." in self._addr

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 address."""
        return ":" in self._addr


def _resolved(name: str) -> str:
    if name == "<broadcast>":
        return "255.255.255.255"
    found = socket.getaddrinfo(name or None, 0, flags=0 if name else socket.AI_PASSIVE)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])
