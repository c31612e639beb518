"""IP networks, and the addresses in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..checks import parsed_networks

if TYPE_CHECKING:
    from ..checks import Network
    from .addresses import Address


class Networks:
    """One or several IP networks. A Unix socket has no address and lies in no network.

    Raises TypeError or ValueError if an argument is not a network.
    """

    def __init__(self, networks: Network | Iterable[Network]) -> None:
        from ipaddress import ip_address

        self._networks = parsed_networks(networks)
        self._parse = ip_address

    def __contains__(self, address: Address) -> bool:
        if address is None:
            return False
        parsed = self._parse(address[0])
        return any(parsed in network for network in self._networks)
